//! Plays the SMTP transcripts over TCP with the program: as written, and some of
//! them octet by octet. It must do what the machine alone does.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use crate::support::client::Client;
use crate::support::over_tcp::{OverTcp, is_playable, options};
use crate::support::program::{Scratch, Server};
use crate::support::transcript::Transcript;

/// Those that are cut after each octet: framing of commands, DATA and BDAT.
const CUT: [&str; 12] = [
    "bdat-dot-is-data",
    "bdat-in-chunks",
    "bdat-then-data",
    "content-behind-data-in-one-segment",
    "cr-dot-crlf",
    "dots-are-unstuffed",
    "ehlo-announces-what-is-offered",
    "lf-dot-lf",
    "pipelined-group",
    "refused-mail-forgives-its-group",
    "smtputf8-paths",
    "utf8-that-ends-in-cr-and-lf-octets",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/smtp")
}

fn read(path: &Path) -> Transcript {
    Transcript::parse(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Plays a transcript; says what went wrong, or nothing where it cannot be played.
fn play(path: &Path, by_octets: bool) -> Option<Result<(), String>> {
    let transcript = read(path);
    let options = options(&transcript).filter(|_| is_playable(&transcript))?;
    let mut player = OverTcp::start(&options, by_octets);
    let result = transcript.play(&mut player);
    Some(result.map_err(|problem| format!("{}: {problem}", path.display())))
}

#[test]
fn transcripts_play_over_tcp() {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let results: Mutex<Vec<_>> = Mutex::default();
    let play_all = |part: &[PathBuf]| {
        for path in part {
            let result = play(path, false);
            results.lock().unwrap().push(result);
        }
    };
    let (left, right) = paths.split_at(paths.len() / 2);
    thread::scope(|scope| {
        scope.spawn(|| play_all(left));
        play_all(right);
    });
    let results = results.into_inner().unwrap();
    let played: Vec<&Result<(), String>> = results.iter().flatten().collect();
    let failures: Vec<&String> = played.iter().filter_map(|r| r.as_ref().err()).collect();
    eprintln!(
        "{} transcripts played, {} skipped",
        played.len(),
        results.len() - played.len()
    );
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(played.len() >= 90, "only {} were played", played.len());
}

#[test]
fn transcripts_play_octet_by_octet() {
    for name in CUT {
        let path = folder().join(name).with_extension("txt");
        play(&path, true).expect(name).unwrap();
    }
}

#[test]
fn early_talkers_are_sent_away() {
    let spool = Scratch::new();
    let server = Server::start(&spool, &[]);
    // Whether the octets are there before the program greets is a race, so: often.
    let mut refused = 0;
    for _ in 0..200 {
        let mut client = Client::silent(("127.0.0.1", server.port)).unwrap();
        client.write(b"EHLO early.test\r\n").unwrap();
        let reply = client.reply().unwrap();
        assert!(
            reply.starts_with("220 ") || reply.starts_with("554 5.5.0 "),
            "{reply}"
        );
        refused += u32::from(reply.starts_with("554 "));
    }
    assert!(refused > 0, "nobody was early");
}

#[test]
fn extensions_are_offered_as_switched() {
    for (switches, offered, not_offered) in [
        ("pipelining", "PIPELINING", "CHUNKING"),
        ("chunking,smtputf8", "CHUNKING", "nothing else"),
        ("smtputf8", "SMTPUTF8", "BINARYMIME"),
        ("-pipelining,+chunking", "BINARYMIME", "PIPELINING"),
    ] {
        let spool = Scratch::new();
        let server = Server::start(&spool, &[&format!("--server-smtp-config={switches}")]);
        let mut client = Client::connect(server.port);
        let reply = client.expect("EHLO client.test", "250");
        assert!(reply.contains(offered), "{switches}: {reply}");
        assert!(!reply.contains(not_offered), "{switches}: {reply}");
    }
}

#[test]
fn silence_ends_with_421() {
    let spool = Scratch::new();
    let server = Server::start(&spool, &["--idle-timeout=1"]);
    let mut client = Client::connect(server.port);
    let reply = client.reply().unwrap();
    assert!(reply.starts_with("421 4.4.2 "), "{reply}");
    assert!(client.reply().is_err(), "and the connection is closed");
    server
        .program
        .wait_for("smtp connection closed: idle timeout");
}
