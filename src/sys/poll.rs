//! Waiting for sockets: poll(2) and its Windows twin.

use std::io;
use std::time::Duration;

use super::platform::poll as platform;

pub use platform::RawSocket;

/// One socket of a poll set: what is awaited, and after [`wait`] what happened.
///
/// Trouble (an error, a hang-up, a bad descriptor) counts as readable and as
/// writable, so that whoever looks at either finds it out from the socket. It is
/// reported even where neither was asked for: leave out a socket that waits for
/// nothing, or a hung-up peer keeps the loop spinning.
///
/// Windows before version 2004 reports no failed connect: always have a deadline.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Entry(platform::RawEntry);

impl Entry {
    /// Makes an entry that awaits what is said.
    pub fn new(socket: RawSocket, read: bool, write: bool) -> Entry {
        let read = if read { platform::READ } else { 0 };
        let write = if write { platform::WRITE } else { 0 };
        Entry(platform::RawEntry::new(socket, read | write))
    }

    /// Whether anything happened, awaited or not.
    pub fn is_ready(&self) -> bool {
        self.0.reported() != 0
    }

    /// Whether a read or an accept would not block.
    pub fn is_readable(&self) -> bool {
        self.0.reported() & (platform::READ | platform::TROUBLE) != 0
    }

    /// Whether a write would not block or a connect has ended.
    pub fn is_writable(&self) -> bool {
        self.0.reported() & (platform::WRITE | platform::TROUBLE) != 0
    }
}

/// Waits until a socket is ready, the timeout has passed (never earlier: it is
/// rounded up to a millisecond) or a signal came in, and returns how many
/// entries are ready. Without a timeout it waits for ever; an empty set sleeps.
pub fn wait(entries: &mut [Entry], timeout: Option<Duration>) -> io::Result<usize> {
    // SAFETY: `Entry` is a transparent wrapper of `RawEntry`, so the two slices
    // have the same layout, and the borrow is exclusive for as long as the copy
    // of it lives.
    let raw = unsafe { &mut *(std::ptr::from_mut(entries) as *mut [platform::RawEntry]) };
    match platform::wait(raw, timeout_ms(timeout)) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            raw.iter_mut().for_each(platform::RawEntry::forget);
            Ok(0)
        }
        result => result,
    }
}

/// The timeout as poll takes it: whole milliseconds, rounded up; -1 is for ever.
fn timeout_ms(timeout: Option<Duration>) -> i32 {
    let Some(timeout) = timeout else {
        return -1;
    };
    i32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::sys::socket::wake_pair;
    use crate::sys::testing::LONG;

    #[test]
    fn rounds_timeouts_up() {
        for (timeout, expected) in [
            (None, -1),
            (Some(Duration::ZERO), 0),
            (Some(Duration::from_nanos(1)), 1),
            (Some(Duration::from_millis(1)), 1),
            (Some(Duration::from_nanos(1_000_001)), 2),
            (Some(Duration::from_secs(60)), 60_000),
            (Some(Duration::from_secs(u64::MAX)), i32::MAX),
        ] {
            assert_eq!(timeout_ms(timeout), expected, "{timeout:?}");
        }
    }

    #[test]
    fn is_never_early() {
        let (_sender, receiver) = wake_pair().unwrap();
        for timeout in [Duration::from_nanos(1), Duration::from_micros(2500)] {
            let mut entries = [Entry::new(receiver.raw(), true, false)];
            let start = Instant::now();
            assert_eq!(wait(&mut entries, Some(timeout)).unwrap(), 0);
            assert!(start.elapsed() >= timeout);
            assert!(!entries[0].is_ready());
            let start = Instant::now();
            assert_eq!(wait(&mut [], Some(timeout)).unwrap(), 0);
            assert!(start.elapsed() >= timeout);
        }
    }

    #[test]
    fn reports_what_is_ready_and_what_was_asked_for() {
        let ((sender, ready), (_sender, idle)) = (wake_pair().unwrap(), wake_pair().unwrap());
        sender.wake();
        let mut entries = [
            Entry::new(ready.raw(), true, false),
            Entry::new(ready.raw(), false, true),
            Entry::new(ready.raw(), true, true),
            Entry::new(ready.raw(), false, false),
            Entry::new(idle.raw(), true, false),
        ];
        assert_eq!(wait(&mut entries, Some(LONG)).unwrap(), 3);
        let seen = entries.map(|e| (e.is_ready(), e.is_readable(), e.is_writable()));
        assert_eq!(
            seen,
            [
                (true, true, false),
                (true, false, true),
                (true, true, true),
                (false, false, false),
                (false, false, false),
            ]
        );
    }
}
