//! A session with an SMTP client: carries bytes between the socket and the pure
//! machine, and content from there to the disk.

mod encryption;
mod filtering;
pub mod host;
mod immediate;
mod login;

use std::sync::Arc;
use std::time::Instant;

use crate::auth::Secrets;
use crate::base::{OneLine, WallClock, ascii};
use crate::event::{Interest, Ready, Token};
use crate::filter::chain::Chain;
use crate::proto::sasl::Channel;
use crate::proto::smtp::reply::Reply;
use crate::proto::smtp::server::{
    Action, Client, CloseReason, ContentFacts, Event, Machine, Phase, Settings, Transaction,
    Verdict,
};
use crate::proto::smtp::trace::{self, TraceFacts, TraceTls};
use crate::store::{self, Receipt, Spool, Writer};
use crate::sys::random;
use crate::{error, info, verbose, warning};

use super::acceptance;
use super::clients::Visit;
use super::connection::{Arrival, Connection};
use super::context::Context;
use super::disk::{self, Done, Job};
use super::encryption::Encryption;
use super::guest::{Guest, Word};
use super::intake::Intake;
use super::login::Login;
use super::mail::{Mail, Trigger};
use super::parting::Parting;
use super::peer::Peer;
use super::security::{self, Found, SiteId};
use super::session::{Kind, Message, Session};
use super::verdict;
use super::verification::{Verification, Verifier};
use super::watch::traffic;
use filtering::Filtering;
use immediate::Immediate;

/// What all sessions of a listener share.
pub struct Service {
    /// Where mail is stored.
    pub spool: Spool,
    /// The machine's settings.
    pub machine: Arc<Settings>,
    /// What clients log in and encrypt by.
    pub site: SiteId,
    /// Whether clients encrypt from the first octet.
    pub tls_first: bool,
    /// Whether content gets a Received header field.
    pub trace: bool,
    /// What recipients are put to.
    pub verifier: Option<Arc<Verifier>>,
    /// What messages are put through before they are accepted.
    pub filters: Option<Arc<Chain>>,
    /// Who has messages forwarded before they are accepted, if they are to be.
    pub immediate: Option<Token>,
    /// What those messages are put through after that.
    pub client_filters: Option<Arc<Chain>>,
    /// Who looks for new mail when a filter wishes so.
    pub rescans: Option<Token>,
    /// Who wants to know when a client that left mail has gone.
    pub forwarder: Option<Token>,
}

/// One session.
pub struct SmtpServer {
    service: Arc<Service>,
    connection: Connection,
    machine: Machine,
    peer: Peer,
    token: Token,
    verification: Option<Verification>,
    encryption: Encryption,
    secrets: Option<Arc<Secrets>>,
    login: Login,
    intake: Option<Intake>,
    filtering: Filtering,
    immediate: Immediate,
    wants_rescan: bool,
    transaction: Option<Box<Transaction>>,
    /// Why the session is over, and how far its connection is with that.
    parting: Option<(CloseReason, Parting)>,
    congested_since: Option<Instant>,
    leaving: bool,
    /// The message whose job is under way: one at a time, so that what waits for
    /// the disk is bounded and a job that dies is known for what it was.
    away: Option<u64>,
    /// What is left of the input is no whole command.
    starved: bool,
    input_ended: bool,
    broken: bool,
    over: bool,
    stored: u32,
    serial: u64,
    facts: Option<ContentFacts>,
    spoke_early: bool,
    /// Counts as one of its client's for as long as this exists.
    _visit: Visit,
}

impl SmtpServer {
    /// Takes a client that has been let in at that time, and whether it has spoken
    /// since.
    pub fn new(guest: Guest, word: Word, now: WallClock) -> SmtpServer {
        let Guest {
            service,
            stream,
            peer,
            visit,
        } = guest;
        let machine = Machine::new(Arc::clone(&service.machine), client(&peer, now));
        let verifier = service.verifier.clone();
        let verification = verifier.map(|verifier| Verification::new(verifier, &peer));
        SmtpServer {
            service,
            connection: Connection::new(stream),
            machine,
            peer,
            token: Token::NOBODY,
            verification,
            encryption: Encryption::Clear,
            secrets: None,
            login: Login::Idle,
            intake: None,
            filtering: Filtering::Idle,
            immediate: Immediate::default(),
            wants_rescan: false,
            transaction: None,
            parting: None,
            congested_since: None,
            leaving: false,
            away: None,
            starved: true,
            input_ended: false,
            broken: false,
            over: false,
            stored: 0,
            serial: 0,
            facts: None,
            spoke_early: word == Word::Spoken,
            _visit: visit,
        }
    }

