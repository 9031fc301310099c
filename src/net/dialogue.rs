//! A conversation with a service on a worker, where waiting does no harm: every
//! wait ends with the deadline, or soon after nobody is interested any more.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};

use super::address::Target;
use super::connector::{Connector, Progress, TIMEOUT_MAX};
use super::patient_lookup::resolve_within;
use crate::sys;
use crate::sys::patience::{Impatience, Patience};
use crate::sys::poll::{self, Entry};
use crate::sys::socket::{Address, Stream};

/// Why a conversation has ended early.
#[derive(Debug)]
pub enum Trouble {
    /// There is no connection.
    Connect(String),
    /// It is broken.
    Lost(io::Error),
    /// The deadline has passed.
    TimedOut,
    /// Nobody is interested any more.
    Cancelled,
}

/// A connection to a service.
#[derive(Debug)]
pub struct Dialogue<'a> {
    stream: Stream,
    patience: Patience<'a>,
}

impl<'a> Dialogue<'a> {
    /// Connects to the first address of the target that answers.
    pub fn connect(target: &Target, patience: Patience<'a>) -> Result<Dialogue<'a>, Trouble> {
        let addresses = match target {
            Target::Unix(path) => vec![Address::Unix(path.clone())],
            Target::HostPort(host_port) => resolve_within(host_port, patience)?
                .into_iter()
                .map(Address::Tcp)
                .collect(),
            // The configuration has none.
            Target::Proxied(_) => Vec::new(),
        };
        let left = patience.left().unwrap_or(TIMEOUT_MAX);
        let mut connector = Connector::new(addresses, None, left);
        let mut progress = connector.start(patience.now());
        loop {
            match progress {
                Progress::Connected(stream, _) => return Ok(Dialogue { stream, patience }),
                Progress::Failed(error) => return Err(Trouble::Connect(error.to_string())),
                Progress::Connecting => progress = step(&mut connector, &patience)?,
            }
        }
    }

    /// Sends all of it.
    pub fn send(&mut self, mut octets: &[u8]) -> Result<(), Trouble> {
        while !octets.is_empty() {
            self.patience.turn()?;
            match (&self.stream).write(octets) {
                Ok(0) => return Err(Trouble::Lost(ErrorKind::WriteZero.into())),
                Ok(count) => octets = octets.get(count..).unwrap_or_default(),
                Err(error) => self.await_socket(error, false)?,
            }
        }
        Ok(())
    }

    /// Says that there will be no more.
    pub fn end(&self) -> Result<(), Trouble> {
        self.stream.shutdown_write().map_err(Trouble::Lost)
    }

    /// Takes some octets; none once the peer has said that there will be no more.
    pub fn receive<'b>(&mut self, buffer: &'b mut [u8]) -> Result<&'b [u8], Trouble> {
        loop {
            // A peer that always has something to say does not win any time by it.
            self.patience.turn()?;
            match (&self.stream).read(buffer) {
                Ok(count) => return Ok(buffer.get(..count).unwrap_or_default()),
                Err(error) => self.await_socket(error, true)?,
            }
        }
    }

    fn await_socket(&self, error: io::Error, read: bool) -> Result<(), Trouble> {
        match error.kind() {
            ErrorKind::Interrupted => Ok(()),
            ErrorKind::WouldBlock => {
                let mut entries = [Entry::new(self.stream.raw(), read, !read)];
                Ok(self.patience.wait(&mut entries)?)
            }
            _ => Err(Trouble::Lost(error)),
        }
    }
}

/// Waits for one attempt to come to something.
fn step(connector: &mut Connector, patience: &Patience<'_>) -> Result<Progress, Trouble> {
    let turn = patience.turn()?;
    let now = patience.now();
    let attempt = connector
        .deadline()
        .map_or(turn, |deadline| deadline.saturating_duration_since(now));
    let entry = connector
        .socket()
        .map(|socket| Entry::new(socket, false, true));
    let mut entries: Vec<Entry> = entry.into_iter().collect();
    let ready = poll::wait(&mut entries, Some(turn.min(attempt))).map_err(Trouble::Lost)?;
    let now = patience.now();
    Ok(match ready {
        0 => connector.on_timeout(now),
        _ => connector.on_ready(now),
    })
}

