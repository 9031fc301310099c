//! Events that wait for a reader.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::base::OneLine;

/// How many events wait for a reader who is slow.
pub const EVENTS_WAITING_MAX: usize = 100;

/// The youngest events, and how many older ones have been dropped.
#[derive(Debug, Default)]
pub(super) struct Events {
    waiting: VecDeque<Rc<OneLine>>,
    lost: u64,
}

impl Events {
    /// Adds one; the oldest makes way for it where there is no room.
    pub(super) fn push(&mut self, event: Rc<OneLine>) {
        if self.waiting.len() >= EVENTS_WAITING_MAX {
            self.waiting.pop_front();
            self.lost += 1;
        }
        self.waiting.push_back(event);
    }

    /// How many were dropped since the last time.
    pub(super) fn take_lost(&mut self) -> Option<u64> {
        let lost = std::mem::take(&mut self.lost);
        (lost > 0).then_some(lost)
    }

    pub(super) fn next(&mut self) -> Option<Rc<OneLine>> {
        self.waiting.pop_front()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.lost == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_make_way() {
        let mut events = Events::default();
        for number in 0..EVENTS_WAITING_MAX + 5 {
            events.push(Rc::new(OneLine::escaped(number.to_string())));
        }
        assert_eq!(events.waiting.len(), EVENTS_WAITING_MAX);
        assert_eq!(events.take_lost(), Some(5));
        assert_eq!(events.take_lost(), None);
        assert_eq!(events.next().unwrap().as_bytes(), b"5");
    }
}
