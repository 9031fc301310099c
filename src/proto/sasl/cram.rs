//! CRAM-MD5 (RFC 2195) and its sisters with newer hash functions: the client
//! shows by a keyed hash of the challenge that it knows the password.

use crate::base::hash::{Algorithm, hmac};

/// The longest challenge that a client works on, in octets.
pub const CHALLENGE_MAX: usize = 4096;

/// What makes a challenge one that was never given before and cannot be guessed.
#[derive(Clone, Copy, Debug)]
pub struct Nonce<'a> {
    /// From the system's source of random numbers, new for each exchange.
    pub random: [u8; 16],
    /// Seconds since 1970-01-01 00:00 UTC.
    pub unix_seconds: i64,
    /// Our name, from the configuration.
    pub domain: &'a str,
}

/// Nonces for all exchanges of one connection.
#[derive(Debug)]
pub struct NonceSource {
    random: [u8; 32],
    unix_seconds: i64,
    used: u64,
}

impl NonceSource {
    /// Takes octets from the system's source of random numbers, and the time.
    pub fn new(random: [u8; 32], unix_seconds: i64) -> NonceSource {
        NonceSource {
            random,
            unix_seconds,
            used: 0,
        }
    }

    /// A nonce that cannot be guessed from those before it.
    pub fn next<'a>(&mut self, domain: &'a str) -> Nonce<'a> {
        self.used += 1;
        let seed = [&self.random[..], &self.used.to_le_bytes()].concat();
        let digest = Algorithm::Sha256.digest(&seed);
        let mut random = [0; 16];
        for (to, from) in random.iter_mut().zip(digest.iter()) {
            *to = *from;
        }
        Nonce {
            random,
            unix_seconds: self.unix_seconds,
            domain,
        }
    }
}

impl Nonce<'_> {
    /// The challenge, in the form of a message id.
    // RFC 2195 2: an arbitrary string of random digits, a timestamp, and our name.
    pub fn challenge(&self) -> Vec<u8> {
        let fits =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
        let domain: String = self
            .domain
            .chars()
            .take(255)
            .map(|c| if fits(c) { c } else { '-' })
            .collect();
        let random = u128::from_le_bytes(self.random);
        format!("<{random}.{}@{domain}>", self.unix_seconds).into_bytes()
    }
}

/// Writes the response to a challenge: user name, blank, keyed hash in lower-case
/// hexadecimal.
pub fn response(id: &[u8], state: &hmac::State, challenge: &[u8]) -> Vec<u8> {
    [id, b" ", &proof(state, challenge)].concat()
}

/// The keyed hash of a challenge, in lower-case hexadecimal.
pub fn proof(state: &hmac::State, challenge: &[u8]) -> Vec<u8> {
    let mac = state.mac(challenge);
    mac.iter()
        .flat_map(|octet| format!("{octet:02x}").into_bytes())
        .collect()
}

/// Splits a response into user name and keyed hash, at the last blank: names may
/// have blanks in them.
pub(super) fn split(response: &[u8]) -> Option<(&[u8], &[u8])> {
    let blank = response.iter().rposition(|octet| *octet == b' ')?;
    let (id, proof) = (response.get(..blank)?, response.get(blank + 1..)?);
    (!id.is_empty() && id.len() <= super::FIELD_MAX).then_some((id, proof))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::hash::Algorithm;

    const NONCE: Nonce<'_> = Nonce {
        random: [0xFF; 16],
        unix_seconds: 697_170_952,
        domain: "a.b",
    };

    #[test]
    fn challenges_look_like_message_ids() {
        let expected = "<340282366920938463463374607431768211455.697170952@a.b>";
        assert_eq!(NONCE.challenge(), expected.as_bytes());
    }

    #[test]
    fn challenges_stay_in_form_whatever_the_domain() {
        let domain = "a b>\r\n\u{e9}\0".to_owned() + &"x".repeat(10_000);
        let challenge = Nonce {
            domain: &domain,
            ..NONCE
        }
        .challenge();
        let challenge = String::from_utf8(challenge).unwrap();
        assert!(
            challenge.ends_with("x>") && challenge.contains("@a-b-----xxx"),
            "{challenge}"
        );
        assert!(challenge.len() < 512);
    }

    // Every bit of the random number is in the challenge, so that none that
    // was overheard ever fits again.
    #[test]
    fn a7_challenges_carry_128_random_bits() {
        let mut seen = std::collections::HashSet::from([NONCE.challenge()]);
        for bit in 0..128 {
            let mut random = [0xFF; 16];
            random[bit / 8] ^= 1 << (bit % 8);
            assert!(
                seen.insert(Nonce { random, ..NONCE }.challenge()),
                "bit {bit}"
            );
        }
    }

    // RFC 2195 2.
    #[test]
    fn passes_the_example_of_the_rfc() {
        let state = hmac::State::from_key(Algorithm::Md5, b"tanstaaftanstaaf");
        let challenge = b"<1896.697170952@postoffice.reston.mci.net>";
        let expected = b"tim b913a602c7eda7a495b4e6e7334d3890";
        assert_eq!(response(b"tim", &state, challenge), expected);
    }

    #[test]
    fn answers_as_other_clients_do() {
        let state = hmac::State::from_key(Algorithm::Md5, b"secret pw");
        let expected = b"bob bde3c3ec2e7f820422279da7de527455";
        assert_eq!(response(b"bob", &state, b"<123.456@vm>"), expected);
    }

    #[test]
    fn splits_at_the_last_blank() {
        assert_eq!(split(b"tim b913"), Some((&b"tim"[..], &b"b913"[..])));
        assert_eq!(
            split(b"tim von x b913"),
            Some((&b"tim von x"[..], &b"b913"[..]))
        );
        assert_eq!(split(b"tim "), Some((&b"tim"[..], &b""[..])));
        for bad in ["", "tim", " b913", " "] {
            assert_eq!(split(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
