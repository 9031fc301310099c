//! User names that may be names of directories.

use std::fmt;

use super::name::StoredId;
use crate::base::OneLine;

/// The longest name, in octets; more than any system takes for a directory.
pub const MAILBOX_MAX: usize = 200;

/// The name of a POP user's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxName(OneLine);

impl MailboxName {
    /// Takes a user name, if it has nothing but ASCII letters, digits and `.`, `_`,
    /// `@`, `+` and `-`, does not start with a dot or end with one, and is neither a
    /// message's file nor a device of Windows.
    pub fn new(name: &[u8]) -> Option<MailboxName> {
        let is_fine = |octet: &u8| octet.is_ascii_alphanumeric() || b"._@+-".contains(octet);
        let is_name = (1..=MAILBOX_MAX).contains(&name.len())
            && name.iter().all(is_fine)
            && !name.starts_with(b".")
            && !name.ends_with(b".")
            && !is_device(name)
            && StoredId::parse_name(name).is_none();
        let name = OneLine::new(name).filter(|_| is_name)?;
        Some(MailboxName(name))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Display for MailboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether Windows takes the name for that of a device, whatever its extension.
fn is_device(name: &[u8]) -> bool {
    let stem = name
        .split(|octet| *octet == b'.')
        .next()
        .unwrap_or_default();
    let stem = stem.to_ascii_lowercase();
    match stem.as_slice() {
        b"con" | b"prn" | b"aux" | b"nul" => true,
        [b'c', b'o', b'm', digit] | [b'l', b'p', b't', digit] => digit.is_ascii_digit(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_safe_as_directories() {
        for name in [
            "alice",
            "a",
            "Alice.B",
            "alice@example.com",
            "a+b_c-d",
            "-",
            "comet",
            "console",
            "com12",
            "postmaster",
            "x.content.x",
        ] {
            assert!(MailboxName::new(name.as_bytes()).is_some(), "{name}");
        }
        assert!(MailboxName::new(&[b'a'; MAILBOX_MAX]).is_some());
    }

    #[test]
    fn names_that_lead_elsewhere_are_none() {
        for name in [
            "",
            ".",
            "..",
            ".hidden",
            "alice.",
            "../../etc",
            "/etc",
            "a/../b",
            "a/b",
            "a\\b",
            "a:b",
            "a b",
            "a\0b",
            "a\nb",
            "%2e%2e",
            "~root",
            "con",
            "NUL.txt",
            "Com1",
            "LPT9.x",
            "alic\u{e9}",
            "emailrelay.1.1.1.envelope",
            "x.content",
        ] {
            assert!(MailboxName::new(name.as_bytes()).is_none(), "{name:?}");
        }
        assert!(MailboxName::new(&[b'a'; MAILBOX_MAX + 1]).is_none());
    }
}
