//! Forwarding over TLS, to servers that are as they should be and to others.

use crate::support::program::Scratch;
use crate::support::secure::pki_text as pki;
use crate::support::secure::{counts_common_names, versions};
use crate::support::secure_sink::{SecureSink, forward, spool_with_mail};
use crate::support::skip_without;

const REQUIRED: [&str; 2] = ["--client-tls", "--client-tls-required"];

/// Insists that the message is where it was, and that nothing of it was sent.
fn assert_untouched(spool: &Scratch, sink: &SecureSink, log: &str) {
    let names = spool.names();
    assert_eq!(names.len(), 2, "{names:?}: {log}");
    assert!(
        names.iter().any(|name| name.ends_with(".envelope")),
        "{names:?}: {log}"
    );
    let transcript = sink.transcript();
    let is_mail = |line: &&String| line.contains("MAIL") || line.contains("AUTH");
    assert_eq!(transcript.iter().find(is_mail), None, "{log}");
    assert_eq!(sink.stored(), 0);
}

fn assert_sent(spool: &Scratch, sink: &SecureSink, (status, log): &(i32, String)) {
    assert_eq!(*status, 0, "{log}");
    assert_eq!(spool.names(), [""; 0], "{log}");
    assert_eq!(sink.stored(), 1, "{log}");
}

/// With `--client-tls-verify` and perhaps `--client-tls-verify-name`.
fn verifying<'a>(mode: &[&'a str], authority: &'a str, name: &'a str) -> Vec<&'a str> {
    let mut options = [mode, &["--client-tls-verify", authority]].concat();
    if !name.is_empty() {
        options.extend(["--client-tls-verify-name", name]);
    }
    options
}

#[test]
fn starttls_encrypts_with_both_versions() {
    if skip_without("python3") {
        return;
    }
    for version in versions() {
        let spool = spool_with_mail();
        let only = format!("version={version}");
        let sink = SecureSink::start("server", &["tls=starttls", &only]);
        let result = forward(&spool, &sink.address(), &["--client-tls"]);
        assert_sent(&spool, &sink, &result);
        let established = format!(
            "tls protocol established with {} protocol TLSv{version} cipher ",
            sink.address()
        );
        assert!(result.1.contains(&established), "{}", result.1);
        let certificate = "certificate-subject=[/C=DE/O=Tests/CN=mail.example] unverified";
        assert!(result.1.contains(certificate), "{}", result.1);
        let transcript = sink.transcript();
        let start = ["C EHLO relay.test", "C STARTTLS", "SNI None"];
        assert_eq!(transcript[..3], start);
        assert_eq!(transcript[3], format!("TLS TLSv{version} "));
        assert_eq!(transcript[4], "S EHLO relay.test");
        let rest = &transcript[5..];
        assert!(rest.iter().all(|line| line.starts_with("S ")), "{rest:?}");
        assert_eq!(rest.last().unwrap(), "S QUIT");
    }
}

#[test]
fn tls_from_the_first_octet() {
    if skip_without("python3") {
        return;
    }
    for version in versions() {
        let spool = spool_with_mail();
        let only = format!("version={version}");
        let sink = SecureSink::start("rsa", &["tls=implicit", &only]);
        let ca = pki("ca.pem");
        let options = verifying(&["--client-tls-connection"], &ca, "mail.example");
        let result = forward(&spool, &sink.address(), &options);
        assert_sent(&spool, &sink, &result);
        assert!(result.1.contains("verified with its name"), "{}", result.1);
        let transcript = sink.transcript();
        let start = ["SNI mail.example", &format!("TLS TLSv{version} ")];
        assert_eq!(transcript[..2], start);
        assert_eq!(transcript[2], "S EHLO relay.test");
    }
}

#[test]
fn the_name_to_ask_for_can_be_given() {
    if skip_without("python3") {
        return;
    }
    let spool = spool_with_mail();
    let sink = SecureSink::start("server", &["tls=starttls"]);
    let options = ["--client-tls", "--client-tls-server-name", "other.example"];
    let result = forward(&spool, &sink.address(), &options);
    assert_sent(&spool, &sink, &result);
    assert!(sink.transcript().contains(&"SNI other.example".to_owned()));
}

