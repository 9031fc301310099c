//! The administration interface: lines of text in, text for people and their
//! scripts out.
//!
//! There is no greeting. Each answer is followed by a prompt without a line end;
//! lines end as those of the other side do. One that speaks HTTP or TLS, or sends
//! lines without end, is cut off.

mod command;
mod events;
mod line;

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::{ByteQueue, OneLine};

pub use command::{DNSBL_PAUSE_MAX, Dnsbl, Listing, Request, Verb};
pub use events::EVENTS_WAITING_MAX;

use command::{Command, Info, NAMES, TERMINATE};
use events::Events;
use line::{Found, Lines};

/// The longest line, in octets without its end.
pub const LINE_MAX: usize = 1024;

/// The unknown command that is answered last.
pub const ERRORS_MAX: u32 = 30;

/// How long nobody may ask for anything.
pub const IDLE_MAX: Duration = Duration::from_secs(600);

/// The first octet of a TLS handshake.
// RFC 8446 5.1
const TLS_HANDSHAKE: u8 = 0x16;

const PROMPT: &[u8] = b"E-MailRelay> ";

/// What all sessions share.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The process.
    pub pid: u32,
    /// The program's version.
    pub version: OneLine,
    /// Who owns it.
    pub copyright: OneLine,
    /// What it is made with.
    pub credit: OneLine,
    /// What is promised.
    pub warranty: OneLine,
    /// Whether administrators may end the program.
    pub terminate: bool,
    /// How long nobody may ask for anything, unless events are wanted or an answer
    /// is still owed.
    pub idle_timeout: Duration,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send these octets.
    Send(Vec<u8>),
    /// Do that, then call [`Machine::answer`], or for [`Request::Flush`]
    /// [`Machine::flushed`]. There is no answer to [`Request::Notify`] and
    /// [`Request::Terminate`].
    Ask(Request),
    /// Close the connection once everything has been sent.
    Close(CloseReason),
}

/// Why the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The other side said `quit`.
    Quit,
    /// It closed the connection.
    PeerClosed,
    /// Nothing was asked for that long.
    IdleTimeout(Duration),
    /// Too many unknown commands.
    TooManyErrors,
    /// A line is longer than [`LINE_MAX`].
    LineTooLong,
    /// It speaks HTTP.
    Http,
    /// It speaks TLS.
    Tls,
    /// The program stops.
    ShuttingDown,
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is done, which goes without saying.
    Nothing,
    /// `OK`
    Ok,
    /// It cannot be done, for this reason.
    Failed(OneLine),
    /// These lines.
    Lines(Vec<OneLine>),
    /// Some of a list's lines, and whether more will follow. Where there are none
    /// at all that is said.
    Items(Vec<OneLine>, bool),
}

/// What is still owed to the other side before its next line is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready,
    /// An answer.
    Asked,
    /// The rest of a list.
    Listing,
    Closed,
}

/// One session.
#[derive(Debug)]
pub struct Machine {
    settings: Arc<Settings>,
    lines: Lines,
    line_end: Option<&'static [u8]>,
    state: State,
    is_flushing: bool,
    /// What a flush has come to while another answer was owed.
    flushed: Option<OneLine>,
    is_notified: bool,
    events: Events,
    errors: u32,
    idle_since: Instant,
}

impl Machine {
    /// Begins a session.
    pub fn new(settings: Arc<Settings>, now: Instant) -> Machine {
        Machine {
            settings,
            lines: Lines::new(LINE_MAX),
            line_end: None,
            state: State::Ready,
            is_flushing: false,
            flushed: None,
            is_notified: false,
            events: Events::default(),
            errors: 0,
            idle_since: now,
        }
    }

