//! Address verifiers that are programs, and VRFY.
#![cfg(unix)]

use std::fs;
use std::io::Write;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::client::Client;
use crate::support::executable::script;
use crate::support::program::{PATIENCE, Scratch, Server, run};
use crate::support::skip;

/// A verifier in shell that decides by the recipient's local part.
const BY_NAME: &str = r#"
case "$1" in
alice*) printf 'Alice A.\nalice\n'; exit 0 ;;
bob*) printf '\nbob@elsewhere.test\n'; exit 1 ;;
carol*) printf 'ignored\n%s\n' "$1"; exit 1 ;;
short0*) echo 'only one line'; exit 0 ;;
short1*) exit 1 ;;
no*) printf 'never heard of\nbecause\n'; exit 2 ;;
later*) echo 'not today'; exit 3 ;;
four*) exit 4 ;;
ninety*) exit 99 ;;
abort*) exit 100 ;;
more*) exit 101 ;;
evil*) printf '250 ok\r\nMAIL\033[2J\n'; exit 2 ;;
tree*) printf 'name\n../../etc\n'; exit 0 ;;
die*) kill -9 $$ ;;
*) exit 1 ;;
esac
"#;

/// A server with a spool, and a verifier beside it.
pub(crate) struct Fixture {
    pub(crate) spool: Scratch,
    pub(crate) work: Scratch,
    pub(crate) server: Server,
}

impl Fixture {
    pub(crate) fn new(text: &str, arguments: &[&str]) -> Fixture {
        let (spool, work) = (Scratch::new(), Scratch::new());
        let program = script(&work, "verify er.sh", text);
        let arguments = [&["--address-verifier", &program], arguments].concat();
        let server = Server::start(&spool, &arguments);
        Fixture {
            spool,
            work,
            server,
        }
    }

    /// A session with a transaction begun.
    pub(crate) fn transaction(&self) -> Client {
        let mut client = Client::connect(self.server.port);
        client.hello();
        client.expect("MAIL FROM:<me@src.test>", "250");
        client
    }

    /// What the verifier has written to that file beside it.
    fn written(&self, name: &str) -> String {
        fs::read_to_string(self.work.join(name)).unwrap()
    }
}

