//! Copies of messages in sub-directories: the mailboxes of POP users and of local
//! recipients, and what other programs take mail from.
//!
//! A mailbox has either the same two files as the spool directory, or it is a
//! maildir, with `tmp`, `new` and `cur`. Names are single path components, and no
//! symbolic link is followed.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::companions::Companion;
use super::draft::Draft;
use super::error::{At, Error, Operation};
use super::files::{ENVELOPES_BELOW, Files};
use super::fs::{Fs, Kind, Metadata, has_name};
use super::name::{StoredId, Suffix};
use super::real::RealFs;
use super::spool::{self, Spool};
use crate::base::ascii;
use crate::sys::process;

/// The most sub-directories that one message is copied into.
pub const COPIES_MAX: usize = 1000;

/// After how many seconds a copy that was never finished is taken to be left behind.
const LEFT_BEHIND_SECONDS: i64 = 10 * 60;

/// The most names of a directory that are looked at to find mailboxes, or what was left
/// behind.
const NAMES_MAX: usize = 100_000;

/// The directory of a maildir in which mail is written.
const TMP: &[u8] = b"tmp";

/// The one in which it is found.
const NEW: &[u8] = b"new";

/// A directory with mailboxes in it. Clones share what is known about it.
#[derive(Clone)]
pub struct Mailboxes {
    place: Place,
    /// Those in which nothing of a dead process is left.
    tidied: Arc<Mutex<BTreeSet<Vec<u8>>>>,
}

#[derive(Clone)]
enum Place {
    /// The spool directory itself.
    Spool(Arc<Files>),
    Elsewhere(Arc<dyn Fs>, PathBuf),
}

/// How a copy comes to its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// As a file of its own.
    Copied,
    /// As another name of the message's, where that can be had.
    Linked,
    /// Not at all: the content is where it was, for the envelopes of all.
    Shared,
}

/// A copy of a message. Dropped before it is kept, it is removed. Nothing of it is kept
/// open, since a message may have very many.
pub struct Copy {
    place: Place,
    mailbox: Vec<u8>,
    /// Which directory that is, by whatever path.
    identity: (u64, u64),
    shape: Shape,
    state: State,
}

enum Shape {
    /// Content, unless it is shared, and envelope.
    Pair { id: StoredId, has_content: bool },
    /// One file, in `tmp` or `new`.
    Maildir { name: Vec<u8> },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Written,
    /// Some of it may have its final name.
    Publishing,
    Published,
    Kept,
}

impl fmt::Debug for Mailboxes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mailboxes({})", ascii::escape(self.place.shown()))
    }
}

impl Spool {
    /// The mailboxes in the spool directory.
    pub fn mailboxes(&self) -> Mailboxes {
        Mailboxes::new(Place::Spool(self.files()))
    }
}

impl Mailboxes {
    /// The mailboxes in another directory.
    pub fn open(path: &Path) -> Result<Mailboxes, Error> {
        let name = path.as_os_str().as_encoded_bytes();
        let directory = RealFs::open(path).at(Operation::OpenDirectory, name)?;
        Ok(Mailboxes::elsewhere(Arc::new(directory), path))
    }

    pub(super) fn elsewhere(directory: Arc<dyn Fs>, path: &Path) -> Mailboxes {
        Mailboxes::new(Place::Elsewhere(directory, path.to_owned()))
    }

    fn new(place: Place) -> Mailboxes {
        Mailboxes {
            place,
            tidied: Arc::default(),
        }
    }

    /// The names of all sub-directories, sorted, but for those that start with a dot or
    /// that this program may not enter.
    pub fn names(&self) -> Result<Vec<Vec<u8>>, Error> {
        let (directory, shown) = (self.place.fs(), self.place.shown());
        let mut others = Vec::new();
        let mut visit = |name: &[u8]| {
            let is_file = StoredId::parse_name(name).is_some();
            if !name.starts_with(b".") && !is_file && others.len() <= NAMES_MAX {
                others.push(name.to_vec());
            }
        };
        directory.names(&mut visit).at(Operation::List, shown)?;
        let is_mailbox = |name: &Vec<u8>| {
            let about = directory.metadata(name);
            about.is_ok_and(|about| about.kind == Kind::Directory) && !self.is_shut(name)
        };
        let are_too_many = others.len() > NAMES_MAX;
        others.retain(is_mailbox);
        if are_too_many || others.len() > COPIES_MAX {
            let error = io::Error::other("too many sub-directories");
            return Err(error).at(Operation::List, shown);
        }
        others.sort();
        Ok(others)
    }

