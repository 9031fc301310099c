//! `copy:`: copies a message into all sub-directories of the spool directory, for
//! POP users and for other programs.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use super::built_in;
use super::chain::{BuiltIn, Subject};
use super::verdict::{Finding, Verdict};
use crate::store::below::{Mailboxes, Way};
use crate::store::companions::publish_now;
use crate::store::{Draft, Error};
use crate::warning;

/// A sub-directory that is for mail that concerns this host, and gets no copies.
const POSTMASTER: &[u8] = b"postmaster";

/// The filter.
#[derive(Debug)]
pub struct Copy {
    way: Way,
    /// Whether the message itself stays and goes on.
    stays: bool,
    mailboxes: OnceLock<Mailboxes>,
    has_warned: AtomicBool,
}

impl Copy {
    /// Reads `pop` (envelopes only), `hardlink` and `nodelete`, or their first
    /// letters, separated by semicolons.
    pub fn new(parameters: &str) -> Result<Copy, String> {
        let mut copy = Copy {
            way: Way::Copied,
            stays: false,
            mailboxes: OnceLock::new(),
            has_warned: AtomicBool::new(false),
        };
        for word in built_in::words(parameters) {
            match word {
                "p" | "pop" => copy.way = Way::Shared,
                "h" | "hardlink" if copy.way == Way::Copied => copy.way = Way::Linked,
                // A content that is not copied need not be linked either.
                "h" | "hardlink" => {}
                "n" | "nodelete" => copy.stays = true,
                _ => return Err(built_in::unknown("copy", word)),
            }
        }
        Ok(copy)
    }

    fn work(&self, subject: &Subject, draft: &Draft) -> Result<Verdict, Error> {
        let mailboxes = self.mailboxes.get_or_init(|| subject.spool.mailboxes());
        let mut names = mailboxes.names()?;
        names.retain(|name| name != POSTMASTER);
        if names.is_empty() {
            if !self.has_warned.swap(true, Ordering::Relaxed) {
                warning!("copy: there are no sub-directories to copy into");
            }
            return Ok(Verdict::Accept);
        }
        if self.way == Way::Shared {
            draft.content()?.sync()?;
        }
        let copies = mailboxes.copy_to(names.iter().map(Vec::as_slice), draft, self.way)?;
        if self.stays {
            draft.attach(copies)?;
            return Ok(Verdict::Accept);
        }
        publish_now(draft, copies)?;
        draft.remove(self.way != Way::Shared)?;
        draft.sync()?;
        Ok(Verdict::Abandon)
    }
}

impl BuiltIn for Copy {
    fn name(&self) -> String {
        let way = match self.way {
            Way::Copied => "",
            Way::Linked => "hardlink",
            Way::Shared => "pop",
        };
        let parts = [way, if self.stays { "nodelete" } else { "" }];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        format!("copy:{}", parts.join(";"))
    }

    fn run(&self, subject: &Subject) -> Finding {
        let draft = subject.spool.draft(&subject.id, subject.suffix);
        match self.work(subject, &draft) {
            Ok(verdict) => Finding::of(verdict),
            Err(error) => Finding::failed(error),
        }
    }
}
