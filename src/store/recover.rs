//! Putting in order what processes that died have left behind.
//!
//! A file is touched only if it is nobody's: its message's content and the file
//! itself can be locked, and the content is open nowhere else. Locks end with
//! their process, so that is known at once; for files of programs that take no
//! locks, age decides. Several processes may recover at the same time, and a
//! recovery that is itself cut short is finished by the next.

use std::fmt;

use super::envelope::{Envelope, Reason};
use super::error::{At, Error, Operation};
use super::files::{Files, Found, read_envelope};
use super::fs::{File, Metadata};
use super::lock::remove_delivered;
use super::name::{StoredId, Suffix};
use super::scan::Listing;
use super::spool;
use crate::base::OneLine;

/// After how many seconds a file of a program that takes no locks, which was
/// never acknowledged, is taken to be left behind.
const FOREIGN_SECONDS: i64 = 24 * 60 * 60;

/// After how many seconds a `.busy` is taken to be left behind where the system
/// does not tell whether a program that takes no locks has the content open.
const UNCERTAIN_SECONDS: i64 = 10 * 60;

/// How many lines a report has at most.
const LINES_MAX: usize = 100;

/// What a recovery has done.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Report {
    /// Messages that are ready to be forwarded again.
    pub recovered: usize,
    /// Files removed that no message needs.
    pub removed: usize,
    /// Envelopes that are `.bad` now.
    pub failed: usize,
    /// Files that should not be there, and were left alone.
    pub left: usize,
    /// What to tell about it, at most 100 lines.
    pub lines: Vec<OneLine>,
}

impl Report {
    /// Whether anything was changed.
    #[cfg(test)]
    pub(crate) fn has_changes(&self) -> bool {
        self.recovered + self.removed + self.failed > 0
    }

    fn tell(&mut self, text: fmt::Arguments<'_>) {
        if self.lines.len() < LINES_MAX {
            let text = text.to_string();
            let line = OneLine::new(text.as_str()).unwrap_or_else(|| OneLine::escaped(text));
            self.lines.push(line);
        }
    }

    fn count(&mut self, id: &StoredId, suffix: Suffix, outcome: Result<Outcome, Error>) {
        let name = format_args!("{id}{}", suffix.as_str());
        match outcome {
            Ok(Outcome::Ready) => {
                self.recovered += 1;
                self.tell(format_args!("made ready again: {name}"));
            }
            Ok(Outcome::Completed) => {
                self.recovered += 1;
                self.tell(format_args!("made ready for local recipients: {name}"));
            }
            Ok(Outcome::Removed) => {
                self.removed += 1;
                self.tell(format_args!("removed what was left behind: {name}"));
            }
            Ok(Outcome::Bad(reason)) => {
                self.failed += 1;
                self.tell(format_args!("made bad: {name}: {reason}"));
            }
            Ok(Outcome::Odd(why)) => {
                self.left += 1;
                self.tell(format_args!("left alone: {name}: {why}"));
            }
            Ok(Outcome::Nothing) => {}
            Err(error) => {
                self.left += 1;
                self.tell(format_args!("{error}"));
            }
        }
    }
}

/// What became of one file.
enum Outcome {
    /// Its message is ready.
    Ready,
    /// Its message is ready for local recipients.
    Completed,
    /// It is gone.
    Removed,
    /// It is `.bad` now, for this reason.
    Bad(&'static str),
    /// It is not what it should be, which had not been told before.
    Odd(&'static str),
    /// It is someone's, or has changed meanwhile, or is too young to tell.
    Nothing,
}

/// Puts in order what the listing found; what becomes ready is added to it.
pub(super) fn recover(files: &Files, listing: &mut Listing) -> Report {
    let mut report = Report::default();
    for (id, suffix) in std::mem::take(&mut listing.suspects) {
        let suspect = Suspect {
            files,
            id: &id,
            suffix,
        };
        let outcome = suspect.recover();
        if let Ok(Outcome::Ready) = &outcome {
            listing.add_ready(id.clone());
        }
        let is_new = matches!(
            suffix,
            Suffix::ContentNew
                | Suffix::EnvelopeNew
                | Suffix::ContentLocalNew
                | Suffix::EnvelopeLocalNew
        );
        let is_done = matches!(outcome, Ok(Outcome::Removed | Outcome::Completed));
        let left_content = is_new && is_done;
        report.count(&id, suffix, outcome);
        if left_content {
            recover_content(files, &id, &mut report);
        }
    }
    for id in listing.take_orphans() {
        recover_content(files, &id, &mut report);
    }
    report
}

fn recover_content(files: &Files, id: &StoredId, report: &mut Report) {
    let suffix = Suffix::Content;
    let suspect = Suspect { files, id, suffix };
    report.count(id, suffix, suspect.recover());
}

/// A file that may have been left behind.
struct Suspect<'a> {
    files: &'a Files,
    id: &'a StoredId,
    suffix: Suffix,
}

impl Suspect<'_> {
    fn recover(&self) -> Result<Outcome, Error> {
        if self.files.held.has(self.id) {
            return Ok(Outcome::Nothing);
        }
        let file = match self.files.find(self.id, self.suffix)? {
            Found::File(file) => file,
            Found::Missing | Found::Held => return Ok(Outcome::Nothing),
            Found::Odd => return Ok(self.odd("not a regular file")),
        };
        let metadata = self.metadata_of(file.as_ref())?;
        if metadata.links == 0 || !self.is_due(&metadata) {
            return Ok(Outcome::Nothing);
        }
        if metadata.links > 1 {
            return self.recover_linked(file.as_ref());
        }
        match self.suffix {
            Suffix::Content => self.recover_content(file.as_ref()),
            Suffix::ContentNew | Suffix::EnvelopeNew => self.with_claim(file, Suspect::remove_new),
            Suffix::EnvelopeBusy => self.with_claim(file, Suspect::recover_busy),
            Suffix::EnvelopeBusyTmp => self.with_claim(file, Suspect::recover_tmp),
            Suffix::ContentLocalNew => self.with_claim(file, Suspect::recover_local_content),
            Suffix::EnvelopeLocalNew => self.with_claim(file, Suspect::remove_local),
            _ => Ok(Outcome::Nothing),
        }
    }

