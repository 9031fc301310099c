//! The trace header field that a relay puts before the content.

use core::net::IpAddr;

use crate::base::{OneLine, WallClock};

/// The protocol keyword of a Received field (RFC 3848, RFC 6531 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// The client said HELO.
    Smtp,
    /// It said EHLO.
    Esmtp,
    /// It said EHLO, and SMTPUTF8 with MAIL.
    Utf8Smtp,
}

impl Protocol {
    /// The keyword. There is none for HELO with TLS or AUTH, which are extensions:
    /// it counts as EHLO then.
    pub fn keyword(self, encrypted: bool, authenticated: bool) -> &'static str {
        match (self, encrypted, authenticated) {
            (Protocol::Smtp, false, false) => "SMTP",
            (Protocol::Smtp | Protocol::Esmtp, false, true) => "ESMTPA",
            (Protocol::Smtp | Protocol::Esmtp, true, false) => "ESMTPS",
            (Protocol::Smtp | Protocol::Esmtp, true, true) => "ESMTPSA",
            (Protocol::Esmtp, false, false) => "ESMTP",
            (Protocol::Utf8Smtp, false, false) => "UTF8SMTP",
            (Protocol::Utf8Smtp, false, true) => "UTF8SMTPA",
            (Protocol::Utf8Smtp, true, false) => "UTF8SMTPS",
            (Protocol::Utf8Smtp, true, true) => "UTF8SMTPSA",
        }
    }
}

/// What a Received field tells.
#[derive(Clone, Copy, Debug)]
pub struct TraceFacts<'a> {
    /// The name that the client gave with EHLO or HELO.
    pub helo: &'a OneLine,
    /// The client's address.
    pub client: IpAddr,
    /// Our own name.
    pub domain: &'a OneLine,
    /// The protocol that was spoken.
    pub protocol: Protocol,
    /// How the connection is encrypted, if it is.
    pub tls: Option<TraceTls<'a>>,
    /// Whether the client has authenticated.
    pub authenticated: bool,
    /// The name of the message in the spool.
    pub id: &'a OneLine,
    /// When the message was received.
    pub date: WallClock,
}

/// How a connection is encrypted.
#[derive(Clone, Copy, Debug)]
pub struct TraceTls<'a> {
    /// The cipher suite by its registered name.
    pub suite: &'a str,
    /// The version of TLS, as logs have it.
    pub protocol: &'a str,
}

/// Writes the Received field: one unfolded line with its CRLF, of at most 998
/// octets before it, whatever the facts hold.
// RFC 5321 4.4: from, by, with and id in this order, then further clauses and the
// date. RFC 8314 4.3: the clause "tls" has the name of the cipher suite; it has no
// place for the version, which is a comment therefore.
pub fn received(facts: &TraceFacts<'_>) -> Vec<u8> {
    let client = match facts.client.to_canonical() {
        IpAddr::V4(address) => format!("[{address}]"),
        // RFC 5321 4.1.3: the tag tells the address family.
        IpAddr::V6(address) => format!("[IPv6:{address}]"),
    };
    let tls = facts
        .tls
        .map(|tls| format!(" tls {} ({})", tls.suite, tls.protocol));
    let line = format!(
        "Received: from {} ({client}) by {} with {} id {}{} ; {}\r\n",
        word(facts.helo),
        word(facts.domain),
        facts
            .protocol
            .keyword(facts.tls.is_some(), facts.authenticated),
        word(facts.id),
        tls.unwrap_or_default(),
        facts.date.mail_date(),
    );
    line.into_bytes()
}

/// What has to stand between a trace field and content that begins like this: an empty
/// line where the content would continue the field, and say in our name what it likes.
// RFC 5322 2.2.3: a line that begins with a blank belongs to the field before it. Where
// there is none it can be no field, so that the message has no header section of its own.
pub fn seam(content: &[u8]) -> &'static [u8] {
    match content.first() {
        Some(b' ' | b'\t') => b"\r\n",
        _ => b"",
    }
}

