//! Next hops, and servers that messages name, which take their time or want to be given
//! some: others do not wait for them.

use std::fs;
use std::time::{Duration, Instant};

use crate::support::client::submit;
use crate::support::program::{Scratch, Server, run};
use crate::support::sink::{Answer, Sink};

const CONTENT: &[u8] = b"x: y\r\n\r\n";

fn deliver(server: &Server, to: &str) {
    submit(server.port, "me@src.test", &[to], CONTENT);
}

/// Puts a message into the spool that goes to that address.
fn store(spool: &Scratch, address: &str) {
    store_many(spool, 1, address);
}

/// Puts so many messages into the spool that go to that address; all others there stay
/// as they are.
fn store_many(spool: &Scratch, count: usize, address: &str) {
    let earlier = spool.names();
    let server = Server::start(spool, &[]);
    (0..count).for_each(|_| deliver(&server, "to@own.test"));
    drop(server);
    for name in spool.names() {
        if earlier.contains(&name) {
            continue;
        }
        let path = spool.join(&name);
        let text = fs::read_to_string(&path).unwrap();
        let directed = format!("ForwardToAddress: {address}\r\n");
        fs::write(&path, text.replace("ForwardToAddress: \r\n", &directed)).unwrap();
    }
}

#[test]
fn what_comes_while_a_server_is_slow_does_not_wait_for_it() {
    let spool = Scratch::new();
    let silent = Sink::scripted(&[], |_, _| Answer::Silence);
    store(&spool, &silent.address());
    let usual = Sink::scripted(&[], |_, command| match command {
        "RCPT TO:<later@dst.test>" => Answer::Reply("451 4.3.0 later".to_owned()),
        _ => Answer::Usual,
    });
    let options = ["--forward-on-disconnect", "--forward-to", &usual.address()];
    let server = Server::start(&spool, &[&options[..], &["--forward"]].concat());
    server.program.wait_for("smtp connection to ");
    for count in 1..=2 {
        deliver(&server, "new@dst.test");
        usual.wait_for(count);
    }
    deliver(&server, "later@dst.test");
    server.program.wait_for("deferred message: id=");
    for count in 3..=5 {
        deliver(&server, "new@dst.test");
        usual.wait_for(count);
    }
    // What was put off has been tried as often as with passes of its own, and what was
    // in the lane of the silent server is there once.
    let commands = usual.commands();
    let is_later = |command: &&String| command.starts_with("RCPT TO:<later");
    assert_eq!(commands.iter().filter(is_later).count(), 2);
    assert_eq!((usual.arrived().len(), silent.connections()), (5, 1));
}

#[test]
fn a_pass_that_goes_on_looks_through_the_queue_once_a_second_at_most() {
    let spool = Scratch::new();
    let silent = Sink::scripted(&[], |_, _| Answer::Silence);
    store(&spool, &silent.address());
    let usual = Sink::start();
    let options = ["--poll", "50ms", "--forward-to", &usual.address()];
    // What is read late makes it only longer.
    let start = Instant::now();
    let server = Server::start(&spool, &options);
    let look = "forwarding: looking for more";
    server.program.wait_for_nth(look, 4);
    assert!(start.elapsed() > Duration::from_millis(2500));
}

#[test]
fn a_server_is_one_server_whichever_way_mail_comes_to_it() {
    let spool = Scratch::new();
    let sink = Sink::start();
    for address in [sink.address(), format!("{0},{0}", sink.address())] {
        store_many(&spool, 3, &address);
    }
    let start = Instant::now();
    let more = ["--forward-rate", "120"];
    assert_eq!(forward(&spool, &sink.address(), &more), 0);
    assert!(start.elapsed() >= Duration::from_millis(2500));
    for address in [sink.address(), format!("{0},{0}", sink.address())] {
        store_many(&spool, 60, &address);
    }
    let before = sink.connections();
    let more = ["--forward-connections", "2"];
    assert_eq!(forward(&spool, &sink.address(), &more), 0);
    // One for each way at once; a further one once all of one way has gone.
    let connections = sink.connections() - before;
    assert!((2..=3).contains(&connections), "{connections}");
    assert_eq!(sink.arrived().len(), 126);
}

fn forward(spool: &Scratch, target: &str, more: &[&str]) -> i32 {
    let spool = spool.path().to_str().unwrap();
    let arguments = ["--as-client", target, "--spool-dir", spool];
    run(&[&arguments[..], more].concat()).0
}
