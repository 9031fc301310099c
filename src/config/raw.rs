//! The options as they were given, before it is known whether they make sense.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::option::{Argument, Opt};
use super::problem::{Kind, Origin, Problem, Syntax, shown};
use super::table;

/// The longest value, in octets.
pub const VALUE_MAX: usize = 4096;

/// How many values a list may have.
pub const LIST_MAX: usize = 100;

/// How a value of `--client-auth` starts that is an account and no path.
pub(super) const GIVEN_ACCOUNT: &[u8] = b"plain:";

/// The value of one option, given once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// A flag, on or off.
    Flag(bool),
    /// Text without control characters; empty where an optional value is left out.
    Text(String),
    /// A path without control characters.
    Path(OsString),
}

/// A value, and where it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// All options that were given in one place, by their long names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Raw(BTreeMap<&'static str, Vec<Given>>);

impl Value {
    /// Takes a value as that option has it.
    pub(super) fn new(option: &Opt, word: OsString) -> Result<Value, Syntax> {
        let octets = word.as_encoded_bytes();
        if octets.len() > VALUE_MAX {
            return Err(Syntax::TooLong {
                what: "value",
                octets_max: VALUE_MAX,
            });
        }
        if octets.iter().any(u8::is_ascii_control) {
            let word = shown(octets);
            return Err(Syntax::Control { word });
        }
        match option.argument {
            Argument::Path(_) => Ok(Value::Path(word)),
            Argument::None => yes_or_no(octets).map(Value::Flag),
            Argument::Required(_) | Argument::Optional(_) => {
                word.into_string().map(Value::Text).map_err(|word| {
                    let word = shown(word.as_encoded_bytes());
                    Syntax::NotUtf8 { word }
                })
            }
        }
    }

    /// The value of an option given by its name alone.
    pub(super) fn bare(option: &Opt) -> Result<Value, Syntax> {
        match option.argument {
            Argument::None => Ok(Value::Flag(true)),
            Argument::Optional(_) => Ok(Value::Text(String::new())),
            Argument::Required(_) | Argument::Path(_) => Err(Syntax::NoValue),
        }
    }

    /// The value as a message shows it; not so the account that may stand in place
    /// of a secrets file.
    pub(super) fn shown(&self) -> String {
        match self {
            Value::Path(path) if path.as_encoded_bytes().starts_with(GIVEN_ACCOUNT) => {
                "plain:[not shown]".to_owned()
            }
            Value::Flag(true) => "yes".to_owned(),
            Value::Flag(false) => "no".to_owned(),
            Value::Text(text) => shown(text),
            Value::Path(path) => shown(path.as_encoded_bytes()),
        }
    }
}

fn yes_or_no(octets: &[u8]) -> Result<bool, Syntax> {
    let is = |words: &[&str]| {
        words
            .iter()
            .any(|word| octets.eq_ignore_ascii_case(word.as_bytes()))
    };
    if is(&["y", "yes", "t", "true", "1", "on"]) {
        Ok(true)
    } else if is(&["n", "no", "f", "false", "0", "off"]) {
        Ok(false)
    } else {
        let value = shown(octets);
        Err(Syntax::NotYesOrNo { value })
    }
}

impl Raw {
    /// Adds what was given to what was given before in the same place.
    pub(super) fn add(&mut self, option: &'static Opt, given: Given) -> Result<(), Kind> {
        let values = self.0.entry(option.long).or_default();
        match values.first() {
            Some(_) if option.repeat && values.len() >= LIST_MAX => {
                return Err(Kind::TooMany {
                    items_max: LIST_MAX,
                });
            }
            Some(first) if !option.repeat && first.value == given.value => return Ok(()),
            Some(first) if !option.repeat => return Err(duplicate(first, &given).into()),
            _ => values.push(given),
        }
        Ok(())
    }

