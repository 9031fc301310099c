//! Filters of the server that are programs.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::client::{Client, without_trace};
use crate::support::executable::script;
use crate::support::program::{PATIENCE, Scratch, Server, program, run};
use crate::support::sink::Sink;
use crate::support::skip;

/// A filter in shell whose behaviour is the message's subject.
const BY_SUBJECT: &str = r#"
content=$1 envelope=$2
subject=$(sed -n 's/^Subject: \(.*\).$/\1/p' "$content" | head -n 1)
eval "$subject"
"#;

/// The reply where a filter fails.
const FAILED: &str = "451 4.3.0 cannot filter the message now";

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
    let log = fixture.server.program.wait_for("accepted message: ");
    assert!(log.contains(" to=<b@dst.test> "), "{log}");
}

/// Others than the relay's user work on the spool; but a file that has another name
/// somewhere may be none of theirs.
#[test]
fn what_is_put_in_the_place_of_a_file_is_open_to_the_same() {
    let modes = |fixture: &Fixture| [".content", ".envelope"].map(|end| mode(&fixture.file(end)));
    let fixture = Fixture::by_subject(&[]);
    let replace = "for one in \"$content\" \"$envelope\"; do \
                   cat \"$one\" >\"$one.x\"; mv \"$one.x\" \"$one\"; done";
    assert!(is_stored(&fixture.send(replace)));
    assert_eq!(modes(&fixture), [0o660, 0o660]);
    let fixture = Fixture::by_subject(&[]);
    let other = fixture.work.join("other");
    let link = format!(
        "cat \"$content\" >{other}; ln {other} \"$content.x\"; \
         mv \"$content.x\" \"$content\""
    );
    assert!(is_stored(&fixture.send(&link)));
    assert_eq!(modes(&fixture), [0o600, 0o660]);
}

pub(crate) fn mode(path: &str) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
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
        let got = send(&mut client, &format!("{says}; exit 1"));
        assert_eq!(got, reply, "{says}");
    }
    send(&mut client, "echo '<<for you>>'; echo '<<for me>>'; exit 1");
    let log = fixture
        .server
        .program
        .wait_for("rejected by filter: [for me]");
    assert!(log.ends_with(" [for you]"), "{log}");
    let long = "printf '<<'; head -c 10000 /dev/zero | tr '\\0' x; echo '>>'; exit 1";
    let reply = send(&mut client, long);
    assert_eq!(reply, format!("452 4.7.1 {}", "x".repeat(300)));
    assert_eq!(fixture.spool.names(), [""; 0]);
}

#[test]
fn a_filter_that_does_not_do_its_duty_is_trouble_for_now() {
    let fixture = Fixture::by_subject(&["--filter-timeout=60"]);
    assert_trouble(
        &fixture,
        &[
            ("kill -9 $$", "signal 9"),
            ("kill -15 $$", "signal 15"),
            ("kill -13 $$", "signal 13"),
            ("kill -11 $$", "signal 11"),
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
        ],
    );
    assert!(is_stored(&fixture.send("exit 0")), "and the server goes on");
}

#[test]
fn a_filter_that_takes_too_long_is_ended() {
    let fixture = Fixture::by_subject(&["--filter-timeout=1"]);
    assert_trouble(
        &fixture,
        &[
            ("kill -STOP $$", "timed out"),
            ("trap '' TERM; sleep 99; sleep 99", "timed out"),
        ],
    );
}

/// What filters do, and what then is said in the log of each.
fn assert_trouble(fixture: &Fixture, cases: &[(&str, &str)]) {
    for (index, (does, reason)) in cases.iter().enumerate() {
        assert_eq!(fixture.send(does), FAILED, "{does}");
        let program = &fixture.server.program;
        let line = program.wait_for_nth("warning: filter ", index + 1);
        assert!(line.contains(reason), "{does}: {line}");
        assert_eq!(fixture.spool.names(), [""; 0], "{does}");
    }
}

