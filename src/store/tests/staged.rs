//! Messages that filters look at, without power cuts.

use super::*;
use crate::store::commit::Commit;
use crate::store::files::Files;
use crate::store::fs::Kind;
use crate::store::staged::{Left, Staged};

/// What a filter does.
type Filter = fn(&Faulty, &Files, &StoredId);

fn staged(spool: &Spool) -> Staged {
    let commit = Commit {
        writer: spool.create(),
        last: b"text".to_vec(),
        envelope: envelope(&["a@x"]),
    };
    Staged::write(commit).unwrap()
}

fn fine(_: &Envelope, _: &Envelope) -> Result<(), String> {
    Ok(())
}

fn reread(staged: Staged, has_taken: bool) -> Result<Box<Staged>, String> {
    match staged.reread(has_taken, &fine).unwrap() {
        Left::Message(staged) => Ok(staged),
        Left::Taken => Err("taken".to_owned()),
        Left::Mess(mess) => Err(mess),
    }
}

/// Puts another file in the place of one.
fn replace(files: &Files, id: &StoredId, suffix: Suffix, octets: &[u8]) {
    let name = id.file_name(suffix);
    files.fs.remove(&name).unwrap();
    let mut file = files.fs.create_new(&name).unwrap();
    file.write_all(octets).unwrap();
}

#[test]
fn a_message_that_no_filter_has_touched_costs_no_rewriting() {
    let disk = Faulty::new();
    let spool = spool(&disk, 1);
    let staged = staged(&spool);
    let before = disk.listing();
    let written = disk.operations();
    let staged = reread(staged, false).unwrap();
    assert_eq!(disk.listing(), before);
    assert!(!disk.trace()[written..].contains(&"write"));
    let receipt = crate::store::commit(vec![staged]).pop().unwrap().unwrap();
    assert_eq!(receipt.octets, 4);
    assert!(
        disk.trace()
            .ends_with(&["sync", "sync", "rename", "sync names"])
    );
    take(&spool, &receipt.id).delete().unwrap();
    assert!(disk.listing().is_empty());
}

#[test]
fn what_is_dropped_or_discarded_leaves_nothing() {
    let disk = Faulty::new();
    let spool = spool(&disk, 1);
    drop(staged(&spool));
    staged(&spool).discard();
    let staged = staged(&spool);
    for suffix in [Suffix::Content, Suffix::EnvelopeNew] {
        replace(&spool.files, staged.id(), suffix, b"x");
    }
    drop(staged);
    assert!(disk.listing().is_empty(), "{:?}", disk.listing());
}

#[test]
fn recovery_leaves_a_message_to_its_filters() {
    let disk = Faulty::new();
    let spool = spool(&disk, 1);
    let staged = staged(&spool);
    let id = staged.id().clone();
    for (suffix, octets) in [
        (Suffix::Content, b"other".to_vec()),
        (Suffix::EnvelopeNew, envelope(&["b@x"]).print().unwrap()),
    ] {
        replace(&spool.files, &id, suffix, &octets);
        assert!(!spool.recover().unwrap().has_changes());
    }
    // From here on the locks are there again, for other processes.
    let staged = reread(staged, false).unwrap();
    let other = super::spool(&disk, 2);
    assert!(!other.recover().unwrap().has_changes());
    let receipt = crate::store::commit(vec![staged]).pop().unwrap().unwrap();
    assert_eq!(receipt.octets, 5);
    assert_eq!(
        take(&spool, &id).envelope().remote_recipients,
        [line("b@x")]
    );
}

#[test]
fn messes_are_told_and_removed() {
    let table: &[(Filter, bool, &str)] = &[
        (
            |_, files, id| files.remove(id, Suffix::Content).unwrap(),
            false,
            "the content is gone",
        ),
        (
            |_, files, id| files.remove(id, Suffix::Content).unwrap(),
            true,
            "the content is gone",
        ),
        (
            |_, files, id| files.remove(id, Suffix::EnvelopeNew).unwrap(),
            false,
            "the envelope is gone",
        ),
        (
            |_, files, id| replace(files, id, Suffix::EnvelopeNew, b"x"),
            false,
            "cannot read envelope file: ",
        ),
        (
            |disk, files, id| {
                files.remove(id, Suffix::Content).unwrap();
                disk.plant(&name(id, Suffix::Content), Kind::Symlink, b"");
            },
            false,
            "the content is not a regular file",
        ),
        (
            |disk, files, id| {
                files.remove(id, Suffix::EnvelopeNew).unwrap();
                disk.plant(&name(id, Suffix::EnvelopeNew), Kind::Other, b"");
            },
            true,
            "the envelope is not a regular file",
        ),
    ];
    for (does, has_taken, expected) in table {
        let disk = Faulty::new();
        let spool = spool(&disk, 1);
        let staged = staged(&spool);
        does(&disk, &spool.files, &staged.id().clone());
        let mess = reread(staged, *has_taken).err().unwrap();
        assert!(mess.starts_with(expected), "{mess}");
        assert!(
            disk.listing().is_empty(),
            "{expected}: {:?}",
            disk.listing()
        );
    }
}

