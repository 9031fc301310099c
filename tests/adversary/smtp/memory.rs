//! Walks against the machine in memory.

use std::cell::RefCell;
use std::collections::BTreeMap;

use emailrelay::proto::smtp::server::Action;

use super::model::Model;
use super::rules::{Rules, verdict};
use super::terms::{Message, Next, Place, Reply};
use super::walk::{ANSWER, Maker, Step};
use crate::adversary::sasl::cram_line;
use crate::adversary::{Octets, explore};
use crate::support::in_memory::{Cut, InMemory, Random, read_client, read_settings};
use crate::support::transcript::{Expectation, Player};

/// How servers are configured.
const SETTINGS: &[&str] = &[
    "",
    "chunking, size 90, errors-max 30",
    "verify, chunking, errors-max 40, recipients-max 3, smtputf8",
    "keep-stray-line-ends, errors-max 40, junk-max 12, transactions-max 9, no-pipelining",
    "auth, starttls, errors-max 30",
    "auth, starttls, tls-required, chunking, errors-max 50",
    "auth, local, errors-max 30, smtputf8, size 300, verify",
    "starttls, tls-required, command-swallow-max 2000, idle 100, errors-max 50",
];

const LENGTH: usize = 60;

/// What has to have been heard in the end.
const CODES: &[u16] = &[
    214, 220, 221, 235, 250, 252, 334, 354, 421, 452, 500, 501, 502, 503, 504, 530, 535, 538, 550,
    552, 553, 554, 555,
];

/// How often each code was heard.
type Heard = RefCell<BTreeMap<u16, u32>>;

/// A session, and what it should be like.
struct Walk<'a> {
    heard: &'a Heard,
    session: InMemory,
    model: Model,
    challenge: Vec<u8>,
    leaves_while_storing: bool,
}

fn rules(seed: u64) -> Rules {
    Rules::read(SETTINGS[usize::try_from(seed).unwrap() % SETTINGS.len()])
}

fn make(seed: u64) -> Vec<Step> {
    let mut random = Random::new(seed);
    let rules = rules(seed);
    let mut maker = Maker {
        random: &mut random,
        rules: &rules,
        serial: 0,
        may_guess: true,
        sense: 0,
    };
    let mut steps = vec![Step::Send(Octets(b"EHLO me\r\n".to_vec()))];
    for octets in maker.pieces(LENGTH) {
        match maker.random.below(150) {
            0 => steps.push(Step::Disk { is_full: true }),
            1 => steps.push(Step::Disk { is_full: false }),
            2..5 => steps.push(Step::Wait([1, 20, 59, 60, 61][maker.random.below(5)])),
            5 if maker.random.below(4) == 0 => steps.push(Step::LeaveWhileStoring),
            6 if maker.random.below(4) == 0 => steps.push(Step::Leave),
            7 if maker.random.below(4) == 0 => steps.push(Step::Stop),
            _ => {}
        }
        steps.push(match octets {
            octets if octets == ANSWER.as_bytes() => Step::Answer,
            octets => Step::Send(Octets(octets)),
        });
    }
    steps
}

fn take(seed: u64, steps: &[Step], heard: &Heard) -> Result<(), String> {
    let rules = rules(seed);
    let cut = match seed % 3 {
        0 => Cut::Whole,
        1 => Cut::Octets,
        _ => Cut::Random(Random::new(seed)),
    };
    let settings = read_settings(&rules.pairs)?;
    let client = read_client(&rules.pairs);
    let mut walk = Walk {
        heard,
        session: InMemory::for_client(settings, client, cut),
        model: Model::new(rules),
        challenge: Vec::new(),
        leaves_while_storing: false,
    };
    walk.session.greet(false);
    walk.compare()?;
    for step in steps {
        if walk.session.closed.is_some() {
            break;
        }
        walk.step(step)
            .map_err(|problem| format!("{step:?}: {problem}"))?;
    }
    walk.compare_spools()
}

