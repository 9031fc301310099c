//! The fields of the secrets file.

use std::path::PathBuf;

use crate::base::hash::{Algorithm, hmac};
use crate::base::secret::Secret;
use crate::base::{base64, xtext};

/// What the second field says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    /// A secret.
    Secret(Sort, Storage),
    /// Trusted addresses.
    Trust,
}

/// What sort of secret it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Password,
    State(Algorithm),
    Token,
}

/// Where and how the secret is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storage {
    /// In the line, in the encoding that is usual for its sort.
    Usual,
    /// In the line in base64, and so is the id.
    Base64,
    /// In a file of its own.
    File,
}

impl Type {
    /// Reads the second field; nothing where it is unknown.
    pub(super) fn parse(field: &[u8]) -> Option<Type> {
        let field = field.to_ascii_lowercase();
        let mut parts = field.splitn(2, |octet| *octet == b':');
        let (name, storage) = (parts.next()?, parts.next());
        let sort = match name {
            b"plain" | b"login" => Sort::Password,
            b"oauth" | b"xoauth2" | b"oauthbearer" => Sort::Token,
            b"apop" => Sort::State(Algorithm::Md5),
            b"none" => return storage.is_none().then_some(Type::Trust),
            _ => {
                let hash = name.strip_prefix(b"cram-").unwrap_or(name);
                Sort::State(Algorithm::parse(hash)?)
            }
        };
        match (storage, sort) {
            (None, _) => Some(Type::Secret(sort, Storage::Usual)),
            (Some(b"b"), Sort::Password) => Some(Type::Secret(sort, Storage::Base64)),
            (Some(b"file"), _) => Some(Type::Secret(sort, Storage::File)),
            _ => None,
        }
    }
}

impl Sort {
    /// The usual name of its type.
    pub(super) fn name(self) -> &'static str {
        match self {
            Sort::Password => "plain",
            Sort::State(algorithm) => algorithm.name(),
            Sort::Token => "oauth",
        }
    }
}

/// Decodes xtext in which `=` may stand for itself.
pub(super) fn lenient_xtext(field: &[u8]) -> Option<Vec<u8>> {
    if !field.contains(&b'=') {
        return xtext::decode(field);
    }
    let mut strict = Vec::with_capacity(3 * field.len());
    for octet in field {
        match octet {
            b'=' => strict.extend(b"+3D"),
            other => strict.push(*other),
        }
    }
    xtext::decode(Secret::new(strict).expose())
}

/// Decodes base64 in which `=` alone stands for nothing.
pub(super) fn base64_or_nothing(field: &[u8]) -> Option<Vec<u8>> {
    if field == b"=" {
        Some(Vec::new())
    } else {
        base64::decode(field)
    }
}

/// Reads a stored key in base64, or in the dotted form where that is possible.
pub(super) fn state(algorithm: Algorithm, text: &[u8]) -> Result<hmac::State, &'static str> {
    if algorithm == Algorithm::Md5 && text.contains(&b'.') {
        return hmac::State::from_dotted(text).ok_or("invalid dotted form of a stored key");
    }
    let octets = base64::decode(text).ok_or("invalid base64 encoding")?;
    hmac::State::from_octets(algorithm, octets).ok_or("wrong length of a stored key")
}

/// Reads the path of a file with a secret.
pub(super) fn path(field: &[u8]) -> Result<PathBuf, &'static str> {
    let path = lenient_xtext(field).ok_or("invalid xtext encoding")?;
    let path = PathBuf::from(String::from_utf8(path).map_err(|_| "not UTF-8")?);
    if path.is_absolute() {
        Ok(path)
    } else {
        Err("not an absolute path")
    }
}

