//! Files that are read at start and again whenever they have changed, though the
//! process may have given up the privileges that this takes.
//!
//! Whatever is opened here before the process is divided may be opened later,
//! too: by the process itself where it may, or else by its monitor, which has the
//! list of them. Nothing is added to the list later. Log files are on a list of
//! their own, each as a function that gives its name of the moment.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use super::append;
use super::platform::monitor::Client;
use super::platform::open::open_for_reading;

/// The most files that are remembered.
pub const FILES_MAX: usize = 1000;

/// The most log files.
pub const LOGS_MAX: usize = 100;

/// Gives the path of a log file at this moment. It runs in the monitor as well,
/// and must depend on nothing but the clock.
pub type PathNow = Box<dyn Fn() -> PathBuf + Send + Sync>;

/// What may be opened again.
#[derive(Default)]
pub(in crate::sys) struct List {
    /// For reading.
    pub(in crate::sys) files: Vec<PathBuf>,
    /// For appending.
    pub(in crate::sys) logs: Vec<PathNow>,
    /// Folders of files that are read again without being on the list.
    pub(in crate::sys) folders: Vec<PathBuf>,
}

struct Desk {
    list: List,
    /// Whether what is opened is still added to the list.
    is_settled: bool,
    monitor: Option<Client>,
}

static DESK: RwLock<Desk> = RwLock::new(Desk {
    list: List {
        files: Vec::new(),
        logs: Vec::new(),
        folders: Vec::new(),
    },
    is_settled: false,
    monitor: None,
});

/// A log file, by its place on the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogFile(u16);

/// Opens a regular file for reading; what is something else is refused with
/// `InvalidInput` and does not make this wait. Blocks while the disk is slow.
pub fn open(path: &Path) -> io::Result<File> {
    match open_for_reading(path) {
        Ok(file) => {
            remember(|list| &mut list.files, path);
            Ok(file)
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => ask(path, error),
        Err(error) => Err(error),
    }
}

/// The same for a file that is not to be put on the list: only what this process
/// may read itself can be read again.
pub fn open_unlisted(path: &Path) -> io::Result<File> {
    let file = open_for_reading(path)?;
    if let Some(folder) = path.parent() {
        remember(|list| &mut list.folders, folder);
    }
    Ok(file)
}

/// The folders of all files that may be opened again, and of log files, as the paths
/// have them and as they really are.
pub fn folders() -> (Vec<PathBuf>, Vec<PathBuf>) {
    let desk = DESK.read().unwrap_or_else(PoisonError::into_inner);
    let both = |path: &Path| {
        let real = path.canonicalize().ok();
        let folder = path.parent().map(Path::to_owned);
        let real = real.and_then(|real| real.parent().map(Path::to_owned));
        [folder, real].into_iter().flatten()
    };
    let files = desk.list.files.iter().flat_map(|path| both(path));
    let read = files.chain(desk.list.folders.iter().cloned());
    let logs = desk.list.logs.iter().flat_map(|path_now| both(&path_now()));
    (read.collect(), logs.collect())
}

/// Asks about what the path leads to.
pub fn metadata(path: &Path) -> io::Result<Metadata> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            ask(path, error)?.metadata()
        }
        result => result,
    }
}

/// Puts a log file on the list, before the process is divided.
pub fn log_file(path_now: PathNow) -> io::Result<LogFile> {
    let mut desk = DESK.write().unwrap_or_else(PoisonError::into_inner);
    if desk.is_settled || desk.list.logs.len() >= LOGS_MAX {
        return Err(io::Error::other("too late or too many for a log file"));
    }
    let place = u16::try_from(desk.list.logs.len()).map_err(io::Error::other)?;
    desk.list.logs.push(path_now);
    Ok(LogFile(place))
}

impl LogFile {
    /// Opens the file under its name of the moment, for writing at its end. Blocks
    /// while the disk is slow.
    pub fn open(self) -> io::Result<File> {
        let desk = DESK.read().unwrap_or_else(PoisonError::into_inner);
        let path_now = desk.list.logs.get(usize::from(self.0));
        let path = path_now.ok_or(io::ErrorKind::NotFound)?();
        match (append::open(&path), &desk.monitor) {
            (Err(error), Some(monitor)) if error.kind() == io::ErrorKind::PermissionDenied => {
                monitor.append(self.0)
            }
            (result, _) => result,
        }
    }
}

/// Adds nothing more to the list, has the monitor open what this process may not,
/// and gives a copy of what is on the list but for the log files, which it moves
/// where there is no monitor to ask.
#[cfg_attr(windows, cfg(test))]
pub(in crate::sys) fn settle(monitor: Option<Client>) -> List {
    let mut desk = DESK.write().unwrap_or_else(PoisonError::into_inner);
    desk.is_settled = true;
    desk.monitor = monitor;
    match desk.monitor {
        Some(_) => List::default(),
        None => std::mem::take(&mut desk.list),
    }
}

fn remember(paths: fn(&mut List) -> &mut Vec<PathBuf>, path: &Path) {
    let mut desk = DESK.write().unwrap_or_else(PoisonError::into_inner);
    let is_settled = desk.is_settled;
    let paths = paths(&mut desk.list);
    if !is_settled && paths.len() < FILES_MAX && !paths.iter().any(|known| known == path) {
        paths.push(path.to_owned());
    }
}

/// Has the monitor open the file; without one, or where it may not either, what
/// the system said to us is the error.
fn ask(path: &Path, error: io::Error) -> io::Result<File> {
    let desk = DESK.read().unwrap_or_else(PoisonError::into_inner);
    let place = desk.list.files.iter().position(|known| known == path);
    let place = place.and_then(|place| u16::try_from(place).ok());
    match (&desk.monitor, place) {
        (Some(monitor), Some(place)) => monitor.read(place),
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;
    use crate::sys::testing::{TempDir, alone};

    #[test]
    fn what_is_no_file_is_refused_at_once() {
        let folder = TempDir::new();
        assert_eq!(
            open(folder.path()).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
        assert!(metadata(folder.path()).unwrap().is_dir());
        let missing = folder.join("none");
        assert_eq!(open(&missing).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn files_are_remembered_once_and_until_settled() {
        let name = "sys::reopen::tests::files_are_remembered_once_and_until_settled";
        alone(name, &[], || {
            let folder = TempDir::new();
            let (one, other) = (folder.write("one", "1"), folder.write("other", "2"));
            open(&one).unwrap();
            open(&one).unwrap();
            let log = folder.join("log");
            let place = log_file(Box::new(move || log.clone())).unwrap();
            place.open().unwrap().write_all(b"a").unwrap();
            place.open().unwrap().write_all(b"b").unwrap();
            let mut text = String::new();
            open(&folder.join("log"))
                .unwrap()
                .read_to_string(&mut text)
                .unwrap();
            assert_eq!(text, "ab");
            let list = settle(None);
            open(&other).unwrap();
            assert_eq!(list.files, [one, folder.join("log")]);
            assert_eq!(list.logs.len(), 1);
            assert!(settle(None).files.is_empty());
            assert!(log_file(Box::new(PathBuf::new)).is_err());
        });
    }
}
