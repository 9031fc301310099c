//! What happens to SMTP clients between the door and their session.

use std::rc::Rc;
use std::sync::Arc;

use crate::net::local;
use crate::proto::dnsbl;
use crate::relay::clients::TooMany;
use crate::relay::context::Context;
use crate::relay::dnsbl::Screening;
use crate::relay::guest::{Guest, Word};
use crate::relay::listener::{Caller, Host, Refusal};
use crate::relay::verdict;
use crate::relay::watch::counters::TurnedAway;
use crate::relay::watch::switches::Switches;
use crate::{info, verbose};

use super::{Service, SmtpServer};

/// Receives the clients of the SMTP server.
pub struct SmtpHost {
    /// What all sessions share.
    pub service: Arc<Service>,
    /// The block lists that clients are checked against that are not local.
    pub block_lists: Arc<[dnsbl::Config]>,
    /// What administrators have switched off.
    pub switches: Rc<Switches>,
}

impl Host for SmtpHost {
    fn name(&self) -> &'static str {
        "smtp"
    }

    fn refusal(&self, refusal: Refusal) -> Vec<u8> {
        let reply = match refusal {
            Refusal::NotLocal => verdict::not_local(),
            Refusal::TooMany(TooMany::OfAll) => verdict::too_many_sessions(),
            Refusal::TooMany(TooMany::OfOne) => verdict::too_many_of_one(),
        };
        reply.render()
    }

    /// Has a client checked, where it is to be, and then served.
    fn receive(&self, caller: Caller, context: &mut Context) {
        let Caller {
            stream,
            peer,
            visit,
            ..
        } = caller;
        let guest = Guest {
            service: Arc::clone(&self.service),
            stream,
            peer,
            visit,
        };
        if !self.switches.is_smtp_enabled() {
            info!("smtp connection refused: disabled: {}", guest.peer);
            context.watch.counters.turned_away(TurnedAway::Disabled);
            guest.send_off(&verdict::disabled().render());
            return;
        }
        let is_checked = self.switches.are_block_lists_used(context.now);
        let lists = &self.block_lists;
        let ip = guest.peer.ip();
        if is_checked && !lists.is_empty() && !local::is_local(ip) {
            context.begin(Box::new(Screening::new(guest, Arc::clone(lists))));
            return;
        }
        if !lists.is_empty() {
            verbose!("{}", dnsbl::local_text(ip));
        }
        let now = context.wall_clock();
        context.begin(Box::new(SmtpServer::new(guest, Word::None, now)));
    }
}
