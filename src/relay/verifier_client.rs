//! A session with a network verifier, on behalf of one SMTP session: asks one
//! question at a time, over a connection that is kept between them.

use std::time::{Duration, Instant};

use crate::event::{Interest, Ready, Token};
use crate::filter::verifier::{self, Decision};
use crate::net::address::Target;
use crate::net::connector::TIMEOUT_MAX;
use crate::proto::netverifier::{self, Found};
use crate::verbose;

use super::context::Context;
use super::service_link::{self, ServiceLink};
use super::session::{Kind, Message, Session};
use super::verification::News;

/// The question that is to be answered.
struct Pending {
    line: Vec<u8>,
    deadline: Option<Instant>,
    /// Whether it is the connection's first: then losing that says something.
    is_first: bool,
    has_answer_begun: bool,
}

/// One session.
pub struct VerifierClient {
    target: Target,
    timeout: Option<Duration>,
    owner: Token,
    /// The SMTP client's address, for log lines.
    client_ip: String,
    token: Token,
    link: ServiceLink,
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
            link: ServiceLink::new(target.clone()),
            target,
            timeout,
            owner,
            client_ip,
            token: Token::NOBODY,
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
            has_answer_begun: false,
        });
        match self.link.connection() {
            Some(_) => self.send(context),
            None => self.connect(context),
        }
    }

    fn connect(&mut self, context: &mut Context) {
        if let Some(pending) = &mut self.pending {
            pending.is_first = true;
        }
        let news = self.link.begin(self.token, context);
        self.on_news(news, context);
    }

    fn on_news(&mut self, news: service_link::News, context: &mut Context) {
        match news {
            service_link::News::Nothing | service_link::News::Room => {}
            service_link::News::Open => {
                verbose!("address verifier: connected to {}", self.target);
                self.send(context);
            }
            service_link::News::Input => self.receive(context),
            service_link::News::Lost(why) => self.lost(&why, context),
        }
    }

    // ---- talking

    fn send(&mut self, context: &mut Context) {
        if let (Some(connection), Some(pending)) = (self.link.connection(), &self.pending) {
            connection.output.push_all(&pending.line);
            let news = self.link.flush();
            self.on_news(news, context);
        }
    }

    fn receive(&mut self, context: &mut Context) {
        let Some(connection) = self.link.connection() else {
            return;
        };
        let Some(pending) = &mut self.pending else {
            verbose!(
                "address verifier: an answer to no question from {}",
                self.target
            );
            self.link.close();
            return;
        };
        match netverifier::receive(&mut connection.input) {
            Found::NeedMore => pending.has_answer_begun = true,
            Found::Garbage => self.fail(&format!("{}: not an answer", self.target), context),
            Found::Answer(answer, is_last) => {
                // What follows would be taken for the answer to the next question.
                if !is_last {
                    self.link.close();
                }
                self.decide(verifier::answered(&answer), context);
            }
        }
    }

    /// The connection is gone. A verifier may close it between two questions,
    /// just when the next one is on its way: that one is asked again, once.
    fn lost(&mut self, why: &str, context: &mut Context) {
        match &self.pending {
            Some(pending) if !pending.is_first && !pending.has_answer_begun => {
                self.connect(context);
            }
            _ => self.fail(why, context),
        }
    }

    // ---- deciding

    fn fail(&mut self, why: &str, context: &mut Context) {
        self.link.close();
        self.decide(Decision::failed(why), context);
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
        self.link.interest()
    }

    fn deadline(&self) -> Option<Instant> {
        let pending = self.pending.as_ref().and_then(|pending| pending.deadline);
        [pending, self.link.deadline()].into_iter().flatten().min()
    }

    fn on_ready(&mut self, ready: Ready, context: &mut Context) {
        let news = self.link.on_ready(ready, context);
        self.on_news(news, context);
    }

    fn on_timeout(&mut self, context: &mut Context) {
        let pending = self.pending.as_ref().and_then(|pending| pending.deadline);
        if pending.is_some_and(|deadline| deadline <= context.now) {
            self.fail(&format!("{}: timed out", self.target), context);
        } else {
            let news = self.link.on_timeout(context);
            self.on_news(news, context);
        }
    }

    fn on_message(&mut self, message: Message, context: &mut Context) {
        match message {
            Message::Verification(News::Ask(line)) => self.ask(line, context),
            Message::Verification(News::HangUp) => self.over = true,
            message => {
                let news = self.link.on_message(message, context);
                self.on_news(news, context);
            }
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
