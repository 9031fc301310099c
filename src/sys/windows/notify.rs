//! There is no service manager that is told by sockets.

use std::io;

pub(in crate::sys) enum NotifySocket {}

impl NotifySocket {
    pub(in crate::sys) fn open(_name: &str) -> io::Result<NotifySocket> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in crate::sys) fn send(&self, _text: &[u8]) {
        match *self {}
    }
}

pub(in crate::sys) fn monotonic_usec() -> u64 {
    0
}
