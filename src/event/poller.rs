//! One poll for all sessions.

use std::collections::HashMap;
use std::io;
use std::time::{Duration, Instant};

use super::{Slab, Token};
use crate::sys::poll::{self, Entry, RawSocket};
use crate::sys::socket::WakeReceiver;

/// Up to that many sessions are simply all looked at each turn.
const SMALL: usize = 64;

/// How long sessions that are quiet may have to wait while others are busy: that
/// much for every `LOOK_SHARE` sessions, so that looking at all of them takes
/// about the same small part of the time however many there are.
const QUIET_LOOK: Duration = Duration::from_millis(5);

/// See `QUIET_LOOK`.
const LOOK_SHARE: u32 = 500;

/// Where none of the busy sessions had an event for so long, all are looked at.
const PATIENCE: Duration = Duration::from_millis(2);

/// A session without an event for that long counts as quiet.
const BUSY_FOR: Duration = Duration::from_millis(100);

/// What a session waits for on its socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest {
    /// The socket.
    pub socket: RawSocket,
    /// Whether it wants to read.
    pub read: bool,
    /// Whether it wants to write.
    pub write: bool,
}

/// Something that may be waited for.
pub trait Pollable {
    /// What it waits for at `now`. One that wants neither to read nor to write
    /// returns nothing: a poll reports hang-ups and errors unasked, and a session
    /// that cannot deal with them now would spin the loop.
    fn interest(&self, now: Instant) -> Option<Interest>;

    /// Adds what it waits for on further sockets, where it has more than one.
    fn more_interests(&self, _out: &mut Vec<Interest>) {}
}

/// A session that can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Which one.
    pub token: Token,
    /// Which of its sockets.
    pub socket: RawSocket,
    /// Reading will not block; it may find the end or an error.
    pub readable: bool,
    /// Writing will not block.
    pub writable: bool,
}

/// Waits for sockets, timers and the waker.
///
/// The array for the system call is made anew from the sessions each time, so no
/// closed socket can linger in it. With many sessions that alone would make each
/// message dearer; so the ones that were busy lately are looked at each turn and
/// all of them now and then and whenever there is nothing else to do.
pub struct Poller {
    waker: WakeReceiver,
    entries: Vec<Entry>,
    waiting: Vec<(Token, RawSocket)>,
    busy: HashMap<Token, Instant>,
    looked_at_all: bool,
    last_full: Option<Instant>,
}

impl Poller {
    /// Makes a poller that also wakes up for `waker`.
    pub fn new(waker: WakeReceiver) -> Poller {
        Poller {
            waker,
            entries: Vec::new(),
            waiting: Vec::new(),
            busy: HashMap::new(),
            looked_at_all: false,
            last_full: None,
        }
    }

    /// Notes that the session had something to do at `now`.
    pub fn touch(&mut self, token: Token, now: Instant) {
        self.busy.insert(token, now);
    }

    /// Waits until a session is ready, the waker is woken or `deadline` is
    /// reached, and puts the sessions that are ready into `ready`.
    pub fn wait<S: Pollable>(
        &mut self,
        sessions: &Slab<S>,
        now: Instant,
        deadline: Option<Instant>,
        ready: &mut Vec<Ready>,
    ) -> io::Result<()> {
        ready.clear();
        let timeout = deadline.map(|deadline| deadline.saturating_duration_since(now));
        // The time is only known when the next wait begins.
        if std::mem::take(&mut self.looked_at_all) {
            self.last_full = Some(now);
        }
        if sessions.len() > SMALL
            && let Some(left) = self.until_full_look(sessions.len(), now)
        {
            let patience = left.min(PATIENCE);
            let timeout = timeout.map_or(patience, |timeout| timeout.min(patience));
            self.collect_busy(sessions, now);
            if self.poll(Some(timeout), ready)? || timeout < patience {
                return Ok(());
            }
        }
        // What was busy is dropped from the list only here, so that a look at all
        // always follows before a session is taken for quiet.
        self.busy
            .retain(|_, last| now.saturating_duration_since(*last) < BUSY_FOR);
        self.looked_at_all = true;
        self.collect(sessions.iter(), now);
        self.poll(timeout, ready)?;
        Ok(())
    }

    /// How long a look at the busy sessions may take before all are due; nothing
    /// where all are due now.
    fn until_full_look(&self, sessions: usize, now: Instant) -> Option<Duration> {
        let shares = u32::try_from(sessions).unwrap_or(u32::MAX) / LOOK_SHARE;
        let since = now.saturating_duration_since(self.last_full?);
        let left = QUIET_LOOK.saturating_mul(1 + shares).checked_sub(since)?;
        (!self.busy.is_empty() && !left.is_zero()).then_some(left)
    }

    fn collect_busy<S: Pollable>(&mut self, sessions: &Slab<S>, now: Instant) {
        let busy = std::mem::take(&mut self.busy);
        let at_home = busy
            .keys()
            .filter_map(|token| Some((*token, sessions.get(*token)?)));
        self.collect(at_home, now);
        self.busy = busy;
    }

