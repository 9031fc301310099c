//! Getting back to a clean slate after a message that was not sent.

use super::State;
use super::close::{CloseReason, Stage};
use super::context::Context;
use super::outcome::PeerReply;
use crate::proto::smtp::reply_reader::{Class, ReplyLines};

/// Waits for replies that no longer matter, and then for that to RSET where the
/// server may have a transaction open.
pub(super) enum Clearing {
    /// That many replies do not matter; then RSET.
    Draining(usize),
    /// The reply to RSET.
    Resetting,
    /// The reply to a content of nothing for nobody.
    Ignoring,
}

impl Clearing {
    /// Ends the server's transaction once `awaited` more replies have come.
    pub(super) fn reset_after(context: &mut Context<'_>, awaited: usize) -> State {
        if awaited > 0 {
            context.await_reply();
            return State::Clearing(Clearing::Draining(awaited));
        }
        context.send_commands(&[b"RSET".to_vec()]);
        context.await_reply();
        State::Clearing(Clearing::Resetting)
    }

    /// Ends a DATA that was granted although every recipient was refused.
    // RFC 2920 3.1: the client sends a single dot.
    pub(super) fn end_empty_content(context: &mut Context<'_>) -> State {
        context.send_commands(&[b".".to_vec()]);
        context.await_final_reply();
        State::Clearing(Clearing::Ignoring)
    }

    pub(super) fn reply(self, context: &mut Context<'_>, reply: &ReplyLines) -> State {
        match self {
            Clearing::Draining(awaited) => Clearing::reset_after(context, awaited - 1),
            Clearing::Resetting if reply.class() != Class::Success => {
                context.close(CloseReason::Unfit(Stage::Clearing, PeerReply::from(reply)))
            }
            Clearing::Resetting | Clearing::Ignoring => context.ready(),
        }
    }
}
