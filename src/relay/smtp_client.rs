//! A session with a next hop: finds and connects to it, carries bytes between
//! the socket and the pure machine, and messages between that and the spool.
//!
//! While one message is on its way the next one is already locked and its first
//! chunk read, so that a small message costs the next hop's answers and nothing
//! else. What an attempt came to is written to the spool by a job of its own,
//! while the session goes on.

mod encryption;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::OneLine;
use crate::event::{Interest, Ready, Token};
use crate::net::address::Target;
use crate::net::connector::{Connector, Progress};
use crate::net::resolver::{Family, ResolveError};
use crate::proto::smtp::client::{Action, CloseReason, Machine, Outcome, Settings};
use crate::sys::socket::{Address, Stream};
use crate::tls;
use crate::{info, verbose, warning};

use super::access::Access;
use super::connection::{Arrival, Connection};
use super::context::Context;
use super::disk::{self, Loaded, Outgoing};
use super::lookup;
use super::mail::{Ending, Line, Mail};
use super::session::{Kind, Message, Session};
use super::settlement::{self, Settlement};

/// Where mail goes and how.
#[derive(Clone)]
pub struct Route {
    /// The next hop.
    pub target: Target,
    /// The machine's settings.
    pub machine: Arc<Settings>,
    /// How long connecting may take, with all addresses that the name has.
    pub connection_timeout: Duration,
    /// The local address to use.
    pub local: Option<SocketAddr>,
    /// The address family to use.
    pub family: Option<Family>,
    /// What makes TLS connections, where the machine's settings ask for them.
    pub connector: Option<Arc<dyn tls::Connector>>,
}

impl Route {
    /// The same route with what its files say now.
    pub fn with(&self, access: &Access) -> Route {
        let mut settings = Settings::clone(&self.machine);
        if let Some(login) = &mut settings.login {
            login.account = access.account().unwrap_or_default();
        }
        Route {
            machine: Arc::new(settings),
            connector: access.connector(),
            ..self.clone()
        }
    }
}

/// How far the connection has come.
enum Link {
    Resolving,
    Connecting(Connector),
    Open(Connection),
    Closed,
}

/// The message on its way.
struct Current {
    /// Away while the next chunk is read.
    mail: Option<Box<Outgoing>>,
    summary: settlement::Summary,
    chunk: Option<(Vec<u8>, bool)>,
    wanted: bool,
    outcome: Option<Outcome>,
}

/// One session.
pub struct SmtpClient {
    route: Arc<Route>,
    forwarder: Token,
    line: Line,
    token: Token,
    link: Link,
    peer: String,
    machine: Option<Machine>,
    established: bool,
    ready: bool,
    current: Option<Current>,
    next: Option<Loaded>,
    asked: bool,
    no_more: bool,
    jobs: usize,
    /// Whether a message has had a final reply over this connection.
    was_useful: bool,
    ending: Option<Ending>,
    deadline: Option<Instant>,
    over: bool,
}

impl SmtpClient {
    /// Makes a session that has yet to connect; the forwarder knows it by its number.
    pub fn new(route: Arc<Route>, forwarder: Token, line: Line) -> SmtpClient {
        let peer = route.target.to_string();
        SmtpClient {
            route,
            forwarder,
            line,
            token: Token::NOBODY,
            link: Link::Resolving,
            peer,
            machine: None,
            established: false,
            ready: false,
            current: None,
            next: None,
            asked: false,
            no_more: false,
            jobs: 0,
            was_useful: false,
            ending: None,
            deadline: None,
            over: false,
        }
    }

    // ---- connecting

    fn resolved(
        &mut self,
        addresses: Result<Vec<SocketAddr>, ResolveError>,
        context: &mut Context,
    ) {
        match addresses {
            Ok(addresses) => {
                self.connect(addresses.into_iter().map(Address::Tcp).collect(), context);
            }
            Err(error) => self.fail_route(error.to_string(), context),
        }
    }

    fn connect(&mut self, addresses: Vec<Address>, context: &mut Context) {
        let Route {
            local,
            connection_timeout,
            ..
        } = *self.route;
        let mut connector = Connector::new(addresses, local, connection_timeout);
        let progress = connector.start(context.now);
        self.link = Link::Connecting(connector);
        self.on_progress(progress, context);
    }

    fn on_progress(&mut self, progress: Progress, context: &mut Context) {
        match progress {
            Progress::Connecting => {}
            Progress::Connected(stream, address) => self.connected(stream, &address, context),
            Progress::Failed(error) => self.fail_route(error.to_string(), context),
        }
    }

