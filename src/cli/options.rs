//! The command lines of the small programs: one table for each, from which its
//! arguments are read and its help and manual page are written.

use crate::base::ascii;
use crate::config::help::wrap;
use crate::config::man::Page;

/// An option of a program.
#[derive(Clone, Copy)]
pub(super) struct Opt<N: 'static> {
    /// What the program calls it.
    pub(super) name: N,
    /// Its long name, without hyphens.
    pub(super) long: &'static str,
    /// Its letter, if it has one.
    pub(super) short: Option<u8>,
    /// What its value is called; nothing if it takes none.
    pub(super) value: Option<&'static str>,
    /// Whether it can be given more than once with a value.
    pub(super) repeats: bool,
    /// What it does, in a few sentences.
    pub(super) doc: &'static str,
}

impl<N> Opt<N> {
    /// An option that can be given once with a value.
    pub(super) const fn new(
        name: N,
        long: &'static str,
        short: Option<u8>,
        value: Option<&'static str>,
        doc: &'static str,
    ) -> Opt<N> {
        Opt {
            name,
            long,
            short,
            value,
            repeats: false,
            doc,
        }
    }

    /// The same, but it can be given with many.
    pub(super) const fn repeated(mut self) -> Opt<N> {
        self.repeats = true;
        self
    }
}

/// A section of a manual page: its title and terms with their explanations. An
/// explanation without a term is a paragraph.
pub(super) type Section = (&'static str, &'static [(&'static str, &'static str)]);

/// What there is to know of a program.
pub(super) struct Tool<N: 'static> {
    /// Its name.
    pub(super) name: &'static str,
    /// What it is for, as a manual page has it after the name.
    pub(super) purpose: &'static str,
    /// What stands after its name on a command line, one for each way to use it.
    pub(super) usage: &'static [&'static str],
    /// What it does, in paragraphs; the first is shown as help, too.
    pub(super) description: &'static [&'static str],
    /// Its options.
    pub(super) options: &'static [Opt<N>],
    /// How many words besides options it takes.
    pub(super) operands_max: usize,
    /// What else its manual page has to say.
    pub(super) sections: &'static [Section],
}

/// The arguments that a program was given.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Given<N> {
    options: Vec<(N, Vec<u8>)>,
    operands: Vec<Vec<u8>>,
}

impl<N: Copy + PartialEq> Given<N> {
    /// Whether the option is there.
    pub(super) fn has(&self, name: N) -> bool {
        self.value(name).is_some()
    }

    /// The option's value; that of the first if it may be repeated, and nothing in
    /// it if it takes none.
    pub(super) fn value(&self, name: N) -> Option<&[u8]> {
        self.values(name).next()
    }

    /// All values of the option, in the order of the arguments.
    pub(super) fn values(&self, name: N) -> impl Iterator<Item = &[u8]> {
        let given = self.options.iter().filter(move |given| given.0 == name);
        given.map(|given| given.1.as_slice())
    }

    /// The words that are not options.
    pub(super) fn operands(&self) -> &[Vec<u8>] {
        &self.operands
    }

    /// Takes the options apart: each with its value.
    pub(super) fn into_options(self) -> Vec<(N, Vec<u8>)> {
        self.options
    }
}

