//! The operations of [`Fs`] on a real directory.

use std::any::Any;
use std::cell::Cell;
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

/// A real file. Its lock is given back when it is closed, and not only once the last
/// child that is being started has let go of its copy of the descriptor: until then
/// the next who wants the file would be told that someone has it.
struct RealFile {
    file: fs::File,
    is_locked: Cell<bool>,
}

impl RealFile {
    fn new(file: fs::File) -> RealFile {
        RealFile {
            file,
            is_locked: Cell::new(false),
        }
    }

    fn note(&self, taken: io::Result<bool>) -> io::Result<bool> {
        if matches!(taken, Ok(true)) {
            self.is_locked.set(true);
        }
        taken
    }
}

impl Drop for RealFile {
    fn drop(&mut self) {
        if self.is_locked.get() {
            file::unlock(&self.file);
        }
    }
}

impl File for RealFile {
    fn write_all(&mut self, octets: &[u8]) -> io::Result<()> {
        self.file.write_all(octets)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }

    fn metadata(&self) -> io::Result<Metadata> {
        Metadata::of(&self.file)
    }

    fn sync(&self) -> io::Result<()> {
        file::sync(&self.file)
    }

    fn share(&self, like: &Metadata) -> io::Result<()> {
        file::share(&self.file, like)
    }

    fn start_writeback(&self) {
        file::start_writeback(&self.file);
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.note(file::try_lock(&self.file))
    }

    fn try_lock_shared(&self) -> io::Result<bool> {
        self.note(file::try_lock_shared(&self.file))
    }

    fn is_open_elsewhere(&self) -> Option<bool> {
        file::is_open_elsewhere(&self.file)
    }
}

fn real(other: &dyn Fs) -> io::Result<&Directory> {
    let other = (other as &dyn Any).downcast_ref::<RealFs>();
    let other = other.ok_or(io::ErrorKind::CrossesDevices)?;
    Ok(&other.directory)
}

fn boxed(file: io::Result<fs::File>) -> io::Result<Box<dyn File>> {
    Ok(Box::new(RealFile::new(file?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::TempDir;

    // A child that is being started has copies of all descriptors on some systems.
    #[test]
    fn a_lock_ends_when_the_file_is_closed_whoever_has_copies_of_it() {
        let folder = TempDir::new();
        let fs = RealFs::open(folder.path()).unwrap();
        let path = folder.join("a");
        for is_shared in [false, true] {
            let file = RealFile::new(fs::File::create(&path).unwrap());
            let copy = file.file.try_clone().unwrap();
            let taken = match is_shared {
                true => file.try_lock_shared(),
                false => file.try_lock(),
            };
            assert!(taken.unwrap());
            let other = fs.open_read(b"a").unwrap();
            assert!(!other.try_lock().unwrap());
            drop(file);
            assert!(other.try_lock().unwrap(), "{is_shared}");
            drop((other, copy));
        }
    }

    #[test]
    fn who_was_refused_the_lock_takes_it_from_nobody() {
        let folder = TempDir::new();
        let fs = RealFs::open(folder.path()).unwrap();
        let first = fs.create_new(b"a").unwrap();
        assert!(first.try_lock().unwrap());
        let second = fs.open_read(b"a").unwrap();
        assert!(!second.try_lock().unwrap());
        drop(second);
        assert!(!fs.open_read(b"a").unwrap().try_lock().unwrap());
    }
}
