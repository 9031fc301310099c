//! How much a forwarding pass does at a time.
#![cfg(target_os = "linux")]

use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use crate::forwarding::{dead, edit, filter, forward, read, store};
use crate::support::program::Scratch;

#[test]
fn only_so_many_messages_are_routed_at_a_time() {
    let (spool, directory) = (Scratch::new(), Scratch::new());
    store(&spool, 25);
    (0..25).for_each(|index| edit(&spool, index, "ForwardTo: ", "ForwardTo: elsewhere"));
    let place = directory.join("");
    let action = format!(
        "mkdir {place}$$.at; sleep 1; ls -d {place}*.at | wc -l >> {place}counts; \
        rmdir {place}$$.at; exit 100"
    );
    let filter = filter(&directory, &action);
    let (_, log) = forward(&spool, &dead(), &["--client-filter", &filter]);
    let counts = read(&directory, "counts");
    let counts = counts.lines().map(|line| line.trim().parse().unwrap());
    let counts: Vec<usize> = counts.collect();
    assert_eq!(counts.len(), 25, "{log}");
    assert!(counts.iter().all(|count| *count <= 10), "{counts:?}");
    assert!(counts.iter().any(|count| *count > 2), "{counts:?}");
}

#[test]
fn only_so_many_connections_are_open_at_a_time() {
    let spool = Scratch::new();
    store(&spool, 70);
    // Seventy servers that say nothing.
    let silent = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    for index in 0..70 {
        let to = format!("ForwardToAddress: 127.0.0.{}:{port}", index + 1);
        edit(&spool, index, "ForwardToAddress: ", &to);
    }
    let counting = thread::spawn(move || {
        let mut open = Vec::new();
        while open.len() < 64 {
            open.push(silent.accept().unwrap());
        }
        silent.set_nonblocking(true).unwrap();
        thread::sleep(Duration::from_secs(1));
        // All of them hang up, so that the program need not wait for any.
        silent.accept().is_err()
    });
    let (_, log) = forward(&spool, &dead(), &[]);
    assert!(counting.join().unwrap(), "{log}");
}
