//! What is in the spool, for people and programs that watch it.
//!
//! A queue is one reading of the directory. It takes no locks, and looking at a
//! message changes nothing; what has changed since is told when it is looked at.
//! Envelopes are read as hostile input: only regular files, a bounded number of
//! octets, and what cannot be read is told as such.

use std::sync::Arc;

use super::change::{self, Change, Outcome};
use super::envelope::Envelope;
use super::error::{At, Error, Operation};
use super::files::{Files, Found, read_envelope};
use super::fs::{File, Kind};
use super::name::{StoredId, Suffix};
use super::scan::Listing;
use super::scatter::Scattered;
use crate::base::OneLine;

/// How a message stands, as the name of its envelope says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// It is being stored, and not acknowledged yet.
    New,
    /// It waits to be forwarded.
    Ready,
    /// It is being forwarded.
    Busy,
    /// The operator keeps it from being forwarded.
    Held,
    /// It has failed.
    Bad,
    /// A copy for local recipients waits for the program that serves them.
    Local,
}

impl State {
    /// All states.
    pub const ALL: [State; 6] = [
        State::New,
        State::Ready,
        State::Busy,
        State::Held,
        State::Bad,
        State::Local,
    ];

    /// The suffix of an envelope in this state.
    pub fn suffix(self) -> Suffix {
        match self {
            State::New => Suffix::EnvelopeNew,
            State::Ready => Suffix::Envelope,
            State::Busy => Suffix::EnvelopeBusy,
            State::Held => Suffix::EnvelopeHold,
            State::Bad => Suffix::EnvelopeBad,
            State::Local => Suffix::EnvelopeLocal,
        }
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            State::New => "new",
            State::Ready => "ready",
            State::Busy => "busy",
            State::Held => "held",
            State::Bad => "bad",
            State::Local => "local",
        }
    }

    /// The suffix of the content that goes with such an envelope.
    fn content(self) -> Suffix {
        match self {
            State::Local => Suffix::ContentLocal,
            _ => Suffix::Content,
        }
    }
}

/// A message in a state. One id may come in several, after mishaps and with
/// copies for local recipients.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The message.
    pub id: StoredId,
    /// How it stands.
    pub state: State,
}

/// What is known of a message besides its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    /// Its envelope, or why that cannot be read.
    pub envelope: Result<Envelope, OneLine>,
    /// The size of its content; nothing if there is no such file.
    pub octets: Option<u64>,
    /// When it arrived, in seconds since 1970: as its id tells, or else when its
    /// envelope was written.
    pub arrived: i64,
}

/// The messages that one reading of the directory has found.
pub struct Queue {
    files: Arc<Files>,
    entries: Vec<Entry>,
    is_complete: bool,
}

/// The content of a message, open for reading.
pub struct Content {
    file: Box<dyn File>,
    name: Vec<u8>,
}

impl Queue {
    pub(super) fn read(files: &Arc<Files>) -> Result<Queue, Error> {
        let listing = Listing::read(files)?;
        let is_complete = !listing.overflow;
        let state_of = |bit| {
            let is_meant = |state: &State| state.suffix().bit() == bit;
            State::ALL.into_iter().find(is_meant)
        };
        let found = listing.files.into_iter().filter_map(|(id, bit)| {
            let state = state_of(bit)?;
            Some(Entry { id, state })
        });
        let mut entries: Vec<_> = found.collect();
        entries.sort();
        // A name that changes while the directory is read may come twice.
        entries.dedup();
        Ok(Queue {
            files: Arc::clone(files),
            entries,
            is_complete,
        })
    }

    /// The messages, oldest first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether these are all messages; false if there are more than can be told.
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// The states in which a message was found.
    pub fn find(&self, id: &StoredId) -> &[Entry] {
        let start = self.entries.partition_point(|entry| entry.id < *id);
        let rest = self.entries.get(start..).unwrap_or_default();
        let length = rest.partition_point(|entry| entry.id == *id);
        rest.get(..length).unwrap_or_default()
    }

    /// Looks at a message; nothing if it is no longer in that state.
    pub fn inspect(&self, entry: &Entry) -> Result<Option<Details>, Error> {
        let Entry { id, state } = entry;
        let suffix = state.suffix();
        let Some(metadata) = self.files.metadata(id, suffix)? else {
            return Ok(None);
        };
        let envelope = match self.files.find(id, suffix) {
            Ok(Found::File(mut file)) => read(file.as_mut(), &id.file_name(suffix)),
            Ok(Found::Missing) => return Ok(None),
            Ok(Found::Odd) => Err(OneLine::escaped("not a regular file")),
            Ok(Found::Held) => Err(OneLine::escaped("cannot be opened at the moment")),
            Err(error) => Err(OneLine::escaped(error.to_string())),
        };
        let content = self.files.metadata(id, state.content())?;
        let content = content.filter(|content| content.kind == Kind::File);
        Ok(Some(Details {
            envelope,
            octets: content.map(|content| content.octets),
            arrived: id.seconds().unwrap_or(metadata.modified),
        }))
    }

    /// Opens the content of a message; nothing if there is no such file.
    pub fn content(&self, entry: &Entry) -> Result<Option<Content>, Error> {
        let suffix = entry.state.content();
        Ok(match self.files.find(&entry.id, suffix)? {
            Found::File(file) => Some(Content {
                file,
                name: entry.id.file_name(suffix),
            }),
            Found::Missing | Found::Odd | Found::Held => None,
        })
    }

    /// Changes the state of a message, if nobody else has it in hand. What was
    /// done survives a power cut after [`Queue::sync`].
    pub fn change(&self, entry: &Entry, change: Change) -> Result<Outcome, Error> {
        change::change(&self.files, entry, change)
    }

    /// Copies the envelope of a ready message into all sub-directories, for good,
    /// and removes it, if nobody else has the message in hand.
    pub fn scatter(&self, entry: &Entry) -> Result<Result<Scattered, Outcome>, Error> {
        change::scatter_ready(&self.files, entry)
    }

    /// Makes the changes survive a power cut.
    pub fn sync(&self) -> Result<(), Error> {
        self.files.sync()
    }
}

impl Content {
    /// Reads on; zero octets at the end.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        self.file.read(buffer).at(Operation::Read, &self.name)
    }
}

/// Reads an envelope.
pub(super) fn read(file: &mut dyn File, name: &[u8]) -> Result<Envelope, OneLine> {
    let text = read_envelope(file, name).map_err(|error| OneLine::escaped(error.to_string()))?;
    Envelope::parse(&text)
        .map_err(|error| OneLine::escaped(format!("cannot read envelope file: {error}")))
}
