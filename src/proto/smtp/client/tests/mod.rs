//! Dialogues with a scripted server, in a notation of one line per event.

mod authentication;
mod content;
mod encryption;
mod envelope;
mod handshake;
mod injection;
mod misconduct;
mod random;
mod refusals;
mod timing;
mod window;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;

/// How the server's words are cut up on their way.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Whole,
    Bytes,
    At(usize),
}

/// A machine with a clock of its own.
struct Dialogue {
    machine: Machine,
    now: Instant,
    input: ByteQueue,
    cut: Cut,
}

impl Dialogue {
    fn new(settings: Settings, cut: Cut) -> Dialogue {
        let now = Instant::now();
        Dialogue {
            machine: Machine::new(Arc::new(settings), now),
            now,
            input: ByteQueue::new(1 << 20),
            cut,
        }
    }

    /// Plays one event and shows the actions it leads to. In the notation `|` is
    /// CRLF; `S:` the server says, `c:` and `C:` content and last content, `W:`
    /// seconds pass, `X:` the connection is lost, `T` it is secure, `T:` it cannot be
    /// made so, `Q` quit, `M` the message.
    fn play(&mut self, event: &str, message: &Message) -> Vec<String> {
        let (kind, text) = event.split_once(':').unwrap_or((event, ""));
        let bytes = text.replace('|', "\r\n").into_bytes();
        let mut out = Vec::new();
        match kind {
            "S" => self.hear(&bytes, &mut out),
            "M" => self.machine.send(self.now, message.clone(), &mut out),
            "c" => self.machine.content(self.now, &bytes, false, &mut out),
            "C" => self.machine.content(self.now, &bytes, true, &mut out),
            "W" => {
                self.now += Duration::from_secs(text.parse().unwrap());
                self.machine.timeout(self.now, &mut out);
            }
            "X" => self
                .machine
                .peer_closed(self.now, OneLine::escaped(text), &mut out),
            "T" if text.is_empty() => self.machine.tls_established(self.now, &mut out),
            "T" => self
                .machine
                .tls_failed(self.now, OneLine::escaped(text), &mut out),
            "Q" => self.machine.quit(self.now, &mut out),
            _ => panic!("unknown event {event}"),
        }
        out.iter().map(show).collect()
    }

    fn hear(&mut self, bytes: &[u8], out: &mut Vec<Action>) {
        let pieces: Vec<&[u8]> = match self.cut {
            Cut::Whole => vec![bytes],
            Cut::Bytes => bytes.chunks(1).collect(),
            Cut::At(cut) => {
                let (head, tail) = bytes.split_at(cut.min(bytes.len()));
                vec![head, tail]
            }
        };
        for piece in pieces {
            self.input.push_all(piece);
            self.machine.receive(self.now, &mut self.input, out);
            assert!(self.input.is_empty());
        }
    }
}

/// Plays a script whole: each event with the actions that it must lead to.
fn script(settings: &Settings, message: &Message, events: &[(&str, &[&str])], cut: Cut) {
    let mut dialogue = Dialogue::new(settings.clone(), cut);
    for (event, expected) in events {
        let actions = dialogue.play(event, message);
        assert_eq!(&actions, expected, "after {event}, {cut:?}");
    }
}

/// Plays a script with what the server says whole, octet by octet, and cut once
/// at every point.
fn play(settings: &Settings, message: &Message, events: &[(&str, &[&str])]) {
    script(settings, message, events, Cut::Whole);
    script(settings, message, events, Cut::Bytes);
    let longest = events
        .iter()
        .map(|(event, _)| event.len())
        .max()
        .unwrap_or(0);
    (1..longest).for_each(|at| script(settings, message, events, Cut::At(at)));
}

/// As [`play`], after a handshake with a server that offers those extensions.
fn play_ready(settings: &Settings, offers: &str, message: &Message, events: &[(&str, &[&str])]) {
    let hello = format!("S:250-mx.example{}|250 HELP|", offers_lines(offers));
    let start: [(&str, &[&str]); 2] =
        [("S:220 hi|", &["> EHLO me.example|"]), (&hello, &["ready"])];
    play(settings, message, &[&start, events].concat());
}

fn offers_lines(offers: &str) -> String {
    let lines = offers.split(',').filter(|offer| !offer.is_empty());
    lines.map(|offer| format!("|250-{offer}")).collect()
}

fn settings() -> Settings {
    Settings::new(OneLine::new("me.example").unwrap())
}

/// Settings that send to those who are accepted.
fn to_some() -> Settings {
    Settings {
        strict_recipients: false,
        ..settings()
    }
}

fn message(recipients: &[&str]) -> Message {
    let path = |path: &&str| OneLine::new(*path).unwrap();
    Message {
        reverse_path: OneLine::new("s@t").unwrap(),
        recipients: recipients.iter().map(path).collect(),
        size: None,
        body: Body::Unknown,
        smtputf8: false,
        submitter: OneLine::default(),
    }
}

fn show(action: &Action) -> String {
    match action {
        Action::Send(bytes) => {
            let text = bytes.escape_ascii().to_string();
            format!("> {}", text.replace("\\r\\n", "|"))
        }
        Action::SendSecret(secret) => show(&Action::Send(secret.expose().to_vec())),
        Action::StartTls => "starttls".to_owned(),
        Action::Authenticated(text) => text.to_string(),
        Action::Ready => "ready".to_owned(),
        Action::NeedContent => "need".to_owned(),
        Action::Finished(outcome) => show_outcome(outcome),
        Action::Close(reason) => format!("close: {}", reason.explain()),
        Action::Note(text) => format!("note: {text}"),
        Action::Sent(text) => format!("sent: {text}"),
        Action::Heard(text) => format!("heard: {text}"),
    }
}

/// `done [code] recipient...`, with a code where one decided for all, and with
/// `unsent` unless the whole content went out.
fn show_outcome(outcome: &Outcome) -> String {
    let mut words = vec!["done".to_owned()];
    words.extend((!outcome.sent).then(|| "unsent".to_owned()));
    words.extend(
        outcome
            .reply
            .as_ref()
            .map(|reply| format!("[{}]", reply.code)),
    );
    words.extend(outcome.recipients.iter().map(show_recipient));
    words.join(" ")
}

fn show_recipient(outcome: &RecipientOutcome) -> String {
    match outcome {
        RecipientOutcome::Delivered => "ok".to_owned(),
        RecipientOutcome::Rejected(reply) => format!("no-{}", reply.code),
        RecipientOutcome::Deferred(Cause::Reply(reply)) => format!("later-{}", reply.code),
        RecipientOutcome::Deferred(Cause::SessionLost(_)) => "lost".to_owned(),
        RecipientOutcome::Deferred(Cause::OutcomeUnknown(_)) => "unknown".to_owned(),
        RecipientOutcome::Held => "held".to_owned(),
    }
}
