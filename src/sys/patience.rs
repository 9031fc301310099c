//! How long a worker waits for sockets: until a deadline, or until soon after
//! nobody is interested any more. The loop never waits like this.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::poll::{self, Entry};

/// The longest between two looks whether somebody is still interested.
pub const TICK: Duration = Duration::from_millis(100);

/// How long to go on.
#[derive(Clone, Copy, Debug)]
pub struct Patience<'a> {
    /// When it ends; nothing means never.
    pub deadline: Option<Instant>,
    /// Set by whoever is no longer interested.
    pub cancelled: &'a AtomicBool,
}

/// Why a wait has ended without what was waited for.
#[derive(Debug)]
pub enum Impatience {
    /// The deadline has passed.
    TimedOut,
    /// Nobody is interested any more.
    Cancelled,
    /// The system cannot wait.
    System(io::Error),
}

impl<'a> Patience<'a> {
    /// From now on for so long; nothing means for ever.
    pub fn starting_now(timeout: Option<Duration>, cancelled: &'a AtomicBool) -> Patience<'a> {
        Patience {
            deadline: timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
            cancelled,
        }
    }

    /// The same, but for no longer than that.
    pub fn at_most(self, timeout: Duration) -> Patience<'a> {
        let sooner = Instant::now().checked_add(timeout);
        Patience {
            deadline: [self.deadline, sooner].into_iter().flatten().min(),
            ..self
        }
    }

    /// Waits until one of the sockets is ready.
    pub fn wait(&self, entries: &mut [Entry]) -> Result<(), Impatience> {
        loop {
            let turn = self.turn()?;
            if poll::wait(entries, Some(turn)).map_err(Impatience::System)? > 0 {
                return Ok(());
            }
        }
    }

    /// The time.
    pub fn now(&self) -> Instant {
        Instant::now()
    }

    /// How much time is left; nothing means that there is no end.
    pub fn left(&self) -> Option<Duration> {
        let deadline = self.deadline?;
        Some(deadline.saturating_duration_since(Instant::now()))
    }

    /// How long to wait before looking again.
    pub fn turn(&self) -> Result<Duration, Impatience> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(Impatience::Cancelled);
        }
        match self.left() {
            None => Ok(TICK),
            Some(Duration::ZERO) => Err(Impatience::TimedOut),
            Some(left) => Ok(left.min(TICK)),
        }
    }
}
