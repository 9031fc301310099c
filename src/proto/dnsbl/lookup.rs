//! One question to one zone: asked, repeated and put to other servers until there
//! is an answer, or nobody is left to give one.

use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use super::answer::{self, Answer};
use super::{Action, SERVERS_MAX, TRIES_MAX, text};
use crate::base::OneLine;
use crate::base::log::Level;
use crate::proto::dns::{Kind, Name, Query, Rcode, Reply, TcpReader};

/// What became of the question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Listed(Vec<Ipv4Addr>),
    NotListed,
    /// No server had an answer.
    Unanswered,
}

/// A question, and where it was put. The sockets have the numbers from
/// `first_socket` on, one for each server.
#[derive(Debug)]
pub(super) struct Lookup {
    zone: Name,
    name: Name,
    first_socket: usize,
    servers: Vec<Server>,
    tries: u8,
    /// How long to wait for one try before the next one.
    patience: Duration,
    retry_at: Option<Instant>,
    outcome: Option<Outcome>,
}

#[derive(Debug)]
struct Server {
    address: SocketAddr,
    /// RFC 5452 9.2: each server is asked with an id of its own that nobody can guess.
    id: u16,
    phase: Phase,
    has_stray: bool,
}

#[derive(Debug)]
enum Phase {
    /// Not asked yet.
    Idle,
    /// Asked over UDP. The socket stays open, and repeats go out from it, so that a
    /// late reply to an early try still counts.
    Udp,
    /// Asked over TCP, since the reply did not fit into a datagram.
    Tcp(TcpReader),
    /// Of no more use.
    Closed,
}

impl Lookup {
    /// Prepares to ask `servers`, the first [`SERVERS_MAX`] of them, for `name`, with
    /// ids from `random`.
    pub(super) fn new(
        zone: Name,
        name: Name,
        first_socket: usize,
        servers: &[SocketAddr],
        timeout: Duration,
        random: &mut dyn FnMut() -> u64,
    ) -> Lookup {
        let server = |address: &SocketAddr| {
            let [high, low, ..] = random().to_ne_bytes();
            Server {
                address: *address,
                id: u16::from_ne_bytes([high, low]),
                phase: Phase::Idle,
                has_stray: false,
            }
        };
        Lookup {
            zone,
            name,
            first_socket,
            servers: servers.iter().take(SERVERS_MAX).map(server).collect(),
            tries: 0,
            patience: timeout / u32::from(TRIES_MAX),
            retry_at: None,
            outcome: None,
        }
    }

    pub(super) fn zone(&self) -> &Name {
        &self.zone
    }

    /// What became of it; `None` while an answer may come, and once given up.
    pub(super) fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// When the next try is due.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Asks the next server that may have an answer, or the same one again.
    pub(super) fn ask(&mut self, now: Instant, out: &mut Vec<Action>) {
        let count = self.servers.len();
        let mut turns = (0..count).map(|step| (usize::from(self.tries) + step) % count);
        let is_willing = |index: &usize| {
            let phase = self.servers.get(*index).map(|server| &server.phase);
            matches!(phase, Some(Phase::Idle | Phase::Udp))
        };
        let next = turns.find(is_willing);
        match next.filter(|_| self.tries < TRIES_MAX) {
            Some(index) => {
                self.tries += 1;
                self.send(index, out);
                self.wait(now);
            }
            None => {
                self.retry_at = None;
                if !self.servers.iter().any(Server::is_open) {
                    self.outcome = Some(Outcome::Unanswered);
                }
            }
        }
    }

    pub(super) fn timeout(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.retry_at.is_some_and(|retry_at| retry_at <= now) {
            self.ask(now, out);
        }
    }

    /// Takes a datagram that came in from the server of that number.
    pub(super) fn datagram(
        &mut self,
        now: Instant,
        index: usize,
        message: &[u8],
        out: &mut Vec<Action>,
    ) {
        let Some(server) = self.servers.get_mut(index) else {
            return;
        };
        if !matches!(server.phase, Phase::Udp) {
            return;
        }
        match Reply::parse(message, &server.query(&self.name)) {
            Ok(reply) if reply.truncated && reply.rcode == Rcode::NoError => {
                self.ask_over_tcp(now, index, out);
            }
            Ok(reply) => self.conclude(now, index, &reply, out),
            // RFC 5452 9.1: the real reply may still come.
            Err(error) if error.is_stray() => {
                // One line per socket, or a flood of forged replies would fill the log.
                if !std::mem::replace(&mut server.has_stray, true) {
                    let line = text::ignored(server.address, &self.zone, &error);
                    out.push(Action::Note(Level::Warning, line));
                }
            }
            Err(error) => self.failed(now, index, &error, out),
        }
    }

