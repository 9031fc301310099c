//! When to forward, and what one pass over the spool has come to.
//!
//! A pass works off the queue as far as it is due: see `pass`. What comes while it goes
//! on is taken along, unless somebody waits for its end. A message that
//! cannot be sent now stays queued, to be tried again by the schedule of `retry`;
//! a next hop that cannot be reached is left alone for a while, see `pauses`.

mod lane;
mod means;
mod pace;
mod pass;
mod pauses;
mod put_off;
mod retry;
mod router;
mod window;

use std::time::{Duration, Instant};

use crate::event::Token;
use crate::store::Spool;
use crate::{error, info, verbose};

use super::access::Access;
use super::context::Context;
use super::disk;
use super::limits::{DELETIONS_UNSYNCED_MAX, FLUSHES_MAX};
use super::mail::{Fate, Mail, PassReport, Trigger};
use super::session::{Kind, Message, Session};
use super::smtp_client::Route;
use lane::Waiting;
use means::Means;
use pass::Pass;

pub use means::Traffic;
pub use put_off::PutOff;
pub use retry::{next_attempt, spent};

/// How often there is a pass that nobody has asked for while the usual next hops are
/// left alone: there may be mail for others.
pub const RESTING_EVERY: Duration = Duration::from_secs(10);

/// How long a pass that goes on leaves the queue alone before it looks through it again
/// for what has come meanwhile.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);

/// When to forward, and how much at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Schedule {
    /// `--forward`
    pub on_start: bool,
    /// `--poll`
    pub poll: Option<Duration>,
    /// The program ends after the first pass.
    pub once: bool,
    /// Whether the forwarder comes back by itself to what was deferred.
    pub retries: bool,
    /// How much at once.
    pub traffic: Traffic,
}

/// Decides when to forward and hands out the messages of a pass.
pub struct Forwarder {
    token: Token,
    means: Means,
    schedule: Schedule,
    poll_at: Option<Instant>,
    /// When to come back to what was deferred.
    retry_at: Option<Instant>,
    pass: Option<Pass>,
    /// When the last one ended.
    last_pass: Option<Instant>,
    again: Option<Trigger>,
    /// Who waits for a pass that has not begun.
    flushes: Vec<Token>,
    over: bool,
}

impl Forwarder {
    /// Makes a forwarder for one spool and one route.
    pub fn new(spool: Spool, route: Route, access: Access, schedule: Schedule) -> Forwarder {
        Forwarder {
            token: Token::NOBODY,
            means: Means::new(spool, route, access, schedule.traffic),
            schedule,
            poll_at: None,
            retry_at: None,
            pass: None,
            last_pass: None,
            again: None,
            flushes: Vec::new(),
            over: false,
        }
    }

    fn trigger(&mut self, trigger: Trigger, context: &mut Context) {
        if context.stopping {
            return;
        }
        if let Some(pass) = &mut self.pass {
            // What somebody asks for counts for more than what comes by itself.
            let mut wanted = self.again.into_iter().chain([trigger]);
            let again = wanted.find(|one| one.is_asked_for());
            self.again = again.or(Some(trigger));
            match (again, self.means.rests_until(context.now)) {
                (Some(_), _) => pass.want_no_look(),
                (None, Some(_)) => pass.want_look(RESTING_EVERY),
                (None, None) => pass.want_look(LOOK_EVERY),
            }
            return;
        }
        let is_asked_for = trigger.is_asked_for();
        if let Some(later) = self.rest(context.now).filter(|_| !is_asked_for) {
            verbose!("forwarding: [{trigger}]: the next hop rests");
            self.retry_at = Some(later);
            // With other secrets it need not rest.
            self.means.refresh(context);
            return;
        }
        verbose!("forwarding: [{trigger}]");
        context.announce(|| "forward: start".to_owned());
        self.retry_at = None;
        let mut pass = Pass::begin(is_asked_for, &mut self.means, context);
        if is_asked_for {
            pass.flushes = std::mem::take(&mut self.flushes);
        }
        self.pass = Some(pass);
    }