    fn connected(&mut self, stream: Stream, address: &Address, context: &mut Context) {
        info!("smtp connection to {address}");
        self.peer = address.to_string();
        self.deadline = None;
        self.link = Link::Open(Connection::new(stream));
        let machine = Machine::new(Arc::clone(&self.route.machine), context.now);
        let is_tls_first = machine.is_handshaking();
        self.machine = Some(machine);
        if is_tls_first {
            self.start_tls(context);
            self.flush(context);
        }
    }

    fn fail_route(&mut self, trouble: String, context: &mut Context) {
        self.end(Ending::RouteFailed(trouble), context);
    }

    // ---- talking

    fn drive(&mut self, context: &mut Context) {
        self.go_on_once_secure(context);
        let mut actions = Vec::new();
        loop {
            let (Link::Open(connection), Some(machine)) = (&mut self.link, &mut self.machine)
            else {
                return;
            };
            let before = connection.input.len();
            if before > 0 {
                machine.receive(context.now, &mut connection.input, &mut actions);
            }
            let stuck = actions.is_empty();
            self.perform(&mut actions, context);
            self.next_message(context);
            self.next_chunk(context);
            if stuck {
                self.flush(context);
                if !self.has_chunk_to_give() {
                    return;
                }
            }
        }
    }

    /// Whether flushing has made room for a chunk that is here already: no event
    /// would come to tell.
    fn has_chunk_to_give(&self) -> bool {
        let room = matches!(&self.link, Link::Open(connection) if connection.output.room() > 0);
        let waits = |current: &Current| current.wanted && current.chunk.is_some();
        room && self.current.as_ref().is_some_and(waits)
    }

    fn flush(&mut self, context: &mut Context) {
        let Link::Open(connection) = &mut self.link else {
            return;
        };
        if let Err(error) = connection.flush() {
            self.broken(&error, context);
        }
    }

    fn perform(&mut self, actions: &mut Vec<Action>, context: &mut Context) {
        for action in actions.drain(..) {
            match action {
                Action::Send(bytes) => {
                    if let Link::Open(connection) = &mut self.link {
                        connection.output.push_all(&bytes);
                    }
                }
                Action::SendSecret(line) => {
                    if let Link::Open(connection) = &mut self.link {
                        connection.output.push_all(line.expose());
                    }
                }
                Action::StartTls => self.start_tls(context),
                Action::Authenticated(text) => info!("{}: {text}", self.peer),
                Action::Sent(line) => verbose!("tx>>: \"{line}\""),
                Action::Heard(line) => verbose!("rx<<: \"{line}\""),
                Action::Note(text) => warning!("{text}"),
                Action::Ready => {
                    self.ready = true;
                    self.established = true;
                }
                Action::NeedContent => {
                    if let Some(current) = &mut self.current {
                        current.wanted = true;
                    }
                }
                Action::Finished(outcome) => self.finished(outcome, context),
                Action::Close(reason) => self.closed(&reason, context),
            }
        }
    }

    /// Hands the machine its next message once it is ready, and sees to it that
    /// one more is on its way from the spool.
    fn next_message(&mut self, context: &mut Context) {
        if self.ready
            && self.current.is_none()
            && let Some(loaded) = self.next.take()
        {
            self.begin(loaded, context);
        }
        let may_ask = self.established && self.next.is_none() && !self.asked;
        if may_ask && !self.no_more {
            self.asked = true;
            let (by, line, count) = (self.token, self.line, 1);
            let wanted = Mail::Wanted { by, line, count };
            context.post(self.forwarder, Message::Mail(wanted));
        } else if may_ask && self.ready && self.current.is_none() {
            self.ready = false;
            self.act(context, |machine, now, actions| machine.quit(now, actions));
        }
    }

    fn begin(&mut self, loaded: Loaded, context: &mut Context) {
        self.ready = false;
        let message = settlement::message(&loaded.mail.mail);
        let Loaded { mail, chunk, last } = loaded;
        let summary = settlement::Summary::of(&mail.mail);
        verbose!("sending: {}", summary.id);
        self.current = Some(Current {
            mail: Some(mail),
            summary,
            chunk: Some((chunk, last)),
            wanted: false,
            outcome: None,
        });
        self.act(context, |machine, now, actions| {
            machine.send(now, message, actions)
        });
    }

    /// Gives the machine content that it wants once the socket has taken what it
    /// was given before, and has the chunk after that read.
    fn next_chunk(&mut self, context: &mut Context) {
        let room = matches!(&self.link, Link::Open(connection) if connection.output.room() > 0);
        let Some(current) = self
            .current
            .as_mut()
            .filter(|current| current.wanted && room)
        else {
            return;
        };
        let Some((chunk, last)) = current.chunk.take() else {
            return;
        };
        current.wanted = false;
        if !last && let Some(mail) = current.mail.take() {
            self.submit(disk::Job::Read(mail), context);
        }
        self.act(context, |machine, now, actions| {
            machine.content(now, &chunk, last, actions)
        });
    }

