//! Name servers that do not answer, and mail that needs none.
#![cfg(target_os = "linux")]

use std::fs;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use crate::support::client::submit;
use crate::support::network::{in_private_network, replace_file};
use crate::support::program::{Scratch, Server};
use crate::support::sink::Sink;

/// How long the resolver waits for an answer.
const WAIT: Duration = Duration::from_secs(30);

/// More than the program waits at its end for what is under way, and less than a name takes.
const STOP_MAX: Duration = Duration::from_secs(20);

/// Has the resolver wait for a name server that is silent.
fn silence() -> (UdpSocket, Scratch) {
    let (socket, etc) = (UdpSocket::bind("127.0.0.1:53").unwrap(), Scratch::new());
    let file = etc.join("resolv.conf");
    let seconds = WAIT.as_secs();
    let text = format!("nameserver 127.0.0.1\noptions timeout:{seconds} attempts:1\n");
    fs::write(&file, text).unwrap();
    replace_file("/etc/resolv.conf", &file);
    (socket, etc)
}

/// Puts messages into the spool, each of which goes to one of these addresses; an
/// empty one is the usual server's.
fn store(spool: &Scratch, addresses: &[String]) {
    let server = Server::start(spool, &[]);
    for address in addresses {
        let before = spool.names();
        submit(
            server.port,
            "me@src.test",
            &["to@dst.test"],
            b"x: y\r\n\r\n",
        );
        for name in spool.names() {
            if before.contains(&name) || !name.ends_with(".envelope") {
                continue;
            }
            let text = fs::read_to_string(spool.join(&name)).unwrap();
            let directed = format!("ForwardToAddress: {address}\r\n");
            let text = text.replace("ForwardToAddress: \r\n", &directed);
            fs::write(spool.join(&name), text).unwrap();
        }
    }
}

#[test]
fn names_that_nobody_looks_up_hold_up_neither_addresses_nor_the_usual_server() {
    in_private_network(|| {
        let (spool, _silence) = (Scratch::new(), silence());
        let (usual, own) = (Sink::start(), Sink::start());
        let mut addresses: Vec<String> = (0..6).map(|n| format!("h{n}.dead.test:25")).collect();
        addresses.extend([own.address(), String::new()]);
        store(&spool, &addresses);
        let start = Instant::now();
        let target = format!("localhost:{}", usual.port);
        let options = ["--forward", "--connection-timeout", "6", "--forward-to"];
        let mut server = Server::start(&spool, &[&options[..], &[&target]].concat());
        own.wait_for(1);
        usual.wait_for(1);
        assert!(start.elapsed() < WAIT, "{:?}", start.elapsed());
        // Two names at a time are looked up; of the others it is not known whether
        // anybody is there, so that is no attempt.
        let report = "forwarding: 2 sent, 2 deferred, 0 failed, 4 not tried";
        server.program.wait_for(report);
        // Nor is the end of the program held up.
        let start = Instant::now();
        server.program.terminate();
        server.program.wait();
        assert!(start.elapsed() < STOP_MAX, "{:?}", start.elapsed());
    });
}
