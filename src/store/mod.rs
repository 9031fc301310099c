//! The spool directory: names, envelope files, storing, locking, recovery.
#![forbid(unsafe_code)]
