//! The content as it is read, in lines or pieces, and the line ends of a dialogue.

use std::io::{self, Read};

/// How many octets are read at a time.
const CHUNK: usize = 64 << 10;

/// Something to read a message from.
pub(super) struct Input {
    source: Box<dyn Read>,
    waiting: Vec<u8>,
    dot: Option<DotEnd>,
    ended: bool,
}

/// A line, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Without its line end: LF, with any number of CRs before it.
    Text(Vec<u8>),
    /// It has more octets than it may have.
    TooLong,
    /// All has been read.
    End,
}

impl Input {
    /// Reads from there; up to a line with only a dot, if so told.
    pub(super) fn new(source: Box<dyn Read>, ends_at_dot: bool) -> Input {
        Input {
            source,
            waiting: Vec::new(),
            dot: ends_at_dot.then(DotEnd::default),
            ended: false,
        }
    }

    /// The next line.
    pub(super) fn line(&mut self, octets_max: usize) -> io::Result<Line> {
        let mut seen = 0;
        loop {
            let fresh = self.waiting.get(seen..).unwrap_or_default();
            let end = fresh.iter().position(|octet| *octet == b'\n');
            if let Some(end) = end.map(|at| seen + at) {
                let mut line: Vec<u8> = self.waiting.drain(..=end).collect();
                while matches!(line.last(), Some(b'\n' | b'\r')) {
                    line.pop();
                }
                return Ok(Line::Text(line));
            }
            seen = self.waiting.len();
            if seen > octets_max {
                return Ok(Line::TooLong);
            }
            if !self.fill()? {
                return Ok(match self.waiting.is_empty() {
                    true => Line::End,
                    false => Line::Text(std::mem::take(&mut self.waiting)),
                });
            }
        }
    }

    /// The next piece; nothing at the end.
    pub(super) fn piece(&mut self) -> io::Result<Option<Vec<u8>>> {
        while self.waiting.is_empty() {
            if !self.fill()? {
                return Ok(None);
            }
        }
        Ok(Some(std::mem::take(&mut self.waiting)))
    }

    /// Reads on; false at the end.
    fn fill(&mut self) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        let mut buffer = vec![0; CHUNK];
        let count = loop {
            match self.source.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        buffer.truncate(count);
        self.ended = count == 0;
        match &mut self.dot {
            None => self.waiting.extend_from_slice(&buffer),
            Some(dot) => self.ended |= dot.feed(&buffer, &mut self.waiting),
        }
        Ok(!self.ended || !self.waiting.is_empty())
    }
}

/// Looks for a line with only a dot, which is never passed on: nor if it is the last
/// and has no end.
#[derive(Debug, Default)]
struct DotEnd(At);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    LineStart,
    Dot,
    DotCr,
    Middle,
}

impl DotEnd {
    /// Passes on what comes before such a line; whether it was there.
    fn feed(&mut self, octets: &[u8], out: &mut Vec<u8>) -> bool {
        for octet in octets {
            self.0 = match (self.0, octet) {
                (At::LineStart, b'.') => At::Dot,
                (At::Dot, b'\r') => At::DotCr,
                (At::Dot | At::DotCr, b'\n') => return true,
                (before, octet) => {
                    let held: &[u8] = match before {
                        At::Dot => b".",
                        At::DotCr => b".\r",
                        At::LineStart | At::Middle => b"",
                    };
                    out.extend_from_slice(held);
                    out.push(*octet);
                    match octet {
                        b'\n' => At::LineStart,
                        _ => At::Middle,
                    }
                }
            };
        }
        false
    }
}

/// Repairs the line ends of a client that ends its first line with LF, as people and
/// scripts do: each LF becomes CRLF. One that ends it with CRLF is taken at its word, so
/// that an LF in the content of strangers which it passes on cannot end that content.
#[derive(Debug, Default)]
pub(super) struct LineEnds {
    /// Whether that is so, once the first line has ended.
    are_lf: Option<bool>,
    after_cr: bool,
}

impl LineEnds {
    /// The octets as they ought to be: at most twice as many.
    pub(super) fn repaired(&mut self, octets: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(octets.len());
        for octet in octets {
            if *octet == b'\n' {
                let are_lf = *self.are_lf.get_or_insert(!self.after_cr);
                if are_lf && !self.after_cr {
                    out.push(b'\r');
                }
            }
            out.push(*octet);
            self.after_cr = *octet == b'\r';
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source that gives so many octets at a time.
    struct Drip(Vec<u8>, usize);

    impl Read for Drip {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(buffer.len());
            for (to, from) in buffer.iter_mut().zip(self.0.drain(..count)) {
                *to = from;
            }
            Ok(count)
        }
    }

    fn read_all(text: &str, piece: usize, ends_at_dot: bool) -> String {
        let source = Drip(text.as_bytes().to_vec(), piece);
        let mut input = Input::new(Box::new(source), ends_at_dot);
        let mut all = Vec::new();
        while let Some(piece) = input.piece().unwrap() {
            all.extend(piece);
        }
        String::from_utf8(all).unwrap()
    }

    #[test]
    fn a_lone_dot_ends_the_content_if_so_told() {
        for (text, expected) in [
            ("a\n.\nb\n", "a\n"),
            ("a\r\n.\r\nb", "a\r\n"),
            (".\n", ""),
            ("a\n.", "a\n"),
            ("a\n.\r", "a\n"),
            ("a.\n..\n.b\n. \n", "a.\n..\n.b\n. \n"),
            (".\rx\n", ".\rx\n"),
            ("", ""),
        ] {
            for piece in 1..=text.len().max(1) {
                assert_eq!(read_all(text, piece, true), expected, "{text:?} by {piece}");
                assert_eq!(read_all(text, piece, false), text);
            }
        }
    }

    #[test]
    fn line_ends_are_repaired_where_the_first_is_lf() {
        for (text, expected) in [
            ("a\n\nb\r\nc\rd\n\n", "a\r\n\r\nb\r\nc\rd\r\n\r\n"),
            ("\n.\n", "\r\n.\r\n"),
            ("a\r\nb\n.\nc\r\n", "a\r\nb\n.\nc\r\n"),
            ("a\rb", "a\rb"),
        ] {
            for piece in 1..=text.len() {
                let mut line_ends = LineEnds::default();
                let pieces = text.as_bytes().chunks(piece);
                let found: Vec<u8> = pieces.flat_map(|one| line_ends.repaired(one)).collect();
                assert_eq!(found, expected.as_bytes(), "{text:?} by {piece}");
            }
        }
    }

    #[test]
    fn lines_come_without_their_ends() {
        let text = "a\n\r\nb\r\r\nc\rd\n12345678901\nrest";
        for piece in 1..=text.len() {
            let source = Drip(text.as_bytes().to_vec(), piece);
            let mut input = Input::new(Box::new(source), false);
            let mut next = || input.line(11).unwrap();
            for expected in ["a", "", "b", "c\rd", "12345678901", "rest"] {
                assert_eq!(next(), Line::Text(expected.into()), "by {piece}");
            }
            assert_eq!(next(), Line::End);
        }
        let source = Drip(vec![b'x'; 100_000], 1000);
        let mut input = Input::new(Box::new(source), false);
        assert_eq!(input.line(5000).unwrap(), Line::TooLong);
        assert!(input.waiting.len() < 10_000);
    }
}
