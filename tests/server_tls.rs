//! The SMTP server with TLS, as its clients and its operator see it.

use std::fs;
use std::io::{Read, Write};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::client::Client;
use crate::support::program::{PATIENCE, Scratch, Server, run};
use crate::support::secure::{asks_without_need, pki, pki_text, showing};
use crate::support::secure::{skip_without_tls, trusting, versions};
use crate::support::skip_without;

const MESSAGE: &[u8] = b"Subject: x\r\n\r\nhello\r\n";

/// A server with STARTTLS, or with TLS from the start.
pub(crate) fn start(spool: &Scratch, mode: &str, more: &[&str]) -> Server {
    let certificate = pki_text("server-all.pem");
    let mut arguments = vec![mode, "--server-tls-certificate", &certificate];
    arguments.extend(more);
    Server::start(spool, &arguments)
}

/// The content of the only file in the spool whose name ends so.
pub(crate) fn stored(spool: &Scratch, ending: &str) -> String {
    let names = spool.names();
    let found: Vec<_> = names.iter().filter(|n| n.ends_with(ending)).collect();
    assert_eq!(found.len(), 1, "{names:?}");
    fs::read_to_string(spool.path().join(found[0])).unwrap()
}

/// Runs the program with these options and returns why it does not start.
pub(crate) fn refusal(arguments: &[&str]) -> String {
    let spool = Scratch::new();
    let mut all = vec!["--no-daemon", "--port", "0", "--interface", "127.0.0.1"];
    all.extend(["--spool-dir", spool.path().to_str().unwrap()]);
    all.extend(arguments);
    let (status, _, log) = run(&all);
    assert_eq!(status, 1, "{log}");
    log
}

#[test]
fn mail_comes_in_over_each_version_of_tls() {
    if skip_without_tls() {
        return;
    }
    for version in versions() {
        let keywords = format!("tlsv{version},-tlsv{version}");
        let protocol = format!("TLSv{version}");
        for mode in ["--server-tls", "--server-tls-connection"] {
            let spool = Scratch::new();
            let server = start(&spool, mode, &[]);
            let mut client = match mode {
                "--server-tls" => Client::connect_tls(server.port, &trusting(&keywords)),
                _ => {
                    let opened = Client::open_tls(server.port, &trusting(&keywords));
                    let (client, greeting) = opened.unwrap();
                    assert!(greeting.starts_with("220 "), "{greeting}");
                    client
                }
            };
            let hello = client.expect("EHLO client.test", "250");
            assert!(!hello.contains("STARTTLS"), "{hello}");
            client.send("a@b.test", &["c@d.test"], MESSAGE);
            let suite = client.session().unwrap().suite;
            client.quit();
            let content = stored(&spool, ".content");
            let trace = content.lines().next().unwrap();
            let expected = format!(" tls {suite} ({protocol}) ; ");
            assert!(trace.contains(" with ESMTPS id "), "{trace}");
            assert!(trace.contains(&expected), "{trace}");
            let line = server
                .program
                .wait_for("tls protocol established with 127.0.0.1:");
            assert!(
                line.contains(&format!(" protocol {protocol} cipher ")),
                "{line}"
            );
        }
    }
}

#[test]
fn large_messages_come_in_whole() {
    if skip_without_tls() {
        return;
    }
    let spool = Scratch::new();
    let server = start(&spool, "--server-tls", &[]);
    let mut client = Client::connect_tls(server.port, &trusting(""));
    client.hello();
    let message = crate::support::client::awkward_message("tls", 3_000_000);
    client.send("a@b.test", &["c@d.test"], &message);
    client.quit();
    let names = spool.names();
    let name = names.iter().find(|name| name.ends_with(".content"));
    let content = fs::read(spool.path().join(name.unwrap())).unwrap();
    assert!(crate::support::client::without_trace(&content) == message);
}

#[test]
fn what_is_pipelined_behind_starttls_ends_the_session() {
    if skip_without_tls() {
        return;
    }
    let spool = Scratch::new();
    let server = start(&spool, "--server-tls", &[]);
    for (before, injected) in ["MAIL FROM:<inj@ected>\r\n", "EHLO inj"].iter().enumerate() {
        let mut client = Client::connect(server.port);
        client.hello();
        let packet = format!("STARTTLS\r\n{injected}");
        client.write(packet.as_bytes()).unwrap();
        assert!(client.reply().unwrap().starts_with("220 "));
        assert!(client.start_tls(&trusting("")).is_err());
        let refused = "clear text behind starttls";
        server.program.wait_for_nth(refused, before + 1);
    }
    // The server is none the worse for it.
    Client::connect_tls(server.port, &trusting("")).hello();
}

