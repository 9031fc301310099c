//! Deadlines of sessions, validated when they come due.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use super::Token;

/// Deadlines that may wait beside twice as many as still counted at the last look,
/// before all are looked at again.
const STALE_MAX: usize = 64;

/// A heap of deadlines. Nothing is ever cancelled: who asks says which deadlines
/// still count, and the others are dropped.
#[derive(Debug, Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(Instant, Token)>>,
    /// How many counted when all were looked at.
    counted: usize,
}

impl Timers {
    /// Asks for `token` to come out of [`Timers::next`] first at `deadline`.
    pub fn arm(&mut self, deadline: Instant, token: Token) {
        self.heap.push(Reverse((deadline, token)));
    }

    /// The earliest deadline, and whose it is, after dropping those that `counts`
    /// says are of no interest any more.
    pub fn next(&mut self, counts: impl Fn(Instant, Token) -> bool) -> Option<(Instant, Token)> {
        if self.heap.len() > 2 * self.counted + STALE_MAX {
            self.tidy(&counts);
        }
        while let Some(Reverse((deadline, token))) = self.heap.peek() {
            if counts(*deadline, *token) {
                return Some((*deadline, *token));
            }
            self.heap.pop();
        }
        None
    }

    /// Drops what is of no interest, however late it is due, and what was asked for
    /// several times.
    fn tidy(&mut self, counts: impl Fn(Instant, Token) -> bool) {
        let mut all = std::mem::take(&mut self.heap).into_vec();
        all.retain(|Reverse((deadline, token))| counts(*deadline, *token));
        all.sort_unstable();
        all.dedup();
        self.counted = all.len();
        self.heap = all.into();
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

    #[test]
    fn stale_ones_do_not_pile_up_though_they_are_due_late() {
        let mut slab = Slab::default();
        let tokens = [slab.insert(()), slab.insert(())];
        let start = Instant::now();
        let late = start + Duration::from_secs(86_400);
        let mut timers = Timers::default();
        for turn in 0..10_000 {
            // One has two deadlines by turns, the other has a new one each time.
            let soon = start + Duration::from_millis(turn);
            timers.arm(late, tokens[0]);
            timers.arm(late + Duration::from_secs(turn), tokens[1]);
            timers.arm(soon, tokens[0]);
            let counts = |deadline, token| token == tokens[0] && deadline >= soon;
            assert_eq!(timers.next(counts), Some((soon, tokens[0])));
            assert!(timers.heap.len() <= 2 * 2 + STALE_MAX, "{turn}");
        }
    }
}
