//! Requests from outside to end or to reload, turned into wakes of the loop.

use std::io;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use super::platform::signal as platform;
use super::socket::WakeSender;

/// One bit for each [`Request`] that nobody has taken yet.
static CAUGHT: AtomicU8 = AtomicU8::new(0);
static WAKER: OnceLock<Arc<WakeSender>> = OnceLock::new();

/// What a signal asks for.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(in crate::sys) enum Request {
    Terminate = 1,
    Reload = 2,
}

/// What was asked for since the last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Caught {
    /// To end in good order: TERM, INT or QUIT; control-C or the closing of the
    /// console on Windows.
    pub terminate: bool,
    /// To read secrets and certificates again: HUP.
    pub reload: bool,
}

/// The signals that this process watches.
#[derive(Debug)]
pub struct Signals(());

/// Lives on from now on when told to reload: that waits for [`watch`]. To be called
/// before anybody can know whom to tell. A signal that is ignored stays so.
pub fn put_reloads_off() -> io::Result<()> {
    platform::catch_reloads()
}

/// Catches signals from now on: each wakes the loop, which then calls
/// [`Signals::take`], as does what has been put off. Signals that were ignored when the
/// process was started (by nohup, say) stay ignored; PIPE and IO are ignored from now on.
///
/// Once per process; `AlreadyExists` after that.
pub fn watch(waker: Arc<WakeSender>) -> io::Result<Signals> {
    WAKER
        .set(Arc::clone(&waker))
        .map_err(|_| io::Error::from(io::ErrorKind::AlreadyExists))?;
    platform::install()?;
    if CAUGHT.load(Ordering::Acquire) != 0 {
        waker.wake();
    }
    Ok(Signals(()))
}

impl Signals {
    /// Takes what was asked for; call it after the waker has been drained.
    pub fn take(&self) -> Caught {
        let caught = CAUGHT.swap(0, Ordering::AcqRel);
        Caught {
            terminate: caught & Request::Terminate as u8 != 0,
            reload: caught & Request::Reload as u8 != 0,
        }
    }
}

/// Notes a request and wakes the loop. Runs in signal handlers: two atomic
/// operations and one write, no locks and no memory.
pub(in crate::sys) fn catch(request: Request) {
    CAUGHT.fetch_or(request as u8, Ordering::AcqRel);
    if let Some(waker) = WAKER.get() {
        waker.wake();
    }
}
