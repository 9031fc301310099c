use super::*;

fn range(text: &str) -> Range {
    Range::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn address(text: &str) -> Option<IpAddr> {
    Some(text.parse().unwrap())
}

/// The first bits of two addresses compared one by one: slow, and not a mask in
/// sight.
fn agree(left: u128, right: u128, width: u32, prefix: u32) -> bool {
    (0..prefix).all(|index| {
        let bit = width - 1 - index;
        left >> bit & 1 == right >> bit & 1
    })
}

/// Each address that differs from this one in one bit, and the address itself.
fn neighbours(bits: u128, width: u32) -> impl Iterator<Item = u128> {
    (0..width).map(move |bit| bits ^ 1 << bit).chain([bits])
}

#[test]
fn every_ipv4_prefix_length_matches_what_it_should() {
    for base in [0xC0A8_57FFu32, 0, u32::MAX, 0xAAAA_AAAA, 0x0A00_0801] {
        for prefix in 0..=32 {
            let kept = (0..32)
                .filter(|bit| 31 - bit < prefix)
                .fold(0, |sum, bit| sum | 1u32 << bit);
            let network = base & kept;
            let range = range(&format!("{}/{prefix}", Ipv4Addr::from_bits(network)));
            for peer in neighbours(u128::from(base), 32) {
                let address = Ipv4Addr::from_bits(u32::try_from(peer).unwrap());
                let expected = agree(u128::from(network), peer, 32, prefix);
                assert_eq!(
                    range.contains(Some(IpAddr::V4(address))),
                    expected,
                    "{range} {address}"
                );
                let mapped = IpAddr::V6(address.to_ipv6_mapped());
                assert_eq!(range.contains(Some(mapped)), expected, "{range} {mapped}");
            }
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn every_ipv6_prefix_length_matches_what_it_should() {
    let all = [
        0x2001_0DB8_85A3_0000_0000_8A2E_0370_7334u128,
        u128::MAX,
        0xAAAA << 112 | 0x5555,
    ];
    for base in all {
        for prefix in 0..=128 {
            let kept = (0..128)
                .filter(|bit| 127 - bit < prefix)
                .fold(0, |sum, bit| sum | 1u128 << bit);
            let network = base & kept;
            let range = range(&format!("{}/{prefix}", Ipv6Addr::from_bits(network)));
            for peer in neighbours(base, 128) {
                let address = Ipv6Addr::from_bits(peer);
                let expected = agree(network, peer, 128, prefix);
                assert_eq!(
                    range.contains(Some(IpAddr::V6(address))),
                    expected,
                    "{range} {address}"
                );
            }
        }
    }
}

#[test]
fn prefix_lengths_that_others_get_wrong() {
    for (text, inside, outside) in [
        ("127.0.8.0/21", "127.0.15.255", "127.0.16.0"),
        ("127.5.128.0/17", "127.5.200.1", "127.5.127.255"),
        ("192.168.0.0/20", "192.168.15.1", "192.168.16.1"),
        ("::/0", "2001:db8::1", "192.0.2.1"),
        ("0.0.0.0/0", "203.0.113.5", "::1"),
        ("fc00::/7", "fdff::1", "fe00::1"),
    ] {
        assert!(range(text).contains(address(inside)), "{text} {inside}");
        assert!(!range(text).contains(address(outside)), "{text} {outside}");
    }
}

#[test]
fn wildcards_are_networks() {
    for (text, network) in [
        ("192.0.2.*", "192.0.2.0/24"),
        ("192.0.*.*", "192.0.0.0/16"),
        ("192.0.*", "192.0.0.0/16"),
        ("127.*.*.*", "127.0.0.0/8"),
        ("127.*", "127.0.0.0/8"),
        ("*.*.*.*", "0.0.0.0/0"),
        ("192.0.2.1", "192.0.2.1/32"),
        ("::1", "::1/128"),
        ("2001:DB8:0::", "2001:db8::/128"),
        ("::ffff:192.0.2.1", "192.0.2.1/32"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
    ] {
        assert_eq!(range(text), range(network), "{text}");
        assert_eq!(range(text).to_string(), network);
    }
}

#[test]
fn the_slash_stands_for_local_sockets() {
    assert!(range("/").contains(None));
    assert!(!range("/").contains(address("127.0.0.1")));
    assert!(!range("0.0.0.0/0").contains(None));
    assert!(!range("::/0").contains(None));
    assert_eq!(range("/").to_string(), "/");
}

#[test]
fn mapped_peers_are_not_in_ipv6_ranges() {
    assert!(!range("::/0").contains(address("::ffff:192.0.2.1")));
    assert!(range("192.0.2.0/24").contains(address("::ffff:192.0.2.1")));
}

#[test]
fn whatever_is_not_plain_is_refused() {
    for text in [
        "",
        "*",
        "*.*",
        "*.*.*",
        "*.1.2.3",
        "1.*.2.*",
        "1.2.3.4.*",
        "1.2.3.*.*",
        "256.*",
        "01.2.3.*",
        "+1.2.3.*",
        "1.2.3.**",
        "1.2.3",
        "1.2.3.4.5",
        "01.2.3.4",
        "host",
        "[::1]",
        "::1%lo",
        "1:2",
        "//",
        "::*",
        "1.2.3.*/24",
        "1.2.3.4 ",
        ".*",
    ] {
        assert_eq!(Range::parse(text), Err(RangeError::NoRange), "{text:?}");
    }
    for text in [
        "1.2.3.4/33",
        "1.2.3.4/",
        "1.2.3.4/-1",
        "1.2.3.4/032",
        "1.2.3.4/+8",
        "::/129",
        "1.2.3.4/255.0.0.0",
        "1.2.3.4/8/8",
        "::/4294967296",
    ] {
        assert_eq!(Range::parse(text), Err(RangeError::BadPrefix), "{text:?}");
    }
}

#[test]
fn bits_after_the_prefix_are_refused_with_a_hint() {
    for (text, network) in [
        ("10.0.0.1/8", "10.0.0.0/8"),
        ("127.0.0.1/24", "127.0.0.0/24"),
        ("1.2.3.4/0", "0.0.0.0/0"),
        ("fe80::1/64", "fe80::/64"),
        ("::ffff:10.0.0.1/104", "10.0.0.0/8"),
    ] {
        let error = Range::parse(text).unwrap_err();
        let expected = format!("bits are set after the prefix: the network is {network}");
        assert_eq!(error.to_string(), expected);
    }
}

fn trusted(text: &str, line: usize) -> Trusted {
    let keyword = OneLine::escaped(format!("k{line}"));
    Trusted {
        range: range(text),
        text: OneLine::escaped(text),
        keyword,
        line,
    }
}

#[test]
fn the_longest_prefix_counts() {
    let mut ranges = Ranges::default();
    let texts = [
        "*.*.*.*",
        "10.1.2.3",
        "10.0.0.0/8",
        "10.1.*",
        "::/0",
        "::1",
        "/",
    ];
    for (index, text) in texts.into_iter().enumerate() {
        ranges.add(trusted(text, index + 1)).unwrap();
    }
    for (peer, line) in [
        (address("10.1.2.3"), 2),
        (address("10.1.2.4"), 4),
        (address("10.2.0.1"), 3),
        (address("11.0.0.1"), 1),
        (address("::1"), 6),
        (address("::2"), 5),
        (None, 7),
    ] {
        assert_eq!(
            ranges.find(peer).map(|found| found.line),
            Some(line),
            "{peer:?}"
        );
    }
    assert!(Ranges::default().find(None).is_none());
}

#[test]
fn the_same_range_twice_is_given_back() {
    let mut ranges = Ranges::default();
    ranges.add(trusted("10.0.0.0/8", 1)).unwrap();
    ranges.add(trusted("10.0.0.0/9", 2)).unwrap();
    assert_eq!(ranges.add(trusted("10.*", 3)).unwrap_err().line, 3);
}

#[test]
fn the_log_names_peer_range_and_line() {
    let text = trusted("127.0.0.*", 1).log_text(address("::ffff:127.0.0.1"));
    assert_eq!(
        text,
        "trusting [127.0.0.1]: matched [127.0.0.*] from line 1"
    );
    assert_eq!(
        trusted("/", 2).log_text(None),
        "trusting [/]: matched [/] from line 2"
    );
}
