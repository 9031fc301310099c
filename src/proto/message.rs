//! What a relay wants to know of a message, found while its content streams by.
//!
//! The header section ends at the first empty line, or before the first line
//! that can be neither a header field nor the continuation of one. This is the
//! only place that knows the rule, so that all who care agree on it. Lines are
//! those ended by CRLF.
// RFC 5322 2.2: field name of printable octets without colon, colon, body.

use crate::base::{OneLine, ascii};

/// How much header is too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderLimits {
    /// The most octets that a header section may have.
    pub octets_max: u64,
    /// The most Received fields that it may have.
    pub received_max: u32,
}

/// What is wrong with a header section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderFault {
    /// It is larger than the limit.
    TooLarge,
    /// It has been through so many hops that it must be in a loop.
    TooManyHops,
}

/// Looks at content as it passes, in pieces of any size, without keeping it.
#[derive(Debug)]
pub struct Scan {
    octets: u64,
    eight_bit: bool,
    header: Header,
}

impl Scan {
    /// Makes a scan of one message.
    pub fn new(limits: HeaderLimits) -> Scan {
        Scan {
            octets: 0,
            eight_bit: false,
            header: Header {
                limits,
                at: At::LineStart,
                field: None,
                name: Vec::new(),
                received: 0,
                message_id: None,
                fault: None,
            },
        }
    }

    /// Looks at the next octets of the content.
    pub fn feed(&mut self, content: &[u8]) {
        self.eight_bit = self.eight_bit || !content.is_ascii();
        for (offset, octet) in (self.octets..).zip(content) {
            if matches!(self.header.at, At::Body) {
                break;
            }
            self.header.step(offset, *octet);
        }
        self.octets += content.len() as u64;
    }

    /// How many octets the content has had so far.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// Whether an octet of 0x80 or above has been seen; nothing where there was
    /// no octet at all.
    pub fn eight_bit(&self) -> Option<bool> {
        (self.octets > 0).then_some(self.eight_bit)
    }

    /// What is wrong with the header section, and at which octet it showed.
    pub fn fault(&self) -> Option<(u64, HeaderFault)> {
        self.header.fault
    }

    /// Whether there has been a Message-ID field, even an empty one.
    pub fn has_message_id(&self) -> bool {
        self.header.message_id.is_some()
    }

    /// The text of the first Message-ID field: unfolded, at most
    /// [`MESSAGE_ID_MAX`] octets, escaped where it is not printable.
    pub fn message_id(&self) -> Option<OneLine> {
        let text = ascii::trim(self.header.message_id.as_deref()?);
        (!text.is_empty()).then(|| OneLine::escaped(text))
    }
}

/// The state of the search through the header section.
#[derive(Debug)]
struct Header {
    limits: HeaderLimits,
    at: At,
    /// The field whose body is being read or may be continued.
    field: Option<Field>,
    name: Vec<u8>,
    received: u32,
    message_id: Option<Vec<u8>>,
    fault: Option<(u64, HeaderFault)>,
}

#[derive(Clone, Copy, Debug)]
enum At {
    LineStart,
    /// After a CR that began the line.
    EmptyLine,
    Name,
    /// In blanks between a field's name and its colon (RFC 5322 4.5, obsolete).
    NameBlank,
    Value,
    /// After a CR in a field's body.
    ValueCr,
    /// The header section has ended.
    Body,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    MessageId,
    Other,
}

impl Header {
    fn step(&mut self, offset: u64, octet: u8) {
        if offset >= self.limits.octets_max {
            self.fail(offset, HeaderFault::TooLarge);
            return;
        }
        self.at = match (self.at, octet) {
            (At::LineStart, b'\r') => At::EmptyLine,
            (At::LineStart, b' ' | b'\t') if self.field.is_some() => self.keep(octet),
            (At::LineStart, _) => {
                self.name.clear();
                self.field = None;
                self.name_octet(octet)
            }
            (At::Name | At::NameBlank, b':') => self.enter_field(offset),
            (At::Name | At::NameBlank, b' ' | b'\t') => At::NameBlank,
            (At::Name, _) => self.name_octet(octet),
            (At::Value | At::ValueCr, b'\r') => At::ValueCr,
            (At::ValueCr, b'\n') => At::LineStart,
            (At::Value | At::ValueCr, _) => self.keep(octet),
            (At::EmptyLine | At::NameBlank | At::Body, _) => At::Body,
        };
    }

    fn name_octet(&mut self, octet: u8) -> At {
        let allowed = octet.is_ascii_graphic() && octet != b':';
        if !allowed || self.name.len() == NAME_MAX {
            return At::Body;
        }
        self.name.push(octet);
        At::Name
    }

    fn enter_field(&mut self, offset: u64) -> At {
        let is_first_id = self.message_id.is_none() && ascii::eq(&self.name, b"message-id");
        self.field = Some(if is_first_id {
            Field::MessageId
        } else {
            Field::Other
        });
        if is_first_id {
            self.message_id = Some(Vec::new());
        }
        if ascii::eq(&self.name, b"received") {
            self.received += 1;
        }
        // RFC 5321 6.3: counting Received fields is how loops are found.
        if self.received > self.limits.received_max {
            self.fail(offset, HeaderFault::TooManyHops);
            return At::Body;
        }
        At::Value
    }

