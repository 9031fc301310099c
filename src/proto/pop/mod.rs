//! The server's side of a POP3 session as a pure machine (RFC 1939).
//!
//! It is given bytes, the time and the outcomes of what it asked for, and says
//! what to do. It does its own framing: however the input is cut, the actions
//! are the same. It never looks at a clock, and never consumes input while it
//! waits for an [`Event`] or has more to say than fits.
//!
//! ```text
//!             greet                  PASS, APOP, AUTH
//!   Connected -----> Authorization -------------------> wait, Authenticated
//!                       ^  ^    |          +------------------+    |
//!                       |  |    | STLS     | no                    | yes
//!                       |  |    v          |                       v
//!                       |  +-- wait, TLS   |   failure      wait, Opened
//!                       +------------------+-------------------+   |
//!                                                                  v
//!    +-- wait, Retrieved -- content, as wanted --+-----------> Transaction
//!    +---------------------------------------- RETR, TOP --------- |  |
//!                                                                  |  |
//!               listing, as there is room <--- LIST, UIDL ---------+  | QUIT
//!                                                                     v
//!                                          Closed <----- wait, Deleted
//! ```
//!
//! Nothing is deleted but at QUIT, and all of it by one action. Numbers of
//! messages never change in a session, and deleted messages are not shown.
//!
//! Files: `table` dispatches commands, `login` has those of the authorization
//! state, `capabilities` CAPA, `maildrop` those of the transaction state,
//! `listing` and `sending` the responses of many lines, `wait` the events, `log`
//! what of a command may be logged.

mod action;
mod capabilities;
mod close;
mod listing;
mod log;
mod login;
mod maildrop;
mod responses;
mod sending;
mod settings;
mod table;
mod wait;

use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::ByteQueue;
use crate::proto::line::Framer;
use crate::proto::pace::Pace;
use crate::proto::sasl::{self, Attempts, Channel, Kinds, NonceSource};

pub use action::{Action, Event, Failure, Messages, OpenFailure};
pub use close::CloseReason;
pub use settings::{Limits, Settings};
pub use table::TLS_HANDSHAKE;

use listing::Listing;
use login::{Authorization, Exchange};
use maildrop::Session;
use responses::Fixed;
use wait::Wait;

/// What is known of a client when it connects.
#[derive(Debug)]
pub struct Client {
    /// Whether others can listen, as long as there is no TLS.
    pub channel: Channel,
    /// What challenges are made of.
    pub nonces: NonceSource,
}

/// A POP3 session, from the greeting to the close.
#[derive(Debug)]
pub struct Machine {
    core: Core,
    state: State,
}

impl Machine {
    /// Makes the machine for a new connection; [`Machine::greet`] comes next.
    pub fn new(settings: Arc<Settings>, client: Client) -> Machine {
        Machine {
            core: Core {
                framer: framer(&settings),
                channel: client.channel,
                nonces: client.nonces,
                kinds: Kinds::default(),
                attempts: Attempts::default(),
                timestamp: None,
                counts: Counts::default(),
                active_at: None,
                pace: None,
                has_spoken: false,
                said: 0,
                leaving: None,
                settings,
            },
            state: State::Connected,
        }
    }

    /// Tells what kinds of secrets there are, before the greeting and whenever that
    /// has changed.
    pub fn admit(&mut self, kinds: Kinds) {
        self.core.kinds = kinds;
    }

    /// The TLS handshake is done: that after [`Action::StartTls`], or one before
    /// [`Machine::greet`]. All that the client has said before is forgotten.
    // RFC 2595 4
    pub fn encrypted(&mut self, now: Instant) {
        self.core.channel = Channel::Encrypted;
        if matches!(self.state, State::Wait(Wait::Tls)) {
            self.core.framer = framer(&self.core.settings);
            self.core.has_spoken = false;
            self.core.active_at = Some(now);
            // It came in clear, where somebody may have put another in its place.
            self.core.timestamp = None;
            self.state = State::Authorization(Authorization::default());
        }
    }

    /// Ends the session for a reason that only the driver can know of.
    pub fn abort(&mut self, reason: CloseReason, out: &mut Vec<Action>) {
        self.hang_up(reason, out);
    }

