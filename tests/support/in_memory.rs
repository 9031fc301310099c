//! The server machine with a driver that keeps messages in memory.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use emailrelay::auth::{self, Secrets};
use emailrelay::base::{ByteQueue, OneLine};
use emailrelay::proto::sasl::{Answer, Channel, Config, Credentials};
use emailrelay::proto::smtp::path::PathRules;
use emailrelay::proto::smtp::reply::Reply;
use emailrelay::proto::smtp::server::{
    Action, Admission, Client, CloseReason, ContentFacts, Event, Machine, Phase, Settings,
    StrayLineEnds, Transaction, Verdict,
};

use super::transcript::{Expectation, Player, different, matches};

/// How the input of a dialogue is cut into pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// At the end of each step.
    Whole,
    /// After each octet.
    Octets,
    /// Nowhere: all of it is there before the first reply.
    AtOnce,
    /// Anywhere, and sometimes nothing arrives.
    Random(Random),
}

/// A generator of numbers that look random (xorshift).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// The next number, less than `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

/// The machine with a driver that keeps messages in memory.
pub(crate) struct InMemory {
    pub(crate) machine: Machine,
    cut: Cut,
    pub(crate) now: Instant,
    /// Sent by the client, but not yet read.
    unsent: VecDeque<u8>,
    input: ByteQueue,
    lines: VecDeque<Vec<u8>>,
    open: Option<(Box<Transaction>, Vec<u8>)>,
    pub(crate) stored: Vec<(Box<Transaction>, Vec<u8>, ContentFacts)>,
    pub(crate) storing: Option<ContentFacts>,
    pub(crate) verifying: bool,
    secrets: Secrets,
    pub(crate) login: Option<Box<Credentials>>,
    pub(crate) held: Option<Answer>,
    pub(crate) starting_tls: bool,
    pub(crate) closed: Option<CloseReason>,
    pub(crate) actions: Vec<Action>,
}

impl InMemory {
    pub(crate) fn new(settings: Settings, cut: Cut) -> InMemory {
        InMemory::for_client(settings, read_client(&[]), cut)
    }

    pub(crate) fn for_client(
        settings: Settings,
        (client, trusted): (Client, Option<OneLine>),
        cut: Cut,
    ) -> InMemory {
        let secrets = Secrets::parse("secrets", SECRETS, &mut |_| Err(String::new())).unwrap();
        let mut machine = Machine::new(Arc::new(settings), client);
        let kinds = secrets.kinds().clone();
        machine.admit(Admission { kinds, trusted });
        InMemory {
            machine,
            secrets,
            login: None,
            held: None,
            starting_tls: false,
            cut,
            now: Instant::now(),
            unsent: VecDeque::new(),
            input: ByteQueue::new(64 * 1024),
            lines: VecDeque::new(),
            open: None,
            stored: Vec::new(),
            storing: None,
            verifying: false,
            closed: None,
            actions: Vec::new(),
        }
    }

    /// Greets the client; all that it has sent by then is served afterwards.
    pub(crate) fn greet(&mut self, input_waiting: bool) {
        let mut actions = Vec::new();
        self.machine.greet(self.now, input_waiting, &mut actions);
        self.carry_out(actions);
        self.pump();
    }

    /// Has the octets wait to be read, without reading them yet.
    pub(crate) fn preload(&mut self, octets: &[u8]) {
        self.unsent.extend(octets);
    }

    /// Sends octets, and ends each wait with the outcomes in turn.
    pub(crate) fn send_through(&mut self, octets: &[u8], mut outcome: impl FnMut(bool) -> Event) {
        self.preload(octets);
        self.pump();
        while self.storing.is_some() || self.verifying {
            let event = outcome(self.verifying);
            if self.storing.take().is_some() {
                self.open = None;
            }
            self.verifying = false;
            self.resume(event);
        }
    }

    /// The replies since the last call, rendered.
    pub(crate) fn take_replies(&mut self) -> String {
        let octets: Vec<u8> = self.lines.drain(..).flatten().collect();
        String::from_utf8(octets).unwrap()
    }

