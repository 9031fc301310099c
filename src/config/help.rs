//! The texts of `--help` and `--version`.

use super::PROGRAM;
use super::catalogue::Catalogue;
use super::option::{Argument, Level, Opt, Platform};
use super::table::{self, CATEGORIES};
use crate::base::ascii;

/// How wide help is where nothing else is said, in characters.
const WIDTH: usize = 79;

/// What a description gets at least, however narrow the screen.
const DESCRIPTION_MIN: usize = 30;

/// How wide a text may be, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Width(usize);

impl Width {
    /// The width that the environment variable `COLUMNS` asks for: 0 means that
    /// lines are not broken, and what is not a number means 79.
    pub fn from_columns(columns: Option<&str>) -> Width {
        let columns = columns.and_then(|text| ascii::parse_decimal(text.as_bytes()));
        match columns.map(usize::try_from) {
            Some(Ok(0)) => Width(usize::MAX),
            Some(Ok(columns)) => Width(columns),
            _ => Width(WIDTH),
        }
    }
}

/// The program's name, version, TLS libraries and licence, and whether it has PAM.
pub fn version(libraries: &[String], pam: bool) -> String {
    let licence = env!("CARGO_PKG_LICENSE");
    let tls = match libraries {
        [] => "none".to_owned(),
        libraries => libraries.join(", "),
    };
    let pam = if pam { "yes" } else { "no" };
    format!(
        "{}\n\ntls: {tls}\npam: {pam}\nlicence: {licence}; there is no warranty\n",
        name_and_version()
    )
}

/// The program's name and version, on one line without its end.
pub(super) fn name_and_version() -> String {
    format!("{PROGRAM} {}", env!("CARGO_PKG_VERSION"))
}

/// Words of the help that are neither about an option nor an example.
const USAGE: &str = "usage:";
const OPTIONS: &str = "[<options>] [<config-file>]";
const MORE: &str = "for all options:";
const EXAMPLES_TITLE: &str = "Examples";

/// The help: the most important options in few words, or all of them in full; as far
/// as the catalogue has it in another language.
pub fn help(verbose: bool, platform: Platform, width: Width, catalogue: &Catalogue) -> String {
    let (usage, options) = (catalogue.translate(USAGE), catalogue.translate(OPTIONS));
    let usage = format!("{usage} {PROGRAM} {options}");
    let body = if verbose {
        in_full(platform, width, catalogue)
    } else {
        in_short(platform, width, catalogue)
    };
    format!("{}\n\n{usage}\n\n{body}", name_and_version())
}

fn in_short(platform: Platform, width: Width, catalogue: &Catalogue) -> String {
    let mut text: String = table::options()
        .filter(|option| option.level == Level::Short && option.exists_on(platform))
        .map(|option| {
            let summary = catalogue.translate(option.summary);
            entry(option, summary, SHORT_COLUMN, width)
        })
        .collect();
    let more = catalogue.translate(MORE);
    text += &format!("\n{more} {PROGRAM} --help --verbose\n");
    text
}

fn in_full(platform: Platform, width: Width, catalogue: &Catalogue) -> String {
    let mut text = String::new();
    for category in CATEGORIES {
        let entries: String = category
            .options
            .iter()
            .filter(|option| option.exists_on(platform))
            .map(|option| {
                let doc = catalogue.translate(option.doc);
                entry(option, doc, FULL_COLUMN, width)
            })
            .collect();
        if !entries.is_empty() {
            let title = catalogue.translate(category.title);
            text += &format!("{title}:\n{entries}\n");
        }
    }
    text += &format!("{}:\n", catalogue.translate(EXAMPLES_TITLE));
    for (command, meaning) in EXAMPLES {
        text += &format!("  {command}\n");
        text += &indented(catalogue.translate(meaning), 6, width);
    }
    text
}

/// One option: its names on the left, and from that column on its description.
fn entry(option: &Opt, description: &str, column: usize, width: Width) -> String {
    let names = names(option);
    let description = indented(description, column, width);
    // The description starts on the line of the names where they leave room.
    match description.get(names.len() + 1..) {
        Some(rest) if names.len() < column => format!("{names} {rest}"),
        _ => format!("{names}\n{description}"),
    }
}

fn names(option: &Opt) -> String {
    let short = match option.short {
        Some(letter) => format!("-{letter}, "),
        None => "    ".to_owned(),
    };
    let value = match option.argument {
        Argument::None => String::new(),
        Argument::Required(name) | Argument::Path(name) => format!("=<{name}>"),
        Argument::Optional(name) => format!("[=<{name}>]"),
    };
    format!("  {short}--{}{value}", option.long)
}

/// The text as lines that start at that column and are broken at the width.
fn indented(text: &str, column: usize, width: Width) -> String {
    let line_max = width.0.saturating_sub(column).max(DESCRIPTION_MIN);
    let indent = " ".repeat(column);
    let line = |line: String| format!("{indent}{line}\n");
    wrap(text, line_max).into_iter().map(line).collect()
}