/// Makes one word of a text, so that it can neither start a comment or a clause
/// of its own nor end the field: blanks become hyphens, whatever else domains,
/// literals and escapes do not need becomes `\xNN`.
fn word(text: &OneLine) -> String {
    let mut word = String::new();
    for octet in text.as_bytes() {
        match octet {
            b' ' => word.push('-'),
            b'[' | b']' | b':' | b'.' | b'-' | b'_' | b'\\' => word.push(char::from(*octet)),
            _ if octet.is_ascii_alphanumeric() => word.push(char::from(*octet)),
            _ => word += &format!("\\x{octet:02x}"),
        }
    }
    word.truncate(WORD_MAX);
    match word.as_str() {
        "" => "unknown".to_owned(),
        _ => word,
    }
}

/// The longest of the words, in octets: as long as a domain can be.
const WORD_MAX: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(helo: &[u8], client: &str, protocol: Protocol, id: &str) -> String {
        let facts = TraceFacts {
            helo: &OneLine::new(helo).unwrap(),
            client: client.parse().unwrap(),
            domain: &OneLine::new("relay.test").unwrap(),
            protocol,
            tls: None,
            authenticated: false,
            id: &OneLine::new(id).unwrap(),
            date: WallClock {
                unix_ms: 1_795_361_082_000,
                zone_minutes: 0,
            },
        };
        String::from_utf8(received(&facts)).unwrap()
    }

    #[test]
    fn writes_one_line() {
        assert_eq!(
            trace(b"me", "127.0.0.1", Protocol::Esmtp, "emailrelay.1.2.3"),
            "Received: from me ([127.0.0.1]) by relay.test with ESMTP id emailrelay.1.2.3 \
             ; Sun, 22 Nov 2026 15:24:42 +0000\r\n"
        );
        let table = [
            (
                "::1",
                Protocol::Smtp,
                "([IPv6:::1]) by relay.test with SMTP id",
            ),
            (
                "::ffff:192.0.2.1",
                Protocol::Utf8Smtp,
                "([192.0.2.1]) by relay.test with UTF8SMTP id",
            ),
        ];
        for (client, protocol, expected) in table {
            let line = trace(b"x", client, protocol, "1");
            assert!(line.contains(expected), "{line}");
        }
    }

    #[test]
    fn names_cannot_leave_their_place() {
        let table: [(&[u8], &str); 6] = [
            (b"[IPv6:::1]", "from [IPv6:::1] ("),
            (
                b"a) (b [1.2.3.4] by evil",
                "from a\\x29-\\x28b-[1.2.3.4]-by-evil (",
            ),
            (b"x\\tBcc:", "from x\\tBcc: ("),
            (
                b"a;b,\"c\"<d>@e",
                "from a\\x3bb\\x2c\\x22c\\x22\\x3cd\\x3e\\x40e (",
            ),
            ("é\t".as_bytes(), "from \\xc3\\xa9\\x09 ("),
            (b"", "from unknown ("),
        ];
        for (helo, expected) in table {
            let line = trace(helo, "127.0.0.1", Protocol::Esmtp, "1");
            assert!(line.contains(expected), "{line}");
            assert_eq!(line.matches(['(', ';']).count(), 2, "{line}");
        }
    }

    #[test]
    fn content_cannot_continue_the_field() {
        for (content, expected) in [
            (&b" ; forged\r\n"[..], &b"\r\n"[..]),
            (b"\tforged\r\n", b"\r\n"),
            (b"Subject: x\r\n", b""),
            (b"\r\n x\r\n", b""),
            (b"", b""),
        ] {
            assert_eq!(seam(content), expected, "{}", content.escape_ascii());
        }
    }

    #[test]
    fn is_never_too_long_for_a_line() {
        let line = trace(&[0xFF; 4000], "::1", Protocol::Utf8Smtp, &"(".repeat(4000));
        assert!(line.len() <= 1000, "{}", line.len());
        assert_eq!(line.matches("\r\n").count(), 1);
    }
}
