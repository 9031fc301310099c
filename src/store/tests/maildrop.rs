//! The spool as POP users see it.

use super::*;
use crate::store::faulty::{Fault, Loss};
use crate::store::fs::{Fs, Kind};
use crate::store::mailbox::MailboxName;
use crate::store::maildrop::{Listed, Maildrop, Opened, Retrieved};

fn id(number: usize) -> StoredId {
    StoredId::parse(format!("emailrelay.1.{number}.10000000001").as_bytes()).unwrap()
}

fn text() -> Vec<u8> {
    envelope(&["a@x"]).print().unwrap()
}

/// Puts a file of a message into a directory, with a slash at its end if it is not
/// the spool directory.
fn plant(disk: &Faulty, directory: &str, id: &StoredId, suffix: Suffix, content: &[u8]) {
    let name = format!("{directory}{}", name(id, suffix));
    disk.plant(&name, Kind::File, content);
}

fn alice() -> Option<MailboxName> {
    MailboxName::new(b"alice")
}

fn opened(spool: &Spool, mailbox: Option<&MailboxName>) -> (Maildrop, Vec<Listed>, Vec<String>) {
    match spool.open_maildrop(mailbox, true).unwrap() {
        Opened::Ours {
            maildrop,
            messages,
            notes,
        } => {
            let notes = notes.iter().map(ToString::to_string).collect();
            (maildrop, messages, notes)
        }
        Opened::InUse => panic!("in use"),
        Opened::Unusable(reason) => panic!("{reason}"),
    }
}

fn ids(messages: &[Listed]) -> Vec<StoredId> {
    messages.iter().map(|message| message.id.clone()).collect()
}

/// All of a message.
fn content(maildrop: &Maildrop, message: &Listed) -> Vec<u8> {
    let Retrieved::Found(mut content) = maildrop.retrieve(message).unwrap() else {
        panic!("not found");
    };
    let mut all = Vec::new();
    loop {
        let (piece, last) = content.read(3).unwrap();
        all.extend(piece);
        if last {
            return all;
        }
    }
}

/// Alice and Bob have envelopes of two messages, the first with its content in the
/// spool directory, the second with contents of their own.
fn with_mailboxes() -> Faulty {
    let disk = Faulty::new();
    for user in ["alice", "bob"] {
        disk.plant(user, Kind::Directory, b"");
        let directory = format!("{user}/");
        for number in [1, 2] {
            plant(&disk, &directory, &id(number), Suffix::Envelope, &text());
        }
        plant(&disk, &directory, &id(2), Suffix::Content, user.as_bytes());
    }
    plant(&disk, "", &id(1), Suffix::Content, b"shared\r\n");
    disk
}

#[test]
fn a_maildrop_has_what_is_ready_by_arrival_and_with_its_size_on_the_wire() {
    let disk = Faulty::new();
    for (number, content) in [(10, "one\r\n"), (9, "a\nb"), (2, "")] {
        plant(&disk, "", &id(number), Suffix::Envelope, &text());
        plant(&disk, "", &id(number), Suffix::Content, content.as_bytes());
    }
    for (number, suffix) in Suffix::ALL.into_iter().enumerate() {
        if suffix != Suffix::Envelope && suffix != Suffix::Content {
            plant(&disk, "", &id(20 + number), suffix, &text());
            plant(&disk, "", &id(20 + number), Suffix::Content, b"x");
        }
    }
    // Its content is missing.
    plant(&disk, "", &id(40), Suffix::Envelope, &text());
    let spool = spool(&disk, 1);
    let (maildrop, messages, notes) = opened(&spool, None);
    assert_eq!(ids(&messages), [id(2), id(9), id(10)]);
    let octets: Vec<u64> = messages.iter().map(|message| message.octets).collect();
    assert_eq!(octets, [0, 6, 5]);
    assert!(notes.is_empty(), "{notes:?}");
    assert_eq!(content(&maildrop, &messages[1]), b"a\nb");
    assert_eq!(content(&maildrop, &messages[0]), b"");
}

