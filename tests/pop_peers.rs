//! Real POP clients: mail is retrieved whole and deleted, in clear and encrypted.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::executable::script;
use crate::support::pop::{PopServer, plant};
use crate::support::program::Scratch;
use crate::support::secure::{pki_text, skip_without_tls};
use crate::support::skip_without;

const FIRST: &str = "From: me@src.test\r\nSubject: one\r\n\r\n.dots\r\n..\r\nend\r\n";
const SECOND: &str = "From: me@src.test\r\nSubject: two\r\n\r\nFrom here\r\n\r\n";

/// How a client is to connect.
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Clear,
    Stls,
    Implicit,
}

/// What the certificate is for.
const NAME: &str = "mail.example";

const MODES: [Mode; 3] = [Mode::Clear, Mode::Stls, Mode::Implicit];

impl Mode {
    fn start(self, spool: &Scratch) -> PopServer {
        match self {
            Mode::Clear => PopServer::start(spool, &[]),
            Mode::Stls => PopServer::start_tls(spool, "--server-tls", &["--server-tls-required"]),
            Mode::Implicit => PopServer::start_tls(spool, "--server-tls-connection", &[]),
        }
    }
}

/// Has a client take two messages in each mode, into a directory, and checks that
/// they have all gone and where they went.
fn try_client(run: impl Fn(Mode, u16, &Scratch) -> Option<Vec<String>>) {
    for mode in MODES {
        if mode != Mode::Clear && skip_without_tls() {
            continue;
        }
        let (spool, work) = (Scratch::new(), Scratch::new());
        plant(spool.path(), 1, FIRST.as_bytes());
        plant(spool.path(), 2, SECOND.as_bytes());
        let server = mode.start(&spool);
        let Some(mut got) = run(mode, server.port, &work) else {
            continue;
        };
        server.wait_for_closed(1);
        assert_eq!(spool.names(), [""; 0], "all have been deleted");
        got.sort();
        assert_eq!(got.len(), 2, "{got:?}");
        for (got, sent) in got.iter().zip([FIRST, SECOND]) {
            let body = |text: &str| {
                let text = text.replace("\r\n", "\n");
                text.split_once("\n\n").unwrap().1.trim_end().to_owned()
            };
            assert_eq!(body(got).replace(">From ", "From "), body(sent));
        }
    }
}

/// Runs a command and insists on success.
fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    let log = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {log}");
    output.stdout
}

fn write_private(path: &str, text: &str) {
    fs::write(path, text).unwrap();
    run(Command::new("chmod").args(["600", path]));
}

/// The files in a directory, as texts.
fn texts(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect()
}

const POPLIB: &str = r#"
import poplib, ssl, sys
mode, port, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]
context = ssl.create_default_context(cafile=sys.argv[4])
# The name of the certificate is not that of this host.
context.check_hostname = False
if mode == "implicit":
    pop = poplib.POP3_SSL("localhost", port, context=context, timeout=30)
else:
    pop = poplib.POP3("localhost", port, timeout=30)
assert "TOP" in pop.capa() and "UIDL" in pop.capa()
if mode == "stls":
    pop.stls(context)
    assert "STLS" not in pop.capa()
if mode == "clear":
    pop.apop("alice", "secret")
else:
    pop.user("alice")
    pop.pass_("secret")
count, octets = pop.stat()
listed = [tuple(map(int, line.split())) for line in pop.list()[1]]
assert count == len(listed) == len(pop.uidl()[1]) and octets == sum(size for _, size in listed)
for number, size in listed:
    response, lines, _ = pop.retr(number)
    content = b"".join(line + b"\r\n" for line in lines)
    assert len(content) == size, (len(content), size)
    assert pop.top(number, 0)[1] == lines[:lines.index(b"") + 1]
    open(f"{folder}/{number}", "wb").write(content)
    pop.dele(number)
pop.noop()
pop.quit()
"#;

#[test]
fn poplib_retrieves_and_deletes() {
    if skip_without("python3") {
        return;
    }
    try_client(|mode, port, work| {
        let word = match mode {
            Mode::Clear => "clear",
            Mode::Stls => "stls",
            Mode::Implicit => "implicit",
        };
        let mut command = Command::new("python3");
        command.args(["-c", POPLIB, word, &port.to_string()]);
        command.args([work.path().to_str().unwrap(), &pki_text("ca.pem")]);
        run(&mut command);
        Some(texts(work.path()))
    });
}

