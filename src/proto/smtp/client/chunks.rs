//! Sending the content with BDAT (RFC 3030).
//!
//! Chunks follow only once every RCPT has been answered: that costs no more
//! round trips than DATA does, and nothing is sent to a server that has refused
//! the message.

use super::clearing::Clearing;
use super::close::{CloseReason, Stage};
use super::context::Context;
use super::message::Body;
use super::outcome::PeerReply;
use super::transaction::Transaction;
use super::{Action, State};
use crate::proto::smtp::reply_reader::{Class, ReplyLines};
use crate::proto::stuff::{Framing, Stuffer};

/// How many chunks may be unanswered when the server offers PIPELINING.
pub(super) const UNANSWERED_MAX: usize = 16;

/// Sends chunks and waits for their replies.
pub(super) struct Chunks {
    transaction: Transaction,
    /// Repairs line ends; binary content has none.
    stuffer: Option<Stuffer>,
    unanswered: usize,
    /// Whether the server has shown that it knows BDAT.
    is_understood: bool,
    is_asking: bool,
    is_last_sent: bool,
}

impl Chunks {
    pub(super) fn begin(context: &mut Context<'_>, transaction: Transaction) -> State {
        let is_binary = transaction.message().body == Body::Binary;
        let chunks = Chunks {
            stuffer: (!is_binary).then(|| Stuffer::new(Framing::Counted)),
            transaction,
            unanswered: 0,
            is_understood: false,
            is_asking: false,
            is_last_sent: false,
        };
        chunks.go_on(context)
    }

    pub(super) fn wants_content(&self) -> bool {
        self.is_asking
    }

    pub(super) fn is_answered(&self) -> bool {
        self.unanswered == 0
    }

    /// Whether nothing is left to be sent.
    pub(super) fn is_sent(&self) -> bool {
        self.is_last_sent
    }

    pub(super) fn into_transaction(self) -> Transaction {
        self.transaction
    }

    pub(super) fn send(mut self, context: &mut Context<'_>, chunk: &[u8], last: bool) -> State {
        self.is_asking = false;
        let wire = self.repair(chunk, last);
        if last || !wire.is_empty() {
            let ending = if last { " LAST" } else { "" };
            let command = format!("BDAT {}{ending}", wire.len()).into_bytes();
            context.note_sent(&command);
            let block = [command.as_slice(), b"\r\n", &wire].concat();
            context.out.push(Action::Send(block));
            self.unanswered += 1;
            self.is_last_sent = last;
        }
        self.go_on(context)
    }

    pub(super) fn reply(mut self, context: &mut Context<'_>, reply: &ReplyLines) -> State {
        self.unanswered -= 1;
        // A server that does not know the command has read the chunk as commands.
        if !self.is_understood && matches!(reply.code, 500 | 502) {
            let reason = CloseReason::ChunkingRefused(PeerReply::from(reply));
            return context.drop_message(self.transaction, false, reason);
        }
        self.is_understood = true;
        match reply.class() {
            Class::Success if self.is_last_sent && self.unanswered == 0 => {
                context.finish(self.transaction.deliver(PeerReply::from(reply)));
                context.ready()
            }
            Class::Success => self.go_on(context),
            Class::Intermediate if self.is_last_sent => {
                let reason = CloseReason::Unfit(Stage::FinalReply, PeerReply::from(reply));
                context.drop_message(self.transaction, true, reason)
            }
            Class::Intermediate => {
                let reason = CloseReason::Unfit(Stage::Content, PeerReply::from(reply));
                context.drop_message(self.transaction, false, reason)
            }
            Class::Temporary | Class::Permanent => self.refused(context, reply),
        }
    }

    /// A chunk was refused, and with it the message; replies to later chunks say
    /// nothing new. RFC 3030 does not say that a refused last chunk ends the
    /// server's transaction, so RSET does in any case.
    fn refused(mut self, context: &mut Context<'_>, reply: &ReplyLines) -> State {
        self.transaction.refuse_message(PeerReply::from(reply));
        context.finish(self.transaction.end(self.is_last_sent));
        Clearing::reset_after(context, self.unanswered)
    }

    /// Asks for more content where the server may get more.
    fn go_on(mut self, context: &mut Context<'_>) -> State {
        let unanswered_max = if context.is_pipelining() {
            UNANSWERED_MAX
        } else {
            1
        };
        if self.is_last_sent {
            context.await_final_reply();
        } else if self.unanswered < unanswered_max {
            context.await_room();
            if !self.is_asking {
                context.out.push(Action::NeedContent);
                self.is_asking = true;
            }
        } else {
            context.await_reply();
        }
        State::Chunks(self)
    }

    fn repair(&mut self, chunk: &[u8], last: bool) -> Vec<u8> {
        let Some(stuffer) = &mut self.stuffer else {
            return chunk.to_vec();
        };
        let mut wire = Vec::new();
        stuffer.push(chunk, &mut wire);
        if let Some(stuffer) = self.stuffer.take_if(|_| last) {
            stuffer.finish(&mut wire);
        }
        wire
    }
}
