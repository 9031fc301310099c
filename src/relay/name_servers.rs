//! Keeps up with the system's list of name servers, which may change with the
//! network that a host is in.

use std::time::Instant;

use crate::event::Token;
use crate::verbose;

use super::context::Context;
use super::disk;
use super::limits::NAME_SERVERS_EVERY;
use super::lookup::{Done, Job};
use super::session::{Kind, Message, Session};

/// Has the list read now and then.
pub struct NameServerWatch {
    token: Token,
    read_at: Option<Instant>,
    over: bool,
}

impl NameServerWatch {
    /// A watch over a list that has just been read.
    #[must_use]
    pub fn new() -> NameServerWatch {
        NameServerWatch {
            token: Token::NOBODY,
            read_at: None,
            over: false,
        }
    }
}

impl Default for NameServerWatch {
    fn default() -> NameServerWatch {
        NameServerWatch::new()
    }
}

impl Session for NameServerWatch {
    fn kind(&self) -> Kind {
        Kind::NameServerWatch
    }

    fn start(&mut self, token: Token, context: &mut Context) {
        self.token = token;
        self.read_at = Some(context.now + NAME_SERVERS_EVERY);
    }

    fn deadline(&self) -> Option<Instant> {
        self.read_at
    }

    fn on_timeout(&mut self, context: &mut Context) {
        // The next time is set once this one is done: one job at a time.
        self.read_at = None;
        context.look_up(self.token, Job::NameServers);
    }

    fn on_message(&mut self, message: Message, context: &mut Context) {
        let Message::Lookup(done) = message else {
            return disk::abandon(message, context);
        };
        self.read_at = Some(context.now + NAME_SERVERS_EVERY);
        if let Some(Done::NameServers(servers)) = done
            && servers != context.name_servers
        {
            verbose!("dnsbl: name servers are now {servers:?}");
            context.name_servers = servers;
        }
    }

    fn on_shutdown(&mut self, _context: &mut Context) {
        self.over = true;
    }

    fn is_over(&self) -> bool {
        self.over
    }
}
