//! Logging in at the next hop.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::program::{Program, Scratch, Server};
use crate::support::secure::pki_text as pki;
use crate::support::secure_sink::{SecureSink, forward, secrets, spool_with_mail};
use crate::support::skip_without;

const PLAIN: &str = "client plain bob secret+20pw\n";

struct Attempt {
    spool: Scratch,
    sink: SecureSink,
    status: i32,
    log: String,
}

/// Forwards one message with those secrets to a server with TLS.
fn attempt(lines: &str, server: &[&str], options: &[&str]) -> Attempt {
    let (spool, directory) = (spool_with_mail(), Scratch::new());
    let sink = SecureSink::start("server", server);
    let path = secrets(&directory, lines);
    let auth = ["--client-auth", path.to_str().unwrap()];
    let (status, log) = forward(&spool, &sink.address(), &[&auth, options].concat());
    Attempt {
        spool,
        sink,
        status,
        log,
    }
}

fn over_tls(lines: &str, mechanisms: &str, more: &[&str]) -> Attempt {
    let auth = format!("auth={mechanisms}");
    let server = [&["tls=starttls", &auth], more].concat();
    attempt(lines, &server, &["--client-tls"])
}

impl Attempt {
    fn said(&self, verb: &str) -> Vec<String> {
        let transcript = self.sink.transcript();
        let says = |line: &&String| line.split(' ').nth(1) == Some(verb);
        transcript.iter().filter(says).cloned().collect()
    }

    fn assert_sent(&self, mechanism: &str) {
        assert_eq!(self.status, 0, "{}", self.log);
        assert_eq!(self.sink.stored(), 1, "{}", self.log);
        assert_eq!(self.spool.names(), [""; 0]);
        let authenticated = format!("using mechanism [{mechanism}]");
        assert!(self.log.contains(&authenticated), "{}", self.log);
    }

    fn assert_queued(&self, expected: &str) {
        assert_eq!(self.status, 1, "{}", self.log);
        assert!(self.log.contains(expected), "{expected}: {}", self.log);
        let names = self.spool.names();
        let is_queued = names.iter().any(|name| name.ends_with(".envelope"));
        assert!(is_queued && names.len() == 2, "{names:?}");
        assert_eq!(self.said("MAIL"), [""; 0]);
        assert_eq!(self.sink.stored(), 0);
    }

    fn assert_no_secret_in_the_log(&self) {
        for secret in ["secret", "c2VjcmV0", "AGJvYg", "dG9rZW4", "dXNlcj1ib2I"] {
            let lines = self.log.lines();
            let shown = lines.filter(|line| line.contains(secret) && !line.contains("secret for"));
            let shown: Vec<&str> = shown.filter(|line| !line.contains("secrets")).collect();
            assert!(shown.is_empty(), "{shown:?}");
        }
    }
}

#[test]
fn each_mechanism_logs_in() {
    if skip_without("python3") {
        return;
    }
    for (mechanism, lines) in [
        ("PLAIN", PLAIN),
        ("LOGIN", PLAIN),
        ("CRAM-MD5", PLAIN),
        ("CRAM-SHA1", PLAIN),
        ("CRAM-SHA256", PLAIN),
        ("CRAM-SHA512", PLAIN),
        ("XOAUTH2", "client oauth bob dG9rZW4=\n"),
        ("OAUTHBEARER", "client oauth bob dG9rZW4=\n"),
        ("PLAIN", "client plain:b Ym9i c2VjcmV0IHB3\n"),
    ] {
        let attempt = over_tls(lines, mechanism, &[]);
        attempt.assert_sent(&mechanism.to_lowercase());
        attempt.assert_no_secret_in_the_log();
        assert_eq!(
            attempt.said("MAIL"),
            ["S MAIL FROM:<me@src.test> SIZE=".to_owned() + &size(&attempt) + " AUTH=bob"]
        );
    }
}

fn size(attempt: &Attempt) -> String {
    let mail = attempt.said("MAIL").concat();
    let size = mail.split("SIZE=").nth(1).unwrap();
    size.split(' ').next().unwrap().to_owned()
}

#[test]
fn the_strongest_mechanism_is_tried_first() {
    if skip_without("python3") {
        return;
    }
    let attempt = over_tls(PLAIN, "LOGIN PLAIN CRAM-MD5 CRAM-SHA256", &[]);
    attempt.assert_sent("cram-sha256");
    assert_eq!(attempt.said("AUTH"), ["S AUTH CRAM-SHA256"]);
}

