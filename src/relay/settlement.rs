//! From what the next hop said to what happens to the files.

use std::sync::Arc;
use std::time::Duration;

use crate::base::{OneLine, WallClock};
use crate::proto::report::Failure;
use crate::proto::smtp::client::{Body, Cause, Message, Outcome, PeerReply, RecipientOutcome};
use crate::store::{Attempt, Encoding, Envelope, Locked, Part, Reason, StoredId};
use crate::sys::random;
use crate::{info, warning};

use super::bounce::{Bounce, Bounces};
use super::forwarder::{next_attempt, spent};

/// How many recipients a log line names.
const RECIPIENTS_SHOWN_MAX: usize = 3;

/// What the operator wants to become of mail that cannot be delivered.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// How long a message is tried; nothing means for ever.
    pub retry_period: Option<Duration>,
    /// Who tells senders about failures, if anybody does.
    pub bounces: Option<Arc<Bounces>>,
}

/// What is done with a message after an attempt.
#[derive(Debug)]
pub enum Settlement {
    /// Nothing was attempted: back into the queue as it was.
    Untouched,
    /// Left for later by a client filter: back into the queue as it was.
    Skipped,
    /// Every recipient has it: the files are removed.
    Sent,
    /// Back into the queue, with a record of the attempt.
    Deferred {
        /// The attempt.
        attempt: Attempt,
        /// What has changed, where some of the recipients are done with.
        part: Option<Part>,
        /// What to tell the sender about those that were refused.
        bounce: Option<Bounce>,
    },
    /// Kept as failed, or bounced.
    Failed {
        /// What the next hop said, for each recipient that it refused.
        reasons: Vec<Reason>,
        /// Who has not been served.
        remaining: Vec<OneLine>,
        /// What to tell the sender, instead of keeping the message.
        bounce: Option<Bounce>,
    },
}

/// The recipients of a message, by what became of them.
struct Parties<'a> {
    refused: Vec<(&'a OneLine, &'a PeerReply)>,
    /// With the reason of those that were tried.
    waiting: Vec<(&'a OneLine, Option<&'a Cause>)>,
}

impl Settlement {
    /// Decides by the outcome. Where a recipient that is refused keeps the others
    /// from being served (`is_strict`), the message has failed for all of them, so
    /// that none of them is lost.
    pub fn of(
        outcome: &Outcome,
        mail: &Locked,
        clock: WallClock,
        terms: &Terms,
        is_strict: bool,
    ) -> Settlement {
        let judge = Judge {
            envelope: mail.envelope(),
            id: mail.id(),
            clock,
            terms,
        };
        judge.settle(outcome, is_strict, random::u64())
    }

    /// Puts a message off that was not sent, for this reason, or gives it up if it is
    /// time.
    pub fn put_off(why: OneLine, mail: &Locked, clock: WallClock, terms: &Terms) -> Settlement {
        let judge = Judge {
            envelope: mail.envelope(),
            id: mail.id(),
            clock,
            terms,
        };
        let parties = Parties::waiting(&judge.envelope.remote_recipients);
        let attempt = judge.attempt(why, random::u64());
        judge.defer_or_give_up(attempt, &parties)
    }

    /// Has a message failed for all its recipients that was not sent, for this reason.
    pub fn refuse(reason: Reason, mail: &Locked, clock: WallClock, terms: &Terms) -> Settlement {
        let remaining = mail.envelope().remote_recipients.clone();
        let failure = |path: &OneLine| Failure {
            path: path.clone(),
            // RFC 3463 3.8: X.7.1 delivery not authorized.
            status: "5.7.1".to_owned(),
            why: reason.text.clone(),
            is_reply: false,
        };
        let judge = Judge {
            envelope: mail.envelope(),
            id: mail.id(),
            clock,
            terms,
        };
        Settlement::Failed {
            bounce: judge.bounce(remaining.iter().map(failure).collect()),
            reasons: vec![reason],
            remaining,
        }
    }
}

/// What the decision depends on, besides the outcome.
struct Judge<'a> {
    envelope: &'a Envelope,
    id: &'a StoredId,
    clock: WallClock,
    terms: &'a Terms,
}

