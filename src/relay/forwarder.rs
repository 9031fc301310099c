//! When to forward, and what one pass over the spool has come to.
//!
//! A pass is one listing of the spool; client sessions ask for its messages one
//! by one. A message that cannot be sent now stays queued, and the pass goes on
//! with the others; a next hop that cannot be reached ends the pass.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::event::{Interest, Ready, Token};
use crate::store::{Spool, StoredId};
use crate::{error, info, verbose, warning};

use super::access::Access;
use super::context::Context;
use super::disk;
use super::limits::{
    DEFERRED_REMEMBERED_MAX, DELETIONS_UNSYNCED_MAX, FLUSHES_MAX, ROUTE_FAILURES_MAX,
};
use super::mail::{Ending, Fate, Mail, PassReport, Trigger};
use super::session::{Kind, Message, Session};
use super::smtp_client::{Route, SmtpClient};

/// When to forward.
#[derive(Clone, Copy, Debug, Default)]
pub struct Schedule {
    /// `--forward`
    pub on_start: bool,
    /// `--poll`
    pub poll: Option<Duration>,
    /// The program ends after the first pass.
    pub once: bool,
}

/// Decides when to forward and hands out the messages of a pass.
pub struct Forwarder {
    token: Token,
    spool: Spool,
    route: Arc<Route>,
    /// Away while its files are looked at.
    access: Option<Box<Access>>,
    schedule: Schedule,
    poll_at: Option<Instant>,
    pass: Option<Pass>,
    again: Option<Trigger>,
    /// Who waits for a pass that has not begun.
    flushes: Vec<Token>,
    deferred: HashSet<StoredId>,
    over: bool,
}

/// One pass over the spool.
#[derive(Debug, Default)]
struct Pass {
    queue: VecDeque<StoredId>,
    sent: u32,
    deferred: u32,
    failed: u32,
    unsynced: u32,
    failures_in_a_row: u32,
    /// A client filter wishes that no more is sent.
    stopped: bool,
    trouble: Option<String>,
    ending: bool,
    /// Who is to be told how it ends.
    flushes: Vec<Token>,
}

impl Forwarder {
    /// Makes a forwarder for one spool and one next hop.
    pub fn new(spool: Spool, route: Route, access: Access, schedule: Schedule) -> Forwarder {
        Forwarder {
            token: Token::NOBODY,
            spool,
            route: Arc::new(route.with(&access)),
            access: Some(Box::new(access)),
            schedule,
            poll_at: None,
            pass: None,
            again: None,
            flushes: Vec::new(),
            deferred: HashSet::new(),
            over: false,
        }
    }

    fn trigger(&mut self, trigger: Trigger, context: &mut Context) {
        if context.stopping {
            return;
        }
        if self.pass.is_some() {
            self.again = Some(trigger);
            return;
        }
        verbose!("forwarding: [{trigger}]");
        context.announce(|| "forward: start".to_owned());
        self.pass = Some(Pass {
            flushes: std::mem::take(&mut self.flushes),
            ..Pass::default()
        });
        context.submit(self.token, disk::Job::Scan(self.spool.clone()));
    }

    fn flush(&mut self, by: Token, context: &mut Context) {
        let trouble = match context.stopping {
            true => "the program stops",
            false => "too many wait already",
        };
        if context.stopping || self.flushes.len() >= FLUSHES_MAX {
            let trouble = Some(trouble.to_owned());
            let report = PassReport {
                trouble,
                ..PassReport::default()
            };
            context.post(by, Message::Flushed(report));
            return;
        }
        self.flushes.push(by);
        self.trigger(Trigger::Admin, context);
    }

