//! Clients that authenticate: the check of what they say, and the wait of those
//! who have failed.

use std::time::Instant;

use crate::auth::{Identity, Refusal, Unproven};
use crate::base::OneLine;
use crate::event::Token;
use crate::proto::sasl::{Answer, Credentials};
use crate::sys::pam;
use crate::{error, verbose, warning};

use super::context::Context;
use super::disk::Job;
use super::passwords;
use super::peer::Peer;
use super::security::SiteId;

/// How far an attempt to authenticate has come, as far as it waits for us.
#[derive(Debug, Default)]
pub enum Login {
    /// There is none.
    #[default]
    Idle,
    /// A worker checks it.
    Checking,
    /// It has failed, and the client is not told before that time.
    Held {
        /// When it is told.
        until: Instant,
        /// What it is told.
        answer: Answer,
    },
}

impl Login {
    /// When an answer that is held back is to be given.
    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Login::Held { until, .. } => Some(*until),
            Login::Idle | Login::Checking => None,
        }
    }

    /// Whether a worker is at it.
    pub fn is_checking(&self) -> bool {
        matches!(self, Login::Checking)
    }

    /// Has a worker check what the client says.
    pub fn check(
        &mut self,
        site: SiteId,
        credentials: Box<Credentials>,
        (token, peer): (Token, &Peer),
        context: &mut Context,
    ) {
        if context.security.site(site).asks_pam() {
            *self = Login::Checking;
            let job = passwords::Job {
                credentials,
                peer: peer.remote_ip(),
                until: context.now + pam::TURN_MAX,
            };
            context.check_password(token, job);
            return;
        }
        match context.security.check(site, context.now, credentials) {
            Some(job) => {
                *self = Login::Checking;
                context.submit(token, Job::Security(job));
            }
            None => self.hold(Answer::Unavailable, context.now),
        }
    }

    /// Takes what came of the check. A client that is who it says is to be told so;
    /// any other has to wait.
    pub fn checked(
        &mut self,
        result: Result<Identity, Refusal>,
        peer: &Peer,
        context: &mut Context,
    ) -> Option<OneLine> {
        match result {
            Ok(identity) => {
                verbose!("{identity}");
                let ip = peer.ip();
                context.security.throttle.succeeded(context.now, ip);
                *self = Login::Idle;
                Some(identity.id)
            }
            Err(refusal) => {
                warning!("{refusal}");
                self.delay(Answer::Rejected, peer, context);
                None
            }
        }
    }

    /// The same of a check by PAM: what the client is to be told now, if anything.
    pub fn asked(
        &mut self,
        done: Option<passwords::Done>,
        peer: &Peer,
        context: &mut Context,
    ) -> Option<Result<OneLine, Answer>> {
        let result = match done {
            Some(Ok(identity)) => Ok(identity),
            Some(Err(Unproven::Refused(refusal))) => Err(refusal),
            Some(Err(Unproven::Unavailable(line))) => {
                error!("{line}");
                return Some(Err(self.uncheck()));
            }
            None => return Some(Err(self.uncheck())),
        };
        self.checked(result, peer, context).map(Ok)
    }

    /// Logs a failure that needed no check, and lets the client wait for its answer.
    pub fn hold_back(&mut self, answer: Answer, peer: &Peer, context: &mut Context) {
        let why = answer.warning().unwrap_or(match answer {
            Answer::Cancelled => "cancelled by the client",
            _ => "malformed credentials",
        });
        warning!("failed authentication of remote client: {why}");
        self.delay(answer, peer, context);
    }

    /// The answer that has been held back for long enough.
    pub fn release(&mut self) -> Option<Answer> {
        let Login::Held { answer, .. } = *self else {
            return None;
        };
        *self = Login::Idle;
        Some(answer)
    }

    /// The check itself has failed, which is no fault of the client.
    pub fn uncheck(&mut self) -> Answer {
        *self = Login::Idle;
        Answer::Unavailable
    }

    /// Counts a failure, and lets the client wait for as long as its address has
    /// earned.
    fn delay(&mut self, answer: Answer, peer: &Peer, context: &mut Context) {
        context.watch.counters.authentication_failures += 1;
        let delay = context.security.throttle.failed(context.now, peer.ip());
        self.hold(answer, context.now + delay);
    }

    fn hold(&mut self, answer: Answer, until: Instant) {
        *self = Login::Held { until, answer };
    }
}
