//! What client sessions and others tell the forwarder.

use std::fmt;

use crate::event::Token;
use crate::store::StoredId;

/// Why a forwarding pass is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// `--forward`: the program has started.
    Startup,
    /// `--poll`: the period is over.
    Poll,
    /// `--forward-on-disconnect`: a client that left mail has gone.
    ClientDisconnect,
    /// A filter wishes so.
    Filter,
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Trigger::Startup => "startup",
            Trigger::Poll => "poll",
            Trigger::ClientDisconnect => "client disconnect",
            Trigger::Filter => "filter",
        })
    }
}

/// What became of a message in one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Every recipient has it; the files are gone.
    Sent,
    /// It is queued for the next pass.
    Deferred,
    /// It was refused for good and is kept as failed.
    Failed,
}

/// News for the forwarder.
#[derive(Debug)]
pub enum Mail {
    /// Somebody wants a pass.
    Trigger(Trigger),
    /// A client session can take one more message.
    Wanted {
        /// The session.
        by: Token,
    },
    /// An attempt at a message has ended.
    Settled {
        /// The message.
        id: StoredId,
        /// What became of it.
        fate: Fate,
        /// Whether the spool could be told.
        recorded: bool,
    },
    /// A message that a client session took has not been attempted.
    Returned {
        /// The message.
        id: StoredId,
    },
    /// A client filter wishes that the pass ends with the message that it has seen.
    StopPass,
    /// A client session is over.
    ClientOver(Ending),
}

/// How a client session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// There was no more mail.
    Done,
    /// It broke off with mail left; another session may fare better.
    Dropped(String),
    /// The next hop cannot be reached or refuses sessions.
    RouteFailed(String),
}
