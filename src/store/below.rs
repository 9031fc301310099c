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

use super::draft::Draft;
use super::error::{At, Error, Operation};
use super::files::Files;
use super::name::{StoredId, Suffix};
use super::real::{DIRECTORY_MODE, MODE};
use super::spool::{self, Spool};
use crate::base::ascii;
use crate::sys::file::{self, Directory, Kind, Metadata};
use crate::sys::process;

/// The most sub-directories that one message is copied into.
pub const COPIES_MAX: usize = 1000;

/// After how many seconds a copy that was never finished is taken to be left behind.
const LEFT_BEHIND_SECONDS: i64 = 10 * 60;

/// The most names of a mailbox that are looked at to find what was left behind.
const LEFT_BEHIND_MAX: usize = 100_000;

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
    Elsewhere(Arc<Directory>, PathBuf),
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

/// A copy of a message. Dropped before it is kept, it is removed.
pub struct Copy {
    directory: Directory,
    /// What log lines call the directory.
    shown: Vec<u8>,
    shape: Shape,
    state: State,
}

enum Shape {
    /// Content, unless it is shared, and envelope.
    Pair { id: StoredId, has_content: bool },
    /// `tmp` is the copy's directory, this is `new`.
    Maildir { new: Directory, name: Vec<u8> },
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
        write!(f, "Mailboxes({})", ascii::escape(self.shown()))
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
        let directory = Directory::open(path).at(Operation::OpenDirectory, name)?;
        let place = Place::Elsewhere(Arc::new(directory), path.to_owned());
        Ok(Mailboxes::new(place))
    }

    fn new(place: Place) -> Mailboxes {
        Mailboxes {
            place,
            tidied: Arc::default(),
        }
    }

    /// The names of all sub-directories but those that start with a dot, sorted.
    pub fn names(&self) -> Result<Vec<Vec<u8>>, Error> {
        let (directory, shown) = (self.directory()?, self.shown());
        let mut found = Vec::new();
        for name in directory.names().at(Operation::List, shown)? {
            let name = name.at(Operation::List, shown)?;
            let is_file = StoredId::parse_name(&name).is_some();
            if name.starts_with(b".") || is_file {
                continue;
            }
            let about = directory.metadata(&name);
            if !about.is_ok_and(|about| about.kind == Kind::Directory) {
                continue;
            }
            if found.len() == COPIES_MAX {
                let error = io::Error::other("too many sub-directories");
                return Err(error).at(Operation::List, shown);
            }
            found.push(name);
        }
        found.sort();
        Ok(found)
    }

    /// Makes a mailbox unless it is there.
    pub fn create(&self, name: &[u8]) -> Result<(), Error> {
        let directory = self.directory()?;
        match directory.create_subdirectory(name, DIRECTORY_MODE) {
            Ok(()) => directory.sync().at(Operation::SyncDirectory, self.shown()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error).at(Operation::CreateDirectory, name),
        }
    }

    /// Writes a copy of a message that nobody sees yet.
    pub fn copy(&self, mailbox: &[u8], draft: &Draft, way: Way) -> Result<Copy, Error> {
        let directory = self.directory()?;
        let box_directory = directory
            .open_subdirectory(mailbox)
            .at(Operation::OpenDirectory, mailbox)?;
        match maildir(&box_directory) {
            Some((tmp, new)) => Copy::to_maildir(tmp, new, mailbox, draft, way),
            None => {
                self.tidy(mailbox, &box_directory);
                if let Place::Spool(files) = &self.place {
                    files.note_subdirectory(mailbox);
                }
                Copy::to_mailbox(box_directory, mailbox, draft, way)
            }
        }
    }

    fn directory(&self) -> Result<&Directory, Error> {
        match &self.place {
            Place::Spool(files) => {
                let directory = files.fs.directory();
                directory.at(Operation::OpenDirectory, self.shown())
            }
            Place::Elsewhere(directory, _) => Ok(directory),
        }
    }

    fn shown(&self) -> &[u8] {
        let path = match &self.place {
            Place::Spool(files) => &files.path,
            Place::Elsewhere(_, path) => path,
        };
        path.as_os_str().as_encoded_bytes()
    }

    /// Removes what copies that were never finished have left in a mailbox, once in
    /// the life of this process.
    fn tidy(&self, mailbox: &[u8], directory: &Directory) {
        let mut tidied = self.tidied.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = tidied.len() < COPIES_MAX && tidied.insert(mailbox.to_vec());
        drop(tidied);
        if is_first && let Err(error) = tidy(directory, LEFT_BEHIND_SECONDS) {
            let mailbox = ascii::escape(mailbox);
            crate::warning!("cannot tidy {mailbox}: {}", crate::sys::reason(&error));
        }
    }
}

