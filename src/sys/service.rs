//! Being a service of Windows, and telling its service control manager of one.
//! Elsewhere all of this is `Unsupported`: there a service is whatever the service
//! manager starts, and `notify` is how it is told.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::platform::service as platform;

/// A service to be known to the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition<'a> {
    /// Its name, which no other service has.
    pub name: &'a str,
    /// The name that people see.
    pub display_name: &'a str,
    /// What it is for, in a sentence.
    pub description: &'a str,
    /// The absolute path of its program.
    pub program: &'a Path,
}

/// Makes a service known, to be started with the system from the next time on. It runs
/// as the account of least privilege that there is for services. Where it dies it is
/// started again after a while. Nothing is left where that fails.
pub fn install(definition: &Definition<'_>) -> io::Result<()> {
    platform::install(definition)
}

/// Has a service forgotten; one that runs is forgotten when it ends.
pub fn remove(name: &str) -> io::Result<()> {
    platform::remove(name)
}

/// Runs the function as the service that this process was started as, with the name of
/// the service, and returns what it returned. Its end is asked for as by a signal to
/// end, and takes that time at most; `notify` says when it serves. `NotConnected`
/// where the process was not started as a service. Once per process.
pub fn serve(run: fn(&str) -> u8, stop_max: Duration) -> io::Result<u8> {
    platform::serve(run, stop_max)
}
