//! There is no such socket here.

use std::io;

pub(in crate::sys) struct Socket;

impl Socket {
    pub(in crate::sys) fn connect() -> io::Result<Socket> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in crate::sys) fn send(&self, _message: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