impl From<Impatience> for Trouble {
    fn from(impatience: Impatience) -> Trouble {
        match impatience {
            Impatience::TimedOut => Trouble::TimedOut,
            Impatience::Cancelled => Trouble::Cancelled,
            Impatience::System(error) => Trouble::Lost(error),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Connect(text) => f.write_str(text),
            Trouble::Lost(error) => write!(f, "connection lost: {}", sys::reason(error)),
            Trouble::TimedOut => f.write_str("timed out"),
            Trouble::Cancelled => f.write_str("no longer wanted"),
        }
    }
}

impl Error for Trouble {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Trouble::Lost(error) => Some(error),
            Trouble::Connect(_) | Trouble::TimedOut | Trouble::Cancelled => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;
    use std::time::Duration;

    const LONG: Option<Duration> = Some(Duration::from_secs(60));

    fn listener() -> (TcpListener, Target) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        (listener, Target::parse(&address).unwrap())
    }

    #[test]
    fn carries_more_than_fits_at_once_both_ways() {
        let (listener, target) = listener();
        let echo = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut all = Vec::new();
            stream.read_to_end(&mut all).unwrap();
            stream.write_all(&all).unwrap();
        });
        let cancelled = AtomicBool::new(false);
        let patience = Patience::starting_now(LONG, &cancelled);
        let mut dialogue = Dialogue::connect(&target, patience).unwrap();
        let text = vec![7; 5_000_000];
        dialogue.send(&text).unwrap();
        dialogue.end().unwrap();
        let (mut all, mut buffer): (Vec<u8>, _) = (Vec::new(), [0; 9999]);
        loop {
            match dialogue.receive(&mut buffer).unwrap() {
                [] => break,
                octets => all.extend(octets),
            }
        }
        assert!(all == text);
        echo.join().unwrap();
    }

    #[test]
    fn waits_no_longer_than_told() {
        let (_listener, target) = listener();
        let cancelled = AtomicBool::new(false);
        let patience = Patience::starting_now(LONG, &cancelled);
        let mut dialogue = Dialogue::connect(&target, patience).unwrap();
        dialogue.patience = patience.at_most(Duration::from_millis(30));
        let error = dialogue.receive(&mut [0; 9]).unwrap_err();
        assert!(matches!(error, Trouble::TimedOut), "{error}");
        let error = loop {
            if let Err(error) = dialogue.send(&[0; 100_000]) {
                break error;
            }
        };
        assert!(matches!(error, Trouble::TimedOut), "{error}");
    }

    #[test]
    fn stops_when_nobody_is_interested() {
        let (_listener, target) = listener();
        let cancelled = AtomicBool::new(false);
        let patience = Patience::starting_now(None, &cancelled);
        let mut dialogue = Dialogue::connect(&target, patience).unwrap();
        let error = thread::scope(|scope| {
            let wait = scope.spawn(move || dialogue.receive(&mut [0; 9]).map(<[u8]>::len));
            cancelled.store(true, Ordering::Relaxed);
            wait.join().unwrap().unwrap_err()
        });
        assert!(matches!(error, Trouble::Cancelled), "{error}");
    }

    #[test]
    fn says_why_there_is_no_connection() {
        let cancelled = AtomicBool::new(false);
        let connect = |text: &str| {
            let patience = Patience::starting_now(LONG, &cancelled);
            let error = Dialogue::connect(&Target::parse(text).unwrap(), patience).unwrap_err();
            error.to_string()
        };
        let (listener, target) = listener();
        drop(listener);
        let error = connect(&target.to_string());
        assert!(
            error.starts_with(&format!("cannot connect to {target}: ")),
            "{error}"
        );
        let error = connect("no-such-host.invalid:1");
        assert!(error.starts_with("no such host: "), "{error}");
        let error = connect("/no/such/socket");
        assert!(
            error.starts_with("cannot connect to /no/such/socket: "),
            "{error}"
        );
    }
}
