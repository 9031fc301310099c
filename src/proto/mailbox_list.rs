//! Lists of mailboxes as header fields have them (RFC 5322 3.4).
//!
//! Of each mailbox only the address is wanted. Names of people, comments and names
//! of groups are read over, whatever is in them: encoded words are never looked
//! into. One pass from left to right, no recursion.
// RFC 5322 3.2.2: comments nest; 4.4: routes, blanks around dots and empty elements.

use core::fmt;

use super::smtp::path::{self, PathRules, Side};
use crate::base::{OneLine, ascii};

/// Why a list cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A comment, quoted string, literal or bracket has no end.
    Unfinished,
    /// A control character, a line end among them.
    Control,
    /// Something that is no address; it is shown with all escaped that is not
    /// printable.
    NotAnAddress(String),
    /// More than that many addresses.
    TooMany(usize),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Unfinished => f.write_str("something is not closed in the list of addresses"),
            Fault::Control => f.write_str("a control character in the list of addresses"),
            Fault::NotAnAddress(text) => write!(f, "not an address: {text}"),
            Fault::TooMany(max) => write!(f, "more than {max} addresses"),
        }
    }
}

impl std::error::Error for Fault {}

/// How much of a wrong address is shown, in octets.
const SHOWN_MAX: usize = 100;

/// Reads a list: the addresses in it, at most so many, as SMTP has them. `<>` gives
/// an empty one. Line ends of folded fields must have been removed.
pub fn parse(text: &[u8], addresses_max: usize) -> Result<Vec<OneLine>, Fault> {
    let mut list = List {
        addresses: Vec::new(),
        addresses_max,
        element: Element::default(),
        in_group: false,
    };
    let mut tokens = Tokens { rest: text };
    while let Some(token) = tokens.next()? {
        match token {
            Token::Special(b',') => list.end_element()?,
            Token::Special(b':') if list.may_begin_group() => {
                list.in_group = true;
                list.element = Element::default();
            }
            Token::Special(b';') if list.in_group => {
                list.end_element()?;
                list.in_group = false;
            }
            Token::Special(b'<') => {
                let address = angle_address(&mut tokens)?;
                list.take_angle(address)?;
            }
            token => list.element.push(token)?,
        }
    }
    list.end_element()?;
    Ok(list.addresses)
}

/// What comes between two blanks or comments.
#[derive(Clone, Copy)]
enum Token<'a> {
    /// An atom, with dots in it, a quoted string with its quotes, or a literal
    /// with its brackets.
    Word(&'a [u8]),
    /// Another character with a meaning.
    Special(u8),
}

struct Tokens<'a> {
    rest: &'a [u8],
}

impl<'a> Tokens<'a> {
    fn next(&mut self) -> Result<Option<Token<'a>>, Fault> {
        loop {
            let Some(first) = self.rest.first() else {
                return Ok(None);
            };
            let length = match first {
                b' ' | b'\t' => {
                    self.take(1);
                    continue;
                }
                b'(' => {
                    let length = comment(self.rest)?;
                    self.take(length);
                    continue;
                }
                b'"' => enclosed(self.rest, b'"')?,
                b'[' => enclosed(self.rest, b']')?,
                _ if is_control(*first) => return Err(Fault::Control),
                _ if is_special(*first) => {
                    self.take(1);
                    return Ok(Some(Token::Special(*first)));
                }
                _ => {
                    let ends = |octet: &u8| {
                        is_special(*octet)
                            || is_control(*octet)
                            || matches!(octet, b' ' | b'\t' | b'(' | b'"' | b'[')
                    };
                    self.rest.iter().position(ends).unwrap_or(self.rest.len())
                }
            };
            return Ok(Some(Token::Word(self.take(length))));
        }
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }
}

/// How long a comment is, with all comments in it.
fn comment(text: &[u8]) -> Result<usize, Fault> {
    let (mut depth, mut escaped) = (0usize, false);
    for (at, octet) in text.iter().enumerate() {
        match octet {
            _ if is_control(*octet) => return Err(Fault::Control),
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'(' => depth += 1,
            b')' if depth == 1 => return Ok(at + 1),
            b')' => depth -= 1,
            _ => {}
        }
    }
    Err(Fault::Unfinished)
}

