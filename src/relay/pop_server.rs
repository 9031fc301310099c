//! A session with a POP client: carries bytes between the socket and the pure
//! machine, and content from the disk to the socket.

mod encryption;
pub mod host;
mod job;

use std::sync::Arc;
use std::time::Instant;

use crate::auth::Secrets;
use crate::base::{OneLine, ascii};
use crate::event::{Interest, Ready, Token};
use crate::proto::pop::{Action, Client, CloseReason, Event, Machine, Settings};
use crate::proto::sasl::{Answer, Channel, NonceSource};
use crate::store::{Maildrop, OpenContent, Spool};
use crate::sys::random;
use crate::{info, verbose, warning};

use super::clients::Visit;
use super::connection::{Arrival, Connection};
use super::context::Context;
use super::disk::{self, Done};
use super::encryption::Encryption;
use super::limits::{POP_LOW_WATER, POP_STEPS_MAX};
use super::listener::Caller;
use super::login::Login;
use super::maildrop::MessageList;
use super::parting::Parting;
use super::peer::Peer;
use super::security::{self, Found, SiteId};
use super::session::{Kind, Message, Session};
use super::watch::traffic;
use job::Awaited;

/// What all sessions of a server share.
pub struct Service {
    /// The spool directory.
    pub spool: Spool,
    /// Whose secrets and certificates count.
    pub site: SiteId,
    /// The machine's settings.
    pub machine: Arc<Settings>,
    /// Whether each user has a directory.
    pub by_name: bool,
}

/// One session.
pub struct PopServer {
    service: Arc<Service>,
    connection: Connection,
    machine: Machine,
    peer: Peer,
    token: Token,
    /// Whether the client encrypts from the first octet.
    tls_first: bool,
    encryption: Encryption,
    secrets: Option<Arc<Secrets>>,
    login: Login,
    maildrop: Option<(Arc<Maildrop>, MessageList)>,
    /// The content that is being sent.
    sending: Sending,
    /// Since when a job of the session has been under way, and what it is for.
    away_since: Option<Instant>,
    awaited: Awaited,
    /// Why the session is over, and how far its connection is with that.
    parting: Option<(CloseReason, Parting)>,
    /// When to go on although nothing has happened, as others had to get their turn.
    resume_at: Option<Instant>,
    leaving: bool,
    /// What is left of the input is no whole command.
    starved: bool,
    input_ended: bool,
    broken: bool,
    over: bool,
    /// Counts as one of its client's for as long as this exists.
    _visit: Visit,
}

/// How far content is on its way from the disk to the client.
#[derive(Default)]
struct Sending {
    /// Whether the machine wants more of it.
    is_wanted: bool,
    /// What has been read, and whether that is the last.
    piece: Option<(Vec<u8>, bool)>,
    /// Where the next piece is to come from.
    rest: Option<OpenContent>,
}

impl PopServer {
    /// Takes a client that has been let in.
    pub fn new(service: Arc<Service>, caller: Caller, tls_first: bool, context: &Context) -> Self {
        let Caller {
            stream,
            peer,
            visit,
            ..
        } = caller;
        let mut seed = [0; 32];
        random::bytes(&mut seed);
        let client = Client {
            channel: match peer.is_on_this_system() {
                true => Channel::Local,
                false => Channel::Clear,
            },
            nonces: NonceSource::new(seed, context.wall_clock().unix_ms / 1000),
        };
        PopServer {
            machine: Machine::new(Arc::clone(&service.machine), client),
            service,
            connection: Connection::new(stream),
            peer,
            token: Token::NOBODY,
            tls_first,
            encryption: Encryption::Clear,
            secrets: None,
            login: Login::Idle,
            maildrop: None,
            sending: Sending::default(),
            away_since: None,
            awaited: Awaited::Nothing,
            parting: None,
            resume_at: None,
            leaving: false,
            starved: true,
            input_ended: false,
            broken: false,
            over: false,
            _visit: visit,
        }
    }

    fn greet(&mut self, context: &mut Context) {
        self.admit(context);
        let now = context.now;
        self.act(context, |machine, actions| machine.greet(now, actions));
    }

    /// Tells the machine what kinds of secrets there are, if they are not what they
    /// were.
    fn admit(&mut self, context: &Context) {
        let Some(secrets) = context.security.site(self.service.site).secrets() else {
            return;
        };
        let is_same = |known| Arc::ptr_eq(known, secrets);
        if !self.secrets.as_ref().is_some_and(is_same) {
            self.secrets = Some(Arc::clone(secrets));
            self.machine.admit(secrets.kinds().clone());
        }
    }

    /// Lets the machine work until it can do no more or others should get their turn,
    /// then writes its responses.
    fn drive(&mut self, context: &mut Context) {
        self.admit(context);
        for _ in 0..POP_STEPS_MAX {
            self.receive(context);
            self.feed(context);
            self.settle(context);
            if !self.can_go_on() {
                return;
            }
        }
        self.resume_at = Some(context.now);
    }

