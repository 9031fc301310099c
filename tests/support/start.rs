//! Starts programs.

use std::process::{Child, Command, Output, Stdio};

/// What wine says when a program did not come up, which happens once in some
/// thousand starts on a busy machine, whatever the program is (ERROR_INTERNAL_ERROR).
const DID_NOT_COME_UP: i32 = 1359;

/// How often a program is started that does not come up under wine.
const STARTS_MAX: usize = 5;

/// Starts a program.
pub(crate) fn start(command: &mut Command) -> Child {
    for _ in 1..STARTS_MAX {
        match command.spawn() {
            Err(error) if cfg!(windows) && error.raw_os_error() == Some(DID_NOT_COME_UP) => {}
            result => return result.unwrap(),
        }
    }
    command.spawn().unwrap()
}

/// Runs a program to its end, without input.
pub(crate) fn run_to_end(command: &mut Command) -> Output {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    start(command).wait_with_output().unwrap()
}