/// How long a quoted string or a literal is.
fn enclosed(text: &[u8], end: u8) -> Result<usize, Fault> {
    let mut escaped = false;
    for (at, octet) in text.iter().enumerate().skip(1) {
        match octet {
            _ if is_control(*octet) => return Err(Fault::Control),
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            _ if *octet == end => return Ok(at + 1),
            _ => {}
        }
    }
    Err(Fault::Unfinished)
}

fn is_control(octet: u8) -> bool {
    octet.is_ascii_control() && octet != b'\t'
}

fn is_special(octet: u8) -> bool {
    b")<>]:;@\\,".contains(&octet)
}

/// Reads what is between angle brackets, after the first: the address without a
/// route.
fn angle_address(tokens: &mut Tokens<'_>) -> Result<Element, Fault> {
    let mut element = Element::default();
    while let Some(token) = tokens.next()? {
        match token {
            Token::Special(b'>') => return Ok(element),
            // RFC 5322 4.4: a route before the address; RFC 5321 has no use for it.
            Token::Special(b':') if element.text.starts_with(b"@") => {
                element = Element::default();
            }
            Token::Special(b',') if element.text.starts_with(b"@") => element.text.push(b','),
            token => element.push(token)?,
        }
    }
    Err(Fault::Unfinished)
}

/// An address or a name that is being read.
#[derive(Default)]
struct Element {
    /// Its words and specials, without what is between them but for one blank where
    /// two words would become one.
    text: Vec<u8>,
    has_angle: bool,
}

impl Element {
    fn push(&mut self, token: Token<'_>) -> Result<(), Fault> {
        match token {
            Token::Word(word) => {
                let joins = |octet: Option<&u8>| matches!(octet, None | Some(b'.' | b'@' | b','));
                if !joins(self.text.last()) && word.first() != Some(&b'.') {
                    self.text.push(b' ');
                }
                self.text.extend_from_slice(word);
            }
            Token::Special(octet) => self.text.push(octet),
        }
        Ok(())
    }

    /// The address, if this is one.
    fn address(&self) -> Result<OneLine, Fault> {
        let not_an_address = || Fault::NotAnAddress(ascii::escape_bounded(&self.text, SHOWN_MAX));
        let path = path::parse_mailbox(&self.text, Side::Forward, PathRules::Lenient);
        path.map(path::Path::into_mailbox)
            .map_err(|_| not_an_address())
    }
}

struct List {
    addresses: Vec<OneLine>,
    addresses_max: usize,
    element: Element,
    in_group: bool,
}

impl List {
    /// Whether what was read can be the name of a group.
    fn may_begin_group(&self) -> bool {
        let name = &self.element.text;
        !self.in_group && !name.is_empty() && !name.contains(&b'@') && !self.element.has_angle
    }

    /// Takes an address in angle brackets: what came before it was a name.
    fn take_angle(&mut self, address: Element) -> Result<(), Fault> {
        if self.element.has_angle {
            return Err(Fault::NotAnAddress(
                "two addresses without a comma".to_owned(),
            ));
        }
        let address = match address.text.is_empty() {
            true => OneLine::default(),
            false => address.address()?,
        };
        self.element = Element {
            text: Vec::new(),
            has_angle: true,
        };
        self.add(address)
    }

    fn end_element(&mut self) -> Result<(), Fault> {
        let element = std::mem::take(&mut self.element);
        match (element.has_angle, element.text.is_empty()) {
            (_, true) => Ok(()),
            (false, false) => self.add(element.address()?),
            (true, false) => {
                let shown = ascii::escape_bounded(&element.text, SHOWN_MAX);
                Err(Fault::NotAnAddress(shown))
            }
        }
    }

