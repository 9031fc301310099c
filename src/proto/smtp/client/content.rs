//! Sending the content after DATA.

use super::close::{CloseReason, Stage};
use super::context::Context;
use super::outcome::PeerReply;
use super::transaction::Transaction;
use super::{Action, State};
use crate::proto::smtp::reply_reader::{Class, ReplyLines};
use crate::proto::stuff::{Framing, Stuffer};

/// Waits for the next piece of content from our own side.
pub(super) struct Content {
    transaction: Transaction,
    stuffer: Stuffer,
}

/// Waits for the reply to the final dot.
pub(super) struct FinalReply {
    transaction: Transaction,
}

impl Content {
    pub(super) fn begin(context: &mut Context<'_>, transaction: Transaction) -> State {
        let stuffer = Stuffer::new(Framing::Dot);
        Content {
            transaction,
            stuffer,
        }
        .ask(context)
    }

    pub(super) fn send(mut self, context: &mut Context<'_>, chunk: &[u8], last: bool) -> State {
        let mut wire = Vec::new();
        self.stuffer.push(chunk, &mut wire);
        if !last {
            push_send(context, wire);
            return self.ask(context);
        }
        self.stuffer.finish(&mut wire);
        push_send(context, wire);
        context.note_sent(b".");
        context.await_final_reply();
        let transaction = self.transaction;
        State::FinalReply(FinalReply { transaction })
    }

    fn ask(self, context: &mut Context<'_>) -> State {
        context.await_room();
        context.out.push(Action::NeedContent);
        State::Content(self)
    }

    pub(super) fn into_transaction(self) -> Transaction {
        self.transaction
    }
}

impl FinalReply {
    // RFC 5321 4.2.5: after a 2yz the message is the server's, otherwise it is ours.
    pub(super) fn reply(mut self, context: &mut Context<'_>, reply: &ReplyLines) -> State {
        let peer_reply = PeerReply::from(reply);
        match reply.class() {
            Class::Success => context.finish(self.transaction.deliver(peer_reply)),
            Class::Intermediate => {
                let reason = CloseReason::Unfit(Stage::FinalReply, peer_reply);
                return context.drop_message(self.transaction, true, reason);
            }
            Class::Temporary | Class::Permanent => {
                self.transaction.refuse_message(peer_reply);
                context.finish(self.transaction.end(true));
            }
        }
        context.ready()
    }

    pub(super) fn into_transaction(self) -> Transaction {
        self.transaction
    }
}

fn push_send(context: &mut Context<'_>, wire: Vec<u8>) {
    if !wire.is_empty() {
        context.out.push(Action::Send(wire));
    }
}
