//! Command lines and the arguments that are neither paths nor parameters.

use crate::base::{OneLine, ascii};

use super::path::{self, PathRules};

/// A command line taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command<'a> {
    /// The first word, in whatever case it came.
    pub verb: &'a [u8],
    /// All that follows, without the blanks around it.
    pub argument: &'a [u8],
}

impl<'a> Command<'a> {
    /// Takes a line (without its CRLF) apart at the first blank.
    pub fn split(line: &'a [u8]) -> Command<'a> {
        let blank = line.iter().position(|octet| matches!(octet, b' ' | b'\t'));
        let (verb, argument) = line.split_at(blank.unwrap_or(line.len()));
        Command {
            verb,
            argument: ascii::trim(argument),
        }
    }

    /// Whether this is how an HTTP request starts.
    pub fn is_http(&self) -> bool {
        let is_method = |method: &&[u8]| ascii::eq(self.verb, method);
        HTTP_METHODS.iter().any(is_method)
    }
}

const HTTP_METHODS: [&[u8]; 9] = [
    b"GET", b"POST", b"HEAD", b"PUT", b"CONNECT", b"OPTIONS", b"DELETE", b"PATCH", b"TRACE",
];

/// Reads the argument of EHLO or HELO: a domain or address literal, or with
/// lenient rules any text, which is then escaped where it is not printable.
// RFC 5321 4.1.1.1
pub fn hello_name(argument: &[u8], rules: PathRules) -> Option<OneLine> {
    let fits = !argument.is_empty() && argument.len() <= path::DOMAIN_MAX;
    let well_formed =
        || path::is_domain(argument, PathRules::Lenient) || is_hello_literal(argument);
    match rules {
        _ if !fits => None,
        PathRules::Strict if !argument.is_ascii() || !well_formed() => None,
        PathRules::Strict | PathRules::Lenient => Some(OneLine::escaped(argument)),
    }
}

/// Accepts `[::1]` besides the correct `[IPv6:::1]`: clients do send it, and the
/// name is shown but never relied upon.
fn is_hello_literal(argument: &[u8]) -> bool {
    let inner = argument
        .strip_prefix(b"[")
        .and_then(|a| a.strip_suffix(b"]"));
    let bare = inner.and_then(|inner| std::str::from_utf8(inner).ok());
    path::is_address_literal(argument)
        || bare.is_some_and(|text| text.parse::<core::net::Ipv6Addr>().is_ok())
}

/// The argument of BDAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// How many octets follow the command.
    pub octets: u64,
    /// Whether they are the last of the message.
    pub last: bool,
}

/// Reads the argument of BDAT: digits without sign or overflow, and perhaps LAST.
// RFC 3030 2: bdat-cmd = "BDAT" SP chunk-size [ SP end-marker ] CR LF
pub fn chunk(argument: &[u8]) -> Option<Chunk> {
    let split = Command::split(argument);
    let octets = ascii::parse_decimal(split.verb).filter(|_| split.verb.len() <= 20)?;
    match split.argument {
        b"" => Some(Chunk {
            octets,
            last: false,
        }),
        marker if ascii::eq(marker, b"LAST") => Some(Chunk { octets, last: true }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_at_the_first_blank() {
        let table: [(&[u8], &[u8], &[u8]); 7] = [
            (b"NOOP", b"NOOP", b""),
            (b"MAIL FROM:<a@b> SIZE=1 ", b"MAIL", b"FROM:<a@b> SIZE=1"),
            (b"MAIL  \tFROM:<a@b>", b"MAIL", b"FROM:<a@b>"),
            (b"ehlo\tx", b"ehlo", b"x"),
            (b"", b"", b""),
            (b" NOOP", b"", b"NOOP"),
            (b"\0\xff x", b"\0\xff", b"x"),
        ];
        for (line, verb, argument) in table {
            assert_eq!(Command::split(line), Command { verb, argument });
        }
    }

    #[test]
    fn knows_http_requests() {
        for line in ["GET / HTTP/1.1", "post /x HTTP/1.0", "CONNECT a:25"] {
            assert!(Command::split(line.as_bytes()).is_http(), "{line}");
        }
        for line in ["MAIL FROM:<GET@x>", "GETS /", "HELO POST"] {
            assert!(!Command::split(line.as_bytes()).is_http(), "{line}");
        }
    }

    #[test]
    fn checks_the_name_in_ehlo() {
        let good = [
            "me",
            "mail.example.com",
            "my_host.lan",
            "123",
            "[192.0.2.1]",
            "[IPv6:2001:db8::1]",
            "[::1]",
        ];
        for name in good {
            assert!(
                hello_name(name.as_bytes(), PathRules::Strict).is_some(),
                "{name}"
            );
        }
        let bad = [
            "a) (b [1.2.3.4] by evil",
            "x\tBcc:",
            "a b",
            "-a",
            "a..b",
            "[1.2.3]",
            "[1.2.3.4",
            "é.example",
            "a;b",
            "<x>",
        ];
        for name in bad {
            assert_eq!(
                hello_name(name.as_bytes(), PathRules::Strict),
                None,
                "{name}"
            );
            assert!(
                hello_name(name.as_bytes(), PathRules::Lenient).is_some(),
                "{name}"
            );
        }
        for rules in [PathRules::Strict, PathRules::Lenient] {
            assert_eq!(hello_name(b"", rules), None);
            assert_eq!(hello_name(&[b'a'; 256], rules), None);
        }
    }

    #[test]
    fn reads_chunk_sizes() {
        let table: [(&str, Option<(u64, bool)>); 18] = [
            ("5", Some((5, false))),
            ("0 LAST", Some((0, true))),
            ("86 last", Some((86, true))),
            ("18446744073709551615", Some((u64::MAX, false))),
            ("18446744073709551616 LAST", None),
            ("000000000000000000000", None),
            ("-5", None),
            ("+5", None),
            ("0x10", None),
            ("abc", None),
            ("", None),
            ("LAST", None),
            ("5 LASTX", None),
            ("5 LAST x", None),
            ("5LAST", None),
            ("5.0", None),
            ("5,5", None),
            ("\u{661}", None),
        ];
        for (argument, expected) in table {
            let expected = expected.map(|(octets, last)| Chunk { octets, last });
            assert_eq!(chunk(argument.as_bytes()), expected, "{argument}");
        }
    }
}
