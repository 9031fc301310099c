//! Sockets: what std does not offer is a connect that does not block, a backlog,
//! and a port that nobody can share.

mod local;
mod wake;

use std::ffi::{c_int, c_void};
use std::io;
use std::mem;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::windows::io::{AsRawSocket, FromRawSocket, OwnedSocket};
use std::sync::Once;

use super::ffi;
use super::poll::RawSocket;

pub(in crate::sys) use local::{LocalListener, LocalStream};
pub(in crate::sys) use wake::{WakeReader, WakeWriter, wake_pair};

pub(in crate::sys) const OUT_OF_DESCRIPTORS: &[i32] = &[ffi::WSAEMFILE, ffi::WSAENOBUFS];

pub(in crate::sys) const FAMILY_MISSING: &[i32] = &[ffi::WSAEAFNOSUPPORT];

pub(in crate::sys) const TRANSIENT_ACCEPT: &[i32] = &[
    ffi::WSAECONNABORTED,
    ffi::WSAECONNRESET,
    ffi::WSAENETDOWN,
    ffi::WSAENETUNREACH,
    ffi::WSAEHOSTUNREACH,
    ffi::WSAEOPNOTSUPP,
];

pub(in crate::sys) fn listen_tcp(address: &SocketAddr, backlog: i32) -> io::Result<TcpListener> {
    let socket = open(address)?;
    // Otherwise another program could share the port and take our connections.
    enable(&socket, ffi::SOL_SOCKET, ffi::SO_EXCLUSIVEADDRUSE)?;
    if address.is_ipv6() {
        enable(&socket, ffi::IPPROTO_IPV6, ffi::IPV6_V6ONLY)?;
    }
    bind(&socket, address)?;
    // SAFETY: the call takes no pointers.
    check(unsafe { ffi::listen(handle(&socket), backlog) })?;
    Ok(TcpListener::from(socket))
}

/// A listener of either domain; never made here.
#[allow(dead_code)]
pub(in crate::sys) enum Inherited {
    Tcp(TcpListener),
    Local(LocalListener),
}

/// Sockets are not handed on by number here.
pub(in crate::sys) fn inherit(_descriptor: u32, _backlog: i32) -> io::Result<Inherited> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(in crate::sys) fn connect_tcp(
    address: &SocketAddr,
    local: Option<SocketAddr>,
) -> io::Result<TcpStream> {
    let socket = open(address)?;
    if let Some(local) = local {
        bind(&socket, &local)?;
    }
    let stream = TcpStream::from(socket);
    stream.set_nonblocking(true)?;
    let result = with_raw(address, |pointer, length| {
        // SAFETY: `with_raw` gives the pointer and the length of a live address.
        check(unsafe { ffi::connect(handle(&stream), pointer, length) })
    });
    match result {
        Err(error) if error.raw_os_error() == Some(ffi::WSAEWOULDBLOCK) => Ok(stream),
        result => result.map(|()| stream),
    }
}

/// Keeps children from inheriting a socket that std has accepted.
pub(in crate::sys) fn adopt(stream: &TcpStream) -> io::Result<()> {
    // SAFETY: a socket of the system's own providers is a handle, and this one is
    // open as long as its owner is borrowed.
    let result = unsafe {
        ffi::SetHandleInformation(
            std::ptr::without_provenance_mut(handle(stream)),
            ffi::HANDLE_FLAG_INHERIT,
            0,
        )
    };
    if result == 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

pub(in crate::sys) fn raw(socket: &impl AsRawSocket) -> RawSocket {
    socket.as_raw_socket()
}

pub(in crate::sys) fn last_error() -> io::Error {
    // SAFETY: the call takes no arguments.
    io::Error::from_raw_os_error(unsafe { ffi::WSAGetLastError() })
}

/// A SOCKET is as wide as a pointer; std widens it to 64 bits.
fn handle(socket: &impl AsRawSocket) -> ffi::SOCKET {
    socket.as_raw_socket() as ffi::SOCKET
}

/// Makes a socket that children do not inherit.
fn open(address: &SocketAddr) -> io::Result<OwnedSocket> {
    start_winsock();
    let family = if address.is_ipv6() {
        ffi::AF_INET6
    } else {
        ffi::AF_INET
    };
    // SAFETY: the null pointer stands for no particular provider.
    let socket = unsafe {
        ffi::WSASocketW(
            c_int::from(family),
            ffi::SOCK_STREAM,
            ffi::IPPROTO_TCP,
            std::ptr::null(),
            0,
            ffi::WSA_FLAG_OVERLAPPED | ffi::WSA_FLAG_NO_HANDLE_INHERIT,
        )
    };
    if socket == ffi::INVALID_SOCKET {
        return Err(last_error());
    }
    // SAFETY: the socket is new, so nobody else owns it.
    Ok(unsafe { OwnedSocket::from_raw_socket(socket as RawSocket) })
}

/// std starts the socket library only for sockets that it makes itself.
fn start_winsock() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let mut data = ffi::WSADATA([0; 64]);
        // SAFETY: the pointer is to a live buffer that is large enough. If this
        // fails then so does each call that follows, with its reason.
        unsafe { ffi::WSAStartup(ffi::WINSOCK_VERSION, &mut data) };
    });
}

/// Sets an option whose value is a boolean.
fn enable(socket: &OwnedSocket, level: c_int, option: c_int) -> io::Result<()> {
    let on: i32 = 1;
    // SAFETY: the pointer is to a live integer of the length that is given.
    check(unsafe { ffi::setsockopt(handle(socket), level, option, (&raw const on).cast(), 4) })
}

fn bind(socket: &OwnedSocket, address: &SocketAddr) -> io::Result<()> {
    with_raw(address, |pointer, length| {
        // SAFETY: `with_raw` gives the pointer and the length of a live address.
        check(unsafe { ffi::bind(handle(socket), pointer, length) })
    })
}

/// Lends the address as the system takes it.
fn with_raw<T>(address: &SocketAddr, call: impl FnOnce(*const c_void, c_int) -> T) -> T {
    match address {
        SocketAddr::V4(v4) => {
            let raw = ffi::SOCKADDR_IN {
                family: ffi::AF_INET,
                port: v4.port().to_be(),
                addr: v4.ip().octets(),
                zero: [0; 8],
            };
            call((&raw const raw).cast(), length_of(&raw))
        }
        SocketAddr::V6(v6) => {
            let raw = ffi::SOCKADDR_IN6 {
                family: ffi::AF_INET6,
                port: v6.port().to_be(),
                flow_info: v6.flowinfo(),
                addr: v6.ip().octets(),
                scope_id: v6.scope_id(),
            };
            call((&raw const raw).cast(), length_of(&raw))
        }
    }
}

fn length_of<T>(_address: &T) -> c_int {
    c_int::try_from(mem::size_of::<T>()).expect("invariant: an address is a few octets")
}

/// Gives the error of a socket call that does not say 0.
fn check(result: c_int) -> io::Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(last_error())
    }
}
