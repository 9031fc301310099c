//! Programs that are run for a session, which may take as long as they like.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::event::Work;
use crate::filter::verifier::{self, Decision};
use crate::proto::netverifier::Question;

/// A question for a verifier program.
#[derive(Debug)]
pub struct Job {
    /// The program, by its absolute path.
    pub program: PathBuf,
    /// What it is asked.
    pub question: Question,
    /// How long it may take.
    pub timeout: Option<Duration>,
    /// Set once nobody waits for the result any more.
    pub cancelled: Arc<AtomicBool>,
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
        let run = |job: Job| {
            let decision = verifier::run(&job.program, &job.question, job.timeout, &job.cancelled);
            Box::new(decision)
        };
        jobs.into_iter().map(run).collect()
    }
}
