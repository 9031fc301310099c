//! Signal handlers.

use std::ffi::c_int;
use std::io;
use std::mem;
use std::ptr;

use super::errno;
use crate::sys::signal::{Request, catch};

/// What is caught.
const CAUGHT: [c_int; 6] = [
    libc::SIGTERM,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGHUP,
    libc::SIGUSR1,
    libc::SIGUSR2,
];

/// Installs the handlers.
pub(in crate::sys) fn install() -> io::Result<()> {
    for signal in [libc::SIGPIPE, libc::SIGIO] {
        set_action(signal, libc::SIG_IGN)?;
    }
    catch_unless_ignored(&CAUGHT)
}

/// Installs the handlers of what is not to end the process while it starts. The other
/// signals end it until it can do so in good order.
pub(in crate::sys) fn catch_reloads() -> io::Result<()> {
    catch_unless_ignored(&[libc::SIGHUP, libc::SIGUSR1, libc::SIGUSR2])
}

fn catch_unless_ignored(signals: &[c_int]) -> io::Result<()> {
    for signal in signals {
        if !is_ignored(*signal)? {
            set_action(*signal, handle as *const () as libc::sighandler_t)?;
        }
    }
    Ok(())
}

/// Takes the handlers away, for a process that is to end by signals as others do.
pub(super) fn catch_no_more() -> io::Result<()> {
    let changed = [libc::SIGPIPE, libc::SIGIO].into_iter().chain(CAUGHT);
    changed
        .into_iter()
        .try_for_each(|signal| set_action(signal, libc::SIG_DFL))
}

/// Does nothing but what POSIX allows in a handler, and leaves errno as the
/// interrupted thread expects it.
extern "C" fn handle(signal: c_int) {
    let saved = errno::get();
    match signal {
        libc::SIGHUP => catch(Request::Reload),
        // Nothing is to come of these but that the process lives on. They are not
        // ignored, since programs that are started would inherit that.
        libc::SIGUSR1 | libc::SIGUSR2 => {}
        _ => catch(Request::Terminate),
    }
    errno::set(saved);
}

fn is_ignored(signal: c_int) -> io::Result<bool> {
    // SAFETY: the structure is integers, pointers and a set of bits, for all of
    // which zeros are a value.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: a null new action asks for the current one, which goes to a live
    // variable.
    if unsafe { libc::sigaction(signal, ptr::null(), &mut action) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(action.sa_sigaction == libc::SIG_IGN)
}

/// Has that be done with a signal from now on.
pub(super) fn set_action(signal: c_int, handler: libc::sighandler_t) -> io::Result<()> {
    // SAFETY: as in `is_ignored`; zeros are an empty mask or become one below.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler;
    // Workers that read and write files are not to see EINTR; poll does anyway.
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: the pointers are to live variables; the handler is a function of
    // the type that the flags call for, or one of the constants, and calls
    // nothing that is not safe in a handler.
    let result = unsafe {
        libc::sigemptyset(&mut action.sa_mask);
        libc::sigaction(signal, &action, ptr::null_mut())
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Lets this thread, and those that it starts, be interrupted by any signal.
pub(super) fn unblock_all() -> io::Result<()> {
    // SAFETY: a set of bits, for which zeros are a value; it becomes the empty one below.
    let mut none: libc::sigset_t = unsafe { mem::zeroed() };
    // SAFETY: the pointers are to a live variable, and nobody asks for the earlier set.
    let result = unsafe {
        libc::sigemptyset(&mut none);
        libc::pthread_sigmask(libc::SIG_SETMASK, &none, ptr::null_mut())
    };
    match result {
        0 => Ok(()),
        number => Err(io::Error::from_raw_os_error(number)),
    }
}

#[cfg(test)]
mod tests;
