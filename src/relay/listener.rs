//! Accepts connections, whatever is spoken on them.

use std::rc::Rc;
use std::time::Instant;

use crate::event::{Interest, Ready, Token};
use crate::net::listener::Listener;
use crate::net::local;
use crate::sys::socket::{Address, Stream};
use crate::{info, warning};

use super::clients::{Clients, TooMany, Visit};
use super::context::Context;
use super::guest;
use super::peer::Peer;
use super::session::{Kind, Message, Session};

/// Serves those who are let in.
pub trait Host {
    /// What log lines call the server: `smtp`.
    fn name(&self) -> &'static str;

    /// What a client gets to read that is sent away.
    fn refusal(&self, refusal: Refusal) -> Vec<u8>;

    /// Begins a session with a client that has been let in.
    fn receive(&self, caller: Caller, context: &mut Context);

    /// Whether only clients on this system are let in, whatever else is said.
    fn is_for_this_system_only(&self) -> bool {
        false
    }
}

/// Why a client is sent away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is not local.
    NotLocal,
    /// There are too many sessions of this client, or of all.
    TooMany(TooMany),
}

/// A client that has been let in.
pub struct Caller {
    /// The connection.
    pub stream: Stream,
    /// Who it is.
    pub peer: Peer,
    /// The port that it came in by; nothing on a unix-domain socket.
    pub port: Option<u16>,
    /// Its place among the sessions of that client.
    pub visit: Visit,
}

/// Who is let in, and what for.
pub struct Door {
    /// Who serves them.
    pub host: Box<dyn Host>,
    /// Whether clients are let in that are not local.
    pub remote_clients: bool,
    /// Those who are in.
    pub clients: Rc<Clients>,
}

/// A listening socket of a server.
pub struct ServerListener {
    listener: Listener,
    door: Rc<Door>,
    over: bool,
}

impl ServerListener {
    /// Takes a bound socket.
    pub fn new(listener: Listener, door: Rc<Door>) -> ServerListener {
        ServerListener {
            listener,
            door,
            over: false,
        }
    }

    fn accept(&mut self, context: &mut Context) {
        for (stream, address) in self.listener.accept_some(context.now) {
            let port = self.listener.address().port();
            self.door.open(stream, address, port, context);
        }
    }
}

impl Door {
    fn open(&self, stream: Stream, address: Address, port: Option<u16>, context: &mut Context) {
        let peer = Peer::new(address);
        match self.admit(&stream, &peer) {
            Ok(visit) => {
                context.look_for_changes();
                let caller = Caller {
                    stream,
                    peer,
                    port,
                    visit,
                };
                self.host.receive(caller, context);
            }
            Err(refusal) => {
                context.watch.counters.turned_away(refusal.into());
                guest::send_off(&stream, &self.host.refusal(refusal));
            }
        }
    }

    fn admit(&self, stream: &Stream, peer: &Peer) -> Result<Visit, Refusal> {
        let (name, ip) = (self.host.name(), peer.ip());
        if self.host.is_for_this_system_only() && !is_on_this_system(stream, peer) {
            warning!("rejecting {name} connection: {ip} is not on this system");
            warning!("connection rejected from {peer}");
            return Err(Refusal::NotLocal);
        }
        if !self.remote_clients && !local::is_local(ip) {
            let ranges = local::ranges_text(ip);
            warning!("configured to reject non-local {name} connection: {ip} is not in {ranges}");
            warning!("connection rejected from {peer}");
            return Err(Refusal::NotLocal);
        }
        self.clients.admit(ip).map_err(|too_many| {
            info!("{name} connection refused: {too_many}: {peer}");
            Refusal::TooMany(too_many)
        })
    }
}

/// Whether the peer is on this system, perhaps under another address than that of
/// the loopback: then it is the one that it has connected to.
fn is_on_this_system(stream: &Stream, peer: &Peer) -> bool {
    let own = || stream.local_address().ok().and_then(|own| own.ip());
    peer.is_on_this_system() || own().map(|ip| ip.to_canonical()) == peer.remote_ip()
}

impl Session for ServerListener {
    fn kind(&self) -> Kind {
        Kind::Listener
    }

    fn start(&mut self, token: Token, context: &mut Context) {
        let (name, address) = (self.door.host.name(), self.listener.address());
        context.watch.traffic.listens(token, address.clone());
        info!("{name} server on {address}");
    }

    fn interest(&self, now: Instant) -> Option<Interest> {
        self.listener.wants_read(now).then(|| Interest {
            socket: self.listener.raw(),
            read: true,
            write: false,
        })
    }

    fn deadline(&self) -> Option<Instant> {
        self.listener.deadline()
    }

    fn on_ready(&mut self, _ready: Ready, context: &mut Context) {
        self.accept(context);
    }

    fn on_timeout(&mut self, context: &mut Context) {
        self.accept(context);
    }

    fn on_message(&mut self, _message: Message, _context: &mut Context) {}

    fn on_shutdown(&mut self, _context: &mut Context) {
        self.over = true;
    }

    fn is_over(&self) -> bool {
        self.over
    }
}
