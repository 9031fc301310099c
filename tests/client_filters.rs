//! Filters of mail that goes out.
#![cfg(unix)]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use crate::filters::mode;
use crate::support::address::unused;
use crate::support::client::Client;
use crate::support::executable::script;
use crate::support::program::{PATIENCE, Scratch, Server, run};
use crate::support::sink::{Answer, Sink};

/// A filter in shell whose behaviour is the message's subject.
const BY_SUBJECT: &str = r#"
content=$1 envelope=$2
subject=$(sed -n 's/^Subject: \(.*\).$/\1/p' "$content" | head -n 1)
echo "$subject" >>"${0%/*}/asked"
eval "$subject"
"#;

struct Fixture {
    spool: Scratch,
    work: Scratch,
    sink: Sink,
    filter: String,
}

impl Fixture {
    /// A spool with a message for each subject.
    fn new(subjects: &[&str]) -> Fixture {
        let (spool, work) = (Scratch::new(), Scratch::new());
        let filter = script(&work, "filter", BY_SUBJECT);
        let server = Server::start(&spool, &[]);
        let mut client = Client::connect(server.port);
        client.hello();
        for subject in subjects {
            let content = format!("Subject: {subject}\r\n\r\nhello\r\n");
            let to = ["a@dst.test", "b@dst.test"];
            client.send("me@src.test", &to, content.as_bytes());
        }
        client.quit();
        Fixture {
            spool,
            work,
            sink: Sink::start(),
            filter,
        }
    }

    fn forward(&self) -> (i32, String) {
        self.forward_with(&["--client-filter", &self.filter])
    }

    fn forward_with(&self, more: &[&str]) -> (i32, String) {
        let (spool, sink) = (self.spool.path().to_str().unwrap(), self.sink.address());
        let arguments = [
            "--as-client",
            &sink,
            "--spool-dir",
            spool,
            "--domain=relay.test",
        ];
        let (status, _, log) = run(&[&arguments[..], more].concat());
        (status, log)
    }

    /// The suffixes of the envelopes in the spool.
    fn envelopes(&self) -> Vec<String> {
        let names = self.spool.names();
        let suffix = |name: &String| Some(name.split_once(".envelope")?.1.to_owned());
        names.iter().filter_map(suffix).collect()
    }

    /// The text of the only envelope.
    fn envelope(&self) -> String {
        let names = self.spool.names();
        let mut found = names.iter().filter(|name| name.contains(".envelope"));
        let name = found.next().unwrap_or_else(|| panic!("{names:?}"));
        assert!(found.next().is_none(), "{names:?}");
        fs::read_to_string(self.spool.join(name)).unwrap()
    }

