//! What client sessions and others tell the forwarder.

use std::fmt;

use crate::event::Token;
use crate::proto::smtp::client::Outcome;
use crate::store::{Routing, StoredId};

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
    /// Of a message that was to be forwarded before it was accepted, some or all is in
    /// the queue.
    Rest,
    /// Somebody said so to the administration server.
    Admin,
    /// What was deferred is due again.
    Retry,
}

impl Trigger {
    /// Whether somebody wants all mail to be tried, whatever its delays.
    pub fn is_asked_for(self) -> bool {
        matches!(self, Trigger::Startup | Trigger::Admin)
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Trigger::Startup => "startup",
            Trigger::Poll => "poll",
            Trigger::ClientDisconnect => "client disconnect",
            Trigger::Filter => "rescan",
            Trigger::Rest => "rest of a message",
            Trigger::Admin => "admin",
            Trigger::Retry => "retry",
        })
    }
}

/// What became of a message in one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Every recipient has it; the files are gone.
    Sent,
    /// It stays queued.
    Deferred {
        /// Not before when to try it again, in seconds since 1970; 0 for any time.
        until: i64,
    },
    /// It was refused for good and is kept as failed.
    Failed,
}

/// News for the forwarder.
#[derive(Debug)]
pub enum Mail {
    /// Somebody wants a pass.
    Trigger(Trigger),
    /// Somebody wants a pass that begins from now on, over all that is queued, and to
    /// be told with [`Message::Flushed`](super::session::Message::Flushed) how it ended.
    Flush {
        /// Who.
        by: Token,
    },
    /// A client session can take more messages: it is to get one
    /// [`Job::Lock`](super::disk::Job::Lock) for them, or the word that there are
    /// no more.
    Wanted {
        /// The session.
        by: Token,
        /// Its number.
        line: Line,
        /// How many at most.
        count: usize,
    },
    /// An attempt at a message has ended.
    Settled {
        /// The number of the session that made it.
        line: Line,
        /// The message.
        id: StoredId,
        /// What became of it.
        fate: Fate,
        /// Whether the spool could be told.
        recorded: bool,
    },
    /// Client filters have seen a message, which the session that had it will return.
    Filtered {
        /// The message.
        id: StoredId,
    },
    /// A message that a client session took has not been attempted.
    Returned {
        /// The number of the session.
        line: Line,
        /// The message.
        id: StoredId,
    },
    /// Filters have decided where a message goes, and it is in the queue again.
    Routed {
        /// The message.
        id: StoredId,
        /// Where it goes now.
        routing: Routing,
    },
    /// A session that has had a message routed is over.
    RouterOver,
    /// A client filter wishes that the pass ends with the message that it has seen.
    StopPass,
    /// Somebody wants a client session of its own, which will ask it for mail.
    Connect {
        /// Who.
        by: Token,
        /// To which of the next hops; one that there is not is a session that is over.
        hop: usize,
    },
    /// What became of a message of whoever has such a session.
    Answered {
        /// What the next hop said.
        outcome: Box<Outcome>,
    },
    /// The name of a client session's next hop has waited for its turn to be looked up,
    /// and has had none. The session is about to be over.
    NotLookedUp {
        /// The number of the session.
        line: Line,
    },
    /// A client session is over.
    ClientOver {
        /// The number of the session.
        line: Line,
        /// How it ended.
        ending: Ending,
    },
}

/// How messages that are to be locked are to be sent.
#[derive(Clone, Debug)]
pub struct Way {
    /// Where they go.
    pub routing: Routing,
    /// Those that client filters have seen already.
    pub filtered: Vec<StoredId>,
}

/// By what number the forwarder knows a client session, from before it has a token.
pub type Line = u64;

/// The number of no session that the forwarder counts.
pub const NO_LINE: Line = 0;

/// How a pass ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PassReport {
    /// Messages that all their recipients have.
    pub sent: u32,
    /// Messages that were tried and stay queued.
    pub deferred: u32,
    /// Messages that have failed.
    pub failed: u32,
    /// Messages that were not tried, though they were due.
    pub left: usize,
    /// Messages that wait for the time of their next attempt.
    pub waiting: usize,
    /// What was wrong with the next hop or the spool.
    pub trouble: Option<String>,
}

impl PassReport {
    /// Of a pass that came to nothing.
    pub fn of_trouble(trouble: &str) -> PassReport {
        PassReport {
            trouble: Some(trouble.to_owned()),
            ..PassReport::default()
        }
    }

    /// Whether there was nothing to do for now.
    pub fn is_empty(&self) -> bool {
        self.sent + self.deferred + self.failed == 0 && self.left == 0 && self.trouble.is_none()
    }

    /// How administrators are told of the end of a pass.
    pub fn event(&self) -> String {
        match &self.trouble {
            Some(trouble) => format!("forward: end: {trouble}"),
            // Scripts wait for these words.
            None if self.is_empty() => "forward: end: no messages".to_owned(),
            None => "forward: end".to_owned(),
        }
    }

    /// Whether nothing is left that should have been sent.
    pub fn is_success(&self) -> bool {
        self.deferred + self.failed == 0 && self.left == 0 && self.trouble.is_none()
    }
}

/// Shows it as one line.
impl fmt::Display for PassReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wait = match self.waiting {
            0 => String::new(),
            waiting => format!(", {waiting} waiting for their next attempt"),
        };
        if self.is_empty() {
            return write!(f, "no messages to send{wait}");
        }
        let PassReport {
            sent,
            deferred,
            failed,
            left,
            trouble,
            ..
        } = self;
        write!(
            f,
            "{sent} sent, {deferred} deferred, {failed} failed, {left} not tried{wait}"
        )?;
        trouble
            .iter()
            .try_for_each(|trouble| write!(f, ": {trouble}"))
    }
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
    /// The next hop does not take our login.
    LoginFailed(String),
}
