//! The waits, and the events that end them.

use super::maildrop::{self, Session};
use super::sending::{self, Part, Sending};
use super::{Counts, Event, OpenFailure, State, Step, Turn, login, responses};
use crate::proto::sasl::Answer;

/// What the machine waits for, with what it goes on with.
#[derive(Debug)]
pub(super) enum Wait {
    /// The TLS handshake, which ends by [`super::Machine::encrypted`].
    Tls,
    /// Whether the client is who it says.
    Authenticated,
    /// The maildrop.
    Opened,
    /// A message, by its index, and what is wanted of it.
    Found(Box<Session>, usize, Part),
    /// More of a message.
    Content(Box<Session>, Sending),
    /// What came of QUIT.
    Deleted,
}

impl Wait {
    pub(super) fn resume(self, turn: &mut Turn<'_>, event: Event) -> Step {
        match (self, event) {
            (Wait::Authenticated, Event::Authenticated(result)) => {
                login::authenticated(turn, result)
            }
            (Wait::Opened, Event::Opened(Ok(messages))) => {
                turn.core.counts = Counts::default();
                let session = Box::new(Session::new(messages));
                let maildrop::Totals { count, octets } = session.totals();
                let text = format!("+OK maildrop has {count} message(s) ({octets} octets)");
                turn.send(responses::line(text));
                Step::Next(State::Transaction(session))
            }
            (Wait::Opened, Event::Opened(Err(OpenFailure::BadName))) => turn.fail(Answer::Rejected),
            (Wait::Opened, Event::Opened(Err(failure))) => {
                turn.say(responses::of_open_failure(failure));
                Step::Next(State::Authorization(login::Authorization::default()))
            }
            (Wait::Found(session, index, part), Event::Found(result)) => {
                sending::found(turn, (session, index, part), result)
            }
            (Wait::Content(session, sending), Event::Content(content)) => {
                sending.send(turn, session, content)
            }
            (Wait::Deleted, Event::Deleted(all)) => maildrop::deleted(turn, all),
            (wait, event) => unreachable!("invariant: {event:?} does not end {wait:?}"),
        }
    }
}
