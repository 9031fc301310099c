//! Which hosts take mail for a domain (RFC 5321 5.1, RFC 7505): what is asked of
//! name servers, and what their answers come to.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::base::ascii;
use crate::proto::dns::{Data, Error, Name, Rcode, Reply};

/// The most mail exchanges that are looked up for a domain.
// RFC 5321 5.1: at least two addresses are to be tried.
pub const EXCHANGES_MAX: usize = 5;

/// The most addresses of one domain.
pub const ADDRESSES_MAX: usize = 16;

/// The port of mail exchanges.
pub const PORT: u16 = 25;

/// Where a message is to go, as its envelope says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A domain, whose mail exchanges are to be found.
    Domain {
        /// Its name, as it was written.
        text: String,
        /// The same for name servers.
        name: Name,
        /// The port.
        port: u16,
    },
    /// An address.
    Address {
        /// The address.
        ip: IpAddr,
        /// The port.
        port: u16,
    },
}

/// Why a text is not a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// It is not a name.
    Name(Error),
    /// What is in brackets is not an address.
    Address,
    /// The port is not a number from 1 to 65535.
    Port,
}

/// What name servers say about the mail exchanges of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exchanges {
    /// These, in the order in which they are to be tried.
    Hosts(Vec<Name>),
    /// There are none, so that the domain itself is its only one.
    Implicit,
    /// The domain takes no mail.
    Null,
    /// There is no such domain.
    NoDomain,
    /// This host is the best of them, so that mail for it would come back.
    Ourselves,
}

impl Destination {
    /// Reads `domain`, `domain:port`, `user@domain`, `[192.0.2.1]:port` or
    /// `[IPv6:2001:db8::1]:port`; the local part may be anything.
    pub fn parse(text: &[u8]) -> Result<Destination, Misfit> {
        let start = text.iter().rposition(|octet| *octet == b'@');
        let place = text.get(start.map_or(0, |at| at + 1)..).unwrap_or_default();
        // What is not UTF-8 is not a name either.
        let place = String::from_utf8_lossy(place);
        match place.strip_prefix('[') {
            Some(rest) => {
                let (address, after) = rest.split_once(']').ok_or(Misfit::Address)?;
                let port = match after {
                    "" => PORT,
                    after => port(after.strip_prefix(':').ok_or(Misfit::Port)?)?,
                };
                let ip = literal(address).ok_or(Misfit::Address)?;
                Ok(Destination::Address { ip, port })
            }
            None => {
                let (name, port) = match place.split_once(':') {
                    Some((name, number)) => (name, port(number)?),
                    None => (place.as_ref(), PORT),
                };
                Ok(Destination::Domain {
                    text: name.to_owned(),
                    name: Name::parse(name).map_err(Misfit::Name)?,
                    port,
                })
            }
        }
    }
}

fn port(text: &str) -> Result<u16, Misfit> {
    let number = ascii::parse_decimal(text.as_bytes()).ok_or(Misfit::Port)?;
    let port = u16::try_from(number).ok().filter(|port| *port > 0);
    port.ok_or(Misfit::Port)
}

// RFC 5321 4.1.3: an IPv6 literal has a tag; without one it is understood, too.
fn literal(text: &str) -> Option<IpAddr> {
    let tag = text
        .get(..5)
        .filter(|tag| tag.eq_ignore_ascii_case("IPv6:"));
    match tag {
        Some(_) => text.get(5..)?.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => text.parse().ok(),
    }
}

/// What the reply to a question about a domain's mail exchanges comes to; nothing
/// where the server has not answered it. `own` is the name of this host.
/// `seed` decides among hosts of equal preference: always alike for one domain, so that
/// all its mail goes one way, and otherwise elsewhere.
pub fn exchanges(reply: &Reply, domain: &Name, own: Option<&Name>, seed: u64) -> Option<Exchanges> {
    match reply.rcode {
        Rcode::NoError => {}
        Rcode::NxDomain => return Some(Exchanges::NoDomain),
        _ => return None,
    }
    let mut hosts: Vec<(u16, u64, &Name)> = Vec::new();
    for data in reply.data_of(domain) {
        if let Data::Mx {
            preference,
            exchange,
        } = data
        {
            hosts.push((*preference, chance(seed, domain, exchange), exchange));
        }
    }
    Some(choose(hosts, own))
}

fn chance(seed: u64, domain: &Name, host: &Name) -> u64 {
    let mut hasher = DefaultHasher::new();
    // RFC 1034 3.1: case makes no difference; the lengths of labels are no letters.
    let names = [domain, host].map(|name| name.wire().to_ascii_lowercase());
    (seed, names).hash(&mut hasher);
    hasher.finish()
}

