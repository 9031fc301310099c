//! SMTP (RFC 5321), both sides.

pub mod client;
pub mod reply_reader;
