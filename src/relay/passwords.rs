//! Passwords that PAM is asked about, which may take long.

use std::net::IpAddr;
use std::time::Instant;

use crate::auth::{Identity, Unproven, pam};
use crate::event::Work;
use crate::proto::sasl::Credentials;

/// What a client says of itself.
#[derive(Debug)]
pub struct Job {
    /// Its name and password.
    pub credentials: Box<Credentials>,
    /// Its address; nothing for one on a socket of the unix domain.
    pub peer: Option<IpAddr>,
    /// When it is too late to begin.
    pub until: Instant,
}

/// Whether that is so.
pub type Done = Result<Identity, Unproven>;

/// The work itself.
#[derive(Debug)]
pub struct PasswordWork;

impl Work for PasswordWork {
    type Job = Job;
    type Done = Done;

    fn run(&self, jobs: Vec<Job>) -> Vec<Done> {
        let check = |job: Job| pam::check(&job.credentials, job.peer, job.until);
        jobs.into_iter().map(check).collect()
    }
}