    /// One step of the machine, if it can do one.
    fn receive(&mut self, context: &mut Context) {
        self.starved = self.connection.input.is_empty();
        if !self.may_receive() {
            return;
        }
        let mut actions = Vec::new();
        let before = self.connection.input.len();
        self.machine
            .receive(context.now, &mut self.connection.input, &mut actions);
        let stuck = actions.is_empty() && self.connection.input.len() == before;
        self.perform(actions, context);
        self.starved = stuck || self.connection.input.is_empty();
    }

    fn may_receive(&self) -> bool {
        let has_work = self.machine.has_more_to_say()
            || (self.machine.wants_input() && !self.connection.input.is_empty());
        self.parting.is_none() && self.has_room() && has_work
    }

    /// Whether the client has taken most of what it was sent.
    fn has_room(&self) -> bool {
        self.connection.output.len() <= POP_LOW_WATER
    }

    fn can_go_on(&self) -> bool {
        let is_fed = self.sending.is_wanted && self.sending.piece.is_some();
        let is_able = self.machine.has_more_to_say() || is_fed || !self.starved;
        is_able && (self.may_receive() || (is_fed && self.has_room()))
    }

    fn perform(&mut self, actions: Vec<Action>, context: &mut Context) {
        for action in actions {
            match action {
                Action::Command(line) => verbose!("rx<<: \"{line}\""),
                Action::Respond(octets) => self.say(&octets),
                Action::Warn(text) => warning!("{text}"),
                Action::Authenticate(credentials) => {
                    let site = self.service.site;
                    let client = (self.token, &self.peer);
                    self.login.check(site, credentials, client, context);
                }
                Action::HoldBack(answer) => self.login.hold_back(answer, &self.peer, context),
                Action::StartTls => self.encryption = Encryption::accept(context.now),
                Action::Open(user) => self.open(user, context),
                Action::Retrieve(index) => self.retrieve(index, context),
                Action::ReadOn => self.read_on(context),
                Action::StopReading => self.sending = Sending::default(),
                Action::Delete(indices) => self.delete(&indices, context),
                Action::Close(reason) => {
                    self.hint_at_tls(reason);
                    self.part(reason, context.now);
                    // Free for others before the client knows.
                    self.maildrop = None;
                    self.sending = Sending::default();
                }
            }
        }
    }

    fn say(&mut self, octets: &[u8]) {
        let is_response = octets.starts_with(b"+OK") || octets.starts_with(b"-ERR");
        if self.service.machine.note_commands && is_response {
            let end = octets.iter().position(|octet| *octet == b'\r');
            let line = &octets[..end.unwrap_or(octets.len())];
            verbose!("tx>>: \"{}\"", ascii::escape(line));
        }
        self.connection.output.push_all(octets);
    }

    /// Writes what there is to write and decides whether the session goes on.
    fn settle(&mut self, context: &mut Context) {
        self.refuse_injection(context);
        self.flush(context.now);
        self.continue_stls(context);
        if self.parting.is_none() {
            self.consider_parting(context);
        }
        let (connection, now) = (&mut self.connection, context.now);
        if let Some((_, parting)) = &mut self.parting
            && !self.over
            && (self.broken || parting.is_done(connection, now))
        {
            self.finish();
        }
    }

    fn consider_parting(&mut self, context: &mut Context) {
        if self.broken || (self.input_ended && self.is_done()) {
            self.act(context, |machine, actions| machine.peer_closed(actions));
        } else if self.leaving {
            self.leaving = false;
            self.act(context, Machine::shut_down);
        }
    }

    /// Whether nothing is left to be done for a client that sends no more.
    fn is_done(&self) -> bool {
        let is_busy = self.away_since.is_some()
            || self.sending.is_wanted
            || self.login.is_undecided()
            || self.machine.has_more_to_say();
        !is_busy && self.starved && self.connection.is_flushed()
    }

    fn flush(&mut self, now: Instant) {
        let before = self.connection.output.len();
        if !self.broken && self.connection.flush().is_err() {
            self.broken = true;
        }
        let taken = before.saturating_sub(self.connection.output.len());
        if taken > 0 {
            self.machine.taken(now, taken);
        }
    }

    /// Nothing more will be said.
    fn part(&mut self, reason: CloseReason, now: Instant) {
        let has_quit = reason == CloseReason::Quit;
        let parting = Parting::of_client(&self.connection, has_quit, self.input_ended, now);
        self.parting = Some((reason, parting));
    }

    fn act(&mut self, context: &mut Context, call: impl FnOnce(&mut Machine, &mut Vec<Action>)) {
        let mut actions = Vec::new();
        call(&mut self.machine, &mut actions);
        self.perform(actions, context);
    }

