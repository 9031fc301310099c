//! How we get in at the next hop: secrets to log in with, and the certificates and
//! authorities of TLS. They are read at start, and read again when their files
//! have changed. What opens or refreshes them touches files, and is for workers.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::auth::{InvalidAccount, Refreshed, Secrets, SecretsFile};
use crate::config::settings::Verify;
use crate::config::{ClientAccount, ClientTls, Config, Forward, TlsStart};
use crate::proto::sasl::{self, Account};
use crate::proto::smtp::client::Login;
use crate::sys::file_mode::{self, Stamp};
use crate::sys::reopen;
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
    /// How often the secrets have changed.
    generation: u64,
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
    /// Whether they have been read again since they changed: key and chain may be
    /// replaced one after the other, within one tick of the file system's clock.
    is_settled: bool,
    connector: Arc<dyn Connector>,
}

impl Access {
    /// Reads all files for the first time.
    pub fn open(config: &Config, forward: &Forward) -> Result<Access, String> {
        let auth = forward.auth.as_ref();
        let tls = forward.tls.as_ref();
        Ok(Access {
            secrets: auth
                .map(|auth| open_secrets(&auth.account, config.strict_secrets))
                .transpose()?,
            tls: tls.map(|tls| TlsFiles::open(config, tls)).transpose()?,
            looked_at: None,
            generation: 0,
        })
    }

    /// The account to log in with, if any.
    pub fn account(&self) -> Option<Arc<Account>> {
        self.account_of(b"")
    }

    /// The account for messages with that selector, if there is one.
    pub fn account_of(&self, selector: &[u8]) -> Option<Arc<Account>> {
        match self.secrets.as_ref()? {
            SecretsSource::File(file) => file.secrets().client_account(selector),
            SecretsSource::Given(secrets) => secrets.client_account(selector),
        }
    }

    /// Which version of the secrets it has: another number, other secrets.
    pub fn generation(&self) -> u64 {
        self.generation
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
            self.generation += u64::from(refresh_secrets(file));
        }
        if let Some(tls) = &mut self.tls {
            tls.refresh();
        }
    }
}

/// Whether they have changed.
fn refresh_secrets(file: &mut SecretsFile) -> bool {
    match file.refresh() {
        Ok(Refreshed::Unchanged) => false,
        Ok(Refreshed::Changed { warnings }) => {
            info!("secrets file read again: {}", file.path().display());
            warnings.iter().for_each(|text| warning!("{text}"));
            true
        }
        Err(error) => {
            error!("{error}: the former secrets stay in use");
            false
        }
    }
}

fn open_secrets(account: &ClientAccount, strict: bool) -> Result<SecretsSource, String> {
    match account {
        ClientAccount::File(path) => {
            let opened = SecretsFile::open(path, strict);
            let (file, warnings) = opened.map_err(|error| format!("--client-auth: {error}"))?;
            warnings.iter().for_each(|text| warning!("{text}"));
            if file.secrets().client_account(b"").is_none() {
                let path = file.path().display();
                warning!("no account for forwarding in {path}: going on without a login");
            }
            Ok(SecretsSource::File(file))
        }
        ClientAccount::Given(account) => {
            let invalid = |error: InvalidAccount| format!("--client-auth: {error}");
            let text = std::str::from_utf8(account.expose());
            let text = text.map_err(|_| invalid(InvalidAccount))?;
            let secrets = Secrets::from_account(text).map_err(invalid)?;
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

fn client_settings(tls: &ClientTls, keywords: Keywords) -> ClientSettings {
    ClientSettings {
        certificate: CertificateFiles::new(&tls.certificate),
        verify: match &tls.verify {
            Verify::Unset => VerifySource::Absent,
            Verify::Nobody => VerifySource::None,
            Verify::SystemAuthorities => VerifySource::Default,
            Verify::Path(path) => VerifySource::Path(path.clone()),
        },
        verify_name: tls.verify_name.clone(),
        server_name: tls.server_name.clone(),
        keywords,
    }
}

impl TlsFiles {
    fn open(config: &Config, tls: &ClientTls) -> Result<TlsFiles, String> {
        let keywords = Keywords::parse(&config.tls_config);
        let serve = config.serve.as_ref();
        let smtp = serve.and_then(|serve| serve.smtp.as_ref());
        // Else the server has warned already.
        if smtp.is_none_or(|smtp| smtp.tls.is_none())
            && let Some(text) = keywords.warning()
        {
            warning!("{text}");
        }
        TlsFiles::of(client_settings(tls, keywords))
            .map_err(|error| format!("{}: {error}", option_of(&error, tls)))
    }

    fn of(settings: ClientSettings) -> Result<TlsFiles, tls::Error> {
        let provider = tls::provider(settings.keywords.backend)?;
        let seen = stamps(&settings);
        let connector = Arc::from(provider.client(&settings)?);
        Ok(TlsFiles {
            provider,
            settings,
            seen,
            is_settled: false,
            connector,
        })
    }

    fn refresh(&mut self) {
        let now = stamps(&self.settings);
        let is_same = now == self.seen;
        if is_same && self.is_settled {
            return;
        }
        (self.seen, self.is_settled) = (now, is_same);
        match self.provider.client(&self.settings) {
            Ok(connector) => {
                if !is_same {
                    info!("re-reading tls certificate files for forwarding");
                }
                self.connector = Arc::from(connector);
            }
            // Told already where nothing has changed since.
            Err(_) if is_same => {}
            Err(error) => error!("keeping the tls certificates for forwarding: {error}"),
        }
    }
}

/// The option that an error is about.
fn option_of(error: &tls::Error, tls: &ClientTls) -> &'static str {
    match error {
        tls::Error::File { path, .. } if tls.certificate.contains(path) => {
            "--client-tls-certificate"
        }
        tls::Error::File { .. } => "--client-tls-verify",
        tls::Error::Mismatch { .. } => "--client-tls-certificate",
        tls::Error::NotBuilt(_) | tls::Error::Version { .. } | tls::Error::EmptyRange { .. } => {
            "--tls-config"
        }
        tls::Error::NotAName(name) => {
            let asked_for = tls.server_name.as_ref().map(String::as_bytes);
            match asked_for == Some(name.as_bytes()) {
                true => "--client-tls-server-name",
                false => "--client-tls-verify-name",
            }
        }
        _ if tls.start == TlsStart::Immediately => "--client-tls-connection",
        _ => "--client-tls",
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
        let metadata = reopen::metadata(path).ok()?;
        Some(file_mode::stamp(&metadata))
    };
    paths.into_iter().map(stamp).collect()
}
