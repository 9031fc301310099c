//! Checks under a clock and with servers of the test's own.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use super::*;
use crate::base::log::Level;

const SERVERS: [&str; 3] = ["192.0.2.1:53", "192.0.2.2:53", "[2001:db8::3]:53"];
const NXDOMAIN: u16 = 3;
const SERVFAIL: u16 = 2;
const REFUSED: u16 = 5;
const TC: u16 = 0x0200;

/// An open socket, as a driver would have it.
struct Socket {
    server: SocketAddr,
    is_tcp: bool,
    /// The last message sent, without its frame.
    query: Vec<u8>,
    sent: usize,
}

/// Drives a check as it asks to be driven, and complains where it asks for nonsense.
struct Driver {
    check: Check,
    start: Instant,
    now: Instant,
    sockets: BTreeMap<usize, Socket>,
    notes: Vec<(Level, String)>,
    decision: Option<Decision>,
}

impl Driver {
    fn new(options: &[&str], client: &str, servers: &[&str]) -> Driver {
        let configs = Config::parse_all(options.iter().copied()).unwrap();
        let servers: Vec<SocketAddr> = servers.iter().map(|text| text.parse().unwrap()).collect();
        let start = Instant::now();
        let mut number = 0x1234_5678_9ABC_DEF0_u64;
        let mut random = || {
            number = number.rotate_left(7).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            number
        };
        let client: IpAddr = client.parse().unwrap();
        let check = Check::new(&configs, client, &servers, &mut random, start);
        let mut driver = Driver {
            check,
            start,
            now: start,
            sockets: BTreeMap::new(),
            notes: Vec::new(),
            decision: None,
        };
        driver.act(|check, now, out| check.start(now, out));
        driver
    }

    /// A check of 203.0.113.5 with the one option, by way of [`SERVERS`].
    fn with(option: &str) -> Driver {
        Driver::new(&[option], "203.0.113.5", &SERVERS)
    }

    fn act(&mut self, input: impl FnOnce(&mut Check, Instant, &mut Vec<Action>)) {
        let mut actions = Vec::new();
        input(&mut self.check, self.now, &mut actions);
        for action in actions {
            assert_eq!(
                self.decision, None,
                "an action after the decision: {action:?}"
            );
            self.perform(action);
        }
        assert_eq!(self.check.deadline().is_none(), self.decision.is_some());
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::SendUdp {
                socket,
                server,
                message,
            } => {
                let open = self.sockets.entry(socket).or_insert(Socket {
                    server,
                    is_tcp: false,
                    query: message.clone(),
                    sent: 0,
                });
                assert_eq!((open.server, open.is_tcp), (server, false));
                assert_eq!(open.query, message, "a repeat is the same message");
                open.sent += 1;
            }
            Action::ConnectTcp {
                socket,
                server,
                message,
            } => {
                let (length, query) = message.split_at(2);
                assert_eq!(length, u16::try_from(query.len()).unwrap().to_be_bytes());
                let new = Socket {
                    server,
                    is_tcp: true,
                    query: query.to_vec(),
                    sent: 1,
                };
                assert!(self.sockets.insert(socket, new).is_none(), "still open");
            }
            Action::CloseSocket { socket } => {
                self.sockets.remove(&socket).expect("open");
            }
            Action::Note(level, line) => self.notes.push((level, line.to_string())),
            Action::Decided(decision) => {
                assert!(self.sockets.is_empty(), "sockets are left open");
                self.decision = Some(decision);
            }
        }
    }

    /// Lets time pass, with all time-outs on the way.
    fn pass_to(&mut self, ms: u64) {
        let end = self.start + Duration::from_millis(ms);
        for _ in 0..1000 {
            let Some(due) = self.check.deadline().filter(|due| *due <= end) else {
                self.now = end;
                return;
            };
            assert!(due > self.now, "a deadline has to lie ahead");
            self.now = due;
            self.act(|check, now, out| check.timeout(now, out));
        }
        panic!("time-outs without end");
    }

    /// The numbers of the sockets that ask about the zone.
    fn asking(&self, zone: &str) -> Vec<usize> {
        let name = crate::proto::dns::Name::parse(zone).unwrap();
        let asks = |socket: &Socket| {
            let question = &socket.query[12..socket.query.len() - 4];
            question.ends_with(name.wire())
        };
        let found = self.sockets.iter().filter(|(_, socket)| asks(socket));
        found.map(|(number, _)| *number).collect()
    }

    /// The newest socket that asks about the zone.
    fn socket(&self, zone: &str) -> usize {
        *self.asking(zone).last().unwrap()
    }

    fn reply(&self, socket: usize, flags: u16, values: &[[u8; 4]]) -> Vec<u8> {
        reply(&self.sockets[&socket].query, flags, values)
    }

    fn datagram(&mut self, socket: usize, message: &[u8]) {
        self.act(|check, now, out| check.datagram(now, socket, message, out));
    }

    fn stream(&mut self, socket: usize, piece: &[u8]) {
        self.act(|check, now, out| check.stream(now, socket, piece, out));
    }

    fn fail(&mut self, socket: usize, reason: &str) {
        self.act(|check, now, out| check.failed(now, socket, &reason, out));
    }

    /// Answers at the newest socket that asks about the zone.
    fn answer(&mut self, zone: &str, flags: u16, values: &[[u8; 4]]) {
        let socket = self.socket(zone);
        let message = self.reply(socket, flags, values);
        self.datagram(socket, &message);
    }

    fn texts(&self, level: Level) -> Vec<&str> {
        let noted = self.notes.iter().filter(|(l, _)| *l == level);
        noted.map(|(_, text)| text.as_str()).collect()
    }

    fn warnings(&self) -> Vec<&str> {
        self.texts(Level::Warning)
    }

    fn is_allowed(&self) -> bool {
        self.decision == Some(Decision::Allow)
    }
}

