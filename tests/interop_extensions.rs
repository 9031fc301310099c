//! Real clients of all kinds, with CHUNKING and SMTPUTF8 offered to them.
#![cfg(target_os = "linux")]

use std::fs;
use std::process::{Command, Stdio};

use emailrelay::store::Envelope;

use crate::support::program::{Scratch, Server};
use crate::support::skip_without;

const SWITCHES: &str = "--server-smtp-config=chunking,smtputf8";

/// The envelopes in the spool, in the order of their names.
fn envelopes(spool: &Scratch) -> Vec<Envelope> {
    let names = spool.names().into_iter();
    let envelopes = names.filter(|name| name.ends_with(".envelope"));
    let read = |name: String| fs::read(spool.path().join(name)).unwrap();
    envelopes
        .map(|name| Envelope::parse(&read(name)).unwrap())
        .collect()
}

fn succeeds(mut command: Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}

#[test]
fn smtp_source_in_all_its_styles() {
    let source = "/usr/sbin/smtp-source";
    if skip_without(source) {
        return;
    }
    let styles: [(&[&str], usize); 11] = [
        (&["-m", "10"], 10),
        (&["-c", "-m", "10"], 10),
        (&["-d", "-m", "10"], 10),
        (&["-d", "-s", "5", "-m", "50"], 50),
        (&["-s", "20", "-m", "100"], 100),
        (&["-v", "-m", "3"], 3),
        (&["-4", "-m", "3"], 3),
        (&["-A", "-m", "3"], 3),
        (&["-N", "-r", "5", "-m", "6"], 6),
        (&["-l", "200000", "-s", "3", "-m", "6"], 6),
        (&["-w", "1", "-s", "3", "-m", "3", "-M", "x.test"], 3),
    ];
    for (style, count) in styles {
        let spool = Scratch::new();
        let server = Server::start(&spool, &[SWITCHES]);
        let mut command = Command::new(source);
        command.args(["-f", "me@src.test", "-t", "you@dst.test"]);
        command.args(style).arg(server.address());
        succeeds(command);
        let stored = envelopes(&spool);
        assert_eq!(stored.len(), count, "{style:?}");
        let is_right = |e: &Envelope| e.reverse_path.as_bytes() == b"me@src.test" && !e.utf8;
        assert!(stored.iter().all(is_right), "{style:?}");
    }
}

#[test]
fn smtp_source_without_a_greeting_of_its_own_is_refused() {
    let source = "/usr/sbin/smtp-source";
    if skip_without(source) {
        return;
    }
    let spool = Scratch::new();
    let server = Server::start(&spool, &[SWITCHES]);
    let mut command = Command::new(source);
    // RFC 5321 4.1.4: its old mode sends MAIL without EHLO or HELO.
    command.args(["-o", "-m", "1", &server.address()]);
    let output = command.output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(log.contains("sender rejected: 503 5.5.1 "), "{log}");
    assert_eq!(spool.names(), [""; 0]);
}

/// The only message in the spool: its envelope and whether it has that text.
fn only(spool: &Scratch, text: &str) -> Envelope {
    let mut stored = envelopes(spool);
    assert_eq!(stored.len(), 1);
    let names = spool.names();
    let content = names.iter().find(|name| name.ends_with(".content"));
    let content = fs::read(spool.path().join(content.unwrap())).unwrap();
    let content = String::from_utf8(content).unwrap();
    assert!(content.contains(text), "{content}");
    stored.remove(0)
}

const LETTER: &str = "Subject: gr\u{fc}\u{df}e\r\n\r\nHall\u{f6}chen\r\n";

#[test]
fn smtplib_sends_utf8_mailboxes() {
    if skip_without("python3") {
        return;
    }
    let script = "import smtplib, sys\n\
        client = smtplib.SMTP('127.0.0.1', int(sys.argv[1]))\n\
        client.ehlo('client.test')\n\
        assert client.has_extn('smtputf8') and client.has_extn('chunking')\n\
        client.sendmail('j\u{fc}rgen@b\u{fc}cher.test', ['\u{3b1}@\u{3b2}.test'],\n\
            sys.argv[2].encode(), ['SMTPUTF8', 'BODY=8BITMIME'])\n\
        client.quit()\n";
    let spool = Scratch::new();
    let server = Server::start(&spool, &[SWITCHES]);
    let mut command = Command::new("python3");
    command.args(["-X", "utf8", "-c", script, &server.port.to_string(), LETTER]);
    succeeds(command);
    let envelope = only(&spool, "Hall\u{f6}chen\r\n");
    assert!(envelope.utf8, "the envelope says so");
    let expected = "j\u{fc}rgen@b\u{fc}cher.test";
    assert_eq!(envelope.reverse_path.as_bytes(), expected.as_bytes());
}

#[test]
fn curl_sends_utf8_mailboxes() {
    if skip_without("curl") {
        return;
    }
    let (spool, letters) = (Scratch::new(), Scratch::new());
    let letter = letters.join("letter");
    fs::write(&letter, LETTER).unwrap();
    let server = Server::start(&spool, &[SWITCHES]);
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "20"]);
    command.arg(format!("smtp://{}/client.test", server.address()));
    command.args([
        "--mail-from",
        "j\u{fc}rgen@src.test",
        "--mail-rcpt",
        "\u{3b1}@dst.test",
    ]);
    command.args(["--upload-file", &letter]);
    succeeds(command);
    let envelope = only(&spool, "Hall\u{f6}chen\r\n");
    assert!(envelope.utf8);
    assert_eq!(
        envelope.remote_recipients[0].as_bytes(),
        "\u{3b1}@dst.test".as_bytes()
    );
}

#[test]
fn swaks_and_msmtp_are_not_disturbed() {
    let spool = Scratch::new();
    let server = Server::start(&spool, &[SWITCHES]);
    let mut expected = 0;
    if !skip_without("swaks") {
        for style in [
            &["--pipeline"][..],
            &["--protocol", "SMTP"],
            &["--h-X-Y", "z"],
        ] {
            let mut command = Command::new("swaks");
            command.args(["--server", &server.address(), "--helo", "client.test"]);
            command.args(["--from", "me@src.test", "--to", "you@dst.test"]);
            command.args(style);
            succeeds(command);
            expected += 1;
        }
    }
    if !skip_without("msmtp") {
        let letters = Scratch::new();
        let letter = letters.join("letter");
        fs::write(&letter, LETTER.replace("\r\n", "\n")).unwrap();
        let mut command = Command::new("msmtp");
        command.args(["--host=127.0.0.1", &format!("--port={}", server.port)]);
        command.args([
            "--file=/dev/null",
            "--from=me@src.test",
            "--domain=client.test",
        ]);
        command.arg("you@dst.test");
        command.stdin(fs::File::open(&letter).unwrap());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        expected += 1;
    }
    assert_eq!(envelopes(&spool).len(), expected);
}
