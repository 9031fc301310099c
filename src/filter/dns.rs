//! Asking name servers on a worker: one question, put to several servers until
//! one of them has an answer.
//!
//! Each question goes out from a port of its own and with an id of its own for each
//! server, and only that server's words about just that question are listened to.
// RFC 5452 9.1, 9.2: what is compared, and what must not be guessed.

use std::fmt;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use crate::net::address::{Host, HostPort, Target};
use crate::net::dialogue::{Dialogue, Trouble};
use crate::proto::dns::{Kind, Name, Query, Reply, TcpReader, UDP_MESSAGE_MAX};
use crate::sys::datagram::Datagrams;
use crate::sys::patience::{Impatience, Patience};
use crate::sys::poll::Entry;
use crate::sys::{self, random};

/// The most servers that are asked.
pub const SERVERS_MAX: usize = 5;

/// How often all of them are asked.
pub const ROUNDS: usize = 3;

/// The servers, and how long to wait for them.
#[derive(Clone, Copy, Debug)]
pub struct Servers<'a> {
    /// In the order in which they are asked, the first [`SERVERS_MAX`] of them.
    pub addresses: &'a [SocketAddr],
    /// How long to wait before asking the next one, too.
    pub next_after: Duration,
    /// How long to wait after the last one before asking all of them again.
    pub again_after: Duration,
}

/// Why there is no answer.
#[derive(Debug)]
pub struct NoAnswer(String);

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoAnswer {}

/// Asks for the records of a name. The reply is an answer: that there is no such
/// name is one, trouble of the server is not.
pub fn ask(
    servers: &Servers<'_>,
    name: &Name,
    kind: Kind,
    patience: Patience<'_>,
) -> Result<Reply, NoAnswer> {
    let server = |address: &SocketAddr| {
        let [high, low, ..] = random::u64().to_ne_bytes();
        let query = Query {
            id: u16::from_ne_bytes([high, low]),
            name: name.clone(),
            kind,
        };
        Server {
            address: *address,
            query,
            socket: None,
            is_dead: false,
        }
    };
    let addresses = servers.addresses.iter().take(SERVERS_MAX);
    let mut question = Question {
        servers: addresses.map(server).collect(),
        patience,
        tcp_time: servers.again_after,
        trouble: None,
    };
    question.put(servers).map_err(|trouble| {
        let trouble = question.trouble.unwrap_or(trouble);
        NoAnswer(format!("no answer about {name}: {trouble}"))
    })
}

struct Question<'a> {
    servers: Vec<Server>,
    patience: Patience<'a>,
    tcp_time: Duration,
    /// What went wrong with a server, the last of all.
    trouble: Option<String>,
}

struct Server {
    address: SocketAddr,
    query: Query,
    /// Open once it has been asked, so that a late reply still counts.
    socket: Option<Datagrams>,
    /// Whether it is of no more use.
    is_dead: bool,
}

