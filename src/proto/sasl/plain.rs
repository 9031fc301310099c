//! PLAIN, RFC 4616.

use super::FIELD_MAX;
use crate::base::secret::{Secret, eq_constant_time};

/// Reads `[authzid] NUL authcid NUL passwd` into user name and password. Nothing
/// where it has another form, or where the client wants to act for somebody else:
/// nobody may.
// RFC 4616 2: no field but the first may be empty. Text is compared octet by
// octet, without the preparation that section 4 recommends.
pub(super) fn parse(message: &[u8]) -> Option<(Vec<u8>, Secret)> {
    let mut fields = message.split(|octet| *octet == 0);
    let (authzid, authcid, passwd) = (fields.next()?, fields.next()?, fields.next()?);
    if fields.next().is_some() || authcid.is_empty() || passwd.is_empty() {
        return None;
    }
    let acts_for_itself = authzid.is_empty() || eq_constant_time(authzid, authcid);
    let fits = authcid.len() <= FIELD_MAX && passwd.len() <= FIELD_MAX;
    (acts_for_itself && fits).then(|| (authcid.to_vec(), Secret::new(passwd)))
}

/// Writes the message of a client that acts for itself.
pub(super) fn message(id: &[u8], password: &[u8]) -> Secret {
    Secret::new([&[0], id, &[0], password].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(message: &str) -> Option<(String, String)> {
        let (id, password) = parse(message.as_bytes())?;
        let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
        Some((text(&id), text(password.expose())))
    }

    #[test]
    fn reads_user_name_and_password() {
        let alice = Some(("alice".to_owned(), "p w\u{e4}".to_owned()));
        assert_eq!(parsed("\0alice\0p w\u{e4}"), alice);
        assert_eq!(parsed("alice\0alice\0p w\u{e4}"), alice);
    }

    // Nobody logs in as somebody else with an own password.
    #[test]
    fn a3_authzid_of_somebody_else_is_refused() {
        for bad in [
            "admin\0alice\0pw",
            "Alice\0alice\0pw",
            "alic\0alice\0pw",
            "alice \0alice\0pw",
        ] {
            assert_eq!(parsed(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a4_malformed_messages_are_refused() {
        for bad in [
            "",
            "\0",
            "\0\0",
            "\0alice",
            "\0alice\0",
            "\0\0pw",
            "alice\0pw",
            "\0\0\0\0\0",
            "\0alice\0pw\0",
            "\0alice\0p\0w",
            "alice",
        ] {
            assert_eq!(parsed(bad), None, "{bad:?}");
        }
        assert_eq!(parsed(&format!("\0a\0{}", "p".repeat(FIELD_MAX + 1))), None);
        assert_eq!(parsed(&format!("\0{}\0p", "a".repeat(FIELD_MAX + 1))), None);
        assert!(parsed(&format!("\0{0}\0{0}", "a".repeat(FIELD_MAX))).is_some());
    }

    #[test]
    fn reads_what_it_writes() {
        assert_eq!(message(b"me", b"pw").expose(), b"\0me\0pw");
        let (id, password) = parse(message(b"me", b"pw").expose()).unwrap();
        assert_eq!((id.as_slice(), password.expose()), (&b"me"[..], &b"pw"[..]));
    }
}
