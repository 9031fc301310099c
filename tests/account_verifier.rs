//! The verifier of the accounts of this system. The one that every system has is
//! root's, with the number 0.
#![cfg(unix)]

use crate::support::client::Client;
use crate::support::program::{Scratch, Server, run};
use crate::verifier::recipients;

fn transaction(server: &Server) -> Client {
    let mut client = Client::connect(server.port);
    client.hello();
    client.expect("MAIL FROM:<me@src.test>", "250");
    client
}

#[test]
fn users_of_this_system_are_local() {
    let spool = Scratch::new();
    let server = Server::start(&spool, &["--address-verifier=account:0-0"]);
    let mut client = transaction(&server);
    for (recipient, reply) in [
        ("root@relay.test", "250 2.1.5 OK"),
        ("ROOT@RELAY.TEST", "250 2.1.5 OK"),
        ("postmaster", "250 2.1.5 OK"),
        ("no-such-user@relay.test", "550 5.1.1 rejected"),
        ("root@elsewhere.test", "550 5.1.1 rejected"),
        ("\"../root\"@relay.test", "550 5.1.1 rejected"),
    ] {
        assert_eq!(
            client.command(&format!("RCPT TO:<{recipient}>")),
            reply,
            "{recipient}"
        );
    }
    client.expect("DATA", "354");
    client.expect("Subject: x\r\n\r\ntext\r\n.", "250");
    assert_eq!(
        recipients(&spool, ".envelope.local"),
        ["Local: root", "Local: root", "Local: postmaster"]
    );
    let reply = client.command("VRFY root@relay.test");
    assert_eq!(reply, "250 2.1.5 <root@relay.test>");
    client.expect("VRFY nobody-here@relay.test", "550");
    client.quit();
    let line = server.program.wait_for("no-such-user@relay.test\": ");
    assert!(line.ends_with("rejected: no such user"), "{line}");
}

#[test]
fn only_numbers_in_the_range_count() {
    let spool = Scratch::new();
    let server = Server::start(&spool, &["--address-verifier=account:"]);
    let mut client = transaction(&server);
    client.expect("RCPT TO:<root@relay.test>", "550 5.1.1 rejected");
}

#[test]
fn options_make_mail_remote() {
    let spool = Scratch::new();
    let verifier = "--address-verifier=account:0-0;check;remote";
    let server = Server::start(&spool, &[verifier]);
    let mut client = transaction(&server);
    client.expect("RCPT TO:<root@relay.test>", "250");
    client.expect("RCPT TO:<other@elsewhere.test>", "250");
    client.expect("DATA", "354");
    client.expect("Subject: x\r\n\r\ntext\r\n.", "250");
    assert_eq!(
        recipients(&spool, ".envelope"),
        ["Remote: root@relay.test", "Remote: other@elsewhere.test"]
    );
}

#[test]
fn parameters_are_checked_at_the_start() {
    let (status, _, problem) = run(&["--address-verifier=account:5", "--no-daemon"]);
    assert_ne!(status, 0);
    let expected = "\"account:5\" is not account:<lowest>-<highest>;lowercase;remote;check";
    assert!(problem.contains(expected), "{problem}");
}
