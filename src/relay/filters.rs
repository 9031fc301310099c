//! Filters that run on a worker: programs, and what is built in. They have a pool
//! of their own, so that slow ones keep nobody waiting but each other.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::event::Work;
use crate::filter::chain::{BuiltIn, Subject};
use crate::filter::program;
use crate::filter::verdict::Finding;

/// One filter to be asked about one message.
pub struct Job {
    /// What does the work.
    pub task: Task,
    /// The message.
    pub subject: Subject,
    /// How long a program may take.
    pub timeout: Option<Duration>,
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

    fn is_grouped(&self, _job: &Job) -> bool {
        false
    }

    fn run(&self, jobs: Vec<Job>) -> Vec<Done> {
        jobs.into_iter().map(|job| Box::new(job.run())).collect()
    }
}

impl Job {
    fn run(self) -> Finding {
        match self.task {
            Task::Program(path) => program::run(&path, &self.subject, self.timeout),
            Task::BuiltIn(filter) => filter.run(&self.subject),
        }
    }
}
