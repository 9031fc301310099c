//! Connecting to the first of several addresses that answers.
//!
//! ```text
//! start -> attempt 1 --refused, or its share of the time is over--> attempt 2 -> ...
//!             | connected                                    no address or time left
//!             v                                                      v
//!          Connected                                               Failed
//! ```

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::sys;
use crate::sys::poll::RawSocket;
use crate::sys::socket::{Address, Stream};

/// The longest that an address may keep the others waiting.
pub const ATTEMPT_MAX: Duration = Duration::from_secs(30);

/// The shortest that an attempt is given, time permitting: a round trip and one
/// more try after a lost packet.
pub const ATTEMPT_MIN: Duration = Duration::from_secs(3);

/// The longest that all attempts together may take: nobody waits longer, and the
/// sum with a time cannot overflow.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Tries addresses in turn, without blocking.
#[derive(Debug)]
pub struct Connector {
    waiting: VecDeque<Address>,
    locals: Vec<SocketAddr>,
    timeout: Duration,
    deadline: Option<Instant>,
    attempt: Option<Attempt>,
    failure: Option<ConnectError>,
}

#[derive(Debug)]
struct Attempt {
    stream: Stream,
    address: Address,
    deadline: Instant,
}

/// How far the connector has come.
#[derive(Debug)]
#[must_use]
pub enum Progress {
    /// Wait for the socket, which may be another one now, to be writable, or for
    /// the deadline.
    Connecting,
    /// There is a connection, with the peer at that address.
    Connected(Stream, Address),
    /// No address answered.
    Failed(ConnectError),
}

/// Why there is no connection: what happened to the last address tried.
#[derive(Debug)]
pub enum ConnectError {
    /// There was no address to try.
    NoAddress,
    /// The system or the peer refused.
    Refused {
        /// Where to.
        address: Address,
        /// From where, if that was prescribed.
        local: Option<SocketAddr>,
        /// The reason.
        source: io::Error,
    },
    /// Nobody answered in time.
    TimedOut {
        /// Where to.
        address: Address,
    },
}

impl Connector {
    /// Makes a connector that tries the addresses in their order, from the local
    /// address if one is given, for no longer than `timeout` altogether.
    pub fn new(
        addresses: impl IntoIterator<Item = Address>,
        local: Option<SocketAddr>,
        timeout: Duration,
    ) -> Connector {
        Connector {
            waiting: addresses.into_iter().collect(),
            locals: local.into_iter().collect(),
            timeout: timeout.min(TIMEOUT_MAX),
            deadline: None,
            attempt: None,
            failure: None,
        }
    }

    /// Has each connection made from the first of these local addresses that is of
    /// the same family, if there is one.
    pub fn from_any_of(self, locals: Vec<SocketAddr>) -> Connector {
        Connector { locals, ..self }
    }

    /// Begins with the first address.
    pub fn start(&mut self, now: Instant) -> Progress {
        self.deadline = Some(now + self.timeout);
        self.next(now)
    }

    /// The socket that is to become writable, for a poll set.
    pub fn socket(&self) -> Option<RawSocket> {
        self.attempt.as_ref().map(|attempt| attempt.stream.raw())
    }

    /// When to call [`Connector::on_timeout`].
    pub fn deadline(&self) -> Option<Instant> {
        self.attempt.as_ref().map(|attempt| attempt.deadline)
    }

    /// Looks what became of the attempt, once its socket is writable.
    pub fn on_ready(&mut self, now: Instant) -> Progress {
        let Some(attempt) = self.attempt.take() else {
            return self.next(now);
        };
        match outcome(&attempt.stream) {
            Ok(Some(peer)) => Progress::Connected(attempt.stream, peer),
            Ok(None) => {
                self.attempt = Some(attempt);
                Progress::Connecting
            }
            Err(source) => {
                self.refused(attempt.address, source);
                self.next(now)
            }
        }
    }

