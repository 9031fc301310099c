//! The POP machine with a driver that keeps a maildrop in memory.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use emailrelay::auth::{self, Secrets};
use emailrelay::base::{ByteQueue, OneLine};
use emailrelay::proto::pop::{
    Action, Client, CloseReason, Event, Failure, Machine, Messages, OpenFailure, Settings,
};
use emailrelay::proto::sasl::{Answer, Channel, Config, Credentials, NonceSource};
use emailrelay::proto::stuff::{Framing, Stuffer};

use super::in_memory::Cut;
use super::transcript::{Expectation, Player, Transcript, different, matches};

/// How much content a driver gives at a time, in octets: little, so that it is cut.
const PIECE: usize = 10;

/// The secrets of all dialogues.
const SECRETS: &[u8] = b"server plain alice e+3Dmc2\nserver plain mrose tanstaaf\n";

/// A maildrop, and what is wrong with it.
#[derive(Clone, Debug, Default)]
struct World {
    messages: Vec<Vec<u8>>,
    open_failure: Option<OpenFailure>,
    /// By number.
    failures: Vec<(usize, Failure)>,
    broken: Vec<usize>,
    undeletable: bool,
    local: bool,
}

#[derive(Debug)]
struct InMemoryMessages(Vec<Vec<u8>>);

impl Messages for InMemoryMessages {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn octets(&self, index: usize) -> u64 {
        let (mut stuffer, mut out) = (Stuffer::new(Framing::Counted), Vec::new());
        stuffer.push(&self.0[index], &mut out);
        stuffer.finish(&mut out);
        out.len() as u64
    }

    fn unique_id(&self, index: usize) -> String {
        format!("uid-{}", index + 1)
    }
}

/// The machine with its driver.
pub(crate) struct PopInMemory {
    pub(crate) machine: Machine,
    cut: Cut,
    now: Instant,
    unsent: VecDeque<u8>,
    input: ByteQueue,
    lines: VecDeque<Vec<u8>>,
    secrets: Secrets,
    pub(crate) login: Option<Box<Credentials>>,
    pub(crate) held: Option<Answer>,
    pub(crate) starting_tls: bool,
    world: World,
    /// The number of the message that is being read, and what is left of it.
    reading: Option<(usize, Vec<u8>)>,
    pub(crate) deleted: Vec<usize>,
    pub(crate) closed: Option<CloseReason>,
    pub(crate) actions: Vec<Action>,
}

impl PopInMemory {
    pub(crate) fn new(transcript: &Transcript, cut: Cut) -> Result<PopInMemory, String> {
        let (mut settings, mut world) = (Settings::default(), World::default());
        settings.domain = OneLine::escaped("relay.test");
        for (name, value) in &transcript.settings {
            apply(&mut settings, &mut world, name, value)?;
        }
        let secrets = Secrets::parse("secrets", SECRETS, &mut |_| Err(String::new())).unwrap();
        let client = Client {
            channel: match world.local {
                true => Channel::Local,
                false => Channel::Clear,
            },
            nonces: NonceSource::new([7; 32], 1_795_361_082),
        };
        let mut machine = Machine::new(Arc::new(settings), client);
        machine.admit(secrets.kinds().clone());
        Ok(PopInMemory {
            machine,
            cut,
            now: Instant::now(),
            unsent: VecDeque::new(),
            input: ByteQueue::new(64 * 1024),
            lines: VecDeque::new(),
            secrets,
            login: None,
            held: None,
            starting_tls: false,
            world,
            reading: None,
            deleted: Vec::new(),
            closed: None,
            actions: Vec::new(),
        })
    }

    pub(crate) fn greet(&mut self) {
        let mut actions = Vec::new();
        self.machine.greet(self.now, &mut actions);
        self.carry_out(actions);
        self.pump();
    }

    pub(crate) fn preload(&mut self, octets: &[u8]) {
        self.unsent.extend(octets);
    }

    fn pump(&mut self) {
        self.pump_all();
        let is_unread = !self.input.is_empty() || !self.unsent.is_empty();
        if self.starting_tls && is_unread && self.closed.is_none() {
            let mut actions = Vec::new();
            self.machine.abort(CloseReason::Injection, &mut actions);
            self.carry_out(actions);
        }
    }

