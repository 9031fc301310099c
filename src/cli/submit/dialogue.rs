//! SMTP on standard input and output, into the spool: what mail programs start as
//! `sendmail -bs`.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use crate::base::{ByteQueue, OneLine, xtext};
use crate::proto::sasl::{Answer, Channel};
use crate::proto::smtp::path::PathRules;
use crate::proto::smtp::reply::Reply;
use crate::proto::smtp::server::{
    Action, Client, CloseReason, ContentFacts, Event, Machine, Settings, Transaction, Verdict,
};
use crate::proto::smtp::trace::{self, TraceFacts};
use crate::relay::verdict;
use crate::store::{self, Commit, Encoding, Envelope, Spool, Writer};
use crate::sys::{self, random, time};

use super::input::LineEnds;
use super::problem::{Kind, Problem};
use super::{Place, compose};

/// How much is read at once, in octets.
const READ_MAX: usize = 64 << 10;

/// How much input may wait, in octets: more than the longest command, and what has been
/// read, of which each octet may become two.
const INPUT_MAX: usize = 3 * READ_MAX;

/// Speaks SMTP until the client quits or its input ends.
pub(super) fn run(place: &Place) -> Result<(), Problem> {
    let spool = place.open()?;
    let mut session = Session::new(spool, place.own_name());
    let mut input = ByteQueue::new(INPUT_MAX);
    let mut source = io::stdin().lock();
    let mut line_ends = LineEnds::default();
    let mut buffer = vec![0; READ_MAX];
    let mut actions = Vec::new();
    session.machine.greet(Instant::now(), false, &mut actions);
    session.perform(actions)?;
    while session.closed.is_none() {
        let room = (input.room() / 2).min(buffer.len());
        let count = match source.read(buffer.get_mut(..room).unwrap_or_default()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result.map_err(|error| {
                let text = format!("cannot read: {}", sys::reason(&error));
                Problem::new(Kind::InputOutput, text)
            })?,
        };
        input.push(&line_ends.repaired(buffer.get(..count).unwrap_or_default()));
        session.receive(&mut input)?;
        if count == 0 && session.closed.is_none() {
            let mut actions = Vec::new();
            session.machine.peer_closed(&mut actions);
            session.perform(actions)?;
            break;
        }
    }
    match session.closed {
        None | Some(CloseReason::Quit | CloseReason::PeerClosed) => Ok(()),
        Some(reason) => {
            let text = format!("cannot go on with the dialogue: {}", reason.explain());
            Err(Problem::new(Kind::Protocol, text))
        }
    }
}

/// The session and the message that is being received.
struct Session {
    spool: Spool,
    own_name: OneLine,
    machine: Machine,
    message: Option<Message>,
    closed: Option<CloseReason>,
}

struct Message {
    transaction: Box<Transaction>,
    /// None any more once writing has failed, for this reason.
    writer: Result<Writer, Reply>,
    /// Whether nothing of the content has come yet.
    is_fresh: bool,
}

impl Session {
    fn new(spool: Spool, own_name: OneLine) -> Session {
        let settings = Settings {
            domain: own_name.clone(),
            path_rules: PathRules::Lenient,
            // No CHUNKING: what is counted cannot have its line ends repaired.
            smtputf8: true,
            // A caller that does not wait for the greeting is no stranger, and one
            // that takes its time keeps nobody else waiting.
            refuse_early_talkers: false,
            idle_timeout: None,
            ..Settings::default()
        };
        let mut random = [0; 32];
        random::bytes(&mut random);
        let client = Client {
            channel: Channel::Clear,
            random,
            connected_at: time::wall_clock().unix_seconds(),
        };
        Session {
            spool,
            own_name,
            machine: Machine::new(Arc::new(settings), client),
            message: None,
            closed: None,
        }
    }

    /// Lets the machine work until it needs more input.
    fn receive(&mut self, input: &mut ByteQueue) -> Result<(), Problem> {
        loop {
            let before = input.len();
            let mut actions = Vec::new();
            self.machine.receive(Instant::now(), input, &mut actions);
            let is_idle = actions.is_empty() && input.len() == before;
            self.perform(actions)?;
            if is_idle || self.closed.is_some() {
                return Ok(());
            }
        }
    }

