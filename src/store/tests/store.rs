//! Storing, without power cuts.

use super::*;
use crate::store::commit::{Commit, Group, Receipt};
use crate::store::envelope::LINE_OCTETS_MAX;
use crate::store::error::Operation;
use crate::store::faulty::Fault;
use crate::store::fs::Kind;

fn commit(spool: &Spool, body: &[u8]) -> Commit {
    Commit {
        writer: spool.create(),
        last: body.to_vec(),
        envelope: envelope(&["a@x"]),
    }
}

#[test]
fn a_new_message_touches_nothing() {
    let disk = Faulty::new();
    let spool = spool(&disk, 1);
    let writer = spool.create();
    assert!(writer.id().is_ours());
    drop(writer);
    spool.create().discard();
    assert_eq!(disk.operations(), 0);
    assert!(crate::store::commit(Vec::<Commit>::new()).is_empty());
    assert_eq!(disk.operations(), 0);
}

#[test]
fn a_small_message_takes_few_operations_in_the_right_order() {
    let disk = Faulty::new();
    let spool = spool(&disk, 1);
    store(&spool, b"text", &["a@x"]);
    let content = ["create", "lock", "examine", "write"];
    let envelope = ["create", "lock", "write"];
    let durable = ["sync", "sync", "rename", "sync names"];
    assert_eq!(disk.trace(), [&content[..], &envelope, &durable].concat());
}

#[test]
fn a_group_shares_the_sync_of_the_names() {
    let disk = Faulty::new();
    let spool = spool(&disk, 1);
    let bodies: [&[u8]; 3] = [b"one", b"two", b"three"];
    let commits: Vec<_> = bodies.iter().map(|body| commit(&spool, body)).collect();
    let ids: Vec<_> = commits.iter().map(|c| c.writer.id().clone()).collect();
    let receipts: Vec<_> = crate::store::commit(commits)
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert!(receipts.iter().map(|r| &r.id).eq(&ids));
    assert!(receipts.iter().map(|r| r.octets).eq([3, 3, 5]));
    let trace = disk.trace();
    let tail = ["rename", "rename", "rename", "sync names"];
    assert!(trace.ends_with(&tail), "{trace:?}");
    let before = &trace[..trace.len() - tail.len()];
    assert!(before.ends_with(&["sync"; 6]), "{trace:?}");
    assert_eq!(trace.iter().filter(|op| **op == "sync").count(), 6);
    assert_eq!(spool.scan().unwrap().ready, ids);
}

#[test]
fn a_group_may_be_for_several_spools() {
    let (disk, other_disk) = (Faulty::new(), Faulty::new());
    let (spool, other) = (spool(&disk, 1), spool(&other_disk, 1));
    let commits = vec![
        commit(&spool, b"one"),
        commit(&other, b"other"),
        commit(&spool, b"three"),
    ];
    let octets = |result: &Result<_, _>| result.as_ref().map(|r: &Receipt| r.octets).unwrap();
    let results = crate::store::commit(commits);
    assert!(results.iter().map(octets).eq([3, 5, 5]));
    assert_eq!(spool.scan().unwrap().ready.len(), 2);
    assert_eq!(other.scan().unwrap().ready.len(), 1);
}

#[test]
fn writers_clean_up_after_themselves() {
    let disk = Faulty::new();
    let spool = spool(&disk, 1);
    let mut writer = spool.create();
    writer.append(b"some").unwrap();
    writer.append(b" more").unwrap();
    assert_eq!(writer.octets(), 9);
    assert_eq!(suffixes(&disk, writer.id()), [Suffix::Content]);
    drop(writer);
    assert!(disk.listing().is_empty());
    let mut writer = spool.create();
    writer.append(b"some").unwrap();
    writer.discard();
    assert!(disk.listing().is_empty());
}

#[test]
fn a_writer_that_failed_leaves_nothing_and_stays_failed() {
    let disk = Faulty::new();
    let spool = spool(&disk, 1);
    let mut writer = spool.create();
    writer.append(b"some").unwrap();
    disk.set_fault(Fault::Fail(1, std::io::ErrorKind::StorageFull));
    let error = writer.append(b"more").unwrap_err();
    assert!(error.is_full());
    assert_eq!(error.operation, Operation::Write);
    assert!(disk.listing().is_empty());
    assert!(writer.append(b"more").is_err());
    let results = crate::store::commit(vec![Commit {
        writer,
        last: Vec::new(),
        envelope: envelope(&["a@x"]),
    }]);
    assert!(results[0].is_err());
    assert!(disk.listing().is_empty());
}

#[test]
fn an_id_that_is_taken_is_not_used() {
    let disk = Faulty::new();
    let spool = spool(&disk, 1);
    let mut writer = spool.create();
    let taken = name(writer.id(), Suffix::Content);
    disk.plant(&taken, Kind::File, b"theirs");
    writer.append(b"ours").unwrap();
    assert_ne!(name(writer.id(), Suffix::Content), taken);
    writer.discard();
    assert_eq!(disk.listing()[&taken], b"theirs");
}

