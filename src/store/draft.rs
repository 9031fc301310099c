//! A message in the hands of a filter that is part of this program.
//!
//! Files are found by their names each time, since other filters may have put
//! other files in their places. What is changed here need not survive a power cut
//! by itself: a message that is still being received is not acknowledged before
//! its files are read again and synced, and one that is being forwarded has its
//! envelope replaced in one step.

use std::io;
use std::sync::Arc;

use super::envelope::Envelope;
use super::error::{At, Error, Operation};
use super::files::{Files, Found, read_envelope};
use super::fs::File;
use super::name::{StoredId, Suffix};
use super::spool::Spool;

/// How many octets are copied at a time.
pub(super) const COPY_OCTETS: usize = 64 << 10;

/// A message whose files may be looked at and changed.
#[derive(Clone)]
pub struct Draft {
    pub(super) files: Arc<Files>,
    pub(super) id: StoredId,
    pub(super) envelope: Suffix,
}

/// A message's content, open for reading.
pub struct Content {
    file: Box<dyn File>,
    octets: u64,
    name: Vec<u8>,
}

/// A content that is to replace a message's. Dropped, it is removed.
pub struct NewContent {
    files: Arc<Files>,
    id: StoredId,
    file: Option<Box<dyn File>>,
}

impl Spool {
    /// The message of that id, whose envelope has that suffix now.
    pub fn draft(&self, id: &StoredId, envelope: Suffix) -> Draft {
        Draft {
            files: self.files(),
            id: id.clone(),
            envelope,
        }
    }
}

impl Draft {
    /// The message's id.
    pub fn id(&self) -> &StoredId {
        &self.id
    }

    /// Whether the message has not been acknowledged yet.
    pub fn is_new(&self) -> bool {
        self.envelope == Suffix::EnvelopeNew
    }

    /// Reads the envelope.
    pub fn envelope(&self) -> Result<Envelope, Error> {
        let name = self.id.file_name(self.envelope);
        let mut file = self.open(self.envelope)?;
        let text = read_envelope(file.as_mut(), &name)?;
        Envelope::parse(&text)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
            .at(Operation::Read, &name)
    }

    /// Opens the content.
    pub fn content(&self) -> Result<Content, Error> {
        let name = self.id.file_name(Suffix::Content);
        let file = self.open(Suffix::Content)?;
        let about = file.metadata().at(Operation::Examine, &name)?;
        // As when a message is taken to be forwarded: nobody gets another user's
        // file to read by linking it in.
        if about.links > 1 && self.owner()? != about.owner {
            return Err(io::ErrorKind::PermissionDenied.into()).at(Operation::Open, &name);
        }
        Ok(Content {
            file,
            octets: about.octets,
            name,
        })
    }

    /// Writes the envelope anew.
    pub fn set_envelope(&self, envelope: &Envelope) -> Result<(), Error> {
        let text = self.print(envelope)?;
        let tmp = match self.envelope {
            // Until there is one again the content alone is that of a message that
            // was never acknowledged.
            Suffix::EnvelopeNew => Suffix::EnvelopeNew,
            _ => Suffix::EnvelopeBusyTmp,
        };
        self.files.remove(&self.id, tmp)?;
        let mut file = self.files.create(&self.id, tmp)?;
        let name = self.id.file_name(tmp);
        // Kept by whoever reads it again; where there are no locks, so be it.
        let _ = file.try_lock();
        file.write_all(&text).at(Operation::Write, &name)?;
        file.sync().at(Operation::Sync, &name)?;
        match tmp == self.envelope {
            true => Ok(()),
            false => self.files.replace(&self.id, tmp, self.envelope),
        }
    }

    /// Begins a content that is to replace the message's.
    pub fn new_content(&self) -> Result<NewContent, Error> {
        let suffix = Suffix::ContentNew;
        let file = match self.files.create(&self.id, suffix) {
            // One may be left of an attempt that failed.
            Err(error) if error.is_taken() => {
                self.files.remove(&self.id, suffix)?;
                self.files.create(&self.id, suffix)?
            }
            result => result?,
        };
        // So that recovery leaves it alone; where there are no locks, age does that.
        let _ = file.try_lock();
        Ok(NewContent {
            files: Arc::clone(&self.files),
            id: self.id.clone(),
            file: Some(file),
        })
    }

    /// Removes the message: the envelope first, then the content if so told, unless an
    /// envelope in a sub-directory needs it, or may soon do: then recovery removes it
    /// once none does.
    pub fn remove(&self, with_content: bool) -> Result<(), Error> {
        self.files.remove(&self.id, self.envelope)?;
        let is_needed =
            || self.files.held.shares_content(&self.id) || self.files.is_needed_below(&self.id);
        match with_content && !is_needed() {
            true => self.files.remove(&self.id, Suffix::Content),
            false => Ok(()),
        }
    }

    /// Makes all names in the directory survive a power cut.
    pub fn sync(&self) -> Result<(), Error> {
        self.files.sync()
    }

    pub(super) fn print(&self, envelope: &Envelope) -> Result<Vec<u8>, Error> {
        let printed = envelope.print().map_err(io::Error::other);
        printed.at(Operation::Compose, &self.id.stem())
    }

    fn owner(&self) -> Result<u32, Error> {
        let about = self.files.metadata(&self.id, self.envelope)?;
        Ok(about.map_or(u32::MAX, |about| about.owner))
    }

    fn open(&self, suffix: Suffix) -> Result<Box<dyn File>, Error> {
        let name = self.id.file_name(suffix);
        let kind = match self.files.find(&self.id, suffix)? {
            Found::File(file) => return Ok(file),
            Found::Missing => io::ErrorKind::NotFound,
            Found::Odd => io::ErrorKind::InvalidInput,
            Found::Held => io::ErrorKind::WouldBlock,
        };
        Err(kind.into()).at(Operation::Open, &name)
    }
}

impl Content {
    /// The size that it had when it was opened.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// Reads on; zero octets at its end.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        self.file.read(buffer).at(Operation::Read, &self.name)
    }

    /// Makes what is in it survive a power cut.
    pub fn sync(&self) -> Result<(), Error> {
        self.file.sync().at(Operation::Sync, &self.name)
    }

    /// Has all of the rest taken, piece by piece.
    pub(super) fn copy(
        &mut self,
        mut take: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut buffer = vec![0; COPY_OCTETS];
        loop {
            let count = self.read(&mut buffer)?;
            match buffer.get(..count) {
                None | Some([]) => return Ok(()),
                Some(octets) => take(octets)?,
            }
        }
    }
}

impl NewContent {
    /// Appends to it.
    pub fn append(&mut self, octets: &[u8]) -> Result<(), Error> {
        let name = self.id.file_name(Suffix::ContentNew);
        match &mut self.file {
            Some(file) => file.write_all(octets).at(Operation::Write, &name),
            None => Ok(()),
        }
    }

    /// Puts it in the place of the message's content, in one step.
    pub fn replace(mut self) -> Result<(), Error> {
        let name = self.id.file_name(Suffix::ContentNew);
        if let Some(file) = &self.file {
            file.sync().at(Operation::Sync, &name)?;
            self.files
                .replace(&self.id, Suffix::ContentNew, Suffix::Content)?;
            self.file = None;
        }
        Ok(())
    }
}

impl Drop for NewContent {
    fn drop(&mut self) {
        if self.file.take().is_some()
            && let Err(error) = self.files.remove(&self.id, Suffix::ContentNew)
        {
            crate::warning!("{error}");
        }
    }
}
