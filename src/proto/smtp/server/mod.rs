//! The server's side of an SMTP session as a pure machine.
//!
//! It is given bytes, the time and the outcomes of what it asked for, and says
//! what to do. It does its own framing: however the input is cut, the actions
//! are the same, but for where `Content` is cut. It never looks at a clock, and
//! it never consumes input while it waits for an [`Event`].
//!
//! ```text
//!                 greet                 EHLO, HELO
//!   Connected ------------> Start ----------------------> Idle <-----------+
//!                                                       |   ^ RSET, EHLO,  |
//!                                                  MAIL |   | HELO, refusal|
//!                                                       v   |              |
//!            +--- RCPT, Verified --> Recipient wait   Transaction          |
//!            +-------------------------------------->   |   |              |
//!                                                       |   |              |
//!                 +-------------- BDAT -----------------+   | DATA         |
//!                 v                                         v              |
//!               Chunk  --- end of chunk --> Chunks       Content           |
//!                 |    <------ BDAT -------   | RSET        |              |
//!                 |                           v             |              |
//!                 |                          Idle           |              |
//!                 +----- end of the last ----> Commit <-----+              |
//!                                                |        end of content   |
//!                                                +-- wait, Stored ---------+
//!
//!   VRFY and its wait lead back to where it came from, a refused chunk is
//!   swallowed on the way to Start or Idle, and everything can lead to Closed.
//! ```
//!
//! Files: `table` dispatches commands, `session` has those that concern the
//! session, `transaction` MAIL and RCPT, `content` DATA and BDAT, `wait` the
//! events. `starttls` and `auth` have the commands of these names, `access` what
//! they come to and who may do what, `log` what of a command may be logged.

mod access;
mod action;
mod auth;
mod close;
mod content;
mod log;
mod replies;
mod session;
mod settings;
mod starttls;
mod table;
mod transaction;
mod wait;

use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::ByteQueue;
use crate::proto::line::Framer;
use crate::proto::sasl;
use crate::proto::smtp::reply::Reply;

pub use access::{Admission, Client};
pub use action::{Action, ContentFacts, Event, Recipient, Transaction, Verdict, VerifyRequest};
pub use close::{CloseReason, Foreign};
pub use settings::{Limits, Settings, StrayLineEnds};

use access::Access;
use auth::Exchange;
use content::{Incoming, Swallow};
use replies::Fixed;
pub use session::TLS_HANDSHAKE;

use session::Session;
use wait::Wait;

/// An SMTP session, from the greeting to the close.
#[derive(Debug)]
pub struct Machine {
    core: Core,
    state: State,
}

/// How far a session is, for those who want to end it politely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No transaction: nothing is lost by ending the session now.
    Idle,
    /// Between MAIL and the content.
    Transaction,
    /// Content is coming in.
    Content,
    /// A message is being stored: its fate is about to be told.
    Storing,
    /// The session has ended.
    Closed,
}

impl Machine {
    /// Makes the machine for a new connection; [`Machine::greet`] comes next.
    pub fn new(settings: Arc<Settings>, client: Client) -> Machine {
        Machine {
            core: Core {
                framer: framer(&settings),
                access: Access::new(client),
                counts: Counts::default(),
                active_at: None,
                has_spoken: false,
                after_auth: false,
                leaving: None,
                settings,
            },
            state: State::Connected,
        }
    }

    /// Tells who may do what, before the greeting and whenever that has changed.
    pub fn admit(&mut self, admission: Admission) {
        self.core.access.admit(admission);
    }

    /// The TLS handshake is done: that after [`Action::StartTls`], or one before
    /// [`Machine::greet`]. All that the client has said before is forgotten.
    // RFC 3207 4.2
    pub fn encrypted(&mut self, now: Instant) {
        self.core.access.encrypt();
        if matches!(self.state, State::Wait(Wait::Tls)) {
            self.core.framer = framer(&self.core.settings);
            self.core.has_spoken = false;
            self.core.active_at = Some(now);
            self.state = State::Command(Session::Start);
        }
    }

    /// Ends the session for a reason that only the driver can know of.
    pub fn abort(&mut self, reason: CloseReason, out: &mut Vec<Action>) {
        self.hang_up(reason, out);
    }

    /// Greets the client, or sends it away if input was there before the greeting.
    // RFC 5321 3.1: the client waits for the greeting.
    pub fn greet(&mut self, now: Instant, input_waiting: bool, out: &mut Vec<Action>) {
        if !matches!(self.state, State::Connected) {
            return;
        }
        self.core.active_at = Some(now);
        self.state = State::Command(Session::Start);
        if input_waiting && self.core.settings.refuse_early_talkers {
            self.hang_up(CloseReason::EarlyTalker, out);
        } else {
            out.push(Action::Reply(replies::greeting(&self.core.settings)));
        }
    }