#[test]
fn links_to_what_is_not_ours_are_refused() {
    for (suffix, mess) in [
        (Suffix::Content, "the content is another user's"),
        (Suffix::EnvelopeNew, "the envelope has several names"),
    ] {
        let disk = Faulty::new();
        let spool = spool(&disk, 1);
        let staged = staged(&spool);
        spool.files.remove(staged.id(), suffix).unwrap();
        let text = envelope(&["a@x"]).print().unwrap();
        disk.plant("emailrelay.1.2.3.content.x", Kind::File, &text);
        disk.set_owner("emailrelay.1.2.3.content.x", 4711);
        disk.plant_link("emailrelay.1.2.3.content.x", &name(staged.id(), suffix));
        assert_eq!(reread(staged, false).err().unwrap(), mess);
    }
}

#[test]
fn a_message_that_the_filter_has_is_left_to_it() {
    let disk = Faulty::new();
    let spool = spool(&disk, 1);
    let staged = staged(&spool);
    let id = staged.id().clone();
    spool.files.remove(&id, Suffix::EnvelopeNew).unwrap();
    assert_eq!(reread(staged, true).err().unwrap(), "taken");
    assert_eq!(suffixes(&disk, &id), [Suffix::Content]);
    assert!(disk.trace().ends_with(&["sync", "sync names"]));
}

#[test]
fn the_encoding_is_that_of_the_content() {
    let disk = Faulty::new();
    let spool = spool(&disk, 1);
    let commit = Commit {
        writer: spool.create(),
        last: b"text".to_vec(),
        envelope: Envelope {
            encoding: crate::store::Encoding::SevenBit,
            ..envelope(&["a@x"])
        },
    };
    let staged = Staged::write(commit).unwrap();
    replace(&spool.files, staged.id(), Suffix::Content, b"gr\xfcn");
    let staged = reread(staged, false).unwrap();
    assert_eq!(staged.envelope().encoding, crate::store::Encoding::EightBit);
    let written = read(&disk, staged.id(), Suffix::EnvelopeNew);
    assert_eq!(written.encoding, crate::store::Encoding::EightBit);
}

#[test]
fn a_message_to_be_forwarded_is_read_again() {
    let disk = Faulty::new();
    let spool = spool(&disk, 1);
    let id = store(&spool, b"text", &["a@x"]);
    let mut locked = take(&spool, &id);
    locked.hold();
    for (suffix, octets) in [
        (Suffix::Content, b"other".to_vec()),
        (Suffix::EnvelopeBusy, envelope(&["b@x"]).print().unwrap()),
    ] {
        replace(&spool.files, &id, suffix, &octets);
        assert!(!spool.recover().unwrap().has_changes());
    }
    let done = disk.operations();
    let LockOutcome::Locked(mut locked) = locked.reread(&fine).unwrap() else {
        panic!("not locked");
    };
    let synced = disk.trace()[done..]
        .iter()
        .filter(|op| op.starts_with("sync"))
        .count();
    assert_eq!(synced, 3, "both files, and the names");
    assert_eq!(locked.envelope().remote_recipients, [line("b@x")]);
    let mut buffer = [0; 9];
    assert_eq!(locked.read(&mut buffer).unwrap(), 5);
    let other = super::spool(&disk, 2);
    assert!(!other.recover().unwrap().has_changes());
    locked.delete().unwrap();
    assert!(disk.listing().is_empty());
}

#[test]
fn a_message_to_be_forwarded_may_be_gone_or_spoilt() {
    let disk = Faulty::new();
    let spool = spool(&disk, 1);
    let mut locked = take(&spool, &store(&spool, b"text", &["a@x"]));
    locked.hold();
    for suffix in [Suffix::EnvelopeBusy, Suffix::Content] {
        spool.files.remove(locked.id(), suffix).unwrap();
    }
    assert!(matches!(locked.reread(&fine).unwrap(), LockOutcome::Gone));
    assert!(disk.listing().is_empty());

    let id = store(&spool, b"text", &["a@x"]);
    let mut locked = take(&spool, &id);
    locked.hold();
    let outcome = locked.reread(&|_, _| Err("not so".to_owned())).unwrap();
    assert!(matches!(outcome, LockOutcome::Unreadable(reason) if reason == line("not so")));
    assert_eq!(suffixes(&disk, &id), [Suffix::Content, Suffix::EnvelopeBad]);
}

