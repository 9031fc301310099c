//! Text that is known to be one line.

use std::fmt;

use super::ascii;

/// Bytes without CR, LF or NUL: the only text that may reach a line-based
/// format (envelope file, filter dialogue, administration output, log), so that
/// nothing from outside can ever add a line to it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct OneLine(Vec<u8>);

impl OneLine {
    /// Takes the bytes as they are, or nothing where a CR, LF or NUL is among them.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Option<OneLine> {
        let bytes = bytes.into();
        let breaks = |byte: &u8| matches!(byte, b'\r' | b'\n' | 0);
        (!bytes.iter().any(breaks)).then_some(OneLine(bytes))
    }

    /// Makes one line of anything, with control characters escaped as in the log.
    pub fn escaped(bytes: impl AsRef<[u8]>) -> OneLine {
        OneLine(ascii::escape(bytes.as_ref()).into_bytes())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many octets it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Cuts it down to `octets_max`, never inside a UTF-8 sequence.
    pub fn truncate(&mut self, octets_max: usize) {
        let mut end = octets_max.min(self.0.len());
        while end < self.0.len() && end > 0 && self.0[end] & 0xC0 == 0x80 {
            end -= 1;
        }
        self.0.truncate(end);
    }
}

/// Shows the text for people: what is not printable is escaped.
impl fmt::Display for OneLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&ascii::escape(&self.0))
    }
}

impl fmt::Debug for OneLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", ascii::escape(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_whatever_could_end_a_line() {
        for bad in ["a\rb", "a\nb", "a\0b", "\n"] {
            assert_eq!(OneLine::new(bad), None, "{bad:?}");
        }
        assert_eq!(OneLine::new("a\tb").unwrap().as_bytes(), b"a\tb");
        assert_eq!(OneLine::new([0xFFu8]).unwrap().as_bytes(), [0xFF]);
    }

    #[test]
    fn escaping_always_gives_one_line() {
        assert_eq!(OneLine::escaped("a\r\nb\0").as_bytes(), b"a\\r\\nb\\x00");
    }

    #[test]
    fn truncates_between_characters() {
        let mut text = OneLine::new("aé").unwrap();
        text.truncate(2);
        assert_eq!(text.as_bytes(), b"a");
        text.truncate(9);
        assert_eq!(text.as_bytes(), b"a");
    }
}
