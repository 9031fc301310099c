//! Accepting connections, with a pause when there is no room for more.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use crate::sys;
use crate::sys::poll::RawSocket;
use crate::sys::socket::{self, Address, Stream};

/// How many connections are accepted before others get their turn.
pub const ACCEPTS_MAX: usize = 16;

/// How long to accept nothing after a failure: the connection that waits keeps
/// the socket readable, so the loop would spin.
pub const PAUSE: Duration = Duration::from_secs(1);

/// Connections that the system may hold for us.
const BACKLOG: i32 = 128;

/// A listening socket of the loop.
#[derive(Debug)]
pub struct Listener {
    socket: socket::Listener,
    address: Address,
    paused_until: Option<Instant>,
}

/// Why nobody listens.
#[derive(Debug)]
pub struct ListenError {
    /// The address, or the descriptor.
    place: String,
    source: io::Error,
}

impl Listener {
    /// Listens at the address; see [`socket::Listener::bind`].
    pub fn bind(address: &Address) -> Result<Listener, ListenError> {
        let fail = |source| ListenError::new(address.clone(), source);
        let socket = socket::Listener::bind(address, BACKLOG).map_err(fail)?;
        let address = socket.local_address().map_err(fail)?;
        Ok(Listener::new(socket, address))
    }

    /// Listens on a socket that the process was started with; see
    /// [`socket::Listener::inherit`].
    pub fn inherit(descriptor: u32) -> Result<Listener, ListenError> {
        let fail = |source| ListenError {
            place: format!("fd#{descriptor}"),
            source,
        };
        let socket = socket::Listener::inherit(descriptor, BACKLOG).map_err(fail)?;
        let address = socket.local_address().map_err(fail)?;
        Ok(Listener::new(socket, address))
    }

    fn new(socket: socket::Listener, address: Address) -> Listener {
        Listener {
            socket,
            address,
            paused_until: None,
        }
    }

    /// Where it listens, with the port that the system chose.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The socket, for a poll set.
    pub fn raw(&self) -> RawSocket {
        self.socket.raw()
    }

    /// Whether to wait for connections now.
    pub fn wants_read(&self, now: Instant) -> bool {
        self.paused_until.is_none_or(|until| until <= now)
    }

    /// When the pause ends, if there is one.
    pub fn deadline(&self) -> Option<Instant> {
        self.paused_until
    }

    /// Accepts nothing until then.
    pub fn pause_until(&mut self, until: Instant) {
        self.paused_until = Some(until);
    }

    /// Accepts what waits, at most [`ACCEPTS_MAX`]; begins a pause if there is no
    /// room for more.
    pub fn accept_some(&mut self, now: Instant) -> Vec<(Stream, Address)> {
        let mut accepted = Vec::new();
        if !self.wants_read(now) {
            return accepted;
        }
        self.paused_until = None;
        for _ in 0..ACCEPTS_MAX {
            match self.socket.accept() {
                Ok(connection) => accepted.push(connection),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // That connection is gone; others may wait behind it.
                Err(error) if socket::is_transient_accept(&error) => {}
                Err(error) => {
                    self.rest(now, &error);
                    break;
                }
            }
        }
        accepted
    }

    /// Begins a pause, whatever the error was: an unknown one is likely to come
    /// again at once.
    fn rest(&mut self, now: Instant, error: &io::Error) {
        let reason = sys::reason(error);
        let advice = match socket::is_out_of_descriptors(error) {
            true => " (more connections than the limit of open files allows)",
            false => "",
        };
        crate::warning!(
            "cannot accept a connection on {}: {reason}{advice}",
            self.address
        );
        self.pause_until(now + PAUSE);
    }
}

impl ListenError {
    /// The error of listening at that address.
    pub fn new(address: Address, source: io::Error) -> ListenError {
        ListenError {
            place: address.to_string(),
            source,
        }
    }

    /// Whether somebody else listens there.
    pub fn is_in_use(&self) -> bool {
        self.source.kind() == io::ErrorKind::AddrInUse
    }

    /// What can be done about it, as far as that is known.
    fn advice(&self) -> &'static str {
        let is_port = !self.place.starts_with('/') && !self.place.starts_with("fd#");
        match self.source.kind() {
            io::ErrorKind::AddrInUse if is_port => {
                ": another program does (ss -lntp shows which): stop it, or choose another port"
            }
            io::ErrorKind::PermissionDenied if is_port => {
                ": try a port above 1023, start as root, or give the program the capability \
                 (setcap cap_net_bind_service=ep)"
            }
            _ => "",
        }
    }

    /// Whether the system has no addresses of that family at all.
    pub fn is_family_missing(&self) -> bool {
        socket::is_family_missing(&self.source)
    }
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot listen on {}: {}{}",
            self.place,
            sys::reason(&self.source),
            self.advice()
        )
    }
}

impl Error for ListenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::await_socket;

    fn listen() -> Listener {
        Listener::bind(&Address::Tcp("127.0.0.1:0".parse().unwrap())).unwrap()
    }

    /// Waits until a connection can be accepted.
    fn await_connection(listener: &Listener) {
        await_socket(listener.raw(), true, false);
    }

    #[test]
    fn accepts_a_bounded_number_at_a_time() {
        let (mut listener, now) = (listen(), Instant::now());
        assert!(listener.accept_some(now).is_empty());
        let connect = |_| Stream::connect(listener.address(), None).unwrap();
        let clients: Vec<Stream> = (0..=ACCEPTS_MAX).map(connect).collect();
        let mut accepted = Vec::new();
        while accepted.len() < clients.len() {
            await_connection(&listener);
            let some = listener.accept_some(now);
            assert!(!some.is_empty() && some.len() <= ACCEPTS_MAX);
            accepted.extend(some);
        }
        for (client, (_, peer)) in clients.iter().zip(&accepted) {
            assert_eq!(client.local_address().unwrap(), *peer);
        }
        assert!(listener.wants_read(now));
        assert_eq!(listener.deadline(), None);
    }

    #[test]
    fn rests_after_a_failure() {
        let (mut listener, now) = (listen(), Instant::now());
        let _client = Stream::connect(listener.address(), None).unwrap();
        await_connection(&listener);
        listener.rest(now, &io::ErrorKind::OutOfMemory.into());
        assert_eq!(listener.deadline(), Some(now + PAUSE));
        let almost = now + PAUSE - Duration::from_nanos(1);
        assert!(!listener.wants_read(almost));
        assert!(listener.accept_some(almost).is_empty());
        assert!(listener.wants_read(now + PAUSE));
        assert_eq!(listener.accept_some(now + PAUSE).len(), 1);
        assert_eq!(listener.deadline(), None);
    }

    #[test]
    fn says_where_it_cannot_listen() {
        let first = listen();
        let error = Listener::bind(first.address()).unwrap_err();
        let expected = format!("cannot listen on {}: ", first.address());
        assert!(error.to_string().starts_with(&expected), "{error}");
        assert!(
            error
                .to_string()
                .ends_with(": stop it, or choose another port")
        );
        let refused = ListenError::new(
            Address::Tcp("127.0.0.1:25".parse().unwrap()),
            io::ErrorKind::PermissionDenied.into(),
        );
        assert!(refused.to_string().contains(": try a port above 1023, "));
    }
}
