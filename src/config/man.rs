//! The manual page, `man/emailrelay.1`, in the man macros of troff.

use super::PROGRAM;
use super::help::{EXAMPLES, name_and_version};
use super::option::{Argument, Opt, Platform};
use super::table::CATEGORIES;

/// The page. Like the help, it tells of what can be used only.
pub fn page() -> String {
    let mut page = Page::new(PROGRAM);
    page.section("NAME");
    page.text("emailrelay - e-mail relay that stores mail and forwards it");
    page.section("SYNOPSIS");
    for synopsis in SYNOPSES {
        page.line(&format!(".B {PROGRAM}"));
        page.line(synopsis);
        page.line(".br");
    }
    page.section("DESCRIPTION");
    page.paragraphs(DESCRIPTION);
    page.section("OPTIONS");
    page.paragraphs(OPTION_FORMS);
    options(&mut page);
    page.section("CONFIGURATION FILE");
    page.paragraphs(CONFIGURATION_FILE);
    page.section("FILES");
    page.paragraphs(FILES_INTRODUCTION);
    page.list(FILES);
    page.section("EXIT STATUS");
    page.list(EXIT_STATUS);
    page.section("SIGNALS");
    page.list(SIGNALS);
    page.section("EXAMPLES");
    page.list(&EXAMPLES);
    page.section("SEE ALSO");
    page.text(SEE_ALSO);
    page.0
}

fn options(page: &mut Page) {
    for category in CATEGORIES {
        let listed = |option: &&Opt| option.exists_on(Platform::Unix);
        let mut options = category.options.iter().filter(listed).peekable();
        if options.peek().is_some() {
            page.line(&format!(".SS {}", category.title));
        }
        for option in options {
            page.line(".TP");
            page.line(&names(option));
            page.text(option.doc);
        }
    }
}

fn names(option: &Opt) -> String {
    let value = match option.argument {
        Argument::None => String::new(),
        Argument::Required(name) | Argument::Path(name) => required(name),
        Argument::Optional(name) => format!("[=\\fI{}\\fR]", escaped(name)),
    };
    names_of(option.short, option.long, &value)
}

/// The names of an option, with what is to be said of its value.
fn names_of(short: Option<char>, long: &str, value: &str) -> String {
    let short = short.map(|letter| bold(&format!("-{letter}")) + ", ");
    let long = bold(&format!("--{long}"));
    format!("{}{long}{value}", short.unwrap_or_default())
}

/// The value of an option that needs one.
fn required(name: &str) -> String {
    format!("=\\fI{}\\fR", escaped(name))
}

/// The text of a manual page so far.
#[derive(Default)]
pub struct Page(String);

impl Page {
    /// Begins the page of the program of that name.
    pub fn new(program: &str) -> Page {
        let mut page = Page::default();
        page.line(".\\\" Generated from the option table (src/config/man.rs): do not edit.");
        page.line(&format!(
            ".TH {} 1 \"\" \"{}\" \"User Commands\"",
            escaped(&program.to_uppercase()),
            escaped(&name_and_version())
        ));
        // Neither hyphens in the names of options nor gaps in command lines.
        page.line(".nh");
        page.line(".ad l");
        page
    }

    /// The whole text.
    pub fn into_text(self) -> String {
        self.0
    }

    /// Adds a way to call a program, with `<names>` of what is to be replaced. With a
    /// blank behind it, `<` is the shell's.
    pub fn synopsis(&mut self, program: &str, arguments: &str) {
        let name = |text: &str| text.replace('<', "\\fI").replace('>', "\\fR");
        let arguments = escaped(arguments);
        let parts: Vec<_> = arguments.split("< ").map(name).collect();
        let arguments = parts.join("< ");
        self.line(&format!(".B {}", escaped(program)));
        self.line(&arguments);
        self.line(".br");
    }

    /// Adds an option: its letter, its long name, what its value is called, and
    /// what it does.
    pub fn option(&mut self, short: Option<char>, long: &str, value: Option<&str>, doc: &str) {
        let value = value.map(required).unwrap_or_default();
        self.line(".TP");
        self.line(&names_of(short, long, &value));
        self.text(doc);
    }

    /// Adds a line of troff.
    fn line(&mut self, line: &str) {
        self.0 += line;
        self.0.push('\n');
    }

    /// Begins a section.
    pub fn section(&mut self, title: &str) {
        self.line(&format!(".SH {title}"));
    }

