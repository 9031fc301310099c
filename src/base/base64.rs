//! Base64, as SASL, the secrets file and certificates use it.
// RFC 4648 4: the alphabet, and padding with "="; 3.3 and 3.5: what to refuse.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Encodes, with padding and without line ends.
pub fn encode(bytes: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let octet = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = octet(0) << 16 | octet(1) << 8 | octet(2);
        for position in 0..4 {
            encoded.push(if position > group.len() {
                b'='
            } else {
                ALPHABET[(bits >> (18 - 6 * position) & 63) as usize]
            });
        }
    }
    encoded
}

/// Decodes text of exactly the form that [`encode`] gives: nothing where there
/// is white space, other characters, no or too much padding, or where bits are
/// set that belong to no octet, so that no two texts mean the same.
pub fn decode(encoded: &[u8]) -> Option<Vec<u8>> {
    if !encoded.len().is_multiple_of(4) {
        return None;
    }
    let text = encoded.strip_suffix(b"=").unwrap_or(encoded);
    let text = text.strip_suffix(b"=").unwrap_or(text);
    // Room for all from the start: growing would leave copies of a secret behind.
    let mut bytes = Vec::with_capacity(encoded.len() / 4 * 3);
    for group in text.chunks(4) {
        let mut bits = 0;
        for digit in group {
            bits = bits << 6 | value(*digit)?;
        }
        let bits = bits << (6 * (4 - group.len()));
        let [_, octets @ ..] = bits.to_be_bytes();
        let (octets, rest) = octets.split_at_checked(group.len().checked_sub(1)?)?;
        if octets.is_empty() || rest.iter().any(|octet| *octet != 0) {
            return None;
        }
        bytes.extend_from_slice(octets);
    }
    Some(bytes)
}

fn value(digit: u8) -> Option<u32> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_the_examples_of_rfc_4648_section_10() {
        for (plain, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(plain.as_bytes()), encoded.as_bytes());
            assert_eq!(decode(encoded.as_bytes()), Some(plain.as_bytes().to_vec()));
        }
    }

    #[test]
    fn decodes_what_it_encodes() {
        let all: Vec<u8> = (0..=255).rev().chain(0..=255).collect();
        for start in 0..3 {
            for end in all.len() - 3..all.len() {
                let bytes = &all[start..end];
                assert_eq!(decode(&encode(bytes)).as_deref(), Some(bytes));
            }
        }
    }

    #[test]
    fn refuses_all_but_the_one_form() {
        for bad in [
            "Zg",
            "Zg=",
            "Zg===",
            "Z===",
            "=",
            "==",
            "====",
            "Zm9v====",
            "Zm9v=",
            "=Zm9",
            "Zm=v",
            "Zg==Zg==",
            "Zm9v Zm9v",
            " Zm9",
            "Zm9v\r\n",
            "Zm9\n",
            "Zm9-",
            "Zm9_",
            "Zm9\u{e9}",
            "Zm9\0",
            "Zm9v*",
        ] {
            assert_eq!(decode(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn refuses_bits_that_belong_to_no_octet() {
        for (good, bad) in [("Zg==", "Zh=="), ("Zm8=", "Zm9="), ("AA==", "AP==")] {
            assert!(decode(good.as_bytes()).is_some());
            assert_eq!(decode(bad.as_bytes()), None, "{bad}");
        }
    }
}