#[test]
fn deleted_files_and_100_mean_that_the_filter_has_the_message() {
    let fixture = Fixture::by_subject(&[]);
    let both = "rm \"$content\" \"$envelope\"; exit 100";
    assert!(is_stored(&fixture.send(both)));
    assert_eq!(fixture.spool.names(), [""; 0]);
    fixture
        .server
        .program
        .wait_for("message taken by the filter: ");
    // As for POP by name: the content is for envelopes below.
    let below = "mkdir sub; mv \"$envelope\" sub/$(basename \"$envelope\" .new); exit 100";
    assert!(is_stored(
        &fixture.send(&format!("cd \"${{content%/*}}\"; {below}"))
    ));
    let names = fixture.spool.names();
    assert!(names[0].ends_with(".content"), "{names:?}");
    assert_eq!(names[1..], ["sub"]);
    let next = Server::start(&fixture.spool, &[]);
    assert_eq!(fixture.spool.names(), names, "{:#?}", next.program.log());
}

#[test]
fn what_is_left_is_fit_for_the_next_hop() {
    let (fixture, sink) = (Fixture::by_subject(&[]), Sink::start());
    // Line feeds alone, a dot, octets above 127, and no Received.
    let edit = r"printf 'Subject: x\n\n.\ngr\303\274n' >$content.tmp; mv $content.tmp $content";
    assert!(is_stored(&fixture.send(edit)));
    let envelope = fs::read_to_string(fixture.file(".envelope")).unwrap();
    assert!(envelope.contains("-Content: 8bit\r\n"), "{envelope}");
    let spool = fixture.spool.path().to_str().unwrap();
    let (status, _, log) = run(&["--as-client", &sink.address(), "--spool-dir", spool]);
    assert_eq!(status, 0, "{log}");
    let arrived = sink.arrived();
    assert_eq!(
        arrived[0].content,
        "Subject: x\r\n\r\n.\r\ngrün\r\n".as_bytes()
    );
    assert!(
        arrived[0].parameters.contains("BODY=8BITMIME"),
        "{arrived:?}"
    );
}

#[test]
fn an_envelope_is_kept_in_our_own_form() {
    let fixture = Fixture::by_subject(&[]);
    let edit = "tr -d '\\015' <$envelope >$envelope.tmp; mv $envelope.tmp $envelope; \
                echo 'X-MailRelay-Mine: 1' >>$envelope";
    assert!(is_stored(&fixture.send(edit)));
    let envelope = fs::read_to_string(fixture.file(".envelope")).unwrap();
    assert!(
        envelope.starts_with("X-MailRelay-Format: #2821.6\r\n"),
        "{envelope:?}"
    );
    assert!(
        envelope.ends_with("X-MailRelay-End: 1\r\nX-MailRelay-Mine: 1\r\n"),
        "{envelope:?}"
    );
    assert_eq!(fixture.spool.names().len(), 2);
}

#[test]
fn the_first_that_does_not_accept_decides_and_wishes_are_kept() {
    let (spool, work, sink) = (Scratch::new(), Scratch::new(), Sink::start());
    let text = "echo \"$0\" | sed 's:.*/::' >>\"${0%/*}/order\"; exit ";
    let one = script(&work, "one", &format!("{text} 103"));
    let two = script(&work, "two", &format!("{text} 0"));
    let three = script(&work, "three", &format!("echo '<<550 no>>'; {text} 1"));
    let filters = format!("{one},sleepms:1,exit:101");
    let hop = sink.address();
    let server = Server::start(
        &spool,
        &["--filter", &filters, "--filter", &two, "--forward-to", &hop],
    );
    let mut client = Client::connect(server.port);
    client.hello();
    assert!(is_stored(&send(&mut client, "x")));
    let order = || fs::read_to_string(work.join("order")).unwrap();
    assert_eq!(order(), "one\ntwo\n");
    // The wish of the first is not lost.
    server.program.wait_for("forwarding: [rescan]");
    server.program.wait_for("forwarding: 1 sent");
    let filters = format!("file:{one},{three},{two}");
    let server = Server::start(&spool, &["--filter", &filters, "--forward-to", &hop]);
    let mut client = Client::connect(server.port);
    client.hello();
    assert_eq!(send(&mut client, "x"), "550 5.7.1 no");
    assert_eq!(order(), "one\ntwo\none\nthree\n");
    server.program.wait_for("forwarding: no messages to send");
}

