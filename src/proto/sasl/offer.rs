//! What a server offers to a peer.

use super::{Answer, Channel, Config, Mechanism};
use crate::base::hash::Algorithm;

/// What kinds of secrets the server has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kinds {
    /// Passwords, which serve for all mechanisms.
    pub passwords: bool,
    /// Stored keys of HMAC, each for one mechanism.
    pub states: Vec<Algorithm>,
    /// Passwords that somebody else knows, who only says whether one is right.
    pub foreign_passwords: bool,
}

/// The mechanisms for one connection in its present state. It is made anew once
/// the connection is encrypted, or the secrets have changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    now: Vec<Mechanism>,
    once_encrypted: Vec<Mechanism>,
    available: Vec<Mechanism>,
}

impl Kinds {
    /// The mechanisms that secrets of these kinds serve for, strongest first.
    // Where there is one password, all users are offered what passwords serve for:
    // the list must not tell who has which.
    fn mechanisms(&self) -> Vec<Mechanism> {
        let serves = |mechanism: &Mechanism| match mechanism {
            Mechanism::Cram(algorithm) => self.passwords || self.states.contains(algorithm),
            Mechanism::Plain | Mechanism::Login => self.passwords || self.foreign_passwords,
            Mechanism::OauthBearer | Mechanism::Xoauth2 | Mechanism::External => false,
            Mechanism::Apop => false,
        };
        Mechanism::ALL.into_iter().filter(serves).collect()
    }
}

impl Offer {
    /// Finds out what to offer on such a channel.
    pub fn new(kinds: &Kinds, config: &Config, channel: Channel) -> Offer {
        let available = kinds.mechanisms();
        Offer {
            now: config.select(&available, channel),
            once_encrypted: config.select(&available, Channel::Encrypted),
            available,
        }
    }

    /// What the EHLO reply lists after `AUTH`; where it is empty there is no such
    /// line.
    pub fn mechanisms(&self) -> &[Mechanism] {
        &self.now
    }

    /// The names, with a blank between them.
    pub fn names(&self) -> String {
        let names: Vec<&str> = self.now.iter().map(|mechanism| mechanism.name()).collect();
        names.join(" ")
    }

    /// Whether the peer must start TLS before it can authenticate at all.
    pub fn needs_encryption(&self) -> bool {
        self.now.is_empty() && !self.once_encrypted.is_empty()
    }

