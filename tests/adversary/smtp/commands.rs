//! The commands, one by one: where each may stand and what it may be told.

use super::model::{Line, Model};
use super::rules::{COMMAND_LINE_MAX, verdict};
use super::syntax::{self, Judgement};
use super::terms::{Chunk, Draft, Expected, Message, Next, Place, Then};
use crate::adversary::sasl::{self, Outcome};

/// docs/compat.md: what leads nowhere may come so often before a message.
const JUNK: &[&[u8]] = &[
    b"EHLO",
    b"HELO",
    b"RSET",
    b"NOOP",
    b"VRFY",
    b"EXPN",
    b"HELP",
    b"AUTH",
    b"STARTTLS",
];

impl Model {
    // RFC 5321 4.1.1, 2.4: verbs in any case, then a blank and the argument.
    pub(super) fn command(&mut self, line: &[u8]) -> Next {
        let is_blank = |octet: &u8| matches!(octet, b' ' | b'\t');
        let verb_end = line.iter().position(is_blank).unwrap_or(line.len());
        let (verb, argument) = line.split_at(verb_end);
        let verb = verb.to_ascii_uppercase();
        let argument = argument.trim_ascii();
        // docs/attacks.md: HTTP is sent away.
        if matches!(
            verb.as_slice(),
            b"GET" | b"POST" | b"HEAD" | b"PUT" | b"CONNECT" | b"OPTIONS"
        ) {
            return Next::Reply(Expected::last(554));
        }
        if !matches!(verb.as_slice(), b"RCPT" | b"DATA" | b"BDAT") {
            self.forgiven = 0;
        }
        // RFC 5321 4.5.3.1.4 and 4.5.3.1.9
        if verb != b"AUTH" && line.len() + 2 > COMMAND_LINE_MAX {
            return refuse(500);
        }
        if JUNK.contains(&verb.as_slice()) {
            self.junk += 1;
            if self.junk > self.rules.junk_max {
                return Next::Reply(Expected::last(421));
            }
        }
        match verb.as_slice() {
            b"EHLO" | b"HELO" => hello(argument, verb == b"EHLO"),
            b"MAIL" => self.mail(argument),
            b"RCPT" => self.recipient(argument),
            b"DATA" => self.begin_data(argument),
            b"BDAT" => self.begin_chunk(argument),
            b"AUTH" => self.auth(argument),
            b"STARTTLS" => self.start_tls(argument),
            b"VRFY" => self.verify(argument),
            // RFC 5321 4.1.1.5: all but the greeting is forgotten.
            b"RSET" if argument.is_empty() => {
                let place = match self.place {
                    Place::Start => Place::Start,
                    _ => Place::Idle,
                };
                reply(&[250], Then::Go(place))
            }
            b"RSET" => refuse(501),
            // RFC 5321 4.1.1.8, 4.1.1.9
            b"HELP" => reply(&[211, 214], Then::Stay),
            b"NOOP" => reply(&[250], Then::Stay),
            // RFC 5321 4.1.1.7, 7.3
            b"EXPN" => refuse(502),
            // RFC 5321 4.1.1.10
            b"QUIT" => reply(&[221], Then::Close),
            _ => refuse(500),
        }
    }

    /// Whether a stranger is refused, and why does not matter: it is 530.
    // RFC 3207 4, RFC 4954 6
    fn needs_more(&self) -> bool {
        let must_encrypt = self.rules.tls_required && !self.is_encrypted;
        must_encrypt || (self.rules.auth && !self.is_logged_in)
    }

    // RFC 5321 4.1.1.2, 4.1.4
    fn mail(&mut self, argument: &[u8]) -> Next {
        if !matches!(self.place, Place::Idle) {
            return refuse(503);
        }
        self.mails += 1;
        if self.mails > self.rules.transactions_max {
            return Next::Reply(Expected::last(421));
        }
        let mut judgement = Judgement::default();
        let (path, parameters) = syntax::mail(argument, &self.rules, &mut judgement);
        if self.needs_more() {
            judgement = Judgement::default();
            judgement.wrong(&[530]);
        }
        let draft = Draft {
            message: Message {
                from: path.mailbox,
                ..Message::default()
            },
            is_binary: parameters.binary,
            is_utf8: parameters.utf8,
        };
        let mut expected = Expected::new(&judgement.codes(250), Then::Go(Place::Mail(draft)));
        expected.forgives = true;
        Next::Reply(expected)
    }

