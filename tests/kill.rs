//! Killed at any moment, the program loses nothing that it acknowledged.
#![cfg(unix)]

use std::collections::HashSet;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::client::{Client, awkward_message};
use crate::support::executable::script;
use crate::support::program::{PATIENCE, Scratch, Server, names, run};
use crate::support::sink::{Answer, Arrived, Sink};

pub(crate) const CLIENTS: usize = 4;
const KILLS: usize = 20;
const LARGE: u64 = 200_000;

/// A generator for times and sizes; the seed makes a run repeatable.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % sides
    }
}

/// Sends messages until told to stop or the server is gone; each one that was
/// acknowledged is noted. Every tenth is `large` if that is a size.
fn load(
    port: u16,
    seed: u64,
    large: Option<u64>,
    stop: &AtomicBool,
    acknowledged: &Mutex<Vec<String>>,
) {
    let mut dice = Dice(seed);
    while !stop.load(Ordering::Relaxed) {
        let Ok((mut client, _)) = Client::open(port) else {
            return;
        };
        if client.try_command("EHLO client.test").is_err() {
            return;
        }
        for _ in 0..1 + dice.roll(8) {
            let tag = format!("{seed}-{}", dice.roll(u64::MAX >> 33));
            let octets = match large {
                Some(octets) if dice.roll(10) == 0 => octets,
                _ => 300 + dice.roll(3000),
            };
            let content = awkward_message(&tag, usize::try_from(octets).unwrap());
            match client.try_send("me@src.test", &["a@dst.test"], &content) {
                Ok(reply) if reply.starts_with("250") => acknowledged.lock().unwrap().push(tag),
                Ok(reply) => assert!(reply.starts_with('4'), "{reply}"),
                Err(_) => return,
            }
        }
    }
}

/// Has clients send for a while, and ends the server in the midst of it.
fn under_load(
    server: &mut Server,
    seed: u64,
    large: Option<u64>,
    acknowledged: &Arc<Mutex<Vec<String>>>,
    end: impl FnOnce(&mut Server),
) {
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS as u64)
        .map(|n| {
            let (port, stop) = (server.port, Arc::clone(&stop));
            let acknowledged = Arc::clone(acknowledged);
            thread::spawn(move || load(port, seed * 10 + n, large, &stop, &acknowledged))
        })
        .collect();
    end(server);
    stop.store(true, Ordering::Relaxed);
    clients
        .into_iter()
        .for_each(|client| client.join().unwrap());
}

fn round(spool: &Scratch, arguments: &[&str], seed: u64, acknowledged: &Arc<Mutex<Vec<String>>>) {
    let mut server = Server::start(spool, arguments);
    let before = acknowledged.lock().unwrap().len();
    under_load(&mut server, seed, Some(LARGE), acknowledged, |server| {
        // However slow all is, it is in the midst of its work.
        let until = Instant::now() + PATIENCE;
        while acknowledged.lock().unwrap().len() < before + 2 {
            assert!(Instant::now() < until, "nothing is acknowledged");
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(Duration::from_millis(30 + Dice(seed).roll(300)));
        server.program.kill();
    });
}

/// The tag of a message whose content is whole.
pub(crate) fn tag_if_whole(text: &[u8]) -> String {
    let start = text.windows(9).position(|w| w == b"Subject: ").unwrap() + 9;
    let end = start + text[start..].iter().position(|b| *b == b'\r').unwrap();
    let tag = String::from_utf8(text[start..end].to_vec()).unwrap();
    let body = &text[start - 9..];
    assert!(awkward_message(&tag, body.len() - 80).starts_with(&body[..body.len().min(200)]));
    let whole = (0..=80).any(|less| awkward_message(&tag, body.len() - less) == body);
    assert!(whole, "{tag} is not whole");
    tag
}

fn all_arrived(acknowledged: &Mutex<Vec<String>>, arrived: &[Arrived]) {
    let arrived = arrived.iter().map(|message| tag_if_whole(&message.content));
    none_is_missing(acknowledged, &arrived.collect());
}

fn none_is_missing(acknowledged: &Mutex<Vec<String>>, arrived: &HashSet<String>) {
    let acknowledged = acknowledged.lock().unwrap();
    assert!(
        acknowledged.len() > KILLS,
        "only {} messages acknowledged",
        acknowledged.len()
    );
    let lost: Vec<_> = acknowledged
        .iter()
        .filter(|tag| !arrived.contains(*tag))
        .collect();
    assert!(lost.is_empty(), "acknowledged but lost: {lost:?}");
}

pub(crate) fn drain(spool: &Scratch, sink: &Sink) {
    let log = forward_all(spool, sink);
    assert_eq!(spool.names(), [""; 0], "{log}");
}

/// Forwards all that is there, and returns what was logged.
fn forward_all(spool: &Scratch, sink: &Sink) -> String {
    let directory = spool.path().to_str().unwrap();
    let arguments = ["--as-client", &sink.address(), "--spool-dir", directory];
    let (_, _, log) = run(&[&arguments[..], &["--domain", "relay.test"]].concat());
    log
}

#[test]
fn killed_while_receiving_it_loses_nothing() {
    let (spool, sink) = (Scratch::new(), Sink::start());
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    for seed in 0..KILLS as u64 {
        round(&spool, &[], seed, &acknowledged);
    }
    drain(&spool, &sink);
    all_arrived(&acknowledged, &sink.arrived());
}

#[test]
fn killed_while_delivering_it_loses_nothing() {
    let (spool, work) = (Scratch::new(), Scratch::new());
    let mailbox = spool.path().join("alice");
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(mailbox.join(part)).unwrap();
    }
    let verifier = script(&work, "verify", "printf 'Name\\nalice\\n'");
    let arguments = ["--filter=deliver:", "--address-verifier", &verifier];
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    for seed in 400..400 + KILLS as u64 {
        round(&spool, &arguments, seed, &acknowledged);
    }
    let new = mailbox.join("new");
    let delivered = names(&new).into_iter().map(|name| new.join(name));
    let delivered = delivered.map(|path| tag_if_whole(&fs::read(path).unwrap()));
    none_is_missing(&acknowledged, &delivered.collect());
}