#[test]
fn an_account_can_be_given_on_the_command_line() {
    if skip_without("python3") {
        return;
    }
    let spool = spool_with_mail();
    let sink = SecureSink::start("server", &["tls=implicit", "auth=PLAIN"]);
    let options = [
        "--client-tls-connection",
        "--client-auth=plain:Ym9i:c2VjcmV0IHB3",
    ];
    let (status, log) = forward(&spool, &sink.address(), &options);
    assert_eq!(status, 0, "{log}");
    assert_eq!(sink.stored(), 1);
    let options = ["--client-tls", "--client-auth=plain:Ym9i:secret"];
    let (status, log) = forward(&spool, "127.0.0.1:9", &options);
    assert_eq!(status, 1);
    assert!(
        log.contains("error: --client-auth: invalid client account details"),
        "{log}"
    );
}

/// What our utility makes of a password will do in its place.
#[test]
fn stored_keys_of_emailrelay_passwd_log_in() {
    if skip_without("python3") {
        return;
    }
    for (hash, mechanism) in [("md5", "CRAM-MD5"), ("sha256", "CRAM-SHA256")] {
        let passwd = env!("CARGO_BIN_EXE_emailrelay-passwd");
        let mut command = Command::new(passwd);
        command.args(["--password", "secret pw", "--hash", hash]);
        let output = command.output().unwrap();
        let key = String::from_utf8(output.stdout).unwrap();
        let line = format!("client {hash} bob {}\n", key.trim());
        let attempt = over_tls(&line, &format!("PLAIN {mechanism}"), &[]);
        attempt.assert_sent(&mechanism.to_lowercase());
    }
}

#[test]
fn an_account_given_twice_is_not_shown() {
    let spool = Scratch::new();
    let twice = [
        "--client-auth=plain:Ym9i:cHc=",
        "--client-auth=plain:Ym9i:c2VjcmV0",
    ];
    let (status, log) = forward(&spool, "127.0.0.1:9", &twice);
    assert_eq!(status, 1);
    assert!(
        log.contains("--client-auth") && !log.contains("c2Vj"),
        "{log}"
    );
    assert!(!log.contains("cHc="), "{log}");
}

#[test]
fn a_certificate_logs_in() {
    if skip_without("python3") {
        return;
    }
    let (key, chain) = (pki("client.key"), pki("client.pem"));
    let clients = format!("clients={}", pki("ca.pem"));
    let server = ["tls=starttls", "auth=PLAIN EXTERNAL", &clients];
    let files = [
        "--client-tls-certificate",
        &key,
        "--client-tls-certificate",
        &chain,
    ];
    let attempt = attempt(PLAIN, &server, &[&["--client-tls"][..], &files].concat());
    attempt.assert_sent("external");
    assert_eq!(attempt.said("AUTH"), ["S AUTH EXTERNAL ="]);
    assert!(attempt.said("MAIL")[0].ends_with(" AUTH=<>"));
}

#[test]
fn mechanisms_are_those_of_the_configuration() {
    if skip_without("python3") {
        return;
    }
    let server = ["tls=starttls", "auth=CRAM-MD5 PLAIN LOGIN"];
    for (config, expected) in [
        ("login", "S AUTH LOGIN Ym9i"),
        ("m:login,plain", "S AUTH LOGIN Ym9i"),
        ("x:cram-md5,plain", "S AUTH LOGIN Ym9i"),
        ("m:;a:login", "S AUTH LOGIN Ym9i"),
        ("m:plain;d:plain,login", "S AUTH CRAM-MD5"),
    ] {
        let options = ["--client-tls", "--client-auth-config", config];
        let attempt = attempt(PLAIN, &server, &options);
        assert_eq!(attempt.status, 0, "{config}: {}", attempt.log);
        assert_eq!(attempt.said("AUTH"), [expected], "{config}");
    }
    let attempt = attempt(
        PLAIN,
        &server,
        &["--client-tls", "--client-auth-config", "q:plain"],
    );
    assert_eq!(attempt.status, 1);
    let expected = "error: --client-auth-config: not an m:, x:, a: or d: list: q:plain";
    assert!(attempt.log.contains(expected), "{}", attempt.log);
}

#[test]
fn a_wrong_password_pauses_the_route_and_costs_no_message() {
    if skip_without("python3") {
        return;
    }
    let attempt = over_tls("client plain bob wrong\n", "PLAIN", &[]);
    attempt.assert_queued(
        "authentication failed using mechanism [plain] and plaintext secret for [bob] from line \
         1: [5.7.8 wrong credentials]",
    );
    // Once: a pass that went on would have the account locked.
    assert_eq!(attempt.said("AUTH").len(), 1);
    let errors = attempt.log.lines().filter(|line| line.contains("error: "));
    assert_eq!(errors.count(), 1, "{}", attempt.log);
}

#[test]
fn a_temporary_refusal_leaves_mail_queued() {
    if skip_without("python3") {
        return;
    }
    let attempt = over_tls(PLAIN, "PLAIN", &["fail=454"]);
    attempt.assert_queued("authentication failed using mechanism [plain]");
}