    fn act(
        &mut self,
        context: &mut Context,
        call: impl FnOnce(&mut Machine, Instant, &mut Vec<Action>),
    ) {
        let Some(machine) = &mut self.machine else {
            return;
        };
        let mut actions = Vec::new();
        call(machine, context.now, &mut actions);
        self.perform(&mut actions, context);
    }

    // ---- settling

    fn finished(&mut self, outcome: Outcome, context: &mut Context) {
        if let Some(current) = &mut self.current {
            current.outcome = Some(outcome);
            self.settle(context);
        }
    }

    /// Records what became of the message, once both that and the message are here.
    fn settle(&mut self, context: &mut Context) {
        let Some(mut current) = self.current.take() else {
            return;
        };
        let (Some(mail), Some(outcome)) = (current.mail.take(), current.outcome.take()) else {
            self.current = Some(current);
            return;
        };
        let settlement = match self.was_useful && outcome.is_unattempted() {
            // Next hops may well take only so many messages over one connection.
            true => Settlement::Untouched,
            false => Settlement::of(&outcome, &mail.mail, context.wall_clock()),
        };
        self.was_useful |= outcome.reply.is_some();
        current.summary.log(&outcome, &settlement, &self.peer);
        self.submit(disk::Job::Settle(mail, Box::new(settlement)), context);
    }

    fn submit(&mut self, job: disk::Job, context: &mut Context) {
        self.jobs += 1;
        context.submit(self.token, job);
    }

    // ---- ending

    fn lost(&mut self, why: &str, context: &mut Context) {
        let why = OneLine::escaped(why);
        self.act(context, |machine, now, actions| {
            machine.peer_closed(now, why, actions)
        });
        if !matches!(self.link, Link::Closed) {
            self.end(Ending::Dropped("connection lost".to_owned()), context);
        }
    }

    fn closed(&mut self, reason: &CloseReason, context: &mut Context) {
        let text = format!("{}: {}", self.peer, reason.explain());
        info!("smtp connection to {}: {}", self.peer, reason.explain());
        let ending = match reason {
            reason if reason.may_reconnect() => Ending::Done,
            reason if reason.is_route_problem() => Ending::RouteFailed(text),
            _ => Ending::Dropped(text),
        };
        self.end(ending, context);
    }

    /// The connection is of no further use; the session is over once its jobs are.
    fn end(&mut self, ending: Ending, context: &mut Context) {
        if let Link::Open(connection) = &mut self.link {
            // The last command is QUIT at best: who does not take it misses nothing.
            let _ = connection.flush();
            connection.shut_down_output();
        }
        self.link = Link::Closed;
        self.deadline = None;
        self.ready = false;
        self.established = false;
        self.ending.get_or_insert(ending);
        self.give_next_back(context);
        self.leave(context);
    }

    fn give_next_back(&mut self, context: &mut Context) {
        if let Some(Loaded { mail, .. }) = self.next.take() {
            let settlement = Box::new(Settlement::Untouched);
            self.submit(disk::Job::Settle(mail, settlement), context);
        }
    }

    fn leave(&mut self, context: &mut Context) {
        if self.over || self.jobs > 0 || self.asked {
            return;
        }
        if let Some(ending) = &self.ending {
            self.over = true;
            let (line, ending) = (self.line, ending.clone());
            let over = Mail::ClientOver { line, ending };
            context.post(self.forwarder, Message::Mail(over));
        }
    }

    // ---- messages

    fn loaded(&mut self, loaded: Result<Loaded, disk::NotLoaded>, context: &mut Context) {
        self.asked = false;
        match loaded {
            Ok(loaded) => {
                self.next = Some(loaded);
                if self.ending.is_some() || context.stopping {
                    self.give_next_back(context);
                }
            }
            Err(disk::NotLoaded { trouble: None, .. }) => {}
            Err(disk::NotLoaded {
                id,
                trouble: Some((text, fate)),
            }) => {
                warning!("{id}: {text}");
                let mail = Mail::Settled {
                    line: self.line,
                    id,
                    fate,
                    recorded: true,
                };
                context.post(self.forwarder, Message::Mail(mail));
            }
        }
    }

    fn chunk_read(&mut self, chunk: disk::Chunk, context: &mut Context) {
        let disk::Chunk { mail, read } = chunk;
        let Some(current) = &mut self.current else {
            return;
        };
        current.mail = Some(mail);
        match read {
            _ if current.outcome.is_some() => self.settle(context),
            Ok((chunk, last)) => current.chunk = Some((chunk, last)),
            Err(error) => {
                let why = format!("cannot read the message: {error}");
                self.lost(&why, context);
            }
        }
    }
}

