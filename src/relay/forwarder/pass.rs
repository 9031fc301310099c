//! One pass over the spool.
//!
//! ```text
//! scan --ids, oldest first--> window --survey, some at a time--> lanes --> sessions
//!   ^                            |
//!   +---- after the last one ----+
//! ```
//!
//! What is known of the queue is bounded: the ids of a window, which is filled again
//! as it runs out. Messages that are due are sorted into lanes by where they go. A
//! session takes from its lane; where it breaks off, what it had comes back.
//!
//! One slow server may keep a pass from ending for long. What comes meanwhile does not
//! wait for that: the queue is looked through again, and what is found and not in a lane
//! yet goes along, as with another pass.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use crate::base::OneLine;
use crate::event::Token;
use crate::net::address::Target;
use crate::relay::context::Context;
use crate::relay::disk::{self, Settled};
use crate::relay::mail::{Ending, Fate, Line, Mail, NO_LINE, PassReport, Way};
use crate::relay::session::Message;
use crate::store::{READY_MAX, Routing, StoredId, Surveyed};
use crate::{verbose, warning};

use super::lane::{IDLE_MAX, Lane, Seat, Waiting};
use super::means::{Begun, LANES_MAX, LINES_MAX, Means, nowhere};
use super::pauses::{Hop, Trouble};
use super::put_off::Unreachable;
use super::retry;
use super::router::ROUTERS_MAX;
use super::window::{Need, Window};

/// One pass.
#[derive(Debug)]
pub(super) struct Pass {
    /// Since when, if somebody has asked for everything to be tried.
    asked: Option<Instant>,
    window: Window,
    /// When the queue was last looked at.
    looked_at: Instant,
    /// How long after that it is to be looked through again, if it is.
    look_after: Option<Duration>,
    /// What has been looked at while there was no room for one more lane.
    unplaced: VecDeque<Surveyed>,
    lanes: Vec<Lane>,
    /// Messages that filters are to route.
    unrouted: VecDeque<Surveyed>,
    /// How many are being routed.
    routers: usize,
    /// Messages that filters have seen and need not see again.
    filtered: HashSet<StoredId>,
    /// Messages that are being given up, since there is nowhere for them to go.
    refusing: usize,
    /// Messages with a server of their own that cannot be reached.
    unreachable: Unreachable,
    /// What it has come to so far.
    pub(super) report: PassReport,
    /// When the first of the messages that wait is due, in seconds since 1970.
    pub(super) next_due: Option<i64>,
    /// When the first of the next hops that rest may be tried again.
    pub(super) next_hop_at: Option<Instant>,
    /// Deletions since the directory was last synced.
    pub(super) unsynced: u32,
    /// Whether no further message is to be begun.
    is_stopped: bool,
    /// Whether the last sync is under way.
    pub(super) is_ending: bool,
    /// Who is to be told how it ends.
    pub(super) flushes: Vec<Token>,
}

impl Pass {
    /// Begins with a scan. Where somebody has asked for it, delays do not count.
    pub(super) fn begin(is_asked_for: bool, means: &mut Means, context: &mut Context) -> Pass {
        context.submit(means.token, disk::Job::Scan(means.spool()));
        means.refresh(context);
        Pass {
            asked: is_asked_for.then_some(context.now),
            window: Window::new(),
            looked_at: context.now,
            look_after: None,
            unplaced: VecDeque::new(),
            lanes: Vec::new(),
            unrouted: VecDeque::new(),
            routers: 0,
            filtered: HashSet::new(),
            refusing: 0,
            unreachable: Unreachable::default(),
            report: PassReport::default(),
            next_due: None,
            next_hop_at: None,
            unsynced: 0,
            is_stopped: false,
            is_ending: false,
            flushes: Vec::new(),
        }
    }

    // ---- the queue

    /// Takes in a part of the queue.
    pub(super) fn scanned(&mut self, listing: Result<disk::Listing, String>) {
        match listing {
            Ok(disk::Listing { ready, is_whole }) => {
                let room = READY_MAX.saturating_sub(self.sorted());
                let lanes = self.lanes.iter().flat_map(Lane::waiting_ids);
                let unrouted = self.unrouted.iter().map(|seen| &seen.id);
                let known: HashSet<&StoredId> = lanes.chain(unrouted).collect();
                let is_known = |id: &StoredId| known.contains(id);
                self.window.scanned((ready, is_whole), room, is_known);
                if self.is_stopped {
                    self.report.left += self.window.stop();
                }
            }
            Err(trouble) => {
                self.window.scanned((Vec::new(), true), 0, |_| false);
                self.give_up(trouble);
            }
        }
    }

