//! The value of `--client-smtp-config`: which SMTP extensions are used when
//! forwarding, and what is not sent to servers that lack one.

use super::extensions::split;
use super::value::Fault;

/// What is switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientExtensions {
    /// PIPELINING is used where it is offered (RFC 2920).
    pub pipelining: bool,
    /// CHUNKING is used where it is offered (RFC 3030).
    pub chunking: bool,
    /// 8-bit content is not sent to a server without 8BITMIME.
    pub strict_eight_bit: bool,
    /// What needs SMTPUTF8 is not sent to a server without it.
    pub strict_smtputf8: bool,
    /// Binary content is not sent to a server without BINARYMIME.
    pub strict_binary: bool,
}

impl Default for ClientExtensions {
    fn default() -> ClientExtensions {
        ClientExtensions {
            pipelining: true,
            chunking: true,
            strict_eight_bit: false,
            strict_smtputf8: true,
            strict_binary: true,
        }
    }
}

/// Reads the words, separated by commas; the last one of a kind counts.
pub(super) fn client_extensions(text: &str) -> Result<ClientExtensions, Fault> {
    let mut extensions = ClientExtensions::default();
    for word in text.split(',') {
        let (word, on) = split(word.trim());
        match (word, on) {
            ("pipelining", on) => extensions.pipelining = on,
            ("chunking", on) => extensions.chunking = on,
            ("eightbitstrict", on) => extensions.strict_eight_bit = on,
            ("smtputf8strict", on) => extensions.strict_smtputf8 = on,
            ("binarymimestrict", on) => extensions.strict_binary = on,
            // What was written last is always left time to arrive.
            ("linger", true) => {}
            ("linger", false) => return Err(Fault::AlwaysStrict),
            _ => return Err(Fault::NotAClientSwitch),
        }
    }
    Ok(extensions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_switch_on_and_off() {
        let read = |text: &str| {
            let one = client_extensions(text).unwrap();
            [
                one.pipelining,
                one.chunking,
                one.strict_eight_bit,
                one.strict_smtputf8,
                one.strict_binary,
            ]
        };
        let [on, off] = [true, false];
        for (text, expected) in [
            ("pipelining", [on, on, off, on, on]),
            ("-pipelining", [off, on, off, on, on]),
            ("nochunking,linger", [on, off, off, on, on]),
            ("+eightbitstrict", [on, on, on, on, on]),
            ("without-smtputf8strict", [on, on, off, off, on]),
            ("-binarymimestrict , with-linger", [on, on, off, on, off]),
            ("-chunking,chunking", [on, on, off, on, on]),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn other_words_are_refused() {
        for bad in [
            "",
            "pipelining,",
            "Pipelining",
            "smtputf8",
            "strictparsing",
            "no",
        ] {
            let fault = client_extensions(bad).unwrap_err();
            assert_eq!(fault, Fault::NotAClientSwitch, "{bad}");
        }
        assert_eq!(client_extensions("nolinger"), Err(Fault::AlwaysStrict));
    }
}
