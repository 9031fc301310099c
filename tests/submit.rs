//! `emailrelay-submit` under its own name.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use crate::support::program::Scratch;
use crate::support::sink::Sink;
use crate::support::tools::{Ran, run_with_input, tool};

/// Submits a message into that spool.
pub(crate) fn submit(spool: &Path, arguments: &[&str], message: &[u8]) -> Ran {
    let mut command = Command::new(tool("emailrelay-submit"));
    command.arg("--spool-dir").arg(spool).args(arguments);
    run_with_input(&mut command, message)
}

/// The contents and envelopes in a spool, in the order of their names.
pub(crate) fn stored(spool: &Path) -> Vec<(String, String)> {
    let names = crate::support::program::names(spool);
    let stems = names
        .iter()
        .filter_map(|name| name.strip_suffix(".envelope"));
    let read = |stem: &str, suffix: &str| {
        let octets = fs::read(spool.join(format!("{stem}{suffix}"))).unwrap();
        String::from_utf8_lossy(&octets).into_owned()
    };
    stems
        .map(|stem| (read(stem, ".content"), read(stem, ".envelope")))
        .collect()
}

/// The values of a field of an envelope.
pub(crate) fn values<'a>(envelope: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!("X-MailRelay-{name}: ");
    envelope
        .lines()
        .filter_map(|line| line.strip_prefix(&start))
        .collect()
}

const MESSAGE: &[u8] = b"From: \"Me, I\" <me@src.net>\nTo: a@x.net\nCc: Group: b@y.net;\n\
                         Bcc: c@z.net\nSubject: =?utf-8?q?a=2C_b?=\n\nbody\n.\nmore";

#[test]
fn a_message_is_stored_as_it_came() {
    let scratch = Scratch::new();
    let ran = submit(
        scratch.path(),
        &["-f", "me@src.net", "a@x.net", "\\b@y.net"],
        MESSAGE,
    );
    assert_eq!(
        (ran.status, ran.output.as_str(), ran.errors.as_str()),
        (0, "", "")
    );
    let [(content, envelope)] = &stored(scratch.path())[..] else {
        panic!()
    };
    let expected = String::from_utf8_lossy(MESSAGE).replace('\n', "\r\n") + "\r\n";
    assert_eq!(*content, expected);
    assert_eq!(values(envelope, "From"), ["me@src.net"]);
    assert_eq!(values(envelope, "To-Remote"), ["a@x.net", "b@y.net"]);
    assert_eq!(values(envelope, "Client"), ["127.0.0.1"]);
    assert_eq!(values(envelope, "Content"), ["7bit"]);
    assert_eq!(values(envelope, "Authentication"), [""]);
    assert_eq!(values(envelope, "End"), ["1"]);
    assert_eq!(scratch.names().len(), 2);
}

#[test]
fn recipients_and_sender_come_from_the_header_section() {
    let scratch = Scratch::new();
    assert_eq!(submit(scratch.path(), &[], MESSAGE).status, 0);
    let [(content, envelope)] = &stored(scratch.path())[..] else {
        panic!()
    };
    assert_eq!(values(envelope, "From"), ["me@src.net"]);
    assert_eq!(
        values(envelope, "To-Remote"),
        ["a@x.net", "b@y.net", "c@z.net"]
    );
    assert!(
        !content.contains("Bcc") && content.contains("=?utf-8?q?a=2C_b?="),
        "{content}"
    );
}

#[test]
fn blind_recipients_get_messages_of_their_own() {
    let scratch = Scratch::new();
    let ran = submit(scratch.path(), &["--bcc-split", "-n"], MESSAGE);
    assert_eq!(ran.output.lines().count(), 2, "{ran:?}");
    let found = stored(scratch.path());
    assert_eq!(found.len(), 2);
    for (content, envelope) in &found {
        match values(envelope, "To-Remote")[..] {
            ["a@x.net", "b@y.net"] => assert!(!content.contains("Bcc")),
            ["c@z.net"] => assert!(
                content.contains("\r\nBcc: c@z.net\r\n\r\nbody"),
                "{content}"
            ),
            ref other => panic!("{other:?}"),
        }
    }
}

