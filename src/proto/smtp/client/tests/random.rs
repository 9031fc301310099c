//! Random servers. One kind keeps to the protocol, with random verdicts, cuts
//! and losses of the connection, and knows what it has delivered to whom; the
//! other kind says anything. Messages have numbers, which are in their paths and in
//! their content, so that it shows where one gets to recipients of another.

use std::collections::{BTreeSet, VecDeque};

use super::authentication::{logging_in, password};
use super::*;
use crate::proto::smtp::client::mailing::GROUP_MAX;

const ROUNDS: u64 = 1500;
const MESSAGES: usize = 12;
const CHUNK: &[u8] = b"CONTENT line\n.\nmore\r";

pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// A server that keeps to the protocol.
struct Server {
    random: Random,
    heard: Vec<u8>,
    offers: &'static str,
    refuses: usize,
    has_sender: bool,
    accepted: Vec<Vec<u8>>,
    is_in_data: bool,
    has_chunks: bool,
    is_chunking_failed: bool,
    /// What has come of the present content.
    content: Vec<u8>,
    /// Whom it has taken messages for.
    delivered: BTreeSet<Vec<u8>>,
    is_gone: bool,
    /// Whether it offers and insists on TLS, and then on a login.
    has_tls: bool,
    is_encrypted: bool,
    wants_login: bool,
    is_logged_in: bool,
}

impl Server {
    fn new(seed: u64) -> Server {
        let mut random = Random::new(seed);
        let all = [
            "",
            "|250-PIPELINING",
            "|250-CHUNKING",
            "|250-CHUNKING|250-PIPELINING",
        ];
        let (has_tls, wants_login) = (random.chance(50), random.chance(50));
        Server {
            offers: all[random.below(4)],
            refuses: [0, 10, 50][random.below(3)],
            random,
            heard: Vec::new(),
            has_sender: false,
            accepted: Vec::new(),
            is_in_data: false,
            has_chunks: false,
            is_chunking_failed: false,
            content: Vec::new(),
            delivered: BTreeSet::new(),
            is_gone: false,
            has_tls,
            is_encrypted: false,
            wants_login,
            is_logged_in: false,
        }
    }

    /// Settings for a client that means to send mail to this server.
    fn suit(&self, settings: Settings, is_required: bool) -> Settings {
        let login = self.wants_login.then(|| logging_in([password()]).login);
        Settings {
            tls: match (self.has_tls, is_required) {
                (true, true) => Tls::Required,
                _ => Tls::IfOffered,
            },
            login: login.flatten(),
            ..settings
        }
    }

    /// Answers all that is whole in what it has heard.
    fn answer(&mut self) -> String {
        let mut replies = String::new();
        while !self.is_gone {
            let Some(reply) = self.answer_next() else {
                break;
            };
            // Sometimes it dies between deciding and saying so.
            if self.random.chance(1) {
                self.is_gone = true;
            } else {
                self.is_gone = reply.starts_with("421");
                replies += &reply;
            }
        }
        replies.replace('|', "\r\n")
    }

    fn answer_next(&mut self) -> Option<String> {
        if self.is_in_data {
            return self.take_data();
        }
        let end = self.heard.windows(2).position(|pair| pair == b"\r\n")?;
        let line = self.heard[..end].to_vec();
        let text = String::from_utf8(line).unwrap();
        if let Some(count) = text.strip_prefix("BDAT ") {
            return self.take_chunk(end + 2, count);
        }
        self.heard.drain(..end + 2);
        Some(self.command(&text))
    }

