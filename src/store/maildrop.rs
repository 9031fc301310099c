//! The spool directory as POP users see it.
//!
//! A maildrop is a directory with envelopes: the spool directory itself or, by name,
//! one in it. There the content may be in either. Opening one takes names and sizes
//! only. Messages are removed by removing their envelopes, in one step each, and
//! with their locks held as a forwarder holds them: what a forwarder has in hand is
//! left to it. A content goes only once no envelope anywhere needs it.

use std::io;
use std::sync::Arc;

use super::error::{At, Error, Operation};
use super::files::{Files, Found};
use super::fs::{File, Kind, Metadata};
use super::mailbox::MailboxName;
use super::name::{StoredId, Suffix};
use super::scan::Listing;
use crate::base::OneLine;

/// A maildrop, open for one session. Dropped, it is free for another.
pub struct Maildrop {
    /// The spool directory.
    spool: Arc<Files>,
    /// The directory with the envelopes: the same, or one in it.
    own: Arc<Files>,
    by_name: bool,
    /// Kept for as long as the session lasts.
    _claim: Option<Claim>,
}

/// A message in a maildrop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub id: StoredId,
    /// Its size on the wire, in octets, but for doubled dots.
    pub octets: u64,
}

/// What came of opening a maildrop.
pub enum Opened {
    /// It is ours, with these messages, oldest first.
    Ours {
        /// The maildrop.
        maildrop: Maildrop,
        /// Its messages.
        messages: Vec<Listed>,
        /// What to tell the operator about it.
        notes: Vec<OneLine>,
    },
    /// Another session has it.
    InUse,
    /// What has its name is not a directory that can be one.
    Unusable(OneLine),
}

/// What came of looking for a message.
pub enum Retrieved {
    /// It is there as it was when the maildrop was opened.
    Found(OpenContent),
    /// It is gone.
    Gone,
    /// It is another one now.
    Changed,
    /// Somebody keeps it for a moment.
    Held,
}

/// A content that is being read.
pub struct OpenContent {
    file: Box<dyn File>,
    name: Vec<u8>,
    left: u64,
}

/// What came of deleting messages.
#[derive(Debug, Default)]
pub struct Deletion {
    /// How many are gone, of whatever cause.
    pub gone: usize,
    /// How many are not, because they are being forwarded.
    pub busy: usize,
    /// Why others are not.
    pub errors: Vec<Error>,
}

/// Keeps other sessions away, of this process and of others.
struct Claim {
    spool: Arc<Files>,
    name: Vec<u8>,
    lock: Option<Box<dyn Send + Sync>>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.spool.release_maildrop(&self.name);
    }
}

/// Opens a maildrop.
pub(super) fn open_maildrop(
    spool: &Arc<Files>,
    mailbox: Option<&MailboxName>,
    may_delete: bool,
) -> Result<Opened, Error> {
    let mut notes = Vec::new();
    let own = match mailbox {
        None => Arc::clone(spool),
        Some(mailbox) => match open_directory(spool, mailbox, &mut notes)? {
            Ok(directory) => directory,
            Err(reason) => return Ok(Opened::Unusable(reason)),
        },
    };
    let name = mailbox.map_or(&b""[..], MailboxName::as_bytes);
    let claim = match may_delete {
        true => Claim::take(spool, &own, name)?,
        false => None,
    };
    if may_delete && claim.is_none() {
        return Ok(Opened::InUse);
    }
    let maildrop = Maildrop {
        spool: Arc::clone(spool),
        own,
        by_name: mailbox.is_some(),
        _claim: claim,
    };
    let messages = maildrop.list(&mut notes)?;
    Ok(Opened::Ours {
        maildrop,
        messages,
        notes,
    })
}

/// Opens a user's directory; or says why it cannot be one.
fn open_directory(
    spool: &Arc<Files>,
    mailbox: &MailboxName,
    notes: &mut Vec<OneLine>,
) -> Result<Result<Arc<Files>, OneLine>, Error> {
    let name = mailbox.as_bytes();
    let mut opened = spool.fs.open_subdirectory(name);
    if matches!(&opened, Err(error) if error.kind() == io::ErrorKind::NotFound) {
        match spool.fs.create_subdirectory(name) {
            // Another process was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => {
                result.at(Operation::CreateDirectory, name)?;
                let text = format!("created pop-by-name sub-directory [{mailbox}]");
                notes.push(OneLine::escaped(text));
            }
        }
        opened = spool.fs.open_subdirectory(name);
    }
    match opened {
        Ok(fs) => {
            spool.note_subdirectory(name);
            let path = spool.path.join(crate::sys::file::native_name(name));
            let ids = super::name::Ids::new(0, 0);
            Ok(Ok(Arc::new(Files::new(fs, path, ids))))
        }
        Err(error) => match spool.fs.metadata(name) {
            Ok(Metadata { kind, .. }) if kind != Kind::Directory => {
                let text = format!("mailbox [{mailbox}] is not a directory");
                Ok(Err(OneLine::escaped(text)))
            }
            _ if error.kind() == io::ErrorKind::PermissionDenied => {
                let text = format!("mailbox [{mailbox}]: permission denied");
                Ok(Err(OneLine::escaped(text)))
            }
            _ => Err(error).at(Operation::OpenDirectory, name),
        },
    }
}

