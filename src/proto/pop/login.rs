//! The commands of the authorization state: USER and PASS, APOP, AUTH, STLS.

use crate::base::secret::Secret;
use crate::base::{ByteQueue, OneLine, ascii, secret};
use crate::proto::line::Found;
use crate::proto::sasl::{
    self, Answer, Channel, Credentials, FIELD_MAX, Given, Mechanism, Offer, ServerExchange,
};

use super::table::Command;
use super::wait::Wait;
use super::{Action, CloseReason, State, Step, Turn, responses};

pub(super) const AUTH: &str = "AUTH";

/// The longest name that a mechanism may have, in octets (RFC 4422 3.1).
const NAME_MAX: usize = 20;

/// A client that has not logged in.
#[derive(Debug, Default)]
pub(super) struct Authorization {
    /// The user name, after USER.
    user: Option<Vec<u8>>,
}

impl Authorization {
    pub(super) fn stay(self) -> Step {
        Step::Next(State::Authorization(self))
    }
}

/// Starts over, as after each attempt: RFC 1939 7 has USER again after a failure.
fn again() -> Step {
    Authorization::default().stay()
}

/// Any name is well, so that nobody learns which users there are.
pub(super) fn user(turn: &mut Turn<'_>, _: Authorization, command: &Command<'_>) -> Step {
    let name = command.argument();
    if let Some(refusal) = turn.password_refusal() {
        turn.say(refusal);
        return again();
    }
    if name.is_empty() {
        turn.say(responses::BAD_ARGUMENT);
        return again();
    }
    turn.say(responses::OK);
    let user = Some(name.to_vec());
    Authorization { user }.stay()
}

// RFC 1939 7: all after the blank is the password, blanks and all.
pub(super) fn pass(
    turn: &mut Turn<'_>,
    authorization: Authorization,
    command: &Command<'_>,
) -> Step {
    let Some(id) = authorization.user else {
        turn.say(responses::OUT_OF_PLACE);
        return again();
    };
    if let Some(refusal) = turn.password_refusal() {
        turn.say(refusal);
        return again();
    }
    let given = Given::Password(Secret::new(command.rest));
    turn.check(Mechanism::Plain, id, given)
}

// RFC 1939 7: APOP name digest
pub(super) fn apop(turn: &mut Turn<'_>, _: Authorization, command: &Command<'_>) -> Step {
    let Some(timestamp) = turn.core.timestamp.clone() else {
        turn.say(responses::NO_APOP);
        return again();
    };
    let argument = command.argument();
    let Some(blank) = argument.iter().rposition(|octet| *octet == b' ') else {
        turn.say(responses::BAD_ARGUMENT);
        return again();
    };
    let (name, digest) = (&argument[..blank], &argument[blank + 1..]);
    let given = Given::Digest {
        timestamp,
        digest: digest.to_vec(),
    };
    turn.check(Mechanism::Apop, ascii::trim(name).to_vec(), given)
}

// RFC 5034 4: AUTH mechanism [initial-response]
pub(super) fn auth(turn: &mut Turn<'_>, _: Authorization, command: &Command<'_>) -> Step {
    let Command { verb: name, rest } = Command::split(command.argument());
    let initial = ascii::trim(rest);
    if turn.must_encrypt() {
        turn.say(responses::NEEDS_TLS);
        return again();
    }
    if name.is_empty() {
        turn.list_mechanisms();
        return again();
    }
    let offer = turn.offer();
    let mechanism = match offer.accept(name) {
        Ok(mechanism) => mechanism,
        Err(answer) => return turn.refuse_mechanism(name, answer),
    };
    let initial = Some(initial).filter(|initial| !initial.is_empty());
    let domain = turn.settings().domain.to_string();
    let nonce = turn.core.nonces.next(&domain);
    let step = ServerExchange::start(mechanism, initial, nonce);
    turn.advance(step)
}

// RFC 2595 4
pub(super) fn stls(
    turn: &mut Turn<'_>,
    authorization: Authorization,
    command: &Command<'_>,
) -> Step {
    let refusal = match turn.offers_stls() {
        false if turn.core.channel == Channel::Encrypted => Some(responses::OUT_OF_PLACE),
        false => Some(responses::NO_TLS),
        true if !command.argument().is_empty() => Some(responses::BAD_ARGUMENT),
        true => None,
    };
    if let Some(refusal) = refusal {
        turn.say(refusal);
        return authorization.stay();
    }
    turn.say(responses::START_TLS);
    turn.out.push(Action::StartTls);
    Step::Rest(State::Wait(Wait::Tls))
}

/// An exchange that waits for the client.
#[derive(Debug)]
pub(super) struct Exchange(ServerExchange);

impl Exchange {
    /// Takes a line, which is a response whatever it says.
    pub(super) fn receive(self, turn: &mut Turn<'_>, input: &mut ByteQueue) -> Step {
        match turn.core.framer.next(input) {
            Found::NeedMore => Step::Rest(State::Exchange(self)),
            Found::Line(mut line) => {
                turn.core.active_at = Some(turn.now);
                turn.note_response();
                let step = self.0.respond(&line);
                secret::wipe(&mut line);
                turn.advance(step)
            }
            Found::TooLong => turn.advance(sasl::Step::Failed(Answer::LineTooLong)),
            Found::Endless => Step::HangUp(CloseReason::Overflow),
            Found::BadEnding => Step::HangUp(CloseReason::BareLineEnd),
        }
    }
}