    /// Greets the client.
    pub fn greet(&mut self, now: Instant, out: &mut Vec<Action>) {
        if !matches!(self.state, State::Connected) {
            return;
        }
        self.core.active_at = Some(now);
        self.state = State::Authorization(Authorization::default());
        let mut turn = Turn {
            core: &mut self.core,
            now,
            out,
        };
        turn.greet();
    }

    /// Consumes what it can of the input: all of it but an unfinished command, up
    /// to where it has to wait, has said much, or the session ends. The queue must
    /// be able to hold a line of [`sasl::LINE_MAX`].
    pub fn receive(&mut self, now: Instant, input: &mut ByteQueue, out: &mut Vec<Action>) {
        self.core.said = 0;
        while self.wants_input() {
            if !self.step(now, input, out) || self.core.said > self.core.settings.limits.piece {
                return;
            }
        }
        if matches!(self.state, State::Listing(..)) {
            self.step(now, input, out);
        }
    }

    /// Does one step; says whether another is to follow.
    fn step(&mut self, now: Instant, input: &mut ByteQueue, out: &mut Vec<Action>) -> bool {
        let state = mem::replace(&mut self.state, State::Closed);
        let mut turn = Turn {
            core: &mut self.core,
            now,
            out,
        };
        let step = match state {
            State::Authorization(authorization) => {
                turn.next_command(input, State::Authorization(authorization))
            }
            State::Transaction(session) => turn.next_command(input, State::Transaction(session)),
            State::Exchange(exchange) => exchange.receive(&mut turn, input),
            State::Listing(session, listing) => listing.go_on(&mut turn, session),
            state @ (State::Connected | State::Wait(_) | State::Closed) => Step::Rest(state),
        };
        self.take(step, out)
    }

    /// Ends the wait for the outcome of what an [`Action`] asked for. Does nothing
    /// once the session has been closed.
    pub fn resume(&mut self, now: Instant, event: Event, out: &mut Vec<Action>) {
        match mem::replace(&mut self.state, State::Closed) {
            State::Wait(wait) => {
                let mut turn = Turn {
                    core: &mut self.core,
                    now,
                    out,
                };
                turn.core.active_at = Some(now);
                let step = wait.resume(&mut turn, event);
                self.take(step, out);
            }
            state => self.state = state,
        }
    }

    /// Takes note that the client has taken some octets of the output.
    pub fn taken(&mut self, now: Instant, octets: usize) {
        if let Some(pace) = &mut self.core.pace {
            pace.note(octets);
            self.core.active_at = Some(now);
        }
    }

    /// Ends the session if [`Machine::deadline`] has passed.
    pub fn timeout(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        let is_idle = self.idle_deadline().is_some_and(|deadline| deadline <= now);
        let reason = match self.idle_time().filter(|_| is_idle) {
            Some(time) => CloseReason::IdleTimeout(time),
            None => CloseReason::SlowReader,
        };
        self.hang_up(reason, out);
    }

    /// When the client's patience with itself must end: for the next command, or
    /// for taking what it has asked for. None while it waits for us.
    pub fn deadline(&self) -> Option<Instant> {
        let limits = &self.core.settings.limits;
        let pace = self.core.pace.as_ref();
        let pace =
            pace.and_then(|pace| pace.deadline(limits.response_grace, limits.response_rate_min));
        match &self.state {
            State::Authorization(_) | State::Exchange(_) | State::Transaction(_) => {
                self.idle_deadline()
            }
            State::Listing(..) | State::Wait(Wait::Content(..)) => {
                [self.idle_deadline(), pace].into_iter().flatten().min()
            }
            State::Connected | State::Wait(_) | State::Closed => None,
        }
    }

    /// Moves the deadline by a delay that was not the client's.
    pub fn excuse(&mut self, delay: Duration) {
        self.core.active_at = self.core.active_at.and_then(|at| at.checked_add(delay));
        if let Some(pace) = &mut self.core.pace {
            pace.excuse(delay);
        }
    }

    /// Ends the session because the server stops: at once, or after the response if
    /// messages are being deleted.
    pub fn shut_down(&mut self, out: &mut Vec<Action>) {
        match self.state {
            State::Wait(Wait::Deleted) => self.core.leaving = Some(CloseReason::ShuttingDown),
            _ => self.hang_up(CloseReason::ShuttingDown, out),
        }
    }

