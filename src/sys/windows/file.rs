//! Directories by path, with the little of the Windows API that std lacks.
#![allow(unsafe_code)]

use std::ffi::{OsStr, OsString, c_void};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::AsRawHandle;
use std::path::{Path, PathBuf};

use crate::sys::file::{Kind, Metadata, bad_name, not_regular};

const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;
const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;
const FILE_READ_ATTRIBUTES: u32 = 0x80;
const FILE_ATTRIBUTE_DIRECTORY: u32 = 0x10;
const FILE_ATTRIBUTE_REPARSE_POINT: u32 = 0x400;
const LOCKFILE_FAIL_IMMEDIATELY: u32 = 1;
const LOCKFILE_EXCLUSIVE_LOCK: u32 = 2;
const ERROR_LOCK_VIOLATION: i32 = 33;

/// Where in a file its lock is: beyond any content, so that it stops no reader.
const LOCK_OFFSET_HIGH: u32 = 0x4000_0000;

/// Between 1601, when the time of Windows starts, and 1970.
const EPOCH_SECONDS: i64 = 11_644_473_600;

/// `OVERLAPPED`.
#[repr(C)]
struct Overlapped {
    internal: usize,
    internal_high: usize,
    offset: u32,
    offset_high: u32,
    event: *mut c_void,
}

/// `BY_HANDLE_FILE_INFORMATION`; a time is its low and its high half.
#[repr(C)]
#[derive(Default)]
struct FileInformation {
    attributes: u32,
    created: [u32; 2],
    accessed: [u32; 2],
    written: [u32; 2],
    volume: u32,
    size_high: u32,
    size_low: u32,
    links: u32,
    index_high: u32,
    index_low: u32,
}

#[link(name = "kernel32")]
unsafe extern "system" {
    fn LockFileEx(
        file: *mut c_void,
        flags: u32,
        reserved: u32,
        octets_low: u32,
        octets_high: u32,
        overlapped: *mut Overlapped,
    ) -> i32;
    fn MoveFileExW(from: *const u16, to: *const u16, flags: u32) -> i32;
    fn GetFileInformationByHandle(file: *mut c_void, information: *mut FileInformation) -> i32;
}

/// Stands for a lock on a directory; see [`Directory::try_lock`].
#[derive(Debug)]
pub struct DirectoryLock;

/// A directory known by its path.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
}

