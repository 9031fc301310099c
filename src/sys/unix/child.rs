//! Programs in process groups of their own.

use std::collections::BTreeSet;
use std::ffi::{CString, OsString};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{self, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::sys::child::{End, GRACE, Output};
use crate::sys::poll::{self, Entry};

/// All that a program finds in its environment.
pub(super) const ENVIRONMENT: [(&str, &str); 2] = [("PATH", "/usr/bin:/bin"), ("IFS", " \t\n")];

/// What a program creates is for its user alone.
pub(super) const UMASK: u32 = 0o077;

/// How often a program that was told to end is looked at.
const TICK: Duration = Duration::from_millis(5);

/// The groups of the programs that are running, by their numbers.
static GROUPS: Mutex<Groups> = Mutex::new(Groups {
    running: BTreeSet::new(),
    ended: false,
});

struct Groups {
    running: BTreeSet<libc::pid_t>,
    /// Whether nothing is to run any more.
    ended: bool,
}

/// A program that was started. Dropped, it is killed with its group.
pub(in crate::sys) struct Child {
    child: process::Child,
    stdout: Option<ChildStdout>,
    group: libc::pid_t,
    reaped: bool,
}

impl Child {
    pub(in crate::sys) fn spawn(program: &Path, arguments: &[Vec<u8>]) -> io::Result<Child> {
        let arguments = arguments.iter().cloned().map(OsString::from_vec);
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(ENVIRONMENT)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0);
        // SAFETY: the function runs in the new process and calls nothing but what
        // may be called there.
        unsafe { command.pre_exec(prepare) };
        let mut child = command.spawn()?;
        let group = libc::pid_t::try_from(child.id()).map_err(io::Error::other)?;
        let stdout = child.stdout.take();
        let child = Child {
            child,
            stdout,
            group,
            reaped: false,
        };
        // The child's own end needs the groups, too.
        let is_ending = {
            let mut groups = groups();
            groups.running.insert(group);
            groups.ended
        };
        match is_ending {
            true => Err(io::Error::other("the program is ending")),
            false => Ok(child),
        }
    }

    /// Waits for output for no longer than that.
    pub(in crate::sys) fn read(&mut self, buffer: &mut [u8], wait: Duration) -> io::Result<Output> {
        let Some(stdout) = &mut self.stdout else {
            return Ok(Output::End);
        };
        let mut entries = [Entry::new(stdout.as_raw_fd(), true, false)];
        if poll::wait(&mut entries, Some(wait))? == 0 {
            return Ok(Output::Nothing);
        }
        match stdout.read(buffer) {
            Ok(0) => {
                self.stdout = None;
                Ok(Output::End)
            }
            Ok(count) => Ok(Output::Octets(count)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Output::Nothing),
            Err(error) => Err(error),
        }
    }

    /// How it ended, once it has. Its number is free for others from then on.
    pub(in crate::sys) fn try_wait(&mut self) -> io::Result<Option<End>> {
        let mut groups = groups();
        let status = self.child.try_wait()?;
        if status.is_some() {
            self.reaped = true;
            groups.running.remove(&self.group);
        }
        Ok(status.map(end))
    }

    /// Ends the program and all that it has started: politely at first. It is not
    /// waited for before its group has been dealt with, as the group's number is
    /// its own and might else be someone else's.
    fn kill(&mut self) {
        signal_group(self.group, libc::SIGTERM);
        let until = Instant::now() + GRACE;
        while !self.has_ended() && Instant::now() < until {
            std::thread::sleep(TICK);
        }
        signal_group(self.group, libc::SIGKILL);
        let mut groups = groups();
        groups.running.remove(&self.group);
        drop(groups);
        // Only a program that is not ours to wait for fails here.
        let _ = self.child.wait();
        self.reaped = true;
    }

    /// Whether it has ended, without taking note of it.
    fn has_ended(&self) -> bool {
        // SAFETY: the structure is integers and pointers, for which zeros are a value.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        let id = libc::id_t::from(self.child.id());
        // SAFETY: the pointer is to a live variable.
        let result = unsafe { libc::waitid(libc::P_PID, id, &mut info, flags) };
        result != 0 || info.si_signo == libc::SIGCHLD
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.reaped {
            self.kill();
        }
    }
}

pub(in crate::sys) fn check_permission(program: &Path) -> io::Result<()> {
    let path = CString::new(program.as_os_str().as_bytes())?;
    // SAFETY: the path is NUL-ended and outlives the call.
    match unsafe { libc::access(path.as_ptr(), libc::X_OK) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

pub(in crate::sys) fn end_all(grace: Duration) {
    let signal_all = |signal| {
        let mut groups = groups();
        groups.ended = true;
        groups
            .running
            .iter()
            .for_each(|group| signal_group(*group, signal));
        !groups.running.is_empty()
    };
    let until = Instant::now() + grace;
    if !signal_all(libc::SIGTERM) {
        return;
    }
    while !groups().running.is_empty() && Instant::now() < until {
        std::thread::sleep(TICK);
    }
    signal_all(libc::SIGKILL);
}

/// Runs in the new process between fork and exec: system calls only.
fn prepare() -> io::Result<()> {
    // SAFETY: both calls take no pointers to memory, and both may be made between
    // fork and exec. std has set SIGPIPE, the other signal that is ignored here.
    unsafe {
        libc::umask(UMASK as libc::mode_t);
        libc::signal(libc::SIGIO, libc::SIG_DFL);
    }
    die_with_parent();
    Ok(())
}

/// Should this process be killed, nobody would wait for the program any more, nor
/// end it when it is late.
pub(super) fn die_with_parent() {
    #[cfg(target_os = "linux")]
    // SAFETY: the call takes no pointers, and may be made between fork and exec.
    // What counts is the thread that starts the program, which waits for it.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
    }
}

fn signal_group(group: libc::pid_t, signal: libc::c_int) {
    // SAFETY: the call takes no pointers. The group is one that we have started
    // and whose first process has not been waited for.
    unsafe { libc::kill(-group, signal) };
}

fn end(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Exited(code),
        (None, signal) => End::Signalled(signal.unwrap_or_default()),
    }
}

fn groups() -> MutexGuard<'static, Groups> {
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}