    /// Does what the machine asks for; what it waits for is there at once.
    fn perform(&mut self, actions: Vec<Action>) -> Result<(), Problem> {
        let mut output = Vec::new();
        let mut left = actions;
        while !left.is_empty() {
            let mut more = Vec::new();
            for action in left {
                match action {
                    Action::Reply(reply) => output.extend(reply.render()),
                    Action::Begin(transaction) => self.begin(transaction),
                    Action::Content(octets) => self.append(&octets),
                    Action::Commit(facts) => {
                        let stored = self.commit(&facts);
                        let event = stored.map_or_else(Event::Answered, Event::Stored);
                        self.machine.resume(Instant::now(), event, &mut more);
                    }
                    Action::Discard => self.message = None,
                    Action::Close(reason) => self.closed = Some(reason),
                    // Neither logins, nor TLS, nor a verifier is offered here.
                    Action::Authenticate(_) | Action::HoldBack(_) => {
                        let refused = Event::Authenticated(Err(Answer::Unsupported));
                        self.machine.resume(Instant::now(), refused, &mut more);
                    }
                    Action::Verify(_) => {
                        let verdict = Verdict::Remote {
                            address: OneLine::default(),
                        };
                        let verified = Event::Verified(verdict);
                        self.machine.resume(Instant::now(), verified, &mut more);
                    }
                    Action::Command(_) | Action::Warn(_) | Action::StartTls => {}
                }
            }
            left = more;
        }
        let mut sink = io::stdout().lock();
        let written = sink.write_all(&output).and_then(|()| sink.flush());
        written.map_err(|error| {
            let text = format!("cannot write: {}", sys::reason(&error));
            Problem::new(Kind::InputOutput, text)
        })
    }

    fn begin(&mut self, transaction: Box<Transaction>) {
        let mut writer = self.spool.create();
        let id = OneLine::escaped(writer.id().to_string());
        let header = trace::received(&TraceFacts {
            helo: &transaction.helo,
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            domain: &self.own_name,
            protocol: transaction.protocol,
            tls: None,
            authenticated: false,
            id: &id,
            date: time::wall_clock(),
        });
        let writer = match writer.append(&header) {
            Ok(()) => Ok(writer),
            Err(error) => Err(verdict::of_store_error(&error)),
        };
        self.message = Some(Message {
            transaction,
            writer,
            is_fresh: true,
        });
    }

    fn append(&mut self, octets: &[u8]) {
        let Some(message) = &mut self.message else {
            return;
        };
        let seam = match std::mem::take(&mut message.is_fresh) {
            true => trace::seam(octets),
            false => b"",
        };
        if let Ok(writer) = &mut message.writer
            && let Err(error) = writer.append(seam).and_then(|()| writer.append(octets))
        {
            message.writer = Err(verdict::of_store_error(&error));
        }
    }

    fn commit(&mut self, facts: &ContentFacts) -> Result<OneLine, Reply> {
        let message = self.message.take();
        let message = message.expect("invariant: a message was begun");
        let commit = Commit {
            writer: message.writer?,
            last: Vec::new(),
            envelope: envelope(&message.transaction, facts, &self.own_name),
        };
        let result = store::commit(vec![commit]).pop();
        match result.expect("invariant: one result for each message") {
            Ok(receipt) => Ok(OneLine::escaped(receipt.id.to_string())),
            Err(error) => Err(verdict::of_store_error(&error)),
        }
    }
}

fn envelope(transaction: &Transaction, facts: &ContentFacts, own_name: &OneLine) -> Envelope {
    let qualified = |address| compose::qualified(address, Some(own_name));
    let recipients = transaction.recipients.iter();
    Envelope {
        encoding: match facts.eight_bit {
            Some(true) => Encoding::EightBit,
            Some(false) => Encoding::SevenBit,
            None => Encoding::Unknown,
        },
        reverse_path: qualified(&transaction.reverse_path),
        remote_recipients: recipients.map(|one| qualified(&one.address)).collect(),
        authentication: OneLine::escaped(xtext::encode(transaction.identity.as_bytes())),
        client_address: OneLine::escaped("127.0.0.1"),
        mail_auth_in: transaction.auth_parameter.clone().unwrap_or_default(),
        utf8: transaction.smtputf8,
        ..Envelope::default()
    }
}
