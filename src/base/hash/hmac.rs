//! HMAC (RFC 2104) from a password or from its stored form.
//!
//! A password can be stored as the two chaining states that HMAC reaches after
//! the first block of the inner and of the outer hash. They stand for the
//! password in HMAC with that one hash function and nowhere else; whoever has
//! them can log in, but does not know the password.
//!
//! The stored form is the words of the inner state, then those of the outer one,
//! each word with its lowest octet first (for SHA too), all in base64. For MD5
//! there is also a dotted form: the same eight words as decimals with `.`
//! between them.

use super::md5::Md5;
use super::sha1::Sha1;
use super::sha2::{Sha256, Sha512};
use super::{Algorithm, Compression, Hasher, digest};
use crate::base::ascii;
use crate::base::secret::{self, Secret};

/// A key of HMAC with one hash function, as its inner and outer state.
#[derive(Clone, Debug)]
pub struct State {
    algorithm: Algorithm,
    octets: Secret,
}

impl State {
    /// Makes the states of a key of any length.
    pub fn from_key(algorithm: Algorithm, key: &[u8]) -> State {
        let octets = match algorithm {
            Algorithm::Md5 => states::<Md5>(key),
            Algorithm::Sha1 => states::<Sha1>(key),
            Algorithm::Sha256 => states::<Sha256>(key),
            Algorithm::Sha512 => states::<Sha512>(key),
        };
        State {
            algorithm,
            octets: Secret::new(octets),
        }
    }

    /// Takes the stored form, already out of its base64. Nothing where it has the
    /// wrong length.
    pub fn from_octets(algorithm: Algorithm, octets: Vec<u8>) -> Option<State> {
        let octets = Secret::new(octets);
        (octets.expose().len() == stored_length(algorithm)).then_some(State { algorithm, octets })
    }

    /// Reads the dotted form, which is for MD5 only. Nothing where it is not eight
    /// decimals below 2^32.
    pub fn from_dotted(text: &[u8]) -> Option<State> {
        let mut octets = Vec::with_capacity(stored_length(Algorithm::Md5));
        for decimal in text.split(|octet| *octet == b'.') {
            let word = u32::try_from(ascii::parse_decimal(decimal)?).ok()?;
            if octets.len() == octets.capacity() {
                return None;
            }
            octets.extend_from_slice(&word.to_le_bytes());
        }
        State::from_octets(Algorithm::Md5, octets)
    }

    /// The hash function that this key is for.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The stored form, yet to be put into base64.
    pub fn to_octets(&self) -> &[u8] {
        self.octets.expose()
    }

    /// The dotted form; nothing but for MD5.
    pub fn to_dotted(&self) -> Option<String> {
        if self.algorithm != Algorithm::Md5 {
            return None;
        }
        let words = self.octets.expose().as_chunks::<4>().0;
        let decimals = words
            .iter()
            .map(|word| u32::from_le_bytes(*word).to_string());
        Some(decimals.collect::<Vec<_>>().join("."))
    }

    /// The HMAC of a message.
    pub fn mac(&self, message: &[u8]) -> Vec<u8> {
        let octets = self.octets.expose();
        match self.algorithm {
            Algorithm::Md5 => mac::<Md5>(octets, message),
            Algorithm::Sha1 => mac::<Sha1>(octets, message),
            Algorithm::Sha256 => mac::<Sha256>(octets, message),
            Algorithm::Sha512 => mac::<Sha512>(octets, message),
        }
    }
}

/// Octets of the stored form.
fn stored_length(algorithm: Algorithm) -> usize {
    2 * match algorithm {
        Algorithm::Md5 => 16,
        Algorithm::Sha1 => 20,
        Algorithm::Sha256 => 32,
        Algorithm::Sha512 => 64,
    }
}

// RFC 2104 2: keys longer than a block are hashed first; then zeros fill up the block.
fn states<C: Compression>(key: &[u8]) -> Vec<u8> {
    let mut block = vec![0; Hasher::<C>::BLOCK];
    let hashed = (key.len() > block.len()).then(|| Secret::new(digest::<C>(key)));
    let key = hashed.as_ref().map_or(key, Secret::expose);
    block[..key.len()].copy_from_slice(key);
    let inner = state_after::<C>(&mut block, INNER_PAD);
    // Undoes the inner pad and does the outer one.
    let outer = state_after::<C>(&mut block, INNER_PAD ^ OUTER_PAD);
    secret::wipe(&mut block);
    [inner.expose(), outer.expose()].concat()
}

fn state_after<C: Compression>(block: &mut [u8], pad: u8) -> Secret {
    block.iter_mut().for_each(|octet| *octet ^= pad);
    let mut hasher = Hasher::<C>::new();
    hasher.update(block);
    Secret::new(
        hasher
            .export()
            .expect("invariant: exactly one block was hashed"),
    )
}

fn mac<C: Compression>(states: &[u8], message: &[u8]) -> Vec<u8> {
    let (inner, outer) = states.split_at(states.len() / 2);
    let resume = |state: &[u8]| {
        Hasher::<C>::import(state, 1).expect("invariant: the length was checked when it was made")
    };
    let mut hasher = resume(inner);
    hasher.update(message);
    let inner = hasher.finish();
    let mut hasher = resume(outer);
    hasher.update(&inner);
    hasher.finish()
}

const INNER_PAD: u8 = 0x36;
const OUTER_PAD: u8 = 0x5C;

#[cfg(test)]
mod tests;
