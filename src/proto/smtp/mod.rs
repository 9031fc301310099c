//! SMTP (RFC 5321), both sides.

pub mod command;
pub mod params;
pub mod path;
pub mod reply;
pub mod server;
pub mod trace;
