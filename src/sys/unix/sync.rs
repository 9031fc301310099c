//! What has a file's content reach the disk.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// Makes the content of a file, or the names in a directory, survive a power cut. std
/// calls fsync(2), and on systems of Apple, where that leaves data in the memory of the
/// drive, fcntl(2) with `F_FULLFSYNC`.
pub fn sync(file: &File) -> io::Result<()> {
    match file.sync_all() {
        Err(error) if cannot_reach_the_drive(&error) => plainly(file),
        result => result,
    }
}

/// Whether the file system knows fsync(2) alone: those on other hosts do not know of a
/// drive.
fn cannot_reach_the_drive(error: &io::Error) -> bool {
    let unknown = [libc::ENOTSUP, libc::ENOTTY, libc::EINVAL];
    let code = error.raw_os_error();
    cfg!(target_vendor = "apple") && code.is_some_and(|code| unknown.contains(&code))
}

fn plainly(file: &File) -> io::Result<()> {
    // SAFETY: the descriptor is open, and the call takes no pointers.
    match unsafe { libc::fsync(file.as_raw_fd()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Tells the system to start writing a file's content to the disk, without
/// waiting and without promise.
pub fn start_writeback(file: &File) {
    #[cfg(target_os = "linux")]
    // SAFETY: the descriptor is open. Failure is of no matter: the sync follows.
    unsafe {
        libc::sync_file_range(file.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = file; // other systems have no such call
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::TempDir;

    #[test]
    fn files_and_directories_are_synced_both_ways() {
        let directory = TempDir::new();
        let path = directory.join("f");
        std::fs::write(&path, "content").unwrap();
        for path in [path.as_path(), path.parent().unwrap()] {
            let file = File::open(path).unwrap();
            sync(&file).unwrap();
            plainly(&file).unwrap();
            start_writeback(&file);
        }
    }

    #[test]
    fn what_has_no_content_to_sync_is_an_error() {
        let (reader, _writer) = io::pipe().unwrap();
        let file = File::from(std::os::fd::OwnedFd::from(reader));
        assert!(sync(&file).is_err());
        assert!(plainly(&file).is_err());
    }
}
