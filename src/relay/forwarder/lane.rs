//! The messages of a pass that go the same way, and the sessions that carry them.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::event::Token;
use crate::net::address::Target;
use crate::relay::limits::ROUTE_FAILURES_MAX;
use crate::relay::mail::{Ending, Line};
use crate::store::{Routing, StoredId};
use crate::warning;

use super::pace::Paces;
use super::pauses::{Hop, Pauses, Trouble};

/// A further session is begun only if there are so many messages for each.
pub(super) const SPREAD_MIN: usize = 20;

/// How long a session with nothing to do is kept while the queue is still being
/// looked at.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(5);

/// The messages with the same routing.
#[derive(Debug)]
pub(super) struct Lane {
    /// Where they go.
    pub(super) routing: Routing,
    /// The next hops that will do, the first one first.
    pub(super) hops: Vec<Hop>,
    /// What was wrong with those of them that have failed here.
    failed: HashMap<usize, Trouble>,
    /// Messages that have not been tried yet.
    pub(super) fresh: VecDeque<StoredId>,
    /// Messages that have, which go last so that they keep no others waiting.
    pub(super) retries: VecDeque<StoredId>,
    /// The sessions.
    pub(super) seats: Vec<Seat>,
    /// Those of them that have nothing to do.
    pub(super) waiting: VecDeque<Waiting>,
    /// Sessions that broke off one after the other, with no message settled.
    pub(super) failures_in_a_row: u32,
    /// Whether the next hop has refused a further connection.
    pub(super) is_crowded: bool,
    /// What was wrong with the next hop that was tried last.
    pub(super) trouble: Option<String>,
    /// When the next message may go, if one has to wait for that.
    pub(super) resume_at: Option<Instant>,
}

/// One session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seat {
    /// Its number.
    pub(super) line: Line,
    /// Which next hop it is with.
    pub(super) hop: usize,
    /// Whether it has come so far that it can take messages.
    pub(super) is_established: bool,
    /// Whether its next hop's name has not been looked up, as too many others were.
    pub(super) is_in_the_dark: bool,
    /// How many messages it has been given.
    pub(super) given: usize,
}

/// A session that wants messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    /// The session.
    pub(super) by: Token,
    /// Its number.
    pub(super) line: Line,
    /// How many messages it can take.
    pub(super) count: usize,
    /// Since when.
    pub(super) since: Instant,
}

impl Lane {
    /// An empty lane.
    pub(super) fn new(routing: Routing, hops: Vec<Hop>) -> Lane {
        Lane {
            routing,
            hops,
            failed: HashMap::new(),
            fresh: VecDeque::new(),
            retries: VecDeque::new(),
            seats: Vec::new(),
            waiting: VecDeque::new(),
            failures_in_a_row: 0,
            is_crowded: false,
            trouble: None,
            resume_at: None,
        }
    }

    /// Adds a message.
    pub(super) fn push(&mut self, id: StoredId, is_retry: bool) {
        match is_retry {
            true => self.retries.push_back(id),
            false => self.fresh.push_back(id),
        }
    }

    /// How many messages wait.
    pub(super) fn queued(&self) -> usize {
        self.fresh.len() + self.retries.len()
    }

    /// The messages that wait.
    pub(super) fn waiting_ids(&self) -> impl Iterator<Item = &StoredId> {
        self.fresh.iter().chain(&self.retries)
    }

    /// Gives up all messages that wait; those that have not been tried come first.
    pub(super) fn leave_all(&mut self) -> VecDeque<StoredId> {
        let mut all = std::mem::take(&mut self.fresh);
        all.append(&mut self.retries);
        all
    }

    /// Whether there is nothing left to do.
    pub(super) fn is_idle(&self) -> bool {
        self.queued() == 0 && self.seats.is_empty()
    }

    /// Takes up to so many messages that may go now by the pace. Where fewer may, says
    /// when to ask again.
    fn take(
        &mut self,
        count: usize,
        mut pace: impl FnMut() -> Result<(), Instant>,
    ) -> Vec<StoredId> {
        let mut taken = Vec::new();
        self.resume_at = None;
        while taken.len() < count && self.queued() > 0 {
            if let Err(later) = pace() {
                self.resume_at = Some(later);
                break;
            }
            let next = self.fresh.pop_front();
            taken.extend(next.or_else(|| self.retries.pop_front()));
        }
        taken
    }

    /// The same for the session of that number, by the pace of its server.
    pub(super) fn take_for(
        &mut self,
        line: Line,
        count: usize,
        paces: &mut Paces,
        now: Instant,
    ) -> Vec<StoredId> {
        let hop = self.seat(line).map(|seat| seat.hop);
        let target = hop
            .and_then(|hop| self.hops.get(hop))
            .map(|hop| hop.target.clone());
        target.map_or_else(Vec::new, |target| {
            self.take(count, || paces.take(&target, now))
        })
    }

    /// How many sessions there should be now; `max` at most.
    pub(super) fn sessions_wanted(&self, max: usize) -> usize {
        let queued = self.queued();
        let is_connecting = self.seats.iter().any(|seat| !seat.is_established);
        match self.seats.len() {
            _ if queued == 0 => 0,
            0 => 1,
            some if self.is_crowded || is_connecting => some,
            _ => (1 + queued / SPREAD_MIN).min(max),
        }
    }

