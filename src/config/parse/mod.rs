//! Reads the words of the command line, the lines of the configuration file, and
//! the variables of the environment.
//!
//! The words, where `p` takes a value, `l` and `t` are flags and `A` may have a
//! value:
//!
//! - `--port=25`, `--port 25`, `-p 25` and `-p=25` give a value; only in `--port -x`
//!   the value may not begin with a dash, because it would more likely be an option;
//! - `--log`, `-l` and the bundle `-lt` turn flags on, `--log=no` and `-l=no` off;
//! - `--anonymous=vrfy` and `-A=vrfy` give an optional value, while `--anonymous` and
//!   `-A` leave it out whatever follows;
//! - `-p25` and `-lp 25` are refused, as neither says clearly what is meant;
//! - `--` ends the options; the first word that is not an option is the name of the
//!   configuration file, and the last word.
//!
//! The form of the file is told in [`mod@file`], that of variables in
//! [`mod@environment`]. What is given on the command line hides what the environment
//! and the file give for the same option, lists included, and the environment hides
//! what the file gives.

pub mod environment;
pub mod file;
mod nearest;

use std::ffi::{OsStr, OsString};

use super::grouped::{self, Grouped, Named};
use super::option::{Argument, Opt};
use super::problem::{Origin, Problem, Problems, Syntax, shown};
use super::raw::{Given, Value};
use super::table;

/// The words of the command line, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    /// The options.
    pub(super) options: Grouped,
    /// The configuration file, as typed.
    pub(super) file: Option<OsString>,
    /// What could not be read.
    pub(super) problems: Problems,
}

/// Reads the words, without the program's name.
pub(super) fn words(words: impl IntoIterator<Item = OsString>) -> Words {
    let mut read = Words::default();
    let mut words = words.into_iter().peekable();
    let mut options_ended = false;
    while let Some(word) = words.next() {
        let octets = word.as_encoded_bytes();
        if read.file.is_some() {
            let word = shown(octets);
            read.report(None, Syntax::ExtraWord { word });
            break;
        } else if options_ended || !octets.starts_with(b"-") || octets == b"-" {
            read.take_file(word);
        } else if octets == b"--" {
            options_ended = true;
        } else if let Some(text) = word.to_str() {
            match text.strip_prefix("--") {
                Some(text) => read.long(text, &mut words),
                None => read.short(text, &mut words),
            }
        } else {
            let word = shown(octets);
            read.report(None, Syntax::NotUtf8 { word });
        }
    }
    read
}

impl Words {
    fn take_file(&mut self, word: OsString) {
        if word.is_empty() {
            self.report(None, Syntax::NoFileName);
        }
        self.file = Some(word);
    }

    /// Takes `name`, `name=value`, or `name` with the next word.
    fn long(
        &mut self,
        text: &str,
        words: &mut std::iter::Peekable<impl Iterator<Item = OsString>>,
    ) {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let Some(named) = grouped::find(name) else {
            let meant = nearest::name(name).map(|name| format!("--{name}"));
            let typed = shown(format!("--{name}"));
            return self.report(None, Syntax::Unknown { typed, meant });
        };
        let option = named.option;
        let looks_like_option = |word: &OsStr| word.as_encoded_bytes().starts_with(b"-");
        match value {
            Some(value) => self.add(named, Value::new(option, value.into())),
            None if !takes_next_word(option) => self.add(named, Value::bare(option)),
            None => match words.next_if(|word| !looks_like_option(word)) {
                Some(word) => self.add(named, Value::new(option, word)),
                None => {
                    let problem = words.peek().map_or(Syntax::NoValue, |next| {
                        let next = shown(next.as_encoded_bytes());
                        Syntax::DashValue { next }
                    });
                    self.report(Some(option), problem);
                }
            },
        }
    }

    /// Takes `-x`, `-x=value`, `-x` with the next word, or a bundle of flags.
    fn short(&mut self, text: &str, words: &mut impl Iterator<Item = OsString>) {
        let letters = text.strip_prefix('-').unwrap_or(text);
        let name = letters.split('=').next().unwrap_or_default();
        if name.len() > 1 && table::find(name).is_some() {
            let (typed, meant) = (shown(text), Some(format!("--{name}")));
            return self.report(None, Syntax::Unknown { typed, meant });
        }
        let (letters, value) = match letters.split_at_checked(1) {
            Some((letter, rest)) if rest.starts_with('=') => (letter, rest.get(1..)),
            _ => (letters, None),
        };
        let alone = letters.len() == 1;
        for letter in letters.chars() {
            let Some(option) = table::find_short(letter) else {
                let typed = shown(format!("-{letter}"));
                self.report(None, Syntax::Unknown { typed, meant: None });
                continue;
            };
            let value = match value {
                Some(value) => Value::new(option, value.into()),
                None if !takes_next_word(option) => Value::bare(option),
                None if alone => words
                    .next()
                    .map_or(Err(Syntax::NoValue), |word| Value::new(option, word)),
                None => {
                    let word = shown(text);
                    return self.report(Some(option), Syntax::Bundled { word, letter });
                }
            };
            let configuration = "";
            let named = Named {
                configuration,
                option,
            };
            self.add(named, value);
        }
    }

    fn add(&mut self, named: Named<'_>, value: Result<Value, Syntax>) {
        let origin = Origin::CommandLine;
        let added = value
            .map_err(Into::into)
            .and_then(|value| self.options.add(named, Given { value, origin }));
        if let Err(kind) = added {
            let origin = Origin::CommandLine;
            self.problems
                .push(Problem::new(origin, Some(named.option.long), kind));
        }
    }

    fn report(&mut self, option: Option<&'static Opt>, problem: Syntax) {
        let option = option.map(|option| option.long);
        self.problems
            .push(Problem::new(Origin::CommandLine, option, problem));
    }
}

fn takes_next_word(option: &Opt) -> bool {
    matches!(option.argument, Argument::Required(_) | Argument::Path(_))
}

#[cfg(test)]
mod tests;
