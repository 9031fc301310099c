//! poll(2).

use std::io;

/// A socket as the system names it.
pub type RawSocket = std::os::fd::RawFd;

pub(in crate::sys) const READ: i16 = libc::POLLIN;
pub(in crate::sys) const WRITE: i16 = libc::POLLOUT;
pub(in crate::sys) const TROUBLE: i16 = libc::POLLERR | libc::POLLHUP | libc::POLLNVAL;

#[derive(Clone, Copy)]
#[repr(transparent)]
pub(in crate::sys) struct RawEntry(libc::pollfd);

impl RawEntry {
    pub(in crate::sys) fn new(fd: RawSocket, events: i16) -> RawEntry {
        RawEntry(libc::pollfd {
            fd,
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
    let count = libc::nfds_t::try_from(entries.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: `RawEntry` is a transparent wrapper of `pollfd`, the pointer and the
    // count are those of one live, exclusively borrowed slice, and poll keeps
    // neither after it returns.
    let ready = unsafe { libc::poll(entries.as_mut_ptr().cast(), count, timeout_ms) };
    usize::try_from(ready).map_err(|_| io::Error::last_os_error())
}
