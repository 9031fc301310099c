//! A message's files: the operations of [`Fs`] by id and suffix, and what all
//! users of one spool share.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::envelope::{ENVELOPE_OCTETS_MAX, Reason};
use super::error::{At, Error, Operation};
use super::fs::{File, Fs, Kind, Metadata, has_name};
use super::measure::Measures;
use super::name::{Ids, StoredId, Suffix};
use super::staged::HeldIds;

/// How many names that are not files are remembered as complained about.
pub(super) const ODDITIES_MAX: usize = 1000;

/// How many messages are remembered that were delivered but could not be removed.
pub(super) const UNDELETABLE_MAX: usize = 10_000;

/// The suffixes of envelopes in sub-directories that need a content, there or here.
pub(super) const ENVELOPES_BELOW: [Suffix; 4] = [
    Suffix::Envelope,
    Suffix::EnvelopeBusy,
    Suffix::EnvelopeBad,
    Suffix::EnvelopeHold,
];

/// The suffixes of envelopes here that need the content. The first two come once
/// more at the end, for a process that does not lock.
const ENVELOPES: [Suffix; 8] = [
    Suffix::Envelope,
    Suffix::EnvelopeBusy,
    Suffix::EnvelopeNew,
    Suffix::EnvelopeBusyTmp,
    Suffix::EnvelopeBad,
    Suffix::EnvelopeHold,
    Suffix::EnvelopeBusy,
    Suffix::Envelope,
];

/// A spool directory and what is known about it.
pub(super) struct Files {
    pub(super) fs: Box<dyn Fs>,
    pub(super) path: PathBuf,
    pub(super) ids: Ids,
    pub(super) measures: Measures,
    /// Messages that filters are at work on.
    pub(super) held: HeldIds,
    known: Mutex<Known>,
}

/// What listings and mishaps have taught.
struct Known {
    /// Names under which there is something that is not a file.
    oddities: BTreeSet<Vec<u8>>,
    /// Sub-directories, where POP by name keeps envelopes whose content is here;
    /// none if there are too many to know them all.
    subdirectories: Option<Vec<Vec<u8>>>,
    /// Messages that have been delivered but could not be removed.
    undeletable: BTreeSet<StoredId>,
    /// Maildrops that sessions of this process have.
    maildrops: BTreeSet<Vec<u8>>,
}

/// What was found under a name.
pub(super) enum Found {
    /// A regular file, open for reading.
    File(Box<dyn File>),
    /// Nothing.
    Missing,
    /// Something that is not a regular file.
    Odd,
    /// A file that recovery is looking at: whoever asks the system whether it is
    /// open elsewhere keeps others from opening it for that moment.
    Held,
}

impl Files {
    pub(super) fn new(fs: Box<dyn Fs>, path: PathBuf, ids: Ids) -> Files {
        Files {
            fs,
            path,
            ids,
            measures: Measures::default(),
            held: HeldIds::default(),
            known: Mutex::new(Known {
                oddities: BTreeSet::new(),
                subdirectories: Some(Vec::new()),
                undeletable: BTreeSet::new(),
                maildrops: BTreeSet::new(),
            }),
        }
    }

    /// Creates a file of a message that must not exist yet.
    pub(super) fn create(&self, id: &StoredId, suffix: Suffix) -> Result<Box<dyn File>, Error> {
        let name = id.file_name(suffix);
        self.fs.create_new(&name).at(Operation::Create, &name)
    }

    /// Opens a file of a message for reading.
    pub(super) fn find(&self, id: &StoredId, suffix: Suffix) -> Result<Found, Error> {
        let name = id.file_name(suffix);
        match self.fs.open_read(&name) {
            Ok(file) => Ok(Found::File(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Missing),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Found::Held),
            Err(error) => match self.metadata(id, suffix)? {
                None => Ok(Found::Missing),
                Some(metadata) if metadata.kind != Kind::File => Ok(Found::Odd),
                Some(_) => Err(error).at(Operation::Open, &name),
            },
        }
    }

    /// What is under a name, if anything is.
    pub(super) fn metadata(
        &self,
        id: &StoredId,
        suffix: Suffix,
    ) -> Result<Option<Metadata>, Error> {
        let name = id.file_name(suffix);
        match self.fs.metadata(&name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            result => result.at(Operation::Examine, &name).map(Some),
        }
    }