    /// Sorts messages that have been looked at.
    pub(super) fn surveyed(
        &mut self,
        seen: Vec<Surveyed>,
        means: &mut Means,
        context: &mut Context,
    ) {
        self.window.surveyed();
        self.looked_at = context.now;
        if self.is_stopped {
            self.report.left += seen.len();
            return;
        }
        self.unplaced.extend(seen);
        self.place_all(means, context);
    }

    fn place_all(&mut self, means: &mut Means, context: &mut Context) {
        let now = context.wall_clock().unix_seconds();
        while let Some(seen) = self.unplaced.pop_front() {
            let is_due = self.asked.is_some() || retry::is_due(seen.next_attempt, now);
            if !is_due {
                self.report.waiting += 1;
                self.note_due(seen.next_attempt);
            } else if seen.wants_routing && means.has_filters() && !self.filtered.contains(&seen.id)
            {
                self.unrouted.push_back(seen);
            } else if let Err(seen) = self.place(seen, means, context) {
                self.unplaced.push_front(seen);
                return;
            }
        }
    }

    /// Gives the message back where there is no room for one more lane.
    fn place(
        &mut self,
        seen: Surveyed,
        means: &mut Means,
        context: &mut Context,
    ) -> Result<(), Surveyed> {
        let is_retry = seen.attempts > 0;
        if let Some(lane) = self.lane(&seen.routing) {
            lane.push(seen.id, is_retry);
            return Ok(());
        }
        let hops = match means.hops(&seen.routing) {
            Ok(hops) => hops,
            Err(trouble) => {
                self.refusing += 1;
                let job = disk::Job::Refuse(means.spool(), seen.id, nowhere(&trouble));
                context.submit(means.token, job);
                return Ok(());
            }
        };
        let may_try = |hop: &Hop| means.pauses.may_try(hop, context.now, self.asked);
        if !hops.iter().any(may_try) {
            if !self.unreachable.take_in(&seen.routing, &seen.id) {
                self.report.waiting += 1;
                self.note_hop(means.pauses.until(&hops));
            }
            return Ok(());
        }
        if self.lanes.len() >= LANES_MAX {
            return Err(seen);
        }
        let mut lane = Lane::new(seen.routing, hops);
        lane.push(seen.id, is_retry);
        self.lanes.push(lane);
        Ok(())
    }

    /// Has messages routed, some at a time.
    fn route(&mut self, means: &Means, context: &mut Context) {
        while self.routers < ROUTERS_MAX
            && let Some(seen) = self.unrouted.pop_front()
        {
            self.routers += 1;
            means.route(seen.id, seen.routing, context);
        }
    }

    /// Filters have decided where a message goes.
    pub(super) fn routed(
        &mut self,
        id: StoredId,
        routing: Routing,
        means: &mut Means,
        context: &mut Context,
    ) {
        if self.is_stopped {
            self.report.left += 1;
            return;
        }
        self.filtered.insert(id.clone());
        self.unplaced.push_back(Surveyed {
            id,
            routing,
            wants_routing: false,
            attempts: 0,
            next_attempt: 0,
        });
        self.place_all(means, context);
    }

    /// A message has been dealt with that was to be routed.
    pub(super) fn router_over(&mut self) {
        self.routers = self.routers.saturating_sub(1);
    }

    fn lane(&mut self, routing: &Routing) -> Option<&mut Lane> {
        self.lanes.iter_mut().find(|lane| lane.routing == *routing)
    }

    fn lane_of(&mut self, line: Line) -> Option<&mut Lane> {
        let mut lanes = self.lanes.iter_mut();
        lanes.find(|lane| lane.seats.iter().any(|seat| seat.line == line))
    }

    /// How many messages are known that wait to be sent.
    fn queued(&self) -> usize {
        self.lanes.iter().map(Lane::queued).sum()
    }

    /// How many messages have been looked at and wait.
    fn sorted(&self) -> usize {
        self.queued() + self.unrouted.len() + self.unreachable.waiting()
    }

    /// Whether all of the queue has been sorted.
    fn is_sorted(&self) -> bool {
        let is_placed = self.unplaced.is_empty() && self.unrouted.is_empty();
        self.window.is_done() && is_placed && self.routers == 0
    }

    fn note_due(&mut self, at: i64) {
        self.next_due = Some(self.next_due.map_or(at, |due| due.min(at)));
    }

