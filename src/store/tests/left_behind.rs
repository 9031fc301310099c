//! What recovery does with each kind of file that was left behind.

use super::*;
use crate::store::commit::{Commit, Group};
use crate::store::fs::{Fs, Kind};

const THEIRS: &str = "emailrelay.18918.1795360975.2";

fn good_envelope() -> Vec<u8> {
    envelope(&["a@x"]).print().unwrap()
}

/// Plants files of one message, and says what is there after recovery.
fn after_recovery(stem: &str, old: bool, files: &[(Suffix, &[u8])]) -> Vec<Suffix> {
    let disk = Faulty::new();
    let id = StoredId::parse(stem.as_bytes()).unwrap();
    for (suffix, content) in files {
        let name = name(&id, *suffix);
        disk.plant(&name, Kind::File, content);
        if old {
            disk.make_old(&name);
        }
    }
    let spool = spool(&disk, 1);
    let first = spool.recover().unwrap();
    let found = suffixes(&disk, &id);
    assert_eq!(
        first.lines.len(),
        first.recovered + first.removed + first.failed + first.left
    );
    assert!(!spool.recover().unwrap().has_changes());
    assert_eq!(suffixes(&disk, &id), found);
    found
}

#[test]
fn each_combination_of_files_ends_in_one_that_may_stay() {
    use Suffix::{
        Content, ContentLocal, ContentNew, Envelope, EnvelopeBad, EnvelopeBusy, EnvelopeBusyTmp,
        EnvelopeHold, EnvelopeLocal, EnvelopeNew,
    };
    let ours = "emailrelay.7.1795360975.10000000005";
    let table: [(&[Suffix], &[Suffix]); 21] = [
        (&[Content], &[]),
        (&[Content, EnvelopeNew], &[]),
        (&[EnvelopeNew], &[]),
        (&[Content, Envelope], &[Content, Envelope]),
        (&[Envelope], &[Envelope]),
        (&[Content, EnvelopeBad], &[Content, EnvelopeBad]),
        (&[Content, EnvelopeBusy], &[Content, Envelope]),
        (&[EnvelopeBusy], &[Envelope]),
        (
            &[Content, EnvelopeBusy, EnvelopeBusyTmp],
            &[Content, Envelope],
        ),
        (&[Content, EnvelopeBusyTmp], &[Content, Envelope]),
        (&[EnvelopeBusyTmp], &[]),
        (&[Content, EnvelopeHold], &[Content, EnvelopeHold]),
        (&[EnvelopeHold], &[EnvelopeHold]),
        (
            &[Content, EnvelopeBusyTmp, EnvelopeHold],
            &[Content, EnvelopeHold],
        ),
        (&[Content, Envelope, EnvelopeBusyTmp], &[Content, Envelope]),
        (
            &[Content, Envelope, EnvelopeBusy],
            &[Content, Envelope, EnvelopeBad],
        ),
        (
            &[ContentLocal, EnvelopeLocal],
            &[ContentLocal, EnvelopeLocal],
        ),
        (&[Content, EnvelopeLocal], &[Content, EnvelopeLocal]),
        (&[Content, ContentNew, EnvelopeNew], &[]),
        (&[ContentNew], &[]),
        (&[Content, ContentNew, EnvelopeBusy], &[Content, Envelope]),
    ];
    let text = good_envelope();
    for (before, after) in table {
        let files: Vec<_> = before
            .iter()
            .map(|suffix| (*suffix, text.as_slice()))
            .collect();
        assert_eq!(after_recovery(ours, false, &files), after, "{before:?}");
    }
}

#[test]
fn a_part_of_an_envelope_is_kept_for_people_to_look_at() {
    use Suffix::{Content, EnvelopeBad, EnvelopeBusyTmp};
    let files: [(Suffix, &[u8]); 2] = [(Content, b"body"), (EnvelopeBusyTmp, b"X-MailRelay-Fo")];
    assert_eq!(
        after_recovery(THEIRS, false, &files),
        [Content, EnvelopeBad]
    );
}

#[test]
fn what_is_not_ours_and_was_not_acknowledged_is_given_a_day() {
    use Suffix::{Content, Envelope, EnvelopeBusy, EnvelopeNew};
    let text = good_envelope();
    for suffixes in [&[Content][..], &[Content, EnvelopeNew], &[EnvelopeNew]] {
        let files: Vec<_> = suffixes
            .iter()
            .map(|suffix| (*suffix, text.as_slice()))
            .collect();
        assert_eq!(after_recovery(THEIRS, false, &files), suffixes);
        assert_eq!(after_recovery(THEIRS, true, &files), []);
    }
    let files: [(Suffix, &[u8]); 2] = [(Content, b"body"), (EnvelopeBusy, &text)];
    assert_eq!(after_recovery(THEIRS, false, &files), [Content, Envelope]);
}