    fn command(&mut self, text: &str) -> String {
        let verdict = self.verdict();
        let is_good = verdict.starts_with('2');
        match text.split([' ', ':']).next().unwrap() {
            "EHLO" => return self.greet(),
            "STARTTLS" => {
                assert!(self.has_tls && !self.is_encrypted && !self.is_logged_in);
                return if is_good {
                    "220 go|".to_owned()
                } else {
                    verdict
                };
            }
            "AUTH" => {
                assert!(self.is_encrypted && self.wants_login && !self.is_logged_in);
                assert!(!self.has_sender, "AUTH in a transaction");
                self.is_logged_in = is_good;
                return if is_good {
                    "235 in|".to_owned()
                } else {
                    verdict
                };
            }
            "MAIL" if self.has_tls && !self.is_encrypted => panic!("mail in clear"),
            "MAIL" if self.wants_login && !self.is_logged_in => panic!("mail without a login"),
            "QUIT" => return "221 bye|".to_owned(),
            "RSET" => self.clear(),
            "MAIL" => {
                assert!(!self.has_sender, "MAIL in a transaction");
                self.has_sender = is_good;
            }
            "RCPT" if !self.has_sender => return "503 no sender|".to_owned(),
            "RCPT" if is_good => {
                let path = text
                    .strip_prefix("RCPT TO:<")
                    .unwrap()
                    .strip_suffix('>')
                    .unwrap();
                self.accepted.push(path.as_bytes().to_vec());
            }
            "RCPT" => {}
            "DATA" if self.accepted.is_empty() && self.random.chance(60) => {
                return "503 no recipients|".to_owned();
            }
            "DATA" if is_good => {
                self.is_in_data = true;
                return "354 go|".to_owned();
            }
            "DATA" => {}
            other => panic!("content taken for a command: {other}"),
        }
        if text == "RSET" {
            "250 ok|".to_owned()
        } else {
            verdict
        }
    }

    fn greet(&self) -> String {
        let starttls = match self.has_tls && !self.is_encrypted {
            true => "|250-STARTTLS",
            false => "",
        };
        // Offered in clear as well, where it must not be used.
        let auth = if self.wants_login {
            "|250-AUTH PLAIN"
        } else {
            ""
        };
        format!("250-mx{}{starttls}{auth}|250 HELP|", self.offers)
    }

    fn take_data(&mut self) -> Option<String> {
        let is_empty = self.heard.starts_with(b".\r\n");
        let end = self.heard.windows(5).position(|five| five == b"\r\n.\r\n");
        let end = if is_empty { 3 } else { end? + 5 };
        self.content = self.heard.drain(..end).collect();
        self.is_in_data = false;
        assert!(!is_empty || self.accepted.is_empty(), "an empty message");
        assert!(is_empty || !self.accepted.is_empty(), "content for nobody");
        Some(self.end_content())
    }

    fn take_chunk(&mut self, start: usize, count: &str) -> Option<String> {
        let (count, is_last) = count
            .strip_suffix(" LAST")
            .map_or((count, false), |c| (c, true));
        let end = start + count.parse::<usize>().unwrap();
        if self.heard.len() < end {
            return None;
        }
        let chunk = self.heard.drain(..end).skip(start);
        self.content.extend(chunk);
        if self.is_chunking_failed || self.accepted.is_empty() {
            return Some("503 no|".to_owned());
        }
        self.has_chunks = true;
        if is_last {
            return Some(self.end_content());
        }
        let verdict = self.verdict();
        self.is_chunking_failed = !verdict.starts_with('2');
        Some(verdict)
    }

    fn end_content(&mut self) -> String {
        let verdict = self.verdict();
        let is_taken = verdict.starts_with('2');
        let accepted = std::mem::take(&mut self.accepted);
        if is_taken {
            for path in accepted {
                let number = path.split(|byte| *byte == b'.').next().unwrap();
                let marked = [b"#", number, b"#"].concat();
                assert!(self.content.starts_with(&marked), "another's content");
                assert!(self.delivered.insert(path), "delivered twice");
            }
        }
        self.content.clear();
        if self.has_chunks && !is_taken {
            // Only RSET gets this server out of a refused BDAT.
            self.is_chunking_failed = true;
        } else {
            self.clear();
        }
        verdict
    }

    fn clear(&mut self) {
        self.has_sender = false;
        self.accepted.clear();
        self.content.clear();
        self.has_chunks = false;
        self.is_chunking_failed = false;
    }

    fn verdict(&mut self) -> String {
        let refusals = [
            "450 later|",
            "452 full|",
            "550 no|",
            "552 too much|",
            "421 bye|",
        ];
        if !self.random.chance(self.refuses) {
            return "250-fine|250 ok|".to_owned();
        }
        // 421 is rare, or no session would get anywhere.
        let which = self.random.below(41) / 10;
        refusals[which].to_owned()
    }
}

/// What the driver has done and seen.
#[derive(Default)]
struct Tally {
    handed_in: usize,
    finished: usize,
    delivered: usize,
    unknown: usize,
}

