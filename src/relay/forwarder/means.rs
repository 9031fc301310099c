//! What all passes have at their disposal: the next hops, how to get in there, and
//! what is remembered of them from one pass to the next.

use std::sync::Arc;
use std::time::Instant;

use crate::base::OneLine;
use crate::event::Token;
use crate::net::address::Target;
use crate::proto::mx::ADDRESSES_MAX;
use crate::relay::access::Access;
use crate::relay::context::Context;
use crate::relay::disk;
use crate::relay::lookup::Origin;
use crate::relay::mail::{Ending, Line, Mail, NO_LINE};
use crate::relay::session::Message;
use crate::relay::settlement::Terms;
use crate::relay::smtp_client::{Route, SmtpClient};
use crate::store::{Routing, Spool, StoredId};
use crate::sys::random;

use super::pace::Paces;
use super::pauses::{Hop, Pauses, Trouble};
use super::router::Router;

/// How many ways there may be for messages to go at the same time.
pub(super) const LANES_MAX: usize = 100;

/// How many sessions with next hops there may be altogether.
pub(super) const LINES_MAX: usize = 64;

/// How many of the messages are sent at once, and how fast.
#[derive(Clone, Copy, Debug)]
pub struct Traffic {
    /// How many connections there may be to one server, from 1; each way of messages may
    /// have one in any case.
    pub connections: usize,
    /// How many messages may go to one server in a minute.
    pub per_minute: Option<u32>,
    /// How many messages may go over one connection.
    pub per_connection: Option<usize>,
}

impl Default for Traffic {
    fn default() -> Traffic {
        Traffic {
            connections: 1,
            per_minute: None,
            per_connection: None,
        }
    }
}

/// What sessions are begun with.
pub(super) struct Means {
    pub(super) token: Token,
    pub(super) spool: Spool,
    pub(super) traffic: Traffic,
    pub(super) pauses: Pauses,
    pub(super) paces: Paces,
    route: Route,
    /// Away while its files are looked at.
    access: Option<Box<Access>>,
    /// Which reading of the secrets the refused logins were with.
    generation: u64,
    last_line: Line,
    /// Who waits for a client session of its own, and to which next hop.
    connecting: Vec<(Token, usize)>,
}

/// What came of the wish to begin a session.
pub(super) enum Begun {
    /// It is on its way.
    Session(Line),
    /// The files have to be looked at first; more is known when they have been.
    NotYet,
    /// There is no account to log in with.
    NoAccount(String),
}

impl Means {
    pub(super) fn new(spool: Spool, route: Route, access: Access, traffic: Traffic) -> Means {
        Means {
            token: Token::NOBODY,
            spool,
            traffic,
            pauses: Pauses::default(),
            paces: Paces::new(traffic.per_minute),
            route,
            generation: access.generation(),
            access: Some(Box::new(access)),
            last_line: NO_LINE,
            connecting: Vec::new(),
        }
    }

    /// Has the files looked at, if it is time.
    pub(super) fn refresh(&mut self, context: &mut Context) {
        let due = |access: &mut Box<Access>| access.is_due(context.now);
        if let Some(access) = self.access.take_if(due) {
            context.submit(self.token, disk::Job::Refresh(access));
        }
    }

    /// The files have been looked at.
    pub(super) fn refreshed(&mut self, access: Box<Access>) {
        if access.generation() != self.generation {
            self.generation = access.generation();
            self.pauses.forget_logins();
        }
        self.access = Some(access);
    }

    /// Whether the files are being looked at.
    pub(super) fn is_refreshing(&self) -> bool {
        self.access.is_none()
    }

    /// The next hops for messages with that routing, or why there are none.
    pub(super) fn hops(&self, routing: &Routing) -> Result<Vec<Hop>, String> {
        let hop = |target: &Target| Hop {
            target: target.clone(),
            selector: routing.selector.clone(),
        };
        if routing.address.is_empty() {
            let all = std::iter::once(&self.route.target).chain(&self.route.others);
            return Ok(all.map(hop).collect());
        }
        let targets = targets(&String::from_utf8_lossy(routing.address.as_bytes()))?;
        Ok(targets.iter().map(hop).collect())
    }

    /// Until when all of the usual next hops are left alone, if they are.
    pub(super) fn rests_until(&self, now: Instant) -> Option<Instant> {
        let hops = self.hops(&Routing::default()).unwrap_or_default();
        let may_try = |hop: &Hop| self.pauses.may_try(hop, now, None);
        let until = self.pauses.until(&hops);
        until.filter(|_| !hops.iter().any(may_try))
    }

    /// What becomes of mail that cannot be delivered.
    pub(super) fn terms(&self) -> Terms {
        self.route.terms.clone()
    }

