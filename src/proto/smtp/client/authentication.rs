//! Logging in.

use super::State;
use super::close::{CloseReason, Stage};
use super::context::Context;
use super::outcome::PeerReply;
use super::quitting::Quitting;
use crate::proto::sasl::{ClientExchange, ClientFailure, ClientStep, Terms};
use crate::proto::smtp::reply_reader::ReplyLines;

/// Waits for the server's next word in an exchange.
pub(super) struct Authentication {
    exchange: ClientExchange,
}

impl Authentication {
    /// Logs in where that is configured; then the session is ready.
    pub(super) fn begin(context: &mut Context<'_>) -> State {
        let session = &*context.session;
        let Some(login) = &session.settings.login else {
            return context.ready();
        };
        // An account without secrets says that this server wants no login.
        if login.account.credentials.is_empty() {
            return context.ready();
        }
        let terms = Terms {
            config: login.config.clone(),
            channel: session.channel(),
            has_certificate: login.has_certificate && session.is_encrypted,
        };
        let offered = &session.extensions.auth;
        match ClientExchange::start(login.account.clone(), offered, &terms) {
            Ok((exchange, step)) => Authentication { exchange }.go_on(context, step),
            Err(failure) => Quitting::begin(context, CloseReason::Unauthenticated(failure)),
        }
    }

    pub(super) fn reply(mut self, context: &mut Context<'_>, reply: &ReplyLines) -> State {
        let text = reply.lines.last().map_or(&[][..], Vec::as_slice);
        match self.exchange.reply(reply.code, text) {
            // There is no telling what the server believes to have been said.
            ClientStep::Failed(ClientFailure::OutOfStep { .. }) => {
                let reply = PeerReply::from(reply);
                context.close(CloseReason::Unfit(Stage::Authentication, reply))
            }
            step => self.go_on(context, step),
        }
    }

    fn go_on(self, context: &mut Context<'_>, step: ClientStep) -> State {
        match step {
            ClientStep::Send { line, shown } => {
                context.send_secret(&line, &shown);
                context.await_reply();
                State::Authentication(self)
            }
            ClientStep::Succeeded { mechanism, id } => {
                context.report_authentication(mechanism, &id);
                context.session.login_id = Some(id);
                context.ready()
            }
            ClientStep::Failed(failure) => {
                Quitting::begin(context, CloseReason::Unauthenticated(failure))
            }
        }
    }
}
