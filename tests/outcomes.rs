//! What the next hop's replies do to a message.

use std::fs;

use crate::support::address::unused;
use crate::support::client::{Client, submit};
use crate::support::program::{Scratch, Server, run};
use crate::support::sink::{Answer, Sink};

fn store(spool: &Scratch, count: usize) {
    let server = Server::start(spool, &[]);
    let mut client = Client::connect(server.port);
    client.hello();
    for number in 0..count {
        let to = format!("to{number}@dst.test");
        client.send(
            "me@src.test",
            &[&to],
            format!("n: {number}\r\n\r\nhello\r\n").as_bytes(),
        );
    }
    client.quit();
}

fn forward(spool: &Scratch, target: &str) -> (i32, String) {
    forward_with(spool, target, 60)
}

/// The same where each reply of the next hop is waited for so many seconds.
fn forward_with(spool: &Scratch, target: &str, seconds: u32) -> (i32, String) {
    let spool = spool.path().to_str().unwrap();
    let arguments = ["--as-client", target, "--spool-dir", spool];
    let domain = ["--domain=relay.test", "--connection-timeout=60"];
    let seconds = seconds.to_string();
    let patience = ["--response-timeout", &seconds, "--prompt-timeout", &seconds];
    let (status, _, log) = run(&[&arguments[..], &domain, &patience].concat());
    (status, log)
}

/// The suffixes of the envelopes in the spool.
fn envelopes(spool: &Scratch) -> Vec<String> {
    let names = spool.names();
    let suffix = |name: &String| {
        name.split_once(".envelope")
            .map(|(_, suffix)| suffix.to_owned())
    };
    names.iter().filter_map(suffix).collect()
}

fn envelope(spool: &Scratch) -> String {
    let name = spool
        .names()
        .into_iter()
        .find(|name| name.contains(".envelope"))
        .unwrap();
    fs::read_to_string(spool.join(&name)).unwrap()
}

/// A sink that gives one answer to the first command that starts so.
fn grumpy(command: &'static str, answer: Answer) -> Sink {
    Sink::scripted(&["PIPELINING", "8BITMIME"], move |_, given| {
        if given.starts_with(command) {
            answer.clone()
        } else {
            Answer::Usual
        }
    })
}

#[test]
fn nothing_to_send_is_a_success() {
    let (spool, sink) = (Scratch::new(), Sink::start());
    let (status, log) = forward(&spool, &sink.address());
    assert_eq!(status, 0, "{log}");
    assert!(log.contains("no messages to send"), "{log}");
    assert_eq!(sink.connections(), 0);
}

#[test]
fn all_sent_is_a_success() {
    let (spool, sink) = (Scratch::new(), Sink::start());
    store(&spool, 3);
    let (status, log) = forward(&spool, &sink.address());
    assert_eq!(status, 0, "{log}");
    assert_eq!(sink.arrived().len(), 3);
    assert_eq!(spool.names(), [""; 0]);
}

#[test]
fn a_temporary_refusal_leaves_the_message_queued() {
    for command in ["MAIL", "RCPT", "DATA", "."] {
        let spool = Scratch::new();
        store(&spool, 1);
        let sink = grumpy(command, Answer::Reply("451 4.3.0 later".to_owned()));
        let (status, log) = forward(&spool, &sink.address());
        assert_eq!(status, 1, "{command}: {log}");
        assert_eq!(envelopes(&spool), [""], "{command}: {log}");
        assert!(
            envelope(&spool).contains("451 4.3.0 later"),
            "{command}: {}",
            envelope(&spool)
        );
        let willing = Sink::start();
        assert_eq!(forward(&spool, &willing.address()).0, 0);
        assert_eq!(willing.arrived().len(), 1);
        assert_eq!(spool.names(), [""; 0]);
    }
}

#[test]
fn a_permanent_refusal_fails_the_message_with_the_real_code() {
    for (command, code) in [("MAIL", 550), ("RCPT", 551), ("DATA", 554), (".", 552)] {
        let spool = Scratch::new();
        store(&spool, 1);
        let sink = grumpy(command, Answer::Reply(format!("{code} 5.7.1 never")));
        let (status, log) = forward(&spool, &sink.address());
        assert_eq!(status, 1, "{command}: {log}");
        assert_eq!(envelopes(&spool), [".bad"], "{command}: {log}");
        let text = envelope(&spool);
        assert!(
            text.contains(&format!("X-MailRelay-ReasonCode: {code}")),
            "{command}: {text}"
        );
        assert!(text.contains("never"), "{command}: {text}");
    }
}

#[test]
fn a_lost_connection_or_silence_leaves_the_message_queued() {
    for command in ["EHLO", "MAIL", "RCPT", "DATA", "."] {
        for answer in [
            Answer::Drop,
            Answer::Silence,
            Answer::LastReply("421 4.3.2 bye".to_owned()),
        ] {
            if command == "." && matches!(answer, Answer::Silence) {
                // Ten minutes are allowed for the last reply.
                continue;
            }
            let spool = Scratch::new();
            store(&spool, 1);
            let sink = grumpy(command, answer.clone());
            let seconds = match answer {
                Answer::Silence => 1,
                _ => 60,
            };
            let (status, log) = forward_with(&spool, &sink.address(), seconds);
            assert_eq!(status, 1, "{command} {answer:?}: {log}");
            assert_eq!(envelopes(&spool), [""], "{command} {answer:?}: {log}");
        }
    }
}

#[test]
fn a_next_hop_that_refuses_sessions_costs_no_message() {
    for reply in ["554 5.7.1 go away", "421 4.3.2 busy", "nonsense"] {
        let spool = Scratch::new();
        store(&spool, 2);
        let reply = reply.to_owned();
        let sink = grumpy("GREETING", Answer::LastReply(reply.clone()));
        let (status, log) = forward(&spool, &sink.address());
        assert_eq!(status, 1, "{reply}: {log}");
        assert_eq!(envelopes(&spool), ["", ""], "{reply}: {log}");
        assert!(!envelope(&spool).contains("Reason"), "{reply}");
    }
}

