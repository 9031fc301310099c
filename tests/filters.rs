//! Filters of the server that are programs.
#![cfg(unix)]

use std::fs;
use std::process::Command;
use std::time::Instant;

use crate::support::client::{Client, without_trace};
use crate::support::program::{Scratch, Server, program};
use crate::verifier::script;

/// A filter in shell whose behaviour is the message's subject.
const BY_SUBJECT: &str = r#"
content=$1 envelope=$2
subject=$(sed -n 's/^Subject: \(.*\).$/\1/p' "$content" | head -n 1)
eval "$subject"
"#;

/// A server with that filter.
struct Fixture {
    spool: Scratch,
    work: Scratch,
    server: Server,
}

impl Fixture {
    fn new(text: &str, arguments: &[&str]) -> Fixture {
        let (spool, work) = (Scratch::new(), Scratch::new());
        let filter = script(&work, "filter er.sh", text);
        let server = Server::start(&spool, &[&["--filter", &filter], arguments].concat());
        Fixture {
            spool,
            work,
            server,
        }
    }

    fn by_subject(arguments: &[&str]) -> Fixture {
        Fixture::new(BY_SUBJECT, arguments)
    }

    fn client(&self) -> Client {
        let mut client = Client::connect(self.server.port);
        client.hello();
        client
    }

    /// Sends a message with that subject on a connection of its own.
    fn send(&self, subject: &str) -> String {
        send(&mut self.client(), subject)
    }

    /// The one file in the spool that ends so.
    fn file(&self, end: &str) -> String {
        let names = self.spool.names();
        let mut found = names.iter().filter(|name| name.ends_with(end));
        let name = found.next().unwrap_or_else(|| panic!("{names:?}"));
        assert!(found.next().is_none(), "{names:?}");
        self.spool.join(name)
    }

    fn written(&self, name: &str) -> String {
        fs::read_to_string(self.work.join(name)).unwrap()
    }
}

fn send(client: &mut Client, subject: &str) -> String {
    let content = format!("Subject: {subject}\r\n\r\nhello\r\n");
    client
        .try_send("me@src.test", &["a@dst.test"], content.as_bytes())
        .unwrap()
}

/// What a reply says after its enhanced status code.
fn is_stored(reply: &str) -> bool {
    reply.starts_with("250 2.0.0 ")
}

#[test]
fn a_filter_is_given_two_names_and_nothing_else() {
    let text = r#"
umask >"${0%/*}/umask"
ls -l /proc/self/fd >"${0%/*}/fds" 2>&1
exec >"${0%/*}/seen"
echo "$#" "$0"
ls "$@"
pwd
env
cut -d ' ' -f 5 /proc/$$/stat
echo $$
"#;
    let (spool, work) = (Scratch::new(), Scratch::new());
    let filter = script(&work, "filter", text);
    let mut command = Command::new(program());
    command
        .env("SECRET", "x")
        .env("LD_PRELOAD", "")
        .env("BASH_FUNC_ls%%", "() { :;}")
        .current_dir(work.path());
    let server = Server::start_with(command, &spool, &["--filter=./filter"]);
    let mut client = Client::connect(server.port);
    client.hello();
    assert!(is_stored(&send(&mut client, "x")));
    let seen = fs::read_to_string(work.join("seen")).unwrap();
    let lines: Vec<&str> = seen.lines().collect();
    let name = spool
        .names()
        .into_iter()
        .find(|name| name.ends_with(".content"));
    let content = spool.join(&name.unwrap());
    let stem = content.trim_end_matches("content");
    let directory = work.path().to_str().unwrap();
    assert_eq!(
        lines[0],
        format!("2 {}", filter.replace("/filter", "/./filter"))
    );
    assert_eq!(
        lines[1..3],
        [content.clone(), format!("{stem}envelope.new")]
    );
    assert_eq!(lines[3], directory);
    let mut environment = lines[4..lines.len() - 2].to_vec();
    // What the shell itself adds, and the value of IFS, which is two lines.
    environment.retain(|line| !line.starts_with("PWD=") && !line.is_empty());
    environment.sort_unstable();
    assert_eq!(environment, ["IFS= \t", "PATH=/usr/bin:/bin"]);
    let [group, process] = lines[lines.len() - 2..] else {
        panic!("{seen}");
    };
    assert_eq!(group, process, "the first of a process group");
    assert_eq!(fs::read_to_string(work.join("umask")).unwrap(), "0077\n");
    // Standard output is the file here, and the fourth is the directory itself.
    let fds = fs::read_to_string(work.join("fds")).unwrap();
    let fds: Vec<&str> = fds.lines().filter(|line| line.contains(" -> ")).collect();
    assert_eq!(fds.len(), 4, "{fds:#?}");
    assert!(fds[0].ends_with("0 -> /dev/null"), "{fds:#?}");
    assert!(
        server
            .program
            .log()
            .iter()
            .all(|line| !line.contains("SECRET"))
    );
}

#[test]
fn edits_are_what_is_kept() {
    let fixture = Fixture::by_subject(&["--domain=relay.test"]);
    let edit = "sed -i 's/hello/good bye/' \"$content\"; \
                sed -i 's/a@dst/b@dst/' \"$envelope\"";
    assert!(is_stored(&fixture.send(edit)));
    let content = fs::read(fixture.file(".content")).unwrap();
    let text = String::from_utf8_lossy(without_trace(&content)).into_owned();
    assert!(text.ends_with("\r\n\r\ngood bye\r\n"), "{text}");
    let envelope = fs::read_to_string(fixture.file(".envelope")).unwrap();
    assert!(envelope.contains("To-Remote: b@dst.test\r\n"), "{envelope}");
}

