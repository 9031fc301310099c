//! Looking at the queue and changing it by hand.

use super::*;
use crate::store::change::{Change, Outcome};
use crate::store::envelope::ENVELOPE_OCTETS_MAX;
use crate::store::fs::{Fs, Kind};
use crate::store::queue::{Entry, Queue, State};

const THEIRS: &str = "emailrelay.18918.1795360975.2";

/// A directory with one message in it.
fn with_message() -> (Faulty, Spool, StoredId) {
    let disk = Faulty::new();
    let spool = spool(&disk, 1);
    let id = store(&spool, b"header\r\n\r\nbody\r\n", &["a@x"]);
    (disk, spool, id)
}

fn states(queue: &Queue) -> Vec<State> {
    queue.entries().iter().map(|entry| entry.state).collect()
}

/// Does that to the only message there is.
fn change_only(spool: &Spool, change: Change) -> Outcome {
    let queue = spool.queue().unwrap();
    let [entry] = queue.entries() else {
        panic!("{:?}", queue.entries())
    };
    let outcome = queue.change(entry, change).unwrap();
    queue.sync().unwrap();
    outcome
}

fn is_refused(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Refused(_))
}

#[test]
fn messages_of_all_states_are_listed_by_age() {
    let disk = Faulty::new();
    for (number, state) in State::ALL.into_iter().enumerate() {
        let id = format!("emailrelay.1.{}.1", 100 - number);
        let id = StoredId::parse(id.as_bytes()).unwrap();
        disk.plant(&name(&id, state.suffix()), Kind::File, b"");
    }
    disk.plant("emailrelay.1.1.1.content", Kind::File, b"");
    disk.plant("x.envelope.other", Kind::File, b"");
    let before = disk.listing();
    let queue = spool(&disk, 1).queue().unwrap();
    let mut expected = State::ALL.to_vec();
    expected.reverse();
    assert_eq!(states(&queue), expected);
    assert!(queue.is_complete());
    assert_eq!(disk.listing(), before);
}

#[test]
fn one_id_may_come_in_several_states() {
    let (disk, spool, id) = with_message();
    disk.plant(&name(&id, Suffix::EnvelopeBad), Kind::File, b"");
    disk.plant("emailrelay.1.99999999999.1.envelope", Kind::File, b"");
    let queue = spool.queue().unwrap();
    let found: Vec<_> = queue.find(&id).iter().map(|entry| entry.state).collect();
    assert_eq!(found, [State::Ready, State::Bad]);
    assert!(queue.find(&StoredId::parse(b"x").unwrap()).is_empty());
}

#[test]
fn a_message_is_looked_at() {
    let (disk, spool, id) = with_message();
    take(&spool, &id)
        .release(Some(Attempt {
            at: 5,
            reply: line("451 later"),
            next: 0,
            spent: 0,
        }))
        .unwrap();
    let queue = spool.queue().unwrap();
    let entry = &queue.entries()[0];
    let details = queue.inspect(entry).unwrap().unwrap();
    assert_eq!(details.octets, Some(16));
    assert_eq!(Some(details.arrived), id.seconds());
    let envelope = details.envelope.unwrap();
    assert_eq!(envelope.attempts.count, 1);
    assert_eq!(envelope.remote_recipients, [line("a@x")]);
    let mut buffer = [0; 100];
    let mut content = queue.content(entry).unwrap().unwrap();
    assert_eq!(content.read(&mut buffer).unwrap(), 16);
    assert_eq!(content.read(&mut buffer).unwrap(), 0);
    disk.remove(&id.file_name(Suffix::Content)).unwrap();
    assert_eq!(queue.inspect(entry).unwrap().unwrap().octets, None);
    assert!(queue.content(entry).unwrap().is_none());
    disk.remove(&id.file_name(Suffix::Envelope)).unwrap();
    assert_eq!(queue.inspect(entry).unwrap(), None);
}

