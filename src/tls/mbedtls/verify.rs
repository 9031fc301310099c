//! Who is believed to be who: what the library finds wrong with certificates, and
//! what of it counts.

use std::collections::HashSet;
use std::ops::BitOr;

use crate::tls::Trust;
use crate::tls::certificate::{Certificate, GeneralName};
use crate::tls::name::Name;

/// What is wrong with a certificate, as the library's flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Faults(pub(super) u32);

impl Faults {
    const NONE: Faults = Faults(0);
    const EXPIRED: Faults = Faults(0x01);
    const OTHER_NAME: Faults = Faults(0x04);
    const UNTRUSTED: Faults = Faults(0x08);
    pub(super) const OTHER: Faults = Faults(0x0100);
    const FUTURE: Faults = Faults(0x0200);
    const KEY_USAGE: Faults = Faults(0x0800);
    const EXTENDED_KEY_USAGE: Faults = Faults(0x1000);
    const HASH: Faults = Faults(0x4000);
    const ALGORITHM: Faults = Faults(0x8000);
    const KEY: Faults = Faults(0x1_0000);
    /// Not one of the library's.
    const LIMITED: Faults = Faults(0x4000_0000);

    /// In the order in which they are told.
    const TEXTS: [(Faults, &'static str); 10] = [
        (Faults::EXPIRED, "it has expired"),
        (Faults::FUTURE, "it is not valid yet"),
        (
            Faults::UNTRUSTED,
            "no authority that is listed vouches for it",
        ),
        (Faults::OTHER_NAME, "it is for another name"),
        (Faults::KEY_USAGE, "its key is for another purpose"),
        (Faults::EXTENDED_KEY_USAGE, "it is for another purpose"),
        (Faults::HASH, "it is signed by way of a weak hash"),
        (
            Faults::ALGORITHM,
            "it is signed with an algorithm that is not accepted",
        ),
        (
            Faults::KEY,
            "its key is too short, or on a curve that is not accepted",
        ),
        (
            Faults::LIMITED,
            "an authority above it may vouch for some names only",
        ),
    ];

    /// What they are, for people; nothing where there are none.
    pub(super) fn text(self) -> Option<String> {
        if self == Faults::NONE {
            return None;
        }
        let told = Faults::TEXTS.iter().filter(|(fault, _)| self.has(*fault));
        let told: Vec<&str> = told.map(|(_, text)| *text).collect();
        Some(match told.is_empty() {
            true => format!("faults {:#x}", self.0),
            false => told.join(", "),
        })
    }

    fn has(self, fault: Faults) -> bool {
        self.0 & fault.0 != 0
    }

    fn without(self, fault: Faults) -> Faults {
        Faults(self.0 & !fault.0)
    }
}

impl BitOr for Faults {
    type Output = Faults;

    fn bitor(self, other: Faults) -> Faults {
        Faults(self.0 | other.0)
    }
}

/// Whom to believe: those that an authority vouches for.
#[derive(Debug)]
pub(super) struct Judge {
    /// The certificates that vouch for themselves.
    pub(super) listed: HashSet<Vec<u8>>,
    /// What the certificate has to be for.
    pub(super) name: Option<Name>,
}

impl Judge {
    /// How far peers that it finds no fault with are known.
    pub(super) fn trust(&self) -> Trust {
        match self.name {
            Some(_) => Trust::Name,
            None => Trust::Chain,
        }
    }

    /// What counts against those that this authority vouches for, of the faults found
    /// in it and those above it.
    // RFC 5280 4.2.1.10; the library does not compare names with limits.
    pub(super) fn weigh_authority(&self, der: &[u8], own: Faults, above: Faults) -> Faults {
        match Certificate::parse(der) {
            Some(authority) if !authority.is_limited => own | above,
            _ => own | above | Faults::LIMITED,
        }
    }