impl Question<'_> {
    fn put(&mut self, servers: &Servers<'_>) -> Result<Reply, String> {
        for _ in 0..ROUNDS {
            for index in 0..self.servers.len() {
                let is_last = index + 1 == self.servers.len();
                let wait = match is_last {
                    true => servers.again_after,
                    false => servers.next_after,
                };
                self.send(index);
                if let Some(reply) = self.listen(index, is_last, wait)? {
                    return Ok(reply);
                }
            }
            if self.servers.iter().all(|server| server.is_dead) {
                break;
            }
        }
        Err("no server has answered".to_owned())
    }

    /// Asks a server. A datagram that cannot be sent now is lost, as they may be.
    fn send(&mut self, index: usize) {
        let Some(server) = self.servers.get_mut(index).filter(|one| !one.is_dead) else {
            return;
        };
        let sent = match &server.socket {
            Some(socket) => socket.send(&server.query.message()),
            None => Datagrams::connect(server.address).and_then(|socket| {
                let sent = socket.send(&server.query.message());
                server.socket = Some(socket);
                sent
            }),
        };
        if let Err(error) = sent
            && error.kind() != ErrorKind::WouldBlock
        {
            self.give_up(index, &sys::reason(&error));
        }
    }

    /// Waits for a server's reply, or that of an earlier one. There is nothing to
    /// wait for where the server is of no use and not the last of them.
    fn listen(
        &mut self,
        index: usize,
        is_last: bool,
        wait: Duration,
    ) -> Result<Option<Reply>, String> {
        let until = self.patience.now() + wait;
        loop {
            let has_hope = match is_last {
                true => self.servers.iter().any(|server| !server.is_dead),
                false => self.servers.get(index).is_some_and(|one| !one.is_dead),
            };
            if !has_hope {
                return Ok(None);
            }
            let left = until.saturating_duration_since(self.patience.now());
            match self.patience.at_most(left).wait(&mut self.entries()) {
                Ok(()) => {}
                Err(Impatience::TimedOut) if !self.is_late() => return Ok(None),
                Err(end) => return Err(Trouble::from(end).to_string()),
            }
            for index in 0..self.servers.len() {
                if let Some(reply) = self.receive(index) {
                    return Ok(Some(reply));
                }
            }
        }
    }

    fn is_late(&self) -> bool {
        self.patience.left().is_some_and(|left| left.is_zero())
    }

    fn entries(&self) -> Vec<Entry> {
        let sockets = self.servers.iter().filter_map(|one| one.socket.as_ref());
        sockets
            .map(|socket| Entry::new(socket.raw(), true, false))
            .collect()
    }

    /// Takes one datagram of a server, if there is one.
    fn receive(&mut self, index: usize) -> Option<Reply> {
        let server = self.servers.get(index)?;
        let mut buffer = [0; UDP_MESSAGE_MAX];
        let count = match server.socket.as_ref()?.receive(&mut buffer) {
            Ok(count) => count,
            Err(error) if is_passing(error.kind()) => return None,
            Err(error) => {
                self.give_up(index, &sys::reason(&error));
                return None;
            }
        };
        match Reply::parse(buffer.get(..count)?, &server.query) {
            // RFC 7766 5: with TC set, the same question is put over TCP.
            Ok(reply) if reply.truncated && reply.rcode.is_answer() => self.ask_over_tcp(index),
            Ok(reply) => self.judge(index, reply),
            // The real reply may still come.
            Err(error) if error.is_stray() => None,
            Err(error) => {
                self.give_up(index, &error.to_string());
                None
            }
        }
    }

    fn judge(&mut self, index: usize, reply: Reply) -> Option<Reply> {
        match reply.rcode {
            rcode if rcode.is_answer() => Some(reply),
            rcode => {
                self.give_up(index, &rcode.to_string());
                None
            }
        }
    }

    fn ask_over_tcp(&mut self, index: usize) -> Option<Reply> {
        let server = self.servers.get(index)?;
        let patience = self.patience.at_most(self.tcp_time);
        match over_tcp(server.address, &server.query, patience) {
            Ok(reply) => self.judge(index, reply),
            Err(trouble) => {
                self.give_up(index, &trouble);
                None
            }
        }
    }

    fn give_up(&mut self, index: usize, why: &str) {
        if let Some(server) = self.servers.get_mut(index) {
            server.is_dead = true;
            server.socket = None;
            self.trouble = Some(format!("{}: {why}", server.address));
        }
    }
}

fn is_passing(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

fn over_tcp(server: SocketAddr, query: &Query, patience: Patience<'_>) -> Result<Reply, String> {
    let zone = match server {
        SocketAddr::V6(server) if server.scope_id() > 0 => Some(server.scope_id().to_string()),
        _ => None,
    };
    let target = Target::HostPort(HostPort {
        host: Host::Ip(server.ip(), zone),
        port: server.port(),
    });
    let text = |trouble: Trouble| trouble.to_string();
    let mut dialogue = Dialogue::connect(&target, patience).map_err(text)?;
    dialogue.send(&query.framed_message()).map_err(text)?;
    let mut reader = TcpReader::new();
    let mut buffer = [0; 4096];
    loop {
        let piece = dialogue.receive(&mut buffer).map_err(text)?;
        if piece.is_empty() {
            return Err("the reply over tcp ends early".to_owned());
        }
        if let Some(message) = reader.receive(piece).map_err(|error| error.to_string())? {
            let reply = Reply::parse(&message, query).map_err(|error| error.to_string())?;
            return match reply.truncated {
                true => Err("truncated over tcp".to_owned()),
                false => Ok(reply),
            };
        }
    }
}

#[cfg(test)]
mod tests;
