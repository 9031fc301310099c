//! The pair that wakes the loop: connected sockets of the unix domain.

use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use crate::sys::platform::poll::RawSocket;

#[derive(Debug)]
pub(in crate::sys) struct WakeWriter(UnixStream);

#[derive(Debug)]
pub(in crate::sys) struct WakeReader(UnixStream);

pub(in crate::sys) fn wake_pair() -> io::Result<(WakeWriter, WakeReader)> {
    let (writer, reader) = UnixStream::pair()?;
    writer.set_nonblocking(true)?;
    reader.set_nonblocking(true)?;
    Ok((WakeWriter(writer), WakeReader(reader)))
}

impl WakeWriter {
    /// Runs in signal handlers: write(2) is on the list of what may be called
    /// there, so it is called directly. A failure means that the socket is full,
    /// and the reader will wake, or that it is gone, and nobody cares.
    pub(in crate::sys) fn write(&self) {
        let octet = 0u8;
        // SAFETY: the pointer is to one live octet, and the descriptor is open as
        // long as its owner is borrowed.
        unsafe { libc::write(self.0.as_raw_fd(), (&raw const octet).cast(), 1) };
    }
}

impl WakeReader {
    pub(in crate::sys) fn empty(&self) {
        let mut buffer = [0; 64];
        while matches!((&self.0).read(&mut buffer), Ok(count) if count > 0) {}
    }

    pub(in crate::sys) fn raw(&self) -> RawSocket {
        self.0.as_raw_fd()
    }
}