#[test]
fn a_server_without_login_gets_nothing_where_login_is_configured() {
    if skip_without("python3") {
        return;
    }
    let none = attempt(PLAIN, &["tls=starttls"], &["--client-tls"]);
    none.assert_queued("authentication is not supported by the remote smtp server");
    over_tls("client oauth bob dG9rZW4=\n", "PLAIN LOGIN", &[]).assert_queued(
        "cannot do authentication required by remote server (PLAIN,LOGIN): check for a \
         compatible client secret",
    );
}

#[test]
fn a_file_without_an_account_does_not_log_in() {
    if skip_without("python3") {
        return;
    }
    for lines in ["", "server plain alice pw\n", "client plain:b = =\n"] {
        let attempt = over_tls(lines, "PLAIN", &[]);
        assert_eq!(attempt.status, 0, "{}", attempt.log);
        assert_eq!(attempt.said("AUTH"), [""; 0]);
        assert!(!attempt.said("MAIL")[0].contains("AUTH="));
        let warned = attempt
            .log
            .contains("warning: no account for forwarding in ");
        assert_eq!(warned, !lines.starts_with("client"), "{}", attempt.log);
    }
}

#[test]
fn h11_secrets_stay_out_of_clear_connections_unless_told_otherwise() {
    if skip_without("python3") {
        return;
    }
    let server = ["tls=none", "clear=PLAIN LOGIN XOAUTH2"];
    for (lines, options) in [
        (PLAIN, &[][..]),
        (PLAIN, &["--client-tls"]),
        (PLAIN, &["--client-auth-config", "m:;a:plain"]),
        (PLAIN, &["--client-auth-config", "x:login"]),
        ("client oauth bob dG9rZW4=\n", &[]),
    ] {
        let attempt = attempt(lines, &server, options);
        let first = "cannot do authentication required by remote server (PLAIN,LOGIN,XOAUTH2)";
        attempt.assert_queued(first);
        assert_eq!(attempt.said("AUTH"), [""; 0]);
    }
    let told = attempt(PLAIN, &server, &["--client-auth-config", "plain"]);
    told.assert_sent("plain");
    let hashed = attempt(PLAIN, &["tls=none", "clear=PLAIN CRAM-MD5"], &[]);
    hashed.assert_sent("cram-md5");
}

#[test]
fn h12_a_refused_token_is_acknowledged() {
    if skip_without("python3") {
        return;
    }
    let stale = "client oauth bob c3RhbGU=\n";
    let attempt = over_tls(stale, "XOAUTH2", &[]);
    attempt.assert_queued("authentication failed using mechanism [xoauth2] and oauth secret");
    let transcript = attempt.sink.transcript();
    assert!(
        transcript.contains(&"acknowledged with b''".to_owned()),
        "{transcript:?}"
    );
}

#[test]
fn the_sender_may_stay_anonymous() {
    if skip_without("python3") {
        return;
    }
    let server = ["tls=starttls", "auth=PLAIN"];
    let attempt = attempt(PLAIN, &server, &["--client-tls", "--anonymous=client"]);
    attempt.assert_sent("plain");
    assert!(attempt.said("MAIL")[0].ends_with(" AUTH=<>"));
}

#[test]
fn mistakes_in_the_secrets_file_are_errors_at_start() {
    let (spool, directory) = (Scratch::new(), Scratch::new());
    let path = secrets(
        &directory,
        "# comment\nclient plain bob\nclient plain b+ob pw\n",
    );
    let path = path.to_str().unwrap();
    let (status, log) = forward(&spool, "127.0.0.1:9", &["--client-auth", path]);
    assert_eq!(status, 1, "{log}");
    for problem in [
        "secrets(2): too few fields",
        "secrets(3): invalid xtext encoding",
    ] {
        assert!(log.contains(problem), "{log}");
    }
    let nowhere = directory.join("nowhere");
    let (status, log) = forward(&spool, "127.0.0.1:9", &["--client-auth", &nowhere]);
    assert_eq!(status, 1, "{log}");
    let expected =
        format!("error: --client-auth: cannot read secrets file {nowhere}: no such file");
    assert!(log.contains(&expected), "{log}");
}

/// A password that is set right is used without a restart.
#[test]
fn secrets_are_read_again_when_their_file_changes() {
    if skip_without("python3") {
        return;
    }
    let (spool, directory) = (spool_with_mail(), Scratch::new());
    let sink = SecureSink::start("server", &["tls=starttls", "auth=PLAIN"]);
    let path = secrets(&directory, "client plain bob wrong\n");
    let program = polling(&spool, &sink, &path, &["--client-tls"]);
    program.wait_for("authentication failed");
    secrets(&directory, "client plain bob\n");
    program.wait_for("too few fields: the former secrets stay in use");
    secrets(&directory, PLAIN);
    program.wait_for("forwarding: 1 sent");
    assert_eq!(sink.stored(), 1);
    assert_eq!(spool.names(), [""; 0]);
}

