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
//! - `append`: `open`: a file to append to, and no link
//! - `syslog`: `Socket`, with `connect` and `send`
//! - `service`: `install`, `remove` and `serve`
//! - `account`: `user_id`
//! - `caller`: what `caller.rs` lists; `set_aside_group` and `take_group_back`
//! - `child`: `Child` with `spawn`, `read` and `try_wait`; `check_permission`, `end_all`
//! - `daemon`: `detach`, and `Pipe` with `tell`
//! - `file`: `Directory`, `Names`, locks and write-back
//! - `file_mode`: `identity` and `mode` of a file's metadata
//! - `monitor`: `Client` with `read` and `append`, `Notices` with `tell`: what a process
//!   without privileges asks of the one that has them
//! - `pam`: `IS_AVAILABLE`, and `ask`: the way of a question to PAM and of the answer back
//! - `notify`: `NotifySocket` with `open` and `send`; `tell`: a manager that needs no
//!   socket; `monotonic_usec`
//! - `open`: `open_for_reading`, `check_access` and `check_creation`, by path
//! - `privileges`: what `privileges.rs` lists, under the same names; `Lifeline`
//! - `poll`: `RawSocket`; `RawEntry` with `new`, `reported` and `forget`; `READ`,
//!   `WRITE` and `TROUBLE`; `wait(&mut [RawEntry], timeout_ms)`
//! - `interface`: `addresses`, `index`
//! - `sandbox`: `enter`
//! - `socket`: `listen_tcp`, `inherit`, `connect_tcp`, `adopt`, `raw`; `LocalListener` and
//!   `LocalStream`, the sockets of the unix domain; `wake_pair`, `WakeWriter` and
//!   `WakeReader`; the codes `OUT_OF_DESCRIPTORS`,
//!   `TRANSIENT_ACCEPT` and `FAMILY_MISSING`
//! - `signal`: `install`: from then on a request to end or to reload calls
//!   `signal::catch`
//! - `process`: what `process.rs` lists, under the same names
//! - `terminal`: `Hidden`, with `begin`: while it lives, standard input is not echoed;
//!   `close_own_window`
//! - `time`: `zone_minutes(unix_seconds)`
//! - `random`: `fill(&mut [u8])`
//!
//! A platform that lacks something (a umask, a file per socket) says so by doing
//! nothing or by an `Unsupported` error, so that nothing above asks where it runs.
#![allow(unsafe_code)]

pub mod account;
mod address;
pub mod append;
pub mod caller;
pub mod child;
pub mod daemon;
pub mod datagram;
pub mod file;
pub mod file_mode;
pub mod interface;
pub mod notify;
// What a check is made of has no use where there is no PAM.
#[cfg_attr(any(windows, not(feature = "pam")), allow(dead_code))]
pub mod pam;
pub mod patience;
pub mod pid_file;
pub mod poll;
pub mod privileges;
pub mod process;
pub mod random;
pub mod reopen;
pub mod sandbox;
pub mod service;
pub mod signal;
/// Shared with the tests from outside.
#[cfg(test)]
#[path = "../../tests/support/skip.rs"]
pub(crate) mod skip;
pub mod socket;
pub mod stderr;
pub mod syslog;
pub mod terminal;
#[cfg(test)]
pub(crate) mod testing;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn puts_errors_in_plain_words() {
        for (text, expected) in [
            ("Connection refused (os error 111)", "connection refused"),
            (
                "No such host is known. (os error 11001)",
                "no such host is known",
            ),
            ("I/O error (os error 5)", "I/O error"),
            ("RPC struct is bad", "RPC struct is bad"),
            ("already low", "already low"),
            ("Élan", "élan"),
            ("A", "a"),
            ("", ""),
        ] {
            assert_eq!(reason(&io::Error::other(text)), expected);
        }
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert_eq!(reason(&refused), "connection refused");
    }
}