    fn scanned(&mut self, listing: Result<Vec<StoredId>, String>, context: &mut Context) {
        let Some(pass) = &mut self.pass else { return };
        match listing {
            Ok(ids) => {
                // What was deferred last time goes last, so that it cannot keep
                // the next hop from everything else.
                let (late, fresh): (Vec<_>, Vec<_>) =
                    ids.into_iter().partition(|id| self.deferred.contains(id));
                self.deferred.clear();
                pass.queue = fresh.into_iter().chain(late).collect();
            }
            Err(trouble) => pass.trouble = Some(trouble),
        }
        if pass.queue.is_empty() || context.stopping {
            self.end_pass(context);
        } else {
            self.connect(context);
        }
    }

    /// Starts a session, with secrets and certificates as they are now.
    fn connect(&mut self, context: &mut Context) {
        match self.access.take_if(|access| access.is_due(context.now)) {
            Some(access) => context.submit(self.token, disk::Job::Refresh(access)),
            None => self.begin_session(context),
        }
    }

    fn refreshed(&mut self, access: Box<Access>, context: &mut Context) {
        self.route = Arc::new(self.route.with(&access));
        self.access = Some(access);
        if context.stopping {
            self.end_pass(context);
        } else {
            self.begin_session(context);
        }
    }

    fn begin_session(&mut self, context: &mut Context) {
        let client = SmtpClient::new(Arc::clone(&self.route), self.token, 0);
        context.begin(Box::new(client));
    }

    fn wanted(&mut self, by: Token, count: usize, context: &mut Context) {
        let is_over = |pass: &&mut Pass| context.stopping || pass.stopped;
        let pass = self.pass.as_mut().filter(|pass| !is_over(pass));
        let ids: Vec<StoredId> = pass.map_or_else(Vec::new, |pass| {
            let count = count.min(pass.queue.len());
            pass.queue.drain(..count).collect()
        });
        match ids.is_empty() {
            false => context.submit(by, disk::Job::Lock(self.spool.clone(), ids)),
            true => context.post(by, Message::NoMoreMail),
        }
    }

    fn settled(&mut self, id: StoredId, fate: Fate, recorded: bool, context: &mut Context) {
        context.watch.counters.settled(fate);
        let Some(pass) = &mut self.pass else { return };
        if !recorded {
            pass.trouble = Some("the spool could not be updated".to_owned());
        }
        match fate {
            Fate::Sent => {
                pass.sent += 1;
                pass.unsynced += 1;
                pass.failures_in_a_row = 0;
            }
            Fate::Failed => {
                pass.failed += 1;
                pass.failures_in_a_row = 0;
            }
            Fate::Deferred => {
                pass.deferred += 1;
                if self.deferred.len() < DEFERRED_REMEMBERED_MAX {
                    self.deferred.insert(id);
                }
            }
        }
        if pass.unsynced >= DELETIONS_UNSYNCED_MAX {
            pass.unsynced = 0;
            context.submit(Token::NOBODY, disk::Job::Sync(self.spool.clone()));
        }
    }

    fn client_over(&mut self, ending: Ending, context: &mut Context) {
        let Some(pass) = &mut self.pass else { return };
        let trouble = match ending {
            Ending::Done => None,
            Ending::Dropped(trouble) => {
                warning!("forwarding: {trouble}");
                pass.failures_in_a_row += 1;
                Some(trouble).filter(|_| pass.failures_in_a_row >= ROUTE_FAILURES_MAX)
            }
            Ending::RouteFailed(trouble) => Some(trouble),
        };
        if pass.queue.is_empty() || trouble.is_some() || pass.stopped || context.stopping {
            pass.trouble = trouble.or(pass.trouble.take());
            self.end_pass(context);
        } else {
            self.connect(context);
        }
    }

    /// What is left of the pass is not tried.
    fn stop_pass(&mut self) {
        if let Some(pass) = &mut self.pass {
            pass.stopped = true;
        }
    }

    fn end_flushes(&mut self, context: &mut Context) {
        let report = PassReport {
            trouble: Some("the program stops".to_owned()),
            ..PassReport::default()
        };
        for by in self.flushes.drain(..) {
            context.post(by, Message::Flushed(report.clone()));
        }
    }

