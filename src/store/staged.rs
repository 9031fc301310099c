//! A message whose files are written but not yet acknowledged, so that filters
//! can look at them and change them.
//!
//! What filters leave is not trusted: it is opened and read again, and only what
//! would do as a message is committed. Replaced files have lost their locks; so
//! that recovery in this process does not take them for what a dead one has left,
//! the id is marked as held all the while.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::commit::{Commit, Prepared};
use super::companions::Companion;
use super::envelope::{Encoding, Envelope};
use super::error::{At, Error, Operation};
use super::files::{Files, Found, read_envelope};
use super::fs::File;
use super::local::LocalPair;
use super::lock::Locked;
use super::name::{StoredId, Suffix};
use super::spool::Spool;
use crate::base::OneLine;

/// How many octets are looked at at a time.
const SCAN_OCTETS: usize = 64 << 10;

/// Says of an envelope that a filter has left, after the one that it was, whether
/// it will do, or else what is wrong with it.
pub type Check<'a> = &'a dyn Fn(&Envelope, &Envelope) -> Result<(), String>;

/// A message that filters may look at. Dropped, it is taken away.
pub struct Staged {
    prepared: Prepared,
    envelope: Envelope,
    held: Held,
}

/// What filters have left of a message.
pub enum Left {
    /// A message that can be committed.
    Message(Box<Staged>),
    /// Nothing that is ours: the filter has taken it, and that is durable.
    Taken,
    /// Nothing that could be a message, for this reason; it is removed.
    Mess(String),
}

/// A file as it was found, or what is wrong with it.
enum Seen {
    File(Box<dyn File>),
    Missing,
    Odd(&'static str),
}

impl Staged {
    /// Writes the rest of the content, and the envelope.
    pub fn write(commit: Commit) -> Result<Staged, Error> {
        let files = commit.writer.files();
        let held = Held::new(files, commit.writer.id());
        let (mut prepared, envelope) = Prepared::for_filters(commit)?;
        prepared.let_go();
        // The name may have changed with the first octet.
        let held = match held.id == *prepared.id() {
            true => held,
            false => Held::new(prepared.files(), prepared.id()),
        };
        Ok(Staged {
            prepared,
            envelope,
            held,
        })
    }

    /// The message's id.
    pub fn id(&self) -> &StoredId {
        self.prepared.id()
    }

    /// Where it is.
    pub fn spool(&self) -> Spool {
        Spool::of(self.prepared.files())
    }

    /// The envelope as it was written, or last read.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// Lets somebody send the message while it stays where it is.
    pub fn lend(&self) -> Result<Locked, Error> {
        let (files, id) = (self.prepared.files(), self.id());
        let open = |suffix| match see(files, id, suffix)? {
            Seen::File(file) => Ok(file),
            Seen::Missing | Seen::Odd(_) => {
                Err(io::ErrorKind::NotFound.into()).at(Operation::Read, &id.file_name(suffix))
            }
        };
        let (envelope, content) = (open(Suffix::EnvelopeNew)?, open(Suffix::Content)?);
        let name = id.file_name(Suffix::Content);
        let octets = content.metadata().at(Operation::Examine, &name)?.octets;
        let envelope = (self.envelope.clone(), envelope);
        Ok(Locked::lent(files, id, envelope, (content, octets)))
    }

    /// Keeps only these recipients elsewhere, as the others have been served.
    pub fn narrow(&mut self, remaining: Vec<OneLine>) -> Result<(), Error> {
        self.envelope.remote_recipients = remaining;
        let text = self.envelope.print().map_err(io::Error::other);
        let text = text.at(Operation::Compose, &self.id().stem())?;
        self.prepared.replace_envelope(&text)
    }

    /// Removes the files.
    pub fn discard(self) {
        drop(self);
    }

    /// Reads the files again. Where the filter says that it has taken the message,
    /// a missing envelope is as it should be.
    pub fn reread(mut self, has_taken: bool, check: Check<'_>) -> Result<Left, Error> {
        let (files, id) = (Arc::clone(self.prepared.files()), self.id().clone());
        let envelope = match see(&files, &id, Suffix::EnvelopeNew)? {
            Seen::File(file) => file,
            Seen::Missing if has_taken => return self.hand_over(),
            Seen::Missing => return Ok(Left::Mess("the envelope is gone".to_owned())),
            Seen::Odd(why) => return Ok(Left::Mess(format!("the envelope {why}"))),
        };
        let content = match see(&files, &id, Suffix::Content)? {
            Seen::File(file) => file,
            Seen::Missing => return Ok(Left::Mess("the content is gone".to_owned())),
            Seen::Odd(why) => return Ok(Left::Mess(format!("the content {why}"))),
        };
        if let Err(mess) = self.adopt(envelope, content, check)? {
            return Ok(Left::Mess(mess));
        }
        Ok(Left::Message(Box::new(self)))
    }

