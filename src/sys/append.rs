//! Files that are appended to for years, such as a log.

use std::fs::File;
use std::io;
use std::path::Path;

use super::file::not_regular;
use super::platform::append as platform;

/// Opens a file to append to, and creates it for owner and group. A symbolic link is
/// not followed, so that nobody who may write to the folder can have another file
/// written; and nothing but a regular file is opened, lest a FIFO or device stall us.
pub fn open(path: &Path) -> io::Result<File> {
    let file = platform::open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(not_regular()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn appends_to_regular_files_alone() {
        let name = format!("emailrelay-append-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join("log");
        for text in ["one\n", "two\n"] {
            open(&path).unwrap().write_all(text.as_bytes()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        assert!(open(&folder).is_err());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
