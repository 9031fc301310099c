//! The administration interface, from outside.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::address::unused;
use crate::support::client::{Client, submit};
use crate::support::program::{PATIENCE, Program, Scratch, Server};
use crate::support::sink::{Answer, Sink};
use emailrelay::relay::limits::FLUSHES_MAX;

const PROMPT: &str = "E-MailRelay> ";

/// An administrator who reads up to prompts.
pub(crate) struct Admin<S> {
    stream: S,
    seen: String,
}

impl Admin<TcpStream> {
    pub(crate) fn connect(address: &str) -> Admin<TcpStream> {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let seen = String::new();
        Admin { stream, seen }
    }
}

#[cfg(unix)]
impl Admin<UnixStream> {
    fn at(path: &str) -> Admin<UnixStream> {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let seen = String::new();
        Admin { stream, seen }
    }
}

impl<S: Read + Write> Admin<S> {
    pub(crate) fn write(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
    }

    /// Reads until that has come, and returns what came before it.
    pub(crate) fn read_until(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = self.seen.find(end) {
                let text = self.seen[..at].to_owned();
                self.seen.drain(..at + end.len());
                return text;
            }
            let mut buffer = [0; 4096];
            let count = self.stream.read(&mut buffer).unwrap();
            assert!(count > 0, "closed after {:?}", self.seen);
            self.seen += std::str::from_utf8(&buffer[..count]).unwrap();
        }
    }

    /// The answer to a command.
    pub(crate) fn says(&mut self, command: &str) -> String {
        self.write(&format!("{command}\n"));
        self.read_until(PROMPT)
    }

    /// Everything that comes up to the end.
    fn rest(mut self) -> String {
        let mut rest = Vec::new();
        // A reset is an end as well.
        let _ = self.stream.read_to_end(&mut rest);
        self.seen + &String::from_utf8_lossy(&rest)
    }
}

/// Where the administration interface listens.
pub(crate) fn place(program: &Program) -> String {
    let line = program.wait_for("admin server on 127.0.0.1:");
    line.rsplit(' ').next().unwrap().to_owned()
}

fn start(spool: &Scratch, further: &[&str]) -> (Server, String) {
    let arguments: Vec<&str> = ["--admin=0"].iter().chain(further).copied().collect();
    let server = Server::start(spool, &arguments);
    let place = place(&server.program);
    (server, place)
}

fn send(server: &Server, count: usize) {
    for number in 0..count {
        let content = format!("Subject: {number}\r\n\r\nx\r\n");
        submit(server.port, "a@x.test", &["b@y.test"], content.as_bytes());
    }
}

fn ids(spool: &Scratch, suffix: &str) -> Vec<String> {
    let names = spool.names();
    let ids = names.iter().filter_map(|name| name.strip_suffix(suffix));
    ids.map(str::to_owned).collect()
}

