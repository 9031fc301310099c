//! The loop: the only place that waits and the only one that asks for the time.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::log::{self, Subject};
use crate::event::{Interest, Pollable, Poller, Ready, Slab, Timers, Token};
use crate::sys::notify::{self, State};
use crate::sys::signal::Signals;
use crate::{debug, error, info, verbose};

use super::context::Context;
use super::disk;
use super::limits::{FAREWELL, HURRIED_SHUTDOWN_MAX, SAME_SIGNAL_MAX, SHUTDOWN_MAX};
use super::session::{Kind, Message, Session};

/// A session in its slot.
struct Slot {
    session: Box<dyn Session>,
    kind: Kind,
    armed: Option<Instant>,
    unit: Option<Arc<str>>,
}

impl Slot {
    /// On whose behalf it works.
    fn subject(&self) -> Subject {
        Subject {
            unit: self.unit.clone(),
            address: self.session.peer().map(str::to_owned),
            port: self.session.peer_port(),
            message: self.session.message_id(),
        }
    }
}

impl Pollable for Slot {
    fn interest(&self, now: Instant) -> Option<Interest> {
        self.session.interest(now)
    }

    fn more_interests(&self, out: &mut Vec<Interest>) {
        self.session.more_interests(out);
    }
}

/// All sessions and what drives them.
pub struct Relay {
    sessions: Slab<Slot>,
    timers: Timers,
    poller: Poller,
    signals: Signals,
    context: Context,
    stop_at: Option<Instant>,
    /// When the program was told to stop.
    told_at: Option<Instant>,
    /// When those that are still there are told so.
    farewell_at: Option<Instant>,
    heartbeat: Option<Heartbeat>,
}

/// What the service manager hears every so often while the loop turns.
struct Heartbeat {
    every: Duration,
    next: Instant,
}

impl Relay {
    /// Makes a relay without sessions.
    pub fn new(poller: Poller, signals: Signals, context: Context) -> Relay {
        Relay {
            sessions: Slab::default(),
            timers: Timers::default(),
            poller,
            signals,
            context,
            stop_at: None,
            farewell_at: None,
            told_at: None,
            heartbeat: None,
        }
    }

    /// Has the service manager told every so often that the loop turns.
    pub fn beat(&mut self, every: Option<Duration>) {
        let next = self.context.now;
        self.heartbeat = every.map(|every| Heartbeat { every, next });
    }

    /// What sessions act through.
    pub fn context(&mut self) -> &mut Context {
        &mut self.context
    }

    /// Adds a session and returns its name.
    pub fn add(&mut self, session: Box<dyn Session>) -> Token {
        let kind = session.kind();
        let token = self.sessions.insert(Slot {
            session,
            kind,
            armed: None,
            unit: self.context.unit.clone(),
        });
        debug!("{token}: {kind:?} begins");
        self.dispatch(token, |session, context| session.start(token, context));
        token
    }

    /// Runs until nothing is left to do or the program is told to stop; returns
    /// the exit status. Fails only where waiting itself fails.
    pub fn run(&mut self) -> io::Result<u8> {
        let mut ready = Vec::new();
        while !self.is_done() {
            let deadline = self.next_deadline();
            self.poller
                .wait(&self.sessions, self.context.now, deadline, &mut ready)?;
            self.context.now = Instant::now();
            self.beat_if_due();
            self.heed_signals();
            self.context.collect();
            self.deliver();
            // What has come in counts, though the time may be over by now: it is the
            // program that was late, as when it was frozen for a while.
            for event in &ready {
                self.on_ready(*event);
            }
            self.expire();
            self.deliver();
            self.obey();
            self.say_farewell_if_due();
        }
        verbose!("all sessions are closed");
        Ok(self.context.status())
    }

    /// Everything is done once no session and no job is left, or time is up.
    fn is_done(&self) -> bool {
        let stopping = self.context.stopping || self.context.exit.is_some();
        let quiet = self.sessions.is_empty() && self.context.jobs() == 0;
        let late = self
            .stop_at
            .is_some_and(|stop_at| stop_at <= self.context.now);
        quiet || (stopping && late)
    }

    fn next_deadline(&mut self) -> Option<Instant> {
        let timer = self.next_timer().map(|(deadline, _)| deadline);
        let heartbeat = self.heartbeat.as_ref().map(|beat| beat.next);
        let all = [timer, self.stop_at, self.farewell_at, heartbeat];
        all.into_iter().flatten().min()
    }

    fn beat_if_due(&mut self) {
        let now = self.context.now;
        if let Some(heartbeat) = self.heartbeat.as_mut().filter(|beat| beat.next <= now) {
            heartbeat.next = now + heartbeat.every;
            notify::tell(State::Alive);
        }
    }

