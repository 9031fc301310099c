//! What all states share, and the few things that they can do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::close::CloseReason;
use super::extensions::Extensions;
use super::outcome::Outcome;
use super::settings::{BLOCK_TIMEOUT_MIN, FINAL_REPLY_TIMEOUT_MIN, QUIT_TIMEOUT};
use super::transaction::Transaction;
use super::{Action, Settings, State};
use crate::base::secret::Secret;
use crate::base::{OneLine, ascii};
use crate::proto::sasl::{Channel, Mechanism};
use crate::proto::smtp::reply_reader::ReplyLines;

/// The longest line of the dialogue that is reported, in octets.
const NOTED_MAX: usize = 1000;

/// The longest user name that is reported, in octets.
const ID_SHOWN_MAX: usize = 100;

/// What outlives a single message.
pub(super) struct Session {
    pub(super) settings: Arc<Settings>,
    pub(super) extensions: Extensions,
    pub(super) eight_bit_noted: bool,
    /// Whether the server has answered BDAT as one does who knows it.
    pub(super) is_chunking_proven: bool,
    /// How many messages have been handed in.
    pub(super) serial: u64,
    /// Counts what comes from the server, and with that what is sent between.
    pub(super) moment: u64,
    /// When the reply that is being taken in began to come: it cannot be to what was
    /// sent then or later.
    pub(super) begun_at: u64,
    /// Whether TLS protects what is sent.
    pub(super) is_encrypted: bool,
    /// The name that the server knows us by, once we have logged in; empty where
    /// that is for the server to say.
    pub(super) login_id: Option<Vec<u8>>,
    /// When the present wait ends.
    pub(super) wait_until: Option<Instant>,
    /// When the present message, or the start of the session, has had enough time.
    pub(super) attempt_until: Option<Instant>,
}

/// A session at one moment, and where its actions go.
pub(super) struct Context<'a> {
    pub(super) session: &'a mut Session,
    pub(super) now: Instant,
    pub(super) out: &'a mut Vec<Action>,
}

impl Session {
    pub(super) fn new(settings: Arc<Settings>) -> Session {
        Session {
            settings,
            extensions: Extensions::default(),
            eight_bit_noted: false,
            is_chunking_proven: false,
            serial: 0,
            moment: 0,
            begun_at: 0,
            is_encrypted: false,
            login_id: None,
            wait_until: None,
            attempt_until: None,
        }
    }

    /// Forgets all that was said in clear.
    pub(super) fn is_now_encrypted(&mut self) {
        self.extensions = Extensions::default();
        self.is_encrypted = true;
    }

    /// How well the connection keeps what is sent.
    pub(super) fn channel(&self) -> Channel {
        match (self.is_encrypted, self.settings.is_local) {
            (true, _) => Channel::Encrypted,
            (false, true) => Channel::Local,
            (false, false) => Channel::Clear,
        }
    }
}

impl Context<'_> {
    /// Sends commands, given without their line ends, in one write.
    pub(super) fn send_commands(&mut self, commands: &[Vec<u8>]) {
        commands.iter().for_each(|command| self.note_sent(command));
        let mut bytes = Vec::new();
        for command in commands {
            bytes.extend_from_slice(command);
            bytes.extend_from_slice(b"\r\n");
        }
        self.out.push(Action::Send(bytes));
    }

    /// Sends a line that nobody may see; `shown` is reported in its place.
    pub(super) fn send_secret(&mut self, line: &Secret, shown: &str) {
        self.note_sent(shown.as_bytes());
        let bytes = [line.expose(), b"\r\n"].concat();
        self.out.push(Action::SendSecret(Secret::new(bytes)));
    }

    /// Reports that the server has accepted us.
    pub(super) fn report_authentication(&mut self, mechanism: Mechanism, id: &[u8]) {
        let id = ascii::escape_bounded(id, ID_SHOWN_MAX);
        let text = format!("authenticated as [{id}] using mechanism [{mechanism}]");
        self.out
            .push(Action::Authenticated(bounded(text.as_bytes())));
    }

    /// Reports a command, for those that `send_commands` does not send.
    pub(super) fn note_sent(&mut self, command: &[u8]) {
        if self.session.settings.note_commands {
            self.out.push(Action::Sent(bounded(command)));
        }
    }

    /// Reports the lines of a reply.
    pub(super) fn note_heard(&mut self, reply: &ReplyLines) {
        if !self.session.settings.note_commands {
            return;
        }
        let last = reply.lines.len() - 1;
        for (index, line) in reply.lines.iter().enumerate() {
            let separator = if index < last { '-' } else { ' ' };
            let mut text = format!("{}{separator}", reply.code).into_bytes();
            text.extend_from_slice(line);
            self.out.push(Action::Heard(bounded(&text)));
        }
    }

    /// Whether commands may be sent in groups.
    pub(super) fn is_pipelining(&self) -> bool {
        self.session.settings.pipelining && self.session.extensions.pipelining
    }

    /// Reports something that somebody should know.
    pub(super) fn note(&mut self, text: &str) {
        self.out.push(Action::Note(OneLine::escaped(text)));
    }

    /// Starts the clock for a message, or for the start of the session.
    pub(super) fn begin_attempt(&mut self) {
        self.session.attempt_until = self.now.checked_add(self.session.settings.session_max);
    }

    pub(super) fn await_greeting(&mut self) {
        self.wait(self.session.settings.prompt_timeout);
    }

    pub(super) fn await_handshake(&mut self) {
        self.wait(self.session.settings.handshake_timeout);
    }

    pub(super) fn await_reply(&mut self) {
        self.wait(self.session.settings.response_timeout);
    }

    pub(super) fn await_room(&mut self) {
        let timeout = self.session.settings.response_timeout;
        self.wait(timeout.map(|timeout| timeout.max(BLOCK_TIMEOUT_MIN)));
    }

    pub(super) fn await_final_reply(&mut self) {
        let timeout = self.session.settings.response_timeout;
        self.wait(timeout.map(|timeout| timeout.max(FINAL_REPLY_TIMEOUT_MIN)));
    }

    pub(super) fn await_goodbye(&mut self) {
        self.session.attempt_until = None;
        self.wait(Some(QUIT_TIMEOUT));
    }

    fn wait(&mut self, timeout: Option<Duration>) {
        self.session.wait_until = timeout.and_then(|timeout| self.now.checked_add(timeout));
    }

    pub(super) fn wait_for_nothing(&mut self) {
        self.session.wait_until = None;
        self.session.attempt_until = None;
    }

    /// Says what became of the message.
    pub(super) fn finish(&mut self, outcome: Outcome) {
        self.out.push(Action::Finished(outcome));
    }

    /// Waits for the next message.
    pub(super) fn ready(&mut self) -> State {
        self.wait_for_nothing();
        self.out.push(Action::Ready);
        State::Ready
    }

    /// Hangs up with no message in hand.
    pub(super) fn close(&mut self, reason: CloseReason) -> State {
        self.wait_for_nothing();
        self.out.push(Action::Close(reason));
        State::Closed
    }

    /// Hangs up instead of taking a message.
    pub(super) fn drop_message(&mut self, transaction: Transaction, reason: CloseReason) -> State {
        self.finish(transaction.lose(false, false, &reason));
        self.close(reason)
    }
}

/// Kept as it is where that is one line: whoever shows it escapes it.
fn bounded(line: &[u8]) -> OneLine {
    let start = &line[..line.len().min(NOTED_MAX)];
    OneLine::new(start).unwrap_or_else(|| OneLine::escaped(start))
}