    /// Removes the files, as somebody else has the message now. What filters have
    /// made of it besides was accepted with it, and appears; says whether there was
    /// any of that.
    pub fn pass_on(mut self) -> Result<bool, Error> {
        if !self.held.files.held.has_companions(self.id()) {
            return Ok(false);
        }
        // It may be theirs, too.
        self.prepared.writer().sync()?;
        self.publish_companions()?;
        if self.prepared.files().is_needed_below(self.id()) {
            self.prepared.remove_envelope()?;
            self.prepared.leave();
        }
        Ok(true)
    }

    /// The filter has the message. Content that it has left is for envelopes that
    /// it has put into sub-directories, or else recovery will remove it.
    fn hand_over(mut self) -> Result<Left, Error> {
        self.secure_content()?;
        // What an earlier filter has made of it was accepted with it.
        if !self.publish_companions()? {
            self.prepared.files().sync()?;
        }
        self.prepared.leave();
        Ok(Left::Taken)
    }

    /// Makes the content durable that filters have left, if there is any. Where copies
    /// need it there must be, and its lock tells everyone so until they have their names.
    fn secure_content(&mut self) -> Result<(), Error> {
        let (files, id) = (Arc::clone(self.prepared.files()), self.id().clone());
        if !files.held.shares_content(&id) {
            return files.sync_named(&id, Suffix::Content);
        }
        self.prepared.take_back_content()?;
        self.prepared.writer().sync()?;
        files.sync()
    }

    /// Gives all that is to appear together with the message its final name, and
    /// that for good; says whether there was anything.
    fn publish_companions(&self) -> Result<bool, Error> {
        let mut companions = self.held.files.held.take(&self.held.id);
        if companions.is_empty() {
            return Ok(false);
        }
        companions.iter_mut().try_for_each(Companion::publish)?;
        self.prepared.files().sync()?;
        companions.iter_mut().for_each(Companion::keep);
        Ok(true)
    }

    /// Takes the files for those of the message from now on.
    fn adopt(
        &mut self,
        mut envelope: Box<dyn File>,
        mut content: Box<dyn File>,
        check: Check<'_>,
    ) -> Result<Result<(), String>, Error> {
        let name = self.id().file_name(Suffix::EnvelopeNew);
        let text = read_envelope(envelope.as_mut(), &name)?;
        let about_envelope = envelope.metadata().at(Operation::Examine, &name)?;
        let name = self.id().file_name(Suffix::Content);
        let about_content = content.metadata().at(Operation::Examine, &name)?;
        if about_envelope.links > 1 {
            return Ok(Err("the envelope has several names".to_owned()));
        }
        // As with a message that is taken to be forwarded.
        if about_content.links > 1 && about_content.owner != about_envelope.owner {
            return Ok(Err("the content is another user's".to_owned()));
        }
        let mut read = match Envelope::parse(&text) {
            Ok(read) => read,
            Err(error) => return Ok(Err(format!("cannot read envelope file: {error}"))),
        };
        if let Err(mess) = check(&self.envelope, &read) {
            return Ok(Err(mess));
        }
        correct_encoding(&mut read, content.as_mut(), &name)?;
        drop(content);
        self.prepared.adopt_content(about_content)?;
        let printed = read.print().map_err(io::Error::other);
        let printed = printed.at(Operation::Compose, &self.id().stem())?;
        if printed == text {
            self.prepared.adopt_envelope(&about_envelope)?;
        } else {
            self.prepared.replace_envelope(&printed)?;
        }
        self.envelope = read;
        Ok(Ok(()))
    }

