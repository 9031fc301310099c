//! Authentication by SASL (RFC 4422), as SMTP (RFC 4954) and POP (RFC 5034) use
//! it; pure, like all of `proto`.
//!
//! # Server
//!
//! ```text
//! Kinds of secrets + Config + Channel --> Offer --accept(name)--> Mechanism
//! Mechanism --start--> Step::Challenge(exchange) --respond--> Step::Check(credentials)
//!                  \--> Step::Check(credentials)          \--> Step::Failed(answer)
//! ```
//!
//! The exchange goes as far as the [`Credentials`]; whether they are right is for
//! whoever holds the secrets. A [`Step`] carries the exchange that goes on, so
//! nothing is left over when it ends, however it ends. How often and how fast a
//! peer may try is for [`throttle`].
//!
//! # Client
//!
//! [`ClientExchange`] picks the mechanisms that the server offers, our [`Account`]
//! has a secret for and the configuration allows, and goes through them,
//! strongest first. Its documentation says after which failure it tries another.
//!
//! # Who may see a password
//!
//! PLAIN, LOGIN and the token mechanisms show the secret to whoever listens, so
//! they are neither offered nor used on a [`Channel::Clear`], unless the
//! configuration lists them by name for that case.

mod account;
mod answer;
pub mod client;
mod config;
pub mod cram;
mod login;
mod mechanism;
mod oauth;
mod offer;
mod plain;
mod server;
pub mod throttle;

pub use account::{Account, Credential, Proof};
pub use answer::Answer;
pub use client::{ClientExchange, ClientFailure, ClientStep, Terms};
pub use config::Config;
pub use cram::{Nonce, NonceSource};
pub use mechanism::{Channel, Mechanism};
pub use oauth::Token;
pub use offer::{Kinds, Offer};
pub use server::{Credentials, Given, ServerExchange, Step};
pub use throttle::{Attempts, Throttle};

/// The longest line of an exchange, in octets with its CRLF.
// RFC 4954 4.
pub const LINE_MAX: usize = 12_288;

/// The longest user name or password that is looked at, in octets; RFC 4616 2
/// wants 255 at the least.
pub const FIELD_MAX: usize = 1024;