    // RFC 5321 4.1.1.3, 3.3
    fn recipient(&mut self, argument: &[u8]) -> Next {
        let Place::Mail(draft) = &self.place else {
            return refuse(503);
        };
        let mut draft = draft.clone();
        let mut judgement = Judgement::default();
        let mut path = syntax::recipient(argument, draft.is_utf8, &mut judgement);
        // RFC 5321 4.5.3.1.10
        if draft.message.to.len() >= self.rules.recipients_max {
            judgement.wrong(&[452]);
        }
        if self.rules.verify && !judgement.is_wrong {
            match path.mailbox.as_deref().map(verdict) {
                Some(("refuse", _)) => judgement.wrong(&[550]),
                Some(("abort", _)) => return Next::HangUp,
                Some(("local", mailbox)) => path.mailbox = Some(mailbox.as_bytes().to_vec()),
                Some(_) => {}
                None => judgement.unsure(&[550]),
            }
        }
        draft.message.to.push(path.mailbox);
        let then = Then::Go(Place::Mail(draft));
        reply(&judgement.codes(250), then)
    }

    // RFC 5321 4.1.1.4, 3.3
    fn begin_data(&mut self, argument: &[u8]) -> Next {
        match &self.place {
            Place::Mail(_) if !argument.is_empty() => refuse(501),
            Place::Mail(draft) if draft.message.to.is_empty() => {
                let mut expected = Expected::new(&[554], Then::Stay);
                expected.otherwise = Some(Place::Idle);
                Next::Reply(expected)
            }
            // RFC 3030 3
            Place::Mail(draft) if draft.is_binary => refuse(503),
            Place::Mail(draft) => reply(&[354], Then::Go(Place::Data(draft.clone()))),
            _ => refuse(503),
        }
    }

    // RFC 3030 2
    fn begin_chunk(&mut self, argument: &[u8]) -> Next {
        if !self.rules.chunking {
            return refuse(502);
        }
        let Some(chunk) = chunk(argument) else {
            return Next::Reply(Expected::last(501));
        };
        // docs/attacks.md: tiny chunks lead nowhere.
        if !chunk.is_last && chunk.octets < 512 {
            self.junk += 1;
            if self.junk > self.rules.junk_max {
                return Next::Reply(Expected::last(421));
            }
        }
        let draft = match &self.place {
            Place::Mail(draft) | Place::Chunks(draft) => Some(draft.clone()),
            _ => None,
        };
        let came = draft
            .as_ref()
            .map_or(0, |draft| draft.message.content.len() as u64);
        let is_too_big = self
            .rules
            .size
            .is_some_and(|max| came.saturating_add(chunk.octets) > max);
        let back = Box::new(match self.place {
            Place::Start => Place::Start,
            _ => Place::Idle,
        });
        self.place = match draft {
            None => Place::Refused(chunk, Some(503), back),
            Some(draft) if draft.message.to.is_empty() => Place::Refused(chunk, Some(554), back),
            // RFC 1870 6.3
            Some(_) if is_too_big => Place::Refused(chunk, Some(552), back),
            Some(draft) => Place::Chunk(draft, chunk),
        };
        self.begin_content();
        self.next()
    }

    // RFC 3207 4
    fn start_tls(&self, argument: &[u8]) -> Next {
        match self.place {
            _ if !self.rules.starttls => refuse(502),
            Place::Idle if !argument.is_empty() => refuse(501),
            Place::Idle if !self.is_encrypted => reply(&[220], Then::Go(Place::Handshake)),
            _ => refuse(503),
        }
    }

    // RFC 5321 4.1.1.6, 7.3
    fn verify(&self, argument: &[u8]) -> Next {
        let mut judgement = Judgement::default();
        if argument.is_empty() {
            judgement.wrong(&[501]);
        } else if self.needs_more() {
            judgement.wrong(&[530]);
        } else if argument.iter().any(u8::is_ascii_control)
            || std::str::from_utf8(argument).is_err()
        {
            judgement.wrong(&[501, 553]);
        } else if !argument.is_ascii() {
            // RFC 6531 3.7.4.2
            judgement.unsure(&[501, 553]);
        }
        let verdict = verdict(argument).0;
        match verdict {
            "abort" if self.rules.verify && !judgement.is_wrong => return Next::HangUp,
            "refuse" if self.rules.verify => judgement.unsure(&[550]),
            _ => {}
        }
        let mut codes = judgement.codes(252);
        // Who is refused is not confirmed.
        if self.rules.verify && !judgement.is_wrong && verdict != "refuse" {
            codes.push(250);
        }
        reply(&codes, Then::Stay)
    }