    /// Until when no pass is worth its while that nobody has asked for: most mail
    /// would only be looked at.
    fn rest(&self, now: Instant) -> Option<Instant> {
        let until = self.means.rests_until(now)?;
        let next = self.last_pass? + RESTING_EVERY;
        (next > now).then_some(next.min(until))
    }

    fn flush(&mut self, by: Token, context: &mut Context) {
        let trouble = match context.stopping {
            true => "the program stops",
            false => "too many wait already",
        };
        if context.stopping || self.flushes.len() >= FLUSHES_MAX {
            let report = PassReport::of_trouble(trouble);
            context.post(by, Message::Flushed(report));
            return;
        }
        self.flushes.push(by);
        self.trigger(Trigger::Admin, context);
    }

    /// Does what can be done, and ends the pass if that is all.
    fn go_on(&mut self, context: &mut Context) {
        let Some(pass) = self.pass.as_mut().filter(|pass| !pass.is_ending) else {
            return;
        };
        pass.go_on(&mut self.means, context);
        if pass.unsynced >= DELETIONS_UNSYNCED_MAX {
            pass.unsynced = 0;
            context.submit(Token::NOBODY, disk::Job::Sync(self.means.spool()));
        }
        if !pass.is_over(context.stopping) {
            if pass.look_at().is_some_and(|at| at <= context.now) {
                pass.look_again(&self.means, context);
                // It finds all that another pass would.
                self.again = None;
            }
            return;
        }
        pass.is_ending = true;
        match pass.unsynced {
            0 => self.end_pass(context),
            _ => context.submit(self.token, disk::Job::Sync(self.means.spool())),
        }
    }

    fn end_pass(&mut self, context: &mut Context) {
        let Some(mut pass) = self.pass.take() else {
            return;
        };
        self.last_pass = Some(context.now);
        let clock = (context.now, context.wall_clock().unix_seconds());
        let next = retry::come_back(pass.next_due, pass.next_hop_at, clock);
        self.retry_at = next.filter(|_| self.schedule.retries);
        let flushes = std::mem::take(&mut pass.flushes);
        let report = pass.finish();
        log(&report);
        context.announce(|| report.event());
        if self.schedule.once {
            context.conclude(self.token, u8::from(!report.is_success()));
            self.over = true;
        }
        for by in flushes {
            context.post(by, Message::Flushed(report.clone()));
        }
        if context.stopping {
            self.over = true;
            return;
        }
        self.poll_at = self.schedule.poll.map(|period| context.now + period);
        if let Some(trigger) = self.again.take() {
            self.trigger(trigger, context);
        }
    }

    fn end_flushes(&mut self, context: &mut Context) {
        let report = PassReport::of_trouble("the program stops");
        for by in self.flushes.drain(..) {
            context.post(by, Message::Flushed(report.clone()));
        }
    }

    fn on_mail(&mut self, mail: Mail, context: &mut Context) {
        if let Mail::Settled { fate, .. } = mail {
            context.watch.counters.settled(fate);
        }
        let means = &mut self.means;
        match (mail, &mut self.pass) {
            (Mail::Trigger(trigger), _) => self.trigger(trigger, context),
            (Mail::Flush { by }, _) => self.flush(by, context),
            (Mail::Connect { by, hop }, _) => means.connect(by, hop, context),
            (Mail::Wanted { by, line, count }, Some(pass)) => {
                let waiting = Waiting {
                    by,
                    line,
                    count,
                    since: context.now,
                };
                pass.wanted(waiting, means, context);
            }
            (Mail::Wanted { by, .. }, None) => context.post(by, Message::NoMoreMail),
            (Mail::Filtered { id }, Some(pass)) => pass.filtered(id),
            (Mail::Returned { line, id }, Some(pass)) => pass.returned(line, id),
            (
                Mail::Settled {
                    line,
                    id,
                    fate,
                    recorded,
                },
                Some(pass),
            ) => pass.settled((line, &id), fate, recorded, means),
            (Mail::Routed { id, routing }, Some(pass)) => pass.routed(id, routing, means, context),
            (Mail::RouterOver, Some(pass)) => pass.router_over(),
            (Mail::StopPass, Some(pass)) => pass.stop(),
            (Mail::NotLookedUp { line }, Some(pass)) => pass.not_looked_up(line),
            (Mail::ClientOver { line, ending }, Some(pass)) => {
                pass.client_over(line, ending, means, context);
            }
            // A session that goes on after its pass, or is somebody else's.
            (_, None) | (Mail::Answered { .. }, _) => {}
        }
    }