    fn greet(&mut self, context: &mut Context) {
        let waiting = self.spoke_early || !self.connection.input.is_empty();
        let now = context.now;
        self.act(context, |machine, actions| {
            machine.greet(now, waiting, actions)
        });
    }

    /// Lets the machine work until it can do no more, then writes its replies.
    fn drive(&mut self, context: &mut Context) {
        self.admit(context);
        loop {
            self.receive(context);
            self.settle(context);
            // Flushing may have made room for replies, and no event would tell.
            if self.starved || !self.may_receive() {
                return;
            }
        }
    }

    fn receive(&mut self, context: &mut Context) {
        let mut actions = Vec::new();
        self.starved = self.connection.input.is_empty();
        while self.may_receive() && !self.starved {
            let before = self.connection.input.len();
            self.machine
                .receive(context.now, &mut self.connection.input, &mut actions);
            let stuck = actions.is_empty() && self.connection.input.len() == before;
            self.perform(&mut actions, context);
            self.starved = stuck || self.connection.input.is_empty();
        }
    }

    fn may_receive(&self) -> bool {
        self.parting.is_none()
            && !self.is_congested()
            && self.machine.wants_input()
            && self.connection.output.room() > 0
            && !self.connection.input.is_empty()
    }

    fn perform(&mut self, actions: &mut Vec<Action>, context: &mut Context) {
        for action in actions.drain(..) {
            match action {
                Action::Command(line) => verbose!("rx<<: \"{line}\""),
                Action::Reply(reply) => {
                    context.watch.counters.replied(&reply);
                    self.say(&reply);
                }
                Action::Begin(transaction) => self.begin(transaction, context),
                Action::Content(content) => {
                    if let Some(intake) = &mut self.intake {
                        intake.push(content);
                    }
                }
                Action::Commit(facts) => self.commit(facts),
                Action::Discard => self.discard(context),
                Action::Verify(request) => {
                    if let Some(verification) = &mut self.verification {
                        verification.ask(*request, self.token, context);
                    }
                }
                Action::Warn(text) => warning!("{text}"),
                Action::Authenticate(credentials) => self.authenticate(credentials, context),
                Action::HoldBack(answer) => self.hold_back(answer, context),
                Action::StartTls => self.encryption = Encryption::accept(context.now),
                Action::Close(reason) => {
                    self.hint_at_tls(reason);
                    self.part(reason, context.now);
                }
            }
        }
        self.submit(context);
    }

    fn say(&mut self, reply: &Reply) {
        let octets = reply.render();
        let line = octets.trim_ascii_end();
        verbose!("tx>>: \"{}\"", ascii::escape(line));
        self.connection.output.push_all(&octets);
    }

    fn begin(&mut self, transaction: Box<Transaction>, context: &Context) {
        let writer = self.service.spool.create();
        let id = OneLine::escaped(writer.id().to_string());
        verbose!("new message: {id}");
        let header = match self.service.trace {
            true => trace::received(&TraceFacts {
                helo: &transaction.helo,
                client: self.peer.ip(),
                domain: &self.service.machine.domain,
                protocol: transaction.protocol,
                tls: self.connection.tls().map(|session| TraceTls {
                    suite: session.suite,
                    protocol: session.protocol,
                }),
                authenticated: transaction.authenticated,
                id: &id,
                date: context.wall_clock(),
            }),
            false => Vec::new(),
        };
        self.serial += 1;
        let has_filters = self.service.filters.is_some() || self.service.immediate.is_some();
        self.intake = Some(Intake::new(self.serial, writer, header, has_filters));
        self.transaction = Some(transaction);
    }

    fn commit(&mut self, facts: ContentFacts) {
        if let (Some(intake), Some(transaction)) = (&mut self.intake, &self.transaction) {
            let tls = self.connection.tls();
            intake.commit(acceptance::envelope(transaction, &facts, &self.peer, tls));
            self.facts = Some(facts);
        }
    }

    fn discard(&mut self, context: &mut Context) {
        self.transaction = None;
        let Some(mut intake) = self.intake.take() else {
            return;
        };
        intake.abandon();
        if let Some(job) = intake.next_job() {
            context.submit(Token::NOBODY, job);
        }
    }

    /// Has the disk work on what has come in; or, where that failed before, says
    /// so now that the client has finished.
    fn submit(&mut self, context: &mut Context) {
        let Some(intake) = &mut self.intake else {
            return;
        };
        if let Some(refusal) = intake.refusal() {
            self.stored(Err(refusal), context);
        } else if self.away.is_none()
            && let Some(job) = intake.next_job()
        {
            self.away = Some(intake.serial());
            context.submit(self.token, job);
        }
    }

