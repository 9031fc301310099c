//! Runs the program under test the way a user would, and waits for it.

use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::secure;
use super::start::{run_to_end, start};

/// How long anything in a test may take before it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The program under test; another build may be named in the environment.
pub(crate) fn program() -> PathBuf {
    std::env::var_os("EMAILRELAY_UNDER_TEST").map_or_else(
        || PathBuf::from(env!("CARGO_BIN_EXE_emailrelay")),
        PathBuf::from,
    )
}

/// Options that keep the program one process, of the user who runs the tests; what
/// becomes of root otherwise has tests of its own.
pub(crate) fn as_ourselves() -> &'static [&'static str] {
    if is_root() { &["--user=root"] } else { &[] }
}

/// Whether root runs the tests.
pub(crate) fn is_root() -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
    }
    #[cfg(not(unix))]
    false
}

/// A directory that is removed with everything in it at the end of the test.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// In memory where there is such a place: what is tested is not the disk.
    pub(crate) fn new() -> Scratch {
        let memory = Path::new("/dev/shm");
        match cfg!(unix) && memory.is_dir() {
            true => Scratch::below(memory),
            false => Scratch::new_on_disk(),
        }
    }

    /// In the folder for temporary files, which is not below `/dev`.
    pub(crate) fn new_on_disk() -> Scratch {
        Scratch::below(&std::env::temp_dir())
    }

    fn below(parent: &Path) -> Scratch {
        static SERIAL: AtomicU32 = AtomicU32::new(0);
        loop {
            let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
            let name = format!("emailrelay-test.{}.{serial}", std::process::id());
            let path = parent.join(name);
            match std::fs::create_dir(&path) {
                // What a process of the same number has left must not be taken over.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                result => {
                    result.unwrap();
                    return Scratch(path);
                }
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// A path below it as an argument.
    pub(crate) fn join(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// The names in it, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        names(&self.0)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The names in a directory, sorted.
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Lines that a reader thread collects.
#[derive(Default)]
struct Lines {
    lines: Mutex<Vec<String>>,
    grown: Condvar,
}

/// A running program.
pub(crate) struct Program {
    child: Child,
    log: Arc<Lines>,
}

impl Program {
    /// Starts the program with these arguments; its standard error is collected.
    pub(crate) fn spawn<I: AsRef<str>>(arguments: &[I]) -> Program {
        let mut command = Command::new(program());
        command
            .args(as_ourselves())
            .args(secure::choice(arguments))
            .args(arguments.iter().map(AsRef::as_ref));
        Program::spawn_command(command)
    }

    /// Starts any command that logs as the program does.
    pub(crate) fn spawn_command(command: Command) -> Program {
        Program::spawn_with_input(command, Stdio::null())
    }

    /// The same with something else as its standard input.
    pub(crate) fn spawn_with_input(mut command: Command, input: Stdio) -> Program {
        command
            .stdin(input)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = start(&mut command);
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let log = Arc::new(Lines::default());
        let lines = Arc::clone(&log);
        thread::spawn(move || {
            for line in stderr.split(b'\n') {
                let Ok(line) = line else { break };
                let line = String::from_utf8_lossy(&line).into_owned();
                lines.lines.lock().unwrap().push(line);
                lines.grown.notify_all();
            }
        });
        Program { child, log }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that it has used so far, in KiB.
    #[cfg(target_os = "linux")]
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.unwrap().split_whitespace().next().unwrap();
        kib.parse().unwrap()
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lines.lock().unwrap().clone()
    }

    /// Waits for the first log line that contains `text`, and returns it.
    pub(crate) fn wait_for(&self, text: &str) -> String {
        self.wait_for_nth(text, 1)
    }

    /// Waits until `count` log lines contain `text`, and returns the last of them.
    pub(crate) fn wait_for_nth(&self, text: &str, count: usize) -> String {
        let until = Instant::now() + PATIENCE;
        let (mut seen, mut found) = (0, 0);
        let mut lines = self.log.lines.lock().unwrap();
        loop {
            while let Some(line) = lines.get(seen) {
                seen += 1;
                found += usize::from(line.contains(text));
                if found == count {
                    return line.clone();
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            let tail = &lines[lines.len().saturating_sub(60)..];
            assert!(!left.is_zero(), "no line {count} with {text:?}: {tail:#?}");
            lines = self.log.grown.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// Kills it without warning.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end.
    #[cfg(unix)]
    pub(crate) fn terminate(&self) {
        let status = Command::new("kill")
            .arg(self.id().to_string())
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Asks it to read its files again.
    #[cfg(unix)]
    pub(crate) fn hang_up(&self) {
        let mut command = Command::new("kill");
        let status = command.args(["-HUP", &self.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// Waits for it to end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "still running: {:#?}", self.log());
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Gone already, in most tests.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running server with a spool of its own.
pub(crate) struct Server {
    pub(crate) program: Program,
    pub(crate) port: u16,
}

impl Server {
    /// Starts a server on a free port of 127.0.0.1 with these further arguments,
    /// and waits until it listens.
    pub(crate) fn start(spool: &Scratch, arguments: &[&str]) -> Server {
        Server::start_with(Command::new(program()), spool, arguments)
    }

    /// The same through another command, such as one that sets limits first.
    pub(crate) fn start_with(mut command: Command, spool: &Scratch, arguments: &[&str]) -> Server {
        command.args(as_ourselves());
        command.args([
            "--no-daemon",
            "--log",
            "--verbose",
            "--no-syslog",
            "--domain",
            "relay.test",
        ]);
        command
            .args(["--interface", "127.0.0.1", "--port", "0", "--spool-dir"])
            .arg(spool.path());
        command.args(secure::choice(arguments)).args(arguments);
        let program = Program::spawn_command(command);
        let line = program.wait_for("smtp server on ");
        let port = line.rsplit(':').next().unwrap().parse().unwrap();
        Server { program, port }
    }

    /// Its address as an argument.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

/// Runs the program to its end and returns its exit status, standard output and
/// standard error.
pub(crate) fn run<I: AsRef<str>>(arguments: &[I]) -> (i32, String, String) {
    let mut command = Command::new(program());
    command
        .args(as_ourselves())
        .args(secure::choice(arguments))
        .args(arguments.iter().map(AsRef::as_ref));
    let output = run_to_end(&mut command);
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (
        output.status.code().unwrap_or(-1),
        text(output.stdout),
        text(output.stderr),
    )
}
