//! A client that has been let in, but not been greeted yet.

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;

use crate::event::Interest;
use crate::sys::socket::Stream;

use super::clients::Visit;
use super::peer::Peer;
use super::smtp_server::Service;

/// An accepted connection with all that its session needs.
pub struct Guest {
    /// What all sessions of the listener share.
    pub service: Arc<Service>,
    /// The connection.
    pub stream: Stream,
    /// Who it is.
    pub peer: Peer,
    /// Its place among the sessions of that client.
    pub visit: Visit,
}

/// What is known of a client before it has been greeted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// It waits, as it should.
    None,
    /// It has spoken.
    Spoken,
    /// It has hung up.
    Gone,
}

impl Guest {
    /// Whether the client has said anything yet. What it said is dropped: who
    /// speaks now is not served. (Where such clients are served, nothing is read.)
    pub fn listen(&self, scratch: &mut [u8]) -> Word {
        if !self.must_wait() {
            return Word::None;
        }
        match (&self.stream).read(scratch) {
            Ok(0) => Word::Gone,
            Ok(_) => Word::Spoken,
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::Interrupted => Word::None,
                _ => Word::Gone,
            },
        }
    }

    /// Whether the client is to say nothing before it is greeted; one that encrypts
    /// from the start has to.
    fn must_wait(&self) -> bool {
        self.service.machine.refuse_early_talkers && !self.service.tls_first
    }

    /// What to wait for while it has not been greeted.
    pub fn interest(&self) -> Option<Interest> {
        self.must_wait().then(|| Interest {
            socket: self.stream.raw(),
            read: true,
            write: false,
        })
    }

    /// Says one thing and hangs up.
    pub fn send_off(&self, reply: &[u8]) {
        send_off(&self.stream, reply);
    }
}

/// Says one thing and hangs up; a client that cannot take it at once goes without.
pub fn send_off(mut stream: &Stream, reply: &[u8]) {
    // Nothing to be done about a client that has gone already.
    let _ = stream.write(reply);
    let _ = stream.shutdown_write();
}
