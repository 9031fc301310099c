//! The configuration file: one option per line, by its long name without dashes.
//!
//! - `port 25`, `port=25` and `port = 25` are the same; blanks at both ends, empty
//!   lines, lines whose first character is `#`, CRLF line ends and a byte order mark
//!   are ignored;
//! - `log` and `log yes` turn a flag on, `log no` off;
//! - a value in double quotes loses them, and that is all they do;
//! - an unquoted value with a `#` after a blank is refused: there are no comments
//!   after values, but the value would hardly be meant to have one;
//! - given again, an option must have the same value, unless it is a list.

use std::path::Path;
use std::sync::Arc;

use super::nearest;
use crate::base::ascii;
use crate::config::grouped::{self, Grouped};
use crate::config::option::Opt;
use crate::config::problem::{Kind, Origin, Problem, Problems, Syntax, shown};
use crate::config::raw::{Given, Value};

/// The largest configuration file, in octets.
pub const FILE_MAX: usize = 1 << 20;

/// The longest line of it, in octets, without its end.
pub const LINE_MAX: usize = 8192;

/// Reads the text of a file of that name.
pub(in crate::config) fn lines(path: &Path, text: &[u8]) -> (Grouped, Problems) {
    let path: Arc<str> = shown(path.as_os_str().as_encoded_bytes()).into();
    let mut options = Grouped::default();
    let mut problems = Problems::default();
    let at = |line| Origin::File {
        path: Arc::clone(&path),
        line,
    };
    if text.len() > FILE_MAX {
        problems.push(Problem::new(at(1), None, too_long("file", FILE_MAX)));
        return (options, problems);
    }
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        if let Err((option, kind)) = take_line(&mut options, line, at(index + 1)) {
            problems.push(Problem::new(at(index + 1), option, kind));
        }
        if problems.is_full() {
            break;
        }
    }
    (options, problems)
}

fn too_long(what: &'static str, octets_max: usize) -> Syntax {
    Syntax::TooLong { what, octets_max }
}

/// Takes one line; where that fails, tells the option too if it was found.
fn take_line(
    options: &mut Grouped,
    line: &[u8],
    origin: Origin,
) -> Result<(), (Option<&'static str>, Kind)> {
    let text = text_of(line).map_err(|problem| (None, problem.into()))?;
    if text.is_empty() || text.starts_with('#') {
        return Ok(());
    }
    let (name, value) = split(text);
    let Some(named) = grouped::find(name) else {
        let typed = shown(name);
        let meant = nearest::name(name);
        return Err((None, Syntax::Unknown { typed, meant }.into()));
    };
    value_of(named.option, value)
        .map_err(Into::into)
        .and_then(|value| options.add(named, Given { value, origin }))
        .map_err(|kind| (Some(named.option.long), kind))
}

/// The line as text, without the blanks at both ends.
fn text_of(line: &[u8]) -> Result<&str, Syntax> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() > LINE_MAX {
        return Err(too_long("line", LINE_MAX));
    }
    std::str::from_utf8(ascii::trim(line)).map_err(|_| {
        let word = shown(line);
        Syntax::NotUtf8 { word }
    })
}

/// Splits at the separator: blanks, or a `=` with or without blanks around it. The
/// value is nothing where neither a `=` nor anything else follows the name.
fn split(text: &str) -> (&str, Option<&str>) {
    let is_blank = |c: char| matches!(c, ' ' | '\t');
    let end = text.find(|c| is_blank(c) || c == '=').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let rest = rest.trim_start_matches(is_blank);
    match rest.strip_prefix('=') {
        Some(value) => (name, Some(value.trim_start_matches(is_blank))),
        None => (name, Some(rest).filter(|rest| !rest.is_empty())),
    }
}

fn value_of(option: &Opt, value: Option<&str>) -> Result<Value, Syntax> {
    let Some(value) = value else {
        return Value::bare(option);
    };
    let value = match unquoted(value) {
        Some(inner) => inner,
        None if has_comment(value) => {
            let value = shown(value);
            return Err(Syntax::Comment { value });
        }
        None => value,
    };
    Value::new(option, value.into())
}

/// What is between the double quotes, if there are two.
fn unquoted(value: &str) -> Option<&str> {
    value.strip_prefix('"')?.strip_suffix('"')
}

fn has_comment(value: &str) -> bool {
    value.starts_with('#') || value.contains(" #") || value.contains("\t#")
}

#[cfg(test)]
mod tests;
