//! Programs as options name them.

use std::ffi::OsStr;
use std::path::PathBuf;

use super::Context;
use super::address::Address;
use super::check::path;
use super::problem::{Kind, shown};
use super::value::{self, Fault};

/// A program, or what does its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// A file to be run, by its absolute path.
    File(PathBuf),
    /// A service.
    Net(Address),
    /// A program that does nothing but exit with that status.
    Exit(u8),
}

impl Program {
    /// Reads `<path>`, `file:<path>`, `net:<address>` or `exit:<number>`. A path
    /// is the whole of what is given: there are no arguments and no quotes.
    pub(super) fn parse(text: &str, context: &Context) -> Result<Program, Kind> {
        let fail = |fault| Kind::Value {
            value: shown(text),
            fault,
        };
        match text.split_once(':') {
            Some(("net", address)) => Address::parse(address).map(Program::Net).map_err(fail),
            Some(("exit", status)) => value::exit_status(status).map(Program::Exit).map_err(fail),
            Some(("account", _)) => Err(fail(Fault::Accounts)),
            Some(("file", path)) => file(path, context),
            _ => file(text, context),
        }
    }
}

fn file(path: &str, context: &Context) -> Result<Program, Kind> {
    path::resolve(OsStr::new(path), context).map(Program::File)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::option::Platform;

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
            (
                "account:",
                "\"account:\" asks for accounts of this system, not available in this version",
            ),
        ] {
            assert_eq!(parsed(text), Err(problem.to_owned()), "{text}");
        }
    }
}
