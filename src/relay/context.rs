//! What sessions act through.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::base::{WallClock, log};
use crate::debug;
use crate::event::{Completion, Pool, Token};
use crate::sys::notify::{self, State};

use super::disk::{self, DiskWork};
use super::filter_run;
use super::filters::{self, FilterWork};
use super::limits::BUFFER_MAX;
use super::lookup::{self, LookupWork};
use super::passwords::{self, PasswordWork};
use super::programs::{self, ProgramWork};
use super::security::{self, Reread, Security};
use super::session::{Message, Session};
use super::watch::Watch;

/// The workers, by what they wait for.
pub struct Pools {
    /// The disk.
    pub disk: Pool<DiskWork>,
    /// Name servers.
    pub lookups: Pool<LookupWork>,
    /// PAM.
    pub passwords: Pool<PasswordWork>,
    /// Verifiers.
    pub programs: Pool<ProgramWork>,
    /// Filters.
    pub filters: Pool<FilterWork>,
}

/// A session that begins, and the name of the configuration that it works for.
pub(super) type Started = (Option<Arc<str>>, Box<dyn Session>);

/// The loop's side of a session's world.
pub struct Context {
    /// The time of this turn.
    pub now: Instant,
    /// The system's name servers.
    pub name_servers: Vec<SocketAddr>,
    /// Where a socket is read into before it is known how much there is.
    pub scratch: Box<[u8]>,
    /// The name of the configuration on whose behalf the loop works.
    pub unit: Option<Arc<str>>,
    /// Set once the program is to stop.
    pub stopping: bool,
    /// Secrets and certificates.
    pub security: Security,
    /// What can be told of the running program.
    pub watch: Watch,
    /// The exit status, once a session has decided that the program's work is done.
    pub exit: Option<u8>,
    /// What sessions whose work is done say of it, as exit statuses.
    conclusions: Vec<(Token, u8)>,
    clock: fn() -> WallClock,
    pools: Pools,
    jobs: usize,
    /// How many of them are nobody's, such as those that read files again.
    unowned: usize,
    /// Whether the service manager waits to hear that files have been read again.
    is_reloading: bool,
    pub(super) posts: VecDeque<(Token, Message)>,
    pub(super) started: Vec<Started>,
}

fn scratch() -> Box<[u8]> {
    vec![0; BUFFER_MAX].into_boxed_slice()
}

impl Context {
    /// Makes the context of a loop that begins at `now`.
    pub fn new(now: Instant, clock: fn() -> WallClock, pools: Pools) -> Context {
        Context {
            now,
            name_servers: Vec::new(),
            scratch: scratch(),
            unit: None,
            stopping: false,
            security: Security::default(),
            watch: Watch::default(),
            exit: None,
            conclusions: Vec::new(),
            clock,
            pools,
            jobs: 0,
            unowned: 0,
            is_reloading: false,
            posts: VecDeque::new(),
            started: Vec::new(),
        }
    }

    /// Makes the scratch anew if somebody has not given it back.
    pub fn renew_scratch(&mut self) {
        if self.scratch.is_empty() {
            self.scratch = scratch();
        }
    }

    /// Takes note of how the work of that session has ended, or will have unless it
    /// says otherwise. The program goes on as long as others have work.
    pub fn conclude(&mut self, token: Token, status: u8) {
        self.conclusions.retain(|(known, _)| *known != token);
        self.conclusions.push((token, status));
    }

    /// The exit status: what made the program end, or the worst conclusion.
    pub fn status(&self) -> u8 {
        let worst = self.conclusions.iter().map(|(_, status)| *status).max();
        self.exit.or(worst).unwrap_or(0)
    }

    /// The calendar time.
    pub fn wall_clock(&self) -> WallClock {
        (self.clock)()
    }

    /// Has a worker do a disk job; the session gets [`Message::Disk`].
    pub fn submit(&mut self, token: Token, job: disk::Job) {
        debug!("{token}: a job for the disk");
        self.jobs += 1;
        self.unowned += usize::from(token == Token::NOBODY);
        self.pools.disk.submit(token, job);
    }

