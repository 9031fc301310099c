//! Protocols as pure machines and codecs: bytes, time and verdicts in, actions
//! out. No socket, file, clock, thread or environment is touched here.
#![forbid(unsafe_code)]

pub mod admin;
pub mod content;
pub mod dns;
pub mod dnsbl;
pub mod exposition;
pub mod header_section;
pub mod http;
pub mod line;
pub mod mailbox_list;
pub mod message;
pub mod mx;
pub mod netfilter;
pub mod netverifier;
mod pace;
pub mod pop;
pub mod report;
pub mod sasl;
pub mod smtp;
pub mod socks;
pub mod spamd;
pub mod stuff;
