//! Every reply that the server makes up itself. The first digit of a code is
//! also the class of its enhanced status code (RFC 3463).

use crate::base::OneLine;
use crate::proto::sasl::Answer;
use crate::proto::smtp::reply::Reply;

use super::Settings;

/// A reply whose text never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fixed {
    pub(super) code: u16,
    enhanced: Option<(u16, u16)>,
    text: &'static str,
}

impl From<Fixed> for Reply {
    fn from(fixed: Fixed) -> Reply {
        Reply::new(fixed.code, fixed.enhanced, fixed.text)
    }
}

/// Defines the constants, and a list of them all for the test.
macro_rules! replies {
    ($($name:ident = $code:literal $(($subject:literal . $detail:literal))? $text:literal;)*) => {
        $(pub(super) const $name: Fixed = Fixed {
            code: $code,
            enhanced: enhanced!($($subject $detail)?),
            text: $text,
        };)*
        #[cfg(test)]
        const ALL: &[Fixed] = &[$($name),*];
    };
}

macro_rules! enhanced {
    () => {
        None
    };
    ($subject:literal $detail:literal) => {
        Some(($subject, $detail))
    };
}

replies! {
    OK = 250 (0 . 0) "OK";
    STATE_RESET = 250 (0 . 0) "state reset";
    SENDER_OK = 250 (1 . 0) "OK";
    RECIPIENT_OK = 250 (1 . 5) "OK";
    START_TLS = 220 (0 . 0) "ready to start tls";
    QUIT = 221 (0 . 0) "OK";
    CANNOT_VERIFY = 252 (0 . 0) "cannot verify but will accept mail";
    // RFC 2034 4: 3yz replies have no enhanced status code.
    START_INPUT = 354 "start mail input -- end with <CRLF>.<CRLF>";

    SHUTTING_DOWN = 421 (3 . 2) "shutting down, closing connection";
    IDLE = 421 (4 . 2) "idle timeout, closing connection";
    TOO_SLOW = 421 (4 . 2) "message content too slow, closing connection";
    TOO_MANY_ERRORS = 421 (7 . 0) "too many errors, closing connection";
    TOO_MUCH_JUNK = 421 (7 . 0) "too many commands without a message, closing connection";
    TOO_MANY_REFUSED = 421 (7 . 0) "too many refused recipients, closing connection";
    TOO_MANY_TRANSACTIONS = 421 (7 . 0) "too many transactions, closing connection";
    TOO_MANY_FAILURES = 421 (7 . 0) "too many failed authentications, closing connection";
    OVERFLOW = 421 (7 . 0) "too much input, closing connection";
    TOO_MANY_RECIPIENTS = 452 (5 . 3) "too many recipients";

    UNRECOGNIZED = 500 (5 . 1) "command unrecognized";
    BARE_LINE_END = 500 (5 . 2) "lines must end with <CRLF>";
    LINE_TOO_LONG = 500 (5 . 6) "line too long";
    BAD_ARGUMENT = 501 (5 . 4) "invalid argument";
    // RFC 2034 4: no enhanced status code in any response to EHLO or HELO.
    BAD_HELLO = 501 "domain or address literal required";
    NOT_IMPLEMENTED = 502 (5 . 1) "command not implemented";
    OUT_OF_SEQUENCE = 503 (5 . 1) "command out of sequence -- use RSET to resynchronise";
    NOT_FOR_BINARY = 503 (5 . 1) "binarymime needs BDAT";
    // RFC 4954 6
    AUTH_REQUIRED = 530 (7 . 0) "authentication required";
    AUTH_AND_TLS_REQUIRED = 530 (7 . 0) "authentication required: use starttls";
    // RFC 3207 4
    TLS_REQUIRED = 530 (7 . 0) "encryption required: use starttls";
    TOO_BIG = 552 (3 . 4) "message exceeds fixed maximum message size";
    BAD_SENDER = 553 (1 . 7) "mailbox name not allowed";
    BAD_RECIPIENT = 553 (1 . 3) "mailbox name not allowed";
    SENDER_TOO_LONG = 501 (1 . 7) "mailbox name too long";
    RECIPIENT_TOO_LONG = 501 (1 . 3) "mailbox name too long";
    UTF8_NOT_ALLOWED = 553 (6 . 7) "non-ascii mailbox name needs SMTPUTF8";
    EARLY_TALKER = 554 (5 . 0) "client must wait for the greeting";
    NOT_SMTP = 554 (5 . 0) "this is an smtp server";
    NO_RECIPIENTS = 554 (5 . 1) "no valid recipients";
    LOOP = 554 (4 . 6) "too many hops, mail loop suspected";
    BAD_HEADER = 554 (6 . 0) "header section too large";
    STRAY_LINE_END = 554 (6 . 11) "content has a bare cr or lf";
    UNKNOWN_PARAMETER = 555 (5 . 4) "parameter not recognized or not implemented";
}