impl Walk<'_> {
    fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Send(octets) => self.send(&octets.0)?,
            Step::Answer => self.send(&cram_line(&self.challenge.clone()))?,
            Step::Wait(seconds) => {
                self.model.wait(*seconds);
                self.session.expect(&Expectation::After(*seconds))?;
            }
            Step::Disk { is_full } => self.model.store_fails = *is_full,
            Step::LeaveWhileStoring => self.leaves_while_storing = true,
            Step::Leave => {
                let mut actions = Vec::new();
                self.session.machine.peer_closed(&mut actions);
                self.session.carry_out(actions);
                self.model.hang_up(None);
            }
            Step::Stop => {
                let mut actions = Vec::new();
                self.session.machine.shut_down(&mut actions);
                self.session.carry_out(actions);
                // RFC 5321 3.8
                return match self.replies()?.as_slice() {
                    [Reply { code: 421, .. }] => {
                        self.model.place = Place::Closed;
                        Ok(())
                    }
                    other => Err(format!("stops with {other:?}")),
                };
            }
        }
        self.compare()
    }

    fn send(&mut self, octets: &[u8]) -> Result<(), String> {
        self.model.receive(octets);
        self.session.send(octets);
        while self.session.closed.is_none() && self.settle()? {}
        Ok(())
    }

    /// Ends a wait, if there is one.
    fn settle(&mut self) -> Result<bool, String> {
        let session = &mut self.session;
        if session.verifying {
            let request = session
                .actions
                .iter()
                .rev()
                .find_map(|action| match action {
                    Action::Verify(request) => Some(request.recipient.clone()),
                    _ => None,
                });
            let recipient = request.ok_or("asks nothing of the verifier")?;
            let (word, text) = verdict(recipient.as_bytes());
            session.expect(&Expectation::WaitVerify(word.to_owned(), text.to_owned()))?;
        } else if session.login.is_some() {
            session.expect(&Expectation::WaitLogin)?;
        } else if session.held.is_some() {
            session.expect(&Expectation::WaitHeld)?;
        } else if session.storing.is_some() {
            if std::mem::take(&mut self.leaves_while_storing) {
                return self.leave_while_storing();
            }
            session.expect(&Expectation::WaitStored(!self.model.store_fails))?;
        } else if session.starting_tls {
            self.compare()?;
            self.session.expect(&Expectation::Tls)?;
            self.model.encrypted();
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// The client has gone before the fate of its message is known: it may be there
    /// or not, but nothing else is.
    fn leave_while_storing(&mut self) -> Result<bool, String> {
        let mut actions = Vec::new();
        self.session.machine.peer_closed(&mut actions);
        self.session.carry_out(actions);
        if self.session.closed.is_some() {
            return Err("forgets a message that is being stored".to_owned());
        }
        let is_stored = !self.model.store_fails;
        self.session.expect(&Expectation::WaitStored(is_stored))?;
        // All before it has been answered.
        self.compare_up_to_the_last()?;
        self.model.hang_up(None);
        Ok(false)
    }

    fn compare_up_to_the_last(&mut self) -> Result<(), String> {
        let mut replies = self.replies()?;
        replies.pop();
        for reply in &replies {
            self.hear(reply)?;
        }
        Ok(())
    }

    /// Compares all that the server has said with what it should have said.
    fn compare(&mut self) -> Result<(), String> {
        for reply in self.replies()? {
            self.hear(&reply)
                .map_err(|problem| format!("{problem}, and not {reply:?}"))?;
        }
        loop {
            let next = self.model.next();
            let is_closed = self.session.closed.is_some();
            return match next {
                Next::Reply(expected) if expected.is_optional => continue,
                Next::Reply(expected) => Err(format!("silence where {:?} was due", expected.codes)),
                Next::HangUp if is_closed => {
                    self.model.place = Place::Closed;
                    Ok(())
                }
                Next::HangUp => Err("goes on where it should hang up".to_owned()),
                Next::Nothing => match is_closed == matches!(self.model.place, Place::Closed) {
                    true => Ok(()),
                    false => Err(format!("closed: {:?}", self.session.closed)),
                },
            };
        }
    }

    fn hear(&mut self, reply: &Reply) -> Result<(), String> {
        *self.heard.borrow_mut().entry(reply.code).or_default() += 1;
        if reply.code == 334 {
            self.challenge.clone_from(&reply.lines[0]);
        }
        match self.model.next() {
            Next::Reply(expected) => self.model.hear(expected, reply),
            Next::HangUp | Next::Nothing => Err("silence was due".to_owned()),
        }
    }

    fn replies(&mut self) -> Result<Vec<Reply>, String> {
        let mut replies: Vec<Reply> = Vec::new();
        let mut is_open = false;
        while let Some(line) = self.session.line() {
            let (code, rest) = line.split_at_checked(4).ok_or("a short reply")?;
            let text = std::str::from_utf8(&code[..3]).map_err(|e| e.to_string())?;
            let number: u16 = text.parse().map_err(|_| format!("a code of {text}"))?;
            match replies.last_mut().filter(|_| is_open) {
                Some(reply) if reply.code == number => reply.lines.push(rest.to_vec()),
                Some(_) => return Err("two codes in one reply".to_owned()),
                None => replies.push(Reply {
                    code: number,
                    lines: vec![rest.to_vec()],
                }),
            }
            is_open = code[3] == b'-';
        }
        match is_open {
            true => Err("half a reply".to_owned()),
            false => Ok(replies),
        }
    }

    /// Each message that was acknowledged is there once, and no other.
    // RFC 5321 4.2.5
    fn compare_spools(&self) -> Result<(), String> {
        let stored = self
            .session
            .stored
            .iter()
            .map(|(transaction, content, _)| Message {
                from: Some(transaction.reverse_path.as_bytes().to_vec()),
                to: transaction
                    .recipients
                    .iter()
                    .map(|one| Some(one.address.as_bytes().to_vec()))
                    .collect(),
                content: content.clone(),
            });
        let mut stored: Vec<Message> = stored.collect();
        let mut due = self.model.acknowledged.clone();
        if stored.len() > due.len() {
            due.extend(self.model.doubtful.iter().take(1).cloned());
        }
        // What the model could not say.
        for (is, should) in stored.iter_mut().zip(&due) {
            is.blur_like(should);
        }
        match stored == due {
            true => Ok(()),
            false => Err(format!("stored {stored:?}, but acknowledged {due:?}")),
        }
    }
}

#[test]
fn the_smtp_machine_keeps_to_the_model() {
    let heard = RefCell::new(BTreeMap::new());
    explore(1600, make, |seed, steps| take(seed, steps, &heard));
    // It would be no wonder if nothing had been said.
    let heard = heard.into_inner();
    eprintln!("{heard:?}");
    for code in CODES {
        assert!(heard.get(code) > Some(&5), "{code} of {heard:?}");
    }
}
