//! The TLS handshake of a session with a next hop.

use std::io;

use super::{Link, SmtpClient};
use crate::base::OneLine;
use crate::info;
use crate::relay::connection::Arrival;
use crate::relay::context::Context;
use crate::tls;

impl SmtpClient {
    /// Starts the handshake that the machine waits for.
    pub(super) fn start_tls(&mut self, context: &mut Context) {
        let Link::Open(connection) = &mut self.link else {
            return;
        };
        // The machine gets to see it next, and hangs up.
        if connection.has_unread_plain() {
            return;
        }
        match self.route.connector.as_ref().map(|one| one.connect()) {
            Some(Ok(engine)) => connection.start_tls(engine),
            Some(Err(error)) => self.tls_failed(&error.to_string(), context),
            None => self.tls_failed("tls is not set up", context),
        }
    }

    /// Tells the machine once the handshake is done.
    pub(super) fn go_on_once_secure(&mut self, context: &mut Context) {
        let (Link::Open(connection), Some(machine)) = (&self.link, &self.machine) else {
            return;
        };
        let Some(session) = connection.tls().filter(|_| machine.is_handshaking()) else {
            return;
        };
        let certificate = session.peer.as_ref().map(|peer| format!(" {peer}"));
        let certificate = certificate.unwrap_or_default();
        info!(
            "tls protocol established with {} {session}{certificate}",
            self.peer
        );
        self.act(context, |machine, now, actions| {
            machine.tls_established(now, actions)
        });
    }

    /// Reading or writing has failed. What TLS itself finds wrong before it is secure
    /// would be so with the next connection, too.
    pub(super) fn broken(&mut self, error: &io::Error, context: &mut Context) {
        let is_handshaking = matches!(&self.link, Link::Open(connection)
            if connection.is_handshaking());
        let is_by_tls = error
            .get_ref()
            .is_some_and(|inner| inner.is::<tls::Error>());
        if is_handshaking && is_by_tls {
            self.tls_failed(&error.to_string(), context);
        } else {
            self.hear_out(context);
            self.lost(&error.to_string(), context);
        }
    }

    /// Takes in what had come before the connection broke: messages that were
    /// answered are not in doubt, and need not go out twice. The machine hangs up on
    /// whoever goes on without having been asked.
    fn hear_out(&mut self, context: &mut Context) {
        while let (Link::Open(connection), Some(machine)) = (&mut self.link, &mut self.machine) {
            let arrival = connection.read(&mut context.scratch);
            if connection.is_handshaking() || connection.input.is_empty() {
                return;
            }
            let mut actions = Vec::new();
            machine.receive(context.now, &mut connection.input, &mut actions);
            self.perform(&mut actions, context);
            if !matches!(arrival, Ok(Arrival::Bytes)) {
                return;
            }
        }
    }

    fn tls_failed(&mut self, why: &str, context: &mut Context) {
        let why = OneLine::new(why).unwrap_or_else(|| OneLine::escaped(why));
        self.act(context, |machine, now, actions| {
            machine.tls_failed(now, why, actions)
        });
    }
}
