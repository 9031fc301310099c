use std::net::UdpSocket;
use std::sync::atomic::AtomicBool;
use std::thread;

use super::*;

static NOT_CANCELLED: AtomicBool = AtomicBool::new(false);

/// A name on the wire.
fn wire(name: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        wire.push(u8::try_from(label.len()).unwrap());
        wire.extend(label.as_bytes());
    }
    wire.push(0);
    wire
}

fn mx_data(preference: u16, host: &str) -> Vec<u8> {
    [&preference.to_be_bytes()[..], &wire(host)].concat()
}

/// What the zone of the tests has: type and data of records, or a response code.
fn zone(name: &str, kind: u16) -> Result<Vec<(u16, Vec<u8>)>, u8> {
    let v4 = |address: [u8; 4]| (1, address.to_vec());
    let v6 = |address: &str| {
        let address: std::net::Ipv6Addr = address.parse().unwrap();
        (28, address.octets().to_vec())
    };
    Ok(match (name, kind) {
        ("dst.test", 15) => vec![
            (15, mx_data(20, "mx2.dst.test")),
            (15, mx_data(10, "mx1.dst.test")),
            (15, mx_data(30, "gone.dst.test")),
        ],
        ("mx1.dst.test", 1) => vec![v4([192, 0, 2, 1]), v4([192, 0, 2, 11])],
        ("mx1.dst.test", 28) => vec![v6("2001:db8::1")],
        ("mx2.dst.test", 1) => vec![v4([192, 0, 2, 2])],
        ("gone.dst.test", _) => return Err(3),
        ("bare.test", 1) => vec![v4([192, 0, 2, 3])],
        ("null.test", 15) => vec![(15, mx_data(0, ""))],
        ("empty.test", _) => vec![],
        ("ours.test", 15) => vec![(15, mx_data(5, "relay.test"))],
        ("local.test", 15) => vec![(15, mx_data(5, "localhost.test"))],
        ("localhost.test", 1) => vec![v4([127, 0, 0, 1])],
        ("mixed.test", 15) => vec![
            (15, mx_data(5, "localhost.test")),
            (15, mx_data(9, "mx2.dst.test")),
        ],
        ("home.test", 1) => vec![v4([0, 0, 0, 0])],
        ("half.test", 15) => vec![
            (15, mx_data(5, "ill.test")),
            (15, mx_data(9, "mx2.dst.test")),
        ],
        ("sick.test", 15) => vec![(15, mx_data(5, "ill.test"))],
        ("ill.test", _) => return Err(2),
        ("alias.test", 15) => vec![(5, wire("bare.test"))],
        ("alias.test", 1) => vec![(5, wire("bare.test"))],
        ("bare.test" | "mx2.dst.test" | "localhost.test" | "home.test", _) => vec![],
        _ => return Err(3),
    })
}

fn answer(question: &[u8]) -> Vec<u8> {
    let (mut labels, mut rest) = (Vec::new(), &question[12..]);
    while rest[0] > 0 {
        let (label, next) = rest[1..].split_at(rest[0].into());
        labels.push(String::from_utf8(label.to_vec()).unwrap());
        rest = next;
    }
    let kind = u16::from_be_bytes([rest[1], rest[2]]);
    let found = zone(&labels.join(".").to_lowercase(), kind);
    let mut reply = question.to_vec();
    let (rcode, records) = match found {
        Ok(records) => (0, records),
        Err(rcode) => (rcode, Vec::new()),
    };
    reply[2..4].copy_from_slice(&[0x81, 0x80 | rcode]);
    reply[6..8].copy_from_slice(&u16::try_from(records.len()).unwrap().to_be_bytes());
    let is_alias = records.iter().any(|(kind, _)| *kind == 5);
    for (kind, data) in &records {
        push(&mut reply, &[0xC0, 12], *kind, data);
    }
    if is_alias && kind == 1 {
        // As a recursive server has it: the records of the real name as well.
        reply[7] = 2;
        push(&mut reply, &wire("bare.test"), 1, &[192, 0, 2, 3]);
    }
    reply
}

fn push(reply: &mut Vec<u8>, owner: &[u8], kind: u16, data: &[u8]) {
    reply.extend(owner);
    reply.extend(kind.to_be_bytes());
    reply.extend([0, 1, 0, 0, 0, 9]);
    reply.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
    reply.extend(data);
}

fn server() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 600];
        while let Ok((octets, from)) = socket.recv_from(&mut buffer) {
            socket.send_to(&answer(&buffer[..octets]), from).unwrap();
        }
    });
    address
}

/// What comes of that field: with the server of the tests as the system's, or named
/// by the operator.
fn routed(forward_to: &str, is_named: bool) -> Result<String, String> {
    let server = server();
    let text = match is_named {
        true => server.to_string(),
        false => String::new(),
    };
    let settings = Settings::parse(&text).unwrap();
    let line = |text: &str| OneLine::new(text).unwrap();
    let routing = route(
        &settings,
        &line(forward_to),
        &line("relay.test"),
        &[server],
        Patience::starting_now(Some(Duration::from_secs(60)), &NOT_CANCELLED),
    );
    match routing {
        Ok(Routing::To(addresses)) => {
            let texts: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
            Ok(texts.join(" "))
        }
        Ok(other) => Ok(format!("{other:?}")),
        Err(failure) => {
            let reply = String::from_utf8(failure.reply.render()).unwrap();
            Err(format!("{}: {}", reply.trim_end(), failure.reason))
        }
    }
}

