//! What runs a file, by what its name ends in, and what it may be told.
//!
//! Arguments may come from strangers, such as the addresses that a verifier is asked
//! about. Programs take them apart by the rules that std quotes them by. Interpreters
//! have rules of their own, and what these could take for something else than a plain
//! argument is refused: it cannot be quoted so that every script gets it right.

use std::io;
use std::path::Path;
use std::process::Command;

use crate::sys::file::{native_name, not_regular};

/// Where the system is, if it does not say so.
const DEFAULT_WINDIR: &str = "C:\\Windows";

/// What the command interpreter acts on, even within quotes or when a batch file uses
/// its argument.
const BATCH_SPECIAL: &str = "\"%!^&|<>";

/// What becomes a quotation mark, a backslash, a blank or a tab in the code page of a
/// program that asks for its arguments in one, which would take them apart there.
const LOOKALIKES: [char; 20] = [
    '\u{a5}', '\u{2ba}', '\u{30e}', '\u{2000}', '\u{2001}', '\u{2002}', '\u{2003}', '\u{2004}',
    '\u{2005}', '\u{2006}', '\u{2033}', '\u{20a9}', '\u{20e5}', '\u{2216}', '\u{25cb}', '\u{3000}',
    '\u{301d}', '\u{301e}', '\u{ff02}', '\u{ff3c}',
];

/// What PowerShell takes for a dash, and a word that begins with it for the name of a
/// parameter.
const DASHES: [char; 4] = ['-', '\u{2013}', '\u{2014}', '\u{2015}'];

/// What runs a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Host {
    /// The system itself.
    Nobody,
    /// The command interpreter, by way of the standard library.
    Batch,
    PowerShell,
    /// The script host: for scripts that are for no program in particular, as
    /// E-MailRelay has it.
    Script,
}

/// The command that runs a file with these arguments; `InvalidInput` for one that
/// cannot be passed on as it is.
pub(super) fn command(program: &Path, arguments: &[Vec<u8>]) -> io::Result<Command> {
    let host = Host::of(program);
    let windows = std::env::var_os("windir").unwrap_or_else(|| DEFAULT_WINDIR.into());
    let system = Path::new(&windows).join("System32");
    let mut command = match host {
        Host::Nobody | Host::Batch => Command::new(program),
        Host::PowerShell => Command::new(system.join("WindowsPowerShell\\v1.0\\powershell.exe")),
        Host::Script => Command::new(system.join("cscript.exe")),
    };
    command.args(host.options());
    if matches!(host, Host::PowerShell | Host::Script) {
        // The host would be started in any case, and its complaint look like an answer.
        if !program.metadata()?.is_file() {
            return Err(not_regular());
        }
        command.arg(program);
    }
    for argument in arguments {
        let argument = native_name(argument);
        if !host.takes(&argument.to_string_lossy()) {
            let text = "an argument has characters in it that cannot be passed to such a program";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        command.arg(argument);
    }
    Ok(command)
}

impl Host {
    fn of(program: &Path) -> Host {
        let extension = program.extension().unwrap_or_default();
        let is_one_of =
            |known: &[&str]| known.iter().any(|one| extension.eq_ignore_ascii_case(one));
        if is_one_of(&["exe", "com"]) {
            Host::Nobody
        } else if is_one_of(&["bat", "cmd"]) {
            Host::Batch
        } else if is_one_of(&["ps1"]) {
            Host::PowerShell
        } else {
            Host::Script
        }
    }

    /// What the host is told before the script. Scripts run whatever the policy of
    /// this machine is: the administrator has named this one.
    fn options(self) -> &'static [&'static str] {
        match self {
            Host::Nobody | Host::Batch => &[],
            Host::PowerShell => &[
                "-NoLogo",
                "-NoProfile",
                "-NonInteractive",
                "-ExecutionPolicy",
                "Bypass",
                "-File",
            ],
            Host::Script => &["//nologo", "//B"],
        }
    }

    /// Whether a script of this host, or what it passes that on to, gets that argument as
    /// it is.
    fn takes(self, argument: &str) -> bool {
        if argument.contains(LOOKALIKES) {
            return false;
        }
        let is_clean = !argument.contains(|c: char| c.is_control());
        match self {
            Host::Nobody => true,
            Host::Batch => is_clean && !argument.contains(|c| BATCH_SPECIAL.contains(c)),
            // A quotation mark cannot be quoted for the script host.
            Host::Script => is_clean && !argument.starts_with("//") && !argument.contains('"'),
            Host::PowerShell => is_clean && !argument.starts_with(DASHES),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_file_has_its_host() {
        for (name, host) in [
            ("C:\\a b\\filter.exe", Host::Nobody),
            ("filter.COM", Host::Nobody),
            ("filter.Bat", Host::Batch),
            ("filter.cmd", Host::Batch),
            ("filter.ps1", Host::PowerShell),
            ("filter.js", Host::Script),
            ("filter.vbs", Host::Script),
            ("filter", Host::Script),
        ] {
            assert_eq!(Host::of(Path::new(name)), host, "{name}");
        }
        for name in ["C:\\no such\\f.ps1", "C:\\no such\\f.js"] {
            let missing = command(Path::new(name), &[]).unwrap_err();
            assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        }
    }

    #[test]
    fn strangers_cannot_talk_to_interpreters() {
        let usual = [
            "a@b.test",
            "",
            "C:\\Program Files (x86)\\E-MailRelay\\x.content",
            "o'brien@x",
        ];
        for host in [Host::Nobody, Host::Batch, Host::PowerShell, Host::Script] {
            for argument in usual {
                assert!(host.takes(argument), "{host:?} {argument}");
            }
        }
        for argument in [
            "\"&calc.exe&\"@x",
            "a&calc@x",
            "%COMSPEC%@x",
            "!x!@x",
            "a^@x",
            "a|b@x",
            "a>b@x",
            "a\r\nb",
        ] {
            assert!(!Host::Batch.takes(argument), "{argument}");
            let refused = command(Path::new("C:\\v.bat"), &[argument.as_bytes().to_vec()]);
            assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
        for host in [Host::Nobody, Host::Batch, Host::PowerShell, Host::Script] {
            for argument in ["a\u{ff02} --evil@x", "a b\u{ff3c}"] {
                assert!(!host.takes(argument), "{host:?} {argument}");
            }
        }
        for argument in ["//E:vbscript", "//D@x", "a\"b", "a\nb"] {
            assert!(!Host::Script.takes(argument), "{argument}");
        }
        for argument in ["-Command", "\u{2013}Command", "\u{2015}x@y", "a\nb"] {
            assert!(!Host::PowerShell.takes(argument), "{argument}");
        }
    }
}
