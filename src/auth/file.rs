//! A secrets file that is read again when it changes. All functions that touch
//! files block: they are for workers.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::parse::{FILE_MAX, SECRET_LINE_MAX};
use super::{Problem, Secrets};
use crate::base::ascii;
use crate::base::hash::Algorithm;
use crate::base::secret::Secret;
use crate::sys;
use crate::sys::file_mode::{self, Stamp};
use crate::sys::reopen;

/// Files are looked at no more often than this.
pub const LOOK_AFTER: Duration = Duration::from_secs(1);

/// A secrets file and what it says. When it, or a file that it names, changes for
/// the worse, the secrets stay what they were.
#[derive(Debug)]
pub struct SecretsFile {
    path: PathBuf,
    strict: bool,
    secrets: Arc<Secrets>,
    /// The digest of what these secrets were read from.
    digest: Vec<u8>,
    /// The files as they were when they were read last.
    seen: Seen,
    /// The files as they were when an error was told of last.
    failed: Option<Seen>,
    /// Whether they have been read again since they changed: a change within the
    /// same tick of the file system's clock does not show.
    is_settled: bool,
    looked_at: Option<Instant>,
}

/// What [`SecretsFile::refresh`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// The secrets are what they were.
    Unchanged,
    /// There are other secrets now.
    Changed {
        /// What is odd about the files, but does no harm.
        warnings: Vec<String>,
    },
}

/// Why a secrets file cannot be used.
#[derive(Debug)]
pub enum Error {
    /// The file cannot be read.
    Read {
        /// The secrets file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others may read or write it, and that is not to be.
    Exposed {
        /// The secrets file, or one that it names.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// There are mistakes in it.
    Invalid {
        /// The secrets file.
        path: PathBuf,
        /// All of them, and at least one.
        problems: Vec<Problem>,
    },
}

/// Files and what was seen of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    stamps: Vec<(PathBuf, Option<Stamp>)>,
    /// A digest of all that was read.
    digest: Vec<u8>,
}

/// The files as they are being read.
#[derive(Default)]
struct Reading {
    seen: Seen,
    exposed: Vec<(PathBuf, u32)>,
}

impl SecretsFile {
    /// Reads a secrets file for the first time; gives warnings with it. With
    /// `strict`, a file that others may read or write is an error instead of a
    /// warning.
    pub fn open(
        path: impl Into<PathBuf>,
        strict: bool,
    ) -> Result<(SecretsFile, Vec<String>), Error> {
        let path = path.into();
        let mut reading = Reading::default();
        let (secrets, warnings) = reading.all(&path, strict)?;
        let file = SecretsFile {
            path,
            strict,
            secrets: Arc::new(secrets),
            digest: reading.seen.digest.clone(),
            seen: reading.seen,
            failed: None,
            is_settled: false,
            looked_at: None,
        };
        Ok((file, warnings))
    }

    /// The secrets as they were read last.
    pub fn secrets(&self) -> Arc<Secrets> {
        Arc::clone(&self.secrets)
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is time to look for changes; if so, that is noted. Does not block.
    pub fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self
            .looked_at
            .is_none_or(|then| now.saturating_duration_since(then) >= LOOK_AFTER);
        if is_due {
            self.looked_at = Some(now);
        }
        is_due
    }

    /// Reads the files again if they have changed. An error is told once for each
    /// change that causes one.
    pub fn refresh(&mut self) -> Result<Refreshed, Error> {
        let is_same = self
            .seen
            .stamps
            .iter()
            .all(|(path, stamp)| *stamp == stamp_of(path));
        if is_same && self.is_settled {
            return Ok(Refreshed::Unchanged);
        }
        self.is_settled = is_same;
        let mut reading = Reading::default();
        let result = reading.all(&self.path, self.strict);
        self.seen = reading.seen;
        match result {
            Err(_) if self.failed.as_ref() == Some(&self.seen) => Ok(Refreshed::Unchanged),
            Err(error) => {
                self.failed = Some(self.seen.clone());
                Err(error)
            }
            Ok((secrets, warnings)) => {
                self.failed = None;
                if self.digest == self.seen.digest {
                    return Ok(Refreshed::Unchanged);
                }
                self.digest.clone_from(&self.seen.digest);
                self.secrets = Arc::new(secrets);
                Ok(Refreshed::Changed { warnings })
            }
        }
    }
}

impl Reading {
    fn all(&mut self, path: &Path, strict: bool) -> Result<(Secrets, Vec<String>), Error> {
        let unread = |source| Error::Read {
            path: path.to_owned(),
            source,
        };
        let text = self.one(path, FILE_MAX).map_err(unread)?;
        let name = path
            .file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy();
        let parsed = Secrets::parse(&name, text.expose(), &mut |path| {
            let content = self
                .one(path, SECRET_LINE_MAX)
                .map_err(|error| sys::reason(&error))?;
            if content.expose().len() > SECRET_LINE_MAX {
                return Err(format!("the file has more than {SECRET_LINE_MAX} octets"));
            }
            Ok(content.expose().to_vec())
        });
        let invalid = |problems| Error::Invalid {
            path: path.to_owned(),
            problems,
        };
        let secrets = parsed.map_err(invalid)?;
        let exposed = |(path, mode)| Error::Exposed { path, mode };
        let mut errors = self.exposed.drain(..).map(exposed);
        let mut warnings: Vec<String> = match errors.next() {
            Some(error) if strict => return Err(error),
            first => first
                .into_iter()
                .chain(errors)
                .map(|error| error.to_string())
                .collect(),
        };
        warnings.extend(secrets.warnings().iter().map(Problem::to_string));
        Ok((secrets, warnings))
    }

    /// Reads one octet over the limit at most, and takes note of the file's state
    /// before that.
    fn one(&mut self, path: &Path, octets_max: usize) -> io::Result<Secret> {
        let at = self.seen.stamps.len();
        self.seen.stamps.push((path.to_owned(), None));
        let file = reopen::open(path)?;
        let metadata = file.metadata()?;
        if let Some((_, stamp)) = self.seen.stamps.get_mut(at) {
            *stamp = Some(file_mode::stamp(&metadata));
        }
        if let Some(mode) = file_mode::exposed_mode(&metadata) {
            self.exposed.push((path.to_owned(), mode));
        }
        // Room for all from the start: growing would leave copies behind.
        let length = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
        let mut content = Vec::with_capacity(length.min(octets_max) + 1);
        let result = file.take(octets_max as u64 + 1).read_to_end(&mut content);
        let content = Secret::new(content);
        result?;
        let digest = Algorithm::Sha256.digest(content.expose());
        self.seen.digest = Algorithm::Sha256.digest(&[&*self.seen.digest, &*digest].concat());
        Ok(content)
    }
}

fn stamp_of(path: &Path) -> Option<Stamp> {
    reopen::metadata(path)
        .ok()
        .map(|metadata| file_mode::stamp(&metadata))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |path: &Path| ascii::escape(path.as_os_str().as_encoded_bytes());
        match self {
            Error::Read { path, source } => {
                write!(
                    f,
                    "cannot read secrets file {}: {}",
                    show(path),
                    sys::reason(source)
                )
            }
            Error::Exposed { path, mode } => write!(
                f,
                "others than its owner may read or write the secrets in {}: its mode is {mode:04o}",
                show(path)
            ),
            Error::Invalid { path, problems } => {
                write!(f, "problems reading secrets file [{}]", show(path))?;
                let all: Vec<String> = problems.iter().map(Problem::to_string).collect();
                write!(f, ": {}", all.join(", "))
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Read { source, .. } => Some(source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