    fn pump_all(&mut self) {
        loop {
            let room = self.input.room();
            let piece = match &mut self.cut {
                Cut::Octets => room.min(1),
                Cut::Random(random) => room.min(1 + random.below(40)),
                Cut::Whole | Cut::AtOnce => room,
            };
            let count = piece.min(self.unsent.len());
            let octets: Vec<u8> = self.unsent.drain(..count).collect();
            assert_eq!(self.input.push(&octets), count);
            let works = self.machine.wants_input() || self.machine.has_more_to_say();
            let before = self.input.len();
            let mut actions = Vec::new();
            self.machine
                .receive(self.now, &mut self.input, &mut actions);
            let moved = self.input.len() != before || !actions.is_empty();
            assert!(works || !moved, "acts while it waits");
            self.carry_out(actions);
            let has_work = self.machine.has_more_to_say()
                || (self.machine.wants_input() && !self.input.is_empty() && moved);
            let may_read = self.machine.wants_input() && !self.unsent.is_empty();
            if self.closed.is_some() || !(has_work || may_read) {
                return;
            }
        }
    }

    pub(crate) fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            assert_eq!(self.closed, None, "acts after its close: {action:?}");
            self.actions.push(action.clone());
            match action {
                Action::Respond(octets) => {
                    for line in octets.split_inclusive(|octet| *octet == b'\n') {
                        self.lines.push_back(line.to_vec());
                    }
                }
                Action::Command(_) | Action::Warn(_) => {}
                Action::Authenticate(credentials) => self.login = Some(credentials),
                Action::HoldBack(answer) => self.held = Some(answer),
                Action::StartTls => self.starting_tls = true,
                Action::Open(_) => {
                    let opened = match self.world.open_failure {
                        Some(failure) => Err(failure),
                        None => {
                            let messages = InMemoryMessages(self.world.messages.clone());
                            Ok(Box::new(messages) as Box<dyn Messages>)
                        }
                    };
                    self.resume(Event::Opened(opened));
                }
                Action::Retrieve(index) => self.retrieve(index + 1),
                Action::ReadOn => self.read_on(),
                Action::StopReading => {
                    assert!(self.reading.take().is_some(), "nothing to stop");
                }
                Action::Delete(indices) => {
                    if !self.world.undeletable {
                        self.deleted = indices.iter().map(|index| index + 1).collect();
                    }
                    self.resume(Event::Deleted(!self.world.undeletable));
                }
                Action::Close(reason) => self.closed = Some(reason),
            }
        }
    }

    fn retrieve(&mut self, number: usize) {
        let failure = self.world.failures.iter().find(|(of, _)| *of == number);
        let result = match failure {
            Some((_, failure)) => Err(*failure),
            None => {
                let content = self.world.messages[number - 1].clone();
                self.reading = Some((number, content));
                Ok(())
            }
        };
        self.resume(Event::Found(result));
    }

    fn read_on(&mut self) {
        let (number, content) = self.reading.as_mut().expect("nothing to read");
        let piece: Vec<u8> = content.drain(..PIECE.min(content.len())).collect();
        let last = content.is_empty();
        let is_broken = self.world.broken.contains(number);
        if last {
            self.reading = None;
        }
        self.resume(Event::Content((!is_broken).then_some((piece, last))));
    }

    fn resume(&mut self, event: Event) {
        assert!(!self.machine.wants_input(), "wants input while it waits");
        let mut actions = Vec::new();
        self.machine.resume(self.now, event, &mut actions);
        self.carry_out(actions);
    }

    fn answer(&mut self, event: Event) -> Result<(), String> {
        if self.machine.deadline().is_some() {
            return Err("hurries the client while it waits".to_owned());
        }
        self.resume(event);
        self.pump();
        Ok(())
    }

    /// Checks what has been logged.
    fn recorded(&self, is_it: impl Fn(&Action) -> bool) -> Result<(), String> {
        match self.actions.iter().any(is_it) {
            true => Ok(()),
            false => Err(different(&"a record", &self.actions)),
        }
    }
}

impl Player for PopInMemory {
    fn send(&mut self, octets: &[u8]) {
        if self.cut != Cut::AtOnce {
            self.unsent.extend(octets);
            self.pump();
        }
    }

