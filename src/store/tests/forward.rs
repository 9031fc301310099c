//! Taking messages and what becomes of them, without power cuts.

use super::*;
use crate::store::envelope::{Attempts, Reason};
use crate::store::faulty::Fault;
use crate::store::fs::{Fs, Kind};
use crate::store::survey::Routing;

/// A directory with one message in it.
fn with_message() -> (Faulty, Spool, StoredId) {
    let disk = Faulty::new();
    let spool = spool(&disk, 1);
    let id = store(&spool, b"header\r\n\r\nbody\r\n", &["a@x", "b@x"]);
    (disk, spool, id)
}

/// A message of another program, with that envelope.
fn planted(stem: &str, text: &[u8]) -> (Faulty, Spool, StoredId) {
    let disk = Faulty::new();
    let id = StoredId::parse(stem.as_bytes()).unwrap();
    disk.plant(&name(&id, Suffix::Content), Kind::File, b"body");
    disk.plant(&name(&id, Suffix::Envelope), Kind::File, text);
    let spool = spool(&disk, 1);
    (disk, spool, id)
}

fn unreadable(spool: &Spool, id: &StoredId) -> String {
    match spool.lock(id).unwrap() {
        LockOutcome::Unreadable(reason) => reason.to_string(),
        _ => panic!("readable"),
    }
}

#[test]
fn a_message_is_read_and_deleted() {
    let (disk, spool, id) = with_message();
    let mut locked = take(&spool, &id);
    assert_eq!(locked.id(), &id);
    assert_eq!(locked.content_size(), 16);
    assert_eq!(locked.envelope().remote_recipients.len(), 2);
    assert_eq!(
        suffixes(&disk, &id),
        [Suffix::Content, Suffix::EnvelopeBusy]
    );
    let mut buffer = [0; 10];
    assert_eq!(locked.read(&mut buffer).unwrap(), 10);
    assert_eq!(locked.read(&mut buffer).unwrap(), 6);
    assert_eq!(&buffer[..6], b"body\r\n");
    assert_eq!(locked.read(&mut buffer).unwrap(), 0);
    locked.delete().unwrap();
    assert!(disk.listing().is_empty());
    assert!(matches!(spool.lock(&id).unwrap(), LockOutcome::Gone));
    spool.sync().unwrap();
}

#[test]
fn only_one_has_a_message() {
    let (disk, first, id) = with_message();
    let second = spool(&disk, 2);
    let locked = take(&first, &id);
    assert!(matches!(second.lock(&id).unwrap(), LockOutcome::Gone));
    assert!(second.scan().unwrap().ready.is_empty());
    drop(locked);
    assert_eq!(second.scan().unwrap().ready, std::slice::from_ref(&id));
    drop(take(&second, &id));
    assert_eq!(suffixes(&disk, &id), [Suffix::Content, Suffix::Envelope]);
}

#[test]
fn either_lock_keeps_a_message_from_being_taken() {
    let (disk, spool, id) = with_message();
    for suffix in [Suffix::Content, Suffix::Envelope] {
        let file = disk.open_read(&id.file_name(suffix)).unwrap();
        assert!(file.try_lock().unwrap());
        assert!(matches!(
            spool.lock(&id).unwrap(),
            LockOutcome::HeldElsewhere
        ));
        assert_eq!(suffixes(&disk, &id), [Suffix::Content, Suffix::Envelope]);
    }
    let locked = take(&spool, &id);
    is_locked(&disk, &id);
    drop(locked);
}

#[test]
fn a_file_that_recovery_looks_at_is_held() {
    let (disk, spool, id) = with_message();
    for open in ["content", "envelope"] {
        let at = if open == "content" { 1 } else { 3 };
        disk.set_fault(Fault::Fail(at, std::io::ErrorKind::WouldBlock));
        let outcome = spool.lock(&id).unwrap();
        assert!(matches!(outcome, LockOutcome::HeldElsewhere), "{open}");
    }
    drop(take(&spool, &id));
}

/// Sees that both files of a busy message are locked.
fn is_locked(disk: &Faulty, id: &StoredId) {
    for suffix in [Suffix::Content, Suffix::EnvelopeBusy] {
        let file = disk.open_read(&id.file_name(suffix)).unwrap();
        assert!(!file.try_lock().unwrap(), "{suffix:?}");
    }
}