    /// Makes a mailbox unless it is there.
    pub fn create(&self, name: &[u8]) -> Result<(), Error> {
        let directory = self.place.fs();
        match directory.create_subdirectory(name) {
            Ok(()) => directory
                .sync()
                .at(Operation::SyncDirectory, self.place.shown()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error).at(Operation::CreateDirectory, name),
        }
    }

    /// Writes copies of a message, one for each of these mailboxes, that nobody sees yet.
    pub fn copy_to<'a>(
        &self,
        mailboxes: impl IntoIterator<Item = &'a [u8]>,
        draft: &Draft,
        way: Way,
    ) -> Result<Vec<Companion>, Error> {
        let mut copies = Vec::new();
        for mailbox in mailboxes {
            let copy = self.copy(mailbox, draft, way, &copies)?;
            copies.extend(copy.map(Companion::Copy));
        }
        Ok(copies)
    }

    /// None where one of the earlier copies is to appear, or that of an earlier filter,
    /// whose files it would replace: where names are the same in any case, two of them
    /// may be those of one mailbox.
    fn copy(
        &self,
        mailbox: &[u8],
        draft: &Draft,
        way: Way,
        earlier: &[Companion],
    ) -> Result<Option<Copy>, Error> {
        let about = self.place.fs().metadata(mailbox);
        let identity = about.at(Operation::OpenDirectory, mailbox)?.identity;
        let is_served = earlier
            .iter()
            .any(|companion| companion.is_copy_in(identity));
        if is_served || draft.files.held.has_copy_in(draft.id(), identity) {
            return Ok(None);
        }
        let directory = self.place.open(mailbox)?;
        let copy = |shape| Copy {
            place: self.place.clone(),
            mailbox: mailbox.to_vec(),
            identity,
            shape,
            state: State::Written,
        };
        if is_maildir(directory.as_ref()).at(Operation::Examine, mailbox)? {
            let name = maildir_name();
            let copy = copy(Shape::Maildir { name: name.clone() });
            copy.give_content(copy.part(TMP)?.as_ref(), &name, draft, way)?;
            return Ok(Some(copy));
        }
        self.tidy(mailbox, directory.as_ref());
        if let Place::Spool(files) = &self.place {
            files.note_subdirectory(mailbox);
        }
        let id = draft.id().clone();
        let has_content = way != Way::Shared;
        let copy = copy(Shape::Pair { id, has_content });
        copy.write_pair(directory.as_ref(), draft, way)?;
        Ok(Some(copy))
    }

    fn is_shut(&self, name: &[u8]) -> bool {
        match (&self.place, self.place.fs().open_subdirectory(name)) {
            (Place::Spool(files), Err(error)) => files.is_shut(name, &error),
            _ => false,
        }
    }

    /// Removes what copies that were never finished have left in a mailbox, once in
    /// the life of this process.
    fn tidy(&self, mailbox: &[u8], directory: &dyn Fs) {
        let mut tidied = self.tidied.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = tidied.len() < COPIES_MAX && tidied.insert(mailbox.to_vec());
        drop(tidied);
        if is_first && let Err(error) = tidy(directory, LEFT_BEHIND_SECONDS) {
            let mailbox = ascii::escape(mailbox);
            crate::warning!("cannot tidy {mailbox}: {}", crate::sys::reason(&error));
        }
    }
}

impl Place {
    fn fs(&self) -> &dyn Fs {
        match self {
            Place::Spool(files) => files.fs.as_ref(),
            Place::Elsewhere(directory, _) => directory.as_ref(),
        }
    }

    fn shown(&self) -> &[u8] {
        let path = match self {
            Place::Spool(files) => &files.path,
            Place::Elsewhere(_, path) => path,
        };
        path.as_os_str().as_encoded_bytes()
    }