    /// Lets the machine receive until it wants nothing or there is nothing.
    pub(crate) fn pump(&mut self) {
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
            let count = self.piece().min(self.unsent.len());
            let octets: Vec<u8> = self.unsent.drain(..count).collect();
            assert_eq!(self.input.push(&octets), count);
            let (wanted, before) = (self.machine.wants_input(), self.input.len());
            let mut actions = Vec::new();
            self.machine
                .receive(self.now, &mut self.input, &mut actions);
            let stuck = self.input.len() == before;
            assert!(wanted || stuck, "consumed input that it did not want");
            self.carry_out(actions);
            if !self.machine.wants_input() || self.unsent.is_empty() {
                return;
            }
            assert!(
                !stuck || self.input.room() > 0,
                "consumes nothing of a full queue"
            );
        }
    }

    /// How many octets arrive together.
    fn piece(&mut self) -> usize {
        let room = self.input.room();
        match &mut self.cut {
            Cut::Octets => room.min(1),
            Cut::Whole | Cut::AtOnce => room,
            Cut::Random(random) => room.min(random.below(40)),
        }
    }

    pub(crate) fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            assert_eq!(self.closed, None, "acts after its close: {action:?}");
            self.actions.push(action.clone());
            match action {
                Action::Reply(reply) => {
                    let text = reply.render();
                    let lines = text.split_inclusive(|octet| *octet == b'\n');
                    self.lines.extend(lines.map(<[u8]>::to_vec));
                }
                Action::Begin(transaction) => {
                    assert!(self.open.is_none(), "a message within a message");
                    assert!(!transaction.recipients.is_empty());
                    self.open = Some((transaction, Vec::new()));
                }
                Action::Content(octets) => {
                    self.open.as_mut().unwrap().1.extend(octets);
                }
                Action::Commit(facts) => {
                    let (_, content) = self.open.as_ref().unwrap();
                    assert_eq!(facts.octets, content.len() as u64);
                    self.storing = Some(facts);
                }
                Action::Discard => assert!(self.open.take().is_some(), "nothing to discard"),
                Action::Verify(_) => self.verifying = true,
                Action::Close(reason) => {
                    assert!(self.open.is_none(), "a message is left open");
                    self.closed = Some(reason);
                }
                Action::Command(_) | Action::Warn(_) => {}
                Action::Authenticate(credentials) => self.login = Some(credentials),
                Action::HoldBack(answer) => self.held = Some(answer),
                Action::StartTls => self.starting_tls = true,
            }
        }
    }

    fn resume(&mut self, event: Event) {
        assert!(!self.machine.wants_input(), "wants input while it waits");
        assert_eq!(
            self.machine.deadline(),
            None,
            "hurries the client while it waits"
        );
        let mut actions = Vec::new();
        self.machine.resume(self.now, event, &mut actions);
        self.carry_out(actions);
        self.pump();
    }

    /// Checks what has been logged or stored.
    fn check_record(&self, expectation: &Expectation) -> Result<(), String> {
        match expectation {
            Expectation::Warned(pattern) => {
                let is_it = |action: &Action| match action {
                    Action::Warn(text) => matches(pattern, &text.to_string()),
                    _ => false,
                };
                check(self.actions.iter().any(is_it), pattern, &"no such warning")
            }
            Expectation::Noted(expected) => {
                let is_it = |action: &Action| match action {
                    Action::Command(line) => line.as_bytes() == expected,
                    _ => false,
                };
                check(
                    self.actions.iter().any(is_it),
                    &text(expected),
                    &"no such note",
                )
            }
            Expectation::Identity(expected) => {
                let transaction = &self.last_stored()?.0;
                let identity = transaction.identity.as_bytes();
                check(identity == expected, &text(expected), &text(identity))
            }
            Expectation::StoredOctets(count) => {
                let octets = self.last_stored()?.1.len();
                check(octets == *count, count, &octets)
            }
            Expectation::Stored(expected) => {
                let content = &self.last_stored()?.1;
                check(content == expected, &text(expected), &text(content))
            }
            Expectation::StoredNothing => check(self.stored.is_empty(), &0, &self.stored.len()),
            Expectation::From(expected) => {
                let path = self.last_stored()?.0.reverse_path.as_bytes();
                check(path == expected, &text(expected), &text(path))
            }
            Expectation::To(expected) => {
                let recipients = self.last_stored()?.0.recipients.iter();
                let paths: Vec<&[u8]> = recipients.map(|r| r.address.as_bytes()).collect();
                check(paths == *expected, expected, &paths)
            }
            Expectation::Auth(expected) => {
                let transaction = &self.last_stored()?.0;
                let texts = [&transaction.auth_parameter, &transaction.auth_claimed];
                let texts = texts.map(|text| text.as_ref().map(OneLine::as_bytes));
                let expected: Vec<_> = expected.iter().map(|text| Some(text.as_slice())).collect();
                check(expected == texts, &expected, &texts)
            }
            Expectation::Scan(expected) => {
                let kind = match self.last_stored()?.2.eight_bit {
                    None => "unknown",
                    Some(true) => "8bit",
                    Some(false) => "7bit",
                };
                check(kind == expected, expected, &kind)
            }
            other => Err(format!("not about a record: {other:?}")),
        }
    }

    fn last_stored(&self) -> Result<&(Box<Transaction>, Vec<u8>, ContentFacts), String> {
        self.stored
            .last()
            .ok_or_else(|| "nothing is stored".to_owned())
    }
}

