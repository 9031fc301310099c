//! What is to appear together with a message: further messages and copies of it,
//! which nobody gets to see before the message itself is accepted.
//!
//! They are written and synced under names that nobody looks at, and get their
//! final names when the message gets its own. A crash in between may leave some of
//! them without it, and then its sender, who has no reply, sends it again: some get
//! it twice, but nobody goes without. One that is dropped before is removed.

use std::io;
use std::sync::Arc;

use super::below::Copy;
use super::draft::Draft;
use super::envelope::Envelope;
use super::error::{At, Error, Operation};
use super::files::Files;
use super::name::{StoredId, Suffix};
use super::spool;
use super::staged::Held;

/// How many ids are tried for one message before it is refused.
const IDS_MAX: u32 = 100;

/// One of them.
pub enum Companion {
    /// A further message in the spool directory.
    Message(Sibling),
    /// A copy elsewhere.
    Copy(Copy),
}

/// A further message with the same content. Nothing of it is kept open, since a message
/// may have very many. What keeps others from it is the message's own lock on the
/// content, as long as that is one file with this one's; else recovery by another
/// process may remove it, and then the message is refused for now.
pub struct Sibling {
    files: Arc<Files>,
    id: StoredId,
    /// Keeps recovery and forwarders of this process away.
    _held: Held,
    /// The name of the envelope; none once it is not ours to remove.
    suffix: Option<Suffix>,
    has_content: bool,
}

impl Companion {
    /// Gives it its final name. In the spool directory that survives a power cut
    /// once the directory is synced, elsewhere at once.
    pub fn publish(&mut self) -> Result<(), Error> {
        match self {
            Companion::Message(sibling) => sibling.publish(),
            Companion::Copy(copy) => copy.publish(),
        }
    }

    /// Whether it has no content of its own, but needs the message's.
    pub(super) fn shares_content(&self) -> bool {
        match self {
            Companion::Message(_) => false,
            Companion::Copy(copy) => copy.shares_content(),
        }
    }

    /// Whether it is a copy in that directory.
    pub(super) fn is_copy_in(&self, identity: (u64, u64)) -> bool {
        match self {
            Companion::Message(_) => false,
            Companion::Copy(copy) => copy.is_in(identity),
        }
    }

    /// Leaves it where it is.
    pub fn keep(&mut self) {
        match self {
            Companion::Message(sibling) => sibling.suffix = None,
            Companion::Copy(copy) => copy.keep(),
        }
    }
}

/// Gives all of them their final names, and that for good; for a message that was
/// acknowledged before.
pub fn publish_now(draft: &Draft, companions: Vec<Companion>) -> Result<(), Error> {
    let mut companions = companions;
    companions.iter_mut().try_for_each(Companion::publish)?;
    draft.sync()?;
    companions.iter_mut().for_each(Companion::keep);
    Ok(())
}

impl Draft {
    /// Sees to it that these appear together with the message: when it is accepted,
    /// or at once where it was.
    pub fn attach(&self, companions: Vec<Companion>) -> Result<(), Error> {
        let companions = match self.is_new() {
            true => match self.files.held.attach(&self.id, companions) {
                Ok(()) => return Ok(()),
                Err(companions) => companions,
            },
            false => companions,
        };
        publish_now(self, companions)
    }

    /// Begins a further message with the same content, by another name of its file
    /// where that can be had.
    pub fn sibling(&self) -> Result<Sibling, Error> {
        let mut last = None;
        for _ in 0..IDS_MAX {
            let id = self.files.ids.next(spool::unix_seconds());
            match self.sibling_of_id(id) {
                Ok(sibling) => return Ok(sibling),
                Err(error) if error.is_taken() => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| Error {
            operation: Operation::Create,
            name: self.id.file_name(Suffix::EnvelopeNew),
            source: io::ErrorKind::AlreadyExists.into(),
        }))
    }

    /// The envelope comes first, with a lock, so that there is no moment at which
    /// recovery could take the content for one that nobody needs.
    fn sibling_of_id(&self, id: StoredId) -> Result<Sibling, Error> {
        let suffix = Suffix::EnvelopeNew;
        let held = Held::new(&self.files, &id);
        let envelope = self.files.create(&id, suffix)?;
        let mut sibling = Sibling {
            files: Arc::clone(&self.files),
            id,
            _held: held,
            suffix: Some(suffix),
            has_content: false,
        };
        // Where there are no locks, so be it.
        if let Ok(false) = envelope.try_lock() {
            let name = sibling.id.file_name(suffix);
            return Err(io::ErrorKind::WouldBlock.into()).at(Operation::Create, &name);
        }
        self.give_content(&sibling.id)?;
        sibling.has_content = true;
        Ok(sibling)
    }

    fn give_content(&self, id: &StoredId) -> Result<(), Error> {
        let from = self.id.file_name(Suffix::Content);
        let to = id.file_name(Suffix::Content);
        // This checks whose it is as well.
        let mut content = self.content()?;
        content.sync()?;
        match self.files.fs.link(&from, &to) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(error).at(Operation::Link, &to);
            }
            // Not every file system has second names.
            Err(_) => {}
        }
        let mut copy = self.files.create(id, Suffix::Content)?;
        let copied = content
            .copy(|octets| copy.write_all(octets).at(Operation::Write, &to))
            .and_then(|()| copy.sync().at(Operation::Sync, &to));
        if copied.is_err() {
            // Recovery would remove it, too.
            drop(self.files.remove(id, Suffix::Content));
        }
        copied
    }
}

impl Sibling {
    /// The new message's id.
    pub fn id(&self) -> &StoredId {
        &self.id
    }

    /// Writes its envelope, once.
    pub fn write(&mut self, envelope: &Envelope) -> Result<(), Error> {
        let name = self.id.file_name(Suffix::EnvelopeNew);
        let printed = envelope.print().map_err(io::Error::other);
        let text = printed.at(Operation::Compose, &name)?;
        let opened = self.files.fs.open_append(&name);
        let mut envelope = opened.at(Operation::Open, &name)?;
        envelope.write_all(&text).at(Operation::Write, &name)?;
        envelope.sync().at(Operation::Sync, &name)
    }

    fn publish(&mut self) -> Result<(), Error> {
        let (from, to) = (Suffix::EnvelopeNew, Suffix::Envelope);
        self.files.rename(&self.id, from, to)?;
        self.suffix = Some(to);
        Ok(())
    }
}

impl Drop for Sibling {
    /// An envelope that anyone might find must have its content: it goes first.
    /// Where it is gone already someone has taken the message, which is theirs now.
    fn drop(&mut self) {
        let Some(suffix) = self.suffix else { return };
        let name = self.id.file_name(suffix);
        let removed = match self.files.fs.remove(&name) {
            Ok(()) if self.has_content => self.files.remove(&self.id, Suffix::Content),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result.at(Operation::Remove, &name),
        };
        if let Err(error) = removed {
            crate::error!("{error}");
        }
    }
}
