//! Addresses, listeners, connecting and resolving.
#![forbid(unsafe_code)]

pub mod name_servers;