impl Player for InMemory {
    fn send(&mut self, octets: &[u8]) {
        if self.cut != Cut::AtOnce {
            self.unsent.extend(octets);
            self.pump();
        }
    }

    fn line(&mut self) -> Option<Vec<u8>> {
        let line = self.lines.pop_front()?;
        line.strip_suffix(b"\r\n").map(<[u8]>::to_vec)
    }

    fn expect(&mut self, expectation: &Expectation) -> Result<(), String> {
        match expectation {
            Expectation::Closed(pattern) => {
                let reason = self.closed.map(|reason| reason.explain());
                let as_expected = reason.as_ref().is_some_and(|text| matches(pattern, text));
                let phase = self.machine.phase();
                check(as_expected && phase == Phase::Closed, pattern, &reason)
            }
            Expectation::Open => check(self.closed.is_none(), &"open", &self.closed),
            Expectation::After(seconds) => {
                self.now += Duration::from_secs(*seconds);
                let mut actions = Vec::new();
                self.machine.timeout(self.now, &mut actions);
                self.carry_out(actions);
                Ok(())
            }
            Expectation::WaitStored(ok) => {
                let facts = self.storing.take().ok_or("is not storing")?;
                let (transaction, content) = self.open.take().unwrap();
                if *ok {
                    self.stored.push((transaction, content, facts));
                }
                let id = OneLine::escaped("emailrelay.1.2.3");
                let failure = Reply::new(452, Some((3, 1)), "insufficient system storage");
                self.resume(match ok {
                    true => Event::Stored(id),
                    false => Event::Answered(failure),
                });
                Ok(())
            }
            Expectation::WaitVerify(word, text) => {
                let waiting = std::mem::take(&mut self.verifying);
                check(waiting, word, &"no question to the verifier")?;
                self.resume(Event::Verified(verdict(word, text)?));
                Ok(())
            }
            Expectation::WaitLogin => {
                let credentials = self.login.take().ok_or("checks no credentials")?;
                let result = auth::check(&self.secrets, &credentials);
                let result = result.map(|identity| identity.id);
                self.resume(Event::Authenticated(result.map_err(|_| Answer::Rejected)));
                Ok(())
            }
            Expectation::WaitHeld => {
                let answer = self.held.take().ok_or("holds nothing back")?;
                self.resume(Event::Authenticated(Err(answer)));
                Ok(())
            }
            Expectation::Tls => {
                let starting = std::mem::take(&mut self.starting_tls);
                check(starting, &"tls", &"none")?;
                self.machine.encrypted(self.now);
                Ok(())
            }
            record => self.check_record(record),
        }
    }

    fn finish(&mut self) -> Result<(), String> {
        check(self.lines.is_empty(), &"nothing more", &self.lines)?;
        let waits = self.storing.is_some() || self.verifying || self.starting_tls;
        let waits = waits || self.login.is_some() || self.held.is_some();
        check(!waits || self.closed.is_some(), &"no wait", &"one")?;
        let unread = self.unsent.len() + self.input.len();
        check(unread == 0 || self.closed.is_some(), &0, &unread)
    }
}

fn check(as_expected: bool, expected: &dyn Debug, got: &dyn Debug) -> Result<(), String> {
    as_expected
        .then_some(())
        .ok_or_else(|| different(expected, got))
}

