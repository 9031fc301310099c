//! The example filters, run by the program as an operator would have them.
#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::client::Client;
use crate::support::executable::script;
use crate::support::program::{Scratch, Server, names};
use crate::support::{skip_without, skip_without_python};

const PYTHON: &str = "/usr/bin/python3";

/// A place with an example and its settings.
struct Example {
    place: Scratch,
    name: String,
}

impl Example {
    fn new(name: &str, settings: &[(&str, &str)]) -> Example {
        let place = Scratch::new();
        // Another process writes it; see `script`.
        let copied = Command::new("install")
            .args(["-m", "755"])
            .args([&source(name), &place.path().join(name)])
            .status();
        assert!(copied.unwrap().success());
        for (name, text) in settings {
            fs::write(place.join(name), text).unwrap();
        }
        let name = name.to_owned();
        Example { place, name }
    }

    fn server(&self, spool: &Scratch, arguments: &[&str]) -> Server {
        let filter = format!("--filter={}", self.place.join(&self.name));
        Server::start(spool, &[&[filter.as_str()], arguments].concat())
    }
}

fn source(name: &str) -> PathBuf {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/filters");
    examples.join(name)
}

fn send(server: &Server, content: &str) -> String {
    let mut client = Client::connect(server.port);
    client.hello();
    client
        .try_send("me@src.test", &["a@dst.test"], content.as_bytes())
        .unwrap()
}

/// The content that was stored for it.
fn filtered(example: &Example, content: &str) -> String {
    let spool = Scratch::new();
    let server = example.server(&spool, &[]);
    let reply = send(&server, content);
    assert!(
        reply.starts_with("250 "),
        "{reply}: {:#?}",
        server.program.log()
    );
    text(spool.path(), ".content")
}

fn text(directory: &Path, end: &str) -> String {
    let names = names(directory);
    let name = names.iter().find(|name| name.ends_with(end));
    let name = name.unwrap_or_else(|| panic!("{names:?}"));
    fs::read_to_string(directory.join(name)).unwrap()
}

#[test]
fn a_disclaimer_goes_below_plain_text_only() {
    if skip_without(PYTHON) {
        return;
    }
    let example = Example::new(
        "disclaimer.py",
        &[("disclaimer.txt", "Please note:\nnothing.\n")],
    );
    let plain = "Subject: x\r\n\r\ntext\r\n";
    let stored = filtered(&example, plain);
    assert!(
        stored.ends_with(&format!("{plain}\r\nPlease note:\r\nnothing.\r\n")),
        "{stored}"
    );
    assert!(stored.starts_with("Received: "), "{stored}");
    for untouched in [
        "Content-Type: text/html\r\n\r\n<p>text</p>\r\n",
        "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\ntext\r\n--x--\r\n",
        "Content-Transfer-Encoding: base64\r\n\r\ndGV4dA==\r\n",
        "Content-Transfer-Encoding: quoted-printable\r\n\r\ntext=\r\n",
        "Content-Type: text/plain; charset=utf-16\r\n\r\ntext\r\n",
        "DKIM-Signature: v=1\r\nSubject: x\r\n\r\ntext\r\n",
    ] {
        assert!(
            filtered(&example, untouched).ends_with(untouched),
            "{untouched}"
        );
    }
    fs::remove_file(example.place.join("disclaimer.txt")).unwrap();
    let spool = Scratch::new();
    let server = example.server(&spool, &[]);
    let reply = send(&server, plain);
    assert!(reply.starts_with("451 4.3.0 try again later"), "{reply}");
}

#[test]
fn all_mail_may_go_out_in_one_name() {
    if skip_without(PYTHON) {
        return;
    }
    let example = Example::new("set-from.py", &[("set-from.txt", "office@relay.test\n")]);
    let spool = Scratch::new();
    let server = example.server(&spool, &[]);
    let content = "From: Me\r\n <me@src.test>\r\nSubject: x\r\n\r\nFrom: in the body\r\n";
    let reply = send(&server, content);
    assert!(reply.starts_with("250 "), "{reply}");
    let stored = text(spool.path(), ".content");
    let end = "Subject: x\r\nReply-To: Me\r\n <me@src.test>\r\nFrom: <office@relay.test>\r\n\r\n\
               From: in the body\r\n";
    assert!(
        stored.starts_with("Received: ") && stored.ends_with(end),
        "{stored}"
    );
    let envelope = text(spool.path(), ".envelope");
    assert!(
        envelope.contains("X-MailRelay-From: office@relay.test\r\n"),
        "{envelope}"
    );
    assert_eq!(spool.names().len(), 2, "{:?}", spool.names());
    let stored = filtered(
        &example,
        "Reply-To: <x@y.test>\r\nfrom: me@src.test\r\n\r\n",
    );
    assert!(
        stored.ends_with("Reply-To: <x@y.test>\r\nFrom: <office@relay.test>\r\n\r\n"),
        "{stored}"
    );
}