impl Directory {
    /// Remembers the directory at that path, which must exist.
    pub fn open(path: &Path) -> io::Result<Directory> {
        let path = std::path::absolute(path)?;
        match fs::metadata(&path)?.is_dir() {
            true => Ok(Directory { path }),
            false => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    /// Opens a directory within this one.
    pub fn open_subdirectory(&self, name: &[u8]) -> io::Result<Directory> {
        match self.metadata(name)?.kind {
            Kind::Directory => Directory::open(&self.join(name)?),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    /// Keeps nobody away: directories cannot be locked here.
    pub fn try_lock(&self) -> io::Result<Option<DirectoryLock>> {
        Ok(Some(DirectoryLock))
    }

    /// Creates a file that must not exist yet, for writing. The directory's
    /// access list applies, and `mode` does not.
    pub fn create_new(&self, name: &[u8], _mode: u32) -> io::Result<File> {
        let path = self.join(name)?;
        OpenOptions::new().write(true).create_new(true).open(path)
    }

    /// Opens a regular file for reading.
    pub fn open_read(&self, name: &[u8]) -> io::Result<File> {
        let mut options = OpenOptions::new();
        regular(options.read(true), &self.join(name)?)
    }

    /// Opens a regular file for writing at its end.
    pub fn open_append(&self, name: &[u8]) -> io::Result<File> {
        let mut options = OpenOptions::new();
        regular(options.append(true), &self.join(name)?)
    }

    /// Renames within the directory, replacing what has the new name.
    pub fn rename(&self, from: &[u8], to: &[u8]) -> io::Result<()> {
        fs::rename(self.join(from)?, self.join(to)?)
    }

    /// Renames within the directory; fails with `AlreadyExists` where something
    /// has the new name.
    pub fn rename_to_new(&self, from: &[u8], to: &[u8]) -> io::Result<()> {
        let (from, to) = (wide(&self.join(from)?), wide(&self.join(to)?));
        // SAFETY: both paths are NUL-ended and outlive the call. Without flags an
        // existing target is an error.
        check(unsafe { MoveFileExW(from.as_ptr(), to.as_ptr(), 0) })
    }

    /// Gives a file a second name, which must not exist yet.
    pub fn link(&self, from: &[u8], to: &[u8]) -> io::Result<()> {
        fs::hard_link(self.join(from)?, self.join(to)?)
    }

    /// Creates a directory within this one. The access list of this one is inherited,
    /// and `mode` does not apply.
    pub fn create_subdirectory(&self, name: &[u8], _mode: u32) -> io::Result<()> {
        fs::create_dir(self.join(name)?)
    }

    /// Gives a file a second name in another directory, where it must not exist yet.
    pub fn link_into(&self, from: &[u8], other: &Directory, to: &[u8]) -> io::Result<()> {
        fs::hard_link(self.join(from)?, other.join(to)?)
    }

    /// Renames into another directory, replacing what has the new name there.
    pub fn move_into(&self, from: &[u8], other: &Directory, to: &[u8]) -> io::Result<()> {
        fs::rename(self.join(from)?, other.join(to)?)
    }

    /// Removes a name that is not a directory's.
    pub fn remove(&self, name: &[u8]) -> io::Result<()> {
        fs::remove_file(self.join(name)?)
    }

    /// The names in the directory, in no order; such as are not Unicode are left out.
    pub fn names(&self) -> io::Result<Names> {
        let entries = fs::read_dir(&self.path)?;
        Ok(Names { entries })
    }

    /// Does nothing: NTFS journals names by itself.
    pub fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    /// Asks about a name, not about what it links to.
    pub fn metadata(&self, name: &[u8]) -> io::Result<Metadata> {
        metadata_of(&open_attributes(&self.join(name)?)?)
    }

    /// Asks about the directory itself.
    pub fn own_metadata(&self) -> io::Result<Metadata> {
        metadata_of(&open_attributes(&self.path)?)
    }

    fn join(&self, name: &[u8]) -> io::Result<PathBuf> {
        let separates = |byte: &u8| matches!(byte, b'/' | b'\\' | b':' | 0);
        let text = std::str::from_utf8(name).map_err(|_| bad_name())?;
        match matches!(text, "" | "." | "..") || name.iter().any(separates) {
            true => Err(bad_name()),
            false => Ok(self.path.join(text)),
        }
    }
}

/// The names in a directory; see [`Directory::names`].
#[derive(Debug)]
pub struct Names {
    entries: fs::ReadDir,
}

impl Iterator for Names {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<io::Result<Vec<u8>>> {
        loop {
            match self.entries.next()? {
                Err(error) => return Some(Err(error)),
                Ok(entry) => {
                    if let Ok(name) = entry.file_name().into_string() {
                        return Some(Ok(name.into_bytes()));
                    }
                }
            }
        }
    }
}

/// Takes the lock on a file that keeps all others from it; false where someone
/// has one. It ends when the file is closed.
pub fn try_lock(file: &File) -> io::Result<bool> {
    lock(file, LOCKFILE_FAIL_IMMEDIATELY | LOCKFILE_EXCLUSIVE_LOCK)
}

/// Takes a lock on a file that several may have, but not beside [`try_lock`]'s.
pub fn try_lock_shared(file: &File) -> io::Result<bool> {
    lock(file, LOCKFILE_FAIL_IMMEDIATELY)
}

fn lock(file: &File, flags: u32) -> io::Result<bool> {
    let mut overlapped = Overlapped {
        internal: 0,
        internal_high: 0,
        offset: 0,
        offset_high: LOCK_OFFSET_HIGH,
        event: std::ptr::null_mut(),
    };
    // SAFETY: the handle is open, and `overlapped` outlives the call, which does
    // not pend since the handle was opened without FILE_FLAG_OVERLAPPED.
    match check(unsafe { LockFileEx(file.as_raw_handle(), flags, 0, 1, 0, &mut overlapped) }) {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(ERROR_LOCK_VIOLATION) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Does nothing: Windows has no such call.
pub fn start_writeback(_file: &File) {}

/// Does nothing: the directory's access list applies to all files in it.
pub fn share(_file: &File, _like: &Metadata) -> io::Result<()> {
    Ok(())
}

/// Whether someone else has the file open: this system does not tell.
pub fn is_open_elsewhere(_file: &File) -> Option<bool> {
    None
}

/// A file name as the standard library wants it.
pub fn native_name(name: &[u8]) -> OsString {
    String::from_utf8_lossy(name).into_owned().into()
}

/// Asks about an open file.
pub(crate) fn metadata_of(file: &File) -> io::Result<Metadata> {
    let mut information = FileInformation::default();
    // SAFETY: the handle is open, and `information` has the layout of the API.
    check(unsafe { GetFileInformationByHandle(file.as_raw_handle(), &mut information) })?;
    let modified = unix_seconds(information.written);
    Ok(Metadata {
        kind: kind_of(information.attributes),
        identity: (
            u64::from(information.volume),
            join_halves(information.index_high, information.index_low),
        ),
        links: u64::from(information.links),
        octets: join_halves(information.size_high, information.size_low),
        modified,
        changed: modified,
        owner: 0,
        group: 0,
        mode: 0,
    })
}

fn kind_of(attributes: u32) -> Kind {
    if attributes & FILE_ATTRIBUTE_REPARSE_POINT != 0 {
        Kind::Symlink
    } else if attributes & FILE_ATTRIBUTE_DIRECTORY != 0 {
        Kind::Directory
    } else {
        Kind::File
    }
}

fn open_attributes(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .access_mode(FILE_READ_ATTRIBUTES)
        .custom_flags(FILE_FLAG_OPEN_REPARSE_POINT | FILE_FLAG_BACKUP_SEMANTICS)
        .open(path)
}

fn regular(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let file = options
        .custom_flags(FILE_FLAG_OPEN_REPARSE_POINT)
        .open(path)?;
    match metadata_of(&file)?.kind {
        Kind::File => Ok(file),
        _ => Err(not_regular()),
    }
}

/// Seconds since 1970 of a time in 100 ns since 1601.
fn unix_seconds(halves: [u32; 2]) -> i64 {
    let ticks = join_halves(halves[1], halves[0]);
    i64::try_from(ticks / 10_000_000).map_or(0, |seconds| seconds - EPOCH_SECONDS)
}

fn join_halves(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

fn wide(path: &Path) -> Vec<u16> {
    let path: &OsStr = path.as_os_str();
    path.encode_wide().chain(Some(0)).collect()
}

fn check(result: i32) -> io::Result<()> {
    match result {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