    /// Takes at most one line off the input, and whatever comes before its end.
    /// To be called while [`Machine::wants_input`] and there is room for output.
    pub fn receive(&mut self, now: Instant, input: &mut ByteQueue, out: &mut Vec<Action>) {
        if !self.wants_input() {
            return;
        }
        match self.lines.next(input) {
            Found::Line(line, has_cr) => {
                self.idle_since = now;
                let end: &[u8] = if has_cr { b"\r\n" } else { b"\n" };
                self.line_end.get_or_insert(end);
                self.obey(&line, out);
            }
            Found::NeedMore if self.lines.first_octet() == Some(TLS_HANDSHAKE) => {
                self.close(CloseReason::Tls, out);
            }
            Found::NeedMore => {}
            Found::TooLong => {
                self.say(&[OneLine::escaped("error: line too long")], false, out);
                self.close(CloseReason::LineTooLong, out);
            }
        }
    }

    fn obey(&mut self, line: &[u8], out: &mut Vec<Action>) {
        if line.first() == Some(&TLS_HANDSHAKE) {
            self.close(CloseReason::Tls, out);
            return;
        }
        match Command::parse(line) {
            Command::Nothing => self.say(&[], true, out),
            Command::Quit => self.close(CloseReason::Quit, out),
            Command::Help => self.say(&[self.help()], true, out),
            Command::Pid => {
                let pid = OneLine::escaped(self.settings.pid.to_string());
                self.say(&[pid], true, out);
            }
            Command::Info(about) => self.say(&[self.info(about)], true, out),
            Command::Usage(usage) => self.say(&[OneLine::escaped(usage)], true, out),
            Command::Http => self.close(CloseReason::Http, out),
            Command::Ask(Request::Terminate) if !self.settings.terminate => self.complain(out),
            Command::Ask(request) => self.ask(request, out),
            Command::Unknown => self.complain(out),
        }
    }

    fn ask(&mut self, request: Request, out: &mut Vec<Action>) {
        match request {
            Request::Flush if self.is_flushing => {
                self.say(&[error(b"still working")], true, out);
                return;
            }
            Request::Flush => self.is_flushing = true,
            Request::Notify => self.is_notified = true,
            Request::Terminate => {}
            _ => self.state = State::Asked,
        }
        out.push(Action::Ask(request));
    }

    fn complain(&mut self, out: &mut Vec<Action>) {
        self.errors += 1;
        self.say(&[error(b"unrecognised command")], true, out);
        if self.errors >= ERRORS_MAX {
            self.close(CloseReason::TooManyErrors, out);
        }
    }

    /// Answers a request.
    pub fn answer(&mut self, now: Instant, answer: Answer, out: &mut Vec<Action>) {
        let is_listing = self.state == State::Listing;
        if !is_listing && self.state != State::Asked {
            return;
        }
        self.idle_since = now;
        self.state = State::Ready;
        match answer {
            Answer::Nothing => self.say(&[], true, out),
            Answer::Ok => self.say(&[OneLine::escaped("OK")], true, out),
            Answer::Failed(reason) => self.say(&[error(reason.as_bytes())], true, out),
            Answer::Lines(lines) => self.say(&lines, true, out),
            Answer::Items(items, false) if items.is_empty() && !is_listing => {
                self.say(&[OneLine::escaped("<none>")], true, out);
            }
            Answer::Items(items, more) => {
                if more {
                    self.state = State::Listing;
                }
                self.say(&items, !more, out);
            }
        }
        self.say_flushed(out);
    }

    /// Says what the flush has come to, but not in the middle of another answer.
    pub fn flushed(&mut self, now: Instant, result: Result<(), OneLine>, out: &mut Vec<Action>) {
        if !std::mem::take(&mut self.is_flushing) || self.state == State::Closed {
            return;
        }
        self.idle_since = now;
        self.flushed = Some(match result {
            Ok(()) => OneLine::escaped("OK"),
            Err(reason) => error(reason.as_bytes()),
        });
        self.say_flushed(out);
    }

    fn say_flushed(&mut self, out: &mut Vec<Action>) {
        if self.state == State::Ready
            && let Some(line) = self.flushed.take()
        {
            self.say(&[line], true, out);
        }
    }

    /// Takes note of an event, if they are wanted.
    pub fn notify(&mut self, event: Rc<OneLine>) {
        if self.is_notified {
            self.events.push(event);
        }
    }

