//! What all connections of one configuration have in common.

use ::openssl::error::ErrorStack;
use ::openssl::ssl::{
    SslContextBuilder, SslMethod, SslMode, SslOptions, SslSessionCacheMode, SslVersion,
};

use super::library;
use crate::tls::config::{Keywords, Version};
use crate::tls::{Backend, Error, Provider};

/// The security level below which TLS 1.0 and 1.1 cannot be spoken: OpenSSL 3 counts
/// the signatures of their handshakes as worth nothing.
const LEVEL_OF_OLD_VERSIONS: u32 = 0;

/// Begins a context with everything in it that keywords say, and nothing yet of
/// certificates. Ciphers, curves and the rest are what OpenSSL and the system's
/// settings for it say.
pub(super) fn begin(method: SslMethod, keywords: &Keywords) -> Result<SslContextBuilder, Error> {
    let allowed = keywords.versions(Backend::OpenSsl, super::OpenSsl.versions())?;
    let begun = SslContextBuilder::new(method).and_then(|mut builder| {
        limit_versions(&mut builder, keywords, *allowed.start(), *allowed.end())?;
        switch_options(&mut builder, keywords)?;
        Ok(builder)
    });
    begun.map_err(|error| library(&error))
}

fn limit_versions(
    builder: &mut SslContextBuilder,
    keywords: &Keywords,
    minimum: Version,
    maximum: Version,
) -> Result<(), ErrorStack> {
    // The system's settings may demand more than our lowest version, but what an
    // administrator has asked us for counts.
    let system = builder.min_proto_version().map(name_of);
    let minimum = match (keywords.minimum, system) {
        (None, Some(system)) => minimum.max(system),
        _ => minimum,
    };
    builder.set_min_proto_version(Some(number_of(minimum)))?;
    if keywords.maximum.is_some() {
        builder.set_max_proto_version(Some(number_of(maximum)))?;
    }
    if minimum < Version::Tls12 {
        builder.set_security_level(LEVEL_OF_OLD_VERSIONS);
    }
    Ok(())
}

fn switch_options(builder: &mut SslContextBuilder, keywords: &Keywords) -> Result<(), ErrorStack> {
    let mut options = SslOptions::NO_COMPRESSION | SslOptions::NO_RENEGOTIATION;
    if keywords.work_arounds {
        options |= SslOptions::ALL;
    }
    if keywords.server_preference {
        options |= SslOptions::CIPHER_SERVER_PREFERENCE;
    }
    if keywords.no_resumption {
        options |= SslOptions::NO_TICKET;
        builder.set_num_tickets(0)?;
    }
    builder.set_options(options);
    builder
        .set_mode(SslMode::AUTO_RETRY | SslMode::ENABLE_PARTIAL_WRITE | SslMode::RELEASE_BUFFERS);
    // Sessions are in tickets; what remembers them by number grows with the clients.
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    Ok(())
}

fn number_of(version: Version) -> SslVersion {
    match version {
        Version::Ssl3 => SslVersion::SSL3,
        Version::Tls10 => SslVersion::TLS1,
        Version::Tls11 => SslVersion::TLS1_1,
        Version::Tls12 => SslVersion::TLS1_2,
        Version::Tls13 => SslVersion::TLS1_3,
    }
}

fn name_of(number: SslVersion) -> Version {
    match number {
        SslVersion::SSL3 => Version::Ssl3,
        SslVersion::TLS1 => Version::Tls10,
        SslVersion::TLS1_1 => Version::Tls11,
        SslVersion::TLS1_2 => Version::Tls12,
        _ => Version::Tls13,
    }
}