    /// What counts against a peer with this certificate, of the faults found in it
    /// and those above it.
    pub(super) fn weigh(&self, der: &[u8], own: Faults, above: Faults) -> Faults {
        // A certificate that is listed itself needs nobody above it. It has to be
        // valid now, all the same.
        let faults = match self.listed.contains(der) {
            true => own.without(Faults::UNTRUSTED),
            false => own | above,
        };
        // The library would compare the name that is asked for.
        let faults = faults.without(Faults::OTHER_NAME);
        match &self.name {
            Some(name) if !is_for(der, name) => faults | Faults::OTHER_NAME,
            _ => faults,
        }
    }
}

/// Whether a certificate is for that name.
// RFC 7817 3: the alternative names, and where there are none the common name.
fn is_for(der: &[u8], name: &Name) -> bool {
    let Some(certificate) = Certificate::parse(der) else {
        return false;
    };
    match (certificate.general_names(), name) {
        (Some(mut names), _) => names.any(|general| match (general, name) {
            (GeneralName::Host(pattern), Name::Host(host)) => covers(pattern, host),
            (GeneralName::Address(one), Name::Address(other)) => one == *other,
            _ => false,
        }),
        (None, Name::Host(host)) => certificate.is_called(host),
        (None, Name::Address(_)) => false,
    }
}

// RFC 6125 6.4.3: a wildcard is the whole of the left-most label, and stands for one;
// it must not cover all of a top-level domain.
fn covers(pattern: &[u8], host: &str) -> bool {
    match pattern.strip_prefix(b"*.") {
        None => pattern.eq_ignore_ascii_case(host.as_bytes()),
        Some(parent) => {
            let rest = host.split_once('.').map(|(_, rest)| rest.as_bytes());
            parent.contains(&b'.') && rest.is_some_and(|rest| rest.eq_ignore_ascii_case(parent))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::pem;
    use crate::tls::tests::matrix::{files, pki};

    fn der(name: &str) -> Vec<u8> {
        let text = std::fs::read(files(name).chain).unwrap();
        pem::sections(&text).unwrap().remove(0).der
    }

    fn named(name: &str) -> Option<Name> {
        Some(Name::parse(name).unwrap())
    }

    #[test]
    fn wildcards_cover_one_label_below_two() {
        for (pattern, host, expected) in [
            ("a.example", "A.Example", true),
            ("*.b.example", "a.b.example", true),
            ("*.B.example", "a.b.Example", true),
            ("*.b.example", "b.example", false),
            ("*.b.example", "x.a.b.example", false),
            ("*.example", "a.example", false),
            ("*", "a", false),
            ("*.", "a.", false),
            ("a*.b.example", "ab.b.example", false),
            ("a.*.example", "a.b.example", false),
            ("a.example\0.evil.example", "a.example", false),
        ] {
            assert_eq!(
                covers(pattern.as_bytes(), host),
                expected,
                "{pattern} {host}"
            );
        }
    }

    #[test]
    fn the_common_name_counts_only_where_there_is_no_other() {
        for (certificate, name, expected) in [
            ("cn-only", "mail.example", true),
            ("cn-only", "other.example", false),
            ("v1", "mail.example", true),
            ("ip-only", "mail.example", false),
            ("ip-only", "127.0.0.1", true),
            ("top-wildcard", "x", false),
            ("server", "::1", true),
            ("cn-only", "127.0.0.1", false),
        ] {
            let judged = is_for(&der(certificate), &Name::parse(name).unwrap());
            assert_eq!(judged, expected, "{certificate} {name}");
        }
        assert!(!is_for(b"", &Name::parse("a").unwrap()));
    }

    #[test]
    fn a_listed_certificate_needs_nobody_above_it() {
        let server = der("server");
        let judge = |listed: &[&[u8]], name| Judge {
            listed: listed.iter().map(|der| der.to_vec()).collect(),
            name,
        };
        let both = Faults::EXPIRED | Faults::UNTRUSTED;
        let pinned = judge(&[&server], None);
        assert_eq!(pinned.weigh(&server, both, both), Faults::EXPIRED);
        assert_eq!(pinned.weigh(&server, Faults::NONE, both), Faults::NONE);
        let other = judge(&[&der("rsa")], None);
        assert_eq!(other.weigh(&server, Faults::NONE, both), both);
        let elsewhere = judge(&[&server], named("other.example"));
        let weighed = elsewhere.weigh(&server, Faults::NONE, Faults::NONE);
        assert_eq!(weighed, Faults::OTHER_NAME);
        let asked_for_another = judge(&[], named("mail.example"));
        let weighed = asked_for_another.weigh(&server, Faults::OTHER_NAME, Faults::OTHER_NAME);
        assert_eq!(weighed, Faults::NONE);
        assert_eq!(elsewhere.trust(), Trust::Name);
        assert_eq!(pinned.trust(), Trust::Chain);
    }

    #[test]
    fn an_authority_with_limits_spoils_what_it_vouches_for() {
        let judge = Judge {
            listed: HashSet::new(),
            name: None,
        };
        let faults = |path: &str| {
            let text = std::fs::read(pki(path)).unwrap();
            let der = pem::sections(&text).unwrap().remove(0).der;
            judge.weigh_authority(&der, Faults::EXPIRED, Faults::HASH)
        };
        let both = Faults::EXPIRED | Faults::HASH;
        assert_eq!(faults("ca.pem"), both);
        assert_eq!(faults("limited-ca.pem"), both | Faults::LIMITED);
        let unread = judge.weigh_authority(b"", Faults::NONE, Faults::NONE);
        assert_eq!(unread, Faults::LIMITED);
    }

    #[test]
    fn faults_are_told() {
        assert_eq!(Faults::NONE.text(), None);
        let text = (Faults::UNTRUSTED | Faults::EXPIRED).text();
        let expected = "it has expired, no authority that is listed vouches for it";
        assert_eq!(text.as_deref(), Some(expected));
        assert_eq!(Faults(0x40).text().as_deref(), Some("faults 0x40"));
        for (fault, expected) in Faults::TEXTS {
            assert_eq!(fault.text().as_deref(), Some(expected));
        }
    }
}
