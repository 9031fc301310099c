//! What a process may do, and where it runs.

use std::io;

use super::platform::process as platform;

/// The name of this host as the system knows it, perhaps without a domain; no
/// lookup is made. `localhost` where it has none.
pub fn host_name() -> String {
    platform::host_name()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}

/// The full name of a host as the name service has it. Blocks while that is slow.
pub fn canonical_name(host: &str) -> Option<String> {
    platform::canonical_name(host)
}

/// Raises the limit of open descriptors to what is allowed, but no further than
/// this program could use, and returns the limit that is in force (`u64::MAX`:
/// none that is known).
pub fn raise_descriptor_limit() -> u64 {
    platform::raise_descriptor_limit()
}

/// Sees to it that a crash leaves no file with secrets or mail in it. A core
/// that is piped to a program by the system's configuration is the system's own
/// decision, and debuggers still work.
pub fn forbid_core_dumps() -> io::Result<()> {
    platform::forbid_core_dumps()
}

/// Sets the mode bits that new files never get; returns the earlier ones. It
/// holds for all threads. Nothing happens where there is no such thing.
pub fn set_umask(mode: u32) -> u32 {
    platform::set_umask(mode)
}

/// Sends standard error to nowhere from now on.
pub fn close_standard_error() -> io::Result<()> {
    platform::close_standard_error()
}

/// Takes standard input from nowhere, and sends standard output there, from now on.
pub fn close_standard_input_and_output() -> io::Result<()> {
    platform::close_standard_input_and_output()
}

/// Opens standard input, output and error on nowhere if the process was started
/// without them, so that no file or socket takes their place and then gets what
/// is meant for them. Call it before anything is opened.
pub fn ensure_standard_descriptors() -> io::Result<()> {
    platform::ensure_standard_descriptors()
}

/// Keeps the descriptors that the process was started with, but for the standard
/// ones, from the programs that it starts. Those that it opens itself never get
/// there. Call it before the limit of descriptors is raised.
pub fn keep_descriptors() {
    platform::keep_descriptors();
}

/// Undoes what whoever started us may have left of its own dealings with signals. Those
/// that are blocked would never tell us to stop; and processes that we start are to be
/// there until we have waited for them, or else their exit status would be lost, and
/// their number be somebody else's. Call it before anything is started.
pub fn hear_signals() -> io::Result<()> {
    platform::hear_signals()
}

/// Whether the process has all privileges now.
pub fn is_root() -> bool {
    platform::is_root()
}
