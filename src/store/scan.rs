//! One reading of the directory: what is ready, and what looks left behind.
//!
//! A listing is a hint only. Names change while it is read, so whoever acts on it
//! looks again, with locks held.

use std::collections::BinaryHeap;

use super::error::{At, Error, Operation};
use super::files::Files;
use super::fs::Kind;
use super::name::{StoredId, Suffix};

/// How many messages one scan gives at most: the oldest ones.
pub const READY_MAX: usize = 100_000;

/// How many files that may have been left behind are looked at in one scan.
pub(super) const SUSPECTS_MAX: usize = 10_000;

/// How many contents and envelopes are compared to find contents without an
/// envelope; in a larger spool they are not looked for.
pub(super) const FILES_MAX: usize = 400_000;

/// How many names that are not a message's are looked at to find sub-directories.
/// With more no content is ever removed, as one of them may need it.
pub(super) const SUBDIRECTORIES_MAX: usize = 1000;

/// The names in the directory, sorted out.
#[derive(Default)]
pub(super) struct Listing {
    /// The oldest messages that are ready, the youngest of them on top.
    ready: BinaryHeap<StoredId>,
    /// Where only messages after one are asked for: that one, and how many.
    after: Option<(StoredId, usize)>,
    /// Envelopes in a state that should not last.
    pub(super) suspects: Vec<(StoredId, Suffix)>,
    /// Each content and envelope: the id and the suffix's bit.
    pub(super) files: Vec<(StoredId, u16)>,
    /// Whether some of these had no place.
    pub(super) overflow: bool,
    /// Names that are not those of a message's file.
    others: Vec<Vec<u8>>,
}

impl Listing {
    /// Reads the directory, and learns which sub-directories there are.
    pub(super) fn read(files: &Files) -> Result<Listing, Error> {
        let mut listing = Listing::default();
        listing.read_names(files)?;
        listing.suspects.sort();
        files.set_subdirectories(listing.subdirectories(files));
        Ok(listing)
    }

    /// Reads the directory for messages that are ready and come after that one.
    pub(super) fn read_after(files: &Files, last: &StoredId, max: usize) -> Result<Listing, Error> {
        let mut listing = Listing {
            after: Some((last.clone(), max)),
            ..Listing::default()
        };
        listing.read_names(files)?;
        Ok(listing)
    }

    fn read_names(&mut self, files: &Files) -> Result<(), Error> {
        let path = files.path.as_os_str().as_encoded_bytes();
        files
            .fs
            .names(&mut |name| self.add(name))
            .at(Operation::List, path)
    }

    /// Adds a message that has become ready.
    pub(super) fn add_ready(&mut self, id: StoredId) {
        let max = self.after.as_ref().map_or(READY_MAX, |(_, max)| *max);
        // Most names of a long queue are too young, and not worth a push.
        let is_full = self.ready.len() >= max.min(READY_MAX);
        if is_full && self.ready.peek().is_none_or(|youngest| *youngest <= id) {
            return;
        }
        self.ready.push(id);
        if is_full {
            self.ready.pop();
        }
    }

    /// The messages that are ready, oldest first.
    pub(super) fn into_ready(self) -> Vec<StoredId> {
        let mut ready = self.ready.into_sorted_vec();
        // A name that changes while the directory is read may come twice.
        ready.dedup();
        ready
    }

    /// The contents without any envelope but perhaps that of complete copies for
    /// local recipients.
    pub(super) fn take_orphans(&mut self) -> Vec<StoredId> {
        let mut files = std::mem::take(&mut self.files);
        if self.overflow {
            return Vec::new();
        }
        files.sort();
        let content = Suffix::Content.bit();
        let beside_copies = content | Suffix::ContentLocal.bit() | Suffix::EnvelopeLocal.bit();
        let all = |group: &[(StoredId, u16)]| group.iter().fold(0, |bits, (_, bit)| bits | bit);
        files
            .chunk_by(|left, right| left.0 == right.0)
            .filter(|group| [content, beside_copies].contains(&all(group)))
            .filter_map(|group| group.first().map(|(id, _)| id.clone()))
            .take(SUSPECTS_MAX)
            .collect()
    }

