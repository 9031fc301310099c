//! One connection of rustls as an [`Engine`].

use std::io::{self, BufRead, Write};

use ::rustls::{Connection, Error as RustlsError, InvalidMessage, ProtocolVersion};

use super::verify;
use crate::base::ByteQueue;
use crate::tls::config::Version;
use crate::tls::{Engine, Error, Peer, Progress, Session, Trust, suite};

pub(super) struct RustlsEngine {
    connection: Connection,
    /// How far a peer that gets through the handshake has been checked.
    trust: Trust,
    progress: Progress,
    plain_waiting: usize,
}

impl RustlsEngine {
    pub(super) fn new(connection: Connection, trust: Trust) -> RustlsEngine {
        RustlsEngine {
            connection,
            trust,
            progress: Progress::default(),
            plain_waiting: 0,
        }
    }

    #[cfg(test)]
    pub(super) fn handshake_kind(&self) -> Option<::rustls::HandshakeKind> {
        self.connection.handshake_kind()
    }

    /// Works off what has been read.
    fn process(&mut self) -> Result<(), Error> {
        let state = match self.connection.process_new_packets() {
            Ok(state) => state,
            Err(error) => return Err(self.progress.fail(&reason(&error))),
        };
        self.plain_waiting = state.plaintext_bytes_to_read();
        if state.peer_has_closed() {
            self.progress.close_by_peer();
        }
        if self.progress.is_handshaking() && !self.connection.is_handshaking() {
            let session = self.agreed();
            if self.progress.establish(session) {
                self.connection.send_close_notify();
            }
        }
        Ok(())
    }

    fn agreed(&self) -> Session {
        let protocol = match self.connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => Version::Tls12,
            _ => Version::Tls13,
        };
        let suite = self.connection.negotiated_cipher_suite();
        let suite = suite::of(suite.map_or(0, |suite| suite.suite().into()));
        Session {
            protocol: protocol.name(),
            cipher: suite.openssl,
            suite: suite.registered,
            peer: self.peer(),
        }
    }

    fn peer(&self) -> Option<Peer> {
        let certificate = self.connection.peer_certificates()?.first()?;
        // A client's certificate is recorded only where it was checked that the
        // client has the key to it.
        let is_server = matches!(self.connection, Connection::Server(_));
        let recorded = !is_server || verify::is_provable(certificate);
        recorded.then(|| Peer::new(certificate, self.trust))
    }
}

impl Engine for RustlsEngine {
    fn feed_cipher(&mut self, input: &mut ByteQueue) -> Result<(), Error> {
        self.progress.check()?;
        while self.wants_input() && !input.is_empty() {
            // Fails only where a message of the handshake has no end.
            let read = self.connection.read_tls(&mut input.as_slice());
            let count = read.map_err(|error| self.progress.fail(&error.to_string()))?;
            input.consume(count);
            self.process()?;
        }
        if self.progress.is_closed_by_peer() {
            // RFC 8446 6.1: data after a closure alert must be ignored.
            input.clear();
        }
        Ok(())
    }

    fn take_cipher(&mut self, output: &mut ByteQueue) {
        while self.connection.wants_write() && output.room() > 0 {
            let taken = self.connection.write_tls(&mut Bounded(output));
            taken.expect("invariant: writing to a queue cannot fail");
        }
    }

    fn read_plain(&mut self, output: &mut ByteQueue) {
        let mut reader = self.connection.reader();
        while output.room() > 0 {
            // An error says that there is nothing now.
            let Ok(chunk) = reader.fill_buf() else { break };
            let count = output.push(chunk);
            if count == 0 {
                break;
            }
            reader.consume(count);
            self.plain_waiting = self.plain_waiting.saturating_sub(count);
        }
    }

    fn write_plain(&mut self, bytes: &[u8]) -> usize {
        if !self.progress.is_writable() {
            return 0;
        }
        // It never fails, and takes what its bounded buffer has room for.
        self.connection.writer().write(bytes).unwrap_or(0)
    }

    fn progress(&self) -> &Progress {
        &self.progress
    }

    fn close_notify(&mut self) {
        if self.progress.close() {
            self.connection.send_close_notify();
        }
    }

    fn wants_input(&self) -> bool {
        self.plain_waiting == 0 && self.progress.is_readable()
    }

    fn wants_output(&self) -> bool {
        self.connection.wants_write()
    }
}

fn reason(error: &RustlsError) -> String {
    match error {
        RustlsError::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "what the peer sent is not tls".to_owned()
        }
        _ => error.to_string(),
    }
}

/// Writes to a queue as far as it has room.
struct Bounded<'a>(&'a mut ByteQueue);

impl Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(self.0.push(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
