//! There are no services that a program has to know of.

use std::io;
use std::time::Duration;

use crate::sys::service::Definition;

pub(in crate::sys) fn install(_definition: &Definition<'_>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(in crate::sys) fn remove(_name: &str) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(in crate::sys) fn serve(_run: fn(&str) -> u8, _stop_max: Duration) -> io::Result<u8> {
    Err(io::ErrorKind::Unsupported.into())
}
