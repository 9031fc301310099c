//! Looking names up, which may block for long.

use std::net::SocketAddr;

use crate::event::Work;
use crate::net::address::HostPort;
use crate::net::resolver::{Family, ResolveError, resolve};

/// A name to be looked up.
#[derive(Debug)]
pub struct Job {
    /// The name or address literal, and the port.
    pub target: HostPort,
    /// Only addresses of this family, where given.
    pub family: Option<Family>,
}

/// What came of it.
pub type Done = Result<Vec<SocketAddr>, ResolveError>;

/// The work itself.
#[derive(Debug)]
pub struct LookupWork;

impl Work for LookupWork {
    type Job = Job;
    type Done = Done;

    fn is_grouped(&self, _job: &Job) -> bool {
        false
    }

    fn run(&self, jobs: Vec<Job>) -> Vec<Done> {
        let resolve = |job: Job| resolve(&job.target, job.family);
        jobs.into_iter().map(resolve).collect()
    }
}
