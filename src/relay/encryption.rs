//! How far a server's session is with TLS: from the start, or once the client has
//! asked for it.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use crate::tls::Acceptor;
use crate::{error, verbose, warning};

use super::connection::{Arrival, Connection};
use super::limits::HANDSHAKE_MAX;
use super::peer::Peer;

/// How far the session is with TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// In clear, for now or for ever.
    Clear,
    /// The client's wish has been granted, but the reply is not out yet.
    Accepted {
        /// When it is given up: the client may not take the reply.
        until: Instant,
    },
    /// The handshake is under way, until then at the latest.
    Handshake {
        /// When it is given up.
        until: Instant,
    },
    /// The connection is secure.
    Secure,
}

/// What the handshake has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing yet, or there is none.
    Waiting,
    /// The connection is secure as of now.
    Secured,
    /// There will be no TLS.
    Failed,
}

impl Encryption {
    /// The client's wish has been granted.
    pub fn accept(now: Instant) -> Encryption {
        let until = now + HANDSHAKE_MAX;
        Encryption::Accepted { until }
    }

    fn is_accepted(self) -> bool {
        matches!(self, Encryption::Accepted { .. })
    }

    /// When the handshake is given up, or the wait for it to begin.
    pub fn deadline(self) -> Option<Instant> {
        match self {
            Encryption::Accepted { until } | Encryption::Handshake { until } => Some(until),
            Encryption::Clear | Encryption::Secure => None,
        }
    }

    /// Whether there is input behind the client's wish. It cannot have seen the reply
    /// yet, so whatever is there was not meant to be encrypted, and might be somebody
    /// else's words.
    pub fn has_injection(self, connection: &mut Connection, scratch: &mut [u8]) -> bool {
        if !self.is_accepted() {
            return false;
        }
        // An end or an error shows again in the handshake.
        let _ = connection.read(scratch);
        connection.has_unread_plain()
    }

    /// Whether the reply is out, so that the handshake can begin.
    pub fn is_due(self, connection: &Connection) -> bool {
        self.is_accepted() && connection.output.is_empty()
    }

    /// Begins the handshake; false where that cannot be.
    pub fn start(
        &mut self,
        connection: &mut Connection,
        acceptor: Option<&Arc<dyn Acceptor>>,
        now: Instant,
    ) -> bool {
        match acceptor.map(|acceptor| acceptor.accept()) {
            Some(Ok(engine)) => {
                connection.start_tls(engine);
                let until = now + HANDSHAKE_MAX;
                *self = Encryption::Handshake { until };
                true
            }
            Some(Err(error)) => {
                error!("tls: {error}");
                false
            }
            None => false,
        }
    }

    /// Sees whether the handshake has come to an end.
    pub fn note(
        &mut self,
        arrival: &io::Result<Arrival>,
        connection: &Connection,
        peer: &Peer,
    ) -> Progress {
        if !matches!(self, Encryption::Handshake { .. }) {
            return Progress::Waiting;
        }
        match (arrival, connection.tls()) {
            (Err(error), _) => {
                warning!("tls: {error}");
                Progress::Failed
            }
            (Ok(_), Some(session)) => {
                verbose!("tls protocol established with {peer} {session}");
                if let Some(certified) = &session.peer {
                    verbose!("tls: {certified}");
                }
                *self = Encryption::Secure;
                Progress::Secured
            }
            (Ok(Arrival::End | Arrival::Truncated), None) => Progress::Failed,
            (Ok(Arrival::Bytes | Arrival::Nothing), None) => Progress::Waiting,
        }
    }

    /// No more is to be waited for: the session ends.
    pub fn abandon(&mut self) {
        if *self != Encryption::Secure {
            *self = Encryption::Clear;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_asks_for_tls_and_takes_no_reply_is_not_waited_for_for_ever() {
        let now = Instant::now();
        let accepted = Encryption::accept(now);
        assert_eq!(accepted.deadline(), Some(now + HANDSHAKE_MAX));
        assert_eq!(Encryption::Clear.deadline(), None);
        assert_eq!(Encryption::Secure.deadline(), None);
    }
}
