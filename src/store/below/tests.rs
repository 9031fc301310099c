use super::super::faulty::{Fault, Faulty};
use super::*;
use crate::store::{Commit, Envelope, Staged};

const NAME: &str = "emailrelay.9.5.10000000009";

fn spool(disk: &Faulty) -> Spool {
    Spool::with_fs(Box::new(disk.clone()), PathBuf::from("/spool"), 1)
}

/// A message that filters are at work on.
fn staged(spool: &Spool) -> Staged {
    let commit = Commit {
        writer: spool.create(),
        last: b"text".to_vec(),
        envelope: Envelope::default(),
    };
    Staged::write(commit).unwrap()
}

/// What is in a sub-directory, without its name.
fn names(disk: &Faulty, mailbox: &str) -> Vec<String> {
    let names = disk.listing().into_keys();
    let start = format!("{mailbox}/");
    let below = names.filter_map(|name| name.strip_prefix(&start).map(str::to_owned));
    below.collect()
}

#[test]
fn a_copy_that_is_published_by_half_is_taken_away() {
    let disk = Faulty::new();
    let id = StoredId::parse(NAME.as_bytes()).unwrap();
    let half = || {
        disk.plant(&format!("alice/{NAME}.content.new"), Kind::File, b"x");
        let mut copy = Copy {
            place: spool(&disk).mailboxes().place,
            mailbox: b"alice".to_vec(),
            identity: (0, 0),
            shape: Shape::Pair {
                id: id.clone(),
                has_content: true,
            },
            state: State::Written,
        };
        // There is no envelope that could get its name.
        copy.publish().unwrap_err();
    };
    disk.plant_directory("alice", &[]);
    half();
    assert_eq!(names(&disk, "alice"), [""; 0]);
    // The envelope of an earlier copy keeps a content.
    let earlier = ["content", "envelope"].map(|suffix| format!("{NAME}.{suffix}"));
    disk.plant_directory("alice", &earlier);
    half();
    assert_eq!(names(&disk, "alice"), earlier);
}

#[test]
fn what_unfinished_copies_have_left_goes() {
    let disk = Faulty::new();
    let (ours, whole) = (NAME, "emailrelay.9.5.10000000010");
    let held = "emailrelay.9.5.10000000012";
    let left_behind = [
        format!("{held}.envelope.new"),
        format!("{ours}.content"),
        format!("{ours}.envelope.new"),
        format!("{ours}.content.new"),
        format!("{whole}.envelope.new"),
    ];
    let others = [
        "emailrelay.9.5.1.content".to_owned(),
        "emailrelay.9.5.1.envelope.new".to_owned(),
        format!("{whole}.content"),
        format!("{whole}.envelope"),
        "emailrelay.9.5.10000000011.content".to_owned(),
        format!("{held}.content"),
        format!("{held}.envelope.hold"),
    ];
    disk.plant_directory("alice", &[&left_behind[..], &others].concat());
    let directory = disk.open_subdirectory(b"alice").unwrap();
    tidy(directory.as_ref(), LEFT_BEHIND_SECONDS).unwrap();
    assert_eq!(
        names(&disk, "alice").len(),
        left_behind.len() + others.len()
    );
    tidy(directory.as_ref(), 0).unwrap();
    assert_eq!(names(&disk, "alice"), others);
}

#[test]
fn copies_are_there_once_they_are_published() {
    let disk = Faulty::new();
    disk.plant_directory("alice", &[]);
    let spool = spool(&disk);
    let mailboxes = spool.mailboxes();
    assert_eq!(mailboxes.names().unwrap(), [b"alice"]);
    let staged = staged(&spool);
    let draft = spool.draft(staged.id(), Suffix::EnvelopeNew);
    for (way, expected) in [
        (Way::Copied, &["content", "envelope"][..]),
        (Way::Linked, &["content", "envelope"]),
        (Way::Shared, &["envelope"]),
    ] {
        let mut copy = mailboxes.copy(b"alice", &draft, way, &[]).unwrap().unwrap();
        copy.publish().unwrap();
        let id = staged.id();
        let expected: Vec<_> = expected.iter().map(|end| format!("{id}.{end}")).collect();
        assert_eq!(names(&disk, "alice"), expected);
        drop(copy);
        assert_eq!(names(&disk, "alice"), [""; 0]);
    }
}

