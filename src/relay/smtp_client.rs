//! A session with a next hop: finds and connects to it, carries bytes between
//! the socket and the pure machine, and messages between that and the spool.
//!
//! While messages are on their way the next ones are already locked and their first
//! chunks read, as many as the next hop takes at a time. What an attempt came to is
//! written to the spool by a job of its own, while the session goes on.

mod encryption;
mod filtering;
mod itself;
mod memory;
mod proxy;
mod traffic;

pub use memory::Memory;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::OneLine;
use crate::event::{Interest, Ready, Token};
use crate::filter::chain::Chain;
use crate::net::address::{HostPort, Target};
use crate::net::connector::{Connector, Progress};
use crate::net::resolver::{self, Family, ResolveError};
use crate::proto::smtp::client::{Action, CloseReason, Machine, Settings};
use crate::sys::socket::{Address, Stream};
use crate::tls;
use crate::{info, verbose, warning};

use super::access::Access;
use super::connection::{Arrival, Connection};
use super::context::Context;
use super::disk;
use super::lookup::{self, Origin};
use super::mail::{Ending, Line, Mail};
use super::session::{Kind, Message, Session};
use super::settlement::Terms;
use filtering::Filtering;
use proxy::Asking;
use traffic::Traffic;

/// Where mail goes and how.
#[derive(Clone)]
pub struct Route {
    /// The next hop.
    pub target: Target,
    /// Where to go, in that order, if it cannot be reached.
    pub others: Vec<Target>,
    /// The machine's settings.
    pub machine: Arc<Settings>,
    /// How long connecting may take, with all addresses that the name has.
    pub connection_timeout: Duration,
    /// The local addresses to use, the first of a family for that.
    pub locals: Vec<SocketAddr>,
    /// The address family to use.
    pub family: Option<Family>,
    /// What sessions have learnt.
    pub memory: Arc<Memory>,
    /// What messages are put through before they are sent.
    pub filters: Option<Arc<Chain>>,
    /// What makes TLS connections, where the machine's settings ask for them.
    pub connector: Option<Arc<dyn tls::Connector>>,
    /// What becomes of mail that cannot be delivered.
    pub terms: Terms,
    /// Where this program itself listens for mail that it would forward.
    pub own: Vec<SocketAddr>,
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

    /// The same route to another next hop, with the account that the selector says,
    /// or why there is none. Where nobody logs in, selectors mean nothing.
    pub fn towards(
        &self,
        target: &Target,
        access: &Access,
        selector: &OneLine,
    ) -> Result<Route, String> {
        let mut route = self.with(access);
        let mut settings = Settings::clone(&route.machine);
        settings.is_local = matches!(target, Target::Unix(_));
        if let Some(login) = &mut settings.login
            && !selector.is_empty()
        {
            let account = access.account_of(selector.as_bytes());
            let nobody = || format!("no client account for the selector \"{selector}\"");
            login.account = account.ok_or_else(nobody)?;
        }
        route.machine = Arc::new(settings);
        route.target = target.clone();
        Ok(route)
    }
}

/// How far the connection has come.
enum Link {
    /// With the question, once it has been asked.
    Resolving(Option<lookup::Asked>),
    Connecting(Connector),
    Asking(Box<Asking>),
    Open(Connection),
    Closed,
}

/// One session.
pub struct SmtpClient {
    route: Arc<Route>,
    forwarder: Token,
    line: Line,
    /// Where the name of the next hop comes from.
    origin: Origin,
    /// Whether messages are forwarded on behalf of a session that waits for that.
    is_immediate: bool,
    token: Token,
    link: Link,
    peer: String,
    machine: Option<Machine>,
    established: bool,
    ready: bool,
    traffic: Traffic,
    /// What is put through the client filters before it can go.
    filtering: Filtering,
    jobs: usize,
    ending: Option<Ending>,
    deadline: Option<Instant>,
    over: bool,
}

