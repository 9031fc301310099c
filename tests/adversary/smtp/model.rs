//! What a client may hear next from an SMTP server, by RFC 5321 and the extensions
//! that are announced.
//!
//! The model is given what the client sends, all of it at once, and takes it apart
//! in the plainest way there is: it waits until a line or a content is whole, and
//! looks at it then. For each it says which codes the server may reply with, and when
//! the reply is there it draws its conclusions. It shares no code with the machine.

use super::replies::check_form;
use super::rules::Rules;
use super::terms::{Expected, Message, Next, Place, Reply, Then};
use crate::adversary::sasl::Exchange;

/// A server as it should be, with one client.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) rules: Rules,
    pub(super) place: Place,
    /// What the client has sent and the server not dealt with.
    pub(super) pending: Vec<u8>,
    /// Whether the first octet has been looked at.
    has_begun: bool,
    /// How much of a line that is too long has gone by, and whether a CR was last.
    skipping: Option<(usize, bool)>,
    pub(super) is_encrypted: bool,
    pub(super) is_logged_in: bool,
    pub(super) guesses: u32,
    pub(super) errors: u32,
    pub(super) junk: u32,
    pub(super) mails: u32,
    /// How many more mistakes only follow from an earlier refusal.
    pub(super) forgiven: usize,
    /// Whether the disk is full.
    pub(super) store_fails: bool,
    /// In seconds.
    now: u64,
    active_at: u64,
    began_at: u64,
    is_late: Option<bool>,
    /// What the server has said 250 to.
    pub(super) acknowledged: Vec<Message>,
    /// What it may have said 250 to without being heard.
    pub(super) doubtful: Vec<Message>,
}

pub(super) enum Line {
    Whole(Vec<u8>),
    Unfinished,
    TooLong,
    Endless,
    BadEnding,
}

impl Model {
    pub(super) fn new(rules: Rules) -> Model {
        Model {
            rules,
            place: Place::Greeting,
            pending: Vec::new(),
            has_begun: false,
            skipping: None,
            is_encrypted: false,
            is_logged_in: false,
            guesses: 0,
            errors: 0,
            junk: 0,
            mails: 0,
            forgiven: 0,
            store_fails: false,
            now: 0,
            active_at: 0,
            began_at: 0,
            is_late: None,
            acknowledged: Vec::new(),
            doubtful: Vec::new(),
        }
    }

    /// The client sends octets.
    pub(super) fn receive(&mut self, octets: &[u8]) {
        self.pending.extend_from_slice(octets);
        if self.is_in_content() && !octets.is_empty() {
            self.active_at = self.now;
        }
    }

    /// Time goes by without a word from the client.
    // RFC 5321 4.5.3.2: a time for each command, and for each piece of content;
    // docs/compat.md: content has a pace as well, of 50 octets a second after a minute.
    pub(super) fn wait(&mut self, seconds: u64) {
        self.now += seconds;
        let is_idle = self.now - self.active_at >= self.rules.idle;
        let came = match &self.place {
            Place::Data(_) | Place::Chunk(..) | Place::Refused(..) => Some(self.pending.len()),
            _ => None,
        };
        let passed = self.now - self.began_at;
        let spent = passed.saturating_sub(60) * 50;
        let came = came.filter(|_| passed >= 60).map(|octets| octets as u64);
        let is_slow = came.is_some_and(|octets| spent >= octets + 8);
        let may_be_slow = came.is_some_and(|octets| spent + 8 >= octets);
        self.is_late = match () {
            () if matches!(self.place, Place::Closed | Place::Handshake) => None,
            () if is_idle || is_slow => Some(true),
            () if may_be_slow => Some(false),
            () => None,
        };
    }

    /// The client hears nothing any more, although a reply may be due: what it had
    /// sent may have been dealt with or not. Whether the server would have closed.
    // RFC 1047: who does not hear the reply does not know.
    pub(super) fn hang_up(&mut self, mut due: Option<Expected>) -> bool {
        let known = self.acknowledged.len();
        let is_over = loop {
            let next = due.take().map_or_else(|| self.next(), Next::Reply);
            let expected = match next {
                Next::Reply(expected) => expected,
                Next::HangUp => break true,
                Next::Nothing => break matches!(self.place, Place::Closed),
            };
            let is_good = |code: &&u16| **code < 400;
            let best = expected.codes.iter().find(is_good);
            let code = *best.or(expected.codes.first()).unwrap();
            self.conclude(expected, code);
        };
        let unheard = self.acknowledged.split_off(known);
        self.doubtful.extend(unheard);
        self.place = Place::Closed;
        is_over
    }

    /// What the client hears next, by what it has sent.
    pub(super) fn next(&mut self) -> Next {
        if matches!(self.place, Place::Closed) {
            return Next::Nothing;
        }
        if let Some(surely) = self.is_late.take() {
            // RFC 5321 3.8: not without a word.
            let mut expected = Expected::last(421);
            expected.is_optional = !surely;
            return Next::Reply(expected);
        }
        if self.errors >= self.rules.errors_max {
            return Next::Reply(Expected::last(421));
        }
        match &self.place {
            // RFC 5321 3.1
            Place::Greeting => Next::Reply(Expected::new(&[220], Then::Go(Place::Start))),
            Place::Closed => Next::Nothing,
            // RFC 3207 6: what came in clear behind STARTTLS is somebody else's.
            Place::Handshake if !self.pending.is_empty() => Next::HangUp,
            Place::Handshake => Next::Nothing,
            Place::Data(_) => self.data(),
            Place::Chunk(..) => self.chunk(),
            Place::Refused(..) => self.refused_chunk(),
            Place::Exchange(_) => self.response(),
            Place::Start | Place::Idle | Place::Mail(_) | Place::Chunks(_) => self.next_command(),
        }
    }

