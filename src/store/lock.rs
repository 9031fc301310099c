//! Taking a message to forward it, and what becomes of it then.
//!
//! Two things keep others away: the rename to `.envelope.busy`, which any
//! forwarder of this format honours, and locks on content and envelope, which end
//! with the process and so tell recovery whether a `.busy` is alive. The
//! content's lock is taken before the first rename and held until after the last.

use std::io;
use std::sync::Arc;

use super::envelope::{Encoding, Envelope, Reason};
use super::error::{At, Error, Operation};
use super::files::{Files, Found, read_envelope, share};
use super::fs::{File, Metadata};
use super::let_go::let_go;
use super::name::{StoredId, Suffix};
use super::spool::Spool;
use super::staged::{Check, Held, correct_encoding};
use crate::base::OneLine;

/// What became of the wish to take a message.
pub enum LockOutcome {
    /// It is ours.
    Locked(Box<Locked>),
    /// It is no longer there, or was never fit to be taken and that has been said.
    Gone,
    /// Someone else has it.
    HeldElsewhere,
    /// It cannot be forwarded, for this reason, and is `.bad` now; what is not a
    /// file is left alone.
    Unreadable(OneLine),
}

/// One attempt to forward a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When it was, in seconds since 1970.
    pub at: i64,
    /// What was answered.
    pub reply: OneLine,
    /// Not before when to make the next, in seconds since 1970; 0 for any time.
    pub next: i64,
    /// How much longer, in seconds, the message has been tried by now.
    pub spent: u64,
}

/// What an attempt has come to where not all recipients share the same fate.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Part {
    /// Who still waits; all others have the message or have been refused.
    pub remaining: Vec<OneLine>,
    /// Who was refused for good, to be kept for the end.
    pub failed: Vec<OneLine>,
    /// Why.
    pub reasons: Vec<Reason>,
}

/// A message that is ours to forward. Dropped, it is ready to be taken again.
pub struct Locked {
    claim: Claim,
    envelope: Envelope,
    content: Box<dyn File>,
    content_octets: u64,
    /// While filters are at work on it.
    held: Option<Held>,
}

/// A `.busy` envelope that is ours. Dropped, it is renamed back.
pub(super) struct Claim {
    files: Arc<Files>,
    id: StoredId,
    /// Holds the lock on the envelope.
    file: Box<dyn File>,
    /// Whether there is nothing left to be done, or it is for somebody else to do.
    settled: bool,
}

/// Why a message was not taken.
enum Refusal {
    /// It can never be sent.
    Unreadable(String),
    /// A file operation failed.
    Failed(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal::Failed(error)
    }
}

/// Takes a message.
pub(super) fn lock(files: &Arc<Files>, id: &StoredId) -> Result<LockOutcome, Error> {
    if files.held.has(id) {
        return Ok(LockOutcome::HeldElsewhere);
    }
    let content = files.find(id, Suffix::Content)?;
    let held = match &content {
        // Where there are no locks the rename alone decides.
        Found::File(file) => matches!(file.try_lock_shared(), Ok(false)),
        Found::Held => true,
        Found::Missing | Found::Odd => false,
    };
    if held {
        return Ok(LockOutcome::HeldElsewhere);
    }
    let envelope = match files.find(id, Suffix::Envelope)? {
        Found::File(file) => file,
        Found::Missing => return Ok(LockOutcome::Gone),
        Found::Odd => return Ok(odd_envelope(files, id)),
        Found::Held => return Ok(LockOutcome::HeldElsewhere),
    };
    if let Ok(false) = envelope.try_lock() {
        return Ok(LockOutcome::HeldElsewhere);
    }
    match files.rename(id, Suffix::Envelope, Suffix::EnvelopeBusy) {
        Ok(()) => {}
        Err(error) if error.is_missing() => return Ok(LockOutcome::Gone),
        Err(error) if error.is_taken() => return Ok(LockOutcome::HeldElsewhere),
        Err(error) => return Err(error),
    }
    Claim::new(files, id, envelope).open(content)
}

/// Says of what is not a file that it is not, but once only.
fn odd_envelope(files: &Files, id: &StoredId) -> LockOutcome {
    match files.is_first_complaint(id.file_name(Suffix::Envelope)) {
        true => LockOutcome::Unreadable(OneLine::escaped("envelope is not a regular file")),
        false => LockOutcome::Gone,
    }
}

impl Claim {
    /// Of a message whose envelope, this file, is `.busy` as of now.
    pub(super) fn new(files: &Arc<Files>, id: &StoredId, file: Box<dyn File>) -> Claim {
        Claim {
            files: Arc::clone(files),
            id: id.clone(),
            file,
            settled: false,
        }
    }

