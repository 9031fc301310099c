//! Clients that log in to the SMTP server.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use emailrelay::base::base64;
use emailrelay::base::hash::{Algorithm, hmac};
use emailrelay::proto::sasl::cram;

use crate::server_tls::{refusal, start, stored};
use crate::support::client::Client;
#[cfg(unix)]
use crate::support::program::PATIENCE;
use crate::support::program::{Scratch, Server};
use crate::support::secure::{pki_text, skip_without_tls, trusting};
use crate::support::skip_without;

const MESSAGE: &[u8] = b"Subject: x\r\n\r\nhello\r\n";

/// A user name that xtext and shells have their trouble with.
const SECRETS: &str = "server plain alice e+3Dmc2\nserver plain bob+20b s3cret-of-bob\n";

/// A secrets file.
struct Secrets {
    folder: Scratch,
}

impl Secrets {
    fn new(text: &str) -> Secrets {
        let secrets = Secrets {
            folder: Scratch::new(),
        };
        secrets.write(text);
        secrets
    }

    fn path(&self) -> String {
        self.folder.join("secrets")
    }

    fn write(&self, text: &str) {
        let new = self.folder.join("new");
        fs::write(&new, text).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
        }
        fs::rename(new, self.path()).unwrap();
    }
}

fn serve(spool: &Scratch, secrets: &Secrets, more: &[&str]) -> Server {
    let path = secrets.path();
    let mut arguments = vec!["--server-auth", path.as_str()];
    arguments.extend(more);
    Server::start(spool, &arguments)
}

fn text(octets: &[u8]) -> String {
    String::from_utf8(base64::encode(octets)).unwrap()
}

fn plain(id: &str, password: &str) -> String {
    let response = format!("\0{id}\0{password}");
    format!("AUTH PLAIN {}", text(response.as_bytes()))
}

/// Logs in by a mechanism with one challenge, and returns the last reply.
fn cram(client: &mut Client, algorithm: Algorithm, name: &str, password: &str) -> String {
    let reply = client.expect(&format!("AUTH {name}"), "334 ");
    let challenge = base64::decode(&reply.as_bytes()[4..]).unwrap();
    let state = hmac::State::from_key(algorithm, password.as_bytes());
    let response = cram::response(b"alice", &state, &challenge);
    client.command(&text(&response))
}

#[test]
fn mail_is_accepted_only_after_a_login() {
    let (spool, secrets) = (Scratch::new(), Secrets::new(SECRETS));
    let server = serve(&spool, &secrets, &[]);
    let mut client = Client::connect(server.port);
    let hello = client.expect("EHLO client.test", "250");
    assert!(hello.contains("250-AUTH CRAM-SHA512 CRAM-SHA256 CRAM-SHA1 CRAM-MD5 PLAIN LOGIN"));
    client.expect("MAIL FROM:<a@b.test>", "530 5.7.0 ");
    client.expect(&plain("bob b", "s3cret-of-bob"), "235 2.7.0 ");
    client.expect("AUTH LOGIN", "503 ");
    client.send("a@b.test", &["c@d.test"], MESSAGE);
    client.quit();
    let envelope = stored(&spool, ".envelope");
    assert!(
        envelope.contains("X-MailRelay-Authentication: bob+20b\r\n"),
        "{envelope}"
    );
    assert!(stored(&spool, ".content").contains(" with ESMTPA id "));
    server.program.wait_for(
        "successful authentication of remote client using mechanism [plain] and \
         plaintext secret for [bob b] from line 2",
    );
}

#[test]
fn every_mechanism_lets_the_right_password_in() {
    let (spool, secrets) = (Scratch::new(), Secrets::new(SECRETS));
    let server = serve(&spool, &secrets, &[]);
    for (algorithm, name) in [
        (Algorithm::Md5, "CRAM-MD5"),
        (Algorithm::Sha1, "CRAM-SHA1"),
        (Algorithm::Sha256, "cram-sha256"),
        (Algorithm::Sha512, "CRAM-SHA512"),
    ] {
        let mut client = Client::connect(server.port);
        client.hello();
        let reply = cram(&mut client, algorithm, name, "e=mc2");
        assert!(reply.starts_with("235 "), "{name}: {reply}");
    }
    let mut client = Client::connect(server.port);
    client.hello();
    client.expect("AUTH LOGIN", "334 VXNlcm5hbWU6");
    client.expect(&text(b"alice"), "334 UGFzc3dvcmQ6");
    client.expect(&text(b"e=mc2"), "235 ");
}

