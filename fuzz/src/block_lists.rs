//! Checks of clients against block lists.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use emailrelay::proto::dnsbl::{
    Action, Check, Config, Decision, OPTIONS_MAX, SERVERS_MAX, TIMEOUT_MAX, ZONES_MAX, local_text,
};

use super::pieces::{check_one_line, check_shown, selector};

/// What goes on at the sockets of a check.
struct World {
    check: Check,
    now: Instant,
    /// What was sent last from each open socket, and whether by TCP.
    open: BTreeMap<usize, (Vec<u8>, bool)>,
    decision: Option<Decision>,
}

/// The first line is an option, each line that follows something that happens: its
/// first octet says what, the rest comes from a name server.
pub(crate) fn block_lists(data: &[u8]) {
    let mut lines = data.split(|octet| *octet == b'\n');
    let option = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let config = match Config::parse(&option) {
        Ok(config) => config,
        Err(why) => return check_shown(&why.to_string(), 10_000),
    };
    assert!((1..=ZONES_MAX).contains(&config.zones().len()));
    assert!(config.timeout() <= TIMEOUT_MAX);
    let many = vec![option.as_str(); OPTIONS_MAX.max(ZONES_MAX) + 1];
    assert!(Config::parse_all(many).is_err());
    let client = match data.len() % 2 {
        0 => IpAddr::from([192, 0, 2, 1]),
        _ => IpAddr::from([0x2001, 0xDB8, 0, 0, 0, 0, 0, 1]),
    };
    check_one_line(&local_text(client), 1000);

    let now = Instant::now();
    let servers: [SocketAddr; 2] = [([192, 0, 2, 53], 53).into(), ([192, 0, 2, 54], 53).into()];
    let mut number = 0;
    let mut random = || {
        number += 1;
        number
    };
    let mut world = World {
        check: Check::new(
            std::slice::from_ref(&config),
            client,
            &servers,
            &mut random,
            now,
        ),
        now,
        open: BTreeMap::new(),
        decision: None,
    };
    world.act(|check, now, out| check.start(now, out));
    for line in lines.take(200) {
        world.happen(line);
    }
    world.now = now + config.timeout() + Duration::from_secs(1);
    world.act(|check, now, out| check.timeout(now, out));
    assert!(world.decision.is_some(), "decides in time");
    assert_eq!(world.check.deadline(), None);
    let denies = !matches!(world.decision, Some(Decision::Allow));
    assert!(!denies || config.can_block());
}

impl World {
    fn act(&mut self, call: impl FnOnce(&mut Check, Instant, &mut Vec<Action>)) {
        let mut out = Vec::new();
        call(&mut self.check, self.now, &mut out);
        for action in out {
            assert!(
                self.decision.is_none(),
                "acts after its decision: {action:?}"
            );
            match action {
                Action::SendUdp {
                    socket, message, ..
                } => {
                    self.open.insert(socket, (message, false));
                }
                Action::ConnectTcp {
                    socket, message, ..
                } => {
                    assert!(
                        !self.open.contains_key(&socket),
                        "it was to be closed first"
                    );
                    // Without its length.
                    self.open.insert(socket, (message[2..].to_vec(), true));
                }
                Action::CloseSocket { socket } => {
                    assert!(self.open.remove(&socket).is_some(), "it is not open");
                }
                Action::Note(_, line) => check_one_line(&line, 10_000),
                Action::Decided(decision) => {
                    assert!(self.open.is_empty(), "leaves sockets open");
                    self.decision = Some(decision);
                }
            }
            assert!(self.open.len() <= ZONES_MAX * SERVERS_MAX);
        }
    }

    fn happen(&mut self, line: &[u8]) {
        let (what, rest) = selector(line);
        let nth = usize::from(what >> 3) % self.open.len().max(1);
        let Some((&socket, (question, is_tcp))) = self.open.iter().nth(nth) else {
            return;
        };
        let is_tcp = *is_tcp;
        let message = match what & 7 {
            0 | 1 => rest.to_vec(),
            2 => reply(question, 0x8182, 0, rest),
            3 => reply(question, 0x8183, 0, rest),
            4 => reply(question, 0x8380, 0, rest),
            5 => reply(question, 0x8180, 1, rest),
            6 => {
                return self.act(|check, now, out| check.failed(now, socket, &"gone", out));
            }
            _ => {
                self.now += Duration::from_millis(900);
                return self.act(|check, now, out| check.timeout(now, out));
            }
        };
        if is_tcp {
            let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
            let framed = [&length.to_be_bytes(), message.as_slice()].concat();
            let (head, tail) = framed.split_at(framed.len() / 2);
            self.act(|check, now, out| check.stream(now, socket, head, out));
            self.act(|check, now, out| check.stream(now, socket, tail, out));
        } else {
            self.act(|check, now, out| check.datagram(now, socket, &message, out));
        }
    }
}

/// A reply to the question, with so many answers and what they are.
fn reply(question: &[u8], flags: u16, answers: u16, rest: &[u8]) -> Vec<u8> {
    let mut message = question.to_vec();
    message[2..4].copy_from_slice(&flags.to_be_bytes());
    message[6..8].copy_from_slice(&answers.to_be_bytes());
    if answers > 0 {
        // The owner is the name of the question; type A, class IN, no time to live.
        message.extend([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
    }
    message.extend_from_slice(rest);
    message
}