#[test]
fn a_sub_directory_that_may_not_be_entered_is_no_mailbox() {
    let disk = Faulty::new();
    for name in ["alice", "lost+found", ".hidden"] {
        disk.plant_directory(name, &[]);
    }
    disk.shut("lost+found");
    assert_eq!(spool(&disk).mailboxes().names().unwrap(), [b"alice"]);
}

#[test]
fn only_so_many_sub_directories_get_copies() {
    let disk = Faulty::new();
    let add = |number: usize| disk.plant(&number.to_string(), Kind::Directory, b"");
    (0..COPIES_MAX).for_each(add);
    let mailboxes = spool(&disk).mailboxes();
    assert_eq!(mailboxes.names().unwrap().len(), COPIES_MAX);
    add(COPIES_MAX);
    let error = mailboxes.names().unwrap_err().to_string();
    assert!(error.ends_with("too many sub-directories"), "{error}");
}

#[test]
fn nothing_that_fails_makes_a_maildir_a_mailbox() {
    let disk = Faulty::new();
    disk.plant_directory("alice", &[]);
    for name in ["alice/cur", "alice/tmp", "alice/new"] {
        disk.plant_directory(name, &[]);
    }
    let spool = spool(&disk);
    let (mailboxes, staged) = (spool.mailboxes(), staged(&spool));
    let draft = spool.draft(staged.id(), Suffix::EnvelopeNew);
    let copy = || {
        let copy = mailboxes.copy(b"alice", &draft, Way::Copied, &[]);
        copy.map(|copy| copy.unwrap())
    };
    disk.set_fault(Fault::None);
    assert!(matches!(copy().unwrap().shape, Shape::Maildir { .. }));
    for at in 1..=disk.operations() {
        disk.set_fault(Fault::Fail(at, io::ErrorKind::Other));
        if let Ok(copy) = copy() {
            assert!(matches!(copy.shape, Shape::Maildir { .. }), "{at}");
        }
    }
    disk.set_fault(Fault::None);
    for name in ["alice/tmp", "alice/new"] {
        disk.shut(name);
        let outcome = copy().map(|copy| matches!(copy.shape, Shape::Maildir { .. }));
        // Mail is written to the one and only later moved to the other.
        assert_ne!(outcome.ok(), Some(false), "{name}");
    }
}

#[test]
fn a_mailbox_gets_one_copy_of_a_message_however_many_filters_make_one() {
    let disk = Faulty::new();
    disk.plant_directory("alice", &[]);
    let spool = spool(&disk);
    let staged = staged(&spool);
    let draft = spool.draft(staged.id(), Suffix::EnvelopeNew);
    let copy = || spool.mailboxes().copy(b"alice", &draft, Way::Copied, &[]);
    let first = copy().unwrap().unwrap();
    draft.attach(vec![Companion::Copy(first)]).unwrap();
    assert!(copy().unwrap().is_none());
    let receipt = crate::store::commit(vec![Box::new(staged)]).remove(0);
    let id = receipt.unwrap().id;
    let pair = ["content", "envelope"].map(|end| format!("{id}.{end}"));
    assert_eq!(names(&disk, "alice"), pair);
    // Two names may be those of one mailbox, where directories do not mind their case.
    let draft = spool.draft(&id, Suffix::Envelope);
    let twice = [b"alice".as_slice(), b"alice"];
    let copies = spool.mailboxes().copy_to(twice, &draft, Way::Copied);
    assert_eq!(copies.unwrap().len(), 1);
    // As with a client filter, at each attempt.
    let draft = spool.draft(&id, Suffix::Envelope);
    let again = spool.mailboxes().copy(b"alice", &draft, Way::Copied, &[]);
    draft
        .attach(vec![Companion::Copy(again.unwrap().unwrap())])
        .unwrap();
    assert_eq!(names(&disk, "alice"), pair);
}