/// Sends a message after logging in.
fn send_as(server: &Server, login: &str, sender: &str, header: &str) -> String {
    let tokens = [
        ("alice", "AGFsaWNlAHNlY3JldA=="),
        ("mallory", "AG1hbGxvcnkAc2VjcmV0"),
    ];
    let (_, token) = tokens.iter().find(|(name, _)| *name == login).unwrap();
    let mut client = Client::connect(server.port);
    client.hello();
    client.expect(&format!("AUTH PLAIN {token}"), "235");
    let content = format!("{header}\r\n\r\ntext\r\n");
    let sent = client.try_send(sender, &["a@dst.test"], content.as_bytes());
    sent.unwrap()
}

#[test]
fn nobody_writes_in_another_name() {
    if skip_without(PYTHON) {
        return;
    }
    let map = "alice alice@src.test @dept.test\nbob bob@src.test\n";
    let example = Example::new("check-from.py", &[("check-from.map", map)]);
    let secrets = example.place.join("secrets");
    fs::write(
        &secrets,
        "server plain alice secret\nserver plain mallory secret\n",
    )
    .unwrap();
    let spool = Scratch::new();
    let auth = ["--server-auth", &secrets, "--server-auth-config=m:plain"];
    let server = example.server(&spool, &auth);
    for (login, sender, header, reply) in [
        (
            "alice",
            "alice@src.test",
            "From: A <alice@SRC.test>",
            "250 ",
        ),
        ("alice", "any@dept.test", "From: other@dept.test", "250 "),
        ("alice", "", "From: alice@src.test", "250 "),
        (
            "alice",
            "bob@src.test",
            "From: alice@src.test",
            "550 5.7.1 not your address",
        ),
        (
            "alice",
            "alice@src.test",
            "From: bob@src.test",
            "550 5.7.1 not your address",
        ),
        (
            "alice",
            "alice@src.test",
            "From: alice@src.test\r\nFrom: bob@src.test",
            "550 5.7.1 not your address",
        ),
        (
            "alice",
            "alice@src.test",
            "From: alice@src.test, bob@src.test",
            "550 5.7.1",
        ),
        (
            "alice",
            "alice@src.test",
            "From: \"alice@src.test\" <bob@src.test>",
            "550 5.7.1",
        ),
        ("alice", "alice@src.test", "Subject: none", "550 5.7.1"),
        (
            "mallory",
            "alice@src.test",
            "From: alice@src.test",
            "550 5.7.1",
        ),
    ] {
        let got = send_as(&server, login, sender, header);
        assert!(got.starts_with(reply), "{login} {sender} {header}: {got}");
    }
}

#[test]
fn mail_is_signed() {
    if skip_without_python("dkim") {
        return;
    }
    let example = Example::new("dkim-sign.py", &[]);
    let key = example.place.join("key.pem");
    let made = Command::new("openssl")
        .args(["genrsa", "-traditional", "-out", &key, "2048"])
        .output()
        .unwrap();
    assert!(made.status.success());
    let conf = format!("# domain selector key\nsrc.test sel {key}\n");
    fs::write(example.place.join("dkim-sign.conf"), conf).unwrap();
    let content =
        "From: Me <me@src.test>\r\nTo: a@dst.test\r\nSubject: x\r\n\r\nsome  text\r\n\r\n";
    let stored = filtered(&example, content);
    assert!(stored.starts_with("DKIM-Signature: "), "{stored}");
    assert!(stored.ends_with(content), "{stored}");
    let message = example.place.join("message");
    fs::write(&message, &stored).unwrap();
    let check = r#"
import base64, subprocess, sys, dkim
der = subprocess.check_output(["openssl", "rsa", "-in", sys.argv[1], "-pubout", "-outform", "DER"],
                              stderr=subprocess.DEVNULL)
record = b"v=DKIM1; k=rsa; p=" + base64.b64encode(der)
names = []
def txt(name, timeout=5):
    names.append(name.rstrip(b".").decode() if isinstance(name, bytes) else name.rstrip("."))
    return record
message = open(sys.argv[2], "rb").read()
assert dkim.verify(message, dnsfunc=txt), "not verified"
assert names == ["sel._domainkey.src.test"], names
assert not dkim.verify(message.replace(b"some", b"same"), dnsfunc=txt)
assert not dkim.verify(b"From: x@y.test\r\n" + message, dnsfunc=txt)
"#;
    let output = Command::new(PYTHON)
        .args(["-c", check, &key, &message])
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let other = "From: x@other.test\r\n\r\ntext\r\n";
    assert!(filtered(&example, other).starts_with("Received: "));
}

