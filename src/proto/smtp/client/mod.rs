//! The client side of SMTP as a pure machine: what the server says, content and
//! time come in, actions go out.
//!
//! A session sends any number of messages, one after the other. Each message
//! handed in with [`Machine::send`] gets exactly one [`Action::Finished`], which
//! comes before any `Close`, and tells for every recipient what became of it. They
//! come in the order in which the messages were handed in.
//!
//! ```text
//! Greeting    220: Hello           refused: Quitting
//! Hello       250: Ready, or first StartTls, Authentication
//!                                  EHLO unknown: Hello, with HELO
//!                                  refused: Quitting
//! StartTls    220: Handshake       refused: Quitting
//! Handshake   secure: Hello, or Greeting where TLS comes first
//! Authentication                   334: Authentication
//!             235: Ready           refused, and nothing left to try: Quitting
//! Ready       send: Mailing        quit: Quitting
//! Mailing     all answered: Ready, or Quitting
//!                                  354 but some refused, strict: Closed
//! Quitting    any reply, or five seconds: Closed
//! ```
//!
//! From everywhere: 421, anything that is not a reply, a reply that nothing was
//! asked for, a wait that is too long and a lost connection lead to `Closed`,
//! with the messages on their way deferred.
//!
//! What goes on while there are messages is told in `mailing`.

mod authentication;
mod close;
mod context;
mod early;
mod extensions;
mod flight;
mod greeting;
mod hello;
mod mail_command;
mod mailing;
mod message;
mod outcome;
mod quitting;
mod replies;
mod settings;
mod starttls;
mod transaction;

use std::sync::Arc;
use std::time::Instant;

pub use close::{CloseReason, Stage};
pub use extensions::{Extensions, MECHANISMS_MAX};
pub use mailing::{IN_FLIGHT_MAX, IN_FLIGHT_OCTETS_MAX};
pub use message::{Body, Message};
pub use outcome::{Cause, EnhancedStatus, Outcome, PeerReply, REPLY_TEXT_MAX, RecipientOutcome};
pub use settings::{
    BLOCK_TIMEOUT_MIN, FINAL_REPLY_TIMEOUT_MIN, HANDSHAKE_TIMEOUT, Login, QUIT_TIMEOUT,
    RESPONSE_TIMEOUT, SESSION_MAX, Settings, Tls,
};

use self::authentication::Authentication;
use self::context::{Context, Session};
use self::greeting::Greeting;
use self::hello::Hello;
use self::mailing::Mailing;
use self::quitting::Quitting;
use self::starttls::{Handshake, StartTls};
use self::transaction::Transaction;
use super::reply_reader::{ReplyLines, ReplyReader};
use crate::base::secret::Secret;
use crate::base::{ByteQueue, OneLine};

/// What the driver has to do, in the order given.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Write these octets.
    Send(Vec<u8>),
    /// The same, with octets that must not get anywhere else.
    SendSecret(Secret),
    /// Make the connection secure, once all that was to be written is written, and
    /// call [`Machine::tls_established`] or [`Machine::tls_failed`]. Whatever the
    /// server has sent in clear and nobody has read yet is an attack.
    StartTls,
    /// A message may be handed in, and if all are finished the session may be ended.
    /// A `Close` that follows takes it back.
    Ready,
    /// Hand in the next piece of content of the youngest message. A `Finished` for
    /// that, or a `Close`, that comes first withdraws the request.
    NeedContent,
    /// The oldest message that was not finished is done with.
    Finished(Outcome),
    /// Hang up, without writing what could not be written yet. Nothing follows,
    /// but for the `Finished` of a message that is handed in all the same.
    Close(CloseReason),
    /// Log this as a warning.
    Note(OneLine),
    /// Log this: the server has accepted our login.
    Authenticated(OneLine),
    /// A command has been sent; only with [`Settings::note_commands`].
    Sent(OneLine),
    /// A line of a reply has come; only with [`Settings::note_commands`].
    Heard(OneLine),
}

/// One session with a server.
pub struct Machine {
    session: Session,
    reader: ReplyReader,
    state: State,
    /// Whether the server had begun to talk when we spoke last: what it says
    /// then cannot be the answer.
    is_early: bool,
}

enum State {
    Greeting(Greeting),
    Hello(Hello),
    StartTls(StartTls),
    Handshake(Handshake),
    Authentication(Authentication),
    Ready,
    Mailing(Mailing),
    Quitting(Quitting),
    Closed,
}

