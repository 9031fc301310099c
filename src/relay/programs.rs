//! Programs that are run for a session, and what is like them: they may take as long
//! as they like.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::event::Work;
use crate::filter::accounts::Accounts;
use crate::filter::verifier::{self, Decision};
use crate::proto::netverifier::Question;

/// A question for a verifier.
#[derive(Debug)]
pub struct Job {
    /// What answers it.
    pub task: Task,
    /// What it is asked.
    pub question: Question,
    /// How long it may take.
    pub timeout: Option<Duration>,
    /// Set once nobody waits for the result any more.
    pub cancelled: Arc<AtomicBool>,
}

/// What answers a question.
#[derive(Debug)]
pub enum Task {
    /// A program, by its absolute path.
    Program(PathBuf),
    /// The system's name service.
    Accounts(Accounts),
}

/// What came of it.
pub type Done = Box<Decision>;

/// The work itself.
#[derive(Debug)]
pub struct ProgramWork;

impl Work for ProgramWork {
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
    fn run(self) -> Decision {
        match &self.task {
            Task::Program(path) => {
                verifier::run(path, &self.question, self.timeout, &self.cancelled)
            }
            Task::Accounts(accounts) => accounts.decide(&self.question, self.timeout),
        }
    }
}
