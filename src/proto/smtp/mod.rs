//! SMTP (RFC 5321), both sides.

pub mod client;
pub mod command;
pub mod params;
pub mod path;
pub mod reply;
pub mod reply_reader;
pub mod server;
pub mod trace;