    fn next_command(&mut self) -> Next {
        if let Some(next) = self.first_octet() {
            return next;
        }
        match self.line() {
            Line::Unfinished => Next::Nothing,
            Line::Whole(line) => {
                self.active_at = self.now;
                self.command(&line)
            }
            Line::TooLong => Next::Reply(Expected::new(&[500], Then::Stay)),
            Line::Endless => Next::Reply(Expected::last(421)),
            Line::BadEnding => Next::Reply(Expected::last(500)),
        }
    }

    /// Sends those away who speak TLS, SOCKS or Redis (docs/attacks.md): a command
    /// begins with a letter.
    fn first_octet(&mut self) -> Option<Next> {
        let first = *self.pending.first().filter(|_| !self.has_begun)?;
        self.has_begun = true;
        match first {
            0x16 => Some(Next::HangUp),
            b'\r' | b'\n' | b' ' | b'\t' | b'A'..=b'Z' | b'a'..=b'z' => None,
            _ => Some(Next::Reply(Expected::last(554))),
        }
    }

    /// Takes a line off what is pending.
    // RFC 5321 2.3.8: only CRLF ends it, and neither may stand alone.
    pub(super) fn line(&mut self) -> Line {
        if let Some((skipped, after_cr)) = self.skipping.take() {
            let end = self.pending.iter().position(|octet| *octet == b'\n');
            let count = end.map_or(self.pending.len(), |at| at + 1);
            let gone: Vec<u8> = self.pending.drain(..count).collect();
            let text = gone.strip_suffix(b"\n").unwrap_or(&gone);
            let after_cr = text.last().map_or(after_cr, |octet| *octet == b'\r');
            match () {
                () if skipped + count > self.rules.command_swallow_max => return Line::Endless,
                () if end.is_none() => {
                    self.skipping = Some((skipped + count, after_cr));
                    return Line::Unfinished;
                }
                () if !after_cr => return Line::BadEnding,
                () => {}
            }
        }
        let end = self.pending.iter().position(|octet| *octet == b'\n');
        if end.unwrap_or(self.pending.len()) >= self.rules.line_max() {
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

    /// The client hears a reply.
    pub(super) fn hear(&mut self, expected: Expected, reply: &Reply) -> Result<(), String> {
        if !expected.codes.contains(&reply.code) {
            return Err(format!("{:?} was due", expected.codes));
        }
        let is_hello = matches!(expected.then, Then::Hello { .. });
        check_form(reply, matches!(self.place, Place::Greeting), is_hello)?;
        if let (Then::Hello { is_extended }, 250) = (&expected.then, reply.code) {
            self.check_offers(reply, *is_extended)?;
        }
        let mut expected = expected;
        if let (Then::Challenge(Exchange::Cram(challenge)), 334) = (&mut expected.then, reply.code)
        {
            challenge.clone_from(&reply.lines[0]);
        }
        self.conclude(expected, reply.code);
        Ok(())
    }

    fn conclude(&mut self, expected: Expected, code: u16) {
        if matches!(self.place, Place::Greeting) && code == 220 {
            self.active_at = self.now;
        }
        if code == 421 {
            self.place = Place::Closed;
            return;
        }
        if code >= 400 {
            return self.conclude_refusal(expected, code);
        }
        match expected.then {
            Then::Stay => {}
            Then::Go(place) => {
                if matches!((&place, &self.place), (Place::Mail(_), Place::Idle)) {
                    self.junk = 0;
                }
                self.place = place;
                if self.is_in_content() {
                    self.began_at = self.now;
                }
            }
            Then::Hello { .. } => self.place = Place::Idle,
            Then::Stored(message) => {
                self.acknowledged.push(message);
                self.place = Place::Idle;
            }
            Then::Challenge(exchange) => self.place = Place::Exchange(exchange),
            Then::LoggedIn => {
                self.is_logged_in = true;
                self.junk = 0;
                self.place = Place::Idle;
            }
            Then::Close => self.place = Place::Closed,
        }
    }

    fn conclude_refusal(&mut self, expected: Expected, code: u16) {
        if expected.is_guess {
            self.guesses += 1;
        }
        // docs/compat.md: eight mistakes end a session; RFC 2920 3.1: a client that
        // pipelines has sent the rest of a group when it learns of a refusal.
        let is_mistake = matches!(code, 500 | 501 | 503 | 504 | 553 | 555);
        if code == 503 && self.forgiven > 0 {
            self.forgiven -= 1;
        } else if expected.counts.unwrap_or(is_mistake) {
            self.errors += 1;
        }
        if expected.forgives && ![452, 503].contains(&code) {
            self.forgiven = self.rules.recipients_max + 1;
        }
        if let Some(place) = expected.otherwise {
            self.place = place;
        }
        if matches!(expected.then, Then::Close) {
            self.place = Place::Closed;
        }
    }

    /// The handshake is done.
    // RFC 3207 4.2: all that was said is forgotten.
    pub(super) fn encrypted(&mut self) {
        self.is_encrypted = true;
        self.is_logged_in = false;
        self.has_begun = false;
        self.active_at = self.now;
        self.place = Place::Start;
    }

    fn is_in_content(&self) -> bool {
        matches!(
            self.place,
            Place::Data(_) | Place::Chunk(..) | Place::Refused(..)
        )
    }

    /// The client has done what was waited for.
    pub(super) fn note_activity(&mut self) {
        self.active_at = self.now;
    }

    /// Content begins, and its pace is measured from here.
    pub(super) fn begin_content(&mut self) {
        self.began_at = self.now;
    }
}
