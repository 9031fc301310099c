//! The Windows side of the contract in `sys/mod.rs`; the functions of the system are
//! declared by hand in `ffi.rs` and `advapi.rs`.

mod advapi;
mod ffi;
mod moves;
mod wide;

pub(super) mod account;
pub(super) mod append;
pub(super) mod caller;
pub(super) mod child;
pub(super) mod daemon;
pub(super) mod file;
pub(super) mod file_mode;
pub(super) mod interface;
pub(super) mod monitor;
pub(super) mod notify;
pub(super) mod open;
pub(super) mod pam;
pub(super) mod poll;
pub(super) mod privileges;
pub(super) mod process;
pub(super) mod random;
pub(super) mod sandbox;
pub(super) mod service;
pub(super) mod signal;
pub(super) mod socket;
pub(super) mod syslog;
pub(super) mod terminal;
pub(super) mod time;
