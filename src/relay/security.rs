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

/// What the servers of all configurations go by.
#[derive(Default)]
pub struct Security {
    /// Who has failed to log in, and for how long to let them wait: a client is the
    /// same whichever server it tries.
    pub throttle: Throttle,
    sites: Vec<Site>,
    looked_at: Option<Instant>,
}

/// Names a [`Site`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteId(usize);

/// What the sessions of one server go by. The default has no secrets and no
/// certificates.
#[derive(Default)]
pub struct Site {
    secrets: Option<Arc<Secrets>>,
    desk: Option<Arc<SecretsDesk>>,
    /// Whether PAM knows the passwords.
    asks_pam: bool,
    acceptor: Option<Arc<dyn Acceptor>>,
    certificates: Option<Arc<Certificates>>,
}

/// What is to be done by a worker for a site.
pub struct Job {
    site: SiteId,
    task: Task,
}

enum Task {
    /// Read the secrets again if they have changed.
    ReadSecrets(Arc<SecretsDesk>, Instant, Reread),
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

/// What came of a job for a site.
pub struct Done {
    site: SiteId,
    /// What was found.
    pub found: Found,
}

/// What a job has found.
pub enum Found {
    /// The secrets as they are now.
    Secrets(Arc<Secrets>),
    /// What takes the place of the certificates that were, if anything.
    Certificates(Option<Arc<dyn Acceptor>>),
    /// What came of a check, and the secrets as they are now.
    Checked(Arc<Secrets>, Result<Identity, Refusal>),
}

impl Job {
    /// Does it. Blocks.
    pub fn run(self) -> Done {
        Done {
            site: self.site,
            found: self.task.run(),
        }
    }
}

impl Task {
    fn run(self) -> Found {
        match self {
            Task::ReadSecrets(desk, now, reread) => Found::Secrets(desk.reread(now, reread)),
            Task::ReadCertificates(certificates, reread) => {
                Found::Certificates(certificates.reread(reread))
            }
            Task::Check(desk, now, credentials) => {
                let secrets = desk.current(now);
                let result = crate::auth::check(&secrets, &credentials);
                Found::Checked(secrets, result)
            }
        }
    }
}

impl Security {
    /// Adds what a server goes by, and returns its name.
    pub fn add(&mut self, site: Site) -> SiteId {
        self.sites.push(site);
        SiteId(self.sites.len() - 1)
    }

    /// What goes by that name.
    pub fn site(&self, id: SiteId) -> &Site {
        &self.sites[id.0]
    }

    /// The check of what a client says of itself; nothing where there are no secrets.
    pub fn check(&self, id: SiteId, now: Instant, credentials: Box<Credentials>) -> Option<Job> {
        let desk = Arc::clone(self.site(id).desk.as_ref()?);
        Some(Job {
            site: id,
            task: Task::Check(desk, now, credentials),
        })
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
        let jobs = self.sites.iter().enumerate().flat_map(|(index, site)| {
            let task_for = move |task| Job {
                site: SiteId(index),
                task,
            };
            site.reread(now, reread).map(task_for)
        });
        jobs.collect()
    }

    /// When the first certificate of all servers ends to be valid, in seconds since
    /// 1970.
    pub fn certificate_expires(&self) -> Option<i64> {
        let acceptors = self.sites.iter().filter_map(Site::acceptor);
        acceptors.filter_map(|acceptor| acceptor.expires()).min()
    }

    /// Takes note of what a job has found.
    pub fn learn(&mut self, done: &Done) {
        if let Some(site) = self.sites.get_mut(done.site.0) {
            site.learn(&done.found);
        }
    }
}

impl Site {
    /// Has clients authenticate by what this file says.
    pub fn use_secrets(&mut self, file: SecretsFile) {
        self.secrets = Some(file.secrets());
        self.desk = Some(Arc::new(SecretsDesk::new(file)));
    }

    /// Has clients authenticate by what PAM says.
    pub fn use_pam(&mut self) {
        self.secrets = Some(Arc::new(Secrets::kept_elsewhere()));
        self.asks_pam = true;
    }

    /// Whether PAM is to be asked about passwords.
    pub fn asks_pam(&self) -> bool {
        self.asks_pam
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

    fn reread(&self, now: Instant, reread: Reread) -> impl Iterator<Item = Task> {
        let secrets = self.desk.iter().cloned();
        let certificates = self.certificates.iter().cloned();
        secrets
            .map(move |desk| Task::ReadSecrets(desk, now, reread))
            .chain(certificates.map(move |files| Task::ReadCertificates(files, reread)))
    }

    fn learn(&mut self, found: &Found) {
        match found {
            Found::Secrets(secrets) | Found::Checked(secrets, _) => {
                self.secrets = Some(Arc::clone(secrets));
            }
            Found::Certificates(Some(acceptor)) => self.acceptor = Some(Arc::clone(acceptor)),
            Found::Certificates(None) => {}
        }
    }
}

#[cfg(test)]
mod tests;
