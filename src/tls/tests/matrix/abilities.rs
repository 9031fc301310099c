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
    /// Asks clients for a certificate that they need not have.
    pub(in crate::tls) asks_without_need: bool,
    /// Shows clients a certificate that says that it is for something else.
    pub(in crate::tls) serves_with_any: bool,
    /// Compares names with what an authority is limited to, and refuses no others.
    pub(in crate::tls) compares_with_limits: bool,
}

impl Abilities {
    pub(in crate::tls) fn of(provider: &dyn Provider) -> Abilities {
        match provider.backend() {
            Backend::Rustls => Abilities {
                common_names: false,
                version_1: false,
                alerts_to_clear_text: true,
                asks_without_need: true,
                serves_with_any: true,
                compares_with_limits: true,
            },
            Backend::OpenSsl => Abilities {
                common_names: true,
                version_1: true,
                alerts_to_clear_text: false,
                asks_without_need: true,
                serves_with_any: true,
                compares_with_limits: true,
            },
            Backend::MbedTls => Abilities {
                common_names: true,
                version_1: true,
                alerts_to_clear_text: true,
                asks_without_need: false,
                serves_with_any: false,
                compares_with_limits: false,
            },
        }
    }
}