    /// The session of that number.
    pub(super) fn seat(&mut self, line: Line) -> Option<&mut Seat> {
        self.seats.iter_mut().find(|seat| seat.line == line)
    }

    /// Forgets a session that is over.
    pub(super) fn leave(&mut self, line: Line) -> Option<Seat> {
        self.waiting.retain(|waiting| waiting.line != line);
        let place = self.seats.iter().position(|seat| seat.line == line)?;
        Some(self.seats.swap_remove(place))
    }

    /// What a session that is over has to say against its next hop.
    pub(super) fn judge(&mut self, seat: Seat, ending: Ending) -> Option<(Trouble, String)> {
        match ending {
            Ending::Done => None,
            Ending::RouteFailed(trouble) if seat.is_in_the_dark => {
                Some((Trouble::Unknown, trouble))
            }
            Ending::RouteFailed(trouble) => Some((Trouble::Route, trouble)),
            Ending::LoginFailed(trouble) => Some((Trouble::Login, trouble)),
            Ending::Dropped(trouble) if !seat.is_established => Some((Trouble::Route, trouble)),
            Ending::Dropped(trouble) => {
                warning!("forwarding: {trouble}");
                self.failures_in_a_row += 1;
                let is_enough = self.failures_in_a_row >= ROUTE_FAILURES_MAX;
                is_enough.then(|| {
                    self.failures_in_a_row = 0;
                    (Trouble::Route, trouble)
                })
            }
        }
    }

    /// Notes that a next hop has failed.
    pub(super) fn fail(&mut self, hop: usize, trouble: Trouble) {
        self.failed.insert(hop, trouble);
    }

    /// Notes that a session has had a message settled, and says with which next hop.
    pub(super) fn succeed(&mut self, line: Line) -> Option<&Hop> {
        self.failures_in_a_row = 0;
        let hop = self.seat(line)?.hop;
        self.failed.remove(&hop);
        self.hops.get(hop)
    }

    /// The first next hop that may be tried. Of one that has failed here the pauses
    /// have to say that it has rested: they may have forgotten it.
    pub(super) fn next_hop(
        &self,
        pauses: &Pauses,
        now: Instant,
        asked: Option<Instant>,
    ) -> Option<usize> {
        let mut hops = self.hops.iter().enumerate();
        hops.position(|(place, hop)| {
            let is_forgotten = self.failed.contains_key(&place) && pauses.trouble(hop).is_none();
            !is_forgotten && pauses.may_try(hop, now, asked)
        })
    }

    /// Whether none of the next hops could be reached when it was last tried.
    pub(super) fn is_out_of_reach(&self, pauses: &Pauses) -> bool {
        self.hops.iter().enumerate().all(|(place, hop)| {
            let known = pauses.trouble(hop);
            known.or_else(|| self.failed.get(&place).copied()) == Some(Trouble::Route)
        })
    }

    /// Whether a session with that next hop can take messages.
    pub(super) fn is_served_by(&self, hop: usize) -> bool {
        let mut seats = self.seats.iter();
        seats.any(|seat| seat.hop == hop && seat.is_established)
    }

    /// How many sessions there are with that server.
    pub(super) fn sessions_with(&self, target: &Target) -> usize {
        let is_with = |seat: &&Seat| {
            self.hops
                .get(seat.hop)
                .is_some_and(|hop| hop.target == *target)
        };
        self.seats.iter().filter(is_with).count()
    }