/// The forwarder, the wire and a server.
struct World {
    machine: Machine,
    settings: Arc<Settings>,
    server: Server,
    random: Random,
    now: Instant,
    /// Those that are not finished.
    messages: VecDeque<Message>,
    /// Whether no content of the youngest has been handed in.
    is_untouched: bool,
    /// How many were not finished at a time.
    most: usize,
    tally: Tally,
    has_logged_in: bool,
    is_closed: bool,
}

impl World {
    fn new(seed: u64) -> World {
        let mut random = Random::new(seed ^ 0xABCD);
        let settings = Settings {
            strict_recipients: random.chance(50),
            chunking: random.chance(50),
            pipelining: random.chance(80),
            ..settings()
        };
        let server = Server::new(seed);
        let settings = Arc::new(server.suit(settings, random.chance(50)));
        let now = Instant::now();
        World {
            machine: Machine::new(Arc::clone(&settings), now),
            settings,
            has_logged_in: false,
            server,
            random,
            now,
            messages: VecDeque::new(),
            is_untouched: false,
            most: 0,
            tally: Tally::default(),
            is_closed: false,
        }
    }

    fn run(&mut self) {
        let mut out = Vec::new();
        self.hear("220 hi\r\n", &mut out);
        for _ in 0..10_000 {
            if out.is_empty() && !self.server.is_gone {
                let replies = self.server.answer();
                self.hear(&replies, &mut out);
            }
            if out.is_empty() {
                assert!(self.machine.deadline().is_some(), "waits for ever");
                self.lose(&mut out);
            }
            for action in std::mem::take(&mut out) {
                self.act(action, &mut out);
            }
            if self.is_closed {
                return;
            }
        }
        panic!("no end");
    }

