//! What a certificate says, as far as the program cares: whose it is, until when,
//! and for which key. Libraries judge certificates; this only reads them.
// RFC 5280 4.1 for the structure, X.690 for its encoding (DER).

use std::net::IpAddr;

use crate::base::OneLine;

/// The most alternative names that are looked at.
pub const NAMES_MAX: usize = 64;
/// The longest name kept, in octets of the certificate.
pub const NAME_OCTETS_MAX: usize = 255;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xA0;
const EXTENSIONS: u8 = 0xA3;
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;

/// 2.5.29.17.
const SUBJECT_ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1D, 0x11];

/// 2.5.29.30.
const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1D, 0x1E];

/// 2.5.4.3.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// 1.2.840.113549.1.1.1.
const RSA_ENCRYPTION: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01];

/// The attributes of a subject that are shown, with their usual short names.
const ATTRIBUTES: [(&[u8], &str); 8] = [
    (COMMON_NAME, "CN"),
    (&[0x55, 0x04, 0x06], "C"),
    (&[0x55, 0x04, 0x07], "L"),
    (&[0x55, 0x04, 0x08], "ST"),
    (&[0x55, 0x04, 0x0A], "O"),
    (&[0x55, 0x04, 0x0B], "OU"),
    (
        &[0x09, 0x92, 0x26, 0x89, 0x93, 0xF2, 0x2C, 0x64, 0x01, 0x19],
        "DC",
    ),
    (
        &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x01],
        "emailAddress",
    ),
];

/// One of the names in a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GeneralName<'a> {
    /// A host name, perhaps with a wildcard.
    Host(&'a [u8]),
    /// An address.
    Address(IpAddr),
    /// Something that is not a host.
    Other,
}

/// A certificate taken apart.
#[derive(Debug)]
pub struct Certificate<'a> {
    /// The subject: `/C=DE/O=Example/CN=mail.example`, without the attributes that
    /// are rare, and cut at [`NAME_OCTETS_MAX`].
    pub subject: OneLine,
    /// The host names and addresses that it is for, at most [`NAMES_MAX`].
    pub names: Vec<OneLine>,
    /// When its validity begins, in seconds since 1970.
    pub not_before: i64,
    /// When its validity ends, in seconds since 1970.
    pub not_after: i64,
    /// The public key with its algorithm (SubjectPublicKeyInfo).
    pub public_key: &'a [u8],
    /// Whether it is that of an authority which may vouch for some names only.
    pub is_limited: bool,
    subject_sets: Reader<'a>,
    general_names: Option<Reader<'a>>,
}

impl<'a> Certificate<'a> {
    /// Takes a certificate apart, of version 1 as well; nothing where it is not
    /// a well-formed one.
    pub fn parse(der: &'a [u8]) -> Option<Certificate<'a>> {
        let mut certificate = Reader(Reader(der).expect(SEQUENCE)?);
        let mut fields = Reader(certificate.expect(SEQUENCE)?);
        fields.skip_if(VERSION)?;
        fields.next()?; // serial number
        fields.expect(SEQUENCE)?; // algorithm of the signature
        fields.expect(SEQUENCE)?; // issuer
        let mut validity = Reader(fields.expect(SEQUENCE)?);
        let subject = fields.expect(SEQUENCE)?;
        let public_key = fields.whole(SEQUENCE)?;
        let general_names = match extension(fields, SUBJECT_ALTERNATIVE_NAME)? {
            Some(value) => Some(Reader(Reader(value).expect(SEQUENCE)?)),
            None => None,
        };
        Some(Certificate {
            subject: subject_text(subject)?,
            names: general_names.map_or(Some(Vec::new()), shown_names)?,
            not_before: time(validity.next()?)?,
            not_after: time(validity.next()?)?,
            public_key,
            is_limited: extension(fields, NAME_CONSTRAINTS)?.is_some(),
            subject_sets: Reader(subject),
            general_names,
        })
    }

    /// All the alternative names; nothing where the certificate has no list of them.
    pub fn general_names(&self) -> Option<impl Iterator<Item = GeneralName<'a>>> {
        let mut general = self.general_names?;
        Some(std::iter::from_fn(move || general.general_name()))
    }

