//! Messages that are made of one: nobody goes without, whatever fails and whenever
//! the power is cut.

use super::*;
use crate::store::below::Way;
use crate::store::companions::Companion;
use crate::store::faulty::{Fault, Loss};
use crate::store::mailbox::MailboxName;
use crate::store::maildrop::Opened;
use crate::store::{Candidate, Commit, Error, Left, Staged, commit};

/// How many subsets of what is not durable are lost in turn.
const SUBSETS: u64 = 12;

const BODY: &[u8] = b"Subject: x\r\n\r\ntext\r\n";

fn accept(_: &Envelope, _: &Envelope) -> Result<(), String> {
    Ok(())
}

/// Receives a message for two domains and splits it, as a filter does.
fn receive(spool: &Spool) -> Result<(), Error> {
    let staged = Staged::write(Commit {
        writer: spool.create(),
        last: BODY.to_vec(),
        envelope: envelope(&["1@a.test", "2@b.test"]),
    })?;
    let draft = spool.draft(staged.id(), Suffix::EnvelopeNew);
    let mut sibling = draft.sibling()?;
    sibling.write(&envelope(&["2@b.test"]))?;
    draft.attach(vec![Companion::Message(sibling)])?;
    draft.set_envelope(&envelope(&["1@a.test"]))?;
    match staged.reread(false, &accept)? {
        Left::Message(staged) => {
            let mut results = commit(vec![Candidate::Staged(staged)]);
            results.pop().unwrap().map(|_| ())
        }
        Left::Taken => panic!("taken"),
        Left::Mess(why) => panic!("{why}"),
    }
}

/// The recipients of all messages that are ready and whole.
fn ready(disk: &Faulty) -> Vec<String> {
    let spool = spool(disk, 9);
    let mut found = Vec::new();
    for id in spool.scan().unwrap().ready {
        if let LockOutcome::Locked(mut mail) = spool.lock(&id).unwrap() {
            let mut buffer = [0; 100];
            let count = mail.read(&mut buffer).unwrap();
            assert_eq!(&buffer[..count], BODY);
            found.extend(
                mail.envelope()
                    .remote_recipients
                    .iter()
                    .map(OneLine::to_string),
            );
        }
    }
    found.sort();
    found
}

#[test]
fn both_appear_with_the_message() {
    let disk = Faulty::new();
    receive(&spool(&disk, 1)).unwrap();
    assert_eq!(ready(&disk), ["1@a.test", "2@b.test"]);
    assert_eq!(disk.listing().len(), 4);
}

#[test]
fn what_fails_leaves_nothing() {
    let disk = Faulty::new();
    disk.set_fault(Fault::None);
    receive(&spool(&disk, 1)).unwrap();
    for at in 1..=disk.operations() {
        let disk = Faulty::new();
        let spool = spool(&disk, 1);
        disk.set_fault(Fault::Fail(at, std::io::ErrorKind::StorageFull));
        let result = receive(&spool);
        disk.set_fault(Fault::None);
        match result {
            Ok(()) => assert_eq!(ready(&disk), ["1@a.test", "2@b.test"], "{at}"),
            Err(_) => {
                drop(spool);
                let left = ready(&disk);
                assert!(left.is_empty(), "{at}: {left:?}");
                assert!(disk.listing().is_empty(), "{at}: {:?}", disk.listing());
            }
        }
    }
}

#[test]
fn a_power_cut_loses_nothing_that_was_acknowledged() {
    let disk = Faulty::new();
    disk.set_fault(Fault::None);
    receive(&spool(&disk, 1)).unwrap();
    let operations = disk.operations();
    for at in 1..=operations + 1 {
        let losses = (0..SUBSETS).map(Loss::Some);
        for loss in [Loss::All, Loss::Nothing].into_iter().chain(losses) {
            let disk = Faulty::new();
            disk.set_fault(Fault::Crash(at));
            let result = receive(&spool(&disk, 1));
            let after = disk.after_power_cut(loss);
            let found = ready(&after);
            match result {
                Ok(()) => assert_eq!(found, ["1@a.test", "2@b.test"], "{at} {loss:?}"),
                // Some may have theirs, but never twice.
                Err(_) => assert!(
                    found.windows(2).all(|pair| pair[0] != pair[1]),
                    "{at} {loss:?}: {found:?}"
                ),
            }
            let names: Vec<String> = after.listing().into_keys().collect();
            assert!(
                !names.iter().any(|name| name.ends_with(".new")),
                "{at}: {names:?}"
            );
        }
    }
}

#[test]
fn contents_that_are_shared_are_cleaned_up_one_by_one() {
    let disk = Faulty::new();
    let staged = spool(&disk, 1);
    let message = Staged::write(Commit {
        writer: staged.create(),
        last: BODY.to_vec(),
        envelope: envelope(&["1@a.test"]),
    });
    let message = message.unwrap();
    let draft = staged.draft(message.id(), Suffix::EnvelopeNew);
    let sibling = draft.sibling().unwrap();
    assert_eq!(disk.listing().len(), 4);
    let after = disk.after_power_cut(Loss::Nothing);
    let other = spool(&after, 2);
    other.recover().unwrap();
    other.recover().unwrap();
    assert!(after.listing().is_empty(), "{:?}", after.listing());
    drop((sibling, message));
    assert!(disk.listing().is_empty(), "{:?}", disk.listing());
}