/// The recipient fields of the envelope that ends in `suffix`.
pub(crate) fn recipients(spool: &Scratch, suffix: &str) -> Vec<String> {
    let name = spool
        .names()
        .into_iter()
        .find(|name| name.ends_with(suffix));
    let text = fs::read_to_string(spool.join(&name.unwrap())).unwrap();
    text.lines()
        .filter_map(|line| line.strip_prefix("X-MailRelay-To-"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn exit_codes_decide_on_recipients_and_vrfy() {
    let fixture = Fixture::new(BY_NAME, &[]);
    let unavailable = "550 5.1.1 mailbox unavailable";
    let evil = "550 5.1.1 250 ok";
    for (name, rcpt, vrfy) in [
        ("alice", "250 2.1.5 OK", "250 2.1.5 Alice A."),
        (
            "bob",
            "250 2.1.5 OK",
            "252 2.1.5 cannot verify but will accept: bob",
        ),
        (
            "short0",
            "550 5.1.1 only one line",
            "550 5.1.1 only one line",
        ),
        ("short1", unavailable, unavailable),
        ("no", "550 5.1.1 never heard of", "550 5.1.1 never heard of"),
        ("later", "450 4.2.0 not today", "450 4.2.0 not today"),
        ("four", unavailable, unavailable),
        ("ninety", unavailable, unavailable),
        ("more", unavailable, unavailable),
        ("evil", evil, evil),
        ("tree", "450 4.3.0 cannot verify", "450 4.3.0 cannot verify"),
        ("die", "450 4.3.0 cannot verify", "450 4.3.0 cannot verify"),
    ] {
        let mut client = fixture.transaction();
        let reply = client.command(&format!("RCPT TO:<{name}@dst.test>"));
        assert_eq!(reply, rcpt, "{name}");
        assert_eq!(client.command(&format!("VRFY {name}")), vrfy, "{name}");
        client.expect("NOOP", "250");
    }
    for command in ["RCPT TO:<abort@dst.test>", "VRFY abort"] {
        let mut client = fixture.transaction();
        assert!(
            client.try_command(command).is_err(),
            "hung up without a word"
        );
        let reason = "smtp connection closed: smtp protocol done: address verifier abort: 127";
        fixture.server.program.wait_for(reason);
    }
    let log = &fixture.server.program;
    for line in [
        "info: address verifier: exit code 1: [] [bob@elsewhere.test]",
        "info: address verifier: exit code 0: [Alice A.] [alice]",
        "warning: rejecting recipient \"no@dst.test\": never heard of: because",
        "warning: rejecting recipient \"four@dst.test\": mailbox unavailable: exit code 4",
        "warning: rejecting recipient \"die@dst.test\": cannot verify: signal 9",
    ] {
        log.wait_for(line);
    }
    assert_eq!(fixture.spool.names(), [""; 0]);
}

#[test]
fn decisions_end_up_in_the_envelope() {
    let fixture = Fixture::new(BY_NAME, &[]);
    let mut client = fixture.transaction();
    for (name, code) in [
        ("bob", "250"),
        ("no", "550"),
        ("carol", "250"),
        ("later", "450"),
    ] {
        client.expect(&format!("RCPT TO:<{name}@dst.test>"), code);
    }
    client.expect("DATA", "354");
    client.expect("x: y\r\n\r\n.", "250");
    let expected = ["Remote: bob@elsewhere.test", "Remote: carol@dst.test"];
    assert_eq!(recipients(&fixture.spool, ".envelope"), expected);
    let mut client = fixture.transaction();
    client.expect("RCPT TO:<no@dst.test>", "550");
    client.expect("DATA", "554");
}

#[test]
fn a_verifier_is_told_who_has_logged_in_and_how() {
    let text = r#"
printf '[%s]' "$5" "$6" >>"${0%/*}/arguments"
printf 'x\n%s\n' "$1"
exit 1
"#;
    let secrets = Scratch::new();
    let path = secrets.join("secrets");
    fs::write(&path, "server plain ann pw\nserver none 127.0.0.1 here\n").unwrap();
    let fixture = Fixture::new(text, &["--server-auth", &path]);
    let mut client = Client::connect(fixture.server.port);
    client.hello();
    client.expect("MAIL FROM:<me@src.test>", "250");
    client.expect("RCPT TO:<a@b.test>", "250");
    client.expect("RSET", "250");
    // NUL ann NUL pw
    client.expect("AUTH PLAIN AGFubgBwdw==", "235");
    client.expect("MAIL FROM:<me@src.test>", "250");
    client.expect("RCPT TO:<a@b.test>", "250");
    assert_eq!(fixture.written("arguments"), "[none][here][plain][ann]");
}

#[test]
fn there_are_always_six_arguments_and_no_shell() {
    let text = r#"
printf '%s:' "$#" >>"${0%/*}/arguments"
printf '[%s]' "$@" >>"${0%/*}/arguments"
echo >>"${0%/*}/arguments"
printf 'x\n%s\n' "$1"
exit 1
"#;
    let fixture = Fixture::new(text, &["--log-address"]);
    let mut client = Client::connect(fixture.server.port);
    client.hello();
    let mut expected = Vec::new();
    for sender in ["", "me@src.test", "-oQ/tmp@x.test"] {
        client.expect(&format!("MAIL FROM:<{sender}>"), "250");
        for recipient in [
            "a@b.test",
            "\"$(id)\"@b.test",
            "\"; sleep 66; a\\\"b\"@b.test",
            "-X/tmp/x@b.test",
            "`id`*${HOME}@b.test",
            "a@[IPv6:2001:db8::1]",
            "*@b.test",
        ] {
            client.expect(&format!("RCPT TO:<{recipient}>"), "250");
            expected.push(format!("6:[{recipient}][{sender}]"));
        }
        client.expect("RSET", "250");
    }
    client.expect("VRFY <some one>", "252");
    expected.push("6:[<some one>][]".to_owned());
    let written = fixture.written("arguments");
    let lines: Vec<&str> = written.lines().collect();
    assert_eq!(lines.len(), expected.len(), "{written}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(&expected), "{line}: {expected}");
        assert!(line.contains("[127.0.0.1:"), "{line}");
        assert!(line.ends_with("][relay.test][none][]"), "{line}");
    }
    let line = fixture.server.program.wait_for("executing");
    let start = "emailrelay: info: 127.0.0.1; address verifier: executing [";
    assert!(line.starts_with(start), "{line}");
    // What tools that ban clients look for.
    let watched = "emailrelay: info: 127.0.0.1; address verifier: exit code 1: [x] [a@b.test]";
    assert_eq!(fixture.server.program.wait_for("exit code"), watched);
}

#[test]
fn an_ipv6_client_is_shown_with_a_dot() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        skip("no IPv6 here");
        return;
    }
    let work = Scratch::new();
    let spool = Scratch::new();
    let program = script(&work, "verify", "echo \"$3\" >\"${0%/*}/client\"; exit 2");
    let arguments = ["--address-verifier", &program, "--interface", "::1"];
    let server = Server::start(&spool, &arguments);
    let line = server.program.wait_for("smtp server on ::1.");
    let port = line.rsplit('.').next().unwrap().parse::<u16>().unwrap();
    let stream = std::net::TcpStream::connect(("::1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let own = stream.local_addr().unwrap().port();
    let mut reader = std::io::BufReader::new(&stream);
    let mut line = String::new();
    std::io::BufRead::read_line(&mut reader, &mut line).unwrap();
    (&stream).write_all(b"VRFY x\r\n").unwrap();
    line.clear();
    std::io::BufRead::read_line(&mut reader, &mut line).unwrap();
    assert!(line.starts_with("550"), "{line}");
    let client = fs::read_to_string(work.join("client")).unwrap();
    assert_eq!(client.trim_end(), format!("::1.{own}"));
}

#[test]
#[cfg(target_os = "linux")]
fn a_verifier_finds_nothing_of_ours() {
    let text = r#"
ls /proc/self/fd >"${0%/*}/descriptors"
cat /proc/self/environ | tr '\0' ';' >"${0%/*}/environment"
umask >"${0%/*}/umask"
cut -d' ' -f1,5 /proc/$$/stat >"${0%/*}/group"
exit 2
"#;
    let (spool, work) = (Scratch::new(), Scratch::new());
    let program = script(&work, "verify", text);
    let mut command = Command::new("sh");
    command
        .args(["-c", "exec 7</dev/null 8</etc/passwd; exec \"$0\" \"$@\""])
        .arg(crate::support::program::program())
        .env("SECRET", "x")
        .env("HTTP_PROXY", "() { :;}; echo bad");
    let arguments = ["--address-verifier", &program];
    let server = Server::start_with(command, &spool, &arguments);
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(Client::connect(server.port));
    }
    let mut client = Client::connect(server.port);
    client.hello();
    client.expect("VRFY x", "550");
    let read = |name: &str| fs::read_to_string(work.join(name)).unwrap();
    // The first three, the file that the shell sends the listing to being one of
    // them, and the directory that is listed.
    assert_eq!(read("descriptors"), "0\n1\n2\n3\n");
    let mut environment: Vec<String> = read("environment")
        .split_terminator(';')
        .map(str::to_owned)
        .collect();
    environment.retain(|entry| {
        !["PWD=", "OLDPWD=", "SHLVL=", "_="]
            .iter()
            .any(|n| entry.starts_with(n))
    });
    assert!(
        environment.contains(&"PATH=/usr/bin:/bin".to_owned()),
        "{environment:?}"
    );
    assert!(environment.len() <= 2, "{environment:?}");
    assert_eq!(read("umask"), "0077\n");
    let group = read("group");
    let (process, group) = group.trim().split_once(' ').unwrap();
    assert_eq!(process, group);
}

/// Whether a process of that number is still at work.
fn is_running(pid: &str) -> bool {
    let is_alive = |stat: String| !stat.contains(") Z ");
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(is_alive)
}

#[test]
#[cfg(target_os = "linux")]
fn time_out_and_flood_end_the_whole_group() {
    let text = r#"
trap '' TERM
sleep 1000 &
echo $! $$ >>"${0%/*}/processes"
case "$1" in flood*) exec cat /dev/zero ;; esac
while :; do wait; done
"#;
    for (name, seconds, why) in [
        ("slow", "5", "timed out"),
        ("flood", "60", "output of more than 4096 octets"),
    ] {
        let fixture = Fixture::new(text, &["--filter-timeout", seconds]);
        let mut client = fixture.transaction();
        let reply = client.command(&format!("RCPT TO:<{name}@b.test>"));
        assert_eq!(reply, "450 4.3.0 cannot verify", "{name}");
        fixture
            .server
            .program
            .wait_for(&format!("cannot verify: {why}"));
        client.expect("NOOP", "250");
        let processes = fixture.written("processes");
        assert_eq!(processes.split_whitespace().count(), 2);
        let until = Instant::now() + PATIENCE;
        for pid in processes.split_whitespace() {
            while is_running(pid) {
                assert!(Instant::now() < until, "{pid} still runs");
                thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

#[test]
fn slow_verifiers_delay_nobody_else() {
    let fixture = Fixture::new("sleep 3; printf '\\na@b.test\\n'; exit 1", &[]);
    let started = Instant::now();
    let clients: Vec<_> = (0..50)
        .map(|_| {
            let mut client = fixture.transaction();
            client.write(b"RCPT TO:<a@b.test>\r\n").unwrap();
            client
        })
        .collect();
    let mut other = Client::connect(fixture.server.port);
    for _ in 0..20 {
        let asked = Instant::now();
        other.expect("NOOP", "250");
        // Far more than it takes, far less than a verifier does.
        assert!(asked.elapsed() < Duration::from_secs(2));
        thread::sleep(Duration::from_millis(20));
    }
    for mut client in clients {
        assert!(client.reply().unwrap().starts_with("250"));
    }
    // Three rounds of twenty.
    assert!(started.elapsed() >= Duration::from_secs(9));
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[test]
fn pipelined_recipients_are_decided_in_order() {
    let fixture = Fixture::new(BY_NAME, &[]);
    let mut client = fixture.transaction();
    let commands = "RCPT TO:<no@x.test>\r\nRCPT TO:<bob@x.test>\r\nVRFY alice\r\nNOOP\r\n\
                    RCPT TO:<later@x.test>\r\nDATA\r\n";
    client.write(commands.as_bytes()).unwrap();
    for code in ["550", "250", "250 2.1.5 Alice", "250", "450", "354"] {
        let reply = client.reply().unwrap();
        assert!(reply.starts_with(code), "{reply}: {code}");
    }
}

#[test]
fn a_stop_ends_the_verifiers() {
    let text = "echo $$ >\"${0%/*}/process\"; exec sleep 1000";
    let mut fixture = Fixture::new(text, &["--filter-timeout", "0"]);
    let mut client = fixture.transaction();
    client.write(b"RSET\r\nVRFY x\r\n").unwrap();
    fixture.server.program.wait_for("executing");
    let path = fixture.work.join("process");
    let until = Instant::now() + PATIENCE;
    while fs::read_to_string(&path).unwrap_or_default().is_empty() {
        assert!(Instant::now() < until);
        thread::sleep(Duration::from_millis(5));
    }
    fixture.server.program.terminate();
    assert!(fixture.server.program.wait().success());
    assert!(!is_running(fixture.written("process").trim()));
}

#[test]
fn a_program_that_only_exits_needs_no_program() {
    for (status, code) in [("0", "250"), ("1", "250"), ("2", "550"), ("3", "450")] {
        let spool = Scratch::new();
        let verifier = format!("--address-verifier=exit:{status}");
        let server = Server::start(&spool, &[&verifier]);
        let mut client = Client::connect(server.port);
        client.hello();
        // Many at once, since each is decided at once.
        let mut commands = "MAIL FROM:<a@b.test>\r\n".to_owned();
        commands += &"RCPT TO:<c@d.test>\r\n".repeat(1000);
        client.write(commands.as_bytes()).unwrap();
        client.reply().unwrap();
        for _ in 0..1000 {
            assert!(client.reply().unwrap().starts_with(code));
        }
    }
}

#[test]
fn a_verifier_that_cannot_be_run_is_found_out_at_the_start() {
    let work = Scratch::new();
    let plain = work.join("plain");
    fs::write(&plain, "no program").unwrap();
    let with_arguments = format!("{} --option", script(&work, "good", "exit 1"));
    for (value, reason) in [
        ("/no/such/verifier", "no such file or directory"),
        (plain.as_str(), "permission denied"),
        (with_arguments.as_str(), "no such file or directory"),
        ("/tmp", "not a regular file"),
    ] {
        let spool = work.path().to_str().unwrap();
        let arguments = [
            "-t",
            "--port=0",
            "--spool-dir",
            spool,
            "--address-verifier",
            value,
        ];
        let (status, _, log) = run(&arguments);
        assert_eq!(status, 1, "{log}");
        let expected = format!("error: --address-verifier: cannot run \"{value}\": {reason} (");
        assert!(log.contains(&expected), "{log}");
    }
}

#[test]
fn a_verifier_that_goes_away_later_is_trouble_for_now() {
    let fixture = Fixture::new(BY_NAME, &[]);
    fs::remove_file(fixture.work.join("verify er.sh")).unwrap();
    let mut client = fixture.transaction();
    client.expect("RCPT TO:<bob@b.test>", "450 4.3.0 cannot verify");
    let line = "exit code 127: exec error: no such file or directory";
    fixture.server.program.wait_for(line);
}