    /// Writes what there is to write and decides whether the session goes on.
    fn settle(&mut self, context: &mut Context) {
        self.refuse_injection(context);
        if !self.broken && self.connection.flush().is_err() {
            self.broken = true;
        }
        self.continue_starttls(context);
        self.note_congestion(context.now);
        if self.parting.is_none() {
            self.consider_parting(context);
        }
        let (connection, now) = (&mut self.connection, context.now);
        if let Some((_, parting)) = &mut self.parting
            && !self.over
            && (self.broken || parting.is_done(connection, now))
        {
            self.finish(context);
        }
    }

    fn consider_parting(&mut self, context: &mut Context) {
        let has_gone = self.broken || (self.input_ended && self.is_done());
        let awaits_disk = matches!(self.machine.phase(), Phase::Storing) || self.is_congested();
        if has_gone && !awaits_disk {
            self.act(context, |machine, actions| machine.peer_closed(actions));
        } else if self.leaving && matches!(self.machine.phase(), Phase::Idle) {
            self.act(context, |machine, actions| machine.shut_down(actions));
        }
    }

    /// Whether nothing is left to be done for a client that sends no more: it may well
    /// read on.
    fn is_done(&self) -> bool {
        self.starved && self.connection.is_flushed()
    }

    /// Nothing more will be said.
    fn part(&mut self, reason: CloseReason, now: Instant) {
        let has_quit = reason == CloseReason::Quit;
        let parting = Parting::of_client(&self.connection, has_quit, self.input_ended, now);
        self.parting = Some((reason, parting));
    }

    /// The time for which the disk keeps a client from sending is not the client's.
    fn note_congestion(&mut self, now: Instant) {
        if self.is_congested() {
            self.congested_since.get_or_insert(now);
        } else if let Some(since) = self.congested_since.take() {
            self.machine.excuse(now.saturating_duration_since(since));
        }
    }

    fn is_congested(&self) -> bool {
        self.intake.as_ref().is_some_and(Intake::is_congested)
    }

    fn act(&mut self, context: &mut Context, call: impl FnOnce(&mut Machine, &mut Vec<Action>)) {
        let mut actions = Vec::new();
        call(&mut self.machine, &mut actions);
        self.perform(&mut actions, context);
    }

    fn finish(&mut self, context: &mut Context) {
        self.over = true;
        for (token, message) in self.last_words() {
            context.post(token, message);
        }
        let reason = self.parting.as_ref().map(|(reason, _)| reason.explain());
        let reason = reason.unwrap_or_default();
        info!("smtp connection closed: {reason}: {}", self.peer);
    }

    /// What the forwarder is told when a client that has left mail has gone.
    fn trigger(&self) -> Option<(Token, Message)> {
        let forwarder = self.service.forwarder.filter(|_| self.stored > 0)?;
        let trigger = Mail::Trigger(Trigger::ClientDisconnect);
        Some((forwarder, Message::Mail(trigger)))
    }

    fn resume(&mut self, event: Event, context: &mut Context) {
        let now = context.now;
        self.act(context, |machine, actions| {
            machine.resume(now, event, actions)
        });
        self.drive(context);
    }

    fn verified(&mut self, verdict: Option<Verdict>, context: &mut Context) {
        if let Some(verdict) = verdict {
            self.resume(Event::Verified(verdict), context);
        }
    }

    fn stored(&mut self, result: Result<Receipt, Reply>, context: &mut Context) {
        self.intake = None;
        let transaction = self.transaction.take();
        let facts = self.facts.take();
        let stored = result.map(|receipt| {
            self.stored += 1;
            let octets = facts.as_ref().map_or(0, |facts| facts.octets);
            context.watch.counters.accepted(octets);
            if let (Some(transaction), Some(facts)) = (transaction, facts) {
                acceptance::log(&receipt, &transaction, &facts, &self.peer);
            }
            OneLine::escaped(receipt.id.to_string())
        });
        let event = match self.take_answer(stored.is_ok(), context) {
            Some(answer) => Event::Answered(answer),
            None => stored.map_or_else(Event::Answered, Event::Stored),
        };
        self.rescan(context);
        self.resume(event, context);
    }

    fn returned(
        &mut self,
        serial: u64,
        result: Result<Writer, store::Error>,
        context: &mut Context,
    ) {
        let current = self
            .intake
            .as_mut()
            .filter(|intake| intake.serial() == serial);
        match (result, current) {
            (Ok(writer), Some(intake)) => intake.returned(writer),
            (Ok(writer), None) => context.submit(Token::NOBODY, Job::Discard(writer)),
            (Err(error), Some(intake)) => intake.fail(refuse(&error)),
            (Err(_), None) => {}
        }
        self.submit(context);
        self.drive(context);
    }
}