#[test]
fn a_common_name_counts_where_the_library_looks_at_it() {
    if skip_without("python3") {
        return;
    }
    let spool = spool_with_mail();
    let sink = SecureSink::start("cn-only", &["tls=starttls"]);
    let ca = pki("ca.pem");
    let options = verifying(&REQUIRED, &ca, "mail.example");
    let result = forward(&spool, &sink.address(), &options);
    match counts_common_names() {
        true => assert_sent(&spool, &sink, &result),
        false => assert_untouched(&spool, &sink, &result.1),
    }
}

/// The names, authorities and dates that a server may have.
#[test]
fn t10_w19_servers_that_are_not_who_they_should_be_get_nothing() {
    if skip_without("python3") {
        return;
    }
    let refused = [
        ("server", "other-ca", ""),
        ("server", "ca", "wrong.example"),
        ("server", "ca", "127.0.0.2"),
        ("expired", "ca", ""),
        ("future", "ca", ""),
        ("self-signed", "ca", ""),
        ("cn-only", "ca", "other.example"),
        ("ip-only", "ca", "mail.example"),
        ("top-wildcard", "ca", "mail.example"),
        ("chained", "ca", ""),
        ("limited", "limited-ca", ""),
        ("limited-cn", "limited-ca", "mail.example"),
    ];
    for (certificate, authority, name) in refused {
        let authority = pki(&format!("{authority}.pem"));
        let spool = spool_with_mail();
        for (mode, tls) in [
            (&REQUIRED[..], "tls=starttls"),
            (&["--client-tls"], "tls=starttls"),
            (&["--client-tls-connection"], "tls=implicit"),
        ] {
            let sink = SecureSink::start(certificate, &[tls]);
            let options = verifying(mode, &authority, name);
            let (status, log) = forward(&spool, &sink.address(), &options);
            assert_eq!(status, 1, "{certificate} {name}: {log}");
            assert!(log.contains("error: forwarding: "), "{log}");
            assert!(log.contains("tls handshake failed"), "{certificate}: {log}");
            assert_untouched(&spool, &sink, &log);
        }
    }
}

#[test]
fn servers_that_are_who_they_should_be_get_mail() {
    if skip_without("python3") {
        return;
    }
    for (certificate, authority, name) in [
        ("server", "ca", ""),
        ("server", "ca-list", "MAIL.example"),
        ("server", "ca", "mixed.example"),
        ("server", "ca", "a.wild.example"),
        ("server", "ca", "127.0.0.1"),
        ("ip-only", "ca", "127.0.0.1"),
        ("self-signed", "self-signed", "mail.example"),
    ] {
        let spool = spool_with_mail();
        let sink = SecureSink::start(certificate, &["tls=starttls"]);
        let authority = pki(&format!("{authority}.pem"));
        let options = verifying(&REQUIRED, &authority, name);
        let result = forward(&spool, &sink.address(), &options);
        assert_sent(&spool, &sink, &result);
    }
}

#[test]
fn t2_words_between_starttls_and_the_handshake_are_an_attack() {
    if skip_without("python3") {
        return;
    }
    let spool = spool_with_mail();
    let injected = "reply=220 go|250-secure.test|250 AUTH PLAIN";
    let sink = SecureSink::start("server", &["tls=starttls", injected]);
    let (status, log) = forward(&spool, &sink.address(), &["--client-tls"]);
    assert_eq!(status, 1, "{log}");
    assert!(
        log.contains("unencrypted data after the reply to STARTTLS"),
        "{log}"
    );
    assert_untouched(&spool, &sink, &log);
    assert!(!sink.transcript().iter().any(|line| line.starts_with("TLS")));
}

