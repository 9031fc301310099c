//! Filters that deliver into mailboxes, and a power cut at each operation of theirs
//! and of what comes after them: what was acknowledged is there, and whole.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::*;
use crate::filter::chain::Side;
use crate::filter::copy::Copy;
use crate::store::faulty::{Fault, Faulty, Loss};
use crate::store::{Commit, Envelope, Left, LockOutcome, Spool, Staged, StoredId, Suffix, commit};

/// How many subsets of what is not durable are lost in turn.
const SUBSETS: u64 = 12;

const BODY: &[u8] = b"Subject: x\r\n\r\ntext\r\n";

const REMOTE: &str = "far@b.test";

/// The first is a maildir from the start; the other is made where that is wanted.
const LOCAL: [&str; 2] = ["alice", "bob"];

/// Makes a filter, and the mailboxes that it finds.
type Make = fn(&Faulty) -> Box<dyn BuiltIn>;

/// A filter, and whether a message is for someone elsewhere besides.
struct Scenario {
    filter: Make,
    is_for_remote: bool,
}

fn line(text: &str) -> OneLine {
    OneLine::new(text).unwrap()
}

/// Into mailboxes elsewhere.
fn deliver(disk: &Faulty, way: Way, stays: bool) -> Box<dyn BuiltIn> {
    disk.plant_directory("mail", &[]);
    plant_maildir(disk, "mail/alice");
    Box::new(Deliver {
        way,
        stays,
        mailboxes: OnceLock::from(disk.mailboxes("mail")),
    })
}

/// Into mailboxes in the spool directory.
fn copy(disk: &Faulty, parameters: &str) -> Box<dyn BuiltIn> {
    plant_maildir(disk, "alice");
    disk.plant_directory("bob", &[]);
    Box::new(Copy::new(parameters).unwrap())
}

fn scenarios() -> Vec<Scenario> {
    let filters: [Make; 9] = [
        |disk| deliver(disk, Way::Copied, false),
        |disk| deliver(disk, Way::Linked, false),
        |disk| deliver(disk, Way::Linked, true),
        |disk| copy(disk, ""),
        |disk| copy(disk, "hardlink"),
        |disk| copy(disk, "pop"),
        |disk| copy(disk, "nodelete"),
        |disk| copy(disk, "hardlink;nodelete"),
        |disk| copy(disk, "pop;nodelete"),
    ];
    let both = filters.into_iter().flat_map(|filter| {
        [false, true].map(|is_for_remote| Scenario {
            filter,
            is_for_remote,
        })
    });
    both.collect()
}

fn plant_maildir(disk: &Faulty, name: &str) {
    disk.plant_directory(name, &[]);
    for part in ["cur", "new", "tmp"] {
        disk.plant_directory(&format!("{name}/{part}"), &[]);
    }
}

impl Scenario {
    fn received(&self, spool: &Spool) -> Commit {
        let remote = self.is_for_remote.then(|| line(REMOTE));
        Commit {
            writer: spool.create(),
            last: BODY.to_vec(),
            envelope: Envelope {
                reverse_path: line("me@src.test"),
                local_recipients: LOCAL.map(line).to_vec(),
                remote_recipients: remote.into_iter().collect(),
                ..Envelope::default()
            },
        }
    }

    /// Whether nothing is left for others once there are copies.
    fn takes_all(&self) -> bool {
        let name = (self.filter)(&Faulty::new()).name();
        name.starts_with("copy:") && !name.contains("nodelete")
    }

    /// Receives a message; says whether it was acknowledged.
    fn receive(&self, disk: &Faulty, filter: &dyn BuiltIn) -> bool {
        let spool = disk.spool(1);
        let Ok(staged) = Staged::write(self.received(&spool)) else {
            return false;
        };
        let has_taken = match ask(filter, &spool, staged.id(), Side::Server) {
            Verdict::Accept => false,
            Verdict::Abandon => true,
            Verdict::Fail(_) | Verdict::Reject(_) => return false,
        };
        match staged.reread(has_taken, &|_, _| Ok(())) {
            Ok(Left::Message(staged)) => commit(vec![staged]).remove(0).is_ok(),
            Ok(Left::Taken) => true,
            Ok(Left::Mess(_)) | Err(_) => false,
        }
    }
}

fn ask(filter: &dyn BuiltIn, spool: &Spool, id: &StoredId, side: Side) -> Verdict {
    let suffix = match side {
        Side::Server => Suffix::EnvelopeNew,
        Side::Client => Suffix::EnvelopeBusy,
    };
    let subject = Subject {
        side,
        spool: spool.clone(),
        id: id.clone(),
        suffix,
        cancelled: Arc::new(AtomicBool::new(false)),
    };
    filter.run(&subject).verdict
}

