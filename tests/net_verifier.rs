//! Address verifiers on the network.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use crate::support::address::unused;
use crate::support::client::Client;
use crate::support::program::{PATIENCE, Scratch, Server};

/// A verifier that notes each question with the number of its connection, and
/// answers with whatever the recipient's local part stands for.
struct Service {
    port: u16,
    questions: Receiver<(usize, String)>,
}

impl Service {
    fn start() -> Service {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, questions) = channel();
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let sender = sender.clone();
                thread::spawn(move || {
                    let stream = stream.unwrap();
                    let mut lines = BufReader::new(&stream);
                    let mut line = String::new();
                    while lines.read_line(&mut line).is_ok_and(|count| count > 0) {
                        let question = std::mem::take(&mut line);
                        // The test may be over.
                        let _ = sender.send((number + 1, question.clone()));
                        if !answer(&stream, &question) {
                            return;
                        }
                    }
                });
            }
        });
        Service { port, questions }
    }

    fn server(&self, spool: &Scratch) -> Server {
        self.server_with(spool, 60)
    }

    /// One that waits so many seconds for an answer.
    fn server_with(&self, spool: &Scratch, seconds: u32) -> Server {
        let verifier = format!("--address-verifier=net:127.0.0.1:{}", self.port);
        let timeout = format!("--filter-timeout={seconds}");
        Server::start(spool, &[&verifier, &timeout])
    }

    /// The next question: which connection it came by, and what it asked about.
    fn question(&self) -> (usize, String) {
        self.questions.recv_timeout(PATIENCE).unwrap()
    }
}

/// Whether the connection is kept.
fn answer(mut stream: &TcpStream, question: &str) -> bool {
    let name = question.split(['@', '|']).next().unwrap();
    let slowly = |mut stream: &TcpStream| {
        for octet in b"0|alice|Alice A.\r\n" {
            stream.write_all(&[*octet]).unwrap();
            thread::sleep(Duration::from_millis(5));
        }
    };
    let text: &[u8] = match name {
        "alice" => b"0|alice|Alice A.\n",
        "bob" => b"1|bob@elsewhere.test\n",
        "same" => b"1|\r\n",
        "no" => b"2|never heard of|because\n",
        "later" => b"3|not today\n",
        "abort" => b"100\n",
        "split" => {
            slowly(stream);
            b""
        }
        "silent" => b"",
        "half" => b"1|",
        "close" => return false,
        "goodbye" => {
            stream.write_all(b"1|\n").unwrap();
            return false;
        }
        "halfclose" => {
            stream.write_all(b"1|").unwrap();
            return false;
        }
        "twice" => b"1|\n0|mallory|Mallory\n",
        "garbage" => b"HTTP/1.0 200 OK\r\n",
        "short" => b"0|alice\n",
        "tree" => b"0|../../etc|x\n",
        "long" => &[b'x'; 100_000],
        _ => b"2|what?\n",
    };
    // Whoever hangs up while there is so much does not read it all.
    stream.write_all(text).is_ok()
}

fn transaction(server: &Server) -> Client {
    let mut client = Client::connect(server.port);
    client.hello();
    client.expect("MAIL FROM:<me@src.test>", "250");
    client
}

fn rcpt(client: &mut Client, name: &str) -> String {
    client.command(&format!("RCPT TO:<{name}@dst.test>"))
}

#[test]
fn answers_decide_over_one_connection() {
    let (spool, service) = (Scratch::new(), Service::start());
    let server = service.server(&spool);
    let mut client = transaction(&server);
    for (name, reply) in [
        ("alice", "250 2.1.5 OK"),
        ("bob", "250 2.1.5 OK"),
        ("same", "250 2.1.5 OK"),
        ("no", "550 5.1.1 never heard of"),
        ("later", "450 4.2.0 not today"),
        ("split", "250 2.1.5 OK"),
    ] {
        assert_eq!(rcpt(&mut client, name), reply, "{name}");
        let (connection, line) = service.question();
        assert_eq!(connection, 1);
        let start = format!("{name}@dst.test|me@src.test|127.0.0.1:");
        assert!(line.starts_with(&start), "{line}");
        assert!(line.ends_with("|relay.test|none|\n"), "{line}");
    }
    client.expect("VRFY alice", "250 2.1.5 Alice A.");
    assert!(service.question().1.starts_with("alice||127.0.0.1:"));
    client.expect("VRFY bob", "252 2.1.5 cannot verify but will accept: bob");
    client.expect("DATA", "354");
    client.expect("x: y\r\n\r\n.", "250");
    server
        .program
        .wait_for("rejecting recipient \"no@dst.test\": never heard of: because");
    let mut other = transaction(&server);
    assert_eq!(rcpt(&mut other, "same"), "250 2.1.5 OK");
    service.question();
    assert_eq!(
        service.question().0,
        2,
        "each session has a connection of its own"
    );
}

#[test]
fn an_abort_drops_the_client() {
    let (spool, service) = (Scratch::new(), Service::start());
    let server = service.server(&spool);
    let mut client = transaction(&server);
    assert!(client.try_command("RCPT TO:<abort@dst.test>").is_err());
    server.program.wait_for("address verifier abort");
}

