//! Making messages durable, several at a time.
//!
//! Content and envelope are written and synced, the envelope is renamed from
//! `.envelope.new` to `.envelope`, and the directory is synced; only then is a
//! message acknowledged. One sync of the directory serves the whole group. The
//! files stay locked until the end, so that no forwarder takes a message that may
//! yet have to be refused.
//!
//! A message with local recipients has copies for them, whose names are made
//! durable before any name becomes final; see [`super::local`].

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::companions::Companion;
use super::envelope::Envelope;
use super::error::{At, Error, Operation};
use super::files::Files;
use super::fs::{File, Metadata};
use super::let_go::let_go;
use super::local::LocalPair;
use super::name::{StoredId, Suffix};
use super::staged::Staged;
use super::writer::Writer;

/// A message that is complete.
pub struct Commit {
    /// Its content so far.
    pub writer: Writer,
    /// The rest of its content.
    pub last: Vec<u8>,
    /// Its envelope.
    pub envelope: Envelope,
}

/// A message to commit: as it was received, or as filters have left it.
pub enum Candidate {
    /// Nothing has been done but to write content.
    Received(Box<Commit>),
    /// Filters have seen it.
    Staged(Box<Staged>),
}

impl From<Commit> for Candidate {
    fn from(commit: Commit) -> Candidate {
        Candidate::Received(Box::new(commit))
    }
}

impl From<Box<Commit>> for Candidate {
    fn from(commit: Box<Commit>) -> Candidate {
        Candidate::Received(commit)
    }
}

impl From<Box<Staged>> for Candidate {
    fn from(staged: Box<Staged>) -> Candidate {
        Candidate::Staged(staged)
    }
}

impl Candidate {
    fn files(&self) -> &Arc<Files> {
        match self {
            Candidate::Received(commit) => commit.writer.files(),
            Candidate::Staged(staged) => staged.files(),
        }
    }

    fn prepare(self) -> Result<Prepared, Error> {
        match self {
            Candidate::Received(commit) => Prepared::new(*commit),
            Candidate::Staged(staged) => staged.into_prepared(),
        }
    }
}

/// A message that will survive a power cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its id.
    pub id: StoredId,
    /// The size of its content.
    pub octets: u64,
    /// Whether there are copies for local recipients.
    pub is_local: bool,
}

/// Makes messages durable and ready to be forwarded, in whatever spools they are;
/// the results are in the order of the messages. After `Ok` a message survives a
/// power cut; after `Err` nothing of it is left, as far as the disk still obeys.
pub fn commit(commits: Vec<impl Into<Candidate>>) -> Vec<Result<Receipt, Error>> {
    let mut results: Vec<_> = commits.iter().map(|_| None).collect();
    let candidates = commits.into_iter().map(Into::<Candidate>::into);
    let mut left: Vec<_> = candidates.enumerate().collect();
    while let Some((_, first)) = left.first() {
        let files = Arc::clone(first.files());
        let is_there = |candidate: &Candidate| Arc::ptr_eq(candidate.files(), &files);
        let (there, elsewhere): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|(_, one)| is_there(one));
        let (places, members): (Vec<usize>, Vec<_>) = there.into_iter().unzip();
        let mut group = Group::prepare(members);
        group.sync(files.fs.sync_width());
        for (place, result) in places.into_iter().zip(group.publish(&files)) {
            results[place] = Some(result);
        }
        left = elsewhere;
    }
    results.into_iter().flatten().collect()
}

/// A thread for fewer messages costs more than it saves.
const SYNCS_PER_THREAD: usize = 4;

/// Messages on their way through the steps of a commit. One that fails drops out,
/// with its files, and the others go on.
pub(super) struct Group {
    members: Vec<Result<Prepared, Error>>,
}

impl Group {
    /// Writes the rest of each content and each `.envelope.new`.
    pub(super) fn prepare(commits: Vec<impl Into<Candidate>>) -> Group {
        let candidates = commits.into_iter().map(Into::<Candidate>::into);
        let members: Vec<_> = candidates.map(Candidate::prepare).collect();
        members.iter().flatten().for_each(Prepared::start_writeback);
        Group { members }
    }

    /// Syncs each content and envelope. A file whose sync failed is not synced
    /// again: the system may have forgotten what it could not write.
    /// Up to `width` files are synced at the same time.
    pub(super) fn sync(&mut self, width: usize) {
        self.sync_with(width, thread::Builder::new);
    }

    /// The same with threads of that kind. Those that cannot be had leave their shares
    /// to the others, of which this one is one.
    pub(super) fn sync_with(&mut self, width: usize, kind: fn() -> thread::Builder) {
        let threads = width.min(self.members.len() / SYNCS_PER_THREAD).max(1);
        let share = self.members.len().div_ceil(threads).max(1);
        let shares = Mutex::new(self.members.chunks_mut(share));
        let next = || shares.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = || {
            while let Some(share) = next() {
                step(share, Prepared::sync);
            }
        };
        thread::scope(|scope| {
            for _ in 1..threads {
                if kind().spawn_scoped(scope, work).is_err() {
                    break;
                }
            }
            work();
        });
    }