    /// Consumes what it can of the input: all of it but an unfinished command,
    /// up to where it has to wait or the session ends. The queue must be able to
    /// hold a command line of [`Limits::command_line_max`].
    pub fn receive(&mut self, now: Instant, input: &mut ByteQueue, out: &mut Vec<Action>) {
        while self.wants_input() {
            let state = mem::replace(&mut self.state, State::Closed);
            let mut turn = Turn {
                core: &mut self.core,
                now,
                out,
            };
            let step = match state {
                State::Command(session) => session.receive(&mut turn, input),
                State::Auth(exchange) => exchange.receive(&mut turn, input),
                State::Content(incoming) => incoming.receive(&mut turn, input),
                State::Swallow(swallow) => swallow.receive(&mut turn, input),
                state @ (State::Connected | State::Wait(_) | State::Closed) => Step::Rest(state),
            };
            if !self.take(step, out) {
                break;
            }
        }
    }

    /// Ends the wait for the outcome of what an [`Action`] asked for.
    /// Input that is waiting can be received after it. Does nothing once the
    /// session has been closed.
    pub fn resume(&mut self, now: Instant, event: Event, out: &mut Vec<Action>) {
        match mem::replace(&mut self.state, State::Closed) {
            State::Wait(wait) => {
                self.core.active_at = Some(now);
                let mut turn = Turn {
                    core: &mut self.core,
                    now,
                    out,
                };
                let step = wait.resume(&mut turn, event);
                self.take(step, out);
            }
            state => self.state = state,
        }
    }

    /// Ends the session if [`Machine::deadline`] has passed.
    pub fn timeout(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        let idle_timeout = self.core.settings.idle_timeout;
        let is_idle = self
            .core
            .idle_deadline()
            .is_some_and(|deadline| deadline <= now);
        let reason = match idle_timeout.filter(|_| is_idle) {
            Some(time) => CloseReason::IdleTimeout(time),
            None => CloseReason::SlowContent,
        };
        self.hang_up(reason, out);
    }

    /// When the client's patience with itself must end: for the command or the
    /// next octets of content, or for its pace. None while it waits for us.
    pub fn deadline(&self) -> Option<Instant> {
        let idle = self.core.idle_deadline();
        let limits = &self.core.settings.limits;
        let pace = match &self.state {
            State::Command(_) | State::Auth(_) => None,
            State::Content(incoming) => Some(incoming.pace()),
            State::Swallow(swallow) => Some(swallow.pace()),
            State::Connected | State::Wait(_) | State::Closed => return None,
        };
        let pace =
            pace.and_then(|pace| pace.deadline(limits.content_grace, limits.content_rate_min));
        [idle, pace].into_iter().flatten().min()
    }

    /// Moves the deadline by a delay that was not the client's: say, by the time
    /// for which its input was left unread because the disk was slow.
    pub fn excuse(&mut self, delay: Duration) {
        self.core.active_at = self.core.active_at.and_then(|at| at.checked_add(delay));
        match &mut self.state {
            State::Content(incoming) => incoming.pace_mut().excuse(delay),
            State::Swallow(swallow) => swallow.pace_mut().excuse(delay),
            _ => {}
        }
    }

    /// Ends the session because the server stops: at once, or after the reply if
    /// a message is being stored.
    // RFC 5321 3.8: with 421, not just by closing.
    pub fn shut_down(&mut self, out: &mut Vec<Action>) {
        self.leave(CloseReason::ShuttingDown, out);
    }

    /// Ends the session because the client has closed the connection: to be
    /// called once it has no input left and waits for no event, or when nothing
    /// can be sent to it any more. A message that is being stored is kept.
    pub fn peer_closed(&mut self, out: &mut Vec<Action>) {
        self.leave(CloseReason::PeerClosed, out);
    }

    /// Whether input would be consumed.
    pub fn wants_input(&self) -> bool {
        match self.state {
            State::Command(_) | State::Auth(_) => true,
            State::Content(_) | State::Swallow(_) => true,
            State::Connected | State::Wait(_) | State::Closed => false,
        }
    }

    /// How far the session is.
    pub fn phase(&self) -> Phase {
        match &self.state {
            State::Connected => Phase::Idle,
            State::Command(session) => session.phase(),
            State::Content(_) => Phase::Content,
            State::Auth(_) | State::Swallow(_) => Phase::Idle,
            State::Wait(wait) => wait.phase(),
            State::Closed => Phase::Closed,
        }
    }

