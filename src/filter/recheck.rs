//! Whether the envelope that a filter has left will do. Filters are the
//! operator's, but what they edit has come from anywhere.

use std::collections::HashSet;

use crate::base::OneLine;
use crate::proto::smtp::path::{self, PathRules, Side};
use crate::store::Envelope;

/// Checks the envelope of a message that has been received.
pub fn received(before: &Envelope, after: &Envelope) -> Result<(), String> {
    if after.remote_recipients.is_empty() && after.local_recipients.is_empty() {
        return Err("no recipients".to_owned());
    }
    let local = &after.local_recipients;
    match local.iter().find(|mailbox| !is_mailbox(mailbox)) {
        Some(mailbox) => Err(format!("\"{mailbox}\" is not a mailbox name")),
        None => paths(before, after),
    }
}

/// Checks the envelope of a message that is to be forwarded.
pub fn queued(before: &Envelope, after: &Envelope) -> Result<(), String> {
    match after.remote_recipients.is_empty() {
        true => Err("no recipients".to_owned()),
        false => paths(before, after),
    }
}

/// New paths must be such as a client could have given. Others have been checked
/// when they came.
fn paths(before: &Envelope, after: &Envelope) -> Result<(), String> {
    let sender = &after.reverse_path;
    if *sender != before.reverse_path && !is_path(sender, Side::Reverse) {
        return Err(format!("\"{sender}\" is not a reverse-path"));
    }
    if after.remote_recipients == before.remote_recipients {
        return Ok(());
    }
    let known: HashSet<&OneLine> = before.remote_recipients.iter().collect();
    let is_bad = |path: &&OneLine| !known.contains(*path) && !is_path(path, Side::Forward);
    match after.remote_recipients.iter().find(is_bad) {
        Some(path) => Err(format!("\"{path}\" is not a forward-path")),
        None => Ok(()),
    }
}

fn is_path(path: &OneLine, side: Side) -> bool {
    let start: &[u8] = match side {
        Side::Reverse => b"FROM:<",
        Side::Forward => b"TO:<",
    };
    let argument = [start, path.as_bytes(), b">"].concat();
    let parsed = path::parse(&argument, side, PathRules::Lenient);
    parsed.is_ok_and(|(parsed, rest)| parsed.mailbox() == path && rest.is_empty())
}

/// Whether a mailbox name is safe as the name of a directory.
fn is_mailbox(name: &OneLine) -> bool {
    super::verifier::is_mailbox(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(texts: &[&str]) -> Vec<OneLine> {
        let line = |text: &&str| OneLine::new(*text).unwrap();
        texts.iter().map(line).collect()
    }

    fn envelope(from: &str, remote: &[&str], local: &[&str]) -> Envelope {
        Envelope {
            reverse_path: OneLine::new(from).unwrap(),
            remote_recipients: lines(remote),
            local_recipients: lines(local),
            ..Envelope::default()
        }
    }

    #[test]
    fn somebody_must_get_the_message() {
        let before = envelope("me@src.test", &["a@x.test"], &[]);
        let nobody = envelope("me@src.test", &[], &[]);
        let local = envelope("me@src.test", &[], &["alice"]);
        assert_eq!(received(&before, &nobody), Err("no recipients".to_owned()));
        assert_eq!(received(&before, &local), Ok(()));
        assert_eq!(queued(&before, &nobody), Err("no recipients".to_owned()));
        assert_eq!(queued(&before, &local), Err("no recipients".to_owned()));
    }

    #[test]
    fn new_addresses_are_checked_and_old_ones_are_not() {
        let before = envelope("odd one", &["odd@>", "a@x.test"], &[]);
        assert_eq!(received(&before, &before), Ok(()));
        let less = envelope("", &["odd@>"], &[]);
        assert_eq!(received(&before, &less), Ok(()));
        for good in [
            "b@y.test",
            "\"quoted >\"@y.test",
            "postmaster",
            "b@[127.0.0.1]",
        ] {
            let after = envelope("new@src.test", &[good, "odd@>"], &[]);
            assert_eq!(received(&before, &after), Ok(()), "{good}");
            assert_eq!(queued(&before, &after), Ok(()), "{good}");
        }
        for bad in [
            "",
            "b@y.test> NOTIFY=NEVER <x@y.test",
            "b y@z.test",
            "b\t@y.test",
            "@",
        ] {
            let after = envelope("odd one", &[bad], &[]);
            let problem = format!("\"{}\" is not a forward-path", after.remote_recipients[0]);
            assert_eq!(received(&before, &after), Err(problem.clone()), "{bad}");
            assert_eq!(queued(&before, &after), Err(problem), "{bad}");
        }
        let sender = envelope("x@y.test> SIZE=1 <", &["a@x.test"], &[]);
        received(&before, &sender).unwrap_err();
    }

    #[test]
    fn mailboxes_are_safe_as_directories() {
        let before = envelope("me@src.test", &["a@x.test"], &[]);
        for bad in ["", "..", ".hidden", "a/b", "a\\b", "a\x1b"] {
            let after = envelope("me@src.test", &["a@x.test"], &["alice", bad]);
            received(&before, &after).unwrap_err();
        }
    }
}
