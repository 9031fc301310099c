//! Names that change while others may have the file open: virus scanners and
//! indexers do, for a moment.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::windows::ffi::OsStrExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::ffi;

/// How often something is tried while somebody is in the way.
const TRIES_MAX: u32 = 8;

/// How long after the first try comes the second; each pause is twice as long as the
/// one before, which makes a quarter of a second in all.
const FIRST_PAUSE: Duration = Duration::from_millis(2);

/// The most UTF-16 units of a path that the system takes as it is, with room for the
/// name of a file.
const PLAIN_PATH_MAX: usize = 240;

/// Renames on one volume, replacing what has the new name. It is on the disk when
/// this returns.
pub(super) fn replace(from: &Path, to: &Path) -> io::Result<()> {
    let is_synced = patiently(
        || match move_file(from, to, ffi::MOVEFILE_REPLACE_EXISTING) {
            // Somebody has the target open. Newer file systems can replace it all the same,
            // which the standard library asks of them, but not to wait for the disk.
            Err(error) if error.raw_os_error() == Some(ffi::ERROR_ACCESS_DENIED) => {
                fs::rename(from, to).map(|()| false)
            }
            result => result.map(|()| true),
        },
    )?;
    match is_synced {
        true => Ok(()),
        // By itself, since there is nothing any more that could be renamed again.
        false => patiently(|| OpenOptions::new().append(true).open(to)?.sync_all()),
    }
}

/// The same, but fails with `AlreadyExists` where something has the new name.
pub(super) fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    patiently(|| move_file(from, to, 0))
}

/// Removes a file, or what is left of one: if somebody has it open it goes when that
/// is closed.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    patiently(|| fs::remove_file(path).map_err(|error| pending_as(error, io::ErrorKind::NotFound)))
}

/// Takes a file that was removed, but is still open somewhere, for an error of that
/// kind. To be called at once after the call that failed.
pub(super) fn pending_as(error: io::Error, kind: io::ErrorKind) -> io::Error {
    // SAFETY: the call takes no arguments.
    let status = unsafe { ffi::RtlGetLastNtStatus() };
    match error.raw_os_error() {
        Some(ffi::ERROR_ACCESS_DENIED) if status == ffi::STATUS_DELETE_PENDING => kind.into(),
        _ => error,
    }
}

/// Tries again for a while what somebody else may be in the way of.
fn patiently<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let mut pause = FIRST_PAUSE;
    for _ in 1..TRIES_MAX {
        match attempt() {
            Err(error) if may_pass(&error) => thread::sleep(pause),
            result => return result,
        }
        pause *= 2;
    }
    attempt()
}

/// Whether it may work later. That something is not permitted looks the same.
fn may_pass(error: &io::Error) -> bool {
    let passing = [
        ffi::ERROR_ACCESS_DENIED,
        ffi::ERROR_SHARING_VIOLATION,
        ffi::ERROR_LOCK_VIOLATION,
    ];
    error
        .raw_os_error()
        .is_some_and(|code| passing.contains(&code))
}

fn move_file(from: &Path, to: &Path, flags: u32) -> io::Result<()> {
    let (from, to) = (wide(from), wide(to));
    let flags = flags | ffi::MOVEFILE_WRITE_THROUGH;
    // SAFETY: both paths are NUL-ended and outlive the call.
    match unsafe { ffi::MoveFileExW(from.as_ptr(), to.as_ptr(), flags) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// An absolute path as the system takes it, with the prefix that lifts its limit for
/// the length of paths where that is needed.
fn wide(path: &Path) -> Vec<u16> {
    let plain: Vec<u16> = path.as_os_str().encode_wide().collect();
    let has_drive = plain.get(1) == Some(&u16::from(b':'));
    let prefix = match has_drive && plain.len() > PLAIN_PATH_MAX {
        true => "\\\\?\\",
        false => "",
    };
    prefix.encode_utf16().chain(plain).chain([0]).collect()
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::windows::fs::OpenOptionsExt;

    use super::*;
    use crate::sys::testing::{TempDir, await_that};

    #[test]
    fn replaces_or_refuses_to() {
        let folder = TempDir::new();
        let (from, to) = (folder.write("from", "new"), folder.write("to", "old"));
        let error = rename_to_new(&from, &to).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        replace(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(&to).unwrap(), "new");
        rename_to_new(&to, &from).unwrap();
        assert_eq!(
            rename_to_new(&to, &from).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        assert_eq!(fs::read_to_string(&from).unwrap(), "new");
    }

    #[test]
    fn long_paths_are_no_hindrance() {
        let folder = TempDir::new();
        let deep = folder.join("d".repeat(120)).join("e".repeat(120));
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("a"), "text").unwrap();
        rename_to_new(&deep.join("a"), &deep.join("b")).unwrap();
        assert_eq!(fs::read_to_string(deep.join("b")).unwrap(), "text");
    }

    #[test]
    fn waits_until_others_are_out_of_the_way() {
        let folder = TempDir::new();
        let (from, to) = (folder.write("from", "new"), folder.write("to", "old"));
        let alone = |path: &Path| {
            OpenOptions::new()
                .read(true)
                .share_mode(0)
                .open(path)
                .unwrap()
        };
        let scanner = alone(&from);
        assert!(may_pass(
            &rename_to_new(&from, &folder.join("free")).unwrap_err()
        ));
        assert!(may_pass(&remove(&from).unwrap_err()));
        drop(scanner);
        await_that("it has been replaced", || {
            let scanner = alone(&from);
            let replaced = thread::scope(|scope| {
                scope.spawn(|| {
                    thread::sleep(4 * FIRST_PAUSE);
                    drop(scanner);
                });
                replace(&from, &to)
            });
            // The other thread may not have had its turn for as long as we wait.
            replaced
                .inspect_err(|error| assert!(may_pass(error)))
                .is_ok()
        });
        assert_eq!(fs::read_to_string(&to).unwrap(), "new");
    }

    #[test]
    fn what_was_removed_is_gone_though_it_is_open() {
        let folder = TempDir::new();
        let path = folder.write("file", "text");
        let held = File::open(&path).unwrap();
        remove(&path).unwrap();
        match File::open(&path).map_err(|error| pending_as(error, io::ErrorKind::NotFound)) {
            Ok(_) => eprintln!("wine opens files that were removed"),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::NotFound),
        }
        drop(held);
        assert!(!path.exists());
    }
}
