//! What is known between commands, and the commands that concern the session.

use crate::base::{ByteQueue, OneLine, ascii, secret};
use crate::proto::line::Found;
use crate::proto::smtp::command;
use crate::proto::smtp::trace::Protocol;

use super::content::Incoming;
use super::table::{self, Places};
use super::wait::Wait;
use super::{
    Action, CloseReason, Foreign, Phase, State, Step, Transaction, Turn, VerifyRequest, replies,
};

/// Where a session is when it awaits a command.
#[derive(Debug)]
pub(super) enum Session {
    /// No EHLO or HELO yet.
    Start,
    /// No transaction.
    Idle(Hello),
    /// A transaction without content.
    Transaction(Hello, Box<Transaction>),
    /// A transaction some of whose chunks have come.
    Chunks(Box<Incoming>),
}

/// How the client has introduced itself.
#[derive(Clone, Debug)]
pub(super) struct Hello {
    pub(super) name: OneLine,
    pub(super) protocol: Protocol,
}

impl Session {
    /// Reads a command and carries it out.
    pub(super) fn receive(self, turn: &mut Turn<'_>, input: &mut ByteQueue) -> Step {
        if let Some(foreign) = turn.sniff(input.as_slice()) {
            return Step::HangUp(State::Command(self), CloseReason::WrongProtocol(foreign));
        }
        match turn.core.framer.next(input) {
            Found::NeedMore => Step::Rest(State::Command(self)),
            Found::Line(mut line) => {
                turn.core.active_at = Some(turn.now);
                let step = table::dispatch(turn, self, &line);
                // It may have been the password of an AUTH command.
                secret::wipe(&mut line);
                step
            }
            Found::TooLong => {
                turn.say(replies::LINE_TOO_LONG);
                self.stay()
            }
            Found::Endless => Step::HangUp(State::Command(self), CloseReason::Overflow),
            Found::BadEnding => Step::HangUp(State::Command(self), CloseReason::BareLineEnd),
        }
    }

    /// Awaits the next command, with nothing changed.
    pub(super) fn stay(self) -> Step {
        Step::Next(State::Command(self))
    }

    pub(super) fn place(&self) -> Places {
        match self {
            Session::Start => Places::START,
            Session::Idle(_) => Places::IDLE,
            Session::Transaction(..) => Places::TRANSACTION,
            Session::Chunks(_) => Places::CHUNKS,
        }
    }

    pub(super) fn phase(&self) -> Phase {
        match self {
            Session::Start | Session::Idle(_) => Phase::Idle,
            Session::Transaction(..) => Phase::Transaction,
            Session::Chunks(_) => Phase::Content,
        }
    }

    pub(super) fn has_open_message(&self) -> bool {
        match self {
            Session::Chunks(incoming) => incoming.has_open_message(),
            _ => false,
        }
    }

    /// Ends the transaction, if there is one.
    pub(super) fn reset(self, turn: &mut Turn<'_>) -> Session {
        if self.has_open_message() {
            turn.out.push(Action::Discard);
        }
        match self {
            Session::Start => Session::Start,
            Session::Idle(hello) | Session::Transaction(hello, _) => Session::Idle(hello),
            Session::Chunks(incoming) => Session::Idle(incoming.into_hello()),
        }
    }
}

impl Turn<'_> {
    /// Looks at the very first octet: each SMTP command starts with a letter, and
    /// an empty or indented line is a mistake, but no other protocol's start.
    fn sniff(&mut self, input: &[u8]) -> Option<Foreign> {
        let first = *input.first().filter(|_| !self.core.has_spoken)?;
        self.core.has_spoken = true;
        match first {
            TLS_HANDSHAKE => Some(Foreign::Tls),
            b'\r' | b'\n' | b' ' | b'\t' => None,
            _ if first.is_ascii_alphabetic() => None,
            _ => Some(Foreign::Unknown),
        }
    }
}

/// The type of the first TLS record (RFC 8446 5.1), a control character in SMTP.
pub const TLS_HANDSHAKE: u8 = 0x16;

pub(super) fn ehlo(turn: &mut Turn<'_>, session: Session, argument: &[u8]) -> Step {
    hello(turn, session, argument, Protocol::Esmtp)
}

pub(super) fn helo(turn: &mut Turn<'_>, session: Session, argument: &[u8]) -> Step {
    hello(turn, session, argument, Protocol::Smtp)
}

// RFC 5321 4.1.4: EHLO in a transaction resets it, unless EHLO itself is wrong.
fn hello(turn: &mut Turn<'_>, session: Session, argument: &[u8], protocol: Protocol) -> Step {
    let Some(name) = command::hello_name(argument, turn.settings().path_rules) else {
        turn.say(replies::BAD_HELLO);
        return session.stay();
    };
    session.reset(turn);
    let extended = protocol == Protocol::Esmtp;
    let extensions = extended.then(|| turn.security_extensions());
    turn.send(replies::hello(turn.settings(), extensions));
    Session::Idle(Hello { name, protocol }).stay()
}

pub(super) fn rset(turn: &mut Turn<'_>, session: Session, _: &[u8]) -> Step {
    let session = session.reset(turn);
    turn.say(replies::STATE_RESET);
    session.stay()
}

pub(super) fn noop(turn: &mut Turn<'_>, session: Session, _: &[u8]) -> Step {
    turn.say(replies::OK);
    session.stay()
}

pub(super) fn help(turn: &mut Turn<'_>, session: Session, _: &[u8]) -> Step {
    let verbs = table::verbs(turn.settings());
    turn.send(replies::help(&verbs));
    session.stay()
}

pub(super) fn quit(_: &mut Turn<'_>, session: Session, _: &[u8]) -> Step {
    Step::HangUp(State::Command(session), CloseReason::Quit)
}

// RFC 5321 7.3: 252 tells nothing about who has a mailbox here.
pub(super) fn vrfy(turn: &mut Turn<'_>, session: Session, argument: &[u8]) -> Step {
    if let Err(reply) = turn.may_send_mail() {
        turn.say(reply);
        return session.stay();
    }
    let settings = turn.settings();
    let (subject, utf8) = match strip_smtputf8(argument) {
        Some(subject) if settings.smtputf8 => (subject, true),
        _ => (argument, false),
    };
    let clean = !subject.iter().any(u8::is_ascii_control) && std::str::from_utf8(subject).is_ok();
    let subject = OneLine::new(subject).filter(|subject| clean && !subject.is_empty());
    let asks = settings.verify && settings.vrfy;
    match subject {
        None => turn.say(replies::BAD_ARGUMENT),
        Some(subject) if !subject.as_bytes().is_ascii() && !utf8 => {
            turn.say(replies::UTF8_NOT_ALLOWED);
        }
        Some(recipient) if asks => {
            turn.out.push(Action::Verify(Box::new(VerifyRequest {
                recipient: recipient.clone(),
                sender: OneLine::default(),
                vrfy: true,
                mechanism: turn.core.access.mechanism(),
                identity: turn.core.access.identity(),
            })));
            return Step::Rest(State::Wait(Wait::Vrfy(session, recipient)));
        }
        Some(_) => turn.say(replies::CANNOT_VERIFY),
    }
    session.stay()
}

// RFC 6531 3.7.4.2: VRFY has the parameter SMTPUTF8 after its argument.
fn strip_smtputf8(argument: &[u8]) -> Option<&[u8]> {
    let (subject, word) = argument.split_at_checked(argument.len().checked_sub(9)?)?;
    ascii::eq(word, b" SMTPUTF8").then(|| ascii::trim(subject))
}
