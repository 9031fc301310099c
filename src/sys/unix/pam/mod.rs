//! The way of a question to PAM: by the monitor to a process of its own.

#[cfg(feature = "pam")]
mod call;
pub(super) mod checks;
mod descendants;

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use crate::sys::pam::{ANSWER_MAX, CHECK_MAX};

use super::monitor::Client;

/// Only where PAM is built in.
pub(in crate::sys) const IS_AVAILABLE: bool = cfg!(feature = "pam");

/// How long to wait before a check is asked for again that was not to be had.
const AGAIN_AFTER: Duration = Duration::from_millis(20);

/// How much longer than a check may take to wait for its answer, should the monitor be
/// busy when it is to be killed.
const GRACE: Duration = Duration::from_secs(2);

static MONITOR: OnceLock<Client> = OnceLock::new();

/// Has that monitor asked from now on.
pub(super) fn ask_by(client: Client) {
    // There is one monitor, and one time when it is made known.
    let _ = MONITOR.set(client);
}

/// Hands the question to a check and returns what that says: nothing if it says
/// nothing. `WouldBlock` where none is to be had before `until`.
pub(in crate::sys) fn ask(question: &[u8], until: Instant) -> io::Result<Vec<u8>> {
    let monitor = MONITOR.get().ok_or(io::ErrorKind::NotConnected)?;
    ask_of(|| monitor.check(), question, until)
}

fn ask_of(
    begin: impl Fn() -> io::Result<UnixStream>,
    question: &[u8],
    until: Instant,
) -> io::Result<Vec<u8>> {
    let mut check = loop {
        if Instant::now() >= until {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        match begin() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(AGAIN_AFTER),
            result => break result?,
        }
    };
    check.set_write_timeout(Some(GRACE))?;
    check.set_read_timeout(Some(CHECK_MAX + GRACE))?;
    check.write_all(question)?;
    let mut answer = Vec::new();
    match check.take(ANSWER_MAX as u64).read_to_end(&mut answer) {
        Ok(_) => Ok(answer),
        // It took too long, or was killed for that with the question unread.
        Err(_) => Ok(Vec::new()),
    }
}

/// Calls PAM.
#[cfg(feature = "pam")]
fn answer(question: &crate::sys::pam::Question) -> crate::sys::pam::Answer {
    call::authenticate(question)
}

/// Nobody is asked: the configuration is refused before.
#[cfg(not(feature = "pam"))]
fn answer(_question: &crate::sys::pam::Question) -> crate::sys::pam::Answer {
    unreachable!("invariant: without PAM no checks are made")
}