#[test]
fn content_comes_from_options_files_and_input() {
    let scratch = Scratch::new();
    let path = scratch.path();
    let folder = Scratch::new();
    fs::write(folder.join("f"), "Subject: f\r\n\r\nfrom a file\r\n").unwrap();
    let file = folder.join("f");
    // "Subject: x" and "body" in base64.
    let content = "--content=U3ViamVjdDogeA==,=,Ym9keQ==";
    let table: [(&[&str], &[u8], &str); 8] = [
        (&[content, "-N", "a@x"], b"no", "Subject: x\r\n\r\nbody\r\n"),
        (
            &[content, "a@x"],
            b"more\n",
            "Subject: x\r\n\r\nbody\r\nmore\r\n",
        ),
        (
            &["-C", "U3ViamVjdDogeA==", "-B", "text", "-N", "a@x"],
            b"",
            "Subject: x\r\n\r\ntext\r\n",
        ),
        (
            &["--input-file", &file, "a@x"],
            b"no",
            "Subject: f\r\n\r\nfrom a file\r\n",
        ),
        (&["a@x"], b"", "\r\n"),
        (&["a@x"], b"Subject: only", "Subject: only\r\n\r\n"),
        (&["a@x"], b"no header at all", "\r\nno header at all\r\n"),
        (
            &["a@x"],
            b"From me Mon\nX: y\r\n\r\nz\r\r\n",
            "X: y\r\n\r\nz\r\n\r\n",
        ),
    ];
    for (arguments, input, expected) in table {
        assert_eq!(submit(path, arguments, input).status, 0, "{arguments:?}");
        let [(content, _)] = &stored(path)[..] else {
            panic!("{arguments:?}")
        };
        assert_eq!(content, expected, "{arguments:?}");
        scratch
            .names()
            .iter()
            .for_each(|name| fs::remove_file(path.join(name)).unwrap());
    }
}

#[test]
fn fields_are_added_and_the_envelope_is_completed() {
    let scratch = Scratch::new();
    let arguments = [
        "-f",
        "me@src.net",
        "-tFdI",
        "--domain=h.net",
        "-i",
        "",
        "-o",
        "a b",
        "-a",
        "user=1",
        "-v",
        "--to=A <a@x>, b@y",
        "c@z",
    ];
    let ran = submit(scratch.path(), &arguments, b"Subject: x\n\n\xe4\n");
    assert_eq!(ran.status, 0, "{ran:?}");
    let [(content, envelope)] = &stored(scratch.path())[..] else {
        panic!()
    };
    let start = "From: me@src.net\r\nTo: a@x, b@y, c@z\r\nDate: ";
    assert!(content.starts_with(start), "{content}");
    let id = scratch.names()[0].trim_end_matches(".content").to_owned();
    assert!(content.contains(&format!(
        "\r\nMessage-ID: <{id}@h.net>\r\nSubject: x\r\n\r\n"
    )));
    assert_eq!(values(envelope, "MailFromAuthIn"), ["<>"]);
    assert_eq!(values(envelope, "MailFromAuthOut"), ["a+20b"]);
    assert_eq!(values(envelope, "Authentication"), ["user+3D1"]);
    assert_eq!(values(envelope, "Content"), ["8bit"]);
    let expected = scratch.path().join(format!("{id}.content"));
    assert_eq!(ran.output.trim_end(), expected.to_str().unwrap());
}

#[test]
fn a_copy_goes_to_each_sub_directory() {
    let scratch = Scratch::new();
    let none = submit(scratch.path(), &["-c", "a@x"], MESSAGE);
    assert_eq!(none.status, 1);
    assert!(
        none.errors.contains("no sub-directories to copy into"),
        "{none:?}"
    );
    assert!(scratch.names().is_empty(), "{:?}", scratch.names());
    for name in ["alice", ".hidden"] {
        fs::create_dir(scratch.path().join(name)).unwrap();
    }
    let ran = submit(scratch.path(), &["-c", "-n", "a@x"], MESSAGE);
    assert_eq!(ran.status, 0, "{ran:?}");
    let content = ran.output.trim_end();
    let envelope = content.replace(".content", ".envelope");
    assert_eq!(scratch.names(), [".hidden", "alice", content]);
    for name in ["alice", ".hidden"] {
        let text = fs::read_to_string(scratch.path().join(name).join(&envelope)).unwrap();
        assert_eq!(values(&text, "To-Remote"), ["a@x"]);
    }
}

// B10 L6: a line break or NUL never gets from an argument or a field into another.
#[test]
fn nothing_breaks_out_of_its_line() {
    let scratch = Scratch::new();
    let table: [(&[&str], &[u8]); 16] = [
        (&["a@x\nb@x"], b"x"),
        (&["a@x\r\nRCPT TO:<b@x>"], b"x"),
        (&["a@x>\nX-MailRelay-To-Remote: b@x"], b"x"),
        (&["-f", "a@x\nb", "c@x"], b"x"),
        (&["-f", "<a@x> BODY=8BITMIME", "c@x"], b"x"),
        (&["--to", "a@x\r", "c@x"], b"x"),
        (&["--domain", "h\nX: y", "-I", "c@x"], b"x"),
        (&["--body", "a\nBcc: b", "c@x"], b"x"),
        (&["\"a\nb\"@x"], b"x"),
        (&["(a\nb) c@x"], b"x"),
        (&[], b"To: a\0@x\n\n"),
        (&[], b"To: a@x\x07\n\n"),
        (&[], b"To: <a@x\n\n"),
        (&[], b"From: a b\nTo: c@x\n\n"),
        (&[], b"To: undisclosed-recipients:;\n\n"),
        (&["-C", "YQpi", "c@x"], b"x"),
    ];
    for (arguments, message) in table {
        let ran = submit(scratch.path(), arguments, message);
        assert_eq!((ran.status, ran.output.as_str()), (1, ""), "{arguments:?}");
        assert_eq!(ran.errors.lines().count(), 1, "{ran:?}");
        assert!(scratch.names().is_empty(), "{arguments:?}");
    }
    let message = b"Subject: x\rBcc: evil@x\0\nTo: a@x\n\nbody\r.\r\n";
    assert_eq!(submit(scratch.path(), &[], message).status, 0);
    let [(content, envelope)] = &stored(scratch.path())[..] else {
        panic!()
    };
    assert!(
        content.starts_with("Subject: x Bcc: evil@x \r\nTo: a@x\r\n\r\n"),
        "{content:?}"
    );
    assert_eq!(values(envelope, "To-Remote"), ["a@x"]);
}