#[test]
fn refused_and_unresolvable_leave_everything_queued() {
    for target in [unused().to_string(), "no-such-host.invalid:25".to_owned()] {
        let spool = Scratch::new();
        store(&spool, 2);
        let (status, log) = forward(&spool, &target);
        assert_eq!(status, 1, "{target}: {log}");
        assert_eq!(envelopes(&spool), ["", ""], "{target}: {log}");
        assert!(
            log.lines().any(|line| line.contains("error: forwarding: ")),
            "{log}"
        );
    }
}

#[test]
fn a_pass_goes_on_with_the_other_messages() {
    let spool = Scratch::new();
    store(&spool, 9);
    let sink = Sink::scripted(&["PIPELINING"], |_, command| match command {
        "RCPT TO:<to1@dst.test>" => Answer::Reply("450 4.2.1 later".to_owned()),
        "RCPT TO:<to3@dst.test>" => Answer::Reply("550 5.1.1 unknown".to_owned()),
        "RCPT TO:<to5@dst.test>" => Answer::Drop,
        _ => Answer::Usual,
    });
    let (status, log) = forward(&spool, &sink.address());
    assert_eq!(status, 1, "{log}");
    assert_eq!(sink.arrived().len(), 6, "{log}");
    let mut left = envelopes(&spool);
    left.sort();
    assert_eq!(left, ["", "", ".bad"], "{log}");
    assert!(log.contains("6 sent, 2 deferred, 1 failed"), "{log}");
}

#[test]
fn what_was_deferred_cannot_keep_others_from_the_next_hop() {
    // A pass gives up after ten broken sessions, so the first ten messages would
    // be all that is ever tried.
    let (spool, sink) = (Scratch::new(), grumpy("RCPT TO:<to", Answer::Drop));
    store(&spool, 12);
    let address = sink.address();
    let options = ["--forward", "--poll", "1", "--forward-to", &address];
    let server = Server::start(&spool, &options);
    server
        .program
        .wait_for("0 sent, 10 deferred, 0 failed, 2 not tried");
    server.program.wait_for("RCPT TO:<to10@dst.test>");
    server.program.wait_for("RCPT TO:<to11@dst.test>");
}

#[test]
fn messages_held_back_do_not_block_those_behind_them() {
    let spool = Scratch::new();
    let server = Server::start(&spool, &[]);
    for number in 0..15 {
        let to = format!("to{number}@x.test");
        let mixed = [to.as_str(), "grey@x.test"];
        let recipients = if number < 12 { &mixed[..] } else { &mixed[..1] };
        submit(server.port, "me@src.test", recipients, b"x: y\r\n\r\n");
    }
    drop(server);
    let sink = grumpy(
        "RCPT TO:<grey",
        Answer::Reply("450 4.7.1 come back".to_owned()),
    );
    let (status, log) = forward(&spool, &sink.address());
    assert_eq!((status, sink.arrived().len()), (1, 3), "{log}");
    assert!(log.contains("3 sent, 12 deferred"), "{log}");
}

#[test]
fn a_next_hop_may_take_one_message_a_connection() {
    let spool = Scratch::new();
    store(&spool, 6);
    let sink = Sink::scripted(&["PIPELINING"], |_, command| match command {
        "." => Answer::TakenLast("250 2.0.0 queued".to_owned()),
        _ => Answer::Usual,
    });
    let (status, log) = forward(&spool, &sink.address());
    assert_eq!((status, sink.connections()), (0, 6), "{log}");
    assert!(log.contains("6 sent, 0 deferred"), "{log}");
    assert_eq!(spool.names(), [""; 0]);
}

#[test]
fn what_cannot_be_read_is_set_aside_and_not_a_success() {
    let (spool, sink) = (Scratch::new(), Sink::start());
    store(&spool, 3);
    let names = spool.names();
    let envelope = names
        .iter()
        .find(|name| name.ends_with(".envelope"))
        .unwrap();
    fs::write(spool.join(envelope), "nonsense").unwrap();
    let content = names
        .iter()
        .rfind(|name| name.ends_with(".content"))
        .unwrap();
    fs::remove_file(spool.join(content)).unwrap();
    let (status, log) = forward(&spool, &sink.address());
    assert_eq!((status, sink.arrived().len()), (1, 1), "{log}");
    assert_eq!(envelopes(&spool), [".bad", ".bad"], "{log}");
    assert!(log.contains("1 sent, 0 deferred, 2 failed"), "{log}");
}

#[test]
fn strict_refusal_keeps_every_recipient_that_got_nothing() {
    let spool = Scratch::new();
    let server = Server::start(&spool, &[]);
    submit(
        server.port,
        "me@src.test",
        &["a@x.test", "bad@x.test", "c@x.test"],
        b"x: y\r\n\r\n",
    );
    drop(server);
    let sink = grumpy(
        "RCPT TO:<bad",
        Answer::Reply("550 5.1.1 no such user".to_owned()),
    );
    let (status, log) = forward(&spool, &sink.address());
    assert_eq!((status, sink.arrived().len()), (1, 0), "{log}");
    assert_eq!(envelopes(&spool), [".bad"]);
    let text = envelope(&spool);
    for to in ["a@x.test", "bad@x.test", "c@x.test"] {
        assert!(
            text.contains(&format!("X-MailRelay-To-Remote: {to}")),
            "{text}"
        );
    }
    assert!(text.contains("X-MailRelay-ReasonCode: 550"), "{text}");
}
