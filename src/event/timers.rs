//! Deadlines of sessions, validated when they come due.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use super::Token;

/// A heap of deadlines. Nothing is ever cancelled: who is told that a deadline
/// came due compares with the one that counts now, and arms again if that is later.
#[derive(Debug, Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(Instant, Token)>>,
}

impl Timers {
    /// Asks for `token` to come out of [`Timers::pop_due`] at `deadline`.
    pub fn arm(&mut self, deadline: Instant, token: Token) {
        self.heap.push(Reverse((deadline, token)));
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((deadline, _))| *deadline)
    }

    /// Takes out one deadline that is due at `now`.
    pub fn pop_due(&mut self, now: Instant) -> Option<Token> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, token))| token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Slab;
    use std::time::Duration;

    #[test]
    fn deadlines_come_due_in_order_and_never_early() {
        let mut slab = Slab::default();
        let tokens = [slab.insert(()), slab.insert(())];
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let mut timers = Timers::default();
        timers.arm(after(20), tokens[1]);
        timers.arm(after(10), tokens[0]);
        assert_eq!(timers.next(), Some(after(10)));
        assert_eq!(timers.pop_due(after(9)), None);
        assert_eq!(timers.pop_due(after(20)), Some(tokens[0]));
        assert_eq!(timers.pop_due(after(20)), Some(tokens[1]));
        assert_eq!(timers.pop_due(after(20)), None);
        assert_eq!(timers.next(), None);
    }
}