fn choose(mut hosts: Vec<(u16, u64, &Name)>, own: Option<&Name>) -> Exchanges {
    if hosts.is_empty() {
        return Exchanges::Implicit;
    }
    // RFC 7505 3: the one record of such a domain has the root for its host. Where
    // there are others beside it, it is only not a host that could be asked.
    hosts.retain(|(_, _, host)| !is_root(host));
    if hosts.is_empty() {
        return Exchanges::Null;
    }
    // RFC 5321 5.1: sorted by preference, at random among equals; this host, and all
    // that are no better than it, are left out.
    hosts.sort_by_key(|(preference, chance, _)| (*preference, *chance));
    let limit = hosts
        .iter()
        .find(|(_, _, host)| Some(*host) == own)
        .map(|(preference, ..)| *preference);
    let better = |preference: u16| limit.is_none_or(|limit| preference < limit);
    let hosts: Vec<Name> = hosts
        .into_iter()
        .filter(|(preference, ..)| better(*preference))
        .take(EXCHANGES_MAX)
        .map(|(_, _, host)| host.clone())
        .collect();
    match hosts.is_empty() {
        true => Exchanges::Ourselves,
        false => Exchanges::Hosts(hosts),
    }
}

fn is_root(name: &Name) -> bool {
    name.wire() == [0]
}

/// The addresses that a reply has for a host; nothing where the server has not
/// answered.
pub fn addresses(reply: &Reply, host: &Name) -> Option<Vec<IpAddr>> {
    let address = |data: &Data| match data {
        Data::A(address) => Some(IpAddr::V4(*address)),
        Data::Aaaa(address) => Some(IpAddr::V6(*address)),
        _ => None,
    };
    reply.rcode.is_answer().then(|| {
        let all = reply.data_of(host).filter_map(address);
        all.take(ADDRESSES_MAX).collect()
    })
}

/// Whether an address can only be this host, or none: no public domain has any
/// business with it, and mail sent there might come back for ever.
pub fn is_misplaced(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_misplaced_v4(address),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => is_misplaced_v4(address),
            None => {
                address.is_loopback()
                    || address.is_unspecified()
                    || address.is_multicast()
                    || address.is_unicast_link_local()
            }
        },
    }
}

fn is_misplaced_v4(address: Ipv4Addr) -> bool {
    address.is_loopback()
        || address.octets()[0] == 0
        || address.is_multicast()
        || address.is_broadcast()
        || address.is_link_local()
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Misfit::Name(error) => error.fmt(f),
            Misfit::Address => f.write_str("not an address"),
            Misfit::Port => f.write_str("not a port"),
        }
    }
}

impl std::error::Error for Misfit {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::dns::{Kind, Record};
    use std::collections::HashSet;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    fn root() -> Name {
        // The only way to it is by a message.
        let query = crate::proto::dns::Query {
            id: 0,
            name: name("x"),
            kind: Kind::Mx,
        };
        let mut message = query.message();
        message[2..4].copy_from_slice(&[0x81, 0x80]);
        message[6..8].copy_from_slice(&[0, 1]);
        message.extend([0xC0, 12, 0, 15, 0, 1, 0, 0, 0, 9, 0, 3, 0, 0, 0]);
        let reply = Reply::parse(&message, &query).unwrap();
        match reply.records.into_iter().next().map(|record| record.data) {
            Some(Data::Mx { exchange, .. }) => exchange,
            other => panic!("{other:?}"),
        }
    }

    fn reply(rcode: Rcode, data: Vec<Data>) -> Reply {
        let record = |data| Record {
            owner: name("dst.test"),
            data,
        };
        Reply {
            rcode,
            truncated: false,
            records: data.into_iter().map(record).collect(),
        }
    }

    fn mx(preference: u16, exchange: Name) -> Data {
        Data::Mx {
            preference,
            exchange,
        }
    }

    fn found(data: Vec<Data>, own: &str) -> Exchanges {
        let reply = reply(Rcode::NoError, data);
        exchanges(&reply, &name("dst.test"), Some(&name(own)), 7).unwrap()
    }

    fn hosts(names: &[&str]) -> Exchanges {
        Exchanges::Hosts(names.iter().map(|text| name(text)).collect())
    }

    #[test]
    fn reads_destinations() {
        let domain = |text: &str, port| {
            Ok(Destination::Domain {
                text: text.to_owned(),
                name: name(text),
                port,
            })
        };
        let address = |ip: &str, port| {
            Ok(Destination::Address {
                ip: ip.parse().unwrap(),
                port,
            })
        };
        for (text, expected) in [
            ("dst.test", domain("dst.test", 25)),
            ("dst.test:2525", domain("dst.test", 2525)),
            ("a@dst.test:1", domain("dst.test", 1)),
            ("\"a@b:c\"@Dst.Test", domain("Dst.Test", 25)),
            ("[192.0.2.1]", address("192.0.2.1", 25)),
            ("u@[192.0.2.1]:65535", address("192.0.2.1", 65535)),
            ("[IPv6:2001:db8::1]:26", address("2001:db8::1", 26)),
            ("[2001:db8::1]", address("2001:db8::1", 25)),
            ("", Err(Misfit::Name(Error::EmptyLabel))),
            ("a@", Err(Misfit::Name(Error::EmptyLabel))),
            ("a..b", Err(Misfit::Name(Error::EmptyLabel))),
            ("a b", Err(Misfit::Name(Error::Character))),
            ("b\u{fc}cher.test", Err(Misfit::Name(Error::Character))),
            ("a/b", Err(Misfit::Name(Error::Character))),
            ("dst.test:", Err(Misfit::Port)),
            ("dst.test:0", Err(Misfit::Port)),
            ("dst.test:65536", Err(Misfit::Port)),
            ("dst.test:smtp", Err(Misfit::Port)),
            ("dst.test:+1", Err(Misfit::Port)),
            ("2001:db8::1", Err(Misfit::Port)),
            ("[192.0.2.1", Err(Misfit::Address)),
            ("[192.0.2.256]", Err(Misfit::Address)),
            ("[IPv6:192.0.2.1]", Err(Misfit::Address)),
            ("[192.0.2.1]25", Err(Misfit::Port)),
            ("[192.0.2.1]:", Err(Misfit::Port)),
        ] {
            assert_eq!(Destination::parse(text.as_bytes()), expected, "{text}");
        }
        assert!(Destination::parse(b"\xff.test").is_err());
    }

