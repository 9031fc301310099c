//! Every response whose text never changes, and how others are made.

use crate::proto::sasl::Answer;

use super::{Failure, OpenFailure};

/// A response of one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fixed {
    text: &'static str,
    is_protocol_error: bool,
}

/// Defines the constants, and a list of them all for the test. A mistake is a
/// response to a protocol error.
macro_rules! responses {
    ($($name:ident = $kind:ident $text:literal;)*) => {
        $(pub(super) const $name: Fixed = $kind($text);)*
        #[cfg(test)]
        const ALL: &[Fixed] = &[$($name),*];
    };
}

responses! {
    OK = plain "+OK";
    CAPABILITIES = plain "+OK capability list follows";
    MECHANISMS = plain "+OK mechanisms follow";
    START_TLS = plain "+OK ready to start tls";
    SIGNING_OFF = plain "+OK signing off";

    UNKNOWN = mistake "-ERR command unrecognized";
    OUT_OF_PLACE = mistake "-ERR command out of sequence";
    BAD_ARGUMENT = mistake "-ERR invalid argument";
    LINE_TOO_LONG = mistake "-ERR line too long";
    NO_TLS = mistake "-ERR encryption not available";
    // What a client asks for that is not there is no mistake of the protocol.
    NO_SUCH_MESSAGE = plain "-ERR invalid id";
    MESSAGE_GONE = plain "-ERR the message is gone";
    MESSAGE_CHANGED = plain "-ERR the message has changed";
    // RFC 3206 4: for the time being.
    UNREADABLE = plain "-ERR [SYS/TEMP] cannot read the message now";
    NOT_ALL_DELETED = plain "-ERR [SYS/TEMP] some deleted messages not removed";

    // RFC 3206 5
    REJECTED = plain "-ERR [AUTH] authentication failed";
    TOO_MANY_FAILURES = plain "-ERR [AUTH] too many failed authentications";
    NEEDS_TLS = plain "-ERR must use STLS before authentication";
    NO_PASSWORDS = plain "-ERR no SASL PLAIN mechanism to do USER/PASS authentication";
    NO_APOP = plain "-ERR no APOP without a timestamp in the greeting";
    // RFC 2449 8.1.1
    IN_USE = plain "-ERR [IN-USE] another session has the maildrop";
    NOT_NOW = plain "-ERR [SYS/TEMP] cannot open the maildrop now";
    NEVER = plain "-ERR [SYS/PERM] cannot open the maildrop";

    TOO_MANY_ERRORS = plain "-ERR too many errors, closing connection";
    TOO_MUCH_JUNK = plain "-ERR too many commands, closing connection";
    OVERFLOW = plain "-ERR too much input, closing connection";
    BARE_LINE_END = plain "-ERR lines must end with <CRLF>, closing connection";
    SHUTTING_DOWN = plain "-ERR [SYS/TEMP] shutting down, closing connection";
}

const fn plain(text: &'static str) -> Fixed {
    Fixed {
        text,
        is_protocol_error: false,
    }
}

const fn mistake(text: &'static str) -> Fixed {
    Fixed {
        text,
        is_protocol_error: true,
    }
}

impl Fixed {
    pub(super) fn is_protocol_error(&self) -> bool {
        self.is_protocol_error
    }

    pub(super) fn render(&self) -> Vec<u8> {
        line(self.text)
    }
}

/// A line with its CRLF.
pub(super) fn line(text: impl AsRef<[u8]>) -> Vec<u8> {
    [text.as_ref(), b"\r\n"].concat()
}

/// What ends a response of many lines.
pub(super) const END: &[u8] = b".\r\n";

/// The response to an attempt to log in that has come to that.
pub(super) fn answer(answer: Answer) -> Vec<u8> {
    match answer {
        Answer::Succeeded => OK.render(),
        Answer::Rejected => REJECTED.render(),
        Answer::EncryptionNeeded => NEEDS_TLS.render(),
        // RFC 3206 4
        Answer::Unavailable => line(format!("-ERR [SYS/TEMP] {}", answer.text())),
        _ => line(format!("-ERR {}", answer.text())),
    }
}

/// A challenge.
// RFC 5034 4: "+", a blank, and the challenge in base64.
pub(super) fn challenge(text: &[u8]) -> Vec<u8> {
    line([b"+ ", text].concat())
}

pub(super) fn of_open_failure(failure: OpenFailure) -> Fixed {
    match failure {
        OpenFailure::InUse => IN_USE,
        OpenFailure::ForNow => NOT_NOW,
        OpenFailure::ForGood => NEVER,
        OpenFailure::BadName => REJECTED,
    }
}

pub(super) fn of_failure(failure: Failure) -> Fixed {
    match failure {
        Failure::Gone => MESSAGE_GONE,
        Failure::Changed => MESSAGE_CHANGED,
        Failure::ForNow => UNREADABLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 1939 3: "+OK" or "-ERR" in capitals, and at most 512 octets. RFC 2449 8:
    // a response code stands in brackets at the start of the text.
    #[test]
    fn all_have_the_form_of_a_response() {
        for response in ALL {
            let octets = response.render();
            let text = String::from_utf8(octets).unwrap();
            assert!(text.len() <= 512 && text.is_ascii(), "{text}");
            let is_ok = text.starts_with("+OK ") || text == "+OK\r\n";
            assert!(is_ok || text.starts_with("-ERR "), "{text}");
            assert!(!(is_ok && response.is_protocol_error()), "{text}");
            assert_eq!(text.matches("\r\n").count(), 1, "{text}");
            if text.contains('[') {
                let codes = ["[AUTH]", "[IN-USE]", "[SYS/TEMP]", "[SYS/PERM]"];
                let has_code = |code: &&str| text.starts_with(&format!("-ERR {code} "));
                assert!(codes.iter().any(has_code), "{text}");
            }
        }
    }
}
