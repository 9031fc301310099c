//! What the small programs have in common: beginning, failing, and telling of
//! themselves.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};

use crate::sys::{self, process, stderr};

use super::options::{Given, Tool};

/// Files of the spool are for owner and group.
pub(super) const UMASK: u32 = 0o007;

/// The exit status of a program that failed.
pub(super) const FAILURE: u8 = 1;

/// Why a program failed, and the exit status that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) status: u8,
    pub(super) text: String,
}

impl Failure {
    /// With the usual exit status.
    pub(super) fn new(text: &(impl fmt::Display + ?Sized)) -> Failure {
        Failure {
            status: FAILURE,
            text: text.to_string(),
        }
    }

    /// For arguments that are wrong.
    pub(super) fn usage(text: impl Into<String>) -> Failure {
        Failure {
            status: FAILURE,
            text: text.into(),
        }
    }
}

/// What is wrong with arguments.
impl From<String> for Failure {
    fn from(text: String) -> Failure {
        Failure::usage(text)
    }
}

/// Runs a program with the arguments of the process, but for its name, and returns
/// its exit status.
pub(super) fn main(name: &str, run: impl FnOnce(Vec<Vec<u8>>) -> Result<u8, Failure>) -> u8 {
    if let Err(error) = process::ensure_standard_descriptors() {
        let reason = sys::reason(&error);
        stderr::write_line(&format!(
            "{name}: error: cannot open the null device: {reason}"
        ));
        return FAILURE;
    }
    match run(words()) {
        Ok(status) => status,
        Err(failure) => {
            stderr::write_line(&format!("{name}: error: {}", failure.text));
            failure.status
        }
    }
}

/// The arguments of the process without its name.
fn words() -> Vec<Vec<u8>> {
    let words = std::env::args_os().skip(1);
    words.map(OsString::into_encoded_bytes).collect()
}

/// The text that is asked for, if it is help or the version.
pub(super) fn information<N: Copy + PartialEq>(
    tool: &Tool<N>,
    given: &Given<N>,
    help: N,
    version: N,
) -> Option<String> {
    if given.has(help) {
        return Some(tool.help());
    }
    given.has(version).then(|| tool.version())
}

/// Writes a text to standard output; that is all there is to do.
pub(super) fn print(text: &str) -> Result<u8, Failure> {
    let mut output = io::stdout().lock();
    let written = output.write_all(text.as_bytes());
    match written.and_then(|()| output.flush()) {
        Ok(()) => Ok(0),
        Err(error) => Err(cannot_write(&error)),
    }
}

/// Why a result cannot be written.
pub(super) fn cannot_write(error: &io::Error) -> Failure {
    Failure::new(&format!("cannot write: {}", sys::reason(error)))
}
