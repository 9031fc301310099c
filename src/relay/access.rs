//! How we get in at the next hop: secrets to log in with, and the certificates and
//! authorities of TLS. They are read at start, and read again when their files
//! have changed. What opens or refreshes them touches files, and is for workers.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::auth::{InvalidAccount, Refreshed, Secrets, SecretsFile};
use crate::config::{Authorities, ClientAccount, ClientTls, Forward};
use crate::proto::sasl::{self, Account};
use crate::proto::smtp::client::Login;
use crate::sys::file_mode::{self, Stamp};
use crate::tls::{
    self, CertificateFiles, ClientSettings, Connector, Keywords, Provider, VerifySource,
};
use crate::{error, info, warning};

/// Files are looked at no more often than this.
pub const LOOK_AFTER: Duration = Duration::from_secs(1);

/// Everything about the next hop that is read from files.
pub struct Access {
    secrets: Option<SecretsSource>,
    tls: Option<TlsFiles>,
    looked_at: Option<Instant>,
}

/// Where our accounts are.
enum SecretsSource {
    /// In a file.
    File(SecretsFile),
    /// On the command line.
    Given(Arc<Secrets>),
}

/// A connector and the files that it was made of.
struct TlsFiles {
    provider: &'static dyn Provider,
    settings: ClientSettings,
    seen: Vec<Option<Stamp>>,
    connector: Arc<dyn Connector>,
}

impl Access {
    /// Reads all files for the first time.
    pub fn open(forward: &Forward) -> Result<Access, String> {
        let auth = forward.auth.as_ref();
        let tls = forward.tls.as_ref();
        Ok(Access {
            secrets: auth.map(|auth| open_secrets(&auth.account)).transpose()?,
            tls: tls.map(TlsFiles::open).transpose()?,
            looked_at: None,
        })
    }

    /// The account to log in with, if any.
    pub fn account(&self) -> Option<Arc<Account>> {
        match self.secrets.as_ref()? {
            SecretsSource::File(file) => file.secrets().client_account(b""),
            SecretsSource::Given(secrets) => secrets.client_account(b""),
        }
    }

    /// What makes TLS connections, if anything.
    pub fn connector(&self) -> Option<Arc<dyn Connector>> {
        self.tls.as_ref().map(|tls| Arc::clone(&tls.connector))
    }

    /// Whether it is time to look at the files; if so, that is noted. Does not block.
    pub fn is_due(&mut self, now: Instant) -> bool {
        let has_files = matches!(self.secrets, Some(SecretsSource::File(_))) || self.tls.is_some();
        let is_fresh = |then| now.saturating_duration_since(then) < LOOK_AFTER;
        if !has_files || self.looked_at.is_some_and(is_fresh) {
            return false;
        }
        self.looked_at = Some(now);
        true
    }

    /// Reads again what has changed; what cannot be used leaves everything as it was.
    pub fn refresh(&mut self) {
        if let Some(SecretsSource::File(file)) = &mut self.secrets {
            refresh_secrets(file);
        }
        if let Some(tls) = &mut self.tls {
            tls.refresh();
        }
    }
}

fn refresh_secrets(file: &mut SecretsFile) {
    match file.refresh() {
        Ok(Refreshed::Unchanged) => {}
        Ok(Refreshed::Changed { warnings }) => {
            info!("secrets file read again: {}", file.path().display());
            warnings.iter().for_each(|text| warning!("{text}"));
        }
        Err(error) => error!("{error}: the former secrets stay in use"),
    }
}

fn open_secrets(account: &ClientAccount) -> Result<SecretsSource, String> {
    match account {
        ClientAccount::File(path) => {
            let opened = SecretsFile::open(path, false);
            let (file, warnings) = opened.map_err(|error| error.to_string())?;
            warnings.iter().for_each(|text| warning!("{text}"));
            if file.secrets().client_account(b"").is_none() {
                let path = file.path().display();
                warning!("no account for forwarding in {path}: going on without a login");
            }
            Ok(SecretsSource::File(file))
        }
        ClientAccount::Given(account) => {
            let invalid = InvalidAccount.to_string();
            let text = std::str::from_utf8(account.expose()).map_err(|_| invalid)?;
            let secrets = Secrets::from_account(text).map_err(|error| error.to_string())?;
            Ok(SecretsSource::Given(Arc::new(secrets)))
        }
    }
}

/// How to log in, but for the account itself.
pub fn login(forward: &Forward) -> Result<Option<Login>, String> {
    let Some(auth) = &forward.auth else {
        return Ok(None);
    };
    let parsed = sasl::Config::parse_client(&auth.mechanisms);
    let (config, warnings) =
        parsed.map_err(|problems| format!("--client-auth-config: {}", problems.join(", ")))?;
    let warn = |text: &String| warning!("--client-auth-config: {text}");
    warnings.iter().for_each(warn);
    let tls = forward.tls.as_ref();
    Ok(Some(Login {
        account: Arc::default(),
        config,
        has_certificate: tls.is_some_and(|tls| !tls.certificate.is_empty()),
    }))
}

fn client_settings(tls: &ClientTls) -> ClientSettings {
    ClientSettings {
        certificate: CertificateFiles::new(&tls.certificate),
        verify: match &tls.verify {
            None => VerifySource::Absent,
            Some(Authorities::Nobody) => VerifySource::None,
            Some(Authorities::System) => VerifySource::Default,
            Some(Authorities::Path(path)) => VerifySource::Path(path.clone()),
        },
        verify_name: tls.verify_name.clone(),
        server_name: tls.server_name.clone(),
        keywords: Keywords::default(),
    }
}

impl TlsFiles {
    fn open(tls: &ClientTls) -> Result<TlsFiles, String> {
        let told = |error: tls::Error| format!("tls error: {error}");
        let settings = client_settings(tls);
        let provider = tls::provider(settings.keywords.backend).map_err(told)?;
        let seen = stamps(&settings);
        let connector = Arc::from(provider.client(&settings).map_err(told)?);
        Ok(TlsFiles {
            provider,
            settings,
            seen,
            connector,
        })
    }

    fn refresh(&mut self) {
        let now = stamps(&self.settings);
        if now == self.seen {
            return;
        }
        self.seen = now;
        match self.provider.client(&self.settings) {
            Ok(connector) => {
                info!("tls certificates for forwarding read again");
                self.connector = Arc::from(connector);
            }
            Err(error) => error!("{error}: the former certificates stay in use"),
        }
    }
}

fn stamps(settings: &ClientSettings) -> Vec<Option<Stamp>> {
    let mut paths: Vec<&PathBuf> = Vec::new();
    if let Some(certificate) = &settings.certificate {
        paths.extend([&certificate.key, &certificate.chain]);
    }
    if let VerifySource::Path(path) = &settings.verify {
        paths.push(path);
    }
    let stamp = |path: &PathBuf| {
        let metadata = std::fs::metadata(path).ok()?;
        Some(file_mode::stamp(&metadata))
    };
    paths.into_iter().map(stamp).collect()
}
