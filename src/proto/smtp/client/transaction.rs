//! The message in hand and what is known of each of its recipients.
//!
//! An outcome is only ever made here, by consuming the transaction, and every
//! way of making it accounts for every recipient: none can be lost, and none
//! that was not accepted can count as delivered.

use super::close::CloseReason;
use super::extensions::Extensions;
use super::message::{Body, Message, is_sendable};
use super::outcome::{Cause, EnhancedStatus, Outcome, PeerReply, RecipientOutcome};
use super::settings::Settings;

/// What is known of a recipient so far.
#[derive(Debug)]
enum Progress {
    /// The server has not been asked, or has not answered.
    Open,
    /// The server takes it.
    Accepted,
    /// Decided.
    Settled(RecipientOutcome),
}

/// A message on its way.
#[derive(Debug)]
pub(super) struct Transaction {
    message: Message,
    progress: Vec<Progress>,
    has_accepted: bool,
    /// A refusal that in strict mode withholds the message from everybody.
    has_refusal: bool,
    is_strict: bool,
    /// The reply that decided for the message as a whole.
    reply: Option<PeerReply>,
}

impl Transaction {
    /// Takes a message in hand and refuses at once what the server, by what it
    /// offers, cannot take.
    pub(super) fn new(message: Message, rules: &Settings, offers: &Extensions) -> Transaction {
        let mut transaction = Transaction {
            progress: message.recipients.iter().map(|_| Progress::Open).collect(),
            message,
            has_accepted: false,
            has_refusal: false,
            is_strict: rules.strict_recipients,
            reply: None,
        };
        match transaction.message_obstacle(rules, offers) {
            Some(reply) => transaction.refuse_all(RecipientOutcome::Rejected(reply.clone()), reply),
            None => transaction.refuse_unfit_recipients(rules, offers),
        }
        transaction
    }

    pub(super) fn message(&self) -> &Message {
        &self.message
    }

    /// Whether the server still has to be asked about that recipient.
    pub(super) fn is_open(&self, index: usize) -> bool {
        matches!(self.progress.get(index), Some(Progress::Open))
    }

    /// Whether, by what is known now, somebody may get the message.
    pub(super) fn is_hopeful(&self) -> bool {
        let possible = |one: &Progress| !matches!(one, Progress::Settled(_));
        !self.is_withheld() && self.progress.iter().any(possible)
    }

    /// Whether strictness keeps the message from those who were accepted.
    fn is_withheld(&self) -> bool {
        self.is_strict && self.has_refusal
    }

    pub(super) fn accept(&mut self, index: usize) {
        self.has_accepted = true;
        self.set(index, Progress::Accepted);
    }

    /// Takes a 4yz or 5yz reply to RCPT.
    pub(super) fn refuse(&mut self, index: usize, reply: PeerReply) {
        // RFC 5321 4.5.3.1.10: 452 says that this is one recipient too many for one
        // transaction; the others are served first. 552 is its old name.
        let is_too_many = matches!(reply.code, 452 | 552) && may_mean_too_many(reply.enhanced);
        if !(is_too_many && self.has_accepted) {
            self.has_refusal = true;
        }
        let outcome = match reply.code {
            552 => RecipientOutcome::Deferred(Cause::Reply(reply)),
            _ => by_code(reply),
        };
        self.set(index, Progress::Settled(outcome));
    }

    /// Takes a 4yz or 5yz reply to the message as a whole.
    pub(super) fn refuse_message(&mut self, reply: PeerReply) {
        self.refuse_all(by_code(reply.clone()), reply);
    }

    /// The server has taken the message for all that it had accepted.
    pub(super) fn deliver(mut self, reply: PeerReply) -> Outcome {
        self.reply = Some(reply);
        self.into_outcome(true, &RecipientOutcome::Delivered, &RecipientOutcome::Held)
    }

    /// The message was not sent, or was refused; whoever is undecided is held.
    pub(super) fn end(self, is_sent: bool) -> Outcome {
        self.into_outcome(is_sent, &RecipientOutcome::Held, &RecipientOutcome::Held)
    }

