//! What every library has to pass, as client and as server, in memory.
//!
//! Each module names its tests in a [`for_backends`] at its end; a new library is
//! one more line there, and one for each library that it has to talk to.

mod hostile;
mod link;
mod refusal;
mod transfer;
mod trust;

use std::path::PathBuf;

use self::link::{Link, Pair};
use crate::tls::{CertificateFiles, ClientSettings, Keywords, ServerSettings, VerifySource};

/// Makes of functions that take a [`Pair`] one test for each pair of libraries.
macro_rules! for_backends {
    ($($test:ident),+ $(,)?) => {
        #[cfg(feature = "rustls")]
        mod rustls {
            use crate::tls::{Backend, tests::matrix::link::Pair};
            $(#[test] fn $test() { super::$test(Pair::new(Backend::Rustls, Backend::Rustls)) })+
        }
    };
}
use for_backends;

/// A file of the test certificates.
pub(in crate::tls) fn pki(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pki")).join(name)
}

/// `name.key` and `name.pem`; the key of `x-chain.pem` is in `x.key`.
pub(in crate::tls) fn files(name: &str) -> CertificateFiles {
    let key = name.strip_suffix("-chain").unwrap_or(name);
    CertificateFiles {
        key: pki(&format!("{key}.key")),
        chain: pki(&format!("{name}.pem")),
    }
}

/// A server with that certificate that asks clients for theirs as `verify` says.
pub(in crate::tls) fn server(certificate: &str, verify: VerifySource) -> ServerSettings {
    ServerSettings {
        certificate: files(certificate),
        verify,
        keywords: Keywords::default(),
    }
}

/// A client that trusts as `verify` says and insists on the name, if it is one.
pub(in crate::tls) fn client(verify: VerifySource, name: &str) -> ClientSettings {
    ClientSettings {
        verify,
        verify_name: (!name.is_empty()).then(|| name.to_owned()),
        ..ClientSettings::default()
    }
}

/// The file with that authority.
pub(in crate::tls) fn by(authority: &str) -> VerifySource {
    VerifySource::Path(pki(&format!("{authority}.pem")))
}

/// The versions that all libraries speak, by the keywords that leave only them.
const VERSIONS: [(&str, &str); 2] = [("TLSv1.2", "-tlsv1.2"), ("TLSv1.3", "tlsv1.3")];

/// A connection of that version between two that do not verify each other.
fn plain_link(pair: Pair, version: &str) -> Link {
    let client = ClientSettings {
        keywords: Keywords::parse(version),
        ..client(VerifySource::Absent, "")
    };
    Link::new(pair, &client, &server("server", VerifySource::Absent))
}
