//! What a server offers in its reply to EHLO.

use std::num::NonZeroU64;

use crate::base::ascii;

/// How many AUTH mechanisms are kept; no server has more to offer.
pub const MECHANISMS_MAX: usize = 32;

/// The longest name of a mechanism.
// RFC 4422 3.1: 1 to 20 characters.
const MECHANISM_NAME_MAX: usize = 20;

/// The extensions that matter to us. Nothing is offered before EHLO, nor after HELO.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// SIZE (RFC 1870).
    pub size: bool,
    /// The largest message that the server takes, in octets.
    pub size_max: Option<NonZeroU64>,
    /// 8BITMIME (RFC 6152).
    pub eight_bit_mime: bool,
    /// PIPELINING (RFC 2920).
    pub pipelining: bool,
    /// CHUNKING (RFC 3030).
    pub chunking: bool,
    /// BINARYMIME (RFC 3030).
    pub binary_mime: bool,
    /// SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// ENHANCEDSTATUSCODES (RFC 2034).
    pub enhanced_status_codes: bool,
    /// STARTTLS (RFC 3207).
    pub starttls: bool,
    /// The mechanisms of AUTH (RFC 4954), in upper case, in the server's order.
    pub auth: Vec<String>,
}

impl Extensions {
    /// Reads the lines of a reply to EHLO, the first of which is the server's name.
    pub fn parse(lines: &[Vec<u8>]) -> Extensions {
        let mut extensions = Extensions::default();
        lines.iter().skip(1).for_each(|line| extensions.add(line));
        extensions
    }

    /// Whether the server takes content that is not made of lines.
    // RFC 3030 3: binary content goes with BDAT or not at all.
    pub(super) fn takes_binary(&self) -> bool {
        self.binary_mime && self.chunking
    }

    // RFC 5321 4.1.1.1: keywords are compared without regard to case.
    fn add(&mut self, line: &[u8]) {
        let mut words = line
            .split(|byte| *byte == b' ')
            .filter(|word| !word.is_empty());
        let Some(keyword) = words.next() else {
            return;
        };
        match keyword.to_ascii_uppercase().as_slice() {
            b"SIZE" => self.add_size(words.next()),
            b"8BITMIME" => self.eight_bit_mime = true,
            b"PIPELINING" => self.pipelining = true,
            b"CHUNKING" => self.chunking = true,
            b"BINARYMIME" => self.binary_mime = true,
            b"SMTPUTF8" => self.smtputf8 = true,
            b"ENHANCEDSTATUSCODES" => self.enhanced_status_codes = true,
            b"STARTTLS" => self.starttls = true,
            b"AUTH" => words.for_each(|name| self.add_mechanism(name)),
            _ => {}
        }
    }

    // RFC 1870 4: without a number, or with zero, there is no limit to go by.
    fn add_size(&mut self, limit: Option<&[u8]>) {
        match limit.map(ascii::parse_decimal) {
            None => self.size = true,
            Some(Some(octets)) => {
                self.size = true;
                self.size_max = NonZeroU64::new(octets);
            }
            Some(None) => {}
        }
    }

    fn add_mechanism(&mut self, name: &[u8]) {
        let is_name_octet = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        let is_name = name.len() <= MECHANISM_NAME_MAX && name.iter().all(is_name_octet);
        if is_name && self.auth.len() < MECHANISMS_MAX {
            let name = name.iter().map(|b| char::from(b.to_ascii_uppercase()));
            self.auth.push(name.collect());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(lines: &[&str]) -> Extensions {
        let lines: Vec<Vec<u8>> = lines.iter().map(|l| l.as_bytes().to_vec()).collect();
        Extensions::parse(&lines)
    }

    #[test]
    fn reads_keywords_of_any_case() {
        let all = parse(&[
            "mx.example",
            "size 1000",
            "8bitMIME",
            "Pipelining",
            "chunking",
            "BinaryMime",
            "smtputf8",
            "EnhancedStatusCodes",
            "startTLS",
            "auth plain LOGIN Cram-MD5",
            "x-what else",
        ]);
        let expected = Extensions {
            size: true,
            size_max: NonZeroU64::new(1000),
            eight_bit_mime: true,
            pipelining: true,
            chunking: true,
            binary_mime: true,
            smtputf8: true,
            enhanced_status_codes: true,
            starttls: true,
            auth: ["PLAIN", "LOGIN", "CRAM-MD5"].map(str::to_owned).to_vec(),
        };
        assert_eq!(all, expected);
    }

    #[test]
    fn the_first_line_and_lookalikes_offer_nothing() {
        let lines = [
            "PIPELINING",
            "PIPELININGX",
            "",
            " ",
            "AUTH=PLAIN",
            "SIZE=9",
            "8BITMIMEX",
        ];
        assert_eq!(parse(&lines), Extensions::default());
    }

    #[test]
    fn h10_odd_sizes_set_no_limit() {
        for (line, offered, limit) in [
            ("SIZE", true, 0),
            ("SIZE 0", true, 0),
            ("SIZE 1", true, 1),
            ("SIZE x", false, 0),
            ("SIZE -1", false, 0),
            ("SIZE 18446744073709551615", true, u64::MAX),
            ("SIZE 18446744073709551616", false, 0),
        ] {
            let extensions = parse(&["mx", line]);
            assert_eq!(
                (extensions.size, extensions.size_max),
                (offered, NonZeroU64::new(limit)),
                "{line}"
            );
        }
    }

    #[test]
    fn h10_ten_thousand_mechanisms_are_bounded() {
        let line = "AUTH".to_owned() + &" MECH".repeat(10_000);
        assert_eq!(parse(&["mx", &line]).auth.len(), MECHANISMS_MAX);
        assert_eq!(
            parse(&["mx", "AUTH A\u{1b}B THIS-NAME-IS-TOO-LONG-X OK"]).auth,
            ["OK"]
        );
    }
}