    /// Ends the session because the client has closed the connection: to be called
    /// once it has no input left and waits for no event, or when nothing can be
    /// sent to it any more. Nothing is deleted then but what QUIT has asked for.
    pub fn peer_closed(&mut self, out: &mut Vec<Action>) {
        self.hang_up(CloseReason::PeerClosed, out);
    }

    /// Whether input would be consumed.
    pub fn wants_input(&self) -> bool {
        matches!(
            self.state,
            State::Authorization(_) | State::Exchange(_) | State::Transaction(_)
        )
    }

    /// Whether [`Machine::receive`] would say more without any input.
    pub fn has_more_to_say(&self) -> bool {
        matches!(self.state, State::Listing(..))
    }

    fn idle_time(&self) -> Option<Duration> {
        let settings = &self.core.settings;
        match &self.state {
            State::Authorization(_) | State::Exchange(_) => settings.idle_timeout,
            _ => settings.maildrop_idle_timeout,
        }
    }

    fn idle_deadline(&self) -> Option<Instant> {
        self.core.active_at?.checked_add(self.idle_time()?)
    }

    /// Takes the outcome of a step; says whether another is to follow.
    fn take(&mut self, step: Step, out: &mut Vec<Action>) -> bool {
        let (state, go_on) = match step {
            Step::Next(state) => (state, true),
            Step::Rest(state) => (state, false),
            Step::HangUp(reason) => {
                // Any state but the last will do.
                self.state = State::Connected;
                self.hang_up(reason, out);
                return false;
            }
        };
        self.state = state;
        if self.core.counts.errors >= self.core.settings.limits.errors_max {
            self.hang_up(CloseReason::TooManyErrors, out);
        }
        go_on
    }

    /// Closes, the only way to do so.
    fn hang_up(&mut self, reason: CloseReason, out: &mut Vec<Action>) {
        let state = mem::replace(&mut self.state, State::Closed);
        let is_speaking = match state {
            State::Closed => return,
            State::Listing(..) | State::Wait(Wait::Content(..)) => true,
            _ => false,
        };
        // In the middle of a response nothing but its end would be understood.
        if let Some(response) = reason.farewell().filter(|_| !is_speaking) {
            out.push(Action::Respond(response.render()));
        }
        out.push(Action::Close(reason));
    }
}

/// What the session awaits, with all that is only known then.
#[derive(Debug)]
enum State {
    /// To be greeted.
    Connected,
    /// A command, of a client that has not logged in.
    Authorization(Authorization),
    /// The client's response to a challenge.
    Exchange(Exchange),
    /// A command, of a client that has.
    Transaction(Box<Session>),
    /// Room for more of a listing.
    Listing(Box<Session>, Listing),
    /// An event.
    Wait(Wait),
    /// Nothing any more.
    Closed,
}

/// What a state has come to.
enum Step {
    /// On with the next state, at once.
    Next(State),
    /// The state is to be kept until there is more input, or more room.
    Rest(State),
    /// Close for this reason.
    HangUp(CloseReason),
}

/// What all states share.
#[derive(Debug)]
struct Core {
    settings: Arc<Settings>,
    framer: Framer,
    channel: Channel,
    nonces: NonceSource,
    kinds: Kinds,
    attempts: Attempts,
    /// What the greeting gave for APOP.
    timestamp: Option<Vec<u8>>,
    counts: Counts,
    /// Since when we have been waiting for the client.
    active_at: Option<Instant>,
    /// How fast it takes the response of many lines that it is being sent.
    pace: Option<Pace>,
    has_spoken: bool,
    /// How much has been said in the present call, in octets.
    said: usize,
    /// Why to close once messages have been deleted.
    leaving: Option<CloseReason>,
}

/// What the client has used up of its limits.
#[derive(Debug, Default)]
struct Counts {
    errors: u32,
    junk: u32,
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

    /// Responds, and counts the response if it is to a protocol error.
    fn say(&mut self, response: Fixed) {
        if response.is_protocol_error() {
            self.core.counts.errors += 1;
        }
        self.send(response.render());
    }

    fn send(&mut self, octets: Vec<u8>) {
        self.core.said += octets.len();
        self.out.push(Action::Respond(octets));
    }

