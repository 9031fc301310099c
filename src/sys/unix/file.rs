//! Directories by descriptor: `openat(2)` and its family.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, OsString};
use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::errno;
use super::sync::sync;
use crate::sys::file::{Kind, Metadata, bad_name, not_regular};

/// `F_SETSIG` of `<fcntl.h>`, which `libc` leaves out.
#[cfg(target_os = "linux")]
const F_SETSIG: libc::c_int = 10;

/// Whether a file that we have open cannot be replaced, nor opened by programs that do
/// not wish to share it.
pub const OPEN_FILES_ARE_IN_THE_WAY: bool = false;

/// A directory held open.
#[derive(Debug)]
pub struct Directory {
    file: File,
    heirs: Option<(libc::uid_t, libc::gid_t)>,
}

/// Whom new files in a directory are to be given to, so that those can work on them
/// whom the directory belongs to: its group, and by root its owner, too. Nobody
/// where they belong to these anyway.
fn heirs(directory: &File) -> io::Result<Option<(libc::uid_t, libc::gid_t)>> {
    let metadata = directory.metadata()?;
    // SAFETY: the calls take no arguments and cannot fail.
    let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
    let (owner, owning_group) = (metadata.uid(), metadata.gid());
    // With the set-group-id bit the system gives them to the group by itself.
    let has_group = group == owning_group || metadata.mode() & 0o2000 != 0;
    Ok(match user {
        0 if owner != 0 || !has_group => Some((owner, owning_group)),
        0 => None,
        // -1: the owner stays.
        _ => (!has_group).then_some((libc::uid_t::MAX, owning_group)),
    })
}

impl Directory {
    fn new(file: File) -> io::Result<Directory> {
        let heirs = heirs(&file)?;
        Ok(Directory { file, heirs })
    }

