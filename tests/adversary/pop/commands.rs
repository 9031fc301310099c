//! The commands of POP3, one by one.

use std::collections::BTreeSet;

use super::model::{Answer, Body, Expected, Model, Next, Place, Then};
use crate::adversary::sasl::{self, Exchange, Outcome, PASSWORD, USER};

/// docs/pop.md: what leads nowhere.
const JUNK: &[&[u8]] = &[
    b"CAPA", b"USER", b"PASS", b"APOP", b"AUTH", b"STLS", b"STAT", b"NOOP", b"RSET",
];

const BEFORE_LOGIN: &[&[u8]] = &[b"USER", b"PASS", b"APOP", b"AUTH", b"STLS"];

const AFTER_LOGIN: &[&[u8]] = &[
    b"STAT", b"LIST", b"UIDL", b"RETR", b"TOP", b"DELE", b"NOOP", b"RSET",
];

impl Model {
    // RFC 1939 3: keywords in any case, a blank, and the arguments.
    pub(super) fn command(&mut self, line: &[u8]) -> Next {
        let (verb, rest) = split(line);
        let verb = verb.to_ascii_uppercase();
        // RFC 2449 4
        if verb != b"AUTH" && line.len() + 2 > 255 {
            return mistake();
        }
        if JUNK.contains(&verb.as_slice()) && self.is_flood() {
            return Next::Response(Expected::last());
        }
        let is_known = matches!(self.place, Place::Transaction { .. });
        match verb.as_slice() {
            b"QUIT" => self.quit(),
            b"CAPA" => Next::Response(Expected {
                body: Body::Capabilities,
                ..Expected::ok()
            }),
            verb if BEFORE_LOGIN.contains(&verb) && !is_known => self.before_login(verb, rest),
            verb if AFTER_LOGIN.contains(&verb) && is_known => self.after_login(verb, rest),
            _ => mistake(),
        }
    }

    fn before_login(&mut self, verb: &[u8], rest: &[u8]) -> Next {
        let Place::Authorization { user } = &mut self.place else {
            return mistake();
        };
        // RFC 1939 7: USER has to come just before PASS, and again after a failure.
        let user = user.take();
        let argument = rest.trim_ascii();
        match verb {
            b"USER" if self.must_encrypt() || !self.is_private() => refused(),
            b"USER" if argument.is_empty() => mistake(),
            b"USER" => Next::Response(Expected {
                then: Then::Go(Place::Authorization {
                    user: Some(argument.to_vec()),
                }),
                ..Expected::ok()
            }),
            b"PASS" => match user {
                None => mistake(),
                // RFC 1939 7: all after the blank, with the blanks in it.
                Some(user) if user == USER && rest == PASSWORD => self.log_in(),
                Some(_) => self.failed(b"-ERR [AUTH]"),
            },
            b"APOP" => match &self.timestamp {
                None => refused(),
                Some(_) if !argument.contains(&b' ') => mistake(),
                Some(timestamp) => {
                    let right = [USER, b" ", &sasl::apop(timestamp)].concat();
                    match argument == right {
                        true => self.log_in(),
                        false => self.failed(b"-ERR [AUTH]"),
                    }
                }
            },
            b"STLS" if !self.rules.stls || self.is_encrypted => mistake(),
            b"STLS" if !argument.is_empty() => mistake(),
            b"STLS" => Next::Response(Expected {
                then: Then::Go(Place::Handshake),
                ..Expected::ok()
            }),
            _ => self.auth(argument),
        }
    }

    // RFC 5034 4
    fn auth(&mut self, argument: &[u8]) -> Next {
        let (name, initial) = split(argument);
        let shows = sasl::shows_password(name) && !self.is_private();
        match sasl::begin(name, initial.trim_ascii()) {
            _ if self.must_encrypt() => refused(),
            _ if name.is_empty() => Next::Response(Expected {
                body: Body::Any,
                ..Expected::ok()
            }),
            None => mistake(),
            Some(_) if shows => mistake(),
            Some(outcome) => self.came_to(outcome),
        }
    }

    pub(super) fn response(&mut self, exchange: Exchange, line: &[u8]) -> Next {
        self.came_to(sasl::respond(exchange, line))
    }

    fn came_to(&mut self, outcome: Outcome) -> Next {
        match outcome {
            Outcome::Challenge(exchange) => Next::Response(Expected {
                answer: Answer::Challenge,
                start: b"+ ".to_vec(),
                then: Then::Go(Place::Exchange(exchange)),
                ..Expected::ok()
            }),
            Outcome::LoggedIn => self.log_in(),
            Outcome::Malformed => self.failed(b"-ERR "),
            // RFC 3206 5
            Outcome::Rejected => self.failed(b"-ERR [AUTH]"),
        }
    }

    // RFC 1939 4: one session at a time; RFC 2449 8.1.1
    fn log_in(&mut self) -> Next {
        let place = Place::Authorization { user: None };
        Next::Response(match self.is_in_use {
            true => Expected {
                start: b"-ERR [IN-USE]".to_vec(),
                otherwise: Some(place),
                ..Expected::err()
            },
            false => Expected {
                then: Then::LoggedIn,
                ..Expected::ok()
            },
        })
    }

