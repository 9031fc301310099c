//! What the lines after `End` say of a message's failures and delays.

use super::parse::value_of;
use super::{Envelope, Reason};
use crate::base::ascii;

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

    /// Lets the message be tried at any time, and as long as a new one; whether that
    /// changes anything.
    pub(in crate::store) fn clear_delay(&mut self) -> bool {
        let attempts = &mut self.attempts;
        let was_delayed = attempts.next != 0 || attempts.spent != 0;
        (attempts.next, attempts.spent) = (0, 0);
        was_delayed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::OneLine;

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
