//! Who is believed to be who: one type for each rule, so that a rule cannot be
//! switched to another by mistake.

use std::sync::Arc;

use ::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use ::rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use ::rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use ::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use ::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use ::rustls::server::{ParsedCertificate, VerifierBuilderError, WebPkiClientVerifier};
use ::rustls::{CertificateError, DigitallySignedStruct, DistinguishedName};
use ::rustls::{Error as RustlsError, RootCertStore, SignatureScheme};

use super::crypto;
use crate::base::OneLine;
use crate::tls::certificate::Certificate;
use crate::tls::file::{Authorities, Origin};
use crate::tls::{Error, FileFault};

fn algorithms() -> WebPkiSupportedAlgorithms {
    crypto().signature_verification_algorithms
}

/// Those who may vouch for peers.
#[derive(Debug)]
pub(super) struct Roots {
    store: Arc<RootCertStore>,
    /// The same as certificates, where the administrator has chosen them.
    listed: Vec<CertificateDer<'static>>,
}

impl Roots {
    pub(super) fn new(authorities: &Authorities) -> Result<Roots, Error> {
        let mut store = RootCertStore::empty();
        for (index, der) in authorities.certificates.iter().enumerate() {
            let added = store.add(CertificateDer::from(der.as_slice()));
            if let (Origin::File(path), Err(error)) = (&authorities.origin, added) {
                let reason = OneLine::escaped(error.to_string());
                return Err(FileFault::UnusableCertificate(index + 1, reason).of(path));
            }
        }
        if authorities.origin == Origin::Library {
            store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        if let (Origin::Store(path), true) = (&authorities.origin, store.is_empty()) {
            return Err(FileFault::NoCertificate.of(path));
        }
        let listed = authorities.certificates.iter().cloned();
        Ok(Roots {
            store: Arc::new(store),
            listed: listed.map(CertificateDer::from).collect(),
        })
    }

    /// Whether this very certificate is in the list, as one that vouches for
    /// itself, and valid now. Certificates are often made so by hand, with the mark of
    /// an authority, which webpki accepts from no peer.
    fn vouch_for(&self, peer: &CertificateDer<'_>, now: UnixTime) -> Result<bool, RustlsError> {
        if !self.listed.iter().any(|listed| listed == peer) {
            return Ok(false);
        }
        let certificate = Certificate::parse(peer).ok_or(CertificateError::BadEncoding)?;
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        match certificate.is_valid_at(now) {
            true => Ok(true),
            false if now < certificate.not_before => Err(CertificateError::NotValidYet.into()),
            false => Err(CertificateError::Expired.into()),
        }
    }
}

/// Believes any server.
///
/// Not even the signature of the handshake is looked at: where everybody is
/// believed it keeps nobody out, and it would keep out servers whose certificates
/// are of version 1 or have short keys, for which the alternative is no
/// encryption at all.
// RFC 7435: encryption without authentication is better than none.
#[derive(Debug)]
pub(super) struct Unverified;

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, RustlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        algorithms().supported_schemes()
    }
}

/// Believes servers that an authority vouches for, and those only whose
/// certificate is for the name, where there is one.
// RFC 7817: alternative names only, never the common name of the subject.
#[derive(Debug)]
pub(super) struct Verified {
    roots: Roots,
    name: Option<ServerName<'static>>,
}

impl Verified {
    pub(super) fn new(roots: Roots, name: Option<ServerName<'static>>) -> Verified {
        Verified { roots, name }
    }
}

impl ServerCertVerifier for Verified {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>, // the name asked for, which need not be this one
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, RustlsError> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        if !self.roots.vouch_for(end_entity, now)? {
            verify_server_cert_signed_by_trust_anchor(
                &certificate,
                &self.roots.store,
                intermediates,
                now,
                algorithms().all,
            )?;
        }
        if let Some(name) = &self.name {
            verify_server_name(&certificate, name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        verify_tls12_signature(message, certificate, signature, &algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        verify_tls13_signature(message, certificate, signature, &algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        algorithms().supported_schemes()
    }
}

/// Asks clients for a certificate and lets in those with any, or with none.
#[derive(Debug)]
pub(super) struct AskAnyone {
    nobody: [DistinguishedName; 0],
}

impl AskAnyone {
    pub(super) fn new() -> AskAnyone {
        AskAnyone { nobody: [] }
    }
}

/// Whether webpki and ring can check what is signed with the certificate's key.
pub(super) fn is_provable(certificate: &CertificateDer<'_>) -> bool {
    let rsa_bits = Certificate::parse(certificate).and_then(|c| c.rsa_bits());
    let usual = rsa_bits.is_none_or(|bits| (2048..=8192).contains(&bits));
    usual && ParsedCertificate::try_from(certificate).is_ok()
}

impl ClientCertVerifier for AskAnyone {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.nobody
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, RustlsError> {
        Ok(ClientCertVerified::assertion())
    }

    // A certificate that nobody can prove to have the key to counts as none: its
    // owner is let in, but the engine does not record it.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        match is_provable(certificate) {
            true => verify_tls12_signature(message, certificate, signature, &algorithms()),
            false => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        match is_provable(certificate) {
            true => verify_tls13_signature(message, certificate, signature, &algorithms()),
            false => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        algorithms().supported_schemes()
    }
}

/// Lets in only clients that an authority vouches for.
#[derive(Debug)]
pub(super) struct VerifiedClient {
    roots: Roots,
    chain: Arc<dyn ClientCertVerifier>,
}

impl VerifiedClient {
    pub(super) fn new(roots: Roots) -> Result<VerifiedClient, VerifierBuilderError> {
        let store = Arc::clone(&roots.store);
        // Without the list of authorities, which could be long: a client has one
        // certificate or none, and shows it anyway.
        let chain = WebPkiClientVerifier::builder_with_provider(store, crypto())
            .clear_root_hint_subjects()
            .build()?;
        Ok(VerifiedClient { roots, chain })
    }
}

impl ClientCertVerifier for VerifiedClient {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, RustlsError> {
        match self.roots.vouch_for(end_entity, now)? {
            true => Ok(ClientCertVerified::assertion()),
            false => {
                let chain = &self.chain;
                chain.verify_client_cert(end_entity, intermediates, now)
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        verify_tls12_signature(message, certificate, signature, &algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        verify_tls13_signature(message, certificate, signature, &algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        algorithms().supported_schemes()
    }
}