#[test]
fn a_message_for_which_no_id_is_free_is_refused() {
    let disk = Faulty::new();
    let spool = spool(&disk, 1);
    let mut writer = spool.create();
    let first = name(writer.id(), Suffix::Content);
    let (stem, sequence) = first
        .strip_suffix(".content")
        .unwrap()
        .rsplit_once('.')
        .unwrap();
    let (process, seconds) = stem.rsplit_once('.').unwrap();
    let (sequence, seconds): (u64, u64) = (sequence.parse().unwrap(), seconds.parse().unwrap());
    // The clock may go on meanwhile.
    for seconds in seconds..seconds + 3 {
        for sequence in sequence..sequence + 100 {
            let name = format!("{process}.{seconds}.{sequence}.content");
            disk.plant(&name, Kind::File, b"theirs");
        }
    }
    let error = writer.append(b"ours").unwrap_err();
    assert_eq!(error.operation, Operation::Create);
    assert!(disk.listing().values().all(|content| content == b"theirs"));
}

#[test]
fn messages_can_be_passed_to_other_threads() {
    fn is_send<T: Send>() {}
    is_send::<crate::store::Writer>();
    is_send::<crate::store::Commit>();
    is_send::<Locked>();
    is_send::<Spool>();
}

#[test]
fn one_message_that_fails_does_not_fail_the_others() {
    let disk = Faulty::new();
    let spool = spool(&disk, 1);
    let mut commits: Vec<_> = (0..4).map(|_| commit(&spool, b"body")).collect();
    let ids: Vec<_> = commits.iter().map(|c| c.writer.id().clone()).collect();
    // One envelope cannot be written, one has no room for its name, and one is
    // already there.
    commits[0].envelope.reverse_path = line(&"x".repeat(LINE_OCTETS_MAX + 1));
    disk.plant(&name(&ids[1], Suffix::EnvelopeNew), Kind::File, b"new");
    disk.plant(&name(&ids[2], Suffix::Envelope), Kind::File, b"ready");
    let results = crate::store::commit(commits);
    let operations: Vec<_> = results
        .iter()
        .map(|result| result.as_ref().err().map(|error| error.operation))
        .collect();
    let expected = [
        Some(Operation::Compose),
        Some(Operation::Create),
        Some(Operation::Rename),
        None,
    ];
    assert_eq!(operations, expected);
    assert!(suffixes(&disk, &ids[0]).is_empty());
    assert_eq!(suffixes(&disk, &ids[1]), [Suffix::EnvelopeNew]);
    assert_eq!(suffixes(&disk, &ids[2]), [Suffix::Envelope]);
    assert_eq!(disk.listing()[&name(&ids[2], Suffix::Envelope)], b"ready");
    assert_eq!(
        suffixes(&disk, &ids[3]),
        [Suffix::Content, Suffix::Envelope]
    );
}

#[test]
fn nobody_can_take_a_message_before_it_is_acknowledged() {
    let disk = Faulty::new();
    let first = spool(&disk, 1);
    disk.set_hook("sync names", |disk| {
        let other = spool(disk, 2);
        let ready = other.scan().unwrap().ready;
        assert_eq!(ready.len(), 1);
        let outcome = other.lock(&ready[0]).unwrap();
        assert!(matches!(outcome, LockOutcome::HeldElsewhere));
    });
    let id = store(&first, b"text", &["a@x"]);
    drop(take(&first, &id));
}

#[test]
fn the_directory_that_cannot_be_synced_refuses_the_whole_group() {
    let disk = Faulty::new();
    let spool = spool(&disk, 1);
    let count = {
        let commits = (0..2).map(|_| commit(&spool, b"body")).collect();
        assert!(crate::store::commit(commits).iter().all(Result::is_ok));
        disk.operations()
    };
    let before = disk.listing();
    disk.set_fault(Fault::Fail(count, std::io::ErrorKind::Other));
    let results = crate::store::commit((0..2).map(|_| commit(&spool, b"body")).collect());
    for result in results {
        assert_eq!(result.unwrap_err().operation, Operation::SyncDirectory);
    }
    assert_eq!(disk.listing(), before);
}

#[test]
fn a_message_that_cannot_be_taken_back_keeps_its_content() {
    let disk = Faulty::new();
    let spool = spool(&disk, 1);
    store(&spool, b"body", &["a@x"]);
    let count = disk.operations();
    // The directory cannot be synced, and then the envelope cannot be removed.
    disk.set_fault(Fault::FailTwice(count, std::io::ErrorKind::Other));
    let refused = commit(&spool, b"body");
    let id = refused.writer.id().clone();
    assert!(crate::store::commit(vec![refused])[0].is_err());
    assert_eq!(suffixes(&disk, &id), [Suffix::Content, Suffix::Envelope]);
    let mut locked = take(&spool, &id);
    assert_eq!(locked.read(&mut [0; 9]).unwrap(), 4);
}

#[test]
fn where_no_thread_can_be_had_messages_are_synced_all_the_same() {
    let disk = Faulty::new();
    let spool = spool(&disk, 1);
    let mut group = Group::prepare((0..64).map(|_| commit(&spool, b"text")).collect());
    let before = disk.operations();
    // No memory has room for such a stack.
    group.sync_with(16, || {
        std::thread::Builder::new().stack_size(1 << (usize::BITS - 4))
    });
    let trace = disk.trace().split_off(before);
    assert_eq!(trace.iter().filter(|one| **one == "sync").count(), 128);
    let results = group.publish(&spool.files);
    assert!(results.iter().all(Result::is_ok));
}
