//! Every operation of every scenario fails once, and the power is cut at each;
//! afterwards, and after recovery, each message must be where it was told to be.

use std::collections::BTreeMap;
use std::io;

use super::*;
use crate::store::change::{Change, Outcome};
use crate::store::commit::{Commit, Group};
use crate::store::envelope::Reason;
use crate::store::error::Error;
use crate::store::faulty::{Fault, Loss};
use crate::store::fs::{Fs, Kind};
use crate::store::staged::{Left, Staged};

/// How many subsets of what is not durable are lost in turn.
const SUBSETS: u64 = 50;

/// Where a message may be found.
#[derive(Clone, Debug, PartialEq)]
enum Place {
    /// Nowhere.
    Absent,
    /// Ready, for these recipients, with its content whole.
    Ready(Vec<OneLine>),
    /// Bad, for these recipients, with its content whole.
    Bad(Vec<OneLine>),
    /// Held, for these recipients, with its content whole.
    Held(Vec<OneLine>),
    /// Ready, but the content is gone: to be found out when it is taken.
    Bare,
    /// There with copies for local recipients, both of them whole, besides.
    Local(Box<Place>),
}

/// What is known of one message.
#[derive(Debug)]
struct Expected {
    body: Vec<u8>,
    /// Where it may be while the power stays on.
    now: Vec<Place>,
    /// Where it may be after a power cut.
    after_power_cut: Vec<Place>,
    /// Whether it was deleted and that has worked.
    deleted: bool,
}

type Ledger = BTreeMap<StoredId, Expected>;

/// Something that is done to a spool.
struct Scenario {
    /// What comes before, and goes well.
    setup: fn(Faulty, &mut Ledger) -> Faulty,
    /// What is done while things go wrong.
    run: fn(&Spool, &mut Ledger),
}

const ALL: [&str; 3] = ["a@x", "b@x", "c@x"];

fn recipients() -> Vec<OneLine> {
    ALL.map(line).to_vec()
}

fn remaining() -> Vec<OneLine> {
    vec![line("b@x")]
}

fn no_setup(disk: Faulty, _ledger: &mut Ledger) -> Faulty {
    disk
}

fn local(place: Place) -> Place {
    Place::Local(Box::new(place))
}

/// Stores messages as one group, each of pieces of content.
fn store_group(spool: &Spool, ledger: &mut Ledger, group: &[&[&[u8]]]) {
    let after = [Place::Absent, Place::Ready(recipients()), Place::Bare];
    let accepted = Place::Ready(recipients());
    store_as(
        spool,
        ledger,
        group,
        &envelope(&["a@x", "b@x", "c@x"]),
        &after,
        &accepted,
    );
}

/// The same for messages that are for local recipients, too.
fn store_mixed(spool: &Spool, ledger: &mut Ledger, group: &[&[&[u8]]]) {
    let places = [Place::Absent, Place::Ready(recipients()), Place::Bare];
    let with_copies = places.clone().map(local);
    let envelope = Envelope {
        local_recipients: vec![line("alice")],
        ..envelope(&["a@x", "b@x", "c@x"])
    };
    let accepted = local(Place::Ready(recipients()));
    let after = [places, with_copies].concat();
    store_as(spool, ledger, group, &envelope, &after, &accepted);
}

/// The same for messages that are for nobody else.
fn store_local(spool: &Spool, ledger: &mut Ledger, group: &[&[&[u8]]]) {
    let envelope = Envelope {
        local_recipients: vec![line("alice")],
        ..envelope(&[])
    };
    let accepted = local(Place::Absent);
    let after = [Place::Absent, accepted.clone()];
    store_as(spool, ledger, group, &envelope, &after, &accepted);
}