    fn hear(&mut self, replies: &str, out: &mut Vec<Action>) {
        let mut input = ByteQueue::new(1 << 16);
        let mut rest = replies.as_bytes();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(1 + self.random.below(rest.len()));
            input.push_all(piece);
            self.machine.receive(self.now, &mut input, out);
            rest = after;
        }
    }

    fn lose(&mut self, out: &mut Vec<Action>) {
        match self.machine.deadline() {
            Some(deadline) if self.random.chance(50) => {
                self.now = deadline;
                self.machine.timeout(self.now, out);
            }
            _ => self.machine.peer_closed(self.now, OneLine::default(), out),
        }
    }

    fn act(&mut self, action: Action, out: &mut Vec<Action>) {
        assert!(!self.is_closed, "{action:?} after Close");
        match action {
            Action::Send(bytes) => {
                assert!(bytes.len() <= 40 * GROUP_MAX);
                if !self.server.is_gone {
                    self.server.heard.extend(bytes);
                }
            }
            Action::Ready if self.machine.is_closed() => {}
            Action::Ready if self.tally.handed_in < MESSAGES => self.hand_in(out),
            Action::Ready => self.quit_once_done(out),
            Action::NeedContent => {
                let (last, chunk) = (self.random.chance(80), 1 + self.random.below(CHUNK.len()));
                let mark = match std::mem::take(&mut self.is_untouched) {
                    // With a colon it may follow its envelope without a wait.
                    true if self.random.chance(95) => format!("#{}#:", self.tally.handed_in),
                    true => format!("#{}#", self.tally.handed_in),
                    false => String::new(),
                };
                let chunk = [mark.as_bytes(), &CHUNK[..chunk]].concat();
                self.machine.content(self.now, &chunk, last, out);
            }
            Action::Finished(outcome) => {
                self.check(&outcome);
                self.quit_once_done(out);
            }
            Action::Close(_) => {
                assert!(self.messages.is_empty(), "a message without an outcome");
                self.is_closed = true;
            }
            Action::SendSecret(line) => self.act(Action::Send(line.expose().to_vec()), out),
            // The pieces of what a hostile server says may come after this.
            Action::StartTls if self.machine.is_closed() => {}
            Action::StartTls if self.random.chance(5) => {
                let why = OneLine::escaped("bad certificate");
                self.machine.tls_failed(self.now, why, out);
            }
            Action::StartTls => {
                assert!(self.server.heard.is_empty(), "words after STARTTLS");
                self.server.is_encrypted = true;
                self.machine.tls_established(self.now, out);
            }
            Action::Authenticated(_) => self.has_logged_in = true,
            Action::Note(_) | Action::Sent(_) | Action::Heard(_) => {}
        }
    }

    fn hand_in(&mut self, out: &mut Vec<Action>) {
        let count = [1, 1, 2, 5, 130][self.random.below(5)];
        self.tally.handed_in += 1;
        let number = self.tally.handed_in;
        let paths: Vec<String> = (0..count).map(|n| format!("{number}.{n}@x")).collect();
        let message = message(&paths.iter().map(String::as_str).collect::<Vec<_>>());
        self.messages.push_back(message.clone());
        self.most = self.most.max(self.messages.len());
        self.is_untouched = true;
        self.machine.send(self.now, message, out);
    }

    /// As the driver does: only once every message is finished.
    fn quit_once_done(&mut self, out: &mut Vec<Action>) {
        if self.tally.handed_in == MESSAGES && self.messages.is_empty() {
            self.machine.quit(self.now, out);
        }
    }

    /// Nothing that matters is said in clear where it must not be, and no mail goes
    /// to a server that has not accepted the login.
    fn check_privacy(&self, bytes: &[u8], seed: u64) {
        let is_clear = !self.server.is_encrypted;
        let says = |verb: &str| bytes.starts_with(verb.as_bytes());
        let is_small_talk = ["EHLO ", "HELO ", "STARTTLS", "QUIT"].into_iter().any(says);
        let is_private = self.settings.tls == Tls::Required && is_clear;
        assert!(is_small_talk || !is_private, "in clear, seed {seed}");
        assert!(!says("AUTH") || !is_clear, "a login in clear, seed {seed}");
        let wants_login = self.settings.login.is_some();
        let is_known = !wants_login || self.has_logged_in;
        assert!(
            is_known || !says("MAIL"),
            "mail without a login, seed {seed}"
        );
    }

    /// Compares the outcome with what the server knows.
    fn check(&mut self, outcome: &Outcome) {
        let message = self.messages.pop_front();
        let message = message.expect("an outcome without a message");
        self.tally.finished += 1;
        assert_eq!(outcome.recipients.len(), message.recipients.len());
        for (path, fate) in message.recipients.iter().zip(&outcome.recipients) {
            let has_it = self.server.delivered.contains(path.as_bytes());
            match fate {
                RecipientOutcome::Delivered => {
                    assert!(has_it, "{path} is lost");
                    self.tally.delivered += 1;
                }
                RecipientOutcome::Deferred(Cause::OutcomeUnknown(_)) => self.tally.unknown += 1,
                other => assert!(!has_it, "{path} has it but is {other:?}"),
            }
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn no_recipient_is_lost_or_served_twice() {
    let (mut total, mut most) = (Tally::default(), 0);
    for seed in 1..=ROUNDS {
        let mut world = World::new(seed);
        world.run();
        assert_eq!(world.tally.handed_in, world.tally.finished, "seed {seed}");
        total.finished += world.tally.finished;
        total.delivered += world.tally.delivered;
        total.unknown += world.tally.unknown;
        most = most.max(world.most);
    }
    // The rounds must have got somewhere, or they show nothing.
    assert!(total.finished > 2000, "{} finished", total.finished);
    assert!(total.delivered > 2000, "{} delivered", total.delivered);
    assert!(total.unknown > 20, "{} unknown", total.unknown);
    assert!(most > MESSAGES / 3, "{most} at a time");
}

/// What a server that wants the content would say to those commands.
fn fitting(commands: &[u8], random: &mut Random) -> Vec<u8> {
    if commands.starts_with(b"CONTENT") || commands.starts_with(b"BDAT") {
        return b"250 ok\r\n".to_vec();
    }
    let count = commands.windows(2).filter(|pair| *pair == b"\r\n").count();
    if commands.starts_with(b"EHLO") {
        let more = ["", "250-PIPELINING\r\n250-CHUNKING\r\n"][random.below(2)];
        return format!("250-mx\r\n{more}250-STARTTLS\r\n250 AUTH PLAIN\r\n").into_bytes();
    }
    for (verb, reply) in [("STARTTLS", "220 go\r\n"), ("AUTH", "235 in\r\n")] {
        if commands.starts_with(verb.as_bytes()) {
            return reply.into();
        }
    }
    match commands.strip_suffix(b"DATA\r\n") {
        Some(_) => [b"250 ok\r\n".repeat(count - 1), b"354 go\r\n".to_vec()].concat(),
        None => b"250 ok\r\n".repeat(count),
    }
}

/// A reply, or something like it.
fn anything(random: &mut Random) -> Vec<u8> {
    let replies: [&[u8]; 16] = [
        b"220 hi\r\n",
        b"250 ok\r\n",
        b"250 ok\r\n250 ok\r\n354 go\r\n",
        b"250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n",
        b"250-mx\r\n250-SIZE 3\r\n250 SMTPUTF8\r\n",
        b"354 go\r\n",
        b"354 go\r\n",
        b"450 later\r\n",
        b"503 what\r\n",
        b"550-no\r\n550 no\r\n",
        b"25",
        b"0 ok\n",
        b"421 bye\r\n",
        b"\r\n",
        b"250-\xFF\0",
        b"999 x\r\n",
    ];
    let weight = if random.chance(5) { 16 } else { 10 };
    replies[random.below(weight)].to_vec()
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn hostile_servers_get_no_content_unasked_and_every_message_an_outcome() {
    let mut contents = 0;
    for seed in 1..=ROUNDS * 5 {
        let mut world = World::new(seed);
        world.server.is_gone = true;
        contents += defy(&mut world, seed);
        assert_eq!(world.tally.handed_in, world.tally.finished, "seed {seed}");
    }
    assert!(contents > 400, "{contents} contents");
}

/// An answer to what was sent, more or less; where a session starts, it has to be
/// one for the most part, or we get nowhere.
fn hostile_reply(sent: &[u8], random: &mut Random) -> Vec<u8> {
    let is_start = ["EHLO", "STARTTLS", "AUTH"].map(|verb| sent.starts_with(verb.as_bytes()));
    let fits = if is_start.contains(&true) { 90 } else { 60 };
    if !sent.is_empty() && random.chance(fits) {
        fitting(sent, random)
    } else {
        anything(random)
    }
}

fn plainly(action: Action) -> Action {
    match action {
        Action::SendSecret(line) => Action::Send(line.expose().to_vec()),
        action => action,
    }
}

/// Lets a server say anything to the machine; returns how often content was sent.
fn defy(world: &mut World, seed: u64) -> usize {
    let mut random = Random::new(seed);
    // Content goes out after 354, or with BDAT once a recipient is accepted.
    // Once BDAT has worked, content may follow its envelope.
    let (mut contents, mut ok, mut go, mut bdat) = (0, false, false, false);
    let (mut out, mut sent) = (vec![], vec![]);
    world.hear("220 hi\r\n", &mut out);
    for _ in 0..200 {
        let actions = std::mem::take(&mut out);
        sent.clear();
        for action in actions {
            let action = plainly(action);
            if let Action::Send(bytes) = &action {
                world.check_privacy(bytes, seed);
                let is_content = bytes.windows(7).any(|seven| seven == b"CONTENT");
                let is_bdat = bytes.starts_with(b"BDAT");
                let is_granted = if is_bdat { ok || bdat } else { go };
                bdat |= is_bdat;
                assert!(is_granted || !is_content, "content unasked, seed {seed}");
                contents += usize::from(is_content);
                sent.clone_from(bytes);
            }
            if action == Action::Ready {
                (ok, go) = (false, false);
            }
            match action {
                Action::Close(_) => {
                    assert!(world.messages.is_empty());
                    return contents;
                }
                Action::Finished(outcome) => {
                    let message = world.messages.pop_front().unwrap();
                    assert_eq!(message.recipients.len(), outcome.recipients.len());
                    world.tally.finished += 1;
                }
                Action::NeedContent if random.chance(80) => {
                    world
                        .machine
                        .content(world.now, b"CONTENT", random.chance(50), &mut out);
                }
                action => world.act(action, &mut out),
            }
        }
        let said = hostile_reply(&sent, &mut random);
        let has = |code: &[u8]| said.windows(3).any(|three| three == code);
        (ok, go) = (
            ok || has(b"250") || has(b"220") || has(b"0 o"),
            go || has(b"354"),
        );
        let mut input = ByteQueue::new(1 << 16);
        input.push_all(&said);
        world.machine.receive(world.now, &mut input, &mut out);
        if random.chance(1) {
            world.lose(&mut out);
        }
    }
    world.machine.quit(world.now, &mut out);
    world
        .machine
        .peer_closed(world.now, OneLine::default(), &mut out);
    for action in out {
        match action {
            Action::NeedContent => {}
            Action::Finished(_) => {
                world.messages.pop_front();
                world.tally.finished += 1;
            }
            action => world.act(action, &mut vec![]),
        }
    }
    contents
}
