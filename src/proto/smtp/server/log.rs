//! What the log gets to see of what the client says: no secret, even where the
//! client has put it in the wrong place.

use crate::base::{OneLine, ascii};
use crate::proto::sasl::Mechanism;
use crate::proto::smtp::command::Command;

use super::{Action, Turn, auth};

/// What stands for a line that may hold a secret.
const HIDDEN: &str = "[unrecognized command not logged]";

/// How many octets of a command line are reported.
const NOTED_MAX: usize = 512;

impl Turn<'_> {
    /// Reports a command line; `verb` is that of a command that we know.
    pub(super) fn note_command(&mut self, line: &[u8], verb: Option<&str>) {
        if self.core.settings.note_commands {
            // It has been escaped, so it is one line.
            let text = OneLine::new(shown(line, verb, self.core.after_auth));
            self.out.extend(text.map(Action::Command));
        }
        self.core.after_auth &= verb.is_none();
        self.core.after_auth |= verb == Some(auth::VERB);
    }

    /// Reports a response to a challenge.
    pub(super) fn note_response(&mut self) {
        if self.core.settings.note_commands {
            let text = OneLine::escaped("[authentication response not logged]");
            self.out.push(Action::Command(text));
        }
    }

    pub(super) fn warn(&mut self, text: String) {
        self.out.push(Action::Warn(OneLine::escaped(text)));
    }

    /// Whether the line is longer than commands may be; only AUTH may be longer.
    pub(super) fn is_too_long(&self, line: &[u8]) -> bool {
        line.len() + 2 > self.settings().limits.command_line_max
    }
}

/// What is shown of a command line.
fn shown(line: &[u8], verb: Option<&str>, after_auth: bool) -> String {
    match verb {
        Some(auth::VERB) => shown_auth(line),
        // After a refused AUTH some clients send the responses all the same, and
        // others get the command itself wrong.
        None if after_auth || names_auth(line) => HIDDEN.to_owned(),
        _ => ascii::escape_bounded(line, NOTED_MAX),
    }
}

/// The name of the mechanism, if it is one and not a password in its place.
fn shown_auth(line: &[u8]) -> String {
    let argument = Command::split(line).argument;
    let Command { verb, argument } = Command::split(argument);
    match Mechanism::parse(verb) {
        Some(mechanism) if argument.is_empty() => format!("AUTH {}", mechanism.name()),
        Some(mechanism) => format!("AUTH {}  [not logged]", mechanism.name()),
        None if verb.is_empty() => "AUTH".to_owned(),
        None => "AUTH  [not logged]".to_owned(),
    }
}

fn names_auth(line: &[u8]) -> bool {
    line.windows(auth::VERB.len())
        .any(|part| part.eq_ignore_ascii_case(auth::VERB.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_commands_but_no_secrets() {
        let table = [
            (
                "MAIL FROM:<author@x>",
                Some("MAIL"),
                false,
                "MAIL FROM:<author@x>",
            ),
            (
                "AUTH plain AGEAYg==",
                Some("AUTH"),
                false,
                "AUTH PLAIN  [not logged]",
            ),
            ("AUTH LOGIN", Some("AUTH"), false, "AUTH LOGIN"),
            (
                "auth\tplain\tAGEAYg==",
                Some("AUTH"),
                false,
                "AUTH PLAIN  [not logged]",
            ),
            ("AUTH AGEAYg==", Some("AUTH"), false, "AUTH  [not logged]"),
            ("AUTH", Some("AUTH"), false, "AUTH"),
            (" AUTH PLAIN AGEAYg==", None, false, HIDDEN),
            ("AUTHPLAIN AGEAYg==", None, false, HIDDEN),
            ("AGEAYg==", None, true, HIDDEN),
            ("FOO bar\x1b", None, false, "FOO bar\\x1b"),
        ];
        for (line, verb, after_auth, expected) in table {
            assert_eq!(shown(line.as_bytes(), verb, after_auth), expected);
        }
    }
}
