use super::*;

#[test]
fn reads_literals_with_zones() {
    for good in [
        "192.0.2.1",
        "::1",
        "2001:db8::1",
        "fe80::1%eth0",
        "fe80::1%2",
        "169.254.1.1",
    ] {
        assert_eq!(Literal::parse(good).unwrap().to_string(), good);
    }
    assert_eq!(
        Literal::parse("fe80::1%2").unwrap().zone,
        Some(Zone::Index(2))
    );
    for (bad, fault) in [
        ("", Fault::NotAnAddress),
        ("192.0.2.256", Fault::NotAnAddress),
        ("192.0.2.01", Fault::NotAnAddress),
        ("127.1", Fault::NotAnAddress),
        (" ::1", Fault::NotAnAddress),
        ("fe80::1", Fault::NoZone),
        ("febf::1", Fault::NoZone),
        ("fe80::1%", Fault::BadZone),
        ("fe80::1%0", Fault::BadZone),
        ("fe80::1%4294967296", Fault::BadZone),
        ("fe80::1%a/b", Fault::BadZone),
        ("fe80::1%abcdefghijklmnop", Fault::BadZone),
        ("127.0.0.1%lo", Fault::BadZone),
    ] {
        assert_eq!(Literal::parse(bad), Err(fault), "{bad}");
    }
}

#[test]
fn reads_addresses_to_listen_on() {
    for (text, shown) in [
        ("127.0.0.1", "127.0.0.1"),
        ("::", "::"),
        ("[::1]", "::1"),
        ("smtp=::1", "::1"),
        ("smtp=/run/smtp", "/run/smtp"),
        ("/run/a=b", "/run/a=b"),
        ("smtp=/run/a=b", "/run/a=b"),
        ("smtp=fe80::1%lo", "fe80::1%lo"),
        ("0.0.0.0", "0.0.0.0"),
        ("eth0", "eth0"),
        ("smtp=eth0.100", "eth0.100"),
        ("ppp0-ipv4", "ppp0-ipv4"),
        ("smtp=br-lan-ipv6", "br-lan-ipv6"),
        ("abcdefghijklmno-ipv6", "abcdefghijklmno-ipv6"),
        ("fd#3", "fd#3"),
        ("smtp=fd#2147483647", "fd#2147483647"),
    ] {
        let address = Interface::parse(text).unwrap().address;
        assert_eq!(address.to_string(), shown);
    }
}

#[test]
fn a_prefix_confines_an_address_to_one_server() {
    let [smtp, pop, admin] = ServerName::ALL;
    for (text, servers) in [
        ("127.0.0.1", &[smtp, pop, admin][..]),
        ("eth0", &[smtp, pop, admin]),
        ("smtp=127.0.0.1", &[smtp]),
        ("pop=::1", &[pop]),
        ("admin=lo", &[admin]),
        ("/run/x", &[smtp]),
        ("fd#3", &[smtp]),
        ("pop=fd#3", &[pop]),
        ("admin=/run/x", &[admin]),
    ] {
        let interface = Interface::parse(text).unwrap();
        for server in ServerName::ALL {
            assert_eq!(
                interface.is_for(server),
                servers.contains(&server),
                "{text}"
            );
        }
    }
}

#[test]
fn refuses_what_could_listen_elsewhere() {
    for (bad, fault) in [
        ("", Fault::Empty),
        ("smtp=", Fault::Empty),
        ("SMTP=127.0.0.1", Fault::BadPrefix),
        ("xxx=127.0.0.1", Fault::BadPrefix),
        ("smtp=smtp=::1", Fault::BadPrefix),
        ("=::1", Fault::BadPrefix),
        ("client=127.0.0.1", Fault::ClientPrefix),
        ("pop=smtp=::1", Fault::BadPrefix),
        ("Pop=::1", Fault::BadPrefix),
        ("pop=fd#0", Fault::BadDescriptor),
        ("fd#", Fault::BadDescriptor),
        ("fd#x", Fault::BadDescriptor),
        ("fd#2", Fault::BadDescriptor),
        ("smtp=fd#-3", Fault::BadDescriptor),
        ("fd#2147483648", Fault::BadDescriptor),
        ("127.0.0.1:25", Fault::HasPort),
        ("[::1]:25", Fault::HasPort),
        ("localhost:25", Fault::HasPort),
        ("mail.example.com", Fault::NotAnInterface),
        ("abcdefghijklmnop", Fault::NotAnInterface),
        ("eth 0", Fault::NotAnInterface),
        ("-ipv4", Fault::NotAnAddress),
        ("999.1.1.1", Fault::NotAnAddress),
        ("127.1", Fault::NotAnAddress),
        ("[127.0.0.1]", Fault::NotAnAddress),
        ("foo/bar", Fault::NotAnInterface),
        ("fe80::1", Fault::NoZone),
    ] {
        assert_eq!(Interface::parse(bad), Err(fault), "{bad}");
    }
}