#[test]
fn a_wish_for_a_rescan_comes_with_either_verdict() {
    for (code, reply) in [(102, "250"), (103, "250"), (104, "452")] {
        let (spool, sink) = (Scratch::new(), Sink::start());
        let filter = format!("--filter=exit:{code}");
        let server = Server::start(&spool, &[&filter, "--forward-to", &sink.address()]);
        let mut client = Client::connect(server.port);
        client.hello();
        let got = send(&mut client, "x");
        assert!(got.starts_with(reply), "{got}");
        server.program.wait_for("forwarding: [rescan]");
        match reply {
            "250" => drop(server.program.wait_for("forwarding: 1 sent")),
            _ => drop(server.program.wait_for("forwarding: no messages to send")),
        }
    }
    let fixture = Fixture::new("exit 103", &[]);
    assert!(is_stored(&fixture.send("x")));
    fixture.server.program.wait_for("there is no --forward-to");
}

#[test]
fn filters_that_cannot_be_are_told_at_the_start() {
    let spool = Scratch::new();
    for (filter, problem) in [
        (
            "/no/such/filter",
            "--filter: cannot run \"/no/such/filter\": no such file",
        ),
        (
            "exit:0,/bin/true --option",
            "cannot run \"/bin/true --option\": ",
        ),
        (
            "/etc/passwd",
            "cannot run \"/etc/passwd\": permission denied",
        ),
        ("/tmp", "cannot run \"/tmp\": not a regular file"),
        (
            "exit:x",
            "--filter: \"exit:x\" is not a number from 0 to 255",
        ),
        ("net:nowhere", "--filter: \"net:nowhere\" has no port"),
        ("", "--filter: \"\" is empty"),
        ("exit:0,,exit:0", "--filter: \"\" is empty"),
    ] {
        let path = spool.path().to_str().unwrap();
        let arguments = ["--no-daemon", "--port=0", "--spool-dir", path, "--filter"];
        let (status, _, error) = run(&[&arguments[..], &[filter]].concat());
        assert_eq!(status, 1, "{filter}: {error}");
        assert!(error.contains(problem), "{filter}: {error}");
        let arguments = ["--as-client=x:1", "--spool-dir", path, "--client-filter"];
        let (status, _, error) = run(&[&arguments[..], &[filter]].concat());
        assert_eq!(status, 1, "{filter}: {error}");
        assert!(error.contains("--client-filter: "), "{filter}: {error}");
    }
}

#[test]
fn a_client_that_hangs_up_does_not_undo_what_the_filter_has_done() {
    let text = r#"
echo >"${0%/*}/began"
while test ! -e "${0%/*}/go"; do sleep 0.01; done
echo 'X-MailRelay-Seen: 1' >>"$2"
"#;
    let fixture = Fixture::new(text, &[]);
    let mut client = fixture.client();
    client.expect("MAIL FROM:<me@src.test>", "250");
    client.expect("RCPT TO:<a@dst.test>", "250");
    client.expect("DATA", "354");
    client.write(b"x: y\r\n\r\n.\r\n").unwrap();
    wait_until(|| fixture.work.path().join("began").exists());
    drop(client);
    // A connection that comes later is dealt with later, so the end has been seen.
    fixture.client().quit();
    assert!(fixture.file(".envelope.new").ends_with(".new"));
    fs::write(fixture.work.join("go"), "").unwrap();
    fixture.server.program.wait_for("accepted message: ");
    let envelope = fs::read_to_string(fixture.file(".envelope")).unwrap();
    assert!(envelope.ends_with("X-MailRelay-Seen: 1\r\n"), "{envelope}");
}

