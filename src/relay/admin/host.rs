//! What happens to administrators at the door.

use std::rc::Rc;

use crate::relay::context::Context;
use crate::relay::listener::{Caller, Host, Refusal};

use super::{AdminServer, Service};

/// Receives administrators.
pub struct AdminHost {
    /// What all sessions share.
    pub service: Rc<Service>,
    /// Whether it is only for those who are on this system: not where an address
    /// was named for it.
    pub only_this_system: bool,
}

impl Host for AdminHost {
    fn name(&self) -> &'static str {
        "admin"
    }

    fn refusal(&self, refusal: Refusal) -> Vec<u8> {
        match refusal {
            Refusal::NotLocal => Vec::new(),
            Refusal::TooMany(too_many) => format!("error: {too_many}\r\n").into_bytes(),
        }
    }

    fn receive(&self, caller: Caller, context: &mut Context) {
        let service = Rc::clone(&self.service);
        let session = AdminServer::new(service, caller, context.now);
        context.begin(Box::new(session));
    }

    fn is_for_this_system_only(&self) -> bool {
        self.only_this_system
    }
}
