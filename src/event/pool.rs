//! A bounded pool of threads for work that blocks.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

use super::Token;

/// The most jobs that are done as one group.
pub const GROUP_MAX: usize = 64;

/// The most groups at work at the same time: while one waits for the disk, others
/// are written.
pub const GROUPS_MAX: usize = 10;

/// The most jobs at work at the same time that may take long: so few that they leave
/// threads to all others.
pub const LONG_MAX: usize = 2;

/// What a pool does.
pub trait Work: Send + Sync + 'static {
    /// What is to be done.
    type Job: Send + 'static;
    /// What came of it.
    type Done: Send + 'static;

    /// Whether jobs of this kind gain from being done together. While a group is
    /// at work, further ones of the kind wait and then form the next group.
    fn is_grouped(&self, _job: &Self::Job) -> bool {
        false
    }

    /// Whether a job may take long. Only [`LONG_MAX`] of them are at work at the same
    /// time, and further ones wait for those.
    fn is_long(&self, _job: &Self::Job) -> bool {
        false
    }

    /// Does one job, or a group of at most [`GROUP_MAX`], and returns as many
    /// results, in the same order.
    fn run(&self, jobs: Vec<Self::Job>) -> Vec<Self::Done>;
}

/// The result of a job.
#[derive(Debug)]
pub struct Completion<D> {
    /// Whose job it was.
    pub token: Token,
    /// What came of it; nothing where the job panicked.
    pub done: Option<D>,
}

/// Threads, started as they are needed, that do jobs in the order given (those
/// done in groups, and those that may take long, apart).
pub struct Pool<W: Work> {
    shared: Arc<Shared<W>>,
    threads_max: usize,
}

struct Shared<W: Work> {
    work: W,
    queue: Mutex<Queue<W>>,
    job_waits: Condvar,
    completions: Mutex<Vec<Completion<W::Done>>>,
    wake: Box<dyn Fn() + Send + Sync>,
}

struct Queue<W: Work> {
    single: VecDeque<(Token, W::Job)>,
    grouped: VecDeque<(Token, W::Job)>,
    long: VecDeque<(Token, W::Job)>,
    groups_at_work: usize,
    long_at_work: usize,
    threads: usize,
    idle: usize,
    closed: bool,
}

/// What one thread does next.
struct Batch<W: Work> {
    jobs: Vec<(Token, W::Job)>,
    kind: Kind,
}

/// Which jobs share a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Single,
    Grouped,
    Long,
}

impl<W: Work> Pool<W> {
    /// Makes a pool of at most `threads_max` threads; `wake` is called, on one of
    /// them, whenever completions wait.
    pub fn new(work: W, threads_max: usize, wake: impl Fn() + Send + Sync + 'static) -> Pool<W> {
        let queue = Queue {
            single: VecDeque::new(),
            grouped: VecDeque::new(),
            long: VecDeque::new(),
            groups_at_work: 0,
            long_at_work: 0,
            threads: 0,
            idle: 0,
            closed: false,
        };
        let shared = Shared {
            work,
            queue: Mutex::new(queue),
            job_waits: Condvar::new(),
            completions: Mutex::new(Vec::new()),
            wake: Box::new(wake),
        };
        Pool {
            shared: Arc::new(shared),
            threads_max,
        }
    }

    /// Queues a job. The queue needs no limit of its own: a session has at most
    /// one job under way, and sessions are limited. A session that gives up waiting
    /// leaves its job behind; where jobs may wait long, they find out and end at once.
    pub fn submit(&self, token: Token, job: W::Job) {
        let mut queue = self.shared.lock_queue();
        let kind = self.shared.kind_of(&job);
        queue.of_kind(kind).push_back((token, job));
        // What may not begin yet is taken by the thread that ends one of its kind.
        if !queue.may_begin(kind) {
            return;
        }
        if queue.runnable() <= queue.idle {
            drop(queue);
            self.shared.job_waits.notify_one();
        } else if queue.threads < self.threads_max && self.start_thread() {
            queue.threads += 1;
        } else if queue.threads == 0 {
            let lost = queue.take_all();
            drop(queue);
            self.shared.complete(lost, Vec::new());
        }
    }

    /// Takes all results that are there.
    pub fn drain(&self) -> Vec<Completion<W::Done>> {
        std::mem::take(&mut *lock(&self.shared.completions))
    }

    /// How many jobs wait for a thread.
    #[cfg(test)]
    fn backlog(&self) -> usize {
        let queue = self.shared.lock_queue();
        queue.single.len() + queue.grouped.len() + queue.long.len()
    }

    /// Starts one more thread; where the system refuses, those there are do the
    /// work. Without any the job has failed.
    fn start_thread(&self) -> bool {
        let shared = Arc::clone(&self.shared);
        let builder = thread::Builder::new().name("worker".to_owned());
        builder
            .stack_size(256 * 1024)
            .spawn(move || shared.run())
            .is_ok()
    }
}

/// Lets the threads end once the queued jobs are done.
impl<W: Work> Drop for Pool<W> {
    fn drop(&mut self) {
        self.shared.lock_queue().closed = true;
        self.shared.job_waits.notify_all();
    }
}

