//! Asking for encryption, and waiting for it.

use super::close::{CloseReason, Stage};
use super::context::Context;
use super::greeting::Greeting;
use super::hello::Hello;
use super::outcome::PeerReply;
use super::quitting::Quitting;
use super::{Action, State};
use crate::proto::smtp::reply_reader::{Class, ReplyLines};

/// Waits for the reply to STARTTLS.
pub(super) struct StartTls;

/// Waits for the driver to say what came of the handshake.
pub(super) struct Handshake {
    /// Whether it comes before everything else, and so before the greeting.
    is_implicit: bool,
}

impl StartTls {
    pub(super) fn begin(context: &mut Context<'_>) -> State {
        context.send_commands(&[b"STARTTLS".to_vec()]);
        context.await_reply();
        State::StartTls(StartTls)
    }

    /// Only 220 starts the handshake: to take any other success for it would be to
    /// go on in clear. `has_more` says that something came together with the reply.
    // RFC 3207 4: 220, 454, or 501.
    pub(super) fn reply(
        self,
        context: &mut Context<'_>,
        reply: &ReplyLines,
        has_more: bool,
    ) -> State {
        match reply.class() {
            // Whoever can write into the connection could put this reply there,
            // and what follows it would be taken for words said under TLS.
            Class::Success if reply.code == 220 && has_more => {
                context.close(CloseReason::InjectedBeforeTls)
            }
            Class::Success if reply.code == 220 => {
                context.out.push(Action::StartTls);
                context.await_handshake();
                State::Handshake(Handshake { is_implicit: false })
            }
            Class::Success | Class::Intermediate => {
                context.close(CloseReason::Unfit(Stage::StartTls, PeerReply::from(reply)))
            }
            // What was offered is not done without: going on in clear is what
            // somebody in between would want us to do.
            Class::Temporary | Class::Permanent => {
                let reason = CloseReason::Refused(Stage::StartTls, PeerReply::from(reply));
                Quitting::begin(context, reason)
            }
        }
    }
}

impl Handshake {
    /// The start of a session that is encrypted from the first octet.
    pub(super) fn begin_implicit(context: &mut Context<'_>) -> State {
        context.begin_attempt();
        context.await_handshake();
        State::Handshake(Handshake { is_implicit: true })
    }

    /// The connection is secure; the session starts afresh.
    // RFC 3207 4.2: the client discards what it has learnt, and says EHLO again.
    pub(super) fn established(self, context: &mut Context<'_>) -> State {
        context.session.is_now_encrypted();
        if self.is_implicit {
            Greeting::begin(context)
        } else {
            Hello::begin(context, false)
        }
    }
}
