//! What some libraries can and others cannot: the only place where tests of the matrix
//! expect different things of them.

use crate::tls::{Backend, Provider};

/// What one library can.
pub(in crate::tls) struct Abilities {
    /// Finds the common name of a certificate that has no other names.
    pub(in crate::tls) common_names: bool,
    /// Verifies certificates of version 1, and what is signed with their keys.
    pub(in crate::tls) version_1: bool,
    /// Answers what is not TLS at all with an alert.
    pub(in crate::tls) alerts_to_clear_text: bool,
}

impl Abilities {
    pub(in crate::tls) fn of(provider: &dyn Provider) -> Abilities {
        match provider.backend() {
            Backend::Rustls => Abilities {
                common_names: false,
                version_1: false,
                alerts_to_clear_text: true,
            },
            Backend::OpenSsl => Abilities {
                common_names: true,
                version_1: true,
                alerts_to_clear_text: false,
            },
            Backend::MbedTls => Abilities {
                common_names: true,
                version_1: true,
                alerts_to_clear_text: true,
            },
        }
    }
}
