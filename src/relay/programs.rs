//! Programs that are run for a session, and what is like them: they may take as long
//! as they like.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use crate::event::Work;
use crate::filter::accounts::Accounts;
use crate::filter::verifier::{self, Decision};
use crate::proto::netverifier::Question;
use crate::sys::patience::Patience;

/// A question for a verifier.
#[derive(Debug)]
pub struct Job {
    /// What answers it.
    pub task: Task,
    /// What it is asked.
    pub question: Question,
    /// How long it may take.
    pub timeout: Option<Duration>,
    /// When it is too late to begin.
    pub until: Instant,
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

    fn run(&self, jobs: Vec<Job>) -> Vec<Done> {
        jobs.into_iter().map(|job| Box::new(job.run())).collect()
    }
}

impl Job {
    fn run(self) -> Decision {
        let patience = Patience {
            deadline: Some(self.until),
            cancelled: &self.cancelled,
        };
        if patience.turn().is_err() {
            return Decision::failed("its turn came too late");
        }
        match &self.task {
            Task::Program(path) => {
                verifier::run(path, &self.question, self.timeout, &self.cancelled)
            }
            Task::Accounts(accounts) => accounts.decide(&self.question, self.timeout),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::smtp::server::Verdict;

    #[test]
    fn a_question_whose_turn_comes_too_late_is_answered_without_the_program() {
        let now = Instant::now();
        for (until, expected) in [
            (now, "cannot verify: its turn came too late"),
            (now + Duration::from_secs(60), "cannot verify: exec error: "),
        ] {
            let job = Job {
                task: Task::Program(PathBuf::from("/nonexistent/verifier")),
                question: Question::default(),
                timeout: None,
                until,
                cancelled: Arc::default(),
            };
            std::thread::sleep(Duration::from_millis(5));
            let decision = ProgramWork.run(vec![job]).remove(0);
            let Verdict::Refuse(reply) = decision.verdict else {
                panic!("{decision:?}");
            };
            assert_eq!(reply.code, 450);
            let reason = decision.reason.unwrap_or_default();
            assert!(reason.starts_with(expected), "{reason}");
        }
    }
}
