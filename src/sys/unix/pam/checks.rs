//! The monitor's side of checks: a process for each, so many at once, each killed
//! when it is late. The monitor itself never reads a question, and never waits.

use std::env;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::parent_id;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::descendants::kill_with_all;
use crate::base::secret::wipe;
use crate::sys::pam::{self, Answer, QUESTION_MAX, Question};
use crate::sys::poll::Entry;
use crate::sys::process;
use crate::sys::unix::child::{ENVIRONMENT, UMASK, die_with_parent};
use crate::sys::unix::fork::{self, Fork};
use crate::sys::unix::signal;

/// How long the question may take to arrive: it is there when the check begins.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often a check that was killed is looked at, until it has ended.
const TICK: Duration = Duration::from_millis(50);

/// How a check ends that has granted a login.
const GRANTED: u8 = 0;

/// How any other check ends.
const NOT_GRANTED: u8 = 1;

/// What holds for all checks.
#[derive(Clone, Copy, Debug)]
pub(in crate::sys::unix) struct Limits {
    at_once: usize,
    /// How long one may take.
    time: Duration,
    /// How long one that has not granted anything counts at least.
    refusal: Duration,
}

/// All checks that count as being under way.
pub(in crate::sys::unix) struct Checks {
    limits: Limits,
    /// What a check does.
    answer: fn(&Question) -> Answer,
    running: Vec<Check>,
}

struct Check {
    began: Instant,
    state: State,
}

enum State {
    /// The process has the other end of the pipe.
    Running(libc::pid_t, PipeReader),
    /// It has been killed, and is to be waited for.
    Ending(libc::pid_t),
    /// There is no such process any more.
    Over,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            at_once: pam::CHECKS_MAX,
            time: pam::CHECK_MAX,
            refusal: pam::REFUSAL_MIN,
        }
    }
}

impl Default for Checks {
    fn default() -> Checks {
        Checks::new(Limits::default(), super::answer)
    }
}

impl Checks {
    fn new(limits: Limits, answer: fn(&Question) -> Answer) -> Checks {
        Checks {
            limits,
            answer,
            running: Vec::new(),
        }
    }

    /// Starts a check, and gives the socket that takes its question. `WouldBlock`
    /// where there are too many.
    ///
    /// # Safety
    ///
    /// There must be no other thread.
    pub(in crate::sys::unix) unsafe fn begin(&mut self, now: Instant) -> io::Result<UnixStream> {
        self.tend(now);
        if self.running.len() >= self.limits.at_once {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let (asker, asked) = UnixStream::pair()?;
        let (sign, sign_of_life) = io::pipe()?;
        let monitor = std::process::id();
        // SAFETY: by the caller's promise.
        match unsafe { fork::fork() }? {
            Fork::Parent(process) => {
                self.running.push(Check {
                    began: now,
                    state: State::Running(process, sign),
                });
                Ok(asker)
            }
            Fork::Child => {
                let run = || run(asked, &sign_of_life, monitor, self.answer);
                fork::exit(catch_unwind(AssertUnwindSafe(run)).unwrap_or(NOT_GRANTED))
            }
        }
    }

    /// What to wait for besides: the end of each.
    pub(in crate::sys::unix) fn entries(&self) -> impl Iterator<Item = Entry> {
        self.running.iter().filter_map(|check| match &check.state {
            State::Running(_, sign) => Some(Entry::new(sign.as_raw_fd(), true, false)),
            State::Ending(_) | State::Over => None,
        })
    }

    /// How long to wait at most.
    pub(in crate::sys::unix) fn patience(&self, now: Instant) -> Option<Duration> {
        let waits = self.running.iter().filter_map(|check| match check.state {
            State::Running(..) => {
                Some((check.began + self.limits.time).saturating_duration_since(now))
            }
            State::Ending(_) => Some(TICK),
            State::Over => None,
        });
        waits.min()
    }

    /// Kills those that are late or have let go of everything, waits for those that
    /// have ended, and forgets those that do not count any more.
    pub(in crate::sys::unix) fn tend(&mut self, now: Instant) {
        let Limits { time, refusal, .. } = self.limits;
        self.running.retain_mut(|check| {
            let age = now.saturating_duration_since(check.began);
            check.kill_if_over(age >= time);
            let granted = check.wait_for_its_end();
            !granted && (!matches!(check.state, State::Over) || age < refusal)
        });
    }

    /// Kills all of them, as the monitor ends: they would end by themselves then, but
    /// not what they have started.
    pub(in crate::sys::unix) fn end(&mut self) {
        for check in &mut self.running {
            check.kill_if_over(true);
        }
    }
}

impl Check {
    fn kill_if_over(&mut self, is_late: bool) {
        if let State::Running(process, sign) = &self.state
            && (is_late || has_ended(sign))
        {
            // What it has started goes with it. One that ends by itself keeps its
            // status, and its number is its own until it has been waited for.
            kill_with_all(*process);
            self.state = State::Ending(*process);
        }
    }

