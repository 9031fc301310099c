//! Reverse-paths and forward-paths (RFC 5321 4.1.2, RFC 6531 3.3).
//!
//! A path is parsed once, here; whoever wants its domain asks the parsed path,
//! so that relaying decisions and routes can never disagree about where a
//! mailbox is. One pass from left to right, no recursion, nothing looked at
//! beyond the limits.

use crate::base::{OneLine, ascii};

/// How closely paths and EHLO names must follow the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum PathRules {
    /// As RFC 5321 has it.
    #[default]
    Strict,
    /// Besides, as many clients write: blanks after the colon, no angle brackets,
    /// mailboxes without a domain, dots anywhere in a local part, underscores in
    /// domains. Controls, blanks and specials outside quotes stay forbidden.
    Lenient,
}

/// Which of the two paths is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// `FROM:`, which may be null.
    Reverse,
    /// `TO:`, which may be `<postmaster>` without a domain.
    Forward,
}

/// What is wrong with the argument of MAIL or RCPT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathFault {
    /// No keyword, no brackets, or something stuck to the closing one.
    Syntax,
    /// Longer than RFC 5321 4.5.3.1 allows.
    TooLong,
    /// Not a mailbox.
    Mailbox,
}

/// A mailbox as it was written, without its source route; or the null path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    mailbox: OneLine,
    at: Option<usize>,
}

impl Path {
    /// The mailbox, octet for octet as it came; empty for the null path.
    pub fn mailbox(&self) -> &OneLine {
        &self.mailbox
    }

    /// Takes the mailbox out.
    pub fn into_mailbox(self) -> OneLine {
        self.mailbox
    }

    /// Whether this is `<>`.
    pub fn is_null(&self) -> bool {
        self.mailbox.is_empty()
    }

    /// Whether it needs SMTPUTF8.
    pub fn is_ascii(&self) -> bool {
        self.mailbox.as_bytes().is_ascii()
    }

    /// What stands before the `@` that is not quoted, quotes and all.
    pub fn local_part(&self) -> &[u8] {
        let mailbox = self.mailbox.as_bytes();
        &mailbox[..self.at.unwrap_or(mailbox.len())]
    }

    /// What stands after that `@`.
    pub fn domain(&self) -> Option<&[u8]> {
        self.at.map(|at| &self.mailbox.as_bytes()[at + 1..])
    }
}

/// Reads the argument of MAIL or RCPT: the path, and the parameters after it.
pub fn parse(argument: &[u8], side: Side, rules: PathRules) -> Result<(Path, &[u8]), PathFault> {
    let keyword: &[u8] = match side {
        Side::Reverse => b"FROM:",
        Side::Forward => b"TO:",
    };
    let (start, mut rest) = argument
        .split_at_checked(keyword.len())
        .ok_or(PathFault::Syntax)?;
    if !ascii::eq(start, keyword) {
        return Err(PathFault::Syntax);
    }
    if rules == PathRules::Lenient {
        rest = ascii::trim(rest);
    }
    let bracketed = rest.first() == Some(&b'<');
    if !bracketed && (rules == PathRules::Strict || rest.is_empty()) {
        return Err(PathFault::Syntax);
    }
    let mut cursor = Cursor::new(rest, rules);
    if bracketed {
        cursor.step();
    }
    let path = cursor.path(side)?;
    if bracketed && !cursor.accept(b'>') {
        return Err(PathFault::Mailbox);
    }
    let after = cursor.rest();
    match after.first() {
        None | Some(b' ' | b'\t') => Ok((path, after)),
        Some(_) if bracketed => Err(PathFault::Syntax),
        Some(_) => Err(PathFault::Mailbox),
    }
}

