//! AUTH, and the exchange that follows it (RFC 4954).

use crate::base::{ByteQueue, OneLine, ascii, secret};
use crate::proto::line::Found;
use crate::proto::sasl::{self, Answer, ServerExchange};
use crate::proto::smtp::command::Command;

use super::replies::{self, Fixed};
use super::session::{Hello, Session};
use super::wait::Wait;
use super::{Action, CloseReason, Settings, State, Step, Turn};

pub(super) const VERB: &str = "AUTH";

/// The longest name that a mechanism may have, in octets (RFC 4422 3.1).
const NAME_MAX: usize = 20;

pub(super) fn offered(settings: &Settings, _: &[u8]) -> Result<(), Fixed> {
    let offered = settings.auth.as_ref().map(|_| ());
    offered.ok_or(replies::NOT_IMPLEMENTED)
}

// RFC 4954 4: AUTH mechanism [initial-response]
pub(super) fn auth(turn: &mut Turn<'_>, session: Session, argument: &[u8]) -> Step {
    let Session::Idle(hello) = session else {
        unreachable!("invariant: the table has AUTH where there is no transaction");
    };
    let Command {
        verb: name,
        argument: initial,
    } = Command::split(argument);
    let refusal = match name {
        _ if turn.must_encrypt() => Some(replies::TLS_REQUIRED),
        // RFC 4954 4: once is enough, until TLS makes the client a stranger again.
        _ if turn.core.access.is_authenticated() => {
            turn.warn("too many AUTH requests".to_owned());
            Some(replies::OUT_OF_SEQUENCE)
        }
        b"" => Some(replies::BAD_ARGUMENT),
        _ => None,
    };
    if let Some(reply) = refusal {
        turn.say(reply);
        return Session::Idle(hello).stay();
    }
    let mechanism = match turn.offer().accept(name) {
        Ok(mechanism) => mechanism,
        Err(answer) => return turn.refuse_mechanism(hello, name, answer),
    };
    turn.core.access.begin_exchange(mechanism);
    let initial = Some(initial).filter(|initial| !initial.is_empty());
    let domain = turn.settings().domain.to_string();
    let nonce = turn.core.access.nonce(&domain);
    let step = ServerExchange::start(mechanism, initial, nonce);
    turn.advance(hello, step)
}

/// An exchange that waits for the client.
#[derive(Debug)]
pub(super) struct Exchange {
    hello: Hello,
    exchange: ServerExchange,
}

impl Exchange {
    /// Takes a line, which is a response whatever it says.
    pub(super) fn receive(self, turn: &mut Turn<'_>, input: &mut ByteQueue) -> Step {
        let Exchange { hello, exchange } = self;
        match turn.core.framer.next(input) {
            Found::NeedMore => Step::Rest(State::Auth(Exchange { hello, exchange })),
            Found::Line(mut line) => {
                turn.core.active_at = Some(turn.now);
                turn.note_response();
                let step = exchange.respond(&line);
                secret::wipe(&mut line);
                turn.advance(hello, step)
            }
            Found::TooLong => turn.advance(hello, sasl::Step::Failed(Answer::LineTooLong)),
            Found::Endless => {
                let state = State::Command(Session::Idle(hello));
                Step::HangUp(state, CloseReason::Overflow)
            }
            Found::BadEnding => {
                let state = State::Command(Session::Idle(hello));
                Step::HangUp(state, CloseReason::BareLineEnd)
            }
        }
    }
}

/// Answers the client once its credentials have been checked, or its failure has
/// been held back for long enough.
pub(super) fn authenticated(
    turn: &mut Turn<'_>,
    hello: Hello,
    result: Result<OneLine, Answer>,
) -> Step {
    let session = Session::Idle(hello);
    let answer = match result {
        Ok(identity) => {
            turn.core.access.identify(identity);
            turn.core.counts.junk = 0;
            Answer::Succeeded
        }
        Err(answer) => answer,
    };
    if answer.is_failure() && turn.core.access.fail() {
        let reason = CloseReason::TooManyAuthFailures;
        return Step::HangUp(State::Command(session), reason);
    }
    turn.send(replies::answer(answer));
    session.stay()
}

/// Whether this is a mechanism's name, rather than a password in its place.
// RFC 4422 3.1: capital letters, digits, hyphens and underscores.
fn may_be_mechanism(name: &[u8]) -> bool {
    let fits =
        |octet: &u8| octet.is_ascii_uppercase() || octet.is_ascii_digit() || b"-_".contains(octet);
    name.len() <= NAME_MAX && name.iter().all(fits)
}

impl Turn<'_> {
    fn advance(&mut self, hello: Hello, step: sasl::Step) -> Step {
        match step {
            sasl::Step::Challenge { text, exchange } => {
                self.send(replies::challenge(&text));
                Step::Next(State::Auth(Exchange { hello, exchange }))
            }
            sasl::Step::Check(credentials) => {
                self.out.push(Action::Authenticate(Box::new(credentials)));
                Step::Rest(State::Wait(Wait::Authentication(hello)))
            }
            sasl::Step::Failed(answer) if answer.is_failure() => {
                self.out.push(Action::HoldBack(answer));
                Step::Rest(State::Wait(Wait::Authentication(hello)))
            }
            sasl::Step::Failed(answer) => {
                self.send(replies::answer(answer));
                Session::Idle(hello).stay()
            }
        }
    }

    /// Refuses a mechanism; that counts as an error, but not as a guess, since the
    /// initial response has not been read.
    // RFC 4954 4: 504 for one that is unknown, 534 and 538 for one that is not
    // for now.
    fn refuse_mechanism(&mut self, hello: Hello, name: &[u8], answer: Answer) -> Step {
        if let Some(text) = answer.warning() {
            let name = Some(name).filter(|name| may_be_mechanism(name));
            let name = name.map_or("[not logged]".to_owned(), ascii::escape);
            self.warn(format!("{text}: {name}"));
        }
        self.core.counts.errors += 1;
        self.send(replies::answer(answer));
        Session::Idle(hello).stay()
    }

    /// Warns of AUTH where there is none, in the words that log watchers know.
    pub(super) fn note_refusal(&mut self, verb: &str) {
        if verb == VERB {
            self.warn("client protocol error: AUTH requested but not advertised".to_owned());
        }
    }
}