/// The same for authorities.
#[test]
fn certificates_are_read_again_when_their_files_change() {
    if skip_without("python3") {
        return;
    }
    let (spool, directory) = (spool_with_mail(), Scratch::new());
    let sink = SecureSink::start("server", &["tls=starttls", "auth=PLAIN"]);
    let path = secrets(&directory, PLAIN);
    let authority = directory.join("ca.pem");
    fs::copy(pki("other-ca.pem"), &authority).unwrap();
    let options = ["--client-tls", "--client-tls-verify", &authority];
    let program = polling(&spool, &sink, &path, &options);
    program.wait_for("tls handshake failed");
    fs::write(&authority, "no certificate").unwrap();
    program.wait_for("keeping the tls certificates for forwarding");
    fs::copy(pki("ca.pem"), &authority).unwrap();
    program.wait_for("forwarding: 1 sent");
    assert_eq!(spool.names(), [""; 0]);
}

fn polling(spool: &Scratch, sink: &SecureSink, secrets: &Path, options: &[&str]) -> Program {
    let mut arguments = vec!["--no-daemon", "--log", "--no-smtp", "--poll", "1"];
    let address = sink.address();
    arguments.extend([
        "--forward-to",
        &address,
        "--spool-dir",
        spool.path().to_str().unwrap(),
    ]);
    arguments.extend(["--client-auth", secrets.to_str().unwrap()]);
    arguments.extend(options);
    Program::spawn(&arguments)
}

#[test]
fn aiosmtpd_takes_mail_with_tls_and_a_login() {
    let Some(peer) = SecureSink::aiosmtpd("server") else {
        return;
    };
    let ca = pki("ca.pem");
    let verified = [
        "--client-tls-verify",
        &ca,
        "--client-tls-verify-name",
        "mail.example",
    ];
    for mechanism in ["a:plain", "a:login"] {
        let spool = spool_with_mail();
        let auth = [
            "--client-auth=plain:Ym9i:c2VjcmV0IHB3",
            "--client-auth-config",
            mechanism,
        ];
        let tls = ["--client-tls", "--client-tls-required"];
        let options = [&tls[..], &verified, &auth].concat();
        let (status, log) = forward(&spool, &peer.address(), &options);
        assert_eq!(status, 0, "{log}");
        assert!(log.contains("verified with its name"), "{log}");
        assert_eq!(spool.names(), [""; 0]);
    }
    // It wants both.
    let spool = spool_with_mail();
    let (status, log) = forward(&spool, &peer.address(), &["--client-tls"]);
    assert_eq!(status, 1, "{log}");
}

/// One of ours to another of ours: a stored key on both sides, so that neither
/// knows the password, over TLS that both verify.
#[test]
fn a_relay_logs_in_at_a_relay() {
    let (directory, store, queue) = (Scratch::new(), Scratch::new(), spool_with_mail());
    let passwd = env!("CARGO_BIN_EXE_emailrelay-passwd");
    let key = Command::new(passwd)
        .args(["--password", "secret pw"])
        .output();
    let key = String::from_utf8(key.unwrap().stdout).unwrap();
    let key = key.trim();
    let lines = format!("server md5 bob {key}\nclient md5 bob {key}\n");
    let path = secrets(&directory, &lines);
    let path = path.to_str().unwrap();
    let (ca, server_key, server) = (pki("ca.pem"), pki("server.key"), pki("server.pem"));
    let pair = format!("{server_key},{server}");
    let next_hop = Server::start(
        &store,
        &[
            "--server-auth",
            path,
            "--server-tls",
            "--server-tls-required",
            "--server-tls-certificate",
            &pair,
            "--server-tls-verify",
            &ca,
        ],
    );
    let ours = format!("{},{}", pki("client.key"), pki("client.pem"));
    let options = [
        "--client-tls",
        "--client-tls-required",
        "--client-tls-verify",
        &ca,
        "--client-tls-verify-name",
        "mail.example",
        "--client-tls-certificate",
        &ours,
        "--client-auth",
        path,
    ];
    let options = [&options[..], &["--client-auth-config", "m:cram-md5"]].concat();
    let (status, log) = forward(&queue, &next_hop.address(), &options);
    assert_eq!(status, 0, "{log}");
    assert!(
        log.contains("authenticated as [bob] using mechanism [cram-md5]"),
        "{log}"
    );
    assert_eq!(queue.names(), [""; 0]);
    assert_eq!(store.names().len(), 2);
    let without = &options[..options.len() - 4];
    let second = spool_with_mail();
    let (status, log) = forward(&second, &next_hop.address(), without);
    assert_eq!(status, 1, "{log}");
}
