//! A message to be sent: its envelope and what must be known of its content.

use crate::base::OneLine;

/// Which octets the content has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// Lines of ASCII.
    SevenBit,
    /// Lines of any octets (RFC 6152).
    EightBit,
    /// Any octets, not made of lines (RFC 3030): sent without any change.
    Binary,
    /// Nobody looked.
    Unknown,
}

/// An envelope, without angle brackets around its paths.
#[derive(Clone, Debug)]
pub struct Message {
    /// Whom to tell of failures; empty for none.
    pub reverse_path: OneLine,
    /// The forward-paths, in the order in which the outcome reports them.
    pub recipients: Vec<OneLine>,
    /// About how many octets the content has, with CRLF line ends.
    pub size: Option<u64>,
    /// Which octets the content has.
    pub body: Body,
    /// Whether the sender said that header or envelope have UTF-8 in them.
    pub smtputf8: bool,
    /// Who submitted the message, for the AUTH parameter of MAIL: xtext, `<>`, or
    /// empty for the name that we log in with.
    pub submitter: OneLine,
}

/// Whether a path stays one path between the angle brackets of a command: a
/// stray bracket or blank would let it pass for parameters.
pub(super) fn is_sendable(path: &OneLine) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    for byte in path.as_bytes() {
        match byte {
            byte if byte.is_ascii_control() => return false,
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'<' | b'>' | b' ' if !quoted => return false,
            _ => {}
        }
    }
    !quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_break_out_of_their_brackets_are_not_sendable() {
        let sendable = |path: &str| is_sendable(&OneLine::new(path).unwrap());
        for good in [
            "",
            "a@b",
            "@r,@s:a@b",
            r#""a> <b"@c"#,
            r#""a\">"@c"#,
            "é@b",
            "a@[IPv6:::1]",
        ] {
            assert!(sendable(good), "{good}");
        }
        for bad in [
            "a@b> SIZE=1",
            "a b@c",
            "<a@b>",
            "\"a@b",
            "\"a\\\"@b",
            "a\t@b",
            "a\x7f@b",
            "\"\x1b\"@b",
        ] {
            assert!(!sendable(bad), "{bad}");
        }
    }
}
