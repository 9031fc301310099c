//! Accepts SMTP connections.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use crate::event::{Interest, Ready, Token};
use crate::net::listener::Listener;
use crate::net::local;
use crate::sys::socket::{Address, Stream};
use crate::{info, warning};

use super::context::Context;
use super::peer::Peer;
use super::session::{Kind, Message, Session};
use super::smtp_server::{Service, SmtpServer};
use super::verdict;

/// A listening socket.
pub struct SmtpListener {
    listener: Listener,
    service: Arc<Service>,
    remote_clients: bool,
    over: bool,
}

impl SmtpListener {
    /// Takes a bound socket; clients that are not local are refused unless
    /// `remote_clients`.
    pub fn new(listener: Listener, service: Arc<Service>, remote_clients: bool) -> SmtpListener {
        SmtpListener {
            listener,
            service,
            remote_clients,
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
        if !self.remote_clients && !local::is_local(ip) {
            let ranges = local::ranges_text(ip);
            warning!("configured to reject non-local smtp connection: {ip} is not in {ranges}");
            warning!("connection rejected from {peer}");
            send_off(&stream, &verdict::not_local().render());
        } else if context.smtp_sessions + context.started.len() >= context.smtp_sessions_max {
            info!("smtp connection refused: too many sessions: {peer}");
            send_off(&stream, &verdict::too_many_sessions().render());
        } else {
            context.look_for_changes();
            let now = context.wall_clock();
            let session = SmtpServer::new(Arc::clone(&self.service), stream, peer, now);
            context.begin(Box::new(session));
        }
    }
}

/// Says one thing and hangs up; a client that cannot take it at once goes without.
fn send_off(mut stream: &Stream, reply: &[u8]) {
    // Nothing to be done about a client that has gone already.
    let _ = stream.write(reply);
    let _ = stream.shutdown_write();
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