impl SmtpClient {
    /// Makes a session that has yet to connect; the forwarder knows it by its number.
    pub fn new(route: Arc<Route>, origin: Origin, forwarder: Token, line: Line) -> SmtpClient {
        let peer = route.target.to_string();
        SmtpClient {
            route,
            forwarder,
            line,
            origin,
            is_immediate: false,
            token: Token::NOBODY,
            link: Link::Resolving(None),
            peer,
            machine: None,
            established: false,
            ready: false,
            traffic: Traffic::default(),
            filtering: Filtering::default(),
            jobs: 0,
            ending: None,
            deadline: None,
            over: false,
        }
    }

    /// Makes a session that gets its mail from another session, which stays the owner
    /// of it and has it forwarded before it is accepted.
    pub fn for_submission(route: Route, owner: Token) -> SmtpClient {
        // The owner has put it through the filters.
        let route = Route {
            filters: None,
            ..route
        };
        let mut client = SmtpClient::new(Arc::new(route), Origin::Configuration, owner, 0);
        client.is_immediate = true;
        client
    }

    // ---- connecting

    fn resolve(&mut self, host_port: &HostPort, context: &mut Context) {
        let family = self.route.family;
        if let Some(found) = resolver::literal(host_port, family) {
            self.resolved(found, context);
            return;
        }
        let (job, asked) = lookup::ask(host_port, family, self.origin);
        self.link = Link::Resolving(Some(asked));
        context.look_up(self.token, job);
    }

    /// There has been no answer in time. That says nothing about the next hop where the
    /// question has not even had its turn.
    fn unresolved(&mut self, context: &mut Context) {
        let has_begun = match &self.link {
            Link::Resolving(Some(asked)) => asked.has_begun(),
            _ => true,
        };
        if !has_begun && !self.is_immediate {
            let unasked = Mail::NotLookedUp { line: self.line };
            context.post(self.forwarder, Message::Mail(unasked));
        }
        let trouble = match has_begun {
            true => format!("cannot look up {}: timed out", self.peer),
            false => format!(
                "cannot look up {}: too many names are being looked up",
                self.peer
            ),
        };
        self.fail_route(trouble, context);
    }

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
        if let Some(address) = addresses.first() {
            context.announce(|| format!("client: connecting: {address}"));
        }
        let connector = Connector::new(addresses, None, self.route.connection_timeout);
        let mut connector = connector.from_any_of(self.route.locals.clone());
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
        self.peer = address.to_string();
        if self.is_loop(&stream, address) {
            let trouble = format!("{}: the next hop is this program itself", self.peer);
            self.fail_route(trouble, context);
            return;
        }
        context.connected(self.token, &stream, address);
        let connection = Connection::new(stream);
        let route = Arc::clone(&self.route);
        match &route.target {
            Target::Proxied(proxied) => self.ask_proxy(connection, proxied, context),
            Target::HostPort(_) | Target::Unix(_) => self.begin_session(connection, context),
        }
    }

    fn is_loop(&self, stream: &Stream, address: &Address) -> bool {
        match (stream.local_address(), address) {
            (Ok(Address::Tcp(local)), Address::Tcp(peer)) => {
                itself::is_own(&self.route.own, local, *peer)
            }
            _ => false,
        }
    }

    /// There is a connection to the next hop.
    fn begin_session(&mut self, connection: Connection, context: &mut Context) {
        let route = Arc::clone(&self.route);
        if let Target::Proxied(proxied) = &route.target {
            self.peer = format!("{} by way of {}", proxied.far, self.peer);
        }
        info!("smtp connection to {}", self.peer);
        self.deadline = None;
        self.link = Link::Open(connection);
        let settings = route.memory.apply(&route.target, &route.machine);
        let machine = Machine::new(Arc::new(settings), context.now);
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
            self.feed(context);
            if stuck {
                self.flush(context);
                if !self.has_work() {
                    return;
                }
            }
        }
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
                Action::NeedContent => self.traffic.content_wanted(),
                Action::Finished(outcome) => self.finished(outcome, context),
                Action::Close(reason) => self.closed(&reason, context),
            }
        }
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
        self.learn(reason);
        let ending = match reason {
            reason if reason.may_reconnect() || reason.is_chunking_fault() => Ending::Done,
            CloseReason::Unauthenticated(_) => Ending::LoginFailed(text),
            reason if reason.is_route_problem() => Ending::RouteFailed(text),
            _ => Ending::Dropped(text),
        };
        self.end(ending, context);
    }

    /// Remembers what the session has shown.
    fn learn(&self, reason: &CloseReason) {
        let Route { memory, target, .. } = &*self.route;
        if reason.is_chunking_fault() {
            memory.refuses_chunks(target);
        } else if *reason == CloseReason::Quit {
            memory.went_well(target);
        } else if self.traffic.has_doubtful() {
            memory.broke_off(target);
        }
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
        self.give_waiting_back(context);
        self.end_filtering(context);
        self.leave(context);
    }

    fn leave(&mut self, context: &mut Context) {
        let is_owed = (self.traffic.asked || self.filtering.is_busy()) && !self.is_immediate;
        if self.over || self.jobs > 0 || is_owed {
            return;
        }
        if let Some(ending) = &self.ending {
            self.over = true;
            let (line, ending) = (self.line, ending.clone());
            let over = Mail::ClientOver { line, ending };
            context.post(self.forwarder, Message::Mail(over));
        }
    }
}

