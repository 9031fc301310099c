//! Files by their paths, opened so that nothing but a file is waited for.

use std::ffi::{CString, c_int};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::sys::append;
use crate::sys::file::not_regular;

/// Opens a regular file; links are followed, as the path is the administrator's.
pub(in crate::sys) fn open_for_reading(path: &Path) -> io::Result<File> {
    // Else to open a FIFO would wait for a writer.
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(not_regular()),
    }
}

/// Opens a log file for whoever may write anywhere: it must have no other name.
pub(in crate::sys) fn open_log_alone(path: &Path) -> io::Result<File> {
    let file = append::open(path)?;
    match file.metadata()?.nlink() {
        1 => Ok(file),
        _ => Err(not_regular()),
    }
}

/// Whether the real user, who is the effective one here, may do all with it.
pub(in crate::sys) fn check_access(directory: &Path) -> io::Result<()> {
    access(directory, libc::R_OK | libc::W_OK | libc::X_OK)
}

/// Whether that user may create files in it.
pub(in crate::sys) fn check_creation(directory: &Path) -> io::Result<()> {
    access(directory, libc::W_OK | libc::X_OK)
}

fn access(directory: &Path, mode: c_int) -> io::Result<()> {
    let path = CString::new(directory.as_os_str().as_bytes())?;
    // SAFETY: the path ends in NUL and outlives the call.
    match unsafe { libc::access(path.as_ptr(), mode) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
