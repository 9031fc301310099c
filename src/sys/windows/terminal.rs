//! The console: echo off by its mode, and the console closed.

use std::ffi::c_void;
use std::io;
use std::sync::OnceLock;

use super::ffi;

/// The mode of the console as we found it, for the handler.
static FOUND: OnceLock<u32> = OnceLock::new();

/// See `sys::terminal::Hidden`.
#[derive(Debug)]
pub(in crate::sys) struct Hidden(());

impl Hidden {
    pub(in crate::sys) fn begin() -> io::Result<Hidden> {
        let mut mode = 0;
        // SAFETY: the handle is checked by the system, and the pointer is to a live
        // variable.
        if unsafe { ffi::GetConsoleMode(input(), &mut mode) } == 0 {
            return Err(io::Error::last_os_error());
        }
        // What another of these, dropped by now, has found is still what is there.
        FOUND.get_or_init(|| mode);
        // SAFETY: the handler is a function of the right type, for ever.
        if unsafe { ffi::SetConsoleCtrlHandler(Some(handle), 1) } == 0 {
            return Err(io::Error::last_os_error());
        }
        let hidden = Hidden(());
        apply(mode & !ffi::ENABLE_ECHO_INPUT)?;
        Ok(hidden)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        restore();
        // The line end that was typed has not been shown either.
        eprintln!();
        // SAFETY: the handler was added by `begin`; to take it away cannot harm.
        unsafe { ffi::SetConsoleCtrlHandler(Some(handle), 0) };
    }
}

pub(in crate::sys) fn close_own_window() {
    // All that matters is whether there is another process.
    let mut processes = [0; 2];
    // SAFETY: the pointer and the length are those of a live array.
    let count = unsafe { ffi::GetConsoleProcessList(processes.as_mut_ptr(), 2) };
    if count == 1 {
        // SAFETY: the call takes no pointers. Where a stream was the console's, what is
        // written to it is lost from now on.
        unsafe { ffi::FreeConsole() };
    }
}

fn input() -> *mut c_void {
    // SAFETY: the call takes no pointers; what it gives may be null or invalid, and
    // the calls that use it say so.
    unsafe { ffi::GetStdHandle(ffi::STD_INPUT_HANDLE) }
}

fn apply(mode: u32) -> io::Result<()> {
    // SAFETY: the call takes no pointers but the handle, which the system checks.
    if unsafe { ffi::SetConsoleMode(input(), mode) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn restore() {
    if let Some(found) = FOUND.get() {
        // A console that has gone away needs no mode.
        let _ = apply(*found);
    }
}

/// Restores the console and lets the event do what it does by default. The
/// system calls it on a thread of its own.
unsafe extern "system" fn handle(_event: u32) -> ffi::BOOL {
    restore();
    0
}