#[test]
fn two_envelopes_of_one_message_are_told_apart() {
    let disk = Faulty::new();
    let id = StoredId::parse(THEIRS.as_bytes()).unwrap();
    let text = good_envelope();
    disk.plant(&name(&id, Suffix::Content), Kind::File, b"body");
    disk.plant(&name(&id, Suffix::Envelope), Kind::File, &text);
    disk.plant(&name(&id, Suffix::EnvelopeBusy), Kind::File, &text);
    let spool = spool(&disk, 1);
    let scan = spool.scan().unwrap();
    assert_eq!(scan.ready, std::slice::from_ref(&id));
    assert_eq!(scan.report.failed, 1);
    let line = format!("made bad: {THEIRS}.envelope.busy: there are two envelopes");
    assert_eq!(scan.report.lines[0].to_string(), line);
    let bad = &disk.listing()[&name(&id, Suffix::EnvelopeBad)];
    assert!(bad.starts_with(&text));
    assert!(bad.ends_with(b"Reason: there are two envelopes\r\nX-MailRelay-ReasonCode:\r\n"));
    // A third one has no place to go, and is complained about once.
    disk.plant(&name(&id, Suffix::EnvelopeBusy), Kind::File, b"third");
    let report = spool.recover().unwrap();
    assert_eq!((report.failed, report.left), (0, 1));
    let report = spool.recover().unwrap();
    assert_eq!((report.failed, report.left), (0, 0));
    assert_eq!(disk.listing()[&name(&id, Suffix::EnvelopeBusy)], b"third");
}

#[test]
fn what_the_living_hold_is_left_alone() {
    let disk = Faulty::new();
    let (living, other) = (spool(&disk, 1), spool(&disk, 2));
    let id = store(&living, b"text", &["a@x"]);
    let locked = take(&living, &id);
    let mut writer = living.create();
    writer.append(b"half").unwrap();
    let group = Group::prepare(vec![Commit {
        writer: living.create(),
        last: b"whole".to_vec(),
        envelope: envelope(&["a@x"]),
    }]);
    let listing = disk.listing();
    for spool in [&other, &living] {
        let report = spool.recover().unwrap();
        assert_eq!(report, crate::store::Report::default());
        assert_eq!(disk.listing(), listing);
    }
    drop((writer, group));
    locked.delete().unwrap();
    assert!(disk.listing().is_empty());
}

#[test]
fn each_lock_of_the_living_is_enough() {
    let disk = Faulty::new();
    disk.set_can_tell_opens(false);
    let (living, other) = (spool(&disk, 1), spool(&disk, 2));
    let id = store(&living, b"text", &["a@x"]);
    let locked = take(&living, &id);
    let mut writer = living.create();
    writer.append(b"half").unwrap();
    // As if long enough ago to be sure without asking who has it open.
    disk.make_old(&name(&id, Suffix::EnvelopeBusy));
    assert!(!other.recover().unwrap().has_changes());
    // A filter has replaced the content, and nobody has the new one locked.
    disk.plant(&name(&id, Suffix::Content), Kind::File, b"edited");
    assert!(!other.recover().unwrap().has_changes());
    drop((locked, writer));
    // Another program has replaced the envelope.
    let locked = take(&living, &id);
    disk.plant(
        &name(&id, Suffix::EnvelopeBusy),
        Kind::File,
        &good_envelope(),
    );
    disk.make_old(&name(&id, Suffix::EnvelopeBusy));
    assert!(!other.recover().unwrap().has_changes());
    drop(locked);
}

#[test]
fn a_writer_that_recovery_overtakes_takes_another_id() {
    let recovers: fn(&Faulty) = |disk| {
        assert_eq!(spool(disk, 2).recover().unwrap().removed, 1);
    };
    let is_about_to: fn(&Faulty) = |disk| {
        let name = disk.listing().into_keys().next().unwrap();
        let file = disk.open_read(name.as_bytes()).unwrap();
        assert!(file.try_lock().unwrap());
        std::mem::forget(file);
    };
    for action in [recovers, is_about_to] {
        let disk = Faulty::new();
        disk.set_can_tell_opens(false);
        let spool = spool(&disk, 1);
        let mut writer = spool.create();
        let first = writer.id().clone();
        disk.set_hook("lock", action);
        writer.append(b"text").unwrap();
        assert_ne!(writer.id(), &first);
        assert_eq!(disk.listing()[&name(writer.id(), Suffix::Content)], b"text");
    }
}

