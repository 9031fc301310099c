//! Files of certificates and keys, certificates of peers, and the words that choose
//! versions of TLS.

use emailrelay::tls::certificate::{Certificate, NAME_OCTETS_MAX, NAMES_MAX};
use emailrelay::tls::session::PEM_OCTETS_MAX;
use emailrelay::tls::{Keywords, Peer, Trust, pem};

use super::pieces::{check_one_line, check_shown};

/// A file in PEM, a certificate in DER, or words.
pub(crate) fn certificates(data: &[u8]) {
    certificate(data);
    match pem::sections(data) {
        Ok(sections) => {
            let octets: usize = sections.iter().map(|section| section.der.len()).sum();
            assert!(octets <= data.len());
            for section in &sections {
                match section.kind {
                    pem::Kind::Certificate => certificate(&section.der),
                    pem::Kind::EncryptedKey => assert!(section.der.is_empty()),
                    pem::Kind::PrivateKey => {}
                }
            }
        }
        Err(why) => check_shown(why, 100),
    }
    if let Ok(words) = std::str::from_utf8(data)
        && let Some(warning) = Keywords::parse(words).warning()
    {
        check_one_line(&warning, usize::MAX);
    }
}

fn certificate(der: &[u8]) {
    let text = pem::certificate(der);
    assert_eq!(text.len(), pem::certificate_octets(der.len()));
    let sections = pem::sections(text.as_bytes()).expect("reads what it has written");
    assert!(sections.len() == 1 && sections[0].der == der);

    let peer = Peer::new(der, Trust::Name);
    check_one_line(&peer.subject, NAME_OCTETS_MAX);
    assert!(peer.names.len() <= NAMES_MAX);
    peer.names
        .iter()
        .for_each(|name| check_one_line(name, NAME_OCTETS_MAX));
    assert!(peer.pem.is_none_or(|pem| pem.len() <= PEM_OCTETS_MAX));
    if let Some(certificate) = Certificate::parse(der) {
        assert_eq!(certificate.subject, peer.subject);
        let bits = certificate.rsa_bits();
        assert!(bits.is_none_or(|bits| bits <= 8 * der.len()));
        assert!(certificate.public_key.len() <= der.len());
        let is_valid = certificate.is_valid_at(certificate.not_before);
        assert_eq!(is_valid, certificate.not_before <= certificate.not_after);
    }
}
