//! Files of one directory, reached through the directory's descriptor.
//!
//! A [`Directory`] stays the directory that it was when it was opened, whatever
//! is renamed or linked over its path later. Names are single path components:
//! an empty one, `.`, `..`, or one with a separator or NUL, is refused with
//! `InvalidInput`.
//! Symbolic links are never followed, and nothing but a regular file is ever
//! opened, so that a planted FIFO, device or link cannot stall or mislead.
//!
//! On Windows there are no directory descriptors: names are joined to the path
//! that was given, and a lock is held on an octet far beyond any content, since
//! locks there would otherwise keep others from reading.

use std::fs::File;
use std::io;
use std::path::Path;

#[cfg(unix)]
pub use super::unix::file::{
    Directory, DirectoryLock, Names, OPEN_FILES_ARE_IN_THE_WAY, is_open_elsewhere, native_name,
    share, try_lock, try_lock_shared, unlock,
};
#[cfg(unix)]
pub use super::unix::sync::{start_writeback, sync};
#[cfg(windows)]
pub use super::windows::file::{
    Directory, DirectoryLock, Names, OPEN_FILES_ARE_IN_THE_WAY, is_open_elsewhere, native_name,
    share, start_writeback, sync, try_lock, try_lock_shared, unlock,
};

/// What a name in a directory stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, or a reparse point of Windows.
    Symlink,
    /// A FIFO, socket or device.
    Other,
}

/// What is known of a file without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// What it is.
    pub kind: Kind,
    /// Device and inode, or volume and file index: equal for two names of one file.
    pub identity: (u64, u64),
    /// How many names it has.
    pub links: u64,
    /// Its size.
    pub octets: u64,
    /// When its content last changed, in seconds since 1970.
    pub modified: i64,
    /// When it was last renamed, linked or changed, in seconds since 1970; as
    /// `modified` where the system does not record it.
    pub changed: i64,
    /// The user that owns it; 0 on Windows.
    pub owner: u32,
    /// Its group; 0 on Windows.
    pub group: u32,
    /// The permission bits; 0 on Windows.
    pub mode: u32,
}

impl Metadata {
    /// Asks about an open file.
    pub fn of(file: &File) -> io::Result<Metadata> {
        #[cfg(unix)]
        return super::unix::file::metadata_of(file);
        #[cfg(windows)]
        return super::windows::file::metadata_of(file);
    }
}

/// Sees whether this process may read, write and enter a directory; on Windows only
/// whether it is there.
pub fn check_access(directory: &Path) -> io::Result<()> {
    if !directory.metadata()?.is_dir() {
        return Err(io::Error::from(io::ErrorKind::NotADirectory));
    }
    super::platform::open::check_access(directory)
}

/// The error for what should have been a regular file.
pub(super) fn not_regular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")
}

/// The error for what cannot be the name of a file in a directory.
pub(super) fn bad_name() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not a file name")
}
