//! LOGIN, which no standard defines: the server asks for the user name and then
//! for the password.

/// What our server asks with; some clients look at the words.
pub(super) const NAME_PROMPT: &[u8] = b"Username:";
/// As [`NAME_PROMPT`].
pub(super) const PASSWORD_PROMPT: &[u8] = b"Password:";

/// What a server asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Name,
    Password,
}

/// Finds out what a server asks for: by the first word where it is one of the
/// usual ones (`User Name`, `Username:`, `Password:`), otherwise by the order.
/// Nothing where it asks for the password before the name.
pub(super) fn wanted(prompt: &[u8], name_is_sent: bool) -> Option<Wanted> {
    let starts = |word: &[u8]| {
        prompt
            .get(..word.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    match name_is_sent {
        _ if starts(b"user") => Some(Wanted::Name),
        true => Some(Wanted::Password),
        false if starts(b"pass") => None,
        false => Some(Wanted::Name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn understands_the_usual_prompts() {
        for (prompt, name_is_sent, expected) in [
            ("Username:", false, Some(Wanted::Name)),
            ("Username:", true, Some(Wanted::Name)),
            ("User Name\0", false, Some(Wanted::Name)),
            ("USERNAME", false, Some(Wanted::Name)),
            ("Password:", true, Some(Wanted::Password)),
            ("password\0", true, Some(Wanted::Password)),
            ("Password:", false, None),
            ("", false, Some(Wanted::Name)),
            ("", true, Some(Wanted::Password)),
            ("?", true, Some(Wanted::Password)),
        ] {
            assert_eq!(
                wanted(prompt.as_bytes(), name_is_sent),
                expected,
                "{prompt:?}"
            );
        }
    }
}