    /// Whether it has ended just now with a login granted.
    fn wait_for_its_end(&mut self) -> bool {
        let State::Ending(process) = self.state else {
            return false;
        };
        let status = fork::ended(process);
        if status.is_some() {
            self.state = State::Over;
        }
        status == Some(GRANTED)
    }
}

/// Whether nobody has the other end of the pipe.
fn has_ended(sign: &PipeReader) -> bool {
    let mut entries = [Entry::new(sign.as_raw_fd(), true, false)];
    // Nothing is ever written to it.
    crate::sys::poll::wait(&mut entries, Some(Duration::ZERO)).is_ok() && entries[0].is_readable()
}

/// All that the process of a check does.
fn run(
    mut asked: UnixStream,
    sign: &PipeWriter,
    monitor: u32,
    answer: fn(&Question) -> Answer,
) -> u8 {
    let prepared = prepare([asked.as_raw_fd(), sign.as_raw_fd()]);
    // It may have died before this process was to die with it.
    if prepared.is_err() || parent_id() != monitor {
        return NOT_GRANTED;
    }
    let Ok(Some(question)) = read(&mut asked) else {
        return NOT_GRANTED;
    };
    let answer = answer(&question);
    // Whoever has asked may be gone.
    let _ = asked.write_all(&answer.encode());
    match answer {
        Answer::Granted(_) => GRANTED,
        Answer::Refused(_) | Answer::Failed(_) => NOT_GRANTED,
    }
}

/// Lets go of all that is the monitor's.
fn prepare(keep: [RawFd; 2]) -> io::Result<()> {
    die_with_parent();
    fork::new_session()?;
    signal::catch_no_more()?;
    fork::close_others(keep.to_vec());
    // Modules are not to speak in our name.
    fork::close_standard(libc::STDERR_FILENO)?;
    process::set_umask(UMASK);
    set_environment();
    Ok(())
}

/// Modules, and what they start, see what filters see: options in variables may be
/// secrets.
fn set_environment() {
    for (name, _) in env::vars_os() {
        // SAFETY: this process has one thread.
        unsafe { env::remove_var(name) };
    }
    for (name, value) in ENVIRONMENT {
        // SAFETY: as above.
        unsafe { env::set_var(name, value) };
    }
}

/// Reads the question; nothing where it makes no sense.
fn read(asked: &mut UnixStream) -> io::Result<Option<Question>> {
    asked.set_read_timeout(Some(PATIENCE))?;
    let mut length = [0; 2];
    asked.read_exact(&mut length)?;
    let mut buffer = [0; QUESTION_MAX];
    let Some(octets) = buffer.get_mut(..usize::from(u16::from_be_bytes(length))) else {
        return Ok(None);
    };
    asked.read_exact(octets)?;
    let question = Question::decode(octets);
    wipe(octets);
    Ok(question)
}

#[cfg(test)]
mod tests;