#[test]
fn a_message_is_cast_into_all_sub_directories() {
    let example = Example::new("multicast.sh", &[]);
    let spool = Scratch::new();
    let server = example.server(&spool, &[]);
    // With nobody to get it the message stays.
    let reply = send(&server, "Subject: x\r\n\r\ntext\r\n");
    assert!(reply.starts_with("250 "), "{reply}");
    assert_eq!(spool.names().len(), 2);
    spool
        .names()
        .iter()
        .for_each(|name| fs::remove_file(spool.join(name)).unwrap());
    for name in ["one", "two hops"] {
        fs::create_dir(spool.join(name)).unwrap();
    }
    std::os::unix::fs::symlink("/tmp", spool.join("link")).unwrap();
    let reply = send(&server, "Subject: x\r\n\r\ntext\r\n");
    assert!(reply.starts_with("250 "), "{reply}");
    assert_eq!(spool.names(), ["link", "one", "two hops"]);
    for name in ["one", "two hops"] {
        let place = spool.path().join(name);
        assert_eq!(names(&place).len(), 2, "{:?}", names(&place));
        assert!(text(&place, ".content").ends_with("Subject: x\r\n\r\ntext\r\n"));
        assert!(text(&place, ".envelope").contains("X-MailRelay-To-Remote: a@dst.test"));
    }
}

#[test]
fn senders_learn_of_failures_once() {
    let work = Scratch::new();
    // What stands in for sendmail notes what it is given.
    let sendmail = script(
        &work,
        "sendmail",
        "n=$(ls \"${0%/*}\" | wc -l)\n{ echo \"$@\"; cat; } >\"${0%/*}/sent$n\"\n",
    );
    let spool = Scratch::new();
    let envelope = |from: &str| {
        format!(
            "X-MailRelay-Format: #2821.6\r\nX-MailRelay-From: {from}\r\nX-MailRelay-ToCount: 1\r\n\
             X-MailRelay-To-Remote: a@dst.test\r\nX-MailRelay-End: 1\r\n\
             X-MailRelay-Reason: no such user\r\nX-MailRelay-ReasonCode: 550\r\n"
        )
    };
    for (id, from) in [
        ("1", "me@src.test"),
        ("2", ""),
        ("3", "-oQ/tmp"),
        ("4", "a b$(id)@x.test"),
    ] {
        let name = format!("emailrelay.1.{id}.1");
        fs::write(spool.join(&format!("{name}.envelope.bad")), envelope(from)).unwrap();
        let content = "Subject: lunch\r\nTo: a@dst.test\r\n\r\nsecret\r\n";
        fs::write(spool.join(&format!("{name}.content")), content).unwrap();
    }
    let program = source("notify-failure.sh");
    for _ in 0..2 {
        let output = Command::new("sh")
            .arg(&program)
            .args([spool.path().to_str().unwrap(), &sendmail])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    let sent: Vec<String> = work
        .names()
        .into_iter()
        .filter(|name| name.starts_with("sent"))
        .collect();
    assert_eq!(sent.len(), 1, "{sent:?}");
    let report = fs::read_to_string(work.join(&sent[0])).unwrap();
    assert!(
        report.starts_with("-oi -f <> -- me@src.test\nTo: <me@src.test>\n"),
        "{report}"
    );
    for part in [
        "    a@dst.test\n",
        "The reason: no such user\n",
        "    Subject: lunch\n",
    ] {
        assert!(report.contains(part), "{report}");
    }
    assert!(!report.contains("secret"), "{report}");
}