fn wait_until(condition: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < until);
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn killed_while_a_filter_runs_nothing_is_left() {
    // Replaces both files, so that neither is locked.
    let text = r#"
for file; do cp "$file" "$file.x"; mv "$file.x" "$file"; done
echo $$ >"${0%/*}/began.tmp"
mv "${0%/*}/began.tmp" "${0%/*}/began"
exec sleep 99
"#;
    let mut fixture = Fixture::new(text, &[]);
    let mut client = fixture.client();
    client.expect("MAIL FROM:<me@src.test>", "250");
    client.expect("RCPT TO:<a@dst.test>", "250");
    client.expect("DATA", "354");
    client.write(b"x: y\r\n\r\n.\r\n").unwrap();
    wait_until(|| fixture.work.path().join("began").exists());
    fixture.server.program.kill();
    #[cfg(target_os = "linux")]
    {
        let process = fs::read_to_string(fixture.work.join("began")).unwrap();
        let process = format!("/proc/{}/exe", process.trim());
        wait_until(|| fs::read_link(&process).is_err());
    }
    assert_eq!(fixture.spool.names().len(), 2);
    let server = Server::start(&fixture.spool, &[]);
    assert_eq!(
        fixture.spool.names(),
        [""; 0],
        "{:#?}",
        server.program.log()
    );
}

#[test]
fn a_pass_does_not_take_a_filtered_message_for_one_left_behind() {
    let text = r#"
for file; do cp "$file" "$file.x"; mv "$file.x" "$file"; done
echo >"${0%/*}/began"
while test ! -e "${0%/*}/go"; do sleep 0.01; done
"#;
    let sink = Sink::start();
    let fixture = Fixture::new(text, &["--poll=20ms", "--forward-to", &sink.address()]);
    let mut client = fixture.client();
    client.expect("MAIL FROM:<me@src.test>", "250");
    client.expect("RCPT TO:<a@dst.test>", "250");
    client.expect("DATA", "354");
    client.write(b"x: y\r\n\r\n.\r\n").unwrap();
    wait_until(|| fixture.work.path().join("began").exists());
    let passes = fixture.server.program.log();
    let passes = passes
        .iter()
        .filter(|line| line.contains("no messages to send"));
    fixture
        .server
        .program
        .wait_for_nth("no messages to send", passes.count() + 3);
    fs::write(fixture.work.join("go"), "").unwrap();
    assert!(is_stored(&client.reply().unwrap()));
    fixture.server.program.wait_for("sent message: ");
}

#[test]
fn stopping_ends_a_filter_that_does_not_end() {
    let text = "echo >\"${0%/*}/began\"\nexec sleep 99";
    let mut fixture = Fixture::new(text, &[]);
    let mut client = fixture.client();
    client.expect("MAIL FROM:<me@src.test>", "250");
    client.expect("RCPT TO:<a@dst.test>", "250");
    client.expect("DATA", "354");
    client.write(b"x: y\r\n\r\n.\r\n").unwrap();
    wait_until(|| fixture.work.path().join("began").exists());
    fixture.server.program.terminate();
    assert!(fixture.server.program.wait().success());
    assert_eq!(fixture.spool.names(), [""; 0]);
}

/// A verifier for which everybody named so is local.
const SOME_LOCAL: &str = r#"
case "$1" in
local*) printf 'Name\nalice\n'; exit 0 ;;
*) printf '\n%s\n' "$1"; exit 1 ;;
esac
"#;