impl<W: Work> Shared<W> {
    fn run(&self) {
        let mut queue = self.lock_queue();
        loop {
            if let Some(Batch { jobs, kind }) = queue.next_jobs() {
                let more = queue.runnable() > 0 && queue.idle > 0;
                drop(queue);
                if more {
                    self.job_waits.notify_one();
                }
                self.work_on(jobs);
                queue = self.lock_queue();
                match kind {
                    Kind::Single => {}
                    Kind::Grouped => queue.groups_at_work -= 1,
                    Kind::Long => queue.long_at_work -= 1,
                }
                continue;
            }
            if queue.closed {
                queue.threads -= 1;
                return;
            }
            queue.idle += 1;
            queue = self
                .job_waits
                .wait(queue)
                .unwrap_or_else(|poisoned| poisoned.into_inner());
            queue.idle -= 1;
        }
    }

    fn kind_of(&self, job: &W::Job) -> Kind {
        match (self.work.is_grouped(job), self.work.is_long(job)) {
            (true, _) => Kind::Grouped,
            (false, true) => Kind::Long,
            (false, false) => Kind::Single,
        }
    }

    /// A panic in a job is its session's misfortune, not the pool's.
    fn work_on(&self, jobs: Vec<(Token, W::Job)>) {
        let (tokens, jobs): (Vec<Token>, Vec<W::Job>) = jobs.into_iter().unzip();
        let run = AssertUnwindSafe(|| self.work.run(jobs));
        self.complete(tokens, catch_unwind(run).unwrap_or_default());
    }

    /// Reports what was done; who gets nothing knows that the job failed.
    fn complete(&self, tokens: Vec<Token>, done: Vec<W::Done>) {
        let mut done = done.into_iter();
        let completions = tokens.into_iter().map(|token| Completion {
            token,
            done: done.next(),
        });
        lock(&self.completions).extend(completions);
        (self.wake)();
    }

    fn lock_queue(&self) -> MutexGuard<'_, Queue<W>> {
        lock(&self.queue)
    }
}

impl<W: Work> Queue<W> {
    /// How many threads could begin something now.
    fn runnable(&self) -> usize {
        let long = self.long.len().min(LONG_MAX - self.long_at_work);
        self.single.len() + long + usize::from(self.may_begin_group())
    }

    fn of_kind(&mut self, kind: Kind) -> &mut VecDeque<(Token, W::Job)> {
        match kind {
            Kind::Single => &mut self.single,
            Kind::Grouped => &mut self.grouped,
            Kind::Long => &mut self.long,
        }
    }

    /// Whether a thread could begin what waits of that kind.
    fn may_begin(&self, kind: Kind) -> bool {
        match kind {
            Kind::Single => !self.single.is_empty(),
            Kind::Grouped => self.may_begin_group(),
            Kind::Long => !self.long.is_empty() && self.long_at_work < LONG_MAX,
        }
    }

    /// The more groups are at work, the larger a further one has to be: few large
    /// groups share more of the cost, but nobody should wait for company for long.
    fn may_begin_group(&self) -> bool {
        let large_enough = self.grouped.len() >= self.groups_at_work.max(1);
        self.groups_at_work < GROUPS_MAX && large_enough
    }

    fn take_all(&mut self) -> Vec<Token> {
        let (single, grouped) = (self.single.drain(..), self.grouped.drain(..));
        let jobs = single.chain(grouped).chain(self.long.drain(..));
        jobs.map(|(token, _)| token).collect()
    }

    /// The next group, or else the next job that may take long, unless there are
    /// enough of them at work, or else the next of all others.
    fn next_jobs(&mut self) -> Option<Batch<W>> {
        let kinds = [Kind::Grouped, Kind::Long, Kind::Single];
        let kind = kinds.into_iter().find(|kind| self.may_begin(*kind))?;
        let count = match kind {
            Kind::Single => 1,
            Kind::Grouped => {
                self.groups_at_work += 1;
                self.grouped.len().min(GROUP_MAX)
            }
            Kind::Long => {
                self.long_at_work += 1;
                1
            }
        };
        let jobs = self.of_kind(kind).drain(..count).collect();
        Some(Batch { jobs, kind })
    }
}

