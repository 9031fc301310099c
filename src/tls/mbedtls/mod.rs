//! TLS by the system's Mbed TLS, 2.28 or 3.6, through a shim in C: see `shim.c` for
//! what of the library is used, and [`ffi`] for how. Keys are ephemeral; there is no
//! renegotiation, no compression, no early data, and no ALPN is offered or expected.

mod engine;
mod ffi;
mod files;
mod verify;

use std::collections::HashSet;
use std::ffi::CString;
use std::ops::RangeInclusive;
use std::sync::Arc;

use self::engine::MbedTlsEngine;
use self::ffi::{Code, Config, Connection};
use self::verify::Judge;
use super::config::{ClientSettings, Keywords, ServerSettings, VerifySource, Version};
use super::file::{Authorities, Identity};
use super::name::Name;
use super::suite::SUITES;
use super::{Acceptor, Backend, Connector, Engine, Error, FileFault, Provider, Trust};
use crate::base::OneLine;

/// Keys for tickets are replaced after so many seconds, as rustls does.
const TICKET_KEYS_SECONDS: u32 = 6 * 60 * 60;

/// The versions of the protocol with their numbers on the wire (RFC 8446 4.2.1).
const NUMBERS: [(u16, Version); 4] = [
    (0x0301, Version::Tls10),
    (0x0302, Version::Tls11),
    (0x0303, Version::Tls12),
    (0x0304, Version::Tls13),
];

/// Mbed TLS.
#[derive(Debug)]
pub(super) struct MbedTls;

impl Provider for MbedTls {
    fn backend(&self) -> Backend {
        Backend::MbedTls
    }

    fn description(&self) -> String {
        format!("mbedtls {}", ffi::library_version())
    }

    fn versions(&self) -> RangeInclusive<Version> {
        let (lowest, highest) = ffi::versions();
        version_of(lowest)..=version_of(highest)
    }

    fn server(&self, settings: &ServerSettings) -> Result<Box<dyn Acceptor>, Error> {
        Ok(Box::new(self.acceptor(settings)?))
    }

    fn client(&self, settings: &ClientSettings) -> Result<Box<dyn Connector>, Error> {
        let mut config = self.begin(false, &settings.keywords)?;
        let name = settings.name_to_verify().map(Name::parse).transpose()?;
        if let Some(files) = &settings.certificate {
            files::show(&mut config, &Identity::load(files)?, files)?;
        }
        let listed = listed(&mut config, &settings.verify)?;
        // RFC 7435: encryption without authentication is better than none.
        let listed = listed.filter(|_| !settings.keywords.no_verify);
        let trust = judge_peers(&mut config, listed, name);
        Ok(Box::new(MbedTlsConnector {
            config: Arc::new(config),
            asked_for: asked_for(settings)?,
            trust,
        }))
    }
}

impl MbedTls {
    fn acceptor(&self, settings: &ServerSettings) -> Result<MbedTlsAcceptor, Error> {
        let keywords = &settings.keywords;
        let mut config = self.begin(true, keywords)?;
        let identity = Identity::load(&settings.certificate)?;
        let expires = identity.expires();
        files::show(&mut config, &identity, &settings.certificate)?;
        if !config.is_for_servers() {
            let reason = OneLine::escaped("it says what it is for, and not that it is for servers");
            return Err(FileFault::UnusableCertificate(1, reason).of(&settings.certificate.chain));
        }
        let listed = listed(&mut config, &settings.verify)?;
        // Nobody is asked for what is not needed: the library would check whatever keys
        // strangers show, and some of them take it half a second each.
        let listed = listed.filter(|_| !keywords.no_verify);
        let trust = judge_peers(&mut config, listed, None);
        if !keywords.server_preference {
            config.follow_clients();
        }
        if !keywords.no_resumption {
            // Tickets are under keys of this configuration only, so that none is good
            // for another listener, which may demand more of its clients. What is
            // resumed with TLS 1.3 does not know the client's certificate any more.
            let given = config.give_tickets(TICKET_KEYS_SECONDS, trust == Trust::Unverified);
            given.map_err(library)?;
        }
        Ok(MbedTlsAcceptor {
            config: Arc::new(config),
            trust,
            expires,
        })
    }

    /// Makes a configuration with all that keywords say of both ends.
    fn begin(&self, is_server: bool, keywords: &Keywords) -> Result<Config, Error> {
        if !ffi::is_same_version() {
            return Err(Error::Library {
                backend: Backend::MbedTls,
                reason: OneLine::escaped(format!(
                    "this program was built for another version than {}",
                    ffi::library_version()
                )),
            });
        }
        let allowed = keywords.versions(Backend::MbedTls, self.versions())?;
        let mut config = Config::new(is_server).map_err(library)?;
        config.set_versions(number_of(*allowed.start()), number_of(*allowed.end()));
        let suites = SUITES.map(|suite| suite.number);
        config.set_suites(&suites).map_err(library)?;
        Ok(config)
    }
}

/// The authorities to judge peers by, where there are any.
fn listed(config: &mut Config, source: &VerifySource) -> Result<Option<HashSet<Vec<u8>>>, Error> {
    let authorities = Authorities::load(source)?;
    let listed = authorities.map(|authorities| files::trust(config, authorities));
    listed.transpose()
}

/// Has peers judged where there are authorities, and says how far they are known then.
fn judge_peers(config: &mut Config, listed: Option<HashSet<Vec<u8>>>, name: Option<Name>) -> Trust {
    let judge = listed.map(|listed| Judge { listed, name });
    let trust = judge.as_ref().map_or(Trust::Unverified, Judge::trust);
    config.verify(judge);
    trust
}

fn version_of(number: u16) -> Version {
    let known = NUMBERS.iter().find(|(known, _)| *known == number);
    known.map_or(Version::Tls12, |(_, version)| *version)
}

fn number_of(version: Version) -> u16 {
    let known = NUMBERS.iter().find(|(_, known)| *known == version);
    known.map_or(0x0303, |(number, _)| *number)
}

/// The host name to ask for, if any.
fn asked_for(settings: &ClientSettings) -> Result<Option<CString>, Error> {
    let name = settings.name_to_ask_for().map(Name::parse).transpose()?;
    Ok(match name {
        Some(Name::Host(host)) => ffi::c_string(&host),
        Some(Name::Address(_)) | None => None,
    })
}

fn library(code: Code) -> Error {
    Error::Library {
        backend: Backend::MbedTls,
        reason: OneLine::escaped(code.text()),
    }
}

struct MbedTlsAcceptor {
    config: Arc<Config>,
    trust: Trust,
    expires: Option<i64>,
}

impl MbedTlsAcceptor {
    fn engine(&self) -> Result<MbedTlsEngine, Error> {
        let connection = Connection::new(&self.config, None).map_err(library)?;
        Ok(MbedTlsEngine::new(connection, self.trust))
    }
}

impl Acceptor for MbedTlsAcceptor {
    fn accept(&self) -> Result<Box<dyn Engine>, Error> {
        Ok(Box::new(self.engine()?))
    }

    fn expires(&self) -> Option<i64> {
        self.expires
    }
}

struct MbedTlsConnector {
    config: Arc<Config>,
    asked_for: Option<CString>,
    trust: Trust,
}

impl Connector for MbedTlsConnector {
    fn connect(&self) -> Result<Box<dyn Engine>, Error> {
        let connection = Connection::new(&self.config, self.asked_for.as_deref());
        let connection = connection.map_err(library)?;
        let mut engine = MbedTlsEngine::new(connection, self.trust);
        engine.begin()?;
        Ok(Box::new(engine))
    }
}

#[cfg(test)]
mod tests;
