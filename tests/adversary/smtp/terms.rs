//! What is said of a session between the model and those who compare.

use std::fmt::{self, Debug, Formatter};

use crate::adversary::Octets;
use crate::adversary::sasl::Exchange;

/// A message as it has to be in the spool.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Message {
    /// Nothing where the model cannot say.
    pub(super) from: Option<Vec<u8>>,
    pub(super) to: Vec<Option<Vec<u8>>>,
    pub(super) content: Vec<u8>,
}

/// A transaction.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub(super) message: Message,
    pub(super) is_binary: bool,
    pub(super) is_utf8: bool,
}

/// What the server has to read next.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// It has to greet.
    Greeting,
    /// A command, before EHLO or HELO.
    Start,
    /// A command, and there is no transaction.
    Idle,
    /// A command, after MAIL.
    Mail(Draft),
    /// A command, after a chunk that was not the last.
    Chunks(Draft),
    /// Content, up to CRLF.CRLF.
    Data(Draft),
    /// Octets of a chunk.
    Chunk(Draft, Chunk),
    /// Octets of a chunk that is refused; with what, and where it leads.
    Refused(Chunk, Option<u16>, Box<Place>),
    /// A response of an AUTH exchange.
    Exchange(Exchange),
    /// A TLS handshake.
    Handshake,
    /// Nothing.
    Closed,
}

/// A chunk that is on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk {
    pub(super) octets: u64,
    pub(super) is_last: bool,
}

/// What a reply of success leads to.
#[derive(Clone, Debug)]
pub(super) enum Then {
    /// Nothing.
    Stay,
    /// Another place.
    Go(Place),
    /// The greeting of EHLO or HELO: no transaction, and a list of what is offered.
    Hello { is_extended: bool },
    /// A message that is the server's from now on.
    Stored(Message),
    /// A challenge, and a response to it.
    Challenge(Exchange),
    /// The client is known.
    LoggedIn,
    /// The end of the connection.
    Close,
}

/// What a client hears next.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is only one at a time")]
pub(super) enum Next {
    /// Nothing, before it has sent more.
    Nothing,
    /// A reply.
    Reply(Expected),
    /// The end of the connection, without a reply.
    HangUp,
}

/// A reply that is due.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    pub(super) codes: Vec<u16>,
    pub(super) then: Then,
    /// Where a refusal leads, if that is not where the session is.
    pub(super) otherwise: Option<Place>,
    /// Whether what follows in a group of RFC 2920 is forgiven if this is a refusal.
    pub(super) forgives: bool,
    /// Whether a refusal counts as a mistake, whatever its code.
    pub(super) counts: Option<bool>,
    /// Whether a refusal counts as a guess at a password.
    pub(super) is_guess: bool,
    /// Whether there may as well be no reply.
    pub(super) is_optional: bool,
}

impl Expected {
    pub(super) fn new(codes: &[u16], then: Then) -> Expected {
        Expected {
            codes: codes.to_vec(),
            then,
            otherwise: None,
            forgives: false,
            counts: None,
            is_guess: false,
            is_optional: false,
        }
    }

    /// A refusal that ends the session.
    pub(super) fn last(code: u16) -> Expected {
        Expected::new(&[code], Then::Close)
    }
}

/// A reply as it was heard, without line ends.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) code: u16,
    /// What stands after the code and its hyphen or blank, by line.
    pub(super) lines: Vec<Vec<u8>>,
}

impl Debug for Message {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let octets = |text: &Option<Vec<u8>>| text.clone().map(Octets);
        let to: Vec<_> = self.to.iter().map(octets).collect();
        let content = Octets(self.content.clone());
        write!(f, "from {:?} to {to:?}: {content:?}", octets(&self.from))
    }
}

impl Message {
    /// Forgets what another message does not say.
    pub(super) fn blur_like(&mut self, other: &Message) {
        self.from.take_if(|_| other.from.is_none());
        for (is, should) in self.to.iter_mut().zip(&other.to) {
            is.take_if(|_| should.is_none());
        }
    }

    /// Whether another message says what this one says.
    pub(super) fn may_be(&self, other: &Message) -> bool {
        let mut other = other.clone();
        other.blur_like(self);
        other == *self
    }
}