    /// Adds what was given in the same place in another way; says what cannot be.
    pub(super) fn append(&mut self, other: Raw) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (name, values) in other.0 {
            let option = table::find(name).expect("invariant: it was found before");
            for given in values {
                let origin = given.origin.clone();
                if let Err(kind) = self.add(option, given) {
                    problems.push(Problem::new(origin, Some(name), kind));
                }
            }
        }
        problems
    }

    /// Adds the options of `lower` that were not given here.
    pub(super) fn put_above(&mut self, lower: Raw) {
        for (name, values) in lower.0 {
            self.0.entry(name).or_insert(values);
        }
    }

    /// Takes away the options that are such, and returns them.
    pub(super) fn split_off(&mut self, is_such: impl Fn(&'static str) -> bool) -> Raw {
        let all = std::mem::take(&mut self.0);
        let (such, others) = all.into_iter().partition(|(name, _)| is_such(name));
        self.0 = others;
        Raw(such)
    }

    /// The names of all options that were given, in alphabetic order.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
    }

    /// What was given for that option, in order.
    pub(super) fn all(&self, name: &'static str) -> &[Given] {
        debug_assert!(table::find(name).is_some(), "no option {name}");
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// What was given first for that option.
    pub(super) fn first(&self, name: &'static str) -> Option<&Given> {
        self.all(name).first()
    }

    /// Where the option was given first.
    pub(super) fn origin(&self, name: &'static str) -> Origin {
        let first = self.first(name);
        first.map_or(Origin::CommandLine, |given| given.origin.clone())
    }

    /// Whether the option was given, and not as a flag that is off.
    pub(super) fn is_on(&self, name: &'static str) -> bool {
        self.first(name)
            .is_some_and(|given| given.value != Value::Flag(false))
    }

    /// Whether the option was given as a flag that is off.
    pub(super) fn is_off(&self, name: &'static str) -> bool {
        self.first(name)
            .is_some_and(|given| given.value == Value::Flag(false))
    }

    /// The names of the options that are on, in alphabetic order.
    pub(super) fn names_on(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied().filter(|name| self.is_on(name))
    }
}

fn duplicate(first: &Given, second: &Given) -> Syntax {
    let line = match first.origin {
        Origin::File { line, .. } => Some(line),
        Origin::CommandLine | Origin::Environment { .. } => None,
    };
    Syntax::Duplicate {
        first: first.value.shown(),
        line,
        second: second.value.shown(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str, word: &str) -> Result<Value, Syntax> {
        Value::new(table::find(name).unwrap(), word.into())
    }

    fn given(name: &str, word: &str) -> (&'static Opt, Given) {
        let value = value(name, word).unwrap();
        let origin = Origin::CommandLine;
        (table::find(name).unwrap(), Given { value, origin })
    }

    fn raw(pairs: &[(&str, &str)]) -> Raw {
        let mut raw = Raw::default();
        for (name, word) in pairs {
            let (option, given) = given(name, word);
            raw.add(option, given).unwrap();
        }
        raw
    }

    #[test]
    fn flags_have_many_words_for_yes_and_no() {
        for yes in ["y", "yes", "t", "true", "1", "on", "YES", "On"] {
            assert_eq!(value("log", yes), Ok(Value::Flag(true)), "{yes}");
        }
        for no in ["n", "no", "f", "false", "0", "off", "NO", "False"] {
            assert_eq!(value("log", no), Ok(Value::Flag(false)), "{no}");
        }
        for neither in ["", "maybe", "yes ", "2"] {
            let value = value("log", neither);
            assert!(matches!(value, Err(Syntax::NotYesOrNo { .. })), "{neither}");
        }
    }

    #[test]
    fn values_are_bounded() {
        assert!(value("port", &"1".repeat(VALUE_MAX)).is_ok());
        let long = value("port", &"1".repeat(VALUE_MAX + 1)).unwrap_err();
        assert_eq!(long.to_string(), "the value is longer than 4096 octets");
        let long = value("spool-dir", &"x".repeat(1 << 20)).unwrap_err();
        assert!(matches!(long, Syntax::TooLong { .. }));
    }

    #[test]
    fn values_have_no_control_characters() {
        for word in ["a\0b", "a\nb", "a\rb", "\t", "\x7f"] {
            for name in ["port", "spool-dir", "log"] {
                let value = value(name, word);
                assert!(matches!(value, Err(Syntax::Control { .. })), "{word:?}");
            }
        }
    }

    #[test]
    fn lists_grow_up_to_a_limit() {
        let mut raw = Raw::default();
        let (option, given) = given("interface", "::1");
        for _ in 0..LIST_MAX {
            raw.add(option, given.clone()).unwrap();
        }
        let problem = raw.add(option, given).unwrap_err();
        assert_eq!(problem.to_string(), "has more than 100 values");
        assert_eq!(raw.all("interface").len(), LIST_MAX);
    }

    #[test]
    fn single_values_may_be_repeated_but_not_changed() {
        let mut raw = raw(&[("port", "25"), ("port", "25")]);
        assert_eq!(raw.all("port").len(), 1);
        let (option, given) = given("port", "26");
        let problem = raw.add(option, given).unwrap_err();
        assert_eq!(
            problem.to_string(),
            "given as \"25\" and as \"26\": it takes only one value"
        );
    }

    #[test]
    fn what_is_above_hides_what_is_below() {
        let mut above = raw(&[("port", "25"), ("log", "no"), ("interface", "::1")]);
        above.put_above(raw(&[("port", "26"), ("log", "yes"), ("size", "9")]));
        assert_eq!(above.first("port").unwrap().value.shown(), "25");
        assert!(above.is_off("log") && !above.is_on("log"));
        assert_eq!(
            above.names_on().collect::<Vec<_>>(),
            ["interface", "port", "size"]
        );
    }
}