    /// Makes the copies for local recipients, now that all is as it will be.
    pub(super) fn into_prepared(self) -> Result<Prepared, Error> {
        let Staged {
            mut prepared,
            envelope,
            held,
        } = self;
        prepared.take_back()?;
        let companions = held.files.held.take(&held.id);
        let is_shared = companions.iter().any(Companion::shares_content);
        prepared.add_companions(companions);
        if envelope.local_recipients.is_empty() {
            return Ok(prepared);
        }
        let text = envelope.print().map_err(io::Error::other);
        let text = text.at(Operation::Compose, &prepared.id().stem())?;
        let is_only = envelope.remote_recipients.is_empty();
        // Else there would be none where the companions' readers look for it.
        let is_all = is_only && !is_shared;
        let local = LocalPair::new(prepared.writer(), &text, is_all)?;
        prepared.add_local(local);
        if is_only {
            prepared.remove_envelope()?;
        }
        Ok(prepared)
    }

    /// The spool that it belongs to.
    pub(super) fn files(&self) -> &Arc<Files> {
        self.prepared.files()
    }
}

/// What is said of the content must be true: a filter may have added octets above
/// 127 to lines of ASCII, which the next hop must be told of.
// RFC 6152 3: BODY=7BIT is a promise.
pub(super) fn correct_encoding(
    envelope: &mut Envelope,
    content: &mut dyn File,
    name: &[u8],
) -> Result<(), Error> {
    if envelope.encoding != Encoding::SevenBit {
        return Ok(());
    }
    let mut buffer = vec![0; SCAN_OCTETS];
    loop {
        let count = content.read(&mut buffer).at(Operation::Read, name)?;
        match buffer.get(..count) {
            None | Some([]) => return Ok(()),
            Some(octets) if octets.is_ascii() => {}
            Some(_) => {
                envelope.encoding = Encoding::EightBit;
                return Ok(());
            }
        }
    }
}

fn see(files: &Files, id: &StoredId, suffix: Suffix) -> Result<Seen, Error> {
    Ok(match files.find(id, suffix)? {
        Found::File(file) => Seen::File(file),
        Found::Missing => Seen::Missing,
        Found::Odd => Seen::Odd("is not a regular file"),
        Found::Held => Seen::Odd("is in use by another program"),
    })
}

/// Messages that filters are at work on, each with what is to appear together
/// with it.
#[derive(Default)]
pub(super) struct HeldIds(Mutex<BTreeMap<StoredId, Vec<Companion>>>);

impl HeldIds {
    /// Whether that message is one of them.
    pub(super) fn has(&self, id: &StoredId) -> bool {
        self.ids().contains_key(id)
    }

    /// Whether anything is to appear together with that message.
    pub(super) fn has_companions(&self, id: &StoredId) -> bool {
        self.ids()
            .get(id)
            .is_some_and(|attached| !attached.is_empty())
    }

    /// Whether the content of that message is to be that of a companion, too.
    pub(super) fn shares_content(&self, id: &StoredId) -> bool {
        let ids = self.ids();
        ids.get(id)
            .is_some_and(|attached| attached.iter().any(Companion::shares_content))
    }

    /// Whether a copy in that directory is to appear together with that message.
    pub(super) fn has_copy_in(&self, id: &StoredId, identity: (u64, u64)) -> bool {
        let ids = self.ids();
        ids.get(id)
            .is_some_and(|attached| attached.iter().any(|one| one.is_copy_in(identity)))
    }

    /// Adds companions to a message; gives them back if it is none of them.
    pub(super) fn attach(
        &self,
        id: &StoredId,
        companions: Vec<Companion>,
    ) -> Result<(), Vec<Companion>> {
        match self.ids().get_mut(id) {
            Some(attached) => {
                attached.extend(companions);
                Ok(())
            }
            None => Err(companions),
        }
    }

    fn take(&self, id: &StoredId) -> Vec<Companion> {
        let mut ids = self.ids();
        ids.get_mut(id).map(std::mem::take).unwrap_or_default()
    }

    fn ids(&self) -> MutexGuard<'_, BTreeMap<StoredId, Vec<Companion>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Marks a message as one that filters are at work on, for as long as it exists.
pub(super) struct Held {
    files: Arc<Files>,
    id: StoredId,
}

impl Held {
    pub(super) fn new(files: &Arc<Files>, id: &StoredId) -> Held {
        files.held.ids().entry(id.clone()).or_default();
        Held {
            files: Arc::clone(files),
            id: id.clone(),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let left = self.files.held.ids().remove(&self.id);
        // Their files are removed without keeping others from the list.
        drop(left);
    }
}
