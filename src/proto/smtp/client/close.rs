//! Why a session ended.

use super::outcome::PeerReply;
use crate::base::OneLine;
use crate::proto::sasl::ClientFailure;
use crate::proto::smtp::reply_reader::{ReplyFault, as_text};

/// What a session is doing, for telling where it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Waiting for the greeting.
    Greeting,
    /// Waiting for the reply to EHLO or HELO.
    Hello,
    /// Waiting for the reply to STARTTLS.
    StartTls,
    /// Waiting for the connection to be secure.
    Handshake,
    /// Logging in.
    Authentication,
    /// Between messages.
    Ready,
    /// Sending the envelope.
    Envelope,
    /// Sending the content.
    Content,
    /// Waiting for the reply to the end of the content.
    FinalReply,
    /// Clearing away what is left of a message that was not sent.
    Clearing,
    /// Waiting for the reply to QUIT, or closed.
    Quit,
}

impl Stage {
    fn words(self) -> &'static str {
        match self {
            Stage::Greeting => "the greeting",
            Stage::Hello => "EHLO",
            Stage::StartTls => "STARTTLS",
            Stage::Handshake => "the tls handshake",
            Stage::Authentication => "AUTH",
            Stage::Ready => "the time between messages",
            Stage::Envelope => "the envelope",
            Stage::Content => "the content",
            Stage::FinalReply => "the end of the content",
            Stage::Clearing => "RSET",
            Stage::Quit => "QUIT",
        }
    }
}

/// Why we hang up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// As asked, by QUIT.
    Quit,
    /// As asked, in the middle of something.
    Abandoned,
    /// The server did not want the session at all.
    Refused(Stage, PeerReply),
    /// The server announced that it closes (421).
    Announced(PeerReply),
    /// What the server sent is not a reply.
    Malformed(ReplyFault),
    /// A reply came that nothing had been asked for.
    OutOfStep(Stage, PeerReply),
    /// A part of a reply came that nothing had been asked for.
    Interrupted(Stage),
    /// A reply of a class that makes no sense at that point.
    Unfit(Stage, PeerReply),
    /// A wait was too long.
    Timeout(Stage),
    /// The message, or the start of the session, took too long altogether.
    TooSlow(Stage),
    /// The connection was lost.
    PeerClosed(OneLine),
    /// The server wants the content, but some recipients were refused and then
    /// nobody is to have it: nothing but hanging up withholds it (RFC 2920 3.1).
    HeldBack,
    /// The server offered CHUNKING but does not know BDAT; what followed BDAT it
    /// may have taken for commands.
    ChunkingRefused(PeerReply),
    /// TLS is required, and the server has none to offer, or not even EHLO.
    TlsNotOffered {
        /// Whether it knows EHLO.
        is_esmtp: bool,
    },
    /// Something came between the last reply in clear and the handshake.
    InjectedBeforeTls,
    /// The connection could not be made secure, or the server is not who it should be.
    TlsFailed(OneLine),
    /// We could not log in.
    Unauthenticated(ClientFailure),
}

impl CloseReason {
    /// Says it in one line without control characters, so that it always makes a
    /// [`OneLine`].
    pub fn explain(&self) -> String {
        match self {
            CloseReason::Quit => "session done".to_owned(),
            CloseReason::Abandoned => "session abandoned".to_owned(),
            CloseReason::Refused(stage, reply) => {
                format!("session refused at {}: {reply}", stage.words())
            }
            CloseReason::Announced(reply) => format!("peer closes the session: {reply}"),
            CloseReason::Malformed(fault) => format!("protocol error: {fault}"),
            CloseReason::OutOfStep(stage, reply) => {
                format!("protocol error: out of step at {}: {reply}", stage.words())
            }
            CloseReason::Interrupted(stage) => {
                format!("protocol error: out of step at {}", stage.words())
            }
            CloseReason::Unfit(stage, reply) => {
                format!(
                    "protocol error: unexpected reply to {}: {reply}",
                    stage.words()
                )
            }
            CloseReason::Timeout(stage) => format!("response timeout at {}", stage.words()),
            CloseReason::TooSlow(stage) => format!("peer too slow, given up at {}", stage.words()),
            CloseReason::PeerClosed(why) if why.is_empty() => "peer disconnected".to_owned(),
            CloseReason::PeerClosed(why) => format!("peer disconnected: {why}"),
            CloseReason::HeldBack => "message held back, some recipients were refused".to_owned(),
            CloseReason::ChunkingRefused(reply) => {
                format!("peer offers CHUNKING but refuses BDAT: {reply}")
            }
            CloseReason::TlsNotOffered { is_esmtp: true } => {
                "tls is mandated but the server cannot do starttls".to_owned()
            }
            CloseReason::TlsNotOffered { is_esmtp: false } => {
                "tls is mandated but the server cannot do esmtp".to_owned()
            }
            CloseReason::InjectedBeforeTls => "protocol error: unencrypted data after the reply \
                to STARTTLS, perhaps put there by somebody in between"
                .to_owned(),
            CloseReason::TlsFailed(why) => as_text(why).into_owned(),
            CloseReason::Unauthenticated(failure) => failure.to_string(),
        }
    }

    /// Whether the server and we do not get together, whatever the message: the
    /// operator should be told, and no message is to blame.
    pub fn is_route_problem(&self) -> bool {
        match self {
            CloseReason::Refused(_, reply) => reply.code >= 500,
            CloseReason::TlsNotOffered { .. } | CloseReason::TlsFailed(_) => true,
            CloseReason::Unauthenticated(failure) => !failure.is_temporary(),
            _ => false,
        }
    }

    /// Whether nothing is wrong with the server, so that other messages may go
    /// out over a new connection at once.
    pub fn may_reconnect(&self) -> bool {
        matches!(self, CloseReason::Quit | CloseReason::HeldBack)
    }

    /// Whether the next attempt should do without `Settings::chunking`.
    pub fn is_chunking_fault(&self) -> bool {
        matches!(self, CloseReason::ChunkingRefused(_))
    }
}
