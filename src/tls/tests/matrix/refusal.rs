//! What cannot be set up is told before the first connection, and ends that have
//! nothing in common part.

use super::link::{Link, Pair};
use super::{by, client, files, for_backends, pki, server, versions};
use crate::base::ascii;
use crate::tls::{
    CertificateFiles, ClientSettings, Error, Keywords, ServerSettings, VerifySource, Version,
};

const ABSENT: VerifySource = VerifySource::Absent;

fn with_files(key: &str, chain: &str) -> ServerSettings {
    ServerSettings {
        certificate: CertificateFiles {
            key: pki(key),
            chain: pki(chain),
        },
        ..server("server", ABSENT)
    }
}

/// The complaint, with the folder of the files left out.
fn complaint<T>(result: Result<T, Error>) -> String {
    let error = result.err().expect("an error").to_string();
    let folder = ascii::escape(pki("").as_os_str().as_encoded_bytes());
    error.replace(&folder, "")
}

fn every_form_of_a_key_is_good(pair: Pair) {
    for (key, chain) in [
        ("server.key", "server.pem"),
        ("server-sec1.key", "server.pem"),
        ("server-all.pem", "server-all.pem"),
        ("server-all.pem", "server.pem"),
        ("rsa.key", "rsa.pem"),
        ("rsa-pkcs1.key", "rsa.pem"),
    ] {
        let settings = with_files(key, chain);
        let mut link = Link::new(pair, &client(by("ca"), "mail.example"), &settings);
        assert!(link.is_secure(), "{key} {chain}");
    }
}

fn bad_files_are_named(pair: Pair) {
    for (key, chain, expected) in [
        (
            "none.key",
            "server.pem",
            "cannot read none.key: no such file or directory",
        ),
        (
            "server.key",
            "none.pem",
            "cannot read none.pem: no such file or directory",
        ),
        (".", "server.pem", "cannot read .: not a regular file"),
        ("server.pem", "server.key", "no private key in server.pem"),
        ("make", "server.pem", "no private key in make"),
        ("server.key", "server.key", "no certificate in server.key"),
        (
            "encrypted-pkcs8.key",
            "server.pem",
            "the private key in encrypted-pkcs8.key is encrypted: store it without a passphrase",
        ),
        (
            "encrypted-traditional.key",
            "server.pem",
            "the private key in encrypted-traditional.key is encrypted: store it without a passphrase",
        ),
        (
            "rsa.key",
            "server.pem",
            "the first certificate in server.pem does not belong to the private key in rsa.key",
        ),
        (
            "client.key",
            "v1.pem",
            "the first certificate in v1.pem does not belong to the private key in client.key",
        ),
    ] {
        let settings = with_files(key, chain);
        let refused = pair.server.server(&settings);
        if expected.contains("no such file") && std::path::MAIN_SEPARATOR == '\\' {
            assert!(refused.is_err());
        } else {
            assert_eq!(complaint(refused), expected);
        }
        let settings = ClientSettings {
            certificate: Some(settings.certificate),
            ..client(ABSENT, "")
        };
        assert!(pair.client.client(&settings).is_err(), "{key} {chain}");
    }
}

fn bad_lists_of_authorities_are_named(pair: Pair) {
    for (list, expected) in [
        ("make", "no certificate in make"),
        ("server.key", "no certificate in server.key"),
    ] {
        let verify = VerifySource::Path(pki(list));
        let refused = pair.server.server(&server("server", verify.clone()));
        assert_eq!(complaint(refused), expected);
        let refused = pair.client.client(&client(verify.clone(), ""));
        assert_eq!(complaint(refused), expected);
        // Nobody is verified against it, but it was meant to be there.
        let lax = ClientSettings {
            keywords: Keywords::parse("noverify"),
            ..client(verify, "")
        };
        assert_eq!(complaint(pair.client.client(&lax)), expected);
    }
}

fn names_that_no_certificate_can_have_are_refused(pair: Pair) {
    for name in [
        "a b",
        "",
        ".",
        "-",
        "a..b",
        "*.example",
        "ä.example",
        "a\nb",
    ] {
        let verifying = ClientSettings {
            verify_name: Some(name.to_owned()),
            ..client(by("ca"), "")
        };
        let refused = pair.client.client(&verifying);
        assert!(matches!(refused, Err(Error::NotAName(_))), "{name}");
        let asking = ClientSettings {
            server_name: Some(name.to_owned()),
            ..client(ABSENT, "")
        };
        let refused = pair.client.client(&asking);
        assert!(matches!(refused, Err(Error::NotAName(_))), "{name}");
    }
}

fn the_name_asked_for_is_not_the_one_that_is_verified(pair: Pair) {
    let settings = ClientSettings {
        server_name: Some("other.example".to_owned()),
        ..client(by("ca"), "mail.example")
    };
    assert!(Link::new(pair, &settings, &server("server", ABSENT)).is_secure());
    let settings = ClientSettings {
        server_name: Some("mail.example".to_owned()),
        ..client(by("ca"), "other.example")
    };
    assert!(!Link::new(pair, &settings, &server("server", ABSENT)).is_secure());
}

