//! The system log's socket.

use std::io;

use super::platform::syslog as platform;

/// A connection to the daemon that keeps the system log.
pub struct Socket(platform::Socket);

impl Socket {
    /// Connects to the daemon; `Unsupported` where there is no such thing.
    pub fn connect() -> io::Result<Socket> {
        platform::Socket::connect().map(Socket)
    }

    /// Sends one message, which has no line end. Waits for a second at most.
    pub fn send(&self, message: &[u8]) -> io::Result<()> {
        self.0.send(message)
    }
}
