//! `emailrelay-submit` as `sendmail`, by the programs that call that.
#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::submit::{stored, values};
use crate::support::executable;
use crate::support::program::Scratch;
use crate::support::skip_without;
use crate::support::tools::{Ran, run_with_input, tool};

/// A folder with `sendmail` in it that uses a spool beside it.
struct Fixture {
    folder: Scratch,
}

impl Fixture {
    fn new() -> Fixture {
        let folder = Scratch::new();
        fs::create_dir(folder.join("spool")).unwrap();
        for name in ["sendmail", "mailq", "newaliases"] {
            let link = folder.join(&format!("bin-{name}"));
            fs::create_dir(&link).unwrap();
            let target = Path::new(&link).join(name);
            std::os::unix::fs::symlink(tool("emailrelay-submit"), target).unwrap();
        }
        // Callers that give no options of ours are given a name for it.
        let text = format!(
            "exec {} --sendmail --spool-dir {} --domain here.net \"$@\"\n",
            tool("emailrelay-submit"),
            folder.join("spool")
        );
        executable::script(&folder, "sendmail", &text);
        Fixture { folder }
    }

    fn spool(&self) -> PathBuf {
        self.folder.path().join("spool")
    }

    fn sendmail(&self) -> String {
        self.folder.join("sendmail")
    }

    fn run(&self, arguments: &[&str], message: &[u8]) -> Ran {
        run_with_input(Command::new(self.sendmail()).args(arguments), message)
    }

    /// The only message that is stored: content and envelope.
    fn only(&self) -> (String, String) {
        let mut found = stored(&self.spool());
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }
}

/// The part of a content that the caller wrote, after the fields that were added.
fn own_part(content: &str) -> &str {
    content.split_once("@here.net>\r\n").unwrap().1
}

#[test]
fn cron_gets_its_mail_out() {
    let fixture = Fixture::new();
    let message = b"From: root (Cron Daemon)\nTo: root\nSubject: Cron <root@vm> date\n\
                    MIME-Version: 1.0\nX-Cron-Env: <SHELL=/bin/sh>\n\n50%\r100%\n.\nnot the end\n";
    let ran = fixture.run(
        &["-i", "-FCronDaemon", "-B8BITMIME", "-odi", "-oem", "root"],
        message,
    );
    assert_eq!(
        (ran.status, ran.output.as_str(), ran.errors.as_str()),
        (0, "", "")
    );
    let (content, envelope) = fixture.only();
    assert_eq!(values(&envelope, "To-Remote"), ["root@here.net"]);
    assert!(
        values(&envelope, "From")[0].ends_with("@here.net"),
        "{envelope}"
    );
    assert!(
        content.starts_with("Received: by here.net (emailrelay-submit from uid "),
        "{content}"
    );
    for name in ["From: ", "Date: ", "Message-ID: "] {
        let count = content
            .lines()
            .filter(|line| line.starts_with(name))
            .count();
        assert_eq!(count, 1, "{name}: {content}");
    }
    let body = "\r\n\r\n50%\r\n100%\r\n.\r\nnot the end\r\n";
    assert!(own_part(&content).ends_with(body), "{content:?}");
}

#[test]
fn php_gets_its_mail_out() {
    let fixture = Fixture::new();
    // As mail() writes it, with line ends of both kinds.
    let message = b"To: Joe <joe@x.net>, jane@y.net\nSubject: hi\nFrom: Web <web@src.net>\r\n\
                    Bcc: boss@z.net\r\n spy@z.net\r\n\nbody\n";
    let message = String::from_utf8_lossy(message).replace("z.net\r\n spy", "z.net,\r\n spy");
    let ran = fixture.run(&["-t", "-i", "-fbounce@src.net"], message.as_bytes());
    assert_eq!(ran.status, 0, "{ran:?}");
    let (content, envelope) = fixture.only();
    let to = ["joe@x.net", "jane@y.net", "boss@z.net", "spy@z.net"];
    assert_eq!(values(&envelope, "To-Remote"), to);
    assert_eq!(values(&envelope, "From"), ["bounce@src.net"]);
    assert!(
        !content.contains("Bcc") && !content.contains("boss"),
        "{content}"
    );
    assert!(
        content.contains("\r\nFrom: Web <web@src.net>\r\n"),
        "{content}"
    );
}

