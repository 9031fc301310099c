//! What is so with Mbed TLS only.

use std::thread;

use super::*;
use crate::base::ByteQueue;
use crate::tls::tests::matrix::{by, client, server};
use crate::tls::{ClientSettings, ServerSettings};

const ABSENT: VerifySource = VerifySource::Absent;

/// Carries what both have to say until one fails; why it did, client and server.
fn run(client: &mut dyn Engine, server: &mut dyn Engine) -> (Option<Error>, Option<Error>) {
    let mut wire = ByteQueue::new(100_000);
    let (mut of_client, mut of_server) = (None, None);
    while client.wants_output() || server.wants_output() {
        client.take_cipher(&mut wire);
        of_server = server.feed_cipher(&mut wire).err();
        wire.clear();
        server.take_cipher(&mut wire);
        of_client = client.feed_cipher(&mut wire).err();
        wire.clear();
    }
    (of_client, of_server)
}

fn pair(
    client: &ClientSettings,
    server: &ServerSettings,
) -> (Box<dyn Connector>, Box<dyn Acceptor>) {
    (
        MbedTls.client(client).unwrap(),
        MbedTls.server(server).unwrap(),
    )
}

#[test]
fn refusals_say_why_to_both() {
    for (settings, certificate, expected, alert) in [
        (
            client(by("other-ca"), ""),
            "server",
            "no authority that is listed vouches for it",
            "48 unknown ca",
        ),
        (
            client(by("ca"), "x.example"),
            "server",
            "it is for another name",
            "42 bad certificate",
        ),
        (
            client(by("ca"), "mail.example"),
            "expired",
            "it has expired",
            "45 certificate expired",
        ),
        (
            client(by("ca"), ""),
            "future",
            "it is not valid yet",
            "46 certificate unknown",
        ),
    ] {
        // With TLS 1.3 the server's failure is the same, but comes later.
        let settings = ClientSettings {
            keywords: Keywords::parse("-tlsv1.2"),
            ..settings
        };
        let (connector, acceptor) = pair(&settings, &server(certificate, ABSENT));
        let (mut client, mut server) = (connector.connect().unwrap(), acceptor.accept().unwrap());
        let (of_client, of_server) = run(&mut *client, &mut *server);
        let complaint = of_client.unwrap().to_string();
        let prefix = "tls handshake failed: the peer's certificate is not accepted: ";
        assert_eq!(complaint, format!("{prefix}{expected}"), "{certificate}");
        let heard = of_server.unwrap().to_string();
        let prefix = "tls handshake failed: the peer refuses to go on: alert ";
        assert_eq!(heard, format!("{prefix}{alert}"), "{certificate}");
    }
}

#[test]
fn a_certificate_that_no_client_would_be_shown_is_refused_at_start() {
    for certificate in ["client", "encipherment"] {
        let refused = MbedTls.server(&server(certificate, ABSENT));
        let complaint = refused.err().unwrap().to_string();
        assert!(
            complaint.starts_with("cannot use certificate 1 in ")
                && complaint
                    .ends_with(".pem: it says what it is for, and not that it is for servers"),
            "{complaint}"
        );
    }
}

#[test]
fn keys_of_rsa_may_be_short_where_nobody_verifies() {
    // The signatures of TLS 1.3 are too long for such a key.
    let unverified = ClientSettings {
        keywords: Keywords::parse("-tlsv1.2"),
        ..client(ABSENT, "")
    };
    let (connector, acceptor) = pair(&unverified, &server("short", ABSENT));
    let (mut client_end, mut server_end) =
        (connector.connect().unwrap(), acceptor.accept().unwrap());
    let errors = run(&mut *client_end, &mut *server_end);
    assert!(matches!(errors, (None, None)), "{errors:?}");
    assert!(client_end.established().is_some() && server_end.established().is_some());

    let (connector, acceptor) = pair(&client(by("ca"), ""), &server("short", ABSENT));
    let (mut client_end, mut server_end) =
        (connector.connect().unwrap(), acceptor.accept().unwrap());
    let (of_client, _) = run(&mut *client_end, &mut *server_end);
    let complaint = of_client.unwrap().to_string();
    assert!(complaint.ends_with("its key is too short, or on a curve that is not accepted"));
}

// The library has a table of keys in 3.6, which must not limit the connections.
#[test]
fn many_handshakes_may_be_under_way_at_a_time() {
    const CONNECTIONS: usize = 100;
    let (connector, acceptor) = pair(&client(ABSENT, ""), &server("server", ABSENT));
    let mut ends = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut client = connector.connect().unwrap();
        let mut server = acceptor.accept().unwrap();
        let mut wire = ByteQueue::new(100_000);
        client.take_cipher(&mut wire);
        server.feed_cipher(&mut wire).unwrap();
        ends.push((client, server));
    }
    for (mut client, mut server) in ends {
        let mut wire = ByteQueue::new(100_000);
        server.take_cipher(&mut wire);
        client.feed_cipher(&mut wire).unwrap();
        let errors = run(&mut *client, &mut *server);
        assert!(matches!(errors, (None, None)), "{errors:?}");
        assert!(client.established().is_some() && server.established().is_some());
    }
}

// A signature changes what the library keeps with a key.
#[test]
fn connections_of_one_configuration_may_be_in_several_threads() {
    let (connector, acceptor) = pair(&client(by("ca"), "mail.example"), &server("rsa", ABSENT));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let mut client = connector.connect().unwrap();
                    let mut server = acceptor.accept().unwrap();
                    let errors = run(&mut *client, &mut *server);
                    assert!(matches!(errors, (None, None)), "{errors:?}");
                    assert_eq!(client.write_plain(b"x"), 1);
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..20 {
                MbedTls
                    .server(&super::tests::server("server", by("ca-list")))
                    .unwrap();
            }
        });
    });
}

#[test]
fn the_version_is_that_of_the_library_that_is_there() {
    let description = MbedTls.description();
    let number = description.strip_prefix("mbedtls ").unwrap();
    assert!(
        number.starts_with("2.28.") || number.starts_with("3.6."),
        "{number}"
    );
    assert!(ffi::is_same_version());
    let can_13 = MbedTls.versions().contains(&Version::Tls13);
    assert!(!can_13 || number.starts_with("3."), "{number}");
}