#[test]
fn killed_while_receiving_and_forwarding_it_loses_nothing() {
    let spool = Scratch::new();
    // Some sessions break off and some messages are deferred, to keep all paths busy.
    let sink = Sink::scripted(&["PIPELINING", "8BITMIME"], |connection, command| {
        match (connection % 5, command) {
            (3, "DATA") => Answer::Drop,
            (4, ".") => Answer::Reply("451 4.3.0 later".to_owned()),
            _ => Answer::Usual,
        }
    });
    let address = sink.address();
    let arguments = [
        "--forward",
        "--forward-on-disconnect",
        "--forward-to",
        &address,
    ];
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    for seed in 100..100 + KILLS as u64 {
        round(&spool, &arguments, seed, &acknowledged);
    }
    let willing = Sink::start();
    drain(&spool, &willing);
    let arrived = [sink.arrived(), willing.arrived()].concat();
    all_arrived(&acknowledged, &arrived);
}

/// Told to stop in good order every few seconds, and killed now and then.
#[test]
#[ignore = "takes a minute"]
fn ten_thousand_messages_survive_restarts() {
    let (spool, sink) = (Scratch::new(), Sink::start());
    let address = sink.address();
    let arguments = ["--forward-on-disconnect", "--forward-to", &address];
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let mut restarts = 0;
    while acknowledged.lock().unwrap().len() < 10_000 {
        restarts += 1;
        let mut server = Server::start(&spool, &arguments);
        under_load(&mut server, 300 + restarts, None, &acknowledged, |server| {
            thread::sleep(Duration::from_secs(2));
            if restarts % 5 == 0 {
                server.program.kill();
                return;
            }
            server.program.terminate();
            assert!(server.program.wait().success());
        });
    }
    drain(&spool, &sink);
    all_arrived(&acknowledged, &sink.arrived());
    let count = acknowledged.lock().unwrap().len();
    eprintln!(
        "{count} messages, {restarts} restarts, {} arrived",
        sink.arrived().len()
    );
}

#[test]
fn killed_while_filters_replace_files_it_loses_nothing() {
    let (spool, work, sink) = (Scratch::new(), Scratch::new(), Sink::start());
    let text = "for file; do cp \"$file\" \"${0%/*}/$$\" && mv \"${0%/*}/$$\" \"$file\"; done";
    let filter = script(&work, "filter", text);
    let address = sink.address();
    let arguments = [
        "--forward-on-disconnect",
        "--forward-to",
        &address,
        "--filter",
        &filter,
        "--client-filter",
        &filter,
    ];
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    for seed in 200..200 + 2 * KILLS as u64 {
        round(&spool, &arguments, seed, &acknowledged);
    }
    await_end_of_all(&work.join(""));
    let log = forward_all(&spool, &sink);
    // A `mv` that is slower than the end of its script brings an envelope back whose
    // message has been sent meanwhile; without a content it is put aside.
    let mut names = spool.names();
    names.retain(|name| !name.ends_with(".envelope.bad"));
    assert_eq!(names, [""; 0], "{log}");
    all_arrived(&acknowledged, &sink.arrived());
}

/// Waits for the filters of a program that was killed, which have its folder in their
/// arguments; where the system has such a list of processes.
fn await_end_of_all(folder: &str) {
    let is_at_it = |entry: fs::DirEntry| {
        let arguments = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&arguments).contains(folder)
    };
    let until = Instant::now() + PATIENCE;
    while fs::read_dir("/proc").is_ok_and(|mut all| all.any(|one| one.is_ok_and(is_at_it))) {
        assert!(Instant::now() < until, "filters do not end");
        thread::sleep(Duration::from_millis(5));
    }
}
