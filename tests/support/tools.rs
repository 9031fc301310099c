//! Runs the small programs, and plants messages for them.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use super::start::start;

/// What a program came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) output: String,
    pub(crate) errors: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran {
            status: output.status.code().unwrap_or(-1),
            output: text(&output.stdout),
            errors: text(&output.stderr),
        }
    }
}

/// The path of one of the small programs.
pub(crate) fn tool(name: &str) -> &'static str {
    match name {
        "emailrelay-filter-copy" => env!("CARGO_BIN_EXE_emailrelay-filter-copy"),
        "emailrelay-resubmit" => env!("CARGO_BIN_EXE_emailrelay-resubmit"),
        "emailrelay-submit" => env!("CARGO_BIN_EXE_emailrelay-submit"),
        "emailrelay-spool" => env!("CARGO_BIN_EXE_emailrelay-spool"),
        _ => panic!("no program {name}"),
    }
}

/// Runs a program to its end with that standard input.
pub(crate) fn run_with_input(command: &mut Command, input: &[u8]) -> Ran {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = start(command);
    // The program may end without reading it all.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap().into()
}

/// Runs one of the small programs on a spool directory.
pub(crate) fn run_on(name: &str, spool: &Path, arguments: &[&str]) -> Ran {
    let mut command = Command::new(tool(name));
    command.arg("--spool-dir").arg(spool).args(arguments);
    run_with_input(&mut command, b"")
}

/// An id of the program's own for a message that arrived that many seconds ago.
pub(crate) fn id(age: u64, serial: u64) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    format!("emailrelay.7.{}.{}", now - age, 10_000_000_000 + serial)
}

/// The text of an envelope, with these lines after its end.
pub(crate) fn envelope(from: &str, to: &[&str], trailer: &str) -> String {
    let recipients: String = to
        .iter()
        .map(|one| format!("X-MailRelay-To-Remote: {one}\r\n"))
        .collect();
    format!(
        "X-MailRelay-Format: #2821.6\r\nX-MailRelay-Content: 7bit\r\nX-MailRelay-From: {from}\r\n\
         X-MailRelay-ToCount: {}\r\n{recipients}X-MailRelay-Authentication: \r\n\
         X-MailRelay-Client: 127.0.0.1\r\nX-MailRelay-ClientCertificate: \r\n\
         X-MailRelay-MailFromAuthIn: \r\nX-MailRelay-MailFromAuthOut: \r\n\
         X-MailRelay-ForwardTo: \r\nX-MailRelay-ForwardToAddress: \r\nX-MailRelay-End: 1\r\n\
         {trailer}",
        to.len()
    )
}

/// Puts a message into a spool directory, with an envelope of that suffix.
pub(crate) fn plant(spool: &Path, id: &str, suffix: &str, envelope: &str) {
    std::fs::write(
        spool.join(format!("{id}.content")),
        "Subject: x\r\n\r\nbody\r\n",
    )
    .unwrap();
    std::fs::write(spool.join(format!("{id}{suffix}")), envelope).unwrap();
}