/// Stores messages as one group; after a power cut each may be in one of those
/// places, and if it was acknowledged it must be where it is accepted.
fn store_as(
    spool: &Spool,
    ledger: &mut Ledger,
    group: &[&[&[u8]]],
    envelope: &Envelope,
    after_power_cut: &[Place],
    accepted: &Place,
) {
    let mut commits = Vec::new();
    for pieces in group {
        let mut writer = spool.create();
        let (last, first) = pieces.split_last().unwrap();
        // After an error the writer fails the commit, too.
        let _ = first.iter().try_for_each(|piece| writer.append(piece));
        ledger.insert(
            writer.id().clone(),
            Expected {
                body: pieces.concat(),
                now: vec![Place::Absent],
                after_power_cut: after_power_cut.to_vec(),
                deleted: false,
            },
        );
        commits.push(Commit {
            writer,
            last: last.to_vec(),
            envelope: envelope.clone(),
        });
    }
    for receipt in crate::store::commit(commits).into_iter().flatten() {
        let expected = ledger.get_mut(&receipt.id).unwrap();
        assert_eq!(receipt.octets, expected.body.len() as u64);
        expected.now = vec![accepted.clone()];
        expected.after_power_cut = expected.now.clone();
    }
}

/// Stores a message by way of a filter that puts another content in place of the
/// first, and a recipient more into the envelope.
fn store_filtered(spool: &Spool, ledger: &mut Ledger, local: &[&str], remote: &[&str]) {
    let body = b"changed".to_vec();
    let writer = spool.create();
    let id = writer.id().clone();
    let (mut places, accepted) = match (local, remote) {
        ([], _) => (vec![Place::Bare], Place::Ready(recipients())),
        (_, []) => (Vec::new(), self::local(Place::Absent)),
        _ => {
            let copies = [Place::Absent, Place::Bare].map(self::local);
            let ready = [Place::Bare, Place::Ready(recipients())];
            let accepted = self::local(Place::Ready(recipients()));
            ([&copies[..], &ready].concat(), accepted)
        }
    };
    places.extend([Place::Absent, accepted.clone()]);
    let expected = Expected {
        body: body.clone(),
        now: vec![Place::Absent],
        after_power_cut: places,
        deleted: false,
    };
    ledger.insert(id.clone(), expected);
    let commit = Commit {
        writer,
        last: b"received".to_vec(),
        envelope: envelope(&["a@x"]),
    };
    let Ok(staged) = Staged::write(commit) else {
        return;
    };
    let mut changed = Envelope {
        local_recipients: local.iter().copied().map(line).collect(),
        ..envelope(remote)
    };
    changed.trailer.push(line("X-MailRelay-Mine: 1"));
    let text = changed.print().unwrap();
    let filter = || {
        for (suffix, octets) in [(Suffix::Content, &body), (Suffix::EnvelopeNew, &text)] {
            let name = id.file_name(suffix);
            spool.files.fs.remove(&name)?;
            spool.files.fs.create_new(&name)?.write_all(octets)?;
        }
        io::Result::Ok(())
    };
    if filter().is_err() {
        return staged.discard();
    }
    let Ok(Left::Message(staged)) = staged.reread(false, &|_, _| Ok(())) else {
        return;
    };
    for receipt in crate::store::commit(vec![staged]).into_iter().flatten() {
        assert_eq!((&receipt.id, receipt.octets), (&id, body.len() as u64));
        let expected = ledger.get_mut(&receipt.id).unwrap();
        expected.now = vec![accepted.clone()];
        expected.after_power_cut = expected.now.clone();
    }
}

fn stored_three(disk: Faulty, ledger: &mut Ledger) -> Faulty {
    store_group(
        &spool(&disk, 1),
        ledger,
        &[&[b"one"], &[b"two"], &[b"three"]],
    );
    disk
}

fn stored_mixed(disk: Faulty, ledger: &mut Ledger) -> Faulty {
    store_mixed(&spool(&disk, 1), ledger, &[&[b"one"], &[b"two"]]);
    disk
}

/// Takes each message in turn, reads it, and does something with it.
fn forward(
    spool: &Spool,
    ledger: &mut Ledger,
    action: fn(Box<Locked>, &mut Expected) -> Result<(), Error>,
) {
    let Ok(scan) = spool.scan() else { return };
    for id in scan.ready {
        let Ok(LockOutcome::Locked(mut locked)) = spool.lock(&id) else {
            continue;
        };
        let expected = ledger.get_mut(&id).unwrap();
        let mut buffer = [0; 100];
        if let Ok(count) = locked.read(&mut buffer) {
            assert_eq!(buffer[..count], expected.body);
        }
        // The outcome is in the ledger.
        let _ = action(locked, expected);
    }
}

