//! Addresses, listeners, connecting and resolving.
//!
//! [`activation`], [`address`], [`local`] and [`name_servers`] are pure. [`resolver`],
//! [`answers`], [`patient_lookup`] and [`dialogue`] block and belong on a worker;
//! [`listener`] and [`connector`] never block and belong to the loop, which asks them for
//! their sockets and deadlines each turn.
#![forbid(unsafe_code)]

pub mod activation;
pub mod address;
pub mod answers;
pub mod connector;
pub mod dialogue;
pub mod listener;
pub mod local;
pub mod name_servers;
pub mod patient_lookup;
pub mod resolver;
