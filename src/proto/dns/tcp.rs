use super::{Error, TCP_MESSAGE_MAX};
use crate::base::ByteQueue;

/// The octets of the length in front of a message (RFC 1035 4.2.2).
const LENGTH_LEN: usize = 2;

/// Finds the first message in a TCP stream that arrives in pieces of any size; we
/// ask one question per connection.
#[derive(Debug)]
pub struct TcpReader {
    queue: ByteQueue,
}

impl TcpReader {
    /// Waits for the start of the stream.
    pub fn new() -> TcpReader {
        TcpReader {
            queue: ByteQueue::new(LENGTH_LEN + TCP_MESSAGE_MAX),
        }
    }

    /// Takes the next piece; returns the message once all of it is there. What
    /// comes after it is dropped.
    ///
    /// # Errors
    /// [`Error::MessageTooLong`], as soon as the length says so.
    // RFC 7766 8: the length and the message may come in any number of segments.
    pub fn receive(&mut self, piece: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        // What does not fit cannot be part of a message that is not too long.
        let _fitting = self.queue.push(piece);
        let Some((length, rest)) = self.queue.as_slice().split_first_chunk::<LENGTH_LEN>() else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes(*length));
        if length > TCP_MESSAGE_MAX {
            return Err(Error::MessageTooLong);
        }
        Ok(rest.get(..length).map(<[u8]>::to_vec))
    }
}

impl Default for TcpReader {
    fn default() -> TcpReader {
        TcpReader::new()
    }
}
