//! How fast content comes in.

use std::time::{Duration, Instant};

use super::Limits;

/// The octets of content since it began, on the wire.
#[derive(Debug)]
pub(super) struct Pace {
    began_at: Instant,
    octets: u64,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Pace {
        Pace {
            began_at: now,
            octets: 0,
        }
    }

    pub(super) fn note(&mut self, octets: usize) {
        self.octets = self.octets.saturating_add(octets as u64);
    }

    pub(super) fn excuse(&mut self, delay: Duration) {
        self.began_at = self.began_at.checked_add(delay).unwrap_or(self.began_at);
    }

    /// When the average since the beginning falls below the minimum, if nothing
    /// more comes; none if that is beyond all times, or if there is no minimum.
    pub(super) fn deadline(&self, limits: &Limits) -> Option<Instant> {
        let milliseconds = self.octets.saturating_mul(1000);
        let earned = milliseconds.checked_div(u64::from(limits.content_rate_min))?;
        let allowed = limits
            .content_grace
            .checked_add(Duration::from_millis(earned))?;
        self.began_at.checked_add(allowed)
    }
}
