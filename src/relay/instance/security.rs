//! From the configuration to secrets and certificates, at start. All that is wrong
//! with them is told with the option that names them.

use crate::auth::SecretsFile;
use crate::config::settings::{ServerAccounts, ServerAuth, ServerTls, Verify};
use crate::config::{Config, PopServer, SmtpServer};
use crate::proto::sasl;
use crate::relay::security::Site;
use crate::sys::pam;
use crate::tls::{self, CertificateFiles, Keywords, ServerSettings, VerifySource};
use crate::warning;

/// Reads the files that the options of the SMTP server name. Blocks.
pub fn site(config: &Config, smtp: &SmtpServer) -> Result<Site, String> {
    site_of(
        config,
        smtp.auth.as_ref(),
        "--server-auth",
        smtp.tls.as_ref(),
    )
}

/// Reads the files that the options of the POP server name. Blocks.
pub fn pop_site(config: &Config, pop: &PopServer) -> Result<Site, String> {
    site_of(config, pop.auth.as_ref(), "--pop-auth", pop.tls.as_ref())
}

fn site_of(
    config: &Config,
    auth: Option<&ServerAuth>,
    option: &str,
    tls: Option<&ServerTls>,
) -> Result<Site, String> {
    let mut site = Site::default();
    match auth.map(|auth| &auth.accounts) {
        Some(ServerAccounts::File(secrets)) => {
            let opened = SecretsFile::open(secrets, config.strict_secrets);
            let (file, warnings) = opened.map_err(|error| format!("{option}: {error}"))?;
            warnings.iter().for_each(|text| warning!("{text}"));
            site.use_secrets(file);
        }
        Some(ServerAccounts::Pam) => {
            if let Some(text) = pam::missing_rules() {
                warning!("{option}: {text}");
            }
            site.use_pam();
        }
        None => {}
    }
    if let Some(tls) = tls {
        let settings = server_settings(config, tls);
        if let Some(text) = settings.keywords.warning() {
            warning!("{text}");
        }
        let result = site.use_certificates(settings);
        result.map_err(|error| format!("{}: {error}", option_of(&error, tls)))?;
    }
    Ok(site)
}

/// The mechanisms that clients may use.
pub(super) fn mechanisms(auth: &ServerAuth) -> Result<sasl::Config, String> {
    let text = auth.config.as_deref().unwrap_or_default();
    let parsed = sasl::Config::parse_server(text);
    let (config, warnings) =
        parsed.map_err(|problems| format!("--server-auth-config: {}", problems.join(", ")))?;
    warnings
        .iter()
        .for_each(|text| warning!("--server-auth-config: {text}"));
    Ok(config)
}

fn server_settings(config: &Config, tls: &ServerTls) -> ServerSettings {
    ServerSettings {
        certificate: CertificateFiles {
            key: tls.key.clone(),
            chain: tls.chain.clone(),
        },
        verify: match &tls.verify {
            Verify::Unset => VerifySource::Absent,
            Verify::Nobody => VerifySource::None,
            Verify::SystemAuthorities => VerifySource::Default,
            Verify::Path(path) => VerifySource::Path(path.clone()),
        },
        keywords: Keywords::parse(&config.tls_config),
    }
}

/// The option that an error is about.
fn option_of(error: &tls::Error, tls: &ServerTls) -> &'static str {
    let is_authority = |path: &std::path::Path| match &tls.verify {
        Verify::Path(authorities) => path.starts_with(authorities),
        Verify::SystemAuthorities => path != tls.key && path != tls.chain,
        Verify::Unset | Verify::Nobody => false,
    };
    match error {
        tls::Error::File { path, .. } if is_authority(path) => "--server-tls-verify",
        tls::Error::File { .. } | tls::Error::Mismatch { .. } => "--server-tls-certificate",
        tls::Error::NotBuilt(_) | tls::Error::Version { .. } | tls::Error::EmptyRange { .. } => {
            "--tls-config"
        }
        _ if tls.first => "--server-tls-connection",
        _ => "--server-tls",
    }
}
