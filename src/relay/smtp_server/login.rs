//! Clients that authenticate: the check of what they say, and the wait of those
//! who have failed.

use std::sync::Arc;
use std::time::Instant;

use crate::auth::{Identity, Refusal};
use crate::base::OneLine;
use crate::proto::sasl::{Answer, Credentials};
use crate::proto::smtp::server::{Admission, Event};
use crate::relay::context::Context;
use crate::relay::disk::Job;
use crate::{verbose, warning};

use super::SmtpServer;

/// How far an attempt to authenticate has come, as far as it waits for us.
#[derive(Default)]
pub(super) enum Login {
    /// There is none.
    #[default]
    Idle,
    /// A worker checks it.
    Checking,
    /// It has failed, and the client is not told before that time.
    Held { until: Instant, answer: Answer },
}

impl Login {
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Login::Held { until, .. } => Some(*until),
            Login::Idle | Login::Checking => None,
        }
    }
}

impl SmtpServer {
    /// Tells the machine what the secrets say, if they are not what they were.
    pub(super) fn admit(&mut self, context: &Context) {
        let Some(secrets) = context.security.site(self.service.site).secrets() else {
            return;
        };
        let is_same = |known| Arc::ptr_eq(known, secrets);
        if self.service.machine.auth.is_none() || self.secrets.as_ref().is_some_and(is_same) {
            return;
        }
        self.secrets = Some(Arc::clone(secrets));
        let address = self.peer.remote_ip();
        let trusted = secrets.trusted(address);
        match trusted {
            Some(trusted) => verbose!("{}", trusted.log_text(address)),
            None => verbose!(
                "server authentication enabled but not a trusted address: {}",
                self.peer.ip_text()
            ),
        }
        self.machine.admit(Admission {
            kinds: secrets.kinds().clone(),
            trusted: trusted.map(|trusted| trusted.keyword.clone()),
        });
    }

    /// Has a worker check what the client says.
    pub(super) fn authenticate(&mut self, credentials: Box<Credentials>, context: &mut Context) {
        let security = &context.security;
        match security.check(self.service.site, context.now, credentials) {
            Some(job) => {
                self.login = Login::Checking;
                context.submit(self.token, Job::Security(job));
            }
            None => self.hold(Answer::Unavailable, context.now),
        }
    }

    pub(super) fn checked(&mut self, result: Result<Identity, Refusal>, context: &mut Context) {
        match result {
            Ok(identity) => {
                verbose!("{identity}");
                let peer = self.peer.ip();
                context.security.throttle.succeeded(context.now, peer);
                self.answer_login(Ok(identity.id), context);
            }
            Err(refusal) => {
                warning!("{refusal}");
                self.delay(Answer::Rejected, context);
            }
        }
    }

    /// Logs a failure that needed no check, and lets the client wait for its answer.
    pub(super) fn hold_back(&mut self, answer: Answer, context: &mut Context) {
        let why = answer.warning().unwrap_or(match answer {
            Answer::Cancelled => "cancelled by the client",
            _ => "malformed credentials",
        });
        warning!("failed authentication of remote client: {why}");
        self.delay(answer, context);
    }

    /// Counts a failure, and lets the client wait for as long as its address has
    /// earned.
    fn delay(&mut self, answer: Answer, context: &mut Context) {
        let peer = self.peer.ip();
        let delay = context.security.throttle.failed(context.now, peer);
        self.hold(answer, context.now + delay);
    }

    fn hold(&mut self, answer: Answer, until: Instant) {
        self.login = Login::Held { until, answer };
    }

    /// Gives the answer that has been held back for long enough.
    pub(super) fn release(&mut self, context: &mut Context) {
        if let Login::Held { answer, .. } = self.login {
            self.answer_login(Err(answer), context);
        }
    }

    /// The check itself has failed, which is no fault of the client.
    pub(super) fn uncheck(&mut self, context: &mut Context) {
        self.answer_login(Err(Answer::Unavailable), context);
    }

    pub(super) fn is_checking(&self) -> bool {
        matches!(self.login, Login::Checking)
    }

    fn answer_login(&mut self, result: Result<OneLine, Answer>, context: &mut Context) {
        self.login = Login::Idle;
        self.resume(Event::Authenticated(result), context);
    }
}
