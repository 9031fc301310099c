use super::{CLASS_IN, Name};

/// RFC 1035 4.1.1: RD, "recursion desired", and nothing else: a standard query.
const FLAGS: u16 = 0x0100;

/// A type of record (RFC 1035 3.2.2, RFC 3596 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An IPv4 address.
    A,
    /// An alias.
    Cname,
    /// A mail exchange.
    Mx,
    /// Text.
    Txt,
    /// An IPv6 address.
    Aaaa,
}

impl Kind {
    /// The number of the type in messages.
    pub fn code(self) -> u16 {
        match self {
            Kind::A => 1,
            Kind::Cname => 5,
            Kind::Mx => 15,
            Kind::Txt => 16,
            Kind::Aaaa => 28,
        }
    }
}

/// A query of one question.
#[derive(Clone, Debug)]
pub struct Query {
    /// The id, to be chosen so that nobody can guess it (RFC 5452 9.2).
    pub id: u16,
    /// The name asked for.
    pub name: Name,
    /// The type of record asked for.
    pub kind: Kind,
}

impl Query {
    /// The message for UDP; its 271 octets at most are within
    /// [`super::UDP_MESSAGE_MAX`].
    pub fn message(&self) -> Vec<u8> {
        let mut message = Vec::with_capacity(super::HEADER_LEN + self.name.wire().len() + 4);
        let counts = [1, 0, 0, 0];
        for field in [self.id, FLAGS].into_iter().chain(counts) {
            message.extend(field.to_be_bytes());
        }
        message.extend_from_slice(self.name.wire());
        message.extend(self.kind.code().to_be_bytes());
        message.extend(CLASS_IN.to_be_bytes());
        message
    }

    /// The message for TCP, with its length in front (RFC 1035 4.2.2).
    pub fn framed_message(&self) -> Vec<u8> {
        let message = self.message();
        let length = u16::try_from(message.len())
            .expect("invariant: a name has at most 255 octets, so the message is short");
        let mut framed = length.to_be_bytes().to_vec();
        framed.extend(message);
        framed
    }
}
