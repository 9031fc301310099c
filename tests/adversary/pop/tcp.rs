//! Walks against the program, over TCP and TLS: some sessions at one maildrop, whose
//! clients leave in every manner, and a server that is killed and started again.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::net::Shutdown;
use std::ops::Range;
use std::time::Instant;

use emailrelay::base::base64;

use super::model::{Body, Expected, Model, Next, Place, Rules};
use super::program::{options, start};
use super::walk::{ANSWER, APOP, Maker, messages};
use crate::adversary::lives::{in_pieces, interleaved};
use crate::adversary::sasl::{PASSWORD, USER, apop, cram_line};
use crate::adversary::{Octets, explore};
use crate::support::in_memory::Random;
use crate::support::pop::{Pop, plant};
use crate::support::program::{PATIENCE, Scratch, Server};
use crate::support::secure::{skip_without_tls, trusting};

/// How servers are configured; all clients are local.
const SETTINGS: &[&str] = &[
    "local",
    "local, no-delete",
    "local, stls",
    "local, stls, tls-required",
];

const SESSIONS: usize = 3;
const LENGTH: usize = 25;
const MESSAGES: usize = 40;

/// What happens next in the world.
#[derive(Clone, Debug)]
enum Move {
    /// A client sends something in random pieces, and then waits for its responses or
    /// not.
    Say {
        session: usize,
        octets: Octets,
        cuts: u64,
        waits: bool,
    },
    /// A client leaves, with all that it was to hear unheard or not.
    Leave { session: usize, listens: bool },
    /// A client says no more, but listens.
    HalfClose { session: usize },
    /// The server is killed and started again.
    Kill,
}

struct Session {
    pop: Pop,
    model: Model,
    is_half_closed: bool,
}

struct World {
    rules: Rules,
    options: Vec<String>,
    spool: Scratch,
    _secrets: Scratch,
    server: Server,
    port: u16,
    sessions: Vec<Option<Session>>,
    /// What is in the maildrop, by unique id.
    messages: BTreeMap<String, Vec<u8>>,
    deleted: usize,
    /// How many sessions the server has told the end of.
    closed: usize,
    /// The session that has said something which is not answered yet: one at most, so
    /// that it is known who was first.
    lagging: Option<usize>,
}

fn rules(seed: u64) -> Rules {
    let count = SETTINGS.len() - if skip_without_tls() { 2 } else { 0 };
    Rules::read(SETTINGS[usize::try_from(seed).unwrap() % count])
}

fn make(seed: u64) -> Vec<Move> {
    let mut random = Random::new(seed);
    let mut maker = Maker {
        random: &mut random,
        may_guess: false,
        sense: 25,
    };
    let lives = (0..SESSIONS).map(|_| maker.pieces(LENGTH)).collect();
    let mut moves = Vec::new();
    for (session, octets) in interleaved(lives, maker.random) {
        let number = maker.random.below(100);
        moves.push(Move::Say {
            session,
            octets: Octets(octets),
            cuts: maker.random.below(1 << 20) as u64,
            waits: number > 20,
        });
        match number {
            0 => moves.push(Move::Kill),
            1 => moves.push(Move::HalfClose { session }),
            2..6 | 30..33 => moves.push(Move::Leave {
                session,
                listens: number > 20,
            }),
            _ => {}
        }
    }
    moves
}

/// Gives the number of messages that were deleted.
fn take(seed: u64, moves: &[Move]) -> Result<usize, String> {
    let (spool, secrets, rules) = (Scratch::new(), Scratch::new(), rules(seed));
    let mut planted = BTreeMap::new();
    for (number, content) in messages(MESSAGES).into_iter().enumerate() {
        let id = plant(spool.path(), number, &content);
        planted.insert(format!("{id}.content"), content);
    }
    let options = options(&rules, &secrets);
    let (server, port) = start(&spool, &options);
    let mut world = World {
        server,
        port,
        sessions: (0..SESSIONS).map(|_| None).collect(),
        rules,
        options,
        spool,
        _secrets: secrets,
        messages: planted,
        deleted: 0,
        closed: 0,
        lagging: None,
    };
    for one in moves {
        let result = match one {
            Move::Say {
                session,
                octets,
                cuts,
                waits,
            } => world.say(*session, &octets.0, Random::new(*cuts), *waits),
            Move::Leave { session, listens } => world.leave(*session, *listens),
            Move::HalfClose { session } => world.half_close(*session),
            Move::Kill => world.kill(),
        };
        result.map_err(|problem| format!("{one:?}: {problem}"))?;
    }
    world.end()
}

