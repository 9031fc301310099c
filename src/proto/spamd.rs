//! The dialogue with spamd, SpamAssassin's daemon: a connection has one request
//! and one reply.
//!
//! ```text
//! ask:    CHECK SPAMC/1.4              or PROCESS, to have the content edited
//!         Content-length: 1234
//!
//!         content
//! answer: SPAMD/1.1 0 EX_OK
//!         Content-length: 1300         and more fields, in any order
//!         Spam: True ; 15.1 / 5.0
//!
//!         edited content               after PROCESS
//! ```
//!
//! Nothing that the service says about sizes is believed: an edited content that
//! is not just as long as announced, or longer than was asked for, is a fault.

use std::fmt;

use crate::base::{OneLine, ascii};

/// The longest line of a reply's header in octets, with its end.
pub const LINE_MAX: usize = 4096;

/// The most lines of a reply's header.
pub const LINES_MAX: usize = 100;

/// How many octets of a rating, or of what a service says is wrong, are kept.
pub const TEXT_MAX: usize = 200;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// A rating only.
    Rate,
    /// A rating, and the content with the service's changes.
    Edit,
}

/// What the service thinks of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rating {
    /// Whether it is spam.
    pub is_spam: bool,
    /// The whole of it, with the score and the limit: `True ; 15.1 / 5.0`.
    pub text: OneLine,
}

/// What is wrong with a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does not start as replies do.
    NotSpamd,
    /// The service has failed, in its own words.
    Refused(OneLine),
    /// A line or the number of lines is beyond the limits.
    TooLong,
    /// A line of the header is not a field.
    NotAField,
    /// A field comes twice.
    Twice(&'static str),
    /// A field that is needed is missing.
    Missing(&'static str),
    /// The rating is neither true nor false.
    Rating,
    /// The length is not a number, or is zero.
    Length,
    /// The content is announced as longer than it may be.
    TooMuchContent,
    /// There is more content than announced.
    MoreThanAnnounced,
    /// The reply ends early.
    EndsEarly,
}

/// The start of a request, which so many octets of content follow.
pub fn request(wish: Wish, content_octets: u64) -> Vec<u8> {
    let verb = match wish {
        Wish::Rate => "CHECK",
        Wish::Edit => "PROCESS",
    };
    format!("{verb} SPAMC/1.4\r\nContent-length: {content_octets}\r\n\r\n").into_bytes()
}

/// Reads a reply that comes in pieces of any size.
#[derive(Debug)]
pub struct Reader {
    wish: Wish,
    content_max: u64,
    at: At,
    line: Vec<u8>,
    lines: usize,
    length: Option<u64>,
    rating: Option<Rating>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Status,
    Fields,
    /// So many octets of content are still to come.
    Content(u64),
    /// All that was asked for is there.
    End,
}

impl Reader {
    /// Waits for a reply whose content has at most so many octets.
    pub fn new(wish: Wish, content_max: u64) -> Reader {
        Reader {
            wish,
            content_max,
            at: At::Status,
            line: Vec::new(),
            lines: 0,
            length: None,
            rating: None,
        }
    }

    /// Takes the next octets; gives those of them that are content.
    pub fn receive<'a>(&mut self, octets: &'a [u8]) -> Result<&'a [u8], Fault> {
        let mut rest = octets;
        while let At::Status | At::Fields = self.at {
            let Some((octet, after)) = rest.split_first() else {
                return Ok(rest);
            };
            rest = after;
            if *octet == b'\n' {
                self.end_line()?;
            } else if self.line.len() + 1 < LINE_MAX {
                self.line.push(*octet);
            } else {
                return Err(Fault::TooLong);
            }
        }
        match self.at {
            At::Content(left) => self.count(left, rest),
            // What comes with a rating was not asked for, and is of no account.
            _ => Ok(&[]),
        }
    }

    /// Whether nothing more needs to be read. An edited content is complete only
    /// when the connection ends, since more would mean that its length was wrong.
    pub fn is_done(&self) -> bool {
        self.at == At::End
    }

    /// What the reply comes to, once the connection has ended or enough is read.
    /// Who has the content edited need not care about the rating.
    pub fn finish(self) -> Result<Option<Rating>, Fault> {
        match (self.at, self.wish) {
            (At::End, Wish::Rate) => self.rating.map(Some).ok_or(Fault::Missing("Spam")),
            (At::Content(0), Wish::Edit) => Ok(self.rating),
            _ => Err(Fault::EndsEarly),
        }
    }

    fn count<'a>(&mut self, left: u64, octets: &'a [u8]) -> Result<&'a [u8], Fault> {
        let left = left.checked_sub(octets.len() as u64);
        self.at = At::Content(left.ok_or(Fault::MoreThanAnnounced)?);
        Ok(octets)
    }

    fn end_line(&mut self) -> Result<(), Fault> {
        self.lines += 1;
        if self.lines > LINES_MAX {
            return Err(Fault::TooLong);
        }
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        self.at = match (self.at, line) {
            (At::Status, line) => {
                check_status(line)?;
                At::Fields
            }
            (_, b"") => self.end_header()?,
            (at, line) => {
                self.field(line)?;
                at
            }
        };
        Ok(())
    }

    fn end_header(&mut self) -> Result<At, Fault> {
        match (self.wish, self.length) {
            (Wish::Rate, _) => Ok(At::End),
            (Wish::Edit, None) => Err(Fault::Missing("Content-length")),
            (Wish::Edit, Some(length)) if length > self.content_max => Err(Fault::TooMuchContent),
            (Wish::Edit, Some(length)) => Ok(At::Content(length)),
        }
    }

    fn field(&mut self, line: &[u8]) -> Result<(), Fault> {
        let colon = line.iter().position(|octet| *octet == b':');
        let (name, value) = line.split_at(colon.ok_or(Fault::NotAField)?);
        let value = ascii::trim(value.get(1..).unwrap_or_default());
        if ascii::eq(ascii::trim(name), b"Content-length") {
            let length = ascii::parse_decimal(value).filter(|length| *length > 0);
            // A rating may well come with a length of zero.
            let length = match self.wish {
                Wish::Rate => 0,
                Wish::Edit => length.ok_or(Fault::Length)?,
            };
            once(&mut self.length, length, "Content-length")?;
        } else if ascii::eq(ascii::trim(name), b"Spam") {
            once(&mut self.rating, rating(value)?, "Spam")?;
        }
        Ok(())
    }
}

