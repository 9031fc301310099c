//! Walks against the program, over TCP and TLS: some sessions at once, whose
//! clients leave in every manner, and a server that is killed and started again.

use std::cell::RefCell;
use std::fs;
use std::io::ErrorKind;
use std::net::Shutdown;

use emailrelay::store::Envelope;

use super::model::Model;
use super::rules::Rules;
use super::terms::{Expected, Message, Next, Place, Reply};
use super::walk::{ANSWER, Maker};
use crate::adversary::Octets;
use crate::adversary::explore;
use crate::adversary::lives::{in_pieces, interleaved};
use crate::adversary::sasl::{SECRETS, cram_line};
use crate::support::client::Client;
use crate::support::in_memory::Random;
use crate::support::program::{Scratch, Server};
use crate::support::secure::{pki_text, skip_without_tls, trusting};

/// How servers are configured; as far as their options are concerned all clients are
/// local.
const SETTINGS: &[&str] = &[
    "local, chunking, size 5000",
    "local, smtputf8",
    "local, starttls, chunking",
    "local, auth, starttls",
    "local, tls-required, starttls, no-pipelining",
];

const SESSIONS: usize = 3;

/// Has a client leave abruptly.
const LEAVES: usize = 7;
/// How much a client says.
const LENGTH: usize = 30;

/// What happens next in the world.
#[derive(Clone, Debug)]
enum Move {
    /// A client sends something in random pieces, and then waits for its replies or
    /// not.
    Say {
        session: usize,
        octets: Octets,
        cuts: u64,
        waits: bool,
    },
    /// A client leaves.
    Leave { session: usize, how: Manner },
    /// The server is killed or asked to stop, and started again.
    Restart { kills: bool },
}

#[derive(Clone, Copy, Debug)]
enum Manner {
    /// It has read all that was said.
    Quietly,
    /// It has not: the other side gets a reset.
    Abruptly,
    /// It says no more, but listens.
    HalfClosed,
}

struct Session {
    client: Client,
    model: Model,
    challenge: Vec<u8>,
    is_half_closed: bool,
}

struct World {
    rules: Rules,
    options: Vec<String>,
    spool: Scratch,
    _secrets: Scratch,
    server: Server,
    sessions: Vec<Option<Session>>,
    acknowledged: Vec<Message>,
    doubtful: Vec<Message>,
}

fn rules(seed: u64) -> Rules {
    let count = SETTINGS.len() - if skip_without_tls() { 3 } else { 0 };
    Rules::read(SETTINGS[usize::try_from(seed).unwrap() % count])
}

fn make(seed: u64) -> Vec<Move> {
    let mut random = Random::new(seed);
    let rules = rules(seed);
    let mut maker = Maker {
        random: &mut random,
        rules: &rules,
        serial: seed * 1000,
        may_guess: false,
        sense: 50,
    };
    let lives = (0..SESSIONS).map(|_| maker.pieces(LENGTH)).collect();
    let mut moves = Vec::new();
    for (session, octets) in interleaved(lives, maker.random) {
        let number = match octets.ends_with(b".\r\n") && maker.random.below(6) == 0 {
            // Nobody hears what came of the message.
            true => LEAVES,
            false => maker.random.below(100),
        };
        moves.push(Move::Say {
            session,
            octets: Octets(octets),
            cuts: maker.random.below(1 << 20) as u64,
            waits: number > 25,
        });
        match number {
            0 => moves.push(Move::Restart { kills: true }),
            1 if seed.is_multiple_of(3) => moves.push(Move::Restart { kills: false }),
            2..7 | LEAVES => moves.push(Move::Leave {
                session,
                how: [Manner::Quietly, Manner::Abruptly, Manner::HalfClosed][number % 3],
            }),
            _ => {}
        }
    }
    moves
}

fn options(rules: &Rules, secrets: &Scratch) -> Vec<String> {
    let mut options = Vec::new();
    let mut words = Vec::new();
    for (name, value) in &rules.pairs {
        match name.as_str() {
            "size" => options.push(format!("--size={value}")),
            "chunking" => words.push("chunking"),
            "smtputf8" => words.push("smtputf8"),
            "no-pipelining" => words.push("nopipelining"),
            "starttls" => {
                let certificate = pki_text("server-all.pem");
                options.push("--server-tls".to_owned());
                options.push(format!("--server-tls-certificate={certificate}"));
            }
            "tls-required" => options.push("--server-tls-required".to_owned()),
            "auth" => {
                let path = secrets.join("secrets");
                fs::write(&path, SECRETS).unwrap();
                options.push(format!("--server-auth={path}"));
            }
            "local" => {}
            other => panic!("no option for {other}"),
        }
    }
    if !words.is_empty() {
        options.push(format!("--server-smtp-config={}", words.join(",")));
    }
    options
}

