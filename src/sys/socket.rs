//! Sockets that never block and that no child process inherits: listeners,
//! streams, and the pair that wakes the loop.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

use super::platform::poll::RawSocket;
use super::platform::socket as platform;

pub use super::address::Address;
pub use super::waker::{WakeReceiver, WakeSender, wake_pair};

/// A socket that accepts connections.
#[derive(Debug)]
pub struct Listener(Listening);

#[derive(Debug)]
enum Listening {
    Tcp(TcpListener),
    Local(platform::LocalListener),
}

/// A connection, or one that is being made.
#[derive(Debug)]
pub struct Stream(Connection);

#[derive(Debug)]
enum Connection {
    Tcp(TcpStream),
    Local(platform::LocalStream),
}

impl Listener {
    /// Listens at the address (port 0: one that is free) and nowhere else: an
    /// IPv6 wildcard does not cover IPv4.
    ///
    /// A socket of the unix domain gets mode 0770 less the process's umask. One that an
    /// earlier process left behind is replaced, one that is in use gives `AddrInUse`. The
    /// file is removed with the listener, if it is still the same.
    pub fn bind(address: &Address, backlog: i32) -> io::Result<Listener> {
        let listening = match address {
            Address::Tcp(address) => {
                let listener = platform::listen_tcp(address, backlog)?;
                listener.set_nonblocking(true)?;
                Listening::Tcp(listener)
            }
            Address::Unix(path) => Listening::Local(platform::LocalListener::bind(path, backlog)?),
        };
        Ok(Listener(listening))
    }

    /// Listens on the stream socket that this process was started with, under that
    /// number. The socket has to be bound; `InvalidInput` says what is wrong with it.
    ///
    /// To be called before anything else is opened that might have the number. A
    /// file of the unix domain stays when the listener goes.
    pub fn inherit(descriptor: u32, backlog: i32) -> io::Result<Listener> {
        let listening = match platform::inherit(descriptor, backlog)? {
            platform::Inherited::Tcp(listener) => Listening::Tcp(listener),
            platform::Inherited::Local(listener) => Listening::Local(listener),
        };
        Ok(Listener(listening))
    }

    /// Takes the next connection; `WouldBlock` where nobody waits. See
    /// [`is_out_of_descriptors`] and [`is_transient_accept`] for other errors.
    pub fn accept(&self) -> io::Result<(Stream, Address)> {
        match &self.0 {
            Listening::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                platform::adopt(&stream)?;
                prepare(&stream)?;
                Ok((Stream(Connection::Tcp(stream)), Address::Tcp(peer)))
            }
            Listening::Local(listener) => {
                let (stream, peer) = listener.accept()?;
                Ok((Stream(Connection::Local(stream)), peer))
            }
        }
    }

    /// Where it listens, with the port that the system chose.
    pub fn local_address(&self) -> io::Result<Address> {
        match &self.0 {
            Listening::Tcp(listener) => Ok(Address::Tcp(listener.local_addr()?)),
            Listening::Local(listener) => Ok(listener.local_address()),
        }
    }

    /// The socket, for a poll set.
    pub fn raw(&self) -> RawSocket {
        match &self.0 {
            Listening::Tcp(listener) => platform::raw(listener),
            Listening::Local(listener) => listener.raw(),
        }
    }
}

impl Stream {
    /// Begins to connect, from the local address if one is given.
    ///
    /// The connection has been made once the socket is writable,
    /// [`Stream::take_error`] gives nothing and [`Stream::peer_address`] something.
    pub fn connect(address: &Address, local: Option<SocketAddr>) -> io::Result<Stream> {
        let connection = match address {
            Address::Tcp(address) => {
                let stream = platform::connect_tcp(address, local)?;
                prepare(&stream)?;
                Connection::Tcp(stream)
            }
            Address::Unix(path) => Connection::Local(platform::LocalStream::connect(path)?),
        };
        Ok(Stream(connection))
    }

    /// Takes the error that is pending on the socket.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        match &self.0 {
            Connection::Tcp(stream) => stream.take_error(),
            Connection::Local(stream) => stream.take_error(),
        }
    }

    /// Ends the sending direction.
    pub fn shutdown_write(&self) -> io::Result<()> {
        match &self.0 {
            Connection::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Connection::Local(stream) => stream.shutdown_write(),
        }
    }

    /// Where the peer is; `NotConnected` while there is none.
    pub fn peer_address(&self) -> io::Result<Address> {
        match &self.0 {
            Connection::Tcp(stream) => Ok(Address::Tcp(stream.peer_addr()?)),
            Connection::Local(stream) => stream.peer_address(),
        }
    }

    /// Where this end is.
    pub fn local_address(&self) -> io::Result<Address> {
        match &self.0 {
            Connection::Tcp(stream) => Ok(Address::Tcp(stream.local_addr()?)),
            Connection::Local(stream) => stream.local_address(),
        }
    }

    /// The socket, for a poll set.
    pub fn raw(&self) -> RawSocket {
        match &self.0 {
            Connection::Tcp(stream) => platform::raw(stream),
            Connection::Local(stream) => stream.raw(),
        }
    }
}

/// Makes a stream fit for the loop.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    // Replies are written whole, so waiting for more would only delay them. Some
    // systems refuse this for a connection that has already been reset, which the
    // next read will show.
    let _ = stream.set_nodelay(true);
    Ok(())
}

impl Read for &Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.0 {
            Connection::Tcp(stream) => (&*stream).read(buffer),
            Connection::Local(stream) => stream.read(buffer),
        }
    }
}

impl Write for &Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &self.0 {
            Connection::Tcp(stream) => (&*stream).write(bytes),
            Connection::Local(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buffer)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether the process or the system has no room for another socket: accepting
/// must pause, since the waiting connection keeps the listener readable.
pub fn is_out_of_descriptors(error: &io::Error) -> bool {
    has_code(error, platform::OUT_OF_DESCRIPTORS)
}

/// Whether an accept failed for the connection that it took, so that the next
/// one may well succeed.
pub fn is_transient_accept(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Interrupted || has_code(error, platform::TRANSIENT_ACCEPT)
}

/// Whether listening failed because the system does not know the family of the
/// address, or has no address of it.
pub fn is_family_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable || has_code(error, platform::FAMILY_MISSING)
}

fn has_code(error: &io::Error, codes: &[i32]) -> bool {
    error
        .raw_os_error()
        .is_some_and(|code| codes.contains(&code))
}

#[cfg(test)]
mod tests;
