//! From `--interface` to listening sockets.

mod claims;

use std::collections::HashSet;
use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::base::ascii;
use crate::config::{IpFamily, ListenAddress, Literal, MetricsAddress, ServerName, Zone};
use crate::info;
use crate::net::activation::Handed;
use crate::net::address::{Host, HostPort};
use crate::net::listener::{ListenError, Listener};
use crate::net::resolver::{ResolveError, resolve};
use crate::sys;
use crate::sys::interface::{self, InterfaceAddress};
use crate::sys::socket::Address;

pub use claims::Claims;

/// Why the program does not listen where it was told to.
#[derive(Debug)]
pub enum ListeningError {
    /// An address could not be bound.
    Listen(ListenError),
    /// The process itself listens there, or is to.
    Twice {
        /// The address.
        address: Address,
        /// The one that leaves no room for it.
        own: Address,
    },
    /// The zone of an address is not known.
    Zone(ResolveError),
    /// An interface has no address to listen on.
    Interface {
        /// As it was given.
        item: String,
        /// Why not.
        reason: String,
    },
    /// A socket was handed on for a server that there is not.
    OtherServer {
        /// Its descriptor.
        descriptor: u32,
        /// The name of the server.
        name: String,
    },
}

/// Where a server is to listen.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The server.
    pub server: ServerName,
    /// The addresses given.
    pub addresses: &'a [ListenAddress],
    /// The port at those without a socket of their own.
    pub port: u16,
}

