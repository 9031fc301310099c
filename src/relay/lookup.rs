//! Looking names up, which may block for long, and who is asked about them.

use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
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

/// Where a name comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The configuration.
    Configuration,
    /// A message, whose sender may have chosen it: such names leave threads to others.
    Message,
}

/// What is to be found out.
#[derive(Debug)]
pub enum Job {
    /// The addresses of a host.
    Addresses(Question),
    /// The system's name servers.
    NameServers,
}

/// The addresses of which host somebody wants to know.
#[derive(Debug)]
pub struct Question {
    target: HostPort,
    family: Option<Family>,
    origin: Origin,
    has_begun: Weak<AtomicBool>,
}

/// Whoever has asked keeps this as long as the answer is of use: without it, a question
/// that waits for its turn is not put to any name server.
#[derive(Debug)]
pub struct Asked {
    has_begun: Arc<AtomicBool>,
}

impl Asked {
    /// Whether the question has had its turn.
    pub fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Relaxed)
    }
}

/// A question for the addresses of a host, of that family only where one is given.
pub fn ask(target: &HostPort, family: Option<Family>, origin: Origin) -> (Job, Asked) {
    let has_begun = Arc::new(AtomicBool::new(false));
    let question = Question {
        target: target.clone(),
        family,
        origin,
        has_begun: Arc::downgrade(&has_begun),
    };
    (Job::Addresses(question), Asked { has_begun })
}

/// What came of it.
#[derive(Debug)]
pub enum Done {
    /// Of [`Job::Addresses`].
    Addresses(Result<Vec<SocketAddr>, ResolveError>),
    /// Of [`Job::Addresses`] when nobody wanted to know any more.
    Unwanted,
    /// Of [`Job::NameServers`]: at least one.
    NameServers(Vec<SocketAddr>),
}

/// Reads which name servers the system asks. Where that cannot be read it is this
/// host, as for every resolver.
pub fn name_servers() -> Vec<SocketAddr> {
    let text = File::open(RESOLV_CONF).map(start_of).unwrap_or_default();
    name_servers::parse(&text, &interface::index)
}

/// As much of the text as is looked at.
fn start_of(file: impl Read) -> String {
    let mut text = Vec::new();
    // What has been read by the time of an error counts.
    let _ = file.take(RESOLV_CONF_MAX).read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
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

    fn is_long(&self, (_, job): &(Instant, Job)) -> bool {
        matches!(job, Job::Addresses(question) if question.origin == Origin::Message)
    }

    fn run(&self, jobs: Vec<(Instant, Job)>) -> Vec<Done> {
        let run = |(at, job)| match job {
            Job::Addresses(question) => self.answer(&question, at),
            Job::NameServers => Done::NameServers(name_servers()),
        };
        jobs.into_iter().map(run).collect()
    }
}

impl LookupWork {
    fn answer(&self, question: &Question, at: Instant) -> Done {
        match question.has_begun.upgrade() {
            Some(has_begun) => has_begun.store(true, Ordering::Relaxed),
            None => return Done::Unwanted,
        }
        let Question { target, family, .. } = question;
        Done::Addresses(self.answers.resolve(target, *family, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(job: Job) -> Done {
        let mut done = LookupWork::default().run(vec![(Instant::now(), job)]);
        done.pop().unwrap()
    }

    #[test]
    fn only_so_much_of_the_system_s_configuration_is_read() {
        let text = start_of(std::io::repeat(b'#'));
        assert_eq!(text.len() as u64, RESOLV_CONF_MAX);
    }

    #[test]
    fn a_question_is_put_only_as_long_as_somebody_wants_to_know() {
        let target = HostPort::parse("127.0.0.1:25").unwrap();
        let (job, asked) = ask(&target, None, Origin::Message);
        assert!(!asked.has_begun());
        assert!(matches!(run(job), Done::Addresses(Ok(found)) if found.len() == 1));
        assert!(asked.has_begun());
        let (job, asked) = ask(&target, None, Origin::Message);
        drop(asked);
        assert!(matches!(run(job), Done::Unwanted));
    }

    #[test]
    fn names_that_messages_bring_along_leave_threads_to_others() {
        let target = HostPort::parse("host.test:25").unwrap();
        let is_long = |job| LookupWork::default().is_long(&(Instant::now(), job));
        assert!(is_long(ask(&target, None, Origin::Message).0));
        assert!(!is_long(ask(&target, None, Origin::Configuration).0));
        assert!(!is_long(Job::NameServers));
    }
}
