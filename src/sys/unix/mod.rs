//! The Unix side of the contract in `sys/mod.rs`; libc and nothing else.

pub(super) mod account;
pub(super) mod caller;
pub(super) mod child;
pub(super) mod file;
pub(super) mod file_mode;
pub(super) mod interface;
pub(super) mod names;
pub(super) mod poll;
pub(super) mod process;
pub(super) mod random;
pub(super) mod signal;
pub(super) mod socket;
pub(super) mod terminal;
#[cfg(test)]
mod testing;
pub(super) mod time;
