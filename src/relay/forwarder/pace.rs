//! How fast messages may go to one next hop.

use std::time::{Duration, Instant};

/// Lets so many messages go in a minute, spread evenly, with no more at once than
/// fit in a second after a rest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// The time for each message; nothing means no limit.
    interval: Option<Duration>,
    /// When the next message would be due if they went evenly.
    next: Option<Instant>,
}

/// What was not used up in this time may be made up for.
const BURST: Duration = Duration::from_secs(1);

impl Pace {
    /// A pace of that many messages a minute.
    pub(super) fn new(per_minute: Option<u32>) -> Pace {
        let each = |rate| Duration::from_secs(60) / rate;
        let interval = per_minute.filter(|rate| *rate > 0).map(each);
        Pace {
            interval,
            next: None,
        }
    }

    /// Whether a message would have to wait.
    pub(super) fn is_behind(&self, now: Instant) -> bool {
        self.next.is_some_and(|next| next > now)
    }

    /// Lets one more message go, or says when to ask again.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Instant> {
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
}
