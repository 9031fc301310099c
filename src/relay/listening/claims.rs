//! The addresses that the configurations of one process want to listen on.

use std::net::SocketAddr;

use super::ListeningError;
use crate::net::listener::{ListenError, Listener};
use crate::sys::socket::Address;

/// The addresses wanted so far. Where one is in use, they tell whether that is by the
/// process itself, which is a mistake, or by somebody else: the running program, as
/// far as can be known where listening is only tried.
#[derive(Debug, Default)]
pub struct Claims {
    wanted: Vec<Address>,
    is_trial: bool,
    in_use: Vec<ListenError>,
}

impl Claims {
    /// Those of a process that only tries: an address that somebody else has does not
    /// keep the rest from being tried.
    pub fn of_a_trial() -> Claims {
        Claims {
            is_trial: true,
            ..Claims::default()
        }
    }

    /// Takes away what was found in use in a trial.
    pub fn take_in_use(&mut self) -> Vec<ListenError> {
        std::mem::take(&mut self.in_use)
    }

    /// Listens there; nothing where that is only tried and somebody else does.
    pub(super) fn bind(&mut self, address: &Address) -> Result<Option<Listener>, ListeningError> {
        self.judge(address, Listener::bind(address))
    }

    /// Takes a socket that the process was started with.
    pub(super) fn inherit(&mut self, descriptor: u32) -> Result<Listener, ListeningError> {
        let listener = Listener::inherit(descriptor)?;
        self.wanted.push(listener.address().clone());
        Ok(listener)
    }

    fn judge<L>(
        &mut self,
        address: &Address,
        bound: Result<L, ListenError>,
    ) -> Result<Option<L>, ListeningError> {
        let own = self
            .wanted
            .iter()
            .find(|own| overlap(own, address))
            .cloned();
        self.wanted.push(address.clone());
        match (bound, own) {
            (Ok(listener), _) => Ok(Some(listener)),
            (Err(error), Some(own)) if error.is_in_use() => Err(ListeningError::Twice {
                address: address.clone(),
                own,
            }),
            (Err(error), None) if error.is_in_use() && self.is_trial => {
                self.in_use.push(error);
                Ok(None)
            }
            (Err(error), _) => Err(error.into()),
        }
    }
}

/// Whether one of the addresses leaves no room for the other.
fn overlap(one: &Address, other: &Address) -> bool {
    let (Address::Tcp(a), Address::Tcp(b)) = (one, other) else {
        return one == other;
    };
    let is_everywhere = |address: &SocketAddr| address.ip().is_unspecified();
    let meet = is_everywhere(a) || is_everywhere(b);
    a == b || (a.port() == b.port() && a.is_ipv4() == b.is_ipv4() && meet)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn tcp(text: &str) -> Address {
        Address::Tcp(text.parse().unwrap())
    }

    /// What becomes of addresses that are all in use.
    fn in_use(mut claims: Claims, addresses: &[&str]) -> Result<usize, ListeningError> {
        for address in addresses.iter().map(|text| tcp(text)) {
            let error = ListenError::new(address.clone(), io::ErrorKind::AddrInUse.into());
            claims.judge::<()>(&address, Err(error))?;
        }
        Ok(claims.take_in_use().len())
    }

    #[test]
    fn a_trial_goes_on_where_somebody_else_listens() {
        let all = ["127.0.0.1:25", "[::1]:25", "127.0.0.1:26", "127.0.0.2:25"];
        assert_eq!(in_use(Claims::of_a_trial(), &all).ok(), Some(4));
        let error = in_use(Claims::default(), &all).unwrap_err();
        assert!(matches!(error, ListeningError::Listen(_)), "{error}");
    }

    #[test]
    fn what_is_wanted_twice_is_a_mistake_whoever_else_has_it() {
        for [one, other] in [
            ["127.0.0.1:25", "127.0.0.1:25"],
            ["0.0.0.0:25", "127.0.0.1:25"],
            ["[::1]:25", "[::]:25"],
        ] {
            let error = in_use(Claims::of_a_trial(), &[one, other]).unwrap_err();
            let (one, other) = (tcp(one), tcp(other));
            let expected = format!(
                "cannot listen on {other}: this program is to listen on {one} already: choose \
                 another address or port"
            );
            assert_eq!(error.to_string(), expected);
        }
        let both = ["0.0.0.0:25", "[::]:25"];
        assert_eq!(in_use(Claims::of_a_trial(), &both).ok(), Some(2));
    }

    #[test]
    fn other_faults_are_those_of_the_address() {
        let mut claims = Claims::of_a_trial();
        let address = tcp("192.0.2.1:25");
        let error = ListenError::new(address.clone(), io::ErrorKind::AddrNotAvailable.into());
        let error = claims.judge::<()>(&address, Err(error)).unwrap_err();
        assert!(matches!(error, ListeningError::Listen(_)), "{error}");
    }
}
