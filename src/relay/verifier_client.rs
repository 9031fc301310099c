//! A session with a network verifier, on behalf of one SMTP session: asks one
//! question at a time, over a connection that is kept between them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::event::{Interest, Ready, Token};
use crate::filter::verifier::{self, Decision};
use crate::net::address::Target;
use crate::net::connector::{Connector, Progress, TIMEOUT_MAX};
use crate::net::resolver::ResolveError;
use crate::proto::netverifier::{self, Found};
use crate::sys::socket::{Address, Stream};
use crate::verbose;

use super::connection::{Arrival, Connection};
use super::context::Context;
use super::lookup;
use super::session::{Kind, Message, Session};
use super::verification::News;

/// How far the connection has come.
enum Link {
    Closed,
    Resolving,
    Connecting(Connector),
    Open(Connection),
}

/// The question that is to be answered.
struct Pending {
    line: Vec<u8>,
    deadline: Option<Instant>,
    /// Whether it is the connection's first: then losing that says something.
    is_first: bool,
}

/// One session.
pub struct VerifierClient {
    target: Target,
    timeout: Option<Duration>,
    owner: Token,
    /// The SMTP client's address, for log lines.
    client_ip: String,
    token: Token,
    link: Link,
    first_line: Option<Vec<u8>>,
    pending: Option<Pending>,
    over: bool,
}

impl VerifierClient {
    /// Makes a session that has yet to connect, with its first question.
    pub fn new(
        target: Target,
        timeout: Option<Duration>,
        owner: Token,
        client_ip: String,
        line: Vec<u8>,
    ) -> VerifierClient {
        VerifierClient {
            target,
            timeout,
            owner,
            client_ip,
            token: Token::NOBODY,
            link: Link::Closed,
            first_line: Some(line),
            pending: None,
            over: false,
        }
    }

    fn ask(&mut self, line: Vec<u8>, context: &mut Context) {
        let timeout = self.timeout.map(|timeout| timeout.min(TIMEOUT_MAX));
        self.pending = Some(Pending {
            line,
            deadline: timeout.map(|timeout| context.now + timeout),
            is_first: false,
        });
        match self.link {
            Link::Open(_) => self.send(context),
            _ => self.connect(context),
        }
    }

    // ---- connecting

    fn connect(&mut self, context: &mut Context) {
        if let Some(pending) = &mut self.pending {
            pending.is_first = true;
        }
        match &self.target {
            Target::Unix(path) => {
                let address = Address::Unix(path.clone());
                self.connect_to(vec![address], context);
            }
            Target::HostPort(host_port) => {
                let job = lookup::Job::Addresses {
                    target: host_port.clone(),
                    family: None,
                };
                self.link = Link::Resolving;
                context.look_up(self.token, job);
            }
            // The configuration has none.
            Target::Proxied(_) => self.fail("verifiers are not asked through proxies", context),
        }
    }

    fn connect_to(&mut self, addresses: Vec<Address>, context: &mut Context) {
        let mut connector = Connector::new(addresses, None, TIMEOUT_MAX);
        let progress = connector.start(context.now);
        self.link = Link::Connecting(connector);
        self.on_progress(progress, context);
    }

    fn on_progress(&mut self, progress: Progress, context: &mut Context) {
        match progress {
            Progress::Connecting => {}
            Progress::Connected(stream, address) => self.connected(stream, &address, context),
            Progress::Failed(error) => self.fail(&error.to_string(), context),
        }
    }

    fn connected(&mut self, stream: Stream, address: &Address, context: &mut Context) {
        verbose!("address verifier: connected to {address}");
        self.link = Link::Open(Connection::new(stream));
        self.send(context);
    }

    fn resolved(
        &mut self,
        done: Option<Result<Vec<SocketAddr>, ResolveError>>,
        context: &mut Context,
    ) {
        // One that comes after its question has been given up.
        if !matches!(self.link, Link::Resolving) {
            return;
        }
        match done {
            Some(Ok(found)) => {
                let addresses = found.into_iter().map(Address::Tcp).collect();
                self.connect_to(addresses, context);
            }
            Some(Err(error)) => self.fail(&error.to_string(), context),
            None => self.fail("internal error", context),
        }
    }

    // ---- talking

    fn send(&mut self, context: &mut Context) {
        if let (Link::Open(connection), Some(pending)) = (&mut self.link, &self.pending) {
            connection.output.push_all(&pending.line);
            self.flush(context);
        }
    }

