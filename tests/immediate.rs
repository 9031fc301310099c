//! Messages that are forwarded while their client waits.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::client::Client;
#[cfg(unix)]
use crate::support::executable::script;
use crate::support::program::{PATIENCE, Scratch, Server};
use crate::support::sink::{Answer, Sink};

const CONTENT: &[u8] = b"s: x\r\n\r\nhello\r\n";

fn start(spool: &Scratch, sink: &Sink, more: &[&str]) -> Server {
    let address = sink.address();
    let arguments = ["--immediate", "--forward-to", &address];
    Server::start(spool, &[&arguments, more].concat())
}

fn send(client: &mut Client, to: &[&str]) -> String {
    client.try_send("me@src.test", to, CONTENT).unwrap()
}

/// Waits until nothing is left in the spool.
fn wait_until_empty(spool: &Scratch) {
    let until = std::time::Instant::now() + PATIENCE;
    while !spool.names().is_empty() {
        assert!(std::time::Instant::now() < until, "{:?}", spool.names());
        std::thread::yield_now();
    }
}

/// A sink that gives one answer to commands that start so.
fn grumpy(command: &'static str, answer: Answer) -> Sink {
    Sink::scripted(&["PIPELINING", "8BITMIME"], move |_, given| {
        match given.starts_with(command) {
            true => answer.clone(),
            false => Answer::Usual,
        }
    })
}

#[test]
fn the_next_hops_own_words_come_back() {
    let spool = Scratch::new();
    let sink = grumpy(".", Answer::Usual);
    let server = start(&spool, &sink, &[]);
    let mut client = Client::connect(server.port);
    client.hello();
    for _ in 0..3 {
        assert_eq!(send(&mut client, &["to@dst.test"]), "250 2.0.0 queued");
    }
    client.quit();
    assert_eq!(sink.arrived().len(), 3);
    // One session with the next hop for one with the client, and a proper end of it.
    assert_eq!(sink.connections(), 1);
    server.program.wait_for("session done");
    assert_eq!(sink.commands().last().unwrap(), "QUIT");
    wait_until_empty(&spool);
}

#[test]
fn refusals_come_back_and_leave_nothing_behind() {
    for (command, said, heard) in [
        ("MAIL", "550 5.7.1 not from you", "550 5.7.1 not from you"),
        ("RCPT", "551 elsewhere", "551 5.0.0 elsewhere"),
        ("RCPT", "450 4.2.1 busy", "450 4.2.1 busy"),
        ("DATA", "554 5.3.0 broken", "554 5.3.0 broken"),
        (".", "552 5.3.4 too big", "552 5.3.4 too big"),
        (".", "451 4.3.0 later", "451 4.3.0 later"),
        (".", "550 5.6.0 \u{1b}[2J", "550 5.6.0 \\x1b[2J"),
        ("MAIL", "421 4.3.2 closing", "451 4.3.2 closing"),
        ("GREETING", "554 go away", "451 4.4.1 forwarding failed"),
        (
            ".",
            "354 what",
            "451 4.4.2 forwarding failed: outcome unknown",
        ),
    ] {
        let spool = Scratch::new();
        let sink = grumpy(command, Answer::Reply(said.to_owned()));
        let server = start(&spool, &sink, &[]);
        let mut client = Client::connect(server.port);
        client.hello();
        assert_eq!(
            send(&mut client, &["to@dst.test"]),
            heard,
            "{command} {said}"
        );
        // The session goes on.
        client.expect("NOOP", "250");
        wait_until_empty(&spool);
    }
}

#[test]
fn a_next_hop_that_is_not_there_is_a_temporary_failure() {
    let spool = Scratch::new();
    let server = Server::start(&spool, &["--immediate", "--forward-to", "127.0.0.1:1"]);
    let mut client = Client::connect(server.port);
    client.hello();
    for _ in 0..2 {
        let reply = send(&mut client, &["to@dst.test"]);
        assert_eq!(reply, "451 4.4.1 forwarding failed");
    }
    wait_until_empty(&spool);
}

#[test]
fn the_next_next_hop_takes_over() {
    let (spool, sink) = (Scratch::new(), Sink::start());
    let both = format!("127.0.0.1:1,{}", sink.address());
    let server = Server::start(&spool, &["--immediate", "--forward-to", &both]);
    let mut client = Client::connect(server.port);
    client.hello();
    assert_eq!(send(&mut client, &["to@dst.test"]), "250 2.0.0 queued");
    assert_eq!(sink.arrived().len(), 1);
}

