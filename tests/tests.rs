//! All integration tests, as modules of one binary.
// Clippy knows that tests may unwrap, but not that their helpers are tests.
#![allow(clippy::unwrap_used)]

mod server_machine;
mod server_transcripts;
mod support;
