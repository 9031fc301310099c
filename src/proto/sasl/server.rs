//! A server's side of an exchange, up to the credentials.

use super::{Answer, FIELD_MAX, LINE_MAX, Mechanism, Nonce, cram, login, plain};
use crate::base::base64;
use crate::base::hash::Algorithm;
use crate::base::secret::Secret;

/// What the server does next.
#[derive(Debug)]
#[must_use]
pub enum Step {
    /// Send this challenge, already in base64 and perhaps empty (SMTP: `334 ` with
    /// the blank in any case), then give the next line to the exchange.
    Challenge {
        /// The challenge.
        text: Vec<u8>,
        /// What goes on with the answer.
        exchange: ServerExchange,
    },
    /// Find out whether these are right.
    Check(Credentials),
    /// It is over, without a check.
    Failed(Answer),
}

/// What a client gave as proof of its identity; nothing about it is known to be
/// right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// How it was given.
    pub mechanism: Mechanism,
    /// The user name: any octets at all.
    pub id: Vec<u8>,
    /// The proof.
    pub given: Given,
}

/// The proof of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// A password.
    Password(Secret),
    /// A hash of the server's timestamp and the password (APOP).
    Digest {
        /// The timestamp.
        timestamp: Vec<u8>,
        /// The hash as the client wrote it.
        digest: Vec<u8>,
    },
    /// A keyed hash.
    Proof {
        /// The hash function.
        algorithm: Algorithm,
        /// What was hashed.
        challenge: Vec<u8>,
        /// The hash as the client wrote it.
        proof: Vec<u8>,
    },
}

/// An exchange that waits for a response.
#[derive(Debug)]
pub struct ServerExchange(State);

#[derive(Debug)]
enum State {
    PlainMessage,
    LoginName,
    LoginPassword {
        id: Vec<u8>,
    },
    CramResponse {
        algorithm: Algorithm,
        challenge: Vec<u8>,
    },
}

impl ServerExchange {
    /// Starts a mechanism that [`super::Offer::accept`] gave. `initial` is the
    /// initial response as it was sent, if there was one.
    // RFC 4954 4: "=" stands for an initial response that is empty, and there is
    // none where the server speaks first.
    pub fn start(mechanism: Mechanism, initial: Option<&[u8]>, nonce: Nonce<'_>) -> Step {
        let (state, challenge) = match mechanism {
            Mechanism::Plain => (State::PlainMessage, Vec::new()),
            Mechanism::Login => (State::LoginName, login::NAME_PROMPT.to_vec()),
            Mechanism::Cram(_) if initial.is_some() => {
                return Step::Failed(Answer::UnexpectedInitialResponse);
            }
            Mechanism::Cram(algorithm) => {
                let challenge = nonce.challenge();
                (
                    State::CramResponse {
                        algorithm,
                        challenge: challenge.clone(),
                    },
                    challenge,
                )
            }
            Mechanism::OauthBearer | Mechanism::Xoauth2 | Mechanism::External => {
                return Step::Failed(Answer::Unsupported);
            }
            Mechanism::Apop => return Step::Failed(Answer::Unsupported),
        };
        match initial {
            None => state.wait(&challenge),
            Some(initial) if initial.len() > LINE_MAX => Step::Failed(Answer::LineTooLong),
            Some(b"=") => state.advance(Secret::default()),
            Some(initial) => match base64::decode(initial) {
                Some(response) => state.advance(Secret::new(response)),
                None => Step::Failed(Answer::BadInitialResponse),
            },
        }
    }

    /// Goes on with a line of the client, without its CRLF. Whatever the line
    /// says, even `QUIT`, it is a response.
    pub fn respond(self, line: &[u8]) -> Step {
        if line.len() + 2 > LINE_MAX {
            return Step::Failed(Answer::LineTooLong);
        }
        // RFC 4954 4: "*" cancels.
        if line == b"*" {
            return Step::Failed(Answer::Cancelled);
        }
        match base64::decode(line) {
            Some(response) => self.0.advance(Secret::new(response)),
            None => Step::Failed(Answer::BadResponse),
        }
    }
}

impl State {
    fn wait(self, challenge: &[u8]) -> Step {
        Step::Challenge {
            text: base64::encode(challenge),
            exchange: ServerExchange(self),
        }
    }

    fn advance(self, response: Secret) -> Step {
        let response = response.expose();
        match self {
            State::PlainMessage => match plain::parse(response) {
                Some((id, password)) => check(Mechanism::Plain, id, Given::Password(password)),
                None => Step::Failed(Answer::Rejected),
            },
            // An empty name is asked for a password all the same, and fails then.
            State::LoginName if response.len() > FIELD_MAX => Step::Failed(Answer::Rejected),
            State::LoginName => State::LoginPassword {
                id: response.to_vec(),
            }
            .wait(login::PASSWORD_PROMPT),
            State::LoginPassword { id } => {
                if id.is_empty() || response.is_empty() || response.len() > FIELD_MAX {
                    return Step::Failed(Answer::Rejected);
                }
                check(Mechanism::Login, id, Given::Password(Secret::new(response)))
            }
            State::CramResponse {
                algorithm,
                challenge,
            } => match cram::split(response) {
                Some((id, proof)) => {
                    let (id, proof) = (id.to_vec(), proof.to_vec());
                    let given = Given::Proof {
                        algorithm,
                        challenge,
                        proof,
                    };
                    check(Mechanism::Cram(algorithm), id, given)
                }
                None => Step::Failed(Answer::Rejected),
            },
        }
    }
}

fn check(mechanism: Mechanism, id: Vec<u8>, given: Given) -> Step {
    Step::Check(Credentials {
        mechanism,
        id,
        given,
    })
}

#[cfg(test)]
mod tests;
