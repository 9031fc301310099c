//! Translations of our own texts: catalogues in the GNU `.mo` format, as `msgfmt`
//! makes them, for the help.
//!
//! A catalogue is a file that somebody else has written: whatever is wrong with it,
//! it can make the help look odd, and no more.

use std::collections::BTreeMap;
use std::fmt;

/// The largest catalogue, in octets; it is read as the other files are.
pub const CATALOGUE_MAX: usize = super::FILE_MAX;

/// The most texts that a catalogue may have.
const TEXTS_MAX: usize = 10_000;

/// How a file says in which order its octets are.
const MAGIC: u32 = 0x9504_12de;

/// Translations of texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue(BTreeMap<String, String>);

/// Why a file is not a catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It does not begin as one.
    Magic,
    /// It is of a newer kind.
    Revision,
    /// It ends too early, or points beyond its end.
    Truncated,
    /// It has more texts, or is larger, than there may be; or it is small, but what its
    /// texts share would make it so.
    TooLarge,
    /// Its texts are not UTF-8.
    NotUtf8,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unreadable::Magic => "it is not a catalogue of messages",
            Unreadable::Revision => "it is a catalogue of a kind that is not known",
            Unreadable::Truncated => "it is a catalogue that is not complete",
            Unreadable::TooLarge => "it is too large",
            Unreadable::NotUtf8 => "it is not in UTF-8",
        })
    }
}

impl Catalogue {
    /// Reads a catalogue.
    // GNU gettext manual 10.3: magic number, revision, number of texts, and where
    // the tables of lengths and offsets of originals and translations are.
    pub fn parse(file: &[u8]) -> Result<Catalogue, Unreadable> {
        if file.len() > CATALOGUE_MAX {
            return Err(Unreadable::TooLarge);
        }
        let words = Words::new(file)?;
        // The minor revision adds what we do not use.
        if words.at(4)? >> 16 > 1 {
            return Err(Unreadable::Revision);
        }
        let count = words.index(8)?;
        if count > TEXTS_MAX {
            return Err(Unreadable::TooLarge);
        }
        let (originals, translations) = (words.index(12)?, words.index(16)?);
        let mut texts = BTreeMap::new();
        let mut octets = 0;
        for index in 0..count {
            let original = words.text(originals, index)?;
            let translation = words.text(translations, index)?;
            octets += original.len() + translation.len();
            if octets > CATALOGUE_MAX {
                return Err(Unreadable::TooLarge);
            }
            // The empty text stands for what is known of the catalogue itself.
            if !original.is_empty() && !translation.is_empty() {
                texts.insert(original.to_owned(), translation.to_owned());
            }
        }
        Ok(Catalogue(texts))
    }

    /// The translation, or the text itself where there is none.
    pub fn translate<'a>(&'a self, text: &'a str) -> &'a str {
        self.0.get(text).map_or(text, String::as_str)
    }
}

/// A file of words of 32 bits in one of the two orders.
struct Words<'a> {
    file: &'a [u8],
    read: fn([u8; 4]) -> u32,
}

impl<'a> Words<'a> {
    fn new(file: &'a [u8]) -> Result<Words<'a>, Unreadable> {
        let orders: [fn([u8; 4]) -> u32; 2] = [u32::from_le_bytes, u32::from_be_bytes];
        let words = orders.into_iter().map(|read| Words { file, read });
        let mut fitting = words.filter(|words| words.at(0) == Ok(MAGIC));
        fitting.next().ok_or(Unreadable::Magic)
    }

    fn at(&self, offset: usize) -> Result<u32, Unreadable> {
        let end = offset.checked_add(4).ok_or(Unreadable::Truncated)?;
        let octets = self.file.get(offset..end).ok_or(Unreadable::Truncated)?;
        let octets = <[u8; 4]>::try_from(octets).map_err(|_| Unreadable::Truncated)?;
        Ok((self.read)(octets))
    }

    fn index(&self, offset: usize) -> Result<usize, Unreadable> {
        usize::try_from(self.at(offset)?).map_err(|_| Unreadable::Truncated)
    }

    /// The text that an entry of a table names.
    fn text(&self, table: usize, index: usize) -> Result<&'a str, Unreadable> {
        let entry = index
            .checked_mul(8)
            .and_then(|offset| offset.checked_add(table))
            .ok_or(Unreadable::Truncated)?;
        let length = self.index(entry)?;
        let start = self.index(entry.checked_add(4).ok_or(Unreadable::Truncated)?)?;
        let end = start.checked_add(length).ok_or(Unreadable::Truncated)?;
        let octets = self.file.get(start..end).ok_or(Unreadable::Truncated)?;
        std::str::from_utf8(octets).map_err(|_| Unreadable::NotUtf8)
    }
}

