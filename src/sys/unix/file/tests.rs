use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::process::Command;

use super::*;
use crate::sys::testing::{TempDir, await_that};

fn directory() -> (TempDir, Directory) {
    let folder = TempDir::new();
    let directory = Directory::open(folder.path()).unwrap();
    (folder, directory)
}

#[test]
fn creates_only_what_does_not_exist() {
    let (folder, directory) = directory();
    let mut file = directory.create_new(b"a", 0o660).unwrap();
    file.write_all(b"text").unwrap();
    let again = directory.create_new(b"a", 0o660).unwrap_err();
    assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
    symlink("elsewhere", folder.join("b")).unwrap();
    let through = directory.create_new(b"b", 0o660).unwrap_err();
    assert_eq!(through.kind(), io::ErrorKind::AlreadyExists);
    assert!(!folder.join("elsewhere").exists());
}

#[test]
fn opens_nothing_but_regular_files() {
    let (folder, directory) = directory();
    std::fs::write(folder.join("file"), "text").unwrap();
    std::fs::create_dir(folder.join("directory")).unwrap();
    symlink("file", folder.join("link")).unwrap();
    let fifo = Command::new("mkfifo").arg(folder.join("fifo")).status();
    assert!(fifo.unwrap().success());
    for name in [
        "directory",
        "link",
        "fifo",
        "none",
        "",
        "a/b",
        "/etc/passwd",
        "a\0b",
    ] {
        assert!(directory.open_read(name.as_bytes()).is_err(), "{name:?}");
        assert!(directory.open_append(name.as_bytes()).is_err(), "{name:?}");
    }
    let mut text = String::new();
    let mut file = directory.open_read(b"file").unwrap();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "text");
    let kinds = [
        ("file", Kind::File),
        ("directory", Kind::Directory),
        ("link", Kind::Symlink),
        ("fifo", Kind::Other),
    ];
    for (name, kind) in kinds {
        assert_eq!(directory.metadata(name.as_bytes()).unwrap().kind, kind);
    }
}

#[test]
fn subdirectories_are_not_reached_through_links() {
    let (folder, directory) = directory();
    std::fs::create_dir(folder.join("real")).unwrap();
    std::fs::write(folder.join("real/x"), "").unwrap();
    symlink("real", folder.join("link")).unwrap();
    let real = directory.open_subdirectory(b"real").unwrap();
    assert!(real.metadata(b"x").is_ok());
    for name in ["link", "..", ".", "real/.."] {
        assert!(directory.open_subdirectory(name.as_bytes()).is_err());
    }
}

#[test]
fn stays_the_directory_it_was() {
    let (folder, directory) = directory();
    let inner = folder.join("spool");
    std::fs::create_dir(&inner).unwrap();
    let spool = Directory::open(&inner).unwrap();
    std::fs::rename(&inner, folder.join("moved")).unwrap();
    symlink("/etc", &inner).unwrap();
    spool.create_new(b"x", 0o600).unwrap();
    assert!(folder.join("moved/x").exists());
    drop(directory);
}

#[test]
fn renames_without_replacing() {
    let (_folder, directory) = directory();
    directory.create_new(b"a", 0o660).unwrap();
    directory.create_new(b"b", 0o660).unwrap();
    let taken = directory.rename_to_new(b"a", b"b").unwrap_err();
    assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
    directory.rename_to_new(b"a", b"c").unwrap();
    let gone = directory.rename_to_new(b"a", b"d").unwrap_err();
    assert_eq!(gone.kind(), io::ErrorKind::NotFound);
    directory.rename(b"c", b"b").unwrap();
    let names: Vec<_> = directory.names().unwrap().map(Result::unwrap).collect();
    assert_eq!(names, [b"b"]);
    directory.link(b"b", b"e").unwrap();
    assert_eq!(directory.metadata(b"e").unwrap().links, 2);
    assert!(directory.link(b"b", b"e").is_err());
    directory.remove(b"b").unwrap();
    directory.sync().unwrap();
}

#[test]
fn one_file_has_one_identity() {
    let (_folder, directory) = directory();
    let file = directory.create_new(b"a", 0o600).unwrap();
    let open = Metadata::of(&file).unwrap();
    assert_eq!(open, directory.metadata(b"a").unwrap());
    assert_eq!((open.mode, open.links, open.octets), (0o600, 1, 0));
    directory.create_new(b"b", 0o600).unwrap();
    assert_ne!(open.identity, directory.metadata(b"b").unwrap().identity);
}

// A child that another test is just starting has copies of all descriptors, and
// with them what locks and leases go by, for as long as it takes.
#[test]
fn a_lock_keeps_others_out() {
    let (_folder, directory) = directory();
    let first = directory.create_new(b"a", 0o600).unwrap();
    let second = directory.open_read(b"a").unwrap();
    let third = directory.open_read(b"a").unwrap();
    assert!(try_lock(&first).unwrap());
    assert!(!try_lock(&second).unwrap());
    assert!(!try_lock_shared(&second).unwrap());
    drop(first);
    await_that("the first has gone", || try_lock_shared(&second).unwrap());
    assert!(try_lock_shared(&third).unwrap());
    drop(third);
    await_that("the third has gone", || try_lock(&second).unwrap());
}

#[cfg(target_os = "linux")]
#[test]
fn tells_whether_a_file_is_open_elsewhere() {
    let (_folder, directory) = directory();
    drop(directory.create_new(b"a", 0o600).unwrap());
    let mine = directory.open_read(b"a").unwrap();
    // Some file systems grant no leases: then there is nothing to test.
    if is_open_elsewhere(&mine).is_some() {
        let is_mine_alone = || is_open_elsewhere(&mine) == Some(false);
        await_that("nobody has it any more", is_mine_alone);
        let other = directory.open_read(b"a").unwrap();
        assert_eq!(is_open_elsewhere(&mine), Some(true));
        drop(other);
        await_that("the other has gone", is_mine_alone);
    }
}