impl Fixed {
    pub(super) fn text(&self) -> &'static str {
        self.text
    }

    /// Whether the client has got the protocol wrong, rather than just asked for
    /// something that it cannot have.
    pub(super) fn is_protocol_error(&self) -> bool {
        matches!(self.code, 500 | 501 | 503 | 504 | 553 | 555)
    }
}

pub(super) fn greeting(settings: &Settings) -> Reply {
    if settings.anonymous_server {
        return Reply::new(220, None, "ready");
    }
    // RFC 5321 4.2: the domain comes first.
    let text = [
        settings.domain.as_bytes(),
        b" -- ",
        settings.banner.as_bytes(),
        b" -- Service ready",
    ];
    Reply::new(220, None, text.concat())
}

/// The reply to HELO, and to EHLO with the extensions: first those that depend on
/// the connection's state.
pub(super) fn hello(settings: &Settings, extended: Option<Vec<String>>) -> Reply {
    let name = match settings.anonymous_server {
        true => b"smtp",
        false => settings.domain.as_bytes(),
    };
    let mut reply = Reply::new(250, None, [name, b" says hello"].concat());
    if let Some(mut lines) = extended {
        lines.extend(extensions(settings));
        reply.lines.extend(lines.iter().map(OneLine::escaped));
    }
    reply
}

fn extensions(settings: &Settings) -> Vec<String> {
    // RFC 1870 3: the number is the limit that is enforced.
    let size = settings.size_max.map(|octets| format!("SIZE {octets}"));
    let words = [
        (settings.vrfy, "VRFY"),
        (settings.chunking, "CHUNKING"),
        (settings.chunking, "BINARYMIME"),
        (settings.pipelining, "PIPELINING"),
        (settings.smtputf8, "SMTPUTF8"),
        (true, "ENHANCEDSTATUSCODES"),
        (true, "8BITMIME"),
    ];
    let offered = words.iter().filter(|(offered, _)| *offered);
    size.into_iter()
        .chain(offered.map(|(_, word)| (*word).to_owned()))
        .collect()
}

/// RFC 4954 4: a challenge has no enhanced status code, and may be empty.
pub(super) fn challenge(text: &[u8]) -> Reply {
    Reply::new(334, None, text)
}

pub(super) fn answer(answer: Answer) -> Reply {
    Reply::new(answer.code(), Some(answer.enhanced()), answer.text())
}

pub(super) fn help(verbs: &str) -> Reply {
    Reply::new(214, Some((0, 0)), format!("commands: {verbs}"))
}

pub(super) fn stored(settings: &Settings, id: &OneLine) -> Reply {
    match settings.anonymous_server {
        true => OK.into(),
        false => Reply::new(250, Some((0, 0)), [b"OK ", id.as_bytes()].concat()),
    }
}

pub(super) fn chunk_received(octets: u64) -> Reply {
    Reply::new(250, Some((0, 0)), format!("{octets} octets received"))
}

pub(super) fn verified(full_name: &OneLine) -> Reply {
    Reply::new(250, Some((1, 5)), full_name.as_bytes())
}

pub(super) fn will_accept(argument: &OneLine) -> Reply {
    let text = [b"cannot verify but will accept: ", argument.as_bytes()];
    Reply::new(252, Some((1, 5)), text.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_within_the_grammar() {
        for fixed in ALL {
            let line = Reply::from(*fixed).render();
            assert!(line.len() < 100 && line.ends_with(b"\r\n"), "{fixed:?}");
            assert!(
                fixed.text.chars().all(|c| matches!(c, ' '..='~')),
                "{fixed:?}"
            );
            assert!(!fixed.text.contains('\\'), "{fixed:?}");
            // RFC 2034 4: all of 2yz, 4yz and 5yz but those to EHLO and HELO.
            let exempt = [START_INPUT, BAD_HELLO].contains(fixed);
            assert_eq!(fixed.enhanced.is_none(), exempt, "{fixed:?}");
            // RFC 3463 2: subjects go up to 7, details have up to three digits.
            assert!(fixed.enhanced.is_none_or(|(s, d)| s <= 7 && d <= 999));
        }
    }

    #[test]
    fn announces_what_is_configured() {
        let plain = Settings::default();
        assert_eq!(
            extensions(&plain),
            ["VRFY", "PIPELINING", "ENHANCEDSTATUSCODES", "8BITMIME"]
        );
        let bare = Settings {
            vrfy: false,
            pipelining: false,
            ..Settings::default()
        };
        assert_eq!(extensions(&bare), ["ENHANCEDSTATUSCODES", "8BITMIME"]);
        let full = Settings {
            size_max: Some(1000),
            chunking: true,
            smtputf8: true,
            ..Settings::default()
        };
        let expected = [
            "SIZE 1000",
            "VRFY",
            "CHUNKING",
            "BINARYMIME",
            "PIPELINING",
            "SMTPUTF8",
            "ENHANCEDSTATUSCODES",
            "8BITMIME",
        ];
        assert_eq!(extensions(&full), expected);
    }
}
