//! Real directories: locks, links, FIFOs, and several users at once.
//!
//! A child that another test is just starting has copies of all descriptors, and
//! what is open somewhere is left alone: then it takes another look or two.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
#[cfg(unix)]
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use super::*;
use crate::store::commit::Commit;
#[cfg(unix)]
use crate::sys::file::{is_open_elsewhere, native_name};
use crate::sys::skip::skip;
use crate::sys::testing::{TempDir, await_that};

/// A spool directory that goes with its owner.
struct Scratch(TempDir);

impl Scratch {
    fn new() -> Scratch {
        Scratch(TempDir::new())
    }

    /// Makes a link or FIFO with the system's own program, which must be there.
    #[cfg(unix)]
    fn plant(&self, program: &[&str], name: &Path) {
        let (program, arguments) = program.split_first().unwrap();
        let mut command = Command::new(program);
        let status = command
            .args(arguments)
            .arg(name)
            .current_dir(self.0.path())
            .status();
        assert!(status.unwrap().success(), "{program} {name:?}");
    }

    /// A process that uses the directory, as far as locks are concerned.
    fn open(&self, seed: u64) -> Spool {
        Spool::open(self.0.path(), seed).unwrap()
    }

    /// Whether somebody may still open a file that was removed while it was open, as
    /// under wine.
    fn opens_what_is_removed(&self) -> bool {
        let path = self.0.write("probe", "");
        let _held = fs::File::open(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::File::open(&path).is_ok()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn a_message_comes_out_as_it_went_in() {
    let scratch = Scratch::new();
    let spool = scratch.open(1);
    let body: Vec<u8> = (0..3_000_000u32).map(|n| n as u8).collect();
    let mut writer = spool.create();
    body.chunks(65_536)
        .for_each(|chunk| writer.append(chunk).unwrap());
    let commit = Commit {
        writer,
        last: b"last".to_vec(),
        envelope: envelope(&["a@x"]),
    };
    let receipt = crate::store::commit(vec![commit]).remove(0).unwrap();
    assert_eq!(receipt.octets, 3_000_004);
    let path = spool.path_of(&receipt.id, Suffix::Content);
    assert_eq!(fs::metadata(path).unwrap().len(), 3_000_004);
    let mut locked = take(&spool, &receipt.id);
    assert_eq!(locked.content_size(), 3_000_004);
    let (mut read, mut buffer) = (Vec::new(), vec![0; 70_000]);
    loop {
        let count = locked.read(&mut buffer).unwrap();
        if count == 0 {
            break;
        }
        read.extend_from_slice(&buffer[..count]);
    }
    assert!(read == [&body[..], b"last"].concat());
    locked.delete().unwrap();
    spool.sync().unwrap();
    assert_eq!(scratch.names(), [""; 0]);
}

#[test]
fn the_spool_must_exist() {
    let error = Spool::open(Path::new("/nonexistent/spool"), 1)
        .err()
        .unwrap();
    let text = error.to_string();
    assert!(
        text.starts_with("cannot open directory /nonexistent/spool: "),
        "{text}"
    );
}

// Where open files cannot be replaced nobody can seem to have died.
#[cfg(unix)]
#[test]
fn locks_tell_the_living_from_the_dead() {
    let scratch = Scratch::new();
    let (living, other) = (scratch.open(1), scratch.open(2));
    let id = store(&living, b"text", &["a@x"]);
    let locked = take(&living, &id);
    let mut writer = living.create();
    writer.append(b"half").unwrap();
    let names = scratch.names();
    assert!(!other.recover().unwrap().has_changes());
    assert_eq!(scratch.names(), names);
    // The same files, but their owner has died: copies are nobody's.
    let busy = living.path_of(locked.id(), Suffix::EnvelopeBusy);
    for path in [busy, living.path_of(writer.id(), Suffix::Content)] {
        fs::copy(&path, path.with_extension("copy")).unwrap();
        fs::rename(path.with_extension("copy"), &path).unwrap();
    }
    fs::copy(living.path_of(&id, Suffix::Content), scratch.0.join("copy")).unwrap();
    fs::rename(scratch.0.join("copy"), living.path_of(&id, Suffix::Content)).unwrap();
    let (mut done, mut ready) = ((0, 0), Vec::new());
    await_that("both are put in order", || {
        let scan = other.scan().unwrap();
        done.0 += scan.report.recovered;
        done.1 += scan.report.removed;
        ready = scan.ready;
        done == (1, 1)
    });
    assert_eq!(ready, std::slice::from_ref(&id));
}

#[cfg(unix)]
#[test]
fn another_process_that_holds_the_content_is_noticed() {
    let scratch = Scratch::new();
    let spool = scratch.open(1);
    let id = store(&spool, b"text", &["a@x"]);
    let (ready, busy) = (
        spool.path_of(&id, Suffix::Envelope),
        spool.path_of(&id, Suffix::EnvelopeBusy),
    );
    fs::rename(&ready, &busy).unwrap();
    // A program that forwards without locks.
    let content = fs::File::open(spool.path_of(&id, Suffix::Content)).unwrap();
    let mut child = Command::new("sleep")
        .arg("1000")
        .stdin(content)
        .spawn()
        .unwrap();
    let held = spool.recover().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!held.has_changes());
    // On a file system that grants no leases it takes longer to be sure.
    let content = fs::File::open(spool.path_of(&id, Suffix::Content)).unwrap();
    if is_open_elsewhere(&content).is_some() {
        drop(content);
        await_that("it is ready again", || {
            spool.recover().unwrap().recovered == 1
        });
    }
}

#[cfg(unix)]
#[test]
fn a_link_at_the_next_name_is_passed_by() {
    let scratch = Scratch::new();
    let secret = scratch.0.join("secret");
    fs::write(&secret, "secret").unwrap();
    let spool = scratch.open(1);
    for target in ["secret", "not-there"] {
        let mut writer = spool.create();
        // Who reads the code may guess the name of the next message.
        let guessed = scratch.0.join(name(writer.id(), Suffix::Content));
        scratch.plant(&["ln", "-s", target], &guessed);
        writer.append(b"ours").unwrap();
        let used = scratch.0.join(name(writer.id(), Suffix::Content));
        assert_ne!(used, guessed);
        assert_eq!(fs::read(&used).unwrap(), b"ours");
        writer.discard();
        assert_eq!(fs::read_link(&guessed).unwrap(), Path::new(target));
    }
    assert_eq!(fs::read(&secret).unwrap(), b"secret");
    assert!(!scratch.0.join("not-there").exists());
}

#[cfg(unix)]
#[test]
fn planted_things_are_neither_followed_nor_touched() {
    let scratch = Scratch::new();
    let target = scratch.0.join("secret");
    fs::write(&target, "secret").unwrap();
    let spool = scratch.open(1);
    let ids = ["a", "b", "c", "d"].map(|stem| StoredId::parse(stem.as_bytes()).unwrap());
    let path = |number: usize, suffix| spool.path_of(&ids[number], suffix);
    scratch.plant(&["ln", "-s", "secret"], &path(0, Suffix::Envelope));
    let fifo = Command::new("mkfifo")
        .arg(path(1, Suffix::Envelope))
        .status();
    assert!(fifo.unwrap().success());
    fs::create_dir(path(2, Suffix::Envelope)).unwrap();
    fs::write(
        path(3, Suffix::Envelope),
        envelope(&["a@x"]).print().unwrap(),
    )
    .unwrap();
    scratch.plant(&["ln", "-s", "secret"], &path(3, Suffix::Content));
    scratch.plant(&["ln", "-s", "secret"], &path(0, Suffix::EnvelopeBusy));
    fs::hard_link(&target, path(1, Suffix::EnvelopeBusy)).unwrap();
    let scan = spool.scan().unwrap();
    assert_eq!(scan.ready, ids);
    assert_eq!((scan.report.left, scan.report.has_changes()), (2, false));
    for id in &ids {
        assert!(matches!(
            spool.lock(id).unwrap(),
            LockOutcome::Unreadable(_)
        ));
    }
    assert_eq!(fs::read(&target).unwrap(), b"secret");
    assert!(path(3, Suffix::EnvelopeBad).exists());
    for id in ids.iter().take(3) {
        assert!(fs::symlink_metadata(spool.path_of(id, Suffix::Envelope)).is_ok());
        assert!(matches!(spool.lock(id).unwrap(), LockOutcome::Gone));
    }
}

#[cfg(unix)]
#[test]
fn names_of_any_octets_are_messages() {
    let scratch = Scratch::new();
    let spool = scratch.open(1);
    let stem = b"\xff odd \n\x1b";
    let name = |end: &str| {
        scratch
            .0
            .join(native_name(&[stem, end.as_bytes()].concat()))
    };
    fs::write(name(".content"), "body").unwrap();
    fs::write(name(".envelope"), envelope(&["a@x"]).print().unwrap()).unwrap();
    let ready = spool.scan().unwrap().ready;
    assert_eq!(ready.len(), 1);
    let locked = take(&spool, &ready[0]);
    assert_eq!(locked.content_size(), 4);
    locked.delete().unwrap();
    assert_eq!(scratch.names(), [""; 0]);
    // A name that has no room for a longer suffix is an error, and no more.
    let long = scratch.0.join(format!("{}.envelope", "x".repeat(246)));
    fs::write(long, envelope(&["a@x"]).print().unwrap()).unwrap();
    let ready = spool.scan().unwrap().ready;
    assert!(spool.lock(&ready[0]).is_err());
}

#[test]
fn a_sub_directory_keeps_the_content_it_needs() {
    let scratch = Scratch::new();
    let spool = scratch.open(1);
    let id = store(&spool, b"text", &["a@x"]);
    fs::create_dir(scratch.0.join("alice")).unwrap();
    let envelope = spool.path_of(&id, Suffix::Envelope);
    let copy = scratch.0.join("alice").join(envelope.file_name().unwrap());
    fs::copy(&envelope, &copy).unwrap();
    let ready = spool.scan().unwrap().ready;
    take(&spool, &ready[0]).delete().unwrap();
    assert!(!spool.recover().unwrap().has_changes());
    assert!(spool.path_of(&id, Suffix::Content).exists());
    fs::remove_file(copy).unwrap();
    await_that("it is removed", || spool.recover().unwrap().removed == 1);
    assert_eq!(scratch.names(), ["alice"]);
}

/// Forwards until nothing has been ready for a while, and counts how often it
/// delivered each message.
fn forward_all(spool: &Spool, done: &AtomicU32) -> BTreeMap<StoredId, u32> {
    let mut delivered = BTreeMap::new();
    let mut turn = 0;
    loop {
        let finished = done.load(Ordering::SeqCst) > 0;
        let ready = spool.scan().unwrap().ready;
        if ready.is_empty() && finished {
            return delivered;
        }
        for id in ready {
            let LockOutcome::Locked(mut locked) = spool.lock(&id).unwrap() else {
                continue;
            };
            turn += 1;
            let mut body = [0; 64];
            let count = locked.read(&mut body).unwrap();
            assert_eq!(&body[..count], b"text of a message");
            if turn % 3 == 0 {
                locked.release(None).unwrap();
            } else {
                *delivered.entry(id).or_default() += 1;
                locked.delete().unwrap();
            }
        }
    }
}

#[test]
fn several_users_at_once_deliver_each_message_once() {
    const MESSAGES: usize = 60;
    let scratch = Scratch::new();
    if scratch.opens_what_is_removed() {
        skip("here files can be opened that were removed");
        return;
    }
    let done = AtomicU32::new(0);
    let (stored, delivered) = thread::scope(|scope| {
        let forwarders: Vec<_> = (0..3)
            .map(|number| {
                let (spool, done) = (scratch.open(number + 10), &done);
                scope.spawn(move || forward_all(&spool, done))
            })
            .collect();
        let spool = scratch.open(1);
        let stored: Vec<_> = (0..MESSAGES)
            .map(|_| store(&spool, b"text of a message", &["a@x"]))
            .collect();
        done.store(1, Ordering::SeqCst);
        let delivered = forwarders.into_iter().flat_map(|f| f.join().unwrap());
        (stored, delivered.collect::<Vec<_>>())
    });
    let mut ids: Vec<_> = delivered.iter().map(|(id, _)| id.clone()).collect();
    ids.sort();
    assert_eq!(ids, stored);
    assert!(delivered.iter().all(|(_, count)| *count == 1));
    assert_eq!(scratch.names(), [""; 0]);
}
