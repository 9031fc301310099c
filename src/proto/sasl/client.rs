//! A client's side: choosing mechanisms and going through them.
//!
//! # After a failure
//!
//! A reply that says no is followed by the next mechanism, on the same
//! connection. Not so where that would only repeat what was refused, or would
//! show a password in clear to a server (or somebody in between) that has just
//! refused a safer way. So after 535, which says that the credentials are wrong,
//! these are left out:
//!
//! - the mechanisms of the same sort with the same secret: other challenge-response
//!   mechanisms, the other password mechanism, the other token mechanism. A wrong
//!   password is thus tried twice at most: once hashed, since the server may know
//!   it by another hash only or not in a form that it can hash, and once in full
//! - in clear, all that show a secret
//!
//! 421 ends it, since the server closes the connection; so does a reply that does
//! not fit, such as success before we have proved anything.

use std::collections::VecDeque;
use std::sync::Arc;

use super::login::{self, Wanted};
use super::{Account, Channel, Config, Credential, LINE_MAX, Mechanism, Proof, cram, oauth, plain};
use crate::base::hash::hmac;
use crate::base::secret::Secret;
use crate::base::{OneLine, ascii, base64};

mod failure;

pub use failure::ClientFailure;

/// The longest initial response in base64; a longer one waits for the server's
/// first challenge, since command lines of SMTP end at 512 octets.
pub const INITIAL_MAX: usize = 450;

/// How many octets of a server's words are kept.
const TEXT_MAX: usize = 300;

/// Responses to one LOGIN at most: a name that was asked for twice, a password.
const LOGIN_RESPONSES_MAX: u8 = 3;

/// On what terms we authenticate to a server.
#[derive(Clone, Debug)]
pub struct Terms {
    /// `--client-auth-config`.
    pub config: Config,
    /// How well the connection keeps what we send. Where passwords in clear are
    /// allowed to this server, say [`Channel::Local`].
    pub channel: Channel,
    /// Whether the server has seen a certificate of ours.
    pub has_certificate: bool,
}

/// What the client does next.
#[derive(Debug)]
#[must_use]
pub enum ClientStep {
    /// Send this line, then give the reply to [`ClientExchange::reply`].
    Send {
        /// The line, without its CRLF.
        line: Secret,
        /// What the log shows of it.
        shown: String,
    },
    /// The server has accepted us.
    Succeeded {
        /// How.
        mechanism: Mechanism,
        /// Our user name, for the AUTH parameter of MAIL; empty with EXTERNAL.
        id: Vec<u8>,
    },
    /// It is over, and the server does not know us.
    Failed(ClientFailure),
}

/// The attempts to authenticate on one connection.
#[derive(Debug)]
pub struct ClientExchange {
    account: Arc<Account>,
    channel: Channel,
    candidates: VecDeque<Mechanism>,
    stage: Stage,
    refused: Option<ClientFailure>,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Talking(Talk),
    /// We have sent `*`.
    Withdrawing(Mechanism),
    /// We have been accepted.
    Over(Mechanism),
}

/// How far the exchange of one mechanism has got.
#[derive(Clone, Copy, Debug)]
struct Talk {
    mechanism: Mechanism,
    /// Responses sent, other than the initial one.
    responses: u8,
    given: Given,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Given {
    Nothing,
    /// LOGIN's user name.
    Name,
    /// All that the mechanism asks for: success may follow.
    Proof,
    /// An acknowledgement of the server's explanation of a failure.
    Acknowledgement,
}

impl ClientExchange {
    /// Chooses the mechanisms from those that the server offers, by the names in
    /// its EHLO reply, and starts with the first.
    pub fn start(
        account: Arc<Account>,
        offered: &[String],
        terms: &Terms,
    ) -> Result<(ClientExchange, ClientStep), ClientFailure> {
        if offered.is_empty() {
            return Err(ClientFailure::NotOffered);
        }
        let known = Mechanism::known(offered);
        let available: Vec<Mechanism> = Mechanism::ALL
            .into_iter()
            .filter(|mechanism| known.contains(mechanism) && is_able(&account, terms, *mechanism))
            .collect();
        let mut candidates = VecDeque::from(terms.config.select(&available, terms.channel));
        let Some(first) = candidates.pop_front() else {
            let mut offered = OneLine::escaped(offered.join(","));
            offered.truncate(TEXT_MAX);
            let would_do = !terms.config.select(&available, Channel::Local).is_empty();
            return Err(match would_do {
                true => ClientFailure::WouldBeOverheard { offered },
                false => ClientFailure::NothingInCommon { offered },
            });
        };
        let (talk, step) = open(&account, first);
        let exchange = ClientExchange {
            account,
            channel: terms.channel,
            candidates,
            stage: Stage::Talking(talk),
            refused: None,
        };
        Ok((exchange, step))
    }