    fn add(&mut self, address: OneLine) -> Result<(), Fault> {
        if self.addresses.len() == self.addresses_max {
            return Err(Fault::TooMany(self.addresses_max));
        }
        self.addresses.push(address);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Result<Vec<String>, Fault> {
        let parsed = parse(text.as_bytes(), 5)?;
        Ok(parsed.iter().map(OneLine::to_string).collect())
    }

    #[test]
    fn reads_what_people_and_programs_write() {
        let table: [(&str, &[&str]); 26] = [
            ("", &[]),
            (" , ,", &[]),
            ("root", &["root"]),
            ("a@x.net", &["a@x.net"]),
            ("a@x.net,b@y.net , c", &["a@x.net", "b@y.net", "c"]),
            ("<a@x.net>", &["a@x.net"]),
            ("Joe Q. Public <joe@x.net>", &["joe@x.net"]),
            ("\"Public, Joe <x>\" <joe@x.net>, b", &["joe@x.net", "b"]),
            ("joe@x.net (Joe (the one) Public)", &["joe@x.net"]),
            ("(a, b@c) joe (\\) x) @ (y) x . net", &["joe@x.net"]),
            ("joe . public @ x . net", &["joe.public@x.net"]),
            ("\"joe public\"@x.net", &["\"joe public\"@x.net"]),
            ("\"a\\\"b\"@x.net", &["\"a\\\\\"b\"@x.net"]),
            ("a@[192.0.2.1]", &["a@[192.0.2.1]"]),
            ("a@[IPv6:2001:db8::1]", &["a@[IPv6:2001:db8::1]"]),
            ("Group: a@x, B <b@y>;", &["a@x", "b@y"]),
            ("Group:;", &[]),
            ("undisclosed-recipients:;, a@x", &["a@x"]),
            ("G: a; H: b;", &["a", "b"]),
            ("\"a:b\": c;", &["c"]),
            ("=?utf-8?q?a=2C_b=40c?= <d@e>", &["d@e"]),
            ("=?utf-8?b?PGV2aWxAeD4s?= <d@e>", &["d@e"]),
            ("<@r1.net,@r2.net:a@x.net>", &["a@x.net"]),
            ("<>", &[""]),
            (
                "J\u{f6}rg <j\u{f6}rg@b\u{fc}cher.example>",
                &["j\u{f6}rg@b\u{fc}cher.example"],
            ),
            ("joe@x.net <joe@x.net>", &["joe@x.net"]),
        ];
        for (text, expected) in table {
            assert_eq!(
                list(text).as_deref(),
                Ok(&*expected.iter().map(|s| s.to_string()).collect::<Vec<_>>()),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_what_is_no_list() {
        for text in [
            "a b@x",
            "Joe Public",
            "a@x b@y",
            "<a@x> b",
            "<a@x> <b@y>",
            "a@",
            "@x",
            "a@x@y",
            "a@x;",
            "a@b:c;",
            "G: H: a;;",
            ")",
            "a>",
            "<@r.net>",
            "a\\b",
            "[192.0.2.1]",
            "a@x y.net",
            "\"a\" \"b\"@x",
        ] {
            assert!(
                matches!(list(text), Err(Fault::NotAnAddress(_))),
                "{text}: {:?}",
                list(text)
            );
        }
        for text in ["(a", "\"a", "<a", "a@[1", "(a(b)", "\"a\\\"", "<a@x, b@y"] {
            assert!(list(text).is_err(), "{text}");
        }
        for text in ["a\nb", "a\r\n b", "a\0", "(\x1b)", "\"\x07\"@x", "<a\nb>"] {
            assert_eq!(list(text), Err(Fault::Control), "{text:?}");
        }
    }

    #[test]
    fn bounds_what_it_takes_and_shows() {
        assert_eq!(list("a,b,c,d,e").map(|found| found.len()), Ok(5));
        assert_eq!(list("a,b,c,d,e,f"), Err(Fault::TooMany(5)));
        let nested = "(".repeat(100_000);
        assert_eq!(list(&nested), Err(Fault::Unfinished));
        let closed = nested + &")".repeat(100_000) + "a";
        assert_eq!(list(&closed), Ok(vec!["a".to_owned()]));
        let long = "x".repeat(10_000);
        assert!(list(&long).unwrap_err().to_string().len() < 200);
    }
}
