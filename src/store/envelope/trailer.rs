//! What the lines after `End` say of a message's failures and delays.

use super::parse::value_of;
use super::{Envelope, Reason};
use crate::base::{OneLine, ascii};

impl Envelope {
    /// Why the message has failed so far, the oldest reason first.
    pub fn reasons(&self) -> Vec<Reason> {
        let mut reasons: Vec<Reason> = Vec::new();
        for line in &self.trailer {
            if let Some(text) = value_of(line.as_bytes(), "Reason") {
                reasons.push(Reason::without_code(text));
            } else if let Some(code) = value_of(line.as_bytes(), "ReasonCode")
                && let Some(reason) = reasons.last_mut()
            {
                let code = ascii::parse_decimal(code);
                reason.code = code.and_then(|code| u16::try_from(code).ok());
            }
        }
        reasons
    }

    /// Before when the message is not to be tried again, in seconds since 1970.
    pub fn next_attempt(&self) -> Option<i64> {
        let line = self.trailer.iter().find_map(next_attempt)?;
        i64::try_from(ascii::parse_decimal(line)?).ok()
    }

    /// Lets the message be tried at any time; whether that changes anything.
    pub(in crate::store) fn clear_delay(&mut self) -> bool {
        let before = self.trailer.len();
        self.trailer.retain(|line| next_attempt(line).is_none());
        self.trailer.len() < before
    }
}

fn next_attempt(line: &OneLine) -> Option<&[u8]> {
    value_of(line.as_bytes(), "NextAttempt")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> OneLine {
        OneLine::new(text).unwrap()
    }

    #[test]
    fn reasons_are_read_with_their_codes() {
        let mut envelope = Envelope {
            trailer: vec![
                line("X-MailRelay-ReasonCode: 1"),
                line("X-MailRelay-Reason: a"),
                line("X-MailRelay-ReasonCode:"),
                line("X-Mine: x"),
                line("X-MailRelay-Reason: b\x1b"),
                line("X-MailRelay-ReasonCode: 99999"),
                line("X-MailRelay-Reason:"),
            ],
            ..Envelope::default()
        };
        let reason = Reason {
            text: line("550 no"),
            code: Some(550),
        };
        envelope.add_reason(&reason);
        let found = envelope.reasons();
        assert_eq!(found[0], Reason::without_code("a"));
        assert_eq!(found[1], Reason::without_code("b\x1b"));
        assert_eq!(found[2], Reason::without_code(""));
        assert_eq!(found[3..], [reason]);
    }
}