#[test]
fn a_handshake_of_nothing_ends_the_session() {
    if skip_without_tls() {
        return;
    }
    let spool = Scratch::new();
    let server = start(&spool, "--server-tls-connection", &[]);
    let warning = [21, 3, 1, 0, 2, 1, 90].repeat(10_000);
    let empty = [22, 3, 1, 0, 0].repeat(10_000);
    for (records, count) in [(warning, 1), (empty, 2)] {
        let mut client = Client::knock(server.port).unwrap();
        // The server may have hung up before it has all of them.
        let _ = client.write(&records);
        let end = "peer disconnected: ssl accept";
        server.program.wait_for_nth(end, count);
    }
    Client::open_tls(server.port, &trusting("")).unwrap();
}

#[test]
fn nothing_of_use_is_done_in_clear_where_tls_is_required() {
    if skip_without_tls() {
        return;
    }
    let spool = Scratch::new();
    let server = start(&spool, "--server-tls", &["--server-tls-required"]);
    let mut client = Client::connect(server.port);
    client.hello();
    for command in ["MAIL FROM:<a@b.test>", "VRFY postmaster"] {
        client.expect(command, "530 5.7.0 ");
    }
    client.expect("STARTTLS", "220 ");
    client.start_tls(&trusting("")).unwrap();
    client.expect("MAIL FROM:<a@b.test>", "503 ");
    client.hello();
    client.send("a@b.test", &["c@d.test"], MESSAGE);
}

#[test]
fn certificates_of_clients_are_recorded_or_required() {
    if skip_without_tls() {
        return;
    }
    let spool = Scratch::new();
    let server = start(&spool, "--server-tls", &[]);
    let mut client = Client::connect_tls(server.port, &showing("client"));
    client.hello();
    client.send("a@b.test", &["c@d.test"], MESSAGE);
    client.quit();
    let envelope = stored(&spool, ".envelope");
    let pem = fs::read_to_string(pki("client.pem")).unwrap();
    let is_recorded = |envelope: &str| pem.lines().all(|line| envelope.contains(line));
    assert_eq!(is_recorded(&envelope), asks_without_need(), "{envelope}");

    let authorities = pki_text("ca.pem");
    let spool = Scratch::new();
    let server = start(
        &spool,
        "--server-tls",
        &["--server-tls-verify", &authorities],
    );
    let mut client = Client::connect_tls(server.port, &showing("client"));
    client.hello();
    client.send("a@b.test", &["c@d.test"], MESSAGE);
    server.program.wait_for("CN=client.example");
    let envelope = stored(&spool, ".envelope");
    assert!(is_recorded(&envelope), "{envelope}");
    for settings in [
        trusting(""),
        showing("foreign-client"),
        showing("self-signed-client"),
    ] {
        let mut client = Client::connect(server.port);
        client.hello();
        client.expect("STARTTLS", "220 ");
        // With TLS 1.3 a client learns of its refusal from the first answer.
        let served = client
            .start_tls(&settings)
            .and_then(|()| client.try_command("EHLO client.test"));
        assert!(served.is_err(), "{served:?}");
    }
    server
        .program
        .wait_for_nth("peer disconnected: ssl accept", 3);
}

#[test]
fn clear_text_and_tls_do_not_mix() {
    if skip_without_tls() {
        return;
    }
    let spool = Scratch::new();
    let server = start(&spool, "--server-tls-connection", &[]);
    let client = Client::silent(("127.0.0.1", server.port)).unwrap();
    client.socket().write_all(b"EHLO client.test\r\n").unwrap();
    let mut answer = Vec::new();
    // It may be reset, after the alert.
    let _ = client.socket().read_to_end(&mut answer);
    assert!(
        answer.first().is_none_or(|octet| *octet == 21),
        "{answer:?}"
    );
    server
        .program
        .wait_for("warning: tls: tls handshake failed: ");
    server.program.wait_for("peer disconnected: ssl accept");

    let server = start(&spool, "--server-tls", &[]);
    assert!(Client::open_tls(server.port, &trusting("")).is_err());
    server.program.wait_for("try enabling implicit tls (smtps)");
}

#[test]
fn a_message_that_was_cut_off_is_not_stored() {
    if skip_without_tls() {
        return;
    }
    let spool = Scratch::new();
    let server = start(&spool, "--server-tls", &[]);
    let mut client = Client::connect_tls(server.port, &trusting(""));
    client.hello();
    client.expect("MAIL FROM:<a@b.test>", "250");
    client.expect("RCPT TO:<c@d.test>", "250");
    client.expect("DATA", "354");
    client.write(b"Subject: x\r\n\r\nhalf of it\r\n").unwrap();
    client.socket().shutdown(std::net::Shutdown::Both).unwrap();
    server
        .program
        .wait_for("smtp connection closed: peer disconnected");
    assert_eq!(spool.names(), [""; 0]);
}

