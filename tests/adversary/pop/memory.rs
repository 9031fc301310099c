//! Walks against the machine in memory.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::model::{Answer, Body, Model, Next, Place, Rules};
use super::walk::{ANSWER, APOP, Maker, messages};
use crate::adversary::sasl::{USER, apop, cram_line};
use crate::adversary::{Octets, explore};
use crate::support::in_memory::{Cut, Random};
use crate::support::pop_in_memory::PopInMemory;
use crate::support::transcript::{Expectation, Player, Transcript};

/// How servers are configured.
const SETTINGS: &[&str] = &[
    "local, errors-max 40",
    "stls, errors-max 30",
    "stls, tls-required, errors-max 30",
    "local, no-delete, gone 2, junk-max 20",
    "local, in-use, errors-max 50",
    "local, stls, errors-max 40, gone 1",
];

const LENGTH: usize = 50;
const MESSAGES: usize = 7;

/// What a client does.
#[derive(Clone, Debug)]
enum Step {
    Send(Octets),
    /// It answers the last challenge rightly.
    Answer,
    /// It logs in by the timestamp of the greeting.
    Apop,
    Wait(u64),
    /// It closes.
    Leave,
    /// The server is told to stop.
    Stop,
}

struct Walk {
    session: PopInMemory,
    model: Model,
}

fn rules(seed: u64) -> Rules {
    Rules::read(SETTINGS[usize::try_from(seed).unwrap() % SETTINGS.len()])
}

fn make(seed: u64) -> Vec<Step> {
    let mut random = Random::new(seed);
    let mut maker = Maker {
        random: &mut random,
        may_guess: true,
        sense: 3,
    };
    let mut steps = Vec::new();
    for octets in maker.pieces(LENGTH) {
        match maker.random.below(150) {
            0..5 => steps.push(Step::Wait([1, 20, 59, 60, 300, 600][maker.random.below(6)])),
            5 => steps.push(Step::Leave),
            6 => steps.push(Step::Stop),
            _ => {}
        }
        steps.push(match octets.as_slice() {
            ANSWER => Step::Answer,
            APOP => Step::Apop,
            _ => Step::Send(Octets(octets)),
        });
    }
    steps
}

/// What came of all walks: messages that were deleted, and sessions that had begun to.
type Found = RefCell<(usize, usize)>;

fn take(seed: u64, steps: &[Step], found: &Found) -> Result<(), String> {
    let rules = rules(seed);
    let cut = match seed % 3 {
        0 => Cut::Whole,
        1 => Cut::Octets,
        _ => Cut::Random(Random::new(seed)),
    };
    let contents = messages(MESSAGES);
    let named = contents.iter().enumerate();
    let named = named.map(|(at, content)| (format!("uid-{}", at + 1), content.clone()));
    let mut transcript = Transcript {
        settings: rules.pairs.clone(),
        steps: Vec::new(),
    };
    for content in &contents {
        let text = format!("\"{}\"", content.escape_ascii());
        transcript.settings.push(("message".to_owned(), text));
    }
    let mut walk = Walk {
        session: PopInMemory::new(&transcript, cut)?,
        model: Model::new(rules, named.collect()),
    };
    walk.session.greet();
    walk.compare()?;
    for step in steps {
        if walk.session.closed.is_some() {
            break;
        }
        walk.step(step)
            .map_err(|problem| format!("{step:?}: {problem}"))?;
    }
    // RFC 1939 6: what was deleted before QUIT, and nothing else.
    let deleted: BTreeSet<usize> = walk.session.deleted.iter().copied().collect();
    if deleted != walk.model.deleted {
        return Err(format!(
            "deleted {deleted:?}, and not {:?}",
            walk.model.deleted
        ));
    }
    let mut found = found.borrow_mut();
    found.0 += deleted.len();
    found.1 += usize::from(matches!(walk.model.place, Place::Transaction { .. }));
    Ok(())
}

impl Walk {
    fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Send(octets) => self.send(&octets.0)?,
            Step::Answer => self.send(&cram_line(&self.model.challenge.clone()))?,
            Step::Apop => {
                let timestamp = self.model.timestamp.clone().unwrap_or_default();
                self.send(&[b"APOP ", USER, b" ", &apop(&timestamp), b"\r\n"].concat())?;
            }
            Step::Wait(seconds) => {
                self.model.wait(*seconds);
                self.session.expect(&Expectation::After(*seconds))?;
            }
            Step::Leave => {
                let mut actions = Vec::new();
                self.session.machine.peer_closed(&mut actions);
                self.session.carry_out(actions);
                self.model.place = Place::Closed;
            }
            Step::Stop => {
                let mut actions = Vec::new();
                self.session.machine.shut_down(&mut actions);
                self.session.carry_out(actions);
                self.model.place = Place::Closed;
                let line = self.session.line().unwrap_or_default();
                if !line.starts_with(b"-ERR [SYS/TEMP]") {
                    return Err(format!("stops with {}", line.escape_ascii()));
                }
            }
        }
        self.compare()
    }

    fn send(&mut self, octets: &[u8]) -> Result<(), String> {
        self.model.pending.extend_from_slice(octets);
        self.session.send(octets);
        while self.session.closed.is_none() {
            let session = &mut self.session;
            if session.login.is_some() {
                session.expect(&Expectation::WaitLogin)?;
            } else if session.held.is_some() {
                session.expect(&Expectation::WaitHeld)?;
            } else if session.starting_tls {
                self.compare()?;
                self.session.expect(&Expectation::Tls)?;
                self.model.encrypted();
            } else {
                break;
            }
        }
        Ok(())
    }

    /// Compares all that the server has said with what it should have said.
    fn compare(&mut self) -> Result<(), String> {
        loop {
            let is_closed = self.session.closed.is_some();
            match self.model.next() {
                Next::Response(expected) => {
                    let line = self.session.line();
                    let line = line.ok_or_else(|| format!("silence, and not {expected:?}"))?;
                    let is_challenge = expected.answer == Answer::Challenge;
                    let heard = self.model.hear(expected, &line);
                    let text = line.escape_ascii();
                    let body = heard.map_err(|problem| format!("{problem}, and not {text}"))?;
                    if !is_challenge {
                        self.check_body(&body)?;
                    }
                }
                Next::HangUp if is_closed => self.model.place = Place::Closed,
                Next::HangUp => return Err("goes on where it should hang up".to_owned()),
                Next::Nothing => {
                    if let Some(line) = self.session.line() {
                        return Err(format!("silence was due, and not {}", line.escape_ascii()));
                    }
                    return match is_closed == (self.model.place == Place::Closed) {
                        true => Ok(()),
                        false => Err(format!("closed: {:?}", self.session.closed)),
                    };
                }
            }
        }
    }

    fn check_body(&mut self, body: &Body) -> Result<(), String> {
        if *body == Body::None {
            return Ok(());
        }
        let mut heard = Vec::new();
        while !heard.ends_with(b"\r\n.\r\n") && heard != b".\r\n" {
            let line = self.session.line().ok_or("a response without an end")?;
            heard.extend_from_slice(&line);
            heard.extend_from_slice(b"\r\n");
        }
        self.model.check_body(body, &heard)
    }
}

#[test]
fn the_pop_machine_keeps_to_the_model() {
    let found = RefCell::new((0, 0));
    explore(1500, make, |seed, steps| take(seed, steps, &found));
    let found = found.into_inner();
    eprintln!("{found:?}");
    assert!(found.0 > 100 && found.1 > 20, "{found:?}");
}
