//! Files that are appended to.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// For owner and group, under the umask of the process.
const MODE: u32 = 0o660;

pub(in crate::sys) fn open(path: &Path) -> io::Result<File> {
    options().create(true).mode(MODE).open(path)
}

pub(in crate::sys) fn open_existing(path: &Path) -> io::Result<File> {
    options().open(path)
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options
        .append(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NOCTTY | libc::O_NONBLOCK);
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::TempDir;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_not_followed() {
        let folder = TempDir::new();
        let link = folder.join("log");
        symlink(folder.join("elsewhere"), &link).unwrap();
        assert!(open(&link).is_err());
        assert!(!folder.join("elsewhere").exists());
    }
}