    fn resume(&mut self, event: Event, context: &mut Context) {
        let now = context.now;
        self.act(context, |machine, actions| {
            machine.resume(now, event, actions)
        });
    }

    fn finish(&mut self) {
        self.over = true;
        let reason = self.parting.as_ref().map(|(reason, _)| reason.explain());
        let reason = reason.unwrap_or_default();
        info!("pop connection closed: {reason}: {}", self.peer);
    }

    /// Tells the client what came of its login, if it is to be told now.
    fn logged_in(&mut self, answer: Option<Result<OneLine, Answer>>, context: &mut Context) {
        let Some(answer) = answer else {
            return;
        };
        if let Ok(user) = &answer {
            info!("pop authentication of {user} connected from {}", self.peer);
        }
        self.answer_login(answer, context);
    }

    fn answer_login(&mut self, result: Result<OneLine, Answer>, context: &mut Context) {
        self.resume(Event::Authenticated(result), context);
    }
}

impl Session for PopServer {
    fn kind(&self) -> Kind {
        Kind::PopServer
    }

    fn peer(&self) -> Option<&str> {
        Some(self.peer.ip_text())
    }

    fn peer_port(&self) -> Option<u16> {
        self.peer.port()
    }

    fn start(&mut self, token: Token, context: &mut Context) {
        self.token = token;
        info!("pop connection from {}", self.peer);
        let (stream, peer) = (self.connection.stream(), self.peer.address());
        context.arrived(token, traffic::Service::Pop, stream, peer);
        if self.tls_first {
            self.start_handshake(context);
        } else {
            self.greet(context);
        }
        self.drive(context);
    }

    fn interest(&self, _now: Instant) -> Option<Interest> {
        if self.broken {
            return None;
        }
        let read = match &self.parting {
            Some((_, parting)) => parting.wants_input(),
            None => !self.input_ended && self.machine.wants_input(),
        };
        self.connection.interest(read)
    }

    fn deadline(&self) -> Option<Instant> {
        let machine = self
            .machine
            .deadline()
            .filter(|_| self.away_since.is_none());
        let waits = [
            machine,
            self.login.deadline(),
            self.encryption.deadline(),
            self.resume_at,
        ];
        let first = waits.into_iter().flatten().min();
        let parting = self.parting.as_ref();
        parting.map(|(_, parting)| parting.deadline()).or(first)
    }

    fn on_ready(&mut self, ready: Ready, context: &mut Context) {
        if let Some((_, parting)) = &mut self.parting {
            parting.read(&mut self.connection, &mut context.scratch);
        } else if ready.readable && !self.input_ended {
            let arrival = self.connection.read(&mut context.scratch);
            self.note_handshake(&arrival, context);
            match arrival {
                Ok(Arrival::End | Arrival::Truncated) => self.input_ended = true,
                Ok(Arrival::Bytes | Arrival::Nothing) => {}
                Err(_) => {
                    self.input_ended = true;
                    self.broken = true;
                }
            }
        }
        self.drive(context);
    }

    fn on_timeout(&mut self, context: &mut Context) {
        let now = context.now;
        let is_due = |deadline: Option<Instant>| deadline.is_some_and(|at| at <= now);
        if self.parting.is_some() {
            // Whether it has waited long enough is seen below.
        } else if is_due(self.resume_at) {
            self.resume_at = None;
        } else if is_due(self.encryption.deadline()) {
            self.time_out_handshake(context);
        } else if is_due(self.login.deadline()) {
            let client = (self.token, &self.peer);
            if let Some(answer) = self.login.go_on(client, context) {
                self.answer_login(Err(answer), context);
            }
        } else {
            self.act(context, |machine, actions| machine.timeout(now, actions));
        }
        self.drive(context);
    }

    fn on_message(&mut self, message: Message, context: &mut Context) {
        match message {
            Message::Disk(Some(Done::Security(security::Done {
                found: Found::Checked(_, result),
                ..
            }))) => {
                let user = self.login.checked(result, &self.peer, context);
                self.logged_in(user.map(Ok), context);
            }
            Message::Password(done) => {
                let answer = self.login.asked(done, &self.peer, context);
                self.logged_in(answer, context);
            }
            Message::Disk(None) if self.login.is_checking() => {
                let answer = self.login.uncheck();
                self.answer_login(Err(answer), context);
            }
            Message::Disk(Some(Done::Maildrop(done))) => self.on_done(done, context),
            Message::Disk(None) => self.on_lost_job(context),
            other => disk::abandon(other, context),
        }
        self.drive(context);
    }

    fn on_shutdown(&mut self, context: &mut Context) {
        self.leaving = true;
        self.drive(context);
    }

    fn is_over(&self) -> bool {
        self.over
    }
}
