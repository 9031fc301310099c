//! Directories by path, with the little of the Windows API that std lacks.
//!
//! # What survives a power cut
//!
//! Directories cannot be synced. What takes the place of that: a file's content is
//! flushed by `FlushFileBuffers`, and a rename returns only when it is on the disk
//! (`MOVEFILE_WRITE_THROUGH`). NTFS writes its journal in order, so either takes all
//! earlier changes of names on the volume with it: that the file was created, linked or
//! removed. A message is acknowledged after both; a removal alone may be undone by a
//! power cut.
#![allow(unsafe_code)]

use std::ffi::{OsString, c_void};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle};
use std::path::{Path, PathBuf};

use super::{ffi, moves};
use crate::sys::file::{Kind, Metadata, bad_name, not_regular};

const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;
const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;
const FILE_READ_ATTRIBUTES: u32 = 0x80;
const GENERIC_WRITE: u32 = 0x4000_0000;
const FILE_SHARE_ALL: u32 = 7;
const FILE_ATTRIBUTE_DIRECTORY: u32 = 0x10;
const FILE_ATTRIBUTE_REPARSE_POINT: u32 = 0x400;
const LOCKFILE_FAIL_IMMEDIATELY: u32 = 1;
const LOCKFILE_EXCLUSIVE_LOCK: u32 = 2;

/// Whether a file that we have open cannot be replaced, nor opened by programs that do
/// not wish to share it.
pub const OPEN_FILES_ARE_IN_THE_WAY: bool = true;

/// Where in a file its lock is: beyond any content, so that it stops no reader.
const LOCK_OFFSET_HIGH: u32 = 0x4000_0000;

/// The devices that need no number.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

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

/// `FILE_BASIC_INFO`.
#[repr(C)]
#[derive(Default)]
struct BasicInformation {
    created: i64,
    accessed: i64,
    written: i64,
    changed: i64,
    attributes: u32,
}

/// The class of `FILE_BASIC_INFO`.
const FILE_BASIC_INFO: i32 = 0;

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
    fn UnlockFileEx(
        file: *mut c_void,
        reserved: u32,
        octets_low: u32,
        octets_high: u32,
        overlapped: *mut Overlapped,
    ) -> i32;
    fn ReOpenFile(file: *mut c_void, access: u32, sharing: u32, flags: u32) -> *mut c_void;
    fn GetFileInformationByHandleEx(
        file: *mut c_void,
        class: i32,
        information: *mut c_void,
        octets: u32,
    ) -> i32;
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
        let opened = OpenOptions::new().write(true).create_new(true).open(path);
        opened.map_err(|error| moves::pending_as(error, io::ErrorKind::AlreadyExists))
    }

    /// Opens a regular file for reading.
    pub fn open_read(&self, name: &[u8]) -> io::Result<File> {
        let mut options = OpenOptions::new();
        regular(options.read(true), &self.join(name)?)
    }

    /// Opens a regular file for writing at its end. For reading as well, or it could not
    /// be locked.
    pub fn open_append(&self, name: &[u8]) -> io::Result<File> {
        let mut options = OpenOptions::new();
        regular(options.read(true).append(true), &self.join(name)?)
    }

    /// Renames within the directory, replacing what has the new name.
    pub fn rename(&self, from: &[u8], to: &[u8]) -> io::Result<()> {
        moves::replace(&self.join(from)?, &self.join(to)?)
    }

    /// Renames within the directory; fails with `AlreadyExists` where something
    /// has the new name.
    pub fn rename_to_new(&self, from: &[u8], to: &[u8]) -> io::Result<()> {
        moves::rename_to_new(&self.join(from)?, &self.join(to)?)
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
        moves::replace(&self.join(from)?, &other.join(to)?)
    }

    /// Removes a name that is not a directory's.
    pub fn remove(&self, name: &[u8]) -> io::Result<()> {
        moves::remove(&self.join(name)?)
    }

    /// The names in the directory, in no order; such as are not Unicode are left out.
    pub fn names(&self) -> io::Result<Names> {
        let entries = fs::read_dir(&self.path)?;
        Ok(Names { entries })
    }

    /// Does nothing; see above what makes names survive a power cut.
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
        let text = std::str::from_utf8(name).map_err(|_| bad_name())?;
        match is_plain(text) {
            true => Ok(self.path.join(text)),
            false => Err(bad_name()),
        }
    }
}