    /// Adds paragraphs of plain text.
    pub fn paragraphs(&mut self, paragraphs: &[&str]) {
        for paragraph in paragraphs {
            self.line(".PP");
            self.text(paragraph);
        }
    }

    /// Adds terms with their explanations.
    pub fn list(&mut self, items: &[(&str, &str)]) {
        for (term, explanation) in items {
            self.line(".TP");
            self.line(&bold(term));
            self.text(explanation);
        }
    }

    /// Adds plain text, one sentence per line, with the names of options in bold.
    pub fn text(&mut self, text: &str) {
        let mut line = String::new();
        for word in text.split_ascii_whitespace() {
            match line.is_empty() {
                true => line = at_start_of_line(troff_word(word)),
                false => line += &format!(" {}", troff_word(word)),
            }
            if word.ends_with('.') {
                self.line(&std::mem::take(&mut line));
            }
        }
        if !line.is_empty() {
            self.line(&line);
        }
    }
}

/// A word of text, in bold but for its punctuation if it is the name of an option.
fn troff_word(word: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let name = word.strip_prefix('(').unwrap_or(word);
    let end = name.find(|c| !is_part(c)).unwrap_or(name.len());
    match name.split_at(end) {
        (name, rest) if name.starts_with("--") => {
            let before = if word.starts_with('(') { "(" } else { "" };
            format!("{before}{}{}", bold(name), escaped(rest))
        }
        _ => escaped(word),
    }
}

fn bold(text: &str) -> String {
    format!("\\fB{}\\fR", escaped(text))
}

/// Text in which nothing means anything to troff, but for the start of a line.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

/// Text that is not taken for a request although it starts a line.
fn at_start_of_line(word: String) -> String {
    match word.starts_with(['.', '\'']) {
        true => format!("\\&{word}"),
        false => word,
    }
}

const SYNOPSES: [&str; 4] = [
    "[\\fIoptions\\fR] [\\fIconfig\\-file\\fR]",
    "\\fB\\-\\-as\\-server\\fR [\\fIoptions\\fR]",
    "\\fB\\-\\-as\\-client\\fR=\\fIhost:port\\fR [\\fIoptions\\fR]",
    "\\fB\\-\\-as\\-proxy\\fR=\\fIhost:port\\fR [\\fIoptions\\fR]",
];

const DESCRIPTION: &[&str] = &[
    "emailrelay accepts mail by SMTP, stores it in a spool directory, and forwards it by SMTP to \
     another server, the next hop. All mail goes there, unless a filter has written something \
     else into the envelope of a message. POP clients can read what is in the directory, too.",
    "As a server (--as-server) it stores mail. As a client (--as-client) it forwards what is \
     stored and exits. As a proxy (--as-proxy) it stores mail and forwards it as soon as the \
     client that sent it has disconnected. Other arrangements are made of the options that these \
     three stand for. A server or a proxy goes into the background unless --no-daemon is given.",
    "A message is acknowledged only when it is safely on the disk. Mail that cannot be forwarded \
     for the time being stays in the spool directory and is tried again, until --retry-period is \
     over; mail that the next hop refuses for good is kept there under another name.",
];

const OPTION_FORMS: &[&str] = &[
    "A value follows its option after a = or, unless it is optional, as the next word. A long \
     option does not take a next word that begins with a hyphen. Letters without values can be \
     put together behind one hyphen. Options without values are turned off again by a value of \
     no, which also goes against what --as-client, --as-proxy and --as-server imply.",
    "An option that is a list can be given several times, and with several values separated by \
     commas. Any other option can be given only one value. The word -- ends the options.",
    "A relative path is relative to the working directory; @app at the start of a path stands for \
     the directory of the program.",
];

const CONFIGURATION_FILE: &[&str] = &[
    "The word after the options, if there is one, names a configuration file. Each line of it has \
     the long name of an option without its hyphens and, separated by blanks or by a =, the \
     value. Options that take no value may have yes or no. A value may be put in double quotes. \
     Empty lines and lines that start with a # are ignored; there can be no comment after a \
     value.",
    "An option on the command line replaces the same option of the file, including all of its \
     values if it is a list.",
    "An option can also be given by the environment, as EMAILRELAY_OPTION_ and its long name in \
     capitals, with underscores for hyphens; with _FILE behind that, the variable names a file \
     that has the value. It replaces the option of the file and gives way to the command line.",
    "Options with a prefix (in-spool-dir, in-port) make further configurations in the same \
     process. Use --check to see what is in force.",
];