/// How many characters a text has.
fn length(text: &str) -> usize {
    text.chars().count()
}

/// All texts that a catalogue may have in another language.
pub fn texts() -> impl Iterator<Item = &'static str> {
    let titles = CATEGORIES.iter().map(|category| category.title);
    let of_options = table::options().flat_map(|option| [option.summary, option.doc]);
    let meanings = EXAMPLES.iter().map(|(_, meaning)| *meaning);
    let words = [USAGE, OPTIONS, MORE, EXAMPLES_TITLE];
    words
        .into_iter()
        .chain(titles)
        .chain(of_options)
        .chain(meanings)
}

/// Breaks the text between words; a word longer than a line has one for itself.
pub fn wrap(text: &str, line_max: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_ascii_whitespace() {
        match lines.last_mut() {
            Some(line) if length(line) + 1 + length(word) <= line_max => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Where descriptions start in the short help.
const SHORT_COLUMN: usize = 30;

/// Where descriptions start in the full help.
const FULL_COLUMN: usize = 42;

/// Command lines, and what they do.
pub(super) const EXAMPLES: [(&str, &str); 3] = [
    (
        "emailrelay --as-server --no-daemon --port=10025 --spool-dir=/var/tmp/spool",
        "Stores mail that arrives on port 10025.",
    ),
    (
        "emailrelay --as-client=mail.example.com:smtp --spool-dir=/var/tmp/spool",
        "Forwards the stored mail, and exits.",
    ),
    (
        "emailrelay --as-proxy=mail.example.com:smtp --no-daemon --interface=127.0.0.1",
        "Accepts mail from this host only, and forwards it when the client disconnects.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn full(width: usize) -> String {
        help(true, Platform::Unix, Width(width), &Catalogue::default())
    }

    #[test]
    fn the_width_comes_from_columns() {
        for (columns, width) in [
            (None, 79),
            (Some(""), 79),
            (Some("wide"), 79),
            (Some("-1"), 79),
            (Some("132"), 132),
            (Some("0"), usize::MAX),
        ] {
            assert_eq!(Width::from_columns(columns), Width(width), "{columns:?}");
        }
    }

    #[test]
    fn the_short_help_is_this() {
        let help = help(false, Platform::Unix, Width(WIDTH), &Catalogue::default());
        let (first, rest) = help.split_once('\n').unwrap();
        assert_eq!(first, format!("emailrelay {}", env!("CARGO_PKG_VERSION")));
        assert_eq!(
            rest,
            "
usage: emailrelay [<options>] [<config-file>]

  -q, --as-client=<host:port> forward what is in the spool, then exit
  -y, --as-proxy=<host:port>  accept mail, and forward it when the client
                              disconnects
  -d, --as-server             accept mail into the spool
  -s, --spool-dir=<dir>       directory for mail that waits to be forwarded
  -h, --help                  show help and exit
  -V, --version               show the version and exit
  -p, --port=<port>           port for incoming SMTP connections
  -r, --remote-clients        accept connections from anywhere
  -v, --verbose               log more, or show more help
  -l, --log                   log to the standard error stream

for all options: emailrelay --help --verbose
"
        );
    }

    #[test]
    fn the_full_help_lists_what_the_system_has_and_nothing_else() {
        let help = full(usize::MAX);
        for option in table::options() {
            let names = names(option);
            let listed = help.lines().any(|line| {
                line.strip_prefix(names.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
            });
            assert_eq!(listed, option.exists_on(Platform::Unix), "{names}");
        }
        assert!(help.contains("\nSMTP client options:\n"));
        assert!(help.contains("\nPOP server options:\n"));
        assert!(help.contains("  -A, --anonymous[=<scope>] "));
        assert!(help.contains("      --idle-timeout=<time> "));
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes minutes")]
    fn lines_keep_to_the_width() {
        for width in [1, 40, 62, 79, 132] {
            let line_max = width.max(FULL_COLUMN + DESCRIPTION_MIN);
            let is_example = |line: &&str| line.starts_with("  emailrelay ");
            let help = full(width);
            let long = help
                .lines()
                .filter(|line| !is_example(line))
                .find(|l| l.len() > line_max);
            assert_eq!(long, None, "{width}");
        }
        assert!(full(usize::MAX).lines().any(|line| line.len() > 300));
    }

    #[test]
    fn words_are_wrapped_whole() {
        assert_eq!(wrap("aa bb cc", 5), ["aa bb", "cc"]);
        assert_eq!(wrap("aa bbbbbbb c", 5), ["aa", "bbbbbbb", "c"]);
        assert!(wrap("", 5).is_empty());
    }

    #[test]
    fn the_version_is_on_the_first_line() {
        let version = version(&["a".to_owned(), "b".to_owned()], true);
        assert!(version.contains("\ntls: a, b\npam: yes\n"));
        assert!(super::version(&[], false).contains("\ntls: none\npam: no\n"));
        assert_eq!(version.lines().next(), Some(name_and_version().as_str()));
        assert!(version.ends_with('\n'));
    }
}