fn once<T>(field: &mut Option<T>, value: T, name: &'static str) -> Result<(), Fault> {
    match field.replace(value) {
        None => Ok(()),
        Some(_) => Err(Fault::Twice(name)),
    }
}

/// Sees that a status line says that all is well.
fn check_status(line: &[u8]) -> Result<(), Fault> {
    let rest = line.strip_prefix(b"SPAMD/").ok_or(Fault::NotSpamd)?;
    let mut words = rest.splitn(2, |octet| *octet == b' ');
    let (_version, status) = (words.next(), words.next().ok_or(Fault::NotSpamd)?);
    match status.split(|octet| *octet == b' ').next() {
        Some(b"0") => Ok(()),
        _ => Err(Fault::Refused(bounded(status))),
    }
}

fn rating(value: &[u8]) -> Result<Rating, Fault> {
    let end = value
        .iter()
        .position(|octet| !octet.is_ascii_alphabetic())
        .unwrap_or(value.len());
    let (word, _) = value.split_at(end);
    let is = |wanted: &[&str]| wanted.iter().any(|one| ascii::eq(one.as_bytes(), word));
    let is_spam = is(&["True", "Yes"]);
    match is_spam || is(&["False", "No"]) {
        true => Ok(Rating {
            is_spam,
            text: bounded(value),
        }),
        false => Err(Fault::Rating),
    }
}