#[test]
fn the_server_says_goodbye_in_tls_too() {
    if skip_without_tls() {
        return;
    }
    let spool = Scratch::new();
    let server = start(&spool, "--server-tls", &[]);
    let mut client = Client::connect_tls(server.port, &trusting(""));
    client.expect("QUIT", "221 ");
    // An end without close_notify would be an error of another kind.
    let end = client.reply().unwrap_err();
    assert_eq!(end.kind(), std::io::ErrorKind::UnexpectedEof, "{end}");
    drop(server);
}

#[test]
fn certificates_are_read_again_when_they_change() {
    if skip_without_tls() {
        return;
    }
    let (spool, files) = (Scratch::new(), Scratch::new());
    let (key, chain) = (files.join("key.pem"), files.join("chain.pem"));
    let install = |name: &str| {
        fs::copy(pki(&format!("{name}.key")), &key).unwrap();
        fs::copy(pki(&format!("{name}.pem")), &chain).unwrap();
    };
    install("server");
    let pair = format!("{key},{chain}");
    let server = Server::start(&spool, &["--server-tls", "--server-tls-certificate", &pair]);
    let shows = |name: &str| {
        let mut client = Client::connect_tls(server.port, &trusting(""));
        client.hello();
        let shown = client.session().unwrap().peer.as_ref().unwrap().pem.clone();
        let expected = fs::read_to_string(pki(&format!("{name}.pem"))).unwrap();
        shown.unwrap().trim() == expected.trim()
    };
    let wait_until_it_shows = |name: &str| {
        let until = Instant::now() + PATIENCE;
        while !shows(name) {
            assert!(Instant::now() < until, "never shows {name}");
            thread::sleep(Duration::from_millis(100));
        }
    };
    assert!(shows("server"));
    install("self-signed");
    wait_until_it_shows("self-signed");
    server.program.wait_for("re-reading tls certificate file: ");

    // A pair that does not fit is told of once, and not used. While both files were
    // being exchanged they may not have fitted either.
    const KEPT: &str = "keeping the tls certificates as they were: ";
    let told = || {
        let log = server.program.log();
        log.iter().filter(|line| line.contains(KEPT)).count()
    };
    let before = told();
    let new = files.join("new");
    fs::copy(pki("rsa.key"), &new).unwrap();
    fs::rename(&new, &key).unwrap();
    for _ in 0..30 {
        assert!(shows("self-signed"));
        thread::sleep(Duration::from_millis(100));
    }
    let line = server.program.wait_for_nth(KEPT, before + 1);
    assert!(line.contains("error: ") && line.contains(&key), "{line}");
    assert_eq!(told(), before + 1, "{:#?}", server.program.log());
    install("server");
    wait_until_it_shows("server");
}

#[cfg(unix)]
#[test]
fn certificates_are_read_again_on_hangup() {
    if skip_without_tls() {
        return;
    }
    let spool = Scratch::new();
    let server = start(&spool, "--server-tls", &[]);
    server.program.hang_up();
    server.program.wait_for("told to reload");
    server.program.wait_for("re-reading tls certificate file: ");
    Client::connect_tls(server.port, &trusting("")).hello();
}

#[test]
fn what_is_wrong_with_tls_is_told_at_start() {
    if skip_without_tls() {
        return;
    }
    let good = pki_text("server-all.pem");
    let [server_key, rsa_pem] = ["server.key", "rsa.pem"].map(pki_text);
    let mismatch = format!("{server_key},{rsa_pem}");
    let encrypted = format!(
        "{},{}",
        pki_text("encrypted-pkcs8.key"),
        pki_text("server.pem")
    );
    let table: [(&str, &str, &[&str]); 6] = [
        ("/no/such", "", &["--server-tls-certificate: ", "/no/such"]),
        (
            &mismatch,
            "",
            &["--server-tls-certificate: ", "does not belong", &rsa_pem],
        ),
        (&encrypted, "", &["--server-tls-certificate: ", "encrypted"]),
        (
            &good,
            "--server-tls-verify=/no/ca",
            &["--server-tls-verify: ", "/no/ca"],
        ),
        (&good, "--tls-config=sslv3", &["--tls-config: ", "SSLv3"]),
        (
            &good,
            "--tls-config=-tlsv1.1",
            &["--tls-config: ", "TLSv1.1"],
        ),
    ];
    for (certificate, more, parts) in table {
        let mut arguments = vec!["--server-tls", "--server-tls-certificate", certificate];
        arguments.extend(Some(more).filter(|more| !more.is_empty()));
        let log = refusal(&arguments);
        for part in parts {
            assert!(log.contains(part), "{part} in {log}");
        }
    }
}

