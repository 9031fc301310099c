//! One message on its way through a chain of filters, on behalf of the session
//! that has it: the same for mail that comes in and mail that goes out.
//!
//! Programs and what is built in are jobs of a pool of their own, services are
//! conversations of this session, and what filters have left is read by the disk's
//! workers. The session that has begun a run gets [`News::Over`] from it, always,
//! and can have it cut short by [`News::HangUp`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::base::ascii;
use crate::event::{Interest, Ready, Token};
use crate::filter::chain::{Chain, Link, Subject};
use crate::filter::output::Response;
use crate::filter::verdict::{Finding, Verdict, Wishes};
use crate::store::{Left, Locked, Spool, Staged, StoredId, Suffix};
use crate::{info, verbose, warning};

use super::context::Context;
use super::dialogue::Dialogue;
use super::disk::{self, Loaded, NotLoaded};
use super::filter_files::{Done, Job};
use super::filters::{self, Task};
use super::limits::FILTER_TURN_MAX;
use super::net_filter::NetFilter;
use super::session::{Kind, Message, Session};
use super::settlement::Settlement;

/// What a run, its filters and the session that has begun it tell each other.
pub enum News {
    /// To whoever has begun it: this is the run.
    Started(Token),
    /// To the run: a worker is done; nothing where it panicked.
    Found(Option<Box<Finding>>),
    /// To the run: nobody waits for it any more.
    HangUp,
    /// To whoever has begun it: this is what it has come to.
    Over(Box<Filtered>),
    /// To whoever has begun it: an internal error has ended it.
    Gone,
}

/// What a run has come to.
pub struct Filtered {
    /// Which message it was about.
    pub id: StoredId,
    /// What is to become of the message.
    pub verdict: Verdict,
    /// What else filters wish for.
    pub wishes: Wishes,
    /// What they have left.
    pub left: Remains,
    /// Whether the run was cut short, so that the verdict says nothing.
    pub is_cancelled: bool,
}

/// What filters have left of a message.
pub enum Remains {
    /// One that was received, and can be committed.
    Received(Box<Staged>),
    /// One that is to be forwarded.
    Queued(Loaded),
    /// One that was to be forwarded, and cannot be, or is gone.
    NotQueued(NotLoaded),
    /// Nothing: it was removed, or the filter has taken it.
    Nothing,
}

/// The message while it is not away.
enum Mail {
    Received(Box<Staged>),
    Queued(Box<Locked>),
}

/// What the run is waiting for.
enum Step {
    Nothing,
    /// A worker that asks a filter.
    Worker,
    /// The end of a delay.
    Sleep(Instant),
    /// A conversation.
    Talk(Box<dyn Dialogue>),
    /// The disk.
    Disk,
}

/// One run.
pub struct FilterRun {
    chain: Arc<Chain>,
    subject: Subject,
    mail: Option<Mail>,
    owner: Token,
    peer: Option<String>,
    /// What else the log is to say of a message that is refused.
    particulars: String,
    token: Token,
    /// How many filters have been asked.
    asked: usize,
    step: Step,
    /// When the filter that is being asked is late.
    late_at: Option<Instant>,
    began: Option<Instant>,
    wishes: Wishes,
    verdict: Verdict,
    over: bool,
}

impl FilterRun {
    /// Is about to put a message that was received through the chain. Nothing else
    /// is written of one that is refused, so its particulars are to be in the log.
    pub fn received(
        chain: &Arc<Chain>,
        staged: Box<Staged>,
        owner: Token,
        peer: Option<String>,
        particulars: String,
    ) -> FilterRun {
        let envelope = Suffix::EnvelopeNew;
        let subject = subject(chain, staged.spool(), staged.id(), envelope);
        let mail = Mail::Received(staged);
        FilterRun {
            particulars,
            ..FilterRun::new(chain, subject, mail, owner, peer)
        }
    }

