//! Datagram sockets that never block and that no child process inherits.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use super::platform::poll::RawSocket;
use super::platform::socket as platform;

/// A UDP socket with one peer: what others send to it does not arrive.
#[derive(Debug)]
pub struct Datagrams(UdpSocket);

impl Datagrams {
    /// Opens a socket on a port that the system chooses at random, for this peer
    /// alone.
    pub fn connect(peer: SocketAddr) -> io::Result<Datagrams> {
        let any: SocketAddr = match peer {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any)?;
        socket.set_nonblocking(true)?;
        socket.connect(peer)?;
        Ok(Datagrams(socket))
    }

    /// Sends one datagram. The error may be that of an earlier one, such as
    /// `ConnectionRefused`.
    pub fn send(&self, datagram: &[u8]) -> io::Result<()> {
        self.0.send(datagram).map(|_| ())
    }

    /// Takes one datagram, as much of it as there is room for; `WouldBlock` where
    /// there is none.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.recv(buffer)
    }

    /// The socket, for a poll set.
    pub fn raw(&self) -> RawSocket {
        platform::raw(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::await_socket;

    fn peer() -> (UdpSocket, SocketAddr) {
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = peer.local_addr().unwrap();
        (peer, address)
    }

    #[test]
    fn carries_datagrams_both_ways() {
        let (peer, address) = peer();
        let socket = Datagrams::connect(address).unwrap();
        let mut buffer = [0; 100];
        let nothing = socket.receive(&mut buffer).unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
        socket.send(b"ping").unwrap();
        let (count, from) = peer.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..count], b"ping");
        peer.send_to(b"pong", from).unwrap();
        await_socket(socket.raw(), true, false);
        let count = socket.receive(&mut buffer).unwrap();
        assert_eq!(&buffer[..count], b"pong");
    }

    #[test]
    fn hears_its_peer_alone() {
        // RFC 5452 9.2: a reply from elsewhere is forged.
        let ((peer, address), (stranger, _)) = (peer(), peer());
        let socket = Datagrams::connect(address).unwrap();
        socket.send(b"?").unwrap();
        let mut buffer = [0; 100];
        let (_, from) = peer.recv_from(&mut buffer).unwrap();
        stranger.send_to(b"forged", from).unwrap();
        peer.send_to(b"real", from).unwrap();
        await_socket(socket.raw(), true, false);
        let count = socket.receive(&mut buffer).unwrap();
        assert_eq!(&buffer[..count], b"real");
    }

    // wine does not pass on that a datagram was refused.
    #[cfg(unix)]
    #[test]
    fn says_when_nobody_is_there() {
        let (peer, address) = peer();
        drop(peer);
        let socket = Datagrams::connect(address).unwrap();
        socket.send(b"?").unwrap();
        await_socket(socket.raw(), true, false);
        let refused = socket.receive(&mut [0; 9]).unwrap_err();
        assert_ne!(refused.kind(), io::ErrorKind::WouldBlock);
    }
}
