//! Programs as options name them.

use std::ffi::OsStr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use super::Context;
use super::address::Address;
use super::check::path;
use super::option::Platform;
use super::problem::{Kind, shown};
use super::value::{self, Fault};
use crate::base::ascii;

/// A program, or what does its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// A file to be run, by its absolute path.
    File(PathBuf),
    /// A service.
    Net(Address),
    /// A program that does nothing but exit with that status.
    Exit(u8),
    /// The accounts of this system.
    Accounts(Accounts),
}

/// Which users of this system have mail, and what becomes of recipients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accounts {
    /// The numbers of those users.
    pub users: RangeInclusive<u32>,
    /// Whether mailboxes have their names in lower case.
    pub lowercase: bool,
    /// Whether mail for them is relayed rather than local.
    pub remote: bool,
    /// Whether mail for all others is relayed rather than refused.
    pub check: bool,
}

/// The users that have mail by default: people, and not what systems need.
pub const USERS: RangeInclusive<u32> = 1000..=32767;

impl Program {
    /// Reads `<path>`, `file:<path>`, `net:<address>`, `exit:<number>` or
    /// `account:<parameters>`. A path is the whole of what is given: there are no
    /// arguments and no quotes.
    pub(super) fn parse(text: &str, context: &Context) -> Result<Program, Kind> {
        let fail = |fault| Kind::Value {
            value: shown(text),
            fault,
        };
        match text.split_once(':') {
            Some(("net", address)) => Address::parse(address).map(Program::Net).map_err(fail),
            Some(("exit", status)) => value::exit_status(status).map(Program::Exit).map_err(fail),
            Some(("account", _)) if context.platform == Platform::Windows => {
                Err(fail(Fault::NoAccounts))
            }
            Some(("account", parameters)) => Accounts::parse(parameters)
                .map(Program::Accounts)
                .ok_or_else(|| fail(Fault::Accounts)),
            Some(("file", path)) => file(path, context),
            _ => file(text, context),
        }
    }
}

impl Accounts {
    /// Reads `<lowest>-<highest>;lowercase;remote;check`, the words also by their
    /// first letters.
    fn parse(text: &str) -> Option<Accounts> {
        let mut accounts = Accounts {
            users: USERS,
            lowercase: false,
            remote: false,
            check: false,
        };
        for word in text.split(';').filter(|word| !word.is_empty()) {
            match word {
                "l" | "lowercase" => accounts.lowercase = true,
                "r" | "remote" => accounts.remote = true,
                "c" | "check" => accounts.check = true,
                range => accounts.users = users(range)?,
            }
        }
        Some(accounts)
    }
}

fn users(range: &str) -> Option<RangeInclusive<u32>> {
    let number = |text: &str| {
        let number = ascii::parse_decimal(text.as_bytes())?;
        u32::try_from(number).ok()
    };
    let (low, high) = range.split_once('-')?;
    let users = number(low)?..=number(high)?;
    (!users.is_empty()).then_some(users)
}

fn file(path: &str, context: &Context) -> Result<Program, Kind> {
    path::resolve(OsStr::new(path), context).map(Program::File)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Program, String> {
        let context = Context {
            base_dir: Some("/home/me".into()),
            app_dir: Some("/opt/relay".into()),
            ..Context::new(Platform::Unix)
        };
        Program::parse(text, &context).map_err(|kind| kind.to_string())
    }

    #[test]
    fn programs_services_and_statuses_are_told_apart() {
        for (text, file) in [
            ("/a/verify", "/a/verify"),
            (
                "/a/with blanks \"and\" -arguments",
                "/a/with blanks \"and\" -arguments",
            ),
            ("verify", "/home/me/verify"),
            ("@app/verify", "/opt/relay/verify"),
            ("file:/a/verify", "/a/verify"),
            ("file:net:25", "/home/me/net:25"),
            ("foo:bar", "/home/me/foo:bar"),
            ("/a:b", "/a:b"),
        ] {
            assert_eq!(parsed(text), Ok(Program::File(file.into())), "{text}");
        }
        let address = Address::parse("host.example:9001").unwrap();
        assert_eq!(parsed("net:host.example:9001"), Ok(Program::Net(address)));
        let address = Address::parse("/run/verify").unwrap();
        assert_eq!(parsed("net:/run/verify"), Ok(Program::Net(address)));
        assert_eq!(parsed("exit:0"), Ok(Program::Exit(0)));
        assert_eq!(parsed("exit:255"), Ok(Program::Exit(255)));
    }

    #[test]
    fn bad_ones_are_told_with_what_is_wrong() {
        for (text, problem) in [
            ("", "\"\" is empty"),
            ("file:", "\"\" is empty"),
            ("exit:x", "\"exit:x\" is not a number from 0 to 255"),
            ("exit:256", "\"exit:256\" is not a number from 0 to 255"),
            ("net:", "\"net:\" is empty"),
            (
                "net:host",
                "\"net:host\" has no port; write host:port, or [address]:port for IPv6",
            ),
        ] {
            assert_eq!(parsed(text), Err(problem.to_owned()), "{text}");
        }
    }

    #[test]
    fn accounts_have_a_range_and_switches() {
        let accounts = |users, switches: &str| {
            Ok(Program::Accounts(Accounts {
                users,
                lowercase: switches.contains('l'),
                remote: switches.contains('r'),
                check: switches.contains('c'),
            }))
        };
        for (text, expected) in [
            ("account:", accounts(USERS, "")),
            ("account:500-600", accounts(500..=600, "")),
            ("account:;lowercase", accounts(USERS, "l")),
            ("account:0-0;r;c;l", accounts(0..=0, "lrc")),
            ("account:check;remote", accounts(USERS, "rc")),
        ] {
            assert_eq!(parsed(text), expected, "{text}");
        }
        for text in [
            "x",
            "5",
            "5-",
            "-5",
            "6-5",
            "0-4294967296",
            "L",
            "l,r",
            "1-2-3",
        ] {
            let error = parsed(&format!("account:{text}")).unwrap_err();
            assert!(
                error.contains("is not account:<lowest>-<highest>"),
                "{error}"
            );
        }
    }
}