impl Claim {
    fn take(spool: &Arc<Files>, own: &Files, name: &[u8]) -> Result<Option<Claim>, Error> {
        if !spool.take_maildrop(name) {
            return Ok(None);
        }
        let mut claim = Claim {
            spool: Arc::clone(spool),
            name: name.to_vec(),
            lock: None,
        };
        // Without a lock the claim is dropped, and the name given back.
        claim.lock = own.fs.try_lock().at(Operation::OpenDirectory, name)?;
        Ok(claim.lock.is_some().then_some(claim))
    }
}

impl Maildrop {
    /// The messages that are ready, with their sizes. Those without content, and
    /// what are not files, are left out.
    fn list(&self, notes: &mut Vec<OneLine>) -> Result<Vec<Listed>, Error> {
        let ready = Listing::read(&self.own)?.into_ready();
        let mut messages = Vec::with_capacity(ready.len());
        let mut buffer = Vec::new();
        for id in ready {
            let name = id.file_name(Suffix::Envelope);
            match self.size(&id, &mut buffer) {
                Ok(Size::Octets(octets)) => messages.push(Listed { id, octets }),
                Ok(Size::Gone) => {}
                Ok(Size::Odd(why)) => self.complain(name, why, notes),
                Err(error) => self.complain(name, &error.to_string(), notes),
            }
        }
        messages.shrink_to_fit();
        Ok(messages)
    }

    /// Notes once what is wrong with a file.
    fn complain(&self, name: Vec<u8>, why: &str, notes: &mut Vec<OneLine>) {
        if self.spool.is_first_complaint(name.clone()) {
            let name = crate::base::ascii::escape(&name);
            notes.push(OneLine::escaped(format!(
                "not shown to pop users: {name}: {why}"
            )));
        }
    }

    fn size(&self, id: &StoredId, buffer: &mut Vec<u8>) -> Result<Size, Error> {
        let Some(envelope) = self.own.metadata(id, Suffix::Envelope)? else {
            return Ok(Size::Gone);
        };
        if envelope.kind != Kind::File {
            return Ok(Size::Odd("envelope is not a regular file"));
        }
        let Some((files, content)) = self.find(id)? else {
            return Ok(Size::Gone);
        };
        if content.kind != Kind::File {
            return Ok(Size::Odd("content is not a regular file"));
        }
        if is_foreign(&content, &envelope) {
            return Ok(Size::Odd(FOREIGN));
        }
        if let Some(octets) = self.spool.measures.known(&content) {
            return Ok(Size::Octets(octets));
        }
        let mut file = match files.find(id, Suffix::Content)? {
            Found::File(file) => file,
            Found::Missing | Found::Held => return Ok(Size::Gone),
            Found::Odd => return Ok(Size::Odd("content is not a regular file")),
        };
        let name = id.file_name(Suffix::Content);
        let octets = self.spool.measures.measure(file.as_mut(), &name, buffer)?;
        Ok(Size::Octets(octets))
    }

    /// Where the content of a message is, and what is known of it.
    fn find(&self, id: &StoredId) -> Result<Option<(&Files, Metadata)>, Error> {
        let content = Suffix::Content;
        if let Some(metadata) = self.own.metadata(id, content)? {
            return Ok(Some((&self.own, metadata)));
        }
        if !self.by_name {
            return Ok(None);
        }
        let metadata = self.spool.metadata(id, content)?;
        Ok(metadata.map(|metadata| (self.spool.as_ref(), metadata)))
    }

    /// Opens a message, if it is still what it was. Its envelope need not be there
    /// any more: what has been listed can be read for as long as its content is.
    pub fn retrieve(&self, message: &Listed) -> Result<Retrieved, Error> {
        let id = &message.id;
        let Some((files, _)) = self.find(id)? else {
            return Ok(Retrieved::Gone);
        };
        let name = id.file_name(Suffix::Content);
        let mut file = match open(files, id)? {
            Ok(file) => file,
            Err(retrieved) => return Ok(retrieved),
        };
        let metadata = file.metadata().at(Operation::Examine, &name)?;
        if let Some(envelope) = self.own.metadata(id, Suffix::Envelope)?
            && is_foreign(&metadata, &envelope)
        {
            return Ok(Retrieved::Changed);
        }
        let measures = &self.spool.measures;
        let octets = match measures.known(&metadata) {
            Some(octets) => octets,
            None => {
                let octets = measures.measure(file.as_mut(), &name, &mut Vec::new())?;
                // It has been read to its end, and is to be read again.
                file = match open(files, id)? {
                    Ok(file) => file,
                    Err(retrieved) => return Ok(retrieved),
                };
                octets
            }
        };
        let now = file.metadata().at(Operation::Examine, &name)?;
        let is_same = now.identity == metadata.identity && now.octets == metadata.octets;
        if octets != message.octets || !is_same {
            return Ok(Retrieved::Changed);
        }
        let left = now.octets;
        Ok(Retrieved::Found(OpenContent { file, name, left }))
    }

