//! Getting through a SOCKS proxy, between the connection to it and the session
//! with the next hop.

use super::{Link, SmtpClient};
use crate::net::address::{Host, Proxied, SocksVersion};
use crate::proto::socks::{FarHost, Negotiation, Progress, Version};
use crate::relay::connection::{Arrival, Connection};
use crate::relay::context::Context;

/// A proxy that has been asked.
pub(super) struct Asking {
    pub(super) connection: Connection,
    negotiation: Negotiation,
}

/// What happens next.
enum Next {
    Wait,
    GoOn,
    Fail(String),
}

impl SmtpClient {
    /// Asks the proxy, to which there is a connection now. It has the time for
    /// connecting once more.
    pub(super) fn ask_proxy(
        &mut self,
        mut connection: Connection,
        proxied: &Proxied,
        context: &mut Context,
    ) {
        let mut negotiation = negotiation(proxied);
        connection.output.push_all(&negotiation.begin());
        self.deadline = context.now.checked_add(self.route.connection_timeout);
        self.link = Link::Asking(Box::new(Asking {
            connection,
            negotiation,
        }));
        self.on_proxy(false, context);
    }

    /// The proxy may have answered.
    pub(super) fn on_proxy(&mut self, readable: bool, context: &mut Context) {
        let Link::Asking(asking) = &mut self.link else {
            return;
        };
        match asking.go_on(readable, &mut context.scratch) {
            Next::Wait => {}
            Next::Fail(why) => self.fail_proxy(&why, context),
            Next::GoOn => {
                let link = std::mem::replace(&mut self.link, Link::Closed);
                if let Link::Asking(asking) = link {
                    self.begin_session(asking.connection, context);
                    self.drive(context);
                }
            }
        }
    }

    pub(super) fn fail_proxy(&mut self, why: &str, context: &mut Context) {
        let trouble = format!("socks proxy {}: {why}", self.peer);
        self.fail_route(trouble, context);
    }
}

impl Asking {
    fn go_on(&mut self, readable: bool, scratch: &mut [u8]) -> Next {
        let arrival = match readable {
            true => self.connection.read(scratch),
            false => Ok(Arrival::Nothing),
        };
        let has_gone = match arrival {
            Ok(arrival) => matches!(arrival, Arrival::End | Arrival::Truncated),
            Err(error) => return Next::Fail(error.to_string()),
        };
        loop {
            if let Err(error) = self.connection.flush() {
                return Next::Fail(error.to_string());
            }
            match self.negotiation.receive(&mut self.connection.input) {
                Ok(Progress::Connected) => return Next::GoOn,
                Ok(Progress::Send(bytes)) => self.connection.output.push_all(&bytes),
                Ok(Progress::Waiting) if has_gone => {
                    return Next::Fail("connection closed".to_owned());
                }
                Ok(Progress::Waiting) => return Next::Wait,
                Err(failure) => return Next::Fail(failure.to_string()),
            }
        }
    }
}

fn negotiation(proxied: &Proxied) -> Negotiation {
    let version = match proxied.version {
        SocksVersion::V4a => Version::V4a,
        SocksVersion::V5 => Version::V5,
    };
    let host = match &proxied.far.host {
        Host::Name(name) => FarHost::Name(name.clone()),
        // A zone means something to this host only.
        Host::Ip(address, _) => FarHost::Ip(*address),
    };
    Negotiation::new(version, host, proxied.far.port)
}