fn delete(locked: Box<Locked>, expected: &mut Expected) -> Result<(), Error> {
    // Whatever happens, this process must not send it again.
    expected.now = vec![Place::Absent];
    expected
        .after_power_cut
        .extend([Place::Absent, Place::Bare]);
    locked.delete()?;
    expected.deleted = true;
    Ok(())
}

fn delete_mixed(locked: Box<Locked>, expected: &mut Expected) -> Result<(), Error> {
    expected.now = vec![local(Place::Absent)];
    expected
        .after_power_cut
        .extend([Place::Absent, Place::Bare].map(local));
    locked.delete()
}

fn release(locked: Box<Locked>, _: &mut Expected) -> Result<(), Error> {
    locked.release(Some(Attempt {
        at: 5,
        reply: line("451 later"),
        next: 0,
        spent: 0,
    }))
}

fn fail(locked: Box<Locked>, expected: &mut Expected) -> Result<(), Error> {
    let places = [
        Place::Bad(remaining()),
        Place::Bad(recipients()),
        Place::Ready(remaining()),
    ];
    expected.now.extend(places.clone());
    expected.after_power_cut.extend(places);
    let reason = Reason {
        text: line("550 no"),
        code: Some(550),
    };
    locked.fail(&[reason], Some(&remaining()))?;
    expected.now = vec![Place::Bad(remaining())];
    Ok(())
}

fn release_in_part(locked: Box<Locked>, expected: &mut Expected) -> Result<(), Error> {
    let places = [
        Place::Ready(remaining()),
        Place::Bad(remaining()),
        Place::Bad(recipients()),
    ];
    expected.now.extend(places.clone());
    expected.after_power_cut.extend(places);
    let part = Part {
        remaining: remaining(),
        ..Part::default()
    };
    locked.release_in_part(attempt(), part)?;
    expected.now = vec![Place::Ready(remaining())];
    expected.after_power_cut = expected.now.clone();
    Ok(())
}

/// What several processes leave that died at different moments.
fn debris(disk: Faulty, ledger: &mut Ledger) -> Faulty {
    let disk = stored_three(disk, ledger);
    let (first, second) = (spool(&disk, 2), spool(&disk, 3));
    let ids: Vec<_> = ledger.keys().cloned().collect();
    let _busy = take(&first, &ids[0]);
    let _busy_too = take(&second, &ids[1]);
    let text = disk.listing()[&name(&ids[1], Suffix::EnvelopeBusy)].clone();
    disk.plant(
        &name(&ids[1], Suffix::EnvelopeBusyTmp),
        Kind::File,
        &text[..50],
    );
    // Another forwarder's way to rewrite: the old envelope is gone, the new one
    // has not its name yet.
    let text = disk.listing()[&name(&ids[2], Suffix::Envelope)].clone();
    disk.remove(&ids[2].file_name(Suffix::Envelope)).unwrap();
    disk.plant(&name(&ids[2], Suffix::EnvelopeBusyTmp), Kind::File, &text);
    let mut writing = first.create();
    writing.append(b"half").unwrap();
    let _new = Group::prepare(vec![Commit {
        writer: second.create(),
        last: b"not acknowledged".to_vec(),
        envelope: envelope(&["a@x"]),
    }]);
    // All of them die at once, while they hold all this.
    disk.after_power_cut(Loss::Nothing)
}

/// Three messages that are not to be tried before a time.
fn delayed_three(disk: Faulty, ledger: &mut Ledger) -> Faulty {
    let delayed = Envelope {
        trailer: vec![line("X-MailRelay-NextAttempt: 9999999999")],
        ..envelope(&["a@x", "b@x", "c@x"])
    };
    let group: [&[&[u8]]; 3] = [&[b"one"], &[b"two"], &[b"three"]];
    let ready = Place::Ready(recipients());
    store_as(&spool(&disk, 1), ledger, &group, &delayed, &[], &ready);
    disk
}

