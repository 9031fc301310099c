//! What is so with OpenSSL only.

use ::openssl::ssl::SslVersion;

use super::*;
use crate::base::ByteQueue;
use crate::sys::testing::TempDir;
use crate::tls::file::{Authorities, Origin};
use crate::tls::tests::matrix::{by, client, pki, server};
use crate::tls::{CertificateFiles, VerifySource};

const ABSENT: VerifySource = VerifySource::Absent;

fn with_keywords(certificate: &str, keywords: &str) -> ServerSettings {
    ServerSettings {
        keywords: Keywords::parse(keywords),
        ..server(certificate, ABSENT)
    }
}

/// Why a client refuses a server.
fn complaint(settings: &ClientSettings, certificate: &str) -> String {
    let connector = OpenSsl.client(settings).unwrap();
    let acceptor = OpenSsl.server(&server(certificate, ABSENT)).unwrap();
    let mut client = connector.connect().unwrap();
    let mut server = acceptor.accept().unwrap();
    let mut wire = ByteQueue::new(100_000);
    loop {
        client.take_cipher(&mut wire);
        server.feed_cipher(&mut wire).unwrap();
        server.take_cipher(&mut wire);
        if let Err(error) = client.feed_cipher(&mut wire) {
            return error.to_string();
        }
        assert!(client.is_handshaking() || client.wants_output(), "accepted");
    }
}

#[test]
fn refusals_say_why() {
    for (settings, certificate, expected) in [
        (
            client(by("other-ca"), ""),
            "server",
            "unable to get local issuer certificate",
        ),
        (client(by("ca"), "x.example"), "server", "hostname mismatch"),
        (
            client(by("ca"), "127.0.0.2"),
            "server",
            "IP address mismatch",
        ),
        (client(by("ca"), ""), "expired", "certificate has expired"),
        (
            client(by("ca"), ""),
            "future",
            "certificate is not yet valid",
        ),
    ] {
        // In other letters by other versions.
        let complaint = complaint(&settings, certificate).to_lowercase();
        let expected = format!(
            "tls handshake failed: certificate verify failed: {}",
            expected.to_lowercase()
        );
        assert_eq!(complaint, expected);
    }
}

#[test]
fn keys_that_are_too_short_are_refused_when_they_are_read_unless_old_versions_are_spoken() {
    let settings = with_keywords("short", "tlsv1.0");
    assert!(OpenSsl.server(&settings).is_ok());
    let builder = context::begin(SslMethod::tls_server(), &Keywords::default());
    // Keys of 1024 bits are below level 2, which is up to the system.
    if builder.unwrap().build().security_level() >= 2 {
        let error = OpenSsl.server(&server("short", ABSENT)).err().unwrap();
        let expected = "cannot use certificate 1 in ";
        assert!(error.to_string().starts_with(expected), "{error}");
        assert!(
            error.to_string().ends_with("short.pem: ee key too small"),
            "{error}"
        );
    }
}

#[test]
fn what_is_no_key_and_no_certificate_is_told() {
    let folder = TempDir::new();
    let text = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let key = folder.write("a.key", text);
    let text = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let chain = folder.write("a.pem", text);
    let complaint = |key: &std::path::Path, chain: &std::path::Path| {
        let certificate = CertificateFiles {
            key: key.to_owned(),
            chain: chain.to_owned(),
        };
        let settings = ServerSettings {
            certificate,
            ..server("server", ABSENT)
        };
        OpenSsl.server(&settings).err().unwrap().to_string()
    };
    let told = complaint(&key, &pki("server.pem"));
    assert!(told.starts_with("cannot use the private key in "), "{told}");
    let told = complaint(&pki("server.key"), &chain);
    assert!(told.starts_with("cannot use certificate 1 in "), "{told}");
    let by_nobody = client(VerifySource::Path(chain), "");
    let told = OpenSsl.client(&by_nobody).err().unwrap().to_string();
    assert!(told.starts_with("cannot use certificate 1 in "), "{told}");
}

#[test]
fn without_a_store_of_the_system_a_file_has_to_be_named() {
    let authorities = Authorities {
        origin: Origin::Library,
        certificates: Vec::new(),
    };
    let error = files::Roots::new(&authorities).err().unwrap().to_string();
    assert!(error.ends_with("name a file"), "{error}");
}

#[test]
fn options_are_what_keywords_say() {
    let options = |keywords: &str| {
        let begun = context::begin(SslMethod::tls_server(), &Keywords::parse(keywords));
        begun.unwrap().options()
    };
    let always = SslOptions::NO_COMPRESSION | SslOptions::NO_RENEGOTIATION;
    for (keywords, more) in [
        ("", SslOptions::empty()),
        ("op_all", SslOptions::ALL),
        ("op_server_preference", SslOptions::CIPHER_SERVER_PREFERENCE),
        ("op_no_ticket", SslOptions::NO_TICKET),
        ("op_no_resumption", SslOptions::NO_TICKET),
    ] {
        assert!(options(keywords).contains(always | more), "{keywords}");
    }
    let optional = SslOptions::NO_TICKET | SslOptions::CIPHER_SERVER_PREFERENCE;
    assert!(!options("").intersects(optional));
}

#[test]
fn the_lowest_version_and_the_security_level_are_lowered_only_if_asked_for() {
    let begin = |keywords: &str| {
        context::begin(SslMethod::tls_client(), &Keywords::parse(keywords)).unwrap()
    };
    let usual = begin("").build().security_level();
    assert!(usual >= 1, "{usual}");
    assert_eq!(begin("tlsv1.2").build().security_level(), usual);
    assert_eq!(begin("tlsv1.1").build().security_level(), 0);
    let lowest = |keywords: &str| begin(keywords).min_proto_version();
    // The system may demand more than we do.
    let modern = [Some(SslVersion::TLS1_2), Some(SslVersion::TLS1_3)];
    assert!(modern.contains(&lowest("")));
    assert_eq!(lowest("tlsv1.1"), Some(SslVersion::TLS1_1));
    assert_eq!(lowest("tlsv1.3"), Some(SslVersion::TLS1_3));
}

#[cfg(feature = "rustls")]
#[test]
fn the_keys_of_tickets_are_replaced() {
    use crate::tls::rustls::tests::{RESUMING, handshake, resuming_client};
    use ::rustls::HandshakeKind::{Full, Resumed};
    let settings = server("server", ABSENT);
    let identity = Identity::load(&settings.certificate).unwrap();
    for version in RESUMING {
        let recipe = ServerRecipe {
            keywords: Keywords::default(),
            identity: KeyAndChain::new(&identity, &settings.certificate).unwrap(),
            clients: Clients::Any,
        };
        let acceptor = OpenSslAcceptor::new(recipe, None, 1_000_000).unwrap();
        let config = resuming_client(version);
        let end = 1_000_000 + TICKET_KEYS_SECONDS;
        for (now, expected) in [
            (1_000_000, Full),
            (1_000_000, Resumed),
            (end - 1, Resumed),
            (end, Full),
            (end, Resumed),
            // The clock was set back.
            (1_000_000, Full),
            (1_000_000, Resumed),
        ] {
            let engine = Box::new(acceptor.begin(now).unwrap());
            assert_eq!(handshake(&config, engine), expected, "{now}");
        }
    }
}
