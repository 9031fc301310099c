//! Echo off, by termios.

use std::ffi::c_int;
use std::io;
use std::mem;
use std::ptr;
use std::sync::OnceLock;

/// The state of the terminal as we found it, for the signal handler.
static FOUND: OnceLock<libc::termios> = OnceLock::new();

/// Signals that end a process from a terminal.
const ENDING: [c_int; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];

/// See `sys::terminal::Hidden`.
pub(in crate::sys) struct Hidden {
    earlier: Vec<(c_int, libc::sigaction)>,
}

impl Hidden {
    pub(in crate::sys) fn begin() -> io::Result<Hidden> {
        let mut state = current()?;
        // What another of these, dropped by now, has found is still what is there.
        FOUND.get_or_init(|| state);
        // Signals first: there must be no moment without echo and without them.
        let mut hidden = Hidden {
            earlier: Vec::new(),
        };
        for signal in ENDING {
            if let Some(action) = catch(signal)? {
                hidden.earlier.push((signal, action));
            }
        }
        state.c_lflag &= !libc::ECHO;
        state.c_lflag |= libc::ECHONL;
        // To be put into the background with echo off would hide what is typed next,
        // and the password would be shown after the return.
        state.c_cc[libc::VSUSP] = libc::_POSIX_VDISABLE;
        apply(&state, libc::TCSAFLUSH)?;
        Ok(hidden)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        restore();
        for (signal, action) in &self.earlier {
            // SAFETY: the action is one that the system gave; a null pointer asks for
            // nothing back. It cannot fail with a signal it worked with before.
            unsafe { libc::sigaction(*signal, action, ptr::null_mut()) };
        }
    }
}

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hidden")
    }
}

fn current() -> io::Result<libc::termios> {
    // SAFETY: the structure is integers, for which zeros are a value.
    let mut state: libc::termios = unsafe { mem::zeroed() };
    // SAFETY: the pointer is to a live variable.
    if unsafe { libc::tcgetattr(libc::STDIN_FILENO, &mut state) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(state)
}

fn apply(state: &libc::termios, when: c_int) -> io::Result<()> {
    // SAFETY: the pointer is to a live variable.
    if unsafe { libc::tcsetattr(libc::STDIN_FILENO, when, state) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Puts the terminal back as it was found. Runs in a signal handler, too: an
/// atomic read and one call that POSIX allows there.
fn restore() {
    if let Some(found) = FOUND.get() {
        // A terminal that has gone away needs no state.
        let _ = apply(found, libc::TCSANOW);
    }
}

/// Restores the terminal and lets the signal do what it does by default: that
/// was set by SA_RESETHAND before the handler is called, and the signal raised
/// here is delivered after it returns.
extern "C" fn handle(signal: c_int) {
    restore();
    // SAFETY: the call takes no pointers and is allowed in handlers.
    unsafe { libc::raise(signal) };
}

/// Installs the handler and gives the earlier action, unless the signal is
/// ignored and is to stay so.
fn catch(signal: c_int) -> io::Result<Option<libc::sigaction>> {
    // SAFETY: the structure is integers, pointers and a set of bits, for all of
    // which zeros are a value.
    let (mut action, mut earlier): (libc::sigaction, libc::sigaction) = unsafe { mem::zeroed() };
    // SAFETY: a null new action asks for the current one, which goes to a live
    // variable.
    if unsafe { libc::sigaction(signal, ptr::null(), &mut earlier) } != 0 {
        return Err(io::Error::last_os_error());
    }
    if earlier.sa_sigaction == libc::SIG_IGN {
        return Ok(None);
    }
    action.sa_sigaction = handle as *const () as libc::sighandler_t;
    action.sa_flags = libc::SA_RESETHAND;
    // SAFETY: the pointers are to live variables; the handler is a function of the
    // type that the flags call for, and calls nothing that is not safe in one.
    let result = unsafe {
        libc::sigemptyset(&mut action.sa_mask);
        libc::sigaction(signal, &action, ptr::null_mut())
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Some(earlier))
}

/// No terminal is opened for one process.
pub(in crate::sys) fn close_own_window() {}

#[cfg(test)]
mod tests;