#[test]
fn a_lone_dot_ends_the_message_unless_told_otherwise() {
    let fixture = Fixture::new();
    assert_eq!(
        fixture
            .run(&["a@x"], b"Subject: x\n\nbody\n.\nrest\n")
            .status,
        0
    );
    assert!(fixture.only().0.ends_with("\r\n\r\nbody\r\n"));
}

#[test]
fn problems_have_the_exit_statuses_of_sysexits() {
    let fixture = Fixture::new();
    for (arguments, message, status) in [
        (&["-Z"][..], &b""[..], 64),
        (&[], b"x", 64),
        (&["a b"], b"x", 64),
        (&["-t"], b"Subject: x\n\n", 65),
        (&["-t"], b"To: a b\n\n", 65),
        (&["-bd"], b"", 69),
        (&["-q"], b"", 69),
        (&["--spool-dir=/none", "a@x"], b"x", 78),
    ] {
        let ran = fixture.run(arguments, message);
        assert_eq!(ran.status, status, "{arguments:?}: {ran:?}");
        assert_eq!(ran.errors.lines().count(), 1, "{ran:?}");
        assert!(stored(&fixture.spool()).is_empty());
    }
}

#[test]
fn smtp_is_spoken_on_standard_input() {
    let fixture = Fixture::new();
    let message = |body: &str| format!("Subject: x\r\n\r\n{body}\r\n.\r\n");
    let dialogue = format!(
        "EHLO me\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nRCPT TO:<c@z>\r\nDATA\r\n{}\
         MAIL FROM:<>\r\nRCPT TO:<root>\r\nDATA\r\n{}MAIL FROM:<x@y>\r\nNOOP\r\n",
        message("..one"),
        message("two"),
    );
    let whole = dialogue.clone() + "QUIT\r\n";
    let ran = fixture.run(&["-bs"], whole.as_bytes());
    assert_eq!(ran.status, 0, "{ran:?}");
    let codes: Vec<&str> = ran.output.lines().map(|line| &line[..3]).collect();
    assert!(ran.output.starts_with("220 here.net "), "{}", ran.output);
    assert!(!ran.output.contains("AUTH") && !ran.output.contains("STARTTLS"));
    assert_eq!(codes.iter().filter(|code| **code == "354").count(), 2);
    assert_eq!(codes.last(), Some(&"221"));
    let found = stored(&fixture.spool());
    assert_eq!(found.len(), 2);
    let has = |text: &str| found.iter().any(|(content, _)| content.ends_with(text));
    assert!(
        has("\r\n\r\n.one\r\n") && has("\r\n\r\ntwo\r\n"),
        "{found:?}"
    );
    // The same without QUIT: what was acknowledged stays, what was not goes.
    let ran = fixture.run(&["-bs"], (dialogue + "DATA\r\nhalf").as_bytes());
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(stored(&fixture.spool()).len(), 4);
    assert_eq!(crate::support::program::names(&fixture.spool()).len(), 8);
}

#[test]
fn addresses_said_on_standard_input_get_the_domain_of_the_host() {
    let fixture = Fixture::new();
    let dialogue = "EHLO me\r\nMAIL FROM:<joe>\r\nRCPT TO:<root>\r\nRCPT TO:<b@y>\r\n\
                    DATA\r\nhello\r\n.\r\nQUIT\r\n";
    let ran = fixture.run(&["-bs"], dialogue.as_bytes());
    assert_eq!(ran.status, 0, "{ran:?}");
    let (_, envelope) = fixture.only();
    assert_eq!(values(&envelope, "From"), ["joe@here.net"]);
    assert_eq!(values(&envelope, "To-Remote"), ["root@here.net", "b@y"]);
}

