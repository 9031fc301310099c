//! What can be told of the running program: counters, connections, events.
//!
//! The loop owns it. Sessions say what happens, through the [`Context`]; who wants
//! to know asks for it there, or is told of events.

pub mod counters;
pub mod metrics;
pub mod surveyor;
pub mod switches;
pub mod traffic;

use std::rc::Rc;

use crate::base::OneLine;
use crate::event::Token;
use crate::store::{Locked, Suffix};
use crate::sys::socket::{Address, Stream};

use super::context::Context;
use super::session::Message;
use super::settlement::Settlement;
use counters::Counters;
use traffic::{Ends, Service, Traffic};

/// What the loop knows of itself.
#[derive(Debug, Default)]
pub struct Watch {
    /// What has happened.
    pub counters: Counters,
    /// Who is connected.
    pub traffic: Traffic,
    /// Who wants to be told of events: no more than there are administrators.
    audience: Vec<Token>,
}

impl Context {
    /// Tells those who want to know. The text is made only if there are any.
    pub fn announce(&mut self, event: impl FnOnce() -> String) {
        if self.watch.audience.is_empty() {
            return;
        }
        let event = Rc::new(OneLine::escaped(event()));
        for token in self.watch.audience.clone() {
            self.post(token, Message::Event(Rc::clone(&event)));
        }
    }

    /// Has a session told of events until it is over.
    pub fn tell_of_events(&mut self, token: Token) {
        if !self.watch.audience.contains(&token) {
            self.watch.audience.push(token);
        }
    }

    /// A client has come.
    pub fn arrived(&mut self, token: Token, service: Service, stream: &Stream, peer: &Address) {
        let ends = Ends::Known {
            local: stream.local_address().ok(),
            peer: peer.clone(),
        };
        self.begins(token, service, ends);
    }

    /// A connection to a next hop, under that name, is to be made.
    pub fn departs(&mut self, token: Token, name: String) {
        self.begins(token, Service::NextHop, Ends::Wanted(name));
    }

    /// The connection to a next hop is there.
    pub fn connected(&mut self, token: Token, stream: &Stream, peer: &Address) {
        let local = stream.local_address().ok();
        self.watch.traffic.connected(token, local, peer.clone());
        self.announce(|| format!("client: connected: {peer}"));
    }

    /// A message is about to be sent.
    pub fn attempting(&mut self, mail: &Locked) {
        self.announce(|| format!("client: sending: {}", content_path(mail)));
    }

    /// An attempt to forward a message has come to that.
    pub fn attempted(&mut self, mail: &Locked, settlement: &Settlement) {
        let error = match settlement {
            Settlement::Sent => {
                let octets = &mut self.watch.counters.sent_octets;
                *octets = octets.saturating_add(mail.content_size());
                None
            }
            Settlement::Deferred { attempt, .. } => Some(&attempt.reply),
            Settlement::Failed { reasons, .. } => reasons.first().map(|reason| &reason.text),
            Settlement::Untouched | Settlement::Skipped => return,
        };
        self.announce(|| {
            let error = error.map(|error| format!(": {error}"));
            let path = content_path(mail);
            format!("client: sent: {path}{}", error.unwrap_or_default())
        });
    }

    fn begins(&mut self, token: Token, service: Service, ends: Ends) {
        self.watch.traffic.begins(token, service, ends);
        self.announce_network(service, "start");
    }

    /// A session is over.
    pub(super) fn forget(&mut self, token: Token) {
        self.watch.audience.retain(|one| *one != token);
        if let Some(service) = self.watch.traffic.ends(token) {
            self.announce_network(service, "stop");
        }
    }

    fn announce_network(&mut self, service: Service, what: &'static str) {
        if service.is_news() {
            let direction = service.direction().as_str();
            self.announce(|| format!("network: {direction}: {what}"));
        }
    }
}

fn content_path(mail: &Locked) -> String {
    let path = mail.spool().path_of(mail.id(), Suffix::Content);
    path.display().to_string()
}
