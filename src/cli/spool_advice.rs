//! What to do about a spool directory that cannot be used, as a command.

use std::io;
use std::path::Path;

use crate::base::ascii;
use crate::sys::file::check_access;
use crate::sys::privileges::User;
use crate::sys::reason;

/// Sees that the spool directory can be used by this process, which is that user,
/// if it was started by root.
pub(super) fn check(path: &Path, user: Option<&User>) -> Result<(), String> {
    check_access(path).map_err(|error| {
        let who = user.map_or_else(String::new, |user| format!(" by user {}", user.name));
        let shown = ascii::escape(path.as_os_str().as_encoded_bytes());
        let what = format!("cannot be used{who}: {}", reason(&error));
        let advice = match error.kind() {
            io::ErrorKind::NotFound => make(path, user),
            io::ErrorKind::PermissionDenied => open_up(path, user),
            _ => None,
        };
        let advice = advice.map_or_else(String::new, |advice| format!(": try {advice}"));
        format!("invalid spool directory: --spool-dir: {shown} {what}{advice}")
    })
}

fn make(path: &Path, user: Option<&User>) -> Option<String> {
    let path = word(path)?;
    Some(match user {
        Some(user) => format!("install -d -o root -g {} -m 2770 {path}", user.group),
        None => format!("mkdir -m 770 {path}"),
    })
}

fn open_up(path: &Path, user: Option<&User>) -> Option<String> {
    let is_closed = |folder: &&Path| {
        let inside = check_access(&folder.join(".")).map_err(|error| error.kind());
        // What may be entered may yet not be read or written.
        inside == Err(io::ErrorKind::PermissionDenied) && folder.join("..").metadata().is_err()
    };
    let folders: Vec<&Path> = path.ancestors().skip(1).collect();
    if let Some(folder) = folders.into_iter().rev().find(is_closed) {
        return Some(format!("chmod a+x {}", word(folder)?));
    }
    let path = word(path)?;
    Some(match user {
        Some(user) => format!("chgrp {} {path} && chmod g+rwxs {path}", user.group),
        None => format!("chmod u+rwx {path} as its owner, or chown it as root"),
    })
}

/// The path as a word of a shell, if it can be shown as such.
fn word(path: &Path) -> Option<String> {
    let text = path.to_str()?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%,".contains(c);
    if text.chars().all(is_plain) {
        return Some(text.to_owned());
    }
    let is_shown = !text.contains(char::is_control) && !text.contains('\'');
    is_shown.then(|| format!("'{text}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_words() {
        for (path, expected) in [
            ("/var/spool/emailrelay", Some("/var/spool/emailrelay")),
            ("/a b/$c", Some("'/a b/$c'")),
            ("/it's", None),
            ("/a\nb", None),
        ] {
            assert_eq!(word(Path::new(path)).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn what_is_missing_can_be_made() {
        let path = std::env::temp_dir().join("emailrelay-no-such-spool");
        let user = User {
            name: "joe".to_owned(),
            uid: 1,
            gid: 1,
            groups: vec![1],
            group: "mail".to_owned(),
        };
        let told = check(&path, Some(&user)).unwrap_err();
        let command = format!(
            "try install -d -o root -g mail -m 2770 {}",
            word(&path).unwrap()
        );
        assert!(told.ends_with(&command), "{told}");
        assert!(
            check(&path, None)
                .unwrap_err()
                .contains("try mkdir -m 770 ")
        );
        assert_eq!(check(&std::env::temp_dir(), None), Ok(()));
    }
}
