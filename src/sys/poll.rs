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
