//! Files by their paths, opened so that nothing but a file is waited for.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::sys::file::not_regular;

/// Who may read log files, but for what the umask takes away: owner and group.
const LOG_MODE: u32 = 0o660;

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

/// Opens a log file for writing at its end. A link is not followed, and nothing but a
/// regular file that has one name is taken: whoever may write to the folder must not
/// be able to have something else written.
pub(in crate::sys) fn open_log(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(LOG_MODE)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)?;
    let metadata = file.metadata()?;
    match metadata.is_file() && metadata.nlink() == 1 {
        true => Ok(file),
        false => Err(not_regular()),
    }
}

/// Whether the real user, who is the effective one here, may do all with it.
pub(in crate::sys) fn check_access(directory: &Path) -> io::Result<()> {
    let path = CString::new(directory.as_os_str().as_bytes())?;
    let all = libc::R_OK | libc::W_OK | libc::X_OK;
    // SAFETY: the path ends in NUL and outlives the call.
    match unsafe { libc::access(path.as_ptr(), all) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