impl World {
    fn say(
        &mut self,
        number: usize,
        octets: &[u8],
        cuts: Random,
        waits: bool,
    ) -> Result<(), String> {
        self.settle(number)?;
        if self.sessions[number].is_none() {
            let pop = Pop::knock(self.port).map_err(|error| error.to_string())?;
            self.sessions[number] = Some(Session {
                pop,
                model: Model::new(self.rules.clone(), Vec::new()),
                is_half_closed: false,
            });
            self.listen(number)?;
        }
        if [ANSWER, APOP].contains(&octets) {
            self.listen(number)?;
        }
        let Some(session) = &mut self.sessions[number] else {
            return Ok(());
        };
        let octets = match octets {
            ANSWER => cram_line(&session.model.challenge),
            APOP => {
                let timestamp = session.model.timestamp.clone().unwrap_or_default();
                [b"APOP ", USER, b" ", &apop(&timestamp), b"\r\n"].concat()
            }
            octets => octets.to_vec(),
        };
        session.model.pending.extend_from_slice(&octets);
        if !matches!(session.model.place, Place::Transaction { .. }) {
            session.model.messages = self
                .messages
                .iter()
                .map(|(id, content)| (id.clone(), content.clone()))
                .collect();
        }
        for piece in in_pieces(&octets, cuts) {
            // One that has closed shows in what is heard.
            let _ = session.pop.write(piece);
        }
        match waits {
            true => self.listen(number),
            false => {
                self.lagging = Some(number);
                Ok(())
            }
        }
    }

    /// Hears out those who lag behind, before another one acts.
    fn settle(&mut self, number: usize) -> Result<(), String> {
        match self.lagging {
            Some(lagging) if lagging != number => self.listen(lagging),
            _ => Ok(()),
        }
    }

    /// Whether a login of this session finds the maildrop in use.
    fn is_in_use(&self, number: usize) -> bool {
        let others = self.sessions.iter().enumerate();
        let mut others = others
            .filter(|(at, _)| *at != number)
            .filter_map(|(_, other)| other.as_ref());
        // Nobody is kept out where nothing is deleted (docs/pop.md).
        !self.rules.no_delete
            && others.any(|other| matches!(other.model.place, Place::Transaction { .. }))
    }

    /// Reads all that is due.
    fn listen(&mut self, number: usize) -> Result<(), String> {
        loop {
            let is_in_use = self.is_in_use(number);
            let Some(session) = &mut self.sessions[number] else {
                return Ok(());
            };
            session.model.is_in_use = is_in_use;
            match session.model.next() {
                Next::Response(expected) => self.hear(number, expected)?,
                Next::HangUp => session.model.place = Place::Closed,
                Next::Nothing => match session.model.place {
                    Place::Closed => {
                        session.expect_end()?;
                        return self.forget(number..number + 1, false);
                    }
                    Place::Handshake if session.is_half_closed => return Ok(()),
                    Place::Handshake => {
                        let result = session.pop.start_tls(&trusting(""));
                        result.map_err(|error| format!("no handshake: {error}"))?;
                        session.model.encrypted();
                    }
                    _ => {
                        self.lagging.take_if(|lagging| *lagging == number);
                        return Ok(());
                    }
                },
            }
        }
    }