impl Judge<'_> {
    fn settle(&self, outcome: &Outcome, is_strict: bool, random: u64) -> Settlement {
        let parties = Parties::of(&self.envelope.remote_recipients, outcome);
        if self.envelope.remote_recipients.is_empty() {
            return Settlement::Failed {
                reasons: vec![Reason::without_code("no remote recipients")],
                remaining: Vec::new(),
                bounce: None,
            };
        }
        if parties.refused.is_empty() && parties.waiting.is_empty() {
            return Settlement::Sent;
        }
        let is_over = parties.waiting.is_empty() || (is_strict && !parties.refused.is_empty());
        if is_over {
            return self.fail(&parties, None);
        }
        let why = OneLine::escaped(parties.deferral(outcome));
        self.defer_or_give_up(self.attempt(why, random), &parties)
    }

    fn defer_or_give_up(&self, attempt: Attempt, parties: &Parties<'_>) -> Settlement {
        let spent = self.envelope.attempts.spent.saturating_add(attempt.spent);
        match self.terms.retry_period {
            Some(period) if spent >= period.as_secs() => self.fail(parties, Some(&attempt)),
            _ => self.defer(attempt, parties),
        }
    }

    fn attempt(&self, reply: OneLine, random: u64) -> Attempt {
        let earlier = &self.envelope.attempts;
        let now = self.clock.unix_seconds();
        let is_first = earlier.count == 0;
        Attempt {
            at: now,
            reply,
            next: next_attempt(now, earlier.count.saturating_add(1), random),
            spent: match self.terms.retry_period {
                Some(period) if !is_first => spent(earlier.last, now, period),
                _ => 0,
            },
        }
    }

    fn defer(&self, attempt: Attempt, parties: &Parties<'_>) -> Settlement {
        let all = self.envelope.remote_recipients.len();
        if parties.waiting.len() == all {
            return Settlement::Deferred {
                attempt,
                part: None,
                bounce: None,
            };
        }
        let path = |(path, _): &(&OneLine, _)| OneLine::clone(path);
        let part = Part {
            remaining: parties
                .waiting
                .iter()
                .map(|(path, _)| (*path).clone())
                .collect(),
            failed: parties.refused.iter().map(path).collect(),
            reasons: parties.reasons(),
        };
        let failures = parties
            .refused
            .iter()
            .map(|(path, reply)| refusal(path, reply));
        Settlement::Deferred {
            attempt,
            part: Some(part),
            bounce: self.bounce(failures.collect()),
        }
    }

    /// Ends it for all who have not been served, at the end of the retry period with
    /// that last attempt.
    fn fail(&self, parties: &Parties<'_>, last: Option<&Attempt>) -> Settlement {
        let mut reasons = parties.reasons();
        let waiting_why = match last {
            Some(last) => {
                let attempts = self.envelope.attempts.count.saturating_add(1);
                let reply = &last.reply;
                OneLine::escaped(format!("given up after {attempts} attempts: {reply}"))
            }
            None => OneLine::escaped("not sent, since other recipients were refused"),
        };
        if last.is_some() {
            reasons.push(Reason {
                text: waiting_why.clone(),
                code: parties.code(),
            });
        }
        let refused = parties
            .refused
            .iter()
            .map(|(path, reply)| refusal(path, reply));
        // RFC 3463 3.5: X.4.7 delivery time expired, X.5.0 other protocol status.
        let status = if last.is_some() { "5.4.7" } else { "5.5.0" };
        let waiting = parties.waiting.iter().map(|(path, _)| Failure {
            path: OneLine::clone(path),
            status: status.to_owned(),
            why: waiting_why.clone(),
            is_reply: false,
        });
        let failures: Vec<Failure> = refused.chain(waiting).collect();
        Settlement::Failed {
            reasons,
            remaining: failures.iter().map(|one| one.path.clone()).collect(),
            bounce: self.bounce(failures),
        }
    }

    fn bounce(&self, failures: Vec<Failure>) -> Option<Bounce> {
        let bounces = self.terms.bounces.as_ref()?;
        let id = self.id.to_string();
        bounces.bounce(self.envelope, id, failures, self.clock)
    }
}

impl<'a> Parties<'a> {
    /// All of them wait.
    fn waiting(paths: &'a [OneLine]) -> Parties<'a> {
        Parties {
            refused: Vec::new(),
            waiting: paths.iter().map(|path| (path, None)).collect(),
        }
    }

    fn of(paths: &'a [OneLine], outcome: &'a Outcome) -> Parties<'a> {
        let mut parties = Parties {
            refused: Vec::new(),
            waiting: Vec::new(),
        };
        let mut outcomes = outcome.recipients.iter();
        for path in paths {
            match outcomes.next() {
                Some(RecipientOutcome::Delivered) => {}
                Some(RecipientOutcome::Rejected(reply)) => parties.refused.push((path, reply)),
                Some(RecipientOutcome::Deferred(cause)) => {
                    parties.waiting.push((path, Some(cause)));
                }
                Some(RecipientOutcome::Held) | None => parties.waiting.push((path, None)),
            }
        }
        parties
    }

    /// What was said of those who were refused, the same thing once only.
    fn reasons(&self) -> Vec<Reason> {
        let reason = |(path, reply): &(&OneLine, &PeerReply)| Reason {
            text: OneLine::escaped(format!("<{path}>: {reply}")),
            code: Some(reply.code),
        };
        let mut reasons: Vec<Reason> = self.refused.iter().map(reason).collect();
        reasons.dedup_by(|a, b| a.text == b.text && a.code == b.code);
        reasons
    }

