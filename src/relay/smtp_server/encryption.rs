//! How a session gets encrypted: from the start, or by STARTTLS.

use std::io;
use std::time::Instant;

use crate::proto::smtp::server::{CloseReason, Foreign, TLS_HANDSHAKE};
use crate::relay::connection::Arrival;
use crate::relay::context::Context;
use crate::relay::limits::HANDSHAKE_MAX;
use crate::{error, verbose, warning};

use super::SmtpServer;

/// How far the session is with TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encryption {
    /// In clear, for now or for ever.
    Clear,
    /// STARTTLS has been accepted, but the reply is not out yet.
    Accepted,
    /// The handshake is under way, until then at the latest.
    Handshake { until: Instant },
    /// The connection is secure.
    Secure,
}

impl Encryption {
    pub(super) fn deadline(self) -> Option<Instant> {
        match self {
            Encryption::Handshake { until } => Some(until),
            Encryption::Clear | Encryption::Accepted | Encryption::Secure => None,
        }
    }
}

impl SmtpServer {
    /// Looks for input behind STARTTLS. The client cannot have seen the reply yet,
    /// so whatever is there was not meant to be encrypted, and might be somebody
    /// else's words.
    pub(super) fn refuse_injection(&mut self, context: &mut Context) {
        if self.encryption != Encryption::Accepted {
            return;
        }
        // An end or an error shows again in the handshake.
        let _ = self.connection.read(&mut context.scratch);
        if self.connection.has_unread_plain() {
            warning!("smtp client protocol violation: clear text behind starttls");
            self.abort(CloseReason::Injection, context);
        }
    }

    /// Goes on with STARTTLS once the reply is out.
    pub(super) fn continue_starttls(&mut self, context: &mut Context) {
        if self.encryption == Encryption::Accepted && self.connection.output.is_empty() {
            self.start_handshake(context);
        }
    }

    pub(super) fn start_handshake(&mut self, context: &mut Context) {
        let acceptor = context.security.site(self.service.site).acceptor();
        let engine = acceptor.map(|acceptor| acceptor.accept());
        match engine {
            Some(Ok(engine)) => {
                self.connection.start_tls(engine);
                let until = context.now + HANDSHAKE_MAX;
                self.encryption = Encryption::Handshake { until };
            }
            Some(Err(error)) => {
                error!("tls: {error}");
                self.abort(CloseReason::TlsFailed, context);
            }
            None => self.abort(CloseReason::TlsFailed, context),
        }
    }

    /// Sees whether the handshake has come to an end.
    pub(super) fn note_handshake(&mut self, arrival: &io::Result<Arrival>, context: &mut Context) {
        if !matches!(self.encryption, Encryption::Handshake { .. }) {
            return;
        }
        match (arrival, self.connection.tls()) {
            (Err(error), _) => {
                warning!("tls: {error}");
                self.abort(CloseReason::TlsFailed, context);
            }
            (Ok(_), Some(session)) => {
                verbose!("tls protocol established with {} {session}", self.peer);
                if let Some(peer) = &session.peer {
                    verbose!("tls: {peer}");
                }
                self.secured(context);
            }
            (Ok(Arrival::End | Arrival::Truncated), None) => {
                self.abort(CloseReason::TlsFailed, context);
            }
            (Ok(Arrival::Bytes | Arrival::Nothing), None) => {}
        }
    }

    fn secured(&mut self, context: &mut Context) {
        self.encryption = Encryption::Secure;
        let now = context.now;
        self.machine.encrypted(now);
        if self.service.tls_first {
            self.greet(context);
        }
    }

    pub(super) fn time_out_handshake(&mut self, context: &mut Context) {
        let reason = CloseReason::TlsTimeout(HANDSHAKE_MAX);
        self.abort(reason, context);
    }

    /// Tells the operator of a client that took this for a port with TLS.
    pub(super) fn hint_at_tls(&self, reason: CloseReason) {
        let is_tls = match reason {
            CloseReason::WrongProtocol(Foreign::Tls) => true,
            CloseReason::EarlyTalker => {
                self.connection.input.as_slice().first() == Some(&TLS_HANDSHAKE)
            }
            _ => false,
        };
        if is_tls {
            warning!(
                "received unexpected tls handshake packet from remote client: \
                 try enabling implicit tls (smtps)"
            );
        }
    }

    fn abort(&mut self, reason: CloseReason, context: &mut Context) {
        self.encryption = match self.encryption {
            Encryption::Secure => Encryption::Secure,
            _ => Encryption::Clear,
        };
        self.act(context, |machine, actions| machine.abort(reason, actions));
    }
}
