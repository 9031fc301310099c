//! Real peers on both sides.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::address::unused;
use crate::support::client::without_trace;
use crate::support::program::{PATIENCE, Scratch, Server, is_root};
use crate::support::sink::Sink;
use crate::support::{skip_without, skip_without_python};

const MESSAGE: &str =
    "From: me@src.test\r\nTo: you@dst.test\r\nSubject: interop\r\n\r\nHello\r\n.\r\n..dots\r\n";

fn relay_to(sink: &Sink) -> (Scratch, Server) {
    let spool = Scratch::new();
    let address = sink.address();
    let server = Server::start(
        &spool,
        &["--forward-on-disconnect", "--forward-to", &address],
    );
    (spool, server)
}

/// Runs a command with input and insists on success.
fn run_with_input(command: &mut Command, input: &str) -> String {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text}");
    text.into_owned()
}

fn arrives(sink: &Sink) {
    let arrived = sink.wait_for(1);
    let content = String::from_utf8(without_trace(&arrived[0].content).to_vec()).unwrap();
    assert!(content.contains("Subject: interop\r\n"), "{content}");
    assert!(
        content.ends_with("\r\n\r\nHello\r\n.\r\n..dots\r\n"),
        "{content}"
    );
    assert_eq!(arrived[0].reverse_path, "me@src.test");
    assert_eq!(arrived[0].forward_paths, ["you@dst.test"]);
}

#[test]
fn swaks_submits() {
    if skip_without("swaks") {
        return;
    }
    let sink = Sink::start();
    let (_spool, server) = relay_to(&sink);
    let mut command = Command::new("swaks");
    command.args([
        "--server",
        &server.address(),
        "--from",
        "me@src.test",
        "--to",
        "you@dst.test",
    ]);
    command.args(["--helo", "swaks.test", "--pipeline", "--data", "-"]);
    // swaks takes lines, and ends its own input at a lone dot unless that is doubled.
    run_with_input(&mut command, &MESSAGE.replace("\r\n", "\n"));
    let arrived = sink.wait_for(1);
    assert!(String::from_utf8_lossy(&arrived[0].content).contains("Subject: interop"));
}

#[test]
fn curl_submits() {
    if skip_without("curl") {
        return;
    }
    let sink = Sink::start();
    let (_spool, server) = relay_to(&sink);
    let mut command = Command::new("curl");
    command.args([
        "--silent",
        "--show-error",
        "--max-time",
        "20",
        "--upload-file",
        "-",
    ]);
    command.args(["--mail-from", "me@src.test", "--mail-rcpt", "you@dst.test"]);
    command.arg(format!("smtp://{}/client.test", server.address()));
    run_with_input(&mut command, MESSAGE);
    arrives(&sink);
}

#[test]
fn msmtp_submits() {
    if skip_without("msmtp") {
        return;
    }
    let sink = Sink::start();
    let (_spool, server) = relay_to(&sink);
    let mut command = Command::new("msmtp");
    command.args([
        "--host=127.0.0.1",
        &format!("--port={}", server.port),
        "--tls=off",
    ]);
    command.args([
        "--auth=off",
        "--domain=client.test",
        "--from=me@src.test",
        "you@dst.test",
    ]);
    run_with_input(&mut command, &MESSAGE.replace("\r\n", "\n"));
    arrives(&sink);
}

#[test]
fn smtplib_submits() {
    if skip_without("python3") {
        return;
    }
    let sink = Sink::start();
    let (_spool, server) = relay_to(&sink);
    let script = "import smtplib, sys\n\
        with smtplib.SMTP('127.0.0.1', int(sys.argv[1]), timeout=20) as s:\n\
        \x20   s.set_debuglevel(0)\n\
        \x20   s.sendmail('me@src.test', ['you@dst.test'], sys.stdin.buffer.read())\n";
    let mut command = Command::new("python3");
    command.args(["-c", script, &server.port.to_string()]);
    run_with_input(&mut command, MESSAGE);
    arrives(&sink);
}

