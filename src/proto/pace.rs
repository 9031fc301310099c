//! How fast the other side of a connection gives or takes what is long.

use std::time::{Duration, Instant};

/// The octets since the beginning, on the wire.
#[derive(Debug)]
pub(crate) struct Pace {
    began_at: Instant,
    octets: u64,
}

impl Pace {
    pub(crate) fn new(now: Instant) -> Pace {
        Pace {
            began_at: now,
            octets: 0,
        }
    }

    pub(crate) fn note(&mut self, octets: usize) {
        self.octets = self.octets.saturating_add(octets as u64);
    }

    pub(crate) fn excuse(&mut self, delay: Duration) {
        self.began_at = self.began_at.checked_add(delay).unwrap_or(self.began_at);
    }

    /// When the average since the beginning falls below so many octets per second,
    /// if nothing more goes through, after a time in which any pace will do; none if
    /// that is beyond all times, or if there is no minimum.
    pub(crate) fn deadline(&self, grace: Duration, rate_min: u32) -> Option<Instant> {
        let milliseconds = self.octets.saturating_mul(1000);
        let earned = milliseconds.checked_div(u64::from(rate_min))?;
        let allowed = grace.checked_add(Duration::from_millis(earned))?;
        self.began_at.checked_add(allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_must_be_kept_after_the_grace() {
        let (now, grace) = (Instant::now(), Duration::from_secs(60));
        let mut pace = Pace::new(now);
        assert_eq!(pace.deadline(grace, 50), Some(now + grace));
        pace.note(100);
        let later = now + grace + Duration::from_secs(2);
        assert_eq!(pace.deadline(grace, 50), Some(later));
        pace.excuse(Duration::from_secs(3));
        assert_eq!(
            pace.deadline(grace, 50),
            Some(later + Duration::from_secs(3))
        );
        assert_eq!(pace.deadline(grace, 0), None);
    }
}
