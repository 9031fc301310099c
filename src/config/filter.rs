//! Filters as options name them.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use super::Context;
use super::address::Address;
use super::check::path;
use super::problem::{Kind, shown};
use super::value;

/// The longest delay, in milliseconds.
const SLEEP_MS_MAX: u64 = 24 * 60 * 60 * 1000;

/// A filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// A file to be run, by its absolute path.
    File(PathBuf),
    /// A service.
    Net(Address),
    /// A program that does nothing but exit with that status.
    Exit(u8),
    /// Nothing but a delay.
    Sleep(Duration),
    /// A spamd service.
    Spam {
        /// Where it is.
        address: Address,
        /// Whether it edits the content, and does not refuse messages.
        edits: bool,
    },
    /// A filter that is part of this program.
    BuiltIn {
        /// Its name.
        name: &'static str,
        /// What stands after the colon; whoever makes the filter reads it.
        parameters: String,
    },
}

/// The names of filters that are part of this program.
const BUILT_IN: [&str; 5] = ["deliver", "copy", "split", "mx", "msgid"];

impl Filter {
    /// Reads `<path>`, `file:<path>`, `net:<address>`, `exit:<number>`,
    /// `sleepms:<number>`, `spam:<address>`, `spam-edit:<address>`, or one that is
    /// part of this program, with its parameters. A path is the whole of what is
    /// given: there are no arguments and no quotes.
    pub(super) fn parse(text: &str, context: &Context) -> Result<Filter, Kind> {
        let fail = |fault| Kind::Value {
            value: shown(text),
            fault,
        };
        match text.split_once(':') {
            Some(("net", address)) => Address::parse(address).map(Filter::Net).map_err(fail),
            Some(("exit", status)) => value::exit_status(status).map(Filter::Exit).map_err(fail),
            Some(("sleepms", delay)) => value::number(delay, 0, SLEEP_MS_MAX)
                .map(|delay| Filter::Sleep(Duration::from_millis(delay)))
                .map_err(fail),
            Some((name @ ("spam" | "spam-edit"), address)) => Address::parse(address)
                .map(|address| Filter::Spam {
                    address,
                    edits: name == "spam-edit",
                })
                .map_err(fail),
            Some(("file", path)) => file(path, context),
            Some((name, parameters)) => match BUILT_IN.into_iter().find(|known| *known == name) {
                Some(name) => Ok(Filter::BuiltIn {
                    name,
                    parameters: parameters.to_owned(),
                }),
                None => file(text, context),
            },
            None => file(text, context),
        }
    }
}

fn file(path: &str, context: &Context) -> Result<Filter, Kind> {
    path::resolve(OsStr::new(path), context).map(Filter::File)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::option::Platform;

    fn parsed(text: &str) -> Result<Filter, String> {
        let context = Context {
            base_dir: Some("/home/me".into()),
            app_dir: Some("/opt/relay".into()),
            ..Context::new(Platform::Unix)
        };
        Filter::parse(text, &context).map_err(|kind| kind.to_string())
    }

    #[test]
    fn programs_services_and_others_are_told_apart() {
        for (text, file) in [
            ("/a/filter", "/a/filter"),
            (
                "/a/with blanks \"and\" -arguments",
                "/a/with blanks \"and\" -arguments",
            ),
            ("filter", "/home/me/filter"),
            ("@app/filter", "/opt/relay/filter"),
            ("file:/a/filter", "/a/filter"),
            ("file:exit:25", "/home/me/exit:25"),
            ("foo:bar", "/home/me/foo:bar"),
        ] {
            assert_eq!(parsed(text), Ok(Filter::File(file.into())), "{text}");
        }
        let address = Address::parse("host.example:9001").unwrap();
        assert_eq!(parsed("net:host.example:9001"), Ok(Filter::Net(address)));
        let address = Address::parse("/run/filter").unwrap();
        assert_eq!(parsed("net:/run/filter"), Ok(Filter::Net(address)));
        assert_eq!(parsed("exit:103"), Ok(Filter::Exit(103)));
        let spam = |edits| Filter::Spam {
            address: Address::parse("host.example:783").unwrap(),
            edits,
        };
        assert_eq!(parsed("spam:host.example:783"), Ok(spam(false)));
        assert_eq!(parsed("spam-edit:host.example:783"), Ok(spam(true)));
        for name in BUILT_IN {
            let parameters = "a;b:c".to_owned();
            let filter = Filter::BuiltIn { name, parameters };
            assert_eq!(parsed(&format!("{name}:a;b:c")), Ok(filter));
        }
        let delay = Duration::from_millis(250);
        assert_eq!(parsed("sleepms:250"), Ok(Filter::Sleep(delay)));
    }

    #[test]
    fn bad_ones_are_told_with_what_is_wrong() {
        for (text, problem) in [
            ("", "\"\" is empty"),
            ("file:", "\"\" is empty"),
            ("exit:x", "\"exit:x\" is not a number from 0 to 255"),
            (
                "sleepms:",
                "\"sleepms:\" is not a number from 0 to 86400000",
            ),
            (
                "sleepms:86400001",
                "\"sleepms:86400001\" is not a number from 0 to 86400000",
            ),
            ("net:", "\"net:\" is empty"),
            (
                "spam:host",
                "\"spam:host\" has no port; write host:port, or [address]:port for IPv6",
            ),
        ] {
            assert_eq!(parsed(text), Err(problem.to_owned()), "{text}");
        }
    }
}
