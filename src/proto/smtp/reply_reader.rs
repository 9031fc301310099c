//! Reads replies as they come from a server that may be broken or hostile.

use std::borrow::Cow;
use std::fmt;

use crate::base::{ByteQueue, OneLine};

/// The most lines that a reply may have.
pub const LINES_MAX: usize = 100;

/// The most octets that a reply may have, line ends included.
pub const OCTETS_MAX: usize = 64 * 1024;

/// How much of a line is kept; the rest counts but is thrown away. Twice what
/// RFC 5321 4.5.3.1.5 allows for a reply line.
pub const LINE_KEPT_MAX: usize = 1024;

/// How much of a bad line is shown.
const SHOWN_MAX: usize = 80;

/// What a reply means, by its first digit.
// RFC 5321 4.2.1: a client that does not know a code goes by its first digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// 2yz: done.
    Success,
    /// 3yz: the server waits for more.
    Intermediate,
    /// 4yz: not now.
    Temporary,
    /// 5yz: not like this.
    Permanent,
}

/// A whole reply: its code, 200 to 599, and the text of each line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyLines {
    /// The three digits.
    pub code: u16,
    /// What follows code and separator in each line, as sent; at least one line.
    pub lines: Vec<Vec<u8>>,
}

impl ReplyLines {
    /// What the code means.
    pub fn class(&self) -> Class {
        match self.code {
            ..300 => Class::Success,
            300..400 => Class::Intermediate,
            400..500 => Class::Temporary,
            500.. => Class::Permanent,
        }
    }
}

/// Why what the server sent is not a reply. There is no way to get back in step
/// after that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplyFault {
    /// More than [`LINES_MAX`] lines or [`OCTETS_MAX`] octets.
    TooLong,
    /// A NUL.
    Nul,
    /// A line that does not start with a code from 200 to 599 and a blank or hyphen.
    BadLine(OneLine),
    /// A line whose code is not that of the first line.
    CodeChanged(OneLine),
}

impl fmt::Display for ReplyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplyFault::TooLong => f.write_str("reply too long"),
            ReplyFault::Nul => f.write_str("NUL in a reply"),
            ReplyFault::BadLine(line) => write!(f, "not a reply: [{}]", as_text(line)),
            ReplyFault::CodeChanged(line) => {
                write!(f, "another code within a reply: [{}]", as_text(line))
            }
        }
    }
}

/// Shows text that was escaped when it was taken in; its `Display` would double
/// the backslashes.
pub(super) fn as_text(escaped: &OneLine) -> Cow<'_, str> {
    String::from_utf8_lossy(escaped.as_bytes())
}

/// Collects lines until a reply is whole. Never keeps more than [`OCTETS_MAX`].
#[derive(Debug, Default)]
pub struct ReplyReader {
    code: Option<u16>,
    lines: Vec<Vec<u8>>,
    line: Vec<u8>,
    octets: usize,
}

impl ReplyReader {
    /// Makes a reader that expects the start of a reply.
    pub fn new() -> ReplyReader {
        ReplyReader::default()
    }

    /// Whether a reply has begun and is not whole yet.
    pub fn is_midway(&self) -> bool {
        self.octets > 0
    }

    /// Consumes input up to the end of one reply and returns it, or consumes all
    /// of it and returns nothing where the reply is not whole yet. Lines end with
    /// CRLF or, from careless servers, with LF.
    pub fn read(&mut self, input: &mut ByteQueue) -> Result<Option<ReplyLines>, ReplyFault> {
        while let Some(line) = self.read_line(input)? {
            if let Some(reply) = self.add(&line)? {
                return Ok(Some(reply));
            }
        }
        Ok(None)
    }

    fn read_line(&mut self, input: &mut ByteQueue) -> Result<Option<Vec<u8>>, ReplyFault> {
        let bytes = input.as_slice();
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let part = end.map_or(bytes, |end| &bytes[..end]);
        let taken = part.len() + usize::from(end.is_some());
        self.octets += taken;
        if self.octets > OCTETS_MAX {
            return Err(ReplyFault::TooLong);
        }
        if part.contains(&0) {
            return Err(ReplyFault::Nul);
        }
        let kept = part.len().min(LINE_KEPT_MAX - self.line.len());
        self.line.extend_from_slice(&part[..kept]);
        input.consume(taken);
        if end.is_none() {
            return Ok(None);
        }
        let mut line = std::mem::take(&mut self.line);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(Some(line))
    }

    fn add(&mut self, line: &[u8]) -> Result<Option<ReplyLines>, ReplyFault> {
        let shown = || OneLine::escaped(&line[..line.len().min(SHOWN_MAX)]);
        let (code, is_last, text) = parse(line).ok_or_else(|| ReplyFault::BadLine(shown()))?;
        if self.code.is_some_and(|first| first != code) {
            return Err(ReplyFault::CodeChanged(shown()));
        }
        if self.lines.len() == LINES_MAX {
            return Err(ReplyFault::TooLong);
        }
        self.code = Some(code);
        self.lines.push(text.to_vec());
        if !is_last {
            return Ok(None);
        }
        let lines = std::mem::take(self).lines;
        Ok(Some(ReplyLines { code, lines }))
    }
}