#[test]
fn a_fresh_envelope_beside_a_busy_one_waits() {
    let (disk, spool, id) = with_message();
    disk.plant(&name(&id, Suffix::EnvelopeBusy), Kind::File, b"theirs");
    assert!(matches!(
        spool.lock(&id).unwrap(),
        LockOutcome::HeldElsewhere
    ));
    assert_eq!(disk.listing()[&name(&id, Suffix::EnvelopeBusy)], b"theirs");
}

#[test]
fn attempts_are_counted_and_the_rest_is_kept() {
    let (disk, spool, id) = with_message();
    let mut before = read(&disk, &id, Suffix::Envelope);
    before.trailer = vec![line("X-MailRelay-SplitGroupCount: 2")];
    let text = before.print().unwrap();
    disk.plant(&name(&id, Suffix::Envelope), Kind::File, &text);
    for count in 1..=3 {
        let attempt = Attempt {
            at: 100 + i64::from(count),
            reply: line("451 later"),
            next: 0,
            spent: 0,
        };
        take(&spool, &id).release(Some(attempt)).unwrap();
        let after = read(&disk, &id, Suffix::Envelope);
        let attempts = Attempts {
            count,
            last: 100 + i64::from(count),
            reply: line("451 later"),
            next: 0,
            spent: 0,
        };
        assert_eq!(
            after,
            Envelope {
                attempts,
                ..before.clone()
            }
        );
    }
    assert_eq!(suffixes(&disk, &id), [Suffix::Content, Suffix::Envelope]);
    take(&spool, &id).release(None).unwrap();
    assert_eq!(read(&disk, &id, Suffix::Envelope).attempts.count, 3);
    disk.plant(
        &name(&id, Suffix::EnvelopeBusyTmp),
        Kind::File,
        b"left behind",
    );
    let attempt = Attempt {
        at: 200,
        reply: line("421"),
        next: 0,
        spent: 0,
    };
    take(&spool, &id).release(Some(attempt)).unwrap();
    assert_eq!(read(&disk, &id, Suffix::Envelope).attempts.count, 4);
    assert_eq!(suffixes(&disk, &id), [Suffix::Content, Suffix::Envelope]);
}

#[test]
fn an_attempt_that_cannot_be_noted_does_not_keep_the_message() {
    let (disk, spool, id) = with_message();
    let locked = take(&spool, &id);
    disk.set_fault(Fault::Fail(3, std::io::ErrorKind::StorageFull));
    let attempt = Attempt {
        at: 1,
        reply: line("451"),
        next: 0,
        spent: 0,
    };
    assert!(locked.release(Some(attempt)).unwrap_err().is_full());
    assert_eq!(suffixes(&disk, &id), [Suffix::Content, Suffix::Envelope]);
}

#[test]
fn a_failure_keeps_its_reasons_and_those_who_were_not_served() {
    let (disk, spool, id) = with_message();
    let reasons = [
        Reason {
            text: line("550 5.1.1 no such user"),
            code: Some(550),
        },
        Reason::without_code("peer disconnected"),
    ];
    take(&spool, &id)
        .fail(&reasons, Some(&[line("b@x")]))
        .unwrap();
    assert_eq!(suffixes(&disk, &id), [Suffix::Content, Suffix::EnvelopeBad]);
    let text = &disk.listing()[&name(&id, Suffix::EnvelopeBad)];
    let text = String::from_utf8(text.clone()).unwrap();
    assert!(text.contains("ToCount: 1\r\nX-MailRelay-To-Remote: b@x\r\n"));
    let end = "X-MailRelay-End: 1\r\n\
        X-MailRelay-Reason: 550 5.1.1 no such user\r\nX-MailRelay-ReasonCode: 550\r\n\
        X-MailRelay-Reason: peer disconnected\r\nX-MailRelay-ReasonCode:\r\n";
    assert!(text.ends_with(end), "{text}");
}