#[test]
fn mail_for_local_recipients_is_filtered_before_it_is_copied() {
    let work = Scratch::new();
    let verifier = script(&work, "verifier", SOME_LOCAL);
    let fixture = Fixture::by_subject(&["--address-verifier", &verifier]);
    let mut client = fixture.client();
    let edit = "sed -i s/hello/changed/ \"$content\"";
    for (to, ends) in [
        (
            &["local@dst.test"][..],
            &[".content.local", ".envelope.local"][..],
        ),
        (
            &["local@dst.test", "other@dst.test"],
            &[".content", ".content.local", ".envelope", ".envelope.local"],
        ),
    ] {
        let content = format!("Subject: {edit}\r\n\r\nhello\r\n");
        let reply = client
            .try_send("me@src.test", to, content.as_bytes())
            .unwrap();
        assert!(is_stored(&reply), "{reply}");
        let names = fixture.spool.names();
        let found = names.iter().zip(ends);
        assert_eq!(names.len(), ends.len(), "{names:?}");
        assert!(
            found.into_iter().all(|(name, end)| name.ends_with(end)),
            "{names:?}"
        );
        for name in names {
            let text = fs::read_to_string(fixture.spool.join(&name)).unwrap();
            assert!(
                !name.contains(".content") || text.contains("\r\n\r\nchanged"),
                "{text}"
            );
            fs::remove_file(fixture.spool.join(&name)).unwrap();
        }
        let content = "Subject: exit 1\r\n\r\nhello\r\n";
        let reply = client
            .try_send("me@src.test", to, content.as_bytes())
            .unwrap();
        assert_eq!(reply, "452 4.7.1 rejected");
        assert_eq!(fixture.spool.names(), [""; 0]);
    }
}

/// How many filters run at once.
const FILTERS_MAX: usize = 20;