#[test]
fn curl_retrieves_and_deletes() {
    if skip_without("curl") {
        return;
    }
    try_client(|mode, port, _| {
        let scheme = match mode {
            Mode::Implicit => "pop3s",
            _ => "pop3",
        };
        let curl = |number: &str, more: &[&str]| {
            let mut command = Command::new("curl");
            command.args(["--silent", "--show-error", "--max-time", "60"]);
            command.args(["--user", "alice:secret", "--cacert", &pki_text("ca.pem")]);
            if mode == Mode::Stls {
                command.arg("--ssl-reqd");
            }
            command.args(["--resolve", &format!("{NAME}:{port}:127.0.0.1")]);
            command.args(more);
            command.arg(format!("{scheme}://{NAME}:{port}/{number}"));
            String::from_utf8(run(&mut command)).unwrap()
        };
        assert_eq!(curl("", &[]).lines().count(), 2);
        let got = vec![curl("1", &[]), curl("2", &[])];
        // A session for each: what was the second is the first afterwards.
        for _ in 0..2 {
            curl("1", &["--request", "DELE", "--list-only"]);
        }
        Some(got)
    });
}

#[test]
fn mpop_retrieves_and_deletes() {
    if skip_without("mpop") {
        return;
    }
    try_client(|mode, port, work| {
        let mail = work.join("mail");
        for part in ["", "/tmp", "/new", "/cur"] {
            fs::create_dir(format!("{mail}{part}")).unwrap();
        }
        let trust = pki_text("ca.pem");
        let tls = match mode {
            Mode::Clear => "tls off\nauth apop".to_owned(),
            Mode::Stls => format!("tls on\ntls_starttls on\ntls_trust_file {trust}\nauth on"),
            Mode::Implicit => {
                format!("tls on\ntls_starttls off\ntls_trust_file {trust}\nauth on")
            }
        };
        let uids = work.join("uids");
        let text = format!(
            "account default\nhost 127.0.0.1\nport {port}\nuser alice\npassword secret\n\
             delivery maildir {mail}\nuidls_file {uids}\n{tls}\n"
        );
        let configuration = work.join("mpoprc");
        write_private(&configuration, &text);
        let mut command = Command::new("mpop");
        command.args(["-C", &configuration, "--pipelining=on", "--keep=off"]);
        run(&mut command);
        Some(texts(Path::new(&format!("{mail}/new"))))
    });
}

#[test]
fn fetchmail_retrieves_and_deletes() {
    if skip_without("fetchmail") {
        return;
    }
    try_client(|mode, port, work| {
        let trust = pki_text("ca.pem");
        let checked = format!("sslcertck sslcertfile {trust} sslcommonname {NAME}");
        let ssl = match mode {
            Mode::Clear => "sslproto ''".to_owned(),
            Mode::Stls => format!("sslproto tls1.2+ {checked}"),
            Mode::Implicit => format!("ssl {checked}"),
        };
        let folder = work.join("mail");
        fs::create_dir(&folder).unwrap();
        let agent = script(work, "agent", &format!("cat > {folder}/$$\n"));
        let text = format!(
            "set no syslog\npoll localhost port {port} protocol pop3 user alice password secret \
             {ssl} mda {agent} fetchall nokeep\n"
        );
        let configuration = work.join("fetchmailrc");
        write_private(&configuration, &text);
        let mut command = Command::new("fetchmail");
        command
            .env("HOME", work.path())
            .env("FETCHMAILHOME", work.path());
        command.args(["-f", &configuration, "--nodetach", "--timeout", "60"]);
        // Or root's would be one for all.
        command.args(["--pidfile", &work.join("pid")]);
        run(&mut command);
        Some(texts(Path::new(&folder)))
    });
}

#[test]
fn getmail_retrieves_and_deletes() {
    if skip_without("getmail") {
        return;
    }
    try_client(|mode, port, work| {
        let mail = work.join("mail");
        fs::create_dir(&mail).unwrap();
        let agent = script(work, "agent", &format!("cat > {mail}/$$\n"));
        let retriever = match mode {
            Mode::Clear => "SimplePOP3Retriever",
            Mode::Implicit => "SimplePOP3SSLRetriever",
            // It knows no STLS.
            Mode::Stls => return None,
        };
        let text = format!(
            "[retriever]\ntype = {retriever}\nserver = localhost\nport = {port}\n\
             username = alice\npassword = secret\n\n[destination]\ntype = MDA_external\n\
             path = {agent}\nallow_root_commands = true\n\n[options]\ndelete = true\n\
             read_all = true\nreceived = false\ndelivered_to = false\n"
        );
        let configuration = work.join("getmailrc");
        write_private(&configuration, &text);
        let mut command = Command::new("getmail");
        command.env("HOME", work.path());
        command.args(["--getmaildir", work.path().to_str().unwrap()]);
        command.args(["--rcfile", &configuration]);
        run(&mut command);
        Some(texts(Path::new(&mail)))
    });
}