    /// The earliest deadline that a session still has armed.
    fn next_timer(&mut self) -> Option<(Instant, Token)> {
        let sessions = &self.sessions;
        let counts = |deadline, token| {
            sessions
                .get(token)
                .is_some_and(|slot: &Slot| slot.armed == Some(deadline))
        };
        self.timers.next(counts)
    }

    fn heed_signals(&mut self) {
        let caught = self.signals.take();
        if caught.terminate {
            self.heed_termination();
        }
        if caught.reload && !self.context.stopping {
            info!("told to reload: reading secrets and certificates again");
            notify::tell(State::Reloading);
            self.context.reread();
        }
        self.obey();
    }

    /// Stops once a session has said so.
    fn obey(&mut self) {
        if self.context.exit.is_some() && !self.context.stopping {
            self.stop();
        }
    }

    /// Stops, or does so sooner if it has been told before. Whoever signals all
    /// processes of a service reaches this one twice, directly and by its monitor.
    fn heed_termination(&mut self) {
        let now = self.context.now;
        let told_at = *self.told_at.get_or_insert(now);
        if !self.context.stopping {
            info!("told to stop: finishing what is in flight");
            self.stop();
        } else if now.saturating_duration_since(told_at) >= SAME_SIGNAL_MAX {
            info!("told to stop again: not waiting much longer");
            let soon = now + HURRIED_SHUTDOWN_MAX;
            self.stop_at = self.stop_at.map(|stop_at| stop_at.min(soon));
            self.farewell_at = self.farewell_at.map(|farewell_at| farewell_at.min(now));
        }
    }

    fn stop(&mut self) {
        notify::tell(State::Stopping);
        self.context.stopping = true;
        self.stop_at = Some(self.context.now + SHUTDOWN_MAX);
        self.farewell_at = Some(self.context.now + SHUTDOWN_MAX - FAREWELL);
        self.each(|session, context| session.on_shutdown(context));
    }

    /// Tells those that are still there that there is no more time, while there is still
    /// some for what they have to say.
    fn say_farewell_if_due(&mut self) {
        let now = self.context.now;
        if self.farewell_at.take_if(|at| *at <= now).is_some() {
            self.each(|session, context| session.on_time_up(context));
        }
    }

    fn each(&mut self, act: impl Fn(&mut dyn Session, &mut Context)) {
        let tokens: Vec<Token> = self.sessions.iter().map(|(token, _)| token).collect();
        for token in tokens {
            self.dispatch(token, &act);
        }
    }

    fn on_ready(&mut self, ready: Ready) {
        self.poller.touch(ready.token, self.context.now);
        self.dispatch(ready.token, |session, context| {
            session.on_ready(ready, context)
        });
    }

    /// Delivers posts until none is left. Sessions answer each other a bounded
    /// number of times before they wait for a job or a socket.
    fn deliver(&mut self) {
        loop {
            for (unit, session) in std::mem::take(&mut self.context.started) {
                self.context.unit = unit;
                self.add(session);
            }
            let posts: VecDeque<_> = std::mem::take(&mut self.context.posts);
            if posts.is_empty() && self.context.started.is_empty() {
                return;
            }
            for (token, message) in posts {
                self.post(token, message);
            }
        }
    }

    fn post(&mut self, token: Token, message: Message) {
        if self.sessions.get(token).is_none() {
            disk::abandon(message, &mut self.context);
            return;
        }
        self.poller.touch(token, self.context.now);
        self.dispatch(token, |session, context| {
            session.on_message(message, context)
        });
    }

    /// Tells all whose time has come, each once: who wants to go on at once does so in
    /// the next turn, after others have had theirs.
    fn expire(&mut self) {
        let now = self.context.now;
        let mut all = Vec::new();
        while let Some((deadline, token)) = self.next_timer() {
            let Some(slot) = self.sessions.get_mut(token).filter(|_| deadline <= now) else {
                break;
            };
            slot.armed = None;
            all.push(token);
        }
        for token in all {
            self.dispatch(token, |session, context| {
                if session.deadline().is_some_and(|deadline| deadline <= now) {
                    session.on_timeout(context);
                }
            });
        }
    }

    /// Lets a session act, arms its next deadline and drops it once it is over.
    /// A panic ends that session alone.
    fn dispatch(&mut self, token: Token, act: impl FnOnce(&mut dyn Session, &mut Context)) {
        let Some(mut slot) = self.sessions.take(token) else {
            return;
        };
        log::set_subject(slot.subject());
        self.context.unit = slot.unit.clone();
        let context = &mut self.context;
        let result = catch_unwind(AssertUnwindSafe(|| act(&mut *slot.session, context)));
        let over = result.is_err() || slot.session.is_over();
        if result.is_err() {
            error!("a session was closed because of an internal error");
            // It may have had that in its hands.
            self.context.renew_scratch();
            self.context.posts.extend(slot.session.last_words());
            if matches!(slot.kind, Kind::Listener | Kind::Forwarder) {
                // Without it the program is of little use; whoever watches over it
                // can start it again.
                self.context.exit = Some(1);
            }
        }
        if over {
            debug!("{token}: {:?} is over", slot.kind);
            self.context.forget(token);
            self.sessions.release(token);
        } else {
            self.arm(token, &mut slot);
            self.sessions.put(token, slot);
        }
        log::set_subject(Subject::default());
    }

