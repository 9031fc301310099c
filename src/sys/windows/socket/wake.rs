//! The pair that wakes the loop: WSAPoll takes only sockets, so two datagram
//! sockets of the loopback interface, each connected to the other.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};

use super::RawSocket;

#[derive(Debug)]
pub(in crate::sys) struct WakeWriter(UdpSocket);

#[derive(Debug)]
pub(in crate::sys) struct WakeReader(UdpSocket);

pub(in crate::sys) fn wake_pair() -> io::Result<(WakeWriter, WakeReader)> {
    let writer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let reader = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    writer.connect(reader.local_addr()?)?;
    // From here on datagrams of others are not for us; an earlier one would cost
    // one turn of the loop.
    reader.connect(writer.local_addr()?)?;
    writer.set_nonblocking(true)?;
    reader.set_nonblocking(true)?;
    Ok((WakeWriter(writer), WakeReader(reader)))
}

impl WakeWriter {
    pub(in crate::sys) fn write(&self) {
        // A failure means that the socket is full, and the reader will wake, or
        // that it is gone, and nobody cares.
        let _ = self.0.send(&[0]);
    }
}

impl WakeReader {
    pub(in crate::sys) fn empty(&self) {
        let mut buffer = [0; 64];
        while self.0.recv(&mut buffer).is_ok() {}
    }

    pub(in crate::sys) fn raw(&self) -> RawSocket {
        super::raw(&self.0)
    }
}