#[test]
fn what_cannot_be_read_is_told_as_such() {
    let huge = vec![b'x'; ENVELOPE_OCTETS_MAX + 10];
    let table: [(Kind, &[u8], &str); 4] = [
        (Kind::Directory, b"", "not a regular file"),
        (Kind::Other, b"", "not a regular file"),
        (
            Kind::File,
            &huge,
            "cannot read envelope file: envelope too long",
        ),
        (
            Kind::File,
            b"\x1b[2J\n",
            "cannot read envelope file: expected \"X-MailRelay-Format:\"",
        ),
    ];
    for (kind, text, expected) in table {
        let disk = Faulty::new();
        disk.plant("hostile\n.envelope", kind, text);
        disk.plant("hostile\n.content", Kind::Other, b"");
        let spool = spool(&disk, 1);
        let queue = spool.queue().unwrap();
        let details = queue.inspect(&queue.entries()[0]).unwrap().unwrap();
        assert_eq!(details.envelope.unwrap_err().to_string(), expected);
        assert_eq!(details.octets, None);
    }
}

#[test]
fn a_held_message_is_not_forwarded_until_it_is_released() {
    let (disk, spool, id) = with_message();
    assert_eq!(change_only(&spool, Change::Release), Outcome::Already);
    assert_eq!(change_only(&spool, Change::Hold), Outcome::Done);
    assert_eq!(change_only(&spool, Change::Hold), Outcome::Already);
    assert!(is_refused(&change_only(&spool, Change::Retry)));
    let held = [Suffix::Content, Suffix::EnvelopeHold];
    assert_eq!(suffixes(&disk, &id), held);
    let scan = spool.scan().unwrap();
    assert!(scan.ready.is_empty() && !scan.report.has_changes());
    assert_eq!(suffixes(&disk, &id), held);
    assert!(matches!(spool.lock(&id).unwrap(), LockOutcome::Gone));
    assert_eq!(change_only(&spool, Change::Release), Outcome::Done);
    assert_eq!(spool.scan().unwrap().ready, [id]);
}

#[test]
fn a_retry_clears_the_delay_and_keeps_the_rest() {
    for is_bad in [false, true] {
        let (disk, spool, id) = with_message();
        let mut text = disk.listing()[&name(&id, Suffix::Envelope)].clone();
        text.extend(b"X-MailRelay-NextAttempt: 99\r\nX-MailRelay-Reason: no\r\nX-Mine: 1\r\n");
        disk.remove(&id.file_name(Suffix::Envelope)).unwrap();
        let suffix = [Suffix::Envelope, Suffix::EnvelopeBad][usize::from(is_bad)];
        disk.plant(&name(&id, suffix), Kind::File, &text);
        if is_bad {
            assert!(is_refused(&change_only(&spool, Change::Release)));
        }
        assert_eq!(change_only(&spool, Change::Retry), Outcome::Done);
        assert_eq!(suffixes(&disk, &id), [Suffix::Content, Suffix::Envelope]);
        let trailer = read(&disk, &id, Suffix::Envelope).trailer;
        assert_eq!(trailer, [line("X-MailRelay-Reason: no"), line("X-Mine: 1")]);
        assert_eq!(change_only(&spool, Change::Retry), Outcome::Already);
    }
}

#[test]
fn a_bad_message_that_cannot_be_read_stays_bad() {
    let disk = Faulty::new();
    disk.plant("x.envelope.bad", Kind::File, b"mended in vain");
    let spool = spool(&disk, 1);
    assert!(is_refused(&change_only(&spool, Change::Retry)));
    assert_eq!(change_only(&spool, Change::Hold), Outcome::Done);
    assert_eq!(change_only(&spool, Change::Release), Outcome::Done);
}

#[test]
fn nothing_is_taken_from_whoever_has_it_in_hand() {
    let (disk, spool, id) = with_message();
    let all = [Change::Hold, Change::Release, Change::Retry, Change::Delete];
    let found_ready = spool.queue().unwrap();
    let locked = take(&spool, &id);
    for change in all {
        assert_eq!(change_only(&spool, change), Outcome::InUse);
    }
    let entry = &found_ready.entries()[0];
    for change in [Change::Hold, Change::Delete] {
        assert_eq!(found_ready.change(entry, change).unwrap(), Outcome::Gone);
    }
    drop(locked);
    for suffix in [Suffix::Content, Suffix::Envelope] {
        let file = disk.open_read(&id.file_name(suffix)).unwrap();
        assert!(file.try_lock().unwrap());
        for change in [Change::Hold, Change::Delete] {
            assert_eq!(change_only(&spool, change), Outcome::InUse, "{suffix:?}");
        }
    }
    assert_eq!(suffixes(&disk, &id), [Suffix::Content, Suffix::Envelope]);
}

