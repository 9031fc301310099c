//! Landlock (landlock(7)): what may be done with files, by folder.

use std::fs::File;
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::sys::sandbox::Folders;

// Rights, as `<linux/landlock.h>` numbers them.
const EXECUTE: u64 = 1 << 0;
const WRITE_FILE: u64 = 1 << 1;
const READ_FILE: u64 = 1 << 2;
const READ_DIR: u64 = 1 << 3;
const REMOVE_DIR: u64 = 1 << 4;
const REMOVE_FILE: u64 = 1 << 5;
const MAKE_CHAR: u64 = 1 << 6;
const MAKE_DIR: u64 = 1 << 7;
const MAKE_REG: u64 = 1 << 8;
const MAKE_SOCK: u64 = 1 << 9;
const MAKE_FIFO: u64 = 1 << 10;
const MAKE_BLOCK: u64 = 1 << 11;
const MAKE_SYM: u64 = 1 << 12;
/// To rename or link from one folder to another.
const REFER: u64 = 1 << 13;
const TRUNCATE: u64 = 1 << 14;
const IOCTL_DEV: u64 = 1 << 15;

/// All rights of the first version.
const FIRST: u64 = EXECUTE
    | WRITE_FILE
    | READ_FILE
    | READ_DIR
    | REMOVE_DIR
    | REMOVE_FILE
    | MAKE_CHAR
    | MAKE_DIR
    | MAKE_REG
    | MAKE_SOCK
    | MAKE_FIFO
    | MAKE_BLOCK
    | MAKE_SYM;

const READ: u64 = READ_FILE | READ_DIR;
const WRITE: u64 =
    READ | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | REFER | TRUNCATE;

/// What the C library reads to look names up, to tell the time of the zone, and to
/// load its own parts for either; and the authorities that systems trust.
const SYSTEM: [&str; 12] = [
    "/etc",
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/share",
    "/usr/local/etc/ssl",
    "/usr/local/share",
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/run/NetworkManager",
    "/dev/null",
];

const CREATE_RULESET_VERSION: u32 = 1;
const RULE_PATH_BENEATH: u32 = 1;

/// `struct landlock_ruleset_attr`, as the first version has it.
#[repr(C)]
struct RulesetAttr {
    handled_access_fs: u64,
}

/// `struct landlock_path_beneath_attr`.
#[repr(C, packed)]
struct PathBeneathAttr {
    allowed_access: u64,
    parent_fd: i32,
}

pub(super) fn restrict(folders: &Folders) -> io::Result<()> {
    let handled = handled(version()?);
    let attr = RulesetAttr {
        handled_access_fs: handled,
    };
    // SAFETY: the pointer is to a live structure of that size.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            &raw const attr,
            mem::size_of::<RulesetAttr>(),
            0,
        )
    };
    let fd = i32::try_from(succeeded(fd)?).map_err(io::Error::other)?;
    // SAFETY: the descriptor is new, and nobody else knows it.
    let rules = unsafe { OwnedFd::from_raw_fd(fd) };
    for path in SYSTEM.iter().map(PathBuf::from).chain(folders.read.clone()) {
        allow(&rules, &path, READ & handled)?;
    }
    for path in &folders.write {
        allow(&rules, path, WRITE & handled)?;
    }
    for path in &folders.remove {
        allow(&rules, path, (READ | REMOVE_FILE) & handled)?;
    }
    // SAFETY: the call takes no pointers.
    let result = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, rules.as_raw_fd(), 0) };
    succeeded(result).map(drop)
}

/// Which version the kernel has.
fn version() -> io::Result<i64> {
    let none: *const RulesetAttr = std::ptr::null();
    // SAFETY: with this flag the call takes no structure.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            none,
            0usize,
            CREATE_RULESET_VERSION,
        )
    };
    succeeded(version).map_err(|_| {
        let text = "the kernel has no Landlock, or has it switched off";
        io::Error::new(io::ErrorKind::Unsupported, text)
    })
}

/// What a kernel of that version can restrict.
fn handled(version: i64) -> u64 {
    let more = [(2, REFER), (3, TRUNCATE), (5, IOCTL_DEV)];
    let known = more.iter().filter(|(since, _)| *since <= version);
    known.fold(FIRST, |rights, (_, right)| rights | right)
}

fn allow(rules: &OwnedFd, path: &Path, rights: u64) -> io::Result<()> {
    let opened = File::options()
        .read(true)
        .custom_flags(libc::O_PATH)
        .open(path);
    let folder = match opened {
        Ok(folder) => folder,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        // What we may not even look at is the monitor's to open.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
        Err(error) => return Err(error),
    };
    // What is no folder has none of the rights of one.
    let of_a_file = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV;
    let rights = match folder.metadata()?.is_dir() {
        true => rights,
        false => (rights | WRITE_FILE) & of_a_file,
    };
    let attr = PathBeneathAttr {
        allowed_access: rights,
        parent_fd: folder.as_raw_fd(),
    };
    // SAFETY: the pointer is to a live structure of the type that the rule has.
    let result = unsafe {
        libc::syscall(
            libc::SYS_landlock_add_rule,
            rules.as_raw_fd(),
            RULE_PATH_BENEATH,
            &raw const attr,
            0,
        )
    };
    succeeded(result).map(drop)
}

#[allow(clippy::useless_conversion)] // the type differs between systems
fn succeeded(result: libc::c_long) -> io::Result<i64> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(result.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_kernel_is_asked_for_rights_that_it_does_not_know() {
        for (version, highest) in [(1, MAKE_SYM), (2, REFER), (3, TRUNCATE), (4, TRUNCATE)] {
            assert_eq!(handled(version), highest * 2 - 1, "{version}");
        }
        assert_eq!(handled(5), IOCTL_DEV * 2 - 1);
        assert_eq!(handled(99), handled(5));
    }
}