#[test]
fn trouble_is_for_now_and_the_next_question_reconnects() {
    let (spool, service) = (Scratch::new(), Service::start());
    let server = service.server(&spool);
    let mut client = transaction(&server);
    let mut connection = 0;
    for name in ["close", "halfclose", "garbage", "short", "long"] {
        assert_eq!(rcpt(&mut client, name), "450 4.3.0 cannot verify", "{name}");
        let (asked_by, line) = service.question();
        assert!(line.starts_with(name), "{line}");
        assert_eq!(asked_by, connection + 1, "{name}");
        connection = asked_by;
    }
    assert_eq!(rcpt(&mut client, "tree"), "450 4.3.0 cannot verify");
    assert_eq!(rcpt(&mut client, "same"), "250 2.1.5 OK");
}

#[test]
fn an_answer_that_does_not_come_is_trouble_for_now() {
    let (spool, service) = (Scratch::new(), Service::start());
    let server = service.server_with(&spool, 1);
    let mut client = transaction(&server);
    for (number, name) in ["silent", "half"].into_iter().enumerate() {
        assert_eq!(rcpt(&mut client, name), "450 4.3.0 cannot verify", "{name}");
        let (asked_by, line) = service.question();
        assert!(line.starts_with(name), "{line}");
        assert_eq!(asked_by, number + 1, "{name}");
    }
    server.program.wait_for_nth("timed out", 2);
}

#[test]
fn a_service_may_close_between_questions() {
    let (spool, service) = (Scratch::new(), Service::start());
    let server = service.server(&spool);
    let mut client = transaction(&server);
    for connection in 1..=20 {
        assert_eq!(rcpt(&mut client, "goodbye"), "250 2.1.5 OK");
        assert_eq!(service.question().0, connection);
    }
    // Asked for once more, but not for ever.
    assert_eq!(rcpt(&mut client, "same"), "250 2.1.5 OK");
    assert_eq!(rcpt(&mut client, "close"), "450 4.3.0 cannot verify");
}

#[test]
fn a_second_answer_is_never_taken_for_that_to_the_next_question() {
    let (spool, service) = (Scratch::new(), Service::start());
    let server = service.server(&spool);
    let mut client = transaction(&server);
    assert_eq!(rcpt(&mut client, "twice"), "250 2.1.5 OK");
    assert_eq!(rcpt(&mut client, "no"), "550 5.1.1 never heard of");
    client.expect("VRFY bob", "252");
}

#[test]
fn a_separator_is_never_part_of_a_question() {
    let (spool, service) = (Scratch::new(), Service::start());
    let server = service.server(&spool);
    let mut client = Client::connect(server.port);
    client.hello();
    client.expect("MAIL FROM:<a|b@src.test>", "250");
    client.expect("RCPT TO:<same@dst.test>", "553 5.1.7 ");
    client.expect("RSET", "250");
    client.expect("MAIL FROM:<>", "250");
    client.expect("RCPT TO:<same|x@dst.test>", "553 5.1.3 ");
    client.expect("RCPT TO:<\"same|x\"@dst.test>", "553 5.1.3 ");
    client.expect("VRFY same||127.0.0.1:1|x|none|", "553 5.1.3 ");
    client.expect("RCPT TO:<same@dst.test>", "250");
    let (_, line) = service.question();
    assert!(line.starts_with("same@dst.test||127.0.0.1:"), "{line}");
    assert!(service.questions.try_recv().is_err());
}

#[test]
fn a_service_that_is_not_there_is_trouble_for_now() {
    let spool = Scratch::new();
    let verifier = format!("--address-verifier=net:{}", unused());
    let server = Server::start(&spool, &[&verifier]);
    let mut client = transaction(&server);
    for _ in 0..3 {
        assert_eq!(rcpt(&mut client, "same"), "450 4.3.0 cannot verify");
    }
    server.program.wait_for("connection refused");
    let server = Server::start(&spool, &["--address-verifier=net:no-such-host.invalid:1"]);
    let mut client = transaction(&server);
    assert_eq!(rcpt(&mut client, "same"), "450 4.3.0 cannot verify");
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
        (&stream).write_all(b"0|alice|Alice A.\n").unwrap();
        BufReader::new(&stream).read_line(&mut line).unwrap();
    });
    let server = Server::start(&spool, &[&format!("--address-verifier=net:{path}")]);
    let mut client = Client::connect(server.port);
    client.hello();
    client.expect("VRFY alice", "250 2.1.5 Alice A.");
}

#[test]
#[cfg(unix)]
fn a_stop_does_not_wait_for_an_answer() {
    let (spool, service) = (Scratch::new(), Service::start());
    let verifier = format!("--address-verifier=net:127.0.0.1:{}", service.port);
    let mut server = Server::start(&spool, &[&verifier]);
    let mut client = Client::connect(server.port);
    client.hello();
    client.expect("VRFY same", "252");
    client.write(b"VRFY silent\r\n").unwrap();
    service.question();
    service.question();
    let started = std::time::Instant::now();
    server.program.terminate();
    assert!(server.program.wait().success());
    assert!(started.elapsed() < Duration::from_secs(9));
}
