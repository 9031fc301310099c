//! Messages that follow each other without waits, to next hops of all kinds.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::client::Client;
use crate::support::program::{Scratch, Server, run};
use crate::support::sink::{Answer, Sink};

const OFFERS: &[&str] = &["PIPELINING", "8BITMIME", "CHUNKING"];

/// A spool with that many messages, each to a recipient of its own.
fn spool_with(count: usize) -> Scratch {
    let spool = Scratch::new();
    let server = Server::start(&spool, &[]);
    let mut client = Client::connect(server.port);
    client.hello();
    for number in 0..count {
        let to = format!("to{number}@dst.test");
        let content = format!("n: {number}\r\n\r\n.hello {number}\r\n");
        client.send("me@src.test", &[&to], content.as_bytes());
    }
    client.quit();
    spool
}

fn forward(spool: &Scratch, target: &str, more: &[&str]) -> (i32, String) {
    let spool = spool.path().to_str().unwrap();
    let arguments = [
        "--as-client",
        target,
        "--spool-dir",
        spool,
        "--domain",
        "relay.test",
    ];
    let one = ["--forward-connections", "1", "--verbose"];
    let (status, _, log) = run(&[&arguments[..], &one, more].concat());
    (status, log)
}

fn count(log: &str, text: &str) -> usize {
    log.lines().filter(|line| line.contains(text)).count()
}

/// The recipients of all that has arrived, each of which must be there once, with the
/// content that is for it.
fn recipients(sink: &Sink) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    for message in sink.arrived() {
        let [path] = message.forward_paths.as_slice() else {
            panic!("{:?}", message.forward_paths);
        };
        let number = path.strip_prefix("to").unwrap().split('@').next().unwrap();
        let content = String::from_utf8(message.content.clone()).unwrap();
        assert!(
            content.contains(&format!("n: {number}\r\n\r\n.hello {number}\r\n")),
            "{content}"
        );
        assert!(seen.insert(path.clone()), "{path} has it twice");
    }
    seen
}

#[test]
fn chunks_arrive_whole_and_without_waits() {
    // The first reply comes so late that whoever does not wait is far ahead by then.
    let is_begun = AtomicBool::new(false);
    let sink = Sink::scripted(OFFERS, move |_, command| {
        if command.starts_with("MAIL") && !is_begun.swap(true, Ordering::Relaxed) {
            thread::sleep(Duration::from_secs(1));
        }
        Answer::Usual
    });
    let spool = spool_with(150);
    let (status, log) = forward(&spool, &sink.address(), &[]);
    assert_eq!(status, 0, "{log}");
    assert_eq!(recipients(&sink).len(), 150);
    assert_eq!(spool.names(), [""; 0]);
    assert_eq!(count(&log, "tx>>: \"DATA\""), 0);
    assert!(
        sink.flight_max() > 8,
        "{} commands at a time",
        sink.flight_max()
    );
}

#[test]
fn our_own_server_takes_them_too() {
    let (spool, there) = (spool_with(100), Scratch::new());
    let hop = Server::start(&there, &["--server-smtp-config", "chunking"]);
    let (status, log) = forward(&spool, &hop.address(), &[]);
    assert_eq!(status, 0, "{log}");
    let names = there.names();
    let stored = names.iter().filter(|name| name.ends_with(".content"));
    assert_eq!(stored.count(), 100, "{names:?}");
    assert!(count(&log, "LAST") >= 100, "{log}");
}

