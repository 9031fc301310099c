//! The time between a client's connection and its greeting, in which it is checked
//! against DNS block lists.
//!
//! ```text
//! Screening --allowed, or the client spoke--> SmtpServer
//!     |
//!     +-- blocked, or the program stops --> one line, and closed
//! ```

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use crate::base::log;
use crate::event::{Interest, Ready, Token};
use crate::proto::dnsbl::{Action, Check, Config, Decision};
use crate::sys::{self, random};
use crate::{info, verbose};

use super::context::Context;
use super::disk;
use super::dns_socket::{DnsSocket, Received};
use super::guest::{Guest, Word};
use super::limits::DATAGRAMS_MAX;
use super::session::{Kind, Message, Session};
use super::smtp_server::SmtpServer;
use super::verdict;
use super::watch::counters::TurnedAway;

/// A client that waits for its greeting while it is checked.
pub struct Screening {
    guest: Option<Guest>,
    lists: Arc<[Config]>,
    check: Option<Check>,
    sockets: BTreeMap<usize, DnsSocket>,
}

impl Screening {
    /// Has a client checked against these lists.
    pub fn new(guest: Guest, lists: Arc<[Config]>) -> Screening {
        Screening {
            guest: Some(guest),
            lists,
            check: None,
            sockets: BTreeMap::new(),
        }
    }

    /// Has the check go on, and does what it asks for, up to its end.
    fn advance(&mut self, context: &mut Context, step: impl FnOnce(&mut Check, &mut Vec<Action>)) {
        let Some(mut check) = self.check.take() else {
            return;
        };
        let mut out = Vec::new();
        step(&mut check, &mut out);
        let mut actions = VecDeque::from(out);
        while let Some(action) = actions.pop_front() {
            if let Action::Decided(decision) = action {
                self.decide(decision, context);
                return;
            }
            if let Err((socket, error)) = self.perform(action) {
                let (mut more, reason) = (Vec::new(), sys::reason(&error));
                check.failed(context.now, socket, &reason, &mut more);
                actions.extend(more);
            }
        }
        self.check = Some(check);
    }

    /// Does one thing; a failure is that of the socket.
    fn perform(&mut self, action: Action) -> Result<(), (usize, std::io::Error)> {
        match action {
            Action::SendUdp {
                socket,
                server,
                message,
            } => {
                let fail = |error| (socket, error);
                let open = match self.sockets.entry(socket) {
                    Entry::Occupied(open) => open.into_mut(),
                    Entry::Vacant(place) => {
                        place.insert(DnsSocket::datagrams(server).map_err(fail)?)
                    }
                };
                open.send(&message).map_err(fail)?;
            }
            Action::ConnectTcp {
                socket,
                server,
                message,
            } => {
                let opened = DnsSocket::stream(server, message).map_err(|error| (socket, error))?;
                self.sockets.insert(socket, opened);
            }
            Action::CloseSocket { socket } => {
                self.sockets.remove(&socket);
            }
            Action::Note(level, line) => log::write(level, format_args!("{line}")),
            // Taken care of by the caller.
            Action::Decided(_) => {}
        }
        Ok(())
    }

    fn decide(&mut self, decision: Decision, context: &mut Context) {
        match decision {
            Decision::Allow => self.hand_over(Word::None, context),
            Decision::Block { is_timeout, .. } => {
                let reply = match is_timeout {
                    true => verdict::not_checked(),
                    false => verdict::blocked(),
                };
                context.watch.counters.turned_away(TurnedAway::BlockList);
                self.send_off("by dns block lists", &reply.render());
            }
        }
    }

    /// The SMTP session takes the client from here.
    fn hand_over(&mut self, word: Word, context: &mut Context) {
        if let Some(guest) = self.guest.take() {
            let now = context.wall_clock();
            context.begin(Box::new(SmtpServer::new(guest, word, now)));
        }
        self.sockets.clear();
    }

    fn send_off(&mut self, reason: &str, reply: &[u8]) {
        if let Some(guest) = self.guest.take() {
            info!("smtp connection refused: {reason}: {}", guest.peer);
            guest.send_off(reply);
        }
        self.sockets.clear();
    }

    /// The client is not to speak before it has been greeted, but may well hang up.
    fn listen_to_client(&mut self, context: &mut Context) {
        let Some(guest) = &self.guest else { return };
        match guest.listen(&mut context.scratch) {
            Word::None => {}
            Word::Spoken => self.hand_over(Word::Spoken, context),
            Word::Gone => {
                verbose!("dnsbl: client has gone: {}", guest.peer);
                self.guest = None;
                self.sockets.clear();
            }
        }
    }

    /// Takes what has come in at a socket of the check.
    fn listen_to_server(&mut self, number: usize, context: &mut Context) {
        let now = context.now;
        for _ in 0..DATAGRAMS_MAX {
            let Some(socket) = self.sockets.get_mut(&number) else {
                return;
            };
            let mut buffer = std::mem::take(&mut context.scratch);
            let received = socket.work(&mut buffer);
            let octets = |count: usize| buffer.get(..count).unwrap_or_default();
            match received {
                Ok(Received::Nothing) => {}
                Ok(Received::Datagram(count)) => self.advance(context, |check, out| {
                    check.datagram(now, number, octets(count), out);
                }),
                Ok(Received::Piece(count)) => self.advance(context, |check, out| {
                    check.stream(now, number, octets(count), out);
                }),
                Err(ref error) => self.advance(context, |check, out| {
                    check.failed(now, number, &sys::reason(error), out);
                }),
            }
            context.scratch = buffer;
            if !matches!(received, Ok(Received::Datagram(_))) {
                return;
            }
        }
    }
}

impl Session for Screening {
    fn kind(&self) -> Kind {
        Kind::SmtpServer
    }

    fn peer(&self) -> Option<&str> {
        self.guest.as_ref().map(|guest| guest.peer.ip_text())
    }

    fn start(&mut self, _token: Token, context: &mut Context) {
        let Some(guest) = &self.guest else { return };
        self.check = Some(Check::new(
            &self.lists,
            guest.peer.ip(),
            &context.name_servers,
            &mut random::u64,
            context.now,
        ));
        let now = context.now;
        self.advance(context, |check, out| check.start(now, out));
    }

    fn interest(&self, _now: Instant) -> Option<Interest> {
        self.guest.as_ref()?.interest()
    }

    fn more_interests(&self, out: &mut Vec<Interest>) {
        out.extend(self.sockets.values().map(DnsSocket::interest));
    }

    fn deadline(&self) -> Option<Instant> {
        self.check.as_ref().and_then(Check::deadline)
    }

    fn on_ready(&mut self, ready: Ready, context: &mut Context) {
        let number = self
            .sockets
            .iter()
            .find(|(_, socket)| socket.raw() == ready.socket)
            .map(|(number, _)| *number);
        match number {
            Some(number) => self.listen_to_server(number, context),
            None => self.listen_to_client(context),
        }
    }

    fn on_timeout(&mut self, context: &mut Context) {
        let now = context.now;
        self.advance(context, |check, out| check.timeout(now, out));
    }

    fn on_message(&mut self, message: Message, context: &mut Context) {
        disk::abandon(message, context);
    }

    fn on_shutdown(&mut self, _context: &mut Context) {
        self.send_off("shutting down", &verdict::shutting_down().render());
    }

    fn is_over(&self) -> bool {
        self.guest.is_none()
    }
}
