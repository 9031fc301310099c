//! Messages that go to a server of their own, which cannot be reached.
//!
//! Who runs the relay knows of the usual next hops when they are down, and mail for
//! them waits as long as that takes. Of the server that one message names, which may
//! well not exist, only its sender can be told: for such a message each time that
//! its server cannot be reached is an attempt, so that it is given up in the end
//! (RFC 5321 4.5.4.1).

use std::collections::VecDeque;

use crate::base::{OneLine, WallClock};
use crate::proto::smtp::client::Outcome;
use crate::relay::context::Context;
use crate::relay::disk::{self, Settled};
use crate::relay::settlement::{Settlement, Summary, Terms};
use crate::store::{LockOutcome, Locked, Routing, Spool, StoredId};
use crate::{error, warning};

use super::means::{LANES_MAX, Means};

/// How many messages are put off with one job, so that it leaves its worker to
/// others soon.
pub(super) const AT_ONCE_MAX: usize = 20;

/// The messages of a pass that are to be put off.
#[derive(Debug, Default)]
pub(super) struct Unreachable {
    places: Vec<Place>,
    /// How many are being put off.
    under_way: usize,
}

/// What goes to a server that has been found to be out of reach.
#[derive(Debug)]
struct Place {
    routing: Routing,
    why: OneLine,
    ids: VecDeque<StoredId>,
}

impl Unreachable {
    /// Takes the messages of a server that cannot be reached, for this reason. Of
    /// those that have no message left the oldest is forgotten beyond [`LANES_MAX`].
    pub(super) fn add(&mut self, routing: Routing, why: OneLine, ids: VecDeque<StoredId>) {
        if let Some(place) = self.place(&routing) {
            place.why = why;
            place.ids.extend(ids);
            return;
        }
        let is_done = |place: &Place| place.ids.is_empty();
        if self.places.len() >= LANES_MAX
            && let Some(done) = self.places.iter().position(is_done)
        {
            self.places.remove(done);
        }
        self.places.push(Place { routing, why, ids });
    }

    fn place(&mut self, routing: &Routing) -> Option<&mut Place> {
        let mut places = self.places.iter_mut();
        places.find(|place| place.routing == *routing)
    }

    /// Takes one more message if its server was out of reach earlier in the pass.
    pub(super) fn take_in(&mut self, routing: &Routing, id: &StoredId) -> bool {
        let place = self.place(routing);
        let is_known = place.is_some();
        if let Some(place) = place {
            place.ids.push_back(id.clone());
        }
        is_known
    }

    /// Has the next ones put off, if none are.
    pub(super) fn go_on(&mut self, means: &Means, context: &mut Context) {
        let Some((routing, why, ids)) = self.next() else {
            return;
        };
        let job = PutOff {
            spool: means.spool(),
            ids,
            routing,
            why,
            clock: context.wall_clock(),
            terms: means.terms(),
        };
        context.submit(means.token, disk::Job::PutOff(Box::new(job)));
    }

    fn next(&mut self) -> Option<(Routing, OneLine, Vec<StoredId>)> {
        let mut places = self.places.iter_mut();
        let place = places.find(|place| !place.ids.is_empty());
        let place = place.filter(|_| self.under_way == 0)?;
        let count = place.ids.len().min(AT_ONCE_MAX);
        self.under_way = count;
        let ids = place.ids.drain(..count).collect();
        Some((place.routing.clone(), place.why.clone(), ids))
    }

    /// So many of those under way have been settled; returns how many were not.
    pub(super) fn done(&mut self, settled: usize) -> usize {
        std::mem::take(&mut self.under_way).saturating_sub(settled)
    }

    /// How many messages are known that are to be put off.
    pub(super) fn waiting(&self) -> usize {
        self.places.iter().map(|place| place.ids.len()).sum()
    }

    /// Whether none are being put off.
    pub(super) fn is_quiet(&self) -> bool {
        self.under_way == 0
    }

    /// Forgets all that wait, and returns how many those were.
    pub(super) fn stop(&mut self) -> usize {
        let waiting = self.waiting();
        self.places.clear();
        waiting
    }

    /// What was under way will not come back.
    pub(super) fn forget_jobs(&mut self) {
        self.under_way = 0;
    }
}

/// The work on some of them.
pub struct PutOff {
    spool: Spool,
    ids: Vec<StoredId>,
    routing: Routing,
    why: OneLine,
    clock: WallClock,
    terms: Terms,
}

impl PutOff {
    /// Records an attempt for each message that is there and still goes that way.
    pub fn run(self) -> Vec<Settled> {
        let settled = self.ids.iter().map(|id| self.one(id));
        settled.collect::<Vec<_>>().into_iter().flatten().collect()
    }

    fn one(&self, id: &StoredId) -> Option<Settled> {
        match self.spool.lock(id) {
            Ok(LockOutcome::Locked(mail)) if Routing::of(mail.envelope()) == self.routing => {
                Some(self.settle(*mail))
            }
            Ok(LockOutcome::Unreadable(reason)) => {
                warning!("{id}: failing message: {reason}");
                Some(Settled::failed(id))
            }
            // It goes elsewhere now, or somebody else deals with it.
            Ok(LockOutcome::Locked(_) | LockOutcome::Gone | LockOutcome::HeldElsewhere) => None,
            Err(error) => {
                error!("{id}: {error}");
                None
            }
        }
    }