    fn note_hop(&mut self, at: Option<Instant>) {
        self.next_hop_at = [self.next_hop_at, at].into_iter().flatten().min();
    }

    /// Does all that can be done now.
    pub(super) fn go_on(&mut self, means: &mut Means, context: &mut Context) {
        if !context.stopping {
            self.look_ahead(means, context);
            self.route(means, context);
            self.staff(means, context);
            self.unreachable.go_on(means, context);
        }
        self.serve(means, context);
        while self.clear(means, context) {}
    }

    fn look_ahead(&mut self, means: &Means, context: &mut Context) {
        if !self.unplaced.is_empty() {
            return;
        }
        let job = match self.window.need(self.sorted()) {
            Some(Need::Survey(ids)) => disk::Job::Survey(means.spool(), ids),
            Some(Need::More(last, max)) => disk::Job::ScanAfter(means.spool(), last, max),
            None => return,
        };
        context.submit(means.token, job);
    }

    // ---- what comes meanwhile

    /// Something has come for which a pass would begin, so long at least after the
    /// last look at the queue.
    pub(super) fn want_look(&mut self, after: Duration) {
        self.look_after.get_or_insert(after);
    }

    /// The queue is not to be looked through again: somebody waits for the end.
    pub(super) fn want_no_look(&mut self) {
        self.look_after = None;
    }

    /// When to look through the queue again, if that is wanted and possible now.
    pub(super) fn look_at(&self) -> Option<Instant> {
        let is_sorted = self.window.is_done() && self.unplaced.is_empty();
        // What is about to be given up or put off would be met again.
        let is_quiet = self.refusing + self.unreachable.waiting() == 0;
        let is_ready = is_sorted && is_quiet && self.unreachable.is_quiet();
        let has_room = self.sorted() < READY_MAX / 2;
        let may_look = is_ready && has_room && !self.is_stopped && !self.is_ending;
        let after = self
            .look_after
            .filter(|_| may_look && self.flushes.is_empty());
        after.map(|after| self.looked_at + after)
    }

    /// Looks through the queue again, as a pass does that nobody has asked for. What is
    /// waiting or was left is met again, and so is counted anew.
    pub(super) fn look_again(&mut self, means: &Means, context: &mut Context) {
        verbose!("forwarding: looking for more");
        (self.looked_at, self.look_after) = (context.now, None);
        (self.asked, self.next_due, self.next_hop_at) = (None, None, None);
        (self.report.left, self.report.waiting) = (0, 0);
        self.report.left += self.unreachable.stop();
        self.window = Window::new();
        context.submit(means.token, disk::Job::Scan(means.spool()));
    }

    // ---- the sessions

    /// Begins sessions where there is work for them, and closes lanes that have no
    /// next hop left.
    fn staff(&mut self, means: &mut Means, context: &mut Context) {
        let mut lines: usize = self.lanes.iter().map(|lane| lane.seats.len()).sum();
        for place in 0..self.lanes.len() {
            let lane = &self.lanes[place];
            let wanted = lane.sessions_wanted(means.traffic.connections);
            if lane.seats.len() >= wanted || lines >= LINES_MAX {
                continue;
            }
            let Some(hop) = lane.next_hop(&means.pauses, context.now, self.asked) else {
                if lane.seats.is_empty() {
                    self.close(place, means);
                }
                continue;
            };
            // Other lanes may go there, too; each may have one session in any case.
            let target = lane.hops[hop].target.clone();
            if !lane.seats.is_empty() && self.sessions_with(&target) >= means.traffic.connections {
                continue;
            }
            let lane = &mut self.lanes[place];
            match means.begin(&lane.hops[hop], context) {
                Begun::Session(line) => {
                    lines += 1;
                    lane.seats.push(Seat {
                        line,
                        hop,
                        is_established: false,
                        is_in_the_dark: false,
                        given: 0,
                    });
                }
                Begun::NotYet => return,
                Begun::NoAccount(trouble) => {
                    means.fail(&lane.hops[hop], Trouble::Login, context.now);
                    lane.fail(hop, Trouble::Login);
                    lane.trouble = Some(trouble);
                    self.close(place, means);
                }
            }
        }
    }

    fn sessions_with(&self, target: &Target) -> usize {
        let lanes = self.lanes.iter();
        lanes.map(|lane| lane.sessions_with(target)).sum()
    }

