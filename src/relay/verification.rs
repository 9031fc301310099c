//! How the recipients of one SMTP session are put to the verifier.
//!
//! A program is a job of the pool; a service is asked through a session of its
//! own, which this one begins with the first question and ends with itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::base::OneLine;
use crate::event::Token;
use crate::filter::spec::Spec;
use crate::filter::verifier::{self, Decision};
use crate::net::address::Target;
use crate::proto::netverifier::Question;
use crate::proto::smtp::server::{Verdict, VerifyRequest};
use crate::{verbose, warning};

use super::context::Context;
use super::limits::VERIFIER_TURN_MAX;
use super::peer::Peer;
use super::programs::{self, Task};
use super::session::Message;
use super::verifier_client::VerifierClient;

/// How a client has authenticated that has not.
const NO_MECHANISM: &str = "none";

/// The verifier, as the operator has it.
#[derive(Clone, Debug)]
pub struct Verifier {
    /// What is asked.
    pub spec: Spec,
    /// How long it may take to answer.
    pub timeout: Option<Duration>,
    /// Our own name.
    pub domain: OneLine,
}

/// What an SMTP session and the session with its verifier tell each other.
pub enum News {
    /// To the SMTP session: this is who asks for it.
    Started(Token),
    /// To the other: ask this.
    Ask(Vec<u8>),
    /// To the SMTP session: this is what it has come to.
    Decided(Box<Decision>),
    /// To the SMTP session: the other is gone.
    Gone,
    /// To the other: there will be no more questions.
    HangUp,
}

/// One session's dealings with the verifier.
pub struct Verification {
    verifier: Arc<Verifier>,
    client: OneLine,
    client_ip: String,
    /// What a decision is awaited for.
    request: Option<VerifyRequest>,
    /// Set where a program's result is not wanted any more.
    cancelled: Arc<AtomicBool>,
    /// Who asks the service.
    service: Option<Token>,
}

impl Verification {
    /// Has nothing to ask yet.
    pub fn new(verifier: Arc<Verifier>, peer: &Peer) -> Verification {
        Verification {
            verifier,
            client: OneLine::escaped(peer.to_string()),
            client_ip: peer.ip_text().to_owned(),
            request: None,
            cancelled: Arc::default(),
            service: None,
        }
    }

    /// Puts a question on behalf of the session of that name, which gets the
    /// answer as a message: from the pool, or as [`News`].
    pub fn ask(&mut self, request: VerifyRequest, me: Token, context: &mut Context) {
        let question = self.question(&request);
        self.request = Some(request);
        let verifier = Arc::clone(&self.verifier);
        match &verifier.spec {
            Spec::Program(program) => {
                verbose!("{}", verifier::executing(program, &question));
                let task = Task::Program(program.clone());
                context.run_program(me, self.job(task, question, context.now));
            }
            Spec::Net(target) => match question.line() {
                Ok(line) => self.ask_service(target, line, me, context),
                Err(fault) => post(me, verifier::unaskable(fault), context),
            },
            Spec::Accounts(accounts) => {
                let task = Task::Accounts(accounts.clone());
                context.run_program(me, self.job(task, question, context.now));
            }
            Spec::Exit(status) => post(me, verifier::exit((*status).into()), context),
        }
    }

    fn job(&self, task: Task, question: Question, now: Instant) -> programs::Job {
        programs::Job {
            task,
            question,
            timeout: self.verifier.timeout,
            until: now + VERIFIER_TURN_MAX,
            cancelled: Arc::clone(&self.cancelled),
        }
    }

    fn ask_service(&mut self, target: &Target, line: Vec<u8>, me: Token, context: &mut Context) {
        verbose!("address verifier: asking {target}");
        if let Some(service) = self.service {
            context.post(service, Message::Verification(News::Ask(line)));
        } else {
            let ip = self.client_ip.clone();
            let timeout = self.verifier.timeout;
            let client = VerifierClient::new(target.clone(), timeout, me, ip, line);
            context.begin(Box::new(client));
        }
    }

    fn question(&self, request: &VerifyRequest) -> Question {
        Question {
            recipient: request.recipient.clone(),
            sender: request.sender.clone(),
            client: self.client.clone(),
            domain: self.verifier.domain.clone(),
            mechanism: request.mechanism.map_or_else(
                || OneLine::escaped(NO_MECHANISM),
                |mechanism| OneLine::escaped(mechanism.to_string()),
            ),
            identity: request.identity.clone(),
        }
    }

    /// Takes news of the service; a verdict, if they bring one that is awaited.
    pub fn on_news(&mut self, news: News) -> Option<Verdict> {
        match news {
            News::Started(service) => {
                self.service = Some(service);
                None
            }
            News::Decided(decision) => self.on_decision(Some(decision)),
            News::Gone => {
                self.service = None;
                self.on_decision(None)
            }
            News::Ask(_) | News::HangUp => None,
        }
    }

    /// Logs a decision, or that there is none because of a fault of our own, and
    /// gives the verdict, if one is awaited.
    pub fn on_decision(&mut self, decision: Option<Box<Decision>>) -> Option<Verdict> {
        let request = self.request.take()?;
        let decision = decision.unwrap_or_else(|| Box::new(Decision::failed("internal error")));
        if let Some(exit) = &decision.exit {
            verbose!("address verifier: {exit}");
        }
        if let Some(reason) = &decision.reason {
            match request.vrfy {
                true => verbose!("not verifying \"{}\": {reason}", request.recipient),
                false => warning!("rejecting recipient \"{}\": {reason}", request.recipient),
            }
        }
        Some(decision.verdict)
    }

    /// What there is to be told to others when the session ends.
    pub fn last_words(&self) -> Option<(Token, Message)> {
        let service = self.service?;
        Some((service, Message::Verification(News::HangUp)))
    }
}

impl Drop for Verification {
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}

/// Answers at once, but not before whoever asked has finished what it is doing.
fn post(to: Token, decision: Decision, context: &mut Context) {
    let news = News::Decided(Box::new(decision));
    context.post(to, Message::Verification(news));
}
