//! What the log gets to see of what the client says: no secret, even where the
//! client has put it in the wrong place.

use crate::base::{OneLine, ascii};
use crate::proto::sasl::Mechanism;

use super::table::Command;
use super::{Action, Turn, login};

/// What stands for a line that may hold a secret.
const HIDDEN: &str = "[unrecognized command not logged]";

/// How many octets of a command line are reported.
const NOTED_MAX: usize = 512;

impl Turn<'_> {
    /// Reports a command line; `verb` is that of a command that we know.
    pub(super) fn note_command(&mut self, line: &[u8], verb: Option<&str>, is_known: bool) {
        if self.core.settings.note_commands {
            // It has been escaped, so it is one line.
            let text = OneLine::new(shown(line, verb, is_known));
            self.out.extend(text.map(Action::Command));
        }
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
}

/// What is shown of a command line, of a client that has logged in or not.
fn shown(line: &[u8], verb: Option<&str>, is_known: bool) -> String {
    match verb {
        Some("PASS") => "PASS [password not logged]".to_owned(),
        Some("APOP") => shown_apop(line),
        Some(login::AUTH) => shown_auth(line),
        // A mistyped PASS has a password all the same.
        None if !is_known => HIDDEN.to_owned(),
        _ => ascii::escape_bounded(line, NOTED_MAX),
    }
}

/// The digest is enough to try passwords against.
fn shown_apop(line: &[u8]) -> String {
    let argument = Command::split(line).argument();
    let name = argument.iter().rposition(|octet| *octet == b' ');
    let name = name.map_or(&b""[..], |blank| &argument[..blank]);
    let name = ascii::escape_bounded(name, NOTED_MAX);
    format!("APOP {name} [not logged]")
}

/// The name of the mechanism, if it is one and not a password in its place.
fn shown_auth(line: &[u8]) -> String {
    let command = Command::split(Command::split(line).argument());
    match Mechanism::parse(command.verb) {
        Some(mechanism) if command.rest.is_empty() => format!("AUTH {}", mechanism.name()),
        Some(mechanism) => format!("AUTH {}  [not logged]", mechanism.name()),
        None if command.verb.is_empty() => "AUTH".to_owned(),
        None => "AUTH  [not logged]".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_commands_but_no_secrets() {
        for (line, verb, is_known, expected) in [
            ("USER alice", Some("USER"), false, "USER alice"),
            (
                "pass s e c",
                Some("PASS"),
                false,
                "PASS [password not logged]",
            ),
            ("PAS sec", None, false, HIDDEN),
            ("PAS sec", None, true, "PAS sec"),
            (
                "APOP al ice 0f",
                Some("APOP"),
                false,
                "APOP al ice [not logged]",
            ),
            ("APOP 0f", Some("APOP"), false, "APOP  [not logged]"),
            (
                "AUTH PLAIN AGE=",
                Some("AUTH"),
                false,
                "AUTH PLAIN  [not logged]",
            ),
            ("AUTH plain", Some("AUTH"), false, "AUTH PLAIN"),
            ("AUTH secret", Some("AUTH"), false, "AUTH  [not logged]"),
            ("AUTH", Some("AUTH"), false, "AUTH"),
            ("RETR 1\x1b", Some("RETR"), true, "RETR 1\\x1b"),
        ] {
            assert_eq!(shown(line.as_bytes(), verb, is_known), expected, "{line}");
        }
    }
}
