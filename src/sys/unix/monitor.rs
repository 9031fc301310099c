//! The monitor: the process that stays root when the other one gives root up.
//!
//! It does what the network process may not do itself, and nothing else:
//!
//! - it opens for reading a file of the list that was made before the division,
//!   named by its place in that list, and hands the descriptor over;
//! - it opens for appending one of the log files, whose name of today it works
//!   out by itself;
//! - it starts processes that ask PAM about passwords, if that was asked for before
//!   the division, and hands over the sockets that take the questions;
//! - it tells the service manager what the network process says of itself;
//! - it passes signals on, waits for the network process to end, and then removes
//!   the pid file and ends with the same status.
//!
//! A request has four octets: what, which (two octets), and nothing. The answer is
//! an error number of four octets, 0 with a descriptor. Everything that comes from
//! the network process is hostile: no path, name, length or descriptor is taken
//! from it, a request that is not understood ends it, and a file is not opened
//! where the user could have put another one in its place ([`reach`]).
//!
//! When either process dies the other one sees the end of a socket and ends, too.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::sys::notify::{self, State};
use crate::sys::pid_file::PidFile;
use crate::sys::poll::{self, Entry};
use crate::sys::privileges::{Division, User};
use crate::sys::reopen::{self, List};
use crate::sys::signal::{self, Caught, Signals};
use crate::sys::socket::{WakeReceiver, wake_pair};
use crate::sys::stderr;

use super::fork;
use super::open::{open_for_reading, open_log_alone};
use super::pam;
use super::pam::checks::Checks;
use super::privileges::hide_memory;
use super::reach;

/// The octets of a request and of an answer.
const WORD: usize = 4;

/// How long the network process may take to send the rest of a request, or to take
/// an answer: it does either at once, or else means to keep the monitor waiting.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the monitor says, once, when it is at work.
const PREPARED: u8 = b'p';

/// Notices that are taken at once; each has one octet.
const NOTICES_MAX: usize = 16;

/// What the network process asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    /// The file at that place of the list.
    Read(u16),
    /// The log file at that place, under its name of now.
    Append(u16),
    /// A check of a password.
    Check,
}

impl Request {
    fn to_word(self) -> [u8; WORD] {
        let (what, which) = match self {
            Request::Read(which) => (b'r', which),
            Request::Append(which) => (b'a', which),
            Request::Check => (b'c', 0),
        };
        let [high, low] = which.to_be_bytes();
        [what, high, low, 0]
    }

    fn of_word(word: [u8; WORD]) -> Option<Request> {
        match word {
            [b'r', high, low, 0] => Some(Request::Read(u16::from_be_bytes([high, low]))),
            [b'a', high, low, 0] => Some(Request::Append(u16::from_be_bytes([high, low]))),
            [b'c', 0, 0, 0] => Some(Request::Check),
            _ => None,
        }
    }
}

/// One process's ends of both sockets.
pub(super) struct Link {
    requests: UnixStream,
    notices: UnixStream,
}

/// Makes the sockets between the processes.
pub(super) fn links() -> io::Result<(Link, Link)> {
    let (requests, asked) = UnixStream::pair()?;
    let (notices, noticed) = UnixStream::pair()?;
    let ours = Link { requests, notices };
    let theirs = Link {
        requests: asked,
        notices: noticed,
    };
    Ok((ours, theirs))
}

// The network process's side.

/// Asks the monitor, for any thread.
#[derive(Clone, Debug)]
pub(in crate::sys) struct Client(Arc<Mutex<UnixStream>>);

impl Client {
    /// Has it open the file at that place of the list of those that may be read.
    pub(in crate::sys) fn read(&self, which: u16) -> io::Result<File> {
        self.ask(Request::Read(which))
    }

    /// Has it open the log file at that place.
    pub(in crate::sys) fn append(&self, which: u16) -> io::Result<File> {
        self.ask(Request::Append(which))
    }

    /// Has it begin a check, and gives the socket for the question. `WouldBlock` where
    /// there are too many.
    pub(super) fn check(&self) -> io::Result<UnixStream> {
        Ok(OwnedFd::from(self.ask(Request::Check)?).into())
    }

