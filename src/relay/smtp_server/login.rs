//! Clients that authenticate, and what the secrets say of others.

use std::sync::Arc;

use crate::auth::{Identity, Refusal};
use crate::base::OneLine;
use crate::proto::sasl::{Answer, Credentials};
use crate::proto::smtp::server::{Admission, Event};
use crate::relay::context::Context;
use crate::relay::passwords;
use crate::verbose;

use super::SmtpServer;

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

    /// Has what the client says checked.
    pub(super) fn authenticate(&mut self, credentials: Box<Credentials>, context: &mut Context) {
        let site = self.service.site;
        let client = (self.token, &self.peer);
        self.login.check(site, credentials, client, context);
    }

    pub(super) fn checked(&mut self, result: Result<Identity, Refusal>, context: &mut Context) {
        if let Some(identity) = self.login.checked(result, &self.peer, context) {
            self.answer_login(Ok(identity), context);
        }
    }

    /// Takes what PAM says.
    pub(super) fn asked(&mut self, done: Option<passwords::Done>, context: &mut Context) {
        if let Some(answer) = self.login.asked(done, &self.peer, context) {
            self.answer_login(answer, context);
        }
    }

    /// Lets a client wait for the answer to a failure that needed no check.
    pub(super) fn hold_back(&mut self, answer: Answer, context: &mut Context) {
        self.login.hold_back(answer, &self.peer, context);
    }

    /// Looks at what has waited for long enough, or gives the answer that has.
    pub(super) fn go_on_with_login(&mut self, context: &mut Context) {
        let client = (self.token, &self.peer);
        if let Some(answer) = self.login.go_on(client, context) {
            self.answer_login(Err(answer), context);
        }
    }

    /// The check itself has failed, which is no fault of the client.
    pub(super) fn uncheck(&mut self, context: &mut Context) {
        let answer = self.login.uncheck();
        self.answer_login(Err(answer), context);
    }

    fn answer_login(&mut self, result: Result<OneLine, Answer>, context: &mut Context) {
        self.resume(Event::Authenticated(result), context);
    }
}
