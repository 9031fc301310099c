//! What tests share that need the system.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, io, thread};

use super::poll::{self, Entry, RawSocket};

/// Longer than any test waits unless it fails.
pub(crate) const LONG: Duration = Duration::from_secs(60);

const ALONE: &str = "EMAILRELAY_TEST_ALONE";

/// What starts programs for the processor of the tests, where the system cannot.
const EMULATOR: &str = "EMAILRELAY_TEST_EMULATOR";

/// A new directory, which goes with its owner.
#[derive(Debug)]
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new() -> TempDir {
        static SERIAL: AtomicU32 = AtomicU32::new(0);
        loop {
            let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
            // With a space in its name, as folders have on some systems.
            let name = format!("emailrelay test {}-{serial}", std::process::id());
            let path = env::temp_dir().join(name);
            match fs::create_dir(&path) {
                // Left behind by a process that had this one's number.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                result => {
                    result.unwrap();
                    return TempDir(path);
                }
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file in place of an earlier one, if there is one.
    pub(crate) fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // What is left behind in the directory for temporary files does no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}

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

/// Looks again and again until it is so.
pub(crate) fn await_that(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < until, "still not so: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Waits for the socket and says whether it became readable and writable.
pub(crate) fn await_socket(socket: RawSocket, read: bool, write: bool) -> (bool, bool) {
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
