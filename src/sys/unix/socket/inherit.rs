//! Listening sockets that whoever started the program opened for it.

use std::io;
use std::net::TcpListener;
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::net::UnixListener;

use super::local::LocalListener;
use super::raw;

/// The first number that is not a standard stream.
const FIRST: u32 = 3;

/// A listener of either domain.
pub(in crate::sys) enum Inherited {
    Tcp(TcpListener),
    Local(LocalListener),
}

/// Listens on the stream socket of that number, which has to be bound.
pub(in crate::sys) fn inherit(descriptor: u32, backlog: i32) -> io::Result<Inherited> {
    let fd = RawFd::try_from(descriptor).map_err(|_| wrong("no descriptor has that number"))?;
    if descriptor < FIRST {
        return Err(wrong("it is a standard stream"));
    }
    // A copy is owned from the start, whatever the original turns out to be.
    let socket = raw::copy(fd)?;
    if raw::option(&socket, libc::SOL_SOCKET, libc::SO_TYPE)? != libc::SOCK_STREAM {
        return Err(wrong("it is not a stream socket"));
    }
    let is_local = raw::family_of(&socket)? == libc::AF_UNIX;
    let inherited = match is_local {
        true => local(socket, backlog)?,
        false => tcp(socket, backlog)?,
    };
    raw::close(fd);
    Ok(inherited)
}

fn tcp(socket: OwnedFd, backlog: i32) -> io::Result<Inherited> {
    let listener = TcpListener::from(socket);
    // `InvalidInput` for a socket of a family that is not IP.
    if listener.local_addr()?.port() == 0 {
        return Err(wrong("it is not bound to an address"));
    }
    raw::listen(&listener, backlog)?;
    listener.set_nonblocking(true)?;
    Ok(Inherited::Tcp(listener))
}

fn local(socket: OwnedFd, backlog: i32) -> io::Result<Inherited> {
    let listener = UnixListener::from(socket);
    let address = listener.local_addr()?;
    if address.is_unnamed() {
        return Err(wrong("it is not bound to an address"));
    }
    raw::listen(&listener, backlog)?;
    listener.set_nonblocking(true)?;
    let path = address.as_pathname().unwrap_or("/".as_ref()).to_owned();
    Ok(Inherited::Local(LocalListener::adopt(listener, path)))
}

fn wrong(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, reason)
}