/// The two directories of a maildir that are written to, if it is one.
fn maildir(directory: &Directory) -> Option<(Directory, Directory)> {
    directory.open_subdirectory(b"cur").ok()?;
    let tmp = directory.open_subdirectory(b"tmp").ok()?;
    let new = directory.open_subdirectory(b"new").ok()?;
    Some((tmp, new))
}

/// Removes what has been there unfinished for so many seconds.
fn tidy(directory: &Directory, seconds: i64) -> io::Result<()> {
    for name in directory.names()?.take(LEFT_BEHIND_MAX) {
        let name = name?;
        let Some((id, suffix)) = StoredId::parse_name(&name) else {
            continue;
        };
        let is_unfinished = matches!(suffix, Suffix::EnvelopeNew | Suffix::ContentNew);
        if !id.is_ours() || !is_unfinished {
            continue;
        }
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
fn remove_orphan(directory: &Directory, id: &StoredId) -> io::Result<()> {
    let has = |suffix| directory.metadata(&id.file_name(suffix)).is_ok();
    let envelopes = [
        Suffix::Envelope,
        Suffix::EnvelopeBusy,
        Suffix::EnvelopeBad,
        Suffix::EnvelopeNew,
    ];
    match !envelopes.into_iter().any(has) && has(Suffix::Content) {
        true => directory.remove(&id.file_name(Suffix::Content)),
        false => Ok(()),
    }
}

impl Copy {
    fn to_mailbox(
        directory: Directory,
        mailbox: &[u8],
        draft: &Draft,
        way: Way,
    ) -> Result<Copy, Error> {
        let id = draft.id().clone();
        let copy = Copy {
            directory,
            shown: mailbox.to_vec(),
            shape: Shape::Pair {
                id: id.clone(),
                has_content: way != Way::Shared,
            },
            state: State::Written,
        };
        if way != Way::Shared {
            copy.give_content(&id.file_name(Suffix::ContentNew), draft, way)?;
        }
        let text = draft.print(&draft.envelope()?)?;
        copy.write(&id.file_name(Suffix::EnvelopeNew), |take| take(&text))?;
        Ok(copy)
    }

    fn to_maildir(
        tmp: Directory,
        new: Directory,
        mailbox: &[u8],
        draft: &Draft,
        way: Way,
    ) -> Result<Copy, Error> {
        let name = maildir_name();
        let copy = Copy {
            directory: tmp,
            shown: mailbox.to_vec(),
            shape: Shape::Maildir {
                new,
                name: name.clone(),
            },
            state: State::Written,
        };
        copy.give_content(&name, draft, way)?;
        Ok(copy)
    }

    fn give_content(&self, name: &[u8], draft: &Draft, way: Way) -> Result<(), Error> {
        let mut content = draft.content()?;
        if way == Way::Linked && self.link(name, draft)? {
            return content.sync();
        }
        self.write(name, |take| content.copy(take))
    }

    /// Gives the content another name here; false where that cannot be had.
    fn link(&self, name: &[u8], draft: &Draft) -> Result<bool, Error> {
        let Ok(spool) = draft.files.fs.directory() else {
            return Ok(false);
        };
        let from = draft.id().file_name(Suffix::Content);
        match spool.link_into(&from, &self.directory, name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.remove(name)?;
                Ok(spool.link_into(&from, &self.directory, name).is_ok())
            }
            linked => Ok(linked.is_ok()),
        }
    }

    /// Writes a file, in the place of one that an attempt that failed may have left.
    fn write(
        &self,
        name: &[u8],
        fill: impl FnOnce(&mut dyn FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let shown = self.name(name);
        let mut file = match self.directory.create_new(name, MODE) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.remove(name)?;
                self.directory.create_new(name, MODE)
            }
            result => result,
        }
        .at(Operation::Create, &shown)?;
        fill(&mut |octets| {
            let written = io::Write::write_all(&mut file, octets);
            written.at(Operation::Write, &shown)
        })?;
        file::sync(&file).at(Operation::Sync, &shown)
    }

    /// Gives the copy its final name, and that for good. An earlier copy of the
    /// same message, of an attempt that was made before, is replaced.
    pub(super) fn publish(&mut self) -> Result<(), Error> {
        self.state = State::Publishing;
        let result = match &self.shape {
            Shape::Pair { id, has_content } => {
                if *has_content {
                    self.rename(
                        &id.file_name(Suffix::ContentNew),
                        &id.file_name(Suffix::Content),
                    )?;
                }
                let (new, last) = (Suffix::EnvelopeNew, Suffix::Envelope);
                self.rename(&id.file_name(new), &id.file_name(last))?;
                self.directory.sync()
            }
            Shape::Maildir { new, name } => {
                let moved = self.directory.move_into(name, new, name);
                moved.at(Operation::Rename, &self.name(name))?;
                new.sync()
            }
        };
        self.state = State::Published;
        result.at(Operation::SyncDirectory, &self.shown)
    }

    pub(super) fn shares_content(&self) -> bool {
        matches!(self.shape, Shape::Pair { has_content, .. } if !has_content)
    }

    pub(super) fn keep(&mut self) {
        self.state = State::Kept;
    }

    fn rename(&self, from: &[u8], to: &[u8]) -> Result<(), Error> {
        let renamed = self.directory.rename(from, to);
        renamed.at(Operation::Rename, &self.name(from))?;
        // POSIX: where both are names of one file already, both stay.
        self.remove(from)
    }

    fn remove(&self, name: &[u8]) -> Result<(), Error> {
        match self.directory.remove(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result.at(Operation::Remove, &self.name(name)),
        }
    }

    fn name(&self, name: &[u8]) -> Vec<u8> {
        [&self.shown, b"/".as_slice(), name].concat()
    }

    /// Removes the envelope first, and the content only if that has worked.
    fn take_away(&self) -> Result<(), Error> {
        match &self.shape {
            Shape::Pair { id, has_content } => {
                let published = [Suffix::Envelope, Suffix::Content];
                let written = [Suffix::EnvelopeNew, Suffix::ContentNew];
                let parts = match self.state {
                    State::Published => published,
                    _ => written,
                };
                for (suffix, is_ours) in parts.into_iter().zip([true, *has_content]) {
                    if is_ours {
                        self.remove(&id.file_name(suffix))?;
                    }
                }
                if *has_content && self.state == State::Publishing {
                    // Of an earlier copy the envelope is there, and needs it.
                    let removed = remove_orphan(&self.directory, id);
                    return removed.at(Operation::Remove, &self.shown);
                }
                Ok(())
            }
            Shape::Maildir { new, name } => match self.state {
                State::Published => match new.remove(name) {
                    // It has been read, and moved.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                    result => result.at(Operation::Remove, &self.name(name)),
                },
                _ => self.remove(name),
            },
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
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let name = format!("relay-below-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        path
    }

    fn names(directory: &Directory) -> BTreeSet<String> {
        let names = directory.names().unwrap().map(Result::unwrap);
        names.map(|name| String::from_utf8(name).unwrap()).collect()
    }

    #[test]
    fn a_copy_that_is_published_by_half_is_taken_away() {
        let path = scratch("half");
        let directory = Directory::open(&path).unwrap();
        let name = "emailrelay.9.5.10000000009";
        let id = StoredId::parse(name.as_bytes()).unwrap();
        let half = || {
            std::fs::write(path.join(format!("{name}.content.new")), "x").unwrap();
            let mut copy = Copy {
                directory: Directory::open(&path).unwrap(),
                shown: b"alice".to_vec(),
                shape: Shape::Pair {
                    id: id.clone(),
                    has_content: true,
                },
                state: State::Written,
            };
            // There is no envelope that could get its name.
            copy.publish().unwrap_err();
        };
        half();
        assert_eq!(names(&directory), BTreeSet::new());
        // The envelope of an earlier copy keeps a content.
        let earlier = ["content", "envelope"].map(|suffix| format!("{name}.{suffix}"));
        for name in &earlier {
            std::fs::write(path.join(name), "x").unwrap();
        }
        half();
        assert_eq!(names(&directory), earlier.into());
        std::fs::remove_dir_all(&path).unwrap();
    }

    #[test]
    fn what_unfinished_copies_have_left_goes() {
        let path = scratch("left");
        let (ours, whole) = ("emailrelay.9.5.10000000009", "emailrelay.9.5.10000000010");
        let left_behind = [
            format!("{ours}.content"),
            format!("{ours}.envelope.new"),
            format!("{ours}.content.new"),
            format!("{whole}.envelope.new"),
        ];
        let others = [
            format!("{whole}.content"),
            format!("{whole}.envelope"),
            "emailrelay.9.5.1.envelope.new".to_owned(),
            "emailrelay.9.5.1.content".to_owned(),
            "emailrelay.9.5.10000000011.content".to_owned(),
        ];
        for name in left_behind.iter().chain(&others) {
            std::fs::write(path.join(name), "x").unwrap();
        }
        let directory = Directory::open(&path).unwrap();
        tidy(&directory, LEFT_BEHIND_SECONDS).unwrap();
        assert_eq!(names(&directory).len(), left_behind.len() + others.len());
        tidy(&directory, 0).unwrap();
        assert_eq!(names(&directory), others.into_iter().collect());
        std::fs::remove_dir_all(&path).unwrap();
    }
}