fn text(octets: &[u8]) -> String {
    octets.escape_ascii().to_string()
}

fn verdict(word: &str, text: &str) -> Result<Verdict, String> {
    Ok(match word {
        "local" => Verdict::Local {
            mailbox: OneLine::escaped(text),
            full_name: OneLine::escaped(format!("Full Name <{text}>")),
        },
        "remote" => Verdict::Remote {
            address: OneLine::escaped(text),
        },
        "refuse" => Verdict::Refuse(Reply::new(550, Some((1, 1)), text)),
        "abort" => Verdict::Abort,
        _ => return Err(format!("unknown verdict: {word}")),
    })
}

/// The secrets of all dialogues.
const SECRETS: &[u8] = b"server plain alice e+3Dmc2\n";

/// The client, and what it is called if it is trusted.
pub(crate) fn read_client(pairs: &[(String, String)]) -> (Client, Option<OneLine>) {
    let value_of = |name: &str| pairs.iter().find(|(known, _)| known == name);
    let client = Client {
        channel: match value_of("local") {
            Some(_) => Channel::Local,
            None => Channel::Clear,
        },
        random: [7; 32],
        connected_at: 1_795_361_082,
    };
    let trusted = value_of("trusted").map(|(_, keyword)| OneLine::escaped(keyword));
    (client, trusted)
}

pub(crate) fn read_settings(pairs: &[(String, String)]) -> Result<Settings, String> {
    let mut settings = Settings {
        domain: OneLine::escaped("relay.test"),
        ..Settings::default()
    };
    for (name, value) in pairs {
        apply(&mut settings, name, value)?;
    }
    Ok(settings)
}

fn apply(settings: &mut Settings, name: &str, value: &str) -> Result<(), String> {
    let number = || value.parse::<u64>().map_err(|_| format!("{name}: {value}"));
    let small = || value.parse::<u32>().map_err(|_| format!("{name}: {value}"));
    let size = || {
        value
            .parse::<usize>()
            .map_err(|_| format!("{name}: {value}"))
    };
    match name {
        "size" => settings.size_max = Some(number()?),
        "anonymous" => settings.anonymous_server = true,
        "no-vrfy" => settings.vrfy = false,
        "verify" => settings.verify = true,
        "no-pipelining" => settings.pipelining = false,
        "chunking" => settings.chunking = true,
        "smtputf8" => settings.smtputf8 = true,
        "starttls" => settings.starttls = true,
        "tls-required" => settings.tls_required = true,
        "auth" => {
            let parsed = Config::parse_server(value).map_err(|problems| problems.join(", "))?;
            settings.auth = Some(parsed.0);
        }
        // Of the client, for `read_client`.
        "local" | "trusted" => {}
        "lenient" => settings.path_rules = PathRules::Lenient,
        "keep-stray-line-ends" => settings.stray_line_ends = StrayLineEnds::Keep,
        "serve-early-talkers" => settings.refuse_early_talkers = false,
        "idle" => settings.idle_timeout = Some(Duration::from_secs(number()?)),
        "no-idle" => settings.idle_timeout = None,
        "note-commands" => settings.note_commands = true,
        "header-max" => settings.limits.header.octets_max = number()?,
        "command-swallow-max" => settings.limits.command_swallow_max = size()?,
        "content-swallow-max" => settings.limits.content_swallow_max = number()?,
        "recipients-max" => settings.limits.recipients_max = size()?,
        "refused-max" => settings.limits.refused_max = small()?,
        "transactions-max" => settings.limits.transactions_max = small()?,
        "junk-max" => settings.limits.junk_max = small()?,
        "errors-max" => settings.limits.errors_max = small()?,
        _ => return Err(format!("unknown setting: {name}")),
    }
    Ok(())
}

/// The actions with the accidents of cutting removed: content in one piece, and
/// none of a message that is discarded.
pub(crate) fn normal(actions: Vec<Action>) -> Vec<Action> {
    let mut normal: Vec<Action> = Vec::new();
    for action in actions {
        match (normal.last_mut(), action) {
            (Some(Action::Content(before)), Action::Content(octets)) => before.extend(octets),
            (Some(Action::Content(_)), Action::Discard) => {
                normal.pop();
                normal.push(Action::Discard);
            }
            (_, action) => normal.push(action),
        }
    }
    normal
}
