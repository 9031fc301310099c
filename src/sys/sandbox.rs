//! Giving up all that is not needed once everything is open: other files than those
//! in use, other system calls, other programs.

use std::io;
use std::path::PathBuf;

use super::platform::sandbox as platform;

/// The folders that are in use, with all below them. One that does not exist is
/// passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folders {
    /// Files are read there.
    pub read: Vec<PathBuf>,
    /// Files are made, changed and removed there.
    pub write: Vec<PathBuf>,
    /// Files are removed there.
    pub remove: Vec<PathBuf>,
}

/// Restricts this thread and those that it starts, for good; so there must be no
/// other. `Unsupported` where the system cannot do it: then nothing has changed, or
/// less than all has been given up, and the program had better end.
pub fn enter(folders: &Folders) -> io::Result<()> {
    platform::enter(folders)
}
