//! The filters that are part of the program: on the way in and on the way out.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use crate::support::client::{Client, awkward_message, without_trace};
use crate::support::executable::script;
use crate::support::program::{Scratch, Server, names, program, run};
use crate::support::sink::Sink;
use crate::verifier::recipients;

/// Recipients whose name starts with `local` are.
const LOCALS: &str = r#"
case "$1" in
local*) printf 'Name\n%s\n' "${1%%@*}"; exit 0 ;;
*) printf '\n%s\n' "$1"; exit 1 ;;
esac
"#;

/// Removes what is in memory beside the spool.
struct Fixture {
    spool: Scratch,
    work: Scratch,
    server: Server,
}

impl Fixture {
    fn new(filter: &str, arguments: &[&str]) -> Fixture {
        Fixture::with(Scratch::new(), filter, arguments)
    }

    fn with(spool: Scratch, filter: &str, arguments: &[&str]) -> Fixture {
        let work = Scratch::new();
        let verifier = script(&work, "verify", LOCALS);
        let filter = format!("--filter={filter}");
        let fixed = [filter.as_str(), "--address-verifier", &verifier];
        let server = Server::start(&spool, &[&fixed, arguments].concat());
        Fixture {
            spool,
            work,
            server,
        }
    }

    fn send(&self, to: &[&str], content: &[u8]) -> String {
        let mut client = Client::connect(self.server.port);
        client.hello();
        client.try_send("me@src.test", to, content).unwrap()
    }

    fn accepts(&self, to: &[&str], content: &[u8]) {
        let reply = self.send(to, content);
        assert!(reply.starts_with("250 "), "{reply}");
    }
}

/// What follows the id of each file, sorted.
fn suffixes(directory: &Path) -> Vec<String> {
    let suffix = |name: String| name.splitn(5, '.').nth(4).map(str::to_owned);
    let mut found: Vec<String> = names(directory).into_iter().filter_map(suffix).collect();
    found.sort();
    found
}

fn content(directory: &Path) -> Vec<u8> {
    let names = names(directory);
    let name = names.iter().find(|name| name.ends_with(".content"));
    fs::read(directory.join(name.unwrap_or_else(|| panic!("{names:?}")))).unwrap()
}

#[test]
fn copies_are_in_all_sub_directories_and_the_message_gone() {
    let spool = Scratch::new();
    for name in ["alice", "bob", "postmaster", ".hidden"] {
        fs::create_dir(spool.join(name)).unwrap();
    }
    let fixture = Fixture::with(spool, "copy:", &[]);
    let message = awkward_message("copy", 200_000);
    fixture.accepts(&["a@dst.test"], &message);
    let spool = fixture.spool.path();
    assert!(suffixes(spool).is_empty(), "{:?}", suffixes(spool));
    for name in ["alice", "bob"] {
        let place = spool.join(name);
        assert_eq!(suffixes(&place), ["content", "envelope"]);
        assert!(without_trace(&content(&place)) == message);
        let about = fs::metadata(place.join(&names(&place)[0])).unwrap();
        assert_eq!(about.permissions().mode() & 0o777, 0o660);
    }
    assert!(suffixes(&spool.join("postmaster")).is_empty());
    assert!(suffixes(&spool.join(".hidden")).is_empty());
}

#[test]
fn copies_may_share_the_content_which_stays() {
    let spool = Scratch::new();
    fs::create_dir(spool.join("alice")).unwrap();
    let fixture = Fixture::with(spool, "msgid:,copy:pop", &[]);
    fixture.accepts(&["a@dst.test"], b"Subject: x\r\n\r\ntext\r\n");
    assert_eq!(suffixes(fixture.spool.path()), ["content"]);
    assert_eq!(suffixes(&fixture.spool.path().join("alice")), ["envelope"]);
    // Not even a new process takes it for what was left behind.
    let Fixture { spool, server, .. } = fixture;
    drop(server);
    let server = Server::start(&spool, &[]);
    let mut client = Client::connect(server.port);
    client.hello();
    client.send("me@src.test", &["b@dst.test"], b"Subject: y\r\n\r\n");
    assert_eq!(suffixes(spool.path()), ["content", "content", "envelope"]);
}

/// The content is for the copies as well, whoever else the message is for.
#[test]
fn a_content_that_copies_share_stays_where_they_look_for_it() {
    for (filter, locals) in [
        (
            "copy:pop;nodelete",
            &["content.local", "envelope.local"][..],
        ),
        ("copy:pop;nodelete,deliver:", &[]),
    ] {
        let spool = Scratch::new();
        fs::create_dir(spool.join("alice")).unwrap();
        let fixture = Fixture::with(spool, filter, &[]);
        fixture.accepts(&["local@x.test"], b"Subject: x\r\n\r\ntext\r\n");
        let spool = fixture.spool.path();
        assert_eq!(suffixes(&spool.join("alice")), ["envelope"], "{filter}");
        assert_eq!(suffixes(spool), [&["content"], locals].concat(), "{filter}");
    }
}