    /// Is about to put a message that is to be forwarded through the chain. What
    /// comes back has been read again. No connection is needed for this.
    pub fn queued(chain: &Arc<Chain>, mut mail: Box<Locked>, owner: Token) -> FilterRun {
        mail.hold();
        let envelope = Suffix::EnvelopeBusy;
        let subject = subject(chain, mail.spool(), mail.id(), envelope);
        FilterRun::new(chain, subject, Mail::Queued(mail), owner, None)
    }

    fn new(
        chain: &Arc<Chain>,
        subject: Subject,
        mail: Mail,
        owner: Token,
        peer: Option<String>,
    ) -> FilterRun {
        FilterRun {
            chain: Arc::clone(chain),
            subject,
            mail: Some(mail),
            owner,
            peer,
            particulars: String::new(),
            token: Token::NOBODY,
            asked: 0,
            step: Step::Nothing,
            late_at: None,
            began: None,
            wishes: Wishes::default(),
            verdict: Verdict::Accept,
            over: false,
        }
    }

    // ---- asking

    /// Asks the next filter; those that answer at once are all asked.
    fn go_on(&mut self, context: &mut Context) {
        while let Step::Nothing = self.step {
            let chain = Arc::clone(&self.chain);
            let Some(link) = chain.links.get(self.asked) else {
                self.finish(Verdict::Accept, context);
                return;
            };
            self.asked += 1;
            verbose!("{}", link.asking(&self.subject));
            let timeout = chain.timeout;
            self.late_at = timeout.and_then(|time| context.now.checked_add(time));
            if let Some(finding) = self.ask(link, context) {
                self.found(finding, context);
            }
        }
    }

    fn ask(&mut self, link: &Link, context: &mut Context) -> Option<Finding> {
        match link {
            Link::Program(path) => self.run(Task::Program(path.clone()), context),
            Link::BuiltIn(filter) => self.run(Task::BuiltIn(Arc::clone(filter)), context),
            Link::Net(target) => {
                let dialogue = NetFilter::new(target, &self.subject);
                self.talk(Box::new(dialogue), context)
            }
            Link::Exit(code) => {
                let said = || Response::because(format!("exit:{code}"));
                Some(Finding::of_code(self.chain.side, (*code).into(), said))
            }
            Link::Sleep(delay) => {
                self.step = Step::Sleep(context.now + *delay);
                None
            }
        }
    }

    /// Has a worker ask. It keeps the time of what it runs itself, since that may
    /// have to wait for its turn first.
    fn run(&mut self, task: Task, context: &mut Context) -> Option<Finding> {
        self.late_at = None;
        self.step = Step::Worker;
        let job = filters::Job {
            task,
            subject: self.subject.clone(),
            timeout: self.chain.timeout,
            until: context.now + FILTER_TURN_MAX,
        };
        context.run_filter(self.token, job);
        None
    }

    fn talk(&mut self, mut dialogue: Box<dyn Dialogue>, context: &mut Context) -> Option<Finding> {
        let finding = dialogue.begin(self.token, context);
        if finding.is_none() {
            self.step = Step::Talk(dialogue);
        }
        finding
    }

    // ---- deciding

    fn found(&mut self, finding: Finding, context: &mut Context) {
        self.step = Step::Nothing;
        self.late_at = None;
        let Finding { verdict, wishes } = finding;
        self.wishes = self.wishes.and(wishes);
        match verdict {
            Verdict::Accept => {}
            verdict => self.finish(verdict, context),
        }
    }

    /// As [`FilterRun::found`], and asks the next one.
    fn answered(&mut self, finding: Option<Finding>, context: &mut Context) {
        if let Some(finding) = finding {
            self.found(finding, context);
            self.go_on(context);
        }
    }