#[test]
fn only_so_many_run_at_once_and_nobody_else_waits() {
    // Waits for the word to go, and meanwhile shows that it runs.
    let text = r#"
own=${0%/*}
echo >"$own/running.$$"
while test ! -e "$own/go"; do sleep 0.02; done
ls "$own" | grep -c '^running' >>"$own/counts"
rm "$own/running.$$"
"#;
    let work = Scratch::new();
    let verifier = script(&work, "verifier", "printf '\\n%s\\n' \"$1\"\nexit 1\n");
    let fixture = Fixture::new(text, &["--address-verifier", &verifier]);
    let running = || {
        let names = fixture.work.names();
        names
            .iter()
            .filter(|name| name.starts_with("running"))
            .count()
    };
    let port = fixture.server.port;
    let clients: Vec<_> = (0..2 * FILTERS_MAX + 5)
        .map(|_| {
            thread::spawn(move || {
                let mut client = Client::connect(port);
                client.hello();
                send(&mut client, "x")
            })
        })
        .collect();
    wait_until(|| running() == FILTERS_MAX);
    // Others are served, and verifiers are run, while filters are waited for.
    let mut neighbour = fixture.client();
    neighbour.expect("MAIL FROM:<me@src.test>", "250");
    neighbour.expect("RCPT TO:<a@dst.test>", "250");
    neighbour.expect("NOOP", "250");
    assert_eq!(running(), FILTERS_MAX);
    fs::write(fixture.work.join("go"), "").unwrap();
    for client in clients {
        assert!(is_stored(&client.join().unwrap()));
    }
    let counts = fs::read_to_string(fixture.work.join("counts")).unwrap();
    let counts: Vec<usize> = counts.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(counts.len(), 2 * FILTERS_MAX + 5);
    assert!(
        counts.iter().all(|count| *count <= FILTERS_MAX),
        "{counts:?}"
    );
}

#[test]
fn what_a_filter_leaves_running_keeps_nobody_waiting() {
    let fixture = Fixture::by_subject(&["--filter-timeout=30"]);
    let started = Instant::now();
    assert!(is_stored(&fixture.send("sleep 25 & exit 0")));
    assert!(started.elapsed().as_secs() < 20);
}

#[test]
fn a_link_to_another_users_file_is_not_a_message() {
    let fixture = Fixture::by_subject(&[]);
    let secret = fixture.work.join("secret");
    fs::write(&secret, "root:x:0:0\r\n").unwrap();
    if std::os::unix::fs::chown(&secret, Some(4711), None).is_err() {
        skip("only root can give files away");
        return;
    }
    let link = format!("rm $content; ln {secret} $content");
    assert_eq!(fixture.send(&link), FAILED);
    fixture
        .server
        .program
        .wait_for("the content is another user's");
    assert_eq!(fixture.spool.names(), [""; 0]);
    assert!(std::path::Path::new(&secret).exists());
}

#[test]
fn the_log_says_whose_message_was_refused() {
    let fixture = Fixture::new("echo '<<550 no>>'; echo '<<why>>'; exit 1", &[]);
    let mut client = fixture.client();
    let to = ["a@dst.test", "b@dst.test", "c@dst.test", "d@dst.test"];
    let content = b"Message-ID: <1@src.test>\r\n\r\nhello\r\n";
    let reply = client.try_send("me@src.test", &to, content).unwrap();
    assert_eq!(reply, "550 5.7.1 no");
    let program = &fixture.server.program;
    let line = program.wait_for("rejected by filter: [why]: id=");
    let shown = "<a@dst.test>,<b@dst.test>,<c@dst.test>,+1";
    let start = format!("] from=<me@src.test> to={shown} client=127.0.0.1:");
    assert!(line.contains(&start), "{line}");
    assert!(line.ends_with(" message-id=<1@src.test> [no]"), "{line}");

    let reply = client.try_send("", &to[..1], b"\r\nhello\r\n").unwrap();
    assert_eq!(reply, "550 5.7.1 no");
    let line = program.wait_for_nth("rejected by filter: ", 2);
    let start = "] from=<> to=<a@dst.test> client=127.0.0.1:";
    let (_, rest) = line.split_once(start).unwrap();
    assert!(rest.ends_with(" [no]") && !rest.contains('='), "{line}");
}

#[test]
fn only_what_a_filter_cannot_mean_is_a_warning() {
    let fixture = Fixture::by_subject(&[]);
    let mut client = fixture.client();
    for code in [1, 99, 104, 105] {
        let reply = send(&mut client, &format!("exit {code}"));
        assert_eq!(reply, "452 4.7.1 rejected", "{code}");
    }
    // A shell cannot find the program.
    let reply = send(&mut client, "exec no-such-program");
    assert_eq!(reply, "452 4.7.1 rejected");
    let program = &fixture.server.program;
    program.wait_for("filter: exit code 105: []");
    program.wait_for_nth("rejected by filter: ", 5);
    let first = program.wait_for("warning: filter ");
    assert!(first.contains("filter failed: exit code 127: "), "{first}");
}

#[test]
fn a_slow_filter_is_not_the_clients_idleness() {
    let text = "sleep 7; exit 0";
    let fixture = Fixture::new(text, &["--idle-timeout=5"]);
    let mut client = fixture.client();
    assert!(is_stored(&send(&mut client, "x")));
    client.quit();
}

#[test]
fn delays_and_bare_codes_need_no_program() {
    for (filters, reply, log) in [
        ("exit:0,sleepms:20", "250 2.0.0 ", "filter: "),
        (
            "exit:100,exit:1",
            "250 2.0.0 ",
            "filter done: ok=0 abandon: id=",
        ),
        (
            "exit:0,exit:7",
            "452 4.7.1 rejected",
            "rejected by filter: [exit:7]: id=",
        ),
        ("sleepms:60000", FAILED, "filter timed out after 1s: id="),
    ] {
        let spool = Scratch::new();
        let seconds = if reply == FAILED { 1 } else { 60 };
        let timeout = format!("--filter-timeout={seconds}");
        let server = Server::start(&spool, &["--filter", filters, &timeout]);
        let mut client = Client::connect(server.port);
        client.hello();
        let got = send(&mut client, "x");
        assert!(got.starts_with(reply), "{filters}: {got}");
        server.program.wait_for(log);
    }
}
