//! What filters come to, and how exit codes are read.
//!
//! | code | of `--filter` | of `--client-filter` |
//! |---|---|---|
//! | 0, 101 | accept | send |
//! | 1 to 99, 106 and more | refuse | fail the message |
//! | 100 | the filter has taken the message | leave the message for later |
//! | 102 | as 100, and rescan | send, and stop |
//! | 103 | accept, and rescan | send |
//! | 104 | refuse, and rescan | leave the message, and stop |
//! | 105 | refuse | fail the message, and stop |
//!
//! To rescan is to look for mail that is to be forwarded, to stop is to end the
//! forwarding pass after this message.

use std::fmt;
use std::time::Duration;

use crate::base::OneLine;
use crate::proto::smtp::reply::Reply;

use super::chain::Side;
use super::output::Response;

/// The reply code for a message that a filter refuses, unless it gives another.
pub const REJECT_CODE: u16 = 452;

/// The code that is noted in the envelope of a message that failed at a filter.
pub const FAILED_CODE: u16 = 550;

/// The most octets of a text of a filter in a reply, in an envelope or in the log.
pub const TEXT_MAX: usize = 300;

/// What is to become of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Accept,
    /// The filter has dealt with it, or wants it left alone for now.
    Abandon,
    /// It is not wanted.
    Reject(Rejection),
    /// The filter has not done its duty, for this reason: not now.
    Fail(String),
}

/// Why a message is not wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The reply code, if the filter has chosen one.
    pub code: Option<u16>,
    /// The subject and detail of its enhanced status code, if it has chosen one.
    pub enhanced: Option<(u16, u16)>,
    /// For the client: any octets, which a reply shows printable.
    pub response: Vec<u8>,
    /// For the log and the envelope.
    pub reason: OneLine,
}

/// What a filter, or a chain of them, wishes for besides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// That mail is looked for that is to be forwarded.
    pub rescan: bool,
    /// That the forwarding pass ends after this message.
    pub stop: bool,
}

/// What a filter has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is to become of the message.
    pub verdict: Verdict,
    /// What else it wishes for.
    pub wishes: Wishes,
}

impl Finding {
    /// A verdict without further wishes.
    pub fn of(verdict: Verdict) -> Finding {
        Finding {
            verdict,
            wishes: Wishes::default(),
        }
    }

    /// The filter has not done its duty.
    pub fn failed(why: impl ToString) -> Finding {
        Finding::of(Verdict::Fail(why.to_string()))
    }

    /// The filter has taken longer than it may.
    pub fn timed_out(timeout: Option<Duration>) -> Finding {
        let seconds = timeout.unwrap_or_default().as_secs();
        Finding::failed(format_args!("timed out after {seconds}s"))
    }

    /// Reads an exit code as the table has it. What the filter has said counts
    /// only where the message is refused.
    pub fn of_code(side: Side, code: i32, said: impl FnOnce() -> Response) -> Finding {
        let reject = |said: Response| Verdict::Reject(Rejection::of(said));
        let verdict = match (side, code) {
            (_, 0 | 101 | 103) | (Side::Client, 102) => Verdict::Accept,
            (_, 100) | (Side::Server, 102) | (Side::Client, 104) => Verdict::Abandon,
            _ => reject(said()),
        };
        let wishes = match side {
            Side::Server => Wishes {
                rescan: (102..=104).contains(&code),
                stop: false,
            },
            Side::Client => Wishes {
                rescan: false,
                stop: matches!(code, 102 | 104 | 105),
            },
        };
        Finding { verdict, wishes }
    }
}

impl Wishes {
    /// The wishes of both.
    pub fn and(self, other: Wishes) -> Wishes {
        Wishes {
            rescan: self.rescan || other.rescan,
            stop: self.stop || other.stop,
        }
    }
}

/// Shows each wish as a word after a blank.
impl fmt::Display for Wishes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [(self.rescan, " rescan"), (self.stop, " stop")];
        let mut wanted = words.iter().filter(|(is_wanted, _)| *is_wanted);
        wanted.try_for_each(|(_, word)| f.write_str(word))
    }
}

impl Rejection {
    /// Takes a reply code, and then an enhanced status code, off the text.
    pub fn of(said: Response) -> Rejection {
        let Response { response, reason } = said;
        let (code, rest) = reply_code(&response);
        let (enhanced, rest) = match code {
            Some(code) => status_code(code, rest),
            None => (None, rest),
        };
        let text = match rest {
            b"" => b"rejected",
            text => text,
        };
        Rejection {
            code,
            enhanced,
            response: text.iter().copied().take(TEXT_MAX).collect(),
            reason: bounded(&reason),
        }
    }

    /// What the client is told.
    pub fn reply(&self) -> Reply {
        // RFC 3463 3.8: X.7.1 is a message that is refused.
        let enhanced = self.enhanced.unwrap_or((7, 1));
        let code = self.code.unwrap_or(REJECT_CODE);
        Reply::new(code, Some(enhanced), &self.response)
    }

    /// Whether it may be wanted later.
    pub fn is_for_now(&self) -> bool {
        self.code.is_some_and(|code| code < 500)
    }
}

/// A reply code from 400 to 599 that stands before a blank or alone.
fn reply_code(text: &[u8]) -> (Option<u16>, &[u8]) {
    let none = (None, text);
    let Some((digits, rest)) = text.split_at_checked(3) else {
        return none;
    };
    let is_apart = rest.first().is_none_or(|next| matches!(next, b' ' | b'\t'));
    match number(digits, 3) {
        Some(code) if (400..=599).contains(&code) && is_apart => {
            (Some(code), rest.trim_ascii_start())
        }
        _ => none,
    }
}