    /// Takes the outcome of a step; says whether another is to follow.
    fn take(&mut self, step: Step, out: &mut Vec<Action>) -> bool {
        let (state, go_on) = match step {
            Step::Next(state) => (state, true),
            Step::Rest(state) => (state, false),
            Step::HangUp(state, reason) => {
                self.state = state;
                self.hang_up(reason, out);
                return false;
            }
        };
        self.state = state;
        let (counts, limits) = (&self.core.counts, &self.core.settings.limits);
        if counts.errors >= limits.errors_max {
            self.hang_up(CloseReason::TooManyErrors, out);
        } else if counts.refused >= limits.refused_max {
            self.hang_up(CloseReason::TooManyRefused, out);
        }
        go_on
    }

    fn leave(&mut self, reason: CloseReason, out: &mut Vec<Action>) {
        match self.state {
            State::Wait(Wait::Stored(_)) => self.core.leaving = Some(reason),
            _ => self.hang_up(reason, out),
        }
    }

    /// Closes, the only way to do so.
    fn hang_up(&mut self, reason: CloseReason, out: &mut Vec<Action>) {
        let state = mem::replace(&mut self.state, State::Closed);
        if matches!(state, State::Closed) {
            return;
        }
        if state.has_open_message() {
            out.push(Action::Discard);
        }
        if let Some(reply) = reason.farewell() {
            out.push(Action::Reply(reply.into()));
        }
        out.push(Action::Close(reason));
    }
}

/// What the session awaits, with all that is only known then.
#[derive(Debug)]
enum State {
    /// To be greeted.
    Connected,
    /// A command.
    Command(Session),
    /// The client's response to a challenge.
    Auth(Exchange),
    /// Octets of content, after DATA or BDAT.
    Content(Box<Incoming>),
    /// The octets of a chunk that has been refused.
    Swallow(Swallow),
    /// An event.
    Wait(Wait),
    /// Nothing any more.
    Closed,
}

impl State {
    /// Whether the driver holds a message that it has not been told to forget.
    fn has_open_message(&self) -> bool {
        match self {
            State::Command(session) => session.has_open_message(),
            State::Content(incoming) => incoming.has_open_message(),
            State::Wait(wait) => wait.has_open_message(),
            State::Connected | State::Auth(_) => false,
            State::Swallow(_) | State::Closed => false,
        }
    }
}

/// What a state has come to.
enum Step {
    /// On with the next state, at once.
    Next(State),
    /// The state is to be kept until there is more input.
    Rest(State),
    /// Close, from this state and for this reason.
    HangUp(State, CloseReason),
}

/// What all states share.
#[derive(Debug)]
struct Core {
    settings: Arc<Settings>,
    framer: Framer,
    access: Access,
    counts: Counts,
    /// Since when we have been waiting for the client.
    active_at: Option<Instant>,
    has_spoken: bool,
    /// Whether nothing but unknown commands has come since AUTH.
    after_auth: bool,
    /// Why to close once the message is stored.
    leaving: Option<CloseReason>,
}

impl Core {
    fn idle_deadline(&self) -> Option<Instant> {
        self.active_at?.checked_add(self.settings.idle_timeout?)
    }
}

/// What the client has used up of its limits.
#[derive(Debug, Default)]
struct Counts {
    errors: u32,
    junk: u32,
    transactions: u32,
    /// Recipients that were refused since the last message was stored.
    refused: u32,
    /// How many of the next 503 replies only follow from an earlier refusal.
    // RFC 2920 3.1: a client that pipelines sends the rest of the group anyway.
    forgiven: usize,
}

/// What a step works with.
struct Turn<'a> {
    core: &'a mut Core,
    now: Instant,
    out: &'a mut Vec<Action>,
}

impl Turn<'_> {
    fn settings(&self) -> &Settings {
        &self.core.settings
    }

    /// Replies, and counts the reply if it is to a protocol error.
    fn say(&mut self, reply: Fixed) {
        let counts = &mut self.core.counts;
        if reply == replies::OUT_OF_SEQUENCE && counts.forgiven > 0 {
            counts.forgiven -= 1;
        } else if reply.is_protocol_error() {
            counts.errors += 1;
        }
        self.send(reply.into());
    }

    fn send(&mut self, reply: Reply) {
        self.out.push(Action::Reply(reply));
    }

    /// Notes that the transaction has just been refused as a whole, so that what
    /// a pipelining client had already sent of it is not held against it.
    fn forgive_followers(&mut self) {
        // All recipients, and DATA.
        self.core.counts.forgiven = self.core.settings.limits.recipients_max + 1;
    }
}

/// Frames the longest line that any command may have.
fn framer(settings: &Settings) -> Framer {
    let limits = &settings.limits;
    // RFC 4954 4: the limit of all lines that have to do with AUTH.
    let auth_max = settings.auth.as_ref().map_or(0, |_| sasl::LINE_MAX);
    Framer::new(
        limits.command_line_max.max(auth_max),
        limits.command_swallow_max,
    )
}
