//! The text form of certificates and keys.
// RFC 7468: "-----BEGIN label-----", base64, "-----END label-----"; RFC 1421 for
// the header lines of keys that are encrypted in the traditional way.

use crate::base::{ascii, base64};

/// Octets of text in one line.
const LINE: usize = 64;

/// What a section of a PEM file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A certificate.
    Certificate,
    /// A private key, in whatever structure.
    PrivateKey,
    /// A private key under a passphrase; its bytes are not decoded.
    EncryptedKey,
}

/// One section.
#[derive(PartialEq, Eq)]
pub struct Section {
    /// What it is.
    pub kind: Kind,
    /// What it holds.
    pub der: Vec<u8>,
}

/// Finds the certificates and keys in a file, in their order. Text around the
/// sections and sections of other kinds are passed over; a section that does not
/// end or is not base64 makes the file malformed.
pub fn sections(file: &[u8]) -> Result<Vec<Section>, &'static str> {
    let mut found = Vec::new();
    let mut lines = file.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    while let Some(line) = lines.next() {
        let Some(label) = boundary(line, b"-----BEGIN ") else {
            continue;
        };
        let mut text = Vec::new();
        let mut encrypted = false;
        loop {
            let line = lines.next().ok_or("a section does not end")?;
            if let Some(end) = boundary(line, b"-----END ") {
                if end != label {
                    return Err("a section does not end as it begins");
                }
                break;
            }
            // RFC 1421 4.6: header lines have a colon, which base64 has not.
            match line.contains(&b':') {
                true => encrypted |= line.ends_with(b"ENCRYPTED"),
                false => text.extend_from_slice(line),
            }
        }
        found.extend(section(label, encrypted, &text)?);
    }
    Ok(found)
}

fn boundary<'a>(line: &'a [u8], start: &[u8]) -> Option<&'a [u8]> {
    line.strip_prefix(start)?.strip_suffix(b"-----")
}

fn section(label: &[u8], encrypted: bool, text: &[u8]) -> Result<Option<Section>, &'static str> {
    let kind = match label {
        b"CERTIFICATE" | b"X509 CERTIFICATE" => Kind::Certificate,
        b"ENCRYPTED PRIVATE KEY" => Kind::EncryptedKey,
        _ if label.ends_with(b"PRIVATE KEY") && encrypted => Kind::EncryptedKey,
        _ if label.ends_with(b"PRIVATE KEY") => Kind::PrivateKey,
        _ => return Ok(None),
    };
    let der = match kind {
        Kind::EncryptedKey => Vec::new(),
        _ => base64::decode(ascii::trim(text)).ok_or("a section is not base64")?,
    };
    Ok(Some(Section { kind, der }))
}

/// Writes one certificate, every line of it ending in LF.
pub fn certificate(der: &[u8]) -> String {
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in der.chunks(LINE / 4 * 3) {
        text.push_str(&String::from_utf8_lossy(&base64::encode(line)));
        text.push('\n');
    }
    text + "-----END CERTIFICATE-----\n"
}

/// How many octets [`certificate`] gives for so many octets.
pub fn certificate_octets(der: usize) -> usize {
    let base64 = der.div_ceil(3).saturating_mul(4);
    let lines = der.div_ceil(LINE / 4 * 3);
    base64.saturating_add(lines).saturating_add(54)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Result<Vec<(Kind, Vec<u8>)>, &'static str> {
        let sections = sections(text.as_bytes())?;
        Ok(sections.into_iter().map(|s| (s.kind, s.der)).collect())
    }

    #[test]
    fn reads_what_it_writes() {
        let all: Vec<u8> = (0..=255).collect();
        for length in 0..=256 {
            let text = certificate(&all[..length]);
            assert_eq!(text.len(), certificate_octets(length));
            assert!(text.lines().all(|line| line.len() <= LINE));
            let expected = vec![(Kind::Certificate, all[..length].to_vec())];
            assert_eq!(found(&text), Ok(expected.clone()), "{length}");
            assert_eq!(found(&text.replace('\n', "\r\n")), Ok(expected));
        }
    }

    #[test]
    fn tells_kinds_apart_and_passes_over_the_rest() {
        let text = "Subject: x\n\
            -----BEGIN EC PARAMETERS-----\nAAAA\n-----END EC PARAMETERS-----\n\
            -----BEGIN EC PRIVATE KEY-----\nAQI=\n-----END EC PRIVATE KEY-----\n\
            -----BEGIN ENCRYPTED PRIVATE KEY-----\nAQI=\n-----END ENCRYPTED PRIVATE KEY-----\n\
            -----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: X,Y\n\nAQI=\n\
            -----END RSA PRIVATE KEY-----\n\
            -----BEGIN X509 CERTIFICATE-----\nAw==\n-----END X509 CERTIFICATE-----";
        let expected = vec![
            (Kind::PrivateKey, vec![1, 2]),
            (Kind::EncryptedKey, vec![]),
            (Kind::EncryptedKey, vec![]),
            (Kind::Certificate, vec![3]),
        ];
        assert_eq!(found(text), Ok(expected));
        assert_eq!(found("no sections\n"), Ok(vec![]));
        assert_eq!(found(""), Ok(vec![]));
    }

    #[test]
    fn refuses_malformed_sections() {
        let wrap = |text: &str| {
            format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
        };
        for bad in ["AAA", "A===", "AA=A", "AA*A", "AAAA=", "====", "A A A A"] {
            assert_eq!(found(&wrap(bad)), Err("a section is not base64"), "{bad}");
        }
        let text = wrap("AAAA");
        for end in 30..text.len() - 1 {
            assert!(found(&text[..end]).is_err(), "{end}");
        }
        let other = text.replace("END CERT", "END X509 CERT");
        assert_eq!(found(&other), Err("a section does not end as it begins"));
    }
}
