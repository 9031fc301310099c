//! What can go wrong with TLS.

use std::fmt;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::config::{Backend, Version};
use crate::base::{OneLine, ascii};
use crate::sys;

/// Why TLS could not be set up, or why a connection cannot go on.
#[derive(Debug)]
pub enum Error {
    /// The library asked for is not part of this program.
    NotBuilt(Backend),
    /// No TLS library at all is part of this program.
    NoBackend,
    /// The library does not speak that version.
    Version {
        /// The library.
        backend: Backend,
        /// The version asked for.
        wanted: Version,
        /// What it speaks.
        spoken: RangeInclusive<Version>,
    },
    /// The lowest version allowed is above the highest.
    EmptyRange {
        /// The lowest.
        minimum: Version,
        /// The highest.
        maximum: Version,
    },
    /// A file of certificates or keys is of no use.
    File {
        /// Which file, or directory.
        path: PathBuf,
        /// What is wrong with it.
        fault: FileFault,
    },
    /// The certificate was made for another key.
    Mismatch {
        /// Where the certificate is.
        certificate: PathBuf,
        /// Where the key is.
        key: PathBuf,
    },
    /// Not a host name or address, so that no certificate can be for it.
    NotAName(OneLine),
    /// The library itself failed.
    Library {
        /// The library.
        backend: Backend,
        /// What it says.
        reason: OneLine,
    },
    /// The connection failed before it was secure.
    Handshake(OneLine),
    /// The connection failed after that.
    Connection(OneLine),
}

/// What is wrong with a file of certificates or keys.
#[derive(Debug)]
pub enum FileFault {
    /// It cannot be read.
    Read(io::Error),
    /// It is longer than any such file should be.
    TooLong,
    /// There are more files in the directory than are looked at.
    TooMany,
    /// It is not PEM.
    Malformed(&'static str),
    /// There is no certificate in it.
    NoCertificate,
    /// There is no private key in it.
    NoKey,
    /// The private key needs a passphrase, and nobody is there to give it.
    EncryptedKey,
    /// The library cannot use the key in it.
    UnusableKey(OneLine),
    /// The library cannot use a certificate in it: its number, from 1, and why.
    UnusableCertificate(usize, OneLine),
}

impl FileFault {
    /// Names the file.
    pub fn of(self, path: &Path) -> Error {
        Error::File {
            path: path.to_owned(),
            fault: self,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NotBuilt(backend) => write!(
                f,
                "this program was built without {backend}: build it with the feature {}",
                backend.feature()
            ),
            Error::NoBackend => {
                let features = Backend::ALL.map(Backend::feature).join(", ");
                write!(
                    f,
                    "this program was built without tls: build it with one of the features {features}"
                )
            }
            Error::Version {
                backend,
                wanted,
                spoken,
            } => {
                let (lowest, highest) = (spoken.start(), spoken.end());
                write!(
                    f,
                    "{backend} cannot speak {wanted}, only {lowest} to {highest}"
                )
            }
            Error::EmptyRange { minimum, maximum } => write!(
                f,
                "the lowest tls version allowed, {minimum}, is above the highest, {maximum}"
            ),
            Error::File { path, fault } => fault.show(f, &shown(path)),
            Error::Mismatch { certificate, key } => write!(
                f,
                "the first certificate in {} does not belong to the private key in {}",
                shown(certificate),
                shown(key)
            ),
            Error::NotAName(name) => write!(f, "not a host name or address: {name}"),
            Error::Library { backend, reason } => write!(f, "{backend}: {reason}"),
            Error::Handshake(reason) => write!(f, "tls handshake failed: {reason}"),
            Error::Connection(reason) => write!(f, "tls connection failed: {reason}"),
        }
    }
}

impl FileFault {
    fn show(&self, f: &mut fmt::Formatter<'_>, path: &str) -> fmt::Result {
        match self {
            FileFault::Read(error) => write!(f, "cannot read {path}: {}", sys::reason(error)),
            FileFault::TooLong => write!(f, "{path} is too long for a file of certificates"),
            FileFault::TooMany => write!(f, "{path} has too many files in it"),
            FileFault::Malformed(what) => write!(f, "{path} is not a valid pem file: {what}"),
            FileFault::NoCertificate => write!(f, "no certificate in {path}"),
            FileFault::NoKey => write!(f, "no private key in {path}"),
            FileFault::EncryptedKey => write!(
                f,
                "the private key in {path} is encrypted: store it without a passphrase"
            ),
            FileFault::UnusableKey(why) => {
                write!(f, "cannot use the private key in {path}: {why}")
            }
            FileFault::UnusableCertificate(number, why) => {
                write!(f, "cannot use certificate {number} in {path}: {why}")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::File {
                fault: FileFault::Read(error),
                ..
            } => Some(error),
            _ => None,
        }
    }
}

fn shown(path: &Path) -> String {
    ascii::escape(path.as_os_str().as_encoded_bytes())
}
