//! What goes wrong with files.

use std::fmt;
use std::io;

use crate::base::ascii;
use crate::sys::reason;

/// What was attempted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Opening the spool directory, or one in it.
    OpenDirectory,
    /// Making a directory.
    CreateDirectory,
    /// Listing the spool directory.
    List,
    /// Making names survive a power cut.
    SyncDirectory,
    /// Giving a file to those who may work on the spool.
    Share,
    /// Making a new file.
    Create,
    /// Opening a file.
    Open,
    /// Writing to a file.
    Write,
    /// Making content survive a power cut.
    Sync,
    /// Reading from a file.
    Read,
    /// Asking about a file.
    Examine,
    /// Giving a file another name.
    Rename,
    /// Giving a file a second name.
    Link,
    /// Removing a file.
    Remove,
    /// Laying out an envelope.
    Compose,
}

impl Operation {
    fn verb(self) -> &'static str {
        match self {
            Operation::OpenDirectory => "open directory",
            Operation::CreateDirectory => "create directory",
            Operation::List => "list directory",
            Operation::SyncDirectory => "sync directory",
            Operation::Share => "share",
            Operation::Create => "create",
            Operation::Open => "open",
            Operation::Write => "write",
            Operation::Sync => "sync",
            Operation::Read => "read",
            Operation::Examine => "examine",
            Operation::Rename => "rename",
            Operation::Link => "link",
            Operation::Remove => "remove",
            Operation::Compose => "compose",
        }
    }
}

/// A file operation that failed.
#[derive(Debug)]
pub struct Error {
    /// What was attempted.
    pub operation: Operation,
    /// On which file, by its name in the spool directory; or the directory's path.
    pub name: Vec<u8>,
    /// Why it failed.
    pub source: io::Error,
}

impl Error {
    /// Whether there was no room for what was to be written.
    pub fn is_full(&self) -> bool {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        matches!(
            self.source.kind(),
            StorageFull | QuotaExceeded | FileTooLarge
        )
    }

    /// Whether the file does not exist.
    pub fn is_missing(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }

    /// Whether something has the new name already.
    pub(super) fn is_taken(&self) -> bool {
        self.source.kind() == io::ErrorKind::AlreadyExists
    }

    /// The same error once more, for each message of a group that it befell.
    pub(super) fn repeat(&self) -> Error {
        let source = match self.source.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::new(self.source.kind(), self.source.to_string()),
        };
        Error {
            operation: self.operation,
            name: self.name.clone(),
            source,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (verb, name) = (self.operation.verb(), ascii::escape(&self.name));
        write!(f, "cannot {verb} {name}: {}", reason(&self.source))
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Says of an `io::Result` what was attempted, and on which file.
pub(super) trait At<T> {
    /// Names the operation and the file.
    fn at(self, operation: Operation, name: &[u8]) -> Result<T, Error>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, operation: Operation, name: &[u8]) -> Result<T, Error> {
        self.map_err(|source| Error {
            operation,
            name: name.to_vec(),
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_failed_on_what_and_why() {
        let source = io::Error::from(io::ErrorKind::PermissionDenied);
        let error = Err::<(), _>(source)
            .at(Operation::Rename, b"x\n.envelope")
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot rename x\\n.envelope: permission denied"
        );
        assert_eq!(error.repeat().to_string(), error.to_string());
        assert!(!error.is_full());
    }

    #[test]
    fn knows_when_there_is_no_room() {
        for kind in [
            io::ErrorKind::StorageFull,
            io::ErrorKind::QuotaExceeded,
            io::ErrorKind::FileTooLarge,
        ] {
            let full = Err::<(), _>(io::Error::from(kind)).at(Operation::Write, b"x");
            assert!(full.unwrap_err().is_full());
        }
    }
}
