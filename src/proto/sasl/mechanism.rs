//! The mechanisms by name and by strength.

use std::fmt;

use crate::base::hash::Algorithm;

/// A mechanism that we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mechanism {
    /// A keyed hash of the server's challenge (RFC 2195, and the same with newer
    /// hash functions).
    Cram(Algorithm),
    /// A hash of the server's timestamp and the password: no mechanism of SASL, but
    /// POP's own (RFC 1939 7), and so listed nowhere; configured like one.
    Apop,
    /// A token (RFC 7628).
    OauthBearer,
    /// A token in the form that came before RFC 7628.
    Xoauth2,
    /// Our certificate (RFC 4422 appendix A).
    External,
    /// User name and password (RFC 4616).
    Plain,
    /// The same, asked for one by one; never standardised.
    Login,
}

/// How well the connection keeps what is sent on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Anybody on the way can listen.
    Clear,
    /// In clear, but never leaves this host (loopback, unix domain), or somebody
    /// decided that this is fine.
    Local,
    /// Protected by TLS.
    Encrypted,
}

impl Mechanism {
    /// All of them, the strongest first: first those that show no secret, then
    /// tokens, which can be revoked and expire, last of all passwords.
    pub const ALL: [Mechanism; 10] = [
        Mechanism::Cram(Algorithm::Sha512),
        Mechanism::Cram(Algorithm::Sha256),
        Mechanism::Cram(Algorithm::Sha1),
        Mechanism::Cram(Algorithm::Md5),
        Mechanism::Apop,
        Mechanism::OauthBearer,
        Mechanism::Xoauth2,
        Mechanism::External,
        Mechanism::Plain,
        Mechanism::Login,
    ];

    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Cram(Algorithm::Md5) => "CRAM-MD5",
            Mechanism::Cram(Algorithm::Sha1) => "CRAM-SHA1",
            Mechanism::Cram(Algorithm::Sha256) => "CRAM-SHA256",
            Mechanism::Cram(Algorithm::Sha512) => "CRAM-SHA512",
            Mechanism::Apop => "APOP",
            Mechanism::OauthBearer => "OAUTHBEARER",
            Mechanism::Xoauth2 => "XOAUTH2",
            Mechanism::External => "EXTERNAL",
            Mechanism::Plain => "PLAIN",
            Mechanism::Login => "LOGIN",
        }
    }

    /// Finds it by its name, of either case.
    pub fn parse(name: &[u8]) -> Option<Mechanism> {
        let has_name = |known: &Mechanism| name.eq_ignore_ascii_case(known.name().as_bytes());
        Mechanism::ALL.into_iter().find(has_name)
    }

    /// Those that we know among the names, each once and in their order.
    pub fn known(names: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Vec<Mechanism> {
        let mut known = Vec::new();
        for mechanism in names
            .into_iter()
            .filter_map(|name| Mechanism::parse(name.as_ref()))
        {
            if !known.contains(&mechanism) {
                known.push(mechanism);
            }
        }
        known
    }

    /// Whether what the client sends is enough to log in elsewhere, so that
    /// nobody may overhear it.
    pub fn shows_secret(self) -> bool {
        match self {
            Mechanism::Cram(_) | Mechanism::External => false,
            Mechanism::OauthBearer | Mechanism::Xoauth2 => true,
            // CVE-2007-1558: not by itself, but to who can also change the timestamp.
            Mechanism::Apop => true,
            Mechanism::Plain | Mechanism::Login => true,
        }
    }
}

/// Shows the name in lower case, as log lines have it.
impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name().to_ascii_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_each_by_its_name_in_any_case() {
        for mechanism in Mechanism::ALL {
            assert_eq!(
                Mechanism::parse(mechanism.name().as_bytes()),
                Some(mechanism)
            );
            assert_eq!(
                Mechanism::parse(mechanism.to_string().as_bytes()),
                Some(mechanism)
            );
        }
        for unknown in ["", "CRAM", "CRAM-MD4", "PLAIN ", "SCRAM-SHA-256", "NTLM"] {
            assert_eq!(Mechanism::parse(unknown.as_bytes()), None, "{unknown}");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes minutes")]
    fn keeps_known_names_once_however_many_there_are() {
        let names = ["login", "X", "PLAIN", "LOGIN", "plain"].repeat(10_000);
        assert_eq!(
            Mechanism::known(names),
            [Mechanism::Login, Mechanism::Plain]
        );
    }

    #[test]
    fn mechanisms_that_show_the_secret_come_last() {
        let shows: Vec<bool> = Mechanism::ALL
            .into_iter()
            .map(Mechanism::shows_secret)
            .collect();
        assert_eq!(
            shows,
            [
                false, false, false, false, true, true, true, false, true, true
            ]
        );
    }
}