    /// Whether the name stands for that open file, and for no other.
    pub(super) fn is_named(
        &self,
        id: &StoredId,
        suffix: Suffix,
        file: &dyn File,
    ) -> Result<bool, Error> {
        let open = file
            .metadata()
            .at(Operation::Examine, &id.file_name(suffix))?;
        let named = self.metadata(id, suffix)?;
        Ok(named.is_some_and(|named| named.identity == open.identity))
    }

    /// Goes on with the file that has the name now, locked and open for writing, unless
    /// it is the one that is held already. It must be the one that was seen. Says
    /// whether it is another file than before.
    pub(super) fn adopt(
        &self,
        id: &StoredId,
        suffix: Suffix,
        held: &mut Box<dyn File>,
        seen: &Metadata,
    ) -> Result<bool, Error> {
        let name = id.file_name(suffix);
        let before = held.metadata().at(Operation::Examine, &name)?;
        let is_other = before.identity != seen.identity;
        if !is_other && !held.is_let_go() {
            return Ok(false);
        }
        // Syncing needs permission to write on some systems.
        let file = self.fs.open_append(&name).at(Operation::Open, &name)?;
        let is_seen = file.metadata().at(Operation::Examine, &name)?.identity == seen.identity;
        if !is_seen || matches!(file.try_lock(), Ok(false)) {
            return Err(io::ErrorKind::WouldBlock.into()).at(Operation::Open, &name);
        }
        share(file.as_ref(), &before, &name);
        *held = file;
        Ok(is_other)
    }

    /// Makes what is in the file of that name, if there is one, survive a power cut.
    pub(super) fn sync_named(&self, id: &StoredId, suffix: Suffix) -> Result<(), Error> {
        let name = id.file_name(suffix);
        match self.fs.open_append(&name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result
                .and_then(|file| file.sync())
                .at(Operation::Sync, &name),
        }
    }

    /// Renames, replacing what has the new suffix.
    pub(super) fn replace(&self, id: &StoredId, from: Suffix, to: Suffix) -> Result<(), Error> {
        let (from, to) = (id.file_name(from), id.file_name(to));
        self.fs.rename(&from, &to).at(Operation::Rename, &from)
    }

    /// Renames; fails where there is something with the new suffix.
    pub(super) fn rename(&self, id: &StoredId, from: Suffix, to: Suffix) -> Result<(), Error> {
        let (from, to) = (id.file_name(from), id.file_name(to));
        self.fs
            .rename_to_new(&from, &to)
            .at(Operation::Rename, &from)
    }

    /// Removes a file; that it was gone already is as good.
    pub(super) fn remove(&self, id: &StoredId, suffix: Suffix) -> Result<(), Error> {
        self.remove_existing(id, suffix).map(drop)
    }

    /// Removes a file; false if it was gone already.
    pub(super) fn remove_existing(&self, id: &StoredId, suffix: Suffix) -> Result<bool, Error> {
        let name = id.file_name(suffix);
        match self.fs.remove(&name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            result => result.at(Operation::Remove, &name).map(|()| true),
        }
    }

    /// Makes all names survive a power cut.
    pub(super) fn sync(&self) -> Result<(), Error> {
        let path = self.path.as_os_str().as_encoded_bytes();
        self.fs.sync().at(Operation::SyncDirectory, path)
    }

    /// Notes a reason at the end of an envelope, whose text so far is given, and
    /// renames it to `.bad`. That the reason cannot be noted is no hindrance.
    pub(super) fn set_aside(
        &self,
        id: &StoredId,
        from: Suffix,
        text: &[u8],
        reason: &Reason,
    ) -> Result<(), Error> {
        let to = Suffix::EnvelopeBad;
        // Seen before noting, or each further try would note it once more.
        if self.metadata(id, to)?.is_some() {
            return Err(io::ErrorKind::AlreadyExists.into())
                .at(Operation::Rename, &id.file_name(from));
        }
        let noted = self.note(id, from, text, reason);
        self.rename(id, from, to)?;
        if let Err(error) = noted {
            crate::warning!("{error}");
        }
        Ok(())
    }

    fn note(
        &self,
        id: &StoredId,
        suffix: Suffix,
        text: &[u8],
        reason: &Reason,
    ) -> Result<(), Error> {
        let name = id.file_name(suffix);
        let mut file = self.fs.open_append(&name).at(Operation::Open, &name)?;
        // A second name may be one in a place that is none of our business.
        if file.metadata().at(Operation::Examine, &name)?.links != 1 {
            return Ok(());
        }
        let lines = with_line_ends_of(text, reason);
        file.write_all(&lines).at(Operation::Write, &name)?;
        file.sync().at(Operation::Sync, &name)
    }