#[test]
fn a_mailbox_that_two_filters_serve_gets_the_message_once() {
    let elsewhere = Scratch::new();
    let path = elsewhere.path().to_str().unwrap().to_owned();
    for (filter, arguments, found) in [
        (
            "copy:nodelete,deliver:",
            &[][..],
            &["content", "envelope"][..],
        ),
        ("copy:pop;nodelete,deliver:", &[], &["envelope"]),
        ("deliver:nodelete,copy:", &[], &["content", "envelope"]),
        ("copy:nodelete,copy:nodelete", &[], &["content", "envelope"]),
        (
            "copy:nodelete,deliver:",
            &["--delivery-dir", path.as_str()],
            &["content", "envelope"],
        ),
    ] {
        let spool = Scratch::new();
        fs::create_dir(spool.join("local1")).unwrap();
        let fixture = Fixture::with(spool, filter, arguments);
        fixture.accepts(&["local1@x.test"], b"Subject: x\r\n\r\ntext\r\n");
        let place = fixture.spool.path().join("local1");
        assert_eq!(suffixes(&place), found, "{filter}");
    }
    // That is another mailbox of the same name.
    let place = elsewhere.path().join("local1");
    assert_eq!(suffixes(&place), ["content", "envelope"]);
}

#[test]
fn copies_may_be_links_beside_the_message() {
    let spool = Scratch::new();
    fs::create_dir(spool.join("alice")).unwrap();
    let sink = Sink::start();
    let to = format!("--forward-to={}", sink.address());
    let fixture = Fixture::with(
        spool,
        "copy:hardlink;nodelete",
        &[&to, "--forward-on-disconnect"],
    );
    fixture.accepts(&["a@dst.test"], b"Subject: x\r\n\r\ntext\r\n");
    fixture.server.program.wait_for("forwarding: 1 sent");
    let alice = fixture.spool.path().join("alice");
    assert_eq!(suffixes(&alice), ["content", "envelope"]);
    assert_eq!(
        without_trace(&content(&alice)),
        b"Subject: x\r\n\r\ntext\r\n"
    );
    assert!(suffixes(fixture.spool.path()).is_empty());
}

#[test]
fn nothing_is_copied_of_what_a_later_filter_refuses() {
    for (filter, to) in [
        ("copy:nodelete,exit:1", "a@dst.test"),
        ("split:,exit:1", "a@dst.test"),
        ("deliver:nodelete,exit:1", "local1@here.test"),
    ] {
        let spool = Scratch::new();
        fs::create_dir(spool.join("local1")).unwrap();
        let fixture = Fixture::with(spool, filter, &[]);
        let reply = fixture.send(&[to, "b@other.test"], b"Subject: x\r\n\r\ntext\r\n");
        assert!(reply.starts_with("452 "), "{filter}: {reply}");
        assert_eq!(names(fixture.spool.path()), ["local1"], "{filter}");
        assert!(
            names(&fixture.spool.path().join("local1")).is_empty(),
            "{filter}"
        );
    }
}

#[test]
fn what_was_split_is_there_even_if_the_rest_is_taken() {
    let spool = Scratch::new();
    fs::create_dir(spool.join("alice")).unwrap();
    let fixture = Fixture::with(spool, "split:,copy:", &[]);
    fixture.accepts(&["1@a.test", "2@b.test"], b"Subject: x\r\n\r\ntext\r\n");
    assert_eq!(suffixes(fixture.spool.path()), ["content", "envelope"]);
    assert_eq!(
        recipients(&fixture.spool, ".envelope"),
        ["Remote: 2@b.test"]
    );
    let alice = fixture.spool.path().join("alice");
    assert_eq!(suffixes(&alice), ["content", "envelope"]);
}

#[test]
fn local_recipients_have_their_mail_delivered() {
    let fixture = Fixture::new("deliver:", &[]);
    let message = awkward_message("deliver", 100_000);
    fixture.accepts(
        &["local1@x.test", "local2@x.test", "local1@y.test"],
        &message,
    );
    assert_eq!(names(fixture.spool.path()), ["local1", "local2"]);
    for name in ["local1", "local2"] {
        let place = fixture.spool.path().join(name);
        assert_eq!(suffixes(&place), ["content", "envelope"]);
        assert!(without_trace(&content(&place)) == message);
        let mode = fs::metadata(&place).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o770);
    }
}

