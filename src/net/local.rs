//! Which addresses count as local: clients that are served, and servers that are
//! believed, without being asked for more.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Loopback (RFC 1122 3.2.1.3), link-local (RFC 3927) and private (RFC 1918).
const IPV4_RANGES: [(Ipv4Addr, u32); 5] = [
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
];

/// Loopback and link-local (RFC 4291 2.5), and unique local (RFC 4193).
///
/// RFC 4291 2.5.6: fe80::/10 is set aside for link-local addresses, but those
/// that exist have 54 zero bits next, which makes them fe80::/64.
const IPV6_RANGES: [(Ipv6Addr, u32); 3] = [
    (Ipv6Addr::LOCALHOST, 128),
    (Ipv6Addr::new(0xFE80, 0, 0, 0, 0, 0, 0, 0), 64),
    (Ipv6Addr::new(0xFC00, 0, 0, 0, 0, 0, 0, 0), 7),
];

/// Whether the address is in one of the local ranges. An IPv4 address in IPv6
/// clothes (RFC 4291 2.5.5.2) is taken for what it is.
pub fn is_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => IPV4_RANGES.iter().any(|(base, prefix)| {
            let shift = u32::BITS - prefix;
            v4.to_bits() >> shift == base.to_bits() >> shift
        }),
        IpAddr::V6(v6) => IPV6_RANGES.iter().any(|(base, prefix)| {
            let shift = u128::BITS - prefix;
            v6.to_bits() >> shift == base.to_bits() >> shift
        }),
    }
}

/// Names the ranges that an address of that family would have to be in:
/// `::1/128 or fe80::/64 or fc00::/7`.
pub fn ranges_text(address: IpAddr) -> String {
    let text = |base: &dyn std::fmt::Display, prefix: u32| format!("{base}/{prefix}");
    match address.to_canonical() {
        IpAddr::V4(_) => {
            let ranges = IPV4_RANGES.map(|(base, prefix)| text(&base, prefix));
            let [first @ .., last] = &ranges;
            format!("{}, or {last}", first.join(", "))
        }
        IpAddr::V6(_) => IPV6_RANGES
            .map(|(base, prefix)| text(&base, prefix))
            .join(" or "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_edges_of_every_range() {
        for (text, expected) in [
            ("126.255.255.255", false),
            ("127.0.0.0", true),
            ("127.255.255.255", true),
            ("128.0.0.0", false),
            ("169.253.255.255", false),
            ("169.254.0.0", true),
            ("169.254.255.255", true),
            ("169.255.0.0", false),
            ("9.255.255.255", false),
            ("10.0.0.0", true),
            ("10.255.255.255", true),
            ("11.0.0.0", false),
            ("172.15.255.255", false),
            ("172.16.0.0", true),
            ("172.31.255.255", true),
            ("172.32.0.0", false),
            ("192.167.255.255", false),
            ("192.168.0.0", true),
            ("192.168.255.255", true),
            ("192.169.0.0", false),
            ("0.0.0.0", false),
            ("100.64.0.1", false),
            ("192.0.0.1", false),
            ("198.18.0.1", false),
            ("203.0.113.5", false),
            ("255.255.255.255", false),
            ("::", false),
            ("::1", true),
            ("::2", false),
            ("fe7f:ffff::", false),
            ("fe80::", true),
            ("fe80::ffff:ffff:ffff:ffff", true),
            ("fe80:0:0:1::1", false),
            ("fbff:ffff::1", false),
            ("fc00::", true),
            ("fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true),
            ("fe00::1", false),
            ("fec0::1", false),
            ("2001:db8::5", false),
            ("::ffff:127.0.0.1", true),
            ("::ffff:203.0.113.5", false),
            ("::127.0.0.1", false),
        ] {
            assert_eq!(is_local(text.parse().unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn names_the_ranges_of_the_family() {
        let v4 = "127.0.0.0/8, 169.254.0.0/16, 10.0.0.0/8, 172.16.0.0/12, or 192.168.0.0/16";
        assert_eq!(ranges_text("203.0.113.5".parse().unwrap()), v4);
        assert_eq!(ranges_text("::ffff:203.0.113.5".parse().unwrap()), v4);
        let v6 = "::1/128 or fe80::/64 or fc00::/7";
        assert_eq!(ranges_text("2001:db8::5".parse().unwrap()), v6);
    }
}
