//! Command lines out of a byte stream.
//!
//! Only CRLF ends a line. A CR or LF that stands alone is not skipped, repaired
//! or taken as data: two programs that disagree about what it means disagree
//! about where the next command starts.

use crate::base::ByteQueue;

/// What the framer found at the front of the input.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// A line, without its CRLF; it has been consumed.
    Line(Vec<u8>),
    /// Nothing yet: more input is needed.
    NeedMore,
    /// A line longer than the limit; said once, then the rest of it is swallowed.
    TooLong,
    /// The line that is being swallowed has no end within reason.
    Endless,
    /// A CR or LF that is not part of a CRLF.
    BadEnding,
}

/// Cuts a byte stream into lines ended by CRLF.
#[derive(Debug)]
pub struct Framer {
    line_max: usize,
    swallow_max: usize,
    scanned: usize,
    swallowing: Option<Swallowing>,
}

/// How far the rest of a line that is too long has been thrown away.
#[derive(Debug, Default)]
struct Swallowing {
    octets: usize,
    after_cr: bool,
}

impl Framer {
    /// Makes a framer for lines of at most `line_max` octets with their CRLF;
    /// of a longer one at most `swallow_max` octets are thrown away.
    pub fn new(line_max: usize, swallow_max: usize) -> Framer {
        Framer {
            line_max,
            swallow_max,
            scanned: 0,
            swallowing: None,
        }
    }

    /// Takes the next line off the input. What it says does not depend on how
    /// the input was cut into pieces.
    pub fn next(&mut self, input: &mut ByteQueue) -> Found {
        if let Some(swallowing) = self.swallowing.take()
            && let Err(found) = self.swallow(swallowing, input)
        {
            return found;
        }
        let waiting = input.as_slice();
        let fresh = waiting.get(self.scanned..).unwrap_or_default();
        let end = find_lf(fresh).map(|at| self.scanned + at);
        if end.unwrap_or(waiting.len()) >= self.line_max {
            self.scanned = 0;
            self.swallowing = Some(Swallowing::default());
            return Found::TooLong;
        }
        let Some(end) = end else {
            self.scanned = waiting.len();
            return Found::NeedMore;
        };
        let found = match waiting[..end].split_last() {
            Some((b'\r', line)) if !line.contains(&b'\r') => Found::Line(line.to_vec()),
            _ => Found::BadEnding,
        };
        self.scanned = 0;
        input.consume(end + 1);
        found
    }

    /// Throws away the rest of a line; what was found instead of its end is the error.
    fn swallow(&mut self, mut state: Swallowing, input: &mut ByteQueue) -> Result<(), Found> {
        let waiting = input.as_slice();
        let end = find_lf(waiting);
        let (rest, count) = match end {
            Some(at) => (&waiting[..at], at + 1),
            None => (waiting, waiting.len()),
        };
        let after_cr = rest.last().map_or(state.after_cr, |octet| *octet == b'\r');
        input.consume(count);
        state.octets += count;
        state.after_cr = after_cr;
        if state.octets > self.swallow_max {
            return Err(Found::Endless);
        }
        match end {
            None => {
                self.swallowing = Some(state);
                Err(Found::NeedMore)
            }
            Some(_) if after_cr => Ok(()),
            Some(_) => Err(Found::BadEnding),
        }
    }
}

fn find_lf(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that a framer (12 octets a line, 30 swallowed) says about the
    /// input when it comes in pieces of that size, up to a fatal finding.
    fn frame(input: &[u8], piece: usize) -> Vec<Found> {
        let mut framer = Framer::new(12, 30);
        let mut queue = ByteQueue::new(1000);
        let mut all = Vec::new();
        for bytes in input.chunks(piece) {
            queue.push(bytes);
            loop {
                match framer.next(&mut queue) {
                    Found::NeedMore => break,
                    found @ (Found::Endless | Found::BadEnding) => {
                        all.push(found);
                        return all;
                    }
                    found => all.push(found),
                }
            }
        }
        all
    }

    fn line(text: &str) -> Found {
        Found::Line(text.as_bytes().to_vec())
    }

    #[test]
    fn frames_alike_however_the_input_is_cut() {
        let long = "x".repeat(28);
        let table: Vec<(String, Vec<Found>)> = vec![
            (
                "a\r\n\r\nb\r\n".into(),
                vec![line("a"), line(""), line("b")],
            ),
            (
                "0123456789\r\nb\r\n".into(),
                vec![line("0123456789"), line("b")],
            ),
            (
                "0123456789a\r\nb\r\n".into(),
                vec![Found::TooLong, line("b")],
            ),
            (
                "0123456789ab\r\nb\r\n".into(),
                vec![Found::TooLong, line("b")],
            ),
            (format!("{long}\r\nb\r\n"), vec![Found::TooLong, line("b")]),
            (
                format!("{long}x\r\nb\r\n"),
                vec![Found::TooLong, Found::Endless],
            ),
            (
                format!("{long}\nb\r\n"),
                vec![Found::TooLong, Found::BadEnding],
            ),
            ("a\nb\r\n".into(), vec![Found::BadEnding]),
            ("\n".into(), vec![Found::BadEnding]),
            ("a\rb\r\n".into(), vec![Found::BadEnding]),
            ("a\r\r\n".into(), vec![Found::BadEnding]),
            ("a\0\r\n".into(), vec![line("a\0")]),
            ("unfinished\r".into(), vec![]),
        ];
        for (input, expected) in table {
            for piece in 1..=input.len() {
                assert_eq!(
                    frame(input.as_bytes(), piece),
                    expected,
                    "{input:?} by {piece}"
                );
            }
        }
    }
}