    /// Takes a piece of the TCP stream from the server of that number.
    pub(super) fn stream(
        &mut self,
        now: Instant,
        index: usize,
        piece: &[u8],
        out: &mut Vec<Action>,
    ) {
        let Some(server) = self.servers.get_mut(index) else {
            return;
        };
        let Phase::Tcp(reader) = &mut server.phase else {
            return;
        };
        let message = match reader.receive(piece) {
            Ok(None) => return,
            Ok(Some(message)) => message,
            Err(error) => return self.failed(now, index, &error, out),
        };
        match Reply::parse(&message, &server.query(&self.name)) {
            Ok(reply) if reply.truncated && reply.rcode == Rcode::NoError => {
                self.failed(now, index, &"truncated over tcp", out);
            }
            Ok(reply) => self.conclude(now, index, &reply, out),
            // Only the server itself could send it, so there is no better one to wait for.
            Err(error) => self.failed(now, index, &error, out),
        }
    }

    /// Notes that a server has no answer, and asks another one.
    pub(super) fn failed(
        &mut self,
        now: Instant,
        index: usize,
        reason: &dyn Display,
        out: &mut Vec<Action>,
    ) {
        let Some(server) = self.servers.get(index).filter(|server| server.is_open()) else {
            return;
        };
        let line = text::server_failed(server.address, &self.zone, reason);
        self.give_up_server(now, index, Level::Verbose, line, out);
    }

    /// Closes all sockets; what comes now comes too late.
    pub(super) fn close(&mut self, out: &mut Vec<Action>) {
        self.retry_at = None;
        for index in 0..self.servers.len() {
            self.close_server(index, out);
        }
    }

    /// Acts on a complete reply that was meant for us.
    fn conclude(&mut self, now: Instant, index: usize, reply: &Reply, out: &mut Vec<Action>) {
        match (reply.rcode, answer::read(reply, &self.name)) {
            (Rcode::NoError, Answer::Listed(values)) => self.finish(Outcome::Listed(values), out),
            // Another server may be one by way of which the list does answer.
            (Rcode::NoError, Answer::Refused(values)) => {
                let Some(server) = self.servers.get(index) else {
                    return;
                };
                let line = text::refused(server.address, &self.zone, &values);
                self.give_up_server(now, index, Level::Warning, line, out);
            }
            (Rcode::NoError, Answer::NotListed { foreign }) => {
                if !foreign.is_empty() {
                    let line = text::foreign(&self.zone, &foreign);
                    out.push(Action::Note(Level::Warning, line));
                }
                self.finish(Outcome::NotListed, out);
            }
            (Rcode::NxDomain, _) => self.finish(Outcome::NotListed, out),
            (rcode, _) => self.failed(now, index, &rcode, out),
        }
    }

    fn finish(&mut self, outcome: Outcome, out: &mut Vec<Action>) {
        self.outcome = Some(outcome);
        self.close(out);
    }

    fn give_up_server(
        &mut self,
        now: Instant,
        index: usize,
        level: Level,
        line: OneLine,
        out: &mut Vec<Action>,
    ) {
        out.push(Action::Note(level, line));
        self.close_server(index, out);
        self.ask(now, out);
    }

    fn send(&mut self, index: usize, out: &mut Vec<Action>) {
        if let Some(server) = self.servers.get_mut(index) {
            server.phase = Phase::Udp;
            out.push(Action::SendUdp {
                socket: self.first_socket + index,
                server: server.address,
                message: server.query(&self.name).message(),
            });
        }
    }

    // RFC 7766 5: with TC set, the same question is put over TCP.
    fn ask_over_tcp(&mut self, now: Instant, index: usize, out: &mut Vec<Action>) {
        self.close_server(index, out);
        if let Some(server) = self.servers.get_mut(index) {
            server.phase = Phase::Tcp(TcpReader::new());
            out.push(Action::ConnectTcp {
                socket: self.first_socket + index,
                server: server.address,
                message: server.query(&self.name).framed_message(),
            });
        }
        self.wait(now);
    }

    /// Gives the try that has just been made its time. The last one has all that is
    /// left of the whole.
    fn wait(&mut self, now: Instant) {
        self.retry_at = (self.tries < TRIES_MAX).then(|| now + self.patience);
    }

    fn close_server(&mut self, index: usize, out: &mut Vec<Action>) {
        if let Some(server) = self.servers.get_mut(index) {
            if server.is_open() {
                out.push(Action::CloseSocket {
                    socket: self.first_socket + index,
                });
            }
            server.phase = Phase::Closed;
        }
    }
}

impl Server {
    fn query(&self, name: &Name) -> Query {
        Query {
            id: self.id,
            name: name.clone(),
            kind: Kind::A,
        }
    }

    /// Whether there is a socket that an answer may come in by.
    fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Udp | Phase::Tcp(_))
    }
}
