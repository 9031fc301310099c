//! Which messages are meant.

use crate::base::OneLine;
use crate::store::{Details, State};

/// What a message must be like; what is not said does not matter.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Filter {
    /// The states that it may be in; any if there are none.
    pub(super) states: Vec<State>,
    /// It must have arrived before then, in seconds since 1970.
    pub(super) before: Option<i64>,
    /// It must have arrived after then.
    pub(super) after: Option<i64>,
    /// A part of its reverse-path.
    pub(super) from: Option<Vec<u8>>,
    /// A part of one of its recipients.
    pub(super) to: Option<Vec<u8>>,
}

impl Filter {
    /// Whether messages of that state are meant.
    pub(super) fn has_state(&self, state: State) -> bool {
        self.states.is_empty() || self.states.contains(&state)
    }

    /// Whether the state alone decides.
    pub(super) fn is_by_state_only(&self) -> bool {
        self.before.is_none() && self.after.is_none() && self.from.is_none() && self.to.is_none()
    }

    /// Whether a message with these details is meant. One whose envelope cannot be
    /// read has no addresses.
    pub(super) fn lets_through(&self, details: &Details) -> bool {
        let addresses = details.envelope.as_ref().ok();
        self.before.is_none_or(|before| details.arrived < before)
            && self.after.is_none_or(|after| details.arrived > after)
            && self.from.as_ref().is_none_or(|text| {
                addresses.is_some_and(|envelope| is_from(&envelope.reverse_path, text))
            })
            && self.to.as_ref().is_none_or(|text| {
                addresses.is_some_and(|envelope| {
                    let local = envelope.local_recipients.iter();
                    let mut all = local.chain(&envelope.remote_recipients);
                    all.any(|recipient| contains(recipient, text))
                })
            })
    }
}

fn is_from(reverse_path: &OneLine, text: &[u8]) -> bool {
    match text {
        b"<>" => reverse_path.is_empty(),
        text => contains(reverse_path, text),
    }
}

/// Whether a text has the other in it, but for the case of ASCII letters.
fn contains(text: &OneLine, part: &[u8]) -> bool {
    part.is_empty()
        || text
            .as_bytes()
            .windows(part.len())
            .any(|window| window.eq_ignore_ascii_case(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Envelope;

    fn line(text: &str) -> OneLine {
        OneLine::new(text).unwrap()
    }

    fn details(from: &str) -> Details {
        Details {
            envelope: Ok(Envelope {
                reverse_path: line(from),
                local_recipients: vec![line("alice")],
                remote_recipients: vec![line("b@x.net"), line("c@y.net")],
                ..Envelope::default()
            }),
            octets: Some(5),
            arrived: 100,
        }
    }

    fn with(change: fn(&mut Filter)) -> bool {
        let mut filter = Filter::default();
        change(&mut filter);
        filter.lets_through(&details("Me@src.net"))
    }

    #[test]
    fn addresses_are_compared_in_part_and_in_any_case() {
        assert!(with(|_| {}));
        assert!(with(|filter| filter.from = Some(b"me@SRC".to_vec())));
        assert!(with(|filter| filter.from = Some(Vec::new())));
        assert!(!with(|filter| filter.from = Some(b"<>".to_vec())));
        assert!(with(|filter| filter.to = Some(b"@y.net".to_vec())));
        assert!(with(|filter| filter.to = Some(b"ALICE".to_vec())));
        assert!(!with(|filter| filter.to = Some(b"@z.net".to_vec())));
        let null = Filter {
            from: Some(b"<>".to_vec()),
            ..Filter::default()
        };
        assert!(null.lets_through(&details("")));
        let unreadable = Details {
            envelope: Err(line("why")),
            ..details("")
        };
        assert!(!null.lets_through(&unreadable));
        assert!(Filter::default().lets_through(&unreadable));
    }

    #[test]
    fn ages_have_bounds() {
        assert!(with(|filter| filter.before = Some(101)));
        assert!(!with(|filter| filter.before = Some(100)));
        assert!(with(|filter| filter.after = Some(99)));
        assert!(!with(|filter| filter.after = Some(100)));
    }
}
