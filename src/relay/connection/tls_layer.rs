//! What is between the socket and the queues of a connection with TLS.

use std::io;

use crate::base::ByteQueue;
use crate::relay::limits::{CIPHER_READ_MAX, CIPHER_WAITING_MAX, TLS_RECORD_MAX};
use crate::sys::socket::Stream;
use crate::tls::{Engine, Session};

use super::{Arrival, read_some, write_some};

/// Room that the plaintext needs before ciphertext is read: as much as what is
/// read can bring forth, together with an unfinished record that the engine has
/// already. So the engine never holds plaintext, of which no poll would tell.
const PLAIN_ROOM: usize = CIPHER_READ_MAX + TLS_RECORD_MAX;

/// An engine with the ciphertext on its way from and to the socket.
pub(super) struct TlsLayer {
    engine: Box<dyn Engine>,
    received: ByteQueue,
    waiting: ByteQueue,
}

impl TlsLayer {
    pub(super) fn new(engine: Box<dyn Engine>) -> TlsLayer {
        TlsLayer {
            engine,
            received: ByteQueue::new(CIPHER_READ_MAX),
            waiting: ByteQueue::new(CIPHER_WAITING_MAX),
        }
    }

    pub(super) fn session(&self) -> Option<&Session> {
        self.engine.established()
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.engine.is_handshaking()
    }

    pub(super) fn has_room(&self, input: &ByteQueue) -> bool {
        input.room() >= PLAIN_ROOM
    }

    pub(super) fn wants_to_write(&self, output: &ByteQueue) -> bool {
        let may_speak = !output.is_empty() && !self.engine.is_handshaking();
        may_speak || self.has_unsent()
    }

    /// Whether ciphertext waits for the socket.
    pub(super) fn has_unsent(&self) -> bool {
        !self.waiting.is_empty() || self.engine.wants_output()
    }

    #[cfg(test)]
    pub(super) fn waiting_octets(&self) -> usize {
        self.waiting.len()
    }

    /// Reads ciphertext once and decrypts all of it.
    pub(super) fn read(
        &mut self,
        stream: &Stream,
        scratch: &mut [u8],
        input: &mut ByteQueue,
    ) -> io::Result<Arrival> {
        let count = scratch.len().min(CIPHER_READ_MAX);
        if !self.has_room(input) {
            return Ok(Arrival::Nothing);
        }
        let count = match read_some(stream, &mut scratch[..count])? {
            None => return Ok(Arrival::Nothing),
            Some(0) if self.engine.is_closed_by_peer() => return Ok(Arrival::End),
            Some(0) => return Ok(Arrival::Truncated),
            Some(count) => count,
        };
        self.received.push(&scratch[..count]);
        let before = input.len();
        let result = self.engine.decrypt(&mut self.received, input);
        // The next step of the handshake, or the alert that goes with an error.
        let sent = self.send(stream);
        result.map_err(io::Error::other)?;
        sent?;
        Ok(match input.len() > before {
            _ if self.engine.is_closed_by_peer() => Arrival::End,
            true => Arrival::Bytes,
            false => Arrival::Nothing,
        })
    }

    /// Encrypts and writes as much of the output as the socket takes.
    pub(super) fn flush(&mut self, stream: &Stream, output: &mut ByteQueue) -> io::Result<()> {
        loop {
            let accepted = self.engine.write_plain(output.as_slice());
            output.consume(accepted);
            self.send(stream)?;
            if accepted == 0 || !self.waiting.is_empty() {
                return Ok(());
            }
        }
    }

    pub(super) fn close_notify(&mut self, stream: &Stream) -> io::Result<()> {
        self.engine.close_notify();
        self.send(stream)
    }

    /// Writes ciphertext until there is no more of it or the socket takes no more.
    fn send(&mut self, stream: &Stream) -> io::Result<()> {
        loop {
            self.engine.take_cipher(&mut self.waiting);
            write_some(stream, &mut self.waiting)?;
            if !self.waiting.is_empty() || !self.engine.wants_output() {
                return Ok(());
            }
        }
    }
}