    fn flush(&mut self, context: &mut Context) {
        if let Link::Open(connection) = &mut self.link
            && let Err(error) = connection.flush()
        {
            self.lost(&error.to_string(), context);
        }
    }

    fn read(&mut self, context: &mut Context) {
        let Link::Open(connection) = &mut self.link else {
            return;
        };
        match connection.read(&mut context.scratch) {
            Ok(Arrival::Bytes) => self.receive(context),
            Ok(Arrival::Nothing) => {}
            Ok(Arrival::End | Arrival::Truncated) => {
                self.lost("the verifier closed the connection", context)
            }
            Err(error) => self.lost(&error.to_string(), context),
        }
    }

    fn receive(&mut self, context: &mut Context) {
        let Link::Open(connection) = &mut self.link else {
            return;
        };
        if self.pending.is_none() {
            verbose!(
                "address verifier: an answer to no question from {}",
                self.target
            );
            self.link = Link::Closed;
            return;
        }
        match netverifier::receive(&mut connection.input) {
            Found::NeedMore => {}
            Found::Garbage => self.fail("not an answer", context),
            Found::Answer(answer, is_last) => {
                // What follows would be taken for the answer to the next question.
                if !is_last {
                    self.link = Link::Closed;
                }
                self.decide(verifier::answered(&answer), context);
            }
        }
    }

    /// The connection is gone. A verifier may close it between two questions,
    /// just when the next one is on its way: that one is asked again, once.
    fn lost(&mut self, why: &str, context: &mut Context) {
        let has_answer_begun = match &self.link {
            Link::Open(connection) => !connection.input.is_empty(),
            _ => false,
        };
        self.link = Link::Closed;
        match &self.pending {
            Some(pending) if !pending.is_first && !has_answer_begun => self.connect(context),
            _ => self.fail(why, context),
        }
    }

    // ---- deciding

    fn fail(&mut self, why: &str, context: &mut Context) {
        self.link = Link::Closed;
        let decision = Decision::failed(format_args!("{}: {why}", self.target));
        self.decide(decision, context);
    }

    fn decide(&mut self, decision: Decision, context: &mut Context) {
        if self.pending.take().is_some() {
            let news = News::Decided(Box::new(decision));
            context.post(self.owner, Message::Verification(news));
        }
    }
}

impl Session for VerifierClient {
    fn kind(&self) -> Kind {
        Kind::VerifierClient
    }

    fn peer(&self) -> Option<&str> {
        Some(&self.client_ip)
    }

    fn start(&mut self, token: Token, context: &mut Context) {
        self.token = token;
        let news = News::Started(token);
        context.post(self.owner, Message::Verification(news));
        if let Some(line) = self.first_line.take() {
            self.ask(line, context);
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
            Link::Closed | Link::Resolving => None,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let pending = self.pending.as_ref().and_then(|pending| pending.deadline);
        let attempt = match &self.link {
            Link::Connecting(connector) => connector.deadline(),
            _ => None,
        };
        [pending, attempt].into_iter().flatten().min()
    }

    fn on_ready(&mut self, ready: Ready, context: &mut Context) {
        match &mut self.link {
            Link::Connecting(connector) => {
                let progress = connector.on_ready(context.now);
                self.on_progress(progress, context);
            }
            Link::Open(_) if ready.readable => self.read(context),
            Link::Open(_) => self.flush(context),
            Link::Closed | Link::Resolving => {}
        }
    }

    fn on_timeout(&mut self, context: &mut Context) {
        let pending = self.pending.as_ref().and_then(|pending| pending.deadline);
        if pending.is_some_and(|deadline| deadline <= context.now) {
            self.fail("timed out", context);
        } else if let Link::Connecting(connector) = &mut self.link {
            let progress = connector.on_timeout(context.now);
            self.on_progress(progress, context);
        }
    }

    fn on_message(&mut self, message: Message, context: &mut Context) {
        match message {
            Message::Lookup(Some(lookup::Done::Addresses(found))) => {
                self.resolved(Some(found), context);
            }
            Message::Lookup(_) => self.resolved(None, context),
            Message::Verification(News::Ask(line)) => self.ask(line, context),
            Message::Verification(News::HangUp) => self.over = true,
            _ => {}
        }
    }

    /// Whoever asks is told, and hangs up.
    fn on_shutdown(&mut self, _context: &mut Context) {}

    fn is_over(&self) -> bool {
        self.over
    }

    fn last_words(&self) -> Vec<(Token, Message)> {
        vec![(self.owner, Message::Verification(News::Gone))]
    }
}