    fn on_disk(&mut self, done: Option<disk::Done>, context: &mut Context) {
        let (means, pass) = (&mut self.means, &mut self.pass);
        match (done, pass) {
            (Some(disk::Done::Refreshed(access)), _) => {
                means.refreshed(access);
                means.connect_waiting(context);
            }
            (Some(disk::Done::Scanned(listing)), Some(pass)) => pass.scanned(listing),
            (Some(disk::Done::Surveyed(seen)), Some(pass)) => pass.surveyed(seen, means, context),
            (Some(disk::Done::Refused(is_recorded)), Some(pass)) => {
                if is_recorded {
                    context.watch.counters.settled(Fate::Failed);
                }
                pass.refused(is_recorded);
            }
            (Some(disk::Done::PutOff(settled)), Some(pass)) => {
                pass.put_off(settled, means, context);
            }
            (Some(disk::Done::Synced(result)), Some(pass)) => {
                if let Err(trouble) = result {
                    pass.report.trouble = Some(trouble);
                }
                self.end_pass(context);
            }
            (None, Some(pass)) => {
                if means.is_refreshing() {
                    // Perhaps it was that which panicked: without it nothing is sent.
                    context.exit = Some(1);
                }
                pass.job_died();
                if pass.is_ending {
                    self.end_pass(context);
                }
            }
            (Some(other), _) => disk::abandon(Message::Disk(Some(other)), context),
            (None, None) => {}
        }
    }
}

fn log(report: &PassReport) {
    match report.is_success() {
        true => info!("forwarding: {report}"),
        false => error!("forwarding: {report}"),
    }
}

impl Session for Forwarder {
    fn kind(&self) -> Kind {
        Kind::Forwarder
    }

    fn start(&mut self, token: Token, context: &mut Context) {
        self.token = token;
        self.means.token = token;
        self.poll_at = self.schedule.poll.map(|period| context.now + period);
        if self.schedule.on_start {
            self.trigger(Trigger::Startup, context);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let pass = self.pass.as_ref().and_then(Pass::deadline);
        let all = [self.poll_at, self.retry_at, pass];
        all.into_iter().flatten().min()
    }

    fn on_timeout(&mut self, context: &mut Context) {
        let is_past = |at: Option<Instant>| at.is_some_and(|at| at <= context.now);
        let (is_poll, is_retry) = (is_past(self.poll_at), is_past(self.retry_at));
        if is_poll {
            self.poll_at = self.schedule.poll.map(|period| context.now + period);
            self.trigger(Trigger::Poll, context);
        } else if is_retry {
            self.trigger(Trigger::Retry, context);
        }
        self.go_on(context);
    }

    fn on_message(&mut self, message: Message, context: &mut Context) {
        match message {
            Message::Mail(mail) => self.on_mail(mail, context),
            Message::Disk(done) => self.on_disk(done, context),
            other => disk::abandon(other, context),
        }
        self.go_on(context);
    }

    /// A pass under way ends once its sessions have.
    fn on_shutdown(&mut self, context: &mut Context) {
        (self.poll_at, self.retry_at, self.again) = (None, None, None);
        self.end_flushes(context);
        if let Some(pass) = &mut self.pass {
            pass.want_no_look();
        }
        self.over = self.pass.is_none();
        if self.schedule.once && self.pass.is_some() {
            // The end of the pass, if there is time for it, knows better.
            context.conclude(self.token, 1);
        }
        self.go_on(context);
    }

    fn is_over(&self) -> bool {
        self.over
    }
}
