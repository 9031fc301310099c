//! What the machine asks of its driver, and what it is told in return.

use crate::base::OneLine;
use crate::proto::sasl::{Answer, Credentials, Mechanism};
use crate::proto::smtp::params::BodyType;
use crate::proto::smtp::reply::Reply;
use crate::proto::smtp::trace::Protocol;

use super::CloseReason;

/// What the driver is to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Action {
    /// Send the reply; all replies of one call go out in one write.
    Reply(Reply),
    /// A command line has come in, escaped and bounded (with `note_commands` only).
    Command(OneLine),
    /// Something for the log to warn of.
    Warn(OneLine),
    /// Find out whether these are right; the machine waits for
    /// [`Event::Authenticated`].
    Authenticate(Box<Credentials>),
    /// The client has failed to authenticate, and needs no check for it: give that
    /// answer back in [`Event::Authenticated`], after the delay that it has earned.
    HoldBack(Answer),
    /// Start TLS once the replies have been flushed; the machine waits for
    /// `Machine::encrypted`. Input that is there by then came behind STARTTLS, in
    /// clear: the session is to be aborted for it.
    StartTls,
    /// Open a message: its content follows.
    Begin(Box<Transaction>),
    /// Append to the message: octets as they are to be stored.
    Content(Vec<u8>),
    /// Store the message for good; the machine waits for [`Event::Stored`] or
    /// [`Event::Answered`].
    Commit(ContentFacts),
    /// Forget the message that was opened.
    Discard,
    /// Ask the verifier; the machine waits for [`Event::Verified`].
    Verify(Box<VerifyRequest>),
    /// Close the connection once the replies have been flushed.
    Close(CloseReason),
}

/// How a wait of the machine ends.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Event {
    /// The message is safe under that name.
    Stored(OneLine),
    /// The message is not here: it is refused, or with a 2yz reply somebody else has it
    /// now.
    Answered(Reply),
    /// The verifier has decided.
    Verified(Verdict),
    /// The client is who it says, by that name, or it gets that answer.
    Authenticated(Result<OneLine, Answer>),
}

/// A decision of the verifier.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// It is a mailbox here.
    Local {
        /// The mailbox to deliver to.
        mailbox: OneLine,
        /// What VRFY shows.
        full_name: OneLine,
    },
    /// It is accepted for relaying.
    Remote {
        /// The address to relay to; empty for the one that was asked about.
        address: OneLine,
    },
    /// It is refused so.
    Refuse(Reply),
    /// The connection is to be dropped without a word.
    Abort,
}

/// A question to the verifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyRequest {
    /// The mailbox of RCPT, or the argument of VRFY as it came.
    pub recipient: OneLine,
    /// The reverse-path; empty if it is null, and for VRFY.
    pub sender: OneLine,
    /// Whether this is for VRFY.
    pub vrfy: bool,
    /// How the client has authenticated, if it has.
    pub mechanism: Option<Mechanism>,
    /// As whom, or what a client with its address is called; empty for nobody.
    pub identity: OneLine,
}

/// What is known of a message when its content begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The reverse-path without brackets; empty if it is null.
    pub reverse_path: OneLine,
    /// The recipients, in the order of their commands, at least one.
    pub recipients: Vec<Recipient>,
    /// What the client says the content is made of.
    pub body: BodyType,
    /// The size that it announced, in octets.
    pub size: Option<u64>,
    /// Whether paths and header may hold UTF-8.
    pub smtputf8: bool,
    /// The submitter that the AUTH parameter of MAIL establishes: what it says if
    /// the client has authenticated, and `<>` if not (RFC 4954 5).
    pub auth_parameter: Option<OneLine>,
    /// What that parameter claimed, in xtext, or `<>`.
    pub auth_claimed: Option<OneLine>,
    /// Who the client is: the name that it authenticated by, or else what peers of
    /// its address are called; empty for a client that needs to be neither.
    pub identity: OneLine,
    /// Whether the client has authenticated.
    pub authenticated: bool,
    /// Whether the connection is encrypted.
    pub encrypted: bool,
    /// The name given with EHLO or HELO.
    pub helo: OneLine,
    /// The protocol that was spoken.
    pub protocol: Protocol,
}

/// A recipient that has been accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// The address, as it came or as the verifier has it.
    pub address: OneLine,
    /// Whether it is a mailbox here.
    pub local: bool,
}

/// What is known of a message only when its content has been seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentFacts {
    /// Its size in octets.
    pub octets: u64,
    /// Whether it has an octet of 0x80 or above; nothing for no octets at all.
    pub eight_bit: Option<bool>,
    /// The text of its Message-ID field, for the log.
    pub message_id: Option<OneLine>,
}