    /// Leaves the messages of a lane for another time. Where they have a server of
    /// their own that cannot be reached, that is an attempt at each.
    fn close(&mut self, place: usize, means: &Means) {
        let lane = &mut self.lanes[place];
        let ids = lane.leave_all();
        let until = means.pauses.until(&lane.hops);
        let trouble = lane.trouble.take();
        let has_its_own = !lane.routing.address.is_empty();
        match &trouble {
            Some(why) if has_its_own && lane.is_out_of_reach(&means.pauses) => {
                let why = OneLine::escaped(why.clone());
                self.unreachable.add(lane.routing.clone(), why, ids);
            }
            _ => self.report.left += ids.len(),
        }
        self.note_hop(until);
        self.note_trouble(trouble);
    }

    fn note_trouble(&mut self, trouble: Option<String>) {
        match trouble {
            Some(trouble) if self.report.trouble.is_none() => self.report.trouble = Some(trouble),
            Some(trouble) => warning!("forwarding: {trouble}"),
            None => {}
        }
    }

    /// A session wants messages.
    pub(super) fn wanted(&mut self, waiting: Waiting, means: &mut Means, context: &mut Context) {
        let (by, line) = (waiting.by, waiting.line);
        let Some(lane) = self.lane_of(line) else {
            context.post(by, Message::NoMoreMail);
            return;
        };
        if let Some(seat) = lane.seat(line) {
            seat.is_established = true;
        }
        lane.waiting.push_back(waiting);
        self.serve(means, context);
    }

    /// Hands messages out to those who wait for them.
    fn serve(&mut self, means: &mut Means, context: &mut Context) {
        let is_sorted = self.is_sorted();
        for lane in &mut self.lanes {
            while let Some(waiting) = lane.waiting.front().copied() {
                let given = lane.seat(waiting.line).map_or(0, |seat| seat.given);
                let per_connection = means.traffic.per_connection.unwrap_or(usize::MAX);
                let room = per_connection.saturating_sub(given).min(waiting.count);
                let is_idle =
                    lane.queued() == 0 && (is_sorted || waiting.since + IDLE_MAX <= context.now);
                if context.stopping || room == 0 || is_idle {
                    lane.waiting.pop_front();
                    context.post(waiting.by, Message::NoMoreMail);
                    continue;
                }
                let ids = lane.take_for(waiting.line, room, &mut means.paces, context.now);
                if ids.is_empty() {
                    break;
                }
                lane.waiting.pop_front();
                if let Some(seat) = lane.seat(waiting.line) {
                    seat.given += ids.len();
                }
                let is_filtered = |id: &&StoredId| self.filtered.contains(*id);
                let way = Way {
                    routing: lane.routing.clone(),
                    filtered: ids.iter().filter(is_filtered).cloned().collect(),
                };
                let job = disk::Job::Lock(means.spool(), ids, way);
                context.submit(waiting.by, job);
            }
        }
        if self.lanes.iter().any(|lane| lane.resume_at.is_some()) {
            // Lanes that wait for the same server take turns.
            self.lanes.rotate_left(1);
        }
    }

    /// Removes lanes that are done with, and makes use of the room; says whether
    /// that may have left others to be removed.
    fn clear(&mut self, means: &mut Means, context: &mut Context) -> bool {
        let (done, going): (Vec<_>, Vec<_>) = std::mem::take(&mut self.lanes)
            .into_iter()
            .partition(Lane::is_idle);
        self.lanes = going;
        let has_room = !done.is_empty() && !self.unplaced.is_empty();
        for lane in done {
            self.note_trouble(lane.trouble);
        }
        let goes_on = has_room && !context.stopping;
        if goes_on {
            self.place_all(means, context);
            self.look_ahead(means, context);
            self.staff(means, context);
        }
        goes_on
    }

    /// Filters have seen a message that has yet to be sent.
    pub(super) fn filtered(&mut self, id: StoredId) {
        self.filtered.insert(id);
    }

    /// A message that a session was given has not been tried.
    pub(super) fn returned(&mut self, line: Line, id: StoredId) {
        let is_stopped = self.is_stopped;
        match self.lane_of(line).filter(|_| !is_stopped) {
            Some(lane) => lane.fresh.push_front(id),
            None => self.report.left += 1,
        }
    }