#[test]
fn what_is_wrong_is_told_and_nothing_is_stored() {
    let scratch = Scratch::new();
    let long = format!("X: {}\n", "y".repeat(900));
    for (arguments, message) in [
        (&["--nope"][..], String::new()),
        (&["-f"], String::new()),
        (&["--spool-dir=/none", "a@x"], String::new()),
        (&["--input-file=/none", "a@x"], String::new()),
        (&["-N"], String::new()),
        (&["a@x", "--sendmail"], String::new()),
        (&["a@x"], long.repeat(2000)),
        (&["a@x"], "x".repeat(2 << 20)),
    ] {
        let ran = submit(scratch.path(), arguments, message.as_bytes());
        assert_eq!((ran.status, ran.output.as_str()), (1, ""), "{arguments:?}");
        assert!(
            ran.errors.starts_with("emailrelay-submit: error: "),
            "{ran:?}"
        );
        assert!(scratch.names().is_empty(), "{arguments:?}");
    }
    let none = submit(&scratch.path().join("none"), &["a@x"], b"x");
    assert!(none.errors.contains("invalid spool directory"), "{none:?}");
    let help = submit(scratch.path(), &["--help"], b"");
    assert!(
        help.output.starts_with("usage: emailrelay-submit "),
        "{help:?}"
    );
    let version = submit(scratch.path(), &["--version"], b"");
    assert!(
        version.output.starts_with("emailrelay-submit "),
        "{version:?}"
    );
}

#[test]
fn what_was_submitted_is_forwarded() {
    let scratch = Scratch::new();
    assert_eq!(submit(scratch.path(), &[], MESSAGE).status, 0);
    let sink = Sink::start();
    let spool = scratch.path().to_str().unwrap();
    let arguments = [
        "--as-client",
        &sink.address(),
        "--spool-dir",
        spool,
        "--no-syslog",
    ];
    assert_eq!(crate::support::program::run(&arguments).0, 0);
    let [arrived] = &sink.arrived()[..] else {
        panic!()
    };
    assert!(arrived.content.ends_with(b"\r\nbody\r\n.\r\nmore\r\n"));
    assert!(scratch.names().is_empty());
}

#[test]
fn many_may_submit_at_the_same_time() {
    const THREADS: usize = 8;
    const EACH: usize = 10;
    let scratch = Scratch::new();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let path = scratch.path();
            scope.spawn(move || {
                for number in 0..EACH {
                    let body = format!("Subject: {thread}-{number}\n\n{}", "line\n".repeat(1000));
                    assert_eq!(submit(path, &["a@x"], body.as_bytes()).status, 0);
                }
            });
        }
    });
    let found = stored(scratch.path());
    assert_eq!(found.len(), THREADS * EACH);
    assert_eq!(scratch.names().len(), 2 * THREADS * EACH);
    let mut subjects: Vec<_> = found
        .iter()
        .map(|(content, _)| content.lines().next())
        .collect();
    subjects.sort();
    subjects.dedup();
    assert_eq!(subjects.len(), THREADS * EACH);
    assert!(found.iter().all(|(content, _)| content.len() > 6000));
}

#[test]
fn a_header_section_has_a_limit_and_so_has_the_number_of_messages() {
    const OPTIONS: [&str; 4] = ["--bcc-split", "-t", "-f", "me@src.net"];
    let refused = |message: &[u8], why: &str| {
        let scratch = Scratch::new();
        let ran = submit(scratch.path(), &OPTIONS, message);
        assert_eq!(ran.status, 1, "{ran:?}");
        assert!(ran.errors.contains(why), "{ran:?}");
        assert_eq!(scratch.names(), [""; 0]);
    };
    let (to, mebibyte) = (&b"To: a@x.net\n"[..], 1 << 20);
    for too_long in [b"X: y\n".repeat(mebibyte / 4), vec![b'x'; mebibyte + 1]] {
        refused(&[to, &too_long].concat(), "the header section is too long");
    }
    let blind = |count: usize| {
        let bcc = (0..count).map(|number| format!("Bcc: {number}@x.net\n"));
        [to, bcc.collect::<String>().as_bytes(), b"\n"].concat()
    };
    refused(&blind(100), "more than 99 blind recipients");
    let scratch = Scratch::new();
    let ran = submit(scratch.path(), &OPTIONS, &blind(99));
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(stored(scratch.path()).len(), 100);
}