#[test]
fn challenges_are_never_the_same() {
    let (spool, secrets) = (Scratch::new(), Secrets::new(SECRETS));
    let server = serve(&spool, &secrets, &[]);
    let challenge = || {
        let mut client = Client::connect(server.port);
        client.hello();
        client.expect("AUTH CRAM-MD5", "334 ")
    };
    let both = [challenge(), challenge()].map(|reply| reply[4..].to_owned());
    assert_ne!(both[0], both[1]);
    let decoded = base64::decode(both[0].as_bytes()).unwrap();
    assert!(decoded.ends_with(b"@relay.test>"), "{decoded:?}");
}

#[test]
fn the_password_works_over_tls_and_the_login_ends_with_starttls() {
    if skip_without_tls() {
        return;
    }
    let (spool, secrets) = (Scratch::new(), Secrets::new(SECRETS));
    let path = secrets.path();
    let server = start(&spool, "--server-tls", &["--server-auth", &path]);
    let mut client = Client::connect(server.port);
    client.hello();
    client.expect(&plain("alice", "e=mc2"), "235 ");
    client.expect("STARTTLS", "220 ");
    client.start_tls(&trusting("")).unwrap();
    client.hello();
    client.expect("MAIL FROM:<a@b.test>", "530 ");
    client.expect(&plain("alice", "e=mc2"), "235 ");
    client.expect("MAIL FROM:<a@b.test> AUTH=e+3Dmc2@x.test", "250 ");
    client.expect("RCPT TO:<c@d.test>", "250 ");
    client.expect("DATA", "354 ");
    client.expect(".", "250 ");
    client.quit();
    assert!(stored(&spool, ".content").contains(" with ESMTPSA id "));
    let envelope = stored(&spool, ".envelope");
    assert!(
        envelope.contains("X-MailRelay-MailFromAuthIn: e+3Dmc2@x.test\r\n"),
        "{envelope}"
    );
}

#[test]
fn trusted_addresses_need_no_login_and_establish_no_submitter() {
    let spool = Scratch::new();
    let secrets = Secrets::new("server none 127.0.0.0/24 our+20office\n");
    let server = serve(&spool, &secrets, &[]);
    let mut client = Client::connect(server.port);
    let hello = client.expect("EHLO client.test", "250");
    assert!(!hello.contains("AUTH"), "{hello}");
    client.expect("MAIL FROM:<a@b.test> AUTH=boss@b.test", "250 ");
    client.expect("RCPT TO:<c@d.test>", "250 ");
    client.expect("DATA", "354 ");
    client.expect(".", "250 ");
    client.quit();
    let envelope = stored(&spool, ".envelope");
    assert!(
        envelope.contains("X-MailRelay-MailFromAuthIn: <>\r\n"),
        "{envelope}"
    );
    assert!(
        envelope.contains("X-MailRelay-Authentication: our"),
        "{envelope}"
    );
    assert!(stored(&spool, ".content").contains(" with ESMTP id "));
    server
        .program
        .wait_for("trusting [127.0.0.1]: matched [127.0.0.0/24] from line 1");
}

fn greeted(server: &Server) -> Client {
    let mut client = Client::connect(server.port);
    client.hello();
    client
}

#[test]
fn guessing_is_slow_and_ends_the_connection() {
    let (spool, secrets) = (Scratch::new(), Secrets::new(SECRETS));
    let server = serve(&spool, &secrets, &["--log-address"]);
    let began = Instant::now();
    let mut client = Client::connect(server.port);
    client.hello();
    client.expect(&plain("alice", "wrong"), "535 5.7.8 ");
    // Whether there is such a user makes no difference.
    client.expect(&plain("nobody", "wrong"), "535 5.7.8 authentication failed");
    thread::scope(|scope| {
        // Others are served while the guesser waits; with an address that has failed,
        // they wait as well.
        let other = scope.spawn(|| {
            let began = Instant::now();
            let mut client = Client::connect(server.port);
            client.hello();
            client.expect(&plain("alice", "e=mc2"), "235 ");
            assert!(began.elapsed() >= Duration::from_secs(2));
        });
        client.expect(&plain("alice", "wrong"), "421 4.7.0 ");
        other.join().unwrap();
    });
    assert!(client.reply().is_err());
    assert!(began.elapsed() >= Duration::from_secs(1 + 2 + 2));
    // As fail2ban looks for it.
    server.program.wait_for(
        "emailrelay: warning: 127.0.0.1; failed authentication of remote client \
         using mechanism [plain] and plaintext secret for [alice] from line 1",
    );
    server.program.wait_for("missing secret for [nobody]");
    server.program.wait_for("too many failed authentications");
}