#[test]
fn those_who_wait_are_kept_and_those_who_were_refused_are_remembered() {
    let (disk, spool, id) = with_message();
    let attempt = || Attempt {
        at: 100,
        reply: line("451 later"),
        next: 160,
        spent: 7,
    };
    let part = Part {
        remaining: vec![line("b@x")],
        failed: vec![line("a@x")],
        reasons: vec![Reason::without_code("no such user")],
    };
    take(&spool, &id).release_in_part(attempt(), part).unwrap();
    take(&spool, &id).release(Some(attempt())).unwrap();
    let waiting = read(&disk, &id, Suffix::Envelope);
    assert_eq!(waiting.remote_recipients, [line("b@x")]);
    assert_eq!(waiting.failed_recipients, [line("a@x")]);
    assert_eq!((waiting.attempts.next, waiting.attempts.spent), (160, 14));
    // At the end they are who is left, and whoever makes it ready begins anew.
    take(&spool, &id).fail(&[], Some(&[])).unwrap();
    let bad = read(&disk, &id, Suffix::EnvelopeBad);
    assert_eq!(bad.remote_recipients, [line("a@x")]);
    assert_eq!(bad.failed_recipients, []);
    assert_eq!((bad.attempts.next, bad.attempts.spent), (0, 0));
    assert_eq!(bad.attempts.count, 2);
    assert_eq!(bad.trailer.len(), 2);
}

#[test]
fn nobody_gets_a_message_again_because_the_disk_is_full() {
    let (disk, spool, id) = with_message();
    let locked = take(&spool, &id);
    disk.set_fault(Fault::Fail(3, std::io::ErrorKind::StorageFull));
    let attempt = Attempt {
        at: 1,
        reply: line("451"),
        next: 0,
        spent: 0,
    };
    let part = Part {
        remaining: vec![line("b@x")],
        ..Part::default()
    };
    assert!(locked.release_in_part(attempt, part).unwrap_err().is_full());
    assert_eq!(suffixes(&disk, &id), [Suffix::Content, Suffix::EnvelopeBad]);
}

#[test]
fn a_survey_tells_where_messages_go_and_takes_none() {
    let (disk, spool, id) = with_message();
    let mut routed = read(&disk, &id, Suffix::Envelope);
    routed.forward_to_address = line("127.0.0.1:26");
    routed.client_account_selector = line("second");
    routed.attempts = Attempts {
        count: 2,
        next: 99,
        ..Attempts::default()
    };
    let text = routed.print().unwrap();
    disk.plant(&name(&id, Suffix::Envelope), Kind::File, &text);
    let (gone, odd) = (other(1), other(2));
    disk.plant(&name(&odd, Suffix::Envelope), Kind::File, b"nonsense");
    let seen = spool.survey(vec![gone, id.clone(), odd.clone()]);
    assert_eq!(seen.len(), 2);
    assert_eq!((&seen[0].id, &seen[1].id), (&id, &odd));
    assert_eq!(seen[0].routing, Routing::of(&routed));
    assert_eq!((seen[0].attempts, seen[0].next_attempt), (2, 99));
    assert_eq!(seen[1].routing, Routing::default());
    assert_eq!(suffixes(&disk, &id), [Suffix::Content, Suffix::Envelope]);
}

#[test]
fn the_head_of_a_content_is_there_whatever_has_been_read() {
    let (_disk, spool, id) = with_message();
    let mut locked = take(&spool, &id);
    let mut buffer = [0; 1000];
    let count = locked.read(&mut buffer).unwrap();
    assert_eq!(locked.head(1000).unwrap(), buffer[..count]);
    assert_eq!(locked.head(2).unwrap(), buffer[..2]);
}

fn other(number: u32) -> StoredId {
    StoredId::parse(format!("emailrelay.1.1.{number}").as_bytes()).unwrap()
}

#[test]
fn reasons_pile_up_when_a_message_is_tried_again() {
    let (disk, spool, id) = with_message();
    for _ in 0..2 {
        let reason = Reason::without_code("again");
        take(&spool, &id).fail(&[reason], None).unwrap();
        let (bad, ready) = (Suffix::EnvelopeBad, Suffix::Envelope);
        let (bad, ready) = (id.file_name(bad), id.file_name(ready));
        disk.rename(&bad, &ready).unwrap();
    }
    let envelope = read(&disk, &id, Suffix::Envelope);
    assert_eq!(envelope.trailer.len(), 4);
    assert_eq!(envelope.remote_recipients.len(), 2);
}