    /// Has a message routed, if there are filters to do it.
    pub(super) fn route(&self, id: StoredId, routing: Routing, context: &mut Context) {
        if let Some(chain) = &self.route.filters {
            let mail = (self.spool(), id, routing);
            let how = (Arc::clone(chain), self.terms());
            context.begin(Box::new(Router::new(mail, how, self.token)));
        }
    }

    /// Whether there are filters that may route messages.
    pub(super) fn has_filters(&self) -> bool {
        self.route.filters.is_some()
    }

    /// Begins a session.
    pub(super) fn begin(&mut self, hop: &Hop, context: &mut Context) -> Begun {
        self.refresh(context);
        let Some(access) = &self.access else {
            return Begun::NotYet;
        };
        match self.route.towards(&hop.target, access, &hop.selector) {
            Ok(route) => {
                self.last_line += 1;
                let origin = self.origin(&hop.target);
                let client = SmtpClient::new(Arc::new(route), origin, self.token, self.last_line);
                context.begin(Box::new(client));
                Begun::Session(self.last_line)
            }
            Err(trouble) => Begun::NoAccount(trouble),
        }
    }

    fn origin(&self, target: &Target) -> Origin {
        let is_usual = self.route.target == *target || self.route.others.contains(target);
        match is_usual {
            true => Origin::Configuration,
            false => Origin::Message,
        }
    }

    /// Begins a session for somebody who has mail of its own.
    pub(super) fn connect(&mut self, by: Token, hop: usize, context: &mut Context) {
        self.connecting.push((by, hop));
        self.refresh(context);
        self.connect_waiting(context);
    }

    /// Begins sessions for all who wait for one, if that is possible now.
    pub(super) fn connect_waiting(&mut self, context: &mut Context) {
        let Some(access) = &self.access else {
            return;
        };
        for (by, hop) in self.connecting.drain(..) {
            let mut hops = std::iter::once(&self.route.target).chain(&self.route.others);
            let target = hops.nth(hop).filter(|_| !context.stopping);
            let route =
                target.map(|target| self.route.towards(target, access, &OneLine::default()));
            match route {
                Some(Ok(route)) => {
                    let client = SmtpClient::for_submission(route, by);
                    context.begin(Box::new(client));
                }
                Some(Err(trouble)) => over(by, Ending::RouteFailed(trouble), context),
                None => over(by, Ending::Done, context),
            }
        }
    }

    /// Notes that a next hop has failed.
    pub(super) fn fail(&mut self, hop: &Hop, trouble: Trouble, now: Instant) {
        self.pauses.fail(hop.clone(), trouble, now, random::u64());
    }

    /// The spool whose mail is forwarded.
    pub(super) fn spool(&self) -> Spool {
        self.spool.clone()
    }
}

/// Reads `ForwardToAddress`: one next hop, or several with commas between them, of
/// which the first that answers is used.
fn targets(text: &str) -> Result<Vec<Target>, String> {
    // A path may have commas in it.
    let is_path = text.starts_with('/');
    let words = text.split(|letter| letter == ',' && !is_path);
    let targets = words.map(Target::parse).take(ADDRESSES_MAX);
    let targets: Result<_, _> = targets.collect();
    targets.map_err(|error| error.to_string())
}

fn over(by: Token, ending: Ending, context: &mut Context) {
    let over = Mail::ClientOver {
        line: NO_LINE,
        ending,
    };
    context.post(by, Message::Mail(over));
}

/// The reason of a message that has nowhere to go.
pub(super) fn nowhere(trouble: &str) -> OneLine {
    OneLine::escaped(format!("cannot be routed: {trouble}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<Vec<String>, String> {
        targets(text).map(|found| found.iter().map(Target::to_string).collect())
    }

    #[test]
    fn a_message_may_name_several_next_hops() {
        let one = Ok(vec!["192.0.2.1:25".to_owned()]);
        assert_eq!(shown("192.0.2.1:25"), one);
        let several = shown("192.0.2.1:25,[2001:db8::1]:26,host.test:27").unwrap();
        assert_eq!(
            several,
            ["192.0.2.1:25", "[2001:db8::1]:26", "host.test:27"]
        );
        for text in ["", ",", "192.0.2.1:25,", "192.0.2.1:25,nowhere", "a:1 ,b:2"] {
            assert!(shown(text).is_err(), "{text}");
        }
        let many = vec!["192.0.2.1:25"; ADDRESSES_MAX + 1].join(",");
        assert_eq!(shown(&many).unwrap().len(), ADDRESSES_MAX);
    }

    #[test]
    fn a_path_may_have_commas_in_it() {
        let found = targets("/run/a,b:c");
        assert_eq!(found, Ok(vec![Target::Unix("/run/a,b:c".into())]));
    }
}
