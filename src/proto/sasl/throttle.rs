//! How often and how fast peers may try: against guessing of passwords.
//!
//! [`Attempts`] belongs to one connection, [`Throttle`] to the server. An attempt of
//! an address that has failed waits for its [`Throttle::turn`] before it is looked at,
//! so that nothing is learnt by not waiting; and the answer to one that fails is held
//! back until the time is over that [`Throttle::failed`] gives. As both grow with all
//! failures of the peer's address, on whatever connection, and its attempts are looked
//! at one after the other, a peer does not win by opening many connections.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Failures on one connection before it is closed.
pub const FAILURES_MAX: u8 = 3;

/// Addresses that are remembered at most.
pub const ADDRESSES_MAX: usize = 4096;

/// The longest time that an attempt waits, or its answer is held back.
pub const DELAY_MAX: Duration = Duration::from_secs(30);

/// The longest time that an attempt waits behind others of its address.
pub const TURN_MAX: Duration = Duration::from_secs(120);

/// After this time without a failure, one failure is forgotten.
pub const FORGIVEN_AFTER: Duration = Duration::from_secs(120);

/// Failures that are counted at most, so that an address is forgiven in the end.
const COUNT_MAX: u32 = 30;

/// The failures of one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempts(u8);

impl Attempts {
    /// Counts a failure. Whether the connection is to be closed: with 421 in place
    /// of the answer.
    #[must_use]
    pub fn failed(&mut self) -> bool {
        self.0 = self.0.saturating_add(1);
        self.0 >= FAILURES_MAX
    }
}

/// The failures of all peers by their address; of IPv6 addresses only the first
/// 64 bits count, since hosts choose the rest as they like.
#[derive(Debug, Default)]
pub struct Throttle {
    failures: HashMap<IpAddr, Failures>,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    /// From here on time forgives.
    since: Instant,
    /// When the last attempt that waits is looked at.
    last_turn: Instant,
}

impl Throttle {
    /// Counts a failure and says how long its answer comes after the attempt at the
    /// earliest: 1 second for the first, then 2, 4, 8, up to [`DELAY_MAX`].
    pub fn failed(&mut self, now: Instant, peer: IpAddr) -> Duration {
        let network = network(peer);
        if !self.failures.contains_key(&network) && self.failures.len() >= ADDRESSES_MAX {
            self.make_room(now);
        }
        let entry = self.failures.entry(network).or_insert(Failures {
            count: 0,
            since: now,
            last_turn: now,
        });
        *entry = entry.at(now);
        entry.count = (entry.count + 1).min(COUNT_MAX);
        entry.since = now;
        delay(entry.count)
    }

    /// Takes note that a peer got in: one failure is forgiven, no more, or a guesser
    /// with one good account would be free to go on.
    pub fn succeeded(&mut self, now: Instant, peer: IpAddr) {
        let network = network(peer);
        if let Some(entry) = self.failures.get_mut(&network) {
            *entry = entry.at(now);
            entry.count = entry.count.saturating_sub(1);
            if entry.count == 0 {
                self.failures.remove(&network);
            }
        }
    }

    /// How long an attempt of this peer waits before it is looked at: as long as the
    /// answer to its last failure took, less what time has forgiven, after the attempts
    /// of its address that wait already. Nothing where that is beyond [`TURN_MAX`].
    #[must_use]
    pub fn turn(&mut self, now: Instant, peer: IpAddr) -> Option<Duration> {
        let Some(entry) = self.failures.get_mut(&network(peer)) else {
            return Some(Duration::ZERO);
        };
        let delay = delay(entry.at(now).count);
        if delay.is_zero() {
            return Some(delay);
        }
        let turn = entry.last_turn.max(now) + delay;
        let wait = turn - now;
        let may_wait = wait <= TURN_MAX;
        if may_wait {
            entry.last_turn = turn;
        }
        may_wait.then_some(wait)
    }

    /// Forgets addresses that are forgiven, or else the one that has failed the
    /// least, the oldest of these.
    fn make_room(&mut self, now: Instant) {
        self.failures.retain(|_, entry| entry.at(now).count > 0);
        if self.failures.len() < ADDRESSES_MAX {
            return;
        }
        let least = self.failures.iter().min_by_key(|(_, entry)| {
            let entry = entry.at(now);
            (entry.count, entry.since)
        });
        if let Some(network) = least.map(|(network, _)| *network) {
            self.failures.remove(&network);
        }
    }
}

impl Failures {
    /// What is left of it by now.
    fn at(self, now: Instant) -> Failures {
        let passed = now.saturating_duration_since(self.since);
        let forgiven = (passed.as_secs() / FORGIVEN_AFTER.as_secs()).min(u64::from(self.count));
        let forgiven = u32::try_from(forgiven).unwrap_or(self.count);
        Failures {
            count: self.count - forgiven,
            since: self.since + FORGIVEN_AFTER * forgiven,
            ..self
        }
    }
}