    /// Has the disk see what has become of the message.
    fn finish(&mut self, verdict: Verdict, context: &mut Context) {
        self.log(&verdict);
        if let Some(began) = self.began.take() {
            let time = context.now.saturating_duration_since(began);
            context.watch.counters.filtered(self.chain.side, time);
        }
        let has_taken = verdict == Verdict::Abandon;
        let is_wanted = matches!(verdict, Verdict::Accept | Verdict::Abandon);
        self.verdict = verdict;
        self.step = Step::Disk;
        let job = match self.mail.take() {
            Some(Mail::Received(staged)) if is_wanted => Job::Reread(staged, has_taken),
            Some(Mail::Received(staged)) => Job::Discard(staged),
            Some(Mail::Queued(mail)) => Job::RereadLocked(mail),
            None => return self.end(Remains::Nothing, context),
        };
        context.submit(self.token, disk::Job::Filter(job));
    }

    /// Lines that watchers of E-MailRelay's log know, with what it lacks behind.
    fn log(&self, verdict: &Verdict) {
        let (noun, id) = (self.chain.side.noun(), &self.subject.id);
        let last = self.chain.links.get(self.asked.saturating_sub(1));
        let filter = last.map(ToString::to_string).unwrap_or_default();
        match verdict {
            Verdict::Accept => verbose!("{noun} done: ok=1{}: id={id}", self.wishes),
            Verdict::Abandon => {
                let wishes = self.wishes;
                verbose!("{noun} done: ok=0 abandon{wishes}: id={id} filter=[{filter}]");
            }
            Verdict::Reject(rejection) => {
                let response = ascii::escape(&rejection.response);
                let (reason, more) = (&rejection.reason, &self.particulars);
                info!(
                    "rejected by {noun}: [{reason}]: id={id} filter=[{filter}]{more} [{response}]"
                );
            }
            Verdict::Fail(why) if why.starts_with("timed out") => {
                warning!("{noun} {why}: id={id} filter=[{filter}]");
            }
            Verdict::Fail(why) => warning!("{noun} failed: {why}: id={id} filter=[{filter}]"),
        }
    }

    fn on_disk(&mut self, done: Option<Done>, context: &mut Context) {
        let left = match done {
            Some(Done::Reread(Ok(Left::Message(staged)))) => Remains::Received(staged),
            Some(Done::Reread(Ok(Left::Taken)) | Done::Discarded) => Remains::Nothing,
            Some(Done::Reread(Ok(Left::Mess(mess)))) => self.mess(&mess),
            Some(Done::Reread(Err(error))) => self.mess(&error.to_string()),
            Some(Done::RereadLocked(Ok(loaded))) => Remains::Queued(loaded),
            Some(Done::RereadLocked(Err(not_loaded))) => Remains::NotQueued(not_loaded),
            Some(Done::Staged(_) | Done::Lent(..) | Done::PassedOn(_)) | None => {
                self.mess("internal error")
            }
        };
        self.end(left, context);
    }

    fn mess(&mut self, mess: &str) -> Remains {
        let verdict = Verdict::Fail(mess.to_owned());
        self.log(&verdict);
        self.verdict = verdict;
        Remains::Nothing
    }

    fn end(&mut self, left: Remains, context: &mut Context) {
        self.over = true;
        self.step = Step::Nothing;
        let verdict = std::mem::replace(&mut self.verdict, Verdict::Accept);
        let filtered = Box::new(Filtered {
            id: self.subject.id.clone(),
            verdict,
            wishes: self.wishes,
            left,
            is_cancelled: self.subject.cancelled.load(Ordering::Relaxed),
        });
        context.post(self.owner, Message::Filter(News::Over(filtered)));
    }

    /// Nobody waits any more: whatever is being asked is told to end. A worker
    /// comes back by itself.
    fn hang_up(&mut self, context: &mut Context) {
        self.subject.cancelled.store(true, Ordering::Relaxed);
        if let Step::Talk(_) | Step::Sleep(_) = self.step {
            self.found(Finding::failed("no longer wanted"), context);
        }
    }
}