    fn hear(&mut self, number: usize, expected: Expected) -> Result<(), String> {
        let session = self.sessions[number].as_mut().unwrap();
        let line = match session.pop.raw_line() {
            Ok(line) => line,
            // Who closes with something unread resets the connection.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                return match session.model.hang_up(Some(expected)) {
                    true => Ok(()),
                    false => Err("reset".to_owned()),
                };
            }
            Err(error) => return Err(format!("{error} where {expected:?} was due")),
        };
        let text = line.escape_ascii();
        let heard = session.model.hear(expected, &line);
        let body = heard.map_err(|problem| format!("{problem}, and not {text}"))?;
        if body == Body::None {
            return Ok(());
        }
        let mut lines = Vec::new();
        while !lines.ends_with(b"\r\n.\r\n") && lines != b".\r\n" {
            let line = session.pop.raw_line();
            lines.extend(line.map_err(|error| format!("a response without an end: {error}"))?);
            lines.extend_from_slice(b"\r\n");
        }
        session.model.check_body(&body, &lines)
    }

    /// Sessions are over; what they have deleted is gone, or may be.
    fn forget(&mut self, numbers: Range<usize>, is_killed: bool) -> Result<(), String> {
        let mut doubtful = BTreeSet::new();
        for number in numbers {
            self.lagging.take_if(|lagging| *lagging == number);
            let Some(Session { model, .. }) = self.sessions[number].take() else {
                continue;
            };
            self.closed += 1;
            let id = |number: &usize| model.messages[number - 1].0.clone();
            doubtful.extend(model.doubtful.iter().map(id));
            for id in model.deleted.iter().map(id) {
                self.messages.remove(&id);
                self.deleted += 1;
            }
        }
        if !is_killed {
            let text = "pop connection closed: ";
            self.server.program.wait_for_nth(text, self.closed);
        }
        if !is_killed && !doubtful.is_empty() {
            self.await_maildrop()?;
        }
        self.look(&doubtful)
    }

    /// Waits until a session that has left in the midst of its QUIT has deleted what it
    /// had to: until then the maildrop is in use.
    fn await_maildrop(&mut self) -> Result<(), String> {
        let until = Instant::now() + PATIENCE;
        loop {
            let mut pop = Pop::open(self.port).map_err(|error| error.to_string())?.0;
            if self.rules.tls_required {
                pop.ok("STLS");
                let result = pop.start_tls(&trusting(""));
                result.map_err(|error| format!("no handshake: {error}"))?;
            }
            let response = base64::encode(&[b"\0", USER, b"\0", PASSWORD].concat());
            let response = String::from_utf8(response).unwrap();
            let told = pop.say(&format!("AUTH PLAIN {response}"));
            pop.quit();
            self.closed += 1;
            match told.starts_with("-ERR [IN-USE]") {
                false if told.starts_with("+OK") => return Ok(()),
                true if Instant::now() < until => {}
                _ => return Err(format!("the maildrop cannot be opened: {told}")),
            }
        }
    }

    /// Looks into the maildrop, where these may be gone.
    // RFC 1939 6: deleted at QUIT and by nothing else.
    fn look(&mut self, doubtful: &BTreeSet<String>) -> Result<(), String> {
        let names = self.spool.names();
        let is_there = |id: &str| names.contains(&id.replace(".content", ".envelope"));
        let is_lost = |id: &&String| !is_there(id) && !doubtful.contains(*id);
        if let Some(id) = self.messages.keys().find(is_lost) {
            return Err(format!("{id} is lost"));
        }
        self.messages.retain(|id, _| is_there(id));
        let envelopes = names.iter().filter(|name| name.ends_with(".envelope"));
        match envelopes.count() == self.messages.len() {
            true => Ok(()),
            false => Err(format!("there is what was deleted: {names:?}")),
        }
    }

    fn leave(&mut self, number: usize, listens: bool) -> Result<(), String> {
        self.settle(number)?;
        if listens {
            self.listen(number)?;
        }
        let is_in_use = self.is_in_use(number);
        let Some(session) = &mut self.sessions[number] else {
            return Ok(());
        };
        session.model.is_in_use = is_in_use;
        session.model.hang_up(None);
        self.forget(number..number + 1, false)
    }

    fn half_close(&mut self, number: usize) -> Result<(), String> {
        self.settle(number)?;
        let Some(session) = &mut self.sessions[number] else {
            return Ok(());
        };
        // An end without that of TLS says nothing of what came before.
        if session.model.is_encrypted {
            return self.leave(number, true);
        }
        // It may have closed by now.
        let _ = session.pop.socket().shutdown(Shutdown::Write);
        session.is_half_closed = true;
        self.listen(number)?;
        match &mut self.sessions[number] {
            Some(session) => session.expect_end()?,
            None => return Ok(()),
        }
        self.leave(number, false)
    }

    fn kill(&mut self) -> Result<(), String> {
        self.server.program.kill();
        for session in self.sessions.iter_mut().flatten() {
            session.model.hang_up(None);
        }
        self.forget(0..SESSIONS, true)?;
        self.closed = 0;
        (self.server, self.port) = start(&self.spool, &self.options);
        Ok(())
    }

    /// Everybody leaves, the server stops, and the maildrop is looked at.
    fn end(mut self) -> Result<usize, String> {
        for number in 0..SESSIONS {
            self.leave(number, true)?;
        }
        self.server.program.terminate();
        let status = self.server.program.wait();
        if !status.success() {
            return Err(format!("ended with {status}"));
        }
        self.look(&BTreeSet::new())?;
        for (id, content) in &self.messages {
            let path = self.spool.path().join(id);
            if fs::read(path).is_ok_and(|octets| octets != *content) {
                return Err(format!("{id} is not what it was"));
            }
        }
        Ok(self.deleted)
    }
}

impl Session {
    /// Nothing more may come, but for an alert of TLS that nobody waits for.
    fn expect_end(&mut self) -> Result<(), String> {
        match self.pop.raw_line() {
            Ok(line) if line.first() != Some(&0x15) => {
                Err(format!("silence was due, and not {}", line.escape_ascii()))
            }
            _ => Ok(()),
        }
    }
}

#[test]
fn the_pop_server_keeps_to_the_model_through_kills() {
    let deleted = RefCell::new(0);
    explore(20, make, |seed, moves| {
        *deleted.borrow_mut() += take(seed, moves)?;
        Ok(())
    });
    let deleted = deleted.into_inner();
    eprintln!("{deleted} messages deleted");
    assert!(deleted > 10, "{deleted}");
}
