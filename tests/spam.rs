//! `spam:` and `spam-edit:`, with a service that follows a script and with the real
//! one.
#![cfg(unix)]

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use emailrelay::sys;

use crate::support::address::unused;
use crate::support::client::{Client, awkward_message, without_trace};
use crate::support::program::{PATIENCE, Program, Scratch, Server, run};
use crate::support::sink::Sink;
use crate::support::skip_without;
use crate::support::spamd::{Answer, Spamd};

/// What SpamAssassin calls spam whatever else there is.
const GTUBE: &str = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

fn server(spool: &Scratch, prefix: &str, port: u16) -> Server {
    server_with(spool, &format!("{prefix}:127.0.0.1:{port}"), 60)
}

/// One that waits so many seconds for the filter.
fn server_with(spool: &Scratch, filter: &str, seconds: u32) -> Server {
    let filter = format!("--filter={filter}");
    Server::start(spool, &[&filter, &format!("--filter-timeout={seconds}")])
}

fn send(server: &Server, content: &[u8]) -> String {
    let mut client = Client::connect(server.port);
    client.hello();
    client
        .try_send("me@src.test", &["a@dst.test"], content)
        .unwrap()
}

/// The one content in the spool.
fn stored(spool: &Scratch) -> Vec<u8> {
    let names = spool.names();
    let mut found = names.iter().filter(|name| name.ends_with(".content"));
    let name = found.next().unwrap_or_else(|| panic!("{names:?}"));
    assert!(found.next().is_none(), "{names:?}");
    fs::read(spool.join(name)).unwrap()
}

fn close(text: &str) -> Answer {
    Answer::Close(text.as_bytes().to_vec())
}

#[test]
fn spam_is_refused_for_good_and_the_score_logged() {
    let spamd = Spamd::start(|request| {
        let is_spam = request.content.windows(4).any(|word| word == b"SPAM");
        match is_spam {
            true => close("SPAMD/1.1 0 EX_OK\r\nSpam: True ; 15.1 / 5.0\r\n\r\n"),
            false => close("SPAMD/1.1 0 EX_OK\r\nspam: false ; -0.1 / 5.0\r\n\r\n"),
        }
    });
    let spool = Scratch::new();
    let server = server(&spool, "spam", spamd.port);
    let reply = send(&server, b"Subject: x\r\n\r\nSPAM\r\n");
    assert_eq!(reply, "550 5.7.1 rejected");
    assert!(spool.names().is_empty(), "{:?}", spool.names());
    server
        .program
        .wait_for("rejected by filter: [spam: True ; 15.1 / 5.0]: ");
    let request = spamd.request();
    assert_eq!(request.header[0], "CHECK SPAMC/1.4");
    let content = awkward_message("ham", 300_000);
    let reply = send(&server, &content);
    assert!(reply.starts_with("250 "), "{reply}");
    server.program.wait_for("spam: false ; -0.1 / 5.0");
    assert!(spamd.request().content == stored(&spool));
    assert!(without_trace(&stored(&spool)) == content);
}

#[test]
fn edited_content_is_stored_whatever_its_rating() {
    for rating in ["True ; 99 / 5", "False ; 1 / 5"] {
        let spamd = Spamd::start(move |request| {
            let content = [b"X-Spam-Flag: x\r\n".as_slice(), &request.content].concat();
            let start = format!(
                "SPAMD/1.1 0 EX_OK\r\nSpam: {rating}\r\nContent-length: {}\r\n\r\n",
                content.len()
            );
            Answer::Close([start.as_bytes(), &content].concat())
        });
        let spool = Scratch::new();
        let server = server(&spool, "spam-edit", spamd.port);
        let content = awkward_message("edit", 500_000);
        let reply = send(&server, &content);
        assert!(reply.starts_with("250 "), "{reply}");
        let request = spamd.request();
        assert_eq!(request.header[0], "PROCESS SPAMC/1.4");
        let edited = stored(&spool);
        let rest = edited.strip_prefix(b"X-Spam-Flag: x\r\n").unwrap();
        assert!(rest == request.content);
        assert!(without_trace(rest) == content);
        let names = spool.names();
        assert_eq!(names.len(), 2, "{names:?}");
        // Both files are alike, as without a filter.
        let about = |name: &String| {
            let about = fs::metadata(spool.join(name)).unwrap();
            (about.mode() & 0o777, about.uid(), about.gid())
        };
        assert_eq!(about(&names[0]), about(&names[1]));
        assert_eq!(about(&names[0]).0, 0o660);
    }
}

