//! What the options say about TLS, before anything is opened.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use super::Error;
use crate::base::OneLine;

/// A TLS library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// rustls with the cryptography of ring.
    Rustls,
    /// OpenSSL.
    OpenSsl,
    /// Mbed TLS.
    MbedTls,
}

impl Backend {
    /// All there are, the preferred one first.
    pub(super) const ALL: [Backend; 3] = [Backend::Rustls, Backend::OpenSsl, Backend::MbedTls];

    /// Its keyword, which is also the feature to build it in with.
    pub fn feature(self) -> &'static str {
        match self {
            Backend::Rustls => "rustls",
            Backend::OpenSsl => "openssl",
            Backend::MbedTls => "mbedtls",
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.feature())
    }
}

/// A version of the protocol; later ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// SSL 3.0, which no library speaks any more (RFC 7568).
    Ssl3,
    /// TLS 1.0, deprecated by RFC 8996.
    Tls10,
    /// TLS 1.1, deprecated by RFC 8996.
    Tls11,
    /// TLS 1.2, RFC 5246.
    Tls12,
    /// TLS 1.3, RFC 8446.
    Tls13,
}

impl Version {
    /// The lowest version that is spoken without being asked for, whatever the library
    /// can (RFC 8996).
    const LOWEST_BY_DEFAULT: Version = Version::Tls12;

    const KEYWORDS: [(&'static str, Version); 5] = [
        ("sslv3", Version::Ssl3),
        ("tlsv1.0", Version::Tls10),
        ("tlsv1.1", Version::Tls11),
        ("tlsv1.2", Version::Tls12),
        ("tlsv1.3", Version::Tls13),
    ];

    /// Its name as the log shows it: `TLSv1.3`.
    pub fn name(self) -> &'static str {
        match self {
            Version::Ssl3 => "SSLv3",
            Version::Tls10 => "TLSv1",
            Version::Tls11 => "TLSv1.1",
            Version::Tls12 => "TLSv1.2",
            Version::Tls13 => "TLSv1.3",
        }
    }

    fn of_keyword(word: &str) -> Option<Version> {
        let mut known = Version::KEYWORDS.iter();
        known.find(|(name, _)| *name == word).map(|(_, v)| *v)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The keywords of `--tls-config`, understood. Where two of them contradict each
/// other the later one counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keywords {
    /// The library to use; the first one built in where there is no keyword.
    pub backend: Option<Backend>,
    /// The lowest version to speak.
    pub minimum: Option<Version>,
    /// The highest version to speak.
    pub maximum: Option<Version>,
    /// `noverify`: lists of authorities are read, but nobody is turned away.
    pub no_verify: bool,
    /// `op_no_ticket`, `op_no_resumption`: every handshake is a full one.
    pub no_resumption: bool,
    /// `op_server_preference`: the server's order of ciphers counts.
    pub server_preference: bool,
    /// `op_all`: what the library can do about the faults of old peers.
    pub work_arounds: bool,
    ignored: Vec<String>,
    ignore_extra: bool,
}

impl Keywords {
    /// Reads a list with commas between the words. Words are in lower case; an
    /// empty one counts for nothing, and an unknown one for a [`Keywords::warning`].
    pub fn parse(list: &str) -> Keywords {
        let mut keywords = Keywords::default();
        for word in list.split(',').map(str::trim).filter(|w| !w.is_empty()) {
            keywords.apply(word);
        }
        keywords
    }

    fn apply(&mut self, word: &str) {
        if let Some(backend) = Backend::ALL.iter().find(|b| b.feature() == word) {
            self.backend = Some(*backend);
        } else if let Some(minimum) = Version::of_keyword(word) {
            self.minimum = Some(minimum);
        } else if let Some(maximum) = word.strip_prefix('-').and_then(Version::of_keyword) {
            self.maximum = Some(maximum);
        } else {
            self.apply_switch(word);
        }
    }

    fn apply_switch(&mut self, word: &str) {
        match word {
            "noverify" => self.no_verify = true,
            "op_no_ticket" | "op_no_resumption" => self.no_resumption = true,
            "op_server_preference" => self.server_preference = true,
            "ignoreextra" => self.ignore_extra = true,
            "op_all" => self.work_arounds = true,
            // Without a list of authorities nobody is verified anyway.
            "clientnoverify" | "servernoverify" => {}
            _ => self.ignored.push(word.to_owned()),
        }
    }

    /// What to warn of: the words that mean nothing.
    pub fn warning(&self) -> Option<OneLine> {
        if self.ignored.is_empty() || self.ignore_extra {
            return None;
        }
        let words = self.ignored.join(",");
        let text = format!("tls-config: tls configuration items ignored: [{words}]");
        Some(OneLine::escaped(text))
    }

