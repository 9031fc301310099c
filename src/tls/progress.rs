//! How far a connection has come: the same for each library.

use super::{Error, Session};
use crate::base::OneLine;

/// The longest reason for a failure, in octets.
pub const REASON_OCTETS_MAX: usize = 500;

/// From the handshake to the end, by either end's farewell or by a failure.
#[derive(Debug, Default)]
pub struct Progress {
    session: Option<Session>,
    closing: bool,
    closed_by_peer: bool,
    failure: Option<OneLine>,
}

impl Progress {
    /// What was agreed, once the handshake is done.
    pub fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    /// Whether there is no session yet.
    pub fn is_handshaking(&self) -> bool {
        self.session.is_none()
    }

    /// Whether the peer has said that it will say nothing more.
    pub fn is_closed_by_peer(&self) -> bool {
        self.closed_by_peer
    }

    /// Whether the peer can be told something.
    pub fn is_writable(&self) -> bool {
        self.session.is_some() && !self.closing && self.failure.is_none()
    }

    /// Whether the peer may have more to say.
    pub fn is_readable(&self) -> bool {
        !self.closed_by_peer && self.failure.is_none()
    }

    /// An error if there has been one: it is final.
    pub fn check(&self) -> Result<(), Error> {
        match &self.failure {
            None => Ok(()),
            Some(reason) => Err(self.error(reason.clone())),
        }
    }

    /// Notes that the handshake is done, and says whether a farewell is due that was
    /// asked for before.
    // Peers pass over one that comes before they are done with the handshake.
    #[must_use]
    pub fn establish(&mut self, session: Session) -> bool {
        self.session = Some(session);
        self.closing
    }

    /// Notes that nothing more will be said, and says whether a farewell is due now.
    #[must_use]
    pub fn close(&mut self) -> bool {
        let due = self.is_writable();
        self.closing = true;
        due
    }

    /// Notes that the peer will say nothing more.
    pub fn close_by_peer(&mut self) {
        self.closed_by_peer = true;
    }

    /// Notes that the connection has come to a bad end, and makes the error.
    pub fn fail(&mut self, reason: &str) -> Error {
        let mut reason = OneLine::escaped(reason);
        reason.truncate(REASON_OCTETS_MAX);
        self.failure = Some(reason.clone());
        self.error(reason)
    }

    fn error(&self, reason: OneLine) -> Error {
        match self.session {
            None => Error::Handshake(reason),
            Some(_) => Error::Connection(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        Session {
            protocol: "TLSv1.3",
            cipher: "a",
            suite: "b",
            peer: None,
        }
    }

    #[test]
    fn a_farewell_is_said_once_and_not_before_the_session() {
        let mut progress = Progress::default();
        assert!(!progress.close() && !progress.close());
        assert!(progress.establish(session()) && !progress.is_writable());
        let mut progress = Progress::default();
        assert!(!progress.establish(session()) && progress.is_writable());
        assert!(progress.close() && !progress.close());
        assert!(progress.is_readable(), "the peer may go on");
    }

    #[test]
    fn a_failure_is_final_and_short() {
        let mut progress = Progress::default();
        assert!(progress.check().is_ok());
        let error = progress.fail(&"x\n".repeat(1000));
        assert!(matches!(&error, Error::Handshake(reason) if reason.len() <= REASON_OCTETS_MAX));
        assert_eq!(progress.check().unwrap_err().to_string(), error.to_string());
        assert!(!progress.is_readable() && !progress.close());
        let mut progress = Progress::default();
        let _ = progress.establish(session());
        assert!(matches!(progress.fail("x"), Error::Connection(_)));
        assert!(!progress.is_writable() && !progress.close());
    }

    #[test]
    fn what_the_peer_has_closed_can_still_be_written_to() {
        let mut progress = Progress::default();
        let _ = progress.establish(session());
        progress.close_by_peer();
        assert!(progress.is_writable() && !progress.is_readable());
    }
}
