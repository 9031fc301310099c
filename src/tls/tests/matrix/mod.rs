//! What every library has to pass, as client and as server, in memory.
//!
//! Each module names its tests in a [`for_backends`] at its end; a new library is
//! one more line in that macro, and one in [`abilities`] for what only some of them do.

mod abilities;
mod hostile;
mod link;
mod refusal;
mod transfer;
mod trust;

use std::path::PathBuf;

use self::link::{Link, Pair};
use crate::tls::{
    CertificateFiles, ClientSettings, Keywords, ServerSettings, VerifySource, Version,
};

/// Makes of functions that take a [`Pair`] one test for each pair of libraries that are
/// built in, named `client::server::test`.
macro_rules! for_backends {
    ($($test:ident),+ $(,)?) => {
        for_backends! { @twice [$($test)+] [
            (rustls "rustls" Rustls)
            (openssl "openssl" OpenSsl)
            (mbedtls "mbedtls" MbedTls)
        ] }
    };
    (@twice $tests:tt $libraries:tt) => {
        for_backends! { @clients $tests $libraries $libraries }
    };
    (@clients $tests:tt [$($client:tt)+] $servers:tt) => {
        $(for_backends! { @client $tests $client $servers })+
    };
    (@client $tests:tt ($client:ident $feature:literal $backend:ident) [$($server:tt)+]) => {
        #[cfg(feature = $feature)]
        mod $client {
            use crate::tls::tests::matrix::for_backends;
            $(for_backends! { @server $tests $backend $server })+
        }
    };
    (@server [$($test:ident)+] $client:ident ($server:ident $feature:literal $backend:ident)) => {
        #[cfg(feature = $feature)]
        mod $server {
            use crate::tls::tests::matrix::{for_backends, link::Pair};
            use crate::tls::Backend;
            $(for_backends! { @test $test Pair::new(Backend::$client, Backend::$backend) })+
        }
    };
    (@test $test:ident $pair:expr) => {
        #[test]
        fn $test() {
            super::super::$test($pair)
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

/// The versions that are spoken without being asked for, by their names and the
/// keywords that leave only them.
const VERSIONS: [(Version, &str, &str); 2] = [
    (Version::Tls12, "TLSv1.2", "-tlsv1.2"),
    (Version::Tls13, "TLSv1.3", "tlsv1.3"),
];

/// Those of them that both ends speak.
fn versions(pair: Pair) -> impl Iterator<Item = (&'static str, &'static str)> {
    let both = move |version| {
        let spoken = [pair.client.versions(), pair.server.versions()];
        spoken.iter().all(|range| range.contains(&version))
    };
    let spoken = VERSIONS
        .into_iter()
        .filter(move |(version, ..)| both(*version));
    spoken.map(|(_, name, keywords)| (name, keywords))
}

/// A connection of that version between two that do not verify each other.
fn plain_link(pair: Pair, version: &str) -> Link {
    let client = ClientSettings {
        keywords: Keywords::parse(version),
        ..client(VerifySource::Absent, "")
    };
    Link::new(pair, &client, &server("server", VerifySource::Absent))
}