    /// Whether it is time already to ask who owns the file.
    fn is_due(&self, metadata: &Metadata) -> bool {
        let never_acknowledged = matches!(
            self.suffix,
            Suffix::Content
                | Suffix::ContentNew
                | Suffix::EnvelopeNew
                | Suffix::ContentLocalNew
                | Suffix::EnvelopeLocalNew
        );
        self.id.is_ours() || !never_acknowledged || age(metadata.modified) >= FOREIGN_SECONDS
    }

    /// A file with a second name. Where the system cannot rename without replacing,
    /// a rename that was cut short leaves the old name beside the new one.
    fn recover_linked(&self, file: &dyn File) -> Result<Outcome, Error> {
        let new_names: &[Suffix] = match self.suffix {
            // Filters give one content to several messages; each has its own name.
            Suffix::Content => return self.recover_content(file),
            Suffix::ContentNew => &[Suffix::Content],
            Suffix::ContentLocalNew => &[Suffix::ContentLocal, Suffix::Content],
            Suffix::EnvelopeLocalNew => &[Suffix::EnvelopeLocal],
            _ => &[Suffix::Envelope, Suffix::EnvelopeBad],
        };
        if !self.is_abandoned(file)? {
            return Ok(Outcome::Nothing);
        }
        for new_name in new_names {
            if self.files.is_named(self.id, *new_name, file)? {
                self.files.remove(self.id, self.suffix)?;
                return Ok(Outcome::Removed);
            }
        }
        Ok(self.odd("has several names"))
    }

    /// Goes on only if both the content, if there is one, and the envelope are
    /// nobody's, and stay locked meanwhile.
    fn with_claim(
        &self,
        mut envelope: Box<dyn File>,
        action: fn(&Self, &mut dyn File, has_content: bool) -> Result<Outcome, Error>,
    ) -> Result<Outcome, Error> {
        let content = match self.files.find(self.id, Suffix::Content)? {
            Found::File(file) => Some(file),
            Found::Missing => None,
            Found::Held => return Ok(Outcome::Nothing),
            Found::Odd => return Ok(self.odd("content is not a regular file")),
        };
        if let Some(content) = &content
            && !(self.is_abandoned(content.as_ref())? && self.is_closed(content.as_ref())?)
        {
            return Ok(Outcome::Nothing);
        }
        let claimed = self.is_abandoned(envelope.as_ref())?
            && self
                .files
                .is_named(self.id, self.suffix, envelope.as_ref())?
            && !self.files.held.has(self.id);
        match claimed {
            true => action(self, envelope.as_mut(), content.is_some()),
            false => Ok(Outcome::Nothing),
        }
    }

    /// Whether nobody has the file locked; then it is locked from now on. Where
    /// there are no locks, whether nobody has changed it for a day.
    fn is_abandoned(&self, file: &dyn File) -> Result<bool, Error> {
        match file.try_lock() {
            Ok(taken) => Ok(taken),
            Err(_) => Ok(age(self.metadata_of(file)?.changed) >= FOREIGN_SECONDS),
        }
    }

    /// Whether nobody else has the content open. Where that cannot be told, the
    /// envelope's state must have lasted for a while.
    fn is_closed(&self, content: &dyn File) -> Result<bool, Error> {
        if let Some(open) = content.is_open_elsewhere() {
            return Ok(!open);
        }
        let metadata = self.files.metadata(self.id, self.suffix)?;
        Ok(metadata.is_some_and(|metadata| age(metadata.changed) >= UNCERTAIN_SECONDS))
    }

