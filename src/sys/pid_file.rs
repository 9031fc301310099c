//! The file with the number of the process.
//!
//! It is locked for as long as the process that it names runs. So a file without a
//! lock is one that was left behind, whatever has its number now, and is replaced;
//! nothing that is not plainly such a file is.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::file::{Directory, Kind, Metadata, try_lock};
use super::process::set_umask;

/// Anybody may read the number, and only the owner write it.
const MODE: u32 = 0o644;

/// What new files never get while this one is made.
const UMASK: u32 = 0o022;

/// The most that is read of a file that is there already.
const OCTETS_MAX: u64 = 32;

/// How often it is tried again when others do the same at the same time.
const TRIES_MAX: usize = 10;

/// A pid file that is ours. Dropped by the process that it names, it is removed; one
/// that this has divided itself into only lets go of it, and the lock stays.
#[derive(Debug)]
pub struct PidFile {
    process: u32,
    directory: Directory,
    name: Vec<u8>,
    /// Holds the lock.
    file: File,
}

/// Why there is no pid file.
#[derive(Debug)]
pub enum Error {
    /// A file operation failed.
    Failed {
        /// What was attempted: a verb.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The program that wrote it is running.
    Running {
        /// The file.
        path: PathBuf,
        /// The number in it.
        process: Option<u32>,
    },
    /// There is something else in its place.
    Occupied {
        /// Its path.
        path: PathBuf,
        /// What it is.
        why: &'static str,
    },
}

impl PidFile {
    /// Writes the number of this process; a missing folder is made, but not one
    /// above it. Sets the umask for a moment, so call it before there are threads.
    pub fn write(path: &Path) -> Result<PidFile, Error> {
        let earlier = set_umask(UMASK);
        let result = write(path);
        set_umask(earlier);
        result
    }

    /// Removes it, unless it has been replaced.
    pub fn remove(&self) {
        if is_named(&self.directory, &self.name, &self.file) {
            // What cannot be removed is replaced by the next to start.
            let _ = self.directory.remove(&self.name);
        }
    }

    /// What has to stay open.
    #[cfg(unix)]
    pub(in crate::sys) fn descriptors(&self) -> [std::os::fd::RawFd; 2] {
        use std::os::fd::AsRawFd;
        [self.directory.raw(), self.file.as_raw_fd()]
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if self.process == std::process::id() {
            self.remove();
        }
    }
}

fn write(path: &Path) -> Result<PidFile, Error> {
    let fail = |what, source| Error::Failed {
        what,
        path: path.to_owned(),
        source,
    };
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(fail("write", io::ErrorKind::InvalidInput.into()));
    };
    let name = name.as_encoded_bytes().to_vec();
    let directory = open_folder(folder)?;
    for _ in 0..TRIES_MAX {
        let (file, is_new) = match directory.create_new(&name, MODE) {
            Ok(file) => (file, true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                match abandoned(&directory, &name, path)? {
                    Some(file) => (file, false),
                    None => continue,
                }
            }
            Err(error) => return Err(fail("create", error)),
        };
        // Another one may have taken a new file for one that was left behind.
        let is_ours = !is_new || try_lock(&file).map_err(|error| fail("lock", error))?;
        if !is_ours || !is_named(&directory, &name, &file) {
            continue;
        }
        if !is_new {
            directory
                .remove(&name)
                .map_err(|error| fail("replace", error))?;
            continue;
        }
        let mut pid_file = PidFile {
            process: std::process::id(),
            directory,
            name,
            file,
        };
        let text = format!("{}\n", pid_file.process);
        let written = pid_file.file.write_all(text.as_bytes());
        return written
            .map_err(|error| fail("write", error))
            .map(|()| pid_file);
    }
    Err(fail("create", io::ErrorKind::ResourceBusy.into()))
}

fn open_folder(folder: &Path) -> Result<Directory, Error> {
    let fail = |what, source| Error::Failed {
        what,
        path: folder.to_owned(),
        source,
    };
    match Directory::open(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            match fs::create_dir(folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(fail("create directory", error));
                }
                _ => {}
            }
            Directory::open(folder).map_err(|error| fail("open directory", error))
        }
        result => result.map_err(|error| fail("open directory", error)),
    }
}