/// Receives a message for local recipients whose content two mailboxes share.
fn share_out(disk: &Faulty, spool: &Spool) -> Staged {
    let local = Envelope {
        local_recipients: vec![line("local")],
        ..envelope(&[])
    };
    let staged = Staged::write(Commit {
        writer: spool.create(),
        last: BODY.to_vec(),
        envelope: local,
    });
    let staged = staged.unwrap();
    let (draft, mailboxes) = (
        spool.draft(staged.id(), Suffix::EnvelopeNew),
        spool.mailboxes(),
    );
    draft.content().unwrap().sync().unwrap();
    let names = ["alice", "bob"];
    names
        .iter()
        .for_each(|name| disk.plant_directory(name, &[]));
    let copies = mailboxes.copy_to(names.map(str::as_bytes), &draft, Way::Shared);
    draft.attach(copies.unwrap()).unwrap();
    staged
}

/// As a filter that puts another content in the place of one, and then takes the message.
fn take_edited(spool: &Spool, staged: &Staged) {
    let fs = &spool.files.fs;
    let name = staged.id().file_name(Suffix::Content);
    fs.remove(&name).unwrap();
    fs.create_new(&name).unwrap().write_all(b"edited").unwrap();
    let name = staged.id().file_name(Suffix::EnvelopeNew);
    fs.remove(&name).unwrap();
}

/// A POP user of another process deletes everything.
fn delete_all(disk: &Faulty, mailbox: &str) {
    let name = MailboxName::new(mailbox.as_bytes());
    let opened = spool(disk, 3).open_maildrop(name.as_ref(), true).unwrap();
    let Opened::Ours {
        maildrop, messages, ..
    } = opened
    else {
        panic!("not ours");
    };
    let ids: Vec<_> = messages.into_iter().map(|message| message.id).collect();
    assert_eq!(maildrop.delete(&ids).gone, 1, "{mailbox}");
}

/// Before the first of two has the message; then before the second has.
fn before_the_first(disk: &Faulty) {
    spool(disk, 2).recover().unwrap();
    disk.set_hook("rename", |disk| delete_all(disk, "alice"));
}

#[test]
fn a_shared_content_stays_for_those_who_are_yet_to_get_it() {
    for has_taken in [false, true] {
        let disk = Faulty::new();
        let spool = spool(&disk, 1);
        let staged = share_out(&disk, &spool);
        let id = staged.id().clone();
        if has_taken {
            take_edited(&spool, &staged);
            disk.set_hook("rename", before_the_first);
        }
        let left = staged.reread(has_taken, &accept).unwrap();
        if let Left::Message(staged) = left {
            disk.set_hook("rename", before_the_first);
            let mut results = commit(vec![staged]);
            results.pop().unwrap().unwrap();
        }
        let listing = disk.listing();
        let has = |name: &str| listing.contains_key(name);
        assert!(!has(&format!("alice/{id}.envelope")), "{listing:?}");
        assert!(has(&format!("bob/{id}.envelope")), "{listing:?}");
        assert!(has(&format!("{id}.content")), "{listing:?}");
        delete_all(&disk, "bob");
        assert!(!disk.listing().contains_key(&format!("{id}.content")));
    }
}

#[test]
fn what_a_filter_leaves_that_takes_a_message_survives_a_power_cut() {
    let disk = Faulty::new();
    let spool = spool(&disk, 1);
    let staged = share_out(&disk, &spool);
    let content = name(staged.id(), Suffix::Content);
    take_edited(&spool, &staged);
    assert!(matches!(staged.reread(true, &accept), Ok(Left::Taken)));
    let listing = disk.after_power_cut(Loss::All).listing();
    assert_eq!(listing[&content], b"edited");
    let envelopes = listing.keys().filter(|name| name.ends_with(".envelope"));
    assert_eq!(envelopes.count(), 2, "{listing:?}");
    // Without the content those who share it would have nothing.
    let staged = share_out(&disk, &spool);
    let id = staged.id().clone();
    take_edited(&spool, &staged);
    let name = id.file_name(Suffix::Content);
    spool.files.fs.remove(&name).unwrap();
    assert!(staged.reread(true, &accept).is_err());
    let names: Vec<String> = disk.listing().into_keys().collect();
    assert!(!names.iter().any(|name| name.contains(&id.to_string())));
}

#[test]
fn what_waits_for_its_message_keeps_nothing_open() {
    let disk = Faulty::new();
    let spool = spool(&disk, 1);
    for place in ["alice", "bob", "bob/cur", "bob/tmp", "bob/new"] {
        disk.plant_directory(place, &[]);
    }
    let staged = Staged::write(Commit {
        writer: spool.create(),
        last: BODY.to_vec(),
        envelope: envelope(&["1@a.test", "2@b.test"]),
    });
    let staged = staged.unwrap();
    let draft = spool.draft(staged.id(), Suffix::EnvelopeNew);
    let open = disk.handles();
    let mut sibling = draft.sibling().unwrap();
    sibling.write(&envelope(&["2@b.test"])).unwrap();
    let id = sibling.id().clone();
    draft.attach(vec![Companion::Message(sibling)]).unwrap();
    for mailbox in [b"alice".as_slice(), b"bob"] {
        let copies = spool.mailboxes().copy_to([mailbox], &draft, Way::Copied);
        draft.attach(copies.unwrap()).unwrap();
    }
    assert_eq!(disk.handles(), open);
    // Nobody takes it for what was left behind, even so, nor sends it yet.
    spool.recover().unwrap();
    super::spool(&disk, 2).recover().unwrap();
    let new = [Suffix::Content, Suffix::EnvelopeNew];
    assert_eq!(suffixes(&disk, &id), new);
    let (from, to) = (Suffix::EnvelopeNew, Suffix::Envelope);
    spool.files.rename(&id, from, to).unwrap();
    assert!(matches!(spool.lock(&id), Ok(LockOutcome::HeldElsewhere)));
    drop(staged);
    assert!(matches!(spool.lock(&id), Ok(LockOutcome::Locked(_))));
}
