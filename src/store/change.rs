//! What an operator may do to a message: hold, release, retry, delete.
//!
//! A message is changed only with its content and envelope locked as a forwarder
//! locks them, and by one step that succeeds only if its envelope still has its
//! name: so nothing is taken from a forwarder, of this program or another, and no
//! forwarder takes a message half changed.

use std::sync::Arc;

use super::error::Error;
use super::files::{Files, Found};
use super::fs::File;
use super::lock::Claim;
use super::name::{StoredId, Suffix};
use super::queue::{self, Entry, State};
use super::scatter::{Scattered, scatter};
use crate::base::OneLine;

/// What is to be done to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A ready or failed message is not forwarded until it is released.
    Hold,
    /// A held message is ready again.
    Release,
    /// A failed or delayed message is ready at once.
    Retry,
    /// A message is removed.
    Delete,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is as wanted now.
    Done,
    /// It was so already.
    Already,
    /// Someone has it in hand: it is being stored, forwarded or changed.
    InUse,
    /// It is no longer in the state in which it was found.
    Gone,
    /// That cannot be done to a message in its state, for this reason.
    Refused(OneLine),
}

impl Change {
    /// The state that a message in that state gets; nothing for none at all.
    fn target(self, from: State) -> Result<Option<State>, Outcome> {
        match (self, from) {
            (_, State::New | State::Busy) => Err(Outcome::InUse),
            (_, State::Local) => Err(refused("it is for a program that serves local recipients")),
            (Change::Delete, _) => Ok(None),
            (Change::Hold, State::Ready | State::Bad) => Ok(Some(State::Held)),
            (Change::Hold, State::Held) | (Change::Release, State::Ready) => Err(Outcome::Already),
            (Change::Retry, State::Ready | State::Bad) => Ok(Some(State::Ready)),
            (Change::Release, State::Held) => Ok(Some(State::Ready)),
            (Change::Release, State::Bad) => Err(refused("it has failed, and is not held")),
            (Change::Retry, State::Held) => Err(refused("it is held")),
        }
    }
}

/// Changes a message.
pub(super) fn change(files: &Arc<Files>, entry: &Entry, change: Change) -> Result<Outcome, Error> {
    let target = match change.target(entry.state) {
        Ok(target) => target,
        Err(outcome) => return Ok(outcome),
    };
    let taken = match Taken::take(files, entry)? {
        Ok(taken) => taken,
        Err(outcome) => return Ok(outcome),
    };
    match target {
        None => taken.delete(),
        Some(_) if change == Change::Retry => taken.retry(),
        Some(state) => taken.rename(state.suffix()),
    }
}

/// Copies a ready message's envelope into all sub-directories instead.
pub(super) fn scatter_ready(
    files: &Arc<Files>,
    entry: &Entry,
) -> Result<Result<Scattered, Outcome>, Error> {
    if entry.state != State::Ready {
        return Ok(Err(refused("it is not ready to be forwarded")));
    }
    match Taken::take(files, entry)? {
        Ok(taken) => scatter(&files.path, taken.id, taken.suffix).map(Ok),
        Err(outcome) => Ok(Err(outcome)),
    }
}

fn refused(reason: &str) -> Outcome {
    Outcome::Refused(OneLine::escaped(reason))
}

/// A message that nobody else has in hand as long as this lives.
struct Taken<'a> {
    files: &'a Arc<Files>,
    id: &'a StoredId,
    suffix: Suffix,
    envelope: Box<dyn File>,
    /// Held for its lock, if there is a content.
    _content: Option<Box<dyn File>>,
}

impl<'a> Taken<'a> {
    /// Locks the message; or says why not.
    fn take(files: &'a Arc<Files>, entry: &'a Entry) -> Result<Result<Taken<'a>, Outcome>, Error> {
        let (id, suffix) = (&entry.id, entry.state.suffix());
        let content = match files.find(id, Suffix::Content)? {
            // Where there are no locks the names alone decide.
            Found::File(file) if matches!(file.try_lock_shared(), Ok(false)) => {
                return Ok(Err(Outcome::InUse));
            }
            Found::File(file) => Some(file),
            Found::Held => return Ok(Err(Outcome::InUse)),
            Found::Missing | Found::Odd => None,
        };
        let envelope = match files.find(id, suffix)? {
            Found::File(file) => file,
            Found::Missing => return Ok(Err(Outcome::Gone)),
            Found::Odd => return Ok(Err(refused("its envelope is not a regular file"))),
            Found::Held => return Ok(Err(Outcome::InUse)),
        };
        if let Ok(false) = envelope.try_lock() {
            return Ok(Err(Outcome::InUse));
        }
        if !files.is_named(id, suffix, envelope.as_ref())? {
            return Ok(Err(Outcome::Gone));
        }
        Ok(Ok(Taken {
            files,
            id,
            suffix,
            envelope,
            _content: content,
        }))
    }

    fn rename(self, to: Suffix) -> Result<Outcome, Error> {
        outcome(self.files.rename(self.id, self.suffix, to))
    }

    /// Removes the envelope, and then the content unless another envelope needs it.
    fn delete(self) -> Result<Outcome, Error> {
        if !self.files.remove_existing(self.id, self.suffix)? {
            return Ok(Outcome::Gone);
        }
        // On some systems its name is there until it is closed.
        drop(self.envelope);
        if !self.files.is_content_needed(self.id)? {
            self.files.remove(self.id, Suffix::Content)?;
        }
        Ok(Outcome::Done)
    }

    /// Makes the message ready, without what keeps it from being tried at once.
    /// While its envelope is rewritten it is busy, and a crash leaves it ready.
    fn retry(mut self) -> Result<Outcome, Error> {
        let name = self.id.file_name(self.suffix);
        let mut envelope = match queue::read(self.envelope.as_mut(), &name) {
            Ok(envelope) => envelope,
            Err(reason) => return Ok(Outcome::Refused(reason)),
        };
        let has_changed = envelope.clear_delay();
        if !has_changed && self.suffix == Suffix::Envelope {
            return Ok(Outcome::Already);
        }
        let is_ready = self.suffix == Suffix::Envelope;
        if !is_ready && self.files.has_any(self.id, &[Suffix::Envelope])? {
            return Ok(refused("there is another envelope of that id"));
        }
        if !has_changed {
            return self.rename(Suffix::Envelope);
        }
        let busy = Suffix::EnvelopeBusy;
        match outcome(self.files.rename(self.id, self.suffix, busy))? {
            Outcome::Done => {}
            other => return Ok(other),
        }
        let mut claim = Claim::new(self.files, self.id, self.envelope);
        claim.rewrite(&envelope)?;
        outcome(claim.rename(Suffix::Envelope))
    }
}

/// What a rename came to.
fn outcome(renamed: Result<(), Error>) -> Result<Outcome, Error> {
    match renamed {
        Ok(()) => Ok(Outcome::Done),
        Err(error) if error.is_missing() => Ok(Outcome::Gone),
        Err(error) if error.is_taken() => Ok(refused("there is another envelope of that id")),
        Err(error) => Err(error),
    }
}
