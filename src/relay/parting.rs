//! The last moments of a connection whose session is over.
//!
//! A connection closed with input unread is reset, and the peer may never see what
//! was sent last. So what waits is sent, the end of it is announced, and input is
//! read and dropped until the peer has hung up; but none of that for long.

use std::time::{Duration, Instant};

use super::connection::{Arrival, Connection};

/// How long the peer may take to take what was sent last.
pub const FLUSH_MAX: Duration = Duration::from_secs(30);

/// How long it may take after that to hang up itself.
pub const LINGER_MAX: Duration = Duration::from_secs(2);

/// How many octets are read and dropped meanwhile.
pub const DROPPED_MAX: usize = 1 << 20;

/// A connection that is about to be closed.
#[derive(Debug)]
pub struct Parting {
    flush_by: Instant,
    linger_until: Option<Instant>,
    dropped: usize,
    peer_has_gone: bool,
    /// Whether reading has failed: then nothing that waits can be sent either. TLS
    /// takes no more after an error, and polling for room to write would never end.
    is_broken: bool,
}

impl Parting {
    /// Begins; perhaps with a peer that will send no more, and need not be waited for
    /// once it has been sent everything.
    pub fn new(now: Instant, peer_has_gone: bool) -> Parting {
        Parting {
            flush_by: now + FLUSH_MAX,
            linger_until: None,
            dropped: 0,
            peer_has_gone,
            is_broken: false,
        }
    }

    /// Begins with a client, for the reason that it has quit or for another. Who has
    /// said farewell, and nothing after it, need not be waited for.
    pub fn of_client(client: &Connection, has_quit: bool, has_gone: bool, now: Instant) -> Parting {
        Parting::new(now, has_gone || (has_quit && client.input.is_empty()))
    }

    /// When to look again whether it is done.
    pub fn deadline(&self) -> Instant {
        self.linger_until.unwrap_or(self.flush_by)
    }

    /// Whether input is still to be waited for.
    pub fn wants_input(&self) -> bool {
        !self.peer_has_gone && !self.is_broken
    }

    /// Reads and drops what comes; with too much of it the peer counts as gone.
    pub fn read(&mut self, connection: &mut Connection, scratch: &mut [u8]) {
        match connection.read(scratch) {
            Ok(Arrival::Bytes | Arrival::Nothing) => {}
            Ok(Arrival::End | Arrival::Truncated) => self.peer_has_gone = true,
            Err(_) => self.is_broken = true,
        }
        self.dropped += connection.input.len();
        self.peer_has_gone |= self.dropped > DROPPED_MAX;
        connection.input.clear();
    }

    /// Goes on; whether the connection may be dropped now.
    pub fn is_done(&mut self, connection: &mut Connection, now: Instant) -> bool {
        // Of a handshake that will not be finished nothing waits that could be sent.
        let is_stuck = self.peer_has_gone && connection.is_handshaking();
        if self.is_broken || is_stuck || connection.flush().is_err() {
            return true;
        }
        if !connection.is_flushed() || !connection.shut_down_output() {
            return self.flush_by <= now;
        }
        let until = *self.linger_until.get_or_insert(now + LINGER_MAX);
        self.peer_has_gone || until <= now
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::sys::socket::{Address, Stream};

    fn pair() -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::Tcp(listener.local_addr().unwrap());
        let stream = Stream::connect(&address, None).unwrap();
        let (peer, _) = listener.accept().unwrap();
        (Connection::new(stream), peer)
    }

    #[test]
    fn waits_for_the_peer_to_hang_up_but_not_for_ever() {
        let now = Instant::now();
        let (mut connection, mut peer) = pair();
        connection.output.push(b"farewell");
        let mut parting = Parting::new(now, false);
        assert!(!parting.is_done(&mut connection, now));
        let mut said = Vec::new();
        peer.read_to_end(&mut said).unwrap();
        assert_eq!(said, b"farewell");
        peer.write_all(b"one more thing").unwrap();
        assert!(!parting.is_done(&mut connection, now));
        assert_eq!(parting.deadline(), now + LINGER_MAX);
        assert!(parting.is_done(&mut connection, now + LINGER_MAX));
    }

    #[test]
    fn does_not_listen_for_ever() {
        let now = Instant::now();
        let (mut connection, mut peer) = pair();
        let mut parting = Parting::new(now, false);
        assert!(!parting.is_done(&mut connection, now));
        let piece = [b'x'; 4096];
        let mut scratch = [0; 8192];
        let mut sent = 0;
        while parting.wants_input() {
            peer.write_all(&piece).unwrap();
            sent += piece.len();
            parting.read(&mut connection, &mut scratch);
            assert!(sent <= 2 * DROPPED_MAX);
        }
        assert!(parting.is_done(&mut connection, now));
    }

    #[test]
    fn is_done_at_once_with_a_peer_that_has_gone() {
        let now = Instant::now();
        let (mut connection, _peer) = pair();
        let mut parting = Parting::new(now, true);
        assert!(!parting.wants_input());
        assert!(parting.is_done(&mut connection, now));
    }
}
