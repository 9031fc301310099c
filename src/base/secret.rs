//! Secrets in memory: never shown, compared without hurry, wiped in the end.
//!
//! Wiping is done without `unsafe`: the octets are overwritten and then handed
//! to [`black_box`], which the compiler must assume to read them, so that it
//! keeps the writes. That is a best effort by the words of std, not a promise,
//! and it does not reach copies that the system made (swap, registers).

use std::fmt;
use std::hint::black_box;

/// Octets that nobody may see: shown as `[redacted]`, and overwritten when
/// dropped.
#[derive(Clone, Default)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes the octets over; a vector is taken without a copy.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Secret {
        Secret(bytes.into())
    }

    /// The octets themselves. Whoever asks sees to it that they get no further.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether both are the same, found out as by [`eq_constant_time`].
    pub fn matches(&self, other: &[u8]) -> bool {
        eq_constant_time(&self.0, other)
    }
}

/// As [`Secret::matches`].
impl PartialEq for Secret {
    fn eq(&self, other: &Secret) -> bool {
        self.matches(&other.0)
    }
}

impl Eq for Secret {}

impl Drop for Secret {
    fn drop(&mut self) {
        // What was cut off by an owner before us may still be in the spare room.
        let capacity = self.0.capacity();
        self.0.resize(capacity, 0);
        wipe(&mut self.0);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Overwrites all elements.
pub fn wipe<T: Copy + Default>(elements: &mut [T]) {
    elements.fill(T::default());
    black_box(elements);
}

/// Whether both are the same, in a time that depends on their lengths and on
/// nothing else. Digests have known lengths; compare those where the length
/// itself is a secret.
pub fn eq_constant_time(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let mut difference = 0;
    for (left, right) in left.iter().zip(right) {
        difference |= black_box(left ^ right);
    }
    black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_shows_itself() {
        let secret = Secret::new("pw");
        assert_eq!(format!("{secret}"), "[redacted]");
        assert_eq!(format!("{secret:?}"), "[redacted]");
        assert_eq!(
            format!("{secret:#?} {:?}", Some(&secret)),
            "[redacted] Some([redacted])"
        );
    }

    #[test]
    fn keeps_the_octets() {
        let secret = Secret::new(b"pw".to_vec());
        assert_eq!(secret.expose(), b"pw");
        assert!(!secret.is_empty());
        assert!(secret.matches(b"pw"));
        assert!(!secret.matches(b"pW"));
        assert!(Secret::default().is_empty());
    }

    #[test]
    fn compares_all_octets() {
        assert!(eq_constant_time(b"", b""));
        assert!(eq_constant_time(b"abc", b"abc"));
        for other in ["", "ab", "abcd", "xbc", "axc", "abx", "ABC"] {
            assert!(!eq_constant_time(b"abc", other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn wipes_every_element() {
        let mut octets = *b"secret";
        wipe(&mut octets);
        assert_eq!(octets, [0; 6]);
        let mut words = [7u64; 3];
        wipe(&mut words);
        assert_eq!(words, [0; 3]);
    }
}
