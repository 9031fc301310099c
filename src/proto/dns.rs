//! The part of the DNS that a mail relay asks with: queries of one question, and
//! replies read without trusting a single count, length or pointer in them.
//!
//! [`Query`] makes the message, [`Reply::parse`] reads what came back and says
//! whether it can be the server's word at all ([`Error::is_stray`]), and
//! [`TcpReader`] finds the message in a TCP stream. Sockets, time-outs and the
//! choice of servers are the business of the caller.

mod error;
mod name;
mod query;
mod reader;
mod reply;
mod tcp;

#[cfg(test)]
mod tests;

pub use error::Error;
pub use name::Name;
pub use query::{Kind, Query};
pub use reply::{Data, Rcode, Record, Reply};
pub use tcp::TcpReader;

/// The port of name servers, over UDP and TCP alike (RFC 1035 4.2).
pub const PORT: u16 = 53;

/// The most octets of a message over UDP (RFC 1035 4.2.1): we never ask for more.
pub const UDP_MESSAGE_MAX: usize = 512;

/// The most octets of a reply over TCP that are read; what we ask for is far smaller.
pub const TCP_MESSAGE_MAX: usize = 16 * 1024;

/// The most octets of a label (RFC 1035 2.3.4).
pub const LABEL_MAX: usize = 63;

/// The most octets of a name on the wire, length octets and root included
/// (RFC 1035 2.3.4).
pub const NAME_MAX: usize = 255;

/// The most pointers followed for one name: as many as a name can have labels, so
/// that no honest name is refused.
pub const POINTERS_MAX: usize = 127;

/// The most records of a reply, all sections together.
pub const RECORDS_MAX: usize = 256;

/// The most aliases followed from the name asked for to its records.
pub const ALIASES_MAX: usize = 8;

/// The most octets kept of a TXT record; the rest is left out.
pub const TXT_MAX: usize = 1024;

/// The Internet (RFC 1035 3.2.4), the only class that is asked for or listened to.
const CLASS_IN: u16 = 1;

/// The octets of a header (RFC 1035 4.1.1).
const HEADER_LEN: usize = 12;
