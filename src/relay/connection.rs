//! A socket with its two bounded queues, and the TLS layer that may be between.

mod tls_layer;

use std::io::{self, ErrorKind, Read, Write};

use crate::base::ByteQueue;
use crate::event::Interest;
use crate::sys::socket::Stream;
use crate::tls::{Engine, Session};

use super::limits::BUFFER_MAX;
use tls_layer::TlsLayer;

/// What reading brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// New octets wait in the input queue.
    Bytes,
    /// Nothing now.
    Nothing,
    /// The peer will send no more; what it sent last may wait in the input queue.
    End,
    /// The connection ended without the peer's TLS saying so: somebody may have
    /// cut off what it was about to send.
    // RFC 8446 6.1
    Truncated,
}

/// A stream, what has been read from it and what is to be written to it.
pub struct Connection {
    stream: Stream,
    tls: Option<Box<TlsLayer>>,
    /// What the peer sent and nobody has consumed; never ciphertext.
    pub input: ByteQueue,
    /// What the peer has not been sent yet; never ciphertext.
    pub output: ByteQueue,
}

impl Connection {
    /// Takes a connected, nonblocking stream.
    pub fn new(stream: Stream) -> Connection {
        Connection {
            stream,
            tls: None,
            input: ByteQueue::new(BUFFER_MAX),
            output: ByteQueue::new(BUFFER_MAX),
        }
    }

    /// The socket.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Puts TLS between the socket and the queues from now on. All output must have
    /// been flushed, and there must be no [`Connection::has_unread_plain`]. What the
    /// engine has to say first goes out with the next [`Connection::flush`].
    pub fn start_tls(&mut self, engine: Box<dyn Engine>) {
        self.tls = Some(Box::new(TlsLayer::new(engine)));
    }

    /// Whether input waits that came in clear: behind STARTTLS or its reply it was
    /// put there by an attacker, and must not be taken for what comes encrypted.
    // RFC 3207 4.2: nothing that was learnt before the handshake may count.
    pub fn has_unread_plain(&self) -> bool {
        self.tls.is_none() && !self.input.is_empty()
    }

    /// What TLS has agreed upon, once its handshake is done.
    pub fn tls(&self) -> Option<&Session> {
        self.tls.as_ref().and_then(|layer| layer.session())
    }

    /// Whether TLS has been started and is not secure yet. It needs no more than
    /// [`Connection::read`] whenever the socket is ready, but an owner who has no
    /// patience for ever.
    pub fn is_handshaking(&self) -> bool {
        self.tls
            .as_ref()
            .is_some_and(|layer| layer.is_handshaking())
    }

    /// Reads once, as much as there is room for. An error is final; where TLS found
    /// it, the peer has been told if it would listen.
    pub fn read(&mut self, scratch: &mut [u8]) -> io::Result<Arrival> {
        if let Some(layer) = &mut self.tls {
            return layer.read(&self.stream, scratch, &mut self.input);
        }
        let room = self.input.room().min(scratch.len());
        if room == 0 {
            return Ok(Arrival::Nothing);
        }
        match read_some(&self.stream, &mut scratch[..room])? {
            None => Ok(Arrival::Nothing),
            Some(0) => Ok(Arrival::End),
            Some(count) => {
                self.input.push(&scratch[..count]);
                Ok(Arrival::Bytes)
            }
        }
    }

    /// Writes as much of the output as the socket takes; nothing of it while TLS
    /// is handshaking.
    pub fn flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            Some(layer) => layer.flush(&self.stream, &mut self.output),
            None => write_some(&self.stream, &mut self.output),
        }
    }

    /// What to poll for: output whenever some waits, input when `read` is wanted
    /// and there is room, or when a handshake needs it.
    pub fn interest(&self, read: bool) -> Option<Interest> {
        let (read, write) = match &self.tls {
            None => (read && self.input.room() > 0, !self.output.is_empty()),
            Some(layer) => {
                let read = read || layer.is_handshaking();
                (
                    read && layer.has_room(&self.input),
                    layer.wants_to_write(&self.output),
                )
            }
        };
        (read || write).then(|| Interest {
            socket: self.stream.raw(),
            read,
            write,
        })
    }

    /// Whether the system has been given all that there is to say, what TLS has made of
    /// it included.
    pub fn is_flushed(&self) -> bool {
        let has_unsent = self.tls.as_ref().is_some_and(|layer| layer.has_unsent());
        self.output.is_empty() && !has_unsent
    }

    /// Tells the peer that nothing more will come, first in the words of TLS if there
    /// is any. To be called once the output has been flushed, and again after the next
    /// [`Connection::flush`] where it does not say that it is done.
    pub fn shut_down_output(&mut self) -> bool {
        if let Some(layer) = &mut self.tls {
            // A peer that has gone already does not need to be told.
            if layer.close_notify(&self.stream).is_ok() && layer.has_unsent() {
                return false;
            }
        }
        let _ = self.stream.shutdown_write();
        true
    }
}

/// Reads once: nothing where there is nothing now, 0 at the end.
fn read_some(mut stream: &Stream, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    match stream.read(buffer) {
        Ok(count) => Ok(Some(count)),
        Err(error) if is_passing(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes until the queue is empty or the socket takes no more.
fn write_some(mut stream: &Stream, queue: &mut ByteQueue) -> io::Result<()> {
    while !queue.is_empty() {
        match stream.write(queue.as_slice()) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => queue.consume(count),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if is_passing(&error) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests;
