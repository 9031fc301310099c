//! What somebody proves their identity with.

use std::fmt;

use super::{Mechanism, Token};
use crate::base::ascii;
use crate::base::hash::hmac;
use crate::base::secret::Secret;

/// The longest user name that log lines and errors show, in octets.
const SHOWN_MAX: usize = 100;

/// A secret, by the mechanisms that it is good for.
#[derive(Clone, Debug)]
pub enum Proof {
    /// A password, for PLAIN, LOGIN and challenge-response with all hash functions.
    Password(Secret),
    /// The stored key of one hash function, for its challenge-response only.
    State(hmac::State),
    /// A token of a client.
    Token(Token),
}

/// A user name with a secret.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The user name; never empty, and without control characters.
    pub id: Vec<u8>,
    /// The secret.
    pub proof: Proof,
    /// The line of the secrets file that it comes from; nothing where it was given
    /// on the command line.
    pub line: Option<usize>,
}

/// How we authenticate as a client: at most one secret of each kind, perhaps with
/// different user names. Without any, we do not authenticate at all.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// The secrets.
    pub credentials: Vec<Credential>,
}

impl Proof {
    /// What kind of secret it is, as log lines have it.
    pub fn kind(&self) -> &'static str {
        match self {
            Proof::Password(_) => "plaintext",
            Proof::State(state) => state.algorithm().name(),
            Proof::Token(_) => "oauth",
        }
    }

    /// Whether the mechanism can be used with it.
    pub fn serves(&self, mechanism: Mechanism) -> bool {
        match (self, mechanism) {
            (Proof::Password(_), Mechanism::Plain | Mechanism::Login | Mechanism::Cram(_)) => true,
            (Proof::State(state), Mechanism::Cram(algorithm)) => state.algorithm() == algorithm,
            (Proof::Token(token), _) => token.serves(mechanism),
            _ => false,
        }
    }
}

/// Shows all but the secret: `plaintext secret for [alice] from line 2`.
impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = ascii::escape_bounded(&self.id, SHOWN_MAX);
        write!(f, "{} secret for [{id}]", self.proof.kind())?;
        match self.line {
            Some(line) => write!(f, " from line {line}"),
            None => Ok(()),
        }
    }
}

impl Account {
    /// The secret to use with a mechanism; a password rather than a stored key.
    pub fn credential(&self, mechanism: Mechanism) -> Option<&Credential> {
        let serving = || {
            self.credentials
                .iter()
                .filter(|c| c.proof.serves(mechanism))
        };
        let is_password = |c: &&Credential| matches!(c.proof, Proof::Password(_));
        serving().find(is_password).or_else(|| serving().next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::hash::Algorithm;

    fn credential(id: &str, proof: Proof, line: Option<usize>) -> Credential {
        Credential {
            id: id.into(),
            proof,
            line,
        }
    }

    fn password() -> Proof {
        Proof::Password(Secret::new("pw"))
    }

    fn state(algorithm: Algorithm) -> Proof {
        Proof::State(hmac::State::from_key(algorithm, b"pw"))
    }

    fn token() -> Proof {
        Proof::Token(Token::parse(b"t".to_vec()).unwrap())
    }

    #[test]
    fn each_kind_serves_for_its_mechanisms() {
        let served = |proof: &Proof| {
            let names = Mechanism::ALL
                .into_iter()
                .filter(|m| proof.serves(*m))
                .map(Mechanism::name);
            names.collect::<Vec<_>>().join(" ")
        };
        let all = "CRAM-SHA512 CRAM-SHA256 CRAM-SHA1 CRAM-MD5 PLAIN LOGIN";
        assert_eq!(served(&password()), all);
        assert_eq!(served(&state(Algorithm::Sha1)), "CRAM-SHA1");
        assert_eq!(served(&token()), "OAUTHBEARER XOAUTH2");
    }

    #[test]
    fn shows_all_but_the_secret() {
        let shown = credential("alice", password(), Some(2)).to_string();
        assert_eq!(shown, "plaintext secret for [alice] from line 2");
        let shown = credential("a\nb", state(Algorithm::Md5), None).to_string();
        assert_eq!(shown, "md5 secret for [a\\nb]");
        let shown = credential(&"x".repeat(500), token(), Some(1)).to_string();
        assert!(
            shown.starts_with("oauth secret for [xxx") && shown.len() < 150,
            "{shown}"
        );
    }

    #[test]
    fn prefers_a_password_to_a_stored_key() {
        let account = Account {
            credentials: vec![
                credential("state", state(Algorithm::Md5), None),
                credential("password", password(), None),
            ],
        };
        let id = |mechanism| account.credential(mechanism).map(|c| c.id.as_slice());
        assert_eq!(id(Mechanism::Cram(Algorithm::Md5)), Some(&b"password"[..]));
        assert_eq!(id(Mechanism::Plain), Some(&b"password"[..]));
        assert_eq!(id(Mechanism::Xoauth2), None);
        assert_eq!(id(Mechanism::External), None);
    }
}
