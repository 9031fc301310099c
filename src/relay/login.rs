//! Clients that authenticate: the wait of those whose address has failed lately, the
//! check of what they say, and the wait of those who fail.

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
    /// Its address has failed: it is not looked at before that time.
    Waiting {
        /// When it began.
        began: Instant,
        /// When it is looked at.
        until: Instant,
        /// Which secrets it is for.
        site: SiteId,
        /// What the client says.
        credentials: Box<Credentials>,
    },
    /// A worker checks it.
    Checking {
        /// When it began.
        began: Instant,
    },
    /// It has failed, and the client is not told before that time.
    Held {
        /// When it is told.
        until: Instant,
        /// What it is told.
        answer: Answer,
    },
}

impl Login {
    /// When something is to be done though nothing happens: see [`Login::go_on`].
    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Login::Held { until, .. } | Login::Waiting { until, .. } => Some(*until),
            Login::Idle | Login::Checking { .. } => None,
        }
    }

    /// Whether a worker is at it.
    pub fn is_checking(&self) -> bool {
        matches!(self, Login::Checking { .. })
    }

    /// Whether it has yet to be known what comes of it. A client that does not wait
    /// for that has made its attempt all the same.
    pub fn is_undecided(&self) -> bool {
        matches!(self, Login::Checking { .. } | Login::Waiting { .. })
    }

    /// Has what the client says checked, as soon as its address may try again, or not at
    /// all if that is too late. It is this that waits and not only the answer of those
    /// who fail: or else silence would be an answer.
    pub fn check(
        &mut self,
        site: SiteId,
        credentials: Box<Credentials>,
        client: (Token, &Peer),
        context: &mut Context,
    ) {
        let began = context.now;
        let peer = client.1.ip();
        let Some(wait) = context.security.throttle.turn(began, peer) else {
            verbose!("too many attempts to log in wait: {peer}");
            self.hold(Answer::Unavailable, began);
            return;
        };
        if wait.is_zero() {
            self.look((began, site), credentials, client, context);
            return;
        }
        *self = Login::Waiting {
            began,
            until: began + wait,
            site,
            credentials,
        };
    }

    /// Its time has come: what waited is looked at, and an answer that was held back
    /// is given.
    pub fn go_on(&mut self, client: (Token, &Peer), context: &mut Context) -> Option<Answer> {
        match std::mem::take(self) {
            Login::Waiting {
                began,
                site,
                credentials,
                ..
            } => {
                self.look((began, site), credentials, client, context);
                None
            }
            Login::Held { answer, .. } => Some(answer),
            other => {
                *self = other;
                None
            }
        }
    }

    /// Has a worker check what the client says.
    fn look(
        &mut self,
        (began, site): (Instant, SiteId),
        credentials: Box<Credentials>,
        (token, peer): (Token, &Peer),
        context: &mut Context,
    ) {
        if context.security.site(site).asks_pam() {
            *self = Login::Checking { began };
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
                *self = Login::Checking { began };
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

    /// The check itself has failed, which is no fault of the client.
    pub fn uncheck(&mut self) -> Answer {
        *self = Login::Idle;
        Answer::Unavailable
    }

    /// Counts a failure, and lets the client wait for as long as its address has
    /// earned; what the attempt has waited already counts.
    fn delay(&mut self, answer: Answer, peer: &Peer, context: &mut Context) {
        context.watch.counters.authentication_failures += 1;
        let delay = context.security.throttle.failed(context.now, peer.ip());
        let began = match self {
            Login::Checking { began } => *began,
            _ => context.now,
        };
        self.hold(answer, (began + delay).max(context.now));
    }

    fn hold(&mut self, answer: Answer, until: Instant) {
        *self = Login::Held { until, answer };
    }
}