/// What a server says to the query: flags or rcode, and values.
fn reply(query: &[u8], flags: u16, values: &[[u8; 4]]) -> Vec<u8> {
    let mut message = query.to_vec();
    message[2..4].copy_from_slice(&(0x8180 | flags).to_be_bytes());
    message[6..8].copy_from_slice(&u16::try_from(values.len()).unwrap().to_be_bytes());
    for value in values {
        message.extend([0xC0, 12, 0, 1, 0, 1, 0, 0, 1, 0, 0, 4]);
        message.extend(value);
    }
    message
}

fn blocked_by(zones: &[&str]) -> Option<Decision> {
    Some(Decision::Block {
        zones: zones.iter().map(|zone| (*zone).to_owned()).collect(),
        is_timeout: false,
    })
}

fn blocked_by_timeout(zones: &[&str]) -> Option<Decision> {
    Some(Decision::Block {
        zones: zones.iter().map(|zone| (*zone).to_owned()).collect(),
        is_timeout: true,
    })
}

#[test]
fn asks_all_zones_at_once_with_ids_of_their_own() {
    let driver = Driver::with("a.bl,b.bl,c.bl");
    assert_eq!(driver.sockets.len(), 3);
    for socket in driver.sockets.values() {
        assert_eq!(socket.server, SERVERS[0].parse().unwrap());
    }
    let query = &driver.sockets[&driver.socket("b.bl")].query;
    assert_eq!(
        query[2..],
        *b"\x01\0\0\x01\0\0\0\0\0\0\x015\x03113\x010\x03203\x01b\x02bl\0\0\x01\0\x01"
    );
    let mut ids: Vec<&[u8]> = driver.sockets.values().map(|s| &s.query[..2]).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[test]
fn asks_for_addresses_of_ipv6_clients_too() {
    let driver = Driver::new(&["bl"], "2001:db8::5", &SERVERS);
    let query = &driver.sockets[&0].query;
    let (name, kind) = query[12..].split_at(64 + 4);
    assert_eq!(&name[..6], b"\x015\x010\x010");
    assert_eq!(&name[60..], b"\x010\x012\x02bl\0");
    assert_eq!(kind, [0, 1, 0, 1]);
}

#[test]
fn the_server_of_the_option_is_the_only_one() {
    let mut driver = Driver::with("192.0.2.9:5353,3000,1,a.bl");
    driver.pass_to(2999);
    let servers: Vec<SocketAddr> = driver.sockets.values().map(|s| s.server).collect();
    assert_eq!(servers, ["192.0.2.9:5353".parse().unwrap()]);
}

#[test]
fn a_listed_client_is_blocked() {
    let mut driver = Driver::with("a.bl,b.bl,c.bl");
    driver.answer("b.bl", NXDOMAIN, &[]);
    assert_eq!(driver.decision, None);
    driver.answer("a.bl", 0, &[[127, 0, 0, 2], [127, 0, 0, 10]]);
    assert_eq!(driver.decision, blocked_by(&["a.bl"]));
    assert_eq!(
        driver.notes,
        [
            (
                Level::Verbose,
                "dnsbl: address [203.0.113.5] denied by [a.bl]: 127.0.0.2 127.0.0.10"
            ),
            (
                Level::Verbose,
                "dnsbl: address [203.0.113.5] allowed by [b.bl]"
            ),
            (
                Level::Verbose,
                "dnsbl: address [203.0.113.5] not checked by [c.bl]"
            ),
            (
                Level::Warning,
                "dnsbl: client address [203.0.113.5] blocked by [a.bl]"
            ),
        ]
        .map(|(level, text)| (level, text.to_owned()))
    );
}

#[test]
fn the_threshold_counts_zones() {
    let mut driver = Driver::with("a.bl,b.bl,c.bl,2");
    driver.answer("a.bl", 0, &[[127, 0, 0, 2], [127, 0, 0, 3], [127, 0, 0, 4]]);
    assert_eq!(driver.decision, None);
    driver.answer("c.bl", 0, &[[127, 0, 0, 2]]);
    assert_eq!(driver.decision, blocked_by(&["a.bl", "c.bl"]));
    assert_eq!(
        driver.warnings(),
        ["dnsbl: client address [203.0.113.5] blocked by [a.bl] [c.bl]"]
    );
}

#[test]
fn what_cannot_reach_the_threshold_is_allowed_early() {
    let mut driver = Driver::with("a.bl,b.bl,c.bl,2");
    driver.answer("a.bl", NXDOMAIN, &[]);
    driver.answer("b.bl", 0, &[]);
    assert!(driver.is_allowed());
    assert_eq!(driver.warnings(), [""; 0]);
    // No question is asked where no answer matters.
    let driver = Driver::with("a.bl,b.bl,3,-1000");
    assert!(driver.is_allowed());
    assert_eq!(driver.texts(Level::Verbose).len(), 2);
}

#[test]
fn a_threshold_of_zero_only_notes() {
    let mut driver = Driver::with("a.bl,b.bl,0,-1000");
    driver.answer("a.bl", 0, &[[127, 0, 0, 2]]);
    assert_eq!(driver.decision, None, "it waits for all");
    driver.answer("b.bl", 0, &[[127, 0, 0, 2]]);
    assert!(driver.is_allowed());
    let mut driver = Driver::with("a.bl,b.bl,0,-1000");
    driver.pass_to(999);
    assert_eq!(driver.decision, None);
    driver.pass_to(1000);
    assert!(driver.is_allowed());
}

#[test]
fn only_values_of_lists_count() {
    for (value, is_listed) in [
        ([127, 0, 0, 0], true),
        ([127, 0, 0, 1], true),
        ([127, 0, 0, 2], true),
        ([127, 255, 254, 255], true),
        ([127, 255, 255, 0], false),
        ([127, 255, 255, 252], false),
        ([127, 255, 255, 253], false),
        ([127, 255, 255, 254], false),
        ([127, 255, 255, 255], false),
        ([126, 255, 255, 255], false),
        ([128, 0, 0, 0], false),
        ([0, 0, 0, 0], false),
        ([8, 8, 8, 8], false),
    ] {
        let mut driver = Driver::new(&["a.bl"], "203.0.113.5", &SERVERS[..1]);
        driver.answer("a.bl", 0, &[value]);
        assert_eq!(
            driver.decision == blocked_by(&["a.bl"]),
            is_listed,
            "{value:?}"
        );
        assert_eq!(driver.is_allowed(), !is_listed, "{value:?}");
    }
}

#[test]
fn values_of_no_list_are_logged_and_not_counted() {
    let mut driver = Driver::with("a.bl,1,-1000");
    driver.answer("a.bl", 0, &[[8, 8, 8, 8], [1, 2, 3, 4]]);
    assert!(driver.is_allowed());
    assert_eq!(
        driver.warnings(),
        ["dnsbl: answer of [a.bl] ignored: not in 127.0.0.0/8: 8.8.8.8 1.2.3.4"]
    );
    let mut driver = Driver::with("a.bl");
    driver.answer(
        "a.bl",
        0,
        &[[8, 8, 8, 8], [127, 0, 0, 2], [127, 255, 255, 254]],
    );
    assert_eq!(driver.decision, blocked_by(&["a.bl"]));
}

#[test]
fn a_list_that_refuses_is_asked_by_way_of_another_server() {
    let mut driver = Driver::with("a.bl");
    driver.answer("a.bl", 0, &[[127, 255, 255, 254]]);
    assert_eq!(driver.decision, None);
    let refusal =
        "dnsbl: [a.bl] refuses to answer questions by way of 192.0.2.1:53: 127.255.255.254";
    assert_eq!(driver.warnings(), [refusal]);
    assert_eq!(
        driver.sockets[&driver.socket("a.bl")].server,
        SERVERS[1].parse().unwrap()
    );
    driver.answer("a.bl", 0, &[[127, 0, 0, 2]]);
    assert_eq!(driver.decision, blocked_by(&["a.bl"]));
}

#[test]
fn silence_allows() {
    let mut driver = Driver::with("a.bl,b.bl,2,900");
    driver.answer("b.bl", 0, &[[127, 0, 0, 2]]);
    driver.pass_to(899);
    assert_eq!(driver.decision, None);
    driver.pass_to(900);
    assert!(driver.is_allowed());
    let text = "dnsbl: client address [203.0.113.5]: timeout: no answer from [a.bl]";
    assert_eq!(driver.warnings(), [text]);
}

#[test]
fn silence_blocks_with_a_negative_timeout() {
    let mut driver = Driver::with("a.bl,b.bl,c.bl,1,-900");
    driver.answer("b.bl", NXDOMAIN, &[]);
    driver.pass_to(900);
    assert_eq!(driver.decision, blocked_by_timeout(&["a.bl", "c.bl"]));
    let text = "dnsbl: client address [203.0.113.5] blocked: timeout: no answer from [a.bl] [c.bl]";
    assert_eq!(driver.warnings(), [text]);
    assert!(
        driver
            .texts(Level::Verbose)
            .contains(&"dnsbl: address [203.0.113.5] not checked by [a.bl]")
    );
}

#[test]
fn silent_servers_take_turns() {
    let mut driver = Driver::with("a.bl,1,900");
    for (ms, count) in [(299, 1), (300, 2), (599, 2), (600, 3), (899, 3)] {
        driver.pass_to(ms);
        assert_eq!(driver.sockets.len(), count, "at {ms} ms");
    }
    let asked: Vec<SocketAddr> = driver.sockets.values().map(|s| s.server).collect();
    assert_eq!(asked, SERVERS.map(|text| text.parse().unwrap()));
    assert!(driver.sockets.values().all(|socket| socket.sent == 1));
    let ids: Vec<&[u8]> = driver.sockets.values().map(|s| &s.query[..2]).collect();
    assert!(ids[0] != ids[1] && ids[1] != ids[2]);
    // A late reply to the first try still counts.
    let late = driver.reply(0, 0, &[[127, 0, 0, 2]]);
    driver.datagram(0, &late);
    assert_eq!(driver.decision, blocked_by(&["a.bl"]));
}

#[test]
fn a_lone_server_is_asked_again_from_the_same_socket() {
    let mut driver = Driver::new(&["a.bl,1,900"], "203.0.113.5", &SERVERS[..1]);
    driver.pass_to(899);
    assert_eq!(driver.sockets.len(), 1);
    assert_eq!(driver.sockets[&0].sent, usize::from(TRIES_MAX));
}

#[test]
fn two_servers_are_asked_in_turn() {
    let mut driver = Driver::new(&["a.bl,1,900"], "203.0.113.5", &SERVERS[..2]);
    driver.pass_to(899);
    let sent: Vec<usize> = driver.sockets.values().map(|socket| socket.sent).collect();
    assert_eq!(sent, [2, 1]);
    // That was the last try: a failure now asks nobody again.
    driver.fail(0, "connection refused");
    let sent: Vec<usize> = driver.sockets.values().map(|socket| socket.sent).collect();
    assert_eq!(sent, [1]);
    assert_eq!(driver.decision, None, "the other may still answer");
    driver.fail(1, "connection refused");
    assert!(driver.is_allowed());
}

#[test]
fn no_more_servers_than_the_limit_are_asked() {
    let many = [
        "192.0.2.1:53",
        "192.0.2.2:53",
        "192.0.2.3:53",
        "192.0.2.4:53",
    ];
    let mut driver = Driver::new(&["a.bl"], "203.0.113.5", &many);
    for _ in 0..SERVERS_MAX {
        driver.answer("a.bl", SERVFAIL, &[]);
    }
    assert!(driver.is_allowed());
}

#[test]
fn servers_that_fail_are_left_at_once() {
    let mut driver = Driver::with("a.bl,1,-1000");
    driver.answer("a.bl", SERVFAIL, &[]);
    driver.answer("a.bl", REFUSED, &[]);
    assert_eq!(driver.decision, None);
    let socket = driver.socket("a.bl");
    driver.fail(socket, "connection refused");
    assert_eq!(driver.decision, blocked_by_timeout(&["a.bl"]));
    assert_eq!(
        driver.texts(Level::Verbose)[..3],
        [
            "dnsbl: no answer from 192.0.2.1:53 about [a.bl]: server failure",
            "dnsbl: no answer from 192.0.2.2:53 about [a.bl]: refused",
            "dnsbl: no answer from [2001:db8::3]:53 about [a.bl]: connection refused",
        ]
    );
}

#[test]
fn failures_that_cannot_matter_do_not_block() {
    let mut driver = Driver::new(&["a.bl,b.bl,2,-1000"], "203.0.113.5", &SERVERS[..1]);
    driver.answer("a.bl", SERVFAIL, &[]);
    assert_eq!(driver.decision, None);
    driver.answer("b.bl", NXDOMAIN, &[]);
    assert!(driver.is_allowed());
}

#[test]
fn without_servers_there_is_no_answer() {
    assert!(Driver::new(&["a.bl"], "203.0.113.5", &[]).is_allowed());
    let driver = Driver::new(&["a.bl,1,-1000"], "203.0.113.5", &[]);
    assert_eq!(driver.decision, blocked_by_timeout(&["a.bl"]));
}

#[test]
fn malformed_replies_are_failures() {
    let mut driver = Driver::new(&["a.bl"], "203.0.113.5", &SERVERS[..1]);
    let mut message = driver.reply(0, 0, &[[127, 0, 0, 2]]);
    message.pop();
    driver.datagram(0, &message);
    assert!(driver.is_allowed());
    let text = "dnsbl: no answer from 192.0.2.1:53 about [a.bl]: message ends early";
    assert_eq!(driver.texts(Level::Verbose)[0], text);
    assert_eq!(driver.warnings().len(), 1);
}

#[test]
fn forged_replies_are_ignored() {
    let mut driver = Driver::with("a.bl");
    let good = driver.reply(0, 0, &[[127, 0, 0, 2]]);
    let mut wrong_id = good.clone();
    wrong_id[0] ^= 1;
    let mut wrong_name = good.clone();
    wrong_name[13] = b'9';
    let query = driver.sockets[&0].query.clone();
    for forged in [&[][..], &[0, 0], &wrong_id, &wrong_name, &query] {
        driver.datagram(0, forged);
        assert_eq!((driver.decision.as_ref(), driver.sockets.len()), (None, 1));
    }
    let text =
        "dnsbl: reply from 192.0.2.1:53 about [a.bl] ignored: message without a whole header";
    assert_eq!(driver.warnings(), [text], "one line for all of them");
    driver.datagram(0, &good);
    assert_eq!(driver.decision, blocked_by(&["a.bl"]));
}

#[test]
fn forged_replies_do_not_stop_the_clock() {
    let mut driver = Driver::with("a.bl,1,900");
    for ms in (0..900).step_by(100) {
        driver.pass_to(ms);
        driver.datagram(0, b"not a reply");
    }
    assert_eq!(driver.sockets.len(), 3);
    driver.pass_to(900);
    assert!(driver.is_allowed());
}

#[test]
fn aliases_and_texts_do_no_harm() {
    let mut driver = Driver::with("a.bl");
    let mut message = driver.reply(0, 0, &[]);
    message[7] = 3;
    message.extend(b"\xC0\x0c\0\x05\0\x01\0\0\0\0\0\x04\x01z\xC0\x18");
    message.extend(b"\xC0\x0c\0\x10\0\x01\0\0\0\0\0\x04\x03abc");
    let target = message
        .windows(2)
        .position(|octets| octets == b"\x01z")
        .unwrap();
    message.extend([0xC0, u8::try_from(target).unwrap()]);
    message.extend(b"\0\x01\0\x01\0\0\0\0\0\x04\x7f\0\0\x02");
    driver.datagram(0, &message);
    assert_eq!(driver.decision, blocked_by(&["a.bl"]));
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn truncated_replies_are_asked_for_over_tcp() {
    for cut in 0..=62 {
        let mut driver = Driver::with("a.bl");
        driver.answer("a.bl", TC, &[[127, 0, 0, 2]]);
        let socket = driver.socket("a.bl");
        assert!(driver.sockets[&socket].is_tcp);
        let message = driver.reply(socket, 0, &[[127, 0, 0, 2], [127, 0, 0, 3]]);
        let length = u16::try_from(message.len()).unwrap().to_be_bytes();
        let stream = [&length[..], &message].concat();
        let (head, tail) = stream.split_at(cut.min(stream.len()));
        driver.stream(socket, head);
        assert_eq!(driver.decision.is_some(), tail.is_empty());
        driver.stream(socket, tail);
        assert_eq!(driver.decision, blocked_by(&["a.bl"]), "cut at {cut}");
    }
}

#[test]
fn a_truncated_refusal_needs_no_tcp() {
    let mut driver = Driver::with("a.bl");
    driver.answer("a.bl", TC | NXDOMAIN, &[]);
    assert!(driver.is_allowed());
    let mut driver = Driver::new(&["a.bl"], "203.0.113.5", &SERVERS[..1]);
    driver.answer("a.bl", TC | SERVFAIL, &[]);
    assert!(driver.is_allowed());
}

#[test]
fn tcp_that_does_not_help_is_a_failure() {
    let mangled: [fn(Vec<u8>) -> Vec<u8>; 4] = [
        |mut message| {
            message[0] ^= 1;
            message
        },
        |mut message| {
            message[2] |= 2;
            message
        },
        |_| Vec::new(),
        |message| message[..20].to_vec(),
    ];
    for mangle in mangled {
        let mut driver = Driver::new(&["a.bl"], "203.0.113.5", &SERVERS[..1]);
        driver.answer("a.bl", TC, &[]);
        let message = mangle(driver.reply(0, 0, &[[127, 0, 0, 2]]));
        let length = u16::try_from(message.len()).unwrap().to_be_bytes();
        driver.stream(0, &[&length[..], &message].concat());
        assert!(driver.is_allowed());
    }
    let mut driver = Driver::new(&["a.bl"], "203.0.113.5", &SERVERS[..1]);
    driver.answer("a.bl", TC, &[]);
    driver.stream(0, &[0xFF, 0xFF]);
    assert!(driver.is_allowed());
    let mut driver = Driver::new(&["a.bl"], "203.0.113.5", &SERVERS[..1]);
    driver.answer("a.bl", TC, &[]);
    driver.fail(0, "closed by the server");
    assert!(driver.is_allowed());
}

#[test]
fn a_silent_tcp_server_is_followed_by_the_next() {
    let mut driver = Driver::with("a.bl,1,900");
    driver.answer("a.bl", TC, &[]);
    driver.pass_to(300);
    assert_eq!(driver.sockets.len(), 2);
    assert!(driver.sockets[&0].is_tcp && !driver.sockets[&1].is_tcp);
    // A lone server that was silent over TCP is not asked over UDP once more.
    let mut driver = Driver::new(&["a.bl,1,900"], "203.0.113.5", &SERVERS[..1]);
    driver.answer("a.bl", TC, &[]);
    driver.pass_to(899);
    assert_eq!(
        (driver.sockets[&0].is_tcp, driver.sockets[&0].sent),
        (true, 1)
    );
    driver.pass_to(900);
    assert!(driver.is_allowed());
}

#[test]
fn one_option_that_blocks_is_enough() {
    let options = ["a.bl,b.bl,2", "192.0.2.9:53,1000,1,c.bl", "d.bl,0"];
    let mut driver = Driver::new(&options, "203.0.113.5", &SERVERS);
    driver.answer("a.bl", NXDOMAIN, &[]);
    assert_eq!(driver.decision, None, "one option allows");
    assert!(
        driver.asking("b.bl").is_empty(),
        "its other zone does not matter now"
    );
    driver.answer("c.bl", 0, &[[127, 0, 0, 2]]);
    assert_eq!(driver.decision, blocked_by(&["c.bl"]));
}

#[test]
fn all_options_have_to_allow() {
    let options = ["a.bl,1,300", "b.bl,1,900", "c.bl,1,600"];
    let mut driver = Driver::new(&options, "203.0.113.5", &SERVERS);
    driver.answer("b.bl", NXDOMAIN, &[]);
    driver.pass_to(300);
    assert_eq!(driver.decision, None);
    driver.answer("c.bl", NXDOMAIN, &[]);
    assert!(driver.is_allowed());
    assert_eq!(
        driver.warnings(),
        ["dnsbl: client address [203.0.113.5]: timeout: no answer from [a.bl]"]
    );
}

#[test]
fn the_same_zone_in_two_options_is_asked_twice() {
    let driver = Driver::new(&["a.bl", "a.bl,0"], "203.0.113.5", &SERVERS);
    assert_eq!(driver.asking("a.bl").len(), 2);
}

#[test]
fn without_options_the_client_is_allowed() {
    assert!(Driver::new(&[], "203.0.113.5", &SERVERS).is_allowed());
}

#[test]
fn what_comes_late_or_astray_does_nothing() {
    let mut driver = Driver::with("a.bl");
    let good = driver.reply(0, 0, &[[127, 0, 0, 2]]);
    for socket in [1, 2, 3, 99, usize::MAX] {
        driver.datagram(socket, &good);
        driver.stream(socket, &good);
        driver.fail(socket, "no such socket");
    }
    driver.stream(0, &good);
    driver.act(|check, now, out| check.timeout(now, out));
    assert_eq!((driver.notes.len(), driver.decision.as_ref()), (0, None));
    driver.datagram(0, &good);
    assert_eq!(driver.decision, blocked_by(&["a.bl"]));
    driver.datagram(0, &good);
    driver.fail(0, "closed");
    driver.act(|check, now, out| check.timeout(now, out));
}

#[test]
fn the_test_entry_of_every_list_can_be_asked_for() {
    // RFC 5782 5: 127.0.0.2 is listed everywhere, so a check of it shows what works.
    let mut driver = Driver::new(&["a.bl"], "127.0.0.2", &SERVERS);
    driver.answer("a.bl", 0, &[[127, 0, 0, 2]]);
    assert_eq!(driver.decision, blocked_by(&["a.bl"]));
}

#[test]
fn ipv4_clients_of_ipv6_sockets_are_named_by_their_address() {
    let mut driver = Driver::new(&["a.bl"], "::ffff:203.0.113.5", &SERVERS);
    driver.answer("a.bl", 0, &[[127, 0, 0, 2]]);
    assert_eq!(
        driver.warnings(),
        ["dnsbl: client address [203.0.113.5] blocked by [a.bl]"]
    );
    let local = local_text(IpAddr::V4(Ipv4Addr::LOCALHOST));
    assert_eq!(
        local.to_string(),
        "dnsbl: not checking local address [127.0.0.1]"
    );
}

/// Replies of every sort, in every order that a seeded generator comes up with.
#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn every_check_ends_in_one_decision() {
    let mut state = 0x5EED_D25B_u64;
    let mut below = |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(limit).unwrap()).unwrap()
    };
    for _ in 0..300 {
        let options = ["a.bl,b.bl,c.bl,2,-900", "d.bl,1,600"];
        let mut driver = Driver::new(&options, "203.0.113.5", &SERVERS[..=below(3)]);
        for step in 0..40 {
            let sockets: Vec<usize> = driver.sockets.keys().copied().collect();
            if sockets.is_empty() {
                break;
            }
            let socket = sockets[below(sockets.len())];
            let flags = [0, NXDOMAIN, SERVFAIL, TC, TC][below(5)];
            let mut message = driver.reply(socket, flags, &[[127, 0, 0, 2]][..below(2)]);
            message.truncate(message.len() - below(2) * below(20));
            match below(4) {
                0 => driver.fail(socket, "failed"),
                1 => driver.pass_to(step * 30),
                _ if driver.sockets[&socket].is_tcp => {
                    let length = u16::try_from(message.len()).unwrap().to_be_bytes();
                    driver.stream(socket, &[&length[..], &message].concat());
                }
                _ => driver.datagram(socket, &message),
            }
        }
        driver.pass_to(1200);
        assert!(driver.decision.is_some());
    }
}
