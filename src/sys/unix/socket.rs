//! Sockets: what std does not offer is a connect that does not block, a backlog,
//! an IPv6 socket without IPv4, and a listener of the unix domain that cleans up.

mod inherit;
mod local;
mod raw;
mod wake;

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;

use super::poll::RawSocket;
use raw::RawAddress;

pub(in crate::sys) use inherit::{Inherited, inherit};
pub(in crate::sys) use local::{LocalListener, LocalStream};
pub(in crate::sys) use wake::{WakeReader, WakeWriter, wake_pair};

pub(in crate::sys) const OUT_OF_DESCRIPTORS: &[i32] =
    &[libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];

pub(in crate::sys) const FAMILY_MISSING: &[i32] = &[libc::EAFNOSUPPORT, libc::EPROTONOSUPPORT];

/// Besides what the connection itself may have met, accept(2) on Linux passes on
/// network errors that are pending on the new socket.
pub(in crate::sys) const TRANSIENT_ACCEPT: &[i32] = &[
    libc::ECONNABORTED,
    libc::ECONNRESET,
    libc::EPROTO,
    libc::EPERM,
    libc::ENETDOWN,
    libc::ENETUNREACH,
    libc::EHOSTDOWN,
    libc::EHOSTUNREACH,
    libc::ENOPROTOOPT,
    libc::EOPNOTSUPP,
    libc::ETIMEDOUT,
];

pub(in crate::sys) fn listen_tcp(address: &SocketAddr, backlog: i32) -> io::Result<TcpListener> {
    let raw_address = RawAddress::from(address);
    let socket = raw::open(raw_address.family())?;
    // Connections of an earlier process that linger must not keep us from
    // starting; on Unix this does not let anyone steal the port.
    raw::enable(&socket, libc::SOL_SOCKET, libc::SO_REUSEADDR)?;
    if address.is_ipv6() {
        raw::enable(&socket, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY)?;
    }
    raw::bind(&socket, &raw_address)?;
    raw::listen(&socket, backlog)?;
    Ok(TcpListener::from(socket))
}

pub(in crate::sys) fn connect_tcp(
    address: &SocketAddr,
    local: Option<SocketAddr>,
) -> io::Result<TcpStream> {
    let raw_address = RawAddress::from(address);
    let socket = raw::open(raw_address.family())?;
    if let Some(local) = local {
        raw::bind(&socket, &RawAddress::from(&local))?;
    }
    raw::connect(&socket, &raw_address)?;
    Ok(TcpStream::from(socket))
}

/// std has already seen to it that children do not inherit what it accepts.
pub(in crate::sys) fn adopt(_stream: &TcpStream) -> io::Result<()> {
    Ok(())
}

pub(in crate::sys) fn raw(socket: &impl AsRawFd) -> RawSocket {
    socket.as_raw_fd()
}

#[cfg(test)]
mod tests;
