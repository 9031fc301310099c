//! Files that are closed while filters are at work on a message, on systems where
//! nobody can replace a file that is open, and many programs cannot read one.
//!
//! Their locks are gone meanwhile. In this process the message is marked as held; in
//! others its age protects it, as on such systems it does in any case.

use std::io;

use super::fs::{File, Fs, Metadata};

/// What is still known of a file that was closed.
struct LetGo(Metadata);

/// Closes a file where one that is open is in the way of others.
pub(super) fn let_go(fs: &dyn Fs, file: &mut Box<dyn File>) {
    if fs.open_files_are_in_the_way()
        && let Ok(metadata) = file.metadata()
    {
        *file = Box::new(LetGo(metadata));
    }
}

fn closed<T>() -> io::Result<T> {
    Err(io::Error::other("closed while filters are at work"))
}

impl File for LetGo {
    fn write_all(&mut self, _octets: &[u8]) -> io::Result<()> {
        closed()
    }

    fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
        closed()
    }

    fn metadata(&self) -> io::Result<Metadata> {
        Ok(self.0)
    }

    fn sync(&self) -> io::Result<()> {
        closed()
    }

    fn share(&self, _like: &Metadata) -> io::Result<()> {
        closed()
    }

    fn start_writeback(&self) {}

    fn try_lock(&self) -> io::Result<bool> {
        closed()
    }

    fn try_lock_shared(&self) -> io::Result<bool> {
        closed()
    }

    fn is_open_elsewhere(&self) -> Option<bool> {
        None
    }

    fn is_let_go(&self) -> bool {
        true
    }
}
