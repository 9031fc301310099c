//! TLS by rustls, with the cryptography of ring: TLS 1.2 and 1.3 with
//! authenticated ciphers and ephemeral keys, and nothing else. There is no
//! renegotiation and no compression in it, and no ALPN is offered or expected.

mod engine;
mod files;
mod ticket;
mod verify;

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::sync::{Arc, LazyLock};

use ::rustls::client::Resumption;
use ::rustls::client::danger::ServerCertVerifier;
use ::rustls::crypto::{CryptoProvider, ring};
use ::rustls::pki_types::ServerName;
use ::rustls::server::NoServerSessionStorage;
use ::rustls::server::danger::ClientCertVerifier;
use ::rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};
use ::rustls::{SupportedProtocolVersion, version};

use self::engine::RustlsEngine;
use self::verify::{AskAnyone, Roots, Unverified, Verified, VerifiedClient};
use super::config::{ClientSettings, Keywords, ServerSettings, VerifySource, Version};
use super::file::{Authorities, Identity};
use super::name::Name;
use super::{Acceptor, Backend, Connector, Engine, Error, Provider, Trust};
use crate::base::OneLine;

/// rustls with ring.
#[derive(Debug)]
pub(super) struct Rustls;

impl Provider for Rustls {
    fn backend(&self) -> Backend {
        Backend::Rustls
    }

    fn description(&self) -> String {
        "rustls 0.23 with ring".to_owned()
    }

    fn versions(&self) -> RangeInclusive<Version> {
        Version::Tls12..=Version::Tls13
    }

    fn server(&self, settings: &ServerSettings) -> Result<Box<dyn Acceptor>, Error> {
        let keywords = &settings.keywords;
        let identity = Identity::load(&settings.certificate)?;
        let expires = identity.expires();
        let identity = files::certified_key(identity, &settings.certificate)?;
        let (verifier, trust) = client_verifier(&settings.verify, keywords)?;
        let builder = ServerConfig::builder_with_provider(crypto())
            .with_protocol_versions(&self.speak(keywords)?)
            .map_err(|error| library(&error))?;
        let builder = match verifier {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(identity);
        // Tickets are under keys of this configuration only, so that none is good
        // for another listener, which may demand more of its clients.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ignore_client_order = keywords.server_preference;
        match keywords.no_resumption {
            true => config.send_tls13_tickets = 0,
            false => config.ticketer = ticket::ticketer().map_err(|error| library(&error))?,
        }
        let config = Arc::new(config);
        Ok(Box::new(RustlsAcceptor {
            config,
            trust,
            expires,
        }))
    }

    fn client(&self, settings: &ClientSettings) -> Result<Box<dyn Connector>, Error> {
        let (verifier, trust) = server_verifier(settings)?;
        let builder = ClientConfig::builder_with_provider(crypto())
            .with_protocol_versions(&self.speak(&settings.keywords)?)
            .map_err(|error| library(&error))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &settings.certificate {
            Some(files) => {
                let identity = Identity::load(files)?;
                builder.with_client_cert_resolver(files::certified_key(identity, files)?)
            }
            None => builder.with_no_client_auth(),
        };
        // A resumed session is not verified again, and mail is not in a hurry.
        config.resumption = Resumption::disabled();
        let asked_for = settings.name_to_ask_for().map(server_name).transpose()?;
        config.enable_sni = asked_for.is_some();
        // rustls wants a name in any case; an address is never sent.
        let name = asked_for.unwrap_or(ServerName::from(std::net::IpAddr::V4(
            Ipv4Addr::UNSPECIFIED,
        )));
        let config = Arc::new(config);
        Ok(Box::new(RustlsConnector {
            config,
            name,
            trust,
        }))
    }
}

impl Rustls {
    fn speak(&self, keywords: &Keywords) -> Result<Vec<&'static SupportedProtocolVersion>, Error> {
        let allowed = keywords.versions(Backend::Rustls, self.versions())?;
        let known = [
            (Version::Tls12, &version::TLS12),
            (Version::Tls13, &version::TLS13),
        ];
        let spoken = known
            .iter()
            .filter(|(version, _)| allowed.contains(version));
        Ok(spoken.map(|(_, supported)| *supported).collect())
    }
}

/// Always named, never the default of the process, which is set by whoever comes
/// first.
fn crypto() -> Arc<CryptoProvider> {
    static CRYPTO: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(ring::default_provider()));
    Arc::clone(&CRYPTO)
}

/// How clients are asked for certificates, if they are.
fn client_verifier(
    source: &VerifySource,
    keywords: &Keywords,
) -> Result<(Option<Arc<dyn ClientCertVerifier>>, Trust), Error> {
    let authorities = Authorities::load(source)?;
    let roots = authorities.as_ref().map(Roots::new).transpose()?;
    let verifier: Arc<dyn ClientCertVerifier> = match roots {
        None if *source == VerifySource::None => return Ok((None, Trust::Unverified)),
        Some(roots) if !keywords.no_verify => {
            let verifier = VerifiedClient::new(roots).map_err(|error| library(&error))?;
            return Ok((Some(Arc::new(verifier)), Trust::Chain));
        }
        _ => Arc::new(AskAnyone::new()),
    };
    Ok((Some(verifier), Trust::Unverified))
}

/// How a server's certificate is judged.
fn server_verifier(
    settings: &ClientSettings,
) -> Result<(Arc<dyn ServerCertVerifier>, Trust), Error> {
    let name = settings.name_to_verify().map(server_name).transpose()?;
    let authorities = Authorities::load(&settings.verify)?;
    match authorities.as_ref().map(Roots::new).transpose()? {
        Some(roots) if !settings.keywords.no_verify => {
            let trust = match &name {
                Some(_) => Trust::Name,
                None => Trust::Chain,
            };
            Ok((Arc::new(Verified::new(roots, name)), trust))
        }
        _ => Ok((Arc::new(Unverified), Trust::Unverified)),
    }
}

fn server_name(name: &str) -> Result<ServerName<'static>, Error> {
    match Name::parse(name)? {
        Name::Address(address) => Ok(address.into()),
        Name::Host(host) => {
            let not_a_name = |_| Error::NotAName(OneLine::escaped(name));
            ServerName::try_from(host).map_err(not_a_name)
        }
    }
}

fn library(error: &dyn std::error::Error) -> Error {
    Error::Library {
        backend: Backend::Rustls,
        reason: OneLine::escaped(error.to_string()),
    }
}

struct RustlsAcceptor {
    config: Arc<ServerConfig>,
    trust: Trust,
    expires: Option<i64>,
}

impl Acceptor for RustlsAcceptor {
    fn accept(&self) -> Result<Box<dyn Engine>, Error> {
        let connection = ServerConnection::new(Arc::clone(&self.config));
        let connection = connection.map_err(|error| library(&error))?;
        Ok(Box::new(RustlsEngine::new(connection.into(), self.trust)))
    }

    fn expires(&self) -> Option<i64> {
        self.expires
    }
}

struct RustlsConnector {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    trust: Trust,
}

impl Connector for RustlsConnector {
    fn connect(&self) -> Result<Box<dyn Engine>, Error> {
        let connection = ClientConnection::new(Arc::clone(&self.config), self.name.clone());
        let connection = connection.map_err(|error| library(&error))?;
        Ok(Box::new(RustlsEngine::new(connection.into(), self.trust)))
    }
}

#[cfg(test)]
pub(in crate::tls) mod tests;
