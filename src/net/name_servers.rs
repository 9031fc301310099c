//! The system's name servers, as its configuration lists them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// The most name servers taken from the configuration; resolvers take as many.
pub const NAME_SERVERS_MAX: usize = 3;

const PORT: u16 = 53;

/// Reads the text of a resolv.conf: the addresses of its `nameserver` lines, or
/// that of this host where there are none. What it does not understand is left
/// out, as it is by resolvers.
///
/// `interface` gives the index of a network interface by its name, for link-local
/// addresses like `fe80::1%eth0`.
pub fn parse(text: &str, interface: &dyn Fn(&str) -> Option<u32>) -> Vec<SocketAddr> {
    let listed = text.lines().filter_map(|line| parse_line(line, interface));
    let mut servers: Vec<SocketAddr> = listed.take(NAME_SERVERS_MAX).collect();
    if servers.is_empty() {
        servers.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT));
    }
    servers
}

/// Reads one line; the keyword has to start it, and what comes after the address is
/// of no account.
fn parse_line(line: &str, interface: &dyn Fn(&str) -> Option<u32>) -> Option<SocketAddr> {
    let rest = line.strip_prefix("nameserver")?;
    let value = rest.strip_prefix([' ', '\t'])?.split_whitespace().next()?;
    // A comment may follow without a blank.
    let address = value.split(['#', ';']).next()?;
    match address.split_once('%') {
        Some((address, zone)) => {
            let address: Ipv6Addr = address.parse().ok()?;
            // RFC 4007 11.2: a zone is named by its number, or by its interface.
            let index = zone.parse().ok().or_else(|| interface(zone))?;
            Some(SocketAddrV6::new(address, PORT, 0, index).into())
        }
        None => Some(SocketAddr::new(address.parse::<IpAddr>().ok()?, PORT)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(text: &str) -> Vec<String> {
        let interface = |name: &str| (name == "eth0").then_some(7);
        let servers = parse(text, &interface);
        servers.iter().map(SocketAddr::to_string).collect()
    }

    #[test]
    fn reads_a_usual_file() {
        let text = "# made by somebody\n\
                    domain example.org\n\
                    search example.org sub.example.org\n\
                    nameserver 192.0.2.1\n\
                    nameserver\t2001:db8::1\n\
                    options edns0 trust-ad\n";
        assert_eq!(servers(text), ["192.0.2.1:53", "[2001:db8::1]:53"]);
    }

    #[test]
    fn takes_lines_as_resolvers_do() {
        for (line, expected) in [
            ("nameserver 192.0.2.1", Some("192.0.2.1:53")),
            ("nameserver \t 192.0.2.1 \t", Some("192.0.2.1:53")),
            ("nameserver 192.0.2.1\r", Some("192.0.2.1:53")),
            ("nameserver 192.0.2.1 # the old one", Some("192.0.2.1:53")),
            ("nameserver 192.0.2.1#old", Some("192.0.2.1:53")),
            ("nameserver 192.0.2.1;old", Some("192.0.2.1:53")),
            ("nameserver 192.0.2.1 192.0.2.2", Some("192.0.2.1:53")),
            ("nameserver ::1", Some("[::1]:53")),
            ("nameserver fe80::1%2", Some("[fe80::1%2]:53")),
            ("nameserver fe80::1%eth0", Some("[fe80::1%7]:53")),
            ("nameserver fe80::1%eth9", None),
            ("nameserver fe80::1%", None),
            ("nameserver 192.0.2.1%eth0", None),
            (" nameserver 192.0.2.1", None),
            ("#nameserver 192.0.2.1", None),
            ("; nameserver 192.0.2.1", None),
            ("nameserver", None),
            ("nameserver ", None),
            ("nameserver # 192.0.2.1", None),
            ("nameservers 192.0.2.1", None),
            ("nameserver192.0.2.1", None),
            ("NAMESERVER 192.0.2.1", None),
            ("nameserver ns.example.org", None),
            ("nameserver 192.0.2", None),
            ("nameserver 192.0.2.1:53", None),
            ("nameserver [::1]", None),
            ("nameserver \u{fffd}\0", None),
            ("\0\u{1}\u{fffd}", None),
        ] {
            // A second line tells a line left out from a file without servers.
            let text = format!("{line}\nnameserver 192.0.2.9\n");
            let expected: Vec<&str> = expected.into_iter().chain(["192.0.2.9:53"]).collect();
            assert_eq!(servers(&text), expected, "{line:?}");
        }
    }

    #[test]
    fn asks_this_host_where_no_other_is_listed() {
        for text in ["", "\n\n", "search example.org\n", "nameserver x"] {
            assert_eq!(servers(text), ["127.0.0.1:53"], "{text:?}");
        }
    }

    #[test]
    fn takes_the_first_few() {
        let text: String = (1..9)
            .map(|n| format!("nameserver 192.0.2.{n}\n"))
            .collect();
        let expected = ["192.0.2.1:53", "192.0.2.2:53", "192.0.2.3:53"];
        assert_eq!(servers(&text), expected);
        assert_eq!(expected.len(), NAME_SERVERS_MAX);
    }
}
