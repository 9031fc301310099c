//! From what the next hop said to what happens to the files.

use crate::base::{OneLine, WallClock};
use crate::proto::smtp::client::{Body, Message, Outcome, RecipientOutcome};
use crate::store::{Attempt, Encoding, Locked, Reason, StoredId};
use crate::{info, warning};

/// How many recipients a log line names.
const RECIPIENTS_SHOWN_MAX: usize = 3;

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
    Deferred(Attempt),
    /// Kept as failed.
    Failed {
        /// What the next hop said, for each recipient that it refused.
        reasons: Vec<Reason>,
        /// Who has not been served.
        remaining: Vec<OneLine>,
    },
}

impl Settlement {
    /// Decides by the outcome. With one recipient refused for good the message
    /// has failed, for all who have not got it, so that none of them is lost.
    pub fn of(outcome: &Outcome, mail: &Locked, clock: WallClock) -> Settlement {
        let paths = &mail.envelope().remote_recipients;
        let pairs = || paths.iter().zip(&outcome.recipients);
        if outcome.is_complete() && outcome.recipients.len() == paths.len() {
            return Settlement::Sent;
        }
        let mut reasons: Vec<Reason> = pairs()
            .filter_map(|(path, one)| reason(path, one))
            .collect();
        if reasons.is_empty() {
            return Settlement::Deferred(Attempt {
                at: clock.unix_seconds(),
                reply: OneLine::escaped(deferral(outcome)),
            });
        }
        reasons.dedup_by(|a, b| a.text == b.text && a.code == b.code);
        let served = |one: &RecipientOutcome| matches!(one, RecipientOutcome::Delivered);
        let remaining = pairs().filter(|(_, one)| !served(one));
        Settlement::Failed {
            reasons,
            remaining: remaining.map(|(path, _)| path.clone()).collect(),
        }
    }
}

fn reason(path: &OneLine, outcome: &RecipientOutcome) -> Option<Reason> {
    let RecipientOutcome::Rejected(reply) = outcome else {
        return None;
    };
    Some(Reason {
        text: OneLine::escaped(format!("<{path}>: {reply}")),
        code: Some(reply.code),
    })
}

/// Why the message has to wait: the first cause there is.
fn deferral(outcome: &Outcome) -> String {
    let cause = outcome.recipients.iter().find_map(|one| match one {
        RecipientOutcome::Deferred(cause) => Some(cause.explain()),
        _ => None,
    });
    cause.unwrap_or_else(|| "not attempted".to_owned())
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
    /// Takes what is needed from the message.
    pub fn of(mail: &Locked) -> Summary {
        let envelope = mail.envelope();
        let to = paths(&envelope.remote_recipients);
        let from = &envelope.reverse_path;
        let size = mail.content_size();
        Summary {
            id: mail.id().clone(),
            text: format!("from=<{from}> to={to} size={size}"),
        }
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
            Settlement::Deferred(attempt) => {
                let why = &attempt.reply;
                warning!("deferred message: id={id} {text} next-hop={next_hop} reason=\"{why}\"");
            }
            Settlement::Failed { reasons, .. } => {
                for Reason { text: why, .. } in reasons {
                    warning!("failed message: id={id} {text} next-hop={next_hop} reason=\"{why}\"");
                }
            }
            Settlement::Untouched | Settlement::Skipped => {}
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
