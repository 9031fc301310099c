//! Programs and their output. There are no process groups: what a program has
//! started is left to itself when that is killed.

use std::io::{self, Read};
use std::path::Path;
use std::process::{self, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use crate::sys::child::{End, Output};
use crate::sys::file::native_name;

/// What programs need of our environment to run at all.
const ENVIRONMENT: [&str; 4] = ["PATH", "SystemRoot", "TEMP", "windir"];

/// Where the system is, if it does not say so.
const DEFAULT_WINDIR: &str = "C:\\Windows";

/// How many pieces of output wait until they are wanted.
const PIECES_MAX: usize = 4;

/// A program that was started. Dropped, it is killed.
pub(in crate::sys) struct Child {
    child: process::Child,
    pieces: Receiver<Vec<u8>>,
    reaped: bool,
}

impl Child {
    pub(in crate::sys) fn spawn(program: &Path, arguments: &[Vec<u8>]) -> io::Result<Child> {
        let kept = ENVIRONMENT.map(|name| (name, std::env::var_os(name)));
        let mut child = command(program)
            .args(arguments.iter().map(|argument| native_name(argument)))
            .env_clear()
            .envs(
                kept.into_iter()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (sender, pieces) = sync_channel(PIECES_MAX);
        if let Some(stdout) = child.stdout.take() {
            thread::spawn(move || carry(stdout, |piece| sender.send(piece).is_ok()));
        }
        Ok(Child {
            child,
            pieces,
            reaped: false,
        })
    }

    /// Waits for output for no longer than that.
    pub(in crate::sys) fn read(&mut self, buffer: &mut [u8], wait: Duration) -> io::Result<Output> {
        match self.pieces.recv_timeout(wait) {
            Ok(piece) => {
                let count = piece.len().min(buffer.len());
                buffer[..count].copy_from_slice(&piece[..count]);
                Ok(Output::Octets(count))
            }
            Err(RecvTimeoutError::Timeout) => Ok(Output::Nothing),
            Err(RecvTimeoutError::Disconnected) => Ok(Output::End),
        }
    }

    /// How it ended, once it has.
    pub(in crate::sys) fn try_wait(&mut self) -> io::Result<Option<End>> {
        let status = self.child.try_wait()?;
        self.reaped |= status.is_some();
        Ok(status.map(|status| End::Exited(status.code().unwrap_or(-1))))
    }
}

/// What runs a file, by what its name ends in. Scripts that are for no program in
/// particular are for the script host, as E-MailRelay has it.
fn command(program: &Path) -> Command {
    let windows = std::env::var_os("windir").unwrap_or_else(|| DEFAULT_WINDIR.into());
    let system = Path::new(&windows).join("System32");
    let extension = program.extension().unwrap_or_default();
    let is_one_of = |known: &[&str]| known.iter().any(|one| extension.eq_ignore_ascii_case(one));
    if is_one_of(&["exe", "com", "bat", "cmd"]) {
        return Command::new(program);
    }
    let (host, options): (_, &[&str]) = match is_one_of(&["ps1"]) {
        true => (
            "WindowsPowerShell\\v1.0\\powershell.exe",
            &["-NoLogo", "-File"],
        ),
        false => ("cscript.exe", &["//nologo", "//B"]),
    };
    let mut command = Command::new(system.join(host));
    command.args(options).arg(program);
    command
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.reaped {
            // It may have ended just now.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

pub(in crate::sys) fn check_permission(_program: &Path) -> io::Result<()> {
    Ok(())
}

/// Nothing is known of programs but to those who have started them.
pub(in crate::sys) fn end_all(_grace: Duration) {}

/// Reads pieces that are no longer than what [`Child::read`] is asked for.
fn carry(mut stdout: ChildStdout, send: impl Fn(Vec<u8>) -> bool) {
    let mut buffer = [0; 4096];
    while let Ok(count) = stdout.read(&mut buffer) {
        if count == 0 || !send(buffer[..count].to_vec()) {
            return;
        }
    }
}
