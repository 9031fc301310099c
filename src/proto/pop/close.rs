//! Why a session ends, and what the client and the log are told.

use std::time::Duration;

use super::responses::{self, Fixed};

/// Why the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The client said QUIT.
    Quit,
    /// The client closed the connection.
    PeerClosed,
    /// Nothing came, or was taken, for that long.
    IdleTimeout(Duration),
    /// The client takes what it has asked for more slowly than the limit allows.
    SlowReader,
    /// A message could not be read to its end.
    Broken,
    /// Too many protocol errors.
    TooManyErrors,
    /// Too many commands that lead nowhere.
    TooMuchJunk,
    /// A command line went on beyond the limit.
    Overflow,
    /// A command line with a CR or LF outside its CRLF.
    BareLineEnd,
    /// The client speaks TLS or HTTP.
    WrongProtocol,
    /// Too many failures to authenticate.
    TooManyAuthFailures,
    /// Something came in clear behind STLS.
    Injection,
    /// There was no agreement on TLS.
    TlsFailed,
    /// The TLS handshake took longer than that.
    TlsTimeout(Duration),
    /// The server stops.
    ShuttingDown,
}

impl CloseReason {
    /// The text for the log.
    pub fn explain(&self) -> String {
        let text = match self {
            CloseReason::Quit => "pop protocol done",
            CloseReason::PeerClosed => "peer disconnected",
            CloseReason::IdleTimeout(time) => {
                return format!("idle timeout: no activity after {}s", time.as_secs());
            }
            CloseReason::SlowReader => "pop protocol done: response taken too slowly",
            CloseReason::Broken => "pop protocol done: cannot read message file",
            CloseReason::TooManyErrors => {
                "pop protocol done: too many protocol errors from the client"
            }
            CloseReason::TooMuchJunk => "pop protocol done: too many commands",
            CloseReason::Overflow => "pop protocol done: server protocol overflow",
            CloseReason::BareLineEnd => "pop protocol done: command line with a bare cr or lf",
            CloseReason::WrongProtocol => "pop protocol done: not pop",
            CloseReason::TooManyAuthFailures => {
                "pop protocol done: too many failed authentications"
            }
            CloseReason::Injection => "pop protocol done: clear text behind stls",
            CloseReason::TlsFailed => "peer disconnected: ssl accept",
            CloseReason::TlsTimeout(time) => {
                return format!("tls handshake timeout: not done after {}s", time.as_secs());
            }
            CloseReason::ShuttingDown => "pop protocol done: shutting down",
        };
        text.to_owned()
    }

    /// The last response, where there is to be one.
    pub(super) fn farewell(&self) -> Option<Fixed> {
        match self {
            CloseReason::TooManyErrors => Some(responses::TOO_MANY_ERRORS),
            CloseReason::TooMuchJunk => Some(responses::TOO_MUCH_JUNK),
            CloseReason::Overflow => Some(responses::OVERFLOW),
            CloseReason::BareLineEnd => Some(responses::BARE_LINE_END),
            CloseReason::TooManyAuthFailures => Some(responses::TOO_MANY_FAILURES),
            CloseReason::ShuttingDown => Some(responses::SHUTTING_DOWN),
            // RFC 1939 3: the server closes without a response.
            CloseReason::IdleTimeout(_) | CloseReason::SlowReader => None,
            // The response to QUIT says whether messages have been deleted.
            CloseReason::Quit | CloseReason::PeerClosed | CloseReason::Broken => None,
            // In clear it would only confuse the other side's TLS.
            CloseReason::WrongProtocol | CloseReason::Injection => None,
            CloseReason::TlsFailed | CloseReason::TlsTimeout(_) => None,
        }
    }
}
