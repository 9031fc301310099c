//! The spool directory: names, envelope files, storing, locking, recovery.
#![forbid(unsafe_code)]

pub mod below;
mod change;
mod commit;
pub mod companions;
mod draft;
pub mod envelope;
mod error;
mod files;
mod fs;
mod let_go;
mod local;
mod lock;
mod mailbox;
mod maildrop;
mod measure;
pub mod name;
mod probe;
pub mod queue;
mod real;
mod recover;
mod scan;
mod scatter;
mod spool;
mod staged;
mod survey;
mod writer;

#[cfg(test)]
pub(crate) mod faulty;
#[cfg(test)]
mod tests;

pub use change::{Change, Outcome};
pub use commit::{Candidate, Commit, Receipt, commit};
pub use draft::{Content, Draft, NewContent};
pub use envelope::{Attempts, Encoding, Envelope, Malformed, Reason};
pub use error::{Error, Operation};
pub use lock::{Attempt, LockOutcome, Locked, Part};
pub use mailbox::{MAILBOX_MAX, MailboxName};
pub use maildrop::{Deletion, Listed, Maildrop, OpenContent, Opened, Retrieved};
pub use name::{StoredId, Suffix};
pub use queue::{Details, Entry, Queue, State};
pub use recover::Report;
pub use scan::READY_MAX;
pub use scatter::{Scattered, scatter};
pub use spool::{Scan, Spool};
pub use staged::{Check, Left, Staged};
pub use survey::{Routing, Surveyed};
pub use writer::Writer;
