//! Accepts SMTP connections.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use crate::event::{Interest, Ready, Token};
use crate::net::listener::Listener;
use crate::net::local;
use crate::proto::dnsbl;
use crate::sys::socket::{Address, Stream};
use crate::{info, verbose, warning};

use super::clients::Clients;
use super::context::Context;
use super::dnsbl::Screening;
use super::guest::{self, Guest, Word};
use super::peer::Peer;
use super::session::{Kind, Message, Session};
use super::smtp_server::{Service, SmtpServer};
use super::verdict;

/// Who is let in.
pub struct Door {
    /// Whether clients are that are not local.
    pub remote_clients: bool,
    /// The block lists that those are checked against.
    pub block_lists: Arc<[dnsbl::Config]>,
    /// Those who are in.
    pub clients: Rc<Clients>,
}

/// A listening socket.
pub struct SmtpListener {
    listener: Listener,
    service: Arc<Service>,
    door: Rc<Door>,
    over: bool,
}

impl SmtpListener {
    /// Takes a bound socket.
    pub fn new(listener: Listener, service: Arc<Service>, door: Rc<Door>) -> SmtpListener {
        SmtpListener {
            listener,
            service,
            door,
            over: false,
        }
    }

    fn accept(&mut self, context: &mut Context) {
        for (stream, address) in self.listener.accept_some(context.now) {
            self.welcome(stream, address, context);
        }
    }

    fn welcome(&mut self, stream: Stream, address: Address, context: &mut Context) {
        let peer = Peer::new(address);
        let ip = peer.ip();
        if !self.door.remote_clients && !local::is_local(ip) {
            let ranges = local::ranges_text(ip);
            warning!("configured to reject non-local smtp connection: {ip} is not in {ranges}");
            warning!("connection rejected from {peer}");
            guest::send_off(&stream, &verdict::not_local().render());
        } else if context.smtp_sessions + context.started.len() >= context.smtp_sessions_max {
            info!("smtp connection refused: too many sessions: {peer}");
            guest::send_off(&stream, &verdict::too_many_sessions().render());
        } else if let Some(visit) = self.door.clients.admit(ip) {
            let service = Arc::clone(&self.service);
            let guest = Guest {
                service,
                stream,
                peer,
                visit,
            };
            self.receive(guest, context);
        } else {
            info!("smtp connection refused: too many sessions of one client: {peer}");
            guest::send_off(&stream, &verdict::too_many_of_one().render());
        }
    }

    /// Has a client checked, where it is to be, and then served.
    fn receive(&self, guest: Guest, context: &mut Context) {
        let lists = &self.door.block_lists;
        let ip = guest.peer.ip();
        if !lists.is_empty() && !local::is_local(ip) {
            context.begin(Box::new(Screening::new(guest, Arc::clone(lists))));
            return;
        }
        if !lists.is_empty() {
            verbose!("{}", dnsbl::local_text(ip));
        }
        let now = context.wall_clock();
        context.look_for_changes();
        context.begin(Box::new(SmtpServer::new(guest, Word::None, now)));
    }
}

impl Session for SmtpListener {
    fn kind(&self) -> Kind {
        Kind::Listener
    }

    fn start(&mut self, _token: Token, _context: &mut Context) {
        info!("smtp server on {}", self.listener.address());
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