/// Goes on once the credentials have been checked, or a failure has been held back
/// for long enough.
pub(super) fn authenticated(turn: &mut Turn<'_>, result: Result<OneLine, Answer>) -> Step {
    match result {
        Ok(user) => {
            turn.out.push(Action::Open(user));
            Step::Rest(State::Wait(Wait::Opened))
        }
        Err(answer) => turn.fail(answer),
    }
}

impl Turn<'_> {
    /// Greets, with what APOP needs where that is safe.
    // RFC 1939 7: the timestamp has the form of a message id.
    pub(super) fn greet(&mut self) {
        let domain = self.settings().domain.to_string();
        if self.offers_apop() {
            self.core.timestamp = Some(self.core.nonces.next(&domain).challenge());
        }
        let mut text = b"+OK POP3 server ready".to_vec();
        if let Some(timestamp) = &self.core.timestamp {
            text.push(b' ');
            text.extend_from_slice(timestamp);
        }
        self.send(responses::line(text));
    }

    /// The mechanisms for the connection as it is now.
    pub(super) fn offer(&self) -> Offer {
        match self.must_encrypt() {
            true => Offer::default(),
            false => Offer::new(&self.core.kinds, &self.settings().auth, self.core.channel),
        }
    }

    pub(super) fn offers_stls(&self) -> bool {
        self.settings().stls && self.core.channel != Channel::Encrypted
    }

    pub(super) fn must_encrypt(&self) -> bool {
        self.settings().tls_required && self.core.channel != Channel::Encrypted
    }

    /// Whether USER and PASS may be used: they show the password as PLAIN does.
    pub(super) fn may_send_password(&self) -> bool {
        self.offer().mechanisms().contains(&Mechanism::Plain)
    }

    /// What is wrong with sending a password now.
    fn password_refusal(&self) -> Option<responses::Fixed> {
        let offer = self.offer();
        match offer.accept(Mechanism::Plain.name().as_bytes()) {
            _ if self.must_encrypt() => Some(responses::NEEDS_TLS),
            Ok(_) => None,
            Err(Answer::EncryptionNeeded) => Some(responses::NEEDS_TLS),
            Err(_) => Some(responses::NO_PASSWORDS),
        }
    }

    /// Whether APOP is safe: who can put words into the connection can get at the
    /// password by it (CVE-2007-1558), so it counts as showing it.
    fn offers_apop(&self) -> bool {
        let config = &self.settings().auth;
        self.core.kinds.passwords
            && !self.must_encrypt()
            && !config
                .select(&[Mechanism::Apop], self.core.channel)
                .is_empty()
    }

    fn list_mechanisms(&mut self) {
        let mut lines = responses::MECHANISMS.render();
        for mechanism in self.offer().mechanisms() {
            lines.extend(responses::line(mechanism.name()));
        }
        lines.extend_from_slice(responses::END);
        self.send(lines);
    }

    /// Has credentials checked that may be right.
    fn check(&mut self, mechanism: Mechanism, id: Vec<u8>, given: Given) -> Step {
        let is_empty = match &given {
            Given::Password(password) => password.is_empty(),
            Given::Proof { .. } | Given::Digest { .. } => false,
        };
        if id.is_empty() || id.len() > FIELD_MAX || is_empty {
            return self.advance(sasl::Step::Failed(Answer::Rejected));
        }
        self.advance(sasl::Step::Check(Credentials {
            mechanism,
            id,
            given,
        }))
    }

    fn advance(&mut self, step: sasl::Step) -> Step {
        match step {
            sasl::Step::Challenge { text, exchange } => {
                self.send(responses::challenge(&text));
                Step::Next(State::Exchange(Exchange(exchange)))
            }
            sasl::Step::Check(credentials) => {
                self.out.push(Action::Authenticate(Box::new(credentials)));
                Step::Rest(State::Wait(Wait::Authenticated))
            }
            sasl::Step::Failed(answer) if answer.is_failure() => {
                self.out.push(Action::HoldBack(answer));
                Step::Rest(State::Wait(Wait::Authenticated))
            }
            sasl::Step::Failed(answer) => self.fail(answer),
        }
    }

    pub(super) fn fail(&mut self, answer: Answer) -> Step {
        if answer.is_failure() && self.core.attempts.failed() {
            return Step::HangUp(CloseReason::TooManyAuthFailures);
        }
        self.send(responses::answer(answer));
        again()
    }

    /// Refuses a mechanism; that counts as an error, but not as a guess, since the
    /// initial response has not been read.
    fn refuse_mechanism(&mut self, name: &[u8], answer: Answer) -> Step {
        if let Some(text) = answer.warning() {
            let name = Some(name).filter(|name| may_be_mechanism(name));
            let name = name.map_or("[not logged]".to_owned(), ascii::escape);
            self.warn(format!("{text}: {name}"));
        }
        self.core.counts.errors += 1;
        self.send(responses::answer(answer));
        again()
    }
}

/// Whether this is a mechanism's name, rather than a password in its place.
// RFC 4422 3.1: capital letters, digits, hyphens and underscores.
fn may_be_mechanism(name: &[u8]) -> bool {
    let fits =
        |octet: &u8| octet.is_ascii_uppercase() || octet.is_ascii_digit() || b"-_".contains(octet);
    name.len() <= NAME_MAX && name.iter().all(fits)
}