/// Three messages that have failed.
fn failed_three(disk: Faulty, ledger: &mut Ledger) -> Faulty {
    let disk = stored_three(disk, ledger);
    let spool = spool(&disk, 1);
    let bad = Place::Bad(recipients());
    for (id, expected) in ledger {
        take(&spool, id).fail(&[], None).unwrap();
        expected.now = vec![bad.clone()];
        expected.after_power_cut = vec![bad.clone()];
    }
    spool.sync().unwrap();
    disk
}

/// Changes each message, and makes that durable.
fn change(spool: &Spool, ledger: &mut Ledger, change: Change, place: &Place, cut_short: &[Place]) {
    let Ok(queue) = spool.queue() else { return };
    let mut changed = Vec::new();
    for entry in queue.entries() {
        let expected = ledger.get_mut(&entry.id).unwrap();
        expected.now.push(place.clone());
        expected.after_power_cut.push(place.clone());
        expected.after_power_cut.extend_from_slice(cut_short);
        if let Ok(Outcome::Done) = queue.change(entry, change) {
            expected.now = vec![place.clone()];
            changed.push(&entry.id);
        }
    }
    if queue.sync().is_ok() {
        for id in changed {
            ledger.get_mut(id).unwrap().after_power_cut = vec![place.clone()];
        }
    }
}

/// What sessions store.
fn storing_scenarios() -> Vec<Scenario> {
    let storing = |run| Scenario {
        setup: no_setup,
        run,
    };
    vec![
        storing(|spool, ledger| store_group(spool, ledger, &[&[b"only"]])),
        storing(|spool, ledger| store_group(spool, ledger, &[&[b""]])),
        storing(|spool, ledger| {
            store_group(
                spool,
                ledger,
                &[&[b"one"], &[b"", b"two", b"2"], &[b"three", b""]],
            );
        }),
        storing(|spool, ledger| {
            store_group(spool, ledger, &[&[b"first"]]);
            store_group(spool, ledger, &[&[b"second"], &[b"third"]]);
        }),
        storing(|spool, ledger| store_mixed(spool, ledger, &[&[b"only"]])),
        storing(|spool, ledger| store_mixed(spool, ledger, &[&[b"one", b"1"], &[b""]])),
        storing(|spool, ledger| store_local(spool, ledger, &[&[b"only"]])),
        storing(|spool, ledger| {
            store_local(spool, ledger, &[&[b"one", b"1"], &[b""]]);
            store_group(spool, ledger, &[&[b"three"]]);
        }),
        storing(|spool, ledger| store_filtered(spool, ledger, &[], &ALL)),
        storing(|spool, ledger| store_filtered(spool, ledger, &["alice"], &[])),
        storing(|spool, ledger| store_filtered(spool, ledger, &["alice"], &ALL)),
    ]
}

fn scenarios() -> Vec<Scenario> {
    let forwarding = |run| Scenario {
        setup: stored_three,
        run,
    };
    let storing = |run| Scenario {
        setup: no_setup,
        run,
    };
    let mut scenarios = storing_scenarios();
    scenarios.extend([
        Scenario {
            setup: stored_mixed,
            run: |spool, ledger| forward(spool, ledger, delete_mixed),
        },
        storing(|spool, _ledger| {
            let mut writer = spool.create();
            let _ = writer.append(b"thrown away");
            writer.discard();
        }),
        forwarding(|spool, ledger| forward(spool, ledger, delete)),
        forwarding(|spool, ledger| {
            forward(spool, ledger, delete);
            if spool.sync().is_ok() {
                for expected in ledger.values_mut().filter(|e| e.deleted) {
                    expected.after_power_cut = vec![Place::Absent];
                }
            }
        }),
        forwarding(|spool, ledger| forward(spool, ledger, release)),
        forwarding(|spool, ledger| forward(spool, ledger, fail)),
        forwarding(|spool, ledger| forward(spool, ledger, release_in_part)),
        forwarding(|spool, ledger| {
            forward(spool, ledger, |locked, _| {
                drop(locked);
                Ok(())
            });
        }),
        Scenario {
            setup: debris,
            run: |spool, _ledger| {
                let _ = spool.recover();
            },
        },
    ]);
    scenarios.extend(changes_by_hand());
    scenarios
}

