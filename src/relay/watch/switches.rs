//! What administrators have switched off, until the program ends.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// The switches of one configuration, which its servers look at.
#[derive(Debug, Default)]
pub struct Switches {
    smtp_disabled: Cell<bool>,
    block_lists: Cell<Option<Pause>>,
}

/// How long clients are not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pause {
    /// Until somebody says so.
    Endless,
    /// Until then.
    Until(Instant),
}

impl Switches {
    /// Has new SMTP clients served, or sent away.
    pub fn enable_smtp(&self, enable: bool) {
        self.smtp_disabled.set(!enable);
    }

    /// Whether new SMTP clients are served.
    pub fn is_smtp_enabled(&self) -> bool {
        !self.smtp_disabled.get()
    }

    /// Has clients checked against block lists again.
    pub fn start_block_lists(&self) {
        self.block_lists.set(None);
    }

    /// Has clients not checked, for that long or until told otherwise.
    pub fn stop_block_lists(&self, now: Instant, time: Option<Duration>) {
        let until = time.and_then(|time| now.checked_add(time));
        self.block_lists
            .set(Some(until.map_or(Pause::Endless, Pause::Until)));
    }

    /// Whether clients are checked.
    pub fn are_block_lists_used(&self, now: Instant) -> bool {
        match self.block_lists.get() {
            None => true,
            Some(Pause::Endless) => false,
            Some(Pause::Until(until)) => until <= now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_lists_come_back_by_themselves_if_told_so() {
        let now = Instant::now();
        let switches = Switches::default();
        assert!(switches.are_block_lists_used(now));
        switches.stop_block_lists(now, Some(Duration::from_secs(60)));
        assert!(!switches.are_block_lists_used(now + Duration::from_secs(59)));
        assert!(switches.are_block_lists_used(now + Duration::from_secs(60)));
        switches.stop_block_lists(now, None);
        assert!(!switches.are_block_lists_used(now + Duration::from_secs(1 << 30)));
        switches.start_block_lists();
        assert!(switches.are_block_lists_used(now));
        switches.stop_block_lists(now, Some(Duration::MAX));
        assert!(!switches.are_block_lists_used(now + Duration::from_secs(1 << 30)));
    }
}
