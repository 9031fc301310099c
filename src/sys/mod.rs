//! Every operating system call that std does not offer: the only place that may
//! say `unsafe` (but for TLS libraries) and the only one that may say
//! `cfg(unix)` or `cfg(windows)`.
//!
//! # The contract
//!
//! What the rest of the program sees is in the files beside this one, one per
//! topic. They hold what is the same everywhere and call a `platform` folder
//! (`unix/`, `windows/`), which supplies, under the same names:
//!
//! | file | supplies |
//! |---|---|
//! | `file` | `Directory`, `Names`, locks, write-back |
//! | `poll` | `RawSocket`; `RawEntry` with `new`, `reported`; `READ`, `WRITE`, `TROUBLE`; `wait(&mut [RawEntry], timeout_ms)` |
//! | `socket` | `listen_tcp`, `connect_tcp`, `adopt`; `LocalListener`, `LocalStream` (sockets of the unix domain); `wake_pair`, `WakeWriter`, `WakeReader`; the error codes of `is_out_of_descriptors` and `is_transient_accept` |
//! | `signal` | `install`: from then on a request to end or to reload calls `signal::catch` |
//! | `process` | `host_name`, `raise_descriptor_limit`, `forbid_core_dumps`, `set_umask`, `close_standard_error`, `ensure_standard_descriptors`, `is_root` |
//! | `time` | `zone_minutes(unix_seconds)` |
//! | `random` | `fill(&mut [u8])` |
//!
//! A platform that lacks something (a umask, a file per socket) says so by doing
//! nothing or by an `Unsupported` error, so that nothing above asks where it runs.
#![allow(unsafe_code)]

mod address;
pub mod file;
pub mod poll;
pub mod process;
pub mod random;
pub mod signal;
pub mod socket;
pub mod stderr;
pub mod time;
mod waker;

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as platform;
#[cfg(windows)]
use windows as platform;

#[cfg(not(any(unix, windows)))]
compile_error!("only Unix-like systems and Windows are supported");

use std::io;

/// Puts an error in the words of the system, as our messages show it: lower
/// case and without the error number (`connection refused`).
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = match text.rfind(" (os error ") {
        Some(end) => text.get(..end).unwrap_or(&text),
        None => &text,
    };
    let text = text.trim_end_matches(['.', '\r', '\n', ' ']);
    let mut rest = text.chars();
    match rest.next() {
        // An acronym such as `I/O` stays as it is.
        Some(first) if !rest.as_str().starts_with(|c: char| !c.is_lowercase()) => {
            first.to_lowercase().chain(rest).collect()
        }
        _ => text.to_owned(),
    }
}
