//! Bytes from outside made fit to be read by people.

use std::fmt::Write;

/// Makes one printable line: a backslash is doubled, `\r`, `\n`, `\t` and `\xNN`
/// stand for control characters, for octets that are not UTF-8, and for
/// characters that turn or break a line (U+2028, U+202E and their like).
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|c| push_char(&mut text, c));
        chunk
            .invalid()
            .iter()
            .for_each(|b| push_octet(&mut text, *b));
    }
    text
}

/// As [`escape`], with at most `octets_max` octets of the input, and ` ...`
/// where that left some out.
pub fn escape_bounded(bytes: &[u8], octets_max: usize) -> String {
    match bytes.get(..octets_max) {
        Some(start) if start.len() < bytes.len() => escape(start) + " ...",
        _ => escape(bytes),
    }
}

fn push_char(text: &mut String, c: char) {
    match c {
        '\\' => text.push_str("\\\\"),
        '\r' => text.push_str("\\r"),
        '\n' => text.push_str("\\n"),
        '\t' => text.push_str("\\t"),
        _ if c.is_control() || turns_a_line(c) => {
            let mut octets = [0; 4];
            let encoded = c.encode_utf8(&mut octets).bytes();
            encoded.for_each(|octet| push_octet(text, octet));
        }
        _ => text.push(c),
    }
}

/// Whether a terminal or viewer may break or reorder the line at this character.
fn turns_a_line(c: char) -> bool {
    let ranges = [
        '\u{200E}'..='\u{200F}',
        '\u{2028}'..='\u{202E}',
        '\u{2066}'..='\u{2069}',
        '\u{FEFF}'..='\u{FEFF}',
    ];
    ranges.iter().any(|range| range.contains(&c))
}

fn push_octet(text: &mut String, octet: u8) {
    // Writing to a String cannot fail.
    let _ = write!(text, "\\x{octet:02x}");
}

/// Whether two byte strings are equal but for the case of ASCII letters.
pub fn eq(left: &[u8], right: &[u8]) -> bool {
    left.eq_ignore_ascii_case(right)
}

/// Without the blanks (space, tab) at both ends.
pub fn trim(bytes: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = bytes.iter().position(|b| !blank(b)).unwrap_or(bytes.len());
    let end = bytes
        .iter()
        .rposition(|b| !blank(b))
        .map_or(start, |last| last + 1);
    &bytes[start..end]
}

/// Reads an unsigned decimal number: digits only, at least one, no overflow.
pub fn parse_decimal(bytes: &[u8]) -> Option<u64> {
    let digits = !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(bytes).ok().filter(|_| digits)?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_is_not_printable() {
        let table: [(&[u8], &str); 6] = [
            (b"plain text", "plain text"),
            (b"a\\b\r\n\t\x1b[2J\x7f", "a\\\\b\\r\\n\\t\\x1b[2J\\x7f"),
            (b"\xff\xfe", "\\xff\\xfe"),
            ("é".as_bytes(), "é"),
            ("\u{85}".as_bytes(), "\\xc2\\x85"),
            ("a\u{202e}b".as_bytes(), "a\\xe2\\x80\\xaeb"),
        ];
        for (input, expected) in table {
            assert_eq!(escape(input), expected);
        }
    }

    #[test]
    fn bounds_what_it_shows() {
        assert_eq!(escape_bounded(b"abcdef", 6), "abcdef");
        assert_eq!(escape_bounded(b"abcdef", 5), "abcde ...");
    }

    #[test]
    fn trims_blanks_only() {
        assert_eq!(trim(b" \ta b\t "), b"a b");
        assert_eq!(trim(b" \t "), b"");
        assert_eq!(trim(b"\r"), b"\r");
    }

    #[test]
    fn reads_decimals_without_signs_or_overflow() {
        assert_eq!(parse_decimal(b"0012"), Some(12));
        assert_eq!(parse_decimal(b"18446744073709551615"), Some(u64::MAX));
        for bad in ["", "-1", "+1", " 1", "1x", "0x1", "18446744073709551616"] {
            assert_eq!(parse_decimal(bad.as_bytes()), None, "{bad}");
        }
    }
}
