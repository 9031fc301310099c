//! What an option is: one row of the table from which parsing, help and the
//! manual page are derived.

/// One option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opt {
    /// The name without its dashes: lower-case letters, digits and hyphens.
    pub long: &'static str,
    /// The single-letter name.
    pub short: Option<char>,
    /// Whether it takes a value.
    pub argument: Argument,
    /// Whether it may be given more than once, or with several values separated
    /// by commas; together they are one list, in the order given.
    pub repeat: bool,
    /// Where it exists.
    pub on: On,
    /// Which help lists it.
    pub level: Level,
    /// What it does, in a few words, for the short help.
    pub summary: &'static str,
    /// What it does, in one paragraph, for the long help and the manual page.
    pub doc: &'static str,
}

/// Whether an option takes a value, and what the help calls that value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// A flag: on by its name alone, or `=yes` and `=no`.
    None,
    /// Always has a value.
    Required(&'static str),
    /// Always has a value, which names a file or directory and so need not be UTF-8.
    Path(&'static str),
    /// May have a value, which then follows a `=`.
    Optional(&'static str),
}

/// The systems on which an option exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// Everywhere.
    All,
    /// Not on Windows.
    Unix,
    /// Only on Windows.
    Windows,
}

/// The kind of system that the program runs on, as told by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// Linux, the BSDs, macOS and their like.
    Unix,
    /// Windows.
    Windows,
}

/// Which help lists an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The short help already.
    Short,
    /// Only the help of `--help --verbose`.
    Verbose,
}

/// A headed group of options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Category {
    /// The heading.
    pub title: &'static str,
    /// Its options, in the order of the help.
    pub options: &'static [Opt],
}

impl Opt {
    /// What the tables start from, and name only where they differ: a flag of the
    /// long help, on all systems.
    pub(super) const FLAG: Opt = Opt {
        long: "",
        short: None,
        argument: Argument::None,
        repeat: false,
        on: On::All,
        level: Level::Verbose,
        summary: "",
        doc: "",
    };

    /// Whether it exists on that system.
    pub fn exists_on(&self, platform: Platform) -> bool {
        match self.on {
            On::All => true,
            On::Unix => platform == Platform::Unix,
            On::Windows => platform == Platform::Windows,
        }
    }
}