    /// Gives an attempt up if its time is over.
    pub fn on_timeout(&mut self, now: Instant) -> Progress {
        if self.deadline().is_some_and(|deadline| now < deadline) {
            return Progress::Connecting;
        }
        // Windows before version 2004 does not report a failed connect to poll,
        // but it does know the reason, and perhaps the connection is there by now.
        match self.on_ready(now) {
            Progress::Connecting if self.deadline().is_some_and(|deadline| deadline <= now) => {
                if let Some(Attempt { address, .. }) = self.attempt.take() {
                    self.failure = Some(ConnectError::TimedOut { address });
                }
                self.next(now)
            }
            progress => progress,
        }
    }

    /// Begins an attempt at the next address at which one can be begun.
    fn next(&mut self, now: Instant) -> Progress {
        while let Some(address) = self.waiting.pop_front() {
            let left = self.time_left(now);
            if left.is_zero() && self.failure.is_some() {
                break;
            }
            match Stream::connect(&address, self.local_for(&address)) {
                Ok(stream) => {
                    self.attempt = Some(Attempt {
                        stream,
                        address,
                        deadline: now + share(left, self.waiting.len()),
                    });
                    return Progress::Connecting;
                }
                Err(source) => self.refused(address, source),
            }
        }
        Progress::Failed(self.failure.take().unwrap_or(ConnectError::NoAddress))
    }

    fn refused(&mut self, address: Address, source: io::Error) {
        let local = self.local_for(&address);
        self.failure = Some(ConnectError::Refused {
            address,
            local,
            source,
        });
    }

    fn local_for(&self, address: &Address) -> Option<SocketAddr> {
        let Address::Tcp(address) = address else {
            return None;
        };
        let is_of_family = |local: &&SocketAddr| local.is_ipv4() == address.is_ipv4();
        let fitting = self.locals.iter().find(is_of_family);
        // Of another family it is the system's to complain.
        fitting.or(self.locals.first()).copied()
    }

    fn time_left(&self, now: Instant) -> Duration {
        self.deadline.map_or(Duration::ZERO, |deadline| {
            deadline.saturating_duration_since(now)
        })
    }
}

/// How much of the time that is left an attempt may take if that many addresses
/// wait behind it; the last one may take it all.
fn share(left: Duration, waiting: usize) -> Duration {
    let Some(attempts) = u32::try_from(waiting).ok().filter(|n| *n > 0) else {
        return left;
    };
    let fair = left / attempts.saturating_add(1);
    fair.clamp(ATTEMPT_MIN, ATTEMPT_MAX).min(left)
}

/// The address of the peer once there is one; nothing as long as it is tried.
fn outcome(stream: &Stream) -> io::Result<Option<Address>> {
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    match stream.peer_address() {
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(None),
        Err(error) => Err(error),
        // RFC 9293 3.5: two ends may open at the same time, so a connect to a port
        // of this host at which nobody listens can, by chance, meet itself.
        Ok(peer) if is_self(&peer, stream) => Err(io::ErrorKind::ConnectionRefused.into()),
        Ok(peer) => Ok(Some(peer)),
    }
}

fn is_self(peer: &Address, stream: &Stream) -> bool {
    matches!(peer, Address::Tcp(_)) && stream.local_address().is_ok_and(|local| local == *peer)
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectError::NoAddress => f.write_str("cannot connect: there is no address"),
            ConnectError::Refused {
                address,
                local,
                source,
            } => {
                write!(f, "cannot connect to {address}")?;
                if let Some(local) = local.filter(|_| matches!(address, Address::Tcp(_))) {
                    write!(f, " from {}", local.ip())?;
                }
                write!(f, ": {}", sys::reason(source))
            }
            ConnectError::TimedOut { address } => {
                write!(f, "cannot connect to {address}: connection timed out")
            }
        }
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ConnectError::Refused { source, .. } => Some(source),
            ConnectError::NoAddress | ConnectError::TimedOut { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
