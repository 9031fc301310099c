//! Messages for mailboxes here, as the verifier decides.
#![cfg(unix)]

use std::fs;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::client::{Client, awkward_message, without_trace};
use crate::support::executable::script;
use crate::support::program::{PATIENCE, Scratch, Server};
use crate::support::sink::Sink;
use crate::verifier::{Fixture, recipients};

/// Recipients whose name starts with `local` are.
const LOCALS: &str = r#"
case "$1" in
local*) printf 'Name\n%s\n' "${1%%@*}"; exit 0 ;;
no*) exit 2 ;;
*) printf '\n%s\n' "$1"; exit 1 ;;
esac
"#;

fn send(client: &mut Client, to: &[&str], content: &[u8]) {
    let reply = client.try_send("me@src.test", to, content).unwrap();
    assert!(reply.starts_with("250 "), "{reply}");
}

fn suffixes(spool: &Scratch) -> Vec<String> {
    let names = spool.names().into_iter();
    let mut suffixes: Vec<String> = names
        .map(|name| name.splitn(5, '.').last().unwrap().to_owned())
        .collect();
    suffixes.sort();
    suffixes
}

fn content(spool: &Scratch, suffix: &str) -> Vec<u8> {
    let name = spool
        .names()
        .into_iter()
        .find(|name| name.ends_with(suffix));
    fs::read(spool.join(&name.unwrap())).unwrap()
}

#[test]
fn all_local_mail_is_only_the_local_pair() {
    let fixture = Fixture::new(LOCALS, &[]);
    let mut client = Client::connect(fixture.server.port);
    client.hello();
    let message = awkward_message("local", 100_000);
    send(&mut client, &["local1@x.test", "local2@x.test"], &message);
    assert_eq!(
        suffixes(&fixture.spool),
        ["content.local", "envelope.local"]
    );
    assert_eq!(
        recipients(&fixture.spool, ".envelope.local"),
        ["Local: local1", "Local: local2"]
    );
    let stored = content(&fixture.spool, ".content.local");
    assert_eq!(without_trace(&stored), message);
    let line = "message for local-mailbox recipient(s): emailrelay.";
    let line = fixture.server.program.wait_for(line);
    assert!(line.ends_with(".content.local"), "{line}");
}

#[test]
fn mixed_mail_is_both_and_only_the_rest_is_forwarded() {
    let sink = Sink::start();
    let address = sink.address();
    let arguments = ["--forward-on-disconnect", "--forward-to", &address];
    let fixture = Fixture::new(LOCALS, &arguments);
    let mut client = Client::connect(fixture.server.port);
    client.hello();
    let message = awkward_message("mixed", 100_000);
    send(&mut client, &["r@x.test", "local1@x.test"], &message);
    let all = ["content", "content.local", "envelope", "envelope.local"];
    assert_eq!(suffixes(&fixture.spool), all);
    for suffix in [".envelope", ".envelope.local"] {
        let expected = ["Local: local1", "Remote: r@x.test"];
        assert_eq!(recipients(&fixture.spool, suffix), expected);
    }
    let copy = content(&fixture.spool, ".content.local");
    assert_eq!(copy, content(&fixture.spool, ".content"));
    client.quit();
    let arrived = sink.wait_for(1);
    assert_eq!(arrived[0].forward_paths, ["r@x.test"]);
    fixture.server.program.wait_for("1 sent");
    assert_eq!(
        suffixes(&fixture.spool),
        ["content.local", "envelope.local"]
    );
    assert_eq!(content(&fixture.spool, ".content.local"), copy);
}

#[test]
fn nothing_is_left_of_mail_that_is_not_accepted() {
    let fixture = Fixture::new(LOCALS, &["--size", "1000"]);
    let mut client = Client::connect(fixture.server.port);
    client.hello();
    let to = ["local1@x.test", "r@x.test"];
    let reply = client.try_send("me@src.test", &to, &awkward_message("big", 5000));
    assert!(reply.unwrap().starts_with("552 "));
    client.expect("MAIL FROM:<a@b.test>", "250");
    client.expect("RCPT TO:<local1@x.test>", "250");
    client.expect("DATA", "354");
    client.write(b"Subject: gone\r\n\r\ntext\r\n").unwrap();
    drop(client);
    fixture.server.program.wait_for("peer disconnected");
    let until = Instant::now() + PATIENCE;
    while !fixture.spool.names().is_empty() {
        assert!(Instant::now() < until, "{:?}", fixture.spool.names());
        thread::sleep(Duration::from_millis(10));
    }
}