    fn end_pass(&mut self, context: &mut Context) {
        let Some(pass) = &mut self.pass else { return };
        if pass.unsynced > 0 && !pass.ending {
            pass.ending = true;
            context.submit(self.token, disk::Job::Sync(self.spool.clone()));
            return;
        }
        let Some(mut pass) = self.pass.take() else {
            return;
        };
        let report = pass.report();
        log(&report);
        context.announce(|| report.event());
        if self.schedule.once {
            context.conclude(self.token, u8::from(!report.is_success()));
            self.over = true;
        }
        for by in pass.flushes {
            context.post(by, Message::Flushed(report.clone()));
        }
        if context.stopping {
            self.end_flushes(context);
            self.over = true;
            return;
        }
        self.poll_at = self.schedule.poll.map(|period| context.now + period);
        if let Some(trigger) = self.again.take() {
            self.trigger(trigger, context);
        }
    }
}

impl Pass {
    fn report(&mut self) -> PassReport {
        PassReport {
            sent: self.sent,
            deferred: self.deferred,
            failed: self.failed,
            left: self.queue.len(),
            trouble: self.trouble.take(),
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
        self.poll_at = self.schedule.poll.map(|period| context.now + period);
        if self.schedule.on_start {
            self.trigger(Trigger::Startup, context);
        }
    }

    fn interest(&self, _now: Instant) -> Option<Interest> {
        None
    }

    fn deadline(&self) -> Option<Instant> {
        self.poll_at
    }

    fn on_ready(&mut self, _ready: Ready, _context: &mut Context) {}

    fn on_timeout(&mut self, context: &mut Context) {
        self.poll_at = self.schedule.poll.map(|period| context.now + period);
        self.trigger(Trigger::Poll, context);
    }

    fn on_message(&mut self, message: Message, context: &mut Context) {
        match message {
            Message::Mail(Mail::Trigger(trigger)) => self.trigger(trigger, context),
            Message::Mail(Mail::Wanted { by, count, .. }) => self.wanted(by, count, context),
            Message::Mail(Mail::Returned { id, .. }) => {
                if let Some(pass) = &mut self.pass {
                    pass.queue.push_front(id);
                }
            }
            Message::Mail(Mail::Settled {
                id, fate, recorded, ..
            }) => {
                self.settled(id, fate, recorded, context);
            }
            Message::Mail(Mail::StopPass) => self.stop_pass(),
            Message::Mail(Mail::ClientOver { ending, .. }) => self.client_over(ending, context),
            Message::Mail(Mail::Flush { by }) => self.flush(by, context),
            Message::Disk(Some(disk::Done::Refreshed(access))) => self.refreshed(access, context),
            Message::Disk(Some(disk::Done::Scanned(listing))) => self.scanned(listing, context),
            Message::Disk(Some(disk::Done::Synced(result))) => {
                if let (Err(trouble), Some(pass)) = (result, &mut self.pass) {
                    pass.trouble = Some(trouble);
                }
                self.end_pass(context);
            }
            Message::Disk(None) if self.pass.as_ref().is_some_and(|pass| pass.ending) => {
                self.end_pass(context);
            }
            Message::Disk(None) => {
                self.scanned(Err("the spool could not be listed".to_owned()), context);
            }
            other => disk::abandon(other, context),
        }
    }

    /// A pass under way ends by itself: its client gets no further message.
    fn on_shutdown(&mut self, context: &mut Context) {
        self.poll_at = None;
        self.again = None;
        self.end_flushes(context);
        self.over = self.pass.is_none();
        if self.schedule.once && self.pass.is_some() {
            // The end of the pass, if there is time for it, knows better.
            context.conclude(self.token, 1);
        }
    }

    fn is_over(&self) -> bool {
        self.over
    }
}
