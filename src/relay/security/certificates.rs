//! The server's key and certificates, and when to read them again.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::sys::file_mode::{self, Stamp};
use crate::sys::reopen;
use crate::tls::{self, Acceptor, Error, Provider, ServerSettings, VerifySource};
use crate::{error, info};

use super::Reread;

/// The files of a server, as they were when they were read last.
pub struct Certificates {
    provider: &'static dyn Provider,
    settings: ServerSettings,
    seen: Mutex<Seen>,
}

struct Seen {
    stamps: Vec<Option<Stamp>>,
    /// Whether they have been read again since they changed: key and chain may be
    /// replaced one after the other, within one tick of the file system's clock.
    is_settled: bool,
}

impl Certificates {
    pub(super) fn open(
        settings: ServerSettings,
    ) -> Result<(Certificates, Arc<dyn Acceptor>), Error> {
        let provider = tls::provider(settings.keywords.backend)?;
        let stamps = stamps(&settings);
        let acceptor = provider.server(&settings)?;
        let certificates = Certificates {
            provider,
            settings,
            seen: Mutex::new(Seen {
                stamps,
                is_settled: false,
            }),
        };
        Ok((certificates, acceptor.into()))
    }

    /// Reads the files again if there is reason to; files that have become unusable
    /// are told of once, and those read before remain in use. Blocks.
    pub(super) fn reread(&self, reread: Reread) -> Option<Arc<dyn Acceptor>> {
        // Whoever panicked with it has changed nothing that matters.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let stamps = stamps(&self.settings);
        let is_same = seen.stamps == stamps && reread == Reread::Changed;
        if is_same && seen.is_settled {
            return None;
        }
        *seen = Seen {
            stamps,
            is_settled: is_same,
        };
        let path = self.settings.certificate.chain.display();
        match self.provider.server(&self.settings) {
            Ok(acceptor) => {
                if !is_same {
                    info!("re-reading tls certificate file: {path}");
                }
                Some(acceptor.into())
            }
            Err(error) => {
                // Told already where nothing has changed since.
                if !is_same {
                    error!("keeping the tls certificates as they were: {error}");
                }
                None
            }
        }
    }
}

fn stamps(settings: &ServerSettings) -> Vec<Option<Stamp>> {
    let files = &settings.certificate;
    let authorities: Option<&PathBuf> = match &settings.verify {
        VerifySource::Path(path) => Some(path),
        VerifySource::Absent | VerifySource::None | VerifySource::Default => None,
    };
    let paths = [&files.key, &files.chain].into_iter().chain(authorities);
    paths.map(|path| stamp_of(path)).collect()
}

fn stamp_of(path: &Path) -> Option<Stamp> {
    let metadata = reopen::metadata(path).ok()?;
    Some(file_mode::stamp(&metadata))
}
