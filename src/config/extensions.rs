//! The value of `--server-smtp-config`: which SMTP extensions are offered, and how
//! strict the server is.

use super::value::Fault;

/// What is switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extensions {
    /// PIPELINING is announced (RFC 2920).
    pub pipelining: bool,
    /// CHUNKING and BINARYMIME are offered (RFC 3030).
    pub chunking: bool,
    /// SMTPUTF8 is offered (RFC 6531).
    pub smtputf8: bool,
    /// Paths must follow the grammar (RFC 5321 4.1.2).
    pub strict_parsing: bool,
}

impl Default for Extensions {
    fn default() -> Extensions {
        Extensions {
            pipelining: true,
            chunking: false,
            smtputf8: false,
            strict_parsing: true,
        }
    }
}

/// Reads the words, separated by commas; the last one of a kind counts.
pub(super) fn extensions(text: &str) -> Result<Extensions, Fault> {
    let mut extensions = Extensions::default();
    for word in text.split(',') {
        let (word, on) = split(word.trim());
        match (word, on) {
            ("pipelining", on) => extensions.pipelining = on,
            ("chunking", on) => extensions.chunking = on,
            ("smtputf8", on) => extensions.smtputf8 = on,
            ("strictparsing", on) => extensions.strict_parsing = on,
            // RFC 6531 3.1: a mailbox in UTF-8 needs the parameter, always.
            ("smtputf8strict", true) => {}
            ("smtputf8strict", false) => return Err(Fault::AlwaysStrict),
            _ => return Err(Fault::NotASwitch),
        }
    }
    Ok(extensions)
}

/// Takes off the prefix that says whether the word is switched on.
pub(super) fn split(word: &str) -> (&str, bool) {
    let prefixes = [
        ("with-", true),
        ("without-", false),
        ("+", true),
        ("-", false),
        ("no", false),
    ];
    let strip = |(prefix, on)| Some((word.strip_prefix(prefix)?, on));
    prefixes.into_iter().find_map(strip).unwrap_or((word, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(text: &str) -> Vec<&'static str> {
        let read = extensions(text).unwrap();
        let all = [
            ("pipelining", read.pipelining),
            ("chunking", read.chunking),
            ("smtputf8", read.smtputf8),
            ("strictparsing", read.strict_parsing),
        ];
        all.into_iter()
            .filter(|(_, on)| *on)
            .map(|(word, _)| word)
            .collect()
    }

    #[test]
    fn words_switch_on_and_off() {
        let table: [(&str, &[&str]); 12] = [
            ("pipelining", &["pipelining", "strictparsing"]),
            ("-pipelining", &["strictparsing"]),
            ("nopipelining", &["strictparsing"]),
            ("without-pipelining", &["strictparsing"]),
            ("chunking", &["pipelining", "chunking", "strictparsing"]),
            ("+chunking", &["pipelining", "chunking", "strictparsing"]),
            (
                "with-chunking",
                &["pipelining", "chunking", "strictparsing"],
            ),
            ("smtputf8", &["pipelining", "smtputf8", "strictparsing"]),
            ("nostrictparsing", &["pipelining"]),
            (" chunking , -pipelining", &["chunking", "strictparsing"]),
            ("chunking,nochunking", &["pipelining", "strictparsing"]),
            ("smtputf8strict", &["pipelining", "strictparsing"]),
        ];
        for (text, expected) in table {
            assert_eq!(on(text), expected, "{text}");
        }
    }

    #[test]
    fn other_words_are_refused() {
        for bad in [
            "",
            ",",
            "chunking,",
            "Chunking",
            "no",
            "+",
            "no-chunking",
            "++chunking",
            "bdat",
            "+nochunking",
            "chunking=yes",
            "chunking smtputf8",
        ] {
            assert_eq!(extensions(bad), Err(Fault::NotASwitch), "{bad}");
        }
        for lax in ["nosmtputf8strict", "-smtputf8strict"] {
            assert_eq!(extensions(lax), Err(Fault::AlwaysStrict), "{lax}");
        }
    }
}
