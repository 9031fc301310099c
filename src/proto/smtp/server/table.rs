//! The commands: where each is legal, what its argument may be, what it does.

use crate::base::ascii;
use crate::proto::smtp::command::Command;

use super::replies::{self, Fixed};
use super::session::{self, Session};
use super::{CloseReason, Foreign, Settings, State, Step, Turn};
use super::{auth, content, starttls, transaction};

/// A set of the places in a session where a command may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Places(u8);

impl Places {
    /// Before EHLO or HELO.
    pub(super) const START: Places = Places(1);
    /// No transaction.
    pub(super) const IDLE: Places = Places(2);
    /// After MAIL, with or without recipients.
    pub(super) const TRANSACTION: Places = Places(4);
    /// Between the chunks of a message.
    pub(super) const CHUNKS: Places = Places(8);
    const ANY: Places = Places(15);

    fn contains(self, place: Places) -> bool {
        self.0 & place.0 == place.0
    }
}

/// A command.
struct Entry {
    verb: &'static str,
    /// Where it is legal; elsewhere it gets 503.
    places: Places,
    /// Whether it leads nowhere, so that its number is limited.
    junk: bool,
    /// Refuses it by its argument, or because it is not offered.
    check: fn(&Settings, &[u8]) -> Result<(), Fixed>,
    /// Does it, with its argument.
    proceed: fn(&mut Turn<'_>, Session, &[u8]) -> Step,
}

#[rustfmt::skip]
const TABLE: &[Entry] = &[
    Entry { verb: "EHLO", places: Places::ANY,         junk: true,  check: anything,    proceed: session::ehlo },
    Entry { verb: "HELO", places: Places::ANY,         junk: true,  check: anything,    proceed: session::helo },
    Entry { verb: "MAIL", places: Places::IDLE,        junk: false, check: anything,    proceed: transaction::mail },
    Entry { verb: "RCPT", places: Places::TRANSACTION, junk: false, check: anything,    proceed: transaction::rcpt },
    Entry { verb: "DATA", places: Places::TRANSACTION, junk: false, check: nothing,     proceed: content::data },
    // Anywhere, because the chunk that follows must be swallowed anywhere.
    Entry { verb: "BDAT", places: Places::ANY,         junk: false, check: chunking,    proceed: content::bdat },
    Entry { verb: "RSET", places: Places::ANY,         junk: true,  check: nothing,     proceed: session::rset },
    Entry { verb: "NOOP", places: Places::ANY,         junk: true,  check: anything,    proceed: session::noop },
    Entry { verb: "VRFY", places: Places::ANY,         junk: true,  check: something,   proceed: session::vrfy },
    Entry { verb: "EXPN", places: Places::ANY,         junk: true,  check: unavailable, proceed: session::noop },
    Entry { verb: "HELP", places: Places::ANY,         junk: true,  check: anything,    proceed: session::help },
    Entry { verb: "AUTH", places: Places::IDLE,        junk: true,  check: auth::offered, proceed: auth::auth },
    Entry { verb: "STARTTLS", places: Places::IDLE,    junk: true,  check: starttls::offered, proceed: starttls::starttls },
    Entry { verb: "QUIT", places: Places::ANY,         junk: false, check: anything,    proceed: session::quit },
];

/// The verbs of all commands that are offered, for HELP.
pub(super) fn verbs(settings: &Settings) -> String {
    let offered = TABLE
        .iter()
        .filter(|entry| (entry.check)(settings, b"") != Err(replies::NOT_IMPLEMENTED));
    let verbs: Vec<&str> = offered.map(|entry| entry.verb).collect();
    verbs.join(" ")
}

/// Carries out a command line.
pub(super) fn dispatch(turn: &mut Turn<'_>, session: Session, line: &[u8]) -> Step {
    let command = Command::split(line);
    let is_named = |entry: &&Entry| ascii::eq(entry.verb.as_bytes(), command.verb);
    let entry = TABLE.iter().find(is_named);
    turn.note_command(line, entry.map(|entry| entry.verb));
    if command.is_http() {
        let reason = CloseReason::WrongProtocol(Foreign::Http);
        return Step::HangUp(State::Command(session), reason);
    }
    if !entry.is_some_and(|entry| FOLLOWERS.contains(&entry.verb)) {
        turn.core.counts.forgiven = 0;
    }
    if entry.is_none_or(|entry| entry.verb != auth::VERB) && turn.is_too_long(line) {
        turn.say(replies::LINE_TOO_LONG);
        return session.stay();
    }
    let Some(entry) = entry else {
        turn.say(replies::UNRECOGNIZED);
        return session.stay();
    };
    if entry.junk && !turn.allows_junk() {
        return Step::HangUp(State::Command(session), CloseReason::TooMuchJunk);
    }
    let checked = (entry.check)(turn.settings(), command.argument);
    // What is not offered is nowhere in place.
    if !entry.places.contains(session.place()) && checked != Err(replies::NOT_IMPLEMENTED) {
        turn.say(replies::OUT_OF_SEQUENCE);
        return session.stay();
    }
    if let Err(reply) = checked {
        turn.say(reply);
        turn.note_refusal(entry.verb);
        return session.stay();
    }
    (entry.proceed)(turn, session, command.argument)
}

/// What a pipelining client may have sent after a MAIL or BDAT that is refused.
const FOLLOWERS: [&str; 3] = ["RCPT", "DATA", "BDAT"];

impl Turn<'_> {
    /// Counts something that leads nowhere; false where it is one too many.
    pub(super) fn allows_junk(&mut self) -> bool {
        self.core.counts.junk += 1;
        self.core.counts.junk <= self.core.settings.limits.junk_max
    }
}

fn anything(_: &Settings, _: &[u8]) -> Result<(), Fixed> {
    Ok(())
}

// RFC 5321 4.1.1: these commands have no argument.
fn nothing(_: &Settings, argument: &[u8]) -> Result<(), Fixed> {
    match argument {
        b"" => Ok(()),
        _ => Err(replies::BAD_ARGUMENT),
    }
}

fn something(_: &Settings, argument: &[u8]) -> Result<(), Fixed> {
    match argument {
        b"" => Err(replies::BAD_ARGUMENT),
        _ => Ok(()),
    }
}

fn chunking(settings: &Settings, _: &[u8]) -> Result<(), Fixed> {
    let offered = settings.chunking.then_some(());
    offered.ok_or(replies::NOT_IMPLEMENTED)
}

// RFC 5321 7.3: there are no mailing lists here to expand.
fn unavailable(_: &Settings, _: &[u8]) -> Result<(), Fixed> {
    Err(replies::NOT_IMPLEMENTED)
}