impl Machine {
    /// Begins a session on a connection that has just been made. With
    /// [`Tls::Implicit`] that is to be made secure first of all, without a
    /// [`Action::StartTls`] that says so.
    pub fn new(settings: Arc<Settings>, now: Instant) -> Machine {
        let is_implicit = settings.tls == Tls::Implicit;
        let mut session = Session::new(settings);
        let context = &mut Context {
            session: &mut session,
            now,
            out: &mut Vec::new(),
        };
        let state = match is_implicit {
            true => Handshake::begin_implicit(context),
            false => Greeting::begin(context),
        };
        Machine {
            session,
            reader: ReplyReader::new(),
            state,
            is_early: false,
        }
    }

    /// Takes a message in hand: legal after [`Action::Ready`]. Where the session
    /// has ended since, the message is deferred at once.
    pub fn send(&mut self, now: Instant, message: Message, out: &mut Vec<Action>) {
        let is_interrupted = self.reader.is_midway();
        self.step(now, out, |state, context| {
            let settings = &context.session.settings;
            let offers = &context.session.extensions;
            let transaction = Transaction::new(message, settings, offers);
            match state {
                State::Ready if is_interrupted => {
                    let reason = CloseReason::Interrupted(Stage::Ready);
                    context.drop_message(transaction, reason)
                }
                State::Ready => Mailing::begin(context, transaction),
                State::Mailing(mailing) if mailing.is_ready() => mailing.add(context, transaction),
                State::Quitting(_) | State::Closed => {
                    context.finish(transaction.lose(false, false, &CloseReason::Abandoned));
                    state
                }
                _ => panic!("invariant: a message is handed in only when ready"),
            }
        });
    }

    /// Hands in the next piece of content, at most 64 KiB or so, in answer to
    /// [`Action::NeedContent`]; `last` says that it ends there. Ignored where no
    /// content is wanted any more.
    pub fn content(&mut self, now: Instant, chunk: &[u8], last: bool, out: &mut Vec<Action>) {
        let is_midway = self.reader.is_midway();
        let interrupted = CloseReason::Interrupted(Stage::Content);
        self.step(now, out, |state, context| match state {
            State::Mailing(mailing) if !mailing.wants_content() => State::Mailing(mailing),
            State::Mailing(mailing) if is_midway && mailing.is_answered() => {
                mailing.lose(context, interrupted)
            }
            State::Mailing(mailing) => mailing.content(context, chunk, last),
            state => state,
        });
    }

    /// Takes what the server sent; consumes all of it.
    pub fn receive(&mut self, now: Instant, input: &mut ByteQueue, out: &mut Vec<Action>) {
        if self.is_handshaking() && !input.is_empty() {
            self.fail(now, CloseReason::InjectedBeforeTls, out);
        }
        self.session.moment += 1;
        self.take_in(now, input, out);
        self.session.moment += 1;
    }

    fn take_in(&mut self, now: Instant, input: &mut ByteQueue, out: &mut Vec<Action>) {
        while !self.is_closed() {
            if !self.reader.is_midway() {
                self.session.begun_at = self.session.moment;
            }
            match self.reader.read(input) {
                Ok(None) => return,
                Ok(Some(reply)) => self.reply(now, &reply, !input.is_empty(), out),
                Err(fault) => self.fail(now, CloseReason::Malformed(fault), out),
            }
        }
        input.clear();
    }

    /// Tells that the connection is secure now. Without effect where no handshake is
    /// waited for.
    pub fn tls_established(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.step(now, out, |state, context| match state {
            State::Handshake(handshake) => handshake.established(context),
            state => state,
        });
    }

    /// Tells that the connection cannot be made secure.
    pub fn tls_failed(&mut self, now: Instant, reason: OneLine, out: &mut Vec<Action>) {
        self.fail(now, CloseReason::TlsFailed(reason), out);
    }

    /// Whether the driver owes [`Machine::tls_established`].
    pub fn is_handshaking(&self) -> bool {
        matches!(self.state, State::Handshake(_))
    }

    /// Ends the session: with QUIT where all messages are finished, otherwise at
    /// once, and then those that are not are deferred.
    pub fn quit(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.step(now, out, |state, context| match state {
            State::Ready => Quitting::begin(context, CloseReason::Quit),
            State::Mailing(mailing) => mailing.quit(context),
            State::Quitting(_) => state,
            state => state.fail(context, CloseReason::Abandoned),
        });
    }

    /// Tells that [`Machine::deadline`] has passed; without effect where it has not.
    pub fn timeout(&mut self, now: Instant, out: &mut Vec<Action>) {
        let has_passed = |deadline: Option<Instant>| deadline.is_some_and(|time| time <= now);
        let is_attempt_over = has_passed(self.session.attempt_until);
        if !is_attempt_over && !has_passed(self.session.wait_until) {
            return;
        }
        let stage = self.state.stage();
        self.step(now, out, |state, context| match state {
            state if is_attempt_over => state.fail(context, CloseReason::TooSlow(stage)),
            State::Greeting(greeting) => greeting.give_up(context),
            state => state.fail(context, CloseReason::Timeout(stage)),
        });
    }

