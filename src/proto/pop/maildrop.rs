//! The commands of the transaction state.

use crate::base::ascii;

use super::listing::{Column, Listing};
use super::sending::Part;
use super::table::Command;
use super::wait::Wait;
use super::{Action, CloseReason, Messages, State, Step, Turn, responses};

/// A client that has logged in, with its maildrop.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) messages: Box<dyn Messages>,
    /// By index.
    deleted: Vec<bool>,
    totals: Totals,
}

/// How many messages there are, and all their octets.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    pub(super) count: usize,
    pub(super) octets: u64,
}

impl Totals {
    fn of(messages: &dyn Messages) -> Totals {
        let count = messages.count();
        let octets = (0..count).map(|index| messages.octets(index));
        Totals {
            count,
            octets: octets.fold(0, u64::saturating_add),
        }
    }
}

impl Session {
    pub(super) fn new(messages: Box<dyn Messages>) -> Session {
        Session {
            deleted: vec![false; messages.count()],
            totals: Totals::of(messages.as_ref()),
            messages,
        }
    }

    fn stay(self: Box<Session>) -> Step {
        Step::Next(State::Transaction(self))
    }

    /// The index of a message that is there, by its number.
    // RFC 1939 3: numbers start at 1 and do not change.
    fn find(&self, number: &[u8]) -> Option<usize> {
        let number = usize::try_from(ascii::parse_decimal(number)?).ok()?;
        let index = number.checked_sub(1)?;
        self.is_there(index).then_some(index)
    }

    pub(super) fn is_there(&self, index: usize) -> bool {
        self.deleted.get(index).is_some_and(|deleted| !deleted)
    }

    /// Marks a message that is there as deleted.
    fn delete(&mut self, index: usize) {
        self.deleted[index] = true;
        self.totals.count -= 1;
        let octets = self.messages.octets(index);
        self.totals.octets = self.totals.octets.saturating_sub(octets);
    }

    fn undelete_all(&mut self) {
        self.deleted.fill(false);
        self.totals = Totals::of(self.messages.as_ref());
    }

    /// What is there. It is kept up to date, as a client may ask for it often.
    // RFC 1939 5: messages that are deleted are not counted.
    pub(super) fn totals(&self) -> Totals {
        self.totals
    }
}

pub(super) fn stat(turn: &mut Turn<'_>, session: Box<Session>, command: &Command<'_>) -> Step {
    turn.without_argument(command, session, |turn, session| {
        let Totals { count, octets } = session.totals();
        turn.send(responses::line(format!("+OK {count} {octets}")));
        session.stay()
    })
}

pub(super) fn list(turn: &mut Turn<'_>, session: Box<Session>, command: &Command<'_>) -> Step {
    turn.list(session, command, Column::Octets)
}

pub(super) fn uidl(turn: &mut Turn<'_>, session: Box<Session>, command: &Command<'_>) -> Step {
    turn.list(session, command, Column::UniqueId)
}

pub(super) fn retr(turn: &mut Turn<'_>, session: Box<Session>, command: &Command<'_>) -> Step {
    turn.retrieve(session, command.argument(), Part::All)
}

// RFC 1939 7: TOP msg n
pub(super) fn top(turn: &mut Turn<'_>, session: Box<Session>, command: &Command<'_>) -> Step {
    let Command { verb: number, rest } = Command::split(command.argument());
    match ascii::parse_decimal(ascii::trim(rest)) {
        Some(lines) => turn.retrieve(session, number, Part::Top { lines }),
        None => {
            turn.say(responses::BAD_ARGUMENT);
            session.stay()
        }
    }
}

pub(super) fn dele(turn: &mut Turn<'_>, mut session: Box<Session>, command: &Command<'_>) -> Step {
    match session.find(command.argument()) {
        Some(index) => {
            session.delete(index);
            turn.say(responses::OK);
        }
        None => turn.say(responses::NO_SUCH_MESSAGE),
    }
    session.stay()
}

pub(super) fn noop(turn: &mut Turn<'_>, session: Box<Session>, command: &Command<'_>) -> Step {
    turn.without_argument(command, session, |turn, session| {
        turn.say(responses::OK);
        session.stay()
    })
}

pub(super) fn rset(turn: &mut Turn<'_>, session: Box<Session>, command: &Command<'_>) -> Step {
    turn.without_argument(command, session, |turn, mut session| {
        session.undelete_all();
        turn.say(responses::OK);
        session.stay()
    })
}

// RFC 1939 6: only now messages are deleted.
pub(super) fn quit(turn: &mut Turn<'_>, session: &Session) -> Step {
    let is_deleted = |index: &usize| !session.is_there(*index);
    let deleted: Vec<usize> = (0..session.deleted.len()).filter(is_deleted).collect();
    if deleted.is_empty() || turn.settings().no_delete {
        turn.say(responses::SIGNING_OFF);
        return Step::HangUp(CloseReason::Quit);
    }
    turn.out.push(Action::Delete(deleted));
    Step::Rest(State::Wait(Wait::Deleted))
}

/// Answers QUIT, now that it is known what came of it.
pub(super) fn deleted(turn: &mut Turn<'_>, all: bool) -> Step {
    turn.say(match all {
        true => responses::SIGNING_OFF,
        false => responses::NOT_ALL_DELETED,
    });
    let leaving = turn.core.leaving.take();
    Step::HangUp(match leaving {
        // Said after the response to QUIT it would be one too many.
        Some(CloseReason::ShuttingDown) | None => CloseReason::Quit,
        Some(reason) => reason,
    })
}

impl Turn<'_> {
    fn without_argument(
        &mut self,
        command: &Command<'_>,
        session: Box<Session>,
        act: fn(&mut Turn<'_>, Box<Session>) -> Step,
    ) -> Step {
        if command.argument().is_empty() {
            return act(self, session);
        }
        self.say(responses::BAD_ARGUMENT);
        session.stay()
    }

    fn list(&mut self, session: Box<Session>, command: &Command<'_>, column: Column) -> Step {
        let argument = command.argument();
        if argument.is_empty() {
            let listing = Listing::begin(self, &session, column);
            return Step::Next(State::Listing(session, listing));
        }
        match session.find(argument) {
            Some(index) => {
                let entry = column.entry(&session, index);
                self.send(responses::line(format!("+OK {entry}")));
            }
            None => self.say(responses::NO_SUCH_MESSAGE),
        }
        session.stay()
    }

    fn retrieve(&mut self, session: Box<Session>, number: &[u8], part: Part) -> Step {
        match session.find(number) {
            Some(index) => {
                self.out.push(Action::Retrieve(index));
                Step::Rest(State::Wait(Wait::Found(session, index, part)))
            }
            None => {
                self.say(responses::NO_SUCH_MESSAGE);
                session.stay()
            }
        }
    }
}
