//! Options of several configurations in one process, told apart by a prefix.
//!
//! `--in-spool-dir` makes a configuration of the name `in`, and `--in-port` is its
//! port. Options without a prefix are for the configuration without a name, if
//! `--spool-dir` makes one, or else for the first that has one. What concerns the
//! process as a whole (its log, its user) is given without a prefix, or with that of
//! the first configuration.

use std::sync::Arc;

use super::check::IMPLIED;
use super::option::Opt;
use super::problem::{Kind, Origin, Problem};
use super::raw::{Given, Raw, Value};
use super::table;

/// How many configurations one process may have.
pub(super) const CONFIGURATIONS_MAX: usize = 20;

/// The longest name of a configuration, in octets.
pub(super) const NAME_MAX: usize = 20;

/// What makes a configuration.
const MAKER: &str = "spool-dir";

/// An option as it is typed: which one it is, and for which configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named<'a> {
    /// The name of the configuration, empty where the option has no prefix.
    pub(super) configuration: &'a str,
    /// The option.
    pub(super) option: &'static Opt,
}

/// All options that were given in one place or in several, by configuration, in the
/// order in which those were named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Grouped(Vec<(Arc<str>, Raw)>);

/// The options of one configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Configuration {
    /// Its name; nothing where it needs none.
    pub(super) name: Option<Arc<str>>,
    /// Its options, and those of the process.
    pub(super) raw: Raw,
}

/// Finds the option that is typed like this, without dashes.
pub(super) fn find(typed: &str) -> Option<Named<'_>> {
    let whole = table::find(typed).map(|option| Named {
        configuration: "",
        option,
    });
    whole.or_else(|| {
        let (configuration, long) = typed.split_once('-').filter(|(name, _)| is_name(name))?;
        table::find(long).map(|option| Named {
            configuration,
            option,
        })
    })
}

/// Whether a configuration may have that name: not if options begin like that, as
/// do all that begin with `no` or `client`, which would mean something else then.
fn is_name(text: &str) -> bool {
    let is_plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let begins = |option: &Opt| {
        let rest = option.long.strip_prefix(text);
        rest.is_some_and(|rest| rest.starts_with('-'))
    };
    (1..=NAME_MAX).contains(&text.len())
        && text.bytes().all(is_plain)
        && !table::options().any(begins)
}

impl Grouped {
    /// Adds what was given to what was given before in the same place.
    pub(super) fn add(&mut self, named: Named<'_>, given: Given) -> Result<(), Kind> {
        self.of(named.configuration).add(named.option, given)
    }

    /// Adds the options of `lower` that were not given here.
    pub(super) fn put_above(&mut self, lower: Grouped) {
        for (name, raw) in lower.0 {
            self.of(&name).put_above(raw);
        }
    }

    /// The options without a prefix.
    pub(super) fn plain(&mut self) -> &mut Raw {
        self.of("")
    }

    fn of(&mut self, name: &str) -> &mut Raw {
        let place = self.0.iter().position(|(known, _)| **known == *name);
        let place = place.unwrap_or_else(|| {
            self.0.push((name.into(), Raw::default()));
            self.0.len() - 1
        });
        &mut self.0[place].1
    }

    /// Sorts the options by what they are for.
    pub(super) fn into_configurations(mut self) -> Result<Vec<Configuration>, Vec<Problem>> {
        let plain = std::mem::take(self.plain());
        let named = self.0.into_iter().filter(|(name, _)| !name.is_empty());
        let mut named: Vec<Configuration> = named
            .map(|(name, raw)| Configuration {
                name: Some(name),
                raw,
            })
            .collect();
        if named.is_empty() {
            return Ok(vec![Configuration {
                name: None,
                raw: plain,
            }]);
        }
        let mut problems: Vec<Problem> = named.iter().flat_map(Configuration::unfounded).collect();
        if named.len() > CONFIGURATIONS_MAX {
            let kind = Kind::TooManyConfigurations {
                configurations_max: CONFIGURATIONS_MAX,
            };
            problems.push(Problem::new(Origin::CommandLine, None, kind));
        }
        let process = take_plain(plain, &mut named);
        problems.extend(named.iter().skip(1).flat_map(Configuration::misplaced));
        if !problems.is_empty() {
            return Err(problems);
        }
        share(process, &mut named);
        Ok(named)
    }
}

/// Gives the options without a prefix to the configuration that they are for, and
/// returns those for the process.
fn take_plain(mut plain: Raw, named: &mut Vec<Configuration>) -> Raw {
    let mut process = plain.split_off(table::is_process_wide);
    if plain.first(MAKER).is_some() {
        let nameless = Configuration {
            name: None,
            raw: plain,
        };
        named.insert(0, nameless);
    } else if let Some(first) = named.first_mut() {
        let mut own = first.raw.split_off(table::is_process_wide);
        std::mem::swap(&mut own, &mut process);
        process.put_above(own);
        first.raw.put_above(plain);
    }
    process
}

/// Gives what is for the process to all, with what any configuration implies of it.
fn share(mut process: Raw, configurations: &mut [Configuration]) {
    for (mode, flags) in IMPLIED {
        let modes = configurations.iter().map(|one| &one.raw);
        let given = modes
            .filter(|raw| raw.is_on(mode))
            .find_map(|raw| raw.first(mode));
        let process_wide = flags.iter().filter(|flag| table::is_process_wide(flag));
        for flag in process_wide.filter_map(|flag| table::find(flag)) {
            if let (Some(given), None) = (given, process.first(flag.long)) {
                process.imply(flag, given.origin.clone());
            }
        }
    }
    for configuration in configurations {
        configuration.raw.put_above(process.clone());
    }
}

impl Configuration {
    /// All of its options, where nothing makes a configuration of them.
    fn unfounded(&self) -> Vec<Problem> {
        if self.raw.first(MAKER).is_some() {
            return Vec::new();
        }
        let name = self.name.as_deref().unwrap_or_default();
        let maker = format!("--{name}-{MAKER}");
        let problem = |option: &'static str| {
            let maker = maker.clone();
            let kind = Kind::NoConfiguration { maker };
            Problem::new(self.raw.origin(option), Some(option), kind).of(self.name.clone())
        };
        self.raw.names().map(problem).collect()
    }

    /// Options of the process where they do not belong.
    fn misplaced(&self) -> Vec<Problem> {
        let process_wide = self.raw.names().filter(|name| table::is_process_wide(name));
        let problem = |name| {
            let kind = Kind::ForTheProcess;
            Problem::new(self.raw.origin(name), Some(name), kind).of(self.name.clone())
        };
        process_wide.map(problem).collect()
    }
}

impl Raw {
    /// Turns a flag on that something else implies.
    fn imply(&mut self, flag: &'static Opt, origin: Origin) {
        let value = Value::Flag(true);
        self.add(flag, Given { value, origin })
            .expect("invariant: the flag was not given before");
    }
}

#[cfg(test)]
mod tests;