fn retry(spool: &Spool, ledger: &mut Ledger) {
    let ready = Place::Ready(recipients());
    change(spool, ledger, Change::Retry, &ready, &[]);
}

/// What an operator does to a queue.
fn changes_by_hand() -> Vec<Scenario> {
    let ready = |run| Scenario {
        setup: stored_three,
        run,
    };
    vec![
        ready(|spool, ledger| {
            change(spool, ledger, Change::Hold, &Place::Held(recipients()), &[]);
        }),
        ready(|spool, ledger| {
            let bare = [Place::Bare];
            change(spool, ledger, Change::Delete, &Place::Absent, &bare);
        }),
        Scenario {
            setup: failed_three,
            run: retry,
        },
        Scenario {
            setup: delayed_three,
            run: retry,
        },
    ]
}

/// Where a message is, if that is a place where it may stay.
fn place(disk: &Faulty, id: &StoredId, body: &[u8]) -> Option<Place> {
    use Suffix::Content;
    let mut found = suffixes(disk, id);
    let has = |suffix| disk.listing().get(&name(id, suffix)).map(Vec::as_slice) == Some(body);
    let copies = [Suffix::ContentLocal, Suffix::EnvelopeLocal];
    if found.iter().any(|suffix| copies.contains(suffix)) {
        let envelope = disk
            .listing()
            .contains_key(&name(id, Suffix::EnvelopeLocal));
        if !envelope || !has(Suffix::ContentLocal) {
            return None;
        }
        let recipients = read(disk, id, Suffix::EnvelopeLocal).local_recipients;
        assert_eq!(recipients, [line("alice")]);
        found.retain(|suffix| !copies.contains(suffix));
        return rest_of_place(disk, id, has(Content), &found).map(local);
    }
    rest_of_place(disk, id, has(Content), &found)
}

/// Where the message is, apart from copies.
fn rest_of_place(disk: &Faulty, id: &StoredId, whole: bool, found: &[Suffix]) -> Option<Place> {
    use Suffix::{Content, Envelope, EnvelopeBad, EnvelopeHold};
    match found {
        [] => Some(Place::Absent),
        [Envelope] => Some(Place::Bare),
        [Content, Envelope] if whole => {
            Some(Place::Ready(read(disk, id, Envelope).remote_recipients))
        }
        [Content, EnvelopeBad] if whole => {
            Some(Place::Bad(read(disk, id, EnvelopeBad).remote_recipients))
        }
        [Content, EnvelopeHold] if whole => {
            Some(Place::Held(read(disk, id, EnvelopeHold).remote_recipients))
        }
        _ => None,
    }
}

/// Recovers, and sees that every message is where it may be, that nothing else is
/// there, and that recovering again changes nothing.
fn check(
    spool: &Spool,
    disk: &Faulty,
    ledger: &Ledger,
    places: fn(&Expected) -> &[Place],
    context: &str,
) {
    spool.recover().unwrap();
    for (id, expected) in ledger {
        let found = place(disk, id, &expected.body);
        assert!(
            found
                .as_ref()
                .is_some_and(|place| places(expected).contains(place)),
            "{context}: {id} is {found:?} ({:?}), expected {:?}",
            suffixes(disk, id),
            places(expected)
        );
    }
    let listing = disk.listing();
    for name in listing.keys() {
        let (id, _) = StoredId::parse_name(name.as_bytes()).unwrap();
        assert!(ledger.contains_key(&id), "{context}: {name} is left");
    }
    let again = spool.recover().unwrap();
    assert!(!again.has_changes(), "{context}: {again:?}");
    assert_eq!(disk.listing(), listing, "{context}");
}