/// Logs why a message cannot be stored and returns what the client is told.
fn refuse(error: &store::Error) -> Reply {
    error!("message not stored: {error}");
    verdict::of_store_error(error)
}

/// What is known of a client when it connects.
fn client(peer: &Peer, now: WallClock) -> Client {
    let mut seed = [0; 32];
    random::bytes(&mut seed);
    Client {
        channel: match peer.is_on_this_system() {
            true => Channel::Local,
            false => Channel::Clear,
        },
        random: seed,
        connected_at: now.unix_ms / 1000,
    }
}

impl Session for SmtpServer {
    fn kind(&self) -> Kind {
        Kind::SmtpServer
    }

    fn peer(&self) -> Option<&str> {
        Some(self.peer.ip_text())
    }

    fn peer_port(&self) -> Option<u16> {
        self.peer.port()
    }

    fn start(&mut self, token: Token, context: &mut Context) {
        self.token = token;
        info!("smtp connection from {}", self.peer);
        let (stream, peer) = (self.connection.stream(), self.peer.address());
        context.arrived(token, traffic::Service::Smtp, stream, peer);
        if self.service.tls_first {
            self.start_handshake(context);
        } else {
            // An end or an error shows again.
            let arrival = self.connection.read(&mut context.scratch);
            self.spoke_early |= matches!(arrival, Ok(Arrival::Bytes));
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
            .filter(|_| self.congested_since.is_none());
        let waits = [machine, self.login.deadline(), self.encryption.deadline()];
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
        } else if is_due(self.encryption.deadline()) {
            self.time_out_handshake(context);
        } else if is_due(self.login.deadline()) {
            self.go_on_with_login(context);
        } else {
            self.act(context, |machine, actions| machine.timeout(now, actions));
        }
        self.settle(context);
    }

    fn on_message(&mut self, message: Message, context: &mut Context) {
        let away = match &message {
            Message::Disk(Some(Done::Security(_))) => None,
            Message::Disk(None) if self.login.is_checking() => None,
            Message::Disk(_) => self.away.take(),
            _ => None,
        };
        match message {
            Message::Disk(Some(Done::Committed(result))) => {
                self.stored(result.map_err(|error| refuse(&error)), context);
            }
            Message::Disk(Some(Done::Appended { serial, result })) => {
                self.returned(serial, result, context);
            }
            Message::Disk(Some(Done::Filter(done))) => self.staged(done, context),
            Message::Filter(news) => self.filter_news(news, context),
            Message::Mail(mail) => self.immediate_news(mail, context),
            Message::Disk(Some(Done::Security(security::Done {
                found: Found::Checked(_, result),
                ..
            }))) => {
                self.checked(result, context);
                self.settle(context);
            }
            Message::Password(done) => {
                self.asked(done, context);
                self.settle(context);
            }
            Message::Disk(None) if self.login.is_checking() => self.uncheck(context),
            Message::Disk(None) => {
                // The job panicked; what it had written is removed by its Drop.
                let current = self.intake.as_mut();
                if let Some(intake) = current.filter(|one| Some(one.serial()) == away) {
                    intake.fail(verdict::of_internal_error());
                }
                self.submit(context);
                self.drive(context);
            }
            Message::Program(done) => {
                let verification = self.verification.as_mut();
                let verdict = verification.and_then(|one| one.on_decision(done));
                self.verified(verdict, context);
            }
            Message::Verification(news) => {
                let verification = self.verification.as_mut();
                let verdict = verification.and_then(|one| one.on_news(news));
                self.verified(verdict, context);
            }
            other => disk::abandon(other, context),
        }
    }

    fn on_shutdown(&mut self, context: &mut Context) {
        self.leaving = true;
        self.settle(context);
    }

    // RFC 5321 3.8: with 421, whatever the client is in the middle of.
    fn on_time_up(&mut self, context: &mut Context) {
        self.act(context, Machine::shut_down);
        self.settle(context);
    }

    fn is_over(&self) -> bool {
        self.over
    }

    fn last_words(&self) -> Vec<(Token, Message)> {
        let verification = self.verification.as_ref();
        let to_verifier = verification.and_then(Verification::last_words);
        let to_filters = self.filtering.last_words();
        let words = self.trigger().into_iter().chain(to_verifier);
        let to_client = self.immediate.last_words();
        words.chain(to_filters).chain(to_client).collect()
    }
}

#[cfg(test)]
mod tests;
