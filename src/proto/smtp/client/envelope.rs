//! Sending the envelope and asking to send the content.

use std::collections::VecDeque;

use super::State;
use super::chunks::Chunks;
use super::clearing::Clearing;
use super::close::{CloseReason, Stage};
use super::content::Content;
use super::context::{Context, Session};
use super::message::{Body, Message};
use super::outcome::PeerReply;
use super::transaction::Transaction;
use crate::base::xtext;
use crate::proto::smtp::reply_reader::{Class, ReplyLines};

/// How many commands go out in one group: their replies must fit into the
/// server's output buffers, or both sides wait for each other (RFC 2920 3.1).
pub(super) const GROUP_MAX: usize = 100;

/// The longest value of the AUTH parameter, in octets.
// RFC 4954 5: MAIL may be 500 octets longer with it.
const SUBMITTER_MAX: usize = 500 - " AUTH=".len();

/// Sends MAIL, RCPT and DATA and matches the replies to them.
pub(super) struct Envelope {
    transaction: Transaction,
    next: Next,
    /// What the replies still to come are for, oldest first.
    awaited: VecDeque<Awaited>,
    uses_chunks: bool,
    is_mail_accepted: bool,
    is_any_recipient_accepted: bool,
}

/// The next command.
enum Next {
    Mail,
    /// RCPT for the first open recipient from that one on, then DATA.
    Recipient(usize),
    Nothing,
}

/// What a reply is for.
enum Awaited {
    Mail,
    Recipient(usize),
    Data,
}

impl Envelope {
    pub(super) fn begin(context: &mut Context<'_>, transaction: Transaction) -> State {
        context.begin_attempt();
        if !transaction.is_hopeful() {
            context.finish(transaction.end(false));
            return context.ready();
        }
        let message = transaction.message();
        note_eight_bit(context, message);
        let offers = &context.session.extensions;
        let may_use_chunks = context.session.settings.chunking && offers.chunking;
        let envelope = Envelope {
            next: Next::Mail,
            awaited: VecDeque::new(),
            uses_chunks: may_use_chunks || message.body == Body::Binary,
            is_mail_accepted: false,
            is_any_recipient_accepted: false,
            transaction,
        };
        envelope.go_on(context)
    }

    pub(super) fn into_transaction(self) -> Transaction {
        self.transaction
    }

    pub(super) fn reply(mut self, context: &mut Context<'_>, reply: &ReplyLines) -> State {
        let awaited = self.awaited.pop_front();
        let awaited = awaited.expect("invariant: go_on stays here only with commands sent");
        let is_known = match awaited {
            Awaited::Mail if self.may_do_without_submitter(context, reply) => {
                self.next = Next::Mail;
                return self.go_on(context);
            }
            Awaited::Mail => self.mail_answered(reply),
            Awaited::Recipient(index) => self.recipient_answered(index, reply),
            Awaited::Data => return self.data_answered(context, reply),
        };
        if !is_known {
            return self.unfit(context, reply);
        }
        if self.awaited.is_empty() {
            return self.go_on(context);
        }
        context.await_reply();
        State::Envelope(self)
    }

    /// Sends the next group, or goes to what comes after the envelope.
    fn go_on(mut self, context: &mut Context<'_>) -> State {
        let group_max = if context.is_pipelining() {
            GROUP_MAX
        } else {
            1
        };
        let mut commands = Vec::new();
        while commands.len() < group_max {
            let Some((awaited, command)) = self.next_command(context.session) else {
                break;
            };
            self.awaited.push_back(awaited);
            commands.push(command);
        }
        if !commands.is_empty() {
            context.send_commands(&commands);
            context.await_reply();
            return State::Envelope(self);
        }
        if self.transaction.is_hopeful() {
            return Chunks::begin(context, self.transaction);
        }
        self.give_up(context)
    }

    fn next_command(&mut self, session: &Session) -> Option<(Awaited, Vec<u8>)> {
        let recipients = &self.transaction.message().recipients;
        match self.next {
            Next::Mail => {
                self.next = Next::Recipient(0);
                Some((
                    Awaited::Mail,
                    mail_command(self.transaction.message(), session),
                ))
            }
            Next::Recipient(from) => {
                let mut candidates = recipients.iter().enumerate().skip(from);
                match candidates.find(|(index, _)| self.transaction.is_open(*index)) {
                    Some((index, path)) => {
                        let command = [b"RCPT TO:<", path.as_bytes(), b">"].concat();
                        self.next = Next::Recipient(index + 1);
                        Some((Awaited::Recipient(index), command))
                    }
                    None => {
                        self.next = Next::Nothing;
                        let wants_data = !self.uses_chunks && self.transaction.is_hopeful();
                        wants_data.then(|| (Awaited::Data, b"DATA".to_vec()))
                    }
                }
            }
            Next::Nothing => None,
        }
    }

    /// Whether MAIL was refused for a parameter, which can only be that of AUTH: it
    /// is of no use to the message, and some servers with AUTH do not know it. The
    /// rest of the session does without.
    // RFC 5321 4.1.1.11: 555 means that a parameter is not recognised.
    fn may_do_without_submitter(&self, context: &mut Context<'_>, reply: &ReplyLines) -> bool {
        let is_refused = reply.code == 555 && context.session.login_id.is_some();
        // In a group the commands after MAIL are lost as well.
        if !is_refused || !self.awaited.is_empty() {
            return false;
        }
        context.session.login_id = None;
        context.note("the peer does not know the AUTH parameter, going on without it");
        true
    }