#[test]
fn a_bad_envelope_is_never_replaced() {
    let (disk, spool, id) = with_message();
    disk.plant(&name(&id, Suffix::EnvelopeBad), Kind::File, b"older");
    let listing = disk.listing();
    let reason = Reason::without_code("no");
    assert!(take(&spool, &id).fail(&[reason], None).is_err());
    assert_eq!(disk.listing(), listing);
    disk.plant(&name(&id, Suffix::Envelope), Kind::File, b"malformed");
    let listing = disk.listing();
    assert!(spool.lock(&id).is_err());
    assert_eq!(disk.listing(), listing);
}

#[test]
fn an_empty_content_is_a_message() {
    let disk = Faulty::new();
    let spool = spool(&disk, 1);
    let id = store(&spool, b"", &["a@x"]);
    let mut locked = take(&spool, &id);
    assert_eq!(locked.content_size(), 0);
    assert_eq!(locked.read(&mut [0; 8]).unwrap(), 0);
}

#[test]
fn malformed_envelopes_become_bad_in_their_own_style() {
    let table: [(&[u8], &str, &str); 4] = [
        (
            b"X-MailRelay-Format: #2821.9\n",
            "cannot read envelope file: unknown format id: #2821.9",
            "#2821.9\nX-MailRelay-Reason: cannot read envelope file: unknown format id: \
             #2821.9\nX-MailRelay-ReasonCode:\n",
        ),
        (
            b"junk\r\nmore",
            "cannot read envelope file: expected \\\"X-MailRelay-Format:\\\"",
            "junk\r\nmore\r\nX-MailRelay-Reason: cannot read envelope file: expected \
             \"X-MailRelay-Format:\"\r\nX-MailRelay-ReasonCode:\r\n",
        ),
        (
            b"",
            "cannot read envelope file: expected \\\"X-MailRelay-Format:\\\"",
            "X-MailRelay-ReasonCode:\r\n",
        ),
        (
            &[b'x'; crate::store::envelope::ENVELOPE_OCTETS_MAX + 1],
            "cannot read envelope file: envelope too long",
            "x\r\nX-MailRelay-Reason: cannot read envelope file: envelope too \
             long\r\nX-MailRelay-ReasonCode:\r\n",
        ),
    ];
    for (text, reason, end) in table {
        let (disk, spool, id) = planted("theirs", text);
        assert_eq!(unreadable(&spool, &id).replace('"', "\\\""), reason);
        assert_eq!(suffixes(&disk, &id), [Suffix::Content, Suffix::EnvelopeBad]);
        let text = &disk.listing()[&name(&id, Suffix::EnvelopeBad)];
        assert!(text.ends_with(end.as_bytes()), "{end}");
        assert!(matches!(spool.lock(&id).unwrap(), LockOutcome::Gone));
    }
}

#[test]
fn a_message_without_content_becomes_bad() {
    let (disk, spool, id) = with_message();
    disk.remove(&id.file_name(Suffix::Content)).unwrap();
    assert_eq!(unreadable(&spool, &id), "cannot open content file");
    assert_eq!(suffixes(&disk, &id), [Suffix::EnvelopeBad]);
    assert_eq!(
        read(&disk, &id, Suffix::EnvelopeBad)
            .remote_recipients
            .len(),
        2
    );
}

#[test]
fn what_is_not_a_file_is_told_once() {
    let (disk, spool, id) = planted("theirs", b"");
    for kind in [Kind::Symlink, Kind::Directory, Kind::Other] {
        disk.plant(&name(&id, Suffix::Envelope), kind, b"");
        let spool = super::spool(&disk, 2);
        assert_eq!(unreadable(&spool, &id), "envelope is not a regular file");
        assert!(matches!(spool.lock(&id).unwrap(), LockOutcome::Gone));
        assert_eq!(suffixes(&disk, &id), [Suffix::Content, Suffix::Envelope]);
    }
    let text = envelope(&["a@x"]).print().unwrap();
    disk.plant(&name(&id, Suffix::Envelope), Kind::File, &text);
    disk.plant(&name(&id, Suffix::Content), Kind::Symlink, b"");
    assert_eq!(
        unreadable(&spool, &id),
        "content file is not a regular file"
    );
}

