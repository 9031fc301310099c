//! Who is connected, in both directions, and where the servers listen.

use std::collections::BTreeMap;

use crate::event::Token;
use crate::sys::socket::Address;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// An SMTP client of ours.
    Smtp,
    /// A POP client.
    Pop,
    /// An administrator.
    Admin,
    /// A program that watches.
    Metrics,
    /// A next hop.
    NextHop,
}

impl Service {
    /// All of them.
    pub const ALL: [Service; 5] = [
        Service::Smtp,
        Service::Pop,
        Service::Admin,
        Service::Metrics,
        Service::NextHop,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Service::Smtp => "smtp",
            Service::Pop => "pop",
            Service::Admin => "admin",
            Service::Metrics => "metrics",
            Service::NextHop => "next_hop",
        }
    }

    /// Which way it goes.
    pub fn direction(self) -> Direction {
        match self {
            Service::Smtp | Service::Pop | Service::Admin | Service::Metrics => Direction::In,
            Service::NextHop => Direction::Out,
        }
    }

    /// Whether administrators are told of it: not of those who only watch, who come
    /// every few seconds.
    pub fn is_news(self) -> bool {
        self != Service::Metrics
    }
}

/// Which way a connection goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To us.
    In,
    /// From us.
    Out,
}

impl Direction {
    /// The word that events have for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::In => "in",
            Direction::Out => "out",
        }
    }
}

/// The two ends of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ends {
    /// It is being made, to a place of that name.
    Wanted(String),
    /// It is there.
    Known {
        /// Our end, where that could be found out.
        local: Option<Address>,
        /// The other one.
        peer: Address,
    },
}

/// All connections there are.
#[derive(Debug, Default)]
pub struct Traffic {
    connections: BTreeMap<Token, (Service, Ends)>,
    listeners: Vec<(Token, Address)>,
    started: [u64; Service::ALL.len()],
    open: [u64; Service::ALL.len()],
}

impl Traffic {
    /// A server listens.
    pub fn listens(&mut self, token: Token, address: Address) {
        self.listeners.push((token, address));
    }

    /// A session has begun.
    pub fn begins(&mut self, token: Token, service: Service, ends: Ends) {
        if self.connections.insert(token, (service, ends)).is_none() {
            self.started[service as usize] += 1;
            self.open[service as usize] += 1;
        }
    }

    /// The connection of a session has been made.
    pub fn connected(&mut self, token: Token, local: Option<Address>, peer: Address) {
        if let Some((_, ends)) = self.connections.get_mut(&token) {
            *ends = Ends::Known { local, peer };
        }
    }

    /// A session is over; returns what it was for, if it was a connection's.
    pub fn ends(&mut self, token: Token) -> Option<Service> {
        self.listeners.retain(|(listener, _)| *listener != token);
        let (service, _) = self.connections.remove(&token)?;
        self.open[service as usize] -= 1;
        Some(service)
    }

    /// How many sessions have been started, and how many are open.
    pub fn sessions(&self, service: Service) -> (u64, u64) {
        (self.started[service as usize], self.open[service as usize])
    }

    /// Where the servers listen.
    pub fn listeners(&self) -> impl Iterator<Item = &Address> {
        self.listeners.iter().map(|(_, address)| address)
    }

    /// The connections of one direction that are news, in no order of note.
    pub fn connections(&self, direction: Direction) -> impl Iterator<Item = &Ends> {
        self.connections
            .values()
            .filter(move |(service, _)| service.direction() == direction && service.is_news())
            .map(|(_, ends)| ends)
    }

    /// How many connections of one direction have been started, and ended; but for
    /// those that are no news.
    pub fn totals(&self, direction: Direction) -> (u64, u64) {
        let of_direction = |service: &Service| service.direction() == direction;
        Service::ALL
            .into_iter()
            .filter(|service| of_direction(service) && service.is_news())
            .map(|service| self.sessions(service))
            .fold((0, 0), |(started, ended), (more, open)| {
                (started + more, ended + more - open)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Slab;

    #[test]
    fn counts_who_comes_and_goes() {
        let mut slab = Slab::default();
        let mut token = || slab.insert(());
        let mut traffic = Traffic::default();
        let (listener, one, two, out) = (token(), token(), token(), token());
        let address = |text: &str| Address::Tcp(text.parse().unwrap());
        let ends = || Ends::Known {
            local: None,
            peer: address("192.0.2.1:9"),
        };
        traffic.listens(listener, address("127.0.0.1:25"));
        traffic.begins(one, Service::Smtp, ends());
        traffic.begins(two, Service::Metrics, ends());
        traffic.begins(out, Service::NextHop, Ends::Wanted("x:25".to_owned()));
        traffic.connected(out, None, address("192.0.2.2:25"));
        assert_eq!(traffic.totals(Direction::In), (1, 0));
        assert_eq!(traffic.connections(Direction::In).count(), 1);
        let out_ends: Vec<_> = traffic.connections(Direction::Out).collect();
        assert!(matches!(out_ends[..], [Ends::Known { .. }]));
        assert_eq!(traffic.ends(one), Some(Service::Smtp));
        assert_eq!(traffic.ends(one), None);
        assert_eq!(traffic.totals(Direction::In), (1, 1));
        assert_eq!(traffic.sessions(Service::Metrics), (1, 1));
        assert_eq!(traffic.listeners().count(), 1);
        assert_eq!(traffic.ends(listener), None);
        assert_eq!(traffic.listeners().count(), 0);
    }
}
