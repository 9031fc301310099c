//! The socket of the service manager.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::{SocketAddr, UnixDatagram};

use crate::sys::notify::State;

/// A socket, and whom it writes to.
pub(in crate::sys) struct NotifySocket {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl NotifySocket {
    /// A socket that writes to that path, or to that name where it starts with `@`.
    pub(in crate::sys) fn open(name: &str) -> io::Result<NotifySocket> {
        let address = match name.strip_prefix('@') {
            Some(name) => abstract_name(name)?,
            None if name.starts_with('/') => SocketAddr::from_pathname(name)?,
            None => return Err(io::Error::other("neither a path nor an abstract name")),
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(NotifySocket { socket, address })
    }

    pub(in crate::sys) fn send(&self, text: &[u8]) {
        // A service manager that does not listen has to do without.
        let _ = self.socket.send_to_addr(text, &self.address);
    }

    pub(in crate::sys) fn raw(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

#[cfg(target_os = "linux")]
fn abstract_name(name: &str) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt;
    SocketAddr::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn abstract_name(_name: &str) -> io::Result<SocketAddr> {
    Err(io::ErrorKind::Unsupported.into())
}

/// There is no other manager.
pub(in crate::sys) fn tell(_state: State) {}

pub(in crate::sys) fn monotonic_usec() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a live variable.
    if unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) } != 0 {
        return 0;
    }
    #[allow(clippy::useless_conversion)] // the types differ between systems
    let part = |number| i64::from(number);
    let usec = part(time.tv_sec) * 1_000_000 + part(time.tv_nsec) / 1000;
    u64::try_from(usec).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::TempDir;

    fn heard(socket: &UnixDatagram) -> String {
        let mut text = [0; 100];
        let count = socket.recv(&mut text).unwrap();
        String::from_utf8(text[..count].to_vec()).unwrap()
    }

    #[test]
    fn writes_to_paths_and_names() {
        let directory = TempDir::new();
        let path = directory.join("s");
        let manager = UnixDatagram::bind(&path).unwrap();
        NotifySocket::open(path.to_str().unwrap())
            .unwrap()
            .send(b"READY=1\n");
        assert_eq!(heard(&manager), "READY=1\n");
        #[cfg(target_os = "linux")]
        {
            let name = format!("emailrelay-{}", std::process::id());
            let manager = UnixDatagram::bind_addr(&abstract_name(&name).unwrap()).unwrap();
            NotifySocket::open(&format!("@{name}")).unwrap().send(b"x");
            assert_eq!(heard(&manager), "x");
        }
    }

    #[test]
    fn other_addresses_are_errors() {
        for name in ["relative", "vsock:2:1", &"/x".repeat(100)] {
            assert!(NotifySocket::open(name).is_err(), "{name}");
        }
        let gone = NotifySocket::open("/no/such/socket").unwrap();
        gone.send(b"READY=1\n");
        assert!(monotonic_usec() > 0);
    }
}