#[test]
fn a_guesser_that_does_not_wait_learns_nothing_and_is_counted() {
    let (spool, secrets) = (Scratch::new(), Secrets::new(SECRETS));
    let server = serve(&spool, &secrets, &[]);
    let connect = || greeted(&server);
    connect().expect(&plain("alice", "wrong"), "535 ");
    let began = Instant::now();
    for guess in ["mc2=e", "e=mc3"] {
        let attempt = format!("{}\r\n", plain("alice", guess));
        connect().write(attempt.as_bytes()).unwrap();
    }
    // Were this told at once, who hears nothing would know that the guess was wrong.
    connect().expect(&plain("alice", "e=mc2"), "235 ");
    assert!(began.elapsed() >= Duration::from_secs(1));
    let failure = "failed authentication of remote client";
    server.program.wait_for_nth(failure, 3);
}

#[test]
fn several_connections_guess_no_faster_than_one() {
    let (spool, secrets) = (Scratch::new(), Secrets::new(SECRETS));
    let server = serve(&spool, &secrets, &[]);
    let connect = || greeted(&server);
    for _ in 0..2 {
        connect().expect(&plain("alice", "wrong"), "535 ");
    }
    let (mut clients, began) = ([connect(), connect(), connect()], Instant::now());
    let attempt = format!("{}\r\n", plain("alice", "e=mc2"));
    for client in &mut clients {
        client.write(attempt.as_bytes()).unwrap();
    }
    for client in &mut clients {
        let reply = client.reply().unwrap();
        assert!(reply.starts_with("235 "), "{reply}");
    }
    // Two seconds for each but for what the first success forgives.
    assert!(began.elapsed() >= Duration::from_secs(5));
}

#[test]
fn a_new_password_counts_at_once_and_a_bad_file_not_at_all() {
    let (spool, secrets) = (Scratch::new(), Secrets::new(SECRETS));
    let server = serve(&spool, &secrets, &[]);
    let answer = |password: &str| {
        let mut client = Client::connect(server.port);
        client.hello();
        client.command(&plain("alice", password))
    };
    assert!(answer("e=mc2").starts_with("235 "));
    // Files are looked at once a second.
    thread::sleep(Duration::from_millis(1100));
    secrets.write("server plain alice changed\n");
    assert!(answer("changed").starts_with("235 "));
    server.program.wait_for("re-reading secrets file: ");
    assert!(answer("e=mc2").starts_with("535 "));
    thread::sleep(Duration::from_millis(1100));
    secrets.write("server plain alice\n");
    assert!(answer("changed").starts_with("235 "));
    let line = server
        .program
        .wait_for("error: keeping the secrets as they were: ");
    assert!(line.contains("secrets(1): too few fields"), "{line}");
    fs::remove_file(secrets.path()).unwrap();
    thread::sleep(Duration::from_millis(1100));
    assert!(answer("changed").starts_with("235 "));
}

