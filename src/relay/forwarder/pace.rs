//! How fast messages may go to one server.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::net::address::Target;

/// How many servers are remembered that are behind; of more, those are forgotten whose
/// next message is due first.
pub(super) const PACES_MAX: usize = 1000;

/// The paces of all servers, whichever way the messages have been routed to them.
#[derive(Debug)]
pub(super) struct Paces {
    per_minute: Option<u32>,
    by_target: HashMap<Target, Pace>,
}

impl Paces {
    /// So many messages a minute to each.
    pub(super) fn new(per_minute: Option<u32>) -> Paces {
        Paces {
            per_minute: per_minute.filter(|rate| *rate > 0),
            by_target: HashMap::new(),
        }
    }

    /// Lets one more message go there, or says when to ask again.
    pub(super) fn take(&mut self, target: &Target, now: Instant) -> Result<(), Instant> {
        if self.per_minute.is_none() {
            return Ok(());
        }
        if let Some(pace) = self.by_target.get_mut(target) {
            return pace.take(now);
        }
        self.make_room(now);
        let mut pace = Pace::new(self.per_minute);
        let taken = pace.take(now);
        self.by_target.insert(target.clone(), pace);
        taken
    }

    fn make_room(&mut self, now: Instant) {
        self.by_target.retain(|_, pace| pace.is_behind(now));
        if self.by_target.len() >= PACES_MAX {
            let first = self.by_target.iter().min_by_key(|(_, pace)| pace.next);
            if let Some(target) = first.map(|(target, _)| target.clone()) {
                self.by_target.remove(&target);
            }
        }
    }
}

/// Lets so many messages go in a minute, spread evenly, with no more at once than
/// fit in a second after a rest.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// The time for each message; nothing means no limit.
    interval: Option<Duration>,
    /// When the next message would be due if they went evenly.
    next: Option<Instant>,
}

/// What was not used up in this time may be made up for.
const BURST: Duration = Duration::from_secs(1);

impl Pace {
    /// A pace of that many messages a minute.
    fn new(per_minute: Option<u32>) -> Pace {
        let each = |rate| Duration::from_secs(60) / rate;
        let interval = per_minute.filter(|rate| *rate > 0).map(each);
        Pace {
            interval,
            next: None,
        }
    }

    /// Whether a message would have to wait.
    fn is_behind(&self, now: Instant) -> bool {
        self.next.is_some_and(|next| next > now)
    }

    /// Lets one more message go, or says when to ask again.
    fn take(&mut self, now: Instant) -> Result<(), Instant> {
        let Some(interval) = self.interval else {
            return Ok(());
        };
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let next = self.next.map_or(now, |next| next.max(earliest));
        if next > now {
            return Err(next);
        }
        self.next = Some(next + interval);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many messages go within that time.
    fn count(pace: &mut Pace, from: Instant, seconds: u64) -> u32 {
        let until = from + Duration::from_secs(seconds);
        let (mut now, mut count) = (from, 0);
        while now < until {
            match pace.take(now) {
                Ok(()) => count += 1,
                Err(next) => now = next,
            }
        }
        count
    }

    #[test]
    fn so_many_go_in_a_minute_and_no_more_after_a_rest() {
        let now = Instant::now();
        for (rate, fewest) in [(1, 1), (60, 60), (600, 600)] {
            let mut pace = Pace::new(Some(rate));
            assert_eq!(count(&mut pace, now, 60), fewest, "{rate}");
            let later = now + Duration::from_secs(3600);
            let after_rest = count(&mut pace, later, 60);
            assert!(after_rest <= fewest + rate / 60 + 1, "{rate}: {after_rest}");
        }
    }

    #[test]
    fn without_a_rate_all_go() {
        let now = Instant::now();
        for rate in [None, Some(0)] {
            let mut pace = Pace::new(rate);
            assert!((0..10_000).all(|_| pace.take(now).is_ok()));
        }
    }

    fn target(port: u16) -> Target {
        Target::parse(&format!("127.0.0.1:{port}")).unwrap()
    }

    #[test]
    fn each_server_has_a_pace_of_its_own() {
        let (now, mut paces) = (Instant::now(), Paces::new(Some(60)));
        assert_eq!(paces.take(&target(1), now), Ok(()));
        let later = now + Duration::from_secs(1);
        assert_eq!(paces.take(&target(1), now), Err(later));
        assert_eq!(paces.take(&target(2), now), Ok(()));
        assert_eq!(paces.take(&target(1), later), Ok(()));
    }

    #[test]
    fn a_bounded_number_of_servers_is_remembered() {
        let (now, mut paces) = (Instant::now(), Paces::new(Some(1)));
        for port in 1..=1500 {
            let at = now + Duration::from_millis(port.into());
            assert_eq!(paces.take(&target(port), at), Ok(()));
        }
        assert_eq!(paces.by_target.len(), PACES_MAX);
        assert!(paces.take(&target(1500), now).is_err());
        let later = now + Duration::from_secs(3600);
        assert_eq!(paces.take(&target(1), later), Ok(()));
        assert_eq!(paces.by_target.len(), 1);
    }
}