/// Replies that are none, and what the log says of them.
fn faults() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let ok = "SPAMD/1.1 0 EX_OK\r\n";
    let with_length =
        |length: &str| format!("{ok}Content-length: {length}\r\n\r\nSubject: cut\r\n");
    vec![
        ("spam", b"".to_vec(), "the reply ends early"),
        ("spam", b"220 hello\r\n".to_vec(), "not a reply of spamd"),
        (
            "spam",
            b"SPAMD/1.0 69 EX_UNAVAILABLE\r\n".to_vec(),
            "69 EX_UNAVAILABLE",
        ),
        ("spam", format!("{ok}\r\n").into(), "no Spam field"),
        (
            "spam",
            format!("{ok}Spam: perhaps\r\n\r\n").into(),
            "malformed rating",
        ),
        ("spam", vec![b'x'; 1_000_000], "header too long"),
        ("spam", b"A: b\r\n".to_vec(), "not a reply of spamd"),
        (
            "spam-edit",
            format!("{ok}\r\nSubject: x\r\n").into(),
            "no Content-length field",
        ),
        (
            "spam-edit",
            with_length("13").into(),
            "more content than announced",
        ),
        (
            "spam-edit",
            with_length("15").into(),
            "the reply ends early",
        ),
        (
            "spam-edit",
            with_length("-1").into(),
            "malformed content length",
        ),
        (
            "spam-edit",
            with_length("0").into(),
            "malformed content length",
        ),
        (
            "spam-edit",
            with_length("x").into(),
            "malformed content length",
        ),
        (
            "spam-edit",
            with_length("99999999999").into(),
            "edited content too long",
        ),
        (
            "spam-edit",
            with_length("99999999999999999999").into(),
            "malformed content length",
        ),
        (
            "spam-edit",
            format!("{ok}Content-length: 9\r\n\r\n").into(),
            "the reply ends early",
        ),
    ]
}

#[test]
fn whatever_a_service_does_wrong_is_for_now() {
    for (prefix, reply, why) in faults() {
        let spamd = Spamd::start(move |_| Answer::Close(reply.clone()));
        let spool = Scratch::new();
        let server = server(&spool, prefix, spamd.port);
        let reply = send(&server, b"Subject: x\r\n\r\nbody that is long enough\r\n");
        assert!(reply.starts_with("451 4."), "{why}: {reply}");
        assert!(spool.names().is_empty(), "{why}: {:?}", spool.names());
        server.program.wait_for(why);
    }
}

#[test]
fn a_slow_service_is_not_waited_for_for_ever() {
    const OK: &[u8] = b"SPAMD/1.1 0 EX_OK\r\nSpam: True\r\nContent-length: 5\r\n\r\nabcde";
    type Script = fn() -> Answer;
    let scripts: [(&str, Script); 3] = [
        ("spam", || Answer::Hang(Vec::new())),
        ("spam-edit", || Answer::Hang(OK.to_vec())),
        ("spam", || {
            Answer::Drip(vec![b'x'; 1000], Duration::from_millis(100))
        }),
    ];
    for (prefix, script) in scripts {
        let spamd = Spamd::start(move |_| script());
        let spool = Scratch::new();
        let filter = format!("{prefix}:127.0.0.1:{}", spamd.port);
        let server = server_with(&spool, &filter, 2);
        let reply = send(&server, b"Subject: x\r\n\r\ntext\r\n");
        assert!(reply.starts_with("451 4."), "{reply}");
        assert!(spool.names().is_empty(), "{:?}", spool.names());
        server.program.wait_for("timed out");
    }
}

#[test]
fn without_a_service_mail_waits_at_the_client() {
    let nobody = unused();
    for prefix in ["spam", "spam-edit"] {
        let spool = Scratch::new();
        let server = server_with(&spool, &format!("{prefix}:{nobody}"), 60);
        let reply = send(&server, b"Subject: x\r\n\r\ntext\r\n");
        assert!(reply.starts_with("451 4."), "{reply}");
        assert!(spool.names().is_empty(), "{:?}", spool.names());
        let line = format!("cannot connect to {nobody}");
        server.program.wait_for(&line);
    }
}

#[test]
fn a_chain_edits_and_then_refuses() {
    // In a chain each does its own work.
    let spamd = Spamd::start(|request| match request.header[0].as_str() {
        "PROCESS SPAMC/1.4" => {
            let content = [b"X-Edited: 1\r\n".as_slice(), &request.content].concat();
            let start = format!(
                "SPAMD/1.1 0 OK\r\nContent-length: {}\r\n\r\n",
                content.len()
            );
            Answer::Close([start.as_bytes(), &content].concat())
        }
        _ => close("SPAMD/1.1 0 OK\r\nSpam: False ; 1 / 5\r\n\r\n"),
    });
    let spool = Scratch::new();
    let port = spamd.port;
    let filter = format!("spam-edit:127.0.0.1:{port},spam:127.0.0.1:{port},msgid:");
    let server = server_with(&spool, &filter, 60);
    let reply = send(&server, b"Subject: x\r\n\r\ntext\r\n");
    assert!(reply.starts_with("250 "), "{reply}");
    let content = String::from_utf8(stored(&spool)).unwrap();
    let lines: Vec<&str> = content.lines().collect();
    assert!(lines[0].starts_with("Message-ID: <"), "{content}");
    assert_eq!(lines[1], "X-Edited: 1");
    assert!(lines[2].starts_with("Received: "), "{content}");
}