/// `--client-smtp-config`
#[test]
fn extensions_can_be_left_unused() {
    for (switches, data, groups) in [
        ("-chunking", 3, Some(true)),
        ("nochunking,-pipelining", 3, Some(false)),
        // Chunks count as commands, line by line.
        ("-pipelining", 0, None),
    ] {
        let (spool, sink) = (spool_with(3), Sink::scripted(OFFERS, |_, _| Answer::Usual));
        let given = format!("--client-smtp-config={switches}");
        let (status, log) = forward(&spool, &sink.address(), &[&given]);
        assert_eq!(status, 0, "{log}");
        assert_eq!(recipients(&sink).len(), 3, "{switches}");
        assert_eq!(count(&log, "tx>>: \"DATA\""), data, "{switches}");
        let has_groups = sink.flight_max() > 1;
        assert_eq!(has_groups, groups.unwrap_or(has_groups), "{switches}");
    }
}

/// What is refused of one message concerns no other.
#[test]
fn refusals_within_the_window_hit_the_right_messages() {
    let spool = spool_with(60);
    let sink = Sink::scripted(OFFERS, |_, given| {
        let number = given
            .strip_prefix("RCPT TO:<to")
            .and_then(|rest| rest.split('@').next());
        match number.map(|number| number.parse::<usize>().unwrap()) {
            Some(number) if number % 5 == 1 => Answer::Reply("550 5.1.1 nobody".to_owned()),
            Some(number) if number % 5 == 3 => Answer::Reply("450 4.2.0 later".to_owned()),
            _ => Answer::Usual,
        }
    });
    let (status, log) = forward(&spool, &sink.address(), &[]);
    assert_eq!(status, 1, "{log}");
    let served = |number: &usize| number % 5 != 1 && number % 5 != 3;
    let expected: BTreeSet<String> = (0..60usize)
        .filter(served)
        .map(|number| format!("to{number}@dst.test"))
        .collect();
    assert_eq!(recipients(&sink), expected);
    let names = spool.names();
    let with = |suffix: &str| names.iter().filter(|name| name.ends_with(suffix)).count();
    assert_eq!(
        (with(".envelope.bad"), with(".envelope")),
        (12, 12),
        "{names:?}"
    );
}

/// A next hop that hangs up now and then: all of it arrives in the end. What it had
/// answered before may be lost with the connection; then, and only then, a message
/// that it has goes out again.
#[test]
fn a_next_hop_that_breaks_off_gets_the_rest_later() {
    let spool = spool_with(40);
    let begun = AtomicUsize::new(0);
    let sink = Sink::scripted(OFFERS, move |connection, given| {
        if given.starts_with("MAIL") {
            begun.fetch_add(1, Ordering::SeqCst);
        }
        let is_bad = begun.load(Ordering::SeqCst) % 14 == 13 && connection <= 2;
        match is_bad && given == "." {
            true => Answer::Drop,
            false => Answer::Usual,
        }
    });
    let mut log = String::new();
    for _ in 0..5 {
        let (status, more) = forward(&spool, &sink.address(), &[]);
        log += &more;
        if status == 0 {
            break;
        }
    }
    assert_eq!(spool.names(), [""; 0], "{log}");
    let mut seen = BTreeSet::new();
    for message in sink.arrived() {
        let path = message.forward_paths[0].clone();
        let is_doubtful = |line: &str| line.contains(&path) && line.contains("outcome unknown");
        let is_new = seen.insert(path.clone());
        assert!(
            is_new || log.lines().any(is_doubtful),
            "{path} has it twice: {log}"
        );
    }
    assert_eq!(seen.len(), 40, "{log}");
    assert!(log.contains("outcome unknown"), "{log}");
}

// H10
#[test]
fn a_next_hop_that_does_not_know_bdat_gets_data() {
    let spool = spool_with(5);
    let sink = Sink::scripted(OFFERS, |_, given| match given.starts_with("BDAT ") {
        true => Answer::Reply("502 5.5.1 what".to_owned()),
        false => Answer::Usual,
    });
    let (status, log) = forward(&spool, &sink.address(), &[]);
    assert_eq!(status, 0, "{log}");
    assert_eq!(recipients(&sink).len(), 5);
    // It has read no line of content as a command.
    let verbs = ["EHLO", "MAIL", "RCPT", "BDAT", "DATA", "QUIT"];
    for command in sink.commands() {
        assert!(
            verbs.iter().any(|verb| command.starts_with(verb)),
            "{command}"
        );
    }
    assert_eq!(sink.connections(), 2, "{log}");
    assert!(
        log.contains("peer offers CHUNKING but refuses BDAT"),
        "{log}"
    );
}

