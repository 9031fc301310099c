//! Whole sessions of the SMTP client machine with a server that may say anything.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use emailrelay::auth::Secrets;
use emailrelay::base::{ByteQueue, OneLine};
use emailrelay::proto::sasl::Config;
use emailrelay::proto::smtp::client::{
    Action, Body, Login, Machine, Message, Outcome, REPLY_TEXT_MAX, RecipientOutcome, Settings, Tls,
};

use super::pieces::{at_random, check_one_line, check_wire, selector};

/// How many messages are sent in a session at most.
const MESSAGES: usize = 4;

/// The content of all of them.
const CONTENT: [&[u8]; 3] = [b"Subject: x\r\n\r", b"\n.\r\n\n..\r", b".\rend"];

/// The first octet chooses how the session is held, the rest is what the server says.
/// How that is cut is of account here: what comes early is not a reply.
pub(crate) fn smtp_client(data: &[u8]) {
    let (options, replies) = selector(data);
    let settings = Arc::new(settings(options));
    play(&settings, &[replies]);
    play(&settings, &at_random(replies));
    let by_line: Vec<&[u8]> = replies.split_inclusive(|octet| *octet == b'\n').collect();
    play(&settings, &by_line);
}

fn settings(options: u8) -> Settings {
    let is = |bit: u8| options & (1 << bit) != 0;
    let secrets = Secrets::from_account("plain:YWxpY2U=:c2VjcmV0");
    let secrets = secrets.expect("it is well-formed");
    let login = || Login {
        account: secrets.client_account(b"").expect("there is one"),
        config: Config::default(),
        has_certificate: is(1),
    };
    Settings {
        pipelining: is(0),
        chunking: is(1),
        strict_recipients: is(2),
        strict_eight_bit: is(3),
        tls: match options >> 4 & 3 {
            0 => Tls::Never,
            1 => Tls::IfOffered,
            2 => Tls::Required,
            _ => Tls::Implicit,
        },
        login: is(6).then(login),
        is_local: is(6),
        note_commands: is(7),
        ..Settings::new(OneLine::escaped("client.test"))
    }
}

struct Session {
    machine: Machine,
    now: Instant,
    actions: VecDeque<Action>,
    sent: usize,
    finished: usize,
    /// How much of the youngest message has been handed in.
    pieces: usize,
    starts_tls: bool,
    is_closed: bool,
}

fn play(settings: &Arc<Settings>, pieces: &[&[u8]]) {
    let now = Instant::now();
    let mut session = Session {
        machine: Machine::new(Arc::clone(settings), now),
        now,
        actions: VecDeque::new(),
        sent: 0,
        finished: 0,
        pieces: 0,
        starts_tls: settings.tls == Tls::Implicit,
        is_closed: false,
    };
    session.end_handshake();
    let mut input = ByteQueue::new(usize::MAX);
    for piece in pieces {
        input.push_all(piece);
        session.act(|machine, now, out| machine.receive(now, &mut input, out));
        assert!(input.is_empty(), "leaves input");
        session.end_handshake();
    }
    session.act(|machine, now, out| machine.peer_closed(now, OneLine::default(), out));
    assert!(session.machine.is_closed() && session.is_closed);
    assert_eq!(session.sent, session.finished);
}

impl Session {
    fn act(&mut self, call: impl FnOnce(&mut Machine, Instant, &mut Vec<Action>)) {
        let mut out = Vec::new();
        call(&mut self.machine, self.now, &mut out);
        self.actions.extend(out);
        while let Some(action) = self.actions.pop_front() {
            self.carry_out(action);
        }
    }

    fn end_handshake(&mut self) {
        if std::mem::take(&mut self.starts_tls) {
            self.act(|machine, now, out| machine.tls_established(now, out));
        }
    }

    /// Calls the machine, and puts what comes of that after what is still to be done.
    fn call(&mut self, call: impl FnOnce(&mut Machine, Instant, &mut Vec<Action>)) {
        let mut out = Vec::new();
        call(&mut self.machine, self.now, &mut out);
        self.actions.extend(out);
    }

    fn carry_out(&mut self, action: Action) {
        let is_outcome = matches!(action, Action::Finished(_));
        assert!(!self.is_closed || is_outcome, "acts after its close");
        match action {
            Action::Send(octets) => assert!(!octets.is_empty()),
            Action::SendSecret(secret) => check_wire(secret.expose()),
            Action::StartTls => self.starts_tls = true,
            Action::Ready if self.sent < MESSAGES => self.send(),
            Action::Ready => self.call(|machine, now, out| machine.quit(now, out)),
            Action::NeedContent => {
                let piece = CONTENT.get(self.pieces).copied().unwrap_or_default();
                self.pieces += 1;
                let is_last = self.pieces >= CONTENT.len();
                self.call(|machine, now, out| machine.content(now, piece, is_last, out));
            }
            Action::Finished(outcome) => {
                self.finished += 1;
                assert!(self.finished <= self.sent);
                check(&outcome);
            }
            Action::Close(reason) => {
                check_one_line(&OneLine::escaped(reason.explain()), 10_000);
                self.is_closed = true;
            }
            Action::Note(line)
            | Action::Authenticated(line)
            | Action::Sent(line)
            | Action::Heard(line) => check_one_line(&line, 10_000),
        }
    }

    fn send(&mut self) {
        let path = |text: &str| OneLine::escaped(text);
        let message = Message {
            reverse_path: path("me@src.test"),
            recipients: vec![path("a@dst.test"), path("b@dst.test")],
            size: Some(100),
            body: [Body::SevenBit, Body::EightBit][self.sent % 2],
            smtputf8: self.sent == 3,
            submitter: OneLine::default(),
        };
        self.sent += 1;
        self.pieces = 0;
        self.call(|machine, now, out| machine.send(now, message, out));
    }
}

fn check(outcome: &Outcome) {
    assert_eq!(outcome.recipients.len(), 2);
    if let Some(reply) = &outcome.reply {
        check_one_line(&reply.text, REPLY_TEXT_MAX);
    }
    for recipient in &outcome.recipients {
        match recipient {
            RecipientOutcome::Delivered => assert!(outcome.sent),
            RecipientOutcome::Rejected(reply) => check_one_line(&reply.text, REPLY_TEXT_MAX),
            RecipientOutcome::Deferred(cause) => {
                check_one_line(&OneLine::escaped(cause.explain()), 10_000);
            }
            RecipientOutcome::Held => assert!(!outcome.sent),
        }
    }
}
