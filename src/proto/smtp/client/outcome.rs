//! What became of a message, recipient by recipient.

use std::fmt;

use super::close::CloseReason;
use crate::base::{OneLine, ascii};
use crate::proto::smtp::reply_reader::{ReplyLines, as_text};

/// The longest text of a reply that is kept, in octets.
pub const REPLY_TEXT_MAX: usize = 512;

/// A status code with class, subject and detail, such as 5.1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnhancedStatus {
    /// 2, 4 or 5, the same as the first digit of the reply code.
    pub class: u8,
    /// What it is about.
    pub subject: u16,
    /// What in particular.
    pub detail: u16,
}

/// A reply made fit to be kept and shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerReply {
    /// The three digits.
    pub code: u16,
    /// The text, escaped, with `\n` between lines; at most [`REPLY_TEXT_MAX`] octets.
    pub text: OneLine,
    /// The status code at the start of the text, if any.
    pub enhanced: Option<EnhancedStatus>,
}

impl PeerReply {
    /// Makes a reply in the server's place, for what it is not even asked.
    /// The text starts with the enhanced status code.
    pub(super) fn ours(code: u16, text: &str) -> PeerReply {
        let lines = vec![text.as_bytes().to_vec()];
        PeerReply::from(&ReplyLines { code, lines })
    }
}

impl From<&ReplyLines> for PeerReply {
    fn from(reply: &ReplyLines) -> PeerReply {
        let mut text = OneLine::escaped(reply.lines.join(&b'\n'));
        text.truncate(REPLY_TEXT_MAX);
        PeerReply {
            code: reply.code,
            enhanced: reply
                .lines
                .first()
                .and_then(|line| parse_enhanced(reply.code, line)),
            text,
        }
    }
}

/// Shows code and text: `550 5.1.1 no such user`.
impl fmt::Display for PeerReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, as_text(&self.text))
    }
}

// RFC 3463 2: class "." subject "." detail, of 1, 1 to 3 and 1 to 3 digits.
// RFC 2034 4: the class must be the first digit of the reply code.
fn parse_enhanced(code: u16, line: &[u8]) -> Option<EnhancedStatus> {
    let word = line.split(|byte| *byte == b' ').next()?;
    let mut parts = word.split(|byte| *byte == b'.').map(parse_three_digits);
    let (class, subject, detail) = (parts.next()??, parts.next()??, parts.next()??);
    let is_whole = parts.next().is_none() && class == code / 100;
    let class = u8::try_from(class).ok().filter(|_| is_whole)?;
    Some(EnhancedStatus {
        class,
        subject,
        detail,
    })
}

fn parse_three_digits(digits: &[u8]) -> Option<u16> {
    let value = ascii::parse_decimal(digits).filter(|_| digits.len() <= 3)?;
    u16::try_from(value).ok()
}

/// Why a recipient has to wait for another attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The server said so.
    Reply(PeerReply),
    /// The session ended before the whole content had been sent.
    SessionLost(CloseReason),
    /// The session ended between the end of the content and the reply to it: the
    /// server may have accepted the message, and may get it twice (RFC 1047).
    OutcomeUnknown(CloseReason),
}

impl Cause {
    /// Says it in one line without control characters, so that it always makes a
    /// [`OneLine`].
    pub fn explain(&self) -> String {
        match self {
            Cause::Reply(reply) => reply.to_string(),
            Cause::SessionLost(reason) => reason.explain(),
            Cause::OutcomeUnknown(reason) => format!("outcome unknown: {}", reason.explain()),
        }
    }
}

/// What became of one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecipientOutcome {
    /// The server has taken the message for it.
    Delivered,
    /// Refused for good, by the server or, where that follows from what the
    /// server announced, by us.
    Rejected(PeerReply),
    /// Not now.
    Deferred(Cause),
    /// Nobody refused it, but the message was not sent because of other
    /// recipients; it still has to be delivered.
    Held,
}

/// What became of a message; of one that was not tried, by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// One entry per recipient, in the order of the message.
    pub recipients: Vec<RecipientOutcome>,
    /// The reply that decided for the message as a whole, where there was one:
    /// that to the end of the content, or the refusal of MAIL or DATA.
    pub reply: Option<PeerReply>,
    /// Whether the whole content was sent.
    pub sent: bool,
}

impl Outcome {
    /// Whether the session ended before anything was said of the message.
    pub fn is_unattempted(&self) -> bool {
        let lost = |one: &RecipientOutcome| {
            matches!(one, RecipientOutcome::Deferred(Cause::SessionLost(_)))
        };
        !self.sent && self.reply.is_none() && self.recipients.iter().all(lost)
    }

    /// Whether the session ended before it was known if the server has the message.
    pub fn is_in_doubt(&self) -> bool {
        let mut causes = self.causes();
        causes.any(|cause| matches!(cause, Cause::OutcomeUnknown(_)))
    }

    /// Whether the session ended since the server does not know BDAT.
    pub fn is_chunking_fault(&self) -> bool {
        let mut causes = self.causes();
        causes.any(|cause| matches!(cause, Cause::SessionLost(why) if why.is_chunking_fault()))
    }

    fn causes(&self) -> impl Iterator<Item = &Cause> {
        self.recipients.iter().filter_map(|one| match one {
            RecipientOutcome::Deferred(cause) => Some(cause),
            _ => None,
        })
    }

    /// Whether there are recipients and every one has it: nothing is left to be done.
    pub fn is_complete(&self) -> bool {
        let delivered = |one: &RecipientOutcome| matches!(one, RecipientOutcome::Delivered);
        !self.recipients.is_empty() && self.recipients.iter().all(delivered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(code: u16, lines: &[&[u8]]) -> PeerReply {
        let lines = lines.iter().map(|line| line.to_vec()).collect();
        PeerReply::from(&ReplyLines { code, lines })
    }

    #[test]
    fn h3_reply_text_is_one_bounded_escaped_line() {
        let hostile = reply(550, &[b"5.1.1 x\r", b"\x1b[2J\xFF%s \xe2\x80\xae"]);
        let expected = "550 5.1.1 x\\r\\n\\x1b[2J\\xff%s \\xe2\\x80\\xae";
        assert_eq!(hostile.to_string(), expected);
        let long = reply(550, &["é".repeat(5000).as_bytes()]);
        assert_eq!(long.text.len(), REPLY_TEXT_MAX);
        assert_eq!(reply(250, &[b""]).to_string(), "250 ");
    }

    #[test]
    fn reads_enhanced_status_codes() {
        let status = |code, line: &str| reply(code, &[line.as_bytes()]).enhanced;
        let expected = EnhancedStatus {
            class: 5,
            subject: 1,
            detail: 10,
        };
        assert_eq!(status(550, "5.1.10 x"), Some(expected));
        assert_eq!(status(550, "5.1.10"), Some(expected));
        for bad in [
            "4.1.10 x",
            "5.1 x",
            "5.1.1.1 x",
            "5..1",
            "5.1.1000",
            "x 5.1.1",
            "5.1.+1",
            "",
        ] {
            assert_eq!(status(550, bad), None, "{bad}");
        }
    }
}