/// Where the catalogue for a locale may be, below the folder of all of them: for
/// `de_AT.UTF-8@euro` also that for `de_AT` and `de`.
pub fn places(locale: &str) -> Vec<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '@');
    if locale.is_empty() || locale.starts_with('.') || !locale.chars().all(is_plain) {
        return Vec::new();
    }
    let mut names = vec![locale];
    for end in ['@', '.', '_'] {
        let last = names.last().copied().unwrap_or_default();
        if let Some((shorter, _)) = last
            .split_once(end)
            .filter(|(shorter, _)| !shorter.is_empty())
        {
            names.push(shorter);
        }
    }
    let place = |name: &str| format!("{name}/LC_MESSAGES/{}.mo", super::PROGRAM);
    names.into_iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A catalogue as `msgfmt` writes it, in either order.
    fn file(texts: &[(&str, &str)], order: fn(u32) -> [u8; 4]) -> Vec<u8> {
        let count = u32::try_from(texts.len()).unwrap();
        let tables = [MAGIC, 0, count, 28, 28 + 8 * count, 0, 0];
        let mut file: Vec<u8> = tables.into_iter().flat_map(order).collect();
        let mut strings = Vec::new();
        let start = 28 + 16 * texts.len();
        let originals = texts.iter().map(|(original, _)| *original);
        for text in originals.chain(texts.iter().map(|(_, translation)| *translation)) {
            let offset = u32::try_from(start + strings.len()).unwrap();
            file.extend(order(u32::try_from(text.len()).unwrap()));
            file.extend(order(offset));
            strings.extend_from_slice(text.as_bytes());
            strings.push(0);
        }
        file.extend(strings);
        file
    }

    const TEXTS: &[(&str, &str)] = &[("", "Content-Type: text/plain\n"), ("mail", "Post äöü")];

    #[test]
    fn both_orders_are_read() {
        for order in [u32::to_le_bytes, u32::to_be_bytes] {
            let catalogue = Catalogue::parse(&file(TEXTS, order)).unwrap();
            assert_eq!(catalogue.translate("mail"), "Post äöü");
            assert_eq!(catalogue.translate("other"), "other");
            assert_eq!(catalogue.translate(""), "");
        }
    }

    #[test]
    fn what_is_cut_anywhere_is_refused() {
        let file = file(TEXTS, u32::to_le_bytes);
        // The last octet is the NUL after the last text, which nobody needs.
        for end in 0..file.len() - 1 {
            assert!(Catalogue::parse(&file[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn no_octet_makes_it_panic() {
        let good = file(TEXTS, u32::to_le_bytes);
        for place in 0..good.len() {
            for octet in [0, 1, 0x7f, 0x80, 0xff] {
                let mut file = good.clone();
                file[place] = octet;
                // Whether it can be read is not the question.
                let _ = Catalogue::parse(&file);
            }
        }
    }

    #[test]
    fn there_are_limits() {
        let mut many = file(TEXTS, u32::to_le_bytes);
        many[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Catalogue::parse(&many), Err(Unreadable::TooLarge));
        // Each text is all the others.
        let long = "x".repeat(CATALOGUE_MAX / 4);
        let mut shared = file(&[(&long, "y"), ("a", "b"), ("c", "d")], u32::to_le_bytes);
        assert!(Catalogue::parse(&shared).is_ok());
        let entry = shared[28..36].to_vec();
        for table in [28, 52] {
            for index in 0..3 {
                let at = table + 8 * index;
                shared[at..at + 8].copy_from_slice(&entry);
            }
        }
        assert_eq!(Catalogue::parse(&shared), Err(Unreadable::TooLarge));
        let large = vec![0; CATALOGUE_MAX + 1];
        assert_eq!(Catalogue::parse(&large), Err(Unreadable::TooLarge));
        assert_eq!(Catalogue::parse(b"text"), Err(Unreadable::Magic));
    }

    #[test]
    fn locales_name_their_catalogues() {
        assert_eq!(
            places("de_AT.UTF-8@euro"),
            [
                "de_AT.UTF-8@euro/LC_MESSAGES/emailrelay.mo",
                "de_AT.UTF-8/LC_MESSAGES/emailrelay.mo",
                "de_AT/LC_MESSAGES/emailrelay.mo",
                "de/LC_MESSAGES/emailrelay.mo",
            ]
        );
        for hostile in ["", "../../etc", "a/b", ".", "..", "a b"] {
            assert!(places(hostile).is_empty(), "{hostile}");
        }
        for nameless in ["_AT", "@euro", "_@x"] {
            let is_below = |place: &String| !place.starts_with('/');
            assert!(places(nameless).iter().all(is_below), "{nameless}");
        }
    }
}