#[test]
fn t3_required_means_required() {
    if skip_without("python3") {
        return;
    }
    let refusals = [
        (
            "tls=none",
            "reply=",
            "tls is mandated but the server cannot do starttls",
        ),
        (
            "tls=starttls",
            "reply=454 4.7.0 no",
            "session refused at STARTTLS: 454",
        ),
        (
            "tls=starttls",
            "reply=250 fine",
            "unexpected reply to STARTTLS: 250",
        ),
    ];
    for (tls, reply, expected) in refusals {
        let spool = spool_with_mail();
        let sink = SecureSink::start("server", &[tls, reply, "clear=PLAIN LOGIN"]);
        let auth = ["--client-auth", "plain:Ym9i:c2VjcmV0IHB3"];
        let options = [&REQUIRED[..], &auth].concat();
        let (status, log) = forward(&spool, &sink.address(), &options);
        assert_eq!(status, 1, "{log}");
        assert!(log.contains(expected), "{expected}: {log}");
        assert_untouched(&spool, &sink, &log);
    }
    // What is only wished for is done without.
    let spool = spool_with_mail();
    let sink = SecureSink::start("server", &["tls=none"]);
    let result = forward(&spool, &sink.address(), &["--client-tls"]);
    assert_sent(&spool, &sink, &result);
}

/// A code that passes for success, but starts no handshake: nothing of a login may
/// follow in clear, whatever the server then says.
#[test]
fn w5_a_224_to_starttls_does_not_pass_for_a_handshake() {
    if skip_without("python3") {
        return;
    }
    let spool = spool_with_mail();
    let options = ["tls=starttls", "reply=224 gotcha", "clear=PLAIN"];
    let sink = SecureSink::start("server", &options);
    let ca = pki("ca.pem");
    let auth = ["--client-auth", "plain:Ym9i:c2VjcmV0IHB3"];
    let options = [verifying(&REQUIRED, &ca, ""), auth.to_vec()].concat();
    let (status, log) = forward(&spool, &sink.address(), &options);
    assert_eq!(status, 1, "{log}");
    assert!(
        log.contains("unexpected reply to STARTTLS: 224 gotcha"),
        "{log}"
    );
    assert_untouched(&spool, &sink, &log);
    let mut said = sink.transcript();
    said.dedup();
    said.retain(|line| line != "end");
    let once = ["C EHLO relay.test", "C STARTTLS"];
    assert!(said.chunks(2).all(|pair| pair == once), "{said:?}");
}

#[test]
fn a_handshake_that_stalls_is_given_up() {
    if skip_without("python3") {
        return;
    }
    for (mode, tls) in [
        ("--client-tls", "tls=starttls"),
        ("--client-tls-connection", "tls=implicit"),
    ] {
        let spool = spool_with_mail();
        let sink = SecureSink::start("server", &[tls, "stall=yes"]);
        let options = [mode, "--connection-timeout", "1"];
        let spool_path = spool.path().to_str().unwrap();
        let mut arguments = vec!["--as-client", "", "--spool-dir", spool_path];
        let address = sink.address();
        arguments[1] = &address;
        arguments.extend(options);
        let (status, _, log) = crate::support::program::run(&arguments);
        assert_eq!(status, 1, "{log}");
        assert!(
            log.contains("response timeout at the tls handshake"),
            "{log}"
        );
        assert_untouched(&spool, &sink, &log);
    }
}

#[test]
fn a_server_in_clear_is_no_server_for_tls_from_the_first_octet() {
    if skip_without("python3") {
        return;
    }
    let spool = spool_with_mail();
    let sink = SecureSink::start("server", &["tls=none"]);
    let (status, log) = forward(&spool, &sink.address(), &["--client-tls-connection"]);
    assert_eq!(status, 1, "{log}");
    assert!(log.contains("tls handshake failed"), "{log}");
    assert_untouched(&spool, &sink, &log);
}

/// An end of the connection that TLS did not announce is no end of a reply.
#[test]
fn t12_a_cut_connection_leaves_mail_queued() {
    if skip_without("python3") {
        return;
    }
    for (command, tls) in [
        ("MAIL", "tls=starttls"),
        ("RCPT", "tls=implicit"),
        ("DATA", "tls=implicit"),
    ] {
        let spool = spool_with_mail();
        let cut = format!("cut={command}");
        let sink = SecureSink::start("server", &[tls, &cut]);
        let mode = match tls {
            "tls=starttls" => "--client-tls",
            _ => "--client-tls-connection",
        };
        let (status, log) = forward(&spool, &sink.address(), &[mode]);
        assert_eq!(status, 1, "{command}: {log}");
        assert!(log.contains("cut off under tls"), "{command}: {log}");
        let names = spool.names();
        assert!(
            names.iter().any(|name| name.ends_with(".envelope")),
            "{names:?}"
        );
        assert_eq!(sink.stored(), 0);
    }
}