    /// The versions to speak, out of those that the library can: from TLS 1.2 where
    /// no lowest one is asked for.
    pub fn versions(
        &self,
        backend: Backend,
        spoken: RangeInclusive<Version>,
    ) -> Result<RangeInclusive<Version>, Error> {
        let lowest = Version::LOWEST_BY_DEFAULT.max(*spoken.start());
        let minimum = self.minimum.unwrap_or(lowest);
        let maximum = self.maximum.unwrap_or(*spoken.end());
        for wanted in [minimum, maximum] {
            if !spoken.contains(&wanted) {
                return Err(Error::Version {
                    backend,
                    wanted,
                    spoken,
                });
            }
        }
        if minimum > maximum {
            return Err(Error::EmptyRange { minimum, maximum });
        }
        Ok(minimum..=maximum)
    }
}

/// Whom to trust: the value of a `verify` option.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum VerifySource {
    /// No option: peers are not verified; clients are asked for a certificate.
    #[default]
    Absent,
    /// `<none>`: peers are not verified, and clients are not asked.
    None,
    /// `<default>`: peers need a certificate that the system trusts.
    Default,
    /// Peers need a certificate by an authority in this file or directory.
    Path(PathBuf),
}

/// Where a private key and its certificates are; the same file twice where one
/// file has both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The file with the private key.
    pub key: PathBuf,
    /// The file with the certificate, and those that lead from it to an authority.
    pub chain: PathBuf,
}

impl CertificateFiles {
    /// Takes the values of a `certificate` option, the key first where there are
    /// two. Nothing where there are none or more.
    pub fn new<P: Into<PathBuf>>(values: impl IntoIterator<Item = P>) -> Option<CertificateFiles> {
        let mut values = values.into_iter().map(Into::into);
        let key: PathBuf = values.next()?;
        let chain = values.next().unwrap_or_else(|| key.clone());
        values
            .next()
            .is_none()
            .then_some(CertificateFiles { key, chain })
    }
}

/// How to be a server.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// What to show to clients.
    pub certificate: CertificateFiles,
    /// Whom to trust.
    pub verify: VerifySource,
    /// The rest.
    pub keywords: Keywords,
}

/// How to be a client.
#[derive(Clone, Debug, Default)]
pub struct ClientSettings {
    /// What to show to servers that ask.
    pub certificate: Option<CertificateFiles>,
    /// Whom to trust.
    pub verify: VerifySource,
    /// The name or address that the server's certificate has to be for; counts
    /// only where the certificate is verified at all.
    pub verify_name: Option<String>,
    /// The name to ask for.
    pub server_name: Option<String>,
    /// The rest.
    pub keywords: Keywords,
}

impl ClientSettings {
    /// The name that the server's certificate is checked for, if it is.
    pub fn name_to_verify(&self) -> Option<&str> {
        let unverified = matches!(self.verify, VerifySource::Absent | VerifySource::None);
        let name = self.verify_name.as_deref().filter(|_| !unverified)?;
        Some(name.strip_suffix('.').unwrap_or(name))
    }

