//! What goes wrong, and how callers of `sendmail` are told.

use crate::store;

/// What kind of problem it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The arguments are wrong.
    Usage,
    /// The message is wrong.
    Data,
    /// There is nothing to read the message from.
    NoInput,
    /// Something is not offered here.
    Unavailable,
    /// The system does not do what it is asked.
    System,
    /// Reading or writing has failed.
    InputOutput,
    /// It may work later.
    Temporary,
    /// What the caller says is no SMTP.
    Protocol,
    /// The caller may not do that.
    Permission,
    /// The spool is not as it should be.
    Configuration,
}

impl Kind {
    /// The exit status of `sysexits.h`, which callers of sendmail know.
    pub(super) fn sysexit(self) -> u8 {
        match self {
            Kind::Usage => 64,
            Kind::Data => 65,
            Kind::NoInput => 66,
            Kind::Unavailable => 69,
            Kind::System => 71,
            Kind::InputOutput => 74,
            Kind::Temporary => 75,
            Kind::Protocol => 76,
            Kind::Permission => 77,
            Kind::Configuration => 78,
        }
    }
}

/// Why a message is not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) kind: Kind,
    pub(super) text: String,
}

impl Problem {
    pub(super) fn new(kind: Kind, text: impl Into<String>) -> Problem {
        let text = text.into();
        Problem { kind, text }
    }

    pub(super) fn usage(text: impl Into<String>) -> Problem {
        Problem::new(Kind::Usage, text)
    }

    pub(super) fn data(text: impl Into<String>) -> Problem {
        Problem::new(Kind::Data, text)
    }

    /// A file operation in the spool that failed. What the caller may not do will
    /// not work later, either.
    pub(super) fn of_store(kind: Kind, error: &store::Error) -> Problem {
        let kind = match error.source.kind() {
            std::io::ErrorKind::PermissionDenied => Kind::Permission,
            _ => kind,
        };
        let text = match error.operation {
            store::Operation::OpenDirectory => format!("invalid spool directory: {error}"),
            _ => error.to_string(),
        };
        Problem { kind, text }
    }
}