#[test]
fn libraries_that_are_not_built_in_are_told_by_their_feature() {
    let certificate = pki_text("server-all.pem");
    for library in ["rustls", "openssl", "mbedtls"] {
        let providers = emailrelay::tls::providers().iter();
        if !providers
            .into_iter()
            .any(|p| p.backend().feature() == library)
        {
            let choice = format!("--tls-config={library}");
            let log = refusal(&[
                "--server-tls",
                "--server-tls-certificate",
                &certificate,
                &choice,
            ]);
            let expected = format!("--tls-config: this program was built without {library}");
            assert!(log.contains(&expected), "{log}");
        }
    }
}

#[test]
fn the_version_names_the_tls_libraries() {
    let (_, version, _) = run(&["--version"]);
    let providers = emailrelay::tls::providers().iter();
    let known: Vec<String> = providers.map(|provider| provider.description()).collect();
    let expected = match known.is_empty() {
        true => "none".to_owned(),
        false => known.join(", "),
    };
    assert!(version.contains(&format!("tls: {expected}\n")), "{version}");
}

// ---- other people's clients

/// Runs the client, which says QUIT once the server has greeted that many times.
fn s_client(server: &Server, more: &[&str], greetings: usize) -> String {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &server.address(), "-ign_eof"]);
    command.args(more);
    let mut child = command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    if greetings > 0 {
        server.program.wait_for_nth("220 relay.test", greetings);
    }
    // A client that has been refused does not read it.
    let _ = child.stdin.take().unwrap().write_all(b"QUIT\r\n");
    let output = child.wait_with_output().unwrap();
    let texts = [output.stdout, output.stderr].map(|t| String::from_utf8_lossy(&t).into_owned());
    texts.concat()
}

#[test]
fn openssl_connects_both_ways_and_checks_the_certificate() {
    if skip_without_tls() || skip_without("openssl") {
        return;
    }
    let spool = Scratch::new();
    let authorities = pki_text("ca.pem");
    for (mode, more) in [
        ("--server-tls", &["-starttls", "smtp"][..]),
        ("--server-tls-connection", &[]),
    ] {
        let server = start(&spool, mode, &[]);
        for (index, version) in versions().into_iter().enumerate() {
            let only = format!("-tls{}", version.replace('.', "_"));
            let name = format!("TLSv{version}");
            let mut arguments = vec![&*only, "-CAfile", &authorities];
            arguments.extend(["-verify_return_error", "-verify_hostname", "mail.example"]);
            arguments.extend(more);
            let text = s_client(&server, &arguments, index + 1);
            assert!(text.contains("221 2.0.0"), "{text}");
            assert!(text.contains("Verification: OK"), "{text}");
            assert!(text.contains(&name), "{text}");
        }
        let mut arguments = vec!["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"];
        arguments.extend(more);
        let text = s_client(&server, &arguments, 0);
        assert!(!text.contains("221 2.0.0"), "{text}");
        server.program.wait_for("peer disconnected: ssl accept");
    }
}

#[test]
fn renegotiation_and_odd_server_names_do_no_harm() {
    if skip_without_tls() || skip_without("openssl") {
        return;
    }
    let spool = Scratch::new();
    let server = start(&spool, "--server-tls-connection", &[]);
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &server.address(), "-tls1_2"]);
    command.stdin(std::process::Stdio::piped());
    command.stdout(std::process::Stdio::null());
    command.stderr(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    server.program.wait_for("tls protocol established");
    child.stdin.take().unwrap().write_all(b"R\n").unwrap();
    child.wait().unwrap();
    server.program.wait_for("smtp connection closed");
    let long = "a".repeat(250);
    for name in ["a\\b", "../../etc/passwd", "a..b", &long] {
        s_client(&server, &["-servername", name], 0);
    }
    let (mut client, _) = Client::open_tls(server.port, &trusting("")).unwrap();
    client.hello();
}

#[test]
fn curl_submits_over_tls() {
    if skip_without_tls() || skip_without("curl") {
        return;
    }
    let mail = Scratch::new();
    fs::write(mail.join("m"), MESSAGE).unwrap();
    let (file, authorities) = (mail.join("m"), pki_text("ca.pem"));
    for (mode, scheme) in [
        ("--server-tls", "smtp"),
        ("--server-tls-connection", "smtps"),
    ] {
        let spool = Scratch::new();
        let server = start(&spool, mode, &[]);
        let url = format!("{scheme}://{}/client.test", server.address());
        let output = Command::new("curl")
            .args(["-sS", "--ssl-reqd", "--cacert", &authorities, "--url", &url])
            .args([
                "--mail-from",
                "a@b.test",
                "--mail-rcpt",
                "c@d.test",
                "-T",
                &file,
            ])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}");
        assert!(stored(&spool, ".content").contains("with ESMTPS "));
    }
}
