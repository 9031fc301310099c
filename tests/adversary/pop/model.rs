//! What a client may hear next from a POP3 server, by RFC 1939 and its extensions.
//!
//! As the model of SMTP, it is given what the client sends and looks at each line once
//! it is whole. It knows the messages of the maildrop, and so each octet of what is
//! listed and retrieved.

use std::collections::BTreeSet;

use crate::adversary::sasl::Exchange;

/// The settings of a server, as far as they matter to what it says.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// As [`crate::support::pop_in_memory`] has them.
    pub(super) pairs: Vec<(String, String)>,
    pub(super) stls: bool,
    pub(super) tls_required: bool,
    pub(super) local: bool,
    pub(super) no_delete: bool,
    pub(super) in_use: bool,
    /// Messages that nobody can retrieve, by number.
    pub(super) gone: BTreeSet<usize>,
    /// docs/pop.md: mistakes, and commands that lead nowhere.
    pub(super) errors_max: u32,
    pub(super) junk_max: u32,
    /// Before and after the login, in seconds.
    pub(super) idle: (u64, u64),
}

impl Rules {
    /// Reads settings such as `stls, gone 2`.
    pub(super) fn read(words: &str) -> Rules {
        let pairs: Vec<(String, String)> = words
            .split_terminator(", ")
            .map(|word| word.split_once(' ').unwrap_or((word, "")))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let has = |name: &str| pairs.iter().any(|(known, _)| known == name);
        let number = |name: &str, default: u32| {
            let value = pairs.iter().find(|(known, _)| known == name);
            value.map_or(default, |(_, text)| text.parse().unwrap())
        };
        let gone = pairs.iter().filter(|(name, _)| name == "gone");
        Rules {
            stls: has("stls"),
            tls_required: has("tls-required"),
            local: has("local"),
            no_delete: has("no-delete"),
            in_use: has("in-use"),
            gone: gone.map(|(_, number)| number.parse().unwrap()).collect(),
            errors_max: number("errors-max", 8),
            junk_max: number("junk-max", 2000),
            idle: (60, 600),
            pairs,
        }
    }
}

/// What the server has to read next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It has to greet.
    Greeting,
    /// A command of the AUTHORIZATION state; perhaps after USER.
    Authorization { user: Option<Vec<u8>> },
    /// A response of an AUTH exchange.
    Exchange(Exchange),
    /// A TLS handshake.
    Handshake,
    /// A command of the TRANSACTION state; with the numbers of the deleted messages.
    Transaction { deleted: BTreeSet<usize> },
    /// Nothing.
    Closed,
}

/// What a response has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Ok,
    Err,
    /// What the model cannot say.
    Either,
    /// `+ ` and base 64.
    Challenge,
}

/// What follows a first line of success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Body {
    None,
    /// Just these octets, with the end.
    Exactly(Vec<u8>),
    Capabilities,
    /// Any lines.
    Any,
}

/// What a success leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Stay,
    Go(Place),
    LoggedIn,
    /// The end, after which the deleted messages are gone.
    Quit(BTreeSet<usize>),
}

/// A response that is due.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    pub(super) answer: Answer,
    /// What the first line begins with, if that matters.
    pub(super) start: Vec<u8>,
    pub(super) body: Body,
    pub(super) then: Then,
    /// Where a refusal leads, if that is not where the session is.
    pub(super) otherwise: Option<Place>,
    /// Whether a refusal is for a mistake, or for a guess at a password.
    pub(super) is_mistake: bool,
    pub(super) is_guess: bool,
}

impl Expected {
    pub(super) fn ok() -> Expected {
        Expected {
            answer: Answer::Ok,
            start: b"+OK".to_vec(),
            body: Body::None,
            then: Then::Stay,
            otherwise: None,
            is_mistake: false,
            is_guess: false,
        }
    }

    pub(super) fn err() -> Expected {
        Expected {
            answer: Answer::Err,
            start: b"-ERR ".to_vec(),
            ..Expected::ok()
        }
    }

    /// A refusal that counts.
    pub(super) fn mistake() -> Expected {
        Expected {
            is_mistake: true,
            ..Expected::err()
        }
    }

    /// A refusal that ends the session.
    pub(super) fn last() -> Expected {
        Expected {
            otherwise: Some(Place::Closed),
            ..Expected::err()
        }
    }
}

/// What a client hears next.
#[derive(Clone, Debug)]
pub(super) enum Next {
    Nothing,
    Response(Expected),
    /// The end of the connection, without a response.
    HangUp,
}