    /// Goes on with the server's reply to what was sent last: its code, and the
    /// text after the code on its last line.
    // RFC 4954 4: 334 goes on, 235 is success.
    pub fn reply(&mut self, code: u16, text: &[u8]) -> ClientStep {
        match (code, self.stage) {
            (334, Stage::Talking(talk)) => self.challenged(talk, text),
            (
                235,
                Stage::Talking(Talk {
                    mechanism,
                    given: Given::Proof,
                    ..
                }),
            ) => {
                self.stage = Stage::Over(mechanism);
                let credential = self.account.credential(mechanism);
                let id = credential
                    .map(|credential| credential.id.clone())
                    .unwrap_or_default();
                ClientStep::Succeeded { mechanism, id }
            }
            (400..=599, Stage::Talking(Talk { mechanism, .. })) => {
                self.refused(mechanism, code, text, true)
            }
            (400..=599, Stage::Withdrawing(mechanism)) => {
                self.refused(mechanism, code, text, false)
            }
            (
                _,
                Stage::Talking(Talk { mechanism, .. })
                | Stage::Withdrawing(mechanism)
                | Stage::Over(mechanism),
            ) => ClientStep::Failed(ClientFailure::OutOfStep { mechanism, code }),
        }
    }

    fn challenged(&mut self, talk: Talk, text: &[u8]) -> ClientStep {
        let answer = self.response(talk, text);
        let answer = answer.map(|(response, given)| (encode(&response), given));
        let fits = |line: &Secret| line.expose().len() + 2 <= LINE_MAX;
        match answer.filter(|(line, _)| fits(line)) {
            Some((line, given)) => {
                let responses = talk.responses + 1;
                self.stage = Stage::Talking(Talk {
                    responses,
                    given,
                    ..talk
                });
                ClientStep::Send {
                    line,
                    shown: "[authentication response not logged]".to_owned(),
                }
            }
            // RFC 4954 4: "*" cancels.
            None => {
                self.stage = Stage::Withdrawing(talk.mechanism);
                ClientStep::Send {
                    line: Secret::new("*"),
                    shown: "*".to_owned(),
                }
            }
        }
    }

    /// The response to a challenge, and what the server then has. Nothing where
    /// there is none to give.
    fn response(&self, talk: Talk, text: &[u8]) -> Option<(Secret, Given)> {
        match talk.mechanism {
            Mechanism::Cram(algorithm) if talk.responses == 0 => {
                let challenge = base64::decode(ascii::trim(text))?;
                if challenge.is_empty() || challenge.len() > cram::CHALLENGE_MAX {
                    return None;
                }
                let credential = self.account.credential(talk.mechanism)?;
                let response = match &credential.proof {
                    Proof::Password(password) => {
                        let state = hmac::State::from_key(algorithm, password.expose());
                        cram::response(&credential.id, &state, &challenge)
                    }
                    Proof::State(state) => cram::response(&credential.id, state, &challenge),
                    Proof::Token(_) => return None,
                };
                Some((Secret::new(response), Given::Proof))
            }
            // Some servers ask although they have had the initial response.
            Mechanism::Plain | Mechanism::External if talk.responses == 0 => {
                Some((message(&self.account, talk.mechanism)?, Given::Proof))
            }
            Mechanism::Login => self.login_response(talk, text),
            Mechanism::OauthBearer | Mechanism::Xoauth2 => match talk.given {
                Given::Nothing => Some((message(&self.account, talk.mechanism)?, Given::Proof)),
                Given::Proof => {
                    let acknowledgement = oauth::acknowledgement(talk.mechanism);
                    Some((Secret::new(acknowledgement), Given::Acknowledgement))
                }
                Given::Name | Given::Acknowledgement => None,
            },
            Mechanism::Cram(_) | Mechanism::Plain | Mechanism::External => None,
            // No account serves for it.
            Mechanism::Apop => None,
        }
    }

    fn login_response(&self, talk: Talk, text: &[u8]) -> Option<(Secret, Given)> {
        if talk.given == Given::Proof || talk.responses == LOGIN_RESPONSES_MAX {
            return None;
        }
        let prompt = base64::decode(ascii::trim(text))?;
        let Credential {
            id,
            proof: Proof::Password(password),
            ..
        } = self.account.credential(Mechanism::Login)?
        else {
            return None;
        };
        match login::wanted(&prompt, talk.given == Given::Name)? {
            Wanted::Name => Some((Secret::new(id.as_slice()), Given::Name)),
            Wanted::Password => Some((password.clone(), Given::Proof)),
        }
    }