#[test]
fn a_service_may_be_on_a_socket_of_this_host() {
    let (spool, place) = (Scratch::new(), Scratch::new());
    let path = place.join("spamd");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        // The program says when it has said all.
        stream.read_to_end(&mut request).unwrap();
        assert!(request.starts_with(b"CHECK SPAMC/1.4\r\nContent-length: "));
        stream
            .write_all(b"SPAMD/1.1 0 EX_OK\r\nSpam: True ; 9 / 5\r\n\r\n")
            .unwrap();
    });
    let filter = format!("--filter=spam:{path}");
    let server = Server::start(&spool, &[&filter]);
    let reply = send(&server, b"Subject: x\r\n\r\ntext\r\n");
    assert_eq!(reply, "550 5.7.1 rejected");
}

#[test]
fn spam_on_the_way_out_has_failed() {
    let spamd = Spamd::start(|_| close("SPAMD/1.1 0 EX_OK\r\nSpam: True ; 9.0 / 5.0\r\n\r\n"));
    let (spool, sink) = (Scratch::new(), Sink::start());
    let server = Server::start(&spool, &[]);
    let reply = send(&server, b"Subject: x\r\n\r\ntext\r\n");
    assert!(reply.starts_with("250 "), "{reply}");
    drop(server);
    let (_, _, log) = run(&[
        format!("--as-client={}", sink.address()),
        format!("--spool-dir={}", spool.path().display()),
        format!("--client-filter=spam:127.0.0.1:{}", spamd.port),
    ]);
    let names = spool.names();
    let bad = names.iter().find(|name| name.ends_with(".envelope.bad"));
    let bad = bad.unwrap_or_else(|| panic!("{names:?} {log}"));
    let text = fs::read_to_string(spool.join(bad)).unwrap();
    assert!(
        text.contains("X-MailRelay-Reason: spam: True ; 9.0 / 5.0\r\n"),
        "{text}"
    );
    assert!(text.contains("X-MailRelay-ReasonCode: 550\r\n"), "{text}");
    assert!(sink.arrived().is_empty());
}

/// The real service; it ends with the test.
struct Real {
    address: SocketAddr,
    _program: Program,
    _place: Scratch,
}

fn real() -> Option<Real> {
    let path = "/usr/sbin/spamd";
    if skip_without(path) {
        return None;
    }
    let address = unused();
    let place = Scratch::new();
    let pid = place.join("pid");
    let mut command = Command::new(path);
    command
        .args(["-L", "-x", "-m", "2", "-A", "127.0.0.1"])
        .args(["-i", &address.ip().to_string()])
        .args([
            "-p",
            &address.port().to_string(),
            "--cf=use_bayes 0",
            "-s",
            "stderr",
            "-r",
            &pid,
        ])
        .stdin(Stdio::null());
    if fs::metadata("/proc/self").is_ok_and(|about| about.uid() == 0) {
        command.args(["-u", "nobody"]);
    }
    let program = Program::spawn_command(command);
    program.wait_for("server started");
    let until = Instant::now() + PATIENCE;
    while std::net::TcpStream::connect(address).is_err() {
        assert!(Instant::now() < until, "{:#?}", program.log());
        thread::sleep(Duration::from_millis(20));
    }
    Some(Real {
        address,
        _program: program,
        _place: place,
    })
}

#[test]
fn the_real_spamd_is_understood() {
    let Some(spamd) = real() else { return };
    let spool = Scratch::new();
    let server = server_with(&spool, &format!("spam:{}", spamd.address), 60);
    // Old dates count, so that the score would grow with the age of this test.
    let header = format!(
        "From: <me@src.test>\r\nTo: <a@dst.test>\r\nSubject: hello there\r\n\
         Date: {}\r\nMessage-ID: <1@src.test>\r\n\r\n",
        sys::time::wall_clock().mail_date()
    );
    let spam = format!("{header}{GTUBE}\r\n");
    assert_eq!(send(&server, spam.as_bytes()), "550 5.7.1 rejected");
    let line = server.program.wait_for("rejected by");
    let (_, score) = line.split_once("[spam: True ; ").unwrap();
    let (score, _) = score.split_once(" / 5.0]").unwrap();
    assert!((990.0..1010.0).contains(&score.parse().unwrap()), "{line}");
    let ham = format!("{header}Shall we meet for lunch?\r\n");
    let reply = send(&server, ham.as_bytes());
    assert!(reply.starts_with("250 "), "{reply}");
    assert!(without_trace(&stored(&spool)) == ham.as_bytes());
    drop(server);
    let spool = Scratch::new();
    let server = server_with(&spool, &format!("spam-edit:{}", spamd.address), 60);
    let reply = send(&server, spam.as_bytes());
    assert!(reply.starts_with("250 "), "{reply}");
    let edited = String::from_utf8(stored(&spool)).unwrap();
    assert!(edited.contains("X-Spam-Flag: YES\r\n"), "{edited}");
    assert!(edited.contains(GTUBE), "{edited}");
}
