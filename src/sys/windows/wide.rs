//! Text as the functions of the system take it: UTF-16 that ends in a NUL.

use std::ffi::OsStr;
use std::io;
use std::os::windows::ffi::OsStrExt;

/// A text with a NUL behind it; one within it is an error.
pub(super) fn wide(text: &OsStr) -> io::Result<Vec<u16>> {
    let mut units: Vec<u16> = text.encode_wide().collect();
    if units.contains(&0) {
        return Err(io::Error::other("there is a NUL in it"));
    }
    units.push(0);
    Ok(units)
}

/// So much of a text, in units of UTF-16 and whole characters, up to a NUL, with a NUL
/// behind it.
pub(super) fn wide_bounded(text: &str, units_max: usize) -> Vec<u16> {
    let mut units = Vec::new();
    for character in text.chars().take_while(|character| *character != '\0') {
        if units.len() + character.len_utf16() > units_max {
            break;
        }
        units.extend_from_slice(character.encode_utf16(&mut [0; 2]));
    }
    units.push(0);
    units
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_end_in_the_only_nul() {
        assert_eq!(wide(OsStr::new("aé")).unwrap(), [97, 233, 0]);
        assert_eq!(wide(OsStr::new("")).unwrap(), [0]);
        assert!(wide(OsStr::new("a\0b")).is_err());
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(wide_bounded("abc", 2), [97, 98, 0]);
        assert_eq!(wide_bounded("a\u{1f4e7}", 2), [97, 0]);
        assert_eq!(wide_bounded("a\u{1f4e7}", 3).len(), 4);
        assert_eq!(wide_bounded("a\0b", 9), [97, 0]);
    }
}
