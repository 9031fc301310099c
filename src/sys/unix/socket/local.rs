//! Sockets of the unix domain.

use std::fs;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use super::raw::{self, RawAddress};
use crate::sys::address::Address;
use crate::sys::platform::poll::RawSocket;

/// Who may connect at most: the owner and the group.
const MODE: libc::mode_t = 0o770;

/// A listener that removes its file when it goes.
#[derive(Debug)]
pub(in crate::sys) struct LocalListener {
    listener: UnixListener,
    path: PathBuf,
    /// Nothing where somebody else made the file, whose it then stays.
    identity: Option<Identity>,
}

/// What tells a file from another one of the same name.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    fn of(path: &Path) -> io::Result<Identity> {
        let metadata = fs::symlink_metadata(path)?;
        Ok(Identity {
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }
}

impl LocalListener {
    pub(in crate::sys) fn bind(path: &Path, backlog: i32) -> io::Result<LocalListener> {
        let address = RawAddress::of_path(path)?;
        let socket = raw::open(address.family())?;
        limit_mode(&socket);
        match raw::bind(&socket, &address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_abandoned(path) => {
                fs::remove_file(path)?;
                raw::bind(&socket, &address)?;
            }
            result => result?,
        }
        // From here on the file is ours, and dropping this removes it.
        let local = LocalListener {
            listener: UnixListener::from(socket),
            path: path.to_owned(),
            identity: Some(Identity::of(path)?),
        };
        raw::listen(&local.listener, backlog)?;
        Ok(local)
    }

    /// Takes a listener that somebody else has bound to that path.
    pub(super) fn adopt(listener: UnixListener, path: PathBuf) -> LocalListener {
        LocalListener {
            listener,
            path,
            identity: None,
        }
    }

    pub(in crate::sys) fn accept(&self) -> io::Result<(LocalStream, Address)> {
        let (stream, _) = self.listener.accept()?;
        stream.set_nonblocking(true)?;
        Ok((LocalStream(stream), Address::Unix(NAMELESS.into())))
    }

    pub(in crate::sys) fn local_address(&self) -> Address {
        Address::Unix(self.path.clone())
    }

    pub(in crate::sys) fn raw(&self) -> RawSocket {
        self.listener.as_raw_fd()
    }
}

impl Drop for LocalListener {
    fn drop(&mut self) {
        // A successor may have replaced the file by its own.
        if self.identity.is_some() && Identity::of(&self.path).ok() == self.identity {
            // A file that stays is replaced by the next process.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Has the file that is bound get no more than [`MODE`], whatever the umask, on systems
/// that make it with the mode of the socket (Linux does); elsewhere the umask decides.
/// The mode is not set afterwards, by the name: it may be of another file by then, put
/// there by whoever may write to the directory, and we may be root.
fn limit_mode(socket: &OwnedFd) {
    // SAFETY: the call takes no pointers.
    let _ = unsafe { libc::fchmod(socket.as_raw_fd(), MODE) };
}

/// Whether the path is a socket on which nobody listens any more.
fn is_abandoned(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    is_socket
        && LocalStream::connect(path)
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// A connection in the unix domain.
#[derive(Debug)]
pub(in crate::sys) struct LocalStream(UnixStream);

impl LocalStream {
    pub(in crate::sys) fn connect(path: &Path) -> io::Result<LocalStream> {
        let address = RawAddress::of_path(path)?;
        let socket = raw::open(address.family())?;
        raw::connect(&socket, &address)?;
        Ok(LocalStream(UnixStream::from(socket)))
    }

    pub(in crate::sys) fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.0.take_error()
    }

    pub(in crate::sys) fn shutdown_write(&self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }

    pub(in crate::sys) fn peer_address(&self) -> io::Result<Address> {
        Ok(to_address(&self.0.peer_addr()?))
    }

    pub(in crate::sys) fn local_address(&self) -> io::Result<Address> {
        Ok(to_address(&self.0.local_addr()?))
    }

    pub(in crate::sys) fn raw(&self) -> RawSocket {
        self.0.as_raw_fd()
    }

    pub(in crate::sys) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.0).read(buffer)
    }

    pub(in crate::sys) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        (&self.0).write(bytes)
    }
}

/// What a socket without a name is shown as, and every client: those have no name unless
/// they take one, and then any that they like, such as the address of somebody else.
const NAMELESS: &str = "/";

fn to_address(address: &SocketAddr) -> Address {
    let path = address.as_pathname().unwrap_or(Path::new(NAMELESS));
    Address::Unix(path.to_owned())
}

#[cfg(test)]
mod tests;
