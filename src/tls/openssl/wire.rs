//! What OpenSSL takes for a socket: two queues of bytes.

use std::io::{self, ErrorKind, Read, Write};

use crate::base::ByteQueue;

/// The most ciphertext that waits to be taken, in octets: the handshake of a long
/// chain of certificates, or answers to a peer that asks without ever reading.
pub(super) const CIPHER_OCTETS_MAX: usize = 256 * 1024;

/// Ciphertext on its way to OpenSSL and from it. Reading never waits, and writing
/// fails for good where too much waits already.
pub(super) struct Wire {
    /// From the peer; lent by the owner of the engine while OpenSSL reads.
    pub(super) received: ByteQueue,
    /// For the peer.
    pub(super) waiting: ByteQueue,
}

impl Wire {
    pub(super) fn new() -> Wire {
        Wire {
            received: ByteQueue::new(0),
            waiting: ByteQueue::new(CIPHER_OCTETS_MAX),
        }
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = buffer.len().min(self.received.len());
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        buffer[..count].copy_from_slice(&self.received.as_slice()[..count]);
        self.received.consume(count);
        Ok(count)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.waiting.room() < bytes.len() {
            return Err(io::Error::other("too much waits to be sent"));
        }
        Ok(self.waiting.push(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_waits_for_nothing() {
        let mut wire = Wire::new();
        let mut buffer = [0; 4];
        let error = wire.read(&mut buffer).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        wire.received = ByteQueue::new(10);
        wire.received.push(b"abcdef");
        assert_eq!(wire.read(&mut buffer).unwrap(), 4);
        assert_eq!((&buffer, wire.received.as_slice()), (b"abcd", &b"ef"[..]));
        assert_eq!(wire.read(&mut buffer).unwrap(), 2);
    }

    #[test]
    fn writing_has_a_limit() {
        let mut wire = Wire::new();
        let record = [0; 1024];
        let mut written = 0;
        let error = loop {
            match wire.write(&record) {
                Ok(count) => written += count,
                Err(error) => break error,
            }
        };
        assert_eq!(written, CIPHER_OCTETS_MAX);
        // OpenSSL would try again for ever.
        assert_ne!(error.kind(), ErrorKind::WouldBlock);
        assert_eq!(error.to_string(), "too much waits to be sent");
    }
}
