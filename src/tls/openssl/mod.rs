//! TLS by OpenSSL, the system's or one that is built in: what it speaks, with which
//! ciphers and curves, is for the library and the system's settings for it to say.
//! Renegotiation and compression are off.

mod context;
mod engine;
mod files;
mod verify;
mod wire;

use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};

use ::openssl::error::ErrorStack;
use ::openssl::ssl::{Ssl, SslContext, SslContextBuilder, SslMethod, SslOptions};

use self::engine::OpenSslEngine;
use self::files::KeyAndChain;
use self::verify::{Clients, Servers};
use super::config::{ClientSettings, Keywords, ServerSettings, Version};
use super::file::Identity;
use super::name::Name;
use super::{Acceptor, Backend, Connector, Engine, Error, Provider, Trust};
use crate::base::OneLine;
use crate::sys;

/// How long tickets are made and understood with the same keys, in seconds.
const TICKET_KEYS_SECONDS: i64 = 6 * 60 * 60;

/// OpenSSL.
#[derive(Debug)]
pub(super) struct OpenSsl;

impl Provider for OpenSsl {
    fn backend(&self) -> Backend {
        Backend::OpenSsl
    }

    fn description(&self) -> String {
        ::openssl::version::version().to_owned()
    }

    fn versions(&self) -> RangeInclusive<Version> {
        Version::Tls10..=Version::Tls13
    }

    fn server(&self, settings: &ServerSettings) -> Result<Box<dyn Acceptor>, Error> {
        let identity = Identity::load(&settings.certificate)?;
        let recipe = ServerRecipe {
            keywords: settings.keywords.clone(),
            identity: KeyAndChain::new(&identity, &settings.certificate)?,
            clients: Clients::new(&settings.verify, &settings.keywords)?,
        };
        let expires = identity.expires();
        let acceptor = OpenSslAcceptor::new(recipe, expires, unix_seconds())?;
        Ok(Box::new(acceptor))
    }

    fn client(&self, settings: &ClientSettings) -> Result<Box<dyn Connector>, Error> {
        let servers = Servers::new(settings)?;
        let mut builder = context::begin(SslMethod::tls_client(), &settings.keywords)?;
        // A resumed session is not verified again, and mail is not in a hurry.
        builder.set_options(SslOptions::NO_TICKET);
        if let Some(files) = &settings.certificate {
            KeyAndChain::new(&Identity::load(files)?, files)?.install(&mut builder)?;
        }
        let trust = servers.trust();
        servers
            .install(&mut builder)
            .map_err(|error| library(&error))?;
        let asked_for = settings.name_to_ask_for().map(Name::parse).transpose()?;
        Ok(Box::new(OpenSslConnector {
            context: builder.build(),
            asked_for: asked_for.and_then(|name| match name {
                Name::Host(host) => Some(host),
                Name::Address(_) => None,
            }),
            trust,
        }))
    }
}

/// What OpenSSL complains of first.
fn first_reason(error: &ErrorStack) -> OneLine {
    let first = error.errors().first().and_then(|first| first.reason());
    OneLine::escaped(first.unwrap_or("no reason given"))
}

fn library(error: &ErrorStack) -> Error {
    Error::Library {
        backend: Backend::OpenSsl,
        reason: first_reason(error),
    }
}

fn unix_seconds() -> i64 {
    sys::time::wall_clock().unix_ms.div_euclid(1000)
}

/// All that contexts of a server are made of.
struct ServerRecipe {
    keywords: Keywords,
    identity: KeyAndChain,
    clients: Clients,
}

impl ServerRecipe {
    /// Makes a context, with keys for tickets that no other one has: a ticket is of no
    /// use to another listener, which may demand more of its clients.
    fn context(&self) -> Result<SslContext, Error> {
        let mut builder = context::begin(SslMethod::tls_server(), &self.keywords)?;
        self.identity.install(&mut builder)?;
        let install = |builder: &mut SslContextBuilder| {
            self.clients.install(builder)?;
            // OpenSSL resumes no session of a client that it has asked for a
            // certificate unless this is set.
            builder.set_session_id_context(b"emailrelay")
        };
        install(&mut builder).map_err(|error| library(&error))?;
        Ok(builder.build())
    }
}

/// The context of the hour.
struct Current {
    context: SslContext,
    /// When it was made, in seconds since 1970.
    since: i64,
}

struct OpenSslAcceptor {
    recipe: ServerRecipe,
    current: Mutex<Current>,
    trust: Trust,
    expires: Option<i64>,
}

impl OpenSslAcceptor {
    fn new(recipe: ServerRecipe, expires: Option<i64>, now: i64) -> Result<Self, Error> {
        let current = Current {
            context: recipe.context()?,
            since: now,
        };
        Ok(OpenSslAcceptor {
            trust: recipe.clients.trust(),
            recipe,
            current: Mutex::new(current),
            expires,
        })
    }

    /// Begins a connection at that time, in seconds since 1970: with new keys for
    /// tickets if the former ones are old, or from a future that did not come.
    fn begin(&self, now: i64) -> Result<OpenSslEngine, Error> {
        // Whoever panicked with it has either replaced all of it or nothing.
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = current.since..current.since.saturating_add(TICKET_KEYS_SECONDS);
        if !fresh.contains(&now) {
            *current = Current {
                context: self.recipe.context()?,
                since: now,
            };
        }
        let begun = Ssl::new(&current.context).and_then(|mut ssl| {
            ssl.set_accept_state();
            OpenSslEngine::new(ssl, self.trust)
        });
        begun.map_err(|error| library(&error))
    }
}

impl Acceptor for OpenSslAcceptor {
    fn accept(&self) -> Result<Box<dyn Engine>, Error> {
        Ok(Box::new(self.begin(unix_seconds())?))
    }

    fn expires(&self) -> Option<i64> {
        self.expires
    }
}

struct OpenSslConnector {
    context: SslContext,
    asked_for: Option<String>,
    trust: Trust,
}

impl Connector for OpenSslConnector {
    fn connect(&self) -> Result<Box<dyn Engine>, Error> {
        let begun = Ssl::new(&self.context).and_then(|mut ssl| {
            ssl.set_connect_state();
            if let Some(host) = &self.asked_for {
                ssl.set_hostname(host)?;
            }
            OpenSslEngine::new(ssl, self.trust)
        });
        let mut engine = begun.map_err(|error| library(&error))?;
        engine.begin()?;
        Ok(Box::new(engine))
    }
}

#[cfg(test)]
mod tests;
