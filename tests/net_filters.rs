//! Filters on the network, of both sides.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use crate::support::address::unused;
use crate::support::client::Client;
use crate::support::program::{PATIENCE, Scratch, Server, run};
use crate::support::sink::Sink;

/// A filter that answers with these octets, and notes what it is asked.
struct Service {
    port: u16,
    questions: Receiver<String>,
}

#[derive(Clone, Copy)]
enum Then {
    Close,
    Wait,
}

impl Service {
    fn start(answer: &'static [u8], then: Then) -> Service {
        Service::with(answer, then, answer.len().max(1))
    }

    /// The same, cut into pieces of that size.
    fn with(answer: &'static [u8], then: Then, piece: usize) -> Service {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, questions) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let sender = sender.clone();
                thread::spawn(move || {
                    let mut line = String::new();
                    let mut lines = BufReader::new(&stream);
                    // The test may be over.
                    let _ = lines.read_line(&mut line);
                    let _ = sender.send(line.clone());
                    say(&stream, answer, piece);
                    if matches!(then, Then::Wait) {
                        let _ = lines.read_line(&mut line);
                    }
                });
            }
        });
        Service { port, questions }
    }

    fn filter(&self) -> String {
        format!("net:127.0.0.1:{}", self.port)
    }

    fn question(&self) -> String {
        self.questions.recv_timeout(PATIENCE).unwrap()
    }
}

fn say(mut stream: &TcpStream, answer: &[u8], piece: usize) {
    stream.set_nodelay(true).unwrap();
    for piece in answer.chunks(piece) {
        // Whoever has heard enough does not read it all.
        if stream.write_all(piece).is_err() {
            return;
        }
        if answer.len() < 100 {
            thread::sleep(Duration::from_millis(3));
        }
    }
}

fn send(server: &Server) -> String {
    let mut client = Client::connect(server.port);
    client.hello();
    client
        .try_send("me@src.test", &["a@dst.test"], b"x: y\r\n\r\nhello\r\n")
        .unwrap()
}

#[test]
fn answers_decide() {
    for (answer, reply) in [
        (&b"ok\n"[..], "250 2.0.0 "),
        (b"ok\r\n", "250 2.0.0 "),
        (b"okay then\n", "250 2.0.0 "),
        (b"\n", "250 2.0.0 "),
        (b"ok\nno\n", "250 2.0.0 "),
        (b"spammy\n", "452 4.7.1 spammy"),
        (b"OK\n", "452 4.7.1 OK"),
        (b"no\tbecause\n", "452 4.7.1 no"),
        (b"\tbecause\n", "452 4.7.1 rejected"),
        (b"no\nok\n", "452 4.7.1 no"),
        (b"550 5.1.1 no\tx\n", "550 5.1.1 no"),
        (b"250 ok\n", "452 4.7.1 250 ok"),
        (b"550 a\rMAIL\0\x1b\n", "550 5.7.1 a\\rMAIL\\x00\\x1b"),
    ] {
        for then in [Then::Close, Then::Wait] {
            let (spool, service) = (Scratch::new(), Service::with(answer, then, 3));
            let server = Server::start(&spool, &["--filter", &service.filter()]);
            let got = send(&server);
            assert!(got.starts_with(reply), "{answer:?}: {got}");
            let question = service.question();
            let path = spool.path().to_str().unwrap();
            assert!(question.starts_with(path), "{question}");
            assert!(question.ends_with(".content\n"), "{question}");
            let files = if reply.starts_with("250") { 2 } else { 0 };
            assert_eq!(spool.names().len(), files);
        }
    }
    let (spool, service) = (Scratch::new(), Service::start(b"no\tbecause\n", Then::Wait));
    let server = Server::start(&spool, &["--filter", &service.filter()]);
    send(&server);
    let log = server.program.wait_for("rejected by filter: [because]");
    assert!(log.ends_with(" [no]"), "{log}");
}

#[test]
fn each_message_is_asked_about() {
    let (spool, service) = (Scratch::new(), Service::start(b"ok\n", Then::Wait));
    let filter = service.filter();
    let server = Server::start(&spool, &["--filter", &format!("{filter},{filter}")]);
    let mut client = Client::connect(server.port);
    client.hello();
    for _ in 0..3 {
        client.send("me@src.test", &["a@dst.test"], b"x: y\r\n\r\n");
        assert_eq!(service.question(), service.question());
    }
    assert!(service.questions.try_recv().is_err());
}

const FAILED: &str = "451 4.3.0 cannot filter the message now";

#[test]
fn trouble_is_for_now() {
    for (answer, then, seconds, reason) in [
        (&b""[..], Then::Close, 60, "it closed the connection"),
        (b"ok", Then::Close, 60, "it closed the connection"),
        (b"", Then::Wait, 1, "timed out"),
        (b"ok", Then::Wait, 1, "timed out"),
        (&[b'x'; 100_000], Then::Wait, 60, "not an answer"),
    ] {
        let (spool, service) = (Scratch::new(), Service::start(answer, then));
        let (filter, timeout) = (service.filter(), format!("--filter-timeout={seconds}"));
        let server = Server::start(&spool, &["--filter", &filter, &timeout]);
        assert_eq!(send(&server), FAILED, "{reason}");
        server.program.wait_for(reason);
        assert_eq!(spool.names(), [""; 0]);
    }
    let spool = Scratch::new();
    for filter in [
        format!("net:{}", unused()),
        "net:no-such-host.invalid:1".to_owned(),
    ] {
        let server = Server::start(&spool, &["--filter", &filter]);
        assert_eq!(send(&server), FAILED, "{filter}");
        assert_eq!(spool.names(), [""; 0]);
    }
}

#[test]
#[cfg(unix)]
fn a_service_may_have_a_socket_of_the_unix_domain() {
    use std::os::unix::net::UnixListener;
    let (spool, work) = (Scratch::new(), Scratch::new());
    let path = work.join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).unwrap();
        (&stream).write_all(b"550 not here\n").unwrap();
    });
    let server = Server::start(&spool, &["--filter", &format!("net:{path}")]);
    assert_eq!(send(&server), "550 5.7.1 not here");
}

#[test]
fn mail_that_goes_out_is_asked_about_too() {
    for (answer, status, left) in [
        (&b"ok\n"[..], 0, None),
        (b"no\tbecause\n", 1, Some(".envelope.bad")),
        (b"450 no\n", 1, Some(".envelope")),
        (b"", 1, Some(".envelope")),
    ] {
        let (spool, sink) = (Scratch::new(), Sink::start());
        let server = Server::start(&spool, &[]);
        assert!(send(&server).starts_with("250"));
        drop(server);
        let service = Service::start(answer, Then::Close);
        let (path, address) = (spool.path().to_str().unwrap(), sink.address());
        let arguments = [
            "--as-client",
            &address,
            "--spool-dir",
            path,
            "--client-filter",
        ];
        let (got, _, log) = run(&[&arguments[..], &[&service.filter()]].concat());
        assert_eq!(got, status, "{log}");
        let names = spool.names();
        let envelope = names.iter().find(|name| name.contains(".envelope"));
        match (envelope, left) {
            (None, None) => {}
            (Some(name), Some(end)) if name.ends_with(end) => {}
            _ => panic!("{names:?}: {log}"),
        }
        assert_eq!(sink.arrived().len(), usize::from(status == 0));
    }
}