    /// The common names of the subject.
    pub fn common_names(&self) -> impl Iterator<Item = &'a [u8]> {
        let mut sets = self.subject_sets;
        let sets = std::iter::from_fn(move || sets.expect(SET));
        sets.flat_map(|set| {
            let mut attributes = Reader(set);
            std::iter::from_fn(move || attributes.attribute())
        })
        .filter_map(|(kind, value)| (kind == COMMON_NAME).then_some(value))
    }

    /// Whether it has no alternative names at all, and this host's as a common name.
    // RFC 6125 6.4.4: the last resort, for certificates of old.
    pub fn is_called(&self, host: &str) -> bool {
        let is_it = |name: &[u8]| name.eq_ignore_ascii_case(host.as_bytes());
        self.general_names.is_none() && self.common_names().any(is_it)
    }

    /// The length of the key, if it is one of RSA.
    // RFC 3279 2.3.1: RSAPublicKey has the modulus first.
    pub fn rsa_bits(&self) -> Option<usize> {
        let mut key = Reader(Reader(self.public_key).expect(SEQUENCE)?);
        let algorithm = Reader(key.expect(SEQUENCE)?).expect(OBJECT_IDENTIFIER)?;
        let (_, bits) = key.expect(BIT_STRING)?.split_first()?;
        let modulus = Reader(Reader(bits).expect(SEQUENCE)?).expect(INTEGER)?;
        let zeros = modulus.iter().position(|octet| *octet != 0)?;
        let first = usize::try_from(modulus.get(zeros)?.ilog2()).ok()? + 1;
        (algorithm == RSA_ENCRYPTION).then(|| (modulus.len() - zeros - 1) * 8 + first)
    }

    /// Whether the certificate is valid at that time, in seconds since 1970.
    pub fn is_valid_at(&self, unix_seconds: i64) -> bool {
        (self.not_before..=self.not_after).contains(&unix_seconds)
    }
}

// RFC 5280 4.1.2.4: Name is a SEQUENCE of SETs of type and value.
fn subject_text(subject: &[u8]) -> Option<OneLine> {
    let mut text = Vec::new();
    let mut sets = Reader(subject);
    while !sets.is_empty() && text.len() <= NAME_OCTETS_MAX {
        let mut attributes = Reader(sets.expect(SET)?);
        while !attributes.is_empty() {
            let (kind, value) = attributes.attribute()?;
            if let Some((_, name)) = ATTRIBUTES.iter().find(|(oid, _)| *oid == kind) {
                text.extend([b"/", name.as_bytes(), b"=", bounded(value)].concat());
            }
        }
    }
    let text = bounded(&text);
    Some(OneLine::new(text).unwrap_or_else(|| OneLine::escaped(text)))
}

fn bounded(bytes: &[u8]) -> &[u8] {
    bytes.get(..NAME_OCTETS_MAX).unwrap_or(bytes)
}

/// The value of an extension among the rest of the fields.
// RFC 5280 4.2.
fn extension<'a>(mut fields: Reader<'a>, wanted: &[u8]) -> Option<Option<&'a [u8]>> {
    while !fields.is_empty() {
        let (tag, content) = fields.next()?;
        if tag == EXTENSIONS {
            let mut extensions = Reader(Reader(content).expect(SEQUENCE)?);
            while !extensions.is_empty() {
                let mut extension = Reader(extensions.expect(SEQUENCE)?);
                if extension.expect(OBJECT_IDENTIFIER)? == wanted {
                    return Some(Some(value_of(extension)?));
                }
            }
        }
    }
    Some(None)
}

fn value_of<'a>(mut extension: Reader<'a>) -> Option<&'a [u8]> {
    match extension.next()? {
        (OCTET_STRING, value) => Some(value),
        _ => extension.expect(OCTET_STRING), // after whether it is critical
    }
}

