use std::fs;
use std::net::ToSocketAddrs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use super::*;
use crate::sys::testing::{TempDir, alone};

/// Whether this kernel has Landlock.
fn skip_without_landlock() -> bool {
    // SAFETY: with this flag the call takes no structure.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<u8>(),
            0usize,
            1,
        )
    };
    if version < 1 {
        crate::sys::skip::skip("the kernel has no Landlock");
    }
    version < 1
}

#[test]
fn what_is_not_in_use_is_out_of_bounds() {
    if skip_without_landlock() {
        return;
    }
    let name = "sys::unix::sandbox::tests::what_is_not_in_use_is_out_of_bounds";
    alone(name, &[], || {
        let base = TempDir::new();
        // By a thread of its own, as nobody inside can remove the directory.
        thread::scope(|scope| scope.spawn(|| go_in(&base)).join().unwrap());
    });
}

fn go_in(base: &TempDir) {
    let path = |name: &str| base.join(name);
    for folder in ["read", "write", "remove", "other"] {
        fs::create_dir(path(folder)).unwrap();
        fs::write(path(folder).join("f"), "x").unwrap();
    }
    let folders = Folders {
        read: vec![path("read"), path("missing")],
        write: vec![path("write")],
        remove: vec![path("remove")],
    };
    enter(&folders).unwrap();
    let denied = |result: io::Result<()>| {
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    };
    let read = |folder: &str| fs::read(path(folder).join("f")).map(drop);
    let write = |folder: &str| fs::write(path(folder).join("f"), "y");
    let remove = |folder: &str| fs::remove_file(path(folder).join("f"));
    read("read").unwrap();
    denied(write("read"));
    denied(remove("read"));
    read("write").unwrap();
    write("write").unwrap();
    fs::create_dir(path("write/d")).unwrap();
    fs::rename(path("write/f"), path("write/d/f")).unwrap();
    fs::remove_file(path("write/d/f")).unwrap();
    denied(write("remove"));
    remove("remove").unwrap();
    for step in [read("other"), write("other"), remove("other")] {
        denied(step);
    }
    denied(fs::read(PathBuf::from("/proc/self/environ")).map(drop));
    assert!(Command::new("/bin/true").status().is_err(), "no programs");
    // SAFETY: the call takes no pointers.
    let raw = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW, 0) };
    assert_eq!(raw, -1);
    let address = thread::spawn(|| ("localhost", 25).to_socket_addrs());
    assert!(
        address.join().unwrap().is_ok(),
        "names are looked up by threads"
    );
    let status = fs::read_to_string("/etc/hostname");
    assert!(status.is_ok() || !PathBuf::from("/etc/hostname").exists());
}