/// Binary content has no other way: it is put off, and the program ends.
// H10
#[test]
fn binary_content_waits_where_bdat_is_offered_but_not_known() {
    let spool = Scratch::new();
    let server = Server::start(&spool, &["--server-smtp-config", "chunking"]);
    let mut client = Client::connect(server.port);
    client.hello();
    client.expect("MAIL FROM:<me@src.test> BODY=BINARYMIME", "250");
    client.expect("RCPT TO:<to0@dst.test>", "250");
    client.write(b"BDAT 3 LAST\r\na\nb").unwrap();
    assert!(client.reply().unwrap().starts_with("250"));
    client.quit();
    drop(server);
    let offers = &["PIPELINING", "CHUNKING", "BINARYMIME", "8BITMIME"];
    let sink = Sink::scripted(offers, |_, given| match given.starts_with("BDAT ") {
        true => Answer::Reply("502 5.5.1 what".to_owned()),
        false => Answer::Usual,
    });
    let (status, log) = forward(&spool, &sink.address(), &[]);
    assert_eq!(status, 1, "{log}");
    assert_eq!(
        (sink.connections(), count(&log, "deferred message")),
        (2, 1)
    );
    let names = spool.names();
    assert!(
        names.iter().any(|name| name.ends_with(".envelope")),
        "{names:?}"
    );
}

/// `--prompt-timeout`: a server that waits to be spoken to.
#[test]
fn a_greeting_that_does_not_come_is_done_without() {
    let spool = spool_with(1);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let replies = [
            "250 mx", "250 ok", "250 ok", "354 go", "250 done", "221 bye",
        ];
        let (mut heard, mut said, mut octet) = (Vec::new(), 0, [0]);
        while said < replies.len() && stream.read(&mut octet).unwrap() > 0 {
            heard.push(octet[0]);
            let is_end = match said {
                4 => heard.ends_with(b"\r\n.\r\n"),
                _ => octet == *b"\n",
            };
            if is_end {
                let reply = format!("{}\r\n", replies[said]);
                stream.write_all(reply.as_bytes()).unwrap();
                said += 1;
            }
        }
        heard
    });
    let (status, log) = forward(&spool, &address, &["--prompt-timeout", "1"]);
    assert_eq!(status, 0, "{log}");
    assert!(log.contains("no greeting from the peer in time"), "{log}");
    assert!(
        server
            .join()
            .unwrap()
            .starts_with(b"EHLO relay.test\r\nMAIL FROM:")
    );
}

/// `--client-interface`
#[test]
fn connections_come_from_the_interface() {
    for (interface, from) in [
        ("127.0.0.2", "127.0.0.2:"),
        ("127.0.0.1", "127.0.0.1:"),
        ("0.0.0.0", "127.0.0.1:"),
        ("lo", "127.0.0.1:"),
        ("lo-ipv4", "127.0.0.1:"),
    ] {
        let (spool, there) = (spool_with(1), Scratch::new());
        let hop = Server::start(&there, &[]);
        let (status, log) = forward(&spool, &hop.address(), &["--client-interface", interface]);
        assert_eq!(status, 0, "{interface}: {log}");
        hop.program
            .wait_for(&format!("smtp connection from {from}"));
    }
    let spool = spool_with(1);
    let there = Scratch::new();
    let hop = Server::start(&there, &[]);
    let (status, log) = forward(&spool, &hop.address(), &["--client-interface", "no-such0"]);
    assert_ne!(status, 0, "{log}");
    assert!(log.contains("--client-interface"), "{log}");
}
