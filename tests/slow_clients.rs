//! Clients that take their time, in every phase of a session: others are served
//! meanwhile, and they themselves are given up in the end.

#[cfg(unix)]
use std::io::{Read, Write};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
#[cfg(unix)]
use std::thread;
use std::time::{Duration, Instant};

use crate::support::client::{Client, submit};
#[cfg(unix)]
use crate::support::program::PATIENCE;
use crate::support::program::{Scratch, Server};

/// How soon a client has to be served, whatever others do.
const SOON: Duration = Duration::from_secs(20);

/// How long a client may say nothing where a test waits for the end of that.
const IDLE: Duration = Duration::from_secs(5);

/// As long as nothing comes from a session that waits for its client.
#[cfg(unix)]
const PAUSE: Duration = Duration::from_secs(3);

/// How far a slow client goes before it dawdles.
#[derive(Clone, Copy, Debug)]
enum Phase {
    Connected,
    Command,
    Mail,
    Data,
    Chunk,
    UnreadReplies,
}

const PHASES: [Phase; 6] = [
    Phase::Connected,
    Phase::Command,
    Phase::Mail,
    Phase::Data,
    Phase::Chunk,
    Phase::UnreadReplies,
];

fn dawdle(phase: Phase, port: u16) -> Client {
    let mut client = Client::connect(port);
    let begin = |client: &mut Client| {
        client.hello();
        client.expect("MAIL FROM:<slow@client.test>", "250");
    };
    match phase {
        Phase::Connected => {}
        Phase::Command => client.write(b"EHL").unwrap(),
        Phase::Mail => begin(&mut client),
        Phase::Data => {
            begin(&mut client);
            client.expect("RCPT TO:<a@b.test>", "250");
            client.expect("DATA", "354");
        }
        Phase::Chunk => {
            begin(&mut client);
            client.expect("RCPT TO:<a@b.test>", "250");
            client.write(b"BDAT 1000000\r\nSubject: x").unwrap();
        }
        Phase::UnreadReplies => {
            client.hello();
            client.write(&b"NOOP\r\n".repeat(150)).unwrap();
        }
    }
    client
}

/// Says a little more, where a client in that phase would.
fn dribble(phase: Phase, client: &mut Client) {
    let octets: &[u8] = match phase {
        Phase::Data | Phase::Chunk => b"x",
        _ => b"",
    };
    // The server may have given the client up.
    let _ = client.write(octets);
}

fn crowd(port: u16, count: usize) -> Vec<(Phase, Client)> {
    let phases = PHASES.iter().cycle().take(count);
    phases.map(|phase| (*phase, dawdle(*phase, port))).collect()
}

/// Serves a client among so many slow ones, and returns the longest that one took.
fn served_among(count: usize) -> Duration {
    let spool = Scratch::new();
    let server = Server::start(&spool, &["--server-smtp-config=chunking"]);
    let mut slow = crowd(server.port, count);
    let mut longest = Duration::ZERO;
    for _ in 0..20 {
        for (phase, client) in &mut slow {
            dribble(*phase, client);
        }
        let start = Instant::now();
        submit(
            server.port,
            "a@b.test",
            &["c@d.test"],
            b"Subject: x\r\n\r\n",
        );
        longest = longest.max(start.elapsed());
    }
    assert_eq!(
        spool
            .names()
            .iter()
            .filter(|n| n.ends_with(".envelope"))
            .count(),
        20
    );
    longest
}

#[test]
fn others_are_served_meanwhile() {
    let longest = served_among(120);
    assert!(longest < SOON, "{longest:?}");
}

/// The measurement of docs/performance.md; takes a while on a slow machine.
#[test]
#[ignore = "a measurement: cargo test --release slow_clients -- --ignored --nocapture"]
fn others_are_served_among_500() {
    let longest = served_among(500);
    eprintln!("the slowest of 20 messages among 500 slow clients took {longest:?}");
    assert!(longest < SOON, "{longest:?}");
}

#[test]
fn each_phase_ends_in_time() {
    let spool = Scratch::new();
    let options = ["--server-smtp-config=chunking", "--idle-timeout=5"];
    let server = Server::start(&spool, &options);
    let start = Instant::now();
    let mut slow = crowd(server.port, PHASES.len());
    for (phase, client) in &mut slow {
        let farewell = loop {
            match client.reply() {
                Ok(reply) if reply.starts_with("250 ") => {}
                other => break other,
            }
        };
        let farewell = farewell.unwrap();
        assert!(farewell.starts_with("421 4.4.2 "), "{phase:?}: {farewell}");
    }
    let elapsed = start.elapsed();
    let in_time = IDLE..IDLE + 2 * SOON;
    assert!(in_time.contains(&elapsed), "{elapsed:?}");
    server
        .program
        .wait_for_nth("smtp connection closed: idle timeout", PHASES.len());
    assert_eq!(spool.names(), [""; 0], "nothing is left of what was begun");
}

/// A client that takes no replies until the session takes no commands any more; over a
/// socket of this system, whose own buffers are small.
#[cfg(unix)]
pub(crate) fn glutton(path: &str) -> UnixStream {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PAUSE)).unwrap();
    // Who speaks before the greeting is refused.
    stream.read_exact(&mut [0; 4]).unwrap();
    let begin = b"MAIL FROM:<slow@client.test>\r\n".to_vec();
    // Long replies to short commands, of which only so many are allowed at a time.
    let burst = [begin, b"EHLO x\r\n".repeat(100)].concat();
    let error = loop {
        if let Err(error) = stream.write_all(&burst) {
            break error.kind();
        }
    };
    assert_eq!(error, std::io::ErrorKind::WouldBlock);
    stream
}

#[cfg(unix)]
#[test]
fn a_client_that_never_reads_costs_a_bounded_buffer() {
    let (spool, place) = (Scratch::new(), Scratch::new());
    let path = place.join("socket");
    let options = ["--idle-timeout=5", "--interface", &path];
    let server = Server::start(&spool, &options);
    let mut client = glutton(&path);
    let start = Instant::now();
    submit(
        server.port,
        "a@b.test",
        &["c@d.test"],
        b"Subject: x\r\n\r\n",
    );
    assert!(start.elapsed() < SOON);
    #[cfg(target_os = "linux")]
    assert!(server.program.peak_memory() < 20 * 1024);
    // It is given up, and told so once it reads.
    thread::sleep(IDLE);
    let mut said = Vec::new();
    client.read_to_end(&mut said).unwrap();
    let said = String::from_utf8(said).unwrap();
    assert!(said.lines().last().unwrap().starts_with("421 4.4.2 "));
    server
        .program
        .wait_for("smtp connection closed: idle timeout");
    assert!(start.elapsed() < IDLE + SOON);
}

#[test]
fn a_client_that_is_hung_up_on_is_not_listened_to_for_long() {
    let spool = Scratch::new();
    let server = Server::start(&spool, &[]);
    let mut client = Client::connect(server.port);
    let block = b"NOOP\r\n".repeat(10_000);
    let mut taken = 0;
    while client.write(&block).is_ok() {
        taken += block.len();
    }
    server.program.wait_for("too many commands");
    // What buffers of the system hold is in it, too.
    assert!(taken < 32 << 20, "{taken} octets");
}
