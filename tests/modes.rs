//! The ways to run the program.

use crate::support::client::{Client, submit};
use crate::support::program::{Program, Scratch, Server, run};
use crate::support::sink::Sink;

const MESSAGE: &[u8] = b"Subject: x\r\n\r\nhello\r\n";

#[test]
fn forward_sends_what_is_there_at_start() {
    let (spool, sink) = (Scratch::new(), Sink::start());
    submit(
        Server::start(&spool, &[]).port,
        "a@b.test",
        &["c@d.test"],
        MESSAGE,
    );
    let _server = Server::start(&spool, &["--forward", "--forward-to", &sink.address()]);
    sink.wait_for(1);
}

#[test]
fn poll_sends_again_and_again() {
    let (spool, sink) = (Scratch::new(), Sink::start());
    let server = Server::start(&spool, &["--poll", "1", "--forward-to", &sink.address()]);
    submit(server.port, "a@b.test", &["c@d.test"], MESSAGE);
    sink.wait_for(1);
    submit(server.port, "a@b.test", &["c@d.test"], MESSAGE);
    sink.wait_for(2);
}

#[test]
fn without_a_trigger_mail_stays() {
    let (spool, sink) = (Scratch::new(), Sink::start());
    let server = Server::start(&spool, &["--forward-to", &sink.address()]);
    submit(server.port, "a@b.test", &["c@d.test"], MESSAGE);
    server.program.wait_for("smtp connection closed");
    assert_eq!(spool.names().len(), 2);
    assert_eq!(sink.connections(), 0);
}

#[test]
fn a_client_that_leaves_no_mail_triggers_nothing() {
    let (spool, sink) = (Scratch::new(), Sink::start());
    let options = ["--forward-on-disconnect", "--forward-to", &sink.address()];
    let server = Server::start(&spool, &options);
    Client::connect(server.port).quit();
    submit(server.port, "a@b.test", &["c@d.test"], MESSAGE);
    sink.wait_for(1);
    server.program.wait_for("client disconnect");
    assert_eq!(
        server
            .program
            .log()
            .iter()
            .filter(|l| l.contains("client disconnect"))
            .count(),
        1
    );
}

#[test]
fn as_proxy_forwards_when_the_client_has_gone() {
    let (spool, sink) = (Scratch::new(), Sink::start());
    let spool_text = spool.path().to_str().unwrap();
    let program = Program::spawn(&[
        "--as-proxy",
        &sink.address(),
        "--no-daemon",
        "--log",
        "--port",
        "0",
        "--interface",
        "127.0.0.1",
        "--spool-dir",
        spool_text,
        "--domain",
        "relay.test",
    ]);
    let line = program.wait_for("smtp server on ");
    let port = line.rsplit(':').next().unwrap().parse().unwrap();
    submit(port, "a@b.test", &["c@d.test"], MESSAGE);
    sink.wait_for(1);
}

#[test]
fn two_forwarders_of_one_spool_send_each_message_once() {
    let spool = Scratch::new();
    let server = Server::start(&spool, &[]);
    let mut client = Client::connect(server.port);
    client.hello();
    for _ in 0..200 {
        client.send("a@b.test", &["c@d.test"], MESSAGE);
    }
    client.quit();
    let sink = Sink::start();
    let (address, path) = (sink.address(), spool.path().to_str().unwrap());
    let arguments = [
        "--as-client",
        &address,
        "--spool-dir",
        path,
        "--domain",
        "relay.test",
    ];
    let mut forwarders: Vec<Program> = (0..3).map(|_| Program::spawn(&arguments)).collect();
    for forwarder in &mut forwarders {
        assert!(forwarder.wait().success(), "{:#?}", forwarder.log());
    }
    assert_eq!(sink.arrived().len(), 200);
    assert_eq!(spool.names(), [""; 0]);
}

#[test]
fn help_and_version_are_printed() {
    let (status, help, _) = run(&["--help"]);
    assert_eq!(status, 0);
    assert!(help.contains("--as-proxy"), "{help}");
    let (status, version, _) = run(&["--version"]);
    assert_eq!(status, 0);
    assert!(version.contains(env!("CARGO_PKG_VERSION")), "{version}");
}

#[test]
fn usage_errors_are_all_listed_with_a_hint() {
    let (status, _, log) = run(&["--port=x", "--size=-", "--no-such-option"]);
    assert_eq!(status, 1);
    for part in ["--port", "--size", "--no-such-option", "--help --verbose"] {
        assert!(log.contains(part), "{part} in {log}");
    }
}
