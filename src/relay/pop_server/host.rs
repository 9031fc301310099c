//! What happens to POP clients between the door and their session.

use std::sync::Arc;

use crate::config::settings::POP_PORT;
use crate::relay::clients::TooMany;
use crate::relay::context::Context;
use crate::relay::listener::{Caller, Host, Refusal};

use super::{PopServer, Service};

/// Receives the clients of the POP server.
pub struct PopHost {
    /// What all sessions share.
    pub service: Arc<Service>,
    /// Whether clients encrypt from the first octet; they do not on the port for
    /// clear text, where they are offered STLS instead, nor on unix-domain sockets.
    pub tls_first: bool,
}

impl Host for PopHost {
    fn name(&self) -> &'static str {
        "pop"
    }

    // RFC 1939 3 has no such response in place of the greeting, but clients take it.
    fn refusal(&self, refusal: Refusal) -> Vec<u8> {
        let text: &[u8] = match refusal {
            Refusal::NotLocal => b"-ERR [SYS/PERM] access denied\r\n",
            Refusal::TooMany(TooMany::OfAll) => {
                b"-ERR [SYS/TEMP] too many sessions, try again later\r\n"
            }
            Refusal::TooMany(TooMany::OfOne) => {
                b"-ERR [SYS/TEMP] too many sessions from your address, try again later\r\n"
            }
        };
        text.to_vec()
    }

    fn receive(&self, caller: Caller, context: &mut Context) {
        let tls_first = self.tls_first && caller.port.is_some_and(|port| port != POP_PORT);
        let service = Arc::clone(&self.service);
        let session = PopServer::new(service, caller, tls_first, context);
        context.begin(Box::new(session));
    }
}
