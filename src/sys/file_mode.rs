//! What the system knows about a file beyond what std says everywhere.

use std::fs::Metadata;
use std::time::SystemTime;

use super::platform::file_mode as platform;

/// A state of a file: another one means that the file, or what it is called, was
/// changed. That is no promise the other way round: two changes within one tick
/// of the file system's clock may look the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
    /// The device, the file's number on it, and when its state was changed; zeros
    /// where there is no such thing.
    identity: [i128; 4],
}

/// The state of the file.
pub fn stamp(metadata: &Metadata) -> Stamp {
    Stamp {
        length: metadata.len(),
        modified: metadata.modified().ok(),
        identity: platform::identity(metadata),
    }
}

/// The permissions of the file as a mode, if its group or others may read or
/// write it; nothing where there are no modes.
pub fn exposed_mode(metadata: &Metadata) -> Option<u32> {
    platform::mode(metadata).filter(|mode| mode & 0o066 != 0)
}