    /// Reads the envelope, and sees that there is a content to go with it.
    fn open(mut self, content: Found) -> Result<LockOutcome, Error> {
        // Between opening and renaming another forwarder may have replaced it:
        // then what was renamed is not what was locked, and goes back.
        let busy = Suffix::EnvelopeBusy;
        if !self.files.is_named(&self.id, busy, self.file.as_ref())? {
            return Ok(LockOutcome::HeldElsewhere);
        }
        let text = read_envelope(self.file.as_mut(), &self.id.file_name(busy))?;
        match self.check(&text, content) {
            Ok((envelope, content, content_octets)) => Ok(LockOutcome::Locked(Box::new(Locked {
                claim: self,
                envelope,
                content,
                content_octets,
                held: None,
            }))),
            Err(Refusal::Unreadable(reason)) => self.set_aside(&text, &reason),
            Err(Refusal::Failed(error)) => Err(error),
        }
    }

    /// The envelope, the content and its size, if they are fit to be sent.
    fn check(
        &self,
        text: &[u8],
        content: Found,
    ) -> Result<(Envelope, Box<dyn File>, u64), Refusal> {
        let unreadable = |reason: &str| Refusal::Unreadable(reason.to_owned());
        let parsed = Envelope::parse(text);
        let parsed =
            parsed.map_err(|error| unreadable(&format!("cannot read envelope file: {error}")))?;
        let file = match content {
            Found::File(file) => file,
            Found::Missing | Found::Held => return Err(unreadable("cannot open content file")),
            Found::Odd => return Err(unreadable("content file is not a regular file")),
        };
        let name = self.id.file_name(Suffix::Content);
        let content = file.metadata().at(Operation::Examine, &name)?;
        let envelope = self.file.metadata().at(Operation::Examine, &name)?;
        // Filters link one content to several messages, but someone who may write
        // to the directory could link a file in that he may not read.
        if content.links > 1 && content.owner != envelope.owner {
            return Err(unreadable("content file is another user's"));
        }
        Ok((parsed, file, content.octets))
    }

    /// The content as it is now, as open to others as it was before, durable, and with
    /// a lock on it.
    fn content(&self, before: &Metadata) -> Result<Found, Error> {
        let name = self.id.file_name(Suffix::Content);
        let found = self.files.find(&self.id, Suffix::Content)?;
        let is_free = match &found {
            Found::File(file) => !matches!(file.try_lock_shared(), Ok(false)),
            Found::Held => false,
            Found::Missing | Found::Odd => true,
        };
        if !is_free {
            return Err(io::ErrorKind::WouldBlock.into()).at(Operation::Open, &name);
        }
        if let Found::File(file) = &found {
            share(file.as_ref(), before, &name);
            file.sync().at(Operation::Sync, &name)?;
        }
        Ok(found)
    }

    /// As [`Claim::check`], with an envelope that filters may have changed.
    fn check_filtered(
        &self,
        text: &[u8],
        content: Found,
        before: &Envelope,
        check: Check<'_>,
    ) -> Result<(Envelope, Box<dyn File>, u64), Refusal> {
        let (mut envelope, content, octets) = self.check(text, content)?;
        check(before, &envelope).map_err(Refusal::Unreadable)?;
        let name = self.id.file_name(Suffix::Content);
        if envelope.encoding == Encoding::SevenBit {
            let Found::File(mut file) = self.files.find(&self.id, Suffix::Content)? else {
                return Err(Refusal::Unreadable("cannot open content file".to_owned()));
            };
            correct_encoding(&mut envelope, file.as_mut(), &name)?;
        }
        Ok((envelope, content, octets))
    }

    fn set_aside(mut self, text: &[u8], reason: &str) -> Result<LockOutcome, Error> {
        let reason = Reason::without_code(reason);
        self.files
            .set_aside(&self.id, Suffix::EnvelopeBusy, text, &reason)?;
        self.settled = true;
        Ok(LockOutcome::Unreadable(reason.text))
    }

    /// Ends the claim with the envelope under another name.
    pub(super) fn rename(mut self, to: Suffix) -> Result<(), Error> {
        self.files.rename(&self.id, Suffix::EnvelopeBusy, to)?;
        self.settled = true;
        Ok(())
    }

    /// Replaces the envelope in one step by one with other text.
    pub(super) fn rewrite(&mut self, envelope: &Envelope) -> Result<(), Error> {
        let text = envelope
            .print()
            .map_err(io::Error::other)
            .at(Operation::Compose, &self.id.stem())?;
        let tmp = Suffix::EnvelopeBusyTmp;
        let file = match self.files.create(&self.id, tmp) {
            // One may be left of an attempt that failed.
            Err(error) if error.is_taken() => {
                self.files.remove(&self.id, tmp)?;
                self.files.create(&self.id, tmp)?
            }
            result => result?,
        };
        let result = self.write_and_replace(file, &text);
        if result.is_err() {
            // Recovery would remove it, too.
            drop(self.files.remove(&self.id, tmp));
        }
        result
    }