    fn add(&mut self, name: &[u8]) {
        let Some((id, suffix)) = StoredId::parse_name(name) else {
            push(&mut self.others, name.to_vec(), SUBDIRECTORIES_MAX + 1);
            return;
        };
        if let Some((last, _)) = &self.after {
            if suffix == Suffix::Envelope && id > *last {
                self.add_ready(id);
            }
            return;
        }
        self.overflow |= !push(&mut self.files, (id.clone(), suffix.bit()), FILES_MAX);
        match suffix {
            Suffix::Envelope => self.add_ready(id),
            Suffix::ContentNew
            | Suffix::EnvelopeNew
            | Suffix::EnvelopeBusy
            | Suffix::EnvelopeBusyTmp
            | Suffix::ContentLocalNew
            | Suffix::EnvelopeLocalNew => {
                // Those that find no place now will find one in another scan.
                push(&mut self.suspects, (id, suffix), SUSPECTS_MAX);
            }
            Suffix::Content
            | Suffix::EnvelopeBad
            | Suffix::EnvelopeHold
            | Suffix::ContentLocal
            | Suffix::EnvelopeLocal => {}
        }
    }

    fn subdirectories(&mut self, files: &Files) -> Option<Vec<Vec<u8>>> {
        let mut others = std::mem::take(&mut self.others);
        if others.len() > SUBDIRECTORIES_MAX {
            return None;
        }
        others.retain(|name| {
            let metadata = files.fs.metadata(name);
            metadata.is_ok_and(|metadata| metadata.kind == Kind::Directory)
        });
        Some(others)
    }
}

/// Adds an item if there are fewer than `max`.
fn push<T>(items: &mut Vec<T>, item: T, max: usize) -> bool {
    let fits = items.len() < max;
    if fits {
        items.push(item);
    }
    fits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> StoredId {
        StoredId::parse(format!("emailrelay.1.{number}.1").as_bytes()).unwrap()
    }

    #[test]
    fn gives_the_oldest_in_order_and_once() {
        let mut listing = Listing::default();
        for number in (0..READY_MAX + 10).rev() {
            listing.add(&id(number).file_name(Suffix::Envelope));
        }
        listing.add(&id(5).file_name(Suffix::Envelope));
        let ready = listing.into_ready();
        assert_eq!(ready.first(), Some(&id(0)));
        assert_eq!(ready.last(), Some(&id(READY_MAX - 2)));
        assert_eq!(ready.len(), READY_MAX - 1);
    }

    #[test]
    fn goes_on_after_a_message() {
        let mut listing = Listing {
            after: Some((id(10), 3)),
            ..Listing::default()
        };
        for number in (0..20).rev() {
            listing.add(&id(number).file_name(Suffix::Envelope));
            listing.add(&id(number).file_name(Suffix::Content));
            listing.add(&id(number + 100).file_name(Suffix::EnvelopeBusy));
        }
        assert!(listing.suspects.is_empty() && listing.files.is_empty());
        assert_eq!(listing.into_ready(), [id(11), id(12), id(13)]);
    }

    #[test]
    fn finds_contents_without_envelope() {
        let mut listing = Listing::default();
        for number in 1..=14 {
            listing.add(&id(number).file_name(Suffix::Content));
        }
        for (number, suffix) in Suffix::ALL.into_iter().enumerate() {
            listing.add(&id(number + 1).file_name(suffix));
        }
        listing.add(&id(14).file_name(Suffix::ContentLocal));
        listing.add(&id(14).file_name(Suffix::EnvelopeLocal));
        // The first of all suffixes is that of a content.
        assert_eq!(listing.take_orphans(), [id(1), id(13), id(14)]);
        assert_eq!(listing.suspects.len(), 6);
    }

    #[test]
    fn does_not_judge_by_half_a_listing() {
        let mut listing = Listing::default();
        for number in 0..=FILES_MAX {
            listing.add(&id(number).file_name(Suffix::Content));
        }
        assert_eq!(listing.take_orphans(), []);
        for number in 0..SUSPECTS_MAX + 5 {
            listing.add(&id(number).file_name(Suffix::EnvelopeBusy));
        }
        assert_eq!(listing.suspects.len(), SUSPECTS_MAX);
    }
}
