//! One message on its way: how far sending it has come.

use std::time::Instant;

use super::context::Context;
use super::mail_command::mail_command;
use super::message::Body;
use super::transaction::Transaction;
use crate::proto::stuff::{Framing, Stuffer};

/// How the content is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// After DATA.
    Data,
    /// With BDAT (RFC 3030).
    Chunks,
}

/// What is to be sent next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// MAIL.
    Mail,
    /// RCPT for the first open recipient from that one on, then perhaps DATA.
    Recipient(usize),
    /// Nothing before all commands are answered: that decides on the content.
    Replies,
    /// Content.
    Content {
        /// Whether the driver has been asked for it.
        is_asked: bool,
    },
    /// Nothing: all of it is sent.
    Sent,
    /// Nothing: it is not sent at all.
    Withheld,
}

/// What a command is, for matching its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// RSET.
    Reset,
    /// MAIL.
    Mail,
    /// RCPT for that recipient.
    Recipient(usize),
    /// DATA.
    Data,
    /// BDAT, which is the last one or not.
    Chunk(bool),
    /// The final dot.
    End,
    /// A final dot without content, for nobody.
    EmptyEnd,
}

/// A message on its way.
pub(super) struct Flight {
    /// Tells the messages of a session apart.
    pub(super) serial: u64,
    pub(super) transaction: Transaction,
    pub(super) how: How,
    pub(super) step: Step,
    /// Repairs line ends; binary content has none.
    stuffer: Option<Stuffer>,
    pub(super) chunks_unanswered: usize,
    pub(super) is_mail_accepted: bool,
    pub(super) is_any_recipient_accepted: bool,
    /// When it has had enough time.
    pub(super) until: Option<Instant>,
    /// How much of its content has been sent, in octets.
    pub(super) octets: usize,
    /// Content that must not go out yet, in its wire form, and whether it ends there.
    pub(super) held: Option<(Vec<u8>, bool)>,
}

impl Flight {
    pub(super) fn new(context: &mut Context<'_>, transaction: Transaction) -> Flight {
        let session = &mut *context.session;
        session.serial += 1;
        let offers = &session.extensions;
        let is_binary = transaction.message().body == Body::Binary && offers.takes_binary();
        let how = match is_binary || (session.settings.chunking && offers.chunking) {
            true => How::Chunks,
            false => How::Data,
        };
        let framing = match how {
            How::Data => Framing::Dot,
            How::Chunks => Framing::Counted,
        };
        Flight {
            serial: session.serial,
            how,
            step: match transaction.is_hopeful() {
                true => Step::Mail,
                false => Step::Withheld,
            },
            transaction,
            stuffer: (!is_binary).then(|| Stuffer::new(framing)),
            chunks_unanswered: 0,
            is_mail_accepted: false,
            is_any_recipient_accepted: false,
            until: context.now.checked_add(session.settings.session_max),
            octets: 0,
            held: None,
        }
    }

    /// Takes the next command of the envelope, if there is one.
    pub(super) fn next_command(&mut self, context: &Context<'_>) -> Option<(Command, Vec<u8>)> {
        let from = match self.step {
            Step::Mail => {
                self.step = Step::Recipient(0);
                let message = self.transaction.message();
                return Some((Command::Mail, mail_command(message, context.session)));
            }
            Step::Recipient(from) => from,
            Step::Replies | Step::Content { .. } | Step::Sent | Step::Withheld => return None,
        };
        let recipients = &self.transaction.message().recipients;
        let mut candidates = recipients.iter().enumerate().skip(from);
        if let Some((index, path)) = candidates.find(|(index, _)| self.transaction.is_open(*index))
        {
            let command = [b"RCPT TO:<", path.as_bytes(), b">"].concat();
            self.step = Step::Recipient(index + 1);
            return Some((Command::Recipient(index), command));
        }
        self.step = match self.may_not_wait(context) {
            true => Step::Content { is_asked: false },
            false => Step::Replies,
        };
        let wants_data = self.how == How::Data && self.transaction.is_hopeful();
        wants_data.then(|| (Command::Data, b"DATA".to_vec()))
    }

    /// Whether content follows the envelope before that is answered. The server
    /// must have shown that it knows BDAT: another one would take the content for
    /// commands. And where a refused recipient keeps the message from the others
    /// it has to be known first whether there is one.
    fn may_not_wait(&self, context: &Context<'_>) -> bool {
        let session = &*context.session;
        let is_single = self.transaction.message().recipients.len() == 1;
        self.how == How::Chunks
            && context.is_pipelining()
            && session.is_chunking_proven
            && self.transaction.is_hopeful()
            && (is_single || !session.settings.strict_recipients)
    }

    /// Whether the driver owes a piece of content.
    pub(super) fn is_asking(&self) -> bool {
        self.step == Step::Content { is_asked: true }
    }

    /// The wire form of a piece of content.
    pub(super) fn repair(&mut self, chunk: &[u8], last: bool) -> Vec<u8> {
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