fn delay(failures: u32) -> Duration {
    let Some(doublings) = failures.checked_sub(1) else {
        return Duration::ZERO;
    };
    let seconds = 1u64.checked_shl(doublings).unwrap_or(u64::MAX);
    Duration::from_secs(seconds.min(DELAY_MAX.as_secs()))
}

fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let prefix = address.to_bits() >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from_bits(prefix))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::from_bits(number))
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    /// How long an attempt waits that has none before it.
    fn wait(throttle: &Throttle, now: Instant, peer: IpAddr) -> Duration {
        let entry = throttle.failures.get(&network(peer));
        delay(entry.map_or(0, |entry| entry.at(now).count))
    }

    #[test]
    fn attempts_of_one_address_are_looked_at_one_after_the_other() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        let at = |secs| start + seconds(secs);
        let mut turn = |secs, peer| throttle.turn(at(secs), address(peer));
        assert_eq!([turn(0, 1), turn(0, 1)], [Some(Duration::ZERO); 2]);
        for _ in 0..3 {
            let _ = throttle.failed(start, address(1));
        }
        let mut turn = |secs, peer| throttle.turn(at(secs), address(peer));
        let turns: Vec<_> = (0..40).map_while(|_| turn(0, 1)).collect();
        let expected: Vec<_> = (1..=30).map(|count| seconds(4 * count)).collect();
        assert_eq!(turns, expected, "and no longer than the limit");
        assert_eq!(turn(0, 2), Some(Duration::ZERO), "others do not wait");
        assert_eq!(turn(3, 1), None);
        assert_eq!([turn(4, 1), turn(4, 1)], [Some(seconds(120)), None]);
        assert_eq!(turn(119, 1), Some(seconds(9)));
        assert_eq!(turn(1000, 1), Some(Duration::ZERO));
    }

    #[test]
    fn a_connection_ends_with_its_third_failure() {
        let mut attempts = Attempts::default();
        assert!(!attempts.failed());
        assert!(!attempts.failed());
        assert!(attempts.failed());
        assert!(attempts.failed());
    }

    #[test]
    fn a1_delays_grow_to_half_a_minute() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        let delays: Vec<u64> = (0..200)
            .map(|_| throttle.failed(now, address(1)).as_secs())
            .collect();
        assert_eq!(delays[..7], [1, 2, 4, 8, 16, 30, 30]);
        assert!(delays[7..].iter().all(|delay| *delay == 30));
        assert_eq!(wait(&throttle, now, address(1)), seconds(30));
        assert_eq!(wait(&throttle, now, address(2)), Duration::ZERO);
        assert_eq!(
            throttle.failed(now, address(2)),
            seconds(1),
            "others do not suffer"
        );
    }

    #[test]
    fn time_forgives() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        for _ in 0..4 {
            let _ = throttle.failed(start, address(1));
        }
        let at = |secs| wait(&throttle, start + seconds(secs), address(1)).as_secs();
        assert_eq!(
            [at(0), at(119), at(120), at(240), at(480), at(1_000_000)],
            [8, 8, 4, 2, 0, 0]
        );
        assert_eq!(
            throttle.failed(start + seconds(240), address(1)),
            seconds(4)
        );
        // A clock that goes back does no harm.
        assert_eq!(wait(&throttle, start, address(1)), seconds(4));
    }

    #[test]
    fn many_failures_are_forgiven_within_an_hour() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        for _ in 0..10_000 {
            let _ = throttle.failed(start, address(1));
        }
        assert_eq!(
            wait(&throttle, start + seconds(3600), address(1)),
            Duration::ZERO
        );
    }

    #[test]
    fn success_forgives_one_failure() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..3 {
            let _ = throttle.failed(now, address(1));
        }
        throttle.succeeded(now, address(1));
        assert_eq!(throttle.failed(now, address(1)), seconds(4));
        for _ in 0..9 {
            throttle.succeeded(now, address(1));
        }
        assert!(throttle.failures.is_empty());
        throttle.succeeded(now, address(2));
    }

    #[test]
    fn addresses_that_one_host_can_choose_are_one() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        let parse = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(throttle.failed(now, parse("2001:db8::1")), seconds(1));
        assert_eq!(throttle.failed(now, parse("2001:db8::ffff:1")), seconds(2));
        assert_eq!(throttle.failed(now, parse("2001:db8:0:1::1")), seconds(1));
        assert_eq!(throttle.failed(now, parse("192.0.2.1")), seconds(1));
        assert_eq!(throttle.failed(now, parse("::ffff:192.0.2.1")), seconds(2));
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes minutes")]
    fn remembers_no_more_than_the_limit_and_the_worst_longest() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..5 {
            let _ = throttle.failed(now, address(0));
        }
        let limit = u32::try_from(ADDRESSES_MAX).unwrap();
        for number in 1..limit + 50 {
            let _ = throttle.failed(now + seconds(1), address(number));
        }
        assert_eq!(throttle.failures.len(), ADDRESSES_MAX);
        assert_eq!(wait(&throttle, now, address(0)), seconds(16));
        // Those that are forgiven go first, all at once.
        let _ = throttle.failed(now + seconds(200), address(u32::MAX));
        assert_eq!(throttle.failures.len(), 2);
    }
}