    #[test]
    fn the_least_preference_comes_first() {
        let data = vec![mx(30, name("c")), mx(10, name("a")), mx(20, name("b"))];
        assert_eq!(found(data, "own"), hosts(&["a", "b", "c"]));
        let many = (0..500).map(|n| mx(500 - n, name(&format!("h{n}"))));
        let expected = ["h499", "h498", "h497", "h496", "h495"];
        assert_eq!(found(many.collect(), "own"), hosts(&expected));
    }

    #[test]
    fn equals_are_in_any_order_but_always_in_the_same() {
        let order = |names: [&str; 3], seed| {
            let data = names.map(|host| mx(10, name(host))).to_vec();
            exchanges(&reply(Rcode::NoError, data), &name("dst.test"), None, seed).unwrap()
        };
        let mut first = HashSet::new();
        for seed in 0..100 {
            let one = order(["a", "b", "c"], seed);
            for names in [["c", "a", "B"], ["b", "C", "a"], ["a", "c", "b"]] {
                assert_eq!(order(names, seed), one, "{seed}");
            }
            first.insert(format!("{one:?}"));
        }
        // Each of the six but for a chance of one in many millions.
        assert_eq!(first.len(), 6);
    }

    #[test]
    fn those_no_better_than_ourselves_are_left_out() {
        let data = vec![
            mx(10, name("a")),
            mx(20, name("OWN.test")),
            mx(20, name("b")),
            mx(30, name("c")),
        ];
        assert_eq!(found(data, "own.test"), hosts(&["a"]));
        let data = vec![mx(10, name("own")), mx(20, name("b"))];
        assert_eq!(found(data, "own"), Exchanges::Ourselves);
    }

    #[test]
    fn some_domains_have_no_exchanges() {
        assert_eq!(found(vec![], "own"), Exchanges::Implicit);
        let other = vec![Data::Txt(b"x".to_vec()), Data::A([192, 0, 2, 1].into())];
        assert_eq!(found(other, "own"), Exchanges::Implicit);
        assert_eq!(found(vec![mx(0, root())], "own"), Exchanges::Null);
        let both = vec![mx(0, root()), mx(5, name("a"))];
        assert_eq!(found(both, "own"), hosts(&["a"]));
    }

    #[test]
    fn trouble_is_not_an_answer() {
        let about = |rcode| {
            let reply = reply(rcode, vec![mx(1, name("a"))]);
            exchanges(&reply, &name("dst.test"), None, 0)
        };
        assert_eq!(about(Rcode::NxDomain), Some(Exchanges::NoDomain));
        for rcode in [
            Rcode::ServFail,
            Rcode::Refused,
            Rcode::FormErr,
            Rcode::Other(9),
        ] {
            assert_eq!(about(rcode), None, "{rcode}");
            let reply = reply(rcode, vec![]);
            assert_eq!(addresses(&reply, &name("dst.test")), None);
        }
    }

    #[test]
    fn takes_addresses_of_the_host_only() {
        let data = vec![
            Data::A([192, 0, 2, 1].into()),
            Data::Aaaa("2001:db8::1".parse().unwrap()),
            Data::Txt(Vec::new()),
        ];
        let reply = reply(Rcode::NoError, data);
        let texts = |host: &str| -> Vec<String> {
            let found = addresses(&reply, &name(host)).unwrap();
            found.iter().map(IpAddr::to_string).collect()
        };
        assert_eq!(texts("DST.test"), ["192.0.2.1", "2001:db8::1"]);
        assert!(texts("other.test").is_empty());
    }

    #[test]
    fn knows_addresses_that_no_public_host_has() {
        for text in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "255.255.255.255",
            "169.254.1.1",
            "::1",
            "::",
            "ff02::1",
            "fe80::1",
            "::ffff:127.0.0.1",
        ] {
            assert!(is_misplaced(text.parse().unwrap()), "{text}");
        }
        for text in [
            "192.0.2.1",
            "10.0.0.1",
            "2001:db8::1",
            "fd00::1",
            "::ffff:192.0.2.1",
        ] {
            assert!(!is_misplaced(text.parse().unwrap()), "{text}");
        }
    }
}