    /// Why the message has to wait: the first cause there is.
    fn deferral(&self, outcome: &Outcome) -> String {
        let cause = self.waiting.iter().find_map(|(_, cause)| *cause);
        let reply = || outcome.reply.as_ref().map(ToString::to_string);
        let said = cause.map(Cause::explain).or_else(reply);
        said.unwrap_or_else(|| "not attempted".to_owned())
    }

    /// The reply code that keeps those who wait waiting, if it was a reply.
    fn code(&self) -> Option<u16> {
        self.waiting.iter().find_map(|(_, cause)| match cause {
            Some(Cause::Reply(reply)) => Some(reply.code),
            _ => None,
        })
    }
}

fn refusal(path: &OneLine, reply: &PeerReply) -> Failure {
    let enhanced = reply.enhanced.filter(|status| status.class == 5);
    Failure {
        path: path.clone(),
        // RFC 3463 3.1: X.0.0 if nothing more is known.
        status: enhanced.map_or_else(
            || "5.0.0".to_owned(),
            |status| format!("5.{}.{}", status.subject, status.detail),
        ),
        why: OneLine::escaped(reply.to_string()),
        is_reply: true,
    }
}

/// The message as the client machine wants it.
pub fn message(mail: &Locked) -> Message {
    let envelope = mail.envelope();
    Message {
        reverse_path: envelope.reverse_path.clone(),
        recipients: envelope.remote_recipients.clone(),
        size: Some(mail.content_size()),
        body: match envelope.encoding {
            Encoding::SevenBit => Body::SevenBit,
            Encoding::EightBit => Body::EightBit,
            Encoding::Binary => Body::Binary,
            Encoding::Unknown => Body::Unknown,
        },
        smtputf8: envelope.utf8,
        submitter: envelope.mail_auth_out.clone(),
    }
}

/// What a log line says about a message, kept while the message itself is away.
#[derive(Debug)]
pub struct Summary {
    /// The spool id.
    pub id: StoredId,
    text: String,
}

impl Summary {
    /// Takes what is needed from the message; the Message-ID is the content's.
    pub fn of(mail: &Locked, message_id: Option<&OneLine>) -> Summary {
        let envelope = mail.envelope();
        let to = paths(&envelope.remote_recipients);
        let from = &envelope.reverse_path;
        let size = mail.content_size();
        let message_id = message_id.map(|id| format!(" message-id={id}"));
        let message_id = message_id.unwrap_or_default();
        Summary {
            id: mail.id().clone(),
            text: format!("from=<{from}> to={to} size={size}{message_id}"),
        }
    }

    /// The same for a message that another session has had forwarded.
    pub fn log_immediate(&self, outcome: &Outcome, next_hop: &str) {
        if outcome.is_complete() {
            self.log(outcome, &Settlement::Sent, next_hop);
            return;
        }
        let Summary { id, text } = self;
        let reasons = outcome.recipients.iter().filter_map(|one| match one {
            RecipientOutcome::Rejected(reply) => Some(reply.to_string()),
            RecipientOutcome::Deferred(cause) => Some(cause.explain()),
            RecipientOutcome::Delivered | RecipientOutcome::Held => None,
        });
        let why = reasons.take(1).collect::<String>();
        warning!("message not forwarded: id={id} {text} next-hop={next_hop} reason=\"{why}\"");
    }

    /// Writes the line that proves what became of the message.
    pub fn log(&self, outcome: &Outcome, settlement: &Settlement, next_hop: &str) {
        let Summary { id, text } = self;
        let reply = outcome
            .reply
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        match settlement {
            Settlement::Sent => {
                info!("sent message: id={id} {text} next-hop={next_hop} reply=\"{reply}\"");
            }
            Settlement::Deferred { attempt, part, .. } => {
                let refused = part.as_ref().map_or(&[][..], |part| &part.reasons);
                self.log_failures("refused in part", refused, next_hop);
                if part.is_some() && outcome.sent {
                    info!("sent in part: id={id} {text} next-hop={next_hop} reply=\"{reply}\"");
                }
                let why = &attempt.reply;
                warning!("deferred message: id={id} {text} next-hop={next_hop} reason=\"{why}\"");
            }
            Settlement::Failed { reasons, .. } => {
                self.log_failures("failed message", reasons, next_hop);
            }
            Settlement::Untouched | Settlement::Skipped => {}
        }
    }

    fn log_failures(&self, what: &str, reasons: &[Reason], next_hop: &str) {
        let Summary { id, text } = self;
        for Reason { text: why, .. } in reasons {
            warning!("{what}: id={id} {text} next-hop={next_hop} reason=\"{why}\"");
        }
    }
}

/// Names the first few paths and counts the others.
pub fn paths(paths: &[OneLine]) -> String {
    let shown: Vec<String> = paths
        .iter()
        .take(RECIPIENTS_SHOWN_MAX)
        .map(|path| format!("<{path}>"))
        .collect();
    match paths.len().saturating_sub(RECIPIENTS_SHOWN_MAX) {
        0 => shown.join(","),
        more => format!("{},+{more}", shown.join(",")),
    }
}

#[cfg(test)]
mod tests;
