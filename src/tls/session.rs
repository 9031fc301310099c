//! What two ends have agreed upon, and what one knows of the other.

use std::fmt;

use super::certificate::Certificate;
use super::pem;
use crate::base::OneLine;

/// The longest certificate kept as PEM, in octets of PEM.
pub const PEM_OCTETS_MAX: usize = 32 * 1024;

/// How far a peer's certificate has been checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Not at all: anyone can have made it.
    Unverified,
    /// An authority vouches for it, for whatever name.
    Chain,
    /// An authority vouches for it, and it is for the name that was asked for.
    Name,
}

/// A connection that is secure, as far as its peer is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The version of the protocol: `TLSv1.3`.
    pub protocol: &'static str,
    /// The cipher suite as OpenSSL calls it and logs have it:
    /// `TLS_AES_256_GCM_SHA384`, `ECDHE-RSA-AES256-GCM-SHA384`.
    pub cipher: &'static str,
    /// The cipher suite by its registered name, for the `Received` field:
    /// `TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384`.
    // RFC 8314 4.3: tls-cipher is a name from the IANA registry.
    pub suite: &'static str,
    /// The peer's certificate, if it has shown one.
    pub peer: Option<Peer>,
}

/// A peer, by its certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// How far the certificate has been checked.
    pub trust: Trust,
    /// The certificate; nothing where it has more than [`PEM_OCTETS_MAX`].
    pub pem: Option<String>,
    /// Its subject: `/O=Example/CN=mail.example`.
    pub subject: OneLine,
    /// The host names and addresses that it is for, the first ones of many.
    pub names: Vec<OneLine>,
}

impl Peer {
    /// Describes the peer that showed this certificate.
    pub fn new(der: &[u8], trust: Trust) -> Peer {
        let short = pem::certificate_octets(der.len()) <= PEM_OCTETS_MAX;
        let (subject, names) = match Certificate::parse(der) {
            Some(certificate) => (certificate.subject, certificate.names),
            None => (OneLine::default(), Vec::new()),
        };
        Peer {
            trust,
            pem: short.then(|| pem::certificate(der)),
            subject,
            names,
        }
    }
}

/// For the log: `protocol TLSv1.3 cipher TLS_AES_256_GCM_SHA384`.
impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "protocol {} cipher {}", self.protocol, self.cipher)
    }
}

/// For the log: `certificate-subject=[/CN=mail.example] unverified`.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trust = match self.trust {
            Trust::Unverified => "unverified",
            Trust::Chain => "verified",
            Trust::Name => "verified with its name",
        };
        write!(f, "certificate-subject=[{}] {trust}", self.subject)
    }
}