// RFC 5280 4.2.1.6.
fn shown_names(mut general: Reader<'_>) -> Option<Vec<OneLine>> {
    let mut names = Vec::new();
    while !general.is_empty() && names.len() < NAMES_MAX {
        match general.general_name()? {
            // No host has a name with a line end or NUL in it.
            GeneralName::Host(name) => names.extend(OneLine::new(bounded(name))),
            GeneralName::Address(address) => names.extend(OneLine::new(address.to_string())),
            GeneralName::Other => {}
        }
    }
    Some(names)
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    let address = v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from));
    address.ok()
}

// RFC 5280 4.1.2.5: YYMMDDHHMMSSZ until 2049, YYYYMMDDHHMMSSZ from 2050.
fn time((tag, text): (u8, &[u8])) -> Option<i64> {
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = number(text, 2)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => number(text, 4)?,
        _ => return None,
    };
    let (month, rest) = number(rest, 2)?;
    let (day, rest) = number(rest, 2)?;
    let (hour, rest) = number(rest, 2)?;
    let (minute, rest) = number(rest, 2)?;
    let (second, rest) = number(rest, 2)?;
    let plausible = (1..=12).contains(&month) && (1..=31).contains(&day);
    let plausible = plausible && hour < 24 && minute < 60 && second <= 60 && rest == b"Z";
    let seconds = (hour * 60 + minute) * 60 + second;
    plausible.then(|| days_before(year, month, day) * 86_400 + seconds)
}

fn number(text: &[u8], digits: usize) -> Option<(i64, &[u8])> {
    let (digits, rest) = text.split_at_checked(digits)?;
    let value = crate::base::ascii::parse_decimal(digits)?;
    Some((i64::try_from(value).ok()?, rest))
}

/// Days from 1970-01-01 to that day of the Gregorian calendar: years are counted
/// from March, so that a leap day ends its year, in cycles of 400 years.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = match month {
        1 | 2 => (year - 1, month + 9),
        _ => (year, month - 3),
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + leap_days + day_of_year - 719_468
}

/// Reads elements of DER one after the other; never beyond its bytes.
#[derive(Clone, Copy, Debug)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next element: its tag and its content.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (length, rest) = length(rest)?;
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    fn expect(&mut self, expected: u8) -> Option<&'a [u8]> {
        let (tag, content) = self.next()?;
        (tag == expected).then_some(content)
    }

    fn skip_if(&mut self, optional: u8) -> Option<()> {
        if self.0.first() == Some(&optional) {
            self.next()?;
        }
        Some(())
    }

    /// The next attribute of a name: its type and its value.
    fn attribute(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let mut attribute = Reader(self.expect(SEQUENCE)?);
        let kind = attribute.expect(OBJECT_IDENTIFIER)?;
        let (_, value) = attribute.next()?;
        Some((kind, value))
    }

    fn general_name(&mut self) -> Option<GeneralName<'a>> {
        Some(match self.next()? {
            (DNS_NAME, name) => GeneralName::Host(name),
            (IP_ADDRESS, octets) => {
                address(octets).map_or(GeneralName::Other, GeneralName::Address)
            }
            _ => GeneralName::Other,
        })
    }

    /// The next element with its tag and length.
    fn whole(&mut self, expected: u8) -> Option<&'a [u8]> {
        let before = self.0;
        self.expect(expected)?;
        before.get(..before.len() - self.0.len())
    }
}

// X.690 8.1.3: one octet below 128, or the count of octets that follow.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        return Some((usize::from(first), rest));
    }
    let count = usize::from(first & 0x7F);
    let (octets, rest) = rest.split_at_checked(count)?;
    if !(1..=3).contains(&count) {
        return None;
    }
    let length = octets.iter().fold(0, |n, o| n << 8 | usize::from(*o));
    Some((length, rest))
}

#[cfg(test)]
mod tests;