#[test]
fn a_certificate_of_ours_is_shown_to_those_who_ask() {
    if skip_without("python3") {
        return;
    }
    let clients = format!("clients={}", pki("ca.pem"));
    let (key, chain) = (pki("client.key"), pki("client.pem"));
    let pair = format!("{key},{chain}");
    for given in [vec![&*pair], vec![&*key, &*chain]] {
        for version in versions() {
            let spool = spool_with_mail();
            let only = format!("version={version}");
            let sink = SecureSink::start("server", &["tls=starttls", &clients, &only]);
            let mut options = vec!["--client-tls"];
            for file in &given {
                options.extend(["--client-tls-certificate", *file]);
            }
            let result = forward(&spool, &sink.address(), &options);
            assert_sent(&spool, &sink, &result);
            let transcript = sink.transcript();
            let shown = transcript
                .iter()
                .any(|line| line.contains("client.example"));
            assert!(shown, "{transcript:?}");
        }
    }
}

#[test]
fn without_the_certificate_that_a_server_wants_mail_stays_queued() {
    if skip_without("python3") {
        return;
    }
    let clients = format!("clients={}", pki("ca.pem"));
    for version in ["version=1.2", "version=1.3"] {
        for foreign in [false, true] {
            let spool = spool_with_mail();
            let sink = SecureSink::start("server", &["tls=starttls", &clients, version]);
            let (key, chain) = (pki("foreign-client.key"), pki("foreign-client.pem"));
            let shown = [
                "--client-tls-certificate",
                &key,
                "--client-tls-certificate",
                &chain,
            ];
            let options = match foreign {
                true => [&["--client-tls"][..], &shown].concat(),
                false => vec!["--client-tls"],
            };
            let (status, log) = forward(&spool, &sink.address(), &options);
            assert_eq!(status, 1, "{log}");
            assert_untouched(&spool, &sink, &log);
        }
    }
}

#[test]
fn files_that_cannot_be_used_are_errors_at_start() {
    let spool = Scratch::new();
    let nowhere = spool.join("nowhere.pem");
    for (option, file, expected) in [
        ("--client-tls-certificate", nowhere.as_str(), "cannot read"),
        (
            "--client-tls-certificate",
            &pki("server.pem"),
            "no private key in",
        ),
        ("--client-tls-verify", &nowhere, "cannot read"),
        (
            "--client-tls-verify",
            &pki("server.key"),
            "no certificate in",
        ),
    ] {
        let options = ["--client-tls", option, file];
        let (status, log) = forward(&spool, "127.0.0.1:9", &options);
        assert_eq!(status, 1, "{log}");
        assert!(
            log.contains(&format!("emailrelay: error: {option}: ")),
            "{log}"
        );
        assert!(log.contains(expected), "{option} {file}: {log}");
    }
}

#[test]
fn versions_are_those_of_the_configuration() {
    if skip_without("python3") {
        return;
    }
    for (config, version, agrees) in [
        ("tlsv1.3", "1.2", false),
        ("-tlsv1.2", "1.3", false),
        ("tlsv1.3", "1.3", true),
        ("-tlsv1.2", "1.2", true),
    ] {
        if config == "tlsv1.3" && !versions().contains(&"1.3") {
            continue;
        }
        let spool = spool_with_mail();
        let only = format!("version={version}");
        let sink = SecureSink::start("server", &["tls=starttls", &only]);
        let config = format!("--tls-config={config}");
        let result = forward(&spool, &sink.address(), &["--client-tls", &config]);
        if agrees {
            assert_sent(&spool, &sink, &result);
        } else {
            assert_eq!(result.0, 1, "{}", result.1);
            assert_untouched(&spool, &sink, &result.1);
        }
    }
}
