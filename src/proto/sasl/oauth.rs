//! Tokens: OAUTHBEARER (RFC 7628) and XOAUTH2, the form that Google and Microsoft
//! had before it.

use super::Mechanism;
use crate::base::secret::Secret;

/// A token of a client, bare or already in the form of a mechanism.
#[derive(Clone, Debug)]
pub struct Token {
    form: Form,
    octets: Secret,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A bearer token (RFC 6750), good for both mechanisms.
    Bare,
    /// The whole message of one mechanism, sent as it is.
    Message(Mechanism),
}

/// Separates the fields of a message.
const FIELD_END: u8 = 1;

impl Token {
    /// Finds out which form it is: with an octet 1 in it, it is the whole message
    /// of OAUTHBEARER (where it starts like a GS2 header) or of XOAUTH2;
    /// otherwise it must be a bare token, so one word of printable ASCII.
    pub fn parse(octets: Vec<u8>) -> Option<Token> {
        let is_gs2 = [b"n,", b"y,", b"p="]
            .iter()
            .any(|start| octets.starts_with(*start));
        let octets = Secret::new(octets);
        let form = match octets.expose() {
            all if all.contains(&FIELD_END) && is_gs2 => Form::Message(Mechanism::OauthBearer),
            all if all.contains(&FIELD_END) => Form::Message(Mechanism::Xoauth2),
            all if all.is_empty() || !all.iter().all(u8::is_ascii_graphic) => return None,
            _ => Form::Bare,
        };
        Some(Token { form, octets })
    }

    /// Whether the mechanism can be used with it.
    pub fn serves(&self, mechanism: Mechanism) -> bool {
        match self.form {
            Form::Bare => matches!(mechanism, Mechanism::OauthBearer | Mechanism::Xoauth2),
            Form::Message(own) => own == mechanism,
        }
    }

    /// The message of the client, if the token serves for that mechanism.
    pub(super) fn message(&self, mechanism: Mechanism, id: &[u8]) -> Option<Secret> {
        let token = self.octets.expose();
        match (self.form, mechanism) {
            (Form::Message(own), _) if own == mechanism => Some(self.octets.clone()),
            // RFC 7628 3.1: GS2 header, then key/value pairs; the host and the port
            // are for tokens of other kinds.
            (Form::Bare, Mechanism::OauthBearer) => Some(Secret::new(
                [
                    b"n,a=",
                    &*sasl_name(id),
                    b",\x01auth=Bearer ",
                    token,
                    b"\x01\x01",
                ]
                .concat(),
            )),
            (Form::Bare, Mechanism::Xoauth2) => Some(Secret::new(
                [b"user=", id, b"\x01auth=Bearer ", token, b"\x01\x01"].concat(),
            )),
            _ => None,
        }
    }
}

/// What a client says to a failure that the server explained in a challenge, so
/// that the server can end the exchange.
// RFC 7628 3.2.3: a lone octet 1; XOAUTH2 wants an empty response.
pub(super) fn acknowledgement(mechanism: Mechanism) -> &'static [u8] {
    if mechanism == Mechanism::OauthBearer {
        &[FIELD_END]
    } else {
        b""
    }
}

// RFC 5801 4: "=" and "," are written "=3D" and "=2C" in a saslname.
fn sasl_name(id: &[u8]) -> Vec<u8> {
    let mut name = Vec::with_capacity(id.len());
    for octet in id {
        match octet {
            b'=' => name.extend(b"=3D"),
            b',' => name.extend(b"=2C"),
            other => name.push(*other),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(token: &str, mechanism: Mechanism) -> Option<String> {
        let token = Token::parse(token.into()).unwrap();
        let message = token.message(mechanism, b"me,=@example.com");
        assert_eq!(token.serves(mechanism), message.is_some());
        message.map(|message| String::from_utf8(message.expose().to_vec()).unwrap())
    }

    #[test]
    fn bare_tokens_serve_for_both_mechanisms() {
        assert_eq!(
            message("ya29.vF9-dft4_qm~Tc2+Nv/b3==", Mechanism::OauthBearer).unwrap(),
            "n,a=me=2C=3D@example.com,\x01auth=Bearer ya29.vF9-dft4_qm~Tc2+Nv/b3==\x01\x01"
        );
        assert_eq!(
            message("ya29.vF9", Mechanism::Xoauth2).unwrap(),
            "user=me,=@example.com\x01auth=Bearer ya29.vF9\x01\x01"
        );
        assert_eq!(message("ya29.vF9", Mechanism::Plain), None);
    }

    #[test]
    fn whole_messages_are_sent_as_they_are() {
        let old = "user=x@y\x01auth=Bearer t\x01\x01";
        let new = "n,a=x@y,\x01host=h\x01port=1\x01auth=Bearer t\x01\x01";
        assert_eq!(message(old, Mechanism::Xoauth2).as_deref(), Some(old));
        assert_eq!(message(old, Mechanism::OauthBearer), None);
        assert_eq!(message(new, Mechanism::OauthBearer).as_deref(), Some(new));
        assert_eq!(message(new, Mechanism::Xoauth2), None);
    }

    #[test]
    fn anything_else_is_no_token() {
        for bad in ["", "two words", "line\n", "caf\u{e9}", "a\0b"] {
            assert!(Token::parse(bad.into()).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn never_shows_itself() {
        let token = Token::parse(b"hidden".to_vec());
        assert!(!format!("{token:?}").contains("hidden"));
    }
}
