//! The commands: in which state each is legal, and what it does.

use crate::base::{ByteQueue, ascii, secret};
use crate::proto::line::Found;

use super::login::Authorization;
use super::maildrop::Session;
use super::{CloseReason, State, Step, Turn};
use super::{capabilities, login, maildrop, responses};

/// A command line, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Command<'a> {
    pub(super) verb: &'a [u8],
    /// All after the one blank behind the verb.
    pub(super) rest: &'a [u8],
}

impl<'a> Command<'a> {
    // RFC 1939 3: keyword and arguments are separated by a single blank.
    pub(super) fn split(line: &'a [u8]) -> Command<'a> {
        let blank = line.iter().position(|octet| *octet == b' ');
        let (verb, rest) = match blank {
            Some(at) => (&line[..at], &line[at + 1..]),
            None => (line, &b""[..]),
        };
        Command { verb, rest }
    }

    /// The argument without blanks around it.
    pub(super) fn argument(&self) -> &'a [u8] {
        ascii::trim(self.rest)
    }
}

/// What a command does, in the state where it is legal.
#[derive(Clone, Copy)]
enum Act {
    /// Before the client has logged in.
    Authorization(fn(&mut Turn<'_>, Authorization, &Command<'_>) -> Step),
    /// After that.
    Transaction(fn(&mut Turn<'_>, Box<Session>, &Command<'_>) -> Step),
    /// At any time, without a change.
    Any(fn(&mut Turn<'_>, &State)),
    /// QUIT.
    Quit,
}

struct Entry {
    verb: &'static str,
    /// Whether it leads nowhere, so that its number is limited.
    junk: bool,
    act: Act,
}

#[rustfmt::skip]
const TABLE: &[Entry] = &[
    Entry { verb: "CAPA", junk: true,  act: Act::Any(capabilities::capa) },
    Entry { verb: "USER", junk: true,  act: Act::Authorization(login::user) },
    Entry { verb: "PASS", junk: true,  act: Act::Authorization(login::pass) },
    Entry { verb: "APOP", junk: true,  act: Act::Authorization(login::apop) },
    Entry { verb: "AUTH", junk: true,  act: Act::Authorization(login::auth) },
    Entry { verb: "STLS", junk: true,  act: Act::Authorization(login::stls) },
    Entry { verb: "STAT", junk: true,  act: Act::Transaction(maildrop::stat) },
    Entry { verb: "LIST", junk: false, act: Act::Transaction(maildrop::list) },
    Entry { verb: "UIDL", junk: false, act: Act::Transaction(maildrop::uidl) },
    Entry { verb: "RETR", junk: false, act: Act::Transaction(maildrop::retr) },
    Entry { verb: "TOP",  junk: false, act: Act::Transaction(maildrop::top) },
    Entry { verb: "DELE", junk: false, act: Act::Transaction(maildrop::dele) },
    Entry { verb: "NOOP", junk: true,  act: Act::Transaction(maildrop::noop) },
    Entry { verb: "RSET", junk: true,  act: Act::Transaction(maildrop::rset) },
    Entry { verb: "QUIT", junk: false, act: Act::Quit },
];

/// The type of the first TLS record (RFC 8446 5.1), a control character in POP.
pub const TLS_HANDSHAKE: u8 = 0x16;

impl Turn<'_> {
    /// Reads a command and carries it out.
    pub(super) fn next_command(&mut self, input: &mut ByteQueue, state: State) -> Step {
        if self.is_foreign(input.as_slice()) {
            return Step::HangUp(CloseReason::WrongProtocol);
        }
        match self.core.framer.next(input) {
            Found::NeedMore => Step::Rest(state),
            Found::Line(mut line) => {
                self.core.active_at = Some(self.now);
                let step = self.dispatch(state, &line);
                // It may have been a password.
                secret::wipe(&mut line);
                step
            }
            Found::TooLong => {
                self.say(responses::LINE_TOO_LONG);
                Step::Next(state)
            }
            Found::Endless => Step::HangUp(CloseReason::Overflow),
            Found::BadEnding => Step::HangUp(CloseReason::BareLineEnd),
        }
    }

    /// Looks at the very first octet: no command starts like a TLS record.
    fn is_foreign(&mut self, input: &[u8]) -> bool {
        let Some(first) = input.first().filter(|_| !self.core.has_spoken) else {
            return false;
        };
        self.core.has_spoken = true;
        *first == TLS_HANDSHAKE
    }

    fn dispatch(&mut self, state: State, line: &[u8]) -> Step {
        let command = Command::split(line);
        let is_named = |entry: &&Entry| ascii::eq(entry.verb.as_bytes(), command.verb);
        let entry = TABLE.iter().find(is_named);
        let is_known = matches!(state, State::Transaction(_));
        self.note_command(line, entry.map(|entry| entry.verb), is_known);
        // RFC 2449 4; RFC 5034 4 has longer lines for AUTH.
        let is_auth = entry.is_some_and(|entry| entry.verb == login::AUTH);
        if line.len() + 2 > self.settings().limits.command_line_max && !is_auth {
            self.say(responses::LINE_TOO_LONG);
            return Step::Next(state);
        }
        let Some(entry) = entry else {
            self.say(responses::UNKNOWN);
            return Step::Next(state);
        };
        if entry.junk && !self.allows_junk() {
            return Step::HangUp(CloseReason::TooMuchJunk);
        }
        match (entry.act, state) {
            (Act::Any(act), state) => {
                act(self, &state);
                Step::Next(state)
            }
            (Act::Authorization(act), State::Authorization(authorization)) => {
                act(self, authorization, &command)
            }
            (Act::Transaction(act), State::Transaction(session)) => act(self, session, &command),
            (Act::Quit, State::Transaction(session)) => maildrop::quit(self, &session),
            // RFC 1939 3: nothing is deleted by a QUIT before the client has logged in.
            (Act::Quit, _) => {
                self.say(responses::SIGNING_OFF);
                Step::HangUp(CloseReason::Quit)
            }
            (Act::Authorization(_) | Act::Transaction(_), state) => {
                self.say(responses::OUT_OF_PLACE);
                Step::Next(state)
            }
        }
    }

    /// Counts something that leads nowhere; false where it is one too many.
    fn allows_junk(&mut self) -> bool {
        self.core.counts.junk += 1;
        self.core.counts.junk <= self.core.settings.limits.junk_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_at_the_first_blank() {
        for (line, verb, rest, argument) in [
            ("STAT", "STAT", "", ""),
            ("RETR 1", "RETR", "1", "1"),
            ("RETR  1 ", "RETR", " 1 ", "1"),
            ("PASS  a b ", "PASS", " a b ", "a b"),
            ("", "", "", ""),
            (" PASS x", "", "PASS x", "PASS x"),
        ] {
            let command = Command::split(line.as_bytes());
            assert_eq!(command.verb, verb.as_bytes(), "{line}");
            assert_eq!(command.rest, rest.as_bytes(), "{line}");
            assert_eq!(command.argument(), argument.as_bytes(), "{line}");
        }
    }
}