    /// Has the workers look for changes of secrets and certificates, if it is time.
    pub fn look_for_changes(&mut self) {
        let jobs = self.security.look(self.now);
        self.submit_for_nobody(jobs);
    }

    /// Opens the log's files anew, and has the workers read secrets and certificates
    /// again.
    pub fn reread(&mut self) {
        log::reopen();
        let jobs = self.security.reread(self.now, Reread::Now);
        self.submit_for_nobody(jobs);
        self.is_reloading = true;
    }

    /// What these jobs find is learnt by [`Context::collect`].
    fn submit_for_nobody(&mut self, jobs: Vec<security::Job>) {
        for job in jobs {
            self.submit(Token::NOBODY, disk::Job::Security(job));
        }
    }

    /// Has a worker look a name up; the session gets [`Message::Lookup`]. Nobody else
    /// waits for that, and it may take long: it does not count among the jobs.
    pub fn look_up(&self, token: Token, job: lookup::Job) {
        self.pools.lookups.submit(token, (self.now, job));
    }

    /// Has PAM asked about a password; the session gets [`Message::Password`]. Nobody
    /// else waits for that: it does not count among the jobs.
    pub fn check_password(&self, token: Token, job: passwords::Job) {
        self.pools.passwords.submit(token, job);
    }

    /// Has a program run; the session gets [`Message::Program`].
    pub fn run_program(&mut self, token: Token, job: programs::Job) {
        self.jobs += 1;
        self.pools.programs.submit(token, job);
    }

    /// Has a filter run; the session gets [`filter_run::News::Found`].
    pub fn run_filter(&mut self, token: Token, job: filters::Job) {
        self.jobs += 1;
        self.pools.filters.submit(token, job);
    }

    /// Sends a message to another session.
    pub fn post(&mut self, token: Token, message: Message) {
        self.posts.push_back((token, message));
    }

    /// Starts a new session after this one has been dealt with.
    pub fn begin(&mut self, session: Box<dyn Session>) {
        self.started.push((self.unit.clone(), session));
    }

    /// How many jobs are under way that are to be waited for.
    pub fn jobs(&self) -> usize {
        self.jobs
    }

    /// Posts the results of all jobs that are done.
    pub(super) fn collect(&mut self) {
        let disk = self.pools.disk.drain();
        let lookups = self.pools.lookups.drain();
        let passwords = self.pools.passwords.drain();
        let programs = self.pools.programs.drain();
        let filters = self.pools.filters.drain();
        self.jobs -= disk.len() + programs.len() + filters.len();
        for completion in &disk {
            self.unowned -= usize::from(completion.token == Token::NOBODY);
            if let Some(disk::Done::Security(done)) = &completion.done {
                self.security.learn(done);
            }
        }
        if self.is_reloading && self.unowned == 0 {
            self.is_reloading = false;
            notify::tell(State::Ready);
        }
        let filtered = |done| Message::Filter(filter_run::News::Found(done));
        self.posts.extend(posts(disk, Message::Disk));
        self.posts.extend(posts(lookups, Message::Lookup));
        self.posts.extend(posts(passwords, Message::Password));
        self.posts.extend(posts(programs, Message::Program));
        self.posts.extend(posts(filters, filtered));
    }
}

fn posts<D>(
    completions: Vec<Completion<D>>,
    message: impl Fn(Option<D>) -> Message,
) -> impl Iterator<Item = (Token, Message)> {
    let post = move |completion: Completion<D>| (completion.token, message(completion.done));
    completions.into_iter().map(post)
}

#[cfg(test)]
impl Pools {
    /// With one worker each, who wakes nobody.
    pub(super) fn small() -> Pools {
        Pools {
            disk: Pool::new(DiskWork, 1, || {}),
            lookups: Pool::new(LookupWork::default(), 1, || {}),
            passwords: Pool::new(PasswordWork, 1, || {}),
            programs: Pool::new(ProgramWork, 1, || {}),
            filters: Pool::new(FilterWork, 1, || {}),
        }
    }
}
