//! Two engines joined by buffers instead of a network.

use crate::base::ByteQueue;
use crate::tls::{Backend, ClientSettings, Engine, Error, Provider, ServerSettings, provider};

/// Room in each queue, in octets: far less than a record may have.
const QUEUE: usize = 1500;

/// Which library is which end.
#[derive(Clone, Copy)]
pub(in crate::tls) struct Pair {
    pub(in crate::tls) client: &'static dyn Provider,
    pub(in crate::tls) server: &'static dyn Provider,
}

impl Pair {
    pub(in crate::tls) fn new(client: Backend, server: Backend) -> Pair {
        Pair {
            client: provider(Some(client)).unwrap(),
            server: provider(Some(server)).unwrap(),
        }
    }
}

/// One end: an engine with what is about to be fed to it and what it has read.
pub(in crate::tls) struct End {
    pub(in crate::tls) engine: Box<dyn Engine>,
    pub(in crate::tls) input: ByteQueue,
    pub(in crate::tls) plain: ByteQueue,
    pub(in crate::tls) error: Option<Error>,
}

impl End {
    pub(in crate::tls) fn new(engine: Box<dyn Engine>) -> End {
        End {
            engine,
            input: ByteQueue::new(QUEUE),
            plain: ByteQueue::new(QUEUE),
            error: None,
        }
    }

    /// Feeds what is there; whether that moved anything.
    pub(in crate::tls) fn read(&mut self) -> bool {
        let before = (self.input.len(), self.plain.len(), self.error.is_some());
        let result = self.engine.decrypt(&mut self.input, &mut self.plain);
        if let Err(error) = result {
            self.error = Some(error);
            self.input.clear();
        }
        before != (self.input.len(), self.plain.len(), self.error.is_some())
    }

    /// Everything that it has read.
    pub(in crate::tls) fn take_plain(&mut self) -> Vec<u8> {
        let bytes = self.plain.as_slice().to_vec();
        self.plain.clear();
        bytes
    }

    fn is_done(&self) -> bool {
        self.engine.established().is_some()
    }
}

/// Says how many of so many octets on the wire arrive now.
pub(in crate::tls) type Cut<'a> = &'a mut dyn FnMut(usize) -> usize;

/// A connection between two engines.
pub(in crate::tls) struct Link {
    pub(in crate::tls) client: End,
    pub(in crate::tls) server: End,
    to_server: ByteQueue,
    to_client: ByteQueue,
}

impl Link {
    pub(in crate::tls) fn new(
        pair: Pair,
        client: &ClientSettings,
        server: &ServerSettings,
    ) -> Link {
        let connector = pair.client.client(client).unwrap();
        let acceptor = pair.server.server(server).unwrap();
        Link::of(connector.connect().unwrap(), acceptor.accept().unwrap())
    }

    pub(in crate::tls) fn of(client: Box<dyn Engine>, server: Box<dyn Engine>) -> Link {
        Link {
            client: End::new(client),
            server: End::new(server),
            to_server: ByteQueue::new(QUEUE),
            to_client: ByteQueue::new(QUEUE),
        }
    }

    /// Moves bytes both ways until nothing moves any more.
    pub(in crate::tls) fn run_cut(&mut self, cut: Cut<'_>) {
        for _ in 0..1_000_000 {
            let there = carry(&mut self.client, &mut self.to_server, &mut self.server, cut);
            let back = carry(&mut self.server, &mut self.to_client, &mut self.client, cut);
            if !there && !back {
                return;
            }
        }
        panic!("the engines do not come to rest");
    }

    pub(in crate::tls) fn run(&mut self) {
        self.run_cut(&mut |octets| octets);
    }

    /// Runs, and says whether both ends are content.
    pub(in crate::tls) fn is_secure(&mut self) -> bool {
        self.run();
        let failed = self.client.error.is_some() || self.server.error.is_some();
        self.client.is_done() && self.server.is_done() && !failed
    }
}

/// Takes from one end, lets part of it arrive and feeds that to the other.
fn carry(from: &mut End, wire: &mut ByteQueue, to: &mut End, cut: Cut<'_>) -> bool {
    let before = wire.len();
    from.engine.take_cipher(wire);
    let taken = wire.len() > before;
    let arriving = cut(wire.len()).clamp(1, QUEUE).min(wire.len());
    let arrived = to.input.push(&wire.as_slice()[..arriving]);
    wire.consume(arrived);
    to.read() || taken || arrived > 0
}

/// Random numbers that are the same on every run (xorshift).
pub(in crate::tls) struct Random(pub(in crate::tls) u64);

impl Random {
    pub(in crate::tls) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}