    fn arm(&mut self, token: Token, slot: &mut Slot) {
        let Some(deadline) = slot.session.deadline() else {
            return;
        };
        if slot.armed.is_none_or(|armed| deadline < armed) {
            slot.armed = Some(deadline);
            self.timers.arm(deadline, token);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::context::Pools;
    use crate::sys::socket::{Address, Stream, wake_pair};
    use crate::sys::testing::await_socket;
    use crate::sys::{signal, time};
    use std::io::Write;
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Ends when it is told to, or panics then.
    struct Dummy {
        heir: Option<Token>,
        over: bool,
    }

    impl Session for Dummy {
        fn kind(&self) -> Kind {
            Kind::SmtpClient
        }

        fn start(&mut self, token: Token, context: &mut Context) {
            if self.heir.is_some() {
                context.post(token, Message::NoMoreMail);
            }
        }

        fn on_message(&mut self, _message: Message, _context: &mut Context) {
            assert!(self.heir.is_none(), "a panic on purpose");
            self.over = true;
        }

        fn on_shutdown(&mut self, _context: &mut Context) {}

        fn is_over(&self) -> bool {
            self.over
        }

        fn last_words(&self) -> Vec<(Token, Message)> {
            self.heir
                .map(|heir| (heir, Message::NoMoreMail))
                .into_iter()
                .collect()
        }
    }

    /// The only test that watches signals in this process, which works once.
    fn relay() -> Relay {
        let (sender, receiver) = wake_pair().unwrap();
        let signals = signal::watch(Arc::new(sender)).unwrap();
        let context = Context::new(Instant::now(), time::wall_clock, Pools::small());
        Relay::new(Poller::new(receiver), signals, context)
    }

    /// Whose time has come, again and again, and who has input.
    struct Late {
        due: Instant,
        stream: Stream,
        timeouts: Arc<AtomicUsize>,
        heard: Arc<AtomicUsize>,
    }

    impl Session for Late {
        fn kind(&self) -> Kind {
            Kind::SmtpClient
        }

        fn start(&mut self, _token: Token, _context: &mut Context) {}

        fn interest(&self, _now: Instant) -> Option<Interest> {
            Some(Interest {
                socket: self.stream.raw(),
                read: true,
                write: false,
            })
        }

        fn deadline(&self) -> Option<Instant> {
            Some(self.due)
        }

        fn on_ready(&mut self, _ready: Ready, _context: &mut Context) {
            self.heard.fetch_add(1, Ordering::Relaxed);
        }

        fn on_timeout(&mut self, _context: &mut Context) {
            let earlier = self.timeouts.fetch_add(1, Ordering::Relaxed);
            assert!(earlier < 100, "there is no end to it");
        }

        fn on_message(&mut self, _message: Message, _context: &mut Context) {}

        fn on_shutdown(&mut self, _context: &mut Context) {}

        fn is_over(&self) -> bool {
            self.heard.load(Ordering::Relaxed) > 0
        }
    }

    #[test]
    fn sessions_get_their_turns() {
        let mut relay = relay();
        a_panic_ends_one_session_and_who_counts_on_it_is_told(&mut relay);
        who_wants_to_go_on_at_once_lets_others_have_their_turn(&mut relay);
    }

    fn who_wants_to_go_on_at_once_lets_others_have_their_turn(relay: &mut Relay) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::Tcp(listener.local_addr().unwrap());
        let stream = Stream::connect(&address, None).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        let socket = stream.raw();
        let (timeouts, heard) = (Arc::default(), Arc::default());
        relay.add(Box::new(Late {
            due: relay.context.now,
            stream,
            timeouts: Arc::clone(&timeouts),
            heard: Arc::clone(&heard),
        }));
        let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        for turn in 1..=2 {
            relay.expire();
            assert_eq!(count(&timeouts), turn);
        }
        // What has come in counts for more than that its time is over.
        peer.write_all(b"250 ok\r\n").unwrap();
        await_socket(socket, true, false);
        relay.run().unwrap();
        assert_eq!((count(&timeouts), count(&heard)), (2, 1));
    }

    fn a_panic_ends_one_session_and_who_counts_on_it_is_told(relay: &mut Relay) {
        let heir = relay.add(Box::new(Dummy {
            heir: None,
            over: false,
        }));
        relay.add(Box::new(Dummy {
            heir: Some(heir),
            over: false,
        }));
        relay.context.scratch = Box::default();
        relay.deliver();
        assert!(!relay.context.scratch.is_empty());
        assert!(relay.sessions.is_empty(), "both are over");
        assert_eq!(relay.run().unwrap(), 0);
    }
}