#[test]
fn follows_the_exchanges_of_a_domain() {
    let all = "192.0.2.1:25 192.0.2.11:25 [2001:db8::1]:25 192.0.2.2:25";
    assert_eq!(routed("dst.test", false).unwrap(), all);
    let there = routed("user+40x@DST.test:2525", false).unwrap();
    assert_eq!(there, all.replace(":25", ":2525").replace(":2525:", ":25:"));
    assert_eq!(routed("bare.test", false).unwrap(), "192.0.2.3:25");
    assert_eq!(routed("alias.test", false).unwrap(), "192.0.2.3:25");
    assert_eq!(routed("half.test", false).unwrap(), "192.0.2.2:25");
}

#[test]
fn needs_no_question_for_an_address() {
    for (text, expected) in [
        ("", "Unasked"),
        ("[192.0.2.9]:26", "192.0.2.9:26"),
        ("[IPv6:2001:db8::1]", "[2001:db8::1]:25"),
        ("[0.0.0.0]", "Default"),
        ("[IPv6:::]:26", "Default"),
    ] {
        assert_eq!(routed(text, false).unwrap(), expected);
    }
    for (text, expected) in [
        ("x@[127.0.0.1]:26", "127.0.0.1:26"),
        ("[IPv6:::1]", "[::1]:25"),
        ("[IPv6:::ffff:127.0.0.1]", "[::ffff:127.0.0.1]:25"),
        ("[224.0.0.1]", "224.0.0.1:25"),
        ("[255.255.255.255]", "255.255.255.255:25"),
    ] {
        let error = routed(text, false).unwrap_err();
        assert!(
            error.starts_with("550 5.4.4 impossible address "),
            "{error}"
        );
        assert_eq!(routed(text, true).unwrap(), expected);
    }
}

#[test]
fn addresses_of_this_host_are_taken_from_the_operators_servers_only() {
    assert_eq!(routed("local.test", true).unwrap(), "127.0.0.1:25");
    let error = routed("local.test", false).unwrap_err();
    let text = "550 5.4.4 impossible address 127.0.0.1: local.test: impossible address 127.0.0.1";
    assert_eq!(error, text);
    assert_eq!(routed("mixed.test", false).unwrap(), "192.0.2.2:25");
    assert_eq!(routed("home.test", true).unwrap(), "Default");
    assert_eq!(routed("home.test", false).unwrap(), "Default");
}

#[test]
fn what_fails_for_good_and_what_for_now() {
    for (text, error) in [
        (
            "none.test",
            "550 5.1.2 no such domain: none.test: no such domain",
        ),
        (
            "null.test",
            "556 5.1.10 takes no mail: null.test: takes no mail",
        ),
        ("empty.test", "550 5.4.4 no address: empty.test: no address"),
        (
            "ours.test",
            "554 5.4.6 this host is its mail exchange: ours.test: this host is its mail exchange",
        ),
        (
            "a+20b+0A.test",
            "550 5.1.2 bad destination: a b\\n.test: name with a character that is not a letter, \
             digit, - or _",
        ),
        ("x:y", "550 5.1.2 bad destination: x:y: not a port"),
    ] {
        assert_eq!(routed(text, false).unwrap_err(), error, "{text}");
    }
    let error = routed("sick.test", false).unwrap_err();
    let start = "451 4.4.3 cannot find the way now: sick.test: no answer about ill.test: ";
    assert!(
        error.starts_with(start) && error.ends_with("server failure"),
        "{error}"
    );
    assert!(
        routed("ill.test", false)
            .unwrap_err()
            .starts_with("451 4.4.3 ")
    );
}

#[test]
fn reads_its_settings() {
    let settings = |nst, rt, servers: &[&str]| Settings {
        next_server_after: Duration::from_millis(nst),
        restart_after: Duration::from_millis(rt),
        servers: servers.iter().map(|one| one.parse().unwrap()).collect(),
    };
    for (text, expected) in [
        ("", settings(1000, 5000, &[])),
        ("nst=2;rt=30", settings(2000, 30_000, &[])),
        ("rt=250ms;", settings(1000, 250, &[])),
        ("127.0.0.1", settings(1000, 5000, &["127.0.0.1:53"])),
        (
            "nst=1;rt=2s;127.0.0.1:54;[::1]:55;::1;[2001:db8::1]",
            settings(
                1000,
                2000,
                &["127.0.0.1:54", "[::1]:55", "[::1]:53", "[2001:db8::1]:53"],
            ),
        ),
    ] {
        assert_eq!(Settings::parse(text), Ok(expected), "{text}");
    }
    for text in [
        "nst=",
        "nst=0",
        "rt=-1",
        "rt=3601",
        "rt=1m",
        "x=1",
        "host",
        "127.0.0.1:0",
        "127.0.0.1:x",
        "1.1.1.1;1.1.1.1;1.1.1.1;1.1.1.1;1.1.1.1;1.1.1.1",
    ] {
        let error = Settings::parse(text).unwrap_err();
        assert!(error.starts_with("mx: "), "{error}");
    }
}
