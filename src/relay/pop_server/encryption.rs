//! How a session gets encrypted: from the start, or by STLS.

use std::io;

use crate::proto::pop::{CloseReason, TLS_HANDSHAKE};
use crate::relay::connection::Arrival;
use crate::relay::context::Context;
use crate::relay::encryption::Progress;
use crate::relay::limits::HANDSHAKE_MAX;
use crate::warning;

use super::PopServer;

impl PopServer {
    /// Looks for input behind STLS.
    pub(super) fn refuse_injection(&mut self, context: &mut Context) {
        let scratch = &mut context.scratch;
        if self.encryption.has_injection(&mut self.connection, scratch) {
            warning!("pop client protocol violation: clear text behind stls");
            self.abort(CloseReason::Injection, context);
        }
    }

    /// Goes on with STLS once the response is out.
    pub(super) fn continue_stls(&mut self, context: &mut Context) {
        if self.encryption.is_due(&self.connection) {
            self.start_handshake(context);
        }
    }

    pub(super) fn start_handshake(&mut self, context: &mut Context) {
        let acceptor = context.security.site(self.service.site).acceptor();
        let connection = &mut self.connection;
        if !self.encryption.start(connection, acceptor, context.now) {
            self.abort(CloseReason::TlsFailed, context);
        }
    }

    /// Sees whether the handshake has come to an end.
    pub(super) fn note_handshake(&mut self, arrival: &io::Result<Arrival>, context: &mut Context) {
        match self.encryption.note(arrival, &self.connection, &self.peer) {
            Progress::Waiting => {}
            Progress::Secured => {
                self.machine.encrypted(context.now);
                if self.tls_first {
                    self.greet(context);
                }
            }
            Progress::Failed => self.abort(CloseReason::TlsFailed, context),
        }
    }

    pub(super) fn time_out_handshake(&mut self, context: &mut Context) {
        self.abort(CloseReason::TlsTimeout(HANDSHAKE_MAX), context);
    }

    /// Tells the operator of a client that took this for a port with TLS.
    pub(super) fn hint_at_tls(&self, reason: CloseReason) {
        let first = self.connection.input.as_slice().first();
        if reason == CloseReason::WrongProtocol && first == Some(&TLS_HANDSHAKE) {
            warning!(
                "received unexpected tls handshake packet from remote client: \
                 try enabling implicit tls (pop3s)"
            );
        }
    }

    fn abort(&mut self, reason: CloseReason, context: &mut Context) {
        self.encryption.abandon();
        self.act(context, |machine, actions| machine.abort(reason, actions));
    }
}
