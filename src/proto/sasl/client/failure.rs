//! Why authentication to a server failed.

use std::fmt;

use crate::base::OneLine;
use crate::proto::sasl::Mechanism;

/// Why we could not authenticate; shown as the reason in logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientFailure {
    /// The server has no mechanisms.
    NotOffered,
    /// The server has only mechanisms that we have no secret for, or that the
    /// configuration denies.
    NothingInCommon {
        /// The server's mechanisms.
        offered: OneLine,
    },
    /// What we have in common would show the secret to whoever listens.
    WouldBeOverheard {
        /// The server's mechanisms.
        offered: OneLine,
    },
    /// The server said no.
    Refused {
        /// The mechanism it said no to.
        mechanism: Mechanism,
        /// The secret: its kind, user name and line.
        with: String,
        /// The reply code.
        code: u16,
        /// The reply's text.
        text: OneLine,
    },
    /// The server replied with what makes no sense at that point.
    OutOfStep {
        /// The mechanism in use.
        mechanism: Mechanism,
        /// The reply code.
        code: u16,
    },
}

impl ClientFailure {
    /// Whether it may go away by itself, without a change on our side.
    pub fn is_temporary(&self) -> bool {
        matches!(
            self,
            ClientFailure::Refused {
                code: 400..=499,
                ..
            }
        )
    }
}

impl fmt::Display for ClientFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientFailure::NotOffered => {
                f.write_str("authentication is not supported by the remote smtp server")
            }
            ClientFailure::NothingInCommon { offered } => write!(
                f,
                "cannot do authentication required by remote server ({offered}): \
                 check for a compatible client secret"
            ),
            ClientFailure::WouldBeOverheard { offered } => write!(
                f,
                "cannot do authentication required by remote server ({offered}) without \
                 encryption: others could read the secret"
            ),
            ClientFailure::Refused {
                mechanism,
                with,
                text,
                ..
            } => write!(
                f,
                "authentication failed using mechanism [{mechanism}] and {with}: [{text}]"
            ),
            ClientFailure::OutOfStep { mechanism, code } => write!(
                f,
                "unexpected reply {code} during authentication using mechanism [{mechanism}]"
            ),
        }
    }
}
