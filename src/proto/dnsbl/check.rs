use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::time::Instant;

use super::ballot::{Verdict, Votes};
use super::lookup::{Lookup, Outcome};
use super::{Config, SERVERS_MAX, answer, text};
use crate::base::OneLine;
use crate::base::log::Level;

/// What is to be done about a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may come in.
    Allow,
    /// It is to be disconnected.
    Block {
        /// The zones that list it; with `is_timeout`, those that did not answer.
        zones: Vec<String>,
        /// Whether it is blocked only because zones did not answer.
        is_timeout: bool,
    },
}

/// What the driver of a [`Check`] has to do. Sockets have numbers that the check
/// gives; they are never used again for another server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Action {
    /// Send a datagram: from the open socket of that number, or from a new one, bound
    /// to a random port (RFC 5452 9.2) and connected to the server.
    SendUdp {
        /// The number of the socket.
        socket: usize,
        /// Whom to ask.
        server: SocketAddr,
        /// The datagram.
        message: Vec<u8>,
    },
    /// Open a TCP connection under the number of a socket just closed, and send.
    ConnectTcp {
        /// The number of the socket.
        socket: usize,
        /// Whom to ask.
        server: SocketAddr,
        /// The octets to send.
        message: Vec<u8>,
    },
    /// Close the socket of that number.
    CloseSocket {
        /// The number of the socket.
        socket: usize,
    },
    /// Log a line.
    Note(Level, OneLine),
    /// The check is over. Always the last action, with all sockets closed.
    Decided(Decision),
}

/// The check of one client against all options; it is blocked where any blocks it.
#[derive(Debug)]
pub struct Check {
    client: IpAddr,
    ballots: Vec<Ballot>,
    lookups: Vec<Lookup>,
    is_over: bool,
}

/// An option, and which lookups are those of its zones.
#[derive(Debug)]
struct Ballot {
    config: Config,
    lookups: Range<usize>,
    deadline: Instant,
    is_over: bool,
}

impl Check {
    /// Prepares to check `client` against the lists of all `configs`. Those that name
    /// no server are asked by way of `servers`, the system's; `random` gives numbers
    /// that nobody can guess. The time runs from `now`.
    pub fn new(
        configs: &[Config],
        client: IpAddr,
        servers: &[SocketAddr],
        random: &mut dyn FnMut() -> u64,
        now: Instant,
    ) -> Check {
        let mut check = Check {
            client: client.to_canonical(),
            ballots: Vec::with_capacity(configs.len()),
            lookups: Vec::new(),
            is_over: false,
        };
        for config in configs {
            let servers = config.server().map_or(servers.to_vec(), |own| vec![own]);
            let first = check.lookups.len();
            for zone in config.zones() {
                let name = answer::name(client, zone)
                    .expect("invariant: Config leaves each zone room for 32 nibbles");
                let first_socket = check.lookups.len() * SERVERS_MAX;
                let zone = zone.clone();
                let timeout = config.timeout();
                let lookup = Lookup::new(zone, name, first_socket, &servers, timeout, random);
                check.lookups.push(lookup);
            }
            check.ballots.push(Ballot {
                config: config.clone(),
                lookups: first..check.lookups.len(),
                deadline: now + config.timeout(),
                is_over: false,
            });
        }
        check
    }

    /// Asks all lists at once.
    pub fn start(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.settle(now, out);
        for ballot in self.ballots.iter().filter(|ballot| !ballot.is_over) {
            let lookups = self.lookups.get_mut(ballot.lookups.clone());
            lookups.into_iter().flatten().for_each(|l| l.ask(now, out));
        }
        self.settle(now, out);
    }

    /// Takes a datagram that came in at a socket.
    pub fn datagram(&mut self, now: Instant, socket: usize, message: &[u8], out: &mut Vec<Action>) {
        if let Some(lookup) = self.lookups.get_mut(socket / SERVERS_MAX) {
            lookup.datagram(now, socket % SERVERS_MAX, message, out);
        }
        self.settle(now, out);
    }

    /// Takes a piece of any size of what a TCP connection brings.
    pub fn stream(&mut self, now: Instant, socket: usize, piece: &[u8], out: &mut Vec<Action>) {
        if let Some(lookup) = self.lookups.get_mut(socket / SERVERS_MAX) {
            lookup.stream(now, socket % SERVERS_MAX, piece, out);
        }
        self.settle(now, out);
    }

    /// Takes note that a socket cannot be opened, or has failed, or that its peer has
    /// closed it.
    pub fn failed(
        &mut self,
        now: Instant,
        socket: usize,
        reason: &dyn Display,
        out: &mut Vec<Action>,
    ) {
        if let Some(lookup) = self.lookups.get_mut(socket / SERVERS_MAX) {
            lookup.failed(now, socket % SERVERS_MAX, reason, out);
        }
        self.settle(now, out);
    }