#[test]
fn reads_addresses_to_connect_to() {
    for (text, shown) in [
        ("mail.example.com:25", "mail.example.com:25"),
        ("mail.example.com.:25", "mail.example.com.:25"),
        ("localhost:smtp", "localhost:25"),
        ("localhost:smtps", "localhost:465"),
        ("localhost:submissions", "localhost:465"),
        ("localhost:Submission", "localhost:587"),
        ("localhost:pop3", "localhost:110"),
        ("localhost:pop3s", "localhost:995"),
        ("192.0.2.1:00025", "192.0.2.1:25"),
        ("[2001:db8::1]:65535", "[2001:db8::1]:65535"),
        ("::1:25", "[::1]:25"),
        ("2001:db8::1:smtp", "[2001:db8::1]:25"),
        ("fe80::1%eth0:25", "[fe80::1%eth0]:25"),
        ("[fe80::1%eth0]:25", "[fe80::1%eth0]:25"),
        ("/run/lmtp", "/run/lmtp"),
        ("/run/a:b@c", "/run/a:b@c"),
    ] {
        assert_eq!(
            Address::parse(text).map(|a| a.to_string()).as_deref(),
            Ok(shown),
            "{text}"
        );
    }
}

#[test]
fn refuses_addresses_that_cannot_be_connected_to() {
    for (bad, fault) in [
        ("", Fault::Empty),
        ("foo", Fault::NoPort),
        ("foo:", Fault::NoPort),
        (":25", Fault::NoHost),
        ("192.0.2.1", Fault::NoPort),
        ("::1", Fault::NoPort),
        ("[::1]", Fault::NoPort),
        ("2001:db8:1:2:3:4:5:6", Fault::NoPort),
        ("::1.25", Fault::NotAnAddress),
        ("foo:0", Fault::BadService),
        ("foo:65536", Fault::BadService),
        ("1.1.1.1:99999", Fault::BadService),
        ("foo:bar", Fault::BadService),
        ("foo:-1", Fault::BadService),
        ("foo: 25", Fault::BadService),
        ("999.1.1.1:25", Fault::NotAnAddress),
        ("[foo]:25", Fault::NotAnAddress),
        ("[::1:25", Fault::NotAnAddress),
        ("[192.0.2.1]:25", Fault::NotAnAddress),
        ("a:b:25", Fault::NotAnAddress),
        ("fe80::1:25", Fault::NoZone),
        ("foo bar:25", Fault::NotAHostName),
        ("bücher.example:25", Fault::NotAscii),
        (".:25", Fault::Empty),
        ("foo..:25", Fault::NotAHostName),
        ("far:25@socks:1080", Fault::Socks),
    ] {
        assert_eq!(Address::parse(bad), Err(fault), "{bad}");
    }
}

#[test]
fn next_hops_may_be_beyond_a_proxy() {
    for (text, shown) in [
        ("far:25@socks:1080", "far:25@socks:1080"),
        ("[::1]:smtp@::1:1080", "[::1]:25@[::1]:1080"),
        ("far:25@socks5:1080", "far:25@socks5:1080"),
        ("1.2.3.4:25@socks5:near:9", "1.2.3.4:25@socks5:near:9"),
    ] {
        let address = Address::parse_next_hop(text).unwrap();
        assert_eq!(address.to_string(), shown);
        assert_eq!(Address::parse_next_hop(shown), Ok(address.clone()));
        let is_5 = matches!(address, Address::Socks { is_v5: true, .. });
        assert_eq!(is_5, text.contains("near"), "{text}");
    }
    let path = Address::parse_next_hop("/run/a@b");
    assert_eq!(path, Ok(Address::Unix("/run/a@b".into())));
    for (bad, fault) in [
        ("far@socks:1080", Fault::NoPort),
        ("far:25@socks", Fault::NoPort),
        ("far:25@", Fault::Empty),
        ("@socks:1080", Fault::Empty),
        ("a@b:25@socks:1080", Fault::NotAHostName),
    ] {
        assert_eq!(Address::parse_next_hop(bad), Err(fault), "{bad}");
    }
}

#[test]
fn connections_come_from_an_address_or_an_interface() {
    for (text, shown) in [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "0.0.0.0"),
        ("::", "::"),
        ("[::1]", "::1"),
        ("127.0.0.1:2000", "127.0.0.1:2000"),
        ("[::1]:2000", "[::1]:2000"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("eth0", "eth0"),
        ("ppp0-ipv6", "ppp0-ipv6"),
    ] {
        let interface = ClientInterface::parse(text).unwrap();
        assert_eq!(interface.to_string(), shown, "{text}");
    }
    for (bad, fault) in [
        ("", Fault::NotAnAddress),
        ("fe80::1", Fault::NoZone),
        ("eth0:25", Fault::InterfacePort),
        ("1.2.3", Fault::NotAnAddress),
        ("/run/x", Fault::NoPort),
        ("a b", Fault::NotAnInterface),
    ] {
        assert_eq!(ClientInterface::parse(bad), Err(fault), "{bad}");
    }
}

#[test]
fn socket_paths_are_bounded() {
    let path = format!("/{}", "x".repeat(UNIX_PATH_MAX - 1));
    assert!(Address::parse(&path).is_ok() && Interface::parse(&path).is_ok());
    let path = path + "x";
    assert_eq!(Address::parse(&path), Err(Fault::LongSocketPath));
    assert_eq!(Interface::parse(&path), Err(Fault::LongSocketPath));
}
