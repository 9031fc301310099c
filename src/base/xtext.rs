//! The xtext encoding of RFC 3461 section 4.
// RFC 3461 4: xtext = *( xchar / hexchar ), hexchar = "+" and two upper-case digits.

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Encodes: `!` to `~` but for `+` and `=` stand for themselves, all else is `+XX`.
pub fn encode(bytes: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(bytes.len());
    for &byte in bytes {
        if is_literal(byte) {
            encoded.push(byte);
        } else {
            encoded.extend([
                b'+',
                HEX[usize::from(byte >> 4)],
                HEX[usize::from(byte & 15)],
            ]);
        }
    }
    encoded
}

/// Decodes, with hexadecimal digits of either case; nothing where an octet is
/// neither literal nor part of a well-formed `+XX`.
pub fn decode(encoded: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((&first, after)) = rest.split_first() {
        if first == b'+' {
            let (high, low) = (hex_value(*after.first()?)?, hex_value(*after.get(1)?)?);
            bytes.push(high << 4 | low);
            rest = &after[2..];
        } else if is_literal(first) {
            bytes.push(first);
            rest = after;
        } else {
            return None;
        }
    }
    Some(bytes)
}

fn is_literal(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'+' && byte != b'='
}

fn hex_value(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_all_but_printable_ascii() {
        assert_eq!(encode(b"foo+bar=c #x"), b"foo+2Bbar+3Dc+20#x");
        assert_eq!(encode("ä".as_bytes()), b"+C3+A4");
        assert_eq!(encode(b""), b"");
    }

    #[test]
    fn decodes_what_it_encodes() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(decode(&encode(&all)), Some(all));
        assert_eq!(decode(b"+2b+2B"), Some(b"++".to_vec()));
    }

    #[test]
    fn refuses_malformed_text() {
        for bad in ["+", "+2", "+2G", "a b", "a=b", "a\n", "+ 1", "\u{e9}"] {
            assert_eq!(decode(bad.as_bytes()), None, "{bad}");
        }
    }
}
