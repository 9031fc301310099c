//! Lines of text out of what a person's program sends: a terminal, `nc`, telnet.

use crate::base::ByteQueue;

/// How far a telnet command has been read. Its octets are dropped.
// RFC 854: IAC and a command; with an option after WILL, WONT, DO and DONT; and
// from SB to IAC SE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Telnet {
    #[default]
    Text,
    Command,
    Option,
    Subnegotiation,
    SubnegotiationCommand,
}

const SE: u8 = 240;
const SB: u8 = 250;
const WILL: u8 = 251;
const DONT: u8 = 254;
const IAC: u8 = 255;

impl Telnet {
    /// Takes an octet; gives it back where it is text.
    fn take(&mut self, octet: u8) -> Option<u8> {
        let (next, text) = match (*self, octet) {
            (Telnet::Text, IAC) => (Telnet::Command, None),
            (Telnet::Text, octet) => (Telnet::Text, Some(octet)),
            // Said twice it stands for itself.
            (Telnet::Command, IAC) => (Telnet::Text, Some(IAC)),
            (Telnet::Command, SB) => (Telnet::Subnegotiation, None),
            (Telnet::Command, WILL..=DONT) => (Telnet::Option, None),
            (Telnet::Command | Telnet::Option, _) => (Telnet::Text, None),
            (Telnet::Subnegotiation, IAC) => (Telnet::SubnegotiationCommand, None),
            (Telnet::Subnegotiation, _) => (Telnet::Subnegotiation, None),
            (Telnet::SubnegotiationCommand, SE) => (Telnet::Text, None),
            (Telnet::SubnegotiationCommand, _) => (Telnet::Subnegotiation, None),
        };
        *self = next;
        text
    }
}

/// A line, or why there will be none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A line without its end, and whether that was CRLF rather than LF alone.
    Line(Vec<u8>, bool),
    /// There is no more input.
    NeedMore,
    /// The line is longer than the limit.
    TooLong,
}

/// Cuts a byte stream into lines ended by LF or CRLF.
#[derive(Debug)]
pub(super) struct Lines {
    line: Vec<u8>,
    telnet: Telnet,
    octets_max: usize,
}

impl Lines {
    /// Lines of at most that many octets without their end.
    pub(super) fn new(octets_max: usize) -> Lines {
        Lines {
            line: Vec::new(),
            telnet: Telnet::default(),
            octets_max,
        }
    }

    /// Takes the next line off the input. What it says does not depend on how the
    /// input was cut into pieces.
    pub(super) fn next(&mut self, input: &mut ByteQueue) -> Found {
        let mut count = 0;
        let mut found = Found::NeedMore;
        for octet in input.as_slice() {
            count += 1;
            match self.telnet.take(*octet) {
                None => {}
                Some(b'\n') => {
                    found = self.end();
                    break;
                }
                // One more for the CR that may be part of the end.
                Some(_) if self.line.len() > self.octets_max => {
                    found = Found::TooLong;
                    break;
                }
                Some(octet) => self.line.push(octet),
            }
        }
        input.consume(count);
        found
    }

    /// The first octet of a line that has not ended yet.
    pub(super) fn first_octet(&self) -> Option<u8> {
        self.line.first().copied()
    }

    fn end(&mut self) -> Found {
        let mut line = std::mem::take(&mut self.line);
        let has_cr = line.pop_if(|last| *last == b'\r').is_some();
        match line.len() > self.octets_max {
            true => Found::TooLong,
            false => Found::Line(line, has_cr),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(input: &[u8], piece: usize) -> Vec<Found> {
        let mut lines = Lines::new(8);
        let mut all = Vec::new();
        let mut queue = ByteQueue::new(100);
        for bytes in input.chunks(piece) {
            queue.push(bytes);
            loop {
                match lines.next(&mut queue) {
                    Found::NeedMore => break,
                    Found::TooLong => {
                        all.push(Found::TooLong);
                        return all;
                    }
                    line => all.push(line),
                }
            }
        }
        all
    }

    #[test]
    fn cuts_alike_however_the_input_came() {
        let lf = |text: &str| Found::Line(text.into(), false);
        let crlf = |text: &str| Found::Line(text.into(), true);
        let table: Vec<(&[u8], Vec<Found>)> = vec![
            (
                b"a\nb\r\n\n\r\nc",
                vec![lf("a"), crlf("b"), lf(""), crlf("")],
            ),
            (b"12345678\n", vec![lf("12345678")]),
            (b"12345678\r\n", vec![crlf("12345678")]),
            (b"123456789\n", vec![Found::TooLong]),
            (b"1234567890", vec![Found::TooLong]),
            (b"a\r\rb\n", vec![lf("a\r\rb")]),
            // What telnet says on connecting and on Ctrl-C.
            (
                b"\xFF\xFD\x03\xFF\xFB\x18li\xFF\xF4\xFF\xFD\x06st\r\n",
                vec![crlf("list")],
            ),
            (
                b"\xFF\xFA\x18\x00xterm\n\xFF\x01\xFF\xF0quit\n",
                vec![lf("quit")],
            ),
            (b"\xFF\xFA no end\n\n\n", vec![]),
        ];
        for (input, expected) in table {
            for piece in 1..=input.len() {
                assert_eq!(lines(input, piece), expected, "{input:?} by {piece}");
            }
        }
        let said_twice = lines(b"a\xFF\xFFb\n", 1);
        assert_eq!(said_twice, [Found::Line(b"a\xFFb".to_vec(), false)]);
    }

    #[test]
    fn keeps_no_more_than_a_line() {
        let mut lines = Lines::new(8);
        let mut queue = ByteQueue::new(100);
        for _ in 0..1000 {
            queue.push(b"\xFF\xFA subnegotiations are dropped as they come");
            assert_eq!(lines.next(&mut queue), Found::NeedMore);
            assert!(lines.line.is_empty() && queue.is_empty());
        }
    }
}
