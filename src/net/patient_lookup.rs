//! Looking a name up with a deadline, on a worker.
//!
//! The system's resolver may take longer than anybody wants to wait, and cannot be
//! told to stop. So it is asked on a thread of its own, which is left behind when time
//! is up, and ends when the resolver does.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use super::address::HostPort;
use super::dialogue::Trouble;
use super::resolver::{ResolveError, literal, resolve};
use crate::sys::patience::Patience;

/// How many such threads there may be, those that were left behind included.
pub const LOOKUPS_MAX: usize = 40;

/// How much a thread needs for the resolver, in octets.
const STACK: usize = 256 * 1024;

/// How many there are, in the process.
static LOOKUPS: AtomicUsize = AtomicUsize::new(0);

type Found = Result<Vec<SocketAddr>, ResolveError>;

/// The addresses of a host; as [`resolve`], but for no longer than that.
pub fn resolve_within(
    target: &HostPort,
    patience: Patience<'_>,
) -> Result<Vec<SocketAddr>, Trouble> {
    if let Some(address) = literal(target, None) {
        return found(address);
    }
    let target = target.clone();
    within(patience, &LOOKUPS, move || resolve(&target, None))
}

fn found(found: Found) -> Result<Vec<SocketAddr>, Trouble> {
    found.map_err(|error| Trouble::Connect(error.to_string()))
}

fn within(
    patience: Patience<'_>,
    lookups: &'static AtomicUsize,
    look_up: impl FnOnce() -> Found + Send + 'static,
) -> Result<Vec<SocketAddr>, Trouble> {
    let refused = |why: &str| Trouble::Connect(format!("cannot look the name up: {why}"));
    let place = Place::take(lookups).ok_or_else(|| refused("too many lookups are under way"))?;
    let (sender, answers) = mpsc::sync_channel(1);
    let ask = move || {
        // Nobody may be there any more.
        let _ = sender.send(look_up());
        drop(place);
    };
    let builder = thread::Builder::new().name("lookup".to_owned());
    let started = builder.stack_size(STACK).spawn(ask);
    started.map_err(|_| refused("too few threads"))?;
    loop {
        match answers.recv_timeout(patience.turn()?) {
            Ok(answer) => return found(answer),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(refused("internal error")),
        }
    }
}

/// One of the threads that there may be.
struct Place(&'static AtomicUsize);

impl Place {
    fn take(lookups: &'static AtomicUsize) -> Option<Place> {
        let place = Place(lookups);
        let earlier = lookups.fetch_add(1, Ordering::Relaxed);
        (earlier < LOOKUPS_MAX).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;
    use std::sync::mpsc::Receiver;
    use std::time::Duration;

    /// A resolver that answers once the sender is dropped.
    fn slow() -> (mpsc::Sender<()>, impl FnOnce() -> Found + Send + 'static) {
        let (sender, receiver): (_, Receiver<()>) = mpsc::channel();
        let look_up = move || {
            let _ = receiver.recv();
            Ok(Vec::new())
        };
        (sender, look_up)
    }

    #[test]
    fn waits_no_longer_than_told() {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let cancelled = AtomicBool::new(false);
        let patience = Patience::starting_now(Some(Duration::from_millis(30)), &cancelled);
        let (_hold, look_up) = slow();
        let error = within(patience, &COUNT, look_up).unwrap_err();
        assert!(matches!(error, Trouble::TimedOut), "{error}");
        assert_eq!(COUNT.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn stops_when_nobody_is_interested() {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let cancelled = AtomicBool::new(true);
        let patience = Patience::starting_now(None, &cancelled);
        let (_hold, look_up) = slow();
        let error = within(patience, &COUNT, look_up).unwrap_err();
        assert!(matches!(error, Trouble::Cancelled), "{error}");
    }

    #[test]
    fn a_bounded_number_is_left_behind_and_each_ends_with_the_resolver() {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let cancelled = AtomicBool::new(true);
        let patience = Patience::starting_now(None, &cancelled);
        let mut holds = Vec::new();
        for _ in 0..LOOKUPS_MAX {
            let (hold, look_up) = slow();
            holds.push(hold);
            assert!(matches!(
                within(patience, &COUNT, look_up),
                Err(Trouble::Cancelled)
            ));
        }
        let error = within(patience, &COUNT, || Ok(Vec::new())).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot look the name up: too many lookups are under way"
        );
        assert_eq!(COUNT.load(Ordering::Relaxed), LOOKUPS_MAX);
        drop(holds);
        while COUNT.load(Ordering::Relaxed) > 0 {
            thread::yield_now();
        }
        let willing = AtomicBool::new(false);
        let patience = Patience::starting_now(None, &willing);
        assert_eq!(within(patience, &COUNT, || Ok(Vec::new())).unwrap(), []);
    }

    #[test]
    fn a_resolver_that_panics_is_an_error() {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let cancelled = AtomicBool::new(false);
        let patience = Patience::starting_now(None, &cancelled);
        let error = within(patience, &COUNT, || panic!("as a test wants it")).unwrap_err();
        assert_eq!(error.to_string(), "cannot look the name up: internal error");
        while COUNT.load(Ordering::Relaxed) > 0 {
            thread::yield_now();
        }
    }

    #[test]
    fn an_address_is_not_looked_up() {
        let cancelled = AtomicBool::new(true);
        let patience = Patience::starting_now(None, &cancelled);
        let target = HostPort::parse("192.0.2.1:783").unwrap();
        let found = resolve_within(&target, patience).unwrap();
        assert_eq!(found, [SocketAddr::from(([192, 0, 2, 1], 783))]);
    }
}
