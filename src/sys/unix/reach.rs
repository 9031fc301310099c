//! Whether a user could put another file in the place of one.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use crate::sys::privileges::User;

/// The most symbolic links on the way to a file.
const LINKS_MAX: usize = 40;

/// Whether the user can change nothing on the way to a file: no folder, no link
/// and not the name itself. Goes the way that the system would go, link by link.
/// A file that does not exist yet is out of reach where its folder is.
pub(in crate::sys) fn is_out_of_reach(path: &Path, user: &User) -> io::Result<bool> {
    let mut left: VecDeque<OsString> = parts(path);
    let mut at = PathBuf::from("/");
    let mut links = 0;
    while let Some(name) = left.pop_front() {
        if name == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&name);
        let entry = match fs::symlink_metadata(&next) {
            Ok(entry) => Some(entry),
            Err(error) if error.kind() == io::ErrorKind::NotFound && left.is_empty() => None,
            Err(error) => return Err(error),
        };
        if may_replace(user, &fs::symlink_metadata(&at)?, entry.as_ref()) {
            return Ok(false);
        }
        if entry.is_some_and(|entry| entry.is_symlink()) {
            links += 1;
            if links > LINKS_MAX {
                return Err(io::Error::from_raw_os_error(libc::ELOOP));
            }
            let target = fs::read_link(&next)?;
            if target.is_absolute() {
                at = PathBuf::from("/");
            }
            for part in parts(&target).into_iter().rev() {
                left.push_front(part);
            }
        } else {
            at = next;
        }
    }
    Ok(true)
}

fn parts(path: &Path) -> VecDeque<OsString> {
    let named = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    named.collect()
}

/// Whether the user can rename or replace that entry of the folder.
fn may_replace(user: &User, folder: &Metadata, entry: Option<&Metadata>) -> bool {
    if folder.uid() == user.uid {
        return true;
    }
    let mode = folder.mode();
    let may_write = mode & 0o002 != 0 || (mode & 0o020 != 0 && user.groups.contains(&folder.gid()));
    let is_sticky = mode & 0o1000 != 0;
    // In a sticky folder only what is one's own, or is not there yet.
    may_write && (!is_sticky || entry.is_none_or(|entry| entry.uid() == user.uid))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;
    use crate::sys::testing::TempDir;

    fn user(uid: u32) -> User {
        User {
            name: "x".to_owned(),
            uid,
            gid: uid,
            groups: vec![uid, 4242],
            group: "x".to_owned(),
        }
    }

    fn folder(path: &Path, mode: u32) {
        fs::create_dir(path).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_the_user_may_replace_is_within_reach() {
        let base = TempDir::new();
        // SAFETY: the call takes no arguments and cannot fail.
        let own = unsafe { libc::geteuid() };
        let stranger = own + 1000;
        let path = |name: &str| base.join(name);
        folder(&path("safe"), 0o755);
        folder(&path("open"), 0o777);
        folder(&path("sticky"), 0o1777);
        for folder in ["safe", "open", "sticky"] {
            fs::write(path(folder).join("f"), "").unwrap();
        }
        let reaches = |name: &str, uid| !is_out_of_reach(&path(name), &user(uid)).unwrap();
        assert!(!reaches("safe/f", stranger) && !reaches("safe/new", stranger));
        assert!(reaches("safe/f", own) && reaches("safe/new", own));
        assert!(reaches("open/f", stranger) && reaches("open/new", stranger));
        assert!(!reaches("sticky/f", stranger), "it is not the user's own");
        assert!(reaches("sticky/new", stranger) && reaches("sticky/f", own));
        assert!(!reaches("open/../safe/f", stranger) || own != 0);
        assert!(is_out_of_reach(&path("none/f"), &user(stranger)).is_err());
    }

    #[test]
    fn links_are_followed_step_by_step() {
        let base = TempDir::new();
        // SAFETY: as above.
        let stranger = unsafe { libc::geteuid() } + 1000;
        let path = |name: &str| base.join(name);
        folder(&path("safe"), 0o755);
        folder(&path("open"), 0o777);
        fs::write(path("safe/f"), "").unwrap();
        fs::write(path("open/f"), "").unwrap();
        symlink("f", path("safe/to-f")).unwrap();
        symlink("../open/f", path("safe/to-open")).unwrap();
        symlink(path("safe/f"), path("open/to-safe")).unwrap();
        symlink(path("open/to-safe"), path("safe/by-open")).unwrap();
        symlink("loop", path("safe/loop")).unwrap();
        let reaches = |name: &str| is_out_of_reach(&path(name), &user(stranger)).map(|out| !out);
        assert!(!reaches("safe/to-f").unwrap());
        assert!(reaches("safe/to-open").unwrap());
        assert!(reaches("safe/by-open").unwrap(), "the link in the middle");
        assert!(reaches("safe/loop").is_err());
    }

    #[test]
    fn groups_count() {
        // SAFETY: as above.
        let own = unsafe { libc::geteuid() };
        if own != 0 {
            crate::sys::skip::skip("not root");
            return;
        }
        let base = TempDir::new();
        let path = base.join("shared");
        folder(&path, 0o775);
        let reaches = || !is_out_of_reach(&path.join("f"), &user(1000)).unwrap();
        assert!(!reaches());
        chown(&path, None, Some(4242)).unwrap();
        assert!(reaches());
    }
}
