//! Files that are appended to for years, such as a log.

use std::fs::File;
use std::io;
use std::path::Path;

use super::file::not_regular;
use super::platform::append as platform;
use super::platform::open::check_creation;

/// Opens a file to append to, and creates it for owner and group. A symbolic link is
/// not followed, so that nobody who may write to the folder can have another file
/// written; and nothing but a regular file is opened, lest a FIFO or device stall us.
pub fn open(path: &Path) -> io::Result<File> {
    regular(platform::open(path)?)
}

/// Finds out whether [`open`] could succeed, and creates nothing: a file that is not
/// there needs a folder in which this process may create one (on Windows, any).
pub fn try_out(path: &Path) -> io::Result<()> {
    match platform::open_existing(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path.parent().ok_or(error)?;
            match folder.metadata()?.is_dir() {
                true => check_creation(folder),
                false => Err(io::ErrorKind::NotADirectory.into()),
            }
        }
        result => regular(result?).map(drop),
    }
}

fn regular(file: File) -> io::Result<File> {
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(not_regular()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::TempDir;
    use std::io::Write;

    #[test]
    fn what_is_tried_out_is_not_created() {
        let folder = TempDir::new();
        let path = folder.join("log");
        try_out(&path).unwrap();
        assert!(!path.exists());
        let error = try_out(&path.join("log")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn appends_to_regular_files_alone() {
        let folder = TempDir::new();
        let path = folder.join("log");
        for text in ["one\n", "two\n"] {
            open(&path).unwrap().write_all(text.as_bytes()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        assert!(open(folder.path()).is_err());
        assert!(try_out(folder.path()).is_err());
        try_out(&path).unwrap();
    }
}