/// Takes the line end off the one line of a file with a secret.
pub(super) fn one_line(mut content: Vec<u8>) -> Result<Secret, &'static str> {
    for end in [b'\n', b'\r'] {
        if content.last() == Some(&end) {
            content.pop();
        }
    }
    let content = Secret::new(content);
    let ends = |octet: &u8| matches!(octet, b'\r' | b'\n' | 0);
    match content.expose() {
        [] => Err("the file is empty"),
        line if line.iter().any(ends) => Err("the file has more than one line"),
        _ => Ok(content),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_types_by_all_their_names() {
        let usual = |sort| Some(Type::Secret(sort, Storage::Usual));
        for (field, expected) in [
            ("plain", usual(Sort::Password)),
            ("PLAIN", usual(Sort::Password)),
            ("Login", usual(Sort::Password)),
            (
                "plain:b",
                Some(Type::Secret(Sort::Password, Storage::Base64)),
            ),
            (
                "LOGIN:B",
                Some(Type::Secret(Sort::Password, Storage::Base64)),
            ),
            (
                "plain:file",
                Some(Type::Secret(Sort::Password, Storage::File)),
            ),
            ("md5", usual(Sort::State(Algorithm::Md5))),
            ("cram-md5", usual(Sort::State(Algorithm::Md5))),
            ("apop", usual(Sort::State(Algorithm::Md5))),
            ("CRAM-SHA1", usual(Sort::State(Algorithm::Sha1))),
            ("sha256", usual(Sort::State(Algorithm::Sha256))),
            ("sha512", usual(Sort::State(Algorithm::Sha512))),
            (
                "sha1:file",
                Some(Type::Secret(Sort::State(Algorithm::Sha1), Storage::File)),
            ),
            ("oauth", usual(Sort::Token)),
            ("oauth:file", Some(Type::Secret(Sort::Token, Storage::File))),
            ("none", Some(Type::Trust)),
            ("", None),
            ("none:b", None),
            ("md5:b", None),
            ("plain:", None),
            ("plain:x", None),
            ("plain:b:b", None),
            ("cram-", None),
            ("foo", None),
        ] {
            assert_eq!(Type::parse(field.as_bytes()), expected, "{field}");
        }
    }

    #[test]
    fn lenient_xtext_takes_equals_signs() {
        assert_eq!(
            lenient_xtext(b"a=b+3D+3d+2Bc").as_deref(),
            Some(&b"a=b==+c"[..])
        );
        assert_eq!(lenient_xtext(b"e+3Dmc2").as_deref(), Some(&b"e=mc2"[..]));
        assert_eq!(lenient_xtext(b"=+").as_deref(), None);
        assert_eq!(lenient_xtext(b"=\xe9").as_deref(), None);
    }

    #[test]
    fn an_equals_sign_is_base64_of_nothing() {
        assert_eq!(base64_or_nothing(b"="), Some(vec![]));
        assert_eq!(base64_or_nothing(b"YQ=="), Some(b"a".to_vec()));
        assert_eq!(base64_or_nothing(b"=="), None);
    }

    #[test]
    fn says_what_is_wrong_with_a_stored_key() {
        let error = |algorithm, text: &str| state(algorithm, text.as_bytes()).unwrap_err();
        assert_eq!(
            error(Algorithm::Md5, "1.2.3"),
            "invalid dotted form of a stored key"
        );
        assert_eq!(error(Algorithm::Sha1, "1.2.3"), "invalid base64 encoding");
        assert_eq!(
            error(Algorithm::Md5, "cGFzc3dvcmQ="),
            "wrong length of a stored key"
        );
        assert!(state(Algorithm::Md5, b"0.1.2.3.4.5.6.7").is_ok());
    }

    #[test]
    fn paths_are_absolute() {
        assert_eq!(path(b"relative/path"), Err("not an absolute path"));
        assert_eq!(path(b"/a+"), Err("invalid xtext encoding"));
        assert_eq!(path(b"/a+FF"), Err("not UTF-8"));
    }

    #[test]
    fn secrets_in_files_are_one_line() {
        let line = |content: &str| {
            let line = one_line(content.into())?;
            Ok(String::from_utf8(line.expose().to_vec()).unwrap())
        };
        for content in ["p w", "p w\n", "p w\r\n"] {
            assert_eq!(line(content), Ok("p w".to_owned()));
        }
        assert_eq!(line(" p "), Ok(" p ".to_owned()));
        for content in ["", "\n", "\r\n"] {
            assert_eq!(line(content), Err("the file is empty"));
        }
        for content in ["a\nb", "a\n\n", "a\r\r", "\na", "a\0"] {
            assert_eq!(
                line(content),
                Err("the file has more than one line"),
                "{content:?}"
            );
        }
    }
}
