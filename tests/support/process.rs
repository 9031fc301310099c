//! Processes of the program, looked at from outside.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use super::skip;
use crate::support::program::{PATIENCE, Program, Scratch, program, run};

pub(crate) const MESSAGE: &[u8] = b"Subject: x\r\n\r\nhello\r\n";
pub(crate) const DAEMON: u32 = 1;
pub(crate) const PKI: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pki");

/// A spool as a package would make it: root's, and the group's to write to.
pub(crate) fn packaged_spool(scratch: &Scratch) -> String {
    let path = scratch.join("spool");
    fs::create_dir(&path).unwrap();
    chown(&path, Some(0), Some(DAEMON)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o2770)).unwrap();
    path
}

/// The options of a server that logs to standard error.
pub(crate) fn options(spool: &str) -> Vec<String> {
    let fixed = [
        "--log",
        "--verbose",
        "--no-syslog",
        "--domain=relay.test",
        "--interface=127.0.0.1",
        "--port=0",
        "--spool-dir",
    ];
    let fixed = fixed.iter().map(|text| (*text).to_owned());
    fixed.chain([spool.to_owned()]).collect()
}

/// Starts it in the foreground and waits until it listens; gives its port.
pub(crate) fn start(spool: &str, more: &[&str]) -> (Program, u16) {
    start_by(Command::new(program()), spool, more)
}

pub(crate) fn start_by(mut command: Command, spool: &str, more: &[&str]) -> (Program, u16) {
    command.arg("--no-daemon").args(options(spool)).args(more);
    let program = Program::spawn_command(command);
    let line = program.wait_for("smtp server on ");
    (program, port_of(&line))
}

pub(crate) fn port_of(line: &str) -> u16 {
    line.rsplit(':').next().unwrap().trim().parse().unwrap()
}

/// Runs it as a user would who wants it in the background, to the end of the
/// process that was started.
pub(crate) fn launch(spool: &str, more: &[&str]) -> Output {
    let mut command = Command::new(program());
    command.args(options(spool)).args(more);
    command.stdin(Stdio::null()).output().unwrap()
}

/// One line of what the system says of a process.
pub(crate) fn status(process: u32, field: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = text.lines().find(|line| line.starts_with(field)).unwrap();
    let words = line.split_whitespace().skip(1).collect::<Vec<_>>();
    words.join(" ")
}

pub(crate) fn children(process: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap();
    let numbers = text.split_whitespace();
    numbers.map(|number| number.parse().unwrap()).collect()
}

pub(crate) fn the_child(process: u32) -> u32 {
    let all = children(process);
    assert_eq!(all.len(), 1, "{all:?}");
    all[0]
}

pub(crate) fn await_end(process: u32) {
    let until = Instant::now() + PATIENCE;
    while Path::new(&format!("/proc/{process}")).exists() {
        assert!(Instant::now() < until, "{process} is still there");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

pub(crate) fn signal(process: u32, signal: &str) {
    signal_all(&[process], signal);
}

/// Sends the signal to each of them, one at once after the other.
pub(crate) fn signal_all(processes: &[u32], signal: &str) {
    let mut command = Command::new("kill");
    command
        .arg(signal)
        .args(processes.iter().map(u32::to_string));
    assert!(command.status().unwrap().success());
}

pub(crate) fn pid_in(path: &str) -> u32 {
    fs::read_to_string(path).unwrap().trim().parse().unwrap()
}

/// Sees that this process can never be root again, nor anybody else.
pub(crate) fn assert_powerless(process: u32) {
    assert_eq!(status(process, "Uid:"), "1 1 1 1");
    assert_eq!(status(process, "Gid:"), "1 1 1 1");
    assert_eq!(status(process, "Groups:"), "1");
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        assert_eq!(status(process, set), "0000000000000000", "{set}");
    }
    // A process that is not dumpable is root's in this respect.
    let memory = fs::metadata(format!("/proc/{process}/mem")).unwrap();
    assert_eq!(memory.uid(), 0);
}

/// The owner, group and mode of each file in the spool.
pub(crate) fn owners(spool: &str) -> Vec<(u32, u32, u32)> {
    let entries = fs::read_dir(spool).unwrap();
    let owner = |entry: std::io::Result<fs::DirEntry>| {
        let metadata = entry.unwrap().metadata().unwrap();
        (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777)
    };
    entries.map(owner).collect()
}

/// No user is given to those who are not root.
pub(crate) const ONE_PROCESS: &[&str] = &["--user=root"];

/// Whether this kernel can confine programs.
pub(crate) fn skip_without_landlock() -> bool {
    let scratch = Scratch::new();
    let (status, _, text) = run(&["--check", "--sandbox", "-x", "-s", &scratch.join("")]);
    let cannot = status != 0;
    if cannot {
        assert!(text.contains("no Landlock"), "{text}");
        skip("the kernel has no Landlock");
    }
    cannot
}
