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

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::thread;

    use super::*;
    use crate::sys::testing::{await_socket, is_readable};

    #[test]
    fn many_wakes_are_one() {
        let (sender, receiver) = wake_pair().unwrap();
        assert!(!is_readable(receiver.raw()));
        for _ in 0..3 {
            for _ in 0..1000 {
                sender.wake();
            }
            await_socket(receiver.raw(), true, false);
            receiver.drain();
            assert!(!is_readable(receiver.raw()));
        }
    }

    #[test]
    fn a_full_socket_blocks_nobody() {
        let (sender, receiver) = wake_pair().unwrap();
        for _ in 0..10_000 {
            sender.writer.write();
        }
        await_socket(receiver.raw(), true, false);
        receiver.drain();
        sender.wake();
        await_socket(receiver.raw(), true, false);
    }

    #[test]
    fn a_receiver_that_is_gone_is_ignored() {
        let (sender, receiver) = wake_pair().unwrap();
        drop(receiver);
        sender.wake();
    }

    #[test]
    fn no_wake_is_lost_between_threads() {
        const COUNT: u32 = 5000;
        let (sender, receiver) = wake_pair().unwrap();
        let published = AtomicU32::new(0);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..COUNT {
                        published.fetch_add(1, Ordering::Relaxed);
                        sender.wake();
                    }
                });
            }
            let mut seen = 0;
            while seen < 2 * COUNT {
                await_socket(receiver.raw(), true, false);
                receiver.drain();
                seen = published.load(Ordering::Relaxed);
            }
        });
    }
}
