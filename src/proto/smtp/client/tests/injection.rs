//! A server that knows BDAT, but where it refuses one does not skip what follows and
//! reads the content as commands. Whoever has written the content must not gain by it,
//! and no other message may be lost.

use std::collections::{BTreeSet, VecDeque};

use super::random::Random;
use super::*;

const ROUNDS: u64 = 2000;
const MESSAGES: usize = 20;

/// What is in the content: words that would have mail sent, and words that bring
/// the reply that some other command is to get.
const LINES: [&str; 9] = [
    "NOOP",
    "NOOP",
    "RSET",
    "hello",
    "MAIL FROM:<e@f>",
    "RCPT TO:<victim@x>",
    "rcpt to:<victim@x>",
    "DATA",
    "BDAT 0 LAST",
];

struct Careless {
    random: Random,
    heard: Vec<u8>,
    has_sender: bool,
    accepted: Vec<String>,
    delivered: BTreeSet<String>,
    /// How many lines it has not understood.
    misread: usize,
}

impl Careless {
    fn answer(&mut self) -> String {
        let mut replies = String::new();
        while let Some(reply) = self.answer_next() {
            replies += reply;
            replies += "\r\n";
        }
        replies
    }

    fn answer_next(&mut self) -> Option<&'static str> {
        let end = self.heard.windows(2).position(|pair| pair == b"\r\n")?;
        let line = String::from_utf8(self.heard[..end].to_vec()).unwrap();
        if let Some(count) = line.strip_prefix("BDAT ") {
            return self.chunk(end + 2, count);
        }
        self.heard.drain(..end + 2);
        let verb = line.split(' ').next().unwrap().to_ascii_uppercase();
        assert!(!line.contains("victim"), "content has named a recipient");
        match verb.as_str() {
            "EHLO" => Some("250-mx\r\n250-PIPELINING\r\n250 CHUNKING"),
            "NOOP" => Some("250 ok"),
            "RSET" => {
                (self.has_sender, self.accepted) = (false, Vec::new());
                Some("250 ok")
            }
            "MAIL" if !self.has_sender => {
                self.has_sender = true;
                Some("250 ok")
            }
            "RCPT" if self.has_sender && self.random.chance(80) => {
                self.accepted.push(line);
                Some("250 ok")
            }
            "RCPT" if self.has_sender => Some("550 no"),
            "MAIL" | "RCPT" | "DATA" => Some("503 no"),
            "QUIT" => Some("221 bye"),
            _ => {
                self.misread += 1;
                Some("500 what")
            }
        }
    }

    fn chunk(&mut self, start: usize, count: &str) -> Option<&'static str> {
        if self.accepted.is_empty() {
            self.heard.drain(..start);
            return Some("503 nobody");
        }
        let (count, is_last) = match count.strip_suffix(" LAST") {
            Some(count) => (count, true),
            None => (count, false),
        };
        let end = start + count.parse::<usize>().unwrap();
        if self.heard.len() < end {
            return None;
        }
        self.heard.drain(..end);
        if is_last {
            self.has_sender = false;
            self.delivered.extend(self.accepted.drain(..));
        }
        Some("250 ok")
    }
}

/// One session; says how many messages were delivered.
fn run(seed: u64, server: &mut Careless) -> usize {
    let mut random = Random::new(seed);
    let settings = Settings {
        chunking: true,
        strict_recipients: random.chance(50),
        ..settings()
    };
    let now = Instant::now();
    let mut machine = Machine::new(Arc::new(settings), now);
    let (mut out, mut moving, mut number) = (Vec::new(), VecDeque::new(), 0);
    let (mut delivered, mut is_start) = (0, false);
    let mut input = ByteQueue::new(1 << 20);
    input.push_all(b"220 hi\r\n");
    while !machine.is_closed() || !out.is_empty() {
        machine.receive(now, &mut input, &mut out);
        while !out.is_empty() {
            for action in std::mem::take(&mut out) {
                match action {
                    Action::Send(bytes) => server.heard.extend(bytes),
                    Action::Ready if machine.is_closed() => {}
                    Action::Ready if number < MESSAGES => {
                        number += 1;
                        let path = format!("{seed}.{number}@x");
                        machine.send(now, message(&[&path]), &mut out);
                        moving.push_back(format!("RCPT TO:<{path}>"));
                        is_start = true;
                    }
                    Action::NeedContent => {
                        let content = content(std::mem::take(&mut is_start), &mut random);
                        let is_last = random.chance(60);
                        machine.content(now, content.as_bytes(), is_last, &mut out);
                    }
                    Action::Finished(outcome) => {
                        let path = moving.pop_front().unwrap();
                        if outcome.is_complete() {
                            assert!(server.delivered.contains(&path), "{path} is lost");
                            delivered += 1;
                        }
                    }
                    _ => {}
                }
            }
        }
        input.push_all(server.answer().as_bytes());
        if input.is_empty() {
            machine.peer_closed(now, OneLine::default(), &mut out);
        }
    }
    delivered
}

fn content(is_start: bool, random: &mut Random) -> String {
    let mut content = String::new();
    if is_start && random.chance(80) {
        content += "Received: from somebody\r\n";
    }
    for _ in 0..=random.below(6) {
        content += LINES[random.below(LINES.len())];
        content += "\r\n";
    }
    content
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn b7_content_that_is_read_as_commands_does_no_harm() {
    let (mut delivered, mut misread) = (0, 0);
    for seed in 1..=ROUNDS {
        let mut server = Careless {
            random: Random::new(seed ^ 0xFACE),
            heard: Vec::new(),
            has_sender: false,
            accepted: Vec::new(),
            delivered: BTreeSet::new(),
            misread: 0,
        };
        delivered += run(seed, &mut server);
        misread += server.misread;
    }
    // It must have come to that, or this shows nothing.
    assert!(delivered > 1000, "{delivered} delivered");
    assert!(misread > 100, "{misread} misread");
}
