//! A next hop with TLS and AUTH, in Python, so that it shares no code with ours.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::address::unused;
use super::client::submit;
use super::program::{Scratch, Server, run};
use super::secure::pki_text;
use super::skip_without_python;

/// A running `tests/peers/secure_sink.py`.
pub(crate) struct SecureSink {
    child: Child,
    directory: Scratch,
    address: String,
}

impl SecureSink {
    /// Starts one with these options, which shows that certificate.
    pub(crate) fn start(certificate: &str, options: &[&str]) -> SecureSink {
        let directory = Scratch::new();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/secure_sink.py");
        let mut command = Command::new("python3");
        command.arg(script).arg(directory.path());
        command.arg(format!(
            "certificate={}",
            pki_text(&format!("{certificate}.pem"))
        ));
        command.arg(format!("key={}", pki_text(&format!("{certificate}.key"))));
        let (child, port) = spawn(command.args(options));
        SecureSink {
            child,
            directory,
            address: format!("127.0.0.1:{port}"),
        }
    }

    /// Starts aiosmtpd, of which there is no transcript; nothing where it is not
    /// installed.
    pub(crate) fn aiosmtpd(certificate: &str) -> Option<SecureSink> {
        let directory = Scratch::new();
        if skip_without_python("aiosmtpd") {
            return None;
        }
        let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers");
        let mut command = Command::new("/usr/bin/python3");
        command.arg(peers.join("aiosmtpd_secure.py"));
        command.arg(pki_text(&format!("{certificate}.pem")));
        command.arg(pki_text(&format!("{certificate}.key")));
        let address = unused().to_string();
        let (child, _) = spawn(command.arg(&address));
        Some(SecureSink {
            child,
            directory,
            address,
        })
    }

    pub(crate) fn address(&self) -> String {
        self.address.clone()
    }

    /// What it has noted: `C` and `S` before what clients said in clear and
    /// encrypted, `TLS` and the version after a handshake, `SNI` and a name.
    pub(crate) fn transcript(&self) -> Vec<String> {
        let text = fs::read_to_string(self.directory.join("transcript")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// How many messages it has stored.
    pub(crate) fn stored(&self) -> usize {
        let names = self.directory.names();
        names.iter().filter(|name| name.ends_with(".eml")).count()
    }
}

impl Drop for SecureSink {
    fn drop(&mut self) {
        // Gone already, where a test has gone wrong.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a server that prints its port.
fn spawn(command: &mut Command) -> (Child, u16) {
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut port = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut port).unwrap();
    (child, port.trim().parse().unwrap())
}

/// A spool with one message in it.
pub(crate) fn spool_with_mail() -> Scratch {
    let spool = Scratch::new();
    let server = Server::start(&spool, &[]);
    let content = b"Subject: x\r\n\r\nhello\r\n";
    submit(server.port, "me@src.test", &["you@dst.test"], content);
    spool
}

/// Forwards what is in the spool in one pass; the exit status and the log.
pub(crate) fn forward(spool: &Scratch, target: &str, options: &[&str]) -> (i32, String) {
    let path = spool.path().to_str().unwrap();
    let mut arguments = vec!["--as-client", target, "--spool-dir", path, "--verbose"];
    arguments.extend(["--domain", "relay.test", "--connection-timeout", "60"]);
    arguments.extend(["--response-timeout", "60", "--prompt-timeout", "60"]);
    arguments.extend(options);
    let (status, _, log) = run(&arguments);
    (status, log)
}

/// Writes a secrets file that nobody else may read.
pub(crate) fn secrets(directory: &Scratch, lines: &str) -> PathBuf {
    let path = directory.path().join("secrets");
    fs::write(&path, lines).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    path
}