    /// Removes messages, each for itself, and makes that survive a power cut.
    pub fn delete(&self, ids: &[StoredId]) -> Deletion {
        let mut deletion = Deletion::default();
        // Whoever else needs a content may have come since the last look.
        if let Err(error) = Listing::read(&self.spool) {
            deletion.errors.push(error);
            return deletion;
        }
        for id in ids {
            match self.delete_one(id) {
                Ok(true) => deletion.gone += 1,
                Ok(false) => deletion.busy += 1,
                Err(error) => deletion.errors.push(error),
            }
        }
        if let Err(error) = self.own.sync() {
            deletion.errors.push(error);
        }
        deletion
    }

    /// Removes a message; false where it is being forwarded.
    fn delete_one(&self, id: &StoredId) -> Result<bool, Error> {
        // The same locks, in the same order, as a forwarder takes; held until the end.
        let content = self.own.find(id, Suffix::Content)?;
        let held = match &content {
            Found::File(file) => matches!(file.try_lock_shared(), Ok(false)),
            Found::Held => true,
            Found::Missing | Found::Odd => false,
        };
        let envelope = match self.own.find(id, Suffix::Envelope)? {
            Found::File(file) if !held => file,
            Found::Missing => return self.is_gone(id),
            Found::File(_) | Found::Held | Found::Odd => return Ok(false),
        };
        if let Ok(false) = envelope.try_lock() {
            return Ok(false);
        }
        if !self.own.remove_existing(id, Suffix::Envelope)? {
            return self.is_gone(id);
        }
        // On some systems its name is there until it is closed.
        drop(envelope);
        let is_here = !matches!(content, Found::Missing);
        self.remove_content(id, is_here)?;
        Ok(true)
    }

    /// Whether a message without its envelope has none under another name either.
    fn is_gone(&self, id: &StoredId) -> Result<bool, Error> {
        let others = [
            Suffix::EnvelopeBusy,
            Suffix::EnvelopeBad,
            Suffix::EnvelopeHold,
            Suffix::Envelope,
        ];
        Ok(!self.own.has_any(id, &others)?)
    }

    /// Removes the content of a message whose envelope has just gone, unless another
    /// envelope needs it.
    fn remove_content(&self, id: &StoredId, is_here: bool) -> Result<(), Error> {
        // In a user's directory nobody else looks for a content.
        let files = match is_here {
            true => &self.own,
            false if self.by_name && !self.is_shared_out(id)? => &self.spool,
            false => return Ok(()),
        };
        if !files.is_content_needed(id)? {
            files.remove(id, Suffix::Content)?;
        }
        Ok(())
    }

    /// Whether somebody has a content locked, and others may yet get envelopes that
    /// need it. If none does in the end recovery removes it.
    fn is_shared_out(&self, id: &StoredId) -> Result<bool, Error> {
        Ok(match self.spool.find(id, Suffix::Content)? {
            Found::File(file) => matches!(file.try_lock_shared(), Ok(false)),
            Found::Held => true,
            Found::Missing | Found::Odd => false,
        })
    }
}

/// Opens a content; or says why it cannot be read.
fn open(files: &Files, id: &StoredId) -> Result<Result<Box<dyn File>, Retrieved>, Error> {
    Ok(match files.find(id, Suffix::Content)? {
        Found::File(file) => Ok(file),
        Found::Missing => Err(Retrieved::Gone),
        Found::Held => Err(Retrieved::Held),
        Found::Odd => Err(Retrieved::Changed),
    })
}

/// What is known of the size of a message.
enum Size {
    Octets(u64),
    /// It is not there, or was taken meanwhile.
    Gone,
    /// It is not what it should be.
    Odd(&'static str),
}

const FOREIGN: &str = "content file is another user's";

/// Filters link one content to several messages, but someone who may write to the
/// directory could link a file in that he may not read.
fn is_foreign(content: &Metadata, envelope: &Metadata) -> bool {
    content.links > 1 && content.owner != envelope.owner
}

impl OpenContent {
    /// Reads on: at most that many octets, and whether these are the last. A file
    /// that has become shorter is an error: it was announced whole.
    pub fn read(&mut self, octets_max: usize) -> Result<(Vec<u8>, bool), Error> {
        let wanted = usize::try_from(self.left).map_or(octets_max, |left| left.min(octets_max));
        let mut piece = vec![0; wanted];
        let mut filled = 0;
        while filled < wanted {
            match self
                .file
                .read(&mut piece[filled..])
                .at(Operation::Read, &self.name)?
            {
                0 => {
                    return Err(io::ErrorKind::UnexpectedEof.into())
                        .at(Operation::Read, &self.name);
                }
                count => filled += count,
            }
        }
        self.left -= filled as u64;
        Ok((piece, self.left == 0))
    }
}