/// A lock that was poisoned by a panicking job is still good: jobs are run
/// outside of it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Slab;
    use std::sync::mpsc;

    /// Jobs: below 100 alone, from there in groups, from 1000 long; 13 panics, 1, 100
    /// and 1000 wait for the gate.
    struct Sums {
        gate: Mutex<mpsc::Receiver<()>>,
    }

    impl Work for Sums {
        type Job = u32;
        type Done = (u32, usize);

        fn is_grouped(&self, job: &u32) -> bool {
            (100..1000).contains(job)
        }

        fn is_long(&self, job: &u32) -> bool {
            *job >= 1000
        }

        fn run(&self, jobs: Vec<u32>) -> Vec<(u32, usize)> {
            assert!(!jobs.contains(&13), "unlucky");
            if jobs.iter().any(|job| [1, 100, 1000].contains(job)) {
                lock(&self.gate).recv().unwrap();
            }
            jobs.iter().map(|job| (*job, jobs.len())).collect()
        }
    }

    struct Fixture {
        pool: Pool<Sums>,
        gate: mpsc::Sender<()>,
        woken: mpsc::Receiver<()>,
        token: Token,
    }

    fn fixture(threads: usize) -> Fixture {
        let (gate, receiver) = mpsc::channel();
        let (wake, woken) = mpsc::channel();
        let work = Sums {
            gate: Mutex::new(receiver),
        };
        Fixture {
            pool: Pool::new(work, threads, move || wake.send(()).unwrap_or(())),
            gate,
            woken,
            token: Slab::default().insert(()),
        }
    }

    impl Fixture {
        fn collect(&self, count: usize) -> Vec<Option<(u32, usize)>> {
            let mut all = Vec::new();
            while all.len() < count {
                self.woken.recv().unwrap();
                all.extend(
                    self.pool
                        .drain()
                        .into_iter()
                        .map(|completion| completion.done),
                );
            }
            all
        }
    }

    #[test]
    fn does_jobs_in_order_on_one_thread() {
        let fixture = fixture(1);
        for job in 2..10 {
            fixture.pool.submit(fixture.token, job);
        }
        let done = fixture.collect(8);
        assert_eq!(done, (2..10).map(|job| Some((job, 1))).collect::<Vec<_>>());
    }

    #[test]
    fn jobs_that_wait_form_a_group() {
        let fixture = fixture(4);
        for _ in 0..2 {
            fixture.pool.submit(fixture.token, 100);
            while fixture.pool.backlog() > 0 {
                thread::yield_now();
            }
        }
        // Beside two groups a third has to be of two at least.
        fixture.pool.submit(fixture.token, 101);
        fixture.pool.submit(fixture.token, 2);
        let single = fixture.collect(1);
        assert_eq!(
            single,
            [Some((2, 1))],
            "it does not wait for the groups at work"
        );
        assert_eq!(fixture.pool.backlog(), 1);
        fixture.pool.submit(fixture.token, 102);
        assert_eq!(fixture.collect(2), [Some((101, 2)), Some((102, 2))]);
        fixture.pool.submit(fixture.token, 103);
        (0..2).for_each(|_| fixture.gate.send(()).unwrap());
        let mut rest = fixture.collect(3);
        rest.sort();
        let alone = |job| Some((job, 1));
        assert_eq!(
            rest,
            [alone(100), alone(100), alone(103)],
            "and nobody waits for ever"
        );
    }

    #[test]
    fn a_panic_is_reported_and_the_thread_goes_on() {
        let fixture = fixture(1);
        fixture.pool.submit(fixture.token, 13);
        fixture.pool.submit(fixture.token, 2);
        assert_eq!(fixture.collect(2), [None, Some((2, 1))]);
    }

    #[test]
    fn without_a_thread_a_job_fails_at_once() {
        let fixture = fixture(0);
        fixture.pool.submit(fixture.token, 2);
        assert_eq!(fixture.collect(1), [None]);
    }

    #[test]
    fn a_second_job_starts_a_second_thread() {
        let fixture = fixture(2);
        fixture.pool.submit(fixture.token, 2);
        fixture.collect(1);
        // One thread is idle, or about to be.
        fixture.pool.submit(fixture.token, 1);
        fixture.pool.submit(fixture.token, 3);
        assert_eq!(
            fixture.collect(1),
            [Some((3, 1))],
            "it does not wait for the first"
        );
        fixture.gate.send(()).unwrap();
        assert_eq!(fixture.collect(1), [Some((1, 1))]);
    }

    #[test]
    fn long_jobs_leave_threads_to_others() {
        let fixture = fixture(4);
        for _ in 0..LONG_MAX + 3 {
            fixture.pool.submit(fixture.token, 1000);
        }
        fixture.pool.submit(fixture.token, 101);
        assert_eq!(fixture.collect(1), [Some((101, 1))]);
        fixture.pool.submit(fixture.token, 2);
        assert_eq!(fixture.collect(1), [Some((2, 1))]);
        while fixture.pool.backlog() > 3 {
            thread::yield_now();
        }
        assert_eq!(fixture.pool.shared.lock_queue().long_at_work, LONG_MAX);
        // Those that wait get their turn as others end.
        (0..LONG_MAX + 3).for_each(|_| fixture.gate.send(()).unwrap());
        let done = fixture.collect(LONG_MAX + 3);
        assert_eq!(done, [Some((1000, 1)); LONG_MAX + 3]);
    }

    #[test]
    fn threads_are_bounded() {
        let fixture = fixture(2);
        for _ in 0..5 {
            fixture.pool.submit(fixture.token, 1);
        }
        assert!(fixture.pool.shared.lock_queue().threads <= 2);
        (0..5).for_each(|_| fixture.gate.send(()).unwrap());
        assert_eq!(fixture.collect(5).len(), 5);
    }
}