/// An enhanced status code that fits the reply code.
// RFC 2034 4: the class is that of the reply code. RFC 3463 2: up to three digits.
fn status_code(code: u16, text: &[u8]) -> (Option<(u16, u16)>, &[u8]) {
    let end = text.iter().position(|octet| matches!(octet, b' ' | b'\t'));
    let (word, rest) = text.split_at(end.unwrap_or(text.len()));
    let mut parts = word.split(|octet| *octet == b'.');
    let mut part = || number(parts.next()?, 3);
    match (part(), part(), part(), parts.next()) {
        (Some(class), Some(subject), Some(detail), None) if class == code / 100 => {
            (Some((subject, detail)), rest.trim_ascii_start())
        }
        _ => (None, text),
    }
}

fn number(digits: &[u8], digits_max: usize) -> Option<u16> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(digits).ok()?;
    (is_number && digits.len() <= digits_max)
        .then(|| text.parse().ok())
        .flatten()
}

/// A text of a filter as one line.
fn bounded(text: &[u8]) -> OneLine {
    let mut line = OneLine::new(text).unwrap_or_else(|| OneLine::escaped(text));
    line.truncate(TEXT_MAX);
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(response: &str) -> Response {
        Response {
            response: response.into(),
            reason: b"why".to_vec(),
        }
    }

    fn rejection(response: &str) -> Rejection {
        Rejection::of(said(response))
    }

    #[test]
    fn codes_mean_what_the_table_says() {
        use Side::{Client, Server};
        let table = [
            (0, "accept", "send"),
            (1, "reject", "fail"),
            (99, "reject", "fail"),
            (100, "taken", "skip"),
            (101, "accept", "send"),
            (102, "taken, rescan", "send, stop"),
            (103, "accept, rescan", "send"),
            (104, "reject, rescan", "skip, stop"),
            (105, "reject", "fail, stop"),
            (106, "reject", "fail"),
            (127, "reject", "fail"),
            (255, "reject", "fail"),
        ];
        for (code, server, client) in table {
            for (side, words, expected) in [
                (Server, ["accept", "taken", "reject"], server),
                (Client, ["send", "skip", "fail"], client),
            ] {
                let Finding { verdict, wishes } = Finding::of_code(side, code, || said("no"));
                let word = match verdict {
                    Verdict::Accept => words[0],
                    Verdict::Abandon => words[1],
                    Verdict::Reject(_) => words[2],
                    Verdict::Fail(why) => panic!("{why}"),
                };
                let rescan = if wishes.rescan { ", rescan" } else { "" };
                let stop = if wishes.stop { ", stop" } else { "" };
                assert_eq!(format!("{word}{rescan}{stop}"), expected, "{side:?} {code}");
            }
        }
    }

    #[test]
    fn a_reply_code_may_stand_first() {
        let table = [
            ("no", None, None, "no"),
            ("550 custom", Some(550), None, "custom"),
            ("550\tcustom", Some(550), None, "custom"),
            ("550", Some(550), None, "rejected"),
            ("400 x", Some(400), None, "x"),
            ("599 x", Some(599), None, "x"),
            ("554 5.7.1 spam", Some(554), Some((7, 1)), "spam"),
            ("451 4.7.100", Some(451), Some((7, 100)), "rejected"),
            ("554 4.7.1 spam", Some(554), None, "4.7.1 spam"),
            ("554 5.7 spam", Some(554), None, "5.7 spam"),
            ("554 5.7.1.2 x", Some(554), None, "5.7.1.2 x"),
            ("250 ok", None, None, "250 ok"),
            ("199 x", None, None, "199 x"),
            ("399 x", None, None, "399 x"),
            ("600 x", None, None, "600 x"),
            ("5500 x", None, None, "5500 x"),
            ("550-x", None, None, "550-x"),
            ("55", None, None, "55"),
            ("+50 x", None, None, "+50 x"),
            (" 550 x", None, None, " 550 x"),
        ];
        for (text, code, enhanced, response) in table {
            let rejection = rejection(text);
            assert_eq!(rejection.code, code, "{text}");
            assert_eq!(rejection.enhanced, enhanced, "{text}");
            assert_eq!(rejection.response, response.as_bytes(), "{text}");
        }
    }

    #[test]
    fn replies_are_one_printable_line() {
        for (text, reply) in [
            ("no", "452 4.7.1 no\r\n"),
            ("550 5.1.1 who?", "550 5.1.1 who?\r\n"),
            (
                "550 x\r\n250 ok\x1b[2J\0",
                "550 5.7.1 x\\r\\n250 ok\\x1b[2J\\x00\r\n",
            ),
        ] {
            let octets = rejection(text).reply().render();
            assert_eq!(String::from_utf8(octets).unwrap(), reply);
        }
        let long = rejection(&"x".repeat(10_000)).reply().render();
        assert_eq!(long.len(), "452 4.7.1 ".len() + TEXT_MAX + 2);
    }

    #[test]
    fn only_the_filter_says_that_it_is_for_now() {
        assert!(rejection("450 later").is_for_now());
        assert!(!rejection("550 never").is_for_now());
        assert!(!rejection("no").is_for_now());
    }

    #[test]
    fn no_wish_is_lost() {
        let rescan = Finding::of_code(Side::Server, 103, || said("")).wishes;
        let none = Wishes::default();
        assert_eq!(rescan.and(none), rescan);
        assert_eq!(none.and(rescan), rescan);
    }
}