/// Whether a name is in the clear in what the client sends first.
fn asks_for(pair: Pair, settings: &ClientSettings, name: &str) -> bool {
    let mut engine = pair.client.client(settings).unwrap().connect().unwrap();
    let mut hello = crate::base::ByteQueue::new(10_000);
    engine.take_cipher(&mut hello);
    hello
        .as_slice()
        .windows(name.len())
        .any(|part| part == name.as_bytes())
}

fn a_name_is_asked_for_only_where_one_is_known(pair: Pair) {
    let named = ClientSettings {
        server_name: Some("asked.example.".to_owned()),
        ..client(by("ca"), "mail.example")
    };
    assert!(asks_for(pair, &named, "asked.example"));
    assert!(!asks_for(pair, &named, "mail.example"));
    assert!(asks_for(
        pair,
        &client(by("ca"), "mail.example"),
        "mail.example"
    ));
    assert!(!asks_for(
        pair,
        &client(ABSENT, "mail.example"),
        "mail.example"
    ));
    assert!(!asks_for(pair, &client(by("ca"), "127.0.0.1"), "127.0.0.1"));
}

fn versions_apart_do_not_meet(pair: Pair) {
    if versions(pair).count() < 2 {
        // The keywords for the other one are refused, which is tried below.
        return;
    }
    for (left, right) in [("-tlsv1.2", "tlsv1.3"), ("tlsv1.3", "-tlsv1.2")] {
        let settings = ClientSettings {
            keywords: Keywords::parse(left),
            ..client(ABSENT, "")
        };
        let acceptor = ServerSettings {
            keywords: Keywords::parse(right),
            ..server("server", ABSENT)
        };
        let mut link = Link::new(pair, &settings, &acceptor);
        assert!(!link.is_secure());
        for end in [link.client, link.server] {
            assert!(matches!(end.error, Some(Error::Handshake(_))));
            assert!(end.engine.established().is_none());
        }
    }
}

fn versions_that_are_not_spoken_are_refused(pair: Pair) {
    let never = ["sslv3", "-sslv3", "tlsv1.3,-tlsv1.2", "-tlsv1.1"];
    for keywords in never {
        let settings = ServerSettings {
            keywords: Keywords::parse(keywords),
            ..server("server", ABSENT)
        };
        let refused = pair.server.server(&settings);
        assert!(refused.is_err(), "{keywords}");
        let settings = ClientSettings {
            certificate: Some(files("client")),
            keywords: Keywords::parse(keywords),
            ..client(ABSENT, "")
        };
        assert!(pair.client.client(&settings).is_err(), "{keywords}");
    }
}

/// Every version there is, in the words that leave only it.
fn every_version_is_spoken_or_refused(pair: Pair) {
    for (version, only) in [
        (Version::Ssl3, "sslv3,-sslv3"),
        (Version::Tls10, "tlsv1.0,-tlsv1.0"),
        (Version::Tls11, "tlsv1.1,-tlsv1.1"),
        (Version::Tls12, "tlsv1.2,-tlsv1.2"),
        (Version::Tls13, "tlsv1.3,-tlsv1.3"),
    ] {
        let keywords = Keywords::parse(only);
        let as_client = ClientSettings {
            keywords: keywords.clone(),
            ..client(by("ca"), "mail.example")
        };
        let as_server = ServerSettings {
            keywords,
            ..server("server", ABSENT)
        };
        let mut all_can = true;
        for (provider, refused) in [
            (pair.client, pair.client.client(&as_client).err()),
            (pair.server, pair.server.server(&as_server).err()),
        ] {
            let can = provider.versions().contains(&version);
            let library = provider.backend();
            match refused {
                None => assert!(can, "{library} {version}"),
                Some(error) => {
                    let expected = format!("{library} cannot speak {version}, only ");
                    assert!(!can && error.to_string().starts_with(&expected), "{error}");
                }
            }
            all_can &= can;
        }
        if all_can {
            let mut link = Link::new(pair, &as_client, &as_server);
            assert!(link.is_secure(), "{version}: {:?}", link.client.error);
            let session = link.client.engine.established().unwrap();
            assert_eq!(session.protocol, version.name());
        }
    }
}

for_backends!(
    every_form_of_a_key_is_good,
    bad_files_are_named,
    bad_lists_of_authorities_are_named,
    names_that_no_certificate_can_have_are_refused,
    the_name_asked_for_is_not_the_one_that_is_verified,
    a_name_is_asked_for_only_where_one_is_known,
    versions_apart_do_not_meet,
    versions_that_are_not_spoken_are_refused,
    every_version_is_spoken_or_refused,
);
