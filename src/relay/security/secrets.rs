//! The secrets file as workers share it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::auth::{Refreshed, Secrets, SecretsFile};
use crate::base::OneLine;
use crate::{error, info, warning};

use super::Reread;

/// A secrets file that any worker may ask for what it says now.
pub struct SecretsDesk(Mutex<SecretsFile>);

impl SecretsDesk {
    pub(super) fn new(file: SecretsFile) -> SecretsDesk {
        SecretsDesk(Mutex::new(file))
    }

    /// The secrets, read again first if they have changed and it is time to look.
    /// A file that has become unusable leaves them as they were. Blocks.
    pub(super) fn current(&self, now: Instant) -> Arc<Secrets> {
        self.reread(now, Reread::Changed)
    }

    /// The same, and it may be time to look in any case. Blocks.
    pub(super) fn reread(&self, now: Instant, reread: Reread) -> Arc<Secrets> {
        // Whoever panicked with it left it as it was or as it is to be.
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if file.is_due(now) || reread == Reread::Now {
            refresh(&mut file);
        }
        file.secrets()
    }
}

fn refresh(file: &mut SecretsFile) {
    match file.refresh() {
        Ok(Refreshed::Unchanged) => {}
        Ok(Refreshed::Changed { warnings }) => {
            let path = OneLine::escaped(file.path().as_os_str().as_encoded_bytes());
            info!("re-reading secrets file: {path}");
            warnings.iter().for_each(|text| warning!("{text}"));
        }
        Err(error) => error!("keeping the secrets as they were: {error}"),
    }
}