    fn write_and_replace(&mut self, mut file: Box<dyn File>, text: &[u8]) -> Result<(), Error> {
        let name = self.id.file_name(Suffix::EnvelopeBusyTmp);
        if let Ok(false) = file.try_lock() {
            return Err(io::ErrorKind::WouldBlock.into()).at(Operation::Create, &name);
        }
        file.write_all(text).at(Operation::Write, &name)?;
        file.sync().at(Operation::Sync, &name)?;
        // The former one is closed first: where it is open it cannot be replaced on
        // some systems. The content's lock keeps others away.
        self.file = file;
        let busy = Suffix::EnvelopeBusy;
        let replaced = self.files.replace(&self.id, Suffix::EnvelopeBusyTmp, busy);
        if replaced.is_err()
            && let Ok(Found::File(former)) = self.files.find(&self.id, busy)
        {
            // As when it was taken: where there are no locks, so be it.
            let _ = former.try_lock();
            self.file = former;
        }
        replaced
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        let (from, to) = (Suffix::EnvelopeBusy, Suffix::Envelope);
        if let Err(error) = self.files.rename(&self.id, from, to)
            && !error.is_missing()
        {
            crate::warning!("{error}");
        }
    }
}

impl Locked {
    /// A look at a message that somebody else has: to be sent, and neither deleted nor
    /// released by whoever sends it.
    pub(super) fn lent(
        files: &Arc<Files>,
        id: &StoredId,
        envelope: (Envelope, Box<dyn File>),
        (content, content_octets): (Box<dyn File>, u64),
    ) -> Locked {
        let (envelope, file) = envelope;
        Locked {
            claim: Claim {
                files: Arc::clone(files),
                id: id.clone(),
                file,
                settled: true,
            },
            envelope,
            content,
            content_octets,
            held: None,
        }
    }

    /// The message's id.
    pub fn id(&self) -> &StoredId {
        &self.claim.id
    }

    /// The message's envelope.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The size of the message's content when it was taken.
    pub fn content_size(&self) -> u64 {
        self.content_octets
    }

    /// Where it is.
    pub fn spool(&self) -> Spool {
        Spool::of(&self.claim.files)
    }

    /// Gets ready for filters to change the files; [`Locked::reread`] comes next.
    pub fn hold(&mut self) {
        self.held = Some(Held::new(&self.claim.files, self.id()));
        let fs = self.claim.files.fs.as_ref();
        let_go(fs, &mut self.claim.file);
        let_go(fs, &mut self.content);
    }

    /// Reads the files again, as filters have left them, and makes that durable.
    pub fn reread(self, check: Check<'_>) -> Result<LockOutcome, Error> {
        let Locked {
            mut claim,
            envelope: before,
            content: old,
            held: _held,
            ..
        } = self;
        let (files, id, busy) = (
            Arc::clone(&claim.files),
            claim.id.clone(),
            Suffix::EnvelopeBusy,
        );
        let mut file = match files.find(&id, busy)? {
            Found::File(file) => file,
            Found::Missing => {
                claim.settled = true;
                return Ok(LockOutcome::Gone);
            }
            Found::Odd => return Ok(odd_envelope(&files, &id)),
            Found::Held => return Ok(LockOutcome::HeldElsewhere),
        };
        let name = id.file_name(busy);
        let text = read_envelope(file.as_mut(), &name)?;
        let before_filters = claim.file.metadata().at(Operation::Examine, &name)?;
        share(file.as_ref(), &before_filters, &name);
        file.sync().at(Operation::Sync, &name)?;
        if claim.file.is_let_go() || !files.is_named(&id, busy, claim.file.as_ref())? {
            if let Ok(false) = file.try_lock() {
                claim.settled = true;
                return Ok(LockOutcome::HeldElsewhere);
            }
            claim.file = file;
        }
        let content = claim.content(&old.metadata().at(Operation::Examine, &name)?)?;
        files.sync()?;
        match claim.check_filtered(&text, content, &before, check) {
            Ok((envelope, content, content_octets)) => Ok(LockOutcome::Locked(Box::new(Locked {
                claim,
                envelope,
                content,
                content_octets,
                held: None,
            }))),
            Err(Refusal::Unreadable(reason)) => claim.set_aside(&text, &reason),
            Err(Refusal::Failed(error)) => Err(error),
        }
    }