#[test]
fn of_mixed_mail_the_rest_is_forwarded() {
    let sink = Sink::start();
    let to = format!("--forward-to={}", sink.address());
    let fixture = Fixture::new("deliver:hardlink", &[&to, "--forward-on-disconnect"]);
    fixture.accepts(
        &["local1@x.test", "a@dst.test"],
        b"Subject: x\r\n\r\ntext\r\n",
    );
    fixture.server.program.wait_for("forwarding: 1 sent");
    assert_eq!(
        suffixes(&fixture.spool.path().join("local1")),
        ["content", "envelope"]
    );
    // No copies for programs of the operator's: it has been delivered.
    assert!(suffixes(fixture.spool.path()).is_empty());
}

#[test]
fn mail_is_delivered_into_maildirs_elsewhere() {
    let place = Scratch::new();
    for name in ["tmp", "new", "cur"] {
        fs::create_dir_all(place.path().join("local1").join(name)).unwrap();
    }
    let directory = place.path().to_str().unwrap().to_owned();
    let fixture = Fixture::new("deliver:", &["--delivery-dir", &directory]);
    fixture.accepts(&["local1@x.test"], b"Subject: x\r\n\r\ntext\r\n");
    assert!(names(fixture.spool.path()).is_empty());
    let new = place.path().join("local1/new");
    let found = names(&new);
    assert_eq!(found.len(), 1, "{found:?}");
    let text = fs::read(new.join(&found[0])).unwrap();
    assert_eq!(without_trace(&text), b"Subject: x\r\n\r\ntext\r\n");
    assert!(names(&place.path().join("local1/tmp")).is_empty());
}

#[test]
fn a_planted_link_is_not_followed() {
    let (spool, outside) = (Scratch::new(), Scratch::new());
    std::os::unix::fs::symlink(outside.path(), spool.join("local1")).unwrap();
    let fixture = Fixture::with(spool, "deliver:", &[]);
    let reply = fixture.send(&["local1@x.test"], b"Subject: x\r\n\r\ntext\r\n");
    assert!(reply.starts_with("451 4."), "{reply}");
    assert!(names(outside.path()).is_empty());
    assert_eq!(names(fixture.spool.path()), ["local1"]);
}

