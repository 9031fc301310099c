//! Several configurations in one process, and options from everywhere.

use std::process::Command;

use crate::support::client::{Client, submit};
use crate::support::program::{Program, Scratch, as_ourselves, program, run};
use crate::support::sink::Sink;

const MESSAGE: &[u8] = b"Subject: x\r\n\r\nhello\r\n";

/// The port on a log line about a listening server.
fn port_on(line: &str) -> u16 {
    line.rsplit(':').next().unwrap().parse().unwrap()
}

#[test]
fn two_relays_in_one_process_pass_mail_on() {
    let (scratch, sink) = (Scratch::new(), Sink::start());
    for name in ["in", "out"] {
        std::fs::create_dir(scratch.path().join(name)).unwrap();
    }
    let secrets = scratch.join("secrets");
    std::fs::write(&secrets, "server plain user password\n").unwrap();
    // The second listens first, for the first to know where.
    let text = format!(
        "no-daemon\nuser root\nlog\nout-spool-dir {}\nout-interface 127.0.0.1\nout-port 0\n\
         out-domain out.test\nout-forward-on-disconnect\nout-forward-to {}\n\
         in-spool-dir {}\nin-interface 127.0.0.1\nin-port 0\nin-domain in.test\n\
         in-server-auth {secrets}\n",
        scratch.join("out"),
        sink.address(),
        scratch.join("in"),
    );
    let file = scratch.join("relay.conf");
    std::fs::write(&file, text).unwrap();
    let relay = Program::spawn(&[&file]);
    let out = port_on(&relay.wait_for_nth("smtp server on 127.0.0.1:", 1));
    let inside = port_on(&relay.wait_for_nth("smtp server on 127.0.0.1:", 2));

    let mut client = Client::connect(inside);
    let reply = client.command("EHLO x");
    assert!(
        reply.contains("in.test") && reply.contains("AUTH"),
        "{reply}"
    );
    let reply = client.command("MAIL FROM:<a@b.test>");
    assert!(reply.starts_with("530 "), "{reply}");
    client.quit();

    submit(out, "a@b.test", &["c@d.test"], MESSAGE);
    sink.wait_for(1);
    assert_eq!(scratch.names().len(), 4);
}

#[test]
fn a_configuration_that_cannot_start_is_named() {
    let scratch = Scratch::new();
    let (status, _, text) = run(&[
        "--no-daemon",
        "--user=root",
        "--in-spool-dir",
        &scratch.join(""),
        "--in-port=0",
        "--in-interface=127.0.0.1",
        "--out-spool-dir",
        &scratch.join("missing"),
        "--out-port=0",
        "--out-interface=127.0.0.1",
    ]);
    assert_eq!(status, 1);
    assert!(
        text.contains("error: configuration \"out\": invalid spool directory"),
        "{text}"
    );
}

#[test]
fn the_environment_gives_options() {
    let scratch = Scratch::new();
    let port_file = scratch.join("port");
    std::fs::write(&port_file, "0\n").unwrap();
    let mut command = Command::new(program());
    command
        .args(as_ourselves())
        .args(["--no-daemon", "--user", "root"])
        .env("EMAILRELAY_OPTION_LOG", "yes")
        .env("EMAILRELAY_OPTION_SPOOL_DIR", scratch.path())
        .env("EMAILRELAY_OPTION_INTERFACE", "127.0.0.1")
        .env("EMAILRELAY_OPTION_PORT_FILE", &port_file)
        .env("EMAILRELAY_PORT", "tcp://10.0.0.1:25");
    let relay = Program::spawn_command(command);
    let port = port_on(&relay.wait_for("smtp server on 127.0.0.1:"));
    submit(port, "a@b.test", &["c@d.test"], MESSAGE);
    relay.wait_for("smtp connection closed");
}

#[test]
fn a_file_that_is_not_there_is_told_of_in_plain_words() {
    let file = Scratch::new().join("missing.conf");
    let (status, _, text) = run(&[&file]);
    let what = format!("error: cannot read the configuration file {file}: ");
    assert_eq!(status, 1);
    let (_, reason) = text.lines().next().unwrap().split_once(&what).unwrap();
    assert!(reason.starts_with(char::is_lowercase), "{text}");
    assert!(!reason.contains("os error"), "{text}");
}
