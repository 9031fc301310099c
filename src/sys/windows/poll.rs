//! WSAPoll.

mod connects;
mod half_closed;

use std::io;
use std::thread;
use std::time::Duration;

use super::ffi;

/// A socket as the system names it.
pub type RawSocket = std::os::windows::io::RawSocket;

// POLLPRI is never set: WSAPoll refuses it.
// Nor is POLLRDBAND: nobody takes what is urgent, and it would be reported for ever.
pub(in crate::sys) const READ: i16 = ffi::POLLRDNORM;
pub(in crate::sys) const WRITE: i16 = ffi::POLLWRNORM;
pub(in crate::sys) const TROUBLE: i16 = ffi::POLLERR | ffi::POLLHUP | ffi::POLLNVAL;

#[derive(Clone, Copy)]
#[repr(transparent)]
pub(in crate::sys) struct RawEntry(ffi::WSAPOLLFD);

impl RawEntry {
    pub(in crate::sys) fn new(socket: RawSocket, events: i16) -> RawEntry {
        RawEntry(ffi::WSAPOLLFD {
            // A SOCKET is as wide as a pointer; std widens it to 64 bits.
            fd: socket as ffi::SOCKET,
            events,
            revents: 0,
        })
    }

    pub(in crate::sys) fn reported(&self) -> i16 {
        self.0.revents
    }

    pub(in crate::sys) fn forget(&mut self) {
        self.0.revents = 0;
    }
}

pub(in crate::sys) fn wait(entries: &mut [RawEntry], timeout_ms: i32) -> io::Result<usize> {
    half_closed::wait(entries, timeout_ms)
}

/// As poll(2), but for peers that have said that they will send no more.
fn wait_for_all(entries: &mut [RawEntry], timeout_ms: i32) -> io::Result<usize> {
    // WSAPoll calls an empty set an error where poll(2) sleeps.
    if entries.is_empty() {
        thread::sleep(u64::try_from(timeout_ms).map_or(Duration::MAX, Duration::from_millis));
        return Ok(0);
    }
    match connects::are_reported() {
        true => poll(entries, timeout_ms),
        false => connects::wait(entries, timeout_ms),
    }
}

fn poll(entries: &mut [RawEntry], timeout_ms: i32) -> io::Result<usize> {
    let count = u32::try_from(entries.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: `RawEntry` is a transparent wrapper of `WSAPOLLFD`, the pointer and
    // the count are those of one live, exclusively borrowed slice, and WSAPoll
    // keeps neither after it returns.
    match unsafe { ffi::WSAPoll(entries.as_mut_ptr().cast(), count, timeout_ms) } {
        ..0 => Err(super::socket::last_error()),
        0 => Ok(0),
        // wine's number is another where a socket is there twice.
        _ => Ok(ready(entries)),
    }
}

fn ready(entries: &[RawEntry]) -> usize {
    entries.iter().filter(|entry| entry.reported() != 0).count()
}