/// Splits a line into its code, whether it is the last of its reply, and its text.
// RFC 5321 4.2: three digits, then a hyphen (more lines follow), a space, or,
// where there is no text, nothing.
fn parse(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let (digits, rest) = line.split_at_checked(3)?;
    let is_code = matches!(digits[0], b'2'..=b'5') && digits.iter().all(u8::is_ascii_digit);
    let value = |sum: u16, digit: &u8| sum * 10 + u16::from(digit - b'0');
    let code = is_code.then(|| digits.iter().fold(0, value))?;
    match rest.split_first() {
        None => Some((code, true, rest)),
        Some((b' ', text)) => Some((code, true, text)),
        Some((b'-', text)) => Some((code, false, text)),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads until the input is used up; shows replies as `code|text|text`.
    fn read_all(pieces: &[&[u8]]) -> Vec<String> {
        let mut reader = ReplyReader::new();
        let mut seen = Vec::new();
        for piece in pieces {
            let mut input = ByteQueue::new(1 << 20);
            input.push_all(piece);
            loop {
                match reader.read(&mut input) {
                    Ok(None) => break,
                    Ok(Some(reply)) => {
                        let text = reply.lines.join(&b'|');
                        seen.push(format!("{}|{}", reply.code, text.escape_ascii()));
                    }
                    Err(fault) => {
                        seen.push(fault.to_string());
                        return seen;
                    }
                }
            }
            assert!(input.is_empty());
        }
        if reader.is_midway() {
            seen.push("...".to_owned());
        }
        seen
    }

    const TABLE: [(&str, &[&str]); 24] = [
        ("220 hello\r\n", &["220|hello"]),
        ("220 hello\n", &["220|hello"]),
        ("250-a\r\n250-b\n250 c\r\n", &["250|a|b|c"]),
        ("250-\r\n250 \r\n", &["250||"]),
        ("250\r\n", &["250|"]),
        ("250-a\r\n250\r\n", &["250|a|"]),
        ("250 a\r\n354 b\r\n55", &["250|a", "354|b", "..."]),
        ("250 a", &["..."]),
        ("299 x\r\n599 y\r\n", &["299|x", "599|y"]),
        ("550 a\r\r\n", &["550|a\\r"]),
        (
            "550 a\rb\x1b \u{202e}\r\n",
            &["550|a\\rb\\x1b \\xe2\\x80\\xae"],
        ),
        ("25\r\n", &["not a reply: [25]"]),
        ("\r\n", &["not a reply: []"]),
        ("2500 x\r\n", &["not a reply: [2500 x]"]),
        ("999 x\r\n", &["not a reply: [999 x]"]),
        ("150 x\r\n", &["not a reply: [150 x]"]),
        ("600 x\r\n", &["not a reply: [600 x]"]),
        ("-50 x\r\n", &["not a reply: [-50 x]"]),
        (" 250 x\r\n", &["not a reply: [ 250 x]"]),
        ("250\tx\r\n", &["not a reply: [250\\tx]"]),
        ("2\u{665} x\r\n", &["not a reply: [2\u{665} x]"]),
        ("250 a\0b\r\n", &["NUL in a reply"]),
        (
            "250-a\r\n251 b\r\n",
            &["another code within a reply: [251 b]"],
        ),
        ("250-a\r\n\x1b]0;x\r\n", &["not a reply: [\\x1b]0;x]"]),
    ];

    #[test]
    fn h2_reads_the_same_at_every_cut_point() {
        for (stream, expected) in TABLE {
            let stream = stream.as_bytes();
            for cut in 0..=stream.len() {
                let (head, tail) = stream.split_at(cut);
                assert_eq!(read_all(&[head, tail]), expected, "{stream:?} at {cut}");
            }
            let single: Vec<&[u8]> = stream.chunks(1).collect();
            assert_eq!(read_all(&single), expected);
        }
    }

    #[test]
    fn h1_endless_lines_are_given_up() {
        let lines = |count: usize| [b"250-x\r\n".repeat(count - 1), b"250 x\r\n".to_vec()].concat();
        assert!(read_all(&[&lines(LINES_MAX)])[0].starts_with("250|x|"));
        assert_eq!(read_all(&[&lines(LINES_MAX + 1)]), ["reply too long"]);
        assert_eq!(
            read_all(&[&b"250-x\r\n".repeat(LINES_MAX + 1)]),
            ["reply too long"]
        );
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes minutes")]
    fn h1_an_endless_line_is_given_up_and_not_kept() {
        let mut longest = b"250 ".to_vec();
        longest.resize(OCTETS_MAX - 2, b'x');
        longest.extend(b"\r\n");
        assert_eq!(read_all(&[&longest])[0].len(), LINE_KEPT_MAX);
        longest.insert(4, b'x');
        for size in [1, 100, OCTETS_MAX * 2] {
            let pieces: Vec<&[u8]> = longest.chunks(size).collect();
            assert_eq!(read_all(&pieces), ["reply too long"]);
        }
        let mut reader = ReplyReader::new();
        let mut input = ByteQueue::new(OCTETS_MAX);
        input.push_all(&longest[..OCTETS_MAX]);
        assert_eq!(reader.read(&mut input), Ok(None));
        assert_eq!(reader.line.len(), LINE_KEPT_MAX);
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes minutes")]
    fn limits_hold_per_reply() {
        let stream = b"250 x\r\n".repeat(OCTETS_MAX / 3);
        assert_eq!(read_all(&[&stream]).len(), OCTETS_MAX / 3);
    }

    #[test]
    fn the_first_digit_gives_the_class() {
        let class = |code| {
            ReplyLines {
                code,
                lines: vec![],
            }
            .class()
        };
        assert_eq!([200, 299].map(class), [Class::Success; 2]);
        assert_eq!([300, 399].map(class), [Class::Intermediate; 2]);
        assert_eq!([400, 499].map(class), [Class::Temporary; 2]);
        assert_eq!([500, 599].map(class), [Class::Permanent; 2]);
    }
}