    /// Makes each message ready to be forwarded, and that durable for all.
    pub(super) fn publish(mut self, files: &Files) -> Vec<Result<Receipt, Error>> {
        step(&mut self.members, Prepared::stage);
        if self.members.iter().flatten().any(Prepared::needs_names)
            && let Err(error) = files.sync()
        {
            step(&mut self.members, |_| Err(error.repeat()));
        }
        step(&mut self.members, Prepared::publish);
        let synced = match self.members.iter().any(Result::is_ok) {
            true => files.sync(),
            false => Ok(()),
        };
        let settle = |member: Result<Prepared, Error>| match &synced {
            Ok(()) => member.map(Prepared::settle),
            // Dropping the member takes the message back, before anyone is told
            // that it was refused.
            Err(error) => member.and_then(|_| Err(error.repeat())),
        };
        self.members.into_iter().map(settle).collect()
    }
}

/// Takes each member one step further; one that fails drops out.
fn step(
    members: &mut [Result<Prepared, Error>],
    step: impl Fn(&mut Prepared) -> Result<(), Error>,
) {
    for member in members {
        if let Ok(prepared) = member
            && let Err(error) = step(prepared)
        {
            *member = Err(error);
        }
    }
}

/// A message whose files are written. Dropped, it takes them away again.
pub(super) struct Prepared {
    writer: Writer,
    /// What makes it a message to be forwarded; none if it is for nobody elsewhere.
    envelope: Option<Box<dyn File>>,
    /// Which name the envelope has; none once it is acknowledged.
    suffix: Option<Suffix>,
    /// The copies for local recipients.
    local: Option<LocalPair>,
    /// What filters want to appear together with it.
    companions: Vec<Companion>,
    /// Whether the content's name is that of another file than at first, which must
    /// be durable before the message can be ready: else it might be the first again.
    has_new_content: bool,
}

impl Prepared {
    fn new(commit: Commit) -> Result<Prepared, Error> {
        let (mut prepared, envelope, text) = Prepared::begin(commit)?;
        let has_local = !envelope.local_recipients.is_empty();
        let is_only = has_local && envelope.remote_recipients.is_empty();
        if has_local {
            prepared.local = Some(LocalPair::new(&mut prepared.writer, &text, is_only)?);
        }
        if !is_only {
            prepared.write(&text)?;
        }
        Ok(prepared)
    }

    /// Writes the rest of the content and `.envelope.new`, whomever it is for.
    pub(super) fn for_filters(commit: Commit) -> Result<(Prepared, Envelope), Error> {
        let (mut prepared, envelope, text) = Prepared::begin(commit)?;
        prepared.write(&text)?;
        Ok((prepared, envelope))
    }

    /// Writes the rest of the content, and lays the envelope out.
    fn begin(commit: Commit) -> Result<(Prepared, Envelope, Vec<u8>), Error> {
        let Commit {
            mut writer,
            last,
            envelope,
        } = commit;
        let text = envelope
            .print()
            .map_err(io::Error::other)
            .at(Operation::Compose, &writer.id().stem())?;
        writer.append(&last)?;
        let prepared = Prepared {
            writer,
            envelope: None,
            suffix: None,
            local: None,
            companions: Vec::new(),
            has_new_content: false,
        };
        Ok((prepared, envelope, text))
    }

    pub(super) fn id(&self) -> &StoredId {
        self.writer.id()
    }

    pub(super) fn files(&self) -> &Arc<Files> {
        self.writer.files()
    }

    pub(super) fn writer(&mut self) -> &mut Writer {
        &mut self.writer
    }

    /// Leaves whatever files there are where they are.
    pub(super) fn leave(&mut self) {
        self.suffix = None;
        self.writer.keep();
    }

    /// Goes on with the content file as it is now, which may be another one.
    pub(super) fn adopt_content(&mut self, seen: Metadata) -> Result<(), Error> {
        self.has_new_content |= self.writer.adopt(&seen)?;
        Ok(())
    }

    /// Goes on with the envelope file as it is now, which may be another one.
    pub(super) fn adopt_envelope(&mut self, seen: &Metadata) -> Result<(), Error> {
        let (id, suffix) = (self.writer.id(), Suffix::EnvelopeNew);
        if let Some(file) = &mut self.envelope {
            self.writer.files().adopt(id, suffix, file, seen)?;
        }
        Ok(())
    }

    /// Opens again what was let go and then not read again.
    pub(super) fn take_back(&mut self) -> Result<(), Error> {
        if self.writer.is_let_go() {
            self.take_back_content()?;
        }
        match &self.envelope {
            Some(file) if file.is_let_go() => {
                let seen = self.present(Suffix::EnvelopeNew)?;
                self.adopt_envelope(&seen)
            }
            _ => Ok(()),
        }
    }

