//! Saying who we are, and learning what the server can do.

use super::State;
use super::authentication::Authentication;
use super::close::{CloseReason, Stage};
use super::context::Context;
use super::extensions::Extensions;
use super::outcome::PeerReply;
use super::quitting::Quitting;
use super::settings::Tls;
use super::starttls::StartTls;
use crate::proto::smtp::reply_reader::{Class, ReplyLines};

/// Waits for the reply to EHLO or HELO.
pub(super) struct Hello {
    /// Whether HELO was sent rather than EHLO.
    is_plain: bool,
    /// Whether a greeting may still come, before the reply.
    may_greet: bool,
}

impl Hello {
    pub(super) fn begin(context: &mut Context<'_>, may_greet: bool) -> State {
        say(context, b"EHLO ");
        let is_plain = false;
        State::Hello(Hello {
            is_plain,
            may_greet,
        })
    }

    pub(super) fn reply(self, context: &mut Context<'_>, reply: &ReplyLines) -> State {
        if self.may_greet && reply.code == 220 {
            context.await_reply();
            return State::Hello(Hello {
                may_greet: false,
                ..self
            });
        }
        match reply.class() {
            Class::Success => {
                if !self.is_plain {
                    context.session.extensions = Extensions::parse(&reply.lines);
                }
                established(context, !self.is_plain)
            }
            Class::Intermediate => {
                context.close(CloseReason::Unfit(Stage::Hello, PeerReply::from(reply)))
            }
            Class::Temporary | Class::Permanent => self.refused(context, reply),
        }
    }

    fn refused(self, context: &mut Context<'_>, reply: &ReplyLines) -> State {
        // RFC 5321 4.1.4: these are how a server without EHLO refuses it.
        let is_unknown = matches!(reply.code, 500 | 501 | 502 | 550);
        if self.is_plain || !is_unknown {
            let reason = CloseReason::Refused(Stage::Hello, PeerReply::from(reply));
            return Quitting::begin(context, reason);
        }
        say(context, b"HELO ");
        State::Hello(Hello {
            is_plain: true,
            may_greet: false,
        })
    }
}

/// Encrypts and logs in, as configured, before the session is ready.
fn established(context: &mut Context<'_>, is_esmtp: bool) -> State {
    let session = &*context.session;
    match session.settings.tls {
        _ if session.is_encrypted => Authentication::begin(context),
        Tls::IfOffered | Tls::Required if session.extensions.starttls => StartTls::begin(context),
        Tls::Never | Tls::IfOffered => Authentication::begin(context),
        Tls::Required | Tls::Implicit => {
            Quitting::begin(context, CloseReason::TlsNotOffered { is_esmtp })
        }
    }
}

fn say(context: &mut Context<'_>, verb: &[u8]) {
    let command = [verb, context.session.settings.domain.as_bytes()].concat();
    context.send_commands(&[command]);
    context.await_reply();
}
