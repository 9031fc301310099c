//! All integration tests, as modules of one binary.
// Clippy knows that tests may unwrap, but not that their helpers are tests.
#![allow(clippy::unwrap_used)]

mod client_auth;
mod client_tls;
mod delivery;
mod durability;
mod exhaustion;
mod interop;
mod kill;
mod layering;
mod modes;
mod outcomes;
#[cfg(unix)]
mod server_auth;
mod server_machine;
mod server_tls;
mod server_transcripts;
mod stopping;
mod support;
mod trouble;
mod vendor;