    /// Has it do what is requested; what it hands over need not be a file.
    fn ask(&self, request: Request) -> io::Result<File> {
        // Whoever panicked with it did so between two requests.
        let mut socket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        socket.write_all(&request.to_word())?;
        let mut word = [0; WORD];
        let (count, file) = fork::receive(&socket, &mut word)?;
        // What is sent in one piece arrives so, but that is no promise.
        let rest = word.get_mut(count..).unwrap_or_default();
        socket.read_exact(rest)?;
        match (i32::from_be_bytes(word), file) {
            (0, Some(file)) => Ok(File::from(file)),
            (0, None) => Err(io::ErrorKind::InvalidData.into()),
            (code, _) => Err(io::Error::from_raw_os_error(code)),
        }
    }
}

/// Says to the monitor what it is to tell the service manager.
#[derive(Debug)]
pub(in crate::sys) struct Notices(UnixStream);

impl Notices {
    /// Never waits: a monitor that does not read has to do without.
    pub(in crate::sys) fn tell(&self, state: State) {
        let octet = [state as u8];
        let flags = libc::MSG_DONTWAIT;
        // SAFETY: the pointer is to one live octet, and the socket is open. Failure
        // means that the monitor is gone, which is seen elsewhere.
        unsafe { libc::send(self.0.as_raw_fd(), octet.as_ptr().cast(), 1, flags) };
    }
}

impl Link {
    /// Waits until the monitor is at work, and has files opened and notices sent by
    /// way of it from now on.
    pub(super) fn settle(self) -> io::Result<Lifeline> {
        (&self.notices).read_exact(&mut [0])?;
        let client = Client(Arc::new(Mutex::new(self.requests)));
        pam::ask_by(client.clone());
        reopen::settle(Some(client));
        notify::send_by(Notices(self.notices.try_clone()?));
        Ok(Lifeline(self.notices))
    }
}

/// What tells that the monitor is gone.
#[derive(Debug)]
pub struct Lifeline(UnixStream);

impl Lifeline {
    /// Has the program end, as if told to, once the monitor is gone. Starts a
    /// thread for that, which does nothing else.
    pub fn watch(self) -> io::Result<()> {
        let Lifeline(mut notices) = self;
        let wait = move || {
            // The monitor says nothing more: this ends with it.
            let _ = notices.read(&mut [0]);
            signal::catch(signal::Request::Terminate);
        };
        let builder = thread::Builder::new().name("lifeline".to_owned());
        builder.stack_size(64 * 1024).spawn(wait)?;
        Ok(())
    }
}

// The monitor's side.

/// Does the monitor's work until the network process has ended.
pub(super) fn run(
    child: libc::pid_t,
    link: Link,
    user: Option<&User>,
    division: Division,
    pid_file: Option<&PidFile>,
) -> ! {
    let list = reopen::settle(None);
    let result = prepare(&link, division, pid_file).and_then(|(signals, wakes)| {
        let mut monitor = Monitor {
            child,
            list,
            user,
            checks: division.asks_pam.then(Checks::default),
        };
        let result = monitor.watch(&link, &signals, &wakes);
        if let Some(checks) = &mut monitor.checks {
            checks.end();
        }
        result
    });
    // Only the network process has the other end of the sockets. It has ended or is
    // about to; if it has closed them for another reason, it is not to be trusted.
    fork::signal(child, libc::SIGKILL);
    let status = fork::wait(child);
    if let Some(pid_file) = pid_file {
        pid_file.remove();
    }
    if let Err(error) = result {
        stderr::write_line(&format!("emailrelay: error: the monitor failed: {error}"));
    } else if status > 128 {
        let signal = status - 128;
        stderr::write_line(&format!("emailrelay: error: ended by signal {signal}"));
    }
    fork::exit(status)
}

/// Lets go of all that is not needed, and catches signals from now on.
fn prepare(
    link: &Link,
    division: Division,
    pid_file: Option<&PidFile>,
) -> io::Result<(Signals, WakeReceiver)> {
    let own = [link.requests.as_raw_fd(), link.notices.as_raw_fd()];
    let keep: Vec<RawFd> = own
        .into_iter()
        .chain(pid_file.into_iter().flat_map(PidFile::descriptors))
        .chain(notify::descriptor())
        .collect();
    fork::close_others(keep);
    fork::close_standard(libc::STDIN_FILENO)?;
    fork::close_standard(libc::STDOUT_FILENO)?;
    if !division.keeps_standard_error {
        fork::close_standard(libc::STDERR_FILENO)?;
    }
    hide_memory();
    link.notices.set_nonblocking(true)?;
    lose_patience(&link.requests)?;
    let (sender, receiver) = wake_pair()?;
    let signals = signal::watch(Arc::new(sender))?;
    (&link.notices).write_all(&[PREPARED])?;
    Ok((signals, receiver))
}