impl Session for SmtpClient {
    fn kind(&self) -> Kind {
        Kind::SmtpClient
    }

    fn message_id(&self) -> Option<String> {
        self.traffic.oldest().map(ToString::to_string)
    }

    fn start(&mut self, token: Token, context: &mut Context) {
        self.token = token;
        self.deadline = Some(context.now + self.route.connection_timeout);
        context.departs(token, self.peer.clone());
        let route = Arc::clone(&self.route);
        match &route.target {
            Target::Unix(path) => self.connect(vec![Address::Unix(path.clone())], context),
            Target::HostPort(host_port) => {
                context.announce(|| format!("client: resolving: {host_port}"));
                self.resolve(host_port, context);
            }
            Target::Proxied(proxied) => self.resolve(&proxied.proxy, context),
        }
    }

    fn interest(&self, _now: Instant) -> Option<Interest> {
        match &self.link {
            Link::Connecting(connector) => connector.socket().map(|socket| Interest {
                socket,
                read: false,
                write: true,
            }),
            Link::Asking(asking) => asking.connection.interest(true),
            Link::Open(connection) => connection.interest(true),
            Link::Resolving(_) | Link::Closed => None,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.link {
            Link::Connecting(connector) => connector.deadline(),
            Link::Open(_) => self.machine.as_ref().and_then(Machine::deadline),
            Link::Resolving(_) | Link::Asking(_) => self.deadline,
            Link::Closed => None,
        }
    }

    fn on_ready(&mut self, ready: Ready, context: &mut Context) {
        match &mut self.link {
            Link::Connecting(connector) => {
                let progress = connector.on_ready(context.now);
                self.on_progress(progress, context);
            }
            Link::Asking(_) => self.on_proxy(ready.readable, context),
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
            Link::Resolving(_) | Link::Closed => {}
        }
    }

    fn on_timeout(&mut self, context: &mut Context) {
        match &mut self.link {
            Link::Resolving(_) => self.unresolved(context),
            Link::Connecting(connector) => {
                let progress = connector.on_timeout(context.now);
                self.on_progress(progress, context);
            }
            Link::Asking(_) => self.fail_proxy("response timeout", context),
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
                (Link::Resolving(_), Some(lookup::Done::Addresses(found))) => {
                    self.resolved(found, context);
                }
                (Link::Resolving(_), None) => {
                    self.fail_route(format!("cannot look up {}", self.peer), context);
                }
                _ => {}
            },
            Message::NoMoreMail => {
                self.traffic.asked = false;
                self.traffic.no_more = true;
            }
            Message::Filter(news) => self.filter_news(news, context),
            Message::Disk(Some(disk::Done::Loaded(batch))) => self.arrived(batch, context),
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
                self.traffic.asked = false;
                self.traffic.forget_absent();
                self.lost("internal error", context);
            }
            other => disk::abandon(other, context),
        }
        self.drive(context);
        self.leave(context);
    }

    fn on_shutdown(&mut self, context: &mut Context) {
        self.traffic.no_more = true;
        self.give_waiting_back(context);
        self.end_filtering(context);
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
        let to_forwarder = (self.forwarder, Message::Mail(over));
        let to_filters = self.filtering.last_words();
        [to_forwarder].into_iter().chain(to_filters).collect()
    }
}
