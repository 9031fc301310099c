//! The system log: that of the syslog daemon, or the event log of Windows.

use std::io;

use super::platform::syslog as platform;
use crate::base::WallClock;
use crate::base::log::Level;

/// A line for the system log.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// What kind of program has written it, as the syslog protocol numbers them
    /// (RFC 3164 4.1.1).
    pub facility: u8,
    /// How much it matters.
    pub level: Level,
    /// When it was written.
    pub time: WallClock,
    /// The program that has written it.
    pub program: &'a str,
    /// The line, which has neither line end nor NUL.
    pub text: &'a str,
}

/// A connection to whatever keeps the system log.
pub struct Socket(platform::Socket);

impl Socket {
    /// Connects, as the program of that name.
    pub fn connect(program: &str) -> io::Result<Socket> {
        platform::Socket::connect(program).map(Socket)
    }

    /// Sends one line. Waits for a second at most where there is a daemon.
    pub fn send(&self, entry: &Entry<'_>) -> io::Result<()> {
        self.0.send(entry)
    }
}
