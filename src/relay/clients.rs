//! How many sessions each client has, so that none keeps all others out.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::rc::Rc;

/// The clients that have sessions with a server, by address.
///
/// This host is not counted by address: behind it there are all its users. IPv6
/// clients count by network, since each has as many addresses as it likes.
#[derive(Debug)]
pub struct Clients {
    sessions: RefCell<Sessions>,
    of_all_max: usize,
    of_one_max: usize,
}

#[derive(Debug, Default)]
struct Sessions {
    of_all: usize,
    of_one: HashMap<IpAddr, usize>,
}

/// A client that finds no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooMany {
    /// Since there are so many sessions of all clients.
    OfAll,
    /// Since it has so many sessions itself.
    OfOne,
}

/// A session of a client; it counts for as long as this exists.
#[derive(Debug)]
pub struct Visit {
    clients: Rc<Clients>,
    client: Option<IpAddr>,
}

impl Clients {
    /// Nobody yet; there may be so many sessions at once, and so many of each client.
    pub fn new(of_all_max: usize, of_one_max: usize) -> Rc<Clients> {
        Rc::new(Clients {
            sessions: RefCell::default(),
            of_all_max,
            of_one_max,
        })
    }

    /// Counts one more session of the client, if there may be one.
    pub fn admit(self: &Rc<Clients>, ip: IpAddr) -> Result<Visit, TooMany> {
        let client = who(ip);
        let mut sessions = self.sessions.borrow_mut();
        if sessions.of_all >= self.of_all_max {
            return Err(TooMany::OfAll);
        }
        if let Some(client) = client {
            let count = sessions.of_one.entry(client).or_default();
            if *count >= self.of_one_max {
                return Err(TooMany::OfOne);
            }
            *count += 1;
        }
        sessions.of_all += 1;
        Ok(Visit {
            clients: Rc::clone(self),
            client,
        })
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut sessions = self.clients.sessions.borrow_mut();
        sessions.of_all -= 1;
        let Some(client) = self.client else { return };
        if let Some(count) = sessions.of_one.get_mut(&client) {
            *count -= 1;
            if *count == 0 {
                sessions.of_one.remove(&client);
            }
        }
    }
}

/// What log lines say.
impl fmt::Display for TooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TooMany::OfAll => "too many sessions",
            TooMany::OfOne => "too many sessions of one client",
        })
    }
}

/// What a client is counted by.
fn who(ip: IpAddr) -> Option<IpAddr> {
    match ip.to_canonical() {
        ip if ip.is_loopback() => None,
        // RFC 4291 2.5.4: the last 64 bits tell the interfaces of one network apart.
        IpAddr::V6(v6) => Some(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into()),
        v4 => Some(v4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_client_has_so_many_sessions() {
        let clients = Clients::new(9, 2);
        let first = clients.admit(ip("192.0.2.1")).unwrap();
        let _second = clients.admit(ip("::ffff:192.0.2.1")).unwrap();
        let third = clients.admit(ip("192.0.2.1"));
        assert_eq!(third.unwrap_err(), TooMany::OfOne);
        let _other = clients.admit(ip("192.0.2.2")).unwrap();
        drop(first);
        assert!(clients.admit(ip("192.0.2.1")).is_ok());
    }

    #[test]
    fn all_clients_together_have_so_many_sessions() {
        let clients = Clients::new(2, 1);
        let first = clients.admit(ip("127.0.0.1")).unwrap();
        let _second = clients.admit(ip("192.0.2.1")).unwrap();
        // Nobody learns of others by how they are refused.
        for one in ["192.0.2.1", "192.0.2.2", "127.0.0.1"] {
            assert_eq!(clients.admit(ip(one)).unwrap_err(), TooMany::OfAll);
        }
        drop(first);
        assert_eq!(clients.sessions.borrow().of_all, 1);
        assert!(clients.admit(ip("192.0.2.2")).is_ok());
    }

    #[test]
    fn a_network_is_one_client_and_this_host_is_none() {
        let clients = Clients::new(99, 1);
        let _visit = clients.admit(ip("2001:db8::1")).unwrap();
        assert!(clients.admit(ip("2001:db8::ffff:1")).is_err());
        assert!(clients.admit(ip("2001:db8:0:1::1")).is_ok());
        let visits: Vec<_> = (0..9).map(|_| clients.admit(ip("127.0.0.1"))).collect();
        assert!(visits.iter().all(Result::is_ok));
        assert!(clients.admit(ip("::1")).is_ok());
    }

    #[test]
    fn nothing_is_remembered_of_those_who_have_gone() {
        let clients = Clients::new(9, 1);
        drop(clients.admit(ip("192.0.2.1")));
        assert!(clients.sessions.borrow().of_one.is_empty());
        assert_eq!(clients.sessions.borrow().of_all, 0);
    }
}
