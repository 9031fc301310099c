//! Reading from a terminal without showing what is typed, and doing without one.

use std::io;

use super::platform::terminal as platform;

/// While it lives, what is typed on standard input is not shown. The terminal
/// gets its earlier state back when this is dropped, also by a panic, and when a
/// signal ends the process meanwhile.
#[derive(Debug)]
pub struct Hidden(#[allow(dead_code, reason = "dropping it is its use")] platform::Hidden);

/// Stops showing what is typed. Fails where standard input is no terminal.
///
/// Not for processes that watch signals ([`super::signal`]), nor twice at a time.
pub fn hide_input() -> io::Result<Hidden> {
    platform::Hidden::begin().map(Hidden)
}

/// Closes the console, and its window, that the system has opened for this process
/// alone; one that others use as well is left to them, and so is a terminal.
pub fn close_own_window() {
    platform::close_own_window();
}
