//! Whole sessions with the POP server machine.

use std::sync::Arc;
use std::time::Instant;

use emailrelay::auth::{self, Secrets};
use emailrelay::base::{ByteQueue, OneLine};
use emailrelay::proto::pop::{
    Action, Client, CloseReason, Event, Failure, Machine, Messages, OpenFailure, Settings,
};
use emailrelay::proto::sasl::{Answer, Channel, NonceSource};

use super::pieces::{Dice, check_one_line, check_wire, same_however_cut, selector};

const SECRETS: &[u8] = b"server plain alice secret\nserver plain mrose tanstaaf\n";

/// The content of the messages of the maildrop.
const MESSAGES: [&[u8]; 4] = [
    b"Subject: one\r\n\r\n.\r\n..dots\r\n",
    b"",
    b"no end of line",
    b"lone\nline\rends\r\r\n\n",
];

/// The first octet chooses how the server is set up, the rest is what a client says.
pub(crate) fn pop(data: &[u8]) {
    let (options, dialogue) = selector(data);
    let is = |bit: u8| options & (1 << bit) != 0;
    let mut settings = Settings {
        domain: OneLine::escaped("relay.test"),
        stls: is(0),
        tls_required: is(1),
        no_delete: is(2),
        note_commands: is(3),
        ..Settings::default()
    };
    settings.limits.command_swallow_max = 300;
    settings.limits.junk_max = 20;
    let settings = Arc::new(settings);
    let channel = if is(4) {
        Channel::Clear
    } else {
        Channel::Local
    };
    // The dialogue alone decides what happens, with the same options.
    let dice = Dice::of(data);
    same_however_cut(dialogue, |pieces| play(&settings, channel, pieces, dice));
}

#[derive(Debug)]
struct Maildrop;

impl Messages for Maildrop {
    fn count(&self) -> usize {
        MESSAGES.len()
    }

    fn octets(&self, index: usize) -> u64 {
        MESSAGES[index].len() as u64
    }

    fn unique_id(&self, index: usize) -> String {
        format!("uid-{index}")
    }
}

struct Session {
    machine: Machine,
    secrets: Secrets,
    now: Instant,
    dice: Dice,
    input: ByteQueue,
    /// What is left of the message that is read.
    reading: Option<&'static [u8]>,
    event: Option<Event>,
    starts_tls: bool,
    closed: bool,
    actions: Vec<Action>,
}

fn play(settings: &Arc<Settings>, channel: Channel, pieces: &[&[u8]], dice: Dice) -> Vec<Action> {
    let client = Client {
        channel,
        nonces: NonceSource::new([7; 32], 1_795_361_082),
    };
    let secrets = Secrets::parse("secrets", SECRETS, &mut |_| Err(String::new()));
    let secrets = secrets.expect("they are well-formed");
    let mut session = Session {
        machine: Machine::new(Arc::clone(settings), client),
        now: Instant::now(),
        dice,
        input: ByteQueue::new(16 * 1024),
        reading: None,
        event: None,
        starts_tls: false,
        closed: false,
        actions: Vec::new(),
        secrets,
    };
    session.machine.admit(session.secrets.kinds().clone());
    session.act(|machine, now, out| machine.greet(now, out));
    let mut left: usize = pieces.iter().map(|piece| piece.len()).sum();
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() && !session.closed {
            let count = session.input.push(rest);
            assert!(count > 0, "a full queue stays full");
            rest = &rest[count..];
            left -= count;
            session.serve(left > 0);
        }
    }
    session.act(|machine, _, out| machine.peer_closed(out));
    assert!(session.closed, "ends with the connection");
    session.actions
}

impl Session {
    fn act(&mut self, call: impl FnOnce(&mut Machine, Instant, &mut Vec<Action>)) {
        let mut out = Vec::new();
        call(&mut self.machine, self.now, &mut out);
        out.into_iter().for_each(|action| self.carry_out(action));
    }

    fn serve(&mut self, has_more: bool) {
        loop {
            let mut input = std::mem::replace(&mut self.input, ByteQueue::new(0));
            let before = input.len();
            self.act(|machine, now, out| machine.receive(now, &mut input, out));
            let has_moved = input.len() < before;
            self.input = input;
            if std::mem::take(&mut self.starts_tls) {
                match self.input.is_empty() && !has_more {
                    true => self.machine.encrypted(self.now),
                    false => self.act(|m, _, out| m.abort(CloseReason::Injection, out)),
                }
            }
            match self.event.take() {
                Some(event) => self.act(|machine, now, out| machine.resume(now, event, out)),
                None if self.machine.has_more_to_say() => {}
                // It stops where it has said much.
                None if has_moved && self.machine.wants_input() && !self.input.is_empty() => {}
                None => return,
            }
        }
    }

    fn carry_out(&mut self, action: Action) {
        assert!(!self.closed, "acts after its close: {action:?}");
        match &action {
            Action::Respond(octets) => check_wire(octets),
            Action::Command(line) | Action::Warn(line) => check_one_line(line, 10_000),
            Action::Authenticate(credentials) => {
                let result = auth::check(&self.secrets, credentials);
                let result = result.map(|identity| identity.id);
                let result = result.map_err(|_| Answer::Rejected);
                self.event = Some(Event::Authenticated(result));
            }
            Action::HoldBack(answer) => {
                self.event = Some(Event::Authenticated(Err(*answer)));
            }
            Action::StartTls => self.starts_tls = true,
            Action::Open(user) => {
                assert!([b"alice".as_slice(), b"mrose"].contains(&user.as_bytes()));
                self.event = Some(Event::Opened(match self.dice.below(8) {
                    0 => Err(OpenFailure::InUse),
                    _ => Ok(Box::new(Maildrop)),
                }));
            }
            Action::Retrieve(index) => {
                self.reading = Some(MESSAGES[*index]);
                self.event = Some(Event::Found(match self.dice.below(8) {
                    0 => Err(Failure::Gone),
                    _ => Ok(()),
                }));
            }
            Action::ReadOn => self.read_on(),
            Action::StopReading => self.reading = None,
            Action::Delete(indices) => {
                assert!(indices.iter().all(|index| *index < MESSAGES.len()));
                self.event = Some(Event::Deleted(self.dice.below(4) > 0));
            }
            Action::Close(_) => self.closed = true,
        }
        match (self.actions.last_mut(), action) {
            (Some(Action::Respond(before)), Action::Respond(octets)) => before.extend(octets),
            (_, action) => self.actions.push(action),
        }
    }

    fn read_on(&mut self) {
        let rest = self.reading.take().expect("a message is being read");
        let (piece, rest) = rest.split_at(rest.len().min(5));
        let is_last = rest.is_empty();
        self.reading = (!is_last).then_some(rest);
        self.event = Some(Event::Content(Some((piece.to_vec(), is_last))));
    }
}