/// Reads a mailbox that stands alone, without brackets and source route.
pub fn parse_mailbox(text: &[u8], side: Side, rules: PathRules) -> Result<Path, PathFault> {
    let mut cursor = Cursor::new(text, rules);
    let path = cursor.mailbox(side)?;
    // The limit counts the two brackets.
    if text.len() > PATH_MAX - 2 {
        return Err(PathFault::TooLong);
    }
    match cursor.rest() {
        [] => Ok(path),
        _ => Err(PathFault::Mailbox),
    }
}

/// Whether this is a domain: labels of letters, digits and hyphens between dots.
pub fn is_domain(text: &[u8], rules: PathRules) -> bool {
    let mut cursor = Cursor::new(text, rules);
    cursor.domain().is_ok() && cursor.rest().is_empty()
}

/// Whether this is an address literal, `[192.0.2.1]` or `[IPv6:2001:db8::1]`.
pub fn is_address_literal(text: &[u8]) -> bool {
    let mut cursor = Cursor::new(text, PathRules::Strict);
    cursor.address_literal().is_ok() && cursor.rest().is_empty()
}

/// A position in the text of a path.
struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
    rules: PathRules,
}

impl<'a> Cursor<'a> {
    fn new(text: &'a [u8], rules: PathRules) -> Cursor<'a> {
        Cursor { text, at: 0, rules }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn step(&mut self) {
        self.at += 1;
    }

    fn accept(&mut self, octet: u8) -> bool {
        let found = self.peek() == Some(octet);
        self.at += usize::from(found);
        found
    }

    fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn since(&self, start: usize) -> &'a [u8] {
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// Steps over all octets that satisfy the test and returns them.
    fn take_while(&mut self, test: impl Fn(u8) -> bool) -> &'a [u8] {
        let start = self.at;
        while self.peek().is_some_and(&test) {
            self.step();
        }
        self.since(start)
    }

    /// What stands between the brackets.
    fn path(&mut self, side: Side) -> Result<Path, PathFault> {
        let start = self.at;
        if side == Side::Reverse && self.peek() == Some(b'>') {
            return Ok(Path {
                mailbox: OneLine::default(),
                at: None,
            });
        }
        self.source_route()?;
        let path = self.mailbox(side)?;
        // The limit counts the two brackets.
        if self.at - start > PATH_MAX - 2 {
            return Err(PathFault::TooLong);
        }
        Ok(path)
    }

    /// Steps over `@a,@b:`.
    // RFC 5321 4.1.2: a source route must be accepted and should be ignored.
    fn source_route(&mut self) -> Result<(), PathFault> {
        if self.peek() != Some(b'@') {
            return Ok(());
        }
        while self.accept(b'@') {
            self.domain()?;
            if self.accept(b':') {
                return Ok(());
            }
            if !self.accept(b',') {
                break;
            }
        }
        Err(PathFault::Mailbox)
    }

    fn mailbox(&mut self, side: Side) -> Result<Path, PathFault> {
        let start = self.at;
        self.local_part()?;
        let local_part = self.since(start);
        if local_part.len() > LOCAL_PART_MAX {
            return Err(PathFault::TooLong);
        }
        let at = (self.peek() == Some(b'@')).then_some(local_part.len());
        if self.accept(b'@') {
            self.domain_or_literal()?;
        } else if !self.may_lack_a_domain(side, local_part) {
            return Err(PathFault::Mailbox);
        }
        let text = self.since(start);
        // RFC 6531 3.3: octets of 0x80 and above are UTF-8 and nothing else.
        if std::str::from_utf8(text).is_err() {
            return Err(PathFault::Mailbox);
        }
        let mailbox = OneLine::new(text).ok_or(PathFault::Mailbox)?;
        Ok(Path { mailbox, at })
    }

    // RFC 5321 4.5.1: <postmaster> without a domain, in any case, is served.
    fn may_lack_a_domain(&self, side: Side, local_part: &[u8]) -> bool {
        let is_postmaster = side == Side::Forward && ascii::eq(local_part, b"postmaster");
        self.rules == PathRules::Lenient || is_postmaster
    }

    fn local_part(&mut self) -> Result<(), PathFault> {
        if self.accept(b'"') {
            return self.quoted_string();
        }
        let text = self.take_while(|octet| is_atext(octet) || octet == b'.');
        let dots_misplaced = text.starts_with(b".")
            || text.ends_with(b".")
            || text.windows(2).any(|two| two == b"..");
        if text.is_empty() || dots_misplaced && self.rules == PathRules::Strict {
            return Err(PathFault::Mailbox);
        }
        Ok(())
    }

    /// Steps over the rest of a quoted string.
    fn quoted_string(&mut self) -> Result<(), PathFault> {
        while let Some(octet) = self.peek() {
            self.step();
            match octet {
                b'"' => return Ok(()),
                b'\\' if self.peek().is_some_and(is_printable) => self.step(),
                b'\\' => break,
                _ if is_printable(octet) || !octet.is_ascii() => {}
                _ => break,
            }
        }
        Err(PathFault::Mailbox)
    }

    fn domain_or_literal(&mut self) -> Result<(), PathFault> {
        match self.peek() {
            Some(b'[') => self.address_literal(),
            _ => self.domain(),
        }
    }

    fn domain(&mut self) -> Result<(), PathFault> {
        let start = self.at;
        loop {
            self.label()?;
            if self.at - start > DOMAIN_MAX {
                return Err(PathFault::TooLong);
            }
            if !self.accept(b'.') {
                return Ok(());
            }
        }
    }

    fn label(&mut self) -> Result<(), PathFault> {
        let underscores = self.rules == PathRules::Lenient;
        let label = self.take_while(|octet| {
            octet.is_ascii_alphanumeric()
                || octet == b'-'
                || !octet.is_ascii()
                || underscores && octet == b'_'
        });
        if label.len() > LABEL_MAX {
            return Err(PathFault::TooLong);
        }
        if label.is_empty() || label.starts_with(b"-") || label.ends_with(b"-") {
            return Err(PathFault::Mailbox);
        }
        Ok(())
    }

    // RFC 5321 4.1.3: of the address literals those that can be routed.
    fn address_literal(&mut self) -> Result<(), PathFault> {
        if !self.accept(b'[') {
            return Err(PathFault::Mailbox);
        }
        let inner = self.take_while(|octet| octet.is_ascii_graphic() && octet != b']');
        let closed = self.accept(b']');
        let text = std::str::from_utf8(inner).unwrap_or_default();
        let is_ip = match inner.split_at_checked(IPV6_TAG.len()) {
            Some((tag, _)) if ascii::eq(tag, IPV6_TAG) => {
                let address = text.get(IPV6_TAG.len()..).unwrap_or_default();
                address.parse::<core::net::Ipv6Addr>().is_ok()
            }
            _ => text.parse::<core::net::Ipv4Addr>().is_ok(),
        };
        if closed && is_ip {
            Ok(())
        } else {
            Err(PathFault::Mailbox)
        }
    }
}

/// What an atom is made of (RFC 5322 3.2.3), with UTF-8 (RFC 6531 3.3).
fn is_atext(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&octet) || !octet.is_ascii()
}

fn is_printable(octet: u8) -> bool {
    matches!(octet, b' '..=b'~')
}

const IPV6_TAG: &[u8] = b"IPv6:";

/// The longest local part, in octets (RFC 5321 4.5.3.1.1).
pub const LOCAL_PART_MAX: usize = 64;

/// The longest domain, in octets (RFC 5321 4.5.3.1.2).
pub const DOMAIN_MAX: usize = 255;

/// The longest path, in octets with brackets and source route (RFC 5321 4.5.3.1.3).
pub const PATH_MAX: usize = 256;

/// The longest label of a domain, in octets (RFC 1035 2.3.4).
pub const LABEL_MAX: usize = 63;

#[cfg(test)]
mod tests;