    /// Goes on with the content file that is there now.
    pub(super) fn take_back_content(&mut self) -> Result<(), Error> {
        let seen = self.present(Suffix::Content)?;
        self.adopt_content(seen)
    }

    /// What is known of a file of that suffix, which must be there.
    fn present(&self, suffix: Suffix) -> Result<Metadata, Error> {
        let id = self.writer.id();
        match self.writer.files().metadata(id, suffix)? {
            Some(metadata) => Ok(metadata),
            None => Err(io::ErrorKind::NotFound.into()).at(Operation::Open, &id.file_name(suffix)),
        }
    }

    /// Closes the files for filters, where they would be in their way.
    pub(super) fn let_go(&mut self) {
        self.writer.let_go();
        if let Some(file) = &mut self.envelope {
            let_go(self.writer.files().fs.as_ref(), file);
        }
    }

    /// Writes the envelope anew.
    pub(super) fn replace_envelope(&mut self, text: &[u8]) -> Result<(), Error> {
        self.remove_envelope()?;
        self.write(text)
    }

    /// Removes the envelope: it is for nobody elsewhere, or not as it should be.
    pub(super) fn remove_envelope(&mut self) -> Result<(), Error> {
        self.envelope = None;
        let removed = self
            .writer
            .files()
            .remove(self.writer.id(), Suffix::EnvelopeNew);
        if removed.is_ok() {
            self.suffix = None;
        }
        removed
    }

    pub(super) fn add_local(&mut self, local: LocalPair) {
        self.local = Some(local);
    }

    pub(super) fn add_companions(&mut self, companions: Vec<Companion>) {
        self.companions.extend(companions);
    }

    fn write(&mut self, text: &[u8]) -> Result<(), Error> {
        let suffix = Suffix::EnvelopeNew;
        let name = self.writer.id().file_name(suffix);
        let file = self.writer.files().create(self.writer.id(), suffix)?;
        self.suffix = Some(suffix);
        let file = self.envelope.insert(file);
        // The content's lock protects both. This one is for the time when the
        // envelope has its final name, and for filters that replace the content;
        // where there are no locks at all, so be it.
        if let Ok(false) = file.try_lock() {
            return Err(io::ErrorKind::WouldBlock.into()).at(Operation::Create, &name);
        }
        file.write_all(text).at(Operation::Write, &name)
    }

    /// Whether names must be durable before those that make the message ready.
    fn needs_names(&self) -> bool {
        self.local.is_some() || self.has_new_content
    }

    fn start_writeback(&self) {
        self.writer.start_writeback();
        self.envelope.iter().for_each(|file| file.start_writeback());
        self.local.iter().for_each(LocalPair::start_writeback);
    }

    fn sync(&mut self) -> Result<(), Error> {
        if self.envelope.is_some() || self.companions.iter().any(Companion::shares_content) {
            self.writer.sync()?;
        }
        if let Some(envelope) = &self.envelope {
            let name = self.writer.id().file_name(Suffix::EnvelopeNew);
            envelope.sync().at(Operation::Sync, &name)?;
        }
        self.local.as_ref().map_or(Ok(()), LocalPair::sync)
    }

    fn stage(&mut self) -> Result<(), Error> {
        self.local.as_mut().map_or(Ok(()), LocalPair::stage)
    }

    /// The copies' envelope comes last, since who waits for it minds no locks.
    fn publish(&mut self) -> Result<(), Error> {
        self.companions
            .iter_mut()
            .try_for_each(Companion::publish)?;
        if let Some(local) = &mut self.local {
            local.publish_content()?;
        }
        if self.envelope.is_some() {
            let (from, to) = (Suffix::EnvelopeNew, Suffix::Envelope);
            let files: &Arc<Files> = self.writer.files();
            files.rename(self.writer.id(), from, to)?;
            self.suffix = Some(to);
        }
        let local = self.local.as_mut();
        local.map_or(Ok(()), LocalPair::publish_envelope)
    }

    fn settle(mut self) -> Receipt {
        self.suffix = None;
        self.writer.keep();
        self.local.iter_mut().for_each(LocalPair::keep);
        self.companions.iter_mut().for_each(Companion::keep);
        Receipt {
            id: self.writer.id().clone(),
            octets: self.writer.octets(),
            is_local: self.local.is_some(),
        }
    }
}

impl Drop for Prepared {
    /// Takes the message away: the envelope first, and the content (when the
    /// writer is dropped) only if that has worked, since an envelope that anyone
    /// might find must have its content.
    fn drop(&mut self) {
        let Some(suffix) = self.suffix else { return };
        if let Err(error) = self.writer.files().remove(self.writer.id(), suffix) {
            crate::error!("{error}");
            self.writer.keep();
        }
    }
}
