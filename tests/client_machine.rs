//! The client machine and the server machine talking to each other in memory, with
//! random verdicts, cuts and losses of the connection.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use emailrelay::base::{ByteQueue, OneLine};
use emailrelay::proto::smtp::client::{
    Action, Body, Cause, Machine, Message, Outcome, RecipientOutcome, Settings,
};
use emailrelay::proto::smtp::reply::Reply;
use emailrelay::proto::smtp::server::{self, Event, Verdict};

use crate::support::in_memory::{Cut, InMemory, Random};

const ROUNDS: u64 = 400;
const MESSAGES: usize = 20;

/// What the server does about recipients and messages, and has done.
struct Judge {
    random: Random,
    refuses: usize,
    stored: VecDeque<bool>,
}

impl Judge {
    fn decide(&mut self, is_verifying: bool) -> Event {
        let refused = (self.random.below(100) < self.refuses).then(|| {
            let code = [450, 452, 550][self.random.below(3)];
            Reply::new(code, Some((0, 0)), "no")
        });
        if is_verifying {
            let address = OneLine::default();
            let verdict = refused.map_or(Verdict::Remote { address }, Verdict::Refuse);
            return Event::Verified(verdict);
        }
        self.stored.push_back(refused.is_none());
        let id = OneLine::new("an-id").unwrap();
        refused.map_or(Event::Stored(id), Event::Answered)
    }
}

struct World {
    client: Machine,
    server: InMemory,
    judge: Judge,
    random: Random,
    now: Instant,
    /// What the client has written and the server has not read.
    wire: Vec<u8>,
    messages: VecDeque<(usize, Message)>,
    handed_in: usize,
    /// How many messages were on their way at a time.
    most: usize,
    /// The pieces of content of the youngest message that are left.
    pieces: Vec<Vec<u8>>,
    /// What the server has for each recipient.
    delivered: BTreeMap<String, usize>,
    outcomes: Vec<(String, RecipientOutcome)>,
    is_over: bool,
}

impl World {
    fn new(seed: u64) -> World {
        let mut random = Random::new(seed);
        let settings = Settings {
            chunking: random.below(10) < 8,
            pipelining: random.below(10) < 8,
            strict_recipients: random.below(2) == 0,
            ..Settings::new(OneLine::new("client.test").unwrap())
        };
        let offers = server::Settings {
            chunking: random.below(10) < 8,
            verify: true,
            ..server::Settings::default()
        };
        let now = Instant::now();
        let mut server = InMemory::new(offers, Cut::Random(random));
        server.greet(false);
        let refuses = [0, 10, 40][random.below(3)];
        World {
            client: Machine::new(Arc::new(settings), now),
            server,
            judge: Judge {
                random,
                refuses,
                stored: VecDeque::new(),
            },
            random,
            now,
            wire: Vec::new(),
            messages: VecDeque::new(),
            handed_in: 0,
            most: 0,
            pieces: Vec::new(),
            delivered: BTreeMap::new(),
            outcomes: Vec::new(),
            is_over: false,
        }
    }

    fn run(&mut self) {
        let mut turns = 0;
        while !self.is_over {
            turns += 1;
            assert!(turns < 20_000, "no end");
            let before = (self.wire.len(), self.outcomes.len());
            self.serve();
            self.listen();
            let is_stuck = before == (self.wire.len(), self.outcomes.len());
            let has_gone = self.server.closed.is_some() && is_stuck;
            if has_gone || self.random.below(300) == 0 {
                let why = OneLine::default();
                self.act(|client, now, out| client.peer_closed(now, why, out));
            }
        }
    }

    /// The server reads some of what there is, and does what that says.
    fn serve(&mut self) {
        let count = self.random.below(self.wire.len() + 1);
        let octets: Vec<u8> = self.wire.drain(..count).collect();
        let judge = &mut self.judge;
        if self.server.closed.is_none() {
            self.server
                .send_through(&octets, |is_verifying| judge.decide(is_verifying));
        }
        self.note_deliveries();
    }

    fn note_deliveries(&mut self) {
        let (mut open, mut content) = (None, Vec::new());
        let mut left = Vec::new();
        for action in std::mem::take(&mut self.server.actions) {
            left.push(action.clone());
            match action {
                server::Action::Begin(transaction) => {
                    (open, content) = (Some(transaction), Vec::new());
                }
                server::Action::Content(octets) => content.extend(octets),
                server::Action::Discard => left.clear(),
                server::Action::Commit(_) => {
                    left.clear();
                    if self.judge.stored.pop_front() == Some(true) {
                        self.deliver(&open.take().unwrap(), &content);
                    }
                }
                _ => {}
            }
        }
        // What has not come to its end is looked at again.
        self.server.actions = left;
    }

