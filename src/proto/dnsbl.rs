//! Lists of addresses that are published in the DNS (RFC 5782), and the check of a
//! client against them.
//!
//! [`Config`] is one `--dnsbl` option: the lists ("zones"), how many of them have to
//! list a client before it is blocked, and how long to wait. [`Check`] asks them all
//! about one client, in this order:
//!
//! ```text
//! Check::new -> start -> SendUdp, SendUdp, ...
//!   datagram | stream | failed | timeout -> SendUdp (again, or to the next server)
//!                                           ConnectTcp (the reply was truncated)
//!                                        -> CloseSocket ..., Decided (always last)
//! ```
//!
//! Only values in 127.0.0.0/8 count as "listed". Nothing here opens a socket; local
//! clients are not to be checked, and to tell which they are is left to the caller,
//! who then logs [`local_text`].

mod answer;
mod ballot;
mod check;
mod config;
mod error;
mod lookup;
mod text;

#[cfg(test)]
mod tests;

pub use check::{Action, Check, Decision};
pub use config::Config;
pub use error::Error;
pub use text::local_text;

use std::time::Duration;

/// The most zones of one option.
pub const ZONES_MAX: usize = 16;

/// The most options.
pub const OPTIONS_MAX: usize = 8;

/// The most octets of a zone's name on the wire: what 32 nibbles of an IPv6 address
/// leave of a name.
pub const ZONE_NAME_MAX: usize = super::dns::NAME_MAX - 2 * NIBBLES;

/// The nibbles of an IPv6 address, each a label of one octet.
const NIBBLES: usize = 32;

/// How long to wait for the lists where the option does not say.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);

/// The longest wait, since the client waits for its greeting meanwhile.
// RFC 5321 4.5.3.2.1: clients give the greeting five minutes.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(300);

/// How often one zone is asked, all servers together.
pub const TRIES_MAX: u8 = 3;

/// The most name servers that are asked, in the order given.
pub const SERVERS_MAX: usize = 3;
