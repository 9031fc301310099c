//! What can be wrong with a command line or configuration file, and how that is
//! told to the person who wrote it.

use std::fmt;
use std::sync::Arc;

use super::address::ServerName;
use super::option::Platform;
use super::value::Fault;
use crate::base::ascii;

/// How many problems are told at most.
pub const PROBLEMS_MAX: usize = 50;

/// How many octets of a word or value a message shows at most.
const SHOWN_MAX: usize = 200;

/// Something that keeps the program from starting. Displays as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it was written.
    pub origin: Origin,
    /// The option's long name, where it is known.
    pub option: Option<&'static str>,
    /// The name of the configuration that the option is for, where it has one.
    pub configuration: Option<Arc<str>>,
    /// What is wrong.
    pub kind: Kind,
}

/// Where something was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// On the command line.
    CommandLine,
    /// In the environment.
    Environment {
        /// The variable's name, fit to be shown.
        variable: Arc<str>,
    },
    /// In the configuration file.
    File {
        /// The file's name, fit to be shown.
        path: Arc<str>,
        /// The number of the line, from 1.
        line: usize,
    },
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// PAM is to be asked, which this program cannot on that system, or on any.
    NoPam(Platform),
    /// More is said than that PAM is to be asked.
    MoreThanPam,
    /// PAM is to say what to log in with.
    PamHasNoPasswords,
    /// It cannot be read.
    Syntax(Syntax),
    /// The option exists on other systems only.
    OtherSystem,
    /// The value is not one that the option can have.
    Value {
        /// The value, or the item of the list.
        value: String,
        /// What is wrong with it.
        fault: Fault,
    },
    /// A list has more items than the limit.
    TooMany {
        /// The limit.
        items_max: usize,
    },
    /// The option needs one of these others.
    Needs {
        /// The long names of the others.
        others: &'static [&'static str],
    },
    /// The option cannot be used with another.
    Excludes {
        /// The long name of the other.
        other: &'static str,
    },
    /// The option is given too often.
    AtMostTwice,
    /// A path starts with `@app`, but where the program is could not be found out.
    NoAppDir,
    /// A path is relative, but the working directory could not be found out.
    NoBaseDir,
    /// The address to forward from and that to forward to are of different kinds.
    OtherFamily {
        /// The address to forward to.
        to: String,
    },
    /// The configuration file cannot be read.
    Unreadable {
        /// Its name.
        path: String,
        /// Why.
        reason: String,
    },
    /// An option has a prefix, but there is no configuration of that name.
    NoConfiguration {
        /// The option that would make one.
        maker: String,
    },
    /// There are more configurations than the limit.
    TooManyConfigurations {
        /// The limit.
        configurations_max: usize,
    },
    /// The option is for the whole process, but given for one configuration.
    ForTheProcess,
    /// A path starts with `@credentials`, but there are none.
    NoCredentials,
    /// Programs would run in the sandbox.
    Programs,
    /// There are more problems than are told.
    More,
}

/// Why a word of the command line or a line of the configuration file cannot be
/// read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// There is no such option.
    Unknown {
        /// As it was typed.
        typed: String,
        /// The nearest there is, as it would have to be typed.
        meant: Option<String>,
    },
    /// There is no value where one is needed.
    NoValue,
    /// The word in the value's place looks like an option.
    DashValue {
        /// That word.
        next: String,
    },
    /// A letter that takes a value is among others.
    Bundled {
        /// The word that has both.
        word: String,
        /// The letter that takes a value.
        letter: char,
    },
    /// Something follows the configuration file's name.
    ExtraWord {
        /// What follows.
        word: String,
    },
    /// The name of the configuration file is empty.
    NoFileName,
    /// The octets are not UTF-8, and are not (or cannot be told to be) a path.
    NotUtf8 {
        /// The octets.
        word: String,
    },
    /// There is a control character.
    Control {
        /// The text that has it.
        word: String,
    },
    /// A text has more octets than the limit.
    TooLong {
        /// What kind of text it is.
        what: &'static str,
        /// The limit.
        octets_max: usize,
    },
    /// A flag has a value other than yes or no.
    NotYesOrNo {
        /// The value.
        value: String,
    },
    /// One value is given and then another.
    Duplicate {
        /// The value given first.
        first: String,
        /// Its line in the configuration file.
        line: Option<usize>,
        /// The value given next.
        second: String,
    },
    /// There seems to be a comment after a value in the configuration file.
    Comment {
        /// The value with the comment.
        value: String,
    },
}

impl Problem {
    pub(super) fn new(
        origin: Origin,
        option: Option<&'static str>,
        kind: impl Into<Kind>,
    ) -> Problem {
        let kind = kind.into();
        Problem {
            origin,
            option,
            configuration: None,
            kind,
        }
    }

