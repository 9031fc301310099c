//! Deadlines of sessions, validated when they come due.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use super::Token;

/// A heap of deadlines. Nothing is ever cancelled: who asks says which deadlines
/// still count, and the others are dropped.
#[derive(Debug, Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(Instant, Token)>>,
}

impl Timers {
    /// Asks for `token` to come out of [`Timers::next`] first at `deadline`.
    pub fn arm(&mut self, deadline: Instant, token: Token) {
        self.heap.push(Reverse((deadline, token)));
    }

    /// The earliest deadline, and whose it is, after dropping those that `counts`
    /// says are of no interest any more.
    pub fn next(&mut self, counts: impl Fn(Instant, Token) -> bool) -> Option<(Instant, Token)> {
        while let Some(Reverse((deadline, token))) = self.heap.peek() {
            if counts(*deadline, *token) {
                return Some((*deadline, *token));
            }
            self.heap.pop();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Slab;
    use std::time::Duration;

    #[test]
    fn deadlines_come_in_order_and_stale_ones_are_dropped() {
        let mut slab = Slab::default();
        let tokens = [slab.insert(()), slab.insert(())];
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let mut timers = Timers::default();
        timers.arm(after(20), tokens[1]);
        timers.arm(after(10), tokens[0]);
        let all = |_: Instant, _: Token| true;
        assert_eq!(timers.next(all), Some((after(10), tokens[0])));
        assert_eq!(
            timers.next(all),
            Some((after(10), tokens[0])),
            "it stays until it is dropped"
        );
        let later = |deadline: Instant, _: Token| deadline > after(10);
        assert_eq!(timers.next(later), Some((after(20), tokens[1])));
        assert_eq!(timers.next(|_, _| false), None);
        assert_eq!(timers.next(all), None);
    }
}
