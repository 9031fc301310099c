//! Whether credentials are right.

use std::fmt;

use super::Secrets;
use crate::base::hash::{Algorithm, hmac};
use crate::base::secret::{Secret, eq_constant_time};
use crate::base::{OneLine, ascii};
use crate::proto::sasl::{Credentials, Given, Mechanism, Proof, cram};

/// How many octets of a user name the log shows.
pub(super) const SHOWN_MAX: usize = 100;

/// Stands in for a password where there is none, so that there is as much to do.
const DUMMY: &[u8] = b"nobody has this one";

/// A client that is who it says. Shown as the line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user name.
    pub id: OneLine,
    pub(super) mechanism: Mechanism,
    pub(super) with: String,
}

/// A client that is not. Shown as the line for the log; log watchers look for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub(super) mechanism: Mechanism,
    pub(super) with: String,
}

/// Why a client has not shown who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unproven {
    /// Its credentials are wrong.
    Refused(Refusal),
    /// They could not be checked, which is no fault of the client; the line for the log.
    Unavailable(String),
}

/// Finds out whether the credentials are right. The time that takes does not
/// depend on whether there is such a user, nor on how much of a guess is right.
pub fn check(secrets: &Secrets, credentials: &Credentials) -> Result<Identity, Refusal> {
    let mechanism = credentials.mechanism;
    let known = secrets.server_credential(mechanism, &credentials.id);
    let proof = known.map(|credential| &credential.proof);
    let fits = match &credentials.given {
        Given::Password(password) => is_password(proof, password.expose()),
        Given::Digest { timestamp, digest } => is_digest(proof, timestamp, digest),
        Given::Proof {
            algorithm,
            challenge,
            proof: given,
        } => is_proof(proof, *algorithm, challenge, given),
    };
    let with = match known {
        Some(credential) => credential.to_string(),
        None => missing(&credentials.id),
    };
    let id = known
        .filter(|_| fits)
        .and_then(|known| OneLine::new(known.id.as_slice()));
    match id {
        Some(id) => Ok(Identity {
            id,
            mechanism,
            with,
        }),
        None => Err(Refusal { mechanism, with }),
    }
}

/// Compares digests, so that the time does not tell how long the password is or
/// how much of it was guessed.
fn is_password(proof: Option<&Proof>, given: &[u8]) -> bool {
    let (password, is_known) = match proof {
        Some(Proof::Password(password)) => (password.expose(), true),
        _ => (DUMMY, false),
    };
    let right = Algorithm::Sha256.digest(password);
    eq_constant_time(&right, &Algorithm::Sha256.digest(given)) & is_known
}

// RFC 1939 7: the digest is in lower-case hexadecimal; we take either case.
fn is_digest(proof: Option<&Proof>, timestamp: &[u8], given: &[u8]) -> bool {
    let (password, is_known) = match proof {
        Some(Proof::Password(password)) => (password.expose(), true),
        _ => (DUMMY, false),
    };
    let text = Secret::new([timestamp, password].concat());
    let right = Algorithm::Md5.digest(text.expose());
    let right: Vec<u8> = right
        .iter()
        .flat_map(|octet| format!("{octet:02x}").into_bytes())
        .collect();
    eq_constant_time(&right, &given.to_ascii_lowercase()) & is_known
}

/// Makes the key from a password even where the key itself is stored, so that
/// users of both kinds, and those who are none, take the same time.
fn is_proof(proof: Option<&Proof>, algorithm: Algorithm, challenge: &[u8], given: &[u8]) -> bool {
    let password = match proof {
        Some(Proof::Password(password)) => password.expose(),
        _ => DUMMY,
    };
    let made = hmac::State::from_key(algorithm, password);
    let (state, is_known) = match proof {
        Some(Proof::State(stored)) if stored.algorithm() == algorithm => (stored, true),
        Some(Proof::Password(_)) => (&made, true),
        _ => (&made, false),
    };
    let right = cram::proof(state, challenge);
    eq_constant_time(&right, &given.to_ascii_lowercase()) & is_known
}

fn missing(id: &[u8]) -> String {
    if id.is_empty() {
        return "missing secret".to_owned();
    }
    format!(
        "missing secret for [{}]",
        ascii::escape_bounded(id, SHOWN_MAX)
    )
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Identity {
            mechanism, with, ..
        } = self;
        write!(
            f,
            "successful authentication of remote client using mechanism [{mechanism}] and {with}"
        )
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refusal { mechanism, with } = self;
        write!(
            f,
            "failed authentication of remote client using mechanism [{mechanism}] and {with}"
        )
    }
}

#[cfg(test)]
mod tests;