#[test]
fn exit_codes_decide() {
    let fixture = Fixture::by_subject(&[]);
    let rejected = "452 4.7.1 rejected";
    let mut client = fixture.client();
    for (code, reply, files) in [
        (0, "250", 2),
        (1, rejected, 0),
        (2, rejected, 0),
        (42, rejected, 0),
        (99, rejected, 0),
        // The filter has left the files to us.
        (100, "250", 2),
        (101, "250", 2),
        (102, "250", 2),
        (103, "250", 2),
        (104, rejected, 0),
        (105, rejected, 0),
        (106, rejected, 0),
        (115, rejected, 0),
        (127, rejected, 0),
        (200, rejected, 0),
        (255, rejected, 0),
    ] {
        let got = send(&mut client, &format!("exit {code}"));
        assert!(got.starts_with(reply), "{code}: {got}");
        let names = fixture.spool.names();
        assert_eq!(names.len(), files, "{code}: {names:?}");
        for name in &names {
            assert!(!name.ends_with(".new"), "{name}");
            fs::remove_file(fixture.spool.join(name)).unwrap();
        }
    }
}

#[test]
fn what_a_filter_says_reaches_the_client_and_the_log() {
    let fixture = Fixture::by_subject(&[]);
    let mut client = fixture.client();
    for (says, reply) in [
        ("echo '<<no thanks>>'", "452 4.7.1 no thanks"),
        ("echo '[[no thanks]]'", "452 4.7.1 no thanks"),
        ("echo '<<550 never>>'", "550 5.7.1 never"),
        ("echo '<<550 5.1.1 who>>'", "550 5.1.1 who"),
        ("echo '<<421 later>>'", "421 4.7.1 later"),
        ("echo '[[250 ok]]'", "452 4.7.1 250 ok"),
        ("echo '<<199 x>>'", "452 4.7.1 199 x"),
        ("echo '<<600 x>>'", "452 4.7.1 600 x"),
        ("echo hello", "452 4.7.1 rejected"),
        ("echo; echo '<<one>> <<two>>'", "452 4.7.1 one"),
        (r"printf '<<550 x\r\n250 ok>>'", "452 4.7.1 rejected"),
        (
            r"printf '<<550 x\033[2J\303\251>>'",
            r"550 5.7.1 x\x1b[2J\xc3\xa9",
        ),
    ] {
        assert_eq!(
            send(&mut client, &format!("{says}; exit 1")),
            reply,
            "{says}"
        );
    }
    send(&mut client, "echo '<<for you>>'; echo '<<for me>>'; exit 1");
    let log = fixture.server.program.wait_for("[for you]");
    assert!(log.contains(": [for you] [for me]"), "{log}");
    let long = "printf '<<'; head -c 10000 /dev/zero | tr '\\0' x; echo '>>'; exit 1";
    let reply = send(&mut client, long);
    assert_eq!(reply, format!("452 4.7.1 {}", "x".repeat(300)));
    assert_eq!(fixture.spool.names(), [""; 0]);
}

#[test]
fn a_filter_that_does_not_do_its_duty_is_trouble_for_now() {
    let fixture = Fixture::by_subject(&["--filter-timeout=1"]);
    let mut count = 0;
    let failed = "451 4.3.0 cannot filter the message now";
    for (does, reason) in [
        ("kill -9 $$", "signal 9"),
        ("kill -15 $$", "signal 15"),
        ("kill -13 $$", "signal 13"),
        ("kill -11 $$", "signal 11"),
        ("kill -STOP $$", "timed out"),
        ("trap '' TERM; sleep 99; sleep 99", "timed out"),
        ("yes", "output of more than 65536 octets"),
        ("rm \"$content\"", "the content is gone"),
        ("rm \"$envelope\"", "the envelope is gone"),
        ("rm \"$content\" \"$envelope\"", "the envelope is gone"),
        ("rm \"$content\"; exit 100", "the content is gone"),
        ("echo >\"$envelope\"", "cannot read envelope file: "),
        (
            "echo >\"$envelope\"; exit 100",
            "cannot read envelope file: ",
        ),
        (
            "rm \"$content\"; ln -s /etc/passwd \"$content\"",
            "the content is not a regular file",
        ),
        (
            "rm \"$envelope\"; ln -s /etc/passwd \"$envelope\"",
            "the envelope is not a regular file",
        ),
        (
            "rm \"$content\"; mkfifo \"$content\"",
            "the content is not a regular file",
        ),
        (
            "ln \"$envelope\" \"${0%/*}/link$$\"",
            "the envelope has several names",
        ),
        (
            "sed -i 's/To-Remote: .*@/To-Remote: <x> /' \"$envelope\"",
            "is not a forward-path",
        ),
        (
            "sed -i -e '/To-Remote/d' -e 's/ToCount: 1/ToCount: 0/' \"$envelope\"",
            "no recipients",
        ),
    ] {
        let started = Instant::now();
        assert_eq!(fixture.send(does), failed, "{does}");
        assert!(started.elapsed().as_secs() < 20, "{does}");
        count += 1;
        let program = &fixture.server.program;
        let line = program.wait_for_nth("] failed: ", count);
        assert!(line.contains(reason), "{does}: {line}");
        assert_eq!(fixture.spool.names(), [""; 0], "{does}");
    }
    assert!(is_stored(&fixture.send("exit 0")), "and the server goes on");
}
