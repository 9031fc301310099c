//! Programs and their output. A program and all that it starts are in one job, which
//! ends with us if not before.

mod host;
mod job;

use std::io::{self, Read};
use std::os::windows::process::CommandExt;
use std::path::Path;
use std::process::{self, ChildStdout, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::sys::child::{End, Output};
use host::command;
use job::Job;

/// What programs need of our environment to run at all.
const ENVIRONMENT: [&str; 4] = ["PATH", "SystemRoot", "TEMP", "windir"];

/// How many pieces of output wait until they are wanted.
const PIECES_MAX: usize = 4;

/// How long the output of a program that has ended is waited for, in case something that
/// it has started keeps it open.
const LAST_WORDS: Duration = Duration::from_millis(500);

const CREATE_SUSPENDED: u32 = 0x4;
const CREATE_NO_WINDOW: u32 = 0x0800_0000;

/// A program that was started. Dropped, it is killed with all that it has started,
/// unless it has ended: then what it has left running goes on.
pub(in crate::sys) struct Child {
    child: process::Child,
    job: Job,
    pieces: Receiver<Vec<u8>>,
    /// Until when last words are waited for, once it has ended.
    reaped: Option<Instant>,
}

impl Child {
    pub(in crate::sys) fn spawn(program: &Path, arguments: &[Vec<u8>]) -> io::Result<Child> {
        let job = Job::new()?;
        let kept = ENVIRONMENT.map(|name| (name, std::env::var_os(name)));
        let mut child = command(program, arguments)?
            .env_clear()
            .envs(
                kept.into_iter()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // It must not start anything before it is in the job.
            .creation_flags(CREATE_SUSPENDED | CREATE_NO_WINDOW)
            .spawn()?;
        if let Err(error) = job.take_in(&child) {
            // It has never run, and may have gone by itself.
            let _ = child.kill();
            let _ = child.wait();
            return Err(error);
        }
        let (sender, pieces) = sync_channel(PIECES_MAX);
        let stdout = child.stdout.take();
        // Killed from here on where there is an error.
        let child = Child {
            child,
            job,
            pieces,
            reaped: None,
        };
        if let Some(stdout) = stdout {
            let carry = move || carry(stdout, |piece| sender.send(piece).is_ok());
            let thread = thread::Builder::new().name("output".to_owned());
            thread.spawn(carry)?;
        }
        Ok(child)
    }

    /// Waits for output for no longer than that.
    pub(in crate::sys) fn read(&mut self, buffer: &mut [u8], wait: Duration) -> io::Result<Output> {
        // What it has said just before may still be on its way.
        let left = self
            .reaped
            .map(|until| until.saturating_duration_since(Instant::now()));
        match self.pieces.recv_timeout(left.unwrap_or(wait)) {
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
        if status.is_some() && self.reaped.is_none() {
            self.reaped = Some(Instant::now() + LAST_WORDS);
            self.job.let_go();
        }
        Ok(status.map(|status| end(status.code().unwrap_or(-1))))
    }
}

/// Where the system itself has ended a program, or could not load it, its status is the
/// error's (NTSTATUS of severity 3), which no program exits with by itself.
fn end(status: i32) -> End {
    match status.cast_unsigned() >> 28 {
        0xC => End::Signalled(status),
        _ => End::Exited(status),
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.reaped.is_none() {
            self.job.kill();
            // It may have ended just now.
            let _ = self.child.wait();
        }
    }
}

pub(in crate::sys) fn check_permission(_program: &Path) -> io::Result<()> {
    Ok(())
}

/// Jobs end with the process that has made them.
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

#[cfg(test)]
mod tests;
