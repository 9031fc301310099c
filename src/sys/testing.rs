//! What tests of this room share.

use std::env;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use super::poll::{self, Entry, RawSocket};

/// Longer than any test waits unless it fails.
pub(in crate::sys) const LONG: Duration = Duration::from_secs(10);

const ALONE: &str = "EMAILRELAY_TEST_ALONE";

/// What starts programs for the processor of the tests, where the system cannot.
const EMULATOR: &str = "EMAILRELAY_TEST_EMULATOR";

/// The program that runs the tests, to be started once more.
pub(in crate::sys) fn ourselves() -> Command {
    let program = env::current_exe().unwrap();
    let Some(emulator) = env::var_os(EMULATOR) else {
        return Command::new(program);
    };
    let mut command = Command::new(emulator);
    command.arg(program);
    command
}

/// Runs the body of the test of that name in a process of its own, for what
/// changes the whole process, and returns what that printed.
pub(in crate::sys) fn alone(
    name: &str,
    environment: &[(&str, &str)],
    body: impl FnOnce(),
) -> Option<Output> {
    if env::var(ALONE).is_ok_and(|running| running == name) {
        body();
        return None;
    }
    let output = ourselves()
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(ALONE, name)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}\n{output:?}");
    assert!(printed.contains("1 passed"), "no test {name:?}: {printed}");
    Some(output)
}

/// Waits for the socket and says whether it became readable and writable.
pub(in crate::sys) fn await_socket(socket: RawSocket, read: bool, write: bool) -> (bool, bool) {
    let mut entries = [Entry::new(socket, read, write)];
    assert_eq!(
        poll::wait(&mut entries, Some(LONG)).unwrap(),
        1,
        "nothing happened"
    );
    (entries[0].is_readable(), entries[0].is_writable())
}

/// Whether the socket is readable now.
pub(in crate::sys) fn is_readable(socket: RawSocket) -> bool {
    let mut entries = [Entry::new(socket, true, false)];
    poll::wait(&mut entries, Some(Duration::ZERO)).unwrap() == 1
}
