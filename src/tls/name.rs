//! The names that certificates can be for.

use std::net::IpAddr;

use super::Error;
use crate::base::OneLine;

/// The longest host name, in octets (RFC 1035 2.3.4, without the root's).
const HOST_OCTETS_MAX: usize = 253;
/// The longest label of a host name, in octets (RFC 1035 2.3.4).
const LABEL_OCTETS_MAX: usize = 63;

/// A host name or an address, as certificates have them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// A host name, without a trailing dot.
    Host(String),
    /// An address.
    Address(IpAddr),
}

impl Name {
    /// Reads a name; [`Error::NotAName`] if no certificate could be for it.
    pub fn parse(text: &str) -> Result<Name, Error> {
        if let Ok(address) = text.parse() {
            return Ok(Name::Address(address));
        }
        match is_host_name(text) {
            true => Ok(Name::Host(text.to_owned())),
            false => Err(Error::NotAName(OneLine::escaped(text))),
        }
    }
}

// Other alphabets are in their ASCII form (xn--). Underscores are in no host name, but
// in names that are looked up.
fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let is_good = |octet: u8| octet.is_ascii_alphanumeric() || b"-_".contains(&octet);
        (1..=LABEL_OCTETS_MAX).contains(&label.len())
            && label.bytes().all(is_good)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // RFC 3696 2: a name whose last label is a number is an address, and a wrong one.
    let is_number = |label: &str| label.bytes().all(|octet| octet.is_ascii_digit());
    text.len() <= HOST_OCTETS_MAX
        && text.split('.').all(is_label)
        && text.rsplit('.').next().is_some_and(|last| !is_number(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_names_from_addresses() {
        let host = |text: &str| Name::Host(text.to_owned());
        for name in ["a", "mail.example", "Xn--a.Example", "1.a", "_smtp.a-b.c9"] {
            assert_eq!(Name::parse(name).unwrap(), host(name));
        }
        for address in ["127.0.0.1", "::1"] {
            let expected = Name::Address(address.parse().unwrap());
            assert_eq!(Name::parse(address).unwrap(), expected);
        }
    }

    #[test]
    fn refuses_what_is_neither() {
        let label = "a".repeat(LABEL_OCTETS_MAX);
        let long = format!("{label}.{label}.{label}.{}", &label[..62]);
        assert_eq!(long.len(), HOST_OCTETS_MAX + 1);
        assert!(Name::parse(&long[1..]).is_ok());
        assert!(Name::parse(&label).is_ok());
        let over = format!("{label}a");
        for text in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "-",
            "-a",
            "a-",
            "a b",
            "*.a",
            "ä",
            "a\nb",
            "a\0b",
            "127.0.0.256",
            "1",
            "a.1",
            "[::1]",
            &over,
            &long,
        ] {
            let refused = Name::parse(text);
            assert!(matches!(refused, Err(Error::NotAName(_))), "{text:?}");
        }
    }
}
