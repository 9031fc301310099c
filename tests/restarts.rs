//! Ended and started again all the time, in good order and by force, the program
//! hands on every message that it acknowledged, whole.
#![cfg(unix)]

use std::collections::HashMap;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::kill::{CLIENTS, Dice, drain, tag_if_whole};
use crate::support::client::{Client, awkward_message};
use crate::support::program::{Scratch, Server};
use crate::support::sink::{Answer, Arrived, Sink};

/// What is done to the program.
struct Plan {
    /// Messages that are to be acknowledged, altogether.
    messages: usize,
    /// How long the program runs each time.
    run: Duration,
    /// How long a client rests after a message, so that there are many runs.
    rest: Duration,
}

/// What the clients share.
struct Load {
    /// Where the program listens now.
    port: AtomicU16,
    /// Messages that are still to be sent.
    left: AtomicUsize,
    acknowledged: Mutex<Vec<String>>,
}

impl Load {
    /// Sends messages, whatever becomes of the program, until all are acknowledged.
    fn send(&self, client: usize, rest: Duration) {
        let mut dice = Dice(client as u64);
        let mut serial = 0;
        while self.left.load(Ordering::SeqCst) > 0 {
            let Ok((mut session, greeting)) = Client::open(self.port.load(Ordering::SeqCst)) else {
                thread::sleep(Duration::from_millis(5));
                continue;
            };
            let is_welcome = greeting.starts_with("220");
            if !is_welcome || session.try_command("EHLO client.test").is_err() {
                continue;
            }
            for _ in 0..1 + dice.roll(8) {
                serial += 1;
                let tag = format!("{client}-{serial}");
                if !self.send_one(&mut session, &tag, &mut dice) {
                    break;
                }
                thread::sleep(rest);
            }
        }
    }

    /// Says whether the session can go on.
    fn send_one(&self, session: &mut Client, tag: &str, dice: &mut Dice) -> bool {
        let octets = match dice.roll(10) {
            0 => 200_000,
            _ => 300 + dice.roll(3000),
        };
        let content = awkward_message(tag, usize::try_from(octets).unwrap());
        match session.try_send("me@src.test", &["a@dst.test"], &content) {
            Ok(reply) if reply.starts_with("250") => {
                self.acknowledged.lock().unwrap().push(tag.to_owned());
                let one_less = |left: usize| left.checked_sub(1);
                // Other clients may have sent the last one meanwhile.
                let _ = self
                    .left
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less);
                true
            }
            Ok(reply) => {
                assert!(reply.starts_with('4'), "{reply}");
                false
            }
            Err(_) => false,
        }
    }
}

/// Ends the program and starts it again until all messages are acknowledged; gives
/// how often.
fn restart(load: &Load, spool: &Scratch, sink: &Sink, run: Duration) -> usize {
    let address = sink.address();
    let arguments = [
        "--forward",
        "--forward-on-disconnect",
        "--forward-to",
        &address,
    ];
    for turn in 0.. {
        let mut server = Server::start(spool, &arguments);
        load.port.store(server.port, Ordering::SeqCst);
        thread::sleep(run);
        let is_last = load.left.load(Ordering::SeqCst) == 0;
        if turn % 2 == 0 {
            server.program.terminate();
            let status = server.program.wait();
            assert!(status.success(), "{status}: {:#?}", server.program.log());
        } else {
            server.program.kill();
        }
        if is_last {
            return turn;
        }
    }
    unreachable!("the numbers do not end")
}

/// Sees that each acknowledged message arrived, and that all that arrived are whole.
fn nothing_is_lost(acknowledged: &[String], arrived: &[Arrived]) {
    let mut copies: HashMap<String, usize> = HashMap::new();
    for message in arrived {
        *copies.entry(tag_if_whole(&message.content)).or_default() += 1;
    }
    let is_lost = |tag: &&String| !copies.contains_key(*tag);
    let lost: Vec<_> = acknowledged.iter().filter(is_lost).collect();
    assert!(lost.is_empty(), "acknowledged but lost: {lost:?}");
    let twice = copies.values().filter(|count| **count > 1).count();
    let acknowledged = acknowledged.len();
    eprintln!("{acknowledged} acknowledged, none lost, {twice} arrived more than once");
}

fn keep_restarting(plan: &Plan) {
    let spool = Scratch::new();
    // The next hop breaks off and puts off, too, so that all paths are taken.
    let sink = Sink::scripted(&["PIPELINING", "8BITMIME"], |connection, command| {
        match (connection % 7, command) {
            (3, "DATA") => Answer::Drop,
            (5, ".") => Answer::Reply("451 4.3.0 later".to_owned()),
            _ => Answer::Usual,
        }
    });
    let load = Arc::new(Load {
        port: AtomicU16::new(0),
        left: AtomicUsize::new(plan.messages),
        acknowledged: Mutex::default(),
    });
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (load, rest) = (Arc::clone(&load), plan.rest);
            thread::spawn(move || load.send(client, rest))
        })
        .collect();
    let restarts = restart(&load, &spool, &sink, plan.run);
    clients
        .into_iter()
        .for_each(|client| client.join().unwrap());
    assert!(restarts > 2, "{restarts}");
    let during = sink.arrived().len();
    assert!(during > 0, "nothing was forwarded meanwhile");
    eprintln!("{restarts} restarts, {during} arrived meanwhile");
    let willing = Sink::start();
    drain(&spool, &willing);
    let arrived = [sink.arrived(), willing.arrived()].concat();
    nothing_is_lost(&load.acknowledged.lock().unwrap(), &arrived);
}

#[test]
fn nothing_is_lost_in_300_messages_and_a_restart_every_300_milliseconds() {
    keep_restarting(&Plan {
        messages: 300,
        run: Duration::from_millis(300),
        rest: Duration::from_millis(40),
    });
}

#[test]
#[ignore = "takes minutes: see docs/performance.md"]
fn nothing_is_lost_in_10000_messages_and_a_restart_every_few_seconds() {
    keep_restarting(&Plan {
        messages: 10_000,
        run: Duration::from_secs(2),
        rest: Duration::from_millis(10),
    });
}