    /// A response of many lines begins, and the client had better take it.
    fn begin_response(&mut self) {
        self.core.pace = Some(Pace::new(self.now));
        self.core.active_at = Some(self.now);
    }

    fn end_response(&mut self) {
        self.core.pace = None;
    }
}

/// Frames the longest line that a client may send.
// RFC 5034 4: the limit of the lines of an exchange.
fn framer(settings: &Settings) -> Framer {
    let limits = &settings.limits;
    Framer::new(
        limits.command_line_max.max(sasl::LINE_MAX),
        limits.command_swallow_max,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::OneLine;

    #[derive(Debug)]
    struct Many(usize);

    impl Messages for Many {
        fn count(&self) -> usize {
            self.0
        }

        fn octets(&self, _: usize) -> u64 {
            u64::MAX / 100_000
        }

        fn unique_id(&self, _: usize) -> String {
            "u".repeat(70)
        }
    }

    /// A machine whose client has logged in, with so many messages.
    fn logged_in(count: usize, now: Instant) -> Machine {
        let client = Client {
            channel: Channel::Local,
            nonces: NonceSource::new([1; 32], 0),
        };
        let mut machine = Machine::new(Arc::new(Settings::default()), client);
        let mut out = Vec::new();
        machine.admit(Kinds {
            passwords: true,
            ..Kinds::default()
        });
        machine.greet(now, &mut out);
        let mut input = ByteQueue::new(1000);
        input.push(b"USER a\r\nPASS b\r\n");
        machine.receive(now, &mut input, &mut out);
        let user = OneLine::escaped("a");
        machine.resume(now, Event::Authenticated(Ok(user)), &mut out);
        let messages = Box::new(Many(count));
        machine.resume(now, Event::Opened(Ok(messages)), &mut out);
        machine
    }

    fn said(out: &[Action]) -> usize {
        let octets = |action: &Action| match action {
            Action::Respond(octets) => octets.len(),
            _ => 0,
        };
        out.iter().map(octets).sum()
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes minutes")]
    fn little_is_said_at_once_whatever_is_asked() {
        let now = Instant::now();
        for commands in [
            "UIDL 1\r\n".repeat(8000),
            "LIST\r\nUIDL\r\nSTAT\r\n".to_owned(),
        ] {
            let mut machine = logged_in(50_000, now);
            let mut input = ByteQueue::new(64 * 1024);
            assert_eq!(input.push(commands.as_bytes()), commands.len());
            let (mut total, mut calls) = (0, 0);
            while !input.is_empty() || machine.has_more_to_say() {
                let mut out = Vec::new();
                machine.receive(now, &mut input, &mut out);
                assert!(said(&out) <= PIECE_AND_A_LINE, "{}", said(&out));
                total += said(&out);
                calls += 1;
            }
            assert!(total > 500_000 && calls > 50, "{total} in {calls}");
        }
    }

    /// A response of one line has at most 512 octets (RFC 1939 3), and the one that
    /// introduces a listing comes on top.
    const PIECE_AND_A_LINE: usize = 8 * 1024 + 2 * 512;

    #[test]
    fn slow_readers_are_given_up_and_fast_ones_are_not() {
        let start = Instant::now();
        let limits = Limits::default();
        let mut machine = logged_in(50_000, start);
        let mut input = ByteQueue::new(1000);
        input.push(b"LIST\r\n");
        let mut out = Vec::new();
        machine.receive(start, &mut input, &mut out);
        assert_eq!(machine.deadline(), Some(start + limits.response_grace));
        // An octet now and then does not earn enough.
        let mut now = start;
        while machine.deadline().is_some_and(|deadline| deadline > now) {
            now += Duration::from_secs(10);
            machine.taken(now, 1);
            assert!(now < start + Duration::from_secs(100));
        }
        out.clear();
        machine.timeout(now, &mut out);
        assert_eq!(out, [Action::Close(CloseReason::SlowReader)]);
        // A fast one may stop for a while, but not for ever.
        let mut machine = logged_in(50_000, start);
        input.push(b"LIST\r\n");
        machine.receive(start, &mut input, &mut out);
        machine.taken(start, 100_000);
        let idle = Settings::default().maildrop_idle_timeout.unwrap();
        assert_eq!(machine.deadline(), Some(start + idle));
    }
}