#[test]
fn a_linked_content_must_be_the_same_users() {
    let (disk, spool, id) = with_message();
    disk.plant_link(&name(&id, Suffix::Content), "another.content");
    drop(take(&spool, &id));
    disk.set_owner("another.content", 0);
    assert_eq!(unreadable(&spool, &id), "content file is another user's");
}

#[test]
fn no_reason_is_written_to_a_file_with_a_second_name() {
    let (disk, spool, id) = planted("theirs", b"secret");
    disk.plant_link(&name(&id, Suffix::Envelope), "elsewhere");
    unreadable(&spool, &id);
    assert_eq!(disk.listing()["elsewhere"], b"secret");
    assert_eq!(suffixes(&disk, &id), [Suffix::Content, Suffix::EnvelopeBad]);
}

#[test]
fn a_content_stays_while_a_sub_directory_needs_it() {
    let (disk, spool, id) = with_message();
    disk.plant_directory("alice", &[name(&id, Suffix::Envelope)]);
    disk.plant_directory("bob", &[]);
    assert_eq!(spool.scan().unwrap().ready, std::slice::from_ref(&id));
    take(&spool, &id).delete().unwrap();
    assert_eq!(suffixes(&disk, &id), [Suffix::Content]);
    assert!(!spool.recover().unwrap().has_changes());
    disk.plant_directory("alice", &[]);
    assert_eq!(spool.recover().unwrap().removed, 1);
    assert!(suffixes(&disk, &id).is_empty());
}

#[test]
fn a_delivered_message_that_cannot_be_removed_is_not_sent_again() {
    let (disk, spool, id) = with_message();
    let locked = take(&spool, &id);
    disk.set_fault(Fault::Crash(1));
    assert!(locked.delete().is_err());
    assert!(spool.scan().is_err());
    disk.set_fault(Fault::None);
    assert_eq!(
        suffixes(&disk, &id),
        [Suffix::Content, Suffix::EnvelopeBusy]
    );
    let scan = spool.scan().unwrap();
    assert!(scan.ready.is_empty());
    assert!(disk.listing().is_empty());
}

#[test]
fn an_envelope_that_was_replaced_before_it_was_renamed_goes_back() {
    let (disk, spool, id) = with_message();
    disk.set_hook("rename", |disk| {
        let other = super::spool(disk, 2);
        let id = other.scan().unwrap().ready.remove(0);
        // Another program, which takes no locks, has had it meanwhile.
        let text = envelope(&["z@x"]).print().unwrap();
        disk.plant(&name(&id, Suffix::Envelope), Kind::File, &text);
    });
    assert!(matches!(
        spool.lock(&id).unwrap(),
        LockOutcome::HeldElsewhere
    ));
    let locked = take(&spool, &id);
    assert_eq!(locked.envelope().remote_recipients, [line("z@x")]);
}

#[test]
fn an_error_leaves_the_message_ready() {
    let (disk, spool, id) = with_message();
    let whole = disk.listing();
    for at in 1..=10 {
        disk.set_fault(Fault::Fail(at, std::io::ErrorKind::Other));
        drop(spool.lock(&id));
        disk.set_fault(Fault::None);
        spool.recover().unwrap();
        assert_eq!(disk.listing(), whole, "operation {at}");
    }
}

#[test]
fn forwarding_works_without_locks() {
    let disk = Faulty::new();
    disk.set_can_lock(false);
    let spool = spool(&disk, 1);
    let id = store(&spool, b"text", &["a@x", "b@x"]);
    let locked = take(&spool, &id);
    locked.release_in_part(attempt(), part("b@x")).unwrap();
    let waiting = read(&disk, &id, Suffix::Envelope);
    assert_eq!(waiting.remote_recipients, [line("b@x")]);
    take(&spool, &id).delete().unwrap();
    assert!(disk.listing().is_empty());
}
