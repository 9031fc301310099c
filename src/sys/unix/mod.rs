//! The Unix side of the contract in `sys/mod.rs`; libc and nothing else.

pub(super) mod account;
pub(super) mod append;
pub(super) mod caller;
pub(super) mod child;
pub(super) mod daemon;
mod errno;
pub(super) mod file;
pub(super) mod file_mode;
mod fork;
pub(super) mod interface;
pub(super) mod monitor;
pub(super) mod names;
pub(super) mod notify;
pub(super) mod open;
pub(super) mod pam;
pub(super) mod poll;
pub(super) mod privileges;
pub(super) mod process;
pub(super) mod random;
mod reach;
pub(super) mod sandbox;
pub(super) mod service;
pub(super) mod signal;
pub(super) mod socket;
pub(super) mod sync;
pub(super) mod syslog;
pub(super) mod terminal;
#[cfg(test)]
pub(super) mod testing;
pub(super) mod time;
