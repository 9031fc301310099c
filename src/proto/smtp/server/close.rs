//! Why a session ends, and what the client and the log are told.

use std::time::Duration;

use super::replies::{self, Fixed};

/// Why the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The client said QUIT.
    Quit,
    /// The client closed the connection.
    PeerClosed,
    /// Nothing came for that long.
    IdleTimeout(Duration),
    /// Content came more slowly than the limit allows.
    SlowContent,
    /// Too many protocol errors.
    TooManyErrors,
    /// Too many commands that lead nowhere.
    TooMuchJunk,
    /// Too many recipients that were refused, without a message.
    TooManyRefused,
    /// Too many transactions in one session.
    TooManyTransactions,
    /// A command line, or refused content, went on beyond the limit.
    Overflow,
    /// A command line with a CR or LF outside its CRLF.
    BareLineEnd,
    /// A BDAT whose size cannot be read: where the chunk ends is anyone's guess.
    BadChunkSize,
    /// The client spoke before the greeting.
    EarlyTalker,
    /// The client speaks another protocol.
    WrongProtocol(Foreign),
    /// Too many failures to authenticate.
    TooManyAuthFailures,
    /// Something came in clear behind STARTTLS.
    Injection,
    /// There was no agreement on TLS.
    TlsFailed,
    /// The TLS handshake took longer than that.
    TlsTimeout(Duration),
    /// The verifier wants the connection dropped.
    VerifierAbort,
    /// The server stops.
    ShuttingDown,
}

/// A protocol that is not SMTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// An HTTP request line.
    Http,
    /// A TLS handshake record.
    Tls,
    /// Anything else whose first octet no SMTP command has.
    Unknown,
}

impl CloseReason {
    /// The text for the log, in the words that log watchers know.
    pub fn explain(&self) -> String {
        let text = match self {
            CloseReason::Quit => "smtp protocol done",
            CloseReason::PeerClosed => "peer disconnected",
            CloseReason::IdleTimeout(time) => {
                return format!("idle timeout: no activity after {}s", time.as_secs());
            }
            CloseReason::SlowContent => "smtp protocol done: message content too slow",
            CloseReason::TooManyErrors => {
                "smtp protocol done: too many protocol errors from the client"
            }
            CloseReason::TooMuchJunk => "smtp protocol done: too many commands without a message",
            CloseReason::TooManyRefused => "smtp protocol done: too many refused recipients",
            CloseReason::TooManyTransactions => "smtp protocol done: too many transactions",
            CloseReason::Overflow => "smtp protocol done: server protocol overflow",
            CloseReason::BareLineEnd => "smtp protocol done: command line with a bare cr or lf",
            CloseReason::BadChunkSize => "smtp protocol done: invalid bdat size",
            CloseReason::EarlyTalker => "smtp protocol done: input before the greeting",
            CloseReason::WrongProtocol(Foreign::Http) => "smtp protocol done: http request",
            CloseReason::WrongProtocol(Foreign::Tls) => "smtp protocol done: tls handshake packet",
            CloseReason::WrongProtocol(Foreign::Unknown) => "smtp protocol done: not smtp",
            CloseReason::TooManyAuthFailures => {
                "smtp protocol done: too many failed authentications"
            }
            CloseReason::Injection => "smtp protocol done: clear text behind starttls",
            CloseReason::TlsFailed => "peer disconnected: ssl accept",
            CloseReason::TlsTimeout(time) => {
                return format!("tls handshake timeout: not done after {}s", time.as_secs());
            }
            CloseReason::VerifierAbort => "smtp protocol done: address verifier abort",
            CloseReason::ShuttingDown => "smtp protocol done: shutting down",
        };
        text.to_owned()
    }

    /// The last reply, where there is to be one.
    // RFC 5321 3.8: 421 announces that the server closes of its own accord.
    pub(super) fn farewell(&self) -> Option<Fixed> {
        match self {
            CloseReason::Quit => Some(replies::QUIT),
            CloseReason::IdleTimeout(_) => Some(replies::IDLE),
            CloseReason::SlowContent => Some(replies::TOO_SLOW),
            CloseReason::TooManyErrors => Some(replies::TOO_MANY_ERRORS),
            CloseReason::TooMuchJunk => Some(replies::TOO_MUCH_JUNK),
            CloseReason::TooManyRefused => Some(replies::TOO_MANY_REFUSED),
            CloseReason::TooManyTransactions => Some(replies::TOO_MANY_TRANSACTIONS),
            CloseReason::Overflow => Some(replies::OVERFLOW),
            CloseReason::BareLineEnd => Some(replies::BARE_LINE_END),
            CloseReason::BadChunkSize => Some(replies::BAD_ARGUMENT),
            CloseReason::TooManyAuthFailures => Some(replies::TOO_MANY_FAILURES),
            // The client has got the 220, and expects TLS or nothing.
            CloseReason::Injection => None,
            CloseReason::TlsFailed | CloseReason::TlsTimeout(_) => None,
            CloseReason::EarlyTalker => Some(replies::EARLY_TALKER),
            // A reply in clear text would only confuse the other side's TLS.
            CloseReason::WrongProtocol(Foreign::Tls) => None,
            CloseReason::WrongProtocol(_) => Some(replies::NOT_SMTP),
            CloseReason::ShuttingDown => Some(replies::SHUTTING_DOWN),
            CloseReason::PeerClosed | CloseReason::VerifierAbort => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_words_that_log_watchers_match() {
        let table = [
            (CloseReason::Quit, "smtp protocol done"),
            (CloseReason::PeerClosed, "peer disconnected"),
            (
                CloseReason::IdleTimeout(Duration::from_secs(60)),
                "idle timeout: no activity after 60s",
            ),
            (
                CloseReason::TooManyErrors,
                "smtp protocol done: too many protocol errors from the client",
            ),
            (
                CloseReason::VerifierAbort,
                "smtp protocol done: address verifier abort",
            ),
        ];
        for (reason, text) in table {
            assert_eq!(reason.explain(), text);
        }
    }
}