#[test]
fn smtp_source_submits_in_many_sessions() {
    let source = "/usr/sbin/smtp-source";
    if skip_without(source) {
        return;
    }
    let sink = Sink::start();
    let (spool, server) = relay_to(&sink);
    let mut command = Command::new(source);
    command.args([
        "-s",
        "10",
        "-m",
        "100",
        "-l",
        "3000",
        "-f",
        "me@src.test",
        "-t",
        "you@dst.test",
    ]);
    command.arg(format!("inet:{}", server.address()));
    run_with_input(&mut command, "");
    assert_eq!(sink.wait_for(100).len(), 100);
    let until = Instant::now() + PATIENCE;
    while !spool.names().is_empty() {
        assert!(Instant::now() < until, "{:?}", spool.names());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A peer that is ended with the test.
struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_peer(command: &mut Command, address: SocketAddr) -> Peer {
    let peer = Peer(command.stdin(Stdio::null()).spawn().unwrap());
    let until = Instant::now() + PATIENCE;
    while std::net::TcpStream::connect(address).is_err() {
        assert!(
            Instant::now() < until,
            "{command:?} does not listen on {address}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    peer
}

fn submit_many(server: &Server, count: usize) {
    let mut client = crate::support::client::Client::connect(server.port);
    client.hello();
    (0..count).for_each(|_| client.send("me@src.test", &["you@dst.test"], MESSAGE.as_bytes()));
    client.quit();
}

#[test]
fn smtp_sink_is_a_next_hop() {
    let program = "/usr/sbin/smtp-sink";
    if skip_without(program) {
        return;
    }
    let address = unused();
    let dumps = Scratch::new();
    let mut command = Command::new(program);
    if is_root() {
        // It wants to be told who to be.
        command.args(["-u", "root"]);
    }
    command
        .args(["-d", &dumps.join("%M.")])
        .arg(address.to_string())
        .arg("100");
    let _peer = start_peer(&mut command, address);
    let spool = Scratch::new();
    let target = address.to_string();
    let server = Server::start(
        &spool,
        &["--forward-on-disconnect", "--forward-to", &target],
    );
    submit_many(&server, 20);
    server.program.wait_for("forwarding: 20 sent");
    assert_eq!(spool.names(), [""; 0]);
    assert_eq!(whole_files(dumps.path()), 20);
}

fn whole_files(directory: &Path) -> usize {
    let names = crate::support::program::names(directory);
    let texts = names
        .iter()
        .map(|name| fs::read(directory.join(name)).unwrap());
    texts
        .filter(|text| String::from_utf8_lossy(text).contains("\n..dots"))
        .count()
}

#[test]
fn a_python_server_is_a_next_hop() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/sink.py");
    if skip_without("python3") {
        return;
    }
    let (address, store) = (unused(), Scratch::new());
    let mut command = Command::new("python3");
    // Every third recipient is refused for now, once.
    command
        .arg(script)
        .args([&address.to_string(), &store.join(""), "defer-every-third"]);
    let _peer = start_peer(&mut command, address);
    let spool = Scratch::new();
    let target = address.to_string();
    let server = Server::start(
        &spool,
        &["--forward-on-disconnect", "--forward-to", &target],
    );
    submit_many(&server, 9);
    server.program.wait_for("forwarding: 6 sent, 3 deferred");
    submit_many(&server, 1);
    server.program.wait_for_nth(" 0 not tried", 2);
    let contents = store.names();
    for name in &contents {
        let text = fs::read(store.join(name)).unwrap();
        assert!(
            text.ends_with(b"\r\n\r\nHello\r\n.\r\n..dots\r\n"),
            "{}",
            String::from_utf8_lossy(&text)
        );
    }
    assert!(contents.len() > 6, "{contents:?}");
}

#[test]
fn aiosmtpd_is_a_next_hop() {
    if skip_without_python("aiosmtpd") {
        return;
    }
    let address = unused();
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-m", "aiosmtpd", "-n", "-c", "aiosmtpd.handlers.Sink", "-l"]);
    command.arg(address.to_string());
    let _peer = start_peer(&mut command, address);
    let spool = Scratch::new();
    let target = address.to_string();
    let server = Server::start(
        &spool,
        &["--forward-on-disconnect", "--forward-to", &target],
    );
    submit_many(&server, 10);
    server.program.wait_for("forwarding: 10 sent");
    assert_eq!(spool.names(), [""; 0]);
}
