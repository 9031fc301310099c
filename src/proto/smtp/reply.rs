//! SMTP replies as a server sends them.

use crate::base::{OneLine, ascii};

/// The longest line of a reply in octets, with its CRLF (RFC 5321 4.5.3.1.5).
pub const LINE_MAX: usize = 512;

/// A reply of one or more lines.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Reply {
    /// The three-digit code.
    pub code: u16,
    /// Subject and detail of the enhanced status code (RFC 3463), whose class is
    /// the first digit of `code`; nothing for replies that carry none.
    pub enhanced: Option<(u16, u16)>,
    /// The text, line by line.
    pub lines: Vec<OneLine>,
}

impl Reply {
    /// Makes a reply of one line; what is not printable in the text is escaped.
    pub fn new(code: u16, enhanced: Option<(u16, u16)>, text: impl AsRef<[u8]>) -> Reply {
        Reply {
            code,
            enhanced,
            lines: vec![OneLine::escaped(text)],
        }
    }

    /// The octets to send: each line with code and enhanced status code, printable
    /// ASCII only, cut at [`LINE_MAX`].
    // RFC 5321 4.2: "-" after the code on all lines but the last.
    // RFC 2034 4: the enhanced status code is on every line.
    pub fn render(&self) -> Vec<u8> {
        let mut octets = Vec::new();
        let last = self.lines.len().saturating_sub(1);
        let empty = [OneLine::default()];
        let lines = match self.lines.as_slice() {
            [] => &empty,
            lines => lines,
        };
        for (index, text) in lines.iter().enumerate() {
            let mark = if index < last { '-' } else { ' ' };
            let mut line = format!("{}{mark}", self.code);
            if let Some((subject, detail)) = self.enhanced {
                line += &format!("{}.{subject}.{detail} ", self.code / 100);
            }
            line += &printable(text.as_bytes());
            // It is all ASCII, so any place will do.
            line.truncate(LINE_MAX - 2);
            octets.extend_from_slice(line.as_bytes());
            octets.extend_from_slice(b"\r\n");
        }
        octets
    }
}

/// Writes what RFC 5321 4.2 does not allow in a reply's text as `\xNN`.
fn printable(text: &[u8]) -> String {
    let mut line = String::with_capacity(text.len());
    for octet in text {
        match octet {
            b'\t' | b' '..=b'~' => line.push(char::from(*octet)),
            _ if octet.is_ascii() => line += &ascii::escape(&[*octet]),
            _ => line += &format!("\\x{octet:02x}"),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(code: u16, enhanced: Option<(u16, u16)>, lines: &[&str]) -> String {
        let lines = lines.iter().map(OneLine::escaped).collect();
        let reply = Reply {
            code,
            enhanced,
            lines,
        };
        String::from_utf8(reply.render()).unwrap()
    }

    #[test]
    fn renders_replies() {
        assert_eq!(lines(354, None, &["go"]), "354 go\r\n");
        assert_eq!(lines(250, Some((1, 0)), &["OK"]), "250 2.1.0 OK\r\n");
        assert_eq!(lines(550, None, &[]), "550 \r\n");
        assert_eq!(
            lines(550, Some((7, 1)), &["no", "never"]),
            "550-5.7.1 no\r\n550 5.7.1 never\r\n"
        );
    }

    #[test]
    fn text_cannot_add_a_line_or_leave_ascii() {
        let reply = Reply::new(550, None, "a\r\n250 é\x1b\tb");
        assert_eq!(reply.render(), b"550 a\\r\\n250 \\xc3\\xa9\\x1b\\tb\r\n");
    }

    #[test]
    fn lines_end_within_the_limit() {
        let text = lines(550, Some((7, 1)), &[&"é".repeat(600), "x"]);
        let lengths: Vec<usize> = text.split_inclusive("\r\n").map(str::len).collect();
        assert_eq!(lengths, [LINE_MAX, 13]);
    }
}