    /// The name to ask the server for, if any: a server with several certificates
    /// could otherwise not show the one that is insisted upon.
    // RFC 6066 3: a host name without a trailing dot, never an address.
    pub fn name_to_ask_for(&self) -> Option<&str> {
        let name = match &self.server_name {
            Some(name) => name.strip_suffix('.').unwrap_or(name),
            None => self.name_to_verify()?,
        };
        let address = name.parse::<std::net::IpAddr>().is_ok();
        (!address).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPOKEN: RangeInclusive<Version> = Version::Tls12..=Version::Tls13;

    fn versions(list: &str) -> Result<RangeInclusive<Version>, String> {
        let keywords = Keywords::parse(list);
        let versions = keywords.versions(Backend::Rustls, SPOKEN);
        versions.map_err(|error| error.to_string())
    }

    #[test]
    fn understands_every_keyword() {
        let list = "mbedtls, openssl,tlsv1.2,-tlsv1.3,noverify,clientnoverify,servernoverify,\
            op_all,op_no_ticket,op_no_resumption,op_server_preference,";
        let expected = Keywords {
            backend: Some(Backend::OpenSsl),
            minimum: Some(Version::Tls12),
            maximum: Some(Version::Tls13),
            no_verify: true,
            no_resumption: true,
            server_preference: true,
            work_arounds: true,
            ..Keywords::default()
        };
        assert_eq!(Keywords::parse(list), expected);
        assert_eq!(expected.warning(), None);
        assert_eq!(Keywords::parse(""), Keywords::default());
        assert_eq!(
            Keywords::parse("rustls").backend.unwrap().to_string(),
            "rustls"
        );
    }

    #[test]
    fn warns_of_unknown_words_unless_told_not_to() {
        let warning = Keywords::parse("foo").warning().unwrap();
        assert_eq!(
            warning.to_string(),
            "tls-config: tls configuration items ignored: [foo]"
        );
        let warning = Keywords::parse("TLSv1.2,tlsv1.4,-x\n").warning().unwrap();
        assert!(
            warning.to_string().ends_with(" [TLSv1.2,tlsv1.4,-x]"),
            "{warning}"
        );
        assert_eq!(Keywords::parse("foo,ignoreextra").warning(), None);
    }

    #[test]
    fn narrows_the_versions_that_the_library_speaks() {
        use Version::{Tls12, Tls13};
        assert_eq!(versions(""), Ok(Tls12..=Tls13));
        assert_eq!(versions("tlsv1.3"), Ok(Tls13..=Tls13));
        assert_eq!(versions("-tlsv1.2"), Ok(Tls12..=Tls12));
        assert_eq!(versions("tlsv1.3,tlsv1.2,-tlsv1.2"), Ok(Tls12..=Tls12));
    }

    #[test]
    fn deprecated_versions_are_spoken_only_if_asked_for() {
        use Version::{Tls10, Tls11, Tls12, Tls13};
        let versions = |list: &str| {
            let keywords = Keywords::parse(list);
            let versions = keywords.versions(Backend::OpenSsl, Tls10..=Tls13);
            versions.map_err(|error| error.to_string())
        };
        assert_eq!(versions(""), Ok(Tls12..=Tls13));
        assert_eq!(versions("tlsv1.0"), Ok(Tls10..=Tls13));
        assert_eq!(versions("tlsv1.0,-tlsv1.1"), Ok(Tls10..=Tls11));
        let expected = "the lowest tls version allowed, TLSv1.2, is above the highest, TLSv1.1";
        assert_eq!(versions("-tlsv1.1"), Err(expected.to_owned()));
    }

    #[test]
    fn refuses_versions_that_the_library_does_not_speak() {
        for (list, expected) in [
            (
                "tlsv1.0",
                "rustls cannot speak TLSv1, only TLSv1.2 to TLSv1.3",
            ),
            (
                "-tlsv1.1",
                "rustls cannot speak TLSv1.1, only TLSv1.2 to TLSv1.3",
            ),
            (
                "sslv3",
                "rustls cannot speak SSLv3, only TLSv1.2 to TLSv1.3",
            ),
            (
                "tlsv1.3,-tlsv1.2",
                "the lowest tls version allowed, TLSv1.3, is above the highest, TLSv1.2",
            ),
        ] {
            assert_eq!(versions(list), Err(expected.to_owned()), "{list}");
        }
    }

    #[test]
    fn takes_one_file_or_the_key_first() {
        let one = CertificateFiles::new(["a"]).unwrap();
        assert_eq!((one.key, one.chain), ("a".into(), "a".into()));
        let two = CertificateFiles::new(["k", "c"]).unwrap();
        assert_eq!((two.key, two.chain), ("k".into(), "c".into()));
        assert_eq!(CertificateFiles::new(["a", "b", "c"]), None);
        assert_eq!(CertificateFiles::new(Vec::<PathBuf>::new()), None);
    }

    #[test]
    fn asks_for_a_name_only_where_one_is_known() {
        let names = |verify: &VerifySource, verify_name: &str, server_name: &str| {
            let given = |name: &str| (!name.is_empty()).then(|| name.to_owned());
            let settings = ClientSettings {
                verify: verify.clone(),
                verify_name: given(verify_name),
                server_name: given(server_name),
                ..ClientSettings::default()
            };
            let owned = |name: Option<&str>| name.unwrap_or("-").to_owned();
            (
                owned(settings.name_to_verify()),
                owned(settings.name_to_ask_for()),
            )
        };
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        let ca = VerifySource::Path(PathBuf::from("ca"));
        assert_eq!(names(&ca, "", ""), pair("-", "-"));
        assert_eq!(names(&ca, "a.b.", ""), pair("a.b", "a.b"));
        assert_eq!(names(&ca, "a.b", "c.d."), pair("a.b", "c.d"));
        assert_eq!(names(&ca, "::1", ""), pair("::1", "-"));
        assert_eq!(names(&VerifySource::Absent, "a.b", ""), pair("-", "-"));
        assert_eq!(names(&VerifySource::None, "a.b", "c.d"), pair("-", "c.d"));
        assert_eq!(names(&ca, "", "10.0.0.1"), pair("-", "-"));
    }
}