    /// Sends one event that waits, unless that would be in the middle of a list.
    /// To be called again while there is room for output and it gives anything.
    pub fn next_event(&mut self, out: &mut Vec<Action>) {
        if self.state != State::Ready || self.events.is_empty() {
            return;
        }
        let text = match self.events.take_lost() {
            Some(lost) => OneLine::escaped(format!("notify: {lost} lost")),
            None => match self.events.next() {
                Some(event) => OneLine::clone(&event),
                None => return,
            },
        };
        let end = self.line_end();
        out.push(Action::Send(
            [end, b"EVENT: ", text.as_bytes(), b"  "].concat(),
        ));
    }

    /// Whether the next line may be read.
    pub fn wants_input(&self) -> bool {
        self.state == State::Ready
    }

    /// Whether an answer is owed.
    pub fn is_busy(&self) -> bool {
        self.is_flushing || matches!(self.state, State::Asked | State::Listing)
    }

    /// When [`Machine::timeout`] is due: answers, and the wish for events, are
    /// waited for as long as it takes, but not a reader of lists.
    pub fn deadline(&self) -> Option<Instant> {
        let waits = self.is_flushing || self.is_notified || self.state == State::Asked;
        (!waits && self.state != State::Closed)
            .then(|| self.idle_since + self.settings.idle_timeout)
    }

    /// The deadline may have passed.
    pub fn timeout(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            let reason = CloseReason::IdleTimeout(self.settings.idle_timeout);
            self.close(reason, out);
        }
    }

    /// The other side will say no more, and is owed nothing.
    pub fn peer_closed(&mut self, out: &mut Vec<Action>) {
        self.close(CloseReason::PeerClosed, out);
    }

    /// The program stops.
    pub fn shut_down(&mut self, out: &mut Vec<Action>) {
        self.close(CloseReason::ShuttingDown, out);
    }

    fn close(&mut self, reason: CloseReason, out: &mut Vec<Action>) {
        if self.state != State::Closed {
            self.state = State::Closed;
            out.push(Action::Close(reason));
        }
    }

    fn say(&self, lines: &[OneLine], prompt: bool, out: &mut Vec<Action>) {
        let mut octets = Vec::new();
        for line in lines {
            octets.extend_from_slice(line.as_bytes());
            octets.extend_from_slice(self.line_end());
        }
        if prompt {
            octets.extend_from_slice(PROMPT);
        }
        if !octets.is_empty() {
            out.push(Action::Send(octets));
        }
    }

    fn line_end(&self) -> &'static [u8] {
        self.line_end.unwrap_or(b"\n")
    }

    fn help(&self) -> OneLine {
        let mut names = NAMES.to_vec();
        if self.settings.terminate {
            names.push(TERMINATE);
            names.sort_unstable();
        }
        OneLine::escaped(format!("commands: {}", names.join(", ")))
    }

    fn info(&self, about: Option<Info>) -> OneLine {
        match about {
            None => command::info_usage(),
            Some(Info::Copyright) => self.settings.copyright.clone(),
            Some(Info::Credit) => self.settings.credit.clone(),
            Some(Info::Version) => self.settings.version.clone(),
            Some(Info::Warranty) => self.settings.warranty.clone(),
        }
    }
}

impl CloseReason {
    /// The text for the log; nothing where there is nothing to be said.
    pub fn explain(&self) -> Option<String> {
        let text = match self {
            CloseReason::Quit | CloseReason::PeerClosed => return None,
            CloseReason::IdleTimeout(time) => {
                return Some(format!(
                    "idle timeout: no activity after {}s",
                    time.as_secs()
                ));
            }
            CloseReason::TooManyErrors => "too many errors",
            CloseReason::LineTooLong => "line too long",
            CloseReason::Http => "http request",
            CloseReason::Tls => "tls handshake packet",
            CloseReason::ShuttingDown => "shutting down",
        };
        Some(text.to_owned())
    }
}

fn error(reason: &[u8]) -> OneLine {
    let text = [b"error: ", reason].concat();
    OneLine::new(text).unwrap_or_else(|| OneLine::escaped(reason))
}

#[cfg(test)]
mod tests;
