//! Message ids, and the names of a message's files: an id and a suffix.
//!
//! An id is `emailrelay.<process>.<unix seconds>.<sequence>`. Our sequences start
//! at [`SEQUENCE_MIN`] or above, E-MailRelay's count from one, so an id tells
//! whether a file that was left behind is ours, and was never acknowledged, or
//! someone else's. A file whose name has another shape is a message all the same
//! if its suffix says so.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::ascii;

/// The least sequence number of an id of ours.
pub const SEQUENCE_MIN: u64 = 10_000_000_000;

/// How many first sequence numbers there are to choose from.
const SEQUENCE_STARTS: u64 = 80_000_000_000;

const PREFIX: &[u8] = b"emailrelay.";

/// What a file of a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Suffix {
    /// The message's header and body.
    Content,
    /// The new form of a content, until it replaces that.
    ContentNew,
    /// The envelope of a message that waits to be forwarded.
    Envelope,
    /// An envelope that is not yet acknowledged.
    EnvelopeNew,
    /// The envelope of a message that is being forwarded.
    EnvelopeBusy,
    /// The new form of a busy envelope, until it replaces that.
    EnvelopeBusyTmp,
    /// The envelope of a message that cannot be forwarded.
    EnvelopeBad,
    /// A copy of the content for local recipients.
    ContentLocal,
    /// A copy of the envelope for local recipients.
    EnvelopeLocal,
    /// A copy of the content that is not yet acknowledged.
    ContentLocalNew,
    /// A copy of the envelope that is not yet acknowledged.
    EnvelopeLocalNew,
    /// The envelope of a message that the operator keeps from being forwarded.
    EnvelopeHold,
}

impl Suffix {
    /// All suffixes; none is the end of another.
    pub const ALL: [Suffix; 12] = [
        Suffix::Content,
        Suffix::ContentNew,
        Suffix::Envelope,
        Suffix::EnvelopeNew,
        Suffix::EnvelopeBusy,
        Suffix::EnvelopeBusyTmp,
        Suffix::EnvelopeBad,
        Suffix::ContentLocal,
        Suffix::EnvelopeLocal,
        Suffix::ContentLocalNew,
        Suffix::EnvelopeLocalNew,
        Suffix::EnvelopeHold,
    ];

    /// The suffix as it stands in a file name.
    pub fn as_str(self) -> &'static str {
        match self {
            Suffix::Content => ".content",
            Suffix::ContentNew => ".content.new",
            Suffix::Envelope => ".envelope",
            Suffix::EnvelopeNew => ".envelope.new",
            Suffix::EnvelopeBusy => ".envelope.busy",
            Suffix::EnvelopeBusyTmp => ".envelope.busy.tmp",
            Suffix::EnvelopeBad => ".envelope.bad",
            Suffix::ContentLocal => ".content.local",
            Suffix::EnvelopeLocal => ".envelope.local",
            Suffix::ContentLocalNew => ".content.local.new",
            Suffix::EnvelopeLocalNew => ".envelope.local.new",
            Suffix::EnvelopeHold => ".envelope.hold",
        }
    }

    /// This suffix as a set's one bit.
    pub(super) fn bit(self) -> u16 {
        1 << (self as u16)
    }
}

/// The id of a message in the spool.
///
/// Ids are ordered by arrival: those of the usual shape by time and then
/// sequence, and all others after them by name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoredId(Shape);

/// Compact, since a spool may hold very many.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Shape {
    Numbered {
        seconds: u64,
        sequence: u64,
        process: u32,
    },
    Named(Box<[u8]>),
}

impl StoredId {
    /// Takes the part of a file name before its suffix; nothing if that is empty
    /// or could lead out of the directory.
    pub fn parse(stem: &[u8]) -> Option<StoredId> {
        if stem.is_empty() || stem.iter().any(|byte| matches!(byte, b'/' | 0)) {
            return None;
        }
        let shape = numbered(stem).unwrap_or_else(|| Shape::Named(stem.into()));
        Some(StoredId(shape))
    }

    /// The id and suffix that a file name is made of.
    pub fn parse_name(name: &[u8]) -> Option<(StoredId, Suffix)> {
        Suffix::ALL.into_iter().find_map(|suffix| {
            let stem = name.strip_suffix(suffix.as_str().as_bytes())?;
            Some((StoredId::parse(stem)?, suffix))
        })
    }

    /// The name of the message's file with that suffix.
    pub fn file_name(&self, suffix: Suffix) -> Vec<u8> {
        let mut name = self.stem();
        name.extend_from_slice(suffix.as_str().as_bytes());
        name
    }

    /// When the message arrived, in seconds since 1970, if the id tells.
    pub fn seconds(&self) -> Option<i64> {
        match self.0 {
            Shape::Numbered { seconds, .. } => i64::try_from(seconds).ok(),
            Shape::Named(_) => None,
        }
    }

    /// Whether this program made the id.
    pub fn is_ours(&self) -> bool {
        matches!(self.0, Shape::Numbered { sequence, .. } if sequence >= SEQUENCE_MIN)
    }