    fn deliver(&mut self, transaction: &server::Transaction, content: &[u8]) {
        let content = String::from_utf8(content.to_vec()).unwrap();
        let number = content.split('#').nth(1).unwrap();
        let ends = content.matches("the end").count();
        assert_eq!(ends, 1, "content that is not one message: {content:?}");
        for recipient in &transaction.recipients {
            let path = recipient.address.to_string();
            assert!(
                path.starts_with(&format!("{number}.")),
                "{path} gets {number}"
            );
            *self.delivered.entry(path).or_default() += 1;
        }
    }

    /// The client reads what the server has said, in pieces.
    fn listen(&mut self) {
        let replies = self.server.take_replies().into_bytes();
        let mut rest = replies.as_slice();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(1 + self.random.below(rest.len()));
            let mut input = ByteQueue::new(1 << 16);
            input.push_all(piece);
            self.act(|client, now, out| client.receive(now, &mut input, out));
            rest = after;
        }
    }

    fn act(&mut self, call: impl FnOnce(&mut Machine, Instant, &mut Vec<Action>)) {
        let mut actions = Vec::new();
        call(&mut self.client, self.now, &mut actions);
        for action in actions {
            self.perform(action);
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Send(octets) => self.wire.extend(octets),
            Action::Ready if self.handed_in < MESSAGES => self.hand_in(),
            Action::Ready => self.leave(),
            Action::NeedContent => {
                let piece = self.pieces.remove(0);
                let last = self.pieces.is_empty();
                self.act(|client, now, out| client.content(now, &piece, last, out));
            }
            Action::Finished(outcome) => {
                self.note(&outcome);
                self.leave();
            }
            Action::Close(_) => {
                assert!(self.messages.is_empty(), "a message without an outcome");
                self.is_over = true;
            }
            Action::Note(_) => {}
            other => panic!("{other:?}"),
        }
    }

    fn leave(&mut self) {
        if self.handed_in == MESSAGES && self.messages.is_empty() {
            self.act(|client, now, out| client.quit(now, out));
        }
    }

    fn hand_in(&mut self) {
        self.handed_in += 1;
        let number = self.handed_in;
        let count = [1, 1, 1, 2, 7][self.random.below(5)];
        let path = |text: String| OneLine::new(text.as_str()).unwrap();
        let message = Message {
            reverse_path: path(format!("from{number}@src.test")),
            recipients: (0..count)
                .map(|n| path(format!("{number}.{n}@dst.test")))
                .collect(),
            size: None,
            body: Body::SevenBit,
            smtputf8: false,
            submitter: OneLine::default(),
        };
        let filler = "RSET\r\n.\r\nMAIL FROM:<evil@src.test>\r\n".repeat(self.random.below(4));
        let text = format!("n: #{number}#\r\n\r\n{filler}the end\r\n").into_bytes();
        // Only what is one piece may follow its envelope without a wait.
        let size = match self.random.below(5) {
            0 => 1 + self.random.below(text.len()),
            _ => text.len(),
        };
        self.pieces = text.chunks(size).map(<[u8]>::to_vec).collect();
        self.messages.push_back((number, message.clone()));
        self.most = self.most.max(self.messages.len());
        self.act(|client, now, out| client.send(now, message, out));
    }

    fn note(&mut self, outcome: &Outcome) {
        let (_, message) = self.messages.pop_front().expect("an outcome of nothing");
        let paths = message.recipients.iter().map(OneLine::to_string);
        assert_eq!(message.recipients.len(), outcome.recipients.len());
        self.outcomes
            .extend(paths.zip(outcome.recipients.iter().cloned()));
    }

    /// Compares what the client believes with what the server has.
    fn check(&self, seed: u64) -> (usize, usize) {
        let (mut served, mut doubtful) = (0, 0);
        let mut seen = BTreeSet::new();
        for (path, outcome) in &self.outcomes {
            assert!(seen.insert(path), "two outcomes for {path}, seed {seed}");
            let copies = self.delivered.get(path).copied().unwrap_or(0);
            match outcome {
                RecipientOutcome::Delivered => {
                    assert_eq!(copies, 1, "{path}, seed {seed}");
                    served += 1;
                }
                RecipientOutcome::Deferred(Cause::OutcomeUnknown(_)) => {
                    assert!(copies <= 1, "{path}, seed {seed}");
                    doubtful += 1;
                }
                other => assert_eq!(copies, 0, "{path} is {other:?}, seed {seed}"),
            }
        }
        (served, doubtful)
    }
}

#[test]
fn both_machines_agree_on_who_has_which_message() {
    let (mut served, mut doubtful, mut most) = (0, 0, 0);
    for seed in 1..=ROUNDS {
        let mut world = World::new(seed);
        world.run();
        let (more_served, more_doubtful) = world.check(seed);
        (served, doubtful) = (served + more_served, doubtful + more_doubtful);
        most = most.max(world.most);
    }
    // The rounds must have got somewhere, or they show nothing.
    assert!(served > 2000, "{served} served");
    assert!(doubtful > 10, "{doubtful} in doubt");
    assert!(most > MESSAGES / 2, "{most} at a time");
}