fn start(spool: &Scratch, options: &[String]) -> Server {
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    Server::start(spool, &options)
}

fn take(seed: u64, moves: &[Move]) -> Result<(usize, usize), String> {
    let (spool, secrets, rules) = (Scratch::new(), Scratch::new(), rules(seed));
    let options = options(&rules, &secrets);
    let mut world = World {
        server: start(&spool, &options),
        sessions: (0..SESSIONS).map(|_| None).collect(),
        rules,
        options,
        spool,
        _secrets: secrets,
        acknowledged: Vec::new(),
        doubtful: Vec::new(),
    };
    for one in moves {
        let result = match one {
            Move::Say {
                session,
                octets,
                cuts,
                waits,
            } => world.say(*session, &octets.0, Random::new(*cuts), *waits),
            Move::Leave { session, how } => world.leave(*session, *how),
            Move::Restart { kills } => world.restart(*kills),
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
        if self.sessions[number].is_none() {
            let client = Client::silent(("127.0.0.1", self.server.port));
            let mut session = Session {
                client: client.map_err(|e| e.to_string())?,
                model: Model::new(self.rules.clone()),
                challenge: Vec::new(),
                is_half_closed: false,
            };
            session.listen()?;
            self.sessions[number] = Some(session);
        }
        let session = self.sessions[number].as_mut().unwrap();
        let mut octets = octets.to_vec();
        if octets == ANSWER.as_bytes() {
            session.listen()?;
            octets = cram_line(&session.challenge);
        }
        if !matches!(session.model.place, Place::Closed) {
            session.model.receive(&octets);
            for piece in in_pieces(&octets, cuts) {
                // One that has closed shows in what is heard.
                let _ = session.client.write(piece);
            }
            if waits {
                session.listen()?;
            }
        }
        if matches!(session.model.place, Place::Closed) {
            self.forget(number);
        }
        Ok(())
    }

    /// The session is over; what came of it remains.
    fn forget(&mut self, number: usize) {
        if let Some(session) = self.sessions[number].take() {
            self.acknowledged.extend(session.model.acknowledged);
            self.doubtful.extend(session.model.doubtful);
        }
    }

    fn leave(&mut self, number: usize, how: Manner) -> Result<(), String> {
        let Some(session) = &mut self.sessions[number] else {
            return Ok(());
        };
        match how {
            Manner::Quietly => session.listen()?,
            // An end without that of TLS says nothing of what came before.
            Manner::HalfClosed if !session.model.is_encrypted => {
                let socket = session.client.socket();
                // It may have closed by now.
                let _ = socket.shutdown(Shutdown::Write);
                session.is_half_closed = true;
                session.listen()?;
                session.expect_end()?;
            }
            Manner::Abruptly | Manner::HalfClosed => {}
        }
        session.model.hang_up(None);
        self.forget(number);
        Ok(())
    }

    fn restart(&mut self, kills: bool) -> Result<(), String> {
        match kills {
            true => self.server.program.kill(),
            false => {
                self.server.program.terminate();
                let status = self.server.program.wait();
                if !status.success() {
                    return Err(format!("ended with {status}"));
                }
            }
        }
        for number in 0..SESSIONS {
            if let Some(session) = &mut self.sessions[number] {
                session.model.hang_up(None);
            }
            self.forget(number);
        }
        self.server = start(&self.spool, &self.options);
        Ok(())
    }

    /// Everybody leaves, the server stops, and the spool is looked at.
    fn end(mut self) -> Result<(usize, usize), String> {
        for number in 0..SESSIONS {
            self.leave(number, Manner::Quietly)?;
        }
        self.server.program.terminate();
        let status = self.server.program.wait();
        if !status.success() {
            return Err(format!("ended with {status}"));
        }
        let mut stored = stored(&self.spool)?;
        // RFC 5321 4.2.5: what was acknowledged is there once.
        for message in &self.acknowledged {
            let message = behind_trace(message);
            let is_it = |one: &Message| message.may_be(one);
            let at = stored.iter().position(is_it);
            let at = at.ok_or_else(|| format!("lost: {message:?} of {stored:?}"))?;
            stored.swap_remove(at);
        }
        // RFC 1047: nobody was told of these, which may be there or not.
        for message in &self.doubtful {
            let message = behind_trace(message);
            if let Some(at) = stored.iter().position(|one| message.may_be(one)) {
                stored.swap_remove(at);
            }
        }
        match stored.is_empty() {
            true => Ok((self.acknowledged.len(), self.doubtful.len())),
            false => Err(format!("nobody has sent {stored:?}")),
        }
    }
}

/// A message as it has to be behind the trace field: if it begins with a blank, an
/// empty line keeps it from continuing that field (RFC 5322 2.2.3).
fn behind_trace(message: &Message) -> Message {
    let mut message = message.clone();
    if message.content.starts_with(b" ") || message.content.starts_with(b"\t") {
        message.content.splice(..0, *b"\r\n");
    }
    message
}

/// The messages in a spool, in which nothing else may be.
fn stored(spool: &Scratch) -> Result<Vec<Message>, String> {
    let names = spool.names();
    let mut messages = Vec::new();
    for name in names.iter().filter(|name| name.ends_with(".envelope")) {
        let path = spool.path().join(name);
        let envelope = Envelope::parse(&fs::read(&path).unwrap()).unwrap();
        let content = fs::read(path.with_extension("content")).map_err(|e| e.to_string())?;
        let to = envelope.remote_recipients.iter();
        messages.push(Message {
            from: Some(envelope.reverse_path.as_bytes().to_vec()),
            to: to.map(|one| Some(one.as_bytes().to_vec())).collect(),
            content: without_trace(&content)?.to_vec(),
        });
    }
    match names.len() == 2 * messages.len() {
        true => Ok(messages),
        false => Err(format!("left in the spool: {names:?}")),
    }
}

/// Content without what the server has put before it: a line of its own, whatever the
/// client's first line begins with (docs/rfc.md, RFC 5321 4.4).
fn without_trace(content: &[u8]) -> Result<&[u8], String> {
    let end = content.windows(2).position(|pair| pair == b"\r\n");
    let end = end.filter(|_| content.starts_with(b"Received: "));
    let end = end.ok_or_else(|| format!("no trace: {}", content.escape_ascii()))?;
    Ok(&content[end + 2..])
}

impl Session {
    /// Reads all that is due.
    fn listen(&mut self) -> Result<(), String> {
        loop {
            match self.model.next() {
                Next::Reply(expected) => self.hear(expected)?,
                Next::HangUp => {
                    self.model.place = Place::Closed;
                    return self.expect_end();
                }
                Next::Nothing => match self.model.place {
                    Place::Closed => return self.expect_end(),
                    Place::Handshake if self.is_half_closed => return Ok(()),
                    Place::Handshake => {
                        let settings = trusting("");
                        let result = self.client.start_tls(&settings);
                        result.map_err(|error| format!("no handshake: {error}"))?;
                        self.model.encrypted();
                    }
                    _ => return Ok(()),
                },
            }
        }
    }

    fn hear(&mut self, expected: Expected) -> Result<(), String> {
        let text = match self.client.reply() {
            Ok(text) => text,
            // Who closes with something unread resets the connection, and what it
            // had said before may be lost.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                return match self.model.hang_up(Some(expected)) {
                    true => Ok(()),
                    false => Err("reset".to_owned()),
                };
            }
            Err(error) => return Err(format!("{error} where {:?} was due", expected.codes)),
        };
        let reply = parsed(&text)?;
        if reply.code == 334 {
            self.challenge.clone_from(&reply.lines[0]);
        }
        let result = self.model.hear(expected, &reply);
        result.map_err(|problem| format!("{problem}, and not {text}"))
    }

    /// Nothing more may come, but for an alert of TLS that nobody waits for.
    fn expect_end(&mut self) -> Result<(), String> {
        let rest = self.client.rest();
        match rest.first() {
            None | Some(0x15) => Ok(()),
            _ => Err(format!("silence was due, and not {}", rest.escape_ascii())),
        }
    }
}

fn parsed(text: &str) -> Result<Reply, String> {
    let lines: Vec<&str> = text.split('\n').collect();
    let code = text.get(..3).and_then(|code| code.parse().ok());
    let code = code.ok_or_else(|| format!("no reply: {text}"))?;
    let is_same = |line: &&str| line.starts_with(&text[..3]);
    match lines.iter().all(is_same) {
        true => Ok(Reply {
            code,
            lines: lines
                .iter()
                .map(|line| line.get(4..).unwrap_or_default().as_bytes().to_vec())
                .collect(),
        }),
        false => Err(format!("two codes in one reply: {text}")),
    }
}

#[test]
fn the_smtp_server_keeps_to_the_model_through_kills() {
    // Messages that were acknowledged, and those of which nobody was told.
    let found = RefCell::new((0, 0));
    explore(12, make, |seed, moves| {
        let (acknowledged, doubtful) = take(seed, moves)?;
        let mut found = found.borrow_mut();
        *found = (found.0 + acknowledged, found.1 + doubtful);
        Ok(())
    });
    let found = found.into_inner();
    eprintln!("{found:?}");
    assert!(found.0 > 50 && found.1 > 3, "{found:?}");
}