    /// Tells that the connection is lost, after all that had come was received.
    pub fn peer_closed(&mut self, now: Instant, reason: OneLine, out: &mut Vec<Action>) {
        self.fail(now, CloseReason::PeerClosed(reason), out);
    }

    /// When [`Machine::timeout`] has to be called; nothing between messages.
    pub fn deadline(&self) -> Option<Instant> {
        let deadlines = [self.session.wait_until, self.session.attempt_until];
        deadlines.into_iter().flatten().min()
    }

    /// Whether the session is over.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// About how many messages may be on their way at a time.
    pub fn window(&self) -> usize {
        let settings = &self.session.settings;
        let Extensions {
            pipelining,
            chunking,
            ..
        } = self.session.extensions;
        let window = match settings.pipelining && pipelining {
            true if settings.chunking && chunking => IN_FLIGHT_MAX,
            true => 2,
            false => 1,
        };
        window.min(settings.in_flight_max)
    }

    /// Whether content goes out with BDAT where the server offers it.
    pub fn is_chunking(&self) -> bool {
        self.session.settings.chunking
    }

    /// What the server offers; nothing before the first `Ready`.
    pub fn extensions(&self) -> &Extensions {
        &self.session.extensions
    }

    fn reply(&mut self, now: Instant, reply: &ReplyLines, has_more: bool, out: &mut Vec<Action>) {
        let is_early = self.is_early;
        let start = out.len();
        self.step(now, out, |state, context| {
            context.note_heard(reply);
            // RFC 5321 3.8: a server about to close may say 421 at any time.
            if reply.code == 421 {
                return state.fail(context, CloseReason::Announced(PeerReply::from(reply)));
            }
            if is_early || !state.awaits_reply() {
                let reason = CloseReason::OutOfStep(state.stage(), PeerReply::from(reply));
                return state.fail(context, reason);
            }
            state.reply(context, reply, has_more)
        });
        let has_spoken = out[start..]
            .iter()
            .any(|one| matches!(one, Action::Send(_) | Action::SendSecret(_)));
        // There, each command knows for itself.
        let is_mailing = matches!(self.state, State::Mailing(_));
        self.is_early = has_spoken && has_more && !is_mailing;
    }

    fn fail(&mut self, now: Instant, reason: CloseReason, out: &mut Vec<Action>) {
        self.step(now, out, |state, context| state.fail(context, reason));
    }

    /// Replaces the state by what `transition` makes of it; a panic in between
    /// leaves the session closed.
    fn step(
        &mut self,
        now: Instant,
        out: &mut Vec<Action>,
        transition: impl FnOnce(State, &mut Context<'_>) -> State,
    ) {
        let state = std::mem::replace(&mut self.state, State::Closed);
        let session = &mut self.session;
        self.state = transition(state, &mut Context { session, now, out });
    }
}

impl State {
    fn reply(self, context: &mut Context<'_>, reply: &ReplyLines, has_more: bool) -> State {
        match self {
            State::Greeting(greeting) => greeting.reply(context, reply),
            State::Hello(hello) => hello.reply(context, reply),
            State::StartTls(starttls) => starttls.reply(context, reply, has_more),
            State::Authentication(authentication) => authentication.reply(context, reply),
            State::Mailing(mailing) => mailing.reply(context, reply),
            State::Quitting(quitting) => quitting.end(context),
            State::Handshake(_) | State::Ready | State::Closed => self,
        }
    }

    /// Ends the session, and before that the messages on their way.
    fn fail(self, context: &mut Context<'_>, reason: CloseReason) -> State {
        match self {
            State::Mailing(mailing) => mailing.lose(context, reason),
            State::Greeting(_)
            | State::Hello(_)
            | State::StartTls(_)
            | State::Handshake(_)
            | State::Authentication(_)
            | State::Ready => context.close(reason),
            State::Quitting(quitting) => quitting.end(context),
            State::Closed => State::Closed,
        }
    }

    /// Whether something was asked that the server has not answered.
    fn awaits_reply(&self) -> bool {
        match self {
            State::Handshake(_) | State::Ready | State::Closed => false,
            State::Mailing(mailing) => !mailing.is_answered(),
            _ => true,
        }
    }

    fn stage(&self) -> Stage {
        match self {
            State::Greeting(_) => Stage::Greeting,
            State::Hello(_) => Stage::Hello,
            State::StartTls(_) => Stage::StartTls,
            State::Handshake(_) => Stage::Handshake,
            State::Authentication(_) => Stage::Authentication,
            State::Ready => Stage::Ready,
            State::Mailing(mailing) => mailing.stage(),
            State::Quitting(_) | State::Closed => Stage::Quit,
        }
    }
}

#[cfg(test)]
mod tests;