#[test]
fn what_is_no_message_is_left_out_and_told_once() {
    let disk = Faulty::new();
    disk.plant(&name(&id(1), Suffix::Envelope), Kind::Symlink, b"");
    plant(&disk, "", &id(1), Suffix::Content, b"x");
    plant(&disk, "", &id(2), Suffix::Envelope, &text());
    disk.plant(&name(&id(2), Suffix::Content), Kind::Other, b"");
    // Somebody else's file with a second name.
    plant(&disk, "", &id(3), Suffix::Envelope, &text());
    disk.plant("secret", Kind::File, b"secret");
    disk.plant_link("secret", &name(&id(3), Suffix::Content));
    disk.set_owner("secret", 77);
    let spool = spool(&disk, 1);
    let (maildrop, messages, notes) = opened(&spool, None);
    assert!(messages.is_empty(), "{messages:?}");
    assert_eq!(notes.len(), 3, "{notes:?}");
    drop(maildrop);
    assert!(opened(&spool, None).2.is_empty());
}

#[test]
fn a_mailbox_is_made_when_its_user_first_comes() {
    let disk = Faulty::new();
    let spool = spool(&disk, 1);
    let (_maildrop, messages, notes) = opened(&spool, alice().as_ref());
    assert!(messages.is_empty());
    assert_eq!(notes, ["created pop-by-name sub-directory [alice]"]);
    assert_eq!(
        disk.metadata(b"alice").unwrap().kind,
        Kind::Directory,
        "there it is"
    );
}

#[test]
fn what_has_the_name_of_a_mailbox_but_is_none_is_refused() {
    for kind in [Kind::Symlink, Kind::File, Kind::Other] {
        let disk = Faulty::new();
        disk.plant("alice", kind, b"");
        let result = spool(&disk, 1).open_maildrop(alice().as_ref(), true);
        assert!(matches!(result, Ok(Opened::Unusable(_))), "{kind:?}");
    }
}

#[test]
fn one_session_has_a_maildrop_at_a_time() {
    let disk = with_mailboxes();
    let spool = spool(&disk, 1);
    let (first, ..) = opened(&spool, alice().as_ref());
    let second = spool.open_maildrop(alice().as_ref(), true).unwrap();
    assert!(matches!(second, Opened::InUse));
    // Who deletes nothing does not care, and other maildrops are others.
    let reader = spool.open_maildrop(alice().as_ref(), false).unwrap();
    assert!(matches!(reader, Opened::Ours { .. }));
    drop(opened(&spool, None));
    drop(first);
    drop(opened(&spool, alice().as_ref()));
}

#[test]
fn content_is_looked_for_in_the_spool_directory_by_name_only() {
    let disk = with_mailboxes();
    let spool = spool(&disk, 1);
    let (maildrop, messages, _) = opened(&spool, alice().as_ref());
    assert_eq!(ids(&messages), [id(1), id(2)]);
    assert_eq!(content(&maildrop, &messages[0]), b"shared\r\n");
    assert_eq!(content(&maildrop, &messages[1]), b"alice");
}

#[test]
fn a_shared_content_stays_until_nobody_needs_it() {
    let disk = with_mailboxes();
    plant(&disk, "", &id(1), Suffix::EnvelopeBad, &text());
    let spool = spool(&disk, 1);
    let shared = name(&id(1), Suffix::Content);
    for (user, rest) in [("alice", 7), ("bob", 4)] {
        let (maildrop, messages, _) = opened(&spool, MailboxName::new(user.as_bytes()).as_ref());
        let deletion = maildrop.delete(&ids(&messages));
        assert_eq!((deletion.gone, deletion.busy), (2, 0));
        assert!(deletion.errors.is_empty());
        // Two directories, the shared content, its bad envelope, and what is Bob's.
        let listing = disk.listing();
        assert_eq!(listing.len(), rest, "{user}");
        assert!(listing.contains_key(&shared), "{user}");
    }
    // The spool directory itself has the last envelope of it.
    disk.remove(name(&id(1), Suffix::EnvelopeBad).as_bytes())
        .unwrap();
    plant(&disk, "alice/", &id(1), Suffix::Envelope, &text());
    let (maildrop, messages, _) = opened(&spool, alice().as_ref());
    assert_eq!(maildrop.delete(&ids(&messages)).gone, 1);
    assert!(!disk.listing().contains_key(&shared));
}