    fn settle(&self, mail: Locked) -> Settled {
        let settlement = Settlement::put_off(self.why.clone(), &mail, self.clock, &self.terms);
        let next_hop = self.routing.address.to_string();
        Summary::of(&mail, None).log(&Outcome::default(), &settlement, &next_hop);
        disk::settle(mail, settlement)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Work;
    use crate::relay::disk::{DiskWork, Done, Job};
    use crate::relay::mail::{Fate, Mail};
    use crate::sys::testing::TempDir;

    fn routing(address: &str) -> Routing {
        Routing {
            address: OneLine::escaped(address),
            selector: OneLine::default(),
        }
    }

    fn ids(numbers: std::ops::Range<usize>) -> VecDeque<StoredId> {
        let name = |number: usize| format!("emailrelay.1.{number}.1");
        let id = |number| StoredId::parse(name(number).as_bytes()).unwrap();
        numbers.map(id).collect()
    }

    fn add(unreachable: &mut Unreachable, address: &str, numbers: std::ops::Range<usize>) {
        let why = OneLine::escaped("gone");
        unreachable.add(routing(address), why, ids(numbers));
    }

    #[test]
    fn messages_for_a_server_that_was_out_of_reach_follow_the_others() {
        let mut unreachable = Unreachable::default();
        let more = ids(7..8).pop_front().unwrap();
        assert!(!unreachable.take_in(&routing("a:1"), &more));
        add(&mut unreachable, "a:1", 0..2);
        assert!(unreachable.take_in(&routing("a:1"), &more));
        assert!(!unreachable.take_in(&routing("b:1"), &more));
        assert_eq!(unreachable.waiting(), 3);
        assert_eq!((unreachable.stop(), unreachable.waiting()), (3, 0));
    }

    #[test]
    fn only_so_many_are_put_off_at_once() {
        let mut unreachable = Unreachable::default();
        add(&mut unreachable, "a:1", 0..AT_ONCE_MAX + 1);
        let mut next = || {
            let ids = unreachable.next().map(|(_, _, ids)| ids.len());
            (ids, unreachable.next().is_none(), unreachable.done(0))
        };
        assert_eq!(next(), (Some(AT_ONCE_MAX), true, AT_ONCE_MAX));
        assert_eq!(next(), (Some(1), true, 1));
        assert_eq!(next(), (None, true, 0));
    }

    #[test]
    fn what_was_not_settled_is_counted_once() {
        let mut unreachable = Unreachable {
            under_way: 5,
            ..Unreachable::default()
        };
        assert!(!unreachable.is_quiet());
        assert_eq!(unreachable.done(3), 2);
        assert!(unreachable.is_quiet());
        assert_eq!(unreachable.done(0), 0);
    }

    #[test]
    fn a_bounded_number_of_servers_is_remembered_and_no_message_forgotten() {
        let mut unreachable = Unreachable::default();
        for server in 0..3 * LANES_MAX {
            add(&mut unreachable, &format!("a:{server}"), 0..0);
        }
        assert_eq!(unreachable.places.len(), LANES_MAX);
        for server in 0..2 * LANES_MAX {
            add(&mut unreachable, &format!("b:{server}"), 0..1);
        }
        assert_eq!(unreachable.waiting(), 2 * LANES_MAX);
    }

    #[test]
    fn a_server_that_is_out_of_reach_again_is_known_once() {
        let mut unreachable = Unreachable::default();
        add(&mut unreachable, "a:1", 0..0);
        add(&mut unreachable, "a:1", 0..1);
        add(&mut unreachable, "a:1", 1..2);
        assert_eq!((unreachable.places.len(), unreachable.waiting()), (1, 2));
    }

    /// A spool with a message whose envelope is none.
    fn odd(test: impl FnOnce(Spool, StoredId)) {
        let folder = TempDir::new();
        let id = ids(0..1).pop_front().unwrap();
        folder.write(format!("{id}.content"), "");
        folder.write(format!("{id}.envelope"), "?");
        test(Spool::open(folder.path(), 1).unwrap(), id.clone());
        let bad = folder.join(format!("{id}.envelope.bad"));
        assert!(bad.exists());
    }

    #[test]
    fn a_message_that_cannot_be_read_has_failed_when_it_is_put_off() {
        odd(|spool, id| {
            let put_off = PutOff {
                spool,
                ids: vec![id],
                routing: routing("a:1"),
                why: OneLine::escaped("gone"),
                clock: WallClock {
                    unix_ms: 0,
                    zone_minutes: 0,
                },
                terms: Terms {
                    retry_period: None,
                    bounces: None,
                },
            };
            let settled = put_off.run().pop().map(|one| one.report(0));
            let is_failure = |mail: &Mail| {
                matches!(
                    mail,
                    Mail::Settled {
                        fate: Fate::Failed,
                        ..
                    }
                )
            };
            assert!(settled.as_ref().is_some_and(is_failure), "{settled:?}");
        });
    }

    #[test]
    fn a_message_that_cannot_be_read_has_failed_when_it_is_refused() {
        odd(|spool, id| {
            let job = Job::Refuse(spool, id, OneLine::escaped("nowhere"));
            let done = DiskWork.run(vec![job]).pop();
            assert!(matches!(done, Some(Done::Refused(true))));
        });
    }
}
