//! Files that are appended to.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

pub(in crate::sys) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

pub(in crate::sys) fn open_existing(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).open(path)
}
