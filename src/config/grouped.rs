//! Options of several configurations in one process, told apart by a prefix.
//!
//! `--in-spool-dir` makes a configuration of the name `in`, and `--in-port` is its
//! port. Options without a prefix are for the configuration without a name, if
//! `--spool-dir` makes one, or else for the first that has one. Which that is has to
//! be known from all places before those without a prefix are sorted in, each place by
//! itself, so that the command line hides the file however either writes an option.
//! What concerns the process as a whole (its log, its user) is given without a prefix,
//! or with that of the first configuration.

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

/// All options that were given in one place or in several, by configuration: first
/// those that are made there, in the order in which they are.
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
        let added = self.of(named.configuration).add(named.option, given);
        if named.option.long == MAKER {
            self.0.sort_by_key(|(_, raw)| raw.first(MAKER).is_none());
        }
        added
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

    /// The names of the configurations that are made here, in order.
    fn made(&self) -> impl Iterator<Item = &Arc<str>> {
        let made = self.0.iter().filter(|(_, raw)| raw.first(MAKER).is_some());
        made.map(|(name, _)| name)
    }

    /// Gives the options without a prefix to the configuration of that name, before
    /// those that it has; says where it has others already.
    fn give_plain_to(&mut self, first: &Arc<str>) -> Vec<Problem> {
        if first.is_empty() {
            return Vec::new();
        }
        let prefixed = std::mem::take(self.of(first));
        let mut all = std::mem::take(self.plain());
        let problems = all.append(prefixed);
        *self.of(first) = all;
        self.0.retain(|(name, _)| !name.is_empty());
        let of_it = |problem: Problem| problem.of(Some(Arc::clone(first)));
        problems.into_iter().map(of_it).collect()
    }

    /// The options of each configuration, if they make sense together.
    fn into_configurations(
        self,
        mut problems: Vec<Problem>,
    ) -> Result<Vec<Configuration>, Vec<Problem>> {
        let configuration = |(name, raw): (Arc<str>, Raw)| Configuration {
            name: Some(name).filter(|name| !name.is_empty()),
            raw,
        };
        let all = self.0.into_iter().map(configuration);
        let mut all: Vec<Configuration> = all.collect();
        if all.len() > CONFIGURATIONS_MAX {
            let kind = Kind::TooManyConfigurations {
                configurations_max: CONFIGURATIONS_MAX,
            };
            problems.push(Problem::new(Origin::CommandLine, None, kind));
        }
        problems.extend(all.iter().skip(1).flat_map(Configuration::misplaced));
        if !problems.is_empty() {
            return Err(problems);
        }
        if let [first, _, ..] = &mut all[..] {
            let process = first.raw.split_off(table::is_process_wide);
            share(process, &mut all);
        }
        Ok(all)
    }
}

/// The options without a prefix that were given in these places, the highest first.
pub(super) fn plain(layers: &mut [Grouped]) -> Raw {
    let mut all = Raw::default();
    for layer in layers {
        all.put_above(layer.plain().clone());
    }
    all
}

/// Puts together what was given in these places, the highest first, and sorts it by
/// what it is for. The lowest, which is the file, decides about the order: one more
/// option on the command line must not make another configuration the first, to which
/// all that has no prefix would move.
pub(super) fn configurations(mut layers: Vec<Grouped>) -> Result<Vec<Configuration>, Vec<Problem>> {
    let made: Vec<Arc<str>> = layers
        .iter()
        .rev()
        .flat_map(Grouped::made)
        .cloned()
        .collect();
    let nameless = made.iter().find(|name| name.is_empty());
    let first = nameless.or(made.first()).cloned().unwrap_or_default();
    let problems = layers
        .iter_mut()
        .flat_map(|layer| layer.give_plain_to(&first));
    let problems = problems.collect();
    let mut all = Grouped::default();
    for name in std::iter::once(&first).chain(&made) {
        all.of(name);
    }
    for (name, raw) in layers.into_iter().flat_map(|layer| layer.0) {
        all.of(&name).put_above(raw);
    }
    all.into_configurations(problems)
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
    /// Options of the process, which are for the first configuration, or all where
    /// nothing makes a configuration of them.
    fn misplaced(&self) -> Vec<Problem> {
        let is_made = self.raw.first(MAKER).is_some();
        let kind = || match (is_made, &self.name) {
            (false, Some(name)) => Kind::NoConfiguration {
                maker: format!("--{name}-{MAKER}"),
            },
            _ => Kind::ForTheProcess,
        };
        let misplaced = self.raw.names();
        let misplaced = misplaced.filter(|name| !is_made || table::is_process_wide(name));
        let problem =
            |name| Problem::new(self.raw.origin(name), Some(name), kind()).of(self.name.clone());
        misplaced.map(problem).collect()
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