    /// Takes an octet of a field's body.
    fn keep(&mut self, octet: u8) -> At {
        if let (Some(Field::MessageId), Some(text)) = (self.field, &mut self.message_id)
            && text.len() < MESSAGE_ID_MAX
        {
            text.push(octet);
        }
        At::Value
    }

    fn fail(&mut self, offset: u64, fault: HeaderFault) {
        self.fault = Some((offset, fault));
        self.at = At::Body;
    }
}

/// The longest Message-ID that is kept, in octets.
pub const MESSAGE_ID_MAX: usize = 250;

/// The longest name of a header field, in octets: a line of text has at most
/// 998, so a longer name is not one.
const NAME_MAX: usize = 997;

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HeaderLimits = HeaderLimits {
        octets_max: 60,
        received_max: 2,
    };

    type Facts = (Option<bool>, Option<(u64, HeaderFault)>, Option<String>);

    fn scan(content: &[u8], piece: usize) -> Facts {
        let mut scan = Scan::new(LIMITS);
        content.chunks(piece).for_each(|bytes| scan.feed(bytes));
        assert_eq!(scan.octets(), content.len() as u64);
        let id = scan.message_id();
        let id = id.map(|id| String::from_utf8(id.as_bytes().to_vec()).unwrap());
        (scan.eight_bit(), scan.fault(), id)
    }

    #[test]
    fn finds_the_message_id_wherever_the_content_is_cut() {
        let table: [(&str, Option<&str>); 12] = [
            ("Message-ID: <a@b>\r\n\r\n", Some("<a@b>")),
            ("X: y\r\nMESSAGE-id :\t<a@b> \r\n\r\n", Some("<a@b>")),
            ("Message-ID:\r\n <a@b>\r\n", Some("<a@b>")),
            ("Message-ID: <a@b>", Some("<a@b>")),
            ("Message-ID: 1\r\nMessage-ID: 2\r\n", Some("1")),
            ("Message-ID: a\nb\r\n", Some("a\\nb")),
            ("Message-ID:\r\n\r\n", None),
            ("X: y\r\n\r\nMessage-ID: <a@b>\r\n", None),
            ("\r\nMessage-ID: <a@b>\r\n", None),
            ("no field\r\nMessage-ID: <a@b>\r\n", None),
            (" not continued\r\nMessage-ID: <a@b>\r\n", None),
            ("X-Message-ID: <a@b>\r\n", None),
        ];
        for (content, expected) in table {
            for piece in 1..=content.len() {
                let (_, fault, id) = scan(content.as_bytes(), piece);
                assert_eq!(
                    (fault, id.as_deref()),
                    (None, expected),
                    "{content:?} by {piece}"
                );
            }
        }
    }

    #[test]
    fn counts_the_hops_in_the_header_only() {
        let table: [(&str, Option<u64>); 5] = [
            ("Received: a\r\nReceived: b\r\n\r\nReceived: c\r\n", None),
            ("Received: a\r\nReceived: b\r\nrEcEiVeD:\r\n", Some(34)),
            ("Received: a\r\n Received: b\r\nX: Received:\r\n", None),
            (
                "From a Mon\r\nReceived:\r\nReceived:\r\nReceived:\r\n",
                None,
            ),
            ("Received:\r\nReceived :\r\nReceived:", Some(31)),
        ];
        for (content, at) in table {
            for piece in 1..=content.len() {
                let expected = at.map(|at| (at, HeaderFault::TooManyHops));
                assert_eq!(scan(content.as_bytes(), piece).1, expected, "{content:?}");
            }
        }
    }

    #[test]
    fn limits_the_header_but_not_the_body() {
        let too_large = Some((60, HeaderFault::TooLarge));
        let table = [
            (format!("X: {}\r\n\r\n", "y".repeat(53)), None),
            (format!("X: {}\r\n\r\n", "y".repeat(54)), too_large),
            (format!("X: y\r\n{}", " z\r\n".repeat(20)), too_large),
            (format!("X: y\r\n\r\n{}", "z".repeat(1000)), None),
            ("no header at all ".repeat(100), None),
            ("y".repeat(60), None),
            ("y".repeat(61), too_large),
        ];
        for (content, expected) in table {
            for piece in 1..=content.len().min(70) {
                assert_eq!(scan(content.as_bytes(), piece).1, expected, "{content:?}");
            }
        }
    }

    #[test]
    fn a_name_longer_than_a_line_is_not_a_field() {
        let mut scan = Scan::new(HeaderLimits {
            octets_max: 5000,
            received_max: 2,
        });
        scan.feed("y".repeat(6000).as_bytes());
        assert_eq!(scan.fault(), None);
    }

    #[test]
    fn tells_seven_bit_from_eight_bit_from_nothing() {
        assert_eq!(scan(b"", 1).0, None);
        assert_eq!(scan(b"a\x7f\0", 1).0, Some(false));
        assert_eq!(scan(b"\r\n\r\nabc\x80", 3).0, Some(true));
    }

    #[test]
    fn bounds_the_message_id() {
        let mut scan = Scan::new(HeaderLimits {
            octets_max: 5000,
            received_max: 2,
        });
        scan.feed(format!("Message-ID: {}\r\n", "x".repeat(1000)).as_bytes());
        let length = scan.message_id().map(|id| id.len());
        assert!(length.is_some_and(|length| (200..=MESSAGE_ID_MAX).contains(&length)));
    }
}