/// The file that is there already, locked, if it was left behind; nothing if it
/// went away meanwhile.
fn abandoned(directory: &Directory, name: &[u8], path: &Path) -> Result<Option<File>, Error> {
    let fail = |source| Error::Failed {
        what: "open",
        path: path.to_owned(),
        source,
    };
    let occupied = |why| Error::Occupied {
        path: path.to_owned(),
        why,
    };
    let metadata = match directory.metadata(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        result => result.map_err(fail)?,
    };
    match metadata.kind {
        Kind::File if metadata.links > 1 => return Err(occupied("it has other names, too")),
        Kind::File => {}
        Kind::Symlink => return Err(occupied("it is a symbolic link")),
        Kind::Directory | Kind::Other => return Err(occupied("it is not a regular file")),
    }
    let mut file = match directory.open_read(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        result => result.map_err(fail)?,
    };
    let mut text = Vec::new();
    let read = (&mut file).take(OCTETS_MAX + 1).read_to_end(&mut text);
    read.map_err(fail)?;
    let Some(process) = number(&text) else {
        return Err(occupied(
            "it holds something else than the number of a process",
        ));
    };
    match try_lock(&file).map_err(fail)? {
        true => Ok(Some(file)),
        false => Err(Error::Running {
            path: path.to_owned(),
            process,
        }),
    }
}

/// The number in a pid file, nothing in an empty one; nothing at all if it is none.
#[allow(clippy::option_option)] // what a file holds, and whether it is one
fn number(text: &[u8]) -> Option<Option<u32>> {
    let text = std::str::from_utf8(text).ok()?.trim_ascii_end();
    match text {
        "" => Some(None),
        _ if !text.bytes().all(|octet| octet.is_ascii_digit()) => None,
        _ => text.parse().ok().map(Some),
    }
}

/// Whether the name in the directory still stands for that file.
fn is_named(directory: &Directory, name: &[u8], file: &File) -> bool {
    let named = directory.metadata(name).map(|metadata| metadata.identity);
    let own = Metadata::of(file).map(|metadata| metadata.identity);
    matches!((named, own), (Ok(named), Ok(own)) if named == own)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Failed { what, path, source } => {
                write!(
                    f,
                    "cannot {what} {}: {}",
                    path.display(),
                    super::reason(source)
                )
            }
            Error::Running { path, process } => {
                write!(f, "{}: the program is running already", path.display())?;
                match process {
                    Some(process) => write!(f, " as process {process}: stop that one first"),
                    None => write!(f, " or being started"),
                }
            }
            Error::Occupied { path, why } => write!(
                f,
                "{} is in the place of the pid file, and is not replaced as {why}: remove it or \
                 choose another path",
                path.display()
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Failed { source, .. } => Some(source),
            Error::Running { .. } | Error::Occupied { .. } => None,
        }
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::sys::testing::TempDir;

    fn own() -> String {
        format!("{}\n", std::process::id())
    }

    fn refusal(path: &Path) -> String {
        PidFile::write(path).unwrap_err().to_string()
    }

    #[test]
    fn holds_the_number_while_it_lives() {
        let base = TempDir::new();
        let path = base.join("run/relay.pid");
        let file = PidFile::write(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), own());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(&path), mode(&base.join("run"))), (0o644, 0o755));
        let text = refusal(&path);
        assert!(
            text.contains(&format!("as process {}", std::process::id())),
            "{text}"
        );
        drop(file);
        assert!(!path.exists());
        assert!(refusal(&base.join("a/b/c")).contains("cannot create directory"));
    }

    #[test]
    fn what_was_left_behind_is_replaced() {
        let base = TempDir::new();
        let path = base.join("relay.pid");
        // The first number is that of a process that is alive, but not ours.
        for text in ["1\n", "4194304\n", ""] {
            fs::write(&path, text).unwrap();
            let file = PidFile::write(&path).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), own());
            drop(file);
        }
    }

    #[test]
    fn nothing_else_is_touched() {
        let base = TempDir::new();
        let (path, other) = (base.join("relay.pid"), base.join("other"));
        fs::write(&other, "1\n").unwrap();
        symlink(&other, &path).unwrap();
        assert!(refusal(&path).contains("symbolic link"));
        fs::remove_file(&path).unwrap();
        fs::hard_link(&other, &path).unwrap();
        assert!(refusal(&path).contains("other names"));
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(refusal(&path).contains("not a regular file"));
        fs::remove_dir(&path).unwrap();
        for text in [
            "root:x:0:0::/:/bin/sh\n",
            "12 13\n",
            "-1\n",
            &"1".repeat(40),
        ] {
            fs::write(&path, text).unwrap();
            assert!(refusal(&path).contains("something else"), "{text}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(fs::read_to_string(&other).unwrap(), "1\n");
    }

    #[test]
    fn one_that_has_been_replaced_stays() {
        let base = TempDir::new();
        let path = base.join("relay.pid");
        let file = PidFile::write(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "1\n").unwrap();
        drop(file);
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\n");
    }
}
