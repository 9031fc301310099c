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
pub mod catalogue;
mod check;
pub mod client_extensions;
pub mod client_security;
pub mod completion;
mod explain;
pub mod extensions;
pub mod filter;
mod grouped;
pub mod help;
pub mod log_options;
pub mod man;
mod metrics;
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

pub use address::{
    Address, ClientInterface, Host, Interface, IpFamily, ListenAddress, Literal, ServerName, Zone,
};
pub use client_extensions::ClientExtensions;
pub use client_security::{ClientAccount, ClientAuth, ClientTls, TlsStart};
pub use extensions::Extensions;
pub use filter::Filter;
pub use log_options::Facility;
pub use metrics::MetricsAddress;
pub use option::Platform;
pub use parse::environment::PREFIX as VARIABLE_PREFIX;
pub use parse::file::FILE_MAX;
pub use problem::{Advice, Problem, Warning};
pub use program::Program;
pub use raw::{LIST_MAX, VALUE_MAX};
pub use settings::{
    AdminServer, Config, Forward, Log, MetricsServer, PopServer, Process, Serve, SmtpServer,
};
pub use value::Anonymous;

use catalogue::Catalogue;
use grouped::{Configuration, Grouped};
use problem::{Kind, Origin, shown};
use raw::Raw;

/// The program's name, as it is in messages and in the manual.
pub const PROGRAM: &str = "emailrelay";

/// Where catalogues of messages are, where `--localedir` says nothing else.
const LOCALE_DIR: &str = "/usr/share/locale";

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
    /// Whether PAM can be asked about passwords.
    pub pam: bool,
    /// What `@credentials` at the start of a path stands for: where systemd puts the
    /// credentials of a service.
    pub credentials_dir: Option<PathBuf>,
    /// The environment, or that part of it whose names begin with
    /// [`VARIABLE_PREFIX`].
    pub environment: Vec<(String, OsString)>,
    /// The locales that the user wants, the best first.
    pub locales: Vec<String>,
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
            pam: false,
            credentials_dir: None,
            environment: Vec::new(),
            locales: Vec::new(),
            columns: None,
        }
    }
}

/// What a command line and its configuration file come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Run with these configurations, at least one, after showing the warnings.
    Run(Vec<Config>, Vec<Advice>),
    /// See whether it could run with these configurations, and print this text if so,
    /// which shows them.
    Check(Vec<Config>, Vec<Advice>, String),
    /// Neither serve nor forward anything: say so, and exit with 0.
    NothingToDo,
    /// Print this text, which is whole lines, and exit with 0.
    Print(String),
    /// Show the problems (see [`failure`]), and exit with 1.
    Fail(Vec<Problem>),
}

/// Works out what the words that follow the program's name ask for.
///
/// `read` is asked for the content of files by their absolute paths: that of the
/// configuration file, if the words name one that matters, and of those that
/// variables name. It need not read more than [`FILE_MAX`] octets and one.
/// Help is given even for a command line with mistakes, the version only without
/// mistakes in its form; neither reads a
/// file but for a catalogue of translations.
pub fn resolve(
    words: impl IntoIterator<Item = OsString>,
    context: &Context,
    mut read: impl FnMut(&Path) -> io::Result<Vec<u8>>,
) -> Outcome {
    let parse::Words {
        mut options,
        file,
        problems,
    } = parse::words(words);
    let mut problems = problems.into_vec();
    if (options.plain().is_on("help") || problems.is_empty())
        && let Some(text) = text_to_print(options.plain(), context, &mut read)
    {
        return Outcome::Print(text);
    }
    let (variables, more) = parse::environment::variables(context, &mut read);
    let mut layers = vec![options, variables];
    problems.extend(more.into_vec());
    // After a mistake the word may not be the name of a file at all.
    let file = file.filter(|_| problems.is_empty());
    match file.map(|file| read_file(&file, context, &mut read)) {
        Some(Ok(lower)) => layers.push(lower),
        Some(Err(more)) => problems.extend(more),
        None => {}
    }
    if problems.is_empty()
        && let Some(text) = text_to_print(&grouped::plain(&mut layers), context, &mut read)
    {
        return Outcome::Print(text);
    }
    match configurations(layers, context) {
        Ok((configs, advice, text)) if problems.is_empty() => {
            let is_check = configs.iter().any(|config| config.process.check);
            match configs.iter().any(Config::has_work) {
                _ if is_check => Outcome::Check(configs, advice, text),
                true => Outcome::Run(configs, advice),
                false => Outcome::NothingToDo,
            }
        }
        Ok(_) => Outcome::Fail(problems),
        Err(more) => Outcome::Fail(with_values(problems, more)),
    }
}