    /// When something has to be done though nothing happens.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let waiting = self.waiting.front()?;
        match self.queued() {
            0 => Some(waiting.since + IDLE_MAX),
            // With messages there, it is the pace that is waited for.
            _ => self.resume_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::OneLine;

    fn id(number: usize) -> StoredId {
        StoredId::parse(format!("emailrelay.1.{number}.1").as_bytes()).unwrap()
    }

    fn lane(messages: usize) -> Lane {
        let mut lane = Lane::new(Routing::default(), Vec::new());
        (0..messages).for_each(|number| lane.push(id(number), number % 2 == 0));
        lane
    }

    fn seat(line: Line, is_established: bool) -> Seat {
        Seat {
            line,
            hop: 0,
            is_established,
            is_in_the_dark: false,
            given: 0,
        }
    }

    #[test]
    fn what_was_tried_before_goes_last_and_nothing_goes_twice() {
        let (mut lane, any) = (lane(6), || Ok(()));
        let taken = [lane.take(4, any), lane.take(4, any), lane.take(4, any)].concat();
        assert_eq!(taken, [1, 3, 5, 0, 2, 4].map(id));
        assert!(lane.is_idle());
    }

    #[test]
    fn sessions_are_added_one_by_one_as_long_as_there_is_work_for_them() {
        let mut lane = lane(SPREAD_MIN * 10);
        assert_eq!(lane.sessions_wanted(4), 1);
        lane.seats.push(seat(1, false));
        assert_eq!(lane.sessions_wanted(4), 1);
        lane.seats[0].is_established = true;
        assert_eq!(lane.sessions_wanted(4), 4);
        assert_eq!(lane.sessions_wanted(1), 1);
        lane.is_crowded = true;
        assert_eq!(lane.sessions_wanted(4), 1);
        lane.is_crowded = false;
        lane.take(SPREAD_MIN * 9 + 1, || Ok(()));
        assert_eq!(lane.sessions_wanted(4), 1);
        lane.take(SPREAD_MIN, || Ok(()));
        assert_eq!(lane.sessions_wanted(4), 0);
    }

    fn hop(port: u16) -> Hop {
        let target = Target::parse(&format!("127.0.0.1:{port}")).unwrap();
        let selector = OneLine::default();
        Hop { target, selector }
    }

    fn lane_to(hops: Vec<Hop>) -> Lane {
        Lane::new(Routing::default(), hops)
    }

    #[test]
    fn hops_are_out_of_reach_if_none_of_them_could_be_reached() {
        let (now, mut pauses) = (Instant::now(), Pauses::default());
        let mut lane = lane_to(vec![hop(1), hop(2)]);
        pauses.fail(hop(1), Trouble::Route, now, 0);
        assert!(!lane.is_out_of_reach(&pauses));
        pauses.fail(hop(2), Trouble::Login, now, 0);
        assert!(!lane.is_out_of_reach(&pauses));
        pauses.fail(hop(2), Trouble::Route, now, 0);
        assert!(lane.is_out_of_reach(&pauses));
        pauses.succeed(&hop(1));
        assert!(!lane.is_out_of_reach(&pauses));
        lane.fail(0, Trouble::Route);
        assert!(lane.is_out_of_reach(&pauses));
    }

    #[test]
    fn a_hop_whose_name_was_not_looked_up_is_not_out_of_reach() {
        let (now, mut pauses) = (Instant::now(), Pauses::default());
        let mut lane = lane_to(vec![hop(1)]);
        let failed = || Ending::RouteFailed("late".to_owned());
        for (is_in_the_dark, expected) in [(true, Trouble::Unknown), (false, Trouble::Route)] {
            let seat = Seat {
                is_in_the_dark,
                ..seat(1, false)
            };
            let (trouble, _) = lane.judge(seat, failed()).unwrap();
            assert_eq!(trouble, expected);
            pauses.fail(hop(1), trouble, now, 0);
            assert!(!pauses.may_try(&hop(1), now, None));
            assert_eq!(lane.is_out_of_reach(&pauses), !is_in_the_dark);
        }
    }

    #[test]
    fn a_hop_that_has_failed_is_not_tried_again_because_it_was_forgotten() {
        let (now, mut pauses) = (Instant::now(), Pauses::default());
        let mut lane = lane_to(vec![hop(1), hop(2)]);
        assert_eq!(lane.next_hop(&pauses, now, None), Some(0));
        lane.fail(0, Trouble::Route);
        for asked in [None, Some(now)] {
            assert_eq!(lane.next_hop(&pauses, now, asked), Some(1));
        }
        pauses.fail(hop(1), Trouble::Route, now, 0);
        assert_eq!(lane.next_hop(&pauses, now, None), Some(1));
        // Once it has rested it is good for another try.
        let later = now + Duration::from_secs(2);
        assert_eq!(lane.next_hop(&pauses, later, None), Some(0));
        lane.seats.push(seat(7, true));
        assert_eq!(lane.succeed(7), Some(&hop(1)));
        pauses.succeed(&hop(1));
        assert_eq!(lane.next_hop(&pauses, now, None), Some(0));
    }

    #[test]
    fn a_pace_holds_messages_back_and_says_until_when() {
        let (now, mut lane) = (Instant::now(), lane(5));
        let (target, mut paces) = (hop(1).target, Paces::new(Some(60)));
        let mut take = |lane: &mut Lane, at| lane.take(5, || paces.take(&target, at)).len();
        assert_eq!(take(&mut lane, now), 1);
        // Nobody waits for it.
        assert_eq!(lane.deadline(), None);
        lane.waiting.push_back(Waiting {
            by: Token::NOBODY,
            line: 1,
            count: 1,
            since: now,
        });
        assert_eq!(lane.deadline(), Some(now + Duration::from_secs(1)));
        assert_eq!(take(&mut lane, now + Duration::from_millis(999)), 0);
        assert_eq!(take(&mut lane, now + Duration::from_secs(1)), 1);
    }

    #[test]
    fn a_session_that_is_over_waits_for_nothing() {
        let (now, mut lane) = (Instant::now(), lane(0));
        lane.seats.extend([seat(1, true), seat(2, false)]);
        lane.waiting.push_back(Waiting {
            by: Token::NOBODY,
            line: 1,
            count: 1,
            since: now,
        });
        assert_eq!(lane.deadline(), Some(now + IDLE_MAX));
        assert!(lane.is_served_by(0));
        assert_eq!(lane.leave(1).map(|seat| seat.line), Some(1));
        assert!(lane.leave(1).is_none() && !lane.is_served_by(0));
        assert_eq!(lane.deadline(), None);
    }
}
