//! Keys and certificates in the form that rustls wants.

use std::sync::Arc;

use ::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use ::rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::crypto;
use crate::base::OneLine;
use crate::tls::certificate::Certificate;
use crate::tls::config::CertificateFiles;
use crate::tls::file::Identity;
use crate::tls::{Error, FileFault};

/// Joins a key and its certificates, after a look whether they belong together.
///
/// rustls would look by itself, but cannot read certificates of version 1, which
/// peers that do not verify are happy with.
pub(super) fn certified_key(
    identity: Identity,
    files: &CertificateFiles,
) -> Result<Arc<SingleCertAndKey>, Error> {
    let unusable = |why: &str| FileFault::UnusableKey(OneLine::escaped(why)).of(&files.key);
    let key = PrivateKeyDer::try_from(identity.key).map_err(unusable)?;
    let loaded = crypto().key_provider.load_private_key(key);
    let key = loaded.map_err(|_| {
        unusable("neither RSA of 2048 bits or more nor ECDSA P-256 or P-384 nor Ed25519")
    })?;
    let certificate = identity.chain.first().map(Vec::as_slice);
    let certificate = certificate.and_then(Certificate::parse).ok_or_else(|| {
        FileFault::UnusableCertificate(1, OneLine::escaped("not well-formed")).of(&files.chain)
    })?;
    if key.public_key().as_deref() != Some(certificate.public_key) {
        return Err(Error::Mismatch {
            certificate: files.chain.clone(),
            key: files.key.clone(),
        });
    }
    let chain = identity.chain.into_iter().map(CertificateDer::from);
    let certified = CertifiedKey::new(chain.collect(), key);
    Ok(Arc::new(SingleCertAndKey::from(certified)))
}