    /// Whether there is something with any of these suffixes.
    pub(super) fn has_any(&self, id: &StoredId, suffixes: &[Suffix]) -> Result<bool, Error> {
        for suffix in suffixes {
            if self.metadata(id, *suffix)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether any envelope needs the content, in whatever state, for local
    /// recipients without a content of their own, or in a sub-directory.
    pub(super) fn is_content_needed(&self, id: &StoredId) -> Result<bool, Error> {
        let has = |suffix| self.has_any(id, &[suffix]);
        Ok(self.has_any(id, &ENVELOPES)?
            || has(Suffix::EnvelopeLocal)? && !has(Suffix::ContentLocal)?
            || self.is_needed_below(id))
    }

    /// Whether the content is needed by an envelope in a sub-directory that has no
    /// content of its own. Where that cannot be told it is, but not in one of another
    /// user's that may not be entered: nothing was put there.
    pub(super) fn is_needed_below(&self, id: &StoredId) -> bool {
        let names = ENVELOPES_BELOW.map(|suffix| id.file_name(suffix));
        let Some(subdirectories) = self.known().subdirectories.clone() else {
            return true;
        };
        let is_without_content = |subdirectory: &Vec<u8>| -> io::Result<bool> {
            let directory = self.fs.open_subdirectory(subdirectory)?;
            let has = |name: &Vec<u8>| has_name(directory.as_ref(), name);
            for name in &names {
                if has(name)? {
                    return Ok(!has(&id.file_name(Suffix::Content))?);
                }
            }
            Ok(false)
        };
        subdirectories
            .iter()
            .any(|subdirectory| match is_without_content(subdirectory) {
                Ok(needed) => needed,
                Err(error) => {
                    error.kind() != io::ErrorKind::NotFound
                        && (self.is_of_one_owner(id, subdirectory)
                            || !self.is_shut(subdirectory, &error))
                }
            })
    }

    /// Whether content and sub-directory belong to the same user: then the relay may
    /// have put something there even if whoever asks may not look.
    fn is_of_one_owner(&self, id: &StoredId, subdirectory: &[u8]) -> bool {
        let owner = |name: &[u8]| self.fs.metadata(name).map(|about| about.owner).ok();
        owner(&id.file_name(Suffix::Content)) == owner(subdirectory)
    }

    /// Whether that is the error of a sub-directory that this program may not enter,
    /// as that of a `lost+found`; says so once.
    pub(super) fn is_shut(&self, subdirectory: &[u8], error: &io::Error) -> bool {
        let is_shut = error.kind() == io::ErrorKind::PermissionDenied;
        if is_shut && self.is_first_complaint(subdirectory.to_vec()) {
            let name = crate::base::ascii::escape(subdirectory);
            let why = crate::sys::reason(error);
            crate::warning!("sub-directory of the spool is passed over: {name}: {why}");
        }
        is_shut
    }

    /// Takes the maildrop of that name for one session in this process; false where
    /// another has it.
    pub(super) fn take_maildrop(&self, name: &[u8]) -> bool {
        self.known().maildrops.insert(name.to_vec())
    }

    /// Gives a maildrop back.
    pub(super) fn release_maildrop(&self, name: &[u8]) {
        self.known().maildrops.remove(name);
    }

    /// Remembers which sub-directories there are, or that it is not known.
    pub(super) fn set_subdirectories(&self, subdirectories: Option<Vec<Vec<u8>>>) {
        self.known().subdirectories = subdirectories;
    }

    /// Remembers a sub-directory that may be newer than the last listing.
    pub(super) fn note_subdirectory(&self, name: &[u8]) {
        if let Some(subdirectories) = &mut self.known().subdirectories
            && !subdirectories.iter().any(|known| known == name)
        {
            subdirectories.push(name.to_vec());
        }
    }

    /// Whether it is the first time that this name is complained about.
    pub(super) fn is_first_complaint(&self, name: Vec<u8>) -> bool {
        let oddities = &mut self.known().oddities;
        oddities.len() < ODDITIES_MAX && oddities.insert(name)
    }

    /// Remembers that a message was delivered though its envelope is still there.
    pub(super) fn set_undeletable(&self, id: StoredId) {
        let undeletable = &mut self.known().undeletable;
        if undeletable.len() < UNDELETABLE_MAX {
            undeletable.insert(id);
        }
    }

    /// Whether that message was delivered; forgets it, so it is to be removed now.
    pub(super) fn take_undeletable(&self, id: &StoredId) -> bool {
        self.known().undeletable.remove(id)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives a file that a filter has put in the place of another, and that is a message's
/// by now, to those who may work on the spool. What it makes is for its own user
/// alone, and a POP user's program could not read it. One that has other names too is
/// left as it is: those may be in a place that is none of our business.
pub(super) fn share(file: &dyn File, before: &Metadata, name: &[u8]) {
    let result = match file.metadata() {
        Ok(now) if now.identity == before.identity || now.links != 1 => Ok(()),
        Ok(_) => file.share(before),
        Err(error) => Err(error),
    };
    if let Err(error) = result.at(Operation::Share, name) {
        crate::warning!("{error}");
    }
}

/// Reads an envelope file: all of it, or one octet more than it may have.
pub(super) fn read_envelope(file: &mut dyn File, name: &[u8]) -> Result<Vec<u8>, Error> {
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = file.read(&mut buffer).at(Operation::Read, name)?;
        let room = ENVELOPE_OCTETS_MAX + 1 - text.len();
        text.extend(buffer.iter().take(count.min(room)));
        if count == 0 || text.len() > ENVELOPE_OCTETS_MAX {
            return Ok(text);
        }
    }
}

/// The reason's lines as they fit at the end of that text.
fn with_line_ends_of(text: &[u8], reason: &Reason) -> Vec<u8> {
    let first = text.split_inclusive(|byte| *byte == b'\n').next();
    let line_feed_only =
        first.is_some_and(|line| line.ends_with(b"\n") && !line.ends_with(b"\r\n"));
    let end: &[u8] = if line_feed_only { b"\n" } else { b"\r\n" };
    let mut lines = match text.last() {
        None | Some(b'\n') => Vec::new(),
        Some(_) => end.to_vec(),
    };
    for line in reason.lines() {
        lines.extend_from_slice(line.as_bytes());
        lines.extend_from_slice(end);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::faulty::{Fault, Faulty};
    use super::*;

    fn files() -> Files {
        Files::new(
            Box::new(Faulty::new()),
            PathBuf::from("/spool"),
            Ids::new(1, 1),
        )
    }

    #[test]
    fn complains_about_a_bounded_number_of_names() {
        let files = files();
        for number in 0..ODDITIES_MAX {
            let name = number.to_string().into_bytes();
            assert!(files.is_first_complaint(name.clone()));
            assert!(!files.is_first_complaint(name));
        }
        assert!(!files.is_first_complaint(b"one more".to_vec()));
    }

    #[test]
    fn remembers_a_bounded_number_of_messages() {
        let files = files();
        let ids: Vec<_> = (0..=UNDELETABLE_MAX as u64)
            .map(|n| files.ids.next(n))
            .collect();
        ids.iter().for_each(|id| files.set_undeletable(id.clone()));
        assert!(files.take_undeletable(&ids[0]));
        assert!(!files.take_undeletable(&ids[0]));
        assert!(!files.take_undeletable(&ids[UNDELETABLE_MAX]));
    }

    #[test]
    fn nobody_is_thought_to_need_a_content_where_this_program_may_not_look() {
        let disk = Faulty::new();
        let files = Files::new(Box::new(disk.clone()), PathBuf::new(), Ids::new(1, 1));
        let id = files.ids.next(1);
        let [content, envelope] = [Suffix::Content, Suffix::Envelope]
            .map(|suffix| String::from_utf8(id.file_name(suffix)).unwrap());
        disk.plant_directory("lost+found", &[]);
        disk.plant_directory("alice", &[]);
        files.set_subdirectories(Some(vec![b"lost+found".to_vec(), b"alice".to_vec()]));
        disk.plant(&content, Kind::File, b"");
        disk.shut("lost+found");
        assert!(files.is_needed_below(&id), "the owner's relay may enter it");
        disk.set_owner("lost+found", 0);
        assert!(!files.is_needed_below(&id));
        // It has been told.
        assert!(!files.is_first_complaint(b"lost+found".to_vec()));
        disk.plant_directory("alice", &[envelope]);
        assert!(files.is_needed_below(&id));
        // Any other error is for now.
        disk.plant_directory("alice", &[]);
        disk.set_fault(Fault::Fail(1, io::ErrorKind::Other));
        assert!(files.is_needed_below(&id));
    }

    #[test]
    fn a_content_is_kept_if_it_is_not_known_who_needs_it() {
        let files = files();
        let id = files.ids.next(1);
        assert!(!files.is_needed_below(&id));
        files.set_subdirectories(Some(vec![b"gone".to_vec()]));
        assert!(!files.is_needed_below(&id));
        files.set_subdirectories(None);
        assert!(files.is_needed_below(&id));
    }
}