#[test]
fn a_lost_reply_is_told_as_unknown() {
    let spool = Scratch::new();
    let sink = grumpy(".", Answer::Drop);
    let server = start(&spool, &sink, &[]);
    let mut client = Client::connect(server.port);
    client.hello();
    let reply = send(&mut client, &["to@dst.test"]);
    assert_eq!(reply, "451 4.4.2 forwarding failed: outcome unknown");
    server
        .program
        .wait_for("outcome unknown: peer disconnected");
    wait_until_empty(&spool);
}

/// Between messages the next hop may hang up; that is nobody's fault.
#[test]
fn an_idle_connection_that_was_closed_is_made_again() {
    let spool = Scratch::new();
    let sink = Sink::scripted(&["PIPELINING"], |connection, given| match given {
        "." if connection == 1 => Answer::TakenLast("250 2.0.0 first".to_owned()),
        _ => Answer::Usual,
    });
    let server = start(&spool, &sink, &[]);
    let mut client = Client::connect(server.port);
    client.hello();
    assert_eq!(send(&mut client, &["to@dst.test"]), "250 2.0.0 first");
    assert_eq!(send(&mut client, &["to@dst.test"]), "250 2.0.0 queued");
    assert_eq!((sink.connections(), sink.arrived().len()), (2, 2));
    wait_until_empty(&spool);
}

/// Those who were served must not be served again, and nobody else is forgotten.
#[test]
fn the_rest_of_a_message_is_queued() {
    let spool = Scratch::new();
    let messages = AtomicUsize::new(0);
    let sink = Sink::scripted(&["PIPELINING"], move |_, given| {
        if given.starts_with("MAIL") {
            messages.fetch_add(1, Ordering::SeqCst);
        }
        let is_first = messages.load(Ordering::SeqCst) == 1;
        match is_first && given.starts_with("RCPT TO:<b@") {
            true => Answer::Reply("451 4.2.0 later".to_owned()),
            false => Answer::Usual,
        }
    });
    let server = start(&spool, &sink, &["--forward-to-some"]);
    let mut client = Client::connect(server.port);
    client.hello();
    let reply = send(&mut client, &["a@dst.test", "b@dst.test", "c@dst.test"]);
    assert_eq!(reply, "250 2.0.0 queued");
    let arrived = sink.wait_for(2);
    assert_eq!(arrived[0].forward_paths, ["a@dst.test", "c@dst.test"]);
    assert_eq!(arrived[1].forward_paths, ["b@dst.test"]);
    assert_eq!(arrived[0].content, arrived[1].content);
    wait_until_empty(&spool);
}

#[test]
fn a_client_that_hangs_up_leaves_nothing_behind() {
    let spool = Scratch::new();
    // The next hop takes its time until the client has gone.
    let gone = Arc::new(AtomicBool::new(false));
    let is_gone = Arc::clone(&gone);
    let sink = Sink::scripted(&["PIPELINING"], move |_, given| {
        while given == "." && !is_gone.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(5));
        }
        Answer::Usual
    });
    let server = start(&spool, &sink, &[]);
    let mut client = Client::connect(server.port);
    client.hello();
    client.expect("MAIL FROM:<me@src.test>", "250");
    client.expect("RCPT TO:<to@dst.test>", "250");
    client.expect("DATA", "354");
    client.writer().write_all(b"hello\r\n.\r\n").unwrap();
    drop(client);
    gone.store(true, Ordering::SeqCst);
    assert_eq!(sink.wait_for(1).len(), 1);
    server.program.wait_for("forwarded before it was accepted");
    wait_until_empty(&spool);
    assert_eq!(sink.arrived().len(), 1);
}

#[test]
fn content_of_any_size_passes() {
    let (spool, sink) = (Scratch::new(), Sink::start());
    let server = start(&spool, &sink, &["--anonymous"]);
    let mut client = Client::connect(server.port);
    client.hello();
    let content = b"0123456789 0123456789 0123456789\r\n".repeat(20_000);
    let reply = client.try_send("me@src.test", &["to@dst.test"], &content);
    assert_eq!(reply.unwrap(), "250 2.0.0 queued");
    assert_eq!(sink.arrived()[0].content, content);
    wait_until_empty(&spool);
}

