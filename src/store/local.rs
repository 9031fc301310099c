//! The copies of a message for local recipients, who are served by programs of
//! the operator's that wait for `.envelope.local` and know nothing of locks.
//!
//! Both files are written as `.content.local.new` and `.envelope.local.new`. Once
//! these names are durable the content gets its final name, then the envelope; so
//! as long as there is an `.envelope.local.new` nobody has seen the message.

use std::io;
use std::sync::Arc;

use super::error::{At, Error, Operation};
use super::files::{Files, Found};
use super::fs::File;
use super::name::{StoredId, Suffix};
use super::writer::Writer;

/// How many octets are copied at a time.
const COPY_OCTETS: usize = 64 << 10;

/// The two files. Dropped, they are taken away again, the envelope first.
pub(super) struct LocalPair {
    envelope: Part,
    content: Part,
}

/// One file, with its lock.
struct Part {
    files: Arc<Files>,
    id: StoredId,
    file: Box<dyn File>,
    /// The name that it has; none once it is not ours to remove.
    suffix: Option<Suffix>,
}

impl LocalPair {
    /// Writes both. The content is a copy; or it is the message's own, which the
    /// writer then loses, if nobody else is to get it.
    pub(super) fn new(writer: &mut Writer, text: &[u8], is_only: bool) -> Result<LocalPair, Error> {
        let content = match is_only {
            true => Part::take(writer)?,
            false => Part::copy(writer)?,
        };
        let mut envelope = Part::create(writer, Suffix::EnvelopeLocalNew)?;
        envelope.write(text)?;
        Ok(LocalPair { envelope, content })
    }

    pub(super) fn start_writeback(&self) {
        self.content.file.start_writeback();
        self.envelope.file.start_writeback();
    }

    /// Makes what is in both survive a power cut.
    pub(super) fn sync(&self) -> Result<(), Error> {
        self.content.sync()?;
        self.envelope.sync()
    }

    /// Gives the content, if it is the message's own, the name of a copy that is
    /// not yet there for anyone.
    pub(super) fn stage(&mut self) -> Result<(), Error> {
        match self.content.suffix {
            Some(Suffix::Content) => self.content.rename(Suffix::ContentLocalNew),
            _ => Ok(()),
        }
    }

    /// Gives the content its final name.
    pub(super) fn publish_content(&mut self) -> Result<(), Error> {
        self.content.rename(Suffix::ContentLocal)
    }

    /// Gives the envelope its final name, which is what others wait for.
    pub(super) fn publish_envelope(&mut self) -> Result<(), Error> {
        self.envelope.rename(Suffix::EnvelopeLocal)
    }

    /// Leaves the files where they are.
    pub(super) fn keep(&mut self) {
        self.envelope.suffix = None;
        self.content.suffix = None;
    }
}

impl Drop for LocalPair {
    fn drop(&mut self) {
        // An envelope that anyone might find must have its content.
        if !self.envelope.remove() {
            self.content.suffix = None;
        }
    }
}

impl Part {
    fn take(writer: &mut Writer) -> Result<Part, Error> {
        Ok(Part {
            files: Arc::clone(writer.files()),
            id: writer.id().clone(),
            file: writer.take()?,
            suffix: Some(Suffix::Content),
        })
    }

    fn copy(writer: &Writer) -> Result<Part, Error> {
        let name = writer.id().file_name(Suffix::Content);
        let Found::File(mut from) = writer.files().find(writer.id(), Suffix::Content)? else {
            return Err(io::ErrorKind::NotFound.into()).at(Operation::Open, &name);
        };
        let mut copy = Part::create(writer, Suffix::ContentLocalNew)?;
        let mut buffer = vec![0; COPY_OCTETS];
        loop {
            let count = from.read(&mut buffer).at(Operation::Read, &name)?;
            match buffer.get(..count) {
                None | Some([]) => return Ok(copy),
                Some(octets) => copy.write(octets)?,
            }
        }
    }

    fn create(writer: &Writer, suffix: Suffix) -> Result<Part, Error> {
        let (files, id) = (writer.files(), writer.id());
        let part = Part {
            files: Arc::clone(files),
            id: id.clone(),
            file: files.create(id, suffix)?,
            suffix: Some(suffix),
        };
        // As with `.envelope.new`: the content's lock protects it until now.
        if let Ok(false) = part.file.try_lock() {
            return Err(io::ErrorKind::WouldBlock.into()).at(Operation::Create, &part.name());
        }
        Ok(part)
    }

    fn write(&mut self, octets: &[u8]) -> Result<(), Error> {
        let name = self.name();
        self.file.write_all(octets).at(Operation::Write, &name)
    }

    fn sync(&self) -> Result<(), Error> {
        self.file.sync().at(Operation::Sync, &self.name())
    }

    fn rename(&mut self, to: Suffix) -> Result<(), Error> {
        if let Some(from) = self.suffix {
            self.files.rename(&self.id, from, to)?;
            self.suffix = Some(to);
        }
        Ok(())
    }

    /// Removes the file; whether it is gone.
    fn remove(&mut self) -> bool {
        let Some(suffix) = self.suffix.take() else {
            return true;
        };
        let removed = self.files.remove(&self.id, suffix);
        if let Err(error) = &removed {
            crate::error!("{error}");
        }
        removed.is_ok()
    }

    fn name(&self) -> Vec<u8> {
        self.id
            .file_name(self.suffix.unwrap_or(Suffix::ContentLocal))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.remove();
    }
}