/// Sends messages of all kinds until the server is gone; notes what of them was
/// acknowledged.
fn load(port: u16, seed: usize, acknowledged: &Mutex<Vec<(String, bool)>>) {
    let Ok((mut client, _)) = Client::open(port) else {
        return;
    };
    if client.try_command("EHLO client.test").is_err() {
        return;
    }
    for number in 0.. {
        let tag = format!("{seed}-{number}");
        let is_mixed = number % 2 == 0;
        let to: &[&str] = match is_mixed {
            true => &["local1@x.test", "r@x.test"],
            false => &["local1@x.test"],
        };
        let message = awkward_message(&tag, 300 + 40_000 * (number % 3));
        match client.try_send("me@src.test", to, &message) {
            Ok(reply) if reply.starts_with("250") => {
                acknowledged.lock().unwrap().push((tag, is_mixed));
            }
            _ => return,
        }
    }
}

#[test]
fn killed_at_any_moment_it_leaves_whole_pairs_and_loses_none() {
    let (spool, work) = (Scratch::new(), Scratch::new());
    let program = script(&work, "verify", LOCALS);
    let arguments = ["--address-verifier", &program];
    let acknowledged = Mutex::new(Vec::new());
    for round in 0..10 {
        let mut server = Server::start(&spool, &arguments);
        let port = server.port;
        thread::scope(|scope| {
            for client in 0..3 {
                let acknowledged = &acknowledged;
                scope.spawn(move || load(port, round * 3 + client, acknowledged));
            }
            // However slow all is, it is in the midst of its work.
            let until = Instant::now() + PATIENCE;
            while acknowledged.lock().unwrap().len() < 3 * (round + 1) {
                assert!(Instant::now() < until, "nothing is acknowledged");
                thread::sleep(Duration::from_millis(1));
            }
            thread::sleep(Duration::from_millis(10 + 37 * round as u64));
            server.program.kill();
        });
    }
    // Started once more it puts things in order.
    let server = Server::start(&spool, &arguments);
    drop(server);
    let names = spool.names();
    let mut locals = Vec::new();
    for name in &names {
        let has = |suffix: &str, other: &str| {
            let stem = name.strip_suffix(suffix);
            stem.is_none_or(|stem| names.contains(&format!("{stem}{other}")))
        };
        assert!(
            has(".content.local", ".envelope.local"),
            "{name}: {names:?}"
        );
        assert!(
            has(".envelope.local", ".content.local"),
            "{name}: {names:?}"
        );
        assert!(has(".content", ".envelope"), "{name}: {names:?}");
        assert!(!name.ends_with(".new"), "{name}");
        if name.ends_with(".content.local") {
            locals.push(fs::read(spool.join(name)).unwrap());
        }
    }
    let acknowledged = acknowledged.into_inner().unwrap();
    assert!(acknowledged.len() > 20, "only {}", acknowledged.len());
    let has = |content: &[u8], tag: &str| {
        let body = without_trace(content);
        body.starts_with(format!("Subject: {tag}\r\n").as_bytes())
    };
    for (tag, _) in &acknowledged {
        let found = locals.iter().find(|content| has(content, tag));
        let content = found.unwrap_or_else(|| panic!("{tag} is lost"));
        let number: usize = tag.rsplit('-').next().unwrap().parse().unwrap();
        let expected = awkward_message(tag, 300 + 40_000 * (number % 3));
        assert_eq!(without_trace(content), expected, "{tag} is not whole");
    }
    let mixed = acknowledged
        .iter()
        .filter(|(_, is_mixed)| *is_mixed)
        .count();
    let envelopes = names
        .iter()
        .filter(|name| name.ends_with(".envelope"))
        .count();
    assert!(envelopes >= mixed, "{envelopes} of {mixed}");
}
