//! The vocabulary that every room shares: byte queues, one-line text, dates,
//! encodings and the log. Nothing here opens a file or a socket.
#![forbid(unsafe_code)]

pub mod ascii;
pub mod base64;
pub mod bytes;
pub mod date;
pub mod hash;
pub mod log;
pub mod oneline;
pub mod secret;
pub mod xtext;

pub use bytes::ByteQueue;
pub use date::WallClock;
pub use oneline::OneLine;
