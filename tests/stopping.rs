//! Told to stop, the program finishes what is in flight and begins nothing.
#![cfg(unix)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::slow_clients::glutton;
use crate::support::client::Client;
use crate::support::program::{Program, Scratch, Server};
use crate::support::sink::{Answer, Sink};

const MESSAGE: &[u8] = b"Subject: x\r\n\r\nhello\r\n";

#[test]
fn told_to_stop_it_says_so_and_exits_cleanly() {
    let spool = Scratch::new();
    let mut server = Server::start(&spool, &[]);
    let mut idle = Client::connect(server.port);
    idle.hello();
    server.program.terminate();
    assert!(
        idle.reply().unwrap().starts_with("421 "),
        "an idle client is told"
    );
    assert!(
        server.program.wait().success(),
        "{:#?}",
        server.program.log()
    );
}

// A blocked signal stays so in programs, and none but KILL would ever end this one.
#[cfg(target_os = "linux")]
#[test]
fn told_to_stop_it_hears_whatever_its_parent_has_blocked() {
    let spool = Scratch::new();
    let mut command = std::process::Command::new("env");
    command
        .arg("--block-signal")
        .arg(crate::support::program::program());
    let mut server = Server::start_with(command, &spool, &[]);
    server.program.terminate();
    server.program.wait_for("told to stop");
    assert!(server.program.wait().success());
}

#[test]
fn told_to_stop_it_lets_a_message_in_flight_finish() {
    let spool = Scratch::new();
    let mut server = Server::start(&spool, &[]);
    let mut client = Client::connect(server.port);
    client.hello();
    client.expect("MAIL FROM:<a@b.test>", "250");
    client.expect("RCPT TO:<c@d.test>", "250");
    client.expect("DATA", "354");
    client.write(b"x: y\r\n\r\n").unwrap();
    server.program.terminate();
    server.program.wait_for("told to stop");
    let reply = client.try_command("hello\r\n.").unwrap();
    assert!(reply.starts_with("250 "), "{reply}");
    assert!(server.program.wait().success());
    assert_eq!(spool.names().len(), 2);
}

#[test]
fn told_to_stop_twice_it_says_so_to_those_who_are_in_the_middle_of_something() {
    let spool = Scratch::new();
    let mut server = Server::start(&spool, &["--server-smtp-config", "+chunking"]);
    let steps = ["MAIL FROM:<a@b.test>", "RCPT TO:<c@d.test>", "BDAT 2\r\nx:"];
    let mut clients: Vec<Client> = (0..4)
        .map(|count| {
            let mut client = Client::connect(server.port);
            client.hello();
            for step in &steps[..count.min(2)] {
                client.expect(step, "250 ");
            }
            client
        })
        .collect();
    let begun = clients.split_off(1);
    let mut begun = begun.into_iter();
    let [mail, mut content, mut chunk] = std::array::from_fn(|_| begun.next().unwrap());
    content.expect("DATA", "354 ");
    chunk.write(steps[2].as_bytes()).unwrap();
    assert!(chunk.reply().unwrap().starts_with("250 "));
    let told = Instant::now();
    server.program.terminate();
    assert!(clients[0].reply().unwrap().starts_with("421 4.3.2 "));
    drop(clients);
    // At once would be taken for the same signal.
    server.program.wait_for("told to stop");
    thread::sleep(Duration::from_millis(700));
    server.program.terminate();
    for mut client in [mail, content, chunk] {
        assert!(client.reply().unwrap().starts_with("421 4.3.2 "));
        assert!(client.reply().is_err());
    }
    assert!(server.program.wait().success());
    // Told once it would wait longer than that for them.
    assert!(told.elapsed() < Duration::from_secs(9));
    assert_eq!(spool.names(), [""; 0]);
    server
        .program
        .wait_for_nth("smtp protocol done: shutting down", 4);
}

#[test]
fn told_to_stop_twice_it_waits_for_nobody_who_takes_no_replies() {
    let (spool, place) = (Scratch::new(), Scratch::new());
    let path = place.join("socket");
    let mut server = Server::start(&spool, &["--interface", &path]);
    let _client = glutton(&path);
    let told = Instant::now();
    server.program.terminate();
    server.program.wait_for("told to stop");
    thread::sleep(Duration::from_millis(700));
    server.program.terminate();
    assert!(server.program.wait().success());
    assert!(told.elapsed() < Duration::from_secs(9));
}

#[test]
fn told_to_stop_it_finishes_the_message_on_its_way_out() {
    let spool = Scratch::new();
    let server = Server::start(&spool, &[]);
    let mut client = Client::connect(server.port);
    client.hello();
    (0..20).for_each(|_| client.send("a@b.test", &["c@d.test"], MESSAGE));
    drop((client, server));
    let sink = Sink::scripted(&[], |_, command| {
        if command == "." {
            std::thread::sleep(Duration::from_millis(100));
        }
        Answer::Usual
    });
    let mut server = Server::start(&spool, &["--forward", "--forward-to", &sink.address()]);
    sink.wait_for(2);
    server.program.terminate();
    assert!(
        server.program.wait().success(),
        "{:#?}",
        server.program.log()
    );
    let left = spool.names();
    assert!(left.iter().all(|name| !name.ends_with(".busy")), "{left:?}");
    assert_eq!(left.len(), 2 * (20 - sink.arrived().len()), "{left:?}");
}

#[test]
fn told_to_stop_a_single_pass_is_no_success_while_mail_is_left() {
    let spool = Scratch::new();
    let server = Server::start(&spool, &[]);
    let mut client = Client::connect(server.port);
    client.hello();
    (0..5).for_each(|_| client.send("a@b.test", &["c@d.test"], MESSAGE));
    drop((client, server));
    // The first is accepted at once, and the second only when the program was told.
    let (told, ends) = (Arc::new(AtomicBool::new(false)), AtomicUsize::new(0));
    let is_told = Arc::clone(&told);
    let sink = Sink::scripted(&[], move |_, command| {
        if command == "." && ends.fetch_add(1, Ordering::Relaxed) > 0 {
            while !is_told.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(10));
            }
            thread::sleep(Duration::from_millis(300));
        }
        Answer::Usual
    });
    let (address, path) = (sink.address(), spool.path().to_str().unwrap());
    let arguments = [
        "--as-client",
        &address,
        "--spool-dir",
        path,
        "--domain",
        "x.test",
    ];
    let mut program = Program::spawn(&arguments);
    sink.wait_for(1);
    program.terminate();
    told.store(true, Ordering::Relaxed);
    assert_eq!(program.wait().code(), Some(1), "{:#?}", program.log());
    let left = spool.names().len();
    assert_eq!(
        left,
        2 * (5 - sink.arrived().len()),
        "what was sent, and nothing else, is gone"
    );
    assert!(left > 0);
}

#[test]
fn told_to_stop_it_does_not_wait_for_a_silent_next_hop() {
    let spool = Scratch::new();
    let server = Server::start(&spool, &[]);
    let mut client = Client::connect(server.port);
    client.hello();
    client.send("a@b.test", &["c@d.test"], MESSAGE);
    drop((client, server));
    let sink = Sink::scripted(&[], |_, _| Answer::Silence);
    let mut server = Server::start(&spool, &["--forward", "--forward-to", &sink.address()]);
    server.program.wait_for("smtp connection to ");
    let start = Instant::now();
    server.program.terminate();
    assert!(server.program.wait().success());
    assert!(
        start.elapsed() < Duration::from_secs(9),
        "{:?}",
        start.elapsed()
    );
}