    fn asked(&self) -> Vec<String> {
        let text = fs::read_to_string(self.work.join("asked")).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

#[test]
fn exit_codes_decide() {
    for (code, sent, envelope, status) in [
        (0, 1, None, 0),
        (101, 1, None, 0),
        (102, 1, None, 0),
        (103, 1, None, 0),
        (1, 0, Some(".bad"), 1),
        (99, 0, Some(".bad"), 1),
        (105, 0, Some(".bad"), 1),
        (106, 0, Some(".bad"), 1),
        (115, 0, Some(".bad"), 1),
        (255, 0, Some(".bad"), 1),
        (100, 0, Some(""), 1),
        (104, 0, Some(""), 1),
    ] {
        let fixture = Fixture::new(&[&format!("exit {code}")]);
        let (got, log) = fixture.forward();
        assert_eq!(got, status, "{code}: {log}");
        assert_eq!(fixture.sink.arrived().len(), sent, "{code}: {log}");
        let envelopes = fixture.envelopes();
        assert_eq!(
            envelopes.first().map(String::as_str),
            envelope,
            "{code}: {log}"
        );
        if envelope == Some(".bad") {
            let text = fixture.envelope();
            let reason = "X-MailRelay-Reason: rejected\r\nX-MailRelay-ReasonCode: 550\r\n";
            assert!(text.contains(reason), "{code}: {text}");
            assert!(
                text.contains("a@dst.test") && text.contains("b@dst.test"),
                "{text}"
            );
        }
    }
}

#[test]
fn some_codes_end_the_pass() {
    for (code, sent, left) in [
        (0, 3, 0),
        (102, 2, 1),
        (104, 1, 2),
        (105, 1, 2),
        (103, 3, 0),
        (100, 2, 1),
    ] {
        let code = format!("exit {code}");
        let fixture = Fixture::new(&["exit 0", &code, "exit 0"]);
        let (_, log) = fixture.forward();
        assert_eq!(fixture.sink.arrived().len(), sent, "{code}: {log}");
        assert_eq!(fixture.envelopes().len(), left, "{code}: {log}");
        // One that was not to be sent has not been asked about.
        let asked = if code == "exit 100" { 3 } else { sent.max(2) };
        assert_eq!(fixture.asked().len(), asked, "{code}: {log}");
    }
}

#[test]
fn a_wish_to_end_the_pass_survives_later_filters() {
    let fixture = Fixture::new(&["a", "b"]);
    let (_, log) = fixture.forward_with(&["--client-filter=exit:102,exit:0"]);
    assert_eq!(fixture.sink.arrived().len(), 1, "{log}");
}

#[test]
fn what_a_filter_says_is_the_reason() {
    for (says, reason, code) in [
        ("echo '<<one>>'; exit 1", "one", 550),
        ("echo '<<one>>'; echo '[[two]]'; exit 1", "two", 550),
        ("echo '<<554 one>>'; echo '[[two]]'; exit 1", "two", 554),
    ] {
        let fixture = Fixture::new(&[says]);
        fixture.forward();
        let text = fixture.envelope();
        let lines = format!("X-MailRelay-Reason: {reason}\r\nX-MailRelay-ReasonCode: {code}\r\n");
        assert!(text.ends_with(&lines), "{says}: {text}");
    }
}

#[test]
fn trouble_leaves_the_message_queued() {
    for (does, seconds, reason) in [
        ("kill -9 $$", 60, "client filter: signal 9"),
        ("sleep 99", 1, "client filter: timed out"),
        ("yes", 60, "client filter: output of more than 65536 octets"),
        (
            "echo '<<450 later>>'; exit 1",
            60,
            "client filter: 450 later",
        ),
    ] {
        let fixture = Fixture::new(&[does]);
        let timeout = format!("--filter-timeout={seconds}");
        let more = ["--client-filter", &fixture.filter, &timeout];
        let (status, log) = fixture.forward_with(&more);
        assert_eq!(status, 1, "{does}: {log}");
        assert_eq!(fixture.envelopes(), [""], "{does}: {log}");
        let text = fixture.envelope();
        assert!(text.contains("X-MailRelay-Attempts: 1\r\n"), "{text}");
        assert!(text.contains(reason), "{does}: {text}");
        assert!(fixture.sink.arrived().is_empty());
    }
}

#[test]
fn edits_are_what_is_sent() {
    let edit = "sed -i -e 's/a@dst/c@dst/' -e 's/me@src/you@src/' $envelope; \
                printf 'Subject: y\\n\\n.\\nbye' >$content.x; mv $content.x $content";
    let fixture = Fixture::new(&[edit]);
    let (status, log) = fixture.forward();
    assert_eq!(status, 0, "{log}");
    let arrived = fixture.sink.arrived();
    assert_eq!(arrived[0].reverse_path, "you@src.test");
    assert_eq!(arrived[0].forward_paths, ["c@dst.test", "b@dst.test"]);
    assert_eq!(arrived[0].content, b"Subject: y\r\n\r\n.\r\nbye\r\n");
    assert_eq!(fixture.spool.names(), [""; 0]);
}

#[test]
fn edits_of_a_message_that_is_left_are_kept() {
    let fixture = Fixture::new(&["echo 'X-MailRelay-Mine: 1' >>$envelope; exit 100"]);
    let (_, log) = fixture.forward();
    assert_eq!(fixture.envelopes(), [""], "{log}");
    assert!(fixture.envelope().ends_with("X-MailRelay-Mine: 1\n"));
}

#[test]
fn what_is_put_in_the_place_of_a_file_is_open_to_the_same() {
    let replace = "for one in $content $envelope; do cat $one >$one.x; mv $one.x $one; done";
    let fixture = Fixture::new(&[&format!("{replace}; exit 100")]);
    let modes = || -> Vec<u32> {
        let names = fixture.spool.names().into_iter();
        names.map(|name| mode(&fixture.spool.join(&name))).collect()
    };
    let before = modes();
    let (_, log) = fixture.forward();
    assert_eq!(fixture.envelopes(), [""], "{log}");
    assert_eq!(modes(), before);
    assert!(before.iter().all(|mode| *mode & 0o060 != 0), "{before:?}");
}

#[test]
fn a_message_that_the_filter_has_taken_is_gone() {
    for code in ["exit 0", "exit 100", "exit 1"] {
        let does = format!("rm $content $envelope; {code}");
        let fixture = Fixture::new(&[&does, "exit 0"]);
        let (status, log) = fixture.forward();
        assert_eq!(status, 0, "{log}");
        assert!(
            log.contains("message taken by the client filter: "),
            "{log}"
        );
        assert_eq!(fixture.sink.arrived().len(), 1, "{log}");
        assert_eq!(fixture.spool.names(), [""; 0]);
    }
}

#[test]
fn a_mess_makes_the_message_bad() {
    for (does, reason) in [
        ("rm $content", "cannot open content file"),
        ("echo >$envelope", "cannot read envelope file: "),
        (
            "rm $content; mkfifo $content",
            "content file is not a regular file",
        ),
        (
            "sed -i -e '/To-Remote/d' -e 's/ToCount: 2/ToCount: 0/' $envelope",
            "no recipients",
        ),
        (
            "sed -i 's/a@dst.test/a@dst.test> NOTIFY=NEVER <x/' $envelope",
            "is not a forward-path",
        ),
    ] {
        let fixture = Fixture::new(&[does, "exit 0"]);
        let (status, log) = fixture.forward();
        assert_eq!(status, 1, "{does}: {log}");
        assert_eq!(fixture.envelopes(), [".bad"], "{does}: {log}");
        assert!(
            fixture.envelope().contains(reason),
            "{}",
            fixture.envelope()
        );
        assert_eq!(fixture.sink.arrived().len(), 1, "the next one goes: {log}");
    }
}

#[test]
fn a_message_that_is_being_filtered_is_nobody_elses() {
    // The filter replaces both files, so that neither is locked, and has another
    // process look at the spool.
    let does = r#"for file; do cp "$file" "$file.x"; mv "$file.x" "$file"; done; sleep 0.5"#;
    let fixture = Fixture::new(&[does]);
    let spool = &fixture.spool;
    let poll = [
        "--poll=20ms",
        "--forward",
        "--forward-to",
        &fixture.sink.address(),
    ];
    let more = ["--client-filter", &fixture.filter];
    let server = Server::start(spool, &[&poll[..], &more].concat());
    server.program.wait_for("forwarding: 1 sent");
    assert_eq!(fixture.sink.arrived().len(), 1);
    assert_eq!(fixture.asked().len(), 1);
}

#[test]
fn a_connection_that_breaks_gives_the_filtered_message_back() {
    let fixture = Fixture::new(&["sleep 0.2"]);
    let sink = Sink::scripted(&[], |_, command| match command {
        "GREETING" | "." => Answer::Usual,
        command if command.starts_with("MAIL") => Answer::Drop,
        _ => Answer::Usual,
    });
    let (spool, address) = (fixture.spool.path().to_str().unwrap(), sink.address());
    let arguments = ["--as-client", &address, "--spool-dir", spool];
    let more = ["--client-filter", &fixture.filter];
    let (status, _, log) = run(&[&arguments[..], &more].concat());
    assert_eq!(status, 1, "{log}");
    assert_eq!(fixture.envelopes(), [""], "{log}");
}

#[test]
fn without_a_connection_no_filter_is_asked() {
    let fixture = Fixture::new(&["exit 0"]);
    let address = unused().to_string();
    let spool = fixture.spool.path().to_str().unwrap();
    let arguments = ["--as-client", &address, "--spool-dir", spool];
    let more = ["--client-filter", &fixture.filter];
    let (status, _, log) = run(&[&arguments[..], &more].concat());
    assert_eq!(status, 1, "{log}");
    assert!(!fixture.work.path().join("asked").exists());
    assert_eq!(fixture.envelopes(), [""]);
}

#[test]
fn killed_while_a_filter_runs_the_message_is_sent_again() {
    let does = r#"for file; do cp "$file" "$file.x"; mv "$file.x" "$file"; done; exec sleep 99"#;
    let fixture = Fixture::new(&[does]);
    let address = fixture.sink.address();
    let arguments = ["--forward", "--forward-to", &address];
    let more = ["--client-filter", &fixture.filter];
    let mut server = Server::start(&fixture.spool, &[&arguments[..], &more].concat());
    server.program.wait_for("client filter: ");
    while fixture.envelopes() != [".busy"] || !fixture.work.path().join("asked").exists() {
        std::thread::yield_now();
    }
    server.program.kill();
    let (status, log) = fixture.forward_with(&[]);
    assert_eq!(status, 0, "{log}");
    assert_eq!(fixture.sink.arrived().len(), 1);
}

#[test]
fn a_filter_is_given_the_names_of_both_files() {
    let fixture = Fixture::new(&["echo $# $1 $2 >${0%/*}/seen"]);
    let names = fixture.spool.names();
    let (status, log) = fixture.forward();
    assert_eq!(status, 0, "{log}");
    let [content, envelope] = [0, 1].map(|index| fixture.spool.join(&names[index]));
    let seen = fs::read_to_string(fixture.work.join("seen")).unwrap();
    assert_eq!(seen, format!("2 {content} {envelope}.busy\n"));
}

#[test]
fn a_message_that_goes_out_at_once_has_both_files_too() {
    let (spool, work, sink) = (Scratch::new(), Scratch::new(), Sink::start());
    let text = "ls \"$@\" >\"${0%/*}/seen\" && sed -i s/hello/changed/ \"$1\"";
    let filter = script(&work, "filter", text);
    let address = sink.address();
    let arguments = [
        "--immediate",
        "--forward-to",
        &address,
        "--client-filter",
        &filter,
    ];
    let server = Server::start(&spool, &arguments);
    let mut client = Client::connect(server.port);
    client.hello();
    client.send("me@src.test", &["a@dst.test"], b"x: y\r\n\r\nhello\r\n");
    let seen = fs::read_to_string(work.join("seen")).unwrap();
    assert_eq!(seen.lines().count(), 2, "{seen}");
    assert!(sink.arrived()[0].content.ends_with(b"\r\n\r\nchanged\r\n"));
}

#[test]
fn a_filter_that_outlasts_the_next_hops_patience_is_not_asked_again() {
    // It ends a while after the next hop has gone.
    let does = r#"until [ -e "${0%/*}/gone" ]; do sleep 0.05; done; sleep 1"#;
    let fixture = Fixture::new(&[does]);
    let (asked, gone) = (fixture.work.join("asked"), fixture.work.join("gone"));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let next_hop = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"220 next.test\r\n").unwrap();
        assert!(stream.read(&mut [0; 100]).unwrap() > 0);
        stream.write_all(b"250 next.test\r\n").unwrap();
        let until = Instant::now() + PATIENCE;
        while !fs::exists(&asked).unwrap() {
            assert!(Instant::now() < until, "no filter is asked");
            thread::sleep(Duration::from_millis(5));
        }
        drop(stream);
        fs::write(gone, "").unwrap();
        Sink::on(listener, &[], |_, _| Answer::Usual)
    });
    let spool = fixture.spool.path().to_str().unwrap();
    let filter = ["--client-filter", &fixture.filter];
    let arguments = ["--as-client", &address, "--spool-dir", spool];
    let (status, _, log) = run(&[&arguments[..], &filter].concat());
    assert_eq!(status, 0, "{log}");
    assert_eq!(next_hop.join().unwrap().arrived().len(), 1, "{log}");
    assert_eq!(fixture.asked(), [does], "{log}");
}