#[cfg(unix)]
#[test]
fn hangup_reads_the_secrets_again() {
    let (spool, secrets) = (Scratch::new(), Secrets::new(SECRETS));
    let server = serve(&spool, &secrets, &[]);
    let mut client = Client::connect(server.port);
    client.hello();
    thread::sleep(Duration::from_millis(1100));
    secrets.write("server none 127.0.0.1 office\n");
    server.program.hang_up();
    server.program.wait_for("re-reading secrets file: ");
    // It counts for sessions that are there already.
    let until = Instant::now() + PATIENCE;
    while !client.command("MAIL FROM:<a@b.test>").starts_with("250 ") {
        assert!(Instant::now() < until, "never trusted");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn secrets_are_in_no_log() {
    let (spool, secrets) = (Scratch::new(), Secrets::new(SECRETS));
    let server = serve(&spool, &secrets, &[]);
    let mut client = Client::connect(server.port);
    client.hello();
    let wrong = text(b"\0alice\0wr0ng-guess");
    client.expect(&format!(" AUTH PLAIN {wrong}"), "500 ");
    client.expect(&format!("AUTH {wrong}"), "504 ");
    client.expect(&wrong, "500 ");
    client.expect(&format!("AUTH FOO {wrong}"), "504 ");
    client.expect(&format!("AUTH\tPLAIN\t{wrong}"), "535 ");
    client.expect("AUTH LOGIN", "334 ");
    client.expect("wr0ng-guess", "501 ");
    client.hello();
    client.expect(&plain("alice", "e=mc2"), "235 ");
    client.expect(&plain("alice", "e=mc2"), "503 ");
    client.quit();
    server.program.wait_for("smtp connection closed");
    let log = server.program.log().join("\n");
    let right = text(b"\0alice\0e=mc2");
    for secret in ["wr0ng-guess", "e=mc2", "e+3Dmc2", "s3cret", &wrong, &right] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
    assert!(log.contains("rx<<: \"AUTH PLAIN  [not logged]\""), "{log}");
    assert!(
        log.contains("rx<<: \"[authentication response not logged]\""),
        "{log}"
    );
}

#[test]
fn what_is_wrong_with_secrets_is_told_at_start() {
    let secrets = Secrets::new("server plain alice e+3Dmc2\nserver plain\n");
    let path = secrets.path();
    let table: [(&[&str], &[&str]); 4] = [
        (
            &["--server-auth", &path],
            &["--server-auth: ", &path, "secrets(2): too few fields"],
        ),
        (
            &["--server-auth", "/no/such"],
            &["--server-auth: ", "/no/such: "],
        ),
        (&["--server-auth="], &["--server-auth: ", "empty"]),
        (
            &["--server-auth-config=m:"],
            &["--server-auth-config: needs --server-auth"],
        ),
    ];
    for (arguments, parts) in table {
        let log = refusal(arguments);
        for part in parts {
            assert!(log.contains(part), "{part} in {log}");
        }
    }
    secrets.write(SECRETS);
    let log = refusal(&["--server-auth", &path, "--server-auth-config=z:plain"]);
    assert!(
        log.contains("--server-auth-config: not an m:, x:, a: or d: list"),
        "{log}"
    );
}

#[cfg(unix)]
#[test]
fn a_file_that_others_can_read_is_warned_of() {
    let (spool, secrets) = (Scratch::new(), Secrets::new(SECRETS));
    use std::os::unix::fs::PermissionsExt;
    let readable = fs::Permissions::from_mode(0o644);
    fs::set_permissions(secrets.path(), readable).unwrap();
    let server = serve(&spool, &secrets, &[]);
    let line = server
        .program
        .wait_for("others than its owner may read or write");
    assert!(
        line.contains("warning: ") && line.contains("0644"),
        "{line}"
    );
}

#[test]
fn mechanisms_are_those_that_are_configured() {
    if skip_without_tls() {
        return;
    }
    let (spool, secrets) = (Scratch::new(), Secrets::new(SECRETS));
    let path = secrets.path();
    let more = ["--server-auth", &path, "--server-auth-config", "m:;a:plain"];
    let server = start(&spool, "--server-tls", &more);
    let mut client = Client::connect(server.port);
    let hello = client.expect("EHLO client.test", "250");
    assert!(!hello.contains("AUTH"), "{hello}");
    client.expect(
        "MAIL FROM:<a@b.test>",
        "530 5.7.0 authentication required: use starttls",
    );
    client.expect(&plain("alice", "e=mc2"), "538 5.7.11 ");
    client.expect("STARTTLS", "220 ");
    client.start_tls(&trusting("")).unwrap();
    let hello = client.expect("EHLO client.test", "250");
    assert!(hello.contains("250-AUTH PLAIN\n"), "{hello}");
    client.expect(&plain("alice", "e=mc2"), "235 ");
}

// ---- other people's clients

fn must_succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let texts = [output.stdout, output.stderr].map(|t| String::from_utf8_lossy(&t).into_owned());
    assert!(output.status.success(), "{command:?}: {}", texts.concat());
    texts.concat()
}

#[test]
fn swaks_logs_in_by_each_mechanism_with_and_without_tls() {
    if skip_without_tls() || skip_without("swaks") {
        return;
    }
    let (spool, secrets) = (Scratch::new(), Secrets::new(SECRETS));
    let path = secrets.path();
    let server = start(&spool, "--server-tls", &["--server-auth", &path]);
    let mut perl = Command::new("perl");
    let has_tls = perl.args(["-MNet::SSLeay", "-e", "1"]).output();
    let has_tls = has_tls.is_ok_and(|output| output.status.success());
    for mechanism in ["PLAIN", "LOGIN", "CRAM-MD5"] {
        for tls in [None, Some("--tls").filter(|_| has_tls)] {
            let mut command = Command::new("swaks");
            command.args(["--server", &server.address(), "--from", "a@b.test"]);
            command.args([
                "--to",
                "c@d.test",
                "--auth",
                mechanism,
                "--auth-user",
                "alice",
            ]);
            command.args(["--auth-password", "e=mc2"]).args(tls);
            let text = must_succeed(&mut command);
            assert!(text.contains("235 2.7.0"), "{text}");
        }
    }
    assert_eq!(spool.names().len(), 2 * 6);
}

#[test]
fn curl_and_msmtp_log_in_over_tls() {
    if skip_without_tls() {
        return;
    }
    let (spool, secrets) = (Scratch::new(), Secrets::new(SECRETS));
    let path = secrets.path();
    let server = start(
        &spool,
        "--server-tls",
        &["--server-tls-required", "--server-auth", &path],
    );
    let authorities = pki_text("ca.pem");
    fs::write(secrets.folder.join("m"), MESSAGE).unwrap();
    if !skip_without("curl") {
        let url = format!("smtp://{}/client.test", server.address());
        let mut command = Command::new("curl");
        command.args(["-sS", "--ssl-reqd", "--cacert", &authorities, "--url", &url]);
        command.args(["--user", "alice:e=mc2", "--mail-from", "a@b.test"]);
        command.args(["--mail-rcpt", "c@d.test", "-T", &secrets.folder.join("m")]);
        must_succeed(&mut command);
        assert!(stored(&spool, ".content").contains(" with ESMTPSA "));
    }
    if !skip_without("msmtp") {
        let mut command = Command::new("msmtp");
        command.args([
            "--host=127.0.0.1",
            &format!("--port={}", server.port),
            "--tls=on",
        ]);
        command.args([
            "--tls-starttls=on",
            &format!("--tls-trust-file={authorities}"),
        ]);
        command.args([
            "--auth=plain",
            "--user=alice",
            "--passwordeval=printf e=mc2",
        ]);
        command.args(["--from=a@b.test", "c@d.test"]);
        command.stdin(fs::File::open(secrets.folder.join("m")).unwrap());
        must_succeed(&mut command);
        server.program.wait_for("helo=localhost");
    }
}

/// Submits by each mechanism in turn, over STARTTLS and over TLS from the start.
const PYTHON: &str = r#"
import smtplib, ssl, sys
port, implicit, authorities = int(sys.argv[1]), sys.argv[2] == "1", sys.argv[3]
context = ssl.create_default_context(cafile=authorities)
for mechanism in ["PLAIN", "LOGIN", "CRAM-MD5"]:
    if implicit:
        client = smtplib.SMTP_SSL("127.0.0.1", port, context=context)
    else:
        client = smtplib.SMTP("127.0.0.1", port)
        client.starttls(context=context)
    client.ehlo()
    client.user, client.password = "alice", "e=mc2"
    method = getattr(client, "auth_" + mechanism.lower().replace("-", "_"))
    client.auth(mechanism, method)
    client.sendmail("a@b.test", ["c@d.test"], "Subject: x\r\n\r\nhello\r\n")
    client.quit()
"#;

#[test]
fn python_logs_in_over_tls_by_each_mechanism() {
    if skip_without_tls() || skip_without("python3") {
        return;
    }
    let secrets = Secrets::new(SECRETS);
    let (path, authorities) = (secrets.path(), pki_text("ca.pem"));
    for (mode, implicit) in [("--server-tls", "0"), ("--server-tls-connection", "1")] {
        let spool = Scratch::new();
        let server = start(&spool, mode, &["--server-auth", &path]);
        let mut command = Command::new("python3");
        command.args([
            "-c",
            PYTHON,
            &server.port.to_string(),
            implicit,
            &authorities,
        ]);
        must_succeed(&mut command);
        assert_eq!(spool.names().len(), 2 * 3);
    }
}
