//! What is so with rustls only.

use ::rustls::client::ClientSessionMemoryCache;
use ::rustls::{HandshakeKind, RootCertStore};

use super::*;
use crate::base::ByteQueue;
use crate::tls::tests::matrix::{by, client, server};
use crate::tls::{ServerSettings, VerifySource};

const ABSENT: VerifySource = VerifySource::Absent;

/// A client of rustls' own that resumes sessions.
fn resuming_client(version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
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
fn handshake(config: &Arc<ClientConfig>, acceptor: &dyn Acceptor) -> HandshakeKind {
    let name = server_name("mail.example").unwrap();
    let connection = ClientConnection::new(Arc::clone(config), name).unwrap();
    let mut client = RustlsEngine::new(connection.into(), Trust::Unverified);
    let mut server = acceptor.accept().unwrap();
    let mut wire = ByteQueue::new(100_000);
    while client.wants_output() || server.wants_output() {
        client.take_cipher(&mut wire);
        server.feed_cipher(&mut wire).unwrap();
        server.take_cipher(&mut wire);
        client.feed_cipher(&mut wire).unwrap();
    }
    client.handshake_kind().unwrap()
}

#[test]
fn a_session_is_resumed_by_the_listener_that_began_it_only() {
    let settings = server("server", ABSENT);
    let (one, other) = (Rustls.server(&settings), Rustls.server(&settings));
    let (one, other) = (one.unwrap(), other.unwrap());
    for version in [&version::TLS12, &version::TLS13] {
        let config = resuming_client(version);
        assert_eq!(handshake(&config, &*one), HandshakeKind::Full);
        assert_eq!(handshake(&config, &*one), HandshakeKind::Resumed);
        assert_eq!(handshake(&config, &*other), HandshakeKind::Full);
    }
}

#[test]
fn no_session_is_resumed_where_that_is_switched_off() {
    let settings = ServerSettings {
        keywords: Keywords::parse("op_no_ticket"),
        ..server("server", ABSENT)
    };
    let acceptor = Rustls.server(&settings).unwrap();
    for version in [&version::TLS12, &version::TLS13] {
        let config = resuming_client(version);
        assert_eq!(handshake(&config, &*acceptor), HandshakeKind::Full);
        assert_eq!(handshake(&config, &*acceptor), HandshakeKind::Full);
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
fn clear_text_is_called_so() {
    let acceptor = Rustls.server(&server("server", ABSENT)).unwrap();
    let mut wire = ByteQueue::new(100);
    wire.push(b"EHLO x\r\n");
    let error = acceptor
        .accept()
        .unwrap()
        .feed_cipher(&mut wire)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "tls handshake failed: what the peer sent is not tls"
    );
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