    /// The same about an option of the configuration of that name.
    pub(super) fn of(self, configuration: Option<Arc<str>>) -> Problem {
        Problem {
            configuration,
            ..self
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::CommandLine => {}
            Origin::Environment { variable } => write!(f, "{variable}: ")?,
            Origin::File { path, line } => write!(f, "{path}:{line}: ")?,
        }
        let prefix = match &self.configuration {
            Some(name) => format!("--{name}-"),
            None => "--".to_owned(),
        };
        if let Some(option) = self.option {
            write!(f, "{prefix}{option}: ")?;
        }
        match self.kind {
            Kind::Needs { others } => write!(f, "needs {}", alternatives(&prefix, others)),
            Kind::Excludes { other } => write!(f, "cannot be used with {prefix}{other}"),
            ref kind => kind.fmt(f),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Syntax(syntax) => syntax.fmt(f),
            Kind::Value { value, fault } => write!(f, "\"{value}\" {fault}"),
            Kind::TooMany { items_max } => write!(f, "has more than {items_max} values"),
            Kind::Needs { others } => write!(f, "needs {}", alternatives("--", others)),
            Kind::Excludes { other } => write!(f, "cannot be used with --{other}"),
            Kind::AtMostTwice => f.write_str("cannot be given more than twice"),
            Kind::OtherFamily { to } => write!(f, "cannot be used to reach \"{to}\""),
            Kind::NoPam(Platform::Unix) => f.write_str(
                "this program was built without pam: build it with the feature pam, or name a \
                 secrets file",
            ),
            Kind::NoPam(Platform::Windows) => {
                f.write_str("there is no pam on this system: name a secrets file")
            }
            Kind::MoreThanPam => f.write_str("nothing can follow pam: and its colon"),
            Kind::PamHasNoPasswords => {
                f.write_str("pam checks passwords and has none to log in with: name a secrets file")
            }
            Kind::NoConfiguration { maker } => {
                write!(
                    f,
                    "there is no {maker}, which would make a configuration of it"
                )
            }
            Kind::TooManyConfigurations { configurations_max } => {
                write!(f, "there are more than {configurations_max} configurations")
            }
            Kind::ForTheProcess => {
                f.write_str("is for the whole process: give it without the prefix")
            }
            Kind::NoCredentials => {
                f.write_str("cannot find the folder for @credentials: is this a systemd service?")
            }
            Kind::OtherSystem => f.write_str("not available on this system"),
            Kind::Unreadable { path, reason } => write!(f, "cannot read {path}: {reason}"),
            Kind::Programs => f.write_str(
                "cannot be used with filters or verifiers that are programs, which could do \
                 nothing in it: make them services (net:<address>)",
            ),
            Kind::NoAppDir => f.write_str("cannot find the program's directory for @app"),
            Kind::NoBaseDir => f.write_str(
                "a relative path cannot be used because the working directory is not known",
            ),
            Kind::More => f.write_str("there are more problems, which are not shown"),
        }
    }
}

impl fmt::Display for Syntax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Syntax::Unknown { typed, meant } => {
                write!(f, "unknown option \"{typed}\"")?;
                meant
                    .iter()
                    .try_for_each(|meant| write!(f, ": did you mean \"{meant}\"?"))
            }
            Syntax::NoValue => f.write_str("needs a value"),
            Syntax::DashValue { next } => write!(
                f,
                "needs a value, but \"{next}\" looks like an option: \
                 if it is the value, put \"=\" before it instead of a blank"
            ),
            Syntax::Bundled { word, letter } => write!(
                f,
                "takes a value, which cannot be part of \"{word}\": \
                 write \"-{letter} <value>\" or \"-{letter}=<value>\""
            ),
            Syntax::ExtraWord { word } => write!(
                f,
                "unexpected \"{word}\": nothing may follow the name of the configuration file"
            ),
            Syntax::NoFileName => f.write_str("the name of the configuration file is empty"),
            Syntax::NotUtf8 { word } => write!(
                f,
                "\"{word}\" is not UTF-8, which only a path may be, as a word of its own"
            ),
            Syntax::Control { word } => write!(f, "\"{word}\" has a control character in it"),
            Syntax::TooLong { what, octets_max } => {
                write!(f, "the {what} is longer than {octets_max} octets")
            }
            Syntax::NotYesOrNo { value } => write!(f, "\"{value}\" is neither yes nor no"),
            Syntax::Duplicate {
                first,
                line,
                second,
            } => {
                write!(f, "given as \"{first}\"")?;
                line.iter()
                    .try_for_each(|line| write!(f, " on line {line}"))?;
                write!(f, " and as \"{second}\": it takes only one value")
            }
            Syntax::Comment { value } => write!(
                f,
                "\"{value}\" seems to end in a comment: put comments on lines of their own, \
                 or the value in double quotes if it is none"
            ),
        }
    }
}

