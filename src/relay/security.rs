//! The secrets and certificates that sessions go by, read again when they change,
//! and the memory of who has failed to log in.
//!
//! The loop owns it and never waits for it: files are looked at by jobs, at most
//! every so often, when somebody connects or logs in. What a job found is learnt
//! when it is collected, whether or not the session that asked for it still is.

mod certificates;
mod secrets;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::auth::{Identity, Refusal, Secrets, SecretsFile};
use crate::proto::sasl::{Credentials, Throttle};
use crate::tls::{Acceptor, Error, ServerSettings};

pub use certificates::Certificates;
pub use secrets::SecretsDesk;

/// Files are looked at no more often than this.
pub const LOOK_AFTER: Duration = Duration::from_secs(1);

/// What the sessions of the servers go by. The default has no secrets and no
/// certificates.
#[derive(Default)]
pub struct Security {
    /// Who has failed to log in, and for how long to let them wait.
    pub throttle: Throttle,
    secrets: Option<Arc<Secrets>>,
    desk: Option<Arc<SecretsDesk>>,
    acceptor: Option<Arc<dyn Acceptor>>,
    certificates: Option<Arc<Certificates>>,
    looked_at: Option<Instant>,
}

/// What is to be done by a worker.
pub enum Job {
    /// Read the secrets again if they have changed.
    ReadSecrets(Arc<SecretsDesk>, Instant),
    /// Read the certificates again if they have changed, or in any case.
    ReadCertificates(Arc<Certificates>, Reread),
    /// Find out whether these are right.
    Check(Arc<SecretsDesk>, Instant, Box<Credentials>),
}

/// When to read files again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reread {
    /// When they have changed.
    Changed,
    /// Now.
    Now,
}

/// What came of it.
pub enum Done {
    /// Of [`Job::ReadSecrets`]: the secrets as they are now.
    Secrets(Arc<Secrets>),
    /// Of [`Job::ReadCertificates`]: what takes the place of what was, if anything.
    Certificates(Option<Arc<dyn Acceptor>>),
    /// Of [`Job::Check`], and the secrets as they are now.
    Checked(Arc<Secrets>, Result<Identity, Refusal>),
}

impl Job {
    /// Does it. Blocks.
    pub fn run(self) -> Done {
        match self {
            Job::ReadSecrets(desk, now) => Done::Secrets(desk.current(now)),
            Job::ReadCertificates(certificates, reread) => {
                Done::Certificates(certificates.reread(reread))
            }
            Job::Check(desk, now, credentials) => {
                let secrets = desk.current(now);
                let result = crate::auth::check(&secrets, &credentials);
                Done::Checked(secrets, result)
            }
        }
    }
}

impl Security {
    /// Has clients authenticate by what this file says.
    pub fn use_secrets(&mut self, file: SecretsFile) {
        self.secrets = Some(file.secrets());
        self.desk = Some(Arc::new(SecretsDesk::new(file)));
    }

    /// Encrypts with these certificates. Blocks.
    pub fn use_certificates(&mut self, settings: ServerSettings) -> Result<(), Error> {
        let (certificates, acceptor) = Certificates::open(settings)?;
        self.certificates = Some(Arc::new(certificates));
        self.acceptor = Some(acceptor);
        Ok(())
    }

    /// The secrets as they were read last, if there are any.
    pub fn secrets(&self) -> Option<&Arc<Secrets>> {
        self.secrets.as_ref()
    }

    /// What makes the server's end of an encrypted connection.
    pub fn acceptor(&self) -> Option<&Arc<dyn Acceptor>> {
        self.acceptor.as_ref()
    }

    /// The check of what a client says of itself; nothing where there are no secrets.
    pub fn check(&self, now: Instant, credentials: Box<Credentials>) -> Option<Job> {
        let desk = Arc::clone(self.desk.as_ref()?);
        Some(Job::Check(desk, now, credentials))
    }

    /// The jobs that look for changes, if it is time to look.
    pub fn look(&mut self, now: Instant) -> Vec<Job> {
        let is_due = self
            .looked_at
            .is_none_or(|then| now.saturating_duration_since(then) >= LOOK_AFTER);
        if !is_due {
            return Vec::new();
        }
        self.looked_at = Some(now);
        self.reread(now, Reread::Changed)
    }

    /// The jobs that read everything again.
    pub fn reread(&self, now: Instant, reread: Reread) -> Vec<Job> {
        let secrets = self.desk.iter().cloned();
        let certificates = self.certificates.iter().cloned();
        secrets
            .map(|desk| Job::ReadSecrets(desk, now))
            .chain(certificates.map(|files| Job::ReadCertificates(files, reread)))
            .collect()
    }

    /// Takes note of what a job has found.
    pub fn learn(&mut self, done: &Done) {
        match done {
            Done::Secrets(secrets) | Done::Checked(secrets, _) => {
                self.secrets = Some(Arc::clone(secrets));
            }
            Done::Certificates(Some(acceptor)) => self.acceptor = Some(Arc::clone(acceptor)),
            Done::Certificates(None) => {}
        }
    }
}

#[cfg(test)]
mod tests;
