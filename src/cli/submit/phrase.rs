//! The name of a person as a header field has it.
// RFC 5322 3.2.5: a phrase is words, each an atom or a quoted string; RFC 2047 5:
// or encoded words, for what is not ASCII.

use crate::base::base64;

/// The longest name, in octets.
const NAME_MAX: usize = 500;

/// How many octets of a name go into one encoded word: RFC 2047 2 allows 75
/// characters, of which 12 go around the text.
const ENCODED_OCTETS: usize = 45;

/// Writes the name; nothing if it cannot be one: it has control characters, is too
/// long, or not UTF-8.
pub(super) fn phrase(name: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(name).ok()?.trim_matches([' ', '\t']);
    if text.len() > NAME_MAX || text.chars().any(char::is_control) {
        return None;
    }
    if !text.is_ascii() {
        return Some(encoded(text));
    }
    let is_plain =
        |octet: u8| octet.is_ascii_alphanumeric() || b" -_'!#$&*+/^`{|}~".contains(&octet);
    if text.bytes().all(is_plain) {
        return Some(text.as_bytes().to_vec());
    }
    let mut quoted = vec![b'"'];
    for octet in text.bytes() {
        if matches!(octet, b'"' | b'\\') {
            quoted.push(b'\\');
        }
        quoted.push(octet);
    }
    quoted.push(b'"');
    Some(quoted)
}

/// As encoded words, none of which ends within a character.
fn encoded(text: &str) -> Vec<u8> {
    let (mut words, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let mut end = rest.len().min(ENCODED_OCTETS);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (word, after) = rest.split_at(end);
        if !words.is_empty() {
            words.push(b' ');
        }
        words.extend_from_slice(b"=?UTF-8?B?");
        words.extend(base64::encode(word.as_bytes()));
        words.extend_from_slice(b"?=");
        rest = after;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_words() {
        let long = "\u{e4}".repeat(40);
        for (name, expected) in [
            ("CronDaemon", "CronDaemon"),
            ("Cron Daemon ", "Cron Daemon"),
            ("Joe Q. Public", "\"Joe Q. Public\""),
            ("a\"b\\c", "\"a\\\"b\\\\c\""),
            ("x <evil@y>", "\"x <evil@y>\""),
            ("J\u{f6}rg", "=?UTF-8?B?SsO2cmc=?="),
        ] {
            assert_eq!(
                phrase(name.as_bytes()).as_deref(),
                Some(expected.as_bytes())
            );
        }
        let words = String::from_utf8(phrase(long.as_bytes()).unwrap()).unwrap();
        assert_eq!(words.split(' ').count(), 2);
        assert!(words.split(' ').all(|word| word.len() <= 75));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long = "x".repeat(NAME_MAX + 1);
        for bad in ["a\nb", "a\r\nBcc: x", "a\0", "\x1b[2J", "\u{85}", &long] {
            assert_eq!(phrase(bad.as_bytes()), None, "{bad:?}");
        }
        assert_eq!(phrase(b"\xff"), None);
    }
}
