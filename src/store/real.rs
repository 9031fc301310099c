//! The operations of [`Fs`] on a real directory.

use std::any::Any;
use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use crate::sys::file::{self, Directory, Metadata};

use super::fs::{File, Fs};

/// Syncs at the same time: each waits for the disk to say that its cache is empty,
/// and the system has one such answer serve all who wait for it.
const SYNC_WIDTH: usize = 16;

/// For the owner and the group, which filters and POP clients' programs may be
/// in. The process's umask applies: the program sets it to 007.
pub(super) const MODE: u32 = 0o660;

/// The same for directories.
pub(super) const DIRECTORY_MODE: u32 = 0o770;

/// A real directory, by its descriptor.
#[derive(Debug)]
pub(super) struct RealFs {
    directory: Directory,
}

impl RealFs {
    /// Opens the directory at that path.
    pub(super) fn open(path: &Path) -> io::Result<RealFs> {
        let directory = Directory::open(path)?;
        let mode = directory.own_metadata()?.mode;
        if mode & 0o1002 == 0o002 {
            let path = crate::base::ascii::escape(path.as_os_str().as_encoded_bytes());
            crate::warning!("any user may remove or replace files in {path}");
        }
        Ok(RealFs { directory })
    }
}

impl Fs for RealFs {
    fn create_new(&self, name: &[u8]) -> io::Result<Box<dyn File>> {
        boxed(self.directory.create_new(name, MODE))
    }

    fn open_read(&self, name: &[u8]) -> io::Result<Box<dyn File>> {
        boxed(self.directory.open_read(name))
    }

    fn open_append(&self, name: &[u8]) -> io::Result<Box<dyn File>> {
        boxed(self.directory.open_append(name))
    }

    fn rename(&self, from: &[u8], to: &[u8]) -> io::Result<()> {
        self.directory.rename(from, to)
    }

    fn rename_to_new(&self, from: &[u8], to: &[u8]) -> io::Result<()> {
        self.directory.rename_to_new(from, to)
    }

    fn link(&self, from: &[u8], to: &[u8]) -> io::Result<()> {
        self.directory.link(from, to)
    }

    fn link_into(&self, from: &[u8], other: &dyn Fs, to: &[u8]) -> io::Result<()> {
        self.directory.link_into(from, real(other)?, to)
    }

    fn move_into(&self, from: &[u8], other: &dyn Fs, to: &[u8]) -> io::Result<()> {
        self.directory.move_into(from, real(other)?, to)
    }

    fn remove(&self, name: &[u8]) -> io::Result<()> {
        self.directory.remove(name)
    }

    fn names(&self, visit: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        for name in self.directory.names()? {
            visit(&name?);
        }
        Ok(())
    }

    fn metadata(&self, name: &[u8]) -> io::Result<Metadata> {
        self.directory.metadata(name)
    }

    fn open_subdirectory(&self, name: &[u8]) -> io::Result<Box<dyn Fs>> {
        let directory = self.directory.open_subdirectory(name)?;
        Ok(Box::new(RealFs { directory }))
    }

    fn create_subdirectory(&self, name: &[u8]) -> io::Result<()> {
        self.directory.create_subdirectory(name, DIRECTORY_MODE)
    }

    fn try_lock(&self) -> io::Result<Option<Box<dyn Send + Sync>>> {
        let lock = self.directory.try_lock()?;
        Ok(lock.map(|lock| Box::new(lock) as Box<dyn Send + Sync>))
    }

    fn sync(&self) -> io::Result<()> {
        self.directory.sync()
    }

    fn sync_width(&self) -> usize {
        SYNC_WIDTH
    }

    fn open_files_are_in_the_way(&self) -> bool {
        file::OPEN_FILES_ARE_IN_THE_WAY
    }
}

impl File for fs::File {
    fn write_all(&mut self, octets: &[u8]) -> io::Result<()> {
        Write::write_all(self, octets)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Read::read(self, buffer)
    }

    fn metadata(&self) -> io::Result<Metadata> {
        Metadata::of(self)
    }

    fn sync(&self) -> io::Result<()> {
        file::sync(self)
    }

    fn share(&self, like: &Metadata) -> io::Result<()> {
        file::share(self, like)
    }

    fn start_writeback(&self) {
        file::start_writeback(self);
    }

    fn try_lock(&self) -> io::Result<bool> {
        file::try_lock(self)
    }

    fn try_lock_shared(&self) -> io::Result<bool> {
        file::try_lock_shared(self)
    }

    fn is_open_elsewhere(&self) -> Option<bool> {
        file::is_open_elsewhere(self)
    }
}

fn real(other: &dyn Fs) -> io::Result<&Directory> {
    let other = (other as &dyn Any).downcast_ref::<RealFs>();
    let other = other.ok_or(io::ErrorKind::CrossesDevices)?;
    Ok(&other.directory)
}

fn boxed(file: io::Result<fs::File>) -> io::Result<Box<dyn File>> {
    Ok(Box::new(file?))
}
