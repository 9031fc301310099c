//! Looking names up, which may block for long, and who is asked about them.

use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::time::Instant;

use crate::event::Work;
use crate::net::address::HostPort;
use crate::net::answers::Answers;
use crate::net::name_servers;
use crate::net::resolver::{Family, ResolveError};
use crate::sys::interface;

/// Where the system lists its name servers.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// How much of that file is read, in octets.
const RESOLV_CONF_MAX: u64 = 64 * 1024;

/// What is to be found out.
#[derive(Debug)]
pub enum Job {
    /// The addresses of a host.
    Addresses {
        /// The name or address literal, and the port.
        target: HostPort,
        /// Only addresses of this family, where given.
        family: Option<Family>,
    },
    /// The system's name servers.
    NameServers,
}

/// What came of it.
#[derive(Debug)]
pub enum Done {
    /// Of [`Job::Addresses`].
    Addresses(Result<Vec<SocketAddr>, ResolveError>),
    /// Of [`Job::NameServers`]: at least one.
    NameServers(Vec<SocketAddr>),
}

/// Reads which name servers the system asks. Where that cannot be read it is this
/// host, as for every resolver.
pub fn name_servers() -> Vec<SocketAddr> {
    let mut text = Vec::new();
    // What has been read by the time of an error counts.
    let _ =
        File::open(RESOLV_CONF).and_then(|file| file.take(RESOLV_CONF_MAX).read_to_end(&mut text));
    name_servers::parse(&String::from_utf8_lossy(&text), &interface::index)
}

/// The work itself.
#[derive(Debug, Default)]
pub struct LookupWork {
    answers: Answers,
}

impl Work for LookupWork {
    /// With the time at which it was submitted.
    type Job = (Instant, Job);
    type Done = Done;

    fn is_grouped(&self, _job: &(Instant, Job)) -> bool {
        false
    }

    fn run(&self, jobs: Vec<(Instant, Job)>) -> Vec<Done> {
        let run = |(at, job)| match job {
            Job::Addresses { target, family } => {
                Done::Addresses(self.answers.resolve(&target, family, at))
            }
            Job::NameServers => Done::NameServers(name_servers()),
        };
        jobs.into_iter().map(run).collect()
    }
}
