//! What is so with rustls only.

use ::rustls::client::ClientSessionMemoryCache;
use ::rustls::{HandshakeKind, RootCertStore};

use super::*;
use crate::base::ByteQueue;
use crate::tls::tests::matrix::{by, client, server};
use crate::tls::{ServerSettings, VerifySource, providers};

const ABSENT: VerifySource = VerifySource::Absent;

/// The versions that sessions are resumed in.
pub(in crate::tls) const RESUMING: [&SupportedProtocolVersion; 2] =
    [&version::TLS12, &version::TLS13];

/// A client of rustls' own that resumes sessions.
pub(in crate::tls) fn resuming_client(
    version: &'static SupportedProtocolVersion,
) -> Arc<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(crypto())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    config
        .dangerous()
        .set_certificate_verifier(Arc::new(Unverified));
    config.resumption = Resumption::store(Arc::new(ClientSessionMemoryCache::new(10)));
    Arc::new(config)
}

/// Connects until everything is said; how the handshake went.
pub(in crate::tls) fn handshake(
    config: &Arc<ClientConfig>,
    mut server: Box<dyn Engine>,
) -> HandshakeKind {
    let name = server_name("mail.example").unwrap();
    let connection = ClientConnection::new(Arc::clone(config), name).unwrap();
    let mut client = RustlsEngine::new(connection.into(), Trust::Unverified);
    let mut wire = ByteQueue::new(100_000);
    while client.wants_output() || server.wants_output() {
        client.take_cipher(&mut wire);
        server.feed_cipher(&mut wire).unwrap();
        server.take_cipher(&mut wire);
        client.feed_cipher(&mut wire).unwrap();
    }
    client.handshake_kind().unwrap()
}

/// A server of that library with some keywords.
fn acceptor(provider: &dyn Provider, verify: VerifySource, keywords: &str) -> Box<dyn Acceptor> {
    let settings = ServerSettings {
        keywords: Keywords::parse(keywords),
        ..server("server", verify)
    };
    provider.server(&settings).unwrap()
}

/// Of every library that is built in: rustls is the client that has a memory.
#[test]
fn a_session_is_resumed_by_the_listener_that_began_it_only() {
    for provider in providers() {
        let one = acceptor(*provider, ABSENT, "");
        let other = acceptor(*provider, ABSENT, "");
        let silent = acceptor(*provider, VerifySource::None, "");
        let strict = acceptor(*provider, by("ca"), "noverify");
        for version in RESUMING {
            if !provider.versions().contains(&version_of(version)) {
                continue;
            }
            let config = resuming_client(version);
            let connect = |acceptor: &dyn Acceptor| handshake(&config, acceptor.accept().unwrap());
            assert_eq!(connect(&*silent), HandshakeKind::Full);
            assert_eq!(connect(&*silent), HandshakeKind::Resumed);
            assert_eq!(connect(&*one), HandshakeKind::Full);
            assert_eq!(connect(&*one), HandshakeKind::Resumed);
            assert_eq!(connect(&*other), HandshakeKind::Full);
            assert_eq!(connect(&*strict), HandshakeKind::Full);
        }
    }
}

#[test]
fn no_session_is_resumed_where_that_is_switched_off() {
    for provider in providers() {
        let acceptor = acceptor(*provider, ABSENT, "op_no_ticket");
        for version in RESUMING {
            if !provider.versions().contains(&version_of(version)) {
                continue;
            }
            let config = resuming_client(version);
            for _ in 0..2 {
                let kind = handshake(&config, acceptor.accept().unwrap());
                assert_eq!(kind, HandshakeKind::Full);
            }
        }
    }
}

