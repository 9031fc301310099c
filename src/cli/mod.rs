//! Start-up and exit codes.
#![forbid(unsafe_code)]

mod confinement;
pub mod filter_copy;
mod identity;
mod logging;
pub mod manuals;
mod opened;
mod options;
mod own_name;
pub mod passwd;
pub mod resubmit;
pub mod service;
mod serving;
pub mod spool;
mod spool_advice;
mod spool_directory;
mod startup;
pub mod submit;
mod tool;
mod trial;
mod units;
mod watching;

use std::ffi::OsString;

/// Runs the program with the arguments of the process and returns its exit status.
pub fn main() -> u8 {
    run(std::env::args_os().collect())
}

/// Runs the program with these arguments, its own name first, and returns its
/// exit status: 0 for success, 1 for failure, 2 where an address to listen on
/// could not be bound.
pub fn run(arguments: Vec<OsString>) -> u8 {
    startup::run(arguments)
}