    /// Does what is due at `now`; harmless when nothing is.
    pub fn timeout(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.settle(now, out);
        for lookup in &mut self.lookups {
            lookup.timeout(now, out);
        }
        self.settle(now, out);
    }

    /// When [`Check::timeout`] is to be called; never once it is over.
    pub fn deadline(&self) -> Option<Instant> {
        let open = self.ballots.iter().filter(|ballot| !ballot.is_over);
        let ends = open.map(|ballot| ballot.deadline);
        let retries = self.lookups.iter().filter_map(Lookup::retry_at);
        ends.chain(retries).min().filter(|_| !self.is_over)
    }

    /// Ends what is certain by now: options, and the whole.
    fn settle(&mut self, now: Instant, out: &mut Vec<Action>) {
        let mut block = None;
        for index in 0..self.ballots.len() {
            if let Some(decision) = self.settle_ballot(index, now, out) {
                block = block.or(Some(decision).filter(|d| *d != Decision::Allow));
            }
        }
        let is_certain = block.is_some() || self.ballots.iter().all(|ballot| ballot.is_over);
        if is_certain && !std::mem::replace(&mut self.is_over, true) {
            self.lookups.iter_mut().for_each(|lookup| lookup.close(out));
            self.ballots.iter_mut().for_each(|b| b.is_over = true);
            out.push(Action::Decided(block.unwrap_or(Decision::Allow)));
        }
    }

    /// Ends an option whose verdict is certain by now.
    fn settle_ballot(
        &mut self,
        index: usize,
        now: Instant,
        out: &mut Vec<Action>,
    ) -> Option<Decision> {
        let ballot = self.ballots.get_mut(index).filter(|b| !b.is_over)?;
        let lookups = self.lookups.get_mut(ballot.lookups.clone())?;
        let is_time_up = now >= ballot.deadline;
        let verdict = votes(lookups).verdict(&ballot.config, is_time_up)?;
        ballot.is_over = true;
        lookups.iter_mut().for_each(|lookup| lookup.close(out));
        note_zones(self.client, lookups, out);
        Some(conclude(self.client, verdict, lookups, out))
    }
}

fn votes(lookups: &[Lookup]) -> Votes {
    let mut votes = Votes::default();
    for lookup in lookups {
        match lookup.outcome() {
            Some(Outcome::Listed(_)) => votes.listed += 1,
            Some(Outcome::NotListed) => (),
            Some(Outcome::Unanswered) => votes.unanswered += 1,
            None => votes.pending += 1,
        }
    }
    votes
}

/// Logs what each zone of an option said.
fn note_zones(client: IpAddr, lookups: &[Lookup], out: &mut Vec<Action>) {
    for lookup in lookups {
        let zone = lookup.zone();
        let line = match lookup.outcome() {
            Some(Outcome::Listed(values)) => text::denied(client, zone, values),
            Some(Outcome::NotListed) => text::allowed(client, zone),
            Some(Outcome::Unanswered) | None => text::not_checked(client, zone),
        };
        out.push(Action::Note(Level::Verbose, line));
    }
}

/// Logs what an option means for the client, and decides accordingly.
fn conclude(
    client: IpAddr,
    verdict: Verdict,
    lookups: &[Lookup],
    out: &mut Vec<Action>,
) -> Decision {
    let zones_that = |pick: fn(Option<&Outcome>) -> bool| -> Vec<String> {
        let picked = lookups.iter().filter(|lookup| pick(lookup.outcome()));
        picked.map(|lookup| lookup.zone().to_string()).collect()
    };
    let silent = || zones_that(|o| matches!(o, Some(Outcome::Unanswered) | None));
    let (line, decision) = match verdict {
        Verdict::Allowed => return Decision::Allow,
        Verdict::AllowedByTimeout => (text::allowed_by_timeout(client, &silent()), Decision::Allow),
        Verdict::Blocked => {
            let zones = zones_that(|o| matches!(o, Some(Outcome::Listed(_))));
            let line = text::blocked(client, &zones);
            (
                line,
                Decision::Block {
                    zones,
                    is_timeout: false,
                },
            )
        }
        Verdict::BlockedByTimeout => {
            let zones = silent();
            let line = text::blocked_by_timeout(client, &zones);
            (
                line,
                Decision::Block {
                    zones,
                    is_timeout: true,
                },
            )
        }
    };
    out.push(Action::Note(Level::Warning, line));
    decision
}
