//! The dialogue with a network verifier: one line asks, one line answers.
//!
//! ```text
//! ask:    recipient|sender|client|domain|mechanism|identity LF
//! answer: 0|mailbox|full name     a mailbox here
//!         1|address               relay, to this address if one is given
//!         2|text or 2|text|reason refuse for good
//!         3|text or 3|text|reason refuse for now
//!         100                     drop the connection
//! ```
//!
//! Nothing in it is escaped, so what has a separator in it cannot be asked at all.

use crate::base::{ByteQueue, OneLine};

/// The longest line in octets, with its end, in either direction.
pub const LINE_MAX: usize = 4096;

/// What stands between two fields.
const SEPARATOR: u8 = b'|';

/// The fields of a question, in their order.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Question {
    /// Who is asked about.
    pub recipient: OneLine,
    /// The reverse-path; empty for the null one and for VRFY.
    pub sender: OneLine,
    /// The client's address and port.
    pub client: OneLine,
    /// Our own name.
    pub domain: OneLine,
    /// How the client has authenticated: a mechanism in lower case, or `none`.
    pub mechanism: OneLine,
    /// As whom; empty for nobody.
    pub identity: OneLine,
}

/// Why a question cannot be put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unaskable {
    /// The recipient would not be one field.
    Recipient,
    /// The sender would not be one field.
    Sender,
    /// One of the others would not be one field, or all together are too long.
    Surroundings,
}

/// What a verifier says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is a mailbox here.
    Local {
        /// The mailbox.
        mailbox: OneLine,
        /// What VRFY shows.
        full_name: OneLine,
    },
    /// It may be relayed to.
    Remote {
        /// The address; empty for the one that was asked about.
        address: OneLine,
    },
    /// It is refused.
    Refuse {
        /// Whether that may change.
        for_now: bool,
        /// For the client; may be empty.
        text: OneLine,
        /// For the log; may be empty.
        reason: OneLine,
    },
    /// The connection is to be dropped.
    Abort,
}

/// What there is of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing yet: more input is needed.
    NeedMore,
    /// All of it, and whether nothing follows, as nothing should.
    Answer(Answer, bool),
    /// A line that is none.
    Garbage,
}

impl Question {
    /// The fields, in their order.
    pub fn fields(&self) -> [&OneLine; 6] {
        [
            &self.recipient,
            &self.sender,
            &self.client,
            &self.domain,
            &self.mechanism,
            &self.identity,
        ]
    }

    /// The line that asks it.
    pub fn line(&self) -> Result<Vec<u8>, Unaskable> {
        let splits = |field: &OneLine| field.as_bytes().contains(&SEPARATOR);
        if splits(&self.recipient) {
            return Err(Unaskable::Recipient);
        }
        if splits(&self.sender) {
            return Err(Unaskable::Sender);
        }
        let fields = self.fields();
        let mut line = fields.map(OneLine::as_bytes).join(&SEPARATOR);
        line.push(b'\n');
        if fields.into_iter().any(splits) || line.len() > LINE_MAX {
            return Err(Unaskable::Surroundings);
        }
        Ok(line)
    }
}

/// Takes an answer off the input.
pub fn receive(input: &mut ByteQueue) -> Found {
    let waiting = input.as_slice();
    let Some(end) = waiting.iter().position(|octet| *octet == b'\n') else {
        return match waiting.len() >= LINE_MAX {
            true => Found::Garbage,
            false => Found::NeedMore,
        };
    };
    if end >= LINE_MAX {
        return Found::Garbage;
    }
    let line = waiting.get(..end).unwrap_or_default();
    let answer = parse(line.strip_suffix(b"\r").unwrap_or(line));
    let is_last = waiting.len() == end + 1;
    input.consume(end + 1);
    answer.map_or(Found::Garbage, |answer| Found::Answer(answer, is_last))
}