impl Session for SmtpClient {
    fn kind(&self) -> Kind {
        Kind::SmtpClient
    }

    fn message_id(&self) -> Option<String> {
        let current = self.current.as_ref()?;
        Some(current.summary.id.to_string())
    }

    fn start(&mut self, token: Token, context: &mut Context) {
        self.token = token;
        self.deadline = Some(context.now + self.route.connection_timeout);
        match &self.route.target {
            Target::Unix(path) => self.connect(vec![Address::Unix(path.clone())], context),
            Target::HostPort(host_port) => {
                let job = lookup::Job::Addresses {
                    target: host_port.clone(),
                    family: self.route.family,
                };
                context.look_up(token, job);
            }
        }
    }

    fn interest(&self, _now: Instant) -> Option<Interest> {
        match &self.link {
            Link::Connecting(connector) => connector.socket().map(|socket| Interest {
                socket,
                read: false,
                write: true,
            }),
            Link::Open(connection) => connection.interest(true),
            Link::Resolving | Link::Closed => None,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.link {
            Link::Connecting(connector) => connector.deadline(),
            Link::Open(_) => self.machine.as_ref().and_then(Machine::deadline),
            Link::Resolving => self.deadline,
            Link::Closed => None,
        }
    }

    fn on_ready(&mut self, ready: Ready, context: &mut Context) {
        match &mut self.link {
            Link::Connecting(connector) => {
                let progress = connector.on_ready(context.now);
                self.on_progress(progress, context);
            }
            Link::Open(connection) if ready.readable => {
                match connection.read(&mut context.scratch) {
                    Ok(Arrival::End) => {
                        self.drive(context);
                        self.lost("the peer closed the connection", context);
                    }
                    Ok(Arrival::Truncated) => {
                        self.drive(context);
                        self.lost("the connection was cut off under tls", context);
                    }
                    Ok(Arrival::Bytes | Arrival::Nothing) => self.drive(context),
                    Err(error) => self.broken(&error, context),
                }
            }
            Link::Open(_) => self.drive(context),
            Link::Resolving | Link::Closed => {}
        }
    }

    fn on_timeout(&mut self, context: &mut Context) {
        match &mut self.link {
            Link::Resolving => {
                let trouble = format!("cannot look up {}: timed out", self.peer);
                self.fail_route(trouble, context);
            }
            Link::Connecting(connector) => {
                let progress = connector.on_timeout(context.now);
                self.on_progress(progress, context);
            }
            Link::Open(_) => {
                self.act(context, |machine, now, actions| {
                    machine.timeout(now, actions)
                });
                self.drive(context);
            }
            Link::Closed => {}
        }
    }

    fn on_message(&mut self, message: Message, context: &mut Context) {
        match message {
            Message::Lookup(done) => match (&self.link, done) {
                (Link::Resolving, Some(lookup::Done::Addresses(found))) => {
                    self.resolved(found, context);
                }
                (Link::Resolving, None) => {
                    self.fail_route(format!("cannot look up {}", self.peer), context);
                }
                _ => {}
            },
            Message::NoMoreMail => {
                self.asked = false;
                self.no_more = true;
            }
            Message::Disk(Some(disk::Done::Loaded(batch))) => {
                for id in batch.left.into_iter().rev() {
                    let line = self.line;
                    context.post(self.forwarder, Message::Mail(Mail::Returned { line, id }));
                }
                for loaded in batch.loaded {
                    self.loaded(loaded, context);
                }
            }
            Message::Disk(Some(disk::Done::Read(chunk))) => {
                self.jobs -= 1;
                self.chunk_read(chunk, context);
            }
            Message::Disk(Some(disk::Done::Settled(settled))) => {
                self.jobs -= 1;
                context.post(self.forwarder, Message::Mail(settled.report(self.line)));
            }
            Message::Disk(_) => {
                // A job panicked: what it held has been put back by its Drop.
                self.jobs = self.jobs.saturating_sub(1);
                self.asked = false;
                self.current = None;
                self.lost("internal error", context);
            }
            Message::Mail(_)
            | Message::Program(_)
            | Message::Verification(_)
            | Message::Flushed(_) => {}
        }
        self.drive(context);
        self.leave(context);
    }

    fn on_shutdown(&mut self, context: &mut Context) {
        self.no_more = true;
        self.give_next_back(context);
        if !self.established {
            self.end(Ending::Dropped("told to stop".to_owned()), context);
        }
        self.drive(context);
    }

    fn is_over(&self) -> bool {
        self.over
    }

    fn last_words(&self) -> Vec<(Token, Message)> {
        let ending = Ending::Dropped("internal error".to_owned());
        let line = self.line;
        let over = Mail::ClientOver { line, ending };
        vec![(self.forwarder, Message::Mail(over))]
    }
}
