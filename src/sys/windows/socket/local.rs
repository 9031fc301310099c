//! Sockets of the unix domain, which there are none of: types without a value.

use std::io;
use std::path::Path;

use super::RawSocket;
use crate::sys::address::Address;

#[derive(Debug)]
pub(in crate::sys) enum LocalListener {}

#[derive(Debug)]
pub(in crate::sys) enum LocalStream {}

impl LocalListener {
    pub(in crate::sys) fn bind(_path: &Path, _backlog: i32) -> io::Result<LocalListener> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in crate::sys) fn accept(&self) -> io::Result<(LocalStream, Address)> {
        match *self {}
    }

    pub(in crate::sys) fn local_address(&self) -> Address {
        match *self {}
    }

    pub(in crate::sys) fn raw(&self) -> RawSocket {
        match *self {}
    }
}

impl LocalStream {
    pub(in crate::sys) fn connect(_path: &Path) -> io::Result<LocalStream> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in crate::sys) fn take_error(&self) -> io::Result<Option<io::Error>> {
        match *self {}
    }

    pub(in crate::sys) fn shutdown_write(&self) -> io::Result<()> {
        match *self {}
    }

    pub(in crate::sys) fn peer_address(&self) -> io::Result<Address> {
        match *self {}
    }

    pub(in crate::sys) fn local_address(&self) -> io::Result<Address> {
        match *self {}
    }

    pub(in crate::sys) fn raw(&self) -> RawSocket {
        match *self {}
    }

    pub(in crate::sys) fn read(&self, _buffer: &mut [u8]) -> io::Result<usize> {
        match *self {}
    }

    pub(in crate::sys) fn write(&self, _bytes: &[u8]) -> io::Result<usize> {
        match *self {}
    }
}