/// Who has the message, whole, in a mailbox.
fn delivered(disk: &Faulty) -> BTreeSet<String> {
    let listing = disk.listing();
    let is_whole = |name: &str| listing.get(name).is_some_and(|content| content == BODY);
    let mut found = BTreeSet::new();
    for name in listing.keys() {
        let path = name.strip_prefix("mail/").unwrap_or(name);
        if let Some(("alice", _)) = path.split_once("/new/") {
            assert!(is_whole(name), "{name} is not whole");
            found.insert("alice".to_owned());
        }
        if let Some(("bob", file)) = path.split_once('/')
            && let Some(stem) = file.strip_suffix(".envelope")
        {
            let own = name.replace(".envelope", ".content");
            let is_there = match listing.contains_key(&own) {
                true => is_whole(&own),
                false => is_whole(&format!("{stem}.content")),
            };
            found.extend(is_there.then(|| "bob".to_owned()));
        }
    }
    found
}

/// Whom the message in the spool is for that is ready, if there is one and it is whole.
fn ready(disk: &Faulty) -> Option<Envelope> {
    disk.spool(9).recover().unwrap();
    let listing = disk.listing();
    let is_ready = |name: &&String| name.ends_with(".envelope") && !name.contains('/');
    let name = listing.keys().find(is_ready)?;
    let content = listing.get(&name.replace(".envelope", ".content"));
    let envelope = Envelope::parse(&listing[name]).unwrap();
    (content.is_some_and(|content| content == BODY)).then_some(envelope)
}

/// Cuts the power at each operation of what is done after that preparation.
fn cut_at_each<Prepared>(
    prepare: impl Fn(&Faulty) -> Prepared,
    run: impl Fn(&Faulty, Prepared) -> bool,
    check: impl Fn(&Faulty, bool, &str),
) {
    for at in 1.. {
        let disk = Faulty::new();
        let prepared = prepare(&disk);
        disk.set_fault(Fault::Crash(at));
        let is_done = run(&disk, prepared);
        let losses = (0..SUBSETS).map(Loss::Some);
        for loss in [Loss::All, Loss::Nothing].into_iter().chain(losses) {
            let after = disk.after_power_cut(loss);
            check(&after, is_done, &format!("cut at {at}, {loss:?}"));
        }
        if disk.operations() < at {
            assert!(is_done);
            return;
        }
    }
}

#[test]
fn only_so_many_mailboxes_get_a_message() {
    let name = |number: usize| line(&format!("user{number}"));
    let mut names: BTreeSet<OneLine> = (0..COPIES_MAX).map(name).collect();
    check(&names).unwrap();
    names.insert(name(COPIES_MAX));
    let error = check(&names).unwrap_err().to_string();
    assert!(error.ends_with("too many mailboxes"), "{error}");
}

#[test]
fn a_power_cut_while_mail_is_received_loses_nothing_that_was_acknowledged() {
    for scenario in scenarios() {
        let is_taken = scenario.takes_all();
        let check = |disk: &Faulty, is_acknowledged: bool, context: &str| {
            let (ready, delivered) = (ready(disk), delivered(disk));
            let context = format!("{context}: {:?}", disk.listing());
            // The message itself comes last.
            if is_acknowledged || ready.is_some() {
                assert!(delivered.iter().eq(LOCAL), "{delivered:?} {context}");
            }
            if is_acknowledged && scenario.is_for_remote && !is_taken {
                let recipients = ready.map(|envelope| envelope.remote_recipients.len());
                assert_eq!(recipients, Some(1), "{context}");
            }
        };
        let run = |disk: &Faulty, filter: Box<dyn BuiltIn>| scenario.receive(disk, &*filter);
        cut_at_each(scenario.filter, run, check);
    }
}

#[test]
fn a_power_cut_while_mail_goes_out_leaves_nobody_without_it() {
    for scenario in scenarios() {
        let is_taken = scenario.takes_all();
        let prepare = |disk: &Faulty| {
            let (spool, mut received) = (disk.spool(1), scenario.received(&disk.spool(1)));
            let envelope = received.envelope.clone();
            received.envelope.remote_recipients = vec![line(REMOTE)];
            let id = commit(vec![received]).remove(0).unwrap().id;
            let LockOutcome::Locked(locked) = spool.lock(&id).unwrap() else {
                panic!("not ours");
            };
            // An earlier filter may have left only recipients here.
            let draft = spool.draft(&id, Suffix::EnvelopeBusy);
            draft.set_envelope(&envelope).unwrap();
            spool.sync().unwrap();
            ((scenario.filter)(disk), spool, id, locked)
        };
        let check = |disk: &Faulty, _, context: &str| {
            let mut served = delivered(disk);
            let envelope = ready(disk).unwrap_or_default();
            // To whom a filter of this side delivers again.
            served.extend(envelope.local_recipients.iter().map(OneLine::to_string));
            let context = format!("{context}: {:?}", disk.listing());
            assert!(served.iter().eq(LOCAL), "{served:?} {context}");
            if scenario.is_for_remote && !is_taken {
                assert_eq!(envelope.remote_recipients.len(), 1, "{context}");
            }
        };
        let run = |_: &Faulty, (filter, spool, id, locked): (Box<dyn BuiltIn>, Spool, _, _)| {
            let verdict = ask(&*filter, &spool, &id, Side::Client);
            drop(locked);
            matches!(verdict, Verdict::Accept | Verdict::Abandon)
        };
        cut_at_each(prepare, run, check);
    }
}
