//! Keys and certificates in the form that OpenSSL wants.

use std::path::Path;

use ::openssl::error::ErrorStack;
use ::openssl::pkey::{PKey, Private};
use ::openssl::ssl::SslContextBuilder;
use ::openssl::x509::X509;
use ::openssl::x509::store::{X509Store, X509StoreBuilder};
use ::openssl::x509::verify::X509VerifyFlags;

use super::first_reason;
use crate::base::OneLine;
use crate::tls::config::CertificateFiles;
use crate::tls::file::{Authorities, Identity, Origin};
use crate::tls::{Backend, Error, FileFault};

/// A private key and the certificates to show for it.
pub(super) struct KeyAndChain {
    key: PKey<Private>,
    chain: Vec<X509>,
    files: CertificateFiles,
}

impl KeyAndChain {
    /// Understands what was read from the files, after a look whether it belongs
    /// together.
    pub(super) fn new(identity: &Identity, files: &CertificateFiles) -> Result<KeyAndChain, Error> {
        let unusable_key =
            |error: ErrorStack| FileFault::UnusableKey(first_reason(&error)).of(&files.key);
        let key = PKey::private_key_from_der(&identity.key).map_err(unusable_key)?;
        let mut chain = Vec::new();
        for (index, der) in identity.chain.iter().enumerate() {
            let read = X509::from_der(der);
            chain.push(read.map_err(|error| unusable(&files.chain, index, &error))?);
        }
        let first = chain.first().map(|leaf| leaf.public_key());
        match first {
            Some(Ok(public)) if public.public_eq(&key) => {}
            Some(Err(error)) => return Err(unusable(&files.chain, 0, &error)),
            _ => {
                return Err(Error::Mismatch {
                    certificate: files.chain.clone(),
                    key: files.key.clone(),
                });
            }
        }
        Ok(KeyAndChain {
            key,
            chain,
            files: files.clone(),
        })
    }

    /// Shows them to peers, if the security level of the context finds them good enough.
    pub(super) fn install(&self, builder: &mut SslContextBuilder) -> Result<(), Error> {
        for (index, certificate) in self.chain.iter().enumerate() {
            let installed = match index {
                0 => builder.set_certificate(certificate),
                _ => builder.add_extra_chain_cert(certificate.clone()),
            };
            installed.map_err(|error| unusable(&self.files.chain, index, &error))?;
        }
        builder
            .set_private_key(&self.key)
            .map_err(|error| FileFault::UnusableKey(first_reason(&error)).of(&self.files.key))
    }
}

fn unusable(path: &Path, index: usize, error: &ErrorStack) -> Error {
    FileFault::UnusableCertificate(index + 1, first_reason(error)).of(path)
}

/// Those who may vouch for peers.
pub(super) struct Roots(Vec<X509>);

impl Roots {
    /// Understands what was read. Of a store of the system those that OpenSSL cannot
    /// read are left out.
    pub(super) fn new(authorities: &Authorities) -> Result<Roots, Error> {
        let mut roots = Vec::new();
        for (index, der) in authorities.certificates.iter().enumerate() {
            match (X509::from_der(der), &authorities.origin) {
                (Ok(root), _) => roots.push(root),
                (Err(error), Origin::File(path)) => return Err(unusable(path, index, &error)),
                (Err(_), Origin::Store(_) | Origin::Library) => {}
            }
        }
        match &authorities.origin {
            Origin::Store(path) if roots.is_empty() => Err(FileFault::NoCertificate.of(path)),
            // OpenSSL would look where it was built, or where the environment says.
            Origin::Library => Err(Error::Library {
                backend: Backend::OpenSsl,
                reason: OneLine::escaped(
                    "<default>: this system has no list of authorities in any usual place, \
                     and openssl has none of its own: name a file",
                ),
            }),
            _ => Ok(Roots(roots)),
        }
    }

    /// A store of them for one context.
    pub(super) fn store(&self) -> Result<X509Store, ErrorStack> {
        let mut store = X509StoreBuilder::new()?;
        for root in &self.0 {
            store.add_cert(root.clone())?;
        }
        // Whoever is in the list is believed, whether he vouches for himself or not.
        store.set_flags(X509VerifyFlags::PARTIAL_CHAIN)?;
        Ok(store.build())
    }
}