#[test]
fn a_dialogue_may_have_the_line_ends_of_this_system() {
    let fixture = Fixture::new();
    // A pipe takes 64 KiB at once; each line becomes longer.
    let body = format!("Subject: s\n\n{}", "x\n".repeat(100_000));
    let dialogue = format!("HELO me\nMAIL FROM:<a@x>\nRCPT TO:<b@y>\nDATA\n{body}.\nQUIT\n");
    let ran = fixture.run(&["-bs"], dialogue.as_bytes());
    assert_eq!((ran.status, ran.errors.as_str()), (0, ""), "{ran:?}");
    let (content, _) = fixture.only();
    assert!(!content.replace("\r\n", "").contains('\n'));
    assert!(content.ends_with(&format!("\r\n{}", body.replace('\n', "\r\n"))));
}

#[test]
fn a_dialogue_that_cannot_go_on_is_no_success() {
    let fixture = Fixture::new();
    let start = "EHLO me\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\n";
    for (dialogue, reason) in [
        // Whoever has said CRLF is taken at its word.
        (format!("{start}DATA\nx\n.\nQUIT\n"), "with a bare cr or lf"),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), "http request"),
    ] {
        let ran = fixture.run(&["-bs"], dialogue.as_bytes());
        assert_eq!(ran.status, 76, "{ran:?}");
        assert!(ran.errors.contains("cannot go on with the dialogue: "));
        assert!(ran.errors.trim_end().ends_with(reason), "{ran:?}");
        assert!(stored(&fixture.spool()).is_empty());
    }
}

#[test]
fn content_on_standard_input_says_nothing_in_our_name() {
    let fixture = Fixture::new();
    let dialogue =
        "EHLO me\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n ; forged\r\n.\r\nQUIT\r\n";
    let ran = fixture.run(&["-bs"], dialogue.as_bytes());
    assert_eq!(ran.status, 0, "{ran:?}");
    let (content, _) = &stored(&fixture.spool())[0];
    let (trace, rest) = content.split_once("\r\n").unwrap();
    assert!(trace.starts_with("Received: "), "{trace}");
    assert_eq!(rest, "\r\n ; forged\r\n");
}

#[test]
fn the_other_names_of_sendmail_are_known() {
    let fixture = Fixture::new();
    assert_eq!(
        fixture
            .run(&["-i", "-fme@x", "a@y"], b"Subject: x\n\n")
            .status,
        0
    );
    let spool = fixture.spool();
    let run = |name: &str, arguments: &[&str]| {
        let program = fixture.folder.join(&format!("bin-{name}/{name}"));
        run_with_input(Command::new(program).args(arguments), b"")
    };
    let option = format!("--spool-dir={}", spool.display());
    for ran in [run("mailq", &[&option]), run("sendmail", &[&option, "-bp"])] {
        assert_eq!(ran.status, 0, "{ran:?}");
        assert!(ran.output.contains("<me@x> -> a@y"), "{ran:?}");
    }
    for ran in [run("newaliases", &[]), run("sendmail", &["-bi"])] {
        let came_to = (ran.status, ran.output.as_str(), ran.errors.as_str());
        assert_eq!(came_to, (0, "", ""));
    }
    assert!(
        run("sendmail", &["--version"])
            .output
            .starts_with("emailrelay-submit ")
    );
}

#[test]
fn python_submits_by_standard_input() {
    if skip_without("python3") {
        return;
    }
    let fixture = Fixture::new();
    let script = "\
import subprocess, sys
from email.message import EmailMessage
m = EmailMessage()
m['From'] = 'J\u{f6}rg <joerg@src.net>'
m['To'] = ', '.join(['\"Doe, Jane\" <jane%d@x.net>' % n for n in range(20)])
m['Bcc'] = 'boss@z.net'
m['Subject'] = 'Gr\u{fc}\u{df}e'
m.set_content('caf\u{e9}\\n.\\n')
subprocess.run([sys.argv[1], '-t', '-oi'], input=m.as_bytes(), check=True)
";
    let mut command = Command::new("python3");
    command.args(["-c", script, &fixture.sendmail()]);
    let ran = run_with_input(&mut command, b"");
    assert_eq!(ran.status, 0, "{ran:?}");
    let (content, envelope) = fixture.only();
    assert_eq!(values(&envelope, "To-Remote").len(), 21);
    assert!(!content.contains("boss"));
}

