//! The option table, and all that is derived from it: parsing, checking, help
//! and the manual page. Takes text and opens nothing.
//!
//! ```text
//! words --> CommandLine --+--> options as given --> check --> Outcome
//!              |          |      (words above file)   |
//!              +--> name --> caller reads it          +-- table, rules
//! ```
//!
//! The table says which options there are, `parse` how they are written, `check`
//! what they may be and mean, `settings` what the program gets to see of them.
#![forbid(unsafe_code)]

pub mod address;
mod check;
pub mod help;
pub mod man;
pub mod option;
pub mod parse;
pub mod problem;
mod raw;
pub mod settings;
pub mod table;
pub mod value;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

pub use address::{Address, Host, ListenAddress, Literal, Zone};
pub use option::Platform;
pub use parse::file::FILE_MAX;
pub use problem::{Problem, Warning};
pub use raw::{LIST_MAX, VALUE_MAX};
pub use settings::{Config, Forward, Log, Serve, SmtpServer};
pub use value::Anonymous;

use problem::{Kind, Origin};

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

/// The words of a command line, read but not yet checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    words: parse::Words,
    file: Option<Result<PathBuf, Kind>>,
    context: Context,
}

impl CommandLine {
    /// Reads the words that follow the program's name.
    pub fn parse(words: impl IntoIterator<Item = OsString>, context: Context) -> CommandLine {
        let words = parse::words(words);
        let resolve = |file: &OsString| check::path::resolve(file, &context);
        let file = words.file.as_ref().map(resolve);
        CommandLine {
            words,
            file,
            context,
        }
    }

    /// The configuration file to read, absolute; nothing where none is named, or the
    /// outcome is clear without it. At most [`FILE_MAX`] octets need be read, and one
    /// more to see that it is too long.
    pub fn file(&self) -> Option<&Path> {
        let is_clear = self.early_outcome().is_some();
        self.file
            .as_ref()
            .and_then(|file| file.as_deref().ok())
            .filter(|_| !is_clear)
    }

    /// Checks all that was given; `text` is what is in [`CommandLine::file`].
    pub fn resolve(mut self, text: Option<&[u8]>) -> Outcome {
        if let Some(outcome) = self.early_outcome() {
            return outcome;
        }
        if let (Some(path), Some(text)) = (self.file(), text) {
            let (lower, problems) = parse::file::lines(path, text);
            if !problems.is_empty() {
                return Outcome::Fail(problems.into_vec());
            }
            self.words.raw.put_above(lower);
        }
        if let Some(text) = self.text_to_print() {
            return Outcome::Print(text);
        }
        match check::check(&self.words.raw, &self.context) {
            Err(problems) => Outcome::Fail(problems),
            Ok((config, _)) if !config.has_work() => Outcome::NothingToDo,
            Ok((config, warnings)) => Outcome::Run(Box::new(config), warnings),
        }
    }

    /// What the command line comes to whatever is in the file: help is given even
    /// for a command line with mistakes, the version only without.
    fn early_outcome(&self) -> Option<Outcome> {
        let asks_help = self.words.raw.is_on("help");
        if let Some(text) = self.text_to_print()
            && (asks_help || self.words.problems.is_empty())
        {
            return Some(Outcome::Print(text));
        }
        if !self.words.problems.is_empty() {
            return Some(Outcome::Fail(self.words.problems.clone().into_vec()));
        }
        match &self.file {
            Some(Err(kind)) => {
                let problem = Problem::new(Origin::CommandLine, None, kind.clone());
                Some(Outcome::Fail(vec![problem]))
            }
            _ => None,
        }
    }

    fn text_to_print(&self) -> Option<String> {
        let raw = &self.words.raw;
        if raw.is_on("help") {
            let width = help::Width::from_columns(self.context.columns.as_deref());
            Some(help::help(
                raw.is_on("verbose"),
                self.context.platform,
                width,
            ))
        } else {
            raw.is_on("version").then(help::version)
        }
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
