//! Who is believed to be who.

use ::openssl::error::ErrorStack;
use ::openssl::ssl::{SslContextBuilder, SslVerifyMode};
use ::openssl::x509::verify::X509CheckFlags;
use ::openssl::x509::{X509Ref, X509StoreContextRef, X509VerifyResult};

use super::files::Roots;
use crate::tls::certificate::Certificate;
use crate::tls::config::{ClientSettings, Keywords, VerifySource};
use crate::tls::file::Authorities;
use crate::tls::name::Name;
use crate::tls::{Error, Trust};

/// What X509_V_ERR_HOSTNAME_MISMATCH is.
const HOSTNAME_MISMATCH: i32 = 62;

fn load(source: &VerifySource) -> Result<Option<Roots>, Error> {
    let authorities = Authorities::load(source)?;
    authorities.as_ref().map(Roots::new).transpose()
}

/// How a server judges clients.
pub(super) enum Clients {
    /// They are not asked for a certificate.
    NotAsked,
    /// They may have any certificate, or none.
    Any,
    /// They need one by an authority.
    Verified(Roots),
}

impl Clients {
    pub(super) fn new(source: &VerifySource, keywords: &Keywords) -> Result<Clients, Error> {
        Ok(match load(source)? {
            None if *source == VerifySource::None => Clients::NotAsked,
            Some(roots) if !keywords.no_verify => Clients::Verified(roots),
            _ => Clients::Any,
        })
    }

    pub(super) fn trust(&self) -> Trust {
        match self {
            Clients::NotAsked | Clients::Any => Trust::Unverified,
            Clients::Verified(_) => Trust::Chain,
        }
    }

    pub(super) fn install(&self, builder: &mut SslContextBuilder) -> Result<(), ErrorStack> {
        match self {
            Clients::NotAsked => builder.set_verify(SslVerifyMode::NONE),
            Clients::Any => builder.set_verify_callback(SslVerifyMode::PEER, |_, _| true),
            Clients::Verified(roots) => {
                builder.set_verify_cert_store(roots.store()?)?;
                builder.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
            }
        }
        Ok(())
    }
}

/// How a client judges servers.
pub(super) enum Servers {
    /// They may have any certificate.
    Any,
    /// They need one by an authority, and for the name, where there is one.
    Verified(Roots, Option<Name>),
}

impl Servers {
    pub(super) fn new(settings: &ClientSettings) -> Result<Servers, Error> {
        let name = settings.name_to_verify().map(Name::parse).transpose()?;
        Ok(match load(&settings.verify)? {
            Some(roots) if !settings.keywords.no_verify => Servers::Verified(roots, name),
            _ => Servers::Any,
        })
    }

    pub(super) fn trust(&self) -> Trust {
        match self {
            Servers::Any => Trust::Unverified,
            Servers::Verified(_, None) => Trust::Chain,
            Servers::Verified(_, Some(_)) => Trust::Name,
        }
    }

    pub(super) fn install(self, builder: &mut SslContextBuilder) -> Result<(), ErrorStack> {
        let Servers::Verified(roots, name) = self else {
            // RFC 7435: encryption without authentication is better than none.
            builder.set_verify(SslVerifyMode::NONE);
            return Ok(());
        };
        builder.set_verify_cert_store(roots.store()?)?;
        builder.set_verify(SslVerifyMode::PEER);
        let parameters = builder.verify_param_mut();
        match name {
            None => {}
            Some(Name::Address(address)) => parameters.set_ip(address)?,
            Some(Name::Host(host)) => {
                // RFC 7817 3: a wildcard is a whole label. OpenSSL would look at the
                // common name of a certificate for an address.
                parameters.set_hostflags(
                    X509CheckFlags::NO_PARTIAL_WILDCARDS | X509CheckFlags::NEVER_CHECK_SUBJECT,
                );
                parameters.set_host(&host)?;
                let judge = move |fine: bool, found: &mut X509StoreContextRef| {
                    fine || has_it_as_common_name(found, &host)
                };
                builder.set_verify_callback(SslVerifyMode::PEER, judge);
            }
        }
        Ok(())
    }
}

/// Whether all that is wrong with a certificate is that the name is not among its
/// alternative names, of which it has none at all, and the common name is it.
// OpenSSL does not compare common names with what authorities are limited to, since it
// has been told not to look at them.
fn has_it_as_common_name(found: &mut X509StoreContextRef, host: &str) -> bool {
    let mismatch = found.error().as_raw() == HOSTNAME_MISMATCH && found.error_depth() == 0;
    let is_called = |leaf: &X509Ref| says(leaf, |certificate| certificate.is_called(host));
    let is_free = |one: &X509Ref| says(one, |certificate| !certificate.is_limited);
    let fine = mismatch
        && found.current_cert().is_some_and(is_called)
        && found.chain().is_some_and(|chain| chain.iter().all(is_free));
    if fine {
        found.set_error(X509VerifyResult::OK);
    }
    fine
}

fn says(certificate: &X509Ref, what: impl FnOnce(&Certificate<'_>) -> bool) -> bool {
    let der = certificate.to_der();
    der.is_ok_and(|der| Certificate::parse(&der).is_some_and(|parsed| what(&parsed)))
}