    fn refused(
        &mut self,
        mechanism: Mechanism,
        code: u16,
        text: &[u8],
        is_verdict: bool,
    ) -> ClientStep {
        let credential = self.account.credential(mechanism);
        let mut text = OneLine::escaped(text);
        text.truncate(TEXT_MAX);
        let failure = ClientFailure::Refused {
            mechanism,
            with: credential.map_or("a certificate".to_owned(), Credential::to_string),
            code,
            text,
        };
        // RFC 5321 3.8: the server closes the connection after 421.
        if code == 421 {
            return ClientStep::Failed(failure);
        }
        if code == 535 && is_verdict {
            let channel = self.channel;
            self.candidates
                .retain(|next| is_worth_trying(*next, mechanism, channel));
        }
        // That the credentials are wrong says more than what follows it.
        let says_most =
            |failure: &ClientFailure| matches!(failure, ClientFailure::Refused { code: 535, .. });
        let failure = self.refused.take().filter(says_most).unwrap_or(failure);
        let Some(next) = self.candidates.pop_front() else {
            return ClientStep::Failed(failure);
        };
        self.refused = Some(failure);
        let (talk, step) = open(&self.account, next);
        self.stage = Stage::Talking(talk);
        step
    }
}

fn is_able(account: &Account, terms: &Terms, mechanism: Mechanism) -> bool {
    match mechanism {
        Mechanism::External => terms.has_certificate,
        _ => account.credential(mechanism).is_some(),
    }
}

/// The command that starts a mechanism.
fn open(account: &Account, mechanism: Mechanism) -> (Talk, ClientStep) {
    let initial = initial_response(account, mechanism).map(|message| encode_initial(&message));
    let initial = initial.filter(|encoded| encoded.expose().len() <= INITIAL_MAX);
    let given = match (&initial, mechanism) {
        (None, _) => Given::Nothing,
        (Some(_), Mechanism::Login) => Given::Name,
        (Some(_), _) => Given::Proof,
    };
    let command = format!("AUTH {}", mechanism.name());
    let step = match initial {
        None => ClientStep::Send {
            line: Secret::new(command.as_bytes()),
            shown: command,
        },
        Some(encoded) => ClientStep::Send {
            line: Secret::new([command.as_bytes(), b" ", encoded.expose()].concat()),
            shown: command + " [not logged]",
        },
    };
    (
        Talk {
            mechanism,
            responses: 0,
            given,
        },
        step,
    )
}

/// What the client says first, where it is the client that speaks first.
fn initial_response(account: &Account, mechanism: Mechanism) -> Option<Secret> {
    match mechanism {
        Mechanism::Cram(_) => None,
        Mechanism::Login => Some(Secret::new(account.credential(mechanism)?.id.as_slice())),
        _ => message(account, mechanism),
    }
}

/// The one message of mechanisms that have but one.
fn message(account: &Account, mechanism: Mechanism) -> Option<Secret> {
    if mechanism == Mechanism::External {
        // RFC 4422 A: an empty authorization identity asks for the one that the
        // certificate stands for.
        return Some(Secret::default());
    }
    let credential = account.credential(mechanism)?;
    match (&credential.proof, mechanism) {
        (Proof::Password(password), Mechanism::Plain) => {
            Some(plain::message(&credential.id, password.expose()))
        }
        (Proof::Token(token), _) => token.message(mechanism, &credential.id),
        _ => None,
    }
}

/// Whether a mechanism may follow one that ended in 535.
fn is_worth_trying(next: Mechanism, refused: Mechanism, channel: Channel) -> bool {
    let repeats = match refused {
        Mechanism::Cram(_) => matches!(next, Mechanism::Cram(_)),
        Mechanism::Plain | Mechanism::Login => matches!(next, Mechanism::Plain | Mechanism::Login),
        Mechanism::OauthBearer | Mechanism::Xoauth2 => {
            matches!(next, Mechanism::OauthBearer | Mechanism::Xoauth2)
        }
        Mechanism::External | Mechanism::Apop => false,
    };
    let would_be_overheard = channel != Channel::Encrypted && next.shows_secret();
    !repeats && !would_be_overheard
}

// RFC 4954 4: an empty initial response is "=".
fn encode_initial(message: &Secret) -> Secret {
    if message.is_empty() {
        Secret::new("=")
    } else {
        encode(message)
    }
}

fn encode(message: &Secret) -> Secret {
    Secret::new(base64::encode(message.expose()))
}

#[cfg(test)]
mod tests;