#[test]
fn a_message_is_split_by_domains() {
    let fixture = Fixture::new("split:2525", &[]);
    let message = awkward_message("split", 100_000);
    fixture.accepts(&["1@b.test", "2@A.test", "3@B.test", "4@c.test"], &message);
    let spool = fixture.spool.path();
    let expected = [
        "content", "content", "content", "envelope", "envelope", "envelope",
    ];
    assert_eq!(suffixes(spool), expected);
    let mut groups = Vec::new();
    for name in names(spool) {
        let path = spool.join(&name);
        if name.ends_with(".content") {
            let about = fs::metadata(&path).unwrap();
            assert_eq!(about.nlink(), 3);
            assert!(without_trace(&fs::read(path).unwrap()) == message);
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        let value = |field: &str| -> Vec<String> {
            let start = format!("X-MailRelay-{field}: ");
            let lines = text.lines().filter_map(|line| line.strip_prefix(&start));
            lines.map(str::to_owned).collect()
        };
        assert_eq!(value("SplitGroupCount"), ["3"]);
        assert_eq!(value("SplitGroup").len(), 3);
        groups.push((value("ForwardTo").join(","), value("To-Remote").join(",")));
    }
    groups.sort();
    let expected = [
        ("a.test:2525", "2@A.test"),
        ("b.test:2525", "1@b.test,3@B.test"),
        ("c.test:2525", "4@c.test"),
    ];
    let expected = expected.map(|(domain, to)| (domain.to_owned(), to.to_owned()));
    assert_eq!(groups, expected);
}

#[test]
fn each_part_of_a_split_message_is_forwarded_once() {
    let sink = Sink::start();
    let to = format!("--forward-to={}", sink.address());
    let fixture = Fixture::new("split:raw", &[&to, "--forward-on-disconnect"]);
    fixture.accepts(&["1@b.test", "2@a.test"], b"Subject: x\r\n\r\ntext\r\n");
    fixture.server.program.wait_for("forwarding: 2 sent");
    assert!(names(fixture.spool.path()).is_empty());
}

#[test]
fn a_message_id_is_added() {
    let fixture = Fixture::new("msgid:", &[]);
    fixture.accepts(&["a@dst.test"], b"Subject: x\r\n\r\ntext\r\n");
    let text = String::from_utf8(content(fixture.spool.path())).unwrap();
    let (field, rest) = text.split_once("\r\n").unwrap();
    assert!(
        field.starts_with("Message-ID: <") && field.ends_with("@relay.test>"),
        "{field}"
    );
    assert!(rest.starts_with("Received: ") && rest.ends_with("\r\nSubject: x\r\n\r\ntext\r\n"));
    let mode = |name: &String| fs::metadata(fixture.spool.join(name)).unwrap().mode() & 0o777;
    assert!(fixture.spool.names().iter().all(|name| mode(name) == 0o660));
}

#[test]
fn messages_are_edited_and_copied_on_the_way_out() {
    let (spool, sink) = (Scratch::new(), Sink::start());
    fs::create_dir(spool.join("alice")).unwrap();
    let server = Server::start(&spool, &[]);
    let mut client = Client::connect(server.port);
    client.hello();
    client.send(
        "me@src.test",
        &["1@a.test", "2@b.test"],
        b"Subject: x\r\n\r\ntext\r\n",
    );
    drop(server);
    let arguments = |filter: &str| {
        let filter = format!("--client-filter={filter}");
        let to = format!("--as-client={}", sink.address());
        let spool = format!("--spool-dir={}", spool.path().display());
        [filter, to, spool]
    };
    let (status, _, log) = run(&arguments("msgid:,copy:nodelete,split:"));
    assert_eq!(status, 0, "{log}");
    // What was split off comes in the next pass.
    let (status, _, log) = run(&arguments("msgid:"));
    assert_eq!(status, 0, "{log}");
    assert_eq!(names(spool.path()), ["alice"]);
    let copied = String::from_utf8(content(&spool.path().join("alice"))).unwrap();
    assert!(copied.starts_with("Message-ID: <"), "{copied}");
    let taken = sink.arrived();
    let mut to: Vec<String> = taken
        .iter()
        .flat_map(|mail| mail.forward_paths.clone())
        .collect();
    to.sort();
    assert_eq!(to, ["1@a.test", "2@b.test"]);
}

#[test]
fn a_copy_takes_a_message_away_on_the_way_out() {
    let (spool, sink) = (Scratch::new(), Sink::start());
    fs::create_dir(spool.join("alice")).unwrap();
    let server = Server::start(&spool, &[]);
    let mut client = Client::connect(server.port);
    client.hello();
    client.send("me@src.test", &["1@a.test"], b"Subject: x\r\n\r\ntext\r\n");
    drop(server);
    let to = format!("--as-client={}", sink.address());
    let directory = format!("--spool-dir={}", spool.path().display());
    let (_, _, log) = run(&[to.as_str(), &directory, "--client-filter=copy:"]);
    assert_eq!(names(spool.path()), ["alice"], "{log}");
    let alice = spool.path().join("alice");
    assert_eq!(suffixes(&alice), ["content", "envelope"], "{log}");
    assert!(sink.arrived().is_empty());
}

#[test]
fn a_full_disk_or_a_closed_directory_is_trouble_for_now() {
    let spool = Scratch::new();
    // A file has the place of the mailbox.
    fs::write(spool.join("local1"), "x").unwrap();
    let fixture = Fixture::with(spool, "deliver:", &[]);
    let reply = fixture.send(&["local1@x.test"], b"Subject: x\r\n\r\ntext\r\n");
    assert!(reply.starts_with("451 4."), "{reply}");
    assert_eq!(names(fixture.spool.path()), ["local1"]);
    fixture
        .server
        .program
        .wait_for("cannot open directory local1: ");
}

#[test]
fn parameters_are_checked_at_the_start() {
    for (option, problem) in [
        ("--filter=copy:x", "--filter: copy: unknown parameter: x"),
        ("--filter=split:0", "--filter: split: unknown parameter: 0"),
        (
            "--filter=mx:nst=0",
            "--filter: mx: not a time from 1ms to 3600s: 0",
        ),
        ("--filter=msgid:x", "--filter: msgid: unknown parameter: x"),
        ("--filter=spam:host", "has no port"),
    ] {
        let spool = Scratch::new();
        let directory = format!("--spool-dir={}", spool.path().display());
        let arguments = [
            option,
            &directory,
            "--no-daemon",
            "--port=0",
            "--interface=127.0.0.1",
        ];
        let (status, _, log) = run(&arguments);
        assert_ne!(status, 0, "{option}");
        assert!(log.contains(problem), "{option}: {log}");
    }
    assert!(program().exists());
}

#[test]
fn there_need_not_be_any_sub_directory() {
    let fixture = Fixture::new("copy:", &[]);
    for _ in 0..2 {
        fixture.accepts(&["a@dst.test"], b"Subject: x\r\n\r\ntext\r\n");
    }
    assert_eq!(suffixes(fixture.spool.path()).len(), 4);
    let program = &fixture.server.program;
    // Which comes after what a filter says.
    program.wait_for_nth("accepted message: ", 2);
    let log = program.log();
    let warnings = log
        .iter()
        .filter(|line| line.contains("no sub-directories"));
    assert_eq!(warnings.count(), 1);
    assert!(fixture.work.names().contains(&"verify".to_owned()));
}