    // RFC 1939 5, 7
    fn after_login(&mut self, verb: &[u8], rest: &[u8]) -> Next {
        let argument = rest.trim_ascii();
        let has_none = matches!(verb, b"STAT" | b"NOOP" | b"RSET");
        match verb {
            _ if has_none && !argument.is_empty() => mistake(),
            b"STAT" => {
                let there = self.numbers();
                let octets = there.iter().map(|number| self.octets(*number));
                let text = format!("+OK {} {}", there.len(), octets.sum::<usize>());
                exactly(&text, Body::None)
            }
            b"RSET" => Next::Response(Expected {
                then: Then::LoggedIn,
                ..Expected::ok()
            }),
            b"LIST" => self.list(argument, |model, number| {
                format!("{number} {}", model.octets(number))
            }),
            b"UIDL" => self.list(argument, |model, number| {
                format!("{number} {}", model.messages[number - 1].0)
            }),
            b"DELE" => self.one(argument, |model, number| {
                let Place::Transaction { deleted } = &model.place else {
                    return Expected::err();
                };
                let mut deleted = deleted.clone();
                deleted.insert(number);
                Expected {
                    then: Then::Go(Place::Transaction { deleted }),
                    ..Expected::ok()
                }
            }),
            b"RETR" => self.one(argument, |model, number| {
                model.retrieved(number, usize::MAX)
            }),
            b"TOP" => {
                let (number, lines) = split(argument);
                // A number that is too large for this model is as good as all.
                match digits(lines.trim_ascii()) {
                    None => mistake(),
                    Some(lines) => self.one(number, |model, number| model.retrieved(number, lines)),
                }
            }
            _ => Next::Response(Expected::ok()),
        }
    }

    /// The numbers of the messages that are not deleted.
    fn numbers(&self) -> Vec<usize> {
        (1..=self.messages.len())
            .filter(|number| self.is_there(*number))
            .collect()
    }

    // RFC 1939 11: CRLF counts as two octets, and doubled dots do not count.
    fn octets(&self, number: usize) -> usize {
        self.messages[number - 1].1.len()
    }

    fn list(&self, argument: &[u8], entry: impl Fn(&Model, usize) -> String) -> Next {
        if argument.is_empty() {
            let lines = self
                .numbers()
                .into_iter()
                .map(|number| entry(self, number) + "\r\n");
            let body = lines.collect::<String>() + ".\r\n";
            return exactly("+OK", Body::Exactly(body.into_bytes()));
        }
        self.one(argument, |model, number| Expected {
            start: format!("+OK {}", entry(model, number)).into_bytes(),
            ..Expected::ok()
        })
    }

    /// What is done with one message, if there is one of that number.
    fn one(&self, argument: &[u8], act: impl Fn(&Model, usize) -> Expected) -> Next {
        let number = digits(argument).filter(|number| self.is_there(*number));
        let mut expected = number.map_or_else(Expected::err, |number| act(self, number));
        // RFC 1939 3 has no grammar for numbers: a leading zero may be taken or not.
        if argument.starts_with(b"0") && expected.answer == Answer::Ok {
            expected.answer = Answer::Either;
        }
        Next::Response(expected)
    }

    // RFC 1939 5 and 7: the header, the blank line, and so many lines of the body, with
    // dots doubled.
    fn retrieved(&self, number: usize, lines: usize) -> Expected {
        if self.rules.gone.contains(&number) {
            return Expected::err();
        }
        let content = &self.messages[number - 1].1;
        let mut body = Vec::new();
        let mut left = None;
        for line in content.split_inclusive(|octet| *octet == b'\n') {
            match &mut left {
                Some(0) => break,
                Some(left) => *left -= 1,
                None if line == b"\r\n" => left = Some(lines),
                None => {}
            }
            if line.starts_with(b".") {
                body.push(b'.');
            }
            body.extend_from_slice(line);
        }
        body.extend_from_slice(b".\r\n");
        Expected {
            body: Body::Exactly(body),
            ..Expected::ok()
        }
    }

    // RFC 1939 6: it is only now that messages are deleted.
    fn quit(&mut self) -> Next {
        let deleted = match &self.place {
            Place::Transaction { deleted } if !self.rules.no_delete => deleted.clone(),
            _ => BTreeSet::new(),
        };
        Next::Response(Expected {
            then: Then::Quit(deleted),
            ..Expected::ok()
        })
    }

    /// Checks the lines after CAPA.
    // RFC 2449 6, RFC 2595 4, RFC 5034 3
    pub(super) fn check_capabilities(&self, body: &[u8]) -> Result<(), String> {
        let text = String::from_utf8_lossy(body);
        let has = |word: &str| {
            text.lines()
                .any(|line| line.split(' ').next() == Some(word))
        };
        let sasl = text.lines().find(|line| line.starts_with("SASL "));
        let offers = |name: &str| sasl.is_some_and(|line| line.split(' ').any(|word| word == name));
        let may_log_in = !self.must_encrypt();
        let table = [
            (has("TOP") && has("UIDL") && has("PIPELINING"), true),
            (has("USER"), may_log_in && self.is_private()),
            (has("STLS"), self.rules.stls && !self.is_encrypted),
            (offers("CRAM-MD5"), may_log_in),
            (offers("PLAIN"), may_log_in && self.is_private()),
        ];
        match table.iter().all(|(is, should)| is == should) {
            true => Ok(()),
            false => Err(format!("offers {text}")),
        }
    }
}

fn split(text: &[u8]) -> (&[u8], &[u8]) {
    match text.iter().position(|octet| *octet == b' ') {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, b""),
    }
}

fn digits(text: &[u8]) -> Option<usize> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(text).ok().filter(|_| is_number)?;
    text.parse().ok()
}

fn exactly(start: &str, body: Body) -> Next {
    Next::Response(Expected {
        start: start.as_bytes().to_vec(),
        body,
        ..Expected::ok()
    })
}

fn mistake() -> Next {
    Next::Response(Expected::mistake())
}

fn refused() -> Next {
    Next::Response(Expected::err())
}
