//! Filters that run on a worker: programs, and what is built in. They have a pool
//! of their own, so that slow ones keep nobody waiting but each other.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::event::Work;
use crate::filter::chain::{BuiltIn, Subject};
use crate::filter::program;
use crate::filter::verdict::Finding;
use crate::sys::patience::{Impatience, Patience};

/// One filter to be asked about one message.
pub struct Job {
    /// What does the work.
    pub task: Task,
    /// The message.
    pub subject: Subject,
    /// How long a program may take.
    pub timeout: Option<Duration>,
    /// When it is too late to begin.
    pub until: Instant,
}

/// What does the work of a filter.
pub enum Task {
    /// A program.
    Program(PathBuf),
    /// A part of this one.
    BuiltIn(Arc<dyn BuiltIn>),
}

/// What came of it.
pub type Done = Box<Finding>;

/// The work itself.
#[derive(Debug)]
pub struct FilterWork;

impl Work for FilterWork {
    type Job = Job;
    type Done = Done;

    fn run(&self, jobs: Vec<Job>) -> Vec<Done> {
        jobs.into_iter().map(|job| Box::new(job.run())).collect()
    }
}

impl Job {
    fn run(self) -> Finding {
        let patience = Patience {
            deadline: Some(self.until),
            cancelled: &self.subject.cancelled,
        };
        // Whoever is no longer wanted says so in words of its own.
        if let Err(Impatience::TimedOut) = patience.turn() {
            return Finding::failed("its turn came too late");
        }
        match self.task {
            Task::Program(path) => program::run(&path, &self.subject, self.timeout),
            Task::BuiltIn(filter) => filter.run(&self.subject),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::chain::Side;
    use crate::filter::verdict::Verdict;
    use crate::store::{Spool, StoredId, Suffix};
    use crate::sys::testing::TempDir;

    #[test]
    fn a_message_whose_turn_comes_too_late_is_not_filtered() {
        let folder = TempDir::new();
        let subject = Subject {
            side: Side::Server,
            spool: Spool::open(folder.path(), 1).unwrap(),
            id: StoredId::parse(b"emailrelay.1.2.3").unwrap(),
            suffix: Suffix::EnvelopeNew,
            cancelled: Arc::default(),
        };
        let now = Instant::now();
        for (until, is_late) in [(now, true), (now + Duration::from_secs(60), false)] {
            let job = Job {
                task: Task::Program(PathBuf::from("/nonexistent/filter")),
                subject: subject.clone(),
                timeout: None,
                until,
            };
            std::thread::sleep(Duration::from_millis(5));
            let finding = FilterWork.run(vec![job]).remove(0);
            let Verdict::Fail(why) = &finding.verdict else {
                panic!("{finding:?}");
            };
            assert_eq!(why == "its turn came too late", is_late, "{why}");
        }
    }
}
