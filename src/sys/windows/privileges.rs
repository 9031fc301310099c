//! There is no user whose privileges could be given up.

use std::io;
use std::path::Path;

use crate::sys::pid_file::PidFile;
use crate::sys::privileges::{Division, User};

/// What tells that the monitor is gone: there is none.
#[derive(Debug)]
pub enum Lifeline {}

impl Lifeline {
    /// Never called.
    pub fn watch(self) -> io::Result<()> {
        match self {}
    }
}

pub(in crate::sys) fn user(_name: &str) -> io::Result<Option<User>> {
    Ok(None)
}

pub(in crate::sys) fn is_borrowed() -> bool {
    false
}

pub(in crate::sys) fn with_group<T>(_gid: u32, run: impl FnOnce() -> T) -> io::Result<T> {
    Ok(run())
}

pub(in crate::sys) fn divide(
    _user: Option<&User>,
    _division: Division,
    _pid_file: Option<PidFile>,
) -> io::Result<Lifeline> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(in crate::sys) fn give_up(_user: &User) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(in crate::sys) fn hide_memory() {}

pub(in crate::sys) fn is_out_of_reach(_path: &Path, _user: &User) -> io::Result<bool> {
    Ok(true)
}

pub(in crate::sys) fn is_single_threaded() -> Option<bool> {
    None
}
