//! A full disk, no descriptors: temporary refusals, and nothing lost.
#![cfg(target_os = "linux")]

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Instant;

use crate::support::client::{Client, awkward_message, submit};
use crate::support::program::{PATIENCE, Scratch, Server, program};
use crate::support::sink::Sink;

/// A small file system of its own, where that is permitted.
struct SmallDisk(Scratch);

impl SmallDisk {
    fn mount(options: &str) -> Option<SmallDisk> {
        let scratch = Scratch::new();
        let mut command = Command::new("mount");
        command
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(scratch.path());
        let mounted = command.output().is_ok_and(|output| output.status.success());
        if !mounted {
            crate::support::skip("cannot mount a small file system");
        }
        mounted.then_some(SmallDisk(scratch))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_refuses_for_now_and_loses_nothing() {
    for options in ["size=256k", "size=1m,nr_inodes=20"] {
        let Some(disk) = SmallDisk::mount(options) else {
            return;
        };
        let sink = Sink::start();
        let server = Server::start(&disk.0, &[]);
        let (accepted, refused) = fill(server.port);
        assert!(
            accepted > 0 && refused > 0,
            "{options}: {accepted} accepted, {refused} refused"
        );
        drop(server);
        let address = sink.address();
        let server = Server::start(&disk.0, &["--forward", "--forward-to", &address]);
        assert_eq!(sink.wait_for(accepted).len(), accepted, "{options}");
        server
            .program
            .wait_for(&format!("forwarding: {accepted} sent"));
        assert_eq!(disk.0.names(), [""; 0], "{options}");
        // With room again, service resumes.
        submit(server.port, "a@b.test", &["c@d.test"], b"x: y\r\n\r\n");
    }
}

/// Sends messages of mixed sizes until some were refused; each refusal is
/// temporary and the session goes on.
fn fill(port: u16) -> (usize, usize) {
    let mut client = Client::connect(port);
    client.hello();
    let (mut accepted, mut refused) = (0, 0);
    for number in 0..60 {
        let octets = if number % 3 == 0 { 100_000 } else { 2000 };
        let content = awkward_message("fill", octets);
        let reply = client
            .try_send("a@b.test", &["c@d.test"], &content)
            .unwrap();
        if reply.starts_with("250 ") {
            accepted += 1;
        } else {
            assert!(reply.starts_with("452 4.3.1"), "{reply}");
            refused += 1;
        }
    }
    client.quit();
    (accepted, refused)
}

#[test]
fn too_few_descriptors_turn_clients_away_but_lose_nothing() {
    let (spool, sink) = (Scratch::new(), Sink::start());
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -n 64; exec \"$0\" \"$@\""])
        .arg(program());
    let server = Server::start_with(command, &spool, &[]);
    let port = server.port;
    let idle: Vec<_> = (0..20).map(|_| Client::open(port).unwrap()).collect();
    let refused = idle.iter().filter(|(_, said)| said.starts_with("421 "));
    assert!((1..20).contains(&refused.count()));
    drop(idle);
    let clients: Vec<_> = (0..300)
        .map(|n| thread::spawn(move || try_once(port, n)))
        .collect();
    let accepted = clients
        .into_iter()
        .filter_map(|client| client.join().unwrap())
        .count();
    assert!(accepted > 0);
    // Service resumes, once the server has seen that the others have left.
    let until = Instant::now() + PATIENCE;
    while try_once(port, 300).is_none() {
        assert!(Instant::now() < until);
    }
    drop(server);
    let address = sink.address();
    let server = Server::start(&spool, &["--forward", "--forward-to", &address]);
    sink.wait_for(accepted + 1);
    server
        .program
        .wait_for(&format!("forwarding: {} sent", accepted + 1));
    assert_eq!(spool.names(), [""; 0]);
}

/// Whether a message was accepted; any refusal has to be a temporary one.
fn try_once(port: u16, number: usize) -> Option<()> {
    let (mut client, greeting) = Client::open(port).ok()?;
    if !greeting.starts_with("220") {
        assert!(greeting.starts_with("421 "), "{greeting}");
        return None;
    }
    let reply = client.try_command("EHLO client.test").ok()?;
    assert!(reply.starts_with("250"), "{reply}");
    let content = awkward_message(&number.to_string(), 500);
    let reply = client.try_send("a@b.test", &["c@d.test"], &content).ok()?;
    assert!(
        reply.starts_with("250 ") || reply.starts_with('4'),
        "{reply}"
    );
    reply.starts_with("250 ").then_some(())
}

#[test]
fn a_hundred_megabytes_in_and_out_need_little_memory() {
    let (spool, sink) = (Scratch::new(), Sink::start());
    let options = ["--forward-on-disconnect", "--forward-to", &sink.address()];
    let server = Server::start(&spool, &options);
    let mut client = Client::connect(server.port);
    client.hello();
    client.expect("MAIL FROM:<a@b.test>", "250");
    client.expect("RCPT TO:<c@d.test>", "250");
    client.expect("DATA", "354");
    let block = b"sixty-four octets of text that stands for a line of a message.\r\n".repeat(1024);
    let blocks = 100 * 1024 * 1024 / block.len();
    client.write(b"Subject: large\r\n\r\n").unwrap();
    (0..blocks).for_each(|_| client.write(&block).unwrap());
    client.expect(".", "250");
    client.quit();
    assert!(sink.wait_for(1)[0].content.len() > blocks * block.len());
    server.program.wait_for("forwarding: 1 sent");
    let peak = server.program.peak_memory();
    assert!(peak < 20 * 1024, "{peak} KiB");
}

#[test]
fn a_client_that_floods_does_not_starve_another() {
    let spool = Scratch::new();
    let server = Server::start(&spool, &[]);
    let port = server.port;
    let (begun, has_begun) = mpsc::channel();
    let enough = Arc::new(AtomicBool::new(false));
    let is_enough = Arc::clone(&enough);
    let flood = thread::spawn(move || {
        let mut client = Client::connect(port);
        client.hello();
        let block = [&[b'x'; 70], b"\r\n".as_slice()].concat().repeat(14_000);
        while !is_enough.load(Ordering::Relaxed) {
            client.expect("MAIL FROM:<a@b.test>", "250");
            client.expect("RCPT TO:<c@d.test>", "250");
            client.expect("DATA", "354");
            for _ in 0..10 {
                client.write(&block).unwrap();
                // Nobody listens any more in the end.
                let _ = begun.send(());
            }
            client.expect(".", "250");
        }
    });
    let mut client = Client::connect(port);
    client.hello();
    has_begun.recv().unwrap();
    // The flood goes on until this client has been served.
    for _ in 0..10 {
        client.expect("MAIL FROM:<a@b.test>", "250");
        client.expect("RSET", "250");
    }
    assert!(!flood.is_finished());
    enough.store(true, Ordering::Relaxed);
    flood.join().unwrap();
}