    /// Finds the mechanism that a client asked for by name, or the answer why it
    /// is refused. What the client sent with its request must not be read then.
    pub fn accept(&self, name: &[u8]) -> Result<Mechanism, Answer> {
        let known = Mechanism::parse(name).filter(|known| self.available.contains(known));
        match known {
            None => Err(Answer::Unsupported),
            Some(mechanism) if self.now.contains(&mechanism) => Ok(mechanism),
            Some(mechanism) if self.once_encrypted.contains(&mechanism) => {
                Err(Answer::EncryptionNeeded)
            }
            Some(_) => Err(Answer::TooWeak),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORDS: Kinds = Kinds {
        passwords: true,
        states: Vec::new(),
        foreign_passwords: false,
    };

    fn offer(kinds: &Kinds, config: &str, channel: Channel) -> Offer {
        Offer::new(kinds, &Config::parse_server(config).unwrap().0, channel)
    }

    fn states(states: &[Algorithm]) -> Kinds {
        Kinds {
            passwords: false,
            states: states.to_vec(),
            foreign_passwords: false,
        }
    }

    #[test]
    fn offers_what_the_secrets_serve_for() {
        let all = "CRAM-SHA512 CRAM-SHA256 CRAM-SHA1 CRAM-MD5 PLAIN LOGIN";
        let cram = "CRAM-SHA512 CRAM-SHA256 CRAM-SHA1 CRAM-MD5";
        let hashes = states(&[Algorithm::Md5, Algorithm::Sha512]);
        for (kinds, channel, expected) in [
            (&PASSWORDS, Channel::Encrypted, all),
            (&PASSWORDS, Channel::Local, all),
            (&PASSWORDS, Channel::Clear, cram),
            (&states(&[]), Channel::Encrypted, ""),
            (&hashes, Channel::Clear, "CRAM-SHA512 CRAM-MD5"),
            (&hashes, Channel::Encrypted, "CRAM-SHA512 CRAM-MD5"),
        ] {
            assert_eq!(
                offer(kinds, "", channel).names(),
                expected,
                "{kinds:?} {channel:?}"
            );
        }
    }

    #[test]
    fn offers_what_shows_the_password_to_who_has_it_checked_elsewhere() {
        let kinds = Kinds {
            foreign_passwords: true,
            ..Kinds::default()
        };
        for (config, channel, expected) in [
            ("", Channel::Encrypted, "PLAIN LOGIN"),
            ("", Channel::Local, "PLAIN LOGIN"),
            ("", Channel::Clear, ""),
            ("m:plain", Channel::Clear, "PLAIN"),
            ("m:;a:plain", Channel::Local, ""),
            ("x:login", Channel::Encrypted, "PLAIN"),
        ] {
            let offer = offer(&kinds, config, channel);
            assert_eq!(offer.names(), expected, "{config} {channel:?}");
            let challenge = offer.accept(b"CRAM-MD5");
            assert_eq!(challenge, Err(Answer::Unsupported), "{config} {channel:?}");
        }
    }

    // Credentials are not even looked at before encryption.
    #[test]
    fn a6_says_why_it_refuses() {
        for (config, channel, name, expected) in [
            ("", Channel::Clear, "PLAIN", Err(Answer::EncryptionNeeded)),
            ("", Channel::Clear, "login", Err(Answer::EncryptionNeeded)),
            (
                "",
                Channel::Clear,
                "cram-md5",
                Ok(Mechanism::Cram(Algorithm::Md5)),
            ),
            ("", Channel::Local, "Plain", Ok(Mechanism::Plain)),
            ("m:plain", Channel::Clear, "PLAIN", Ok(Mechanism::Plain)),
            ("m:plain", Channel::Clear, "LOGIN", Err(Answer::TooWeak)),
            (
                "m:;a:plain",
                Channel::Local,
                "PLAIN",
                Err(Answer::EncryptionNeeded),
            ),
            (
                "x:cram-md5",
                Channel::Encrypted,
                "CRAM-MD5",
                Err(Answer::TooWeak),
            ),
            ("", Channel::Encrypted, "XOAUTH2", Err(Answer::Unsupported)),
            ("", Channel::Encrypted, "EXTERNAL", Err(Answer::Unsupported)),
            (
                "",
                Channel::Encrypted,
                "SCRAM-SHA-256",
                Err(Answer::Unsupported),
            ),
            ("", Channel::Encrypted, "", Err(Answer::Unsupported)),
        ] {
            let accepted = offer(&PASSWORDS, config, channel).accept(name.as_bytes());
            assert_eq!(accepted, expected, "{config} {channel:?} {name}");
        }
        let unsupported = offer(&states(&[Algorithm::Md5]), "", Channel::Encrypted);
        assert_eq!(unsupported.accept(b"PLAIN"), Err(Answer::Unsupported));
    }

    #[test]
    fn knows_that_encryption_is_needed_first() {
        assert!(offer(&PASSWORDS, "m:;a:plain", Channel::Clear).needs_encryption());
        assert!(!offer(&PASSWORDS, "m:;a:plain", Channel::Encrypted).needs_encryption());
        assert!(!offer(&PASSWORDS, "m:", Channel::Clear).needs_encryption());
        assert!(!offer(&PASSWORDS, "", Channel::Clear).needs_encryption());
        assert!(!offer(&states(&[]), "", Channel::Clear).needs_encryption());
    }
}