/// A server as it should be, with one client.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) rules: Rules,
    pub(super) place: Place,
    /// The unique id and the content of each message.
    pub(super) messages: Vec<(String, Vec<u8>)>,
    pub(super) pending: Vec<u8>,
    has_begun: bool,
    /// How much of a line that is too long has gone by, and whether a CR was last.
    skipping: Option<(usize, bool)>,
    pub(super) is_encrypted: bool,
    /// What the greeting had for APOP.
    pub(super) timestamp: Option<Vec<u8>>,
    pub(super) challenge: Vec<u8>,
    /// Whether another session has the maildrop.
    pub(super) is_in_use: bool,
    guesses: u32,
    errors: u32,
    junk: u32,
    /// In seconds.
    now: u64,
    active_at: u64,
    is_late: bool,
    /// What QUIT has deleted, by number.
    pub(super) deleted: BTreeSet<usize>,
    /// What it may have deleted without being heard.
    pub(super) doubtful: BTreeSet<usize>,
}

pub(super) enum Line {
    Whole(Vec<u8>),
    Unfinished,
    TooLong,
    Endless,
    BadEnding,
}

/// RFC 5034 4: lines of an exchange, in octets with the end.
const LINE_MAX: usize = 12_288;

/// How many octets of a longer line are swallowed.
const SWALLOW_MAX: usize = 64 * 1024;

impl Model {
    pub(super) fn new(rules: Rules, messages: Vec<(String, Vec<u8>)>) -> Model {
        Model {
            is_in_use: rules.in_use,
            rules,
            place: Place::Greeting,
            messages,
            pending: Vec::new(),
            has_begun: false,
            skipping: None,
            is_encrypted: false,
            timestamp: None,
            challenge: Vec::new(),
            guesses: 0,
            errors: 0,
            junk: 0,
            now: 0,
            active_at: 0,
            is_late: false,
            deleted: BTreeSet::new(),
            doubtful: BTreeSet::new(),
        }
    }

    /// Whether a password may be said, or APOP be used.
    pub(super) fn is_private(&self) -> bool {
        self.rules.local || self.is_encrypted
    }

    pub(super) fn must_encrypt(&self) -> bool {
        self.rules.tls_required && !self.is_encrypted
    }

    /// Counts a command that leads nowhere; whether it is one too many.
    pub(super) fn is_flood(&mut self) -> bool {
        self.junk += 1;
        self.junk > self.rules.junk_max
    }

    pub(super) fn is_there(&self, number: usize) -> bool {
        match &self.place {
            Place::Transaction { deleted } => {
                (1..=self.messages.len()).contains(&number) && !deleted.contains(&number)
            }
            _ => false,
        }
    }

    /// Time goes by without a word from the client.
    // RFC 1939 3: the connection is closed without a response, and nothing deleted.
    pub(super) fn wait(&mut self, seconds: u64) {
        self.now += seconds;
        let idle = match self.place {
            Place::Transaction { .. } => self.rules.idle.1,
            Place::Handshake | Place::Closed => return,
            _ => self.rules.idle.0,
        };
        self.is_late = self.now - self.active_at >= idle;
    }

    /// The client hears nothing any more, although a response may be due. Whether the
    /// server would have closed.
    pub(super) fn hang_up(&mut self, mut due: Option<Expected>) -> bool {
        let is_over = loop {
            let next = due.take().map_or_else(|| self.next(), Next::Response);
            let expected = match next {
                Next::Response(expected) => expected,
                Next::HangUp => break true,
                Next::Nothing => break self.place == Place::Closed,
            };
            let is_ok = expected.answer != Answer::Err;
            self.conclude(expected, is_ok);
        };
        let unheard = std::mem::take(&mut self.deleted);
        self.doubtful.extend(unheard);
        self.place = Place::Closed;
        is_over
    }

    /// What the client hears next, by what it has sent.
    pub(super) fn next(&mut self) -> Next {
        match self.place {
            Place::Closed => return Next::Nothing,
            _ if self.is_late => return Next::HangUp,
            Place::Greeting => {
                return Next::Response(Expected {
                    then: Then::Go(Place::Authorization { user: None }),
                    ..Expected::ok()
                });
            }
            // RFC 2595 4: what came in clear behind STLS is somebody else's.
            Place::Handshake if self.pending.is_empty() => return Next::Nothing,
            Place::Handshake => return Next::HangUp,
            _ => {}
        }
        if self.errors >= self.rules.errors_max {
            return Next::Response(Expected::last());
        }
        let is_exchange = matches!(self.place, Place::Exchange(_));
        if !is_exchange && !self.has_begun && !self.pending.is_empty() {
            self.has_begun = true;
            if self.pending[0] == 0x16 {
                return Next::HangUp;
            }
        }
        let line = self.line();
        if matches!(line, Line::Whole(_)) {
            self.active_at = self.now;
        }
        match (line, self.place.clone()) {
            (Line::Unfinished, _) => Next::Nothing,
            (Line::Whole(line), Place::Exchange(exchange)) => self.response(exchange, &line),
            (Line::Whole(line), _) => self.command(&line),
            (Line::TooLong, Place::Exchange(_)) => self.failed(b"-ERR "),
            (Line::TooLong, _) => Next::Response(Expected::mistake()),
            (Line::Endless | Line::BadEnding, _) => Next::Response(Expected::last()),
        }
    }