/// Filters come first: what they refuse is not forwarded.
#[test]
fn filters_come_first() {
    let (spool, sink) = (Scratch::new(), Sink::start());
    let server = start(&spool, &sink, &["--filter", "exit:1"]);
    let mut client = Client::connect(server.port);
    client.hello();
    let reply = send(&mut client, &["to@dst.test"]);
    assert!(reply.starts_with("452 "), "{reply}");
    wait_until_empty(&spool);
    assert_eq!(sink.connections(), 0);
}

#[test]
fn filters_for_mail_that_goes_out_see_it_as_well() {
    for (filter, reply, arrived) in [("exit:0", "250 ", 1), ("exit:1", "452 ", 0)] {
        let (spool, sink) = (Scratch::new(), Sink::start());
        let server = start(&spool, &sink, &["--client-filter", filter]);
        let mut client = Client::connect(server.port);
        client.hello();
        let got = send(&mut client, &["to@dst.test"]);
        assert!(got.starts_with(reply), "{filter}: {got}");
        assert_eq!(sink.arrived().len(), arrived, "{filter}");
        wait_until_empty(&spool);
    }
}

/// The reply is for all that filters have made of the message.
#[test]
fn what_filters_make_besides_is_not_forgotten() {
    let (spool, sink) = (Scratch::new(), Sink::start());
    let alice = spool.path().join("alice");
    std::fs::create_dir(&alice).unwrap();
    let server = start(&spool, &sink, &["--filter", "copy:nodelete,split:"]);
    let mut client = Client::connect(server.port);
    client.hello();
    let reply = send(&mut client, &["1@a.test", "2@b.test"]);
    assert_eq!(reply, "250 2.0.0 queued");
    assert_eq!(std::fs::read_dir(&alice).unwrap().count(), 2);
    let arrived = sink.wait_for(2);
    assert_eq!(arrived[0].forward_paths, ["1@a.test"]);
    assert_eq!(arrived[1].forward_paths, ["2@b.test"]);
}

/// Copies for POP users may have no content of their own.
#[test]
fn a_content_that_is_needed_besides_stays() {
    let (spool, sink) = (Scratch::new(), Sink::start());
    let alice = spool.path().join("alice");
    std::fs::create_dir(&alice).unwrap();
    let server = start(&spool, &sink, &["--filter", "copy:pop;nodelete"]);
    let mut client = Client::connect(server.port);
    client.hello();
    assert_eq!(send(&mut client, &["to@dst.test"]), "250 2.0.0 queued");
    let copies = crate::support::program::names(&alice);
    let id = copies[0].strip_suffix(".envelope").unwrap();
    assert_eq!(copies.len(), 1);
    assert_eq!(spool.names(), ["alice".to_owned(), format!("{id}.content")]);
}

#[cfg(unix)]
#[test]
fn a_message_that_a_filter_sends_elsewhere_goes_there() {
    let (spool, work) = (Scratch::new(), Scratch::new());
    let (sink, other) = (Sink::start(), Sink::start());
    let text = format!(
        "sed -i 's/^X-MailRelay-ForwardToAddress: /&{}/' \"$2\"\n",
        other.address()
    );
    let filter = script(&work, "route", &text);
    let server = start(&spool, &sink, &["--filter", &filter]);
    let mut client = Client::connect(server.port);
    client.hello();
    let reply = send(&mut client, &["to@dst.test"]);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    assert_eq!(other.wait_for(1)[0].forward_paths, ["to@dst.test"]);
    assert_eq!(sink.connections(), 0);
    wait_until_empty(&spool);
}

/// What has not been acknowledged is not sent again after a crash.
#[cfg(unix)]
#[test]
fn a_crash_meanwhile_leaves_it_to_the_client() {
    let spool = Scratch::new();
    let sink = grumpy(".", Answer::Silence);
    let mut server = start(&spool, &sink, &[]);
    let mut client = Client::connect(server.port);
    client.hello();
    client.expect("MAIL FROM:<me@src.test>", "250");
    client.expect("RCPT TO:<to@dst.test>", "250");
    client.expect("DATA", "354");
    client.writer().write_all(b"hello\r\n.\r\n").unwrap();
    server.program.wait_for("sending: ");
    server.program.kill();
    let willing = Sink::start();
    let server = start(&spool, &willing, &["--forward"]);
    server.program.wait_for("no messages to send");
    wait_until_empty(&spool);
    assert_eq!(willing.connections(), 0);
}