#[test]
fn answers_questions_about_the_program() {
    let spool = Scratch::new();
    let (server, place) = start(&spool, &[]);
    let mut admin = Admin::connect(&place);
    assert_eq!(admin.says("pid"), format!("{}\n", server.program.id()));
    assert!(
        admin
            .says("help")
            .starts_with("commands: delete, dnsbl, failures, ")
    );
    let version = admin.says("info version");
    assert_eq!(version, format!("{}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(admin.says("terminate"), "error: unrecognised command\n");
    let status = admin.says("status");
    let mut lines = status.lines();
    let listens = format!("LISTEN: 127.0.0.1:{}", server.port);
    assert!(status.contains(&listens), "{status}");
    assert!(
        lines.any(|line| line == format!("LISTEN: {place}")),
        "{status}"
    );
    let expected = [
        "OUT started: 0",
        "OUT finished: 0",
        "IN started: 1",
        "IN finished: 0",
    ];
    for line in expected {
        assert_eq!(lines.next(), Some(line), "{status}");
    }
    let own = admin.stream.local_addr().unwrap();
    let connection = format!("IN: {place} <- {own}");
    assert_eq!(lines.next(), Some(connection.as_str()), "{status}");
    admin.write("quit\r\n");
    assert_eq!(admin.rest(), "");
    server
        .program
        .wait_for("admin connection closed: 127.0.0.1:");
}

#[test]
fn lists_and_changes_the_queue() {
    let spool = Scratch::new();
    let (server, place) = start(&spool, &[]);
    let mut admin = Admin::connect(&place);
    assert_eq!(admin.says("list"), "<none>\n");
    assert_eq!(admin.says("failures"), "<none>\n");
    send(&server, 3);
    let listed = admin.says("list");
    let ready: Vec<&str> = listed.lines().collect();
    assert_eq!(ready.len(), 3);
    assert_eq!(ids(&spool, ".envelope").len(), 3);

    let shown = admin.says(&format!("show {}", ready[0]));
    for line in [
        "state: ready",
        "from: <a@x.test>",
        "to: <b@y.test>",
        "size: ",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    assert_eq!(admin.says(&format!("hold {}", ready[0])), "OK\n");
    assert_eq!(ids(&spool, ".envelope.hold"), [ready[0]]);
    let so = "error: it is so already\n";
    assert_eq!(admin.says(&format!("hold {}", ready[0])), so);
    assert_eq!(admin.says(&format!("release {}", ready[0])), "OK\n");
    assert_eq!(admin.says("list"), listed);
    assert_eq!(admin.says(&format!("delete {}", ready[2])), "OK\n");
    assert_eq!(admin.says("list").lines().count(), 2);
    assert_eq!(ids(&spool, ".content").len(), 2);

    for id in &ready[..2] {
        let envelope = format!("{id}.envelope");
        let bad = format!("{envelope}.bad");
        std::fs::rename(spool.join(&envelope), spool.join(&bad)).unwrap();
    }
    assert_eq!(admin.says("list"), "<none>\n");
    assert_eq!(admin.says("failures").lines().count(), 2);
    assert_eq!(admin.says(&format!("retry {}", ready[1])), "OK\n");
    assert_eq!(admin.says("failures"), format!("{}\n", ready[0]));
    assert_eq!(admin.says("unfail-all"), "");
    assert_eq!(admin.says("failures"), "<none>\n");
    assert_eq!(admin.says("list").lines().count(), 2);
    let who = admin.stream.local_addr().unwrap();
    let line = format!("queue: delete {}: done: by {who}", ready[2]);
    server.program.wait_for(&line);
}

#[test]
fn ids_lead_nowhere_but_to_messages() {
    let spool = Scratch::new();
    let (_server, place) = start(&spool, &[]);
    let outside = Scratch::new();
    std::fs::write(outside.join("x.envelope"), "mine").unwrap();
    let mut admin = Admin::connect(&place);
    let path = outside.path().join("x");
    for id in [
        path.to_str().unwrap(),
        "../x",
        "/etc/passwd",
        "..",
        ".",
        "%2e",
        "*",
        "x\u{1b}[2J",
    ] {
        for verb in ["show", "hold", "release", "retry", "delete"] {
            let answer = admin.says(&format!("{verb} {id}"));
            assert_eq!(answer, "error: no such message\n", "{verb} {id:?}");
        }
    }
    assert!(Path::new(&outside.join("x.envelope")).exists());
}

#[cfg(unix)]
#[test]
fn messages_with_hostile_files_are_shown_for_what_they_are() {
    let spool = Scratch::new();
    let (_server, place) = start(&spool, &[]);
    std::fs::write(spool.join("a\u{1b}[2J.envelope"), "nonsense").unwrap();
    std::fs::create_dir(spool.join("b.envelope")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", spool.join("c.envelope")).unwrap();
    let mut admin = Admin::connect(&place);
    let listed = admin.says("list");
    assert_eq!(listed, "a\\x1b[2J\nb\nc\n");
    for id in listed.lines() {
        let shown = admin.says(&format!("show {id}"));
        assert!(shown.contains("\nenvelope: "), "{shown}");
        assert!(
            !shown.contains("root") && !shown.contains('\u{1b}'),
            "{shown}"
        );
    }
    assert_eq!(admin.says("delete a\\x1b[2J"), "OK\n");
    // A part of a name is not the name of another message.
    std::fs::write(spool.join("d e.envelope"), "nonsense").unwrap();
    std::fs::write(spool.join("d.envelope"), "nonsense").unwrap();
    assert_eq!(admin.says("delete d e"), "OK\n");
    assert_eq!(admin.says("list"), "b\nc\nd\n");
    assert!(admin.says("delete c").starts_with("error: "));
    assert!(spool.names().contains(&"c.envelope".to_owned()));
}

#[test]
fn forwards_and_flushes() {
    let spool = Scratch::new();
    let sink = Sink::start();
    let forward_to = format!("--forward-to={}", sink.address());
    let (server, place) = start(&spool, &[&forward_to]);
    let mut admin = Admin::connect(&place);
    assert_eq!(admin.says("flush"), "error: no messages to send\n");
    send(&server, 2);
    assert_eq!(admin.says("flush"), "OK\n");
    assert_eq!(ids(&spool, ".envelope").len(), 0);
    assert_eq!(sink.arrived().len(), 2);
    send(&server, 1);
    assert_eq!(admin.says("forward"), "OK\n");
    server.program.wait_for_nth("forwarding: 1 sent", 1);
    let status = admin.says("status");
    assert!(
        status.contains("\nFORWARDED: 3 sent, 0 deferred, 0 failed, "),
        "{status}"
    );
    assert!(status.contains("\nACCEPTED: 3 messages, "), "{status}");
}

// Who asks and is gone goes on to count until a pass has begun.
#[test]
fn only_so_many_wait_for_a_pass() {
    let spool = Scratch::new();
    let sink = Sink::scripted(&[], |_, _| Answer::Silence);
    let forward_to = format!("--forward-to={}", sink.address());
    let (server, place) = start(&spool, &[&forward_to]);
    send(&server, 1);
    let until = Instant::now() + PATIENCE;
    for asked in 0.. {
        assert!(Instant::now() < until, "{asked} may wait");
        // Closed with the prompt unread, the connection is reset: nobody waits for it.
        let mut admin = TcpStream::connect(&place).unwrap();
        admin.write_all(b"\nflush\n").unwrap();
        if hears_within(&admin, "too many wait already", Duration::from_millis(20)) {
            assert!(asked > FLUSHES_MAX, "only {asked} may wait");
            return;
        }
    }
}

/// Whether that is said soon; all that is said stays unread.
fn hears_within(stream: &TcpStream, text: &str, time: Duration) -> bool {
    stream.set_read_timeout(Some(time)).unwrap();
    let until = Instant::now() + time;
    let mut buffer = [0; 1000];
    loop {
        let count = stream.peek(&mut buffer).unwrap_or(0);
        let has_come = String::from_utf8_lossy(&buffer[..count]).contains(text);
        if has_come || Instant::now() >= until {
            return has_come;
        }
    }
}

#[test]
fn a_flush_says_why_nothing_could_be_sent() {
    let spool = Scratch::new();
    let forward_to = format!("--forward-to={}", unused());
    let (server, place) = start(&spool, &[&forward_to]);
    send(&server, 1);
    let mut admin = Admin::connect(&place);
    let failed = admin.says("flush");
    assert!(
        failed.starts_with("error: ") && failed.contains("refused"),
        "{failed}"
    );
    assert_eq!(admin.says("list").lines().count(), 1);
}

#[test]
fn without_a_next_hop_nothing_is_forwarded() {
    let spool = Scratch::new();
    let (_server, place) = start(&spool, &[]);
    let mut admin = Admin::connect(&place);
    let error = "error: no remote server configured: use --forward-to\n";
    assert_eq!(admin.says("forward"), error);
    assert_eq!(admin.says("flush"), error);
    assert_eq!(
        admin.says("dnsbl stop"),
        "error: no block lists configured: use --dnsbl\n"
    );
}

#[test]
fn events_tell_what_happens() {
    let spool = Scratch::new();
    let sink = Sink::start();
    let forward_to = format!("--forward-to={}", sink.address());
    let (server, place) = start(&spool, &[&forward_to]);
    let mut watcher = Admin::connect(&place);
    watcher.write("notify\n");
    // An answer proves that the command before it has been taken.
    assert_eq!(watcher.says("pid"), format!("{}\n", server.program.id()));
    send(&server, 1);
    let mut admin = Admin::connect(&place);
    assert_eq!(admin.says("flush"), "OK\n");
    let path = spool.path().to_str().unwrap();
    let expected = [
        "\nEVENT: network: in: start  ".to_owned(),
        "\nEVENT: network: in: stop  ".to_owned(),
        "\nEVENT: network: in: start  ".to_owned(),
        "\nEVENT: forward: start  ".to_owned(),
        "\nEVENT: network: out: start  ".to_owned(),
        format!("\nEVENT: client: connecting: {}  ", sink.address()),
        format!("\nEVENT: client: connected: {}  ", sink.address()),
        format!("\nEVENT: client: sending: {path}/emailrelay."),
        format!("\nEVENT: client: sent: {path}/emailrelay."),
        "\nEVENT: network: out: stop  ".to_owned(),
        "\nEVENT: forward: end  ".to_owned(),
    ];
    for event in expected {
        watcher.read_until(&event);
    }
    assert_eq!(admin.says("flush"), "error: no messages to send\n");
    watcher.read_until("\nEVENT: forward: end: no messages  ");
}

// What a watcher does not read is dropped, told to it, and noticed by nobody else.
#[cfg(unix)]
#[test]
fn a_watcher_who_does_not_read_loses_events_and_holds_up_nobody() {
    const FLUSHES: usize = 2000;
    let spool = Scratch::new();
    let folder = Scratch::new();
    let path = folder.join("admin.sock");
    let interface = format!("admin={path}");
    let forward_to = ["--admin=0", "--forward-to=127.0.0.1:9", "--interface"];
    let server = Server::start(&spool, &[&forward_to[..], &[&interface]].concat());
    server.program.wait_for(&format!("admin server on {path}"));
    let mut admin = Admin::at(&path);
    admin.says("pid");
    let mut watcher = Admin::at(&path);
    watcher.write("notify\n");
    watcher.says("pid");
    for _ in 0..FLUSHES {
        assert_eq!(admin.says("flush"), "error: no messages to send\n");
    }
    watcher.stream.shutdown(Shutdown::Write).unwrap();
    let text = watcher.rest();
    let lost: Vec<usize> = text
        .split("EVENT: notify: ")
        .skip(1)
        .map(|rest| rest.split(' ').next().unwrap().parse().unwrap())
        .collect();
    let events = text.matches("EVENT: forward: ").count();
    assert!(!lost.is_empty(), "{events}");
    assert_eq!(events + lost.iter().sum::<usize>(), 2 * FLUSHES);
    assert!(text.ends_with("EVENT: forward: end: no messages  "));
}

#[test]
fn terminate_ends_the_program_in_good_order() {
    let spool = Scratch::new();
    let (mut server, place) = start(&spool, &["--admin-terminate"]);
    let mut other = Admin::connect(&place);
    other.says("pid");
    let mut admin = Admin::connect(&place);
    assert!(admin.says("help").contains(", terminate, "));
    admin.write("terminate\n");
    assert_eq!(admin.rest(), "");
    assert_eq!(other.rest(), "");
    assert_eq!(server.program.wait().code(), Some(0));
    server
        .program
        .wait_for("received a terminate command from 127.0.0.1:");
}

#[test]
fn the_smtp_server_can_be_switched_off_and_on() {
    let spool = Scratch::new();
    let (server, place) = start(&spool, &[]);
    let mut session = Client::connect(server.port);
    let mut admin = Admin::connect(&place);
    assert_eq!(admin.says("smtp disable"), "OK\n");
    let (_, greeting) = Client::open(server.port).unwrap();
    assert_eq!(greeting, "421 4.3.2 service not available");
    session.expect("NOOP", "250");
    assert!(admin.says("status").contains("\nSMTP: disabled\n"));
    assert_eq!(admin.says("SMTP enable"), "OK\n");
    Client::connect(server.port).quit();
}

#[cfg(unix)]
#[test]
fn listens_on_a_unix_socket() {
    let spool = Scratch::new();
    let folder = Scratch::new();
    let path = folder.join("admin.sock");
    let server = Server::start(
        &spool,
        &["--admin=0", "--interface", &format!("admin={path}")],
    );
    server.program.wait_for(&format!("admin server on {path}"));
    let mut admin = Admin::at(&path);
    assert_eq!(admin.says("list"), "<none>\n");
    // The address that the SMTP server has is shared, but only with this system.
    assert!(admin.says("status").contains(&format!("LISTEN: {path}\n")));
}

/// Says `pid` from that address, by a program that can choose it.
#[cfg(target_os = "linux")]
fn pid(from: &str, to: &str) -> String {
    let script = "import socket, sys\n\
        try:\n\
        \x20   s = socket.create_connection((sys.argv[2], 2587), 30, (sys.argv[1], 0))\n\
        \x20   s.sendall(b'pid\\n')\n\
        \x20   print(s.recv(100).decode(), end='')\n\
        except OSError:\n\
        \x20   pass\n";
    let mut python = std::process::Command::new("/usr/bin/python3");
    let output = python.args(["-c", script, from, to]).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

// B11 G3: off the loopback nobody is let in, unless an address is named.
#[cfg(target_os = "linux")]
#[test]
fn others_are_let_in_only_by_an_address_that_was_named() {
    use crate::support::network::{ADDRESSES, in_private_network};
    use std::process::Command;

    in_private_network(|| {
        let [own, other, ..] = ADDRESSES;
        let shared = format!("--interface={own},127.0.0.1");
        let named = format!("--interface=smtp=127.0.0.1,admin={own}");
        let all = "--interface=0.0.0.0,admin=0.0.0.0".to_owned();
        let table = [
            // By default it is not there at all.
            ("--interface=smtp=127.0.0.1", "-r", own, own, false),
            (
                "--interface=smtp=127.0.0.1",
                "-r",
                "127.0.0.1",
                "127.0.0.1",
                true,
            ),
            (&shared, "-r", other, own, false),
            (&shared, "-r", own, own, true),
            (&shared, "-r", "127.0.0.1", "127.0.0.1", true),
            (&all, "-r", other, own, false),
            (&named, "-r", other, own, true),
            (&named, "--remote-clients=no", other, own, false),
            (&named, "--remote-clients=no", own, own, false),
        ];
        for (interface, remote, from, to, is_served) in table {
            let spool = Scratch::new();
            let mut command = Command::new(crate::support::program::program());
            command.args(crate::support::program::as_ourselves());
            command.args([
                "-t",
                "-l",
                "-n",
                "--domain=x.test",
                "--port=2525",
                "--admin=2587",
            ]);
            command.args([
                "--spool-dir",
                spool.path().to_str().unwrap(),
                interface,
                remote,
            ]);
            let program = Program::spawn_command(command);
            program.wait_for("admin server on ");
            program.wait_for("smtp server on ");
            let said = pid(from, to);
            let expected = format!("{}\n{PROMPT}", program.id());
            let what = format!("{interface} {remote} {from} {to}: {:?}", program.log());
            match is_served {
                true => assert!(said == expected, "{what}: {said:?}"),
                false => assert!(said.is_empty(), "{what}: {said:?}"),
            }
        }
    });
}

// A real telnet, which has things to say of its own.
#[test]
fn telnet_is_understood() {
    use std::process::{Command, Stdio};
    if crate::support::skip_without("telnet") {
        return;
    }
    let spool = Scratch::new();
    let (server, place) = start(&spool, &[]);
    let (host, port) = place.split_once(':').unwrap();
    let mut telnet = Command::new("telnet")
        .args(["-E", host, port])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = telnet.stdin.take().unwrap();
    input.write_all(b"pid\nlist\nquit\n").unwrap();
    let output = telnet.wait_with_output().unwrap();
    drop(input);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let pid = server.program.id();
    assert!(
        said.contains(&format!("{pid}\n{PROMPT}<none>\n{PROMPT}")),
        "{said:?}"
    );
}

// B11 G3: what an HTTP client sends is not obeyed.
#[test]
fn http_is_cut_off() {
    let spool = Scratch::new();
    let (server, place) = start(&spool, &["--admin-terminate"]);
    let bodies = [
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nterminate\r\n",
        "GET /terminate HTTP/1.1\r\n\r\nterminate\r\n",
        "DELETE / HTTP/1.1\r\n\r\nterminate\r\n",
        "\r\nPUT / HTTP/1.1\r\n\r\nterminate\r\n",
        "\x16\x03\x01\x02\x00\x01\r\nterminate\r\n",
    ];
    for body in bodies {
        let mut admin = Admin::connect(&place);
        admin.write(body);
        let said = admin.rest();
        assert!(said.is_empty() || said == PROMPT, "{body:?}: {said:?}");
    }
    Admin::connect(&place).says("pid");
    let log = server.program.log().join("\n");
    assert!(!log.contains("terminate command"), "{log}");
    server
        .program
        .wait_for_nth("admin connection to be closed: http request", 4);
}

// B11 G3: a line of a gigabyte costs nothing.
#[test]
fn a_line_without_end_is_cut_off() {
    let spool = Scratch::new();
    let (server, place) = start(&spool, &[]);
    let mut admin = Admin::connect(&place);
    let line = vec![b'x'; 1 << 20];
    let mut sent = 0;
    while admin.stream.write_all(&line).is_ok() && sent < 1 << 30 {
        sent += line.len();
    }
    assert!(sent < 64 << 20, "{sent}");
    server
        .program
        .wait_for("admin connection to be closed: line too long");
    Admin::connect(&place).says("pid");
}

// B11 G3: a hundred idle sessions keep nobody from mail, and there are not that many.
#[test]
fn sessions_are_few() {
    let spool = Scratch::new();
    let (server, place) = start(&spool, &[]);
    let mut served = Vec::new();
    let mut refused = 0;
    for _ in 0..100 {
        let mut admin = Admin::connect(&place);
        // Who is refused may find the connection closed already.
        let _ = admin.stream.write_all(b"pid\n");
        let mut buffer = [0; 100];
        let count = admin.stream.read(&mut buffer).unwrap_or(0);
        let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
        match text.starts_with(&server.program.id().to_string()) {
            true => served.push(admin),
            false => refused += 1,
        }
    }
    assert_eq!((served.len(), refused), (16, 84));
    send(&server, 1);
    served.clear();
    server.program.wait_for_nth("admin connection closed: ", 16);
    Admin::connect(&place).says("pid");
}

// Thousands of commands in one go are answered as fast as they are read.
#[test]
fn pipelined_commands_are_answered_in_order() {
    let spool = Scratch::new();
    let (server, place) = start(&spool, &[]);
    let admin = Admin::connect(&place);
    let mut writer = admin.stream.try_clone().unwrap();
    let sender = std::thread::spawn(move || {
        for _ in 0..5000 {
            writer.write_all(b"pid\nlist\n").unwrap();
        }
        writer.write_all(b"quit\n").unwrap();
    });
    let text = admin.rest();
    sender.join().unwrap();
    let one = format!("{}\n{PROMPT}<none>\n{PROMPT}", server.program.id());
    assert_eq!(text.len(), one.len() * 5000);
    assert!(text.starts_with(&one) && text.ends_with(&one));
}

// A reader who takes a long list slowly gets all of it.
#[test]
fn long_lists_are_streamed() {
    let spool = Scratch::new();
    for number in 0..20_000 {
        let name = format!("emailrelay.1.{}.1.envelope", 1_700_000_000 + number);
        std::fs::write(spool.join(&name), "x").unwrap();
    }
    let (_server, place) = start(&spool, &[]);
    let mut slow = Admin::connect(&place);
    slow.write("list\n");
    let mut other = Admin::connect(&place);
    assert!(other.says("status").contains("QUEUE: 0 new, 20000 ready, "));
    let listed = slow.read_until(PROMPT);
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), 20_000);
    assert!(lines.is_sorted());
}

#[test]
fn the_end_of_input_is_not_the_end_of_answers() {
    let spool = Scratch::new();
    let sink = Sink::start();
    let forward_to = format!("--forward-to={}", sink.address());
    let (server, place) = start(&spool, &[&forward_to]);
    send(&server, 1);
    let mut admin = Admin::connect(&place);
    admin.write("list\nflush\n");
    admin.stream.shutdown(Shutdown::Write).unwrap();
    let text = admin.rest();
    assert!(text.ends_with("OK\nE-MailRelay> "), "{text}");
    server.program.wait_for("admin connection closed: ");
}

#[cfg(unix)]
#[test]
fn an_idle_administrator_does_not_keep_the_program_from_ending() {
    let spool = Scratch::new();
    let (mut server, place) = start(&spool, &[]);
    let mut admin = Admin::connect(&place);
    admin.says("pid");
    server.program.terminate();
    server.program.wait();
    assert_eq!(admin.rest(), "");
}

#[test]
fn only_so_many_connections_are_shown() {
    let spool = Scratch::new();
    let (server, place) = start(&spool, &[]);
    let _clients: Vec<_> = (0..105).map(|_| Client::connect(server.port)).collect();
    let mut admin = Admin::connect(&place);
    let status = admin.says("status");
    let shown = status.lines().filter(|line| line.contains(" <- "));
    assert_eq!(shown.count(), 100, "{status}");
    // The administrator is one of them.
    assert!(status.contains("IN: 6 more\n"), "{status}");
}