#[test]
fn mail_programs_submit() {
    let table: [(&str, &[&str]); 3] = [
        (
            "s-nail",
            &[
                "-:/",
                "-S",
                "v15-compat=yes",
                "-S",
                "mta={}",
                "-S",
                "from=me@src.net",
                "-r",
                "me@src.net",
            ],
        ),
        (
            "mutt",
            &[
                "-n",
                "-F",
                "/dev/null",
                "-e",
                "set sendmail='{}'",
                "-e",
                "set from=me@src.net use_envelope_from=yes",
            ],
        ),
        ("bsd-mailx", &["-r", "me@src.net"]),
    ];
    for (program, options) in table {
        if skip_without(program) {
            continue;
        }
        let fixture = Fixture::new();
        let options: Vec<String> = options
            .iter()
            .map(|option| option.replace("{}", &fixture.sendmail()))
            .collect();
        let mailrc = fixture.folder.join("mailrc");
        fs::write(&mailrc, format!("set sendmail={}\n", fixture.sendmail())).unwrap();
        let mut command = Command::new(program);
        command
            .args(&options)
            .args(["-s", "the subject", "-b", "blind@z.net", "a@x.net"])
            .env("MAILRC", &mailrc)
            .env("HOME", fixture.folder.path());
        let ran = run_with_input(&mut command, b"body\n.. dots\n");
        assert_eq!(ran.status, 0, "{program}: {ran:?}");
        let (content, envelope) = fixture.only();
        let mut to = values(&envelope, "To-Remote");
        to.sort_unstable();
        assert_eq!(to, ["a@x.net", "blind@z.net"], "{program}");
        assert_eq!(
            values(&envelope, "From"),
            ["me@src.net"],
            "{program}: {envelope}"
        );
        assert!(
            content.contains("\r\nSubject: the subject\r\n"),
            "{program}: {content}"
        );
        assert!(!content.contains("blind"), "{program}: {content}");
        assert!(
            content.contains("body\r\n.. dots\r\n"),
            "{program}: {content}"
        );
    }
}

#[test]
fn git_sends_patches() {
    if skip_without("git") || skip_without("/usr/lib/git-core/git-send-email") {
        return;
    }
    let fixture = Fixture::new();
    let patch = fixture.folder.join("0001-x.patch");
    let text = "From 1234567890123456789012345678901234567890 Mon Sep 17 00:00:00 2001\n\
                From: Me <me@src.net>\nDate: Sun, 22 Nov 2026 15:24:42 +0000\n\
                Subject: [PATCH] x\n\n---\n x | 1 +\n";
    fs::write(&patch, text).unwrap();
    let mut command = Command::new("git");
    command
        .args([
            "send-email",
            "--confirm=never",
            "--suppress-cc=all",
            "--from=me@src.net",
        ])
        .arg(format!("--smtp-server={}", fixture.sendmail()))
        .args(["--to=a@x.net", "--bcc=b@y.net", &patch])
        .env("HOME", fixture.folder.path())
        .env("GIT_AUTHOR_NAME", "Me")
        .env("GIT_AUTHOR_EMAIL", "me@src.net")
        .env("GIT_COMMITTER_NAME", "Me")
        .env("GIT_COMMITTER_EMAIL", "me@src.net")
        .current_dir(fixture.folder.path());
    let ran = run_with_input(&mut command, b"");
    assert_eq!(ran.status, 0, "{ran:?}");
    let (content, envelope) = fixture.only();
    assert_eq!(values(&envelope, "To-Remote"), ["a@x.net", "b@y.net"]);
    assert!(content.contains("Subject: [PATCH] x"), "{content}");
}