#[test]
fn an_envelope_in_a_new_directory_keeps_its_content() {
    let disk = with_mailboxes();
    let spool = spool(&disk, 1);
    let (maildrop, messages, _) = opened(&spool, alice().as_ref());
    disk.plant("carol", Kind::Directory, b"");
    plant(&disk, "carol/", &id(1), Suffix::Envelope, &text());
    disk.remove(format!("bob/{}", name(&id(1), Suffix::Envelope)).as_bytes())
        .unwrap();
    assert_eq!(maildrop.delete(&ids(&messages)).gone, 2);
    assert!(disk.listing().contains_key(&name(&id(1), Suffix::Content)));
}

#[test]
fn what_is_being_forwarded_is_neither_shown_nor_deleted() {
    let disk = Faulty::new();
    let spool = spool(&disk, 1);
    let first = store(&spool, b"one\r\n", &["a@x"]);
    let second = store(&spool, b"two\r\n", &["a@x"]);
    let (maildrop, messages, _) = opened(&spool, None);
    assert_eq!(ids(&messages), [first.clone(), second.clone()]);
    let taken = take(&spool, &first);
    // What has been listed can be read all the same.
    assert_eq!(content(&maildrop, &messages[0]), b"one\r\n");
    let deletion = maildrop.delete(&ids(&messages));
    assert_eq!((deletion.gone, deletion.busy), (1, 1));
    assert_eq!(
        suffixes(&disk, &first),
        [Suffix::Content, Suffix::EnvelopeBusy]
    );
    assert_eq!(suffixes(&disk, &second), []);
    drop(maildrop);
    assert!(opened(&spool, None).1.is_empty());
    taken.release(None).unwrap();
    assert_eq!(ids(&opened(&spool, None).1), [first]);
}

#[test]
fn what_has_been_forwarded_meanwhile_is_gone() {
    let disk = Faulty::new();
    let spool = spool(&disk, 1);
    let sent = store(&spool, b"one\r\n", &["a@x"]);
    let failed = store(&spool, b"two\r\n", &["a@x"]);
    let (maildrop, messages, _) = opened(&spool, None);
    take(&spool, &sent).delete().unwrap();
    take(&spool, &failed).fail(&[], None).unwrap();
    let first = maildrop.retrieve(&messages[0]).unwrap();
    assert!(matches!(first, Retrieved::Gone));
    assert_eq!(content(&maildrop, &messages[1]), b"two\r\n");
    let deletion = maildrop.delete(&ids(&messages));
    // A failed message is kept: it is no longer the one that was to be deleted.
    assert_eq!((deletion.gone, deletion.busy), (1, 1));
    assert_eq!(
        suffixes(&disk, &failed),
        [Suffix::Content, Suffix::EnvelopeBad]
    );
}

#[test]
fn a_forwarder_that_comes_in_between_gets_the_message() {
    // One that takes no locks, just before the envelope is removed.
    fn forward(disk: &Faulty) {
        let busy = id(1).file_name(Suffix::EnvelopeBusy);
        disk.rename(&id(1).file_name(Suffix::Envelope), &busy)
            .unwrap();
    }
    let disk = Faulty::new();
    plant(&disk, "", &id(1), Suffix::Envelope, &text());
    plant(&disk, "", &id(1), Suffix::Content, b"x\r\n");
    let spool = spool(&disk, 1);
    let (maildrop, messages, _) = opened(&spool, None);
    disk.set_hook("remove", forward);
    let deletion = maildrop.delete(&ids(&messages));
    assert_eq!((deletion.gone, deletion.busy), (0, 1));
    assert_eq!(
        suffixes(&disk, &id(1)),
        [Suffix::Content, Suffix::EnvelopeBusy]
    );
}

