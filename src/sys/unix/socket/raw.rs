//! The socket calls themselves, and addresses as they take them.

use std::ffi::c_int;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// An address as the kernel takes it, and how much of it counts.
pub(super) struct RawAddress {
    storage: libc::sockaddr_storage,
    length: libc::socklen_t,
}

impl From<&SocketAddr> for RawAddress {
    fn from(address: &SocketAddr) -> RawAddress {
        match address {
            SocketAddr::V4(v4) => {
                let mut raw = zeroed::<libc::sockaddr_in>();
                raw.sin_family = family(libc::AF_INET);
                raw.sin_port = v4.port().to_be();
                raw.sin_addr.s_addr = u32::from_ne_bytes(v4.ip().octets());
                RawAddress::new(raw, mem::size_of::<libc::sockaddr_in>())
            }
            SocketAddr::V6(v6) => {
                let mut raw = zeroed::<libc::sockaddr_in6>();
                raw.sin6_family = family(libc::AF_INET6);
                raw.sin6_port = v6.port().to_be();
                raw.sin6_addr.s6_addr = v6.ip().octets();
                raw.sin6_flowinfo = v6.flowinfo();
                raw.sin6_scope_id = v6.scope_id();
                RawAddress::new(raw, mem::size_of::<libc::sockaddr_in6>())
            }
        }
    }
}

impl RawAddress {
    /// The address of a path; `InvalidInput` where it does not fit.
    pub(super) fn of_path(path: &Path) -> io::Result<RawAddress> {
        let bytes = path.as_os_str().as_bytes();
        let mut raw = zeroed::<libc::sockaddr_un>();
        // The octet that ends it is not required, but readers expect it.
        let problem = if bytes.is_empty() || bytes.contains(&0) {
            Some("not a path")
        } else if bytes.len() >= raw.sun_path.len() {
            Some("path too long for a socket")
        } else {
            None
        };
        if let Some(problem) = problem {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        raw.sun_family = family(libc::AF_UNIX);
        for (to, from) in raw.sun_path.iter_mut().zip(bytes) {
            *to = libc::c_char::from_ne_bytes([*from]);
        }
        let length = mem::offset_of!(libc::sockaddr_un, sun_path) + bytes.len() + 1;
        Ok(RawAddress::new(raw, length))
    }

    fn new<T: SocketAddress>(raw: T, length: usize) -> RawAddress {
        const { assert!(mem::size_of::<T>() <= mem::size_of::<libc::sockaddr_storage>()) };
        let mut storage = zeroed::<libc::sockaddr_storage>();
        // SAFETY: the storage is large enough (checked above) and aligned for
        // every kind of socket address, and nobody else has a reference to it.
        unsafe { (&raw mut storage).cast::<T>().write(raw) };
        let length = libc::socklen_t::try_from(length)
            .expect("invariant: a socket address is less than a kilobyte");
        RawAddress { storage, length }
    }

    pub(super) fn family(&self) -> c_int {
        c_int::from(self.storage.ss_family)
    }

    fn pointer(&self) -> *const libc::sockaddr {
        (&raw const self.storage).cast()
    }
}

/// A kind of socket address of libc: plain integers, for which zero is a value.
trait SocketAddress: Copy {}
impl SocketAddress for libc::sockaddr_in {}
impl SocketAddress for libc::sockaddr_in6 {}
impl SocketAddress for libc::sockaddr_un {}
impl SocketAddress for libc::sockaddr_storage {}

/// An address of all zeros: some systems have fields that others lack.
fn zeroed<T: SocketAddress>() -> T {
    // SAFETY: the trait promises that all zeros is a value of the type.
    unsafe { mem::zeroed() }
}

fn family(family: c_int) -> libc::sa_family_t {
    libc::sa_family_t::try_from(family).expect("invariant: address families are small numbers")
}

/// Makes a stream socket that does not block and that children do not inherit.
pub(super) fn open(family: c_int) -> io::Result<OwnedFd> {
    // SAFETY: the call takes no pointers.
    let fd = check(unsafe { libc::socket(family, libc::SOCK_STREAM | atomic::FLAGS, 0) })?;
    // SAFETY: the descriptor is new, so nobody else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    atomic::finish(&socket)?;
    Ok(socket)
}

/// Systems on which socket(2) sets the flags itself, so that a child started by
/// another thread in between cannot inherit the socket.
#[cfg(not(any(target_vendor = "apple", target_os = "aix", target_os = "haiku")))]
mod atomic {
    use super::*;