fn bounded(text: &[u8]) -> OneLine {
    let mut line = OneLine::escaped(text);
    line.truncate(TEXT_MAX);
    line
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::NotSpamd => f.write_str("not a reply of spamd"),
            Fault::Refused(text) => write!(f, "spamd has failed: {text}"),
            Fault::TooLong => f.write_str("header too long"),
            Fault::NotAField => f.write_str("malformed header"),
            Fault::Twice(name) => write!(f, "two {name} fields"),
            Fault::Missing(name) => write!(f, "no {name} field"),
            Fault::Rating => f.write_str("malformed rating"),
            Fault::Length => f.write_str("malformed content length"),
            Fault::TooMuchContent => f.write_str("edited content too long"),
            Fault::MoreThanAnnounced => f.write_str("more content than announced"),
            Fault::EndsEarly => f.write_str("the reply ends early"),
        }
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: u64 = 100;

    /// What comes of a reply in pieces of that size: rating and content.
    fn read_by(wish: Wish, reply: &[u8], piece: usize) -> Result<(String, Vec<u8>), Fault> {
        let mut reader = Reader::new(wish, MAX);
        let mut content = Vec::new();
        for octets in reply.chunks(piece) {
            content.extend(reader.receive(octets)?);
        }
        let rating = reader.finish()?;
        let shown = |rating: Rating| format!("{} {}", rating.is_spam, rating.text);
        Ok((rating.map(shown).unwrap_or_default(), content))
    }

    fn read(wish: Wish, reply: &str) -> Result<(String, Vec<u8>), Fault> {
        let whole = read_by(wish, reply.as_bytes(), 9999);
        for piece in 1..40 {
            assert_eq!(read_by(wish, reply.as_bytes(), piece), whole, "{reply:?}");
        }
        whole
    }

    #[test]
    fn asks_with_a_length() {
        assert_eq!(
            request(Wish::Rate, 0),
            b"CHECK SPAMC/1.4\r\nContent-length: 0\r\n\r\n"
        );
        assert_eq!(
            request(Wish::Edit, u64::MAX),
            b"PROCESS SPAMC/1.4\r\nContent-length: 18446744073709551615\r\n\r\n"
        );
    }

    #[test]
    fn understands_ratings() {
        for (field, expected) in [
            ("Spam: True ; 15.1 / 5.0", "true True ; 15.1 / 5.0"),
            ("spam:TRUE", "true TRUE"),
            ("SPAM : yes ; 9/5", "true yes ; 9/5"),
            ("Spam: False ; -0.1 / 5.0", "false False ; -0.1 / 5.0"),
            ("Spam:  no", "false no"),
        ] {
            for end in ["\r\n", "\n"] {
                let reply = ["SPAMD/1.1 0 EX_OK", "Other: x", field, "", ""].join(end);
                let rated = read(Wish::Rate, &reply).unwrap();
                assert_eq!(rated, (expected.to_owned(), Vec::new()));
            }
        }
        let long = format!(
            "SPAMD/1.1 0 EX_OK\r\nSpam: True {}\r\n\r\n",
            "x".repeat(999)
        );
        assert_eq!(read(Wish::Rate, &long).unwrap().0.len(), 5 + TEXT_MAX);
    }

    #[test]
    fn a_rating_needs_no_content() {
        for length in ["0", "2", "-1", "99999999999999999999", "x"] {
            let reply = format!("SPAMD/1.1 0 OK\nContent-length: {length}\nSpam: True\n\nxx");
            let (rating, content) = read(Wish::Rate, &reply).unwrap();
            assert_eq!((rating.as_str(), content.len()), ("true True", 0));
        }
        let mut reader = Reader::new(Wish::Rate, 0);
        reader.receive(b"SPAMD/1.1 0 OK\nSpam: True\n").unwrap();
        assert!(!reader.is_done());
        reader.receive(b"\nmore").unwrap();
        assert!(reader.is_done());
    }

    #[test]
    fn takes_content_of_just_the_length() {
        let reply =
            "SPAMD/1.5 0 EX_OK\r\nSpam: True ; 9 / 5\r\ncontent-LENGTH: 6\r\n\r\na\r\nb\r\n";
        let edited = read(Wish::Edit, reply).unwrap();
        assert_eq!(
            edited,
            ("true True ; 9 / 5".to_owned(), b"a\r\nb\r\n".to_vec())
        );
        let bare = read(Wish::Edit, "SPAMD/1.5 0\nContent-length: 1\n\nx").unwrap();
        assert_eq!(bare, (String::new(), b"x".to_vec()));
    }

    #[test]
    fn does_not_believe_lengths() {
        for (length, content, fault) in [
            ("5", "abcd", Fault::EndsEarly),
            ("5", "", Fault::EndsEarly),
            ("5", "abcdef", Fault::MoreThanAnnounced),
            ("0", "", Fault::Length),
            ("-5", "abcde", Fault::Length),
            ("+5", "abcde", Fault::Length),
            ("5x", "abcde", Fault::Length),
            ("", "abcde", Fault::Length),
            ("101", "abcde", Fault::TooMuchContent),
            ("18446744073709551615", "abcde", Fault::TooMuchContent),
            ("18446744073709551616", "abcde", Fault::Length),
        ] {
            let reply = format!("SPAMD/1.1 0 EX_OK\nContent-length: {length}\n\n{content}");
            assert_eq!(read(Wish::Edit, &reply), Err(fault), "{length} {content}");
        }
        let most = "x".repeat(100);
        let reply = format!("SPAMD/1.1 0 EX_OK\nContent-length: 100\n\n{most}");
        assert_eq!(read(Wish::Edit, &reply).unwrap().1, most.as_bytes());
    }

    #[test]
    fn refuses_what_is_not_a_reply() {
        let ok = "SPAMD/1.1 0 EX_OK\n";
        let refused = |text: &str| Fault::Refused(OneLine::new(text).unwrap());
        for (reply, fault) in [
            ("", Fault::EndsEarly),
            ("SPAMD/1.1 0 EX_OK", Fault::EndsEarly),
            ("SPAMD/1.1 0 EX_OK\nSpam: True\n", Fault::EndsEarly),
            ("220 hello\n", Fault::NotSpamd),
            ("SPAMD/1.1\n", Fault::NotSpamd),
            ("spamd/1.1 0 OK\n", Fault::NotSpamd),
            ("\n", Fault::NotSpamd),
            (
                "SPAMD/1.0 76 Bad header line: (EOF)\n",
                refused("76 Bad header line: (EOF)"),
            ),
            ("SPAMD/1.0 00 OK\n", refused("00 OK")),
            ("SPAMD/1.0  0 OK\n", refused(" 0 OK")),
            (&format!("{ok}Spam True\n"), Fault::NotAField),
            (&format!("{ok}Spam: maybe\n\n"), Fault::Rating),
            (&format!("{ok}Spam:\n\n"), Fault::Rating),
            (&format!("{ok}Spam: Truest\n\n"), Fault::Rating),
            (
                &format!("{ok}Spam: True\nSpam: False\n\n"),
                Fault::Twice("Spam"),
            ),
            (&format!("{ok}\n"), Fault::Missing("Spam")),
        ] {
            assert_eq!(read(Wish::Rate, reply), Err(fault), "{reply:?}");
        }
        let edit = |rest: &str| read(Wish::Edit, &format!("{ok}{rest}"));
        assert_eq!(
            edit("Spam: True\n\nx"),
            Err(Fault::Missing("Content-length"))
        );
        let twice = "Content-length: 1\nContent-length: 2\n\nx";
        assert_eq!(edit(twice), Err(Fault::Twice("Content-length")));
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes minutes")]
    fn headers_are_bounded() {
        let line = |octets: usize| format!("SPAMD/1.1 0 {}\n", "x".repeat(octets - 13));
        assert_eq!(line(LINE_MAX).len(), LINE_MAX);
        let end = "Spam: True\n\n";
        assert!(read(Wish::Rate, &(line(LINE_MAX) + end)).is_ok());
        assert_eq!(
            read(Wish::Rate, &(line(LINE_MAX + 1) + end)),
            Err(Fault::TooLong)
        );
        assert_eq!(read(Wish::Rate, &"x".repeat(LINE_MAX)), Err(Fault::TooLong));
        let fields = |count: usize| format!("SPAMD/1.1 0 OK\n{}{end}", "A: b\n".repeat(count));
        assert!(read(Wish::Rate, &fields(LINES_MAX - 3)).is_ok());
        assert_eq!(
            read(Wish::Rate, &fields(LINES_MAX - 2)),
            Err(Fault::TooLong)
        );
    }
}
