//! The file operations that the spool is made of, so that tests can fail them
//! one by one and cut the power between any two.

use std::any::Any;
use std::io;

pub(super) use crate::sys::file::{Kind, Metadata};

/// One directory. Names are single path components; no operation follows a
/// symbolic link or opens anything but a regular file.
pub(super) trait Fs: Any + Send + Sync {
    /// Creates an empty file that must not exist yet, for writing.
    fn create_new(&self, name: &[u8]) -> io::Result<Box<dyn File>>;
    /// Opens a file for reading.
    fn open_read(&self, name: &[u8]) -> io::Result<Box<dyn File>>;
    /// Opens a file for writing at its end.
    fn open_append(&self, name: &[u8]) -> io::Result<Box<dyn File>>;
    /// Renames, replacing what has the new name.
    fn rename(&self, from: &[u8], to: &[u8]) -> io::Result<()>;
    /// Renames; fails with `AlreadyExists` where something has the new name.
    fn rename_to_new(&self, from: &[u8], to: &[u8]) -> io::Result<()>;
    /// Gives a file a second name, which must not exist yet.
    fn link(&self, from: &[u8], to: &[u8]) -> io::Result<()>;
    /// Gives a file a second name in another directory, where it must not exist yet.
    fn link_into(&self, from: &[u8], other: &dyn Fs, to: &[u8]) -> io::Result<()>;
    /// Renames into another directory, replacing what has the new name there.
    fn move_into(&self, from: &[u8], other: &dyn Fs, to: &[u8]) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, name: &[u8]) -> io::Result<()>;
    /// Shows each name in the directory.
    fn names(&self, visit: &mut dyn FnMut(&[u8])) -> io::Result<()>;
    /// Asks about a name.
    fn metadata(&self, name: &[u8]) -> io::Result<Metadata>;
    /// Opens a directory in this one.
    fn open_subdirectory(&self, name: &[u8]) -> io::Result<Box<dyn Fs>>;
    /// Makes a directory in this one, for owner and group.
    fn create_subdirectory(&self, name: &[u8]) -> io::Result<()>;
    /// Takes the lock on the directory itself; nothing where someone has it.
    fn try_lock(&self) -> io::Result<Option<Box<dyn Send + Sync>>>;

    /// Makes the names survive a power cut.
    fn sync(&self) -> io::Result<()>;
    /// How many files are worth syncing at the same time.
    fn sync_width(&self) -> usize;
    /// Whether a file that is open cannot be replaced, nor opened by programs that do
    /// not wish to share it.
    fn open_files_are_in_the_way(&self) -> bool;
}

/// Whether there is something of that name.
pub(super) fn has_name(directory: &dyn Fs, name: &[u8]) -> io::Result<bool> {
    match directory.metadata(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        result => result.map(|_| true),
    }
}

/// An open file; closing it gives its lock back.
pub(super) trait File: Send {
    /// Writes all of the octets at the end.
    fn write_all(&mut self, octets: &[u8]) -> io::Result<()>;
    /// Reads some octets on from where the last reading ended; zero at the end.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;
    /// Asks about the file.
    fn metadata(&self) -> io::Result<Metadata>;
    /// Makes the content survive a power cut.
    fn sync(&self) -> io::Result<()>;
    /// Gives it the owner, the group and the permissions of another, as far as that
    /// may be done.
    fn share(&self, like: &Metadata) -> io::Result<()>;
    /// Lets the system start writing the content to the disk.
    fn start_writeback(&self);
    /// Takes the lock that keeps all others out; false where someone has one.
    fn try_lock(&self) -> io::Result<bool>;
    /// Takes a lock that several may have, but not beside the other kind.
    fn try_lock_shared(&self) -> io::Result<bool>;
    /// Whether someone else has the file open, where that can be told.
    fn is_open_elsewhere(&self) -> Option<bool>;
    /// Whether it was closed for a while, and has to be opened again.
    fn is_let_go(&self) -> bool {
        false
    }
}