    /// Returns whether the reply is of a class that MAIL can have.
    fn mail_answered(&mut self, reply: &ReplyLines) -> bool {
        match reply.class() {
            Class::Success => self.is_mail_accepted = true,
            Class::Intermediate => return false,
            Class::Temporary | Class::Permanent => {
                self.transaction.refuse_message(PeerReply::from(reply));
            }
        }
        true
    }

    /// Returns whether the reply is of a class that RCPT can have. Once MAIL is
    /// refused, replies to RCPT decide nothing.
    fn recipient_answered(&mut self, index: usize, reply: &ReplyLines) -> bool {
        let is_open = self.transaction.is_open(index);
        match reply.class() {
            Class::Success => {
                self.is_any_recipient_accepted = true;
                if is_open {
                    self.transaction.accept(index);
                }
            }
            Class::Intermediate => return false,
            Class::Temporary | Class::Permanent if is_open => {
                self.transaction.refuse(index, PeerReply::from(reply));
            }
            Class::Temporary | Class::Permanent => {}
        }
        true
    }

    /// By now every recipient is accepted or settled.
    fn data_answered(mut self, context: &mut Context<'_>, reply: &ReplyLines) -> State {
        let is_wanted = self.transaction.is_hopeful();
        match reply.class() {
            Class::Success => self.unfit(context, reply),
            Class::Intermediate if is_wanted => Content::begin(context, self.transaction),
            Class::Intermediate => self.withhold(context),
            Class::Temporary | Class::Permanent => {
                if is_wanted {
                    self.transaction.refuse_message(PeerReply::from(reply));
                }
                self.give_up(context)
            }
        }
    }

    /// Sends nothing although the server waits for content.
    fn withhold(self, context: &mut Context<'_>) -> State {
        context.finish(self.transaction.end(false));
        // An end of content now would be an empty message to those accepted.
        if self.is_any_recipient_accepted {
            return context.close(CloseReason::HeldBack);
        }
        Clearing::end_empty_content(context)
    }

    /// Ends without content.
    fn give_up(self, context: &mut Context<'_>) -> State {
        context.finish(self.transaction.end(false));
        if self.is_mail_accepted || self.is_any_recipient_accepted {
            return Clearing::reset_after(context, 0);
        }
        context.ready()
    }

    fn unfit(self, context: &mut Context<'_>, reply: &ReplyLines) -> State {
        let reason = CloseReason::Unfit(Stage::Envelope, PeerReply::from(reply));
        context.drop_message(self.transaction, false, reason)
    }
}

fn mail_command(message: &Message, session: &Session) -> Vec<u8> {
    let offers = &session.extensions;
    let mut command = [b"MAIL FROM:<", message.reverse_path.as_bytes(), b">"].concat();
    // RFC 1870 6: declares the size where the server knows what to do with it.
    if let Some(size) = message.size.filter(|_| offers.size) {
        command.extend_from_slice(format!(" SIZE={size}").as_bytes());
    }
    command.extend_from_slice(match message.body {
        Body::SevenBit if offers.eight_bit_mime => b" BODY=7BIT",
        Body::EightBit if offers.eight_bit_mime => b" BODY=8BITMIME",
        Body::Binary => b" BODY=BINARYMIME",
        Body::SevenBit | Body::EightBit | Body::Unknown => b"",
    });
    // RFC 6531 3.4: the parameter announces UTF-8 in envelope or header.
    if needs_smtputf8(message) && offers.smtputf8 {
        command.extend_from_slice(b" SMTPUTF8");
    }
    if let Some(id) = &session.login_id {
        command.extend_from_slice(b" AUTH=");
        command.extend_from_slice(&submitter(message, id, session.settings.anonymous));
    }
    command
}

/// The value of the AUTH parameter, which servers are free to believe or not: by
/// the envelope, or else the name that we have logged in with. `<>` says that
/// nobody knows.
// RFC 4954 5: xtext or "<>".
fn submitter(message: &Message, login_id: &[u8], is_anonymous: bool) -> Vec<u8> {
    let submitter = match message.submitter.as_bytes() {
        [] => xtext::encode(login_id),
        given => given.to_vec(),
    };
    let is_sayable = xtext::decode(&submitter).is_some_and(|name| !name.is_empty());
    if is_anonymous || !is_sayable || submitter.len() > SUBMITTER_MAX {
        return b"<>".to_vec();
    }
    submitter
}

fn needs_smtputf8(message: &Message) -> bool {
    let is_ascii = |path: &crate::base::OneLine| path.as_bytes().is_ascii();
    let is_ascii_envelope =
        is_ascii(&message.reverse_path) && message.recipients.iter().all(is_ascii);
    message.smtputf8 || !is_ascii_envelope
}

/// Content of eight bits goes out as it is even where nobody promised to keep
/// it: refusing it would lose mail that nearly every server passes on.
fn note_eight_bit(context: &mut Context<'_>, message: &Message) {
    let session = &mut context.session;
    let is_promised = session.extensions.eight_bit_mime;
    if message.body == Body::EightBit && !is_promised && !session.eight_bit_noted {
        session.eight_bit_noted = true;
        context.note("the peer does not offer 8BITMIME, sending 8-bit content as it is");
    }
}