    // RFC 1939 3, RFC 2449 4: only CRLF ends a line.
    fn line(&mut self) -> Line {
        if let Some((skipped, after_cr)) = self.skipping.take() {
            let end = self.pending.iter().position(|octet| *octet == b'\n');
            let count = end.map_or(self.pending.len(), |at| at + 1);
            let gone: Vec<u8> = self.pending.drain(..count).collect();
            let text = gone.strip_suffix(b"\n").unwrap_or(&gone);
            let after_cr = text.last().map_or(after_cr, |octet| *octet == b'\r');
            match () {
                () if skipped + count > SWALLOW_MAX => return Line::Endless,
                () if end.is_none() => {
                    self.skipping = Some((skipped + count, after_cr));
                    return Line::Unfinished;
                }
                () if !after_cr => return Line::BadEnding,
                () => {}
            }
        }
        let end = self.pending.iter().position(|octet| *octet == b'\n');
        if end.unwrap_or(self.pending.len()) >= LINE_MAX {
            self.skipping = Some((0, false));
            return Line::TooLong;
        }
        let Some(end) = end else {
            return Line::Unfinished;
        };
        let line: Vec<u8> = self.pending.drain(..=end).collect();
        match line.strip_suffix(b"\r\n") {
            Some(line) if !line.contains(&b'\r') => Line::Whole(line.to_vec()),
            _ => Line::BadEnding,
        }
    }

    /// The client hears a first line, without its end. Gives what has to follow it.
    pub(super) fn hear(&mut self, expected: Expected, line: &[u8]) -> Result<Body, String> {
        let is_ok = line.starts_with(b"+OK");
        let is_challenge = line.starts_with(b"+ ");
        let as_due = match expected.answer {
            Answer::Ok => is_ok,
            Answer::Err => line.starts_with(b"-ERR "),
            Answer::Either => is_ok || line.starts_with(b"-ERR "),
            Answer::Challenge => is_challenge,
        };
        // RFC 1939 3: at most 512 octets.
        let is_short = line.len() <= 510;
        let fits = !is_ok && expected.answer == Answer::Either || line.starts_with(&expected.start);
        if !as_due || !is_short || !fits {
            return Err(format!("{expected:?} was due"));
        }
        if self.place == Place::Greeting {
            let start = line.iter().position(|octet| *octet == b'<');
            self.timestamp = start.map(|at| line[at..].to_vec());
            // RFC 1939 7; CVE-2007-1558: not where others can listen.
            if self.timestamp.is_some() != (self.is_private() && !self.must_encrypt()) {
                return Err("APOP".to_owned());
            }
        }
        if is_challenge {
            self.challenge = line[2..].to_vec();
        }
        let body = match is_ok {
            true => expected.body.clone(),
            false => Body::None,
        };
        let mut expected = expected;
        if let Then::Go(Place::Exchange(Exchange::Cram(challenge))) = &mut expected.then {
            challenge.clone_from(&self.challenge);
        }
        self.conclude(expected, is_ok || is_challenge);
        Ok(body)
    }

    fn conclude(&mut self, expected: Expected, is_ok: bool) {
        if !is_ok {
            self.guesses += u32::from(expected.is_guess);
            self.errors += u32::from(expected.is_mistake);
            if let Some(place) = expected.otherwise {
                self.place = place;
            }
            return;
        }
        match expected.then {
            Then::Stay => {}
            Then::Go(place) => self.place = place,
            Then::LoggedIn => {
                // docs/pop.md
                if !matches!(self.place, Place::Transaction { .. }) {
                    (self.errors, self.junk) = (0, 0);
                }
                self.place = Place::Transaction {
                    deleted: BTreeSet::new(),
                }
            }
            Then::Quit(deleted) => {
                self.deleted = deleted;
                self.place = Place::Closed;
            }
        }
    }

    /// The handshake is done.
    // RFC 2595 4: all that was said is forgotten.
    pub(super) fn encrypted(&mut self) {
        self.is_encrypted = true;
        self.has_begun = false;
        self.timestamp = None;
        self.active_at = self.now;
        self.place = Place::Authorization { user: None };
    }

    /// A login that has failed; the third ends the session.
    pub(super) fn failed(&self, start: &[u8]) -> Next {
        let place = match self.guesses + 1 >= 3 {
            true => Place::Closed,
            false => Place::Authorization { user: None },
        };
        Next::Response(Expected {
            start: start.to_vec(),
            is_guess: true,
            otherwise: Some(place),
            ..Expected::err()
        })
    }
}

impl Model {
    /// Checks the lines of a response, with their end.
    pub(super) fn check_body(&self, body: &Body, heard: &[u8]) -> Result<(), String> {
        match body {
            Body::Exactly(octets) if octets != heard => Err(format!(
                "{} was due, and not {}",
                octets.escape_ascii(),
                heard.escape_ascii()
            )),
            Body::Capabilities => self.check_capabilities(heard),
            Body::None | Body::Any | Body::Exactly(_) => Ok(()),
        }
    }
}