#[test]
fn a_message_that_is_not_finished_or_for_others_is_left_to_them() {
    for (state, wanted) in [(State::New, Outcome::InUse), (State::Busy, Outcome::InUse)] {
        let disk = Faulty::new();
        let id = StoredId::parse(THEIRS.as_bytes()).unwrap();
        disk.plant(&name(&id, state.suffix()), Kind::File, b"");
        assert_eq!(change_only(&spool(&disk, 1), Change::Delete), wanted);
    }
    let disk = Faulty::new();
    disk.plant("x.envelope.local", Kind::File, b"");
    assert!(is_refused(&change_only(&spool(&disk, 1), Change::Delete)));
    assert_eq!(disk.listing().len(), 1);
}

#[test]
fn a_deleted_message_is_gone() {
    for suffix in [Suffix::Envelope, Suffix::EnvelopeHold, Suffix::EnvelopeBad] {
        let (disk, spool, id) = with_message();
        let (from, to) = (id.file_name(Suffix::Envelope), id.file_name(suffix));
        disk.rename(&from, &to).unwrap();
        assert_eq!(change_only(&spool, Change::Delete), Outcome::Done);
        assert!(disk.listing().is_empty());
    }
}

#[test]
fn a_content_stays_while_any_envelope_needs_it() {
    let envelope = envelope(&["a@x"]).print().unwrap();
    for other in [
        Suffix::EnvelopeBad,
        Suffix::EnvelopeHold,
        Suffix::EnvelopeLocal,
    ] {
        let (disk, spool, id) = with_message();
        disk.plant(&name(&id, other), Kind::File, &envelope);
        let queue = spool.queue().unwrap();
        let entry = Entry {
            id: id.clone(),
            state: State::Ready,
        };
        let outcome = queue.change(&entry, Change::Delete).unwrap();
        assert_eq!(outcome, Outcome::Done);
        let left = suffixes(&disk, &id);
        assert_eq!(left, [Suffix::Content, other], "{other:?}");
    }
    let (disk, spool, id) = with_message();
    disk.plant_directory("alice", &[name(&id, Suffix::Envelope)]);
    assert_eq!(change_only(&spool, Change::Delete), Outcome::Done);
    assert_eq!(suffixes(&disk, &id), [Suffix::Content]);
}

#[test]
fn no_envelope_is_replaced() {
    let (disk, spool, id) = with_message();
    let envelope = disk.listing()[&name(&id, Suffix::Envelope)].clone();
    disk.plant(&name(&id, Suffix::EnvelopeHold), Kind::File, &envelope);
    disk.plant(&name(&id, Suffix::EnvelopeBad), Kind::File, &envelope);
    let before = disk.listing();
    let queue = spool.queue().unwrap();
    for (state, change) in [
        (State::Ready, Change::Hold),
        (State::Held, Change::Release),
        (State::Bad, Change::Retry),
        (State::Bad, Change::Hold),
    ] {
        let entry = Entry {
            id: id.clone(),
            state,
        };
        assert!(is_refused(&queue.change(&entry, change).unwrap()));
        assert_eq!(disk.listing(), before);
    }
}

#[test]
fn a_message_that_was_forwarded_meanwhile_keeps_its_content() {
    let (disk, spool, id) = with_message();
    let queue = spool.queue().unwrap();
    // A program that takes no locks is faster.
    disk.set_hook("remove", |disk| {
        let from = disk
            .listing()
            .into_keys()
            .find(|n| n.ends_with(".envelope"));
        let from = from.unwrap();
        let to = format!("{from}.busy");
        disk.rename(from.as_bytes(), to.as_bytes()).unwrap();
    });
    let outcome = queue.change(&queue.entries()[0], Change::Delete).unwrap();
    assert_eq!(outcome, Outcome::Gone);
    assert_eq!(
        suffixes(&disk, &id),
        [Suffix::Content, Suffix::EnvelopeBusy]
    );
}