/// Puts another file in the place of one, in one step.
fn replace_at_once(files: &Files, id: &StoredId, suffix: Suffix, octets: &[u8]) {
    let mut file = files.fs.create_new(b"edited").unwrap();
    file.write_all(octets).unwrap();
    drop(file);
    files.fs.rename(b"edited", &id.file_name(suffix)).unwrap();
}

#[test]
fn where_open_files_are_in_the_way_filters_find_them_closed() {
    let disk = Faulty::new();
    disk.set_jealous();
    disk.set_can_tell_opens(false);
    let spool = spool(&disk, 1);
    let received = staged(&spool);
    let id = received.id().clone();
    assert!(!spool.recover().unwrap().has_changes());
    replace_at_once(&spool.files, &id, Suffix::Content, b"other");
    let other = envelope(&["b@x"]).print().unwrap();
    replace_at_once(&spool.files, &id, Suffix::EnvelopeNew, &other);
    let received = reread(received, false).unwrap();
    // From here on they are nobody else's again.
    assert!(!super::spool(&disk, 2).recover().unwrap().has_changes());
    let error = spool.files.fs.rename(
        &id.file_name(Suffix::EnvelopeNew),
        &id.file_name(Suffix::Content),
    );
    assert!(error.is_err());
    let receipt = crate::store::commit(vec![received]).pop().unwrap().unwrap();
    assert_eq!(receipt.octets, 5);
    let mut locked = take(&spool, &id);
    locked.hold();
    replace_at_once(&spool.files, &id, Suffix::Content, b"third");
    replace_at_once(&spool.files, &id, Suffix::EnvelopeBusy, &other);
    let LockOutcome::Locked(mut locked) = locked.reread(&fine).unwrap() else {
        panic!("not locked");
    };
    let mut buffer = [0; 9];
    assert_eq!(locked.read(&mut buffer).unwrap(), 5);
    assert_eq!(&buffer[..5], b"third");
    locked.release_in_part(attempt(), part("c@x")).unwrap();
    assert_eq!(
        read(&disk, &id, Suffix::Envelope).remote_recipients,
        [line("c@x")]
    );
    take(&spool, &id).delete().unwrap();
    assert!(disk.listing().is_empty());
}

#[test]
fn what_was_closed_is_committed_taken_or_removed_as_any_other() {
    let disk = Faulty::new();
    disk.set_jealous();
    let spool = spool(&disk, 1);
    drop(staged(&spool));
    assert!(disk.listing().is_empty());
    // With no filter in between it has not been read again.
    let committed = crate::store::commit(vec![Box::new(staged(&spool))]).pop();
    let id = committed.unwrap().unwrap().id;
    assert_eq!(suffixes(&disk, &id), [Suffix::Content, Suffix::Envelope]);
    let mut locked = take(&spool, &id);
    locked.hold();
    drop(locked);
    assert_eq!(suffixes(&disk, &id), [Suffix::Content, Suffix::Envelope]);
    take(&spool, &id).delete().unwrap();
    // A filter that has taken it may leave the content, or not.
    for parts in [
        &[Suffix::EnvelopeNew][..],
        &[Suffix::EnvelopeNew, Suffix::Content],
    ] {
        let staged = staged(&spool);
        let id = staged.id().clone();
        parts
            .iter()
            .for_each(|part| spool.files.remove(&id, *part).unwrap());
        assert!(matches!(reread(staged, true), Err(why) if why == "taken"));
        spool.files.remove(&id, Suffix::Content).unwrap();
    }
    assert!(disk.listing().is_empty());
}

#[test]
fn an_envelope_that_cannot_be_rewritten_gets_nobody_the_message_twice() {
    let disk = Faulty::new();
    disk.set_jealous();
    let spool = spool(&disk, 1);
    let id = store(&spool, b"text", &["a@x"]);
    let locked = take(&spool, &id);
    let reader = spool
        .files
        .fs
        .open_read(&id.file_name(Suffix::EnvelopeBusy))
        .unwrap();
    assert!(locked.release_in_part(attempt(), part("c@x")).is_err());
    drop(reader);
    assert_eq!(suffixes(&disk, &id), [Suffix::Content, Suffix::EnvelopeBad]);
}