    /// The part of the file names before the suffix.
    pub fn stem(&self) -> Vec<u8> {
        match &self.0 {
            Shape::Named(stem) => stem.to_vec(),
            Shape::Numbered {
                seconds,
                sequence,
                process,
            } => format!("emailrelay.{process}.{seconds}.{sequence}").into_bytes(),
        }
    }
}

/// Shows the id for people: what is not printable is escaped.
impl fmt::Display for StoredId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&ascii::escape(&self.stem()))
    }
}

impl fmt::Debug for StoredId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Reads the usual shape, and only if it would be written in just that way.
fn numbered(stem: &[u8]) -> Option<Shape> {
    let mut parts = stem.strip_prefix(PREFIX)?.split(|byte| *byte == b'.');
    let process = u32::try_from(decimal(parts.next()?)?).ok()?;
    let seconds = decimal(parts.next()?)?;
    let sequence = decimal(parts.next()?)?;
    parts.next().is_none().then_some(Shape::Numbered {
        seconds,
        sequence,
        process,
    })
}

/// A decimal number without leading zeros.
fn decimal(digits: &[u8]) -> Option<u64> {
    let padded = digits.len() > 1 && digits.first() == Some(&b'0');
    ascii::parse_decimal(digits).filter(|_| !padded)
}

/// Gives out ids that this process has not used before.
#[derive(Debug)]
pub(super) struct Ids {
    process: u32,
    sequence: AtomicU64,
}

impl Ids {
    /// Starts at a sequence number that the seed decides.
    pub(super) fn new(process: u32, seed: u64) -> Ids {
        Ids {
            process,
            sequence: AtomicU64::new(SEQUENCE_MIN + seed % SEQUENCE_STARTS),
        }
    }

    /// The next id, for a message that arrives at that time.
    pub(super) fn next(&self, unix_seconds: u64) -> StoredId {
        StoredId(Shape::Numbered {
            seconds: unix_seconds,
            sequence: self.sequence.fetch_add(1, Ordering::Relaxed),
            process: self.process,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(stem: &str) -> StoredId {
        StoredId::parse(stem.as_bytes()).unwrap()
    }

    #[test]
    fn our_ids_are_told_from_others() {
        for seed in [0, 1, u64::MAX, SEQUENCE_STARTS - 1] {
            let made = Ids::new(7, seed).next(1_795_360_975);
            assert!(made.is_ours());
            assert_eq!(StoredId::parse(&made.stem()), Some(made.clone()));
            assert!(made.to_string().starts_with("emailrelay.7.1795360975."));
        }
        for other in [
            "emailrelay.18918.1795360975.2",
            "emailrelay.1.2.9999999999",
            "x",
        ] {
            assert!(!id(other).is_ours(), "{other}");
        }
    }

    #[test]
    fn ids_of_one_process_never_repeat() {
        let ids = Ids::new(1, 5);
        let (first, second) = (ids.next(9), ids.next(9));
        assert!(first < second);
        assert_eq!(first.seconds(), Some(9));
        assert_eq!(id("x").seconds(), None);
        assert_eq!(id("emailrelay.1.18446744073709551615.3").seconds(), None);
    }

    #[test]
    fn names_round_trip_whatever_the_stem() {
        let stems: [&[u8]; 9] = [
            b"emailrelay.1.2.3",
            b"emailrelay.01.2.3",
            b"emailrelay.1.2.3.4",
            b"emailrelay.99999999999.2.3",
            b"emailrelay...",
            b".",
            b"\xff\n\x1b",
            b"a.envelope",
            b"a.content.local",
        ];
        for stem in stems {
            for suffix in Suffix::ALL {
                let name = [stem, suffix.as_str().as_bytes()].concat();
                let (id, found) = StoredId::parse_name(&name).unwrap();
                assert_eq!((id.stem().as_slice(), found), (stem, suffix));
                assert_eq!(id.file_name(suffix), name);
            }
        }
    }

    #[test]
    fn other_names_are_no_messages() {
        let names: [&[u8]; 8] = [
            b"",
            b".envelope",
            b".content",
            b"x",
            b"x.Envelope",
            b"x.envelope.old",
            b"a/b.envelope",
            b"a\0b.envelope",
        ];
        for name in names {
            assert_eq!(StoredId::parse_name(name), None, "{name:?}");
        }
    }

    #[test]
    fn order_is_that_of_arrival() {
        let mut ids = [
            "zzz",
            "emailrelay.1.100.10",
            "emailrelay.9.100.9",
            "aaa",
            "emailrelay.99999.99.70",
            "emailrelay.2.100.10",
        ]
        .map(id);
        ids.sort();
        let sorted = ids.map(|id| id.to_string());
        let expected = [
            "emailrelay.99999.99.70",
            "emailrelay.9.100.9",
            "emailrelay.1.100.10",
            "emailrelay.2.100.10",
            "aaa",
            "zzz",
        ];
        assert_eq!(sorted, expected);
    }

    #[test]
    fn hostile_ids_are_shown_escaped() {
        let hostile = StoredId::parse(b"a\n\x1b[2J\xff").unwrap();
        assert_eq!(hostile.to_string(), "a\\n\\x1b[2J\\xff");
    }
}
