//! `deliver:`: delivers a message to the mailboxes of its local recipients, which
//! are sub-directories of the spool directory or of another one.

use std::collections::BTreeSet;
use std::io;
use std::sync::OnceLock;

use super::built_in::{self, Surroundings};
use super::chain::{BuiltIn, Subject};
use super::verdict::{Finding, Verdict};
use super::verifier;
use crate::base::OneLine;
use crate::store::below::{COPIES_MAX, Mailboxes, Way};
use crate::store::companions::publish_now;
use crate::store::{Draft, Error, Operation};

/// The filter.
#[derive(Debug)]
pub struct Deliver {
    way: Way,
    /// Whether the message itself stays as it is.
    stays: bool,
    mailboxes: OnceLock<Mailboxes>,
}

impl Deliver {
    /// Reads `hardlink` and `nodelete`, or their first letters, separated by
    /// semicolons. A directory for mailboxes must be there.
    pub fn new(parameters: &str, surroundings: &Surroundings) -> Result<Deliver, String> {
        let mut deliver = Deliver {
            way: Way::Copied,
            stays: false,
            mailboxes: OnceLock::new(),
        };
        for word in built_in::words(parameters) {
            match word {
                "h" | "hardlink" => deliver.way = Way::Linked,
                "n" | "nodelete" => deliver.stays = true,
                _ => return Err(built_in::unknown("deliver", word)),
            }
        }
        if let Some(path) = &surroundings.delivery_dir {
            let mailboxes = Mailboxes::open(path).map_err(|error| format!("deliver: {error}"))?;
            deliver.mailboxes = OnceLock::from(mailboxes);
        }
        Ok(deliver)
    }

    fn work(&self, subject: &Subject, draft: &Draft) -> Result<Verdict, Error> {
        let mut envelope = draft.envelope()?;
        let names: BTreeSet<OneLine> = envelope.local_recipients.iter().cloned().collect();
        if names.is_empty() {
            return Ok(Verdict::Accept);
        }
        check(&names)?;
        let mailboxes = self.mailboxes.get_or_init(|| subject.spool.mailboxes());
        let names = || names.iter().map(OneLine::as_bytes);
        names().try_for_each(|name| mailboxes.create(name))?;
        let copies = mailboxes.copy_to(names(), draft, self.way)?;
        let is_all = envelope.remote_recipients.is_empty();
        if is_all && !self.stays {
            publish_now(draft, copies)?;
            draft.remove(true)?;
            draft.sync()?;
            return Ok(Verdict::Abandon);
        }
        // The copies of a message that was acknowledged before are there for good
        // before it loses their recipients.
        draft.attach(copies)?;
        if !self.stays {
            envelope.local_recipients.clear();
            draft.set_envelope(&envelope)?;
        }
        Ok(Verdict::Accept)
    }
}

/// Sees, before anything is written, that each name can be that of a directory.
fn check(names: &BTreeSet<OneLine>) -> Result<(), Error> {
    let fail = |name: &OneLine, why: &str| Error {
        operation: Operation::CreateDirectory,
        name: name.as_bytes().to_vec(),
        source: io::Error::other(why.to_owned()),
    };
    match names.iter().find(|name| !verifier::is_mailbox(name)) {
        Some(name) => return Err(fail(name, "not a name for a mailbox")),
        None if names.len() > COPIES_MAX => {}
        None => return Ok(()),
    }
    Err(fail(&OneLine::default(), "too many mailboxes"))
}

impl BuiltIn for Deliver {
    fn name(&self) -> String {
        let way = if self.way == Way::Linked {
            "hardlink"
        } else {
            ""
        };
        let parts = [way, if self.stays { "nodelete" } else { "" }];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        format!("deliver:{}", parts.join(";"))
    }

    fn run(&self, subject: &Subject) -> Finding {
        let draft = subject.spool.draft(&subject.id, subject.suffix);
        match self.work(subject, &draft) {
            Ok(verdict) => Finding::of(verdict),
            Err(error) => Finding::failed(error),
        }
    }
}

#[cfg(test)]
mod tests;