fn subject(chain: &Chain, spool: Spool, id: &StoredId, suffix: Suffix) -> Subject {
    Subject {
        side: chain.side,
        spool,
        id: id.clone(),
        suffix,
        cancelled: Arc::new(AtomicBool::new(false)),
    }
}

impl News {
    /// What is to be done about it where the session that it is for is gone.
    pub fn abandoned(self, context: &mut Context) -> Option<disk::Job> {
        match self {
            News::Started(run) => {
                context.post(run, Message::Filter(News::HangUp));
                None
            }
            News::Over(filtered) => filtered.left.abandoned(),
            News::Found(_) | News::HangUp | News::Gone => None,
        }
    }
}

impl Remains {
    fn abandoned(self) -> Option<disk::Job> {
        match self {
            Remains::Received(staged) => Some(disk::Job::Filter(Job::Discard(staged))),
            Remains::Queued(Loaded { mail, .. }) => {
                let untouched = Box::new(Settlement::Untouched);
                Some(disk::Job::Settle(mail, untouched))
            }
            Remains::NotQueued(_) | Remains::Nothing => None,
        }
    }
}

impl Session for FilterRun {
    fn kind(&self) -> Kind {
        Kind::FilterRun
    }

    fn peer(&self) -> Option<&str> {
        self.peer.as_deref()
    }

    fn start(&mut self, token: Token, context: &mut Context) {
        self.token = token;
        self.began = Some(context.now);
        context.post(self.owner, Message::Filter(News::Started(token)));
        let (noun, content) = (self.chain.side.noun(), self.subject.content());
        let content = ascii::escape(content.as_os_str().as_encoded_bytes());
        verbose!("{noun} start: [{}] [{content}]", self.subject.id);
        self.go_on(context);
    }

    fn interest(&self, _now: Instant) -> Option<Interest> {
        match &self.step {
            Step::Talk(dialogue) => dialogue.interest(),
            _ => None,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let step = match &self.step {
            Step::Sleep(until) => Some(*until),
            Step::Talk(dialogue) => dialogue.deadline(),
            _ => None,
        };
        [step, self.late_at].into_iter().flatten().min()
    }

    fn on_ready(&mut self, ready: Ready, context: &mut Context) {
        if let Step::Talk(dialogue) = &mut self.step {
            let finding = dialogue.on_ready(ready, context);
            self.answered(finding, context);
        }
    }

    fn on_timeout(&mut self, context: &mut Context) {
        let now = context.now;
        let finding = match &mut self.step {
            _ if self.late_at.is_some_and(|at| at <= now) => {
                Some(Finding::timed_out(self.chain.timeout))
            }
            Step::Sleep(until) if *until <= now => Some(Finding::of(Verdict::Accept)),
            Step::Talk(dialogue) => dialogue.on_timeout(context),
            _ => None,
        };
        self.answered(finding, context);
    }

    fn on_message(&mut self, message: Message, context: &mut Context) {
        match message {
            Message::Filter(News::Found(done)) if matches!(self.step, Step::Worker) => {
                let finding = done.map(|finding| *finding);
                let finding = finding.unwrap_or_else(|| Finding::failed("internal error"));
                self.answered(Some(finding), context);
            }
            Message::Filter(News::HangUp) => self.hang_up(context),
            Message::Disk(Some(disk::Done::Filter(done))) => self.on_disk(Some(done), context),
            Message::Disk(None) if matches!(self.step, Step::Disk) => self.on_disk(None, context),
            message => {
                if let Step::Talk(dialogue) = &mut self.step {
                    let finding = dialogue.on_message(message, context);
                    self.answered(finding, context);
                } else {
                    disk::abandon(message, context);
                }
            }
        }
    }

    /// Whoever has begun it decides.
    fn on_shutdown(&mut self, _context: &mut Context) {}

    fn is_over(&self) -> bool {
        self.over
    }

    fn last_words(&self) -> Vec<(Token, Message)> {
        vec![(self.owner, Message::Filter(News::Gone))]
    }
}