/// Of every library: rustls is the client that asks for new keys again and again, and
/// never reads an answer.
// RFC 8446 4.6.3: each request has to be answered.
#[test]
fn answers_that_nobody_reads_are_bounded() {
    for provider in providers() {
        if !provider.versions().contains(&Version::Tls13) {
            continue;
        }
        let mut server = acceptor(*provider, ABSENT, "").accept().unwrap();
        let name = server_name("mail.example").unwrap();
        let client = ClientConnection::new(resuming_client(&version::TLS13), name);
        let mut client = client.unwrap();
        let (mut wire, mut plain) = (ByteQueue::new(100_000), ByteQueue::new(1000));
        while client.wants_write() || server.wants_output() {
            let mut from_client = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut from_client).unwrap();
            }
            wire.push(&from_client);
            server.decrypt(&mut wire, &mut plain).unwrap();
            server.take_cipher(&mut wire);
            while !wire.is_empty() {
                let count = client.read_tls(&mut wire.as_slice()).unwrap();
                wire.consume(count);
                client.process_new_packets().unwrap();
            }
        }
        for _ in 0..20_000 {
            let mut request = Vec::new();
            client.refresh_traffic_keys().unwrap();
            client.write_tls(&mut request).unwrap();
            wire.push(&request);
            if server.decrypt(&mut wire, &mut plain).is_err() {
                break;
            }
        }
        let mut answers = ByteQueue::new(usize::MAX);
        server.take_cipher(&mut answers);
        let backend = provider.backend();
        assert!(answers.len() <= 256 * 1024, "{backend}: {}", answers.len());
    }
}

fn version_of(version: &SupportedProtocolVersion) -> Version {
    match *version == version::TLS12 {
        true => Version::Tls12,
        false => Version::Tls13,
    }
}

/// Why a client refuses a server.
fn complaint(settings: &ClientSettings, certificate: &str) -> String {
    let connector = Rustls.client(settings).unwrap();
    let acceptor = Rustls.server(&server(certificate, ABSENT)).unwrap();
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
        (client(by("other-ca"), ""), "server", "UnknownIssuer"),
        (
            client(by("ca"), "x.example"),
            "server",
            "not valid for name \"x.example\"",
        ),
        (
            client(by("ca"), "mail.example"),
            "cn-only",
            "not valid for any names",
        ),
        (client(by("ca"), ""), "expired", "certificate expired"),
        (client(by("expired-self"), ""), "expired-self", "xpired"),
        (client(by("v1"), ""), "v1", "UnsupportedCertVersion"),
    ] {
        let complaint = complaint(&settings, certificate);
        assert!(
            complaint.starts_with("tls handshake failed: "),
            "{complaint}"
        );
        assert!(complaint.contains(expected), "{complaint}");
    }
}

#[test]
fn short_keys_are_refused_when_they_are_read() {
    let error = Rustls.server(&server("short", ABSENT)).err().unwrap();
    assert!(
        error.to_string().ends_with(
            "short.key: neither RSA of 2048 bits or more nor ECDSA P-256 or P-384 nor Ed25519"
        ),
        "{error}"
    );
}

#[test]
fn a_client_that_cannot_prove_its_certificate_is_let_in_as_one_without() {
    let settings = ClientSettings {
        certificate: Some(server("v1", ABSENT).certificate),
        ..client(ABSENT, "")
    };
    let mut client = Rustls.client(&settings).unwrap().connect().unwrap();
    let acceptor = Rustls.server(&server("server", ABSENT)).unwrap();
    let mut server = acceptor.accept().unwrap();
    let mut wire = ByteQueue::new(100_000);
    while client.wants_output() || server.wants_output() {
        client.take_cipher(&mut wire);
        server.feed_cipher(&mut wire).unwrap();
        server.take_cipher(&mut wire);
        client.feed_cipher(&mut wire).unwrap();
    }
    assert_eq!(server.established().unwrap().peer, None);
    let shown = client.established().unwrap().to_string();
    assert_eq!(shown, "protocol TLSv1.3 cipher TLS_AES_256_GCM_SHA384");
}

#[test]
fn a_signature_is_asked_for_where_it_can_be_checked() {
    for (name, expected) in [
        ("client", true),
        ("rsa", true),
        ("v1", false),
        ("short", false),
    ] {
        let chain = server(name, ABSENT).certificate.chain;
        let text = std::fs::read(chain).unwrap();
        let der = crate::tls::pem::sections(&text).unwrap().remove(0).der;
        assert_eq!(verify::is_provable(&der.into()), expected, "{name}");
    }
}

#[test]
fn without_a_store_of_the_system_there_is_a_list_of_its_own() {
    let authorities = Authorities {
        origin: super::super::file::Origin::Library,
        certificates: Vec::new(),
    };
    let debug = format!("{:?}", Roots::new(&authorities).unwrap());
    assert!(debug.contains("roots"), "{debug}");
}

#[test]
fn every_suite_on_offer_has_its_names() {
    for suite in &crypto().cipher_suites {
        let names = super::super::suite::of(suite.suite().into());
        let own = format!("{:?}", suite.suite());
        assert_eq!(names.registered, own.replace("TLS13_", "TLS_"));
    }
}