const FILES_INTRODUCTION: &[&str] = &[
    "Each message has two files in the spool directory, whose names have the same identifier for \
     id:",
];

const FILES: &[(&str, &str)] = &[
    ("emailrelay.id.content", "The message."),
    (
        "emailrelay.id.envelope.new",
        "Its envelope while the message is being stored.",
    ),
    (
        "emailrelay.id.envelope",
        "Its envelope when it waits to be forwarded.",
    ),
    (
        "emailrelay.id.envelope.busy",
        "Its envelope while it is being forwarded.",
    ),
    (
        "emailrelay.id.envelope.bad",
        "Its envelope, with the reason, when it could not be forwarded for good. Renaming it to \
         end in .envelope has the message forwarded once more.",
    ),
    (
        "emailrelay.id.envelope.hold",
        "Its envelope when emailrelay-spool(1) or the administration interface keeps it from \
         being forwarded.",
    ),
    (
        "emailrelay.id.content.local, emailrelay.id.envelope.local",
        "A copy for local recipients, as an address verifier has named them. It is not forwarded.",
    ),
    (
        "name/",
        "The mailbox of the POP user of that name, with --pop-by-name.",
    ),
];

const EXIT_STATUS: &[(&str, &str)] = &[
    (
        "0",
        "The program did what it was asked to do, or there was nothing to do; in the background: \
         it serves.",
    ),
    (
        "1",
        "The options are wrong, or the program failed; with --as-client: not all mail was \
         forwarded.",
    ),
    ("2", "An address to listen on could not be bound."),
    ("128 + n", "The network process was ended by signal n."),
];

const SIGNALS: &[(&str, &str)] = &[
    (
        "SIGTERM, SIGINT, SIGQUIT",
        "End the program. Nothing new is accepted, and what is in flight is finished, for ten \
         seconds at most; the same signal again shortens that. Mail that is not forwarded yet \
         stays in the spool directory.",
    ),
    (
        "SIGHUP",
        "Has secrets and certificates read again, and the log file opened again. The options \
         stay as they are.",
    ),
    ("SIGUSR1, SIGUSR2, SIGPIPE", "Are ignored."),
];

const SEE_ALSO: &str = "emailrelay-filter-copy(1), emailrelay-passwd(1), emailrelay-resubmit(1), \
    emailrelay-spool(1), emailrelay-submit(1)";

#[cfg(test)]
mod tests {
    use super::*;

    const COMMITTED: &str = include_str!("../../man/emailrelay.1");

    #[test]
    fn the_committed_page_is_the_generated_one() {
        let page = page();
        if std::env::var_os("EMAILRELAY_WRITE_MAN").is_some() {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/man/emailrelay.1");
            std::fs::write(path, page).expect("man/emailrelay.1 can be written");
            return;
        }
        assert!(
            COMMITTED.replace("\r\n", "\n") == page,
            "man/emailrelay.1 is out of date; write it by: EMAILRELAY_WRITE_MAN=1 cargo test man"
        );
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes minutes")]
    fn the_page_has_every_usable_option_and_no_other() {
        let page = page();
        for option in CATEGORIES.iter().flat_map(|category| category.options) {
            let listed = page.lines().any(|line| line == names(option));
            assert_eq!(listed, option.exists_on(Platform::Unix), "{}", option.long);
        }
    }

    #[test]
    fn no_text_is_taken_for_troff() {
        assert_eq!(escaped("a\\n-b"), "a\\en\\-b");
        assert_eq!(troff_word("--log."), "\\fB\\-\\-log\\fR.");
        assert_eq!(troff_word("(--log)"), "(\\fB\\-\\-log\\fR)");
        assert_eq!(troff_word("(or)"), "(or)");
        assert_eq!(troff_word("store-and"), "store\\-and");
        let mut page = Page::default();
        page.text("One. .envelope 'two");
        assert_eq!(page.0, "One.\n\\&.envelope 'two\n");
    }

    #[test]
    fn what_a_shell_is_told_is_no_name() {
        let mut page = Page::default();
        page.synopsis("a", "[<b c> ...] < <d>");
        assert_eq!(page.0, ".B a\n[\\fIb c\\fR ...] < \\fId\\fR\n.br\n");
    }

    #[test]
    fn the_page_is_ascii_without_blank_lines() {
        let page = page();
        assert!(page.is_ascii());
        assert!(
            page.lines()
                .all(|line| !line.trim().is_empty() && line.trim_end() == line)
        );
    }
}