    fn remove_new(&self, _envelope: &mut dyn File, _: bool) -> Result<Outcome, Error> {
        self.files.remove(self.id, self.suffix)?;
        Ok(Outcome::Removed)
    }

    fn recover_busy(&self, envelope: &mut dyn File, _: bool) -> Result<Outcome, Error> {
        if self.files.take_undeletable(self.id) {
            let removed = remove_delivered(self.files, self.id);
            if removed.is_err() {
                self.files.set_undeletable(self.id.clone());
            }
            return removed.map(|()| Outcome::Removed);
        }
        match self.files.rename(self.id, self.suffix, Suffix::Envelope) {
            Ok(()) => Ok(Outcome::Ready),
            Err(error) if error.is_missing() => Ok(Outcome::Nothing),
            Err(error) if error.is_taken() => self.make_bad(envelope, "there are two envelopes"),
            Err(error) => Err(error),
        }
    }

    /// The new form of a busy envelope. It is the only one left if the program
    /// that wrote it removed the old one first.
    fn recover_tmp(&self, envelope: &mut dyn File, has_content: bool) -> Result<Outcome, Error> {
        let others = [
            Suffix::EnvelopeBusy,
            Suffix::Envelope,
            Suffix::EnvelopeBad,
            Suffix::EnvelopeHold,
        ];
        if !has_content || self.files.has_any(self.id, &others)? {
            self.files.remove(self.id, self.suffix)?;
            return Ok(Outcome::Removed);
        }
        let text = read_envelope(envelope, &self.name())?;
        if Envelope::parse(&text).is_err() {
            return self.make_bad_with(&text, "only part of an envelope");
        }
        match self.files.rename(self.id, self.suffix, Suffix::Envelope) {
            Ok(()) => Ok(Outcome::Ready),
            Err(error) if error.is_taken() => Ok(Outcome::Nothing),
            Err(error) => Err(error),
        }
    }

    /// A copy of the content. If its envelope is there already the power was cut
    /// before all names were durable, and the copy is whole.
    fn recover_local_content(&self, _content: &mut dyn File, _: bool) -> Result<Outcome, Error> {
        if self.files.has_any(self.id, &[Suffix::EnvelopeLocal])? {
            let renamed = self
                .files
                .rename(self.id, self.suffix, Suffix::ContentLocal);
            match renamed {
                Err(error) if error.is_taken() => {}
                result => return result.map(|()| Outcome::Completed),
            }
        }
        self.files.remove(self.id, self.suffix)?;
        Ok(Outcome::Removed)
    }

    /// A copy of the envelope that nobody has seen, and so neither the content.
    fn remove_local(&self, _envelope: &mut dyn File, _: bool) -> Result<Outcome, Error> {
        if !self.files.has_any(self.id, &[Suffix::EnvelopeLocal])? {
            self.files.remove(self.id, Suffix::ContentLocal)?;
        }
        self.files.remove(self.id, self.suffix)?;
        Ok(Outcome::Removed)
    }

    /// A content without an envelope. With its lock held no process that locks can
    /// give its envelope another name, so that it cannot hide from us.
    fn recover_content(&self, content: &dyn File) -> Result<Outcome, Error> {
        if !self.is_abandoned(content)? || content.is_open_elsewhere() == Some(true) {
            return Ok(Outcome::Nothing);
        }
        let needed = self.files.held.has(self.id) || self.files.is_content_needed(self.id)?;
        if needed || !self.files.is_named(self.id, self.suffix, content)? {
            return Ok(Outcome::Nothing);
        }
        self.files.remove(self.id, self.suffix)?;
        Ok(Outcome::Removed)
    }

    fn make_bad(&self, envelope: &mut dyn File, reason: &'static str) -> Result<Outcome, Error> {
        let text = read_envelope(envelope, &self.name())?;
        self.make_bad_with(&text, reason)
    }

    fn make_bad_with(&self, text: &[u8], reason: &'static str) -> Result<Outcome, Error> {
        let noted = Reason::without_code(reason);
        match self.files.set_aside(self.id, self.suffix, text, &noted) {
            Ok(()) => Ok(Outcome::Bad(reason)),
            Err(error) if error.is_taken() => Ok(self.odd("there is a bad envelope already")),
            Err(error) => Err(error),
        }
    }

    fn odd(&self, why: &'static str) -> Outcome {
        match self.files.is_first_complaint(self.name()) {
            true => Outcome::Odd(why),
            false => Outcome::Nothing,
        }
    }

    fn metadata_of(&self, file: &dyn File) -> Result<Metadata, Error> {
        file.metadata().at(Operation::Examine, &self.name())
    }

    fn name(&self) -> Vec<u8> {
        self.id.file_name(self.suffix)
    }
}

/// How many seconds ago that was.
fn age(unix_seconds: i64) -> i64 {
    let now = i64::try_from(spool::unix_seconds()).unwrap_or(i64::MAX);
    now.saturating_sub(unix_seconds)
}