fn parse(line: &[u8]) -> Option<Answer> {
    // This leaves no CR or NUL for any of the fields.
    let line = OneLine::new(line)?;
    let fields: Vec<OneLine> = line
        .as_bytes()
        .split(|octet| *octet == SEPARATOR)
        .filter_map(OneLine::new)
        .collect();
    let (code, fields) = fields.split_first()?;
    let refuse = |for_now, text: &OneLine, reason: Option<&OneLine>| Answer::Refuse {
        for_now,
        text: text.clone(),
        reason: reason.cloned().unwrap_or_default(),
    };
    Some(match (code.as_bytes(), fields) {
        (b"0", [mailbox, full_name]) => Answer::Local {
            mailbox: mailbox.clone(),
            full_name: full_name.clone(),
        },
        (b"1", [address]) => Answer::Remote {
            address: address.clone(),
        },
        (b"2", [text]) => refuse(false, text, None),
        (b"2", [text, reason]) => refuse(false, text, Some(reason)),
        (b"3", [text]) => refuse(true, text, None),
        (b"3", [text, reason]) => refuse(true, text, Some(reason)),
        (b"100", []) => Answer::Abort,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> OneLine {
        OneLine::new(text).unwrap()
    }

    fn question() -> Question {
        Question {
            recipient: line("to@dst"),
            sender: line("me@src"),
            client: line("127.0.0.1:46182"),
            domain: line("relay.test"),
            mechanism: line("none"),
            identity: line(""),
        }
    }

    #[test]
    fn asks_in_one_line() {
        let asked = question().line().unwrap();
        assert_eq!(asked, b"to@dst|me@src|127.0.0.1:46182|relay.test|none|\n");
        let empty = Question::default().line().unwrap();
        assert_eq!(empty, b"|||||\n");
    }

    #[test]
    fn a_separator_cannot_get_into_a_question() {
        type Change = fn(&mut Question, OneLine);
        let changes: [(Change, Unaskable); 6] = [
            (|q, text| q.recipient = text, Unaskable::Recipient),
            (|q, text| q.sender = text, Unaskable::Sender),
            (|q, text| q.client = text, Unaskable::Surroundings),
            (|q, text| q.domain = text, Unaskable::Surroundings),
            (|q, text| q.mechanism = text, Unaskable::Surroundings),
            (|q, text| q.identity = text, Unaskable::Surroundings),
        ];
        for (change, fault) in changes {
            for text in ["|", "a|b@c", "\"a|b\"@c"] {
                let mut question = question();
                change(&mut question, line(text));
                assert_eq!(question.line(), Err(fault), "{text}");
            }
            let mut question = Question::default();
            change(&mut question, line(&"x".repeat(LINE_MAX - 6)));
            assert_eq!(question.line().unwrap().len(), LINE_MAX);
            change(&mut question, line(&"x".repeat(LINE_MAX - 5)));
            assert_eq!(question.line(), Err(Unaskable::Surroundings));
        }
    }

    /// What is found once all of it has come, in pieces of that size.
    fn receive_by(input: &[u8], piece: usize) -> Found {
        let mut queue = ByteQueue::new(2 * LINE_MAX);
        let mut found = Found::NeedMore;
        for bytes in input.chunks(piece) {
            queue.push(bytes);
            if found == Found::NeedMore {
                found = receive(&mut queue);
            }
        }
        found
    }

    #[test]
    fn understands_answers_however_they_are_cut() {
        let refuse = |for_now, text, reason| Answer::Refuse {
            for_now,
            text: line(text),
            reason: line(reason),
        };
        let table = [
            (
                "0|alice|Alice A.",
                Answer::Local {
                    mailbox: line("alice"),
                    full_name: line("Alice A."),
                },
            ),
            (
                "0|../x|",
                Answer::Local {
                    mailbox: line("../x"),
                    full_name: line(""),
                },
            ),
            ("1|", Answer::Remote { address: line("") }),
            (
                "1|a\tb@c",
                Answer::Remote {
                    address: line("a\tb@c"),
                },
            ),
            ("2|no", refuse(false, "no", "")),
            ("2|no|because", refuse(false, "no", "because")),
            ("2|", refuse(false, "", "")),
            ("3|later|busy", refuse(true, "later", "busy")),
            ("100", Answer::Abort),
        ];
        for (text, answer) in table {
            for end in ["\n", "\r\n"] {
                let input = [text, end].concat();
                for piece in 1..=input.len() {
                    let found = receive_by(input.as_bytes(), piece);
                    assert_eq!(found, Found::Answer(answer.clone(), true), "{input:?}");
                }
            }
        }
    }

    #[test]
    fn everything_else_is_garbage() {
        for text in [
            "", "0", "0|a", "0|a|b|c", "1", "1|a|b", "2", "2|a|b|c", "3", "3|a|b|c", "100|",
            "100|x", "4|x", "00|a|b", " 1|a", "1 |a", "ok", "1|a\rb", "1|a\0b", "\r", "250 OK",
        ] {
            let input = format!("{text}\n");
            assert_eq!(receive_by(input.as_bytes(), 99), Found::Garbage, "{text:?}");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes minutes")]
    fn lines_are_bounded() {
        let longest = format!("1|{}\n", "x".repeat(LINE_MAX - 3));
        assert_eq!(longest.len(), LINE_MAX);
        assert!(matches!(
            receive_by(longest.as_bytes(), 5000),
            Found::Answer(..)
        ));
        let longer = format!("1|{}\n", "x".repeat(LINE_MAX - 2));
        assert_eq!(receive_by(longer.as_bytes(), 5000), Found::Garbage);
        assert_eq!(receive_by(longer.as_bytes(), 100), Found::Garbage);
        let endless = "x".repeat(LINE_MAX);
        assert_eq!(receive_by(endless.as_bytes(), 7), Found::Garbage);
        assert_eq!(receive_by(&endless.as_bytes()[1..], 7), Found::NeedMore);
    }

    #[test]
    fn what_follows_an_answer_is_noticed() {
        let found = receive_by(b"1|a\n2|no\n", 99);
        assert!(matches!(found, Found::Answer(Answer::Remote { .. }, false)));
        assert!(matches!(
            receive_by(b"100\nx", 99),
            Found::Answer(Answer::Abort, false)
        ));
    }
}