/// Runs a scenario with that fault. False if it was over before its turn.
fn run(scenario: &Scenario, fault: Fault, at: usize) -> Option<(Faulty, Spool, Ledger)> {
    let mut ledger = Ledger::new();
    let disk = (scenario.setup)(Faulty::new(), &mut ledger);
    let spool = spool(&disk, 77);
    disk.set_fault(fault);
    (scenario.run)(&spool, &mut ledger);
    let reached = disk.operations() >= at;
    reached.then_some((disk, spool, ledger))
}

#[test]
fn without_faults_all_goes_well() {
    for (number, scenario) in scenarios().iter().enumerate() {
        let (disk, spool, ledger) = run(scenario, Fault::None, 0).unwrap();
        assert!(ledger.values().all(|expected| expected.now.len() == 1));
        check(
            &spool,
            &disk,
            &ledger,
            |e| &e.now,
            &format!("scenario {number}"),
        );
    }
}

#[test]
fn any_operation_may_fail() {
    for (number, scenario) in scenarios().iter().enumerate() {
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::Other] {
            for at in 1.. {
                let Some((disk, spool, ledger)) = run(scenario, Fault::Fail(at, kind), at) else {
                    assert!(at > 3);
                    break;
                };
                disk.set_fault(Fault::None);
                let context = format!("scenario {number}, {kind} at {at}");
                check(&spool, &disk, &ledger, |e| &e.now, &context);
            }
        }
    }
}

#[test]
fn the_power_may_be_cut_at_any_operation() {
    let subsets = (0..SUBSETS).map(Loss::Some);
    let losses: Vec<_> = [Loss::All, Loss::Nothing]
        .into_iter()
        .chain(subsets)
        .collect();
    cut_at_each(Fault::Crash, &losses, |_, _| {});
}

#[test]
fn the_power_may_be_cut_after_a_failure() {
    let fail = |at| Fault::Fail(at, io::ErrorKind::Other);
    cut_at_each(
        fail,
        &[Loss::All, Loss::Nothing, Loss::Some(1), Loss::Some(2)],
        remove_lone_copies,
    );
}

/// A copy of a content whose message was taken back, and whose removal was then
/// undone by the power cut, looks like one that a program of the operator's has
/// not finished with: it is left alone, and no recipient ever sees it.
fn remove_lone_copies(disk: &Faulty, ledger: &Ledger) {
    for id in ledger.keys() {
        let found = suffixes(disk, id);
        let has = |suffix| found.contains(&suffix);
        let is_known = has(Suffix::EnvelopeLocal) || has(Suffix::EnvelopeLocalNew);
        if has(Suffix::ContentLocal) && !is_known {
            disk.remove(&id.file_name(Suffix::ContentLocal)).unwrap();
        }
    }
}

fn cut_at_each(fault: fn(usize) -> Fault, losses: &[Loss], before_check: fn(&Faulty, &Ledger)) {
    for (number, scenario) in scenarios().iter().enumerate() {
        for at in 1.. {
            let Some((disk, _, ledger)) = run(scenario, fault(at), at) else {
                break;
            };
            for loss in losses {
                let disk = disk.after_power_cut(*loss);
                before_check(&disk, &ledger);
                let context = format!("scenario {number}, {:?}, {loss:?}", fault(at));
                let spool = spool(&disk, 78);
                check(&spool, &disk, &ledger, |e| &e.after_power_cut, &context);
            }
        }
    }
}

#[test]
fn debris_is_recovered_or_removed() {
    let debris_only = Scenario {
        setup: debris,
        run: |_, _| {},
    };
    let mut ledger = Ledger::new();
    let disk = (debris_only.setup)(Faulty::new(), &mut ledger);
    assert!(disk.listing().len() > 2 * ledger.len());
    let report = spool(&disk, 5).recover().unwrap();
    assert_eq!((report.recovered, report.failed, report.left), (3, 0, 0));
    // The half content, the content and envelope that were not acknowledged, and
    // the rest of a rewriting.
    assert_eq!(report.removed, 4);
}