    // RFC 4954 4
    fn auth(&mut self, argument: &[u8]) -> Next {
        if !self.rules.auth {
            return refuse(502);
        }
        if !matches!(self.place, Place::Idle) {
            return refuse(503);
        }
        let (name, initial) = match argument.iter().position(|octet| *octet == b' ') {
            Some(at) => (&argument[..at], argument[at..].trim_ascii()),
            None => (argument, &b""[..]),
        };
        let shows = sasl::shows_password(name);
        let outcome = sasl::begin(name, initial);
        let code = match outcome {
            _ if self.rules.tls_required && !self.is_encrypted => 530,
            _ if self.is_logged_in => 503,
            _ if name.is_empty() => 501,
            _ if shows && !self.is_encrypted && !self.rules.local => 538,
            Some(outcome) => return self.came_to(outcome),
            None => 504,
        };
        let mut expected = Expected::new(&[code], Then::Stay);
        expected.counts = (code == 538).then_some(true);
        Next::Reply(expected)
    }

    /// The next line of an exchange.
    pub(super) fn response(&mut self) -> Next {
        let Place::Exchange(exchange) = &self.place else {
            return Next::Nothing;
        };
        let exchange = exchange.clone();
        let line = match self.line() {
            Line::Unfinished => return Next::Nothing,
            Line::Whole(line) => line,
            Line::TooLong => return self.failed(500),
            Line::Endless => return Next::Reply(Expected::last(421)),
            Line::BadEnding => return Next::Reply(Expected::last(500)),
        };
        self.note_activity();
        self.came_to(sasl::respond(exchange, &line))
    }

    // RFC 4954 4 and 6
    fn came_to(&self, outcome: Outcome) -> Next {
        match outcome {
            Outcome::Challenge(exchange) => reply(&[334], Then::Challenge(exchange)),
            Outcome::LoggedIn => reply(&[235], Then::LoggedIn),
            Outcome::Malformed => self.failed(501),
            Outcome::Rejected => self.failed(535),
        }
    }

    /// A login that has failed; the third ends the session (docs/attacks.md).
    fn failed(&self, code: u16) -> Next {
        if self.guesses + 1 >= 3 {
            return Next::Reply(Expected::last(421));
        }
        let mut expected = Expected::new(&[code], Then::Stay);
        expected.is_guess = true;
        expected.counts = Some(false);
        expected.otherwise = Some(Place::Idle);
        Next::Reply(expected)
    }
}

// RFC 5321 4.1.1.1, 4.1.4: a session begins anew, unless the name is none.
fn hello(argument: &[u8], is_extended: bool) -> Next {
    let mut judgement = Judgement::default();
    syntax::hello(argument, &mut judgement);
    reply(&judgement.codes(250), Then::Hello { is_extended })
}

// RFC 3030 2: chunk-size = 1*DIGIT; end-marker = "LAST"
fn chunk(argument: &[u8]) -> Option<Chunk> {
    let text = std::str::from_utf8(argument).ok()?;
    let (size, marker) = match text.split_once([' ', '\t']) {
        Some((size, marker)) => (size, marker.trim()),
        None => (text, ""),
    };
    let is_number =
        (1..=20).contains(&size.len()) && size.bytes().all(|octet| octet.is_ascii_digit());
    let is_marker = marker.is_empty() || marker.eq_ignore_ascii_case("LAST");
    let octets = size.parse().ok().filter(|_| is_number && is_marker)?;
    Some(Chunk {
        octets,
        is_last: !marker.is_empty(),
    })
}

fn reply(codes: &[u16], then: Then) -> Next {
    Next::Reply(Expected::new(codes, then))
}

fn refuse(code: u16) -> Next {
    reply(&[code], Then::Stay)
}