    /// The session is lost; whoever is undecided is deferred. `is_asked` says whether
    /// the server's last word, if it had one, was about this message.
    pub(super) fn lose(self, is_sent: bool, is_asked: bool, reason: &CloseReason) -> Outcome {
        let cause = match reason {
            CloseReason::Announced(reply) if is_asked => Cause::Reply(reply.clone()),
            reason if is_sent => Cause::OutcomeUnknown(reason.clone()),
            reason => Cause::SessionLost(reason.clone()),
        };
        let deferred = RecipientOutcome::Deferred(cause);
        self.into_outcome(is_sent, &deferred, &deferred)
    }

    fn into_outcome(
        self,
        sent: bool,
        accepted: &RecipientOutcome,
        open: &RecipientOutcome,
    ) -> Outcome {
        let settle = |progress| match progress {
            Progress::Settled(outcome) => outcome,
            Progress::Accepted => accepted.clone(),
            Progress::Open => open.clone(),
        };
        Outcome {
            recipients: self.progress.into_iter().map(settle).collect(),
            reply: self.reply,
            sent,
        }
    }

    fn set(&mut self, index: usize, progress: Progress) {
        if let Some(one) = self.progress.get_mut(index) {
            *one = progress;
        }
    }

    fn refuse_all(&mut self, outcome: RecipientOutcome, reply: PeerReply) {
        for one in &mut self.progress {
            if !matches!(one, Progress::Settled(_)) {
                *one = Progress::Settled(outcome.clone());
            }
        }
        self.has_refusal = true;
        self.reply = Some(reply);
    }

    /// What the server could only refuse, or would wrongly accept.
    fn message_obstacle(&self, rules: &Settings, offers: &Extensions) -> Option<PeerReply> {
        let message = &self.message;
        let limit = offers.size_max.map_or(u64::MAX, u64::from);
        // RFC 1870 6.1: no attempt is made with a message that is too large.
        if message.size.is_some_and(|size| size > limit) {
            let text = format!("5.3.4 message exceeds the peer's size limit of {limit}");
            return Some(PeerReply::ours(552, &text));
        }
        if !is_sendable(&message.reverse_path) {
            return Some(PeerReply::ours(553, "5.1.7 bad sender address syntax"));
        }
        // RFC 6531 3.2: without SMTPUTF8 such a message must not be sent.
        let is_utf8 = message.smtputf8 || !message.reverse_path.as_bytes().is_ascii();
        if is_utf8 && rules.strict_smtputf8 && !offers.smtputf8 {
            return Some(PeerReply::ours(550, "5.6.7 peer does not offer SMTPUTF8"));
        }
        if message.body == Body::Binary && rules.strict_binary && !offers.takes_binary() {
            return Some(PeerReply::ours(554, "5.6.1 peer does not offer BINARYMIME"));
        }
        // RFC 6152 3: the choice is conversion, or refusal.
        if message.body == Body::EightBit && rules.strict_eight_bit && !offers.eight_bit_mime {
            return Some(PeerReply::ours(554, "5.6.3 peer does not offer 8BITMIME"));
        }
        None
    }

    fn refuse_unfit_recipients(&mut self, rules: &Settings, offers: &Extensions) {
        let is_utf8_barred = rules.strict_smtputf8 && !offers.smtputf8;
        for (path, progress) in self.message.recipients.iter().zip(&mut self.progress) {
            let text = if !is_sendable(path) {
                "5.1.3 bad recipient address syntax"
            } else if is_utf8_barred && !path.as_bytes().is_ascii() {
                "5.6.7 peer does not offer SMTPUTF8"
            } else {
                continue;
            };
            let reply = PeerReply::ours(553, text);
            *progress = Progress::Settled(RecipientOutcome::Rejected(reply));
            self.has_refusal = true;
        }
    }
}

fn by_code(reply: PeerReply) -> RecipientOutcome {
    match reply.code {
        500.. => RecipientOutcome::Rejected(reply),
        _ => RecipientOutcome::Deferred(Cause::Reply(reply)),
    }
}

/// Whether the status code, if there is one, is "too many recipients" (X.5.3).
fn may_mean_too_many(enhanced: Option<EnhancedStatus>) -> bool {
    enhanced.is_none_or(|status| (status.subject, status.detail) == (5, 3))
}