/// Checks each configuration, and shows them all.
fn configurations(
    layers: Vec<Grouped>,
    context: &Context,
) -> Result<(Vec<Config>, Vec<Advice>, String), Vec<Problem>> {
    let mut text = String::new();
    let (mut configs, mut advice, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    for Configuration { name, raw } in grouped::configurations(layers)? {
        match check::check(&raw, context) {
            Ok((config, warnings)) => {
                text += &explain::listing(&raw, name.as_deref(), context.platform);
                let warning = |warning| Advice {
                    configuration: name.clone(),
                    warning,
                };
                advice.extend(warnings.into_iter().map(warning));
                configs.push(Config {
                    name: name.as_deref().map(str::to_owned),
                    ..config
                });
            }
            Err(more) => {
                let of_it = |problem: Problem| {
                    let is_its = problem
                        .option
                        .is_some_and(|long| !table::is_process_wide(long));
                    problem.of(name.clone().filter(|_| is_its))
                };
                problems.extend(more.into_iter().map(of_it));
            }
        }
    }
    // What concerns the process is wrong in all of them.
    let mut told = Vec::new();
    problems.retain(|problem| {
        let is_new = !told.contains(problem);
        told.push(problem.clone());
        is_new
    });
    match problems.is_empty() {
        true => Ok((configs, advice, text)),
        false => Err(problems),
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

fn text_to_print(
    raw: &Raw,
    context: &Context,
    read: &mut impl FnMut(&Path) -> io::Result<Vec<u8>>,
) -> Option<String> {
    if raw.is_on("help") {
        let width = help::Width::from_columns(context.columns.as_deref());
        let catalogue = catalogue(raw, context, read);
        let verbose = raw.is_on("verbose");
        return Some(help::help(verbose, context.platform, width, &catalogue));
    }
    raw.is_on("version")
        .then(|| help::version(&context.libraries, context.pam))
}

/// The first catalogue that there is for one of the languages that are wanted. Help
/// is worth more than its language: one that cannot be read is passed over.
fn catalogue(
    raw: &Raw,
    context: &Context,
    read: &mut impl FnMut(&Path) -> io::Result<Vec<u8>>,
) -> Catalogue {
    let Some(raw::Value::Path(given)) = raw.first("localedir").map(|given| &given.value) else {
        return Catalogue::default();
    };
    let folder = match given.is_empty() {
        true => OsStr::new(LOCALE_DIR),
        false => given,
    };
    let Ok(folder) = check::path::resolve(folder, context) else {
        return Catalogue::default();
    };
    let places = context
        .locales
        .iter()
        .flat_map(|locale| catalogue::places(locale));
    places
        .filter_map(|place| Catalogue::parse(&read(&folder.join(place)).ok()?).ok())
        .next()
        .unwrap_or_default()
}

fn read_file(
    file: &OsStr,
    context: &Context,
    read: &mut impl FnMut(&Path) -> io::Result<Vec<u8>>,
) -> Result<Grouped, Vec<Problem>> {
    let problem = |kind| vec![Problem::new(Origin::CommandLine, None, kind)];
    let path = check::path::resolve(file, context).map_err(problem)?;
    let text = read(&path).map_err(|error| {
        problem(Kind::Unreadable {
            path: format!(
                "the configuration file {}",
                shown(path.as_os_str().as_encoded_bytes())
            ),
            reason: shown(error.to_string()),
        })
    })?;
    let (options, problems) = parse::file::lines(&path, &text);
    match problems.is_empty() {
        true => Ok(options),
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