/// Listens for each of the servers at the addresses given; where none are, on the
/// sockets handed on for it, or else everywhere. The sockets are in the order of
/// the places.
pub fn listen(
    places: &[Place<'_>],
    handed: &[Handed],
    claims: &mut Claims,
) -> Result<Vec<Vec<Listener>>, ListeningError> {
    // Inherited sockets come first, before one of ours can have the number of one.
    let mut listeners = Vec::new();
    for place in places {
        listeners.push(inherited(place, handed, claims)?);
    }
    for (place, listeners) in places.iter().zip(&mut listeners) {
        if !place.addresses.is_empty() {
            listeners.extend(listen_at(place, claims)?);
        } else if listeners.is_empty() {
            *listeners = by_default(place, claims)?;
        }
    }
    Ok(listeners)
}

/// Sees that each socket of the service manager is for a server that there is.
pub fn check_handed(handed: &[Handed], servers: &[ServerName]) -> Result<(), ListeningError> {
    let is_unknown = |handed: &&Handed| !servers.contains(&server_of(handed));
    match handed.iter().find(is_unknown) {
        None => Ok(()),
        Some(handed) => Err(ListeningError::OtherServer {
            descriptor: handed.descriptor,
            name: server_of(handed).name().to_owned(),
        }),
    }
}

/// The server that a socket from the service manager is for, by its name; without
/// one that we know it is the SMTP server.
fn server_of(handed: &Handed) -> ServerName {
    let is_it = |server: &ServerName| handed.name.as_deref() == Some(server.name());
    let named = ServerName::ALL.into_iter().find(is_it);
    named.unwrap_or(ServerName::Smtp)
}

/// The sockets of a server that the program was started with.
fn inherited(
    place: &Place<'_>,
    handed: &[Handed],
    claims: &mut Claims,
) -> Result<Vec<Listener>, ListeningError> {
    let given = place.addresses.iter().filter_map(|address| match address {
        ListenAddress::Inherited(descriptor) => Some(*descriptor),
        _ => None,
    });
    let is_ours =
        |handed: &&Handed| place.addresses.is_empty() && server_of(handed) == place.server;
    let handed = handed.iter().filter(is_ours);
    given
        .chain(handed.map(|handed| handed.descriptor))
        .map(|descriptor| claims.inherit(descriptor))
        .collect()
}

fn listen_at(place: &Place<'_>, claims: &mut Claims) -> Result<Vec<Listener>, ListeningError> {
    let mut listeners = Vec::new();
    let mut seen = HashSet::new();
    for address in place.addresses {
        for address in resolved(address, place.port)? {
            if seen.insert(address.clone()) {
                listeners.extend(claims.bind(&address)?);
            }
        }
    }
    Ok(listeners)
}

/// What to bind for one address given.
pub fn resolved(address: &ListenAddress, port: u16) -> Result<Vec<Address>, ListeningError> {
    Ok(match address {
        ListenAddress::Unix(path) => vec![Address::Unix(path.clone())],
        ListenAddress::Ip(literal) => vec![Address::Tcp(of_literal(literal, port)?)],
        ListenAddress::Interface { name, only } => {
            let fail = |reason| ListeningError::Interface {
                item: address.to_string(),
                reason,
            };
            let all = interface::addresses().map_err(|error| fail(sys::reason(&error)))?;
            let of_interface = of_interface(&all, name, *only, port).map_err(fail)?;
            of_interface.into_iter().map(Address::Tcp).collect()
        }
        ListenAddress::Inherited(_) => Vec::new(),
    })
}

/// The address of a literal; only the system knows the numbers of zones.
fn of_literal(literal: &Literal, port: u16) -> Result<SocketAddr, ListeningError> {
    let plain = SocketAddr::new(literal.ip, port);
    let Some(zone) = &literal.zone else {
        return Ok(plain);
    };
    let zone = match zone {
        Zone::Index(index) => index.to_string(),
        Zone::Name(name) => name.clone(),
    };
    let host = Host::Ip(literal.ip, Some(zone));
    let found = resolve(&HostPort { host, port }, None).map_err(ListeningError::Zone)?;
    Ok(found.first().copied().unwrap_or(plain))
}

/// The addresses of an interface, or why there are none.
fn of_interface(
    all: &[InterfaceAddress],
    name: &str,
    only: Option<IpFamily>,
    port: u16,
) -> Result<Vec<SocketAddr>, String> {
    let own: Vec<SocketAddr> = all
        .iter()
        .filter(|one| one.name == name)
        .map(|one| one.address)
        .collect();
    if own.is_empty() {
        return Err("no interface of that name is up and has an address".to_owned());
    }
    let is_wanted = |address: &SocketAddr| match only {
        None => true,
        Some(IpFamily::Ipv4) => address.is_ipv4(),
        Some(IpFamily::Ipv6) => address.is_ipv6(),
    };
    let mut wanted: Vec<SocketAddr> = own.into_iter().filter(is_wanted).collect();
    wanted.iter_mut().for_each(|address| address.set_port(port));
    match wanted.is_empty() {
        true => Err("the interface has no address of that kind".to_owned()),
        false => Ok(wanted),
    }
}

/// Listens everywhere; but where administrators are served only for this system.
fn by_default(place: &Place<'_>, claims: &mut Claims) -> Result<Vec<Listener>, ListeningError> {
    match place.server {
        ServerName::Smtp | ServerName::Pop => {
            let both = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
            families(both, |ip| bind(ip, place.port, claims))
        }
        ServerName::Admin => on_loopback(place.port, claims),
    }
}

/// Listens where metrics are served.
pub fn listen_for_metrics(
    address: &MetricsAddress,
    claims: &mut Claims,
) -> Result<Vec<Listener>, ListeningError> {
    let address = match address {
        MetricsAddress::Loopback(port) => return on_loopback(*port, claims),
        MetricsAddress::Ip(literal, port) => Address::Tcp(of_literal(literal, *port)?),
        MetricsAddress::Unix(path) => Address::Unix(path.clone()),
    };
    Ok(claims.bind(&address)?.into_iter().collect())
}

fn on_loopback(port: u16, claims: &mut Claims) -> Result<Vec<Listener>, ListeningError> {
    let both = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    families(both, |ip| bind(ip, port, claims))
}

fn bind(ip: IpAddr, port: u16, claims: &mut Claims) -> Result<Option<Listener>, ListeningError> {
    claims.bind(&Address::Tcp(SocketAddr::new(ip, port)))
}

/// Listens at addresses of both families, or of the one that there is.
fn families<L>(
    both: [IpAddr; 2],
    mut bind: impl FnMut(IpAddr) -> Result<Option<L>, ListeningError>,
) -> Result<Vec<L>, ListeningError> {
    let mut found = Vec::new();
    let mut missing = None;
    for ip in both {
        match bind(ip) {
            Ok(listener) => found.push(listener),
            Err(ListeningError::Listen(error)) if error.is_family_missing() => {
                info!("this system has no addresses of that kind: {error}");
                missing = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    match missing {
        Some(error) if found.is_empty() => Err(error.into()),
        _ => Ok(found.into_iter().flatten().collect()),
    }
}

impl From<ListenError> for ListeningError {
    fn from(error: ListenError) -> ListeningError {
        ListeningError::Listen(error)
    }
}

impl fmt::Display for ListeningError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListeningError::Listen(error) => error.fmt(f),
            ListeningError::Twice { address, own } => write!(
                f,
                "cannot listen on {address}: this program is to listen on {own} already: choose \
                 another address or port"
            ),
            ListeningError::Zone(error) => write!(f, "cannot listen: {error}"),
            ListeningError::Interface { item, reason } => {
                write!(f, "cannot listen on interface [{item}]: {reason}")
            }
            ListeningError::OtherServer { descriptor, name } => write!(
                f,
                "cannot listen on fd#{descriptor}: it is for a server that is not enabled: {}",
                ascii::escape(name.as_bytes())
            ),
        }
    }
}

impl Error for ListeningError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ListeningError::Listen(error) => Some(error),
            ListeningError::Zone(error) => Some(error),
            ListeningError::Twice { .. }
            | ListeningError::Interface { .. }
            | ListeningError::OtherServer { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn fake(kind: io::ErrorKind, ip: IpAddr) -> ListenError {
        let address = Address::Tcp(SocketAddr::new(ip, 25));
        ListenError::new(address, io::Error::from(kind))
    }

    fn try_families(v4: Option<io::ErrorKind>, v6: Option<io::ErrorKind>) -> Option<usize> {
        let bind = |ip: IpAddr| match if ip.is_ipv4() { v4 } else { v6 } {
            None => Ok(Some(())),
            Some(kind) => Err(fake(kind, ip).into()),
        };
        let both: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        families(both, bind).ok().map(|listeners| listeners.len())
    }

    #[test]
    fn one_family_may_be_missing() {
        let missing = Some(io::ErrorKind::AddrNotAvailable);
        let in_use = Some(io::ErrorKind::AddrInUse);
        assert_eq!(try_families(None, None), Some(2));
        assert_eq!(try_families(None, missing), Some(1));
        assert_eq!(try_families(missing, None), Some(1));
        assert_eq!(try_families(missing, missing), None);
        assert_eq!(try_families(None, in_use), None);
        assert_eq!(try_families(in_use, missing), None);
    }

    #[test]
    fn sockets_handed_on_are_for_servers_that_there_are() {
        let handed = |name: Option<&str>| Handed {
            descriptor: 7,
            name: name.map(str::to_owned),
        };
        let check = |name, servers: &[ServerName]| check_handed(&[handed(name)], servers).is_ok();
        assert!(check(Some("pop"), &[ServerName::Smtp, ServerName::Pop]));
        assert!(!check(Some("pop"), &[ServerName::Smtp]));
        assert!(check(Some("x.socket"), &[ServerName::Smtp]));
        assert!(check(None, &[ServerName::Smtp]));
        assert!(!check(None, &[ServerName::Pop]));
    }

    #[test]
    fn interfaces_stand_for_their_addresses() {
        let one = |name: &str, address: &str| InterfaceAddress {
            name: name.to_owned(),
            address: address.parse().unwrap(),
        };
        let all = [
            one("lo", "127.0.0.1:0"),
            one("eth0", "192.0.2.1:0"),
            one("eth0", "192.0.2.2:0"),
            one("eth0", "[fe80::1%7]:0"),
        ];
        let texts = |name, only| {
            of_interface(&all, name, only, 25).map(|found| {
                let texts = found.iter().map(SocketAddr::to_string);
                texts.collect::<Vec<_>>().join(" ")
            })
        };
        let both = "192.0.2.1:25 192.0.2.2:25 [fe80::1%7]:25";
        assert_eq!(texts("eth0", None).as_deref(), Ok(both));
        let v6 = texts("eth0", Some(IpFamily::Ipv6));
        assert_eq!(v6.as_deref(), Ok("[fe80::1%7]:25"));
        let v4 = texts("lo", Some(IpFamily::Ipv4));
        assert_eq!(v4.as_deref(), Ok("127.0.0.1:25"));
        assert!(texts("lo", Some(IpFamily::Ipv6)).is_err());
        assert!(texts("eth1", None).is_err());
        assert!(texts("eth", None).is_err());
    }
}
