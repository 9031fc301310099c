//! The dialogue with a network filter: one line names the content file, one line
//! answers.
//!
//! ```text
//! ask:    absolute path of the content file LF
//! answer: ok...                accept
//!         (an empty line)      accept
//!         text                 refuse
//!         text TAB reason      refuse, with a reason for the log alone
//! ```

use crate::base::ByteQueue;

/// The longest line in octets, with its end, in either direction.
pub const LINE_MAX: usize = 4096;

/// What a filter says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The message may go on.
    Accept,
    /// It may not.
    Refuse {
        /// For the client.
        text: Vec<u8>,
        /// For the log; may be empty.
        reason: Vec<u8>,
    },
}

/// What there is of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing yet: more input is needed.
    NeedMore,
    /// All of it. What follows is nobody's business.
    Answer(Answer),
    /// A line that is none.
    Garbage,
}

/// The line that asks about a file; nothing if its path would not be one line.
pub fn question(path: &[u8]) -> Option<Vec<u8>> {
    let breaks = |octet: &u8| matches!(octet, b'\r' | b'\n' | 0);
    let is_fine = path.len() < LINE_MAX && !path.iter().any(breaks);
    is_fine.then(|| [path, b"\n"].concat())
}

/// Looks for an answer in the input.
pub fn receive(input: &ByteQueue) -> Found {
    let waiting = input.as_slice();
    let line = waiting.get(..waiting.len().min(LINE_MAX));
    let line = line.unwrap_or_default();
    let Some(end) = line.iter().position(|octet| *octet == b'\n') else {
        return match waiting.len() >= LINE_MAX {
            true => Found::Garbage,
            false => Found::NeedMore,
        };
    };
    let line = line.get(..end).unwrap_or_default();
    Found::Answer(parse(line.strip_suffix(b"\r").unwrap_or(line)))
}

fn parse(line: &[u8]) -> Answer {
    if line.is_empty() || line.starts_with(b"ok") {
        return Answer::Accept;
    }
    let tab = line.iter().position(|octet| *octet == b'\t');
    let (text, reason) = match tab.and_then(|tab| line.split_at_checked(tab)) {
        Some((text, reason)) => (text, reason.get(1..).unwrap_or_default()),
        None => (line, &b""[..]),
    };
    Answer::Refuse {
        text: text.to_vec(),
        reason: reason.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive_by(input: &[u8], piece: usize) -> Found {
        let mut queue = ByteQueue::new(2 * LINE_MAX);
        for piece in input.chunks(piece) {
            queue.push_all(piece);
            match receive(&queue) {
                Found::NeedMore => {}
                found => return found,
            }
        }
        Found::NeedMore
    }

    fn refuse(text: &str, reason: &str) -> Answer {
        Answer::Refuse {
            text: text.into(),
            reason: reason.into(),
        }
    }

    #[test]
    fn answers_are_the_same_however_they_are_cut() {
        for (text, answer) in [
            ("ok", Answer::Accept),
            ("okay then", Answer::Accept),
            ("", Answer::Accept),
            ("OK", refuse("OK", "")),
            (" ok", refuse(" ok", "")),
            ("spammy", refuse("spammy", "")),
            ("no\tbecause", refuse("no", "because")),
            ("no\tbecause\tof", refuse("no", "because\tof")),
            ("\tbecause", refuse("", "because")),
            ("a\rb", refuse("a\rb", "")),
            ("550 no", refuse("550 no", "")),
        ] {
            for end in ["\n", "\r\n", "\nno\n"] {
                let input = [text, end].concat();
                for piece in 1..=input.len() {
                    let found = receive_by(input.as_bytes(), piece);
                    assert_eq!(found, Found::Answer(answer.clone()), "{input:?}");
                }
            }
        }
    }

    #[test]
    fn without_a_line_end_there_is_no_answer() {
        assert_eq!(receive_by(b"", 1), Found::NeedMore);
        assert_eq!(receive_by(b"ok", 1), Found::NeedMore);
        assert_eq!(receive_by(b"ok\r", 1), Found::NeedMore);
    }

    #[test]
    fn lines_are_bounded() {
        let longest = [&[b'x'; LINE_MAX - 1][..], b"\n"].concat();
        assert!(matches!(receive_by(&longest, 5000), Found::Answer(_)));
        let longer = [&[b'x'; LINE_MAX][..], b"\n"].concat();
        assert_eq!(receive_by(&longer, 5000), Found::Garbage);
        assert_eq!(receive_by(&longer, 100), Found::Garbage);
    }

    #[test]
    fn a_line_break_never_enters_a_question() {
        assert_eq!(question(b"/spool/x"), Some(b"/spool/x\n".to_vec()));
        for path in [
            &b"/spool\n/x"[..],
            b"/spool\r/x",
            b"/spool\0",
            &[b'x'; LINE_MAX],
        ] {
            assert_eq!(question(path), None);
        }
    }
}
