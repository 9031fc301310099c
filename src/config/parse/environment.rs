//! Options from the environment: `EMAILRELAY_OPTION_PORT` is `--port`.
//!
//! - The name is that of the option in capitals, with `_` for `-`, behind
//!   [`PREFIX`]; nothing else begins like that, so a name that is no option is an
//!   error. (`EMAILRELAY_PORT` alone would be set by some systems that run
//!   containers, and mean something else.)
//! - With `_FILE` behind it, the variable names a file, which has the value, for
//!   values that are not to be seen in the environment; a line end after it is
//!   dropped.
//! - Flags are `yes` or `no`; lists have commas.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use super::nearest;
use crate::config::Context;
use crate::config::check::path;
use crate::config::grouped::{self, Grouped, Named};
use crate::config::problem::{Kind, Origin, Problem, Problems, Syntax, shown};
use crate::config::raw::{Given, VALUE_MAX, Value};

/// How the names of the variables begin.
pub const PREFIX: &str = "EMAILRELAY_OPTION_";

/// How the names of variables end that name files.
const FILE: &str = "-file";

/// Reads the variables of the context.
pub(in crate::config) fn variables(
    context: &Context,
    mut read: impl FnMut(&Path) -> io::Result<Vec<u8>>,
) -> (Grouped, Problems) {
    let mut options = Grouped::default();
    let mut problems = Problems::default();
    let mut variables: Vec<_> = context.environment.iter().collect();
    variables.sort();
    for (name, value) in variables {
        let Some(typed) = name.strip_prefix(PREFIX) else {
            continue;
        };
        let origin = Origin::Environment {
            variable: shown(name).into(),
        };
        let typed = long_name(typed);
        let result = match find(&typed) {
            Some((named, is_file)) => {
                let text = match is_file {
                    true => content(value, context, &mut read),
                    false => Ok(value.clone()),
                };
                let value = text.and_then(|text| Ok(Value::new(named.option, text)?));
                let origin = origin.clone();
                value
                    .and_then(|value| options.add(named, Given { value, origin }))
                    .map_err(|kind| (Some(named.option.long), kind))
            }
            None => Err((None, unknown(name, &typed).into())),
        };
        if let Err((option, kind)) = result {
            problems.push(Problem::new(origin, option, kind));
        }
    }
    (options, problems)
}

/// The option's name as it is on the command line, without dashes before it.
fn long_name(typed: &str) -> String {
    let is_proper = |c: u8| c.is_ascii_uppercase() || c.is_ascii_digit() || c == b'_';
    match typed.bytes().all(is_proper) {
        true => typed.to_ascii_lowercase().replace('_', "-"),
        // No option has such a name.
        false => String::new(),
    }
}

/// The option, and whether the variable names a file that has its value. An option
/// whose own name ends like that comes first.
fn find(typed: &str) -> Option<(Named<'_>, bool)> {
    let stem = typed.strip_suffix(FILE);
    let whole = grouped::find(typed).map(|named| (named, false));
    whole.or_else(|| Some((grouped::find(stem?)?, true)))
}

fn unknown(name: &str, typed: &str) -> Syntax {
    let variable =
        |long: String| format!("{PREFIX}{}", long.to_ascii_uppercase().replace('-', "_"));
    let is_name = |long: &String| !long.contains('=');
    Syntax::Unknown {
        typed: shown(name),
        meant: nearest::name(typed).filter(is_name).map(variable),
    }
}

/// The value that a file has.
fn content(
    path: &OsString,
    context: &Context,
    read: &mut impl FnMut(&Path) -> io::Result<Vec<u8>>,
) -> Result<OsString, Kind> {
    let path = path::resolve(path, context)?;
    let unreadable = |reason: String| Kind::Unreadable {
        path: shown(path.as_os_str().as_encoded_bytes()),
        reason: shown(reason),
    };
    let octets = read(&path).map_err(|error| unreadable(error.to_string()))?;
    let text = String::from_utf8(octets).map_err(|_| unreadable("it is not UTF-8".to_owned()))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    match text.len() <= VALUE_MAX {
        true => Ok(text.into()),
        false => Err(unreadable(format!("it is longer than {VALUE_MAX} octets"))),
    }
}

#[cfg(test)]
mod tests;