    fn open(&self, mailbox: &[u8]) -> Result<Box<dyn Fs>, Error> {
        let opened = self.fs().open_subdirectory(mailbox);
        opened.at(Operation::OpenDirectory, mailbox)
    }
}

/// Whether it has the three directories of a maildir. That this cannot be told is an
/// error: no reader of a maildir would find the files of a mailbox.
fn is_maildir(directory: &dyn Fs) -> io::Result<bool> {
    for name in [b"cur", TMP, NEW] {
        match directory.metadata(name) {
            Ok(about) if about.kind == Kind::Directory => {}
            Ok(_) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Removes what has been there unfinished for so many seconds.
fn tidy(directory: &dyn Fs, seconds: i64) -> io::Result<()> {
    let mut unfinished = Vec::new();
    let mut count = 0;
    directory.names(&mut |name| {
        count += 1;
        if let Some((id, suffix)) = StoredId::parse_name(name)
            && matches!(suffix, Suffix::EnvelopeNew | Suffix::ContentNew)
            && id.is_ours()
            && count <= NAMES_MAX
        {
            unfinished.push((id, suffix));
        }
    })?;
    for (id, suffix) in unfinished {
        let name = id.file_name(suffix);
        let about = directory.metadata(&name);
        if about.is_ok_and(|about| is_old(&about, seconds)) {
            directory.remove(&name)?;
            if suffix == Suffix::EnvelopeNew {
                remove_orphan(directory, &id)?;
            }
        }
    }
    Ok(())
}

fn is_old(about: &Metadata, seconds: i64) -> bool {
    let now = i64::try_from(spool::unix_seconds()).unwrap_or(i64::MAX);
    about.kind == Kind::File && now.saturating_sub(about.changed) >= seconds
}

/// Removes the content of a copy whose envelope never got its final name.
fn remove_orphan(directory: &dyn Fs, id: &StoredId) -> io::Result<()> {
    let has = |suffix| has_name(directory, &id.file_name(suffix));
    for suffix in ENVELOPES_BELOW.into_iter().chain([Suffix::EnvelopeNew]) {
        if has(suffix)? {
            return Ok(());
        }
    }
    match has(Suffix::Content)? {
        true => directory.remove(&id.file_name(Suffix::Content)),
        false => Ok(()),
    }
}

impl Copy {
    fn write_pair(&self, directory: &dyn Fs, draft: &Draft, way: Way) -> Result<(), Error> {
        let id = draft.id();
        if way != Way::Shared {
            self.give_content(directory, &id.file_name(Suffix::ContentNew), draft, way)?;
        }
        let text = draft.print(&draft.envelope()?)?;
        let name = id.file_name(Suffix::EnvelopeNew);
        self.write(directory, &name, |take| take(&text))
    }

    fn give_content(
        &self,
        directory: &dyn Fs,
        name: &[u8],
        draft: &Draft,
        way: Way,
    ) -> Result<(), Error> {
        let mut content = draft.content()?;
        if way == Way::Linked && self.link(directory, name, draft)? {
            return content.sync();
        }
        self.write(directory, name, |take| content.copy(take))
    }

    /// Gives the content another name here; false where that cannot be had.
    fn link(&self, directory: &dyn Fs, name: &[u8], draft: &Draft) -> Result<bool, Error> {
        let from = draft.id().file_name(Suffix::Content);
        let link = || draft.files.fs.link_into(&from, directory, name);
        match link() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.remove(directory, name)?;
                Ok(link().is_ok())
            }
            linked => Ok(linked.is_ok()),
        }
    }

    /// Writes a file, in the place of one that an attempt that failed may have left.
    fn write(
        &self,
        directory: &dyn Fs,
        name: &[u8],
        fill: impl FnOnce(&mut dyn FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let shown = self.name(name);
        let mut file = match directory.create_new(name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.remove(directory, name)?;
                directory.create_new(name)
            }
            result => result,
        }
        .at(Operation::Create, &shown)?;
        fill(&mut |octets| file.write_all(octets).at(Operation::Write, &shown))?;
        file.sync().at(Operation::Sync, &shown)
    }

    /// Opens the directory that the files are in, or one of a maildir's.
    fn part(&self, name: &[u8]) -> Result<Box<dyn Fs>, Error> {
        let directory = self.place.open(&self.mailbox)?;
        let opened = directory.open_subdirectory(name);
        opened.at(Operation::OpenDirectory, &self.name(name))
    }

    /// Gives the copy its final name, and that for good. An earlier copy of the
    /// same message, of an attempt that was made before, is replaced.
    pub(super) fn publish(&mut self) -> Result<(), Error> {
        self.state = State::Publishing;
        let result = match &self.shape {
            Shape::Pair { id, has_content } => {
                let directory = self.place.open(&self.mailbox)?;
                let rename = |from, to| {
                    self.rename(directory.as_ref(), &id.file_name(from), &id.file_name(to))
                };
                if *has_content {
                    rename(Suffix::ContentNew, Suffix::Content)?;
                }
                rename(Suffix::EnvelopeNew, Suffix::Envelope)?;
                directory.sync()
            }
            Shape::Maildir { name } => {
                let (tmp, new) = (self.part(TMP)?, self.part(NEW)?);
                let moved = tmp.move_into(name, new.as_ref(), name);
                moved.at(Operation::Rename, &self.name(name))?;
                new.sync()
            }
        };
        self.state = State::Published;
        result.at(Operation::SyncDirectory, &self.mailbox)
    }

    pub(super) fn is_in(&self, identity: (u64, u64)) -> bool {
        self.identity == identity
    }

    pub(super) fn shares_content(&self) -> bool {
        matches!(self.shape, Shape::Pair { has_content, .. } if !has_content)
    }

    pub(super) fn keep(&mut self) {
        self.state = State::Kept;
    }

    fn rename(&self, directory: &dyn Fs, from: &[u8], to: &[u8]) -> Result<(), Error> {
        let renamed = directory.rename(from, to);
        renamed.at(Operation::Rename, &self.name(from))?;
        // POSIX: where both are names of one file already, both stay.
        self.remove(directory, from)
    }

    /// Removes a file; one that has been read, and moved, is gone as well.
    fn remove(&self, directory: &dyn Fs, name: &[u8]) -> Result<(), Error> {
        match directory.remove(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result.at(Operation::Remove, &self.name(name)),
        }
    }

    fn name(&self, name: &[u8]) -> Vec<u8> {
        [&self.mailbox, b"/".as_slice(), name].concat()
    }

    /// Removes the envelope first, and the content only if that has worked.
    fn take_away(&self) -> Result<(), Error> {
        let is_published = self.state == State::Published;
        match &self.shape {
            Shape::Pair { id, has_content } => {
                let directory = self.place.open(&self.mailbox)?;
                let parts = match is_published {
                    true => [Suffix::Envelope, Suffix::Content],
                    false => [Suffix::EnvelopeNew, Suffix::ContentNew],
                };
                for (suffix, is_ours) in parts.into_iter().zip([true, *has_content]) {
                    if is_ours {
                        self.remove(directory.as_ref(), &id.file_name(suffix))?;
                    }
                }
                if *has_content && self.state == State::Publishing {
                    // Of an earlier copy the envelope is there, and needs it.
                    let removed = remove_orphan(directory.as_ref(), id);
                    return removed.at(Operation::Remove, &self.mailbox);
                }
                Ok(())
            }
            Shape::Maildir { name } => {
                let part = self.part(if is_published { NEW } else { TMP })?;
                self.remove(part.as_ref(), name)
            }
        }
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if self.state != State::Kept
            && let Err(error) = self.take_away()
        {
            crate::warning!("{error}");
        }
    }
}

/// A name that no other delivery has, here or on other hosts.
fn maildir_name() -> Vec<u8> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let elapsed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let elapsed = elapsed.unwrap_or_default();
    let host = process::host_name();
    // What would end the name, or be taken for its flags, as maildirs have it.
    let host = host.replace('/', "\\057").replace(':', "\\072");
    let (seconds, micros) = (elapsed.as_secs(), elapsed.subsec_micros());
    let process = std::process::id();
    format!("{seconds}.M{micros}P{process}Q{count}.{host}").into_bytes()
}

#[cfg(test)]
mod tests;