impl From<Syntax> for Kind {
    fn from(syntax: Syntax) -> Kind {
        Kind::Syntax(syntax)
    }
}

/// Something that is probably not meant, but does not keep the program from
/// starting. Displays as one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warning {
    /// The log goes to the standard error stream, which is closed after start-up.
    LoggingStops,
    /// There is a place for the log, but no log.
    NothingLogged,
    /// There is a server to forward to, but nothing that has mail forwarded.
    NeverForwards,
    /// Clients wait while their mail is forwarded.
    ClientsWait,
    /// Servers are verified, but only if they offer TLS at all.
    VerifiesIfOffered,
    /// PAM is asked for as if it were a file.
    PamAsFile,
    /// There are addresses for a server that there is not.
    NobodyListens(ServerName),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Warning::NobodyListens(server) => {
                let name = server.name();
                return write!(
                    f,
                    "--interface has addresses for {name}=, which is not enabled"
                );
            }
            Warning::LoggingStops => {
                "logging stops after start-up, as --close-stderr is given or implied by \
                 --as-server or --as-proxy: add --log-file, --syslog or --close-stderr=no"
            }
            Warning::NothingLogged => "nothing is logged to --log-file or --syslog: add --log",
            Warning::NeverForwards => {
                "mail is never forwarded: add --forward, --forward-on-disconnect or --poll"
            }
            Warning::ClientsWait => {
                "using --immediate can result in client timeout errors: try \
                 --forward-on-disconnect instead"
            }
            Warning::PamAsFile => "pam authentication should be enabled with pam: rather than /pam",
            Warning::VerifiesIfOffered => {
                "--client-tls-verify does not keep mail from servers that offer no tls: add \
                 --client-tls-required"
            }
        })
    }
}

/// A warning, and the configuration that it is about. Displays as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// The configuration's name, where it has one.
    pub configuration: Option<Arc<str>>,
    /// The warning.
    pub warning: Warning,
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.configuration {
            write!(f, "configuration \"{name}\": ")?;
        }
        self.warning.fmt(f)
    }
}

/// Lists option names as `--a, --b or --c`, with that prefix.
fn alternatives(prefix: &str, names: &[&str]) -> String {
    let mut text = String::new();
    for (index, name) in names.iter().enumerate() {
        match names.len() - index {
            _ if index == 0 => {}
            1 => text += " or ",
            _ => text += ", ",
        }
        text += prefix;
        text += name;
    }
    text
}

/// Makes a word or value fit to be shown in a message.
pub(super) fn shown(octets: impl AsRef<[u8]>) -> String {
    ascii::escape_bounded(octets.as_ref(), SHOWN_MAX)
}

/// Problems found so far: at most [`PROBLEMS_MAX`], and the news that there are more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Problems(Vec<Problem>);

impl Problems {
    pub(super) fn push(&mut self, problem: Problem) {
        if self.0.len() < PROBLEMS_MAX {
            self.0.push(problem);
        } else if !self.is_full() {
            self.0
                .push(Problem::new(Origin::CommandLine, None, Kind::More));
        }
    }

    /// Whether further problems would not be told.
    pub(super) fn is_full(&self) -> bool {
        self.0.len() > PROBLEMS_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn extend(&mut self, problems: impl IntoIterator<Item = Problem>) {
        problems.into_iter().for_each(|problem| self.push(problem));
    }

    pub(super) fn into_vec(self) -> Vec<Problem> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_alternatives_as_people_do() {
        assert_eq!(alternatives("--", &["a"]), "--a");
        assert_eq!(alternatives("--", &["a", "b"]), "--a or --b");
        assert_eq!(alternatives("--", &["a", "b", "c"]), "--a, --b or --c");
    }

    #[test]
    fn tells_at_most_so_many_problems() {
        let mut problems = Problems::default();
        for _ in 0..PROBLEMS_MAX + 5 {
            problems.push(Problem::new(Origin::CommandLine, None, Kind::NoBaseDir));
        }
        assert!(problems.is_full());
        let problems = problems.into_vec();
        assert_eq!(problems.len(), PROBLEMS_MAX + 1);
        assert_eq!(problems.last().map(|last| &last.kind), Some(&Kind::More));
    }

    #[test]
    fn shows_values_bounded_and_defused() {
        assert_eq!(shown(b"a\x1b\n"), "a\\x1b\\n");
        let long = shown(vec![b'x'; SHOWN_MAX + 1]);
        assert_eq!(long.len(), SHOWN_MAX + 4);
    }
}
