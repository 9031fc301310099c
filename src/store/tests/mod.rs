//! Tests of the whole store: on a directory that fails and loses power, and on
//! real ones.

mod companions;
mod crash;
mod forward;
mod left_behind;
mod local;
mod maildrop;
mod queue;
mod real;
mod staged;
mod store;

use super::envelope::Envelope;
use super::faulty::Faulty;
use super::lock::{Attempt, LockOutcome, Locked, Part};
use super::name::{StoredId, Suffix};
use super::spool::Spool;
use crate::base::OneLine;

/// A process that uses this directory.
fn spool(disk: &Faulty, seed: u64) -> Spool {
    disk.spool(seed)
}

fn attempt() -> Attempt {
    Attempt {
        at: 100,
        reply: line("451 later"),
        next: 160,
        spent: 7,
    }
}

/// All but that recipient have been served.
fn part(remaining: &str) -> Part {
    Part {
        remaining: vec![line(remaining)],
        ..Part::default()
    }
}

fn line(text: &str) -> OneLine {
    OneLine::new(text).unwrap()
}

fn envelope(recipients: &[&str]) -> Envelope {
    Envelope {
        reverse_path: line("me@src.net"),
        remote_recipients: recipients.iter().copied().map(line).collect(),
        client_address: line("127.0.0.1"),
        ..Envelope::default()
    }
}

/// Stores one message.
fn store(spool: &Spool, body: &[u8], recipients: &[&str]) -> StoredId {
    let commit = super::Commit {
        writer: spool.create(),
        last: body.to_vec(),
        envelope: envelope(recipients),
    };
    let mut results = crate::store::commit(vec![commit]);
    results.pop().unwrap().unwrap().id
}

/// Takes a message that must be there to be taken.
fn take(spool: &Spool, id: &StoredId) -> Box<Locked> {
    match spool.lock(id).unwrap() {
        LockOutcome::Locked(locked) => locked,
        LockOutcome::Gone => panic!("gone"),
        LockOutcome::HeldElsewhere => panic!("held elsewhere"),
        LockOutcome::Unreadable(reason) => panic!("unreadable: {reason}"),
    }
}

fn name(id: &StoredId, suffix: Suffix) -> String {
    String::from_utf8(id.file_name(suffix)).unwrap()
}

/// The suffixes under which there is something, in the order of [`Suffix::ALL`].
fn suffixes(disk: &Faulty, id: &StoredId) -> Vec<Suffix> {
    let listing = disk.listing();
    let has = |suffix: &Suffix| listing.contains_key(&name(id, *suffix));
    Suffix::ALL.into_iter().filter(has).collect()
}

/// The envelope that a message has under that name.
fn read(disk: &Faulty, id: &StoredId, suffix: Suffix) -> Envelope {
    Envelope::parse(&disk.listing()[&name(id, suffix)]).unwrap()
}
