//! The option table, and all that is derived from it: parsing, checking, help
//! and the manual page. Takes text and opens nothing.
//!
//! ```text
//! words --> parse --+--> options as given --> check --> Outcome
//!            | name |    (words above file)
//!            v      ^
//!       caller's read function
//! ```
//!
//! The table says which options there are, `parse` how they are written, `check`
//! what they may be and mean, `settings` what the program gets to see of them.
#![forbid(unsafe_code)]

pub mod address;
mod check;
pub mod client_security;
pub mod extensions;
pub mod help;
pub mod man;
pub mod option;
pub mod parse;
pub mod problem;
pub mod program;
mod raw;
pub mod settings;
pub mod table;
pub mod value;

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

pub use address::{Address, Host, Interface, IpFamily, ListenAddress, Literal, ServerName, Zone};
pub use client_security::{ClientAccount, ClientAuth, ClientTls, TlsStart};
pub use extensions::Extensions;
pub use option::Platform;
pub use parse::file::FILE_MAX;
pub use problem::{Problem, Warning};
pub use program::Program;
pub use raw::{LIST_MAX, VALUE_MAX};
pub use settings::{Config, Forward, Log, PopServer, Serve, SmtpServer};
pub use value::Anonymous;

use problem::{Kind, Origin, shown};
use raw::Raw;

/// The program's name, as it is in messages and in the manual.
pub const PROGRAM: &str = "emailrelay";

/// What the caller knows about the process, and this room does not look up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The kind of system.
    pub platform: Platform,
    /// What relative paths are relative to: the working directory.
    pub base_dir: Option<PathBuf>,
    /// What `@app` at the start of a path stands for: the program's directory.
    pub app_dir: Option<PathBuf>,
    /// The TLS libraries that are built in, with their versions.
    pub libraries: Vec<String>,
    /// The environment variable `COLUMNS`, for the width of the help.
    pub columns: Option<String>,
}

impl Context {
    /// A context in which nothing but the system is known.
    pub fn new(platform: Platform) -> Context {
        Context {
            platform,
            base_dir: None,
            app_dir: None,
            libraries: Vec::new(),
            columns: None,
        }
    }
}

/// What a command line and its configuration file come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Run with this configuration, after showing the warnings.
    Run(Box<Config>, Vec<Warning>),
    /// Neither serve nor forward anything: say so, and exit with 0.
    NothingToDo,
    /// Print this text, which is whole lines, and exit with 0.
    Print(String),
    /// Show the problems (see [`failure`]), and exit with 1.
    Fail(Vec<Problem>),
}

/// Works out what the words that follow the program's name ask for.
///
/// If they name a configuration file that matters, `read` is asked for its content,
/// by its absolute path; it need not read more than [`FILE_MAX`] octets and one.
/// Help is given even for a command line with mistakes, the version only without
/// mistakes in its form; neither reads the file.
pub fn resolve(
    words: impl IntoIterator<Item = OsString>,
    context: &Context,
    read: impl FnOnce(&Path) -> io::Result<Vec<u8>>,
) -> Outcome {
    let parse::Words {
        mut raw,
        file,
        problems,
    } = parse::words(words);
    let mut problems = problems.into_vec();
    if (raw.is_on("help") || problems.is_empty())
        && let Some(text) = text_to_print(&raw, context)
    {
        return Outcome::Print(text);
    }
    // After a mistake the word may not be the name of a file at all.
    let file = file.filter(|_| problems.is_empty());
    match file.map(|file| read_file(&file, context, read)) {
        Some(Ok(lower)) => raw.put_above(lower),
        Some(Err(more)) => problems.extend(more),
        None => {}
    }
    if problems.is_empty()
        && let Some(text) = text_to_print(&raw, context)
    {
        return Outcome::Print(text);
    }
    match check::check(&raw, context) {
        Ok((config, warnings)) if problems.is_empty() => match config.has_work() {
            true => Outcome::Run(Box::new(config), warnings),
            false => Outcome::NothingToDo,
        },
        Ok(_) => Outcome::Fail(problems),
        Err(more) => Outcome::Fail(with_values(problems, more)),
    }
}

/// Puts what is wrong with values behind what is wrong with their form. Where the
/// form is wrong, what else seems wrong with the whole may only follow from that.
fn with_values(mut problems: Vec<Problem>, more: Vec<Problem>) -> Vec<Problem> {
    let is_well_formed = problems.is_empty();
    let tells = |problem: &Problem| is_well_formed || problem.option.is_some();
    problems.extend(more.into_iter().filter(tells));
    problems.truncate(problem::PROBLEMS_MAX + 1);
    problems
}

fn text_to_print(raw: &Raw, context: &Context) -> Option<String> {
    if raw.is_on("help") {
        let width = help::Width::from_columns(context.columns.as_deref());
        return Some(help::help(raw.is_on("verbose"), context.platform, width));
    }
    raw.is_on("version")
        .then(|| help::version(&context.libraries))
}

fn read_file(
    file: &OsStr,
    context: &Context,
    read: impl FnOnce(&Path) -> io::Result<Vec<u8>>,
) -> Result<Raw, Vec<Problem>> {
    let problem = |kind| vec![Problem::new(Origin::CommandLine, None, kind)];
    let path = check::path::resolve(file, context).map_err(problem)?;
    let text = read(&path).map_err(|error| {
        problem(Kind::Unreadable {
            path: shown(path.as_os_str().as_encoded_bytes()),
            reason: shown(error.to_string()),
        })
    })?;
    let (raw, problems) = parse::file::lines(&path, &text);
    match problems.is_empty() {
        true => Ok(raw),
        false => Err(problems.into_vec()),
    }
}

/// The text for the standard error stream when the program cannot start: a line for
/// each problem, and where to read more.
pub fn failure(program: &str, problems: &[Problem]) -> String {
    let mut text = String::new();
    for problem in problems {
        text += &format!("{program}: error: {problem}\n");
    }
    let indent = " ".repeat(program.len() + 2);
    text + &format!("{indent}try \"{program} --help --verbose\" for more information\n")
}

#[cfg(test)]
mod tests;
