//! A socket pair that ends the poll of the loop from another thread or from a
//! signal handler.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::platform::poll::RawSocket;
use super::platform::socket::{self as platform, WakeReader, WakeWriter};

/// The end that wakes; any thread and any signal handler may use it.
#[derive(Debug)]
pub struct WakeSender {
    writer: WakeWriter,
    is_pending: Arc<AtomicBool>,
}

/// The end that the loop polls.
#[derive(Debug)]
pub struct WakeReceiver {
    reader: WakeReader,
    is_pending: Arc<AtomicBool>,
}

/// Makes a connected pair.
pub fn wake_pair() -> io::Result<(WakeSender, WakeReceiver)> {
    let (writer, reader) = platform::wake_pair()?;
    let is_pending = Arc::new(AtomicBool::new(false));
    let sender = WakeSender {
        writer,
        is_pending: Arc::clone(&is_pending),
    };
    Ok((sender, WakeReceiver { reader, is_pending }))
}

impl WakeSender {
    /// Makes the receiver readable; never blocks. However often it is called, one
    /// octet is written until the receiver has been drained.
    ///
    /// Publish what the loop is to find before the call.
    pub fn wake(&self) {
        if !self.is_pending.swap(true, Ordering::AcqRel) {
            self.writer.write();
        }
    }
}

impl WakeReceiver {
    /// Empties the socket; look for what was published after the call.
    pub fn drain(&self) {
        self.reader.empty();
        // Only now, not before: an octet that were written between the two and
        // then thrown away would leave the flag set, and nobody would ever write
        // again. As it is, a wake in between writes nothing, and what it published
        // is found by the look that follows.
        self.is_pending.swap(false, Ordering::AcqRel);
    }

    /// The socket, for a poll set.
    pub fn raw(&self) -> RawSocket {
        self.reader.raw()
    }
}