#[test]
fn a_message_that_has_changed_is_not_sent() {
    let disk = Faulty::new();
    plant(&disk, "", &id(1), Suffix::Envelope, &text());
    plant(&disk, "", &id(1), Suffix::Content, b"one\r\n");
    let spool = spool(&disk, 1);
    let (maildrop, messages, _) = opened(&spool, None);
    plant(&disk, "", &id(1), Suffix::Content, b"larger\r\n");
    let retrieved = maildrop.retrieve(&messages[0]).unwrap();
    assert!(matches!(retrieved, Retrieved::Changed));
    // The same size on the wire is as good: it was announced, and is sent.
    plant(&disk, "", &id(1), Suffix::Content, b"two\n");
    assert_eq!(content(&maildrop, &messages[0]), b"two\n");
}

#[test]
fn a_content_that_ends_too_soon_is_an_error() {
    let disk = Faulty::new();
    plant(&disk, "", &id(1), Suffix::Envelope, &text());
    plant(&disk, "", &id(1), Suffix::Content, b"one\r\n");
    let spool = spool(&disk, 1);
    let (maildrop, messages, _) = opened(&spool, None);
    let Retrieved::Found(mut content) = maildrop.retrieve(&messages[0]).unwrap() else {
        panic!("not found");
    };
    assert_eq!(content.read(3).unwrap(), (b"one".to_vec(), false));
    disk.truncate(&name(&id(1), Suffix::Content), 4);
    assert!(content.read(10).is_err());
}

/// Deletes both of Alice's messages with that going wrong.
fn delete_with(fault: Fault) -> (Faulty, usize, bool) {
    let disk = with_mailboxes();
    let spool = spool(&disk, 1);
    let (maildrop, messages, _) = opened(&spool, alice().as_ref());
    disk.set_fault(fault);
    let deletion = maildrop.delete(&ids(&messages));
    let is_whole = deletion.gone == 2 && deletion.errors.is_empty();
    (disk.clone(), disk.operations(), is_whole)
}

#[test]
fn a_crash_while_deleting_leaves_each_message_whole_or_gone() {
    let (_, operations, is_whole) = delete_with(Fault::None);
    assert!(is_whole);
    for at in 1..=operations {
        let (crashed, _, is_whole) = delete_with(Fault::Crash(at));
        for loss in [Loss::Nothing, Loss::All, Loss::Some(at as u64)] {
            let disk = crashed.after_power_cut(loss);
            let spool = spool(&disk, 2);
            spool.recover().unwrap();
            // Bob's messages are none of this.
            let (bobs, messages, _) = opened(&spool, MailboxName::new(b"bob").as_ref());
            assert_eq!(ids(&messages), [id(1), id(2)], "{at} {loss:?}");
            assert_eq!(content(&bobs, &messages[0]), b"shared\r\n");
            assert_eq!(content(&bobs, &messages[1]), b"bob");
            let (alices, messages, _) = opened(&spool, alice().as_ref());
            for message in &messages {
                let whole = content(&alices, message);
                assert!(whole == b"shared\r\n" || whole == b"alice", "{at} {loss:?}");
            }
            // Whoever was told that all is gone is not shown it again.
            assert!(!is_whole || messages.is_empty(), "{at} {loss:?}");
        }
    }
}

#[test]
fn a_failure_while_deleting_is_told_and_deletes_the_others() {
    let (_, operations, _) = delete_with(Fault::None);
    let mut failures = 0;
    for at in 1..=operations {
        let kind = std::io::ErrorKind::PermissionDenied;
        let (disk, _, is_whole) = delete_with(Fault::Fail(at, kind));
        failures += usize::from(!is_whole);
        let spool = spool(&disk, 1);
        let (_maildrop, messages, _) = opened(&spool, alice().as_ref());
        assert!(messages.len() <= 1 || at <= 2, "{at}");
    }
    assert!(failures >= operations / 2, "{failures} of {operations}");
}