fn lose_patience(requests: &UnixStream) -> io::Result<()> {
    requests.set_read_timeout(Some(PATIENCE))?;
    requests.set_write_timeout(Some(PATIENCE))
}

struct Monitor<'a> {
    child: libc::pid_t,
    list: List,
    /// Who the network process is, if that is another one.
    user: Option<&'a User>,
    /// Nothing where PAM is not to be asked.
    checks: Option<Checks>,
}

impl Monitor<'_> {
    /// Waits for requests, notices and signals, until the network process is gone.
    fn watch(&mut self, link: &Link, signals: &Signals, wakes: &WakeReceiver) -> io::Result<()> {
        let own = [
            Entry::new(link.requests.as_raw_fd(), true, false),
            Entry::new(link.notices.as_raw_fd(), true, false),
            Entry::new(wakes.raw(), true, false),
        ];
        loop {
            let checks = self.checks.iter().flat_map(Checks::entries);
            let mut entries: Vec<Entry> = own.into_iter().chain(checks).collect();
            let checks = self.checks.as_ref();
            let patience = checks.and_then(|checks| checks.patience(Instant::now()));
            poll::wait(&mut entries, patience)?;
            if let Some(checks) = &mut self.checks {
                checks.tend(Instant::now());
            }
            let happened = |index: usize| entries.get(index).is_some_and(Entry::is_readable);
            let [request, notice, wake] = [happened(0), happened(1), happened(2)];
            if wake {
                wakes.drain();
                self.pass_on(signals.take());
            }
            if notice && !pass_notices_on(&link.notices) {
                return Ok(());
            }
            if request && !self.serve(&link.requests) {
                return Ok(());
            }
        }
    }

    fn pass_on(&self, caught: Caught) {
        if caught.terminate {
            fork::signal(self.child, libc::SIGTERM);
        }
        if caught.reload {
            fork::signal(self.child, libc::SIGHUP);
        }
    }

    /// Answers one request; false where there will be none or it makes no sense.
    fn serve(&mut self, mut requests: &UnixStream) -> bool {
        let mut word = [0; WORD];
        if requests.read_exact(&mut word).is_err() {
            return false;
        }
        let opened = match Request::of_word(word) {
            Some(Request::Read(which)) => self.read(which),
            Some(Request::Append(which)) => self.append(which),
            Some(Request::Check) => self.check(),
            None => return false,
        };
        let (code, file) = match opened {
            Ok(file) => (0, Some(file)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => (libc::EAGAIN, None),
            Err(error) => (error.raw_os_error().unwrap_or(libc::EPERM), None),
        };
        fork::send(requests, &code.to_be_bytes(), file.as_ref()).is_ok()
    }

    fn read(&self, which: u16) -> io::Result<File> {
        let path = self.list.files.get(usize::from(which)).ok_or_else(denied)?;
        match self.may_open(path)? {
            true => open_for_reading(path),
            false => Err(denied()),
        }
    }

    fn append(&self, which: u16) -> io::Result<File> {
        let path_now = self.list.logs.get(usize::from(which)).ok_or_else(denied)?;
        let path = path_now();
        match self.may_open(&path)? {
            true => open_log_alone(&path),
            false => Err(denied()),
        }
    }

    /// Whether the user cannot have put another file there. A process that is the same
    /// user gains nothing by this one, and gets nothing.
    fn may_open(&self, path: &Path) -> io::Result<bool> {
        match self.user {
            Some(user) => reach::is_out_of_reach(path, user),
            None => Ok(false),
        }
    }

    fn check(&mut self) -> io::Result<File> {
        let checks = self.checks.as_mut().ok_or_else(denied)?;
        // SAFETY: the monitor has one thread.
        let socket = unsafe { checks.begin(Instant::now()) }?;
        Ok(OwnedFd::from(socket).into())
    }
}

/// Tells the service manager what was noticed; false once there will be nothing.
fn pass_notices_on(mut notices: &UnixStream) -> bool {
    let mut octets = [0; NOTICES_MAX];
    match notices.read(&mut octets) {
        Ok(0) => false,
        Ok(count) => {
            let states = octets.iter().take(count).filter_map(|o| State::of(*o));
            states.for_each(notify::tell);
            true
        }
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    }
}

fn denied() -> io::Error {
    io::Error::from_raw_os_error(libc::EPERM)
}

#[cfg(test)]
mod tests;