    fn line(&mut self) -> Option<Vec<u8>> {
        // A line may have been said in pieces.
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.extend(self.lines.pop_front()?);
        }
        line.strip_suffix(b"\r\n").map(<[u8]>::to_vec)
    }

    fn expect(&mut self, expectation: &Expectation) -> Result<(), String> {
        match expectation {
            Expectation::Closed(pattern) => {
                let reason = self.closed.map(|reason| reason.explain());
                match reason.as_ref().is_some_and(|text| matches(pattern, text)) {
                    true => Ok(()),
                    false => Err(different(pattern, &reason)),
                }
            }
            Expectation::Open => match self.closed {
                None => Ok(()),
                reason => Err(different(&"open", &reason)),
            },
            Expectation::After(seconds) => {
                self.now += Duration::from_secs(*seconds);
                let mut actions = Vec::new();
                self.machine.timeout(self.now, &mut actions);
                self.carry_out(actions);
                Ok(())
            }
            Expectation::WaitLogin => {
                let credentials = self.login.take().ok_or("checks no login")?;
                let result = auth::check(&self.secrets, &credentials);
                let result = result.map(|identity| identity.id);
                self.answer(Event::Authenticated(result.map_err(|_| Answer::Rejected)))
            }
            Expectation::WaitHeld => {
                let answer = self.held.take().ok_or("holds nothing back")?;
                self.answer(Event::Authenticated(Err(answer)))
            }
            Expectation::Tls => {
                if !std::mem::take(&mut self.starting_tls) {
                    return Err("does not start TLS".to_owned());
                }
                self.machine.encrypted(self.now);
                self.pump();
                Ok(())
            }
            Expectation::Warned(pattern) => self.recorded(
                |one| matches!(one, Action::Warn(text) if matches(pattern, &text.to_string())),
            ),
            Expectation::Noted(expected) => self.recorded(
                |action| matches!(action, Action::Command(line) if line.as_bytes() == expected),
            ),
            Expectation::Deleted(numbers) => match *numbers == self.deleted {
                true => Ok(()),
                false => Err(different(numbers, &self.deleted)),
            },
            other => Err(format!("not of POP: {other:?}")),
        }
    }

    fn finish(&mut self) -> Result<(), String> {
        match self.lines.is_empty() {
            true => Ok(()),
            false => Err(different(&"silence", &self.lines)),
        }
    }
}

fn apply(
    settings: &mut Settings,
    world: &mut World,
    name: &str,
    value: &str,
) -> Result<(), String> {
    let number = || value.parse::<u64>().map_err(|_| format!("{name}: {value}"));
    let seconds = || Ok::<_, String>(Some(Duration::from_secs(number()?)));
    let message = || {
        value
            .parse::<usize>()
            .map_err(|_| format!("{name}: {value}"))
    };
    match name {
        "local" => world.local = true,
        "message" => world.messages.push(super::transcript::unescaped(value)?),
        "messages" => {
            let one = |number: u64| format!("Subject: {number}\r\n\r\nx\r\n").into_bytes();
            world.messages.extend((1..=number()?).map(one));
        }
        "in-use" => world.open_failure = Some(OpenFailure::InUse),
        "unopenable" => world.open_failure = Some(OpenFailure::ForNow),
        "not-a-directory" => world.open_failure = Some(OpenFailure::ForGood),
        "bad-name" => world.open_failure = Some(OpenFailure::BadName),
        "gone" => world.failures.push((message()?, Failure::Gone)),
        "changed" => world.failures.push((message()?, Failure::Changed)),
        "unreadable" => world.failures.push((message()?, Failure::ForNow)),
        "broken" => world.broken.push(message()?),
        "undeletable" => world.undeletable = true,
        "no-delete" => settings.no_delete = true,
        "stls" => settings.stls = true,
        "tls-required" => settings.tls_required = true,
        "auth" => {
            let parsed = Config::parse_server(value).map_err(|problems| problems.join(", "))?;
            settings.auth = parsed.0;
        }
        "anonymous" => settings.implementation = None,
        "idle" => settings.idle_timeout = seconds()?,
        "maildrop-idle" => settings.maildrop_idle_timeout = seconds()?,
        "note-commands" => settings.note_commands = true,
        "errors-max" => settings.limits.errors_max = u32::try_from(number()?).unwrap(),
        "junk-max" => settings.limits.junk_max = u32::try_from(number()?).unwrap(),
        "piece" => settings.limits.piece = message()?,
        "command-swallow-max" => settings.limits.command_swallow_max = message()?,
        _ => return Err(format!("unknown setting: {name}")),
    }
    Ok(())
}

/// The actions with the accidents of cutting removed: what is said in one piece.
pub(crate) fn normal(actions: Vec<Action>) -> Vec<Action> {
    let mut normal: Vec<Action> = Vec::new();
    for action in actions {
        match (normal.last_mut(), action) {
            (Some(Action::Respond(before)), Action::Respond(octets)) => before.extend(octets),
            (_, action) => normal.push(action),
        }
    }
    normal
}