    /// Opens the directory at that path; here a symbolic link is followed, since
    /// the path is the administrator's.
    pub fn open(path: &Path) -> io::Result<Directory> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_DIRECTORY)
            .open(path)?;
        Directory::new(file)
    }

    /// Opens a directory within this one.
    pub fn open_subdirectory(&self, name: &[u8]) -> io::Result<Directory> {
        let file = self.open_at(name, libc::O_RDONLY | libc::O_DIRECTORY, 0)?;
        Directory::new(file)
    }

    /// Takes the lock on the directory itself, which keeps nobody from its files but
    /// those who ask for the same lock; nothing where someone has it. It ends when
    /// what is returned is dropped, or with the process. Where directories cannot
    /// be locked it keeps nobody away.
    pub fn try_lock(&self) -> io::Result<Option<DirectoryLock>> {
        let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
        // SAFETY: the descriptor is open and the path is a NUL-ended constant.
        let fd = unsafe { libc::openat(self.file.as_raw_fd(), c".".as_ptr(), flags) };
        check(fd)?;
        // SAFETY: the descriptor is new, and nobody else knows it.
        let file = unsafe { File::from_raw_fd(fd) };
        let is_held = matches!(try_lock(&file), Ok(false));
        Ok((!is_held).then_some(DirectoryLock { file }))
    }

    /// Creates a file that must not exist yet, for writing. The process's umask
    /// applies to `mode`. If the process may give it to the directory's group, and as
    /// root to its owner, it does.
    pub fn create_new(&self, name: &[u8], mode: u32) -> io::Result<File> {
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL;
        let file = self.open_at(name, flags, mode)?;
        if let Some((user, group)) = self.heirs {
            // Where that may not be done the file is as good as without it.
            // SAFETY: the descriptor is open, and the call takes no pointers.
            unsafe { libc::fchown(file.as_raw_fd(), user, group) };
        }
        Ok(file)
    }

    /// Opens a regular file for reading.
    pub fn open_read(&self, name: &[u8]) -> io::Result<File> {
        // Without O_NONBLOCK a planted FIFO would block the open.
        regular(self.open_at(name, libc::O_RDONLY | libc::O_NONBLOCK, 0)?)
    }

    /// Opens a regular file for writing at its end.
    pub fn open_append(&self, name: &[u8]) -> io::Result<File> {
        let flags = libc::O_WRONLY | libc::O_APPEND | libc::O_NONBLOCK;
        regular(self.open_at(name, flags, 0)?)
    }

    /// Renames within the directory, replacing what has the new name.
    pub fn rename(&self, from: &[u8], to: &[u8]) -> io::Result<()> {
        let (from, to) = (c_name(from)?, c_name(to)?);
        let fd = self.file.as_raw_fd();
        // SAFETY: the descriptor is open and both names are NUL-ended and outlive the call.
        check(unsafe { libc::renameat(fd, from.as_ptr(), fd, to.as_ptr()) })
    }

    /// Renames within the directory; fails with `AlreadyExists` where something
    /// has the new name. Where the system cannot do that in one step the file has
    /// both names for a moment.
    pub fn rename_to_new(&self, from: &[u8], to: &[u8]) -> io::Result<()> {
        match self.rename_exclusively(from, to) {
            Err(error) if lacks_the_call(&error) => {
                self.link(from, to)?;
                self.remove(from)
            }
            result => result,
        }
    }

    #[cfg(target_os = "linux")]
    fn rename_exclusively(&self, from: &[u8], to: &[u8]) -> io::Result<()> {
        let (from, to) = (c_name(from)?, c_name(to)?);
        let fd = self.file.as_raw_fd();
        // By number, since not every C library has the function.
        // SAFETY: the descriptor is open, both names are NUL-ended and outlive the
        // call, and the arguments have the types that renameat2(2) wants.
        let result = unsafe {
            libc::syscall(
                libc::SYS_renameat2,
                fd,
                from.as_ptr(),
                fd,
                to.as_ptr(),
                libc::RENAME_NOREPLACE,
            )
        };
        check(if result < 0 { -1 } else { 0 })
    }

    #[cfg(not(target_os = "linux"))]
    fn rename_exclusively(&self, _from: &[u8], _to: &[u8]) -> io::Result<()> {
        Err(io::Error::from_raw_os_error(libc::ENOSYS))
    }

    /// Gives a file a second name, which must not exist yet.
    pub fn link(&self, from: &[u8], to: &[u8]) -> io::Result<()> {
        let (from, to) = (c_name(from)?, c_name(to)?);
        let fd = self.file.as_raw_fd();
        // SAFETY: the descriptor is open and both names are NUL-ended and outlive the call.
        check(unsafe { libc::linkat(fd, from.as_ptr(), fd, to.as_ptr(), 0) })
    }

    /// Creates a directory within this one. The process's umask applies to `mode`.
    pub fn create_subdirectory(&self, name: &[u8], mode: u32) -> io::Result<()> {
        let name = c_name(name)?;
        #[allow(clippy::unnecessary_cast)] // the mode's type differs between systems
        let mode = mode as libc::mode_t;
        // SAFETY: the descriptor is open and the name is NUL-ended and outlives the call.
        check(unsafe { libc::mkdirat(self.file.as_raw_fd(), name.as_ptr(), mode) })
    }

    /// Gives a file a second name in another directory, where it must not exist yet.
    pub fn link_into(&self, from: &[u8], other: &Directory, to: &[u8]) -> io::Result<()> {
        let (from, to) = (c_name(from)?, c_name(to)?);
        let (here, there) = (self.file.as_raw_fd(), other.file.as_raw_fd());
        // SAFETY: both descriptors are open, and both names are NUL-ended and outlive
        // the call.
        check(unsafe { libc::linkat(here, from.as_ptr(), there, to.as_ptr(), 0) })
    }

    /// Renames into another directory, replacing what has the new name there.
    pub fn move_into(&self, from: &[u8], other: &Directory, to: &[u8]) -> io::Result<()> {
        let (from, to) = (c_name(from)?, c_name(to)?);
        let (here, there) = (self.file.as_raw_fd(), other.file.as_raw_fd());
        // SAFETY: both descriptors are open, and both names are NUL-ended and outlive
        // the call.
        check(unsafe { libc::renameat(here, from.as_ptr(), there, to.as_ptr()) })
    }

    /// Removes a name that is not a directory's.
    pub fn remove(&self, name: &[u8]) -> io::Result<()> {
        let name = c_name(name)?;
        // SAFETY: the descriptor is open and the name is NUL-ended and outlives the call.
        check(unsafe { libc::unlinkat(self.file.as_raw_fd(), name.as_ptr(), 0) })
    }

    /// The names in the directory but for `.` and `..`, in no order. A name that
    /// changes meanwhile may be missing or come twice.
    pub fn names(&self) -> io::Result<Names> {
        // A descriptor of its own, so that readings do not share a position.
        let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
        // SAFETY: the descriptor is open and the path is a NUL-ended constant.
        let fd = unsafe { libc::openat(self.file.as_raw_fd(), c".".as_ptr(), flags) };
        check(fd)?;
        // SAFETY: the descriptor was just opened and is given away only on success.
        let stream = unsafe { libc::fdopendir(fd) };
        if stream.is_null() {
            let error = io::Error::last_os_error();
            // SAFETY: fdopendir failed, so the descriptor is still ours to close.
            unsafe { libc::close(fd) };
            return Err(error);
        }
        Ok(Names { stream })
    }

    /// Makes the names in the directory survive a power cut.
    pub fn sync(&self) -> io::Result<()> {
        match sync(&self.file) {
            // What a file system answers that has nothing to sync.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(()),
            result => result,
        }
    }

    /// Asks about a name, not about what it links to.
    pub fn metadata(&self, name: &[u8]) -> io::Result<Metadata> {
        let name = c_name(name)?;
        let mut stat = std::mem::MaybeUninit::<libc::stat>::uninit();
        let fd = self.file.as_raw_fd();
        // SAFETY: the descriptor is open, the name is NUL-ended, and `stat` has room.
        check(unsafe {
            libc::fstatat(
                fd,
                name.as_ptr(),
                stat.as_mut_ptr(),
                libc::AT_SYMLINK_NOFOLLOW,
            )
        })?;
        // SAFETY: fstatat succeeded, so it has filled `stat`.
        Ok(from_stat(&unsafe { stat.assume_init() }))
    }

    /// Asks about the directory itself.
    pub fn own_metadata(&self) -> io::Result<Metadata> {
        metadata_of(&self.file)
    }

    /// Its descriptor.
    pub(in crate::sys) fn raw(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    fn open_at(&self, name: &[u8], flags: libc::c_int, mode: u32) -> io::Result<File> {
        let name = c_name(name)?;
        let flags = flags | libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NOCTTY;
        loop {
            // SAFETY: the descriptor is open, and the name is NUL-ended and outlives the call.
            let fd = unsafe { libc::openat(self.file.as_raw_fd(), name.as_ptr(), flags, mode) };
            match check(fd) {
                // SAFETY: the descriptor is new, and nobody else knows it.
                Ok(()) => return Ok(unsafe { File::from_raw_fd(fd) }),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// A lock on a directory; see [`Directory::try_lock`].
#[derive(Debug)]
pub struct DirectoryLock {
    /// Holds the lock.
    file: File,
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        unlock(&self.file);
    }
}

/// The names in a directory; see [`Directory::names`].
#[derive(Debug)]
pub struct Names {
    stream: *mut libc::DIR,
}

impl Iterator for Names {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<io::Result<Vec<u8>>> {
        loop {
            // Only by that does readdir tell its end from an error.
            errno::set(0);
            // SAFETY: the stream is open until drop, and used by one thread at a time.
            let entry = unsafe { libc::readdir(self.stream) };
            if entry.is_null() {
                let error = io::Error::last_os_error();
                return match error.raw_os_error() {
                    None | Some(0) => None,
                    Some(_) => Some(Err(error)),
                };
            }
            // SAFETY: readdir gave an entry, whose name is NUL-ended and stays in
            // place until the next call on this stream.
            let name = unsafe { CStr::from_ptr((*entry).d_name.as_ptr()) };
            if !matches!(name.to_bytes(), b"." | b"..") {
                return Some(Ok(name.to_bytes().to_vec()));
            }
        }
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        // SAFETY: the stream is open and nothing uses it after this.
        unsafe { libc::closedir(self.stream) };
    }
}

/// Takes the lock on a file that keeps all others from it; false where someone
/// has one. It is advisory and ends with [`unlock`], or some time after the file has
/// been closed.
pub fn try_lock(file: &File) -> io::Result<bool> {
    taken(file.try_lock())
}

/// Takes a lock on a file that several may have, but not beside [`try_lock`]'s.
pub fn try_lock_shared(file: &File) -> io::Result<bool> {
    taken(file.try_lock_shared())
}

/// Gives a lock back. Closing the file would not do so at once: the lock stays for as
/// long as any process has a copy of the descriptor, and each that is being started has
/// one until it runs its own program.
pub fn unlock(file: &File) {
    // Of what was not locked there is nothing to give back.
    let _ = file.unlock();
}

fn taken(result: Result<(), TryLockError>) -> io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Gives a file the owner, the group and the permissions of another, as far as this
/// process may.
pub fn share(file: &File, like: &Metadata) -> io::Result<()> {
    let own = metadata_of(file)?;
    if (own.owner, own.group) != (like.owner, like.group) {
        // Where that may not be done the file is as good as without it.
        // SAFETY: the descriptor is open, and the call takes no pointers.
        unsafe { libc::fchown(file.as_raw_fd(), like.owner, like.group) };
    }
    match own.mode == like.mode {
        true => Ok(()),
        false => file.set_permissions(Permissions::from_mode(like.mode)),
    }
}

/// Whether someone else has the file open, in this process or another; nothing
/// where the system does not tell, or not us.
#[cfg(target_os = "linux")]
pub fn is_open_elsewhere(file: &File) -> Option<bool> {
    // A write lease is granted only while nobody else has the file open. Should
    // someone open it before the lease is given back, the signal for that must
    // not be SIGIO, which ends the process; SIGURG is ignored by default.
    let fd = file.as_raw_fd();
    // SAFETY: the descriptor is open, and F_SETSIG takes a signal number.
    check(unsafe { libc::fcntl(fd, F_SETSIG, libc::SIGURG) }).ok()?;
    // SAFETY: the descriptor is open, and F_SETLEASE takes a lease type.
    match check(unsafe { libc::fcntl(fd, libc::F_SETLEASE, libc::F_WRLCK) }) {
        Ok(()) => {
            // SAFETY: as above; the lease also ends when the file is closed.
            unsafe { libc::fcntl(fd, libc::F_SETLEASE, libc::F_UNLCK) };
            Some(false)
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Some(true),
        Err(_) => None,
    }
}

/// Whether someone else has the file open: this system does not tell.
#[cfg(not(target_os = "linux"))]
pub fn is_open_elsewhere(_file: &File) -> Option<bool> {
    None
}

/// A file name as the standard library wants it.
pub fn native_name(name: &[u8]) -> OsString {
    OsString::from_vec(name.to_vec())
}

/// Asks about an open file.
pub(crate) fn metadata_of(file: &File) -> io::Result<Metadata> {
    let metadata = file.metadata()?;
    Ok(Metadata {
        kind: kind_of(metadata.mode()),
        identity: (metadata.dev(), metadata.ino()),
        links: metadata.nlink(),
        octets: metadata.size(),
        modified: metadata.mtime(),
        changed: metadata.ctime(),
        owner: metadata.uid(),
        group: metadata.gid(),
        mode: metadata.mode() & 0o7777,
    })
}

#[allow(clippy::unnecessary_cast)] // the fields' types differ between systems
fn from_stat(stat: &libc::stat) -> Metadata {
    Metadata {
        kind: kind_of(stat.st_mode as u32),
        identity: (stat.st_dev as u64, stat.st_ino as u64),
        links: stat.st_nlink as u64,
        octets: u64::try_from(stat.st_size).unwrap_or(0),
        modified: stat.st_mtime as i64,
        changed: stat.st_ctime as i64,
        owner: stat.st_uid as u32,
        group: stat.st_gid as u32,
        mode: stat.st_mode as u32 & 0o7777,
    }
}

#[allow(clippy::unnecessary_cast)] // the constants' types differ between systems
fn kind_of(mode: u32) -> Kind {
    match mode & libc::S_IFMT as u32 {
        format if format == libc::S_IFREG as u32 => Kind::File,
        format if format == libc::S_IFDIR as u32 => Kind::Directory,
        format if format == libc::S_IFLNK as u32 => Kind::Symlink,
        _ => Kind::Other,
    }
}

fn regular(file: File) -> io::Result<File> {
    match metadata_of(&file)?.kind {
        Kind::File => Ok(file),
        _ => Err(not_regular()),
    }
}

fn lacks_the_call(error: &io::Error) -> bool {
    let unsupported = [libc::ENOSYS, libc::EINVAL, libc::ENOTSUP];
    error
        .raw_os_error()
        .is_some_and(|code| unsupported.contains(&code))
}

fn c_name(name: &[u8]) -> io::Result<CString> {
    if matches!(name, b"" | b"." | b"..") || name.contains(&b'/') {
        return Err(bad_name());
    }
    CString::new(name).map_err(|_| bad_name())
}

fn check(result: libc::c_int) -> io::Result<()> {
    match result {
        0.. => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests;
