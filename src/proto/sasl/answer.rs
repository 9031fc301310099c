//! How a server answers AUTH.

/// What the server says to an attempt to authenticate. SMTP uses the code, the
/// enhanced status code and the text; POP only whether it is well and the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Answer {
    /// The client is who it says.
    Succeeded,
    /// The credentials are wrong, or not in the mechanism's form.
    Rejected,
    /// The AUTH command's initial response is not base64.
    BadInitialResponse,
    /// A response is not base64.
    BadResponse,
    /// There was an initial response although the server speaks first.
    UnexpectedInitialResponse,
    /// The client gave up with `*`.
    Cancelled,
    /// A mechanism that is unknown, or that no secret serves for.
    Unsupported,
    /// A mechanism that the configuration denies.
    TooWeak,
    /// A mechanism that is for encrypted connections only.
    EncryptionNeeded,
    /// A line over [`super::LINE_MAX`].
    LineTooLong,
    /// The check could not be made just now.
    Unavailable,
}

impl Answer {
    /// The reply code.
    // RFC 4954 4 and 6.
    pub fn code(self) -> u16 {
        match self {
            Answer::Succeeded => 235,
            Answer::Rejected => 535,
            Answer::BadInitialResponse
            | Answer::BadResponse
            | Answer::UnexpectedInitialResponse
            | Answer::Cancelled => 501,
            Answer::Unsupported => 504,
            Answer::TooWeak => 534,
            Answer::EncryptionNeeded => 538,
            Answer::LineTooLong => 500,
            Answer::Unavailable => 454,
        }
    }

    /// Subject and detail of the enhanced status code; its class is the first
    /// digit of the code.
    // RFC 4954 4 and 6; RFC 3463 3.6 and 3.8.
    pub fn enhanced(self) -> (u16, u16) {
        match self {
            Answer::Succeeded
            | Answer::UnexpectedInitialResponse
            | Answer::Cancelled
            | Answer::Unavailable => (7, 0),
            Answer::Rejected => (7, 8),
            Answer::BadInitialResponse | Answer::BadResponse => (5, 2),
            Answer::Unsupported => (5, 4),
            Answer::TooWeak => (7, 9),
            Answer::EncryptionNeeded => (7, 11),
            Answer::LineTooLong => (5, 6),
        }
    }

    /// The text for the peer.
    pub fn text(self) -> &'static str {
        match self {
            Answer::Succeeded => "authentication successful",
            Answer::Rejected => "authentication failed",
            Answer::BadInitialResponse
            | Answer::BadResponse
            | Answer::UnexpectedInitialResponse => "invalid argument",
            Answer::Cancelled => "authentication cancelled",
            Answer::Unsupported => "unsupported authentication mechanism",
            Answer::TooWeak => "authentication mechanism is too weak",
            Answer::EncryptionNeeded => {
                "encryption required for requested authentication mechanism"
            }
            Answer::LineTooLong => "authentication exchange line is too long",
            Answer::Unavailable => "temporary authentication failure",
        }
    }

    /// The text for the log, for answers that the peer brought on itself by other
    /// means than wrong credentials; those have a text of their own where they
    /// are checked.
    pub fn warning(self) -> Option<&'static str> {
        match self {
            Answer::Succeeded | Answer::Rejected | Answer::Cancelled | Answer::Unavailable => None,
            Answer::BadInitialResponse => Some("invalid base64 encoding of AUTH parameter"),
            Answer::BadResponse => Some("invalid base64 encoding of authentication response"),
            Answer::UnexpectedInitialResponse => {
                Some("unexpected initial-response with a server-first AUTH mechanism")
            }
            Answer::Unsupported => Some("request for unsupported server AUTH mechanism"),
            Answer::TooWeak => Some("request for a server AUTH mechanism that is denied"),
            Answer::EncryptionNeeded => Some("rejecting authentication attempt without encryption"),
            Answer::LineTooLong => Some("very long line during authentication"),
        }
    }

    /// Whether it counts as an attempt that failed, for [`super::Attempts`] and
    /// [`super::Throttle`]: whatever is or may be a guess, and all that is
    /// malformed. A mechanism that is not to be had is no guess.
    pub fn is_failure(self) -> bool {
        match self {
            Answer::Rejected
            | Answer::BadInitialResponse
            | Answer::BadResponse
            | Answer::UnexpectedInitialResponse
            | Answer::Cancelled
            | Answer::LineTooLong => true,
            Answer::Succeeded
            | Answer::Unsupported
            | Answer::TooWeak
            | Answer::EncryptionNeeded
            | Answer::Unavailable => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_codes_of_rfc_4954() {
        for (answer, code, enhanced) in [
            (Answer::Succeeded, 235, (7, 0)),
            (Answer::Rejected, 535, (7, 8)),
            (Answer::BadInitialResponse, 501, (5, 2)),
            (Answer::BadResponse, 501, (5, 2)),
            (Answer::UnexpectedInitialResponse, 501, (7, 0)),
            (Answer::Cancelled, 501, (7, 0)),
            (Answer::Unsupported, 504, (5, 4)),
            (Answer::TooWeak, 534, (7, 9)),
            (Answer::EncryptionNeeded, 538, (7, 11)),
            (Answer::LineTooLong, 500, (5, 6)),
            (Answer::Unavailable, 454, (7, 0)),
        ] {
            assert_eq!(
                (answer.code(), answer.enhanced()),
                (code, enhanced),
                "{answer:?}"
            );
            assert_eq!(
                answer.is_failure(),
                [500, 501, 535].contains(&code),
                "{answer:?}"
            );
        }
    }
}
