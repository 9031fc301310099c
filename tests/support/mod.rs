//! What several integration tests use.

pub(crate) mod address;
pub(crate) mod client;
#[cfg(unix)]
pub(crate) mod executable;
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
pub(crate) mod skip;
#[cfg(unix)]
pub(crate) mod spamd;
pub(crate) mod start;
pub(crate) mod tools;
pub(crate) mod transcript;

use std::path::Path;
use std::process::Command;

pub(crate) use skip::skip;

/// Whether the test must be skipped because that program is not installed.
pub(crate) fn skip_without(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    let found = found || Path::new(program).is_file();
    if !found {
        skip(&format!("{program} is not installed"));
    }
    !found
}

/// The same for a module of Debian's Python.
pub(crate) fn skip_without_python(module: &str) -> bool {
    let mut python = Command::new("/usr/bin/python3");
    let found = python.args(["-c", &format!("import {module}")]).output();
    let found = found.is_ok_and(|output| output.status.success());
    if !found {
        skip(&format!("Python has no {module}"));
    }
    !found
}

/// Whether the test must be skipped because only root may do what it does.
#[cfg(unix)]
pub(crate) fn skip_unless_root() -> bool {
    let is_root = program::is_root();
    if !is_root {
        skip("not root");
    }
    !is_root
}

/// A folder of programs that `tests/run` unpacks without installing them.
#[cfg(unix)]
pub(crate) fn unpacked(folder: &str) -> std::path::PathBuf {
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers");
    peers.join(folder)
}

#[test]
fn what_is_skipped_is_noted() {
    const INSIDE: &str = "EMAILRELAY_TEST_SKIPPING";
    if std::env::var_os(INSIDE).is_some() {
        return skip("it is asked to");
    }
    let scratch = program::Scratch::new();
    let name = "support::what_is_skipped_is_noted";
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([name, "--exact"]).env(INSIDE, "yes");
    command.env(skip::SKIPS, scratch.join("skips"));
    for _ in 0..2 {
        assert!(command.output().unwrap().status.success());
    }
    let text = std::fs::read_to_string(scratch.join("skips")).unwrap();
    let line = format!("{name} ({}): it is asked to\n", std::env::consts::OS);
    assert_eq!(text, line.repeat(2));
}
