//! Messages for local recipients, without power cuts.

use super::*;
use crate::store::commit::{Commit, Group};
use crate::store::faulty::Loss;
use crate::store::fs::{Fs, Kind};

fn commit(spool: &Spool, body: &[u8], remote: &[&str]) -> Commit {
    Commit {
        writer: spool.create(),
        last: body.to_vec(),
        envelope: Envelope {
            local_recipients: vec![line("alice"), line("bob")],
            ..envelope(remote)
        },
    }
}

fn store_one(spool: &Spool, body: &[u8], remote: &[&str]) -> StoredId {
    let mut results = crate::store::commit(vec![commit(spool, body, remote)]);
    results.pop().unwrap().unwrap().id
}

fn content(disk: &Faulty, id: &StoredId, suffix: Suffix) -> Vec<u8> {
    disk.listing()[&name(id, suffix)].clone()
}

#[test]
fn local_recipients_alone_get_the_message_itself() {
    let disk = Faulty::new();
    let spool = spool(&disk, 1);
    let id = store_one(&spool, b"text", &[]);
    assert_eq!(
        suffixes(&disk, &id),
        [Suffix::ContentLocal, Suffix::EnvelopeLocal]
    );
    assert_eq!(content(&disk, &id, Suffix::ContentLocal), b"text");
    let envelope = read(&disk, &id, Suffix::EnvelopeLocal);
    assert_eq!(envelope.local_recipients, [line("alice"), line("bob")]);
    assert!(spool.scan().unwrap().ready.is_empty());
}

#[test]
fn mixed_recipients_get_copies_and_the_message() {
    let disk = Faulty::new();
    let spool = spool(&disk, 1);
    let body: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
    let id = store_one(&spool, &body, &["c@x"]);
    let expected = [
        Suffix::Content,
        Suffix::Envelope,
        Suffix::ContentLocal,
        Suffix::EnvelopeLocal,
    ];
    assert_eq!(suffixes(&disk, &id), expected);
    assert_eq!(content(&disk, &id, Suffix::ContentLocal), body);
    assert_eq!(content(&disk, &id, Suffix::Content), body);
    let envelopes = [Suffix::Envelope, Suffix::EnvelopeLocal];
    let [one, other] = envelopes.map(|suffix| content(&disk, &id, suffix));
    assert_eq!(one, other);
    take(&spool, &id).delete().unwrap();
    assert_eq!(
        suffixes(&disk, &id),
        [Suffix::ContentLocal, Suffix::EnvelopeLocal]
    );
    assert!(!spool.recover().unwrap().has_changes());
}

#[test]
fn no_final_name_comes_before_all_is_durable() {
    let disk = Faulty::new();
    let spool = spool(&disk, 1);
    store_one(&spool, b"text", &["c@x"]);
    let trace = disk.trace();
    let tail = ["sync", "sync", "sync", "sync", "sync names"];
    let names = ["rename", "rename", "rename", "sync names"];
    assert!(trace.ends_with(&[&tail[..], &names].concat()), "{trace:?}");
    assert!(!trace[..trace.len() - 9].contains(&"rename"));
}

#[test]
fn a_living_writer_is_left_alone() {
    for remote in [&["c@x"][..], &[]] {
        let disk = Faulty::new();
        let (one, other) = (spool(&disk, 1), spool(&disk, 2));
        let group = Group::prepare(vec![commit(&one, b"text", remote)]);
        let before = disk.listing();
        assert!(!other.recover().unwrap().has_changes());
        assert_eq!(disk.listing(), before);
        drop(group);
        assert!(disk.listing().is_empty(), "{:?}", disk.listing());
    }
}

#[test]
fn what_was_never_seen_is_removed() {
    for remote in [&["c@x"][..], &[]] {
        let disk = Faulty::new();
        let dead = spool(&disk, 1);
        let _group = Group::prepare(vec![commit(&dead, b"text", remote)]);
        let disk = disk.after_power_cut(Loss::Nothing);
        // Its first rename had been done.
        let copy = disk
            .listing()
            .into_keys()
            .find(|n| n.ends_with(".content.local.new"));
        if let Some(copy) = copy {
            let to = copy.trim_end_matches(".new");
            disk.rename(copy.as_bytes(), to.as_bytes()).unwrap();
        }
        spool(&disk, 2).recover().unwrap();
        assert!(disk.listing().is_empty(), "{:?}", disk.listing());
    }
}

#[test]
fn what_a_power_cut_has_split_is_put_together() {
    let disk = Faulty::new();
    disk.plant(
        "emailrelay.1.2.10000000000.content.local.new",
        Kind::File,
        b"text",
    );
    disk.plant(
        "emailrelay.1.2.10000000000.envelope.local",
        Kind::File,
        b"envelope",
    );
    let report = spool(&disk, 1).recover().unwrap();
    assert_eq!((report.recovered, report.left), (1, 0));
    let names: Vec<String> = disk.listing().into_keys().collect();
    let expected = ["content.local", "envelope.local"]
        .map(|suffix| format!("emailrelay.1.2.10000000000.{suffix}"));
    assert_eq!(names, expected);
    assert!(spool(&disk, 2).scan().unwrap().ready.is_empty());
}

#[test]
fn what_programs_leave_or_move_is_left_alone() {
    let disk = Faulty::new();
    for name in [
        "emailrelay.1.2.10000000000.content.local",
        "emailrelay.1.2.10000000001.envelope.local",
        "emailrelay.1.2.3.content.local",
        "emailrelay.1.2.3.envelope.local",
        // Not acknowledged, but not ours and not old enough.
        "emailrelay.1.2.4.envelope.local.new",
    ] {
        disk.plant(name, Kind::File, b"x");
    }
    let before = disk.listing();
    assert!(!spool(&disk, 1).recover().unwrap().has_changes());
    assert_eq!(disk.listing(), before);
}

#[test]
fn a_content_that_only_its_copies_outlive_is_removed() {
    let disk = Faulty::new();
    let id = store_one(&spool(&disk, 1), b"text", &["c@x"]);
    disk.remove(&id.file_name(Suffix::Envelope)).unwrap();
    assert_eq!(spool(&disk, 2).recover().unwrap().removed, 1);
    assert_eq!(
        suffixes(&disk, &id),
        [Suffix::ContentLocal, Suffix::EnvelopeLocal]
    );
}
