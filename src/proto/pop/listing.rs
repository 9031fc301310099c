//! LIST and UIDL of all messages: made piece by piece, as the client takes them.

use super::maildrop::Session;
use super::{State, Step, Turn, responses};

/// What is listed of each message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Octets,
    UniqueId,
}

impl Column {
    /// The line of a message, without its CRLF.
    pub(super) fn entry(self, session: &Session, index: usize) -> String {
        let number = index + 1;
        match self {
            Column::Octets => format!("{number} {}", session.messages.octets(index)),
            Column::UniqueId => format!("{number} {}", session.messages.unique_id(index)),
        }
    }
}

/// A listing on its way.
#[derive(Debug)]
pub(super) struct Listing {
    column: Column,
    /// The index of the message that comes next.
    next: usize,
}

impl Listing {
    pub(super) fn begin(turn: &mut Turn<'_>, session: &Session, column: Column) -> Listing {
        let count = session.totals().count;
        turn.begin_response();
        turn.send(responses::line(format!("+OK {count} message(s)")));
        Listing { column, next: 0 }
    }

    /// Makes one more piece.
    pub(super) fn go_on(mut self, turn: &mut Turn<'_>, session: Box<Session>) -> Step {
        let piece_max = turn.settings().limits.piece;
        let mut piece = Vec::new();
        while self.next < session.messages.count() && piece.len() < piece_max {
            if session.is_there(self.next) {
                let entry = self.column.entry(&session, self.next);
                piece.extend_from_slice(entry.as_bytes());
                piece.extend_from_slice(b"\r\n");
            }
            self.next += 1;
        }
        let is_done = self.next >= session.messages.count();
        if is_done {
            piece.extend_from_slice(responses::END);
            turn.end_response();
        }
        turn.send(piece);
        match is_done {
            true => Step::Rest(State::Transaction(session)),
            false => Step::Rest(State::Listing(session, self)),
        }
    }
}
