//! Copying a message's envelope into all sub-directories, where POP users and other
//! programs find it; the content stays where it is, for all of them.
//!
//! The content and all copies are written and synced before the first gets its name, and all have
//! their names for good before the original is removed. If anything fails before
//! that the copies are taken away again.

use std::io::{self, Read, Write};
use std::path::Path;

use super::envelope::ENVELOPE_OCTETS_MAX;
use super::error::{At, Error, Operation};
use super::name::{StoredId, Suffix};
use super::real::MODE;
use super::scan::SUBDIRECTORIES_MAX;
use crate::sys::file::{self, Directory, Kind};

/// A message whose envelope is in all sub-directories for good.
#[derive(Debug)]
pub struct Scattered {
    /// How many copies there are.
    pub copies: usize,
    /// Whether the original is gone.
    pub removed: Result<(), Error>,
}

/// Copies the envelope of that suffix from the directory at that path into all of
/// its sub-directories, and removes it. After an error nothing has changed, as far
/// as the disk still obeys. Nobody else may have the message in hand.
pub fn scatter(path: &Path, id: &StoredId, suffix: Suffix) -> Result<Scattered, Error> {
    let shown = path.as_os_str().as_encoded_bytes();
    let spool = Directory::open(path).at(Operation::OpenDirectory, shown)?;
    let name = id.file_name(Suffix::Content);
    // What filters have put in its place may not be on the disk yet.
    let content = spool.open_read(&name).at(Operation::Open, &name)?;
    file::sync(&content).at(Operation::Sync, &name)?;
    drop(content);
    let text = read(&spool, &id.file_name(suffix))?;
    let subdirectories = subdirectories(&spool, shown)?;
    if subdirectories.is_empty() {
        let error = io::Error::other("no sub-directories to copy into: check permissions");
        return Err(error).at(Operation::List, shown);
    }
    let mut copies = Vec::new();
    for subdirectory in &subdirectories {
        copies.push(Copy::write(&spool, subdirectory, id, &text)?);
    }
    for copy in &mut copies {
        copy.publish(id)?;
    }
    for copy in &copies {
        let synced = copy.directory.sync();
        synced.at(Operation::SyncDirectory, copy.subdirectory)?;
    }
    copies.iter_mut().for_each(|copy| copy.stays = true);
    let name = id.file_name(suffix);
    let removed = spool.remove(&name).and_then(|()| spool.sync());
    Ok(Scattered {
        copies: copies.len(),
        removed: removed.at(Operation::Remove, &name),
    })
}

fn read(spool: &Directory, name: &[u8]) -> Result<Vec<u8>, Error> {
    let mut text = Vec::new();
    let file = spool.open_read(name).at(Operation::Open, name)?;
    let mut bounded = file.take(ENVELOPE_OCTETS_MAX as u64 + 1);
    bounded.read_to_end(&mut text).at(Operation::Read, name)?;
    match text.len() > ENVELOPE_OCTETS_MAX {
        true => Err(io::Error::other("envelope too long")).at(Operation::Read, name),
        false => Ok(text),
    }
}

/// The names of all sub-directories that this program may enter, those that start with
/// a dot, too.
fn subdirectories(spool: &Directory, shown: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    let mut found = Vec::new();
    for name in spool.names().at(Operation::List, shown)? {
        let name = name.at(Operation::List, shown)?;
        // The names of most files tell that they are none.
        let is_file = StoredId::parse_name(&name).is_some();
        let is_directory = |name: &[u8]| {
            let metadata = spool.metadata(name);
            metadata.is_ok_and(|metadata| metadata.kind == Kind::Directory)
        };
        if is_file || !is_directory(&name) {
            continue;
        }
        if let Err(error) = spool.open_subdirectory(&name)
            && error.kind() == io::ErrorKind::PermissionDenied
        {
            continue;
        }
        if found.len() == SUBDIRECTORIES_MAX {
            let error = io::Error::other("too many sub-directories");
            return Err(error).at(Operation::List, shown);
        }
        found.push(name);
    }
    found.sort();
    Ok(found)
}

/// A copy of an envelope. Dropped, it is removed, unless it is to stay.
struct Copy<'a> {
    directory: Directory,
    subdirectory: &'a [u8],
    name: Vec<u8>,
    stays: bool,
}

impl<'a> Copy<'a> {
    fn write(
        spool: &Directory,
        subdirectory: &'a [u8],
        id: &StoredId,
        text: &[u8],
    ) -> Result<Copy<'a>, Error> {
        let directory = spool.open_subdirectory(subdirectory);
        let directory = directory.at(Operation::OpenDirectory, subdirectory)?;
        let name = id.file_name(Suffix::EnvelopeNew);
        let shown = [subdirectory, b"/", &name].concat();
        let mut file = match directory.create_new(&name, MODE) {
            // One may be left of an attempt that was cut short.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                directory.remove(&name).at(Operation::Remove, &shown)?;
                directory.create_new(&name, MODE)
            }
            result => result,
        }
        .at(Operation::Create, &shown)?;
        let copy = Copy {
            directory,
            subdirectory,
            name,
            stays: false,
        };
        file.write_all(text).at(Operation::Write, &shown)?;
        file::sync(&file).at(Operation::Sync, &shown)?;
        Ok(copy)
    }

    /// Gives the copy its name. One of an attempt that was cut short is replaced.
    fn publish(&mut self, id: &StoredId) -> Result<(), Error> {
        let name = id.file_name(Suffix::Envelope);
        let renamed = self.directory.rename(&self.name, &name);
        renamed.at(
            Operation::Rename,
            &[self.subdirectory, b"/", &self.name].concat(),
        )?;
        self.name = name;
        Ok(())
    }
}

impl Drop for Copy<'_> {
    fn drop(&mut self) {
        if !self.stays
            && let Err(error) = self.directory.remove(&self.name)
        {
            let shown = [self.subdirectory, b"/", &self.name].concat();
            let shown = crate::base::ascii::escape(&shown);
            crate::warning!("cannot remove {shown}: {}", crate::sys::reason(&error));
        }
    }
}
