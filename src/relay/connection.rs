//! A socket with its two bounded queues.

use std::io::{self, ErrorKind, Read, Write};

use crate::base::ByteQueue;
use crate::event::Interest;
use crate::sys::socket::Stream;

use super::limits::BUFFER_MAX;

/// What reading brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// New octets wait in the input queue.
    Bytes,
    /// Nothing now.
    Nothing,
    /// The peer will send no more.
    End,
}

/// A stream, what has been read from it and what is to be written to it.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    /// What the peer sent and nobody has consumed.
    pub input: ByteQueue,
    /// What the peer has not been sent yet.
    pub output: ByteQueue,
}

impl Connection {
    /// Takes a connected, nonblocking stream.
    pub fn new(stream: Stream) -> Connection {
        Connection {
            stream,
            input: ByteQueue::new(BUFFER_MAX),
            output: ByteQueue::new(BUFFER_MAX),
        }
    }

    /// Reads once, as much as there is room for.
    pub fn read(&mut self, scratch: &mut [u8]) -> io::Result<Arrival> {
        let room = self.input.room().min(scratch.len());
        if room == 0 {
            return Ok(Arrival::Nothing);
        }
        match (&self.stream).read(&mut scratch[..room]) {
            Ok(0) => Ok(Arrival::End),
            Ok(count) => {
                self.input.push(&scratch[..count]);
                Ok(Arrival::Bytes)
            }
            Err(error) if is_passing(&error) => Ok(Arrival::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Writes as much of the output as the socket takes.
    pub fn flush(&mut self) -> io::Result<()> {
        while !self.output.is_empty() {
            match (&self.stream).write(self.output.as_slice()) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.output.consume(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_passing(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What to poll for: output whenever some waits, input when `read` is wanted
    /// and there is room.
    pub fn interest(&self, read: bool) -> Option<Interest> {
        let read = read && self.input.room() > 0;
        let write = !self.output.is_empty();
        (read || write).then(|| Interest {
            socket: self.stream.raw(),
            read,
            write,
        })
    }

    /// Tells the peer that nothing more will come.
    pub fn shut_down_output(&self) {
        // A peer that has gone already does not need to be told.
        let _ = self.stream.shutdown_write();
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
