//! A socket by which a question is put to a name server.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;

use crate::event::Interest;
use crate::sys::datagram::Datagrams;
use crate::sys::poll::RawSocket;
use crate::sys::socket::{Address, Stream};

/// A socket of either kind.
#[derive(Debug)]
pub enum DnsSocket {
    /// Datagrams out and in.
    Udp(Datagrams),
    /// A connection for one question that is too long for a datagram.
    Tcp(TcpQuestion),
}

/// A question on its way over TCP.
#[derive(Debug)]
pub struct TcpQuestion {
    stream: Stream,
    is_connected: bool,
    unsent: Vec<u8>,
}

/// What came in, into the buffer that was lent.
#[derive(Debug)]
pub enum Received {
    /// Nothing now.
    Nothing,
    /// A whole datagram of that many octets.
    Datagram(usize),
    /// So many octets of a stream.
    Piece(usize),
}

impl DnsSocket {
    /// Opens a socket for datagrams.
    pub fn datagrams(server: SocketAddr) -> io::Result<DnsSocket> {
        Datagrams::connect(server).map(DnsSocket::Udp)
    }

    /// Begins to connect, and sends the question once that is done.
    pub fn stream(server: SocketAddr, question: Vec<u8>) -> io::Result<DnsSocket> {
        Ok(DnsSocket::Tcp(TcpQuestion {
            stream: Stream::connect(&Address::Tcp(server), None)?,
            is_connected: false,
            unsent: question,
        }))
    }

    /// Sends a datagram. One that cannot be sent now is lost, as datagrams may be.
    pub fn send(&self, datagram: &[u8]) -> io::Result<()> {
        match self {
            DnsSocket::Udp(socket) => passing(socket.send(datagram)).map(|_| ()),
            DnsSocket::Tcp(_) => Ok(()),
        }
    }

    /// Takes what has come in, and sends what there is to send.
    pub fn work(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        match self {
            DnsSocket::Udp(socket) => Ok(match passing(socket.receive(buffer))? {
                Some(count) => Received::Datagram(count),
                None => Received::Nothing,
            }),
            DnsSocket::Tcp(question) => question.work(buffer),
        }
    }

    /// The socket, for a poll set.
    pub fn raw(&self) -> RawSocket {
        match self {
            DnsSocket::Udp(socket) => socket.raw(),
            DnsSocket::Tcp(question) => question.stream.raw(),
        }
    }

    /// What it waits for.
    pub fn interest(&self) -> Interest {
        let write = match self {
            DnsSocket::Udp(_) => false,
            DnsSocket::Tcp(question) => !question.unsent.is_empty(),
        };
        Interest {
            socket: self.raw(),
            read: true,
            write,
        }
    }
}

impl TcpQuestion {
    fn work(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        if !self.is_connected {
            if let Some(error) = self.stream.take_error()? {
                return Err(error);
            }
            if self.stream.peer_address().is_err() {
                return Ok(Received::Nothing);
            }
            self.is_connected = true;
        }
        if !self.unsent.is_empty() {
            let sent = passing(self.stream.write(&self.unsent))?.unwrap_or(0);
            self.unsent.drain(..sent);
        }
        match passing(self.stream.read(buffer))? {
            Some(0) => Err(ErrorKind::UnexpectedEof.into()),
            Some(count) => Ok(Received::Piece(count)),
            None => Ok(Received::Nothing),
        }
    }
}

/// Nothing, where the system could not do it now but may later.
fn passing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
