//! The question that is put to a list, and what its answer means.

use std::net::{IpAddr, Ipv4Addr};

use crate::proto::dns::{Data, Name, Reply};

/// What a list says of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It lists the client, with these values.
    Listed(Vec<Ipv4Addr>),
    /// It does not list the client, or has only values that do not say so.
    NotListed {
        /// Values that are none of a list.
        foreign: Vec<Ipv4Addr>,
    },
    /// It does not answer our questions, with these values.
    Refused(Vec<Ipv4Addr>),
}

/// The name to ask for: the client's octets or nibbles, last one first, before the
/// zone's name; `None` where the zone's name is too long for that.
// RFC 5782 2.1 and 2.4; the type is A for both (2.4).
pub(super) fn name(client: IpAddr, zone: &Name) -> Option<Name> {
    let name = match client.to_canonical() {
        IpAddr::V4(v4) => zone.prefixed(v4.octets().iter().rev().map(u8::to_string)),
        IpAddr::V6(v6) => {
            let nibbles = v6.octets().into_iter().rev().flat_map(|o| [o & 15, o >> 4]);
            zone.prefixed(nibbles.map(|nibble| format!("{nibble:x}")))
        }
    };
    name.ok()
}

/// Reads the reply of a server that had an answer.
pub(super) fn read(reply: &Reply, name: &Name) -> Answer {
    let (mut listed, mut refused, mut foreign) = (Vec::new(), Vec::new(), Vec::new());
    for data in reply.data_of(name) {
        match data {
            Data::A(value) if is_refusal(*value) => refused.push(*value),
            Data::A(value) if is_listing(*value) => listed.push(*value),
            Data::A(value) => foreign.push(*value),
            _ => (),
        }
    }
    if !listed.is_empty() {
        Answer::Listed(listed)
    } else if !refused.is_empty() {
        Answer::Refused(refused)
    } else {
        Answer::NotListed { foreign }
    }
}

// RFC 5782 2.3: values are in 127.0.0.0/8 and, by convention, 127.0.0.2. It singles
// out none, so 127.0.0.1 counts: section 5 is about the client of that address.
fn is_listing(value: Ipv4Addr) -> bool {
    value.is_loopback()
}

/// Whether the value is an error code: the large lists answer questions by way of
/// open resolvers, too many questions and misspelt zones from 127.255.255.0/24.
fn is_refusal(value: Ipv4Addr) -> bool {
    matches!(value.octets(), [127, 255, 255, _])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(client: &str) -> String {
        let zone = Name::parse("bl.test").unwrap();
        name(client.parse().unwrap(), &zone).unwrap().to_string()
    }

    #[test]
    fn octets_are_reversed() {
        // RFC 5782 2.1.
        assert_eq!(asked("192.0.2.99"), "99.2.0.192.bl.test");
        assert_eq!(asked("::ffff:203.0.113.5"), "5.113.0.203.bl.test");
    }

    #[test]
    fn nibbles_are_reversed() {
        // RFC 5782 2.4.
        let expected = "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.bl.test";
        assert_eq!(asked("4321:0:1:2:3:4:567:89ab"), expected);
    }

    #[test]
    fn the_longest_zone_has_room_for_nibbles() {
        let zone_of = |last: usize| {
            let labels = [63, 63, last].map(|length| "x".repeat(length));
            Name::parse(&labels.join(".")).unwrap()
        };
        let v6: IpAddr = "::1".parse().unwrap();
        let longest = zone_of(61);
        assert_eq!(longest.wire().len(), super::super::ZONE_NAME_MAX);
        assert!(name(v6, &longest).is_some());
        assert!(name(v6, &zone_of(62)).is_none());
    }
}
