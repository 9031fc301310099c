//! What several integration tests use.

pub(crate) mod client;
pub(crate) mod in_memory;
#[cfg(target_os = "linux")]
pub(crate) mod name_server;
#[cfg(target_os = "linux")]
pub(crate) mod network;
pub(crate) mod over_tcp;
pub(crate) mod pop;
pub(crate) mod pop_in_memory;
#[cfg(target_os = "linux")]
pub(crate) mod process;
pub(crate) mod program;
pub(crate) mod secure;
pub(crate) mod secure_sink;
pub(crate) mod sink;
#[cfg(unix)]
pub(crate) mod spamd;
pub(crate) mod start;
pub(crate) mod tools;
pub(crate) mod transcript;

use std::path::Path;

/// Whether the test must be skipped because that program is not installed; says
/// so, so that a run that tested less is seen to have done so.
pub(crate) fn skip_without(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    let found = found || Path::new(program).is_file();
    if !found {
        eprintln!("skipped: {program} is not installed");
    }
    !found
}
