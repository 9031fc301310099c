//! Storing the content of a message, piece by piece.

use std::io;
use std::sync::Arc;

use super::error::{At, Error, Operation};
use super::files::Files;
use super::fs::{File, Metadata};
use super::let_go::let_go;
use super::name::{StoredId, Suffix};
use super::spool;

/// After how many octets the system is told to start writing.
const WRITEBACK_OCTETS: u64 = 1 << 20;

/// How many ids are tried for one message before it is refused.
const IDS_MAX: u32 = 100;

/// The content of a message that is being received.
///
/// Nothing is on the disk before the first octet, and nothing remains there
/// unless the message is committed. The content file is locked all the while, so
/// that recovery by another process leaves it alone.
pub struct Writer {
    files: Arc<Files>,
    id: StoredId,
    octets: u64,
    state: State,
}

enum State {
    /// There is no file yet.
    Unwritten,
    /// The file takes content.
    Open(Box<dyn File>),
    /// The file is gone, or is no longer this writer's to remove.
    Ended,
}

impl Writer {
    pub(super) fn new(files: Arc<Files>) -> Writer {
        let id = files.ids.next(spool::unix_seconds());
        Writer {
            files,
            id,
            octets: 0,
            state: State::Unwritten,
        }
    }

    /// The id that the message will have; it changes only in the improbable case
    /// that a file of that name exists already when the first octet is written.
    pub fn id(&self) -> &StoredId {
        &self.id
    }

    /// The spool that it belongs to.
    pub(super) fn files(&self) -> &Arc<Files> {
        &self.files
    }

    /// How many octets have been written.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// Appends to the content. After an error the content is gone, and all
    /// further calls fail.
    pub fn append(&mut self, octets: &[u8]) -> Result<(), Error> {
        let result = self.try_append(octets);
        if result.is_err() {
            self.remove();
        }
        result
    }

    /// Forgets the message and removes its content.
    pub fn discard(mut self) {
        self.remove();
    }

    /// Makes the content survive a power cut.
    pub(super) fn sync(&self) -> Result<(), Error> {
        match &self.state {
            State::Open(file) if file.is_let_go() => {
                self.files.sync_named(&self.id, Suffix::Content)
            }
            State::Open(file) => file.sync().at(Operation::Sync, &self.name()),
            State::Unwritten | State::Ended => Err(self.ended()),
        }
    }

    /// Lets the system start writing the content to the disk.
    pub(super) fn start_writeback(&self) {
        if let State::Open(file) = &self.state {
            file.start_writeback();
        }
    }

    /// Gives the content away, with its lock.
    pub(super) fn take(&mut self) -> Result<Box<dyn File>, Error> {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Open(file) => Ok(file),
            State::Unwritten | State::Ended => Err(self.ended()),
        }
    }

    /// Goes on with the content file that has the name now and was seen to be so;
    /// filters may have put another in its place. Returns whether it is another.
    pub(super) fn adopt(&mut self, seen: &Metadata) -> Result<bool, Error> {
        let State::Open(file) = &mut self.state else {
            return Err(self.ended());
        };
        let is_other = self.files.adopt(&self.id, Suffix::Content, file, seen)?;
        self.octets = seen.octets;
        Ok(is_other)
    }

    /// Closes the content for filters, where it would be in their way.
    pub(super) fn let_go(&mut self) {
        if let State::Open(file) = &mut self.state {
            let_go(self.files.fs.as_ref(), file);
        }
    }

    /// Whether the content was closed for filters.
    pub(super) fn is_let_go(&self) -> bool {
        matches!(&self.state, State::Open(file) if file.is_let_go())
    }

    /// Leaves the content where it is, and closes it.
    pub(super) fn keep(&mut self) {
        self.state = State::Ended;
    }

    fn try_append(&mut self, octets: &[u8]) -> Result<(), Error> {
        if matches!(self.state, State::Unwritten) {
            self.state = State::Open(self.create()?);
        }
        let State::Open(file) = &mut self.state else {
            return Err(self.ended());
        };
        if octets.is_empty() {
            return Ok(());
        }
        let name = self.id.file_name(Suffix::Content);
        file.write_all(octets).at(Operation::Write, &name)?;
        let before = self.octets / WRITEBACK_OCTETS;
        self.octets += octets.len() as u64;
        if self.octets / WRITEBACK_OCTETS > before {
            file.start_writeback();
        }
        Ok(())
    }

    /// Creates and locks the content file, under another id if need be.
    fn create(&mut self) -> Result<Box<dyn File>, Error> {
        let mut last = None;
        for _ in 0..IDS_MAX {
            match self.files.create(&self.id, Suffix::Content) {
                Ok(file) if self.is_claimed(file.as_ref())? => return Ok(file),
                Ok(_) => {}
                Err(error) if error.is_taken() => last = Some(error),
                Err(error) => return Err(error),
            }
            self.id = self.files.ids.next(spool::unix_seconds());
        }
        Err(last.unwrap_or_else(|| self.ended()))
    }

    /// Locks the new file; false if recovery by another process was faster, and
    /// has removed it or is about to.
    fn is_claimed(&self, file: &dyn File) -> Result<bool, Error> {
        match file.try_lock() {
            Ok(false) => Ok(false),
            Ok(true) => {
                let metadata = file.metadata().at(Operation::Examine, &self.name());
                Ok(metadata?.links > 0)
            }
            // Without locks recovery goes by age, and leaves the file alone.
            Err(_) => Ok(true),
        }
    }

    fn remove(&mut self) {
        if let State::Open(file) = std::mem::replace(&mut self.state, State::Ended)
            && let Err(error) = self.files.remove(&self.id, Suffix::Content)
        {
            crate::warning!("{error}");
            drop(file);
        }
    }

    fn name(&self) -> Vec<u8> {
        self.id.file_name(Suffix::Content)
    }

    fn ended(&self) -> Error {
        Error {
            operation: Operation::Write,
            name: self.name(),
            source: io::Error::other("given up before"),
        }
    }
}

impl Drop for Writer {
    /// Removes the content of a message that was neither committed nor discarded.
    fn drop(&mut self) {
        self.remove();
    }
}