    /// Reads on in the content; zero octets at its end.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let name = self.id().file_name(Suffix::Content);
        self.content.read(buffer).at(Operation::Read, &name)
    }

    /// Removes the message, which was delivered. The content stays if an envelope
    /// in a sub-directory needs it. Where the envelope cannot be removed this
    /// process remembers that, and removes it when it next scans.
    pub fn delete(mut self) -> Result<(), Error> {
        if std::mem::replace(&mut self.claim.settled, true) {
            return Ok(());
        }
        let (files, id) = (&self.claim.files, &self.claim.id);
        let removed = remove_delivered(files, id);
        if removed.is_err() {
            files.set_undeletable(id.clone());
        }
        removed
    }

    /// Gives the message back, to be tried again. An attempt, if one was made, is
    /// noted; that it cannot be noted is an error, but does not keep the message.
    pub fn release(mut self, attempt: Option<Attempt>) -> Result<(), Error> {
        if self.claim.settled {
            return Ok(());
        }
        let mut noted = Ok(());
        if let Some(attempt) = attempt {
            self.note(attempt);
            noted = self.claim.rewrite(&self.envelope);
        }
        self.claim.rename(Suffix::Envelope)?;
        noted
    }

    /// Gives the message back for those recipients that still wait, and makes that
    /// survive a power cut, so that nobody gets it again who has it. Where that
    /// cannot be noted the message becomes `.bad`, for the same reason.
    pub fn release_in_part(mut self, attempt: Attempt, part: Part) -> Result<(), Error> {
        self.note(attempt);
        self.envelope.remote_recipients = part.remaining;
        self.envelope.failed_recipients.extend(part.failed);
        let reasons = &part.reasons;
        reasons.iter().for_each(|one| self.envelope.add_reason(one));
        let files = Arc::clone(&self.claim.files);
        let noted = self.claim.rewrite(&self.envelope);
        self.claim.rename(match noted {
            Ok(()) => Suffix::Envelope,
            Err(_) => Suffix::EnvelopeBad,
        })?;
        noted.and_then(|()| files.sync())
    }

    fn note(&mut self, attempt: Attempt) {
        let attempts = &mut self.envelope.attempts;
        attempts.count = attempts.count.saturating_add(1);
        attempts.last = attempt.at;
        attempts.reply = attempt.reply;
        attempts.next = attempt.next;
        attempts.spent = attempts.spent.saturating_add(attempt.spent);
    }

    /// The first octets of the content, at most so many, however much of it has
    /// been read.
    pub fn head(&self, octets_max: usize) -> Result<Vec<u8>, Error> {
        let Found::File(mut file) = self.claim.files.find(self.id(), Suffix::Content)? else {
            return Ok(Vec::new());
        };
        let name = self.id().file_name(Suffix::Content);
        let mut head = vec![0; octets_max];
        let mut filled = 0;
        while filled < octets_max {
            match file.read(&mut head[filled..]).at(Operation::Read, &name)? {
                0 => break,
                count => filled += count,
            }
        }
        head.truncate(filled);
        Ok(head)
    }

    /// Gives the message up: it is `.bad` from now on, with the reasons, and if so
    /// told for those recipients only who have not been served. That this cannot
    /// be noted is an error, but the message is `.bad` even so, lest those who
    /// were served get it again. Where a `.bad` of that id exists the message stays
    /// ready, and that is an error.
    pub fn fail(mut self, reasons: &[Reason], remaining: Option<&[OneLine]>) -> Result<(), Error> {
        if let Some(remaining) = remaining {
            self.envelope.remote_recipients = remaining.to_vec();
        }
        // Whoever makes the message ready again means all of them, and to begin anew.
        let earlier = std::mem::take(&mut self.envelope.failed_recipients);
        self.envelope.remote_recipients.extend(earlier);
        (self.envelope.attempts.next, self.envelope.attempts.spent) = (0, 0);
        // Where there is a bad envelope already the message stays ready, and would
        // gather reasons with every further try.
        let bad = Suffix::EnvelopeBad;
        if !matches!(self.claim.files.metadata(self.id(), bad), Ok(Some(_))) {
            reasons
                .iter()
                .for_each(|reason| self.envelope.add_reason(reason));
        }
        let noted = self.claim.rewrite(&self.envelope);
        self.claim.rename(bad)?;
        noted
    }
}

/// Removes the files of a message that was delivered: the envelope first, so that
/// what is left after a crash is never an envelope without its content.
pub(super) fn remove_delivered(files: &Files, id: &StoredId) -> Result<(), Error> {
    files.remove(id, Suffix::EnvelopeBusy)?;
    if !files.is_needed_below(id)
        && let Err(error) = files.remove(id, Suffix::Content)
    {
        // Nobody will find it without an envelope, and recovery removes it.
        crate::warning!("{error}");
    }
    Ok(())
}
