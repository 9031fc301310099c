//! A bounded queue of bytes, filled at the back and consumed from the front.

/// A byte queue that never holds more than its limit and owns no memory while
/// it is empty, so that an idle session costs nothing for its buffers.
#[derive(Debug)]
pub struct ByteQueue {
    bytes: Vec<u8>,
    start: usize,
    limit: usize,
}

impl ByteQueue {
    /// Makes an empty queue that will hold at most `limit` octets.
    pub fn new(limit: usize) -> ByteQueue {
        ByteQueue {
            bytes: Vec::new(),
            start: 0,
            limit,
        }
    }

    /// The octets waiting, oldest first.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// How many octets wait.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many more octets fit below the limit.
    pub fn room(&self) -> usize {
        self.limit.saturating_sub(self.len())
    }

    /// Drops the first `count` octets, all of them where there are fewer.
    pub fn consume(&mut self, count: usize) {
        self.start = self.bytes.len().min(self.start.saturating_add(count));
        if self.is_empty() {
            self.clear();
        }
    }

    /// Appends what fits and says how many octets that was.
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.room());
        self.make_space(count);
        self.bytes.extend_from_slice(&bytes[..count]);
        count
    }

    /// Appends all of `bytes`, beyond the limit where need be: for output whose
    /// producer stops as soon as [`ByteQueue::room`] is zero.
    pub fn push_all(&mut self, bytes: &[u8]) {
        self.make_space(bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    /// Lets go of the contents and of the memory.
    pub fn clear(&mut self) {
        self.bytes = Vec::new();
        self.start = 0;
    }

    /// Moves the contents to the front once the consumed part outweighs them.
    fn make_space(&mut self, count: usize) {
        if self.start > 0 && self.bytes.len() + count > self.bytes.capacity() {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_no_more_than_its_limit() {
        let mut queue = ByteQueue::new(4);
        assert_eq!(queue.push(b"abcdef"), 4);
        assert_eq!(queue.room(), 0);
        assert_eq!(queue.push(b"x"), 0);
        assert_eq!(queue.as_slice(), b"abcd");
    }

    #[test]
    fn consumes_from_the_front_across_refills() {
        let mut queue = ByteQueue::new(8);
        let mut seen = Vec::new();
        for round in 0u8..100 {
            assert_eq!(queue.push(&[round, round + 100]), 2);
            seen.push(queue.as_slice()[0]);
            queue.consume(1);
            if round % 3 == 0 {
                seen.extend_from_slice(queue.as_slice());
                queue.consume(usize::MAX);
            }
        }
        seen.extend_from_slice(queue.as_slice());
        let expected: Vec<u8> = (0u8..100).flat_map(|n| [n, n + 100]).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn an_empty_queue_owns_no_memory() {
        let mut queue = ByteQueue::new(100_000);
        queue.push(&[0; 50_000]);
        queue.consume(50_000);
        assert_eq!(queue.bytes.capacity(), 0);
    }

    #[test]
    fn unbounded_push_leaves_no_room() {
        let mut queue = ByteQueue::new(2);
        queue.push_all(b"abcdef");
        assert_eq!((queue.len(), queue.room()), (6, 0));
    }
}