/// Whether the system takes that for the name of a file in a directory, and for no
/// other name: blanks and dots at its end would be dropped, a colon begins the name of
/// a stream within a file, and devices are in every directory, whatever their extension.
fn is_plain(name: &str) -> bool {
    let is_special = |c: char| c.is_ascii_control() || "/\\:*?\"<>|".contains(c);
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    let is_device = DEVICES
        .iter()
        .any(|device| device.eq_ignore_ascii_case(stem))
        || match stem.split_at_checked(3) {
            // The superscript digits count as well.
            Some((port, number))
                if port.eq_ignore_ascii_case("com") || port.eq_ignore_ascii_case("lpt") =>
            {
                let mut numbers = number.chars();
                matches!(
                    (numbers.next(), numbers.next()),
                    (Some('0'..='9' | '\u{b9}' | '\u{b2}' | '\u{b3}'), None)
                )
            }
            _ => false,
        };
    !name.is_empty() && !name.ends_with(['.', ' ']) && !name.contains(is_special) && !is_device
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
/// has one. It ends with [`unlock`], or some time after the file has been closed.
pub fn try_lock(file: &File) -> io::Result<bool> {
    lock(file, LOCKFILE_FAIL_IMMEDIATELY | LOCKFILE_EXCLUSIVE_LOCK)
}

/// Takes a lock on a file that several may have, but not beside [`try_lock`]'s.
pub fn try_lock_shared(file: &File) -> io::Result<bool> {
    lock(file, LOCKFILE_FAIL_IMMEDIATELY)
}

/// Gives a lock back. Closing the file does so, too, but at a time that is the system's.
pub fn unlock(file: &File) {
    let mut overlapped = lock_place();
    // SAFETY: as for the lock. Of what was not locked there is nothing to give back.
    unsafe { UnlockFileEx(file.as_raw_handle(), 0, 1, 0, &mut overlapped) };
}

/// The octet that stands for the whole file.
fn lock_place() -> Overlapped {
    Overlapped {
        internal: 0,
        internal_high: 0,
        offset: 0,
        offset_high: LOCK_OFFSET_HIGH,
        event: std::ptr::null_mut(),
    }
}

fn lock(file: &File, flags: u32) -> io::Result<bool> {
    let mut overlapped = lock_place();
    // SAFETY: the handle is open, and `overlapped` outlives the call, which does
    // not pend since the handle was opened without FILE_FLAG_OVERLAPPED.
    match check(unsafe { LockFileEx(file.as_raw_handle(), flags, 0, 1, 0, &mut overlapped) }) {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(ffi::ERROR_LOCK_VIOLATION) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes a file's content survive a power cut, even if it is open for reading only.
pub fn sync(file: &File) -> io::Result<()> {
    match file.sync_all() {
        Err(error) if error.raw_os_error() == Some(ffi::ERROR_ACCESS_DENIED) => {
            writable(file)?.sync_all()
        }
        result => result,
    }
}

/// The same file once more, open for writing.
fn writable(file: &File) -> io::Result<File> {
    // SAFETY: the handle is open as long as the file is borrowed.
    let handle = unsafe { ReOpenFile(file.as_raw_handle(), GENERIC_WRITE, FILE_SHARE_ALL, 0) };
    if handle == ffi::INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle is new, so nobody else owns it.
    Ok(unsafe { File::from_raw_handle(handle) })
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
        // Without the volume, which wine does not tell of a file that was renamed since
        // it was opened: what is compared is in one directory.
        identity: (
            0,
            join_halves(information.index_high, information.index_low),
        ),
        links: u64::from(information.links),
        octets: join_halves(information.size_high, information.size_low),
        modified,
        changed: changed(file).unwrap_or(modified),
        owner: 0,
        group: 0,
        mode: 0,
    })
}

/// When the file was last renamed or changed, where the file system records that.
fn changed(file: &File) -> Option<i64> {
    let mut basic = BasicInformation::default();
    let octets = u32::try_from(std::mem::size_of_val(&basic)).ok()?;
    // SAFETY: the handle is open, and the pointer is to a live structure of the class
    // that is asked for and of that size.
    check(unsafe {
        GetFileInformationByHandleEx(
            file.as_raw_handle(),
            FILE_BASIC_INFO,
            (&raw mut basic).cast(),
            octets,
        )
    })
    .ok()?;
    let ticks = u64::try_from(basic.changed)
        .ok()
        .filter(|ticks| *ticks > 0)?;
    Some(seconds_of(ticks))
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
    let opened = OpenOptions::new()
        .access_mode(FILE_READ_ATTRIBUTES)
        .custom_flags(FILE_FLAG_OPEN_REPARSE_POINT | FILE_FLAG_BACKUP_SEMANTICS)
        .open(path);
    opened.map_err(|error| moves::pending_as(error, io::ErrorKind::NotFound))
}

fn regular(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let opened = options
        .custom_flags(FILE_FLAG_OPEN_REPARSE_POINT)
        .open(path);
    let file = opened.map_err(|error| match error.raw_os_error() {
        // Somebody has it for himself.
        Some(ffi::ERROR_SHARING_VIOLATION) => io::ErrorKind::WouldBlock.into(),
        _ => moves::pending_as(error, io::ErrorKind::NotFound),
    })?;
    match metadata_of(&file)?.kind {
        Kind::File => Ok(file),
        _ => Err(not_regular()),
    }
}

/// Seconds since 1970 of a time in 100 ns since 1601.
fn unix_seconds(halves: [u32; 2]) -> i64 {
    seconds_of(join_halves(halves[1], halves[0]))
}

fn seconds_of(ticks: u64) -> i64 {
    i64::try_from(ticks / 10_000_000).map_or(0, |seconds| seconds - EPOCH_SECONDS)
}

fn join_halves(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

fn check(result: i32) -> io::Result<()> {
    match result {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::TempDir;

    #[test]
    fn names_that_are_more_than_names_are_refused() {
        for name in [
            "a",
            "a.b",
            ".a",
            "console",
            "com",
            "com12",
            "a con",
            "emailrelay.1.1.1.content",
        ] {
            assert!(is_plain(name), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            "a.",
            "a ",
            "a:b",
            "a/b",
            "a\\b",
            "a*",
            "a?",
            "a\"",
            "a<",
            "a|",
            "a\n",
            "a\0",
            "con",
            "CON.txt",
            "nul .x",
            "Aux",
            "com1",
            "LPT9.txt",
            "com\u{b2}",
            "conin$",
        ] {
            assert!(!is_plain(name), "{name:?}");
        }
    }

    #[test]
    fn what_is_open_for_reading_can_be_synced() {
        let folder = TempDir::new();
        let file = File::open(folder.write("file", "text")).unwrap();
        assert!(file.sync_all().is_err());
        sync(&file).unwrap();
    }
}