#[test]
fn a_content_that_a_program_without_locks_has_open_is_busy() {
    let disk = Faulty::new();
    let id = StoredId::parse(THEIRS.as_bytes()).unwrap();
    disk.plant(&name(&id, Suffix::Content), Kind::File, b"body");
    disk.plant(
        &name(&id, Suffix::EnvelopeBusy),
        Kind::File,
        &good_envelope(),
    );
    let spool = spool(&disk, 1);
    let content = id.file_name(Suffix::Content);
    let open = disk.open_read(&content).unwrap();
    assert!(!spool.recover().unwrap().has_changes());
    drop(open);
    // Where nobody can tell, time does.
    disk.set_can_tell_opens(false);
    assert!(!spool.recover().unwrap().has_changes());
    disk.make_old(&name(&id, Suffix::EnvelopeBusy));
    assert_eq!(spool.recover().unwrap().recovered, 1);
}

#[test]
fn without_locks_everything_is_given_a_day() {
    use Suffix::{Content, EnvelopeBusy};
    let disk = Faulty::new();
    disk.set_can_lock(false);
    let id = StoredId::parse(b"emailrelay.7.1795360975.10000000005").unwrap();
    disk.plant(&name(&id, Content), Kind::File, b"body");
    disk.plant(&name(&id, EnvelopeBusy), Kind::File, &good_envelope());
    let spool = spool(&disk, 1);
    assert!(!spool.recover().unwrap().has_changes());
    disk.make_old(&name(&id, Content));
    disk.make_old(&name(&id, EnvelopeBusy));
    assert_eq!(spool.recover().unwrap().recovered, 1);
}

#[test]
fn the_old_name_of_a_rename_that_was_cut_short_goes() {
    use Suffix::{Content, Envelope, EnvelopeBad, EnvelopeBusy, EnvelopeNew};
    for (old, new) in [
        (EnvelopeNew, Envelope),
        (EnvelopeBusy, Envelope),
        (EnvelopeBusy, EnvelopeBad),
    ] {
        let disk = Faulty::new();
        let id = StoredId::parse(b"emailrelay.7.1795360975.10000000005").unwrap();
        disk.plant(&name(&id, Content), Kind::File, b"body");
        disk.plant(&name(&id, new), Kind::File, &good_envelope());
        disk.plant_link(&name(&id, new), &name(&id, old));
        assert_eq!(spool(&disk, 1).recover().unwrap().removed, 1);
        assert_eq!(suffixes(&disk, &id), [Content, new]);
    }
}

#[test]
fn what_is_planted_is_left_alone_and_told_once() {
    use Suffix::{Content, EnvelopeBusy, EnvelopeNew};
    for kind in [Kind::Symlink, Kind::Directory, Kind::Other, Kind::File] {
        let disk = Faulty::new();
        let id = StoredId::parse(b"emailrelay.7.1795360975.10000000005").unwrap();
        for suffix in [Content, EnvelopeBusy, EnvelopeNew] {
            disk.plant(&name(&id, suffix), kind, b"text");
            disk.plant_link(
                &name(&id, suffix),
                &format!("elsewhere{}", suffix.as_str().len()),
            );
        }
        let listing = disk.listing();
        let spool = spool(&disk, 1);
        let report = spool.recover().unwrap();
        assert_eq!((report.left, report.has_changes()), (2, false), "{kind:?}");
        assert!(!spool.recover().unwrap().has_changes());
        assert_eq!(spool.recover().unwrap().left, 0);
        assert_eq!(disk.listing(), listing);
    }
}

#[test]
fn what_was_found_busy_is_ready_in_the_same_scan() {
    let disk = Faulty::new();
    let first = spool(&disk, 1);
    let ids = [
        store(&first, b"one", &["a@x"]),
        store(&first, b"two", &["a@x"]),
    ];
    let _locked = take(&first, &ids[0]);
    let disk = disk.after_power_cut(crate::store::faulty::Loss::Nothing);
    let scan = spool(&disk, 2).scan().unwrap();
    assert_eq!(scan.ready, ids);
    let line = format!("made ready again: {}.envelope.busy", ids[0]);
    assert_eq!(scan.report.lines[0].to_string(), line);
}

#[test]
fn a_report_has_a_bounded_number_of_lines() {
    let disk = Faulty::new();
    for number in 0..150 {
        let stem = format!("emailrelay.1.{number}.1");
        disk.plant(
            &format!("{stem}.envelope.busy"),
            Kind::File,
            &good_envelope(),
        );
    }
    let report = spool(&disk, 1).recover().unwrap();
    assert_eq!((report.recovered, report.lines.len()), (150, 100));
}

#[test]
fn no_content_is_removed_while_there_are_too_many_directories_to_know() {
    let disk = Faulty::new();
    let id = StoredId::parse(b"emailrelay.7.1795360975.10000000005").unwrap();
    disk.plant(&name(&id, Suffix::Content), Kind::File, b"body");
    for number in 0..=crate::store::scan::SUBDIRECTORIES_MAX {
        disk.plant_directory(&number.to_string(), &[]);
    }
    assert!(!spool(&disk, 1).recover().unwrap().has_changes());
}