    pub(super) const FLAGS: c_int = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;

    pub(super) fn finish(_socket: &OwnedFd) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(any(target_vendor = "apple", target_os = "aix", target_os = "haiku"))]
mod atomic {
    use super::*;

    pub(super) const FLAGS: c_int = 0;

    pub(super) fn finish(socket: &OwnedFd) -> io::Result<()> {
        let fd = socket.as_raw_fd();
        // SAFETY: the calls take no pointers.
        check(unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) })?;
        // SAFETY: as above.
        check(unsafe { libc::fcntl(fd, libc::F_SETFL, libc::O_NONBLOCK) })?;
        Ok(())
    }
}

/// Sets an option whose value is a boolean.
pub(super) fn enable(socket: &OwnedFd, level: c_int, option: c_int) -> io::Result<()> {
    let on: c_int = 1;
    let length = libc::socklen_t::try_from(mem::size_of::<c_int>())
        .expect("invariant: an integer is a few octets");
    // SAFETY: the pointer is to a live integer of the length that is given.
    check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const on).cast(),
            length,
        )
    })?;
    Ok(())
}

/// Gives an option whose value is an integer.
pub(super) fn option(socket: &OwnedFd, level: c_int, option: c_int) -> io::Result<c_int> {
    let mut value: c_int = 0;
    let mut length = libc::socklen_t::try_from(mem::size_of::<c_int>())
        .expect("invariant: an integer is a few octets");
    // SAFETY: the pointers are to live variables, and the length is that of the value.
    check(unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw mut value).cast(),
            &raw mut length,
        )
    })?;
    Ok(value)
}

/// The family of the socket's own address.
pub(super) fn family_of(socket: &OwnedFd) -> io::Result<c_int> {
    let mut storage = zeroed::<libc::sockaddr_storage>();
    let mut length = libc::socklen_t::try_from(mem::size_of::<libc::sockaddr_storage>())
        .expect("invariant: a socket address is less than a kilobyte");
    // SAFETY: the pointers are to live variables, and the length is that of the storage.
    check(unsafe {
        libc::getsockname(
            socket.as_raw_fd(),
            (&raw mut storage).cast(),
            &raw mut length,
        )
    })?;
    Ok(c_int::from(storage.ss_family))
}

/// Makes another descriptor of the same socket, one that children do not inherit.
pub(super) fn copy(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the call takes no pointers, and copes with numbers that are not open.
    let copy = check(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) })?;
    // SAFETY: the descriptor is new, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Closes a descriptor that this process was started with.
pub(super) fn close(fd: RawFd) {
    // SAFETY: the call takes no pointers. What a socket that was handed to us is
    // for is to be listened on, and whoever does so has a copy.
    unsafe { libc::close(fd) };
}

pub(super) fn bind(socket: &OwnedFd, address: &RawAddress) -> io::Result<()> {
    // SAFETY: the pointer is to a live address of at least the length that is given.
    check(unsafe { libc::bind(socket.as_raw_fd(), address.pointer(), address.length) })?;
    Ok(())
}

pub(super) fn listen(socket: &impl AsRawFd, backlog: c_int) -> io::Result<()> {
    // SAFETY: the call takes no pointers.
    check(unsafe { libc::listen(socket.as_raw_fd(), backlog) })?;
    Ok(())
}

/// Begins to connect; that it is not done yet is no error.
pub(super) fn connect(socket: &OwnedFd, address: &RawAddress) -> io::Result<()> {
    // SAFETY: the pointer is to a live address of at least the length that is given.
    let result =
        check(unsafe { libc::connect(socket.as_raw_fd(), address.pointer(), address.length) });
    match result {
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok(()),
        // POSIX: an interrupted connect goes on by itself.
        Err(error) if error.raw_os_error() == Some(libc::EINTR) => Ok(()),
        result => result.map(|_| ()),
    }
}

/// Gives the error of a call that says -1.
fn check(result: c_int) -> io::Result<c_int> {
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}
