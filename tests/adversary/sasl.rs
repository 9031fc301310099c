//! The mechanisms of RFC 4422 that both protocols have, from the client's words to what
//! they come to.

use emailrelay::base::base64;
use emailrelay::base::hash::{Algorithm, hmac};

/// The only user.
pub(super) const USER: &[u8] = b"alice";
pub(super) const PASSWORD: &[u8] = b"e=mc2";
/// The same for a file of secrets.
#[cfg(unix)]
pub(super) const SECRETS: &str = "server plain alice e+3Dmc2\n";

/// What the server has asked for last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Exchange {
    Plain,
    LoginName,
    LoginPassword(Vec<u8>),
    /// A challenge in base 64, once it has been heard.
    Cram(Vec<u8>),
}

/// What comes of something that the client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The server asks for more.
    Challenge(Exchange),
    LoggedIn,
    /// It makes no sense, or is given up.
    Malformed,
    /// It is wrong.
    Rejected,
}

/// Begins an exchange; nothing for a mechanism that is not known.
// RFC 4954 4, RFC 5034 4: no initial response where the server speaks first, and "="
// for an empty one.
pub(super) fn begin(mechanism: &[u8], initial: &[u8]) -> Option<Outcome> {
    let exchange = match mechanism.to_ascii_uppercase().as_slice() {
        b"PLAIN" => Exchange::Plain,
        b"LOGIN" => Exchange::LoginName,
        b"CRAM-MD5" | b"CRAM-SHA1" => Exchange::Cram(Vec::new()),
        _ => return None,
    };
    Some(match (initial, exchange) {
        (b"", exchange) => Outcome::Challenge(exchange),
        (_, Exchange::Cram(_)) => Outcome::Malformed,
        (b"=", exchange) => decoded(exchange, b""),
        (initial, exchange) => respond(exchange, initial),
    })
}

/// Whether a mechanism shows the password to those who listen.
pub(super) fn shows_password(mechanism: &[u8]) -> bool {
    matches!(
        mechanism.to_ascii_uppercase().as_slice(),
        b"PLAIN" | b"LOGIN"
    )
}

/// Goes on with a line, which is base 64. `*` is none, and gives up.
pub(super) fn respond(exchange: Exchange, line: &[u8]) -> Outcome {
    match base64::decode(line) {
        Some(response) => decoded(exchange, &response),
        None => Outcome::Malformed,
    }
}

fn decoded(exchange: Exchange, response: &[u8]) -> Outcome {
    let is_right = match exchange {
        // RFC 4616 2
        Exchange::Plain => {
            let fields: Vec<&[u8]> = response.split(|octet| *octet == 0).collect();
            matches!(fields.as_slice(), [identity, USER, PASSWORD] if [b"", USER].contains(identity))
        }
        Exchange::LoginName => {
            return Outcome::Challenge(Exchange::LoginPassword(response.to_vec()));
        }
        Exchange::LoginPassword(name) => name == USER && response == PASSWORD,
        Exchange::Cram(challenge) => cram(&challenge).is_some_and(|right| right == response),
    };
    match is_right {
        true => Outcome::LoggedIn,
        false => Outcome::Rejected,
    }
}

/// The right response to a challenge in base64, with MD5.
// RFC 2195 2
fn cram(challenge: &[u8]) -> Option<Vec<u8>> {
    let challenge = base64::decode(challenge)?;
    let proof = hmac::State::from_key(Algorithm::Md5, PASSWORD).mac(&challenge);
    Some([USER, b" ", &digits(&proof)].concat())
}

/// The line that a client sends to a challenge.
pub(super) fn cram_line(challenge: &[u8]) -> Vec<u8> {
    let response = cram(challenge).unwrap_or_default();
    [base64::encode(&response), b"\r\n".to_vec()].concat()
}

/// The right digest for a timestamp.
// RFC 1939 7
pub(super) fn apop(timestamp: &[u8]) -> Vec<u8> {
    digits(&Algorithm::Md5.digest(&[timestamp, PASSWORD].concat()))
}

fn digits(octets: &[u8]) -> Vec<u8> {
    let digits = octets.iter().map(|octet| format!("{octet:02x}"));
    digits.collect::<String>().into_bytes()
}
