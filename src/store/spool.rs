//! The spool directory as the rest of the program sees it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::error::{At, Error, Operation};
use super::files::Files;
use super::fs::Fs;
use super::lock::{self, LockOutcome};
use super::mailbox::MailboxName;
use super::maildrop::{self, Opened};
use super::name::{Ids, StoredId, Suffix};
use super::probe;
use super::queue::Queue;
use super::real::RealFs;
use super::recover::{self, Report};
use super::scan::Listing;
use super::survey::{self, Surveyed};
use super::writer::Writer;
use crate::sys::file::native_name;

/// A spool directory. Clones share it, and all methods may be called from any
/// thread; all but [`Spool::create`] wait for the disk.
#[derive(Clone)]
pub struct Spool {
    pub(super) files: Arc<Files>,
}

/// What a look at the directory found.
#[derive(Debug)]
pub struct Scan {
    /// Messages ready to be forwarded, in the order of their arrival.
    pub ready: Vec<StoredId>,
    /// What was put in order meanwhile.
    pub report: Report,
}

impl Spool {
    /// Opens the spool directory. The seed, from the system's random numbers, is
    /// where this process's ids start; open it after the last fork.
    pub fn open(path: &Path, seed: u64) -> Result<Spool, Error> {
        let name = path.as_os_str().as_encoded_bytes();
        let path = std::path::absolute(path).at(Operation::OpenDirectory, name)?;
        let fs = RealFs::open(&path).at(Operation::OpenDirectory, name)?;
        Ok(Spool::with_fs(Box::new(fs), path, seed))
    }

    pub(super) fn with_fs(fs: Box<dyn Fs>, path: PathBuf, seed: u64) -> Spool {
        let ids = Ids::new(std::process::id(), seed);
        Spool {
            files: Arc::new(Files::new(fs, path, ids)),
        }
    }

    pub(super) fn files(&self) -> Arc<Files> {
        Arc::clone(&self.files)
    }

    pub(super) fn of(files: &Arc<Files>) -> Spool {
        Spool {
            files: Arc::clone(files),
        }
    }

    /// Starts a new message; touches nothing on the disk.
    pub fn create(&self) -> Writer {
        Writer::new(Arc::clone(&self.files))
    }

    /// Lists the messages that are ready to be forwarded, the oldest
    /// [`READY_MAX`](super::READY_MAX) of them, after putting in order what
    /// processes that died have left behind.
    pub fn scan(&self) -> Result<Scan, Error> {
        let mut listing = Listing::read(&self.files)?;
        let report = recover::recover(&self.files, &mut listing);
        Ok(Scan {
            ready: listing.into_ready(),
            report,
        })
    }

    /// Lists the messages that are ready and come after that one, the oldest `max`
    /// of them (but never more than [`READY_MAX`](super::READY_MAX)), and puts
    /// nothing in order: how a queue is worked off that is longer than one scan gives.
    pub fn ready_after(&self, last: &StoredId, max: usize) -> Result<Vec<StoredId>, Error> {
        Ok(Listing::read_after(&self.files, last, max)?.into_ready())
    }

    /// Looks into the envelopes of messages that are ready, in that order, without
    /// taking them. Those that are gone or cannot be read are left out or shown as
    /// if there was nothing special about them: taking them tells.
    pub fn survey(&self, ids: Vec<StoredId>) -> Vec<Surveyed> {
        survey::survey(&self.files, ids)
    }

    /// Puts in order what processes that died have left behind. May run beside
    /// anything else, in any number of processes.
    pub fn recover(&self) -> Result<Report, Error> {
        Ok(self.scan()?.report)
    }

    /// Lists all messages, whatever their state, and changes nothing.
    pub fn queue(&self) -> Result<Queue, Error> {
        Queue::read(&self.files)
    }

    /// Takes a message to forward it. An error concerns this message only.
    pub fn lock(&self, id: &StoredId) -> Result<LockOutcome, Error> {
        lock::lock(&self.files, id)
    }

    /// Opens the spool directory as a maildrop or, by name, one in it, which is made
    /// if there is none. Unless nothing will be deleted, no other session has it
    /// meanwhile.
    pub fn open_maildrop(
        &self,
        mailbox: Option<&MailboxName>,
        may_delete: bool,
    ) -> Result<Opened, Error> {
        maildrop::open_maildrop(&self.files, mailbox, may_delete)
    }

    /// Makes what was deleted, failed or released survive a power cut. Without
    /// it a message that was delivered just before one may come back.
    pub fn sync(&self) -> Result<(), Error> {
        self.files.sync()
    }

    /// Finds out whether a file can be made, written and synced in the directory now.
    pub fn probe(&self) -> Result<(), Error> {
        probe::probe(&self.files)
    }

    /// The path of a message's file, for programs that are to look at it.
    pub fn path_of(&self, id: &StoredId, suffix: Suffix) -> PathBuf {
        self.files.path.join(native_name(&id.file_name(suffix)))
    }
}

/// The time in seconds since 1970; 0 if the clock is before that.
pub(super) fn unix_seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |elapsed| elapsed.as_secs())
}