    /// An attempt at a message has ended.
    pub(super) fn settled(
        &mut self,
        (line, id): (Line, &StoredId),
        fate: Fate,
        recorded: bool,
        means: &mut Means,
    ) {
        self.filtered.remove(id);
        if !recorded {
            self.report.trouble = Some("the spool could not be updated".to_owned());
        }
        match fate {
            Fate::Sent => {
                self.report.sent += 1;
                self.unsynced += 1;
            }
            Fate::Failed => self.report.failed += 1,
            Fate::Deferred { until } => {
                self.report.deferred += 1;
                self.note_due(until);
                return;
            }
        }
        if let Some(lane) = self.lane_of(line)
            && let Some(hop) = lane.succeed(line)
        {
            means.pauses.succeed(hop);
        }
    }

    /// A message with nowhere to go has been given up.
    pub(super) fn refused(&mut self, is_recorded: bool) {
        self.refusing = self.refusing.saturating_sub(1);
        match is_recorded {
            true => self.report.failed += 1,
            false => self.report.left += 1,
        }
    }

    /// Messages whose server cannot be reached have been put off.
    pub(super) fn put_off(
        &mut self,
        settled: Vec<Settled>,
        means: &mut Means,
        context: &mut Context,
    ) {
        self.report.left += self.unreachable.done(settled.len());
        for one in settled {
            if let Mail::Settled {
                line,
                id,
                fate,
                recorded,
            } = one.report(NO_LINE)
            {
                context.watch.counters.settled(fate);
                self.settled((line, &id), fate, recorded, means);
            }
        }
    }

    /// A session that is about to be over could not find out where its next hop is.
    pub(super) fn not_looked_up(&mut self, line: Line) {
        if let Some(seat) = self.lane_of(line).and_then(|lane| lane.seat(line)) {
            seat.is_in_the_dark = true;
        }
    }

    /// A session is over.
    pub(super) fn client_over(
        &mut self,
        line: Line,
        ending: Ending,
        means: &mut Means,
        context: &mut Context,
    ) {
        let asked = self.asked;
        let Some(lane) = self.lane_of(line) else {
            return;
        };
        let Some(seat) = lane.leave(line) else { return };
        if context.stopping {
            return;
        }
        let Some((kind, trouble)) = lane.judge(seat, ending) else {
            return;
        };
        if lane.is_served_by(seat.hop) {
            // It has others of ours, and does not want so many.
            lane.is_crowded = true;
            warning!("forwarding: {trouble}");
            return;
        }
        if let Some(hop) = lane.hops.get(seat.hop) {
            means.fail(hop, kind, context.now);
        }
        lane.fail(seat.hop, kind);
        match lane.next_hop(&means.pauses, context.now, asked) {
            Some(_) => warning!("forwarding: {trouble}; trying the next"),
            None => lane.trouble = Some(trouble),
        }
    }

    // ---- the end

    /// Whether nothing is under way and nothing is left to be done.
    pub(super) fn is_over(&self, is_stopping: bool) -> bool {
        let is_quiet = self.lanes.iter().all(|lane| lane.seats.is_empty())
            && !self.window.is_busy()
            && self.unreachable.is_quiet()
            && self.refusing + self.routers == 0;
        let is_done = self.is_sorted() && self.lanes.is_empty() && self.unreachable.waiting() == 0;
        is_quiet && (is_stopping || is_done)
    }

    /// Goes no further, for this reason.
    pub(super) fn give_up(&mut self, trouble: String) {
        self.stop();
        self.refusing = 0;
        self.report.trouble = Some(trouble);
    }

    /// A job of the pass has died, and nobody knows which.
    pub(super) fn job_died(&mut self) {
        self.window.forget_jobs();
        self.unreachable.forget_jobs();
        self.give_up("internal error".to_owned());
    }

    /// Begins no further message.
    pub(super) fn stop(&mut self) {
        self.is_stopped = true;
        let sorted = self.queued() + self.unplaced.len() + self.unrouted.len();
        self.report.left += self.window.stop() + self.unreachable.stop() + sorted;
        self.unrouted.clear();
        self.unplaced.clear();
        for lane in &mut self.lanes {
            lane.leave_all();
        }
    }

    /// What it has come to.
    pub(super) fn finish(mut self) -> PassReport {
        for lane in std::mem::take(&mut self.lanes) {
            self.report.left += lane.queued();
            self.note_trouble(lane.trouble);
        }
        self.report.left += self.window.len() + self.unreachable.stop();
        self.report.left += self.unplaced.len() + self.unrouted.len();
        self.report
    }

    /// When to go on though nothing has happened.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let lanes = self.lanes.iter().filter_map(Lane::deadline);
        lanes.chain(self.look_at()).min()
    }
}