impl<N: Copy + PartialEq> Tool<N> {
    /// Reads the arguments. What of a value is in a word of its own is moved, not
    /// copied.
    pub(super) fn parse(&self, words: Vec<Vec<u8>>) -> Result<Given<N>, String> {
        let mut given = Given {
            options: Vec::new(),
            operands: Vec::new(),
        };
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            match word.as_slice() {
                b"--" => {
                    given.operands.extend(words);
                    break;
                }
                [b'-', b'-', ..] => given.options.push(self.long(word, &mut words)?),
                [b'-', letters @ ..] if !letters.is_empty() => {
                    for letter in letters {
                        let next = (letters.len() == 1).then_some(&mut words);
                        given.options.push(self.short(*letter, next)?);
                    }
                }
                _ => given.operands.push(word),
            }
        }
        // They are not shown: they may be secrets that somebody expects here.
        if given.operands.len() > self.operands_max {
            return Err("too many non-option arguments".to_owned());
        }
        self.check_repeated(&given)?;
        Ok(given)
    }

    fn long(
        &self,
        mut word: Vec<u8>,
        words: &mut impl Iterator<Item = Vec<u8>>,
    ) -> Result<(N, Vec<u8>), String> {
        let equals = word.iter().position(|octet| *octet == b'=');
        let long = word
            .get(2..equals.unwrap_or(word.len()))
            .unwrap_or_default();
        let shown = ascii::escape_bounded(long, SHOWN_MAX);
        let option = self.options.iter().find(|one| one.long.as_bytes() == long);
        let option = option.ok_or_else(|| format!("invalid option: --{shown}"))?;
        let value = match (option.value, equals) {
            (Some(_), Some(equals)) => {
                word.drain(..=equals);
                word
            }
            (Some(_), None) => words
                .next()
                .ok_or_else(|| format!("no value supplied for --{shown}"))?,
            (None, None) => Vec::new(),
            (None, Some(_)) => return Err(format!("--{shown} takes no value")),
        };
        Ok((option.name, value))
    }

    /// A letter. A value is the next word, so only a letter alone can have one.
    fn short(
        &self,
        letter: u8,
        words: Option<&mut impl Iterator<Item = Vec<u8>>>,
    ) -> Result<(N, Vec<u8>), String> {
        let shown = ascii::escape(&[letter]);
        let option = self.options.iter().find(|one| one.short == Some(letter));
        let option = option.ok_or_else(|| format!("invalid option: -{shown}"))?;
        let value = match option.value {
            None => Vec::new(),
            Some(_) => words
                .and_then(Iterator::next)
                .ok_or_else(|| format!("no value supplied for -{shown}"))?,
        };
        Ok((option.name, value))
    }

    fn check_repeated(&self, given: &Given<N>) -> Result<(), String> {
        let once = self.options.iter().filter(|one| !one.repeats);
        for option in once.filter(|one| one.value.is_some()) {
            if given.values(option.name).count() > 1 {
                return Err(format!("duplicate use of --{}", option.long));
            }
        }
        Ok(())
    }

    /// The text of `--help`.
    pub(super) fn help(&self) -> String {
        let mut text = String::new();
        for (number, usage) in self.usage.iter().enumerate() {
            let start = if number == 0 { "usage:" } else { "      " };
            text += &format!("{start} {} {usage}\n", self.name);
        }
        text.push('\n');
        for line in wrap(self.description.first().unwrap_or(&""), HELP_WIDTH) {
            text += &format!("{line}\n");
        }
        text.push('\n');
        for option in self.options {
            text += &entry(option);
        }
        text
    }

    /// The text of `--version`.
    pub(super) fn version(&self) -> String {
        format!("{} {}\n", self.name, env!("CARGO_PKG_VERSION"))
    }

    /// The manual page.
    pub(super) fn manual(&self) -> String {
        let mut page = Page::new(self.name);
        page.section("NAME");
        page.text(&format!("{} - {}", self.name, self.purpose));
        page.section("SYNOPSIS");
        for usage in self.usage {
            page.synopsis(self.name, usage);
        }
        page.section("DESCRIPTION");
        page.paragraphs(self.description);
        page.section("OPTIONS");
        for option in self.options {
            page.option(
                option.short.map(char::from),
                option.long,
                option.value,
                option.doc,
            );
        }
        for (title, items) in self.sections {
            page.section(title);
            for (term, text) in *items {
                match *term {
                    "" => page.paragraphs(&[text]),
                    term => page.list(&[(term, text)]),
                }
            }
        }
        page.into_text()
    }
}

/// An option in the help: its names on the left, what it does on the right.
fn entry<N>(option: &Opt<N>) -> String {
    let short = match option.short {
        Some(letter) => format!("-{}, ", char::from(letter)),
        None => "    ".to_owned(),
    };
    let value = option.value.map(|value| format!("=<{value}>"));
    let names = format!("  {short}--{}{}", option.long, value.unwrap_or_default());
    let lines = wrap(option.doc, HELP_WIDTH - HELP_COLUMN);
    let mut text = String::new();
    let mut left = names;
    if left.len() + 2 > HELP_COLUMN {
        text += &format!("{left}\n");
        left.clear();
    }
    for line in lines {
        text += &format!("{left:HELP_COLUMN$}{line}\n");
        left.clear();
    }
    text
}

/// How wide the help is, in characters.
const HELP_WIDTH: usize = 79;

/// Where descriptions start in it.
const HELP_COLUMN: usize = 28;

/// How much of a wrong argument is shown, in octets.
const SHOWN_MAX: usize = 200;

#[cfg(test)]
mod tests;
