//! How many sessions each client has, so that none keeps all others out.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::rc::Rc;

/// The clients that have sessions, by address.
///
/// This host is not counted: behind its address there are all its users. IPv6
/// clients count by network, since each has as many addresses as it likes.
#[derive(Debug)]
pub struct Clients {
    sessions: RefCell<HashMap<IpAddr, usize>>,
    sessions_max: usize,
}

/// A session of a client; it counts for as long as this exists.
#[derive(Debug)]
pub struct Visit {
    clients: Rc<Clients>,
    client: Option<IpAddr>,
}

impl Clients {
    /// Nobody yet; each may have so many sessions at once.
    pub fn new(sessions_max: usize) -> Rc<Clients> {
        Rc::new(Clients {
            sessions: RefCell::default(),
            sessions_max,
        })
    }

    /// Counts one more session of the client; nothing where it has too many.
    pub fn admit(self: &Rc<Clients>, ip: IpAddr) -> Option<Visit> {
        let client = who(ip);
        if let Some(client) = client {
            let mut sessions = self.sessions.borrow_mut();
            let count = sessions.entry(client).or_default();
            if *count >= self.sessions_max {
                return None;
            }
            *count += 1;
        }
        Some(Visit {
            clients: Rc::clone(self),
            client,
        })
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let Some(client) = self.client else { return };
        let mut sessions = self.clients.sessions.borrow_mut();
        if let Some(count) = sessions.get_mut(&client) {
            *count -= 1;
            if *count == 0 {
                sessions.remove(&client);
            }
        }
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
        let clients = Clients::new(2);
        let first = clients.admit(ip("192.0.2.1")).unwrap();
        let _second = clients.admit(ip("::ffff:192.0.2.1")).unwrap();
        assert!(clients.admit(ip("192.0.2.1")).is_none());
        let _other = clients.admit(ip("192.0.2.2")).unwrap();
        drop(first);
        assert!(clients.admit(ip("192.0.2.1")).is_some());
    }

    #[test]
    fn a_network_is_one_client_and_this_host_is_none() {
        let clients = Clients::new(1);
        let _visit = clients.admit(ip("2001:db8::1")).unwrap();
        assert!(clients.admit(ip("2001:db8::ffff:1")).is_none());
        assert!(clients.admit(ip("2001:db8:0:1::1")).is_some());
        let visits: Vec<_> = (0..9).map(|_| clients.admit(ip("127.0.0.1"))).collect();
        assert!(visits.iter().all(Option::is_some));
        assert!(clients.admit(ip("::1")).is_some());
    }

    #[test]
    fn nothing_is_remembered_of_those_who_have_gone() {
        let clients = Clients::new(1);
        drop(clients.admit(ip("192.0.2.1")));
        assert!(clients.sessions.borrow().is_empty());
    }
}