    fn collect<'a, S: Pollable + 'a>(
        &mut self,
        sessions: impl Iterator<Item = (Token, &'a S)>,
        now: Instant,
    ) {
        self.entries.clear();
        self.waiting.clear();
        self.entries.push(Entry::new(self.waker.raw(), true, false));
        let mut interests = Vec::new();
        for (token, session) in sessions {
            interests.extend(session.interest(now));
            session.more_interests(&mut interests);
            for interest in interests.drain(..) {
                let Interest {
                    socket,
                    read,
                    write,
                } = interest;
                self.entries.push(Entry::new(socket, read, write));
                self.waiting.push((token, socket));
            }
        }
    }

    /// Whether anything came of it.
    fn poll(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<bool> {
        if poll::wait(&mut self.entries, timeout)? == 0 {
            return Ok(false);
        }
        let (waker, sessions) = self.entries.split_at(1);
        if waker.iter().any(Entry::is_ready) {
            self.waker.drain();
        }
        let with_token = sessions.iter().zip(&self.waiting);
        ready.extend(with_token.filter(|(entry, _)| entry.is_ready()).map(
            |(entry, (token, socket))| Ready {
                token: *token,
                socket: *socket,
                readable: entry.is_readable(),
                writable: entry.is_writable(),
            },
        ));
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::socket::{Address, Listener, Stream, wake_pair};
    use crate::sys::testing::LONG;
    use std::io::Write;

    struct Reader(Stream);

    impl Pollable for Reader {
        fn interest(&self, _now: Instant) -> Option<Interest> {
            Some(Interest {
                socket: self.0.raw(),
                read: true,
                write: false,
            })
        }
    }

    struct Pair {
        token: Token,
        far: Stream,
    }

    fn connect(sessions: &mut Slab<Reader>, listener: &Listener) -> Pair {
        let far = Stream::connect(&listener.local_address().unwrap(), None).unwrap();
        let near = loop {
            match listener.accept() {
                Ok((near, _)) => break near,
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        };
        let token = sessions.insert(Reader(near));
        Pair { token, far }
    }

    fn listener() -> Listener {
        Listener::bind(&Address::Tcp("127.0.0.1:0".parse().unwrap()), 100).unwrap()
    }

    #[test]
    fn reports_the_session_that_can_read() {
        let (_waker, receiver) = wake_pair().unwrap();
        let (listener, mut sessions) = (listener(), Slab::default());
        let (mut poller, mut ready) = (Poller::new(receiver), Vec::new());
        let pairs: Vec<Pair> = (0..3).map(|_| connect(&mut sessions, &listener)).collect();
        let mut far = &pairs[1].far;
        far.write_all(b"x").unwrap();
        poller
            .wait(&sessions, Instant::now(), None, &mut ready)
            .unwrap();
        assert_eq!(
            ready.iter().map(|r| r.token).collect::<Vec<_>>(),
            [pairs[1].token]
        );
        assert!(ready[0].readable);
    }

    #[test]
    fn the_waker_and_deadlines_end_a_wait() {
        let (waker, receiver) = wake_pair().unwrap();
        let (mut poller, mut ready) = (Poller::new(receiver), Vec::new());
        let sessions: Slab<Reader> = Slab::default();
        waker.wake();
        poller
            .wait(&sessions, Instant::now(), None, &mut ready)
            .unwrap();
        let start = Instant::now();
        let deadline = start + Duration::from_millis(20);
        poller
            .wait(&sessions, start, Some(deadline), &mut ready)
            .unwrap();
        assert!(Instant::now() >= deadline, "never early");
        assert!(ready.is_empty());
    }

    #[test]
    fn quiet_sessions_are_heard_beside_busy_ones() {
        let (_waker, receiver) = wake_pair().unwrap();
        let (listener, mut sessions) = (listener(), Slab::default());
        let (mut poller, mut ready) = (Poller::new(receiver), Vec::<Ready>::new());
        let pairs: Vec<Pair> = (0..SMALL + 10)
            .map(|_| connect(&mut sessions, &listener))
            .collect();
        let (busy, quiet) = (&pairs[0], &pairs[70]);
        for mut far in [&busy.far, &quiet.far] {
            far.write_all(b"x").unwrap();
        }
        // The busy one is never read, so it is ready at every turn.
        let start = Instant::now();
        let mut turns = 0;
        while !ready.iter().any(|r| r.token == quiet.token) {
            let now = Instant::now();
            assert!(now < start + LONG);
            poller.touch(busy.token, now);
            poller.wait(&sessions, now, None, &mut ready).unwrap();
            assert!(ready.iter().any(|r| r.token == busy.token));
            turns += 1;
            if turns == 1 {
                // The first look is at all: the quiet one comes as news only later.
                poller.last_full = Some(now);
                ready.clear();
            }
        }
        assert!(turns > 1);
    }
}
