//! Looking host names up. Blocks, so it runs on a worker.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use super::address::{Host, HostPort};
use crate::sys;

/// How many addresses of one name are worth trying.
pub const ADDRESSES_MAX: usize = 16;

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// Why there is nothing to connect to.
#[derive(Debug)]
pub struct ResolveError {
    host: String,
    family: Option<Family>,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    /// The lookup failed.
    Lookup(io::Error),
    /// It gave nothing, or nothing of the family.
    Nothing,
    /// The host is an address of another family.
    Mismatch,
}

impl Family {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Family {
        if address.is_ipv4() {
            Family::Ipv4
        } else {
            Family::Ipv6
        }
    }
}

/// As [`resolve`], where the host is an address that need not be looked up.
pub fn literal(
    target: &HostPort,
    family: Option<Family>,
) -> Option<Result<Vec<SocketAddr>, ResolveError>> {
    let is_literal = matches!(target.host, Host::Ip(_, None));
    is_literal.then(|| resolve(target, family))
}

/// Gives the addresses of a host in the order in which to try them, at most
/// [`ADDRESSES_MAX`] and none twice; of that family only, if one is given. An
/// address as the host is not looked up.
pub fn resolve(target: &HostPort, family: Option<Family>) -> Result<Vec<SocketAddr>, ResolveError> {
    let fail = |cause| ResolveError {
        host: target.host.to_string(),
        family,
        cause,
    };
    let is_wanted = |address: &SocketAddr| family.is_none_or(|f| Family::of(address.ip()) == f);
    match &target.host {
        Host::Ip(address, None) => {
            let address = SocketAddr::new(*address, target.port);
            Some(address)
                .filter(is_wanted)
                .map(|a| vec![a])
                .ok_or_else(|| fail(Cause::Mismatch))
        }
        // Only the lookup knows the numbers of zones.
        Host::Name(_) | Host::Ip(_, Some(_)) => {
            let found = (target.host.to_string(), target.port)
                .to_socket_addrs()
                .map_err(|error| fail(Cause::Lookup(error)))?;
            let addresses = distinct(found.filter(is_wanted));
            if addresses.is_empty() {
                Err(fail(Cause::Nothing))
            } else {
                Ok(addresses)
            }
        }
    }
}

/// The first [`ADDRESSES_MAX`] different ones, in their order.
fn distinct(found: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut addresses = Vec::new();
    for address in found {
        if addresses.len() == ADDRESSES_MAX {
            break;
        }
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

/// `no such host: "x" (name or service not known)`, as log watchers know it.
impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.family {
            Some(Family::Ipv4) => "ipv4 host",
            Some(Family::Ipv6) => "ipv6 host",
            None => "host",
        };
        let cause = match &self.cause {
            Cause::Lookup(error) => lookup_reason(error),
            Cause::Nothing => "no address found".to_owned(),
            Cause::Mismatch => "invalid address family".to_owned(),
        };
        write!(f, "no such {kind}: {:?} ({cause})", self.host)
    }
}

impl Error for ResolveError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::Lookup(error) => Some(error),
            Cause::Nothing | Cause::Mismatch => None,
        }
    }
}

/// What getaddrinfo says, without what std puts before it.
fn lookup_reason(error: &io::Error) -> String {
    let reason = sys::reason(error);
    match reason.strip_prefix("failed to lookup address information: ") {
        Some(rest) => rest.to_lowercase(),
        None => reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve_text(text: &str, family: Option<Family>) -> Result<Vec<String>, String> {
        resolve(&HostPort::parse(text).unwrap(), family)
            .map(|found| found.iter().map(SocketAddr::to_string).collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn takes_addresses_as_they_are() {
        let found = |text: &str| Ok(vec![text.to_owned()]);
        assert_eq!(resolve_text("192.0.2.1:25", None), found("192.0.2.1:25"));
        assert_eq!(
            resolve_text("::1:25", Some(Family::Ipv6)),
            found("[::1]:25")
        );
        assert_eq!(
            resolve_text("192.0.2.1:25", Some(Family::Ipv6)).unwrap_err(),
            "no such ipv6 host: \"192.0.2.1\" (invalid address family)"
        );
        assert!(resolve_text("[::1]:25", Some(Family::Ipv4)).is_err());
    }

    #[test]
    fn understands_zones() {
        let zone = resolve_text("[fe80::1%1]:25", None).unwrap();
        assert_eq!(zone, ["[fe80::1%1]:25"]);
        assert!(resolve_text("[fe80::1%no-such-zone]:25", None).is_err());
    }

    #[test]
    fn looks_names_up() {
        let found = resolve_text("localhost:25", Some(Family::Ipv4)).unwrap();
        assert_eq!(found, ["127.0.0.1:25"]);
    }

    #[test]
    fn says_which_name_failed() {
        // RFC 6761 6.4: there is no such domain, nor will there be.
        let error = resolve_text("no-such-host.invalid:25", None).unwrap_err();
        let rest = error
            .strip_prefix("no such host: \"no-such-host.invalid\" (")
            .unwrap();
        assert!(rest.ends_with(')') && !rest.contains("os error"), "{error}");
        assert!(!rest.contains("failed to lookup"), "{error}");
    }

    #[test]
    fn bounds_the_addresses_and_gives_none_twice() {
        let address = |n: u16| SocketAddr::from(([127, 0, 0, 1], n));
        let twice = (1..=100).flat_map(|n| [address(n), address(n), address(1)]);
        let expected: Vec<_> = (1..=16).map(address).collect();
        assert_eq!(distinct(twice), expected);
    }
}
