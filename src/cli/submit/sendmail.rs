//! The command lines of `sendmail`, as cron jobs, PHP and mail programs write them.
//!
//! Letters come in one word with their values or not, as POSIX has it; what changes
//! nothing here is taken and forgotten.

use crate::base::ascii;

use super::compose;
use super::options::TOOL;
use super::problem::{Kind, Problem};
use super::{Additions, DefaultFrom, Place, Report, Source, Submission, Task};
use crate::base::OneLine;

/// As which of sendmail's names the program is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Sendmail,
    NewAliases,
    MailQueue,
}

/// The letters that have a value, in the same word or the next.
const WITH_VALUE: &[u8] = b"ABbCDeFfhLMNOopQRrVX";

/// Those that may have a value in the same word.
const WITH_OPTIONAL_VALUE: &[u8] = b"dq";

/// Those that have none.
const WITHOUT_VALUE: &[u8] = b"GIimnstUvx";

/// As what the program is called, by its name or first argument; and the other
/// arguments.
pub(super) fn role(name: &[u8], words: Vec<Vec<u8>>) -> (Option<Role>, Vec<Vec<u8>>) {
    let base = name.rsplit(|octet| matches!(octet, b'/' | b'\\')).next();
    let base = base.unwrap_or_default().to_ascii_lowercase();
    match base.strip_suffix(b".exe").unwrap_or(&base) {
        b"sendmail" => return (Some(Role::Sendmail), words),
        b"newaliases" => return (Some(Role::NewAliases), words),
        b"mailq" => return (Some(Role::MailQueue), words),
        _ => {}
    }
    match words.split_first() {
        Some((first, rest)) if first == b"--sendmail" => (Some(Role::Sendmail), rest.to_vec()),
        _ => (None, words),
    }
}

/// What the arguments say.
#[derive(Debug, Default)]
struct Arguments {
    mode: Option<u8>,
    to_header: bool,
    ignores_dots: bool,
    from: Option<OneLine>,
    full_name: Option<Vec<u8>>,
    place: Place,
    operands: Vec<Vec<u8>>,
    information: Option<String>,
}

/// Reads the arguments.
pub(super) fn task(role: Role, words: Vec<Vec<u8>>) -> Result<Task, Problem> {
    let given = arguments(words)?;
    if let Some(text) = given.information {
        return Ok(Task::Print(text));
    }
    let mode = match role {
        Role::Sendmail => given.mode.unwrap_or(b'm'),
        Role::NewAliases => b'i',
        Role::MailQueue => b'p',
    };
    match mode {
        b'i' | b'I' => Ok(Task::Nothing),
        b'p' => Ok(Task::Queue(given.place)),
        b's' => Ok(Task::Dialogue(given.place)),
        b'm' => submission(given),
        _ => {
            let text = format!("-b{} is not offered", ascii::escape(&[mode]));
            Err(Problem::new(Kind::Unavailable, text))
        }
    }
}

fn submission(given: Arguments) -> Result<Task, Problem> {
    let mut to = Vec::new();
    for list in &given.operands {
        compose::add_recipients(list, &mut to)?;
    }
    if to.is_empty() && !given.to_header {
        return Err(Problem::usage("there are no recipients"));
    }
    Ok(Task::Submit(Box::new(Submission {
        place: given.place,
        from: given.from,
        default_from: DefaultFrom::User,
        to,
        to_header: given.to_header,
        lines: Vec::new(),
        source: Source::StandardInput,
        ends_at_dot: !given.ignores_dots,
        additions: Additions {
            received: true,
            from: true,
            to: false,
            date: true,
            message_id: true,
        },
        full_name: given.full_name,
        bcc_split: false,
        qualify: true,
        authentication: OneLine::default(),
        mail_auth_in: OneLine::default(),
        mail_auth_out: OneLine::default(),
        copy: false,
        report: Report::Nothing,
    })))
}

fn arguments(words: Vec<Vec<u8>>) -> Result<Arguments, Problem> {
    let mut given = Arguments::default();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        match word.as_slice() {
            b"--" => {
                given.operands.extend(words);
                return Ok(given);
            }
            [b'-', b'-', long @ ..] => given.long(long, &mut words)?,
            [b'-', letters @ ..] if !letters.is_empty() => given.letters(letters, &mut words)?,
            // The first word that is no option ends them.
            _ => {
                given.operands.push(word);
                given.operands.extend(words);
                break;
            }
        }
    }
    // Rather than take what was meant as an option for a recipient.
    if given.operands.iter().any(|word| word.starts_with(b"-")) {
        return Err(Problem::usage("options must come before the recipients"));
    }
    Ok(given)
}

impl Arguments {
    /// One of the program's own options.
    fn long(
        &mut self,
        word: &[u8],
        words: &mut impl Iterator<Item = Vec<u8>>,
    ) -> Result<(), Problem> {
        let mut parts = word.splitn(2, |octet| *octet == b'=');
        let (name, value) = (parts.next().unwrap_or_default(), parts.next());
        let shown = ascii::escape_bounded(name, 100);
        let mut value = || match value {
            Some(value) => Ok(value.to_vec()),
            None => words
                .next()
                .ok_or_else(|| Problem::usage(format!("no value supplied for --{shown}"))),
        };
        match name {
            b"spool-dir" => self.place.spool_dir = Some(value()?),
            b"domain" => self.place.domain = Some(compose::domain(&value()?)?),
            b"help" => self.information = Some(TOOL.help()),
            b"version" => self.information = Some(TOOL.version()),
            _ => return Err(Problem::usage(format!("invalid option: --{shown}"))),
        }
        Ok(())
    }

    /// The letters of one word, and perhaps the next word as a value.
    fn letters(
        &mut self,
        letters: &[u8],
        words: &mut impl Iterator<Item = Vec<u8>>,
    ) -> Result<(), Problem> {
        let mut rest = letters;
        while let Some((letter, after)) = rest.split_first() {
            rest = after;
            let shown = ascii::escape(&[*letter]);
            if WITHOUT_VALUE.contains(letter) {
                self.flag(*letter);
                continue;
            }
            let value = match after {
                [] if WITH_VALUE.contains(letter) => words
                    .next()
                    .ok_or_else(|| Problem::usage(format!("no value supplied for -{shown}")))?,
                value => value.to_vec(),
            };
            if !WITH_VALUE.contains(letter) && !WITH_OPTIONAL_VALUE.contains(letter) {
                return Err(Problem::usage(format!("invalid option: -{shown}")));
            }
            return self.value(*letter, value);
        }
        Ok(())
    }

    fn flag(&mut self, letter: u8) {
        match letter {
            b't' => self.to_header = true,
            b'i' => self.ignores_dots = true,
            b'I' => self.mode = Some(b'i'),
            _ => {}
        }
    }

    fn value(&mut self, letter: u8, value: Vec<u8>) -> Result<(), Problem> {
        match (letter, value.as_slice()) {
            (b'b', [mode, ..]) => self.mode = Some(*mode),
            (b'b', []) => return Err(Problem::usage("no value supplied for -b")),
            (b'f' | b'r', address) => self.from = Some(compose::reverse_path(address)?),
            (b'F', _) => self.full_name = Some(value),
            (b'o', [b'i', value @ ..]) => self.ignores_dots = is_true(value),
            (b'O', option) => {
                let mut parts = option.splitn(2, |octet| *octet == b'=');
                let mut part = || ascii::trim(parts.next().unwrap_or_default());
                if ascii::eq(part(), b"IgnoreDots") {
                    self.ignores_dots = is_true(part());
                }
            }
            (b'q', _) => {
                let text = "-q is not offered: the relay forwards what is in the queue";
                return Err(Problem::new(Kind::Unavailable, text));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Whether an option with this value is set: sendmail looks at its first letter only.
fn is_true(value: &[u8]) -> bool {
    matches!(value, [] | [b't' | b'T' | b'y' | b'Y', ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(words: &[&str]) -> Result<Task, Problem> {
        let words = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        task(Role::Sendmail, words)
    }

    fn parse(words: &[&str]) -> Submission {
        match run(words) {
            Ok(Task::Submit(submission)) => *submission,
            other => panic!("{words:?}: {other:?}"),
        }
    }

    #[test]
    fn roles_are_told_by_name_or_first_argument() {
        let role = |name: &str, first: &str| {
            let (role, rest) = role(name.as_bytes(), vec![first.as_bytes().to_vec()]);
            (role, rest.len())
        };
        assert_eq!(role("/usr/sbin/sendmail", "-t"), (Some(Role::Sendmail), 1));
        assert_eq!(role("C:\\x\\SendMail.EXE", "-t"), (Some(Role::Sendmail), 1));
        assert_eq!(role("newaliases", ""), (Some(Role::NewAliases), 1));
        assert_eq!(role("./mailq", ""), (Some(Role::MailQueue), 1));
        assert_eq!(
            role("emailrelay-submit", "--sendmail"),
            (Some(Role::Sendmail), 0)
        );
        assert_eq!(role("emailrelay-submit", "-t"), (None, 1));
        assert_eq!(super::role(b"", Vec::new()), (None, Vec::new()));
    }

    /// A command line in words; how many recipients it has, its reverse-path,
    /// whether there are more in the header section, and whether a dot ends it.
    type Called<'a> = (&'a str, usize, Option<&'a str>, bool, bool);

    // What is found in the sources and manuals of cron (Debian's and cronie), PHP,
    // mutt, s-nail and others.
    #[test]
    fn takes_what_callers_write() {
        let cronie = "-FCronDaemon -i -odi -oem -oi -t -f root";
        let mutt = "-oem -oi -f me@x -N failure -R hdrs -- a@x b@y";
        let table: [Called<'_>; 8] = [
            (
                "-i -FCronDaemon -B8BITMIME -oem root",
                1,
                None,
                false,
                false,
            ),
            (cronie, 0, Some("root"), true, false),
            ("-t -i", 0, None, true, false),
            ("-t -i -fbounce@x.net", 0, Some("bounce@x.net"), true, false),
            (mutt, 2, Some("me@x"), false, false),
            ("-i -f me@x -Fme -- a@x", 1, Some("me@x"), false, false),
            (
                "-ti -r<> -Am -V id -Xlog -O x=y -v",
                0,
                Some(""),
                true,
                false,
            ),
            ("-bm -odX -oX -dx a,b@y c", 3, None, false, true),
        ];
        for (line, to, from, to_header, ends_at_dot) in table {
            let words: Vec<&str> = line.split(' ').collect();
            let given = parse(&words);
            assert_eq!(given.to.len(), to, "{line}");
            let found = given.from.map(|from| from.to_string());
            assert_eq!(found.as_deref(), from, "{line}");
            let found = (given.to_header, given.ends_at_dot);
            assert_eq!(found, (to_header, ends_at_dot), "{line}");
        }
        assert_eq!(parse(&["-f", "", "a@x"]).from, Some(OneLine::default()));
        assert_eq!(parse(&["-F", "A B", "x"]).full_name, Some(b"A B".to_vec()));
    }

    #[test]
    fn dots_are_ignored_however_that_is_said() {
        for (words, ignored) in [
            (&["-i"][..], true),
            (&["-oi"], true),
            (&["-oitrue"], true),
            (&["-oiYES"], true),
            (&["-oifalse"], false),
            (&["-oIt"], false),
            (&["-OIgnoreDots"], true),
            (&["-O", "ignoredots=true"], true),
            (&["-O", "IGNOREDOTS = yes"], true),
            (&["-O", "IgnoreDots="], true),
            (&["-O", "IgnoreDots=no"], false),
            (&["-O", "IgnoreDotsX=true"], false),
            (&["-i", "-O", "DeliveryMode=b"], true),
            (&["-i", "-oifalse"], false),
            (&["-oitrue", "-O", "IgnoreDots=no"], false),
            (&["-oifalse", "-i"], true),
        ] {
            let given = parse(&[words, &["x"]].concat());
            assert_eq!(given.ends_at_dot, !ignored, "{words:?}");
        }
    }

    #[test]
    fn other_modes_are_known() {
        assert!(matches!(run(&["-bs"]), Ok(Task::Dialogue(_))));
        assert!(matches!(run(&["-bp"]), Ok(Task::Queue(_))));
        assert!(matches!(run(&["-bi"]), Ok(Task::Nothing)));
        assert!(matches!(run(&["-I"]), Ok(Task::Nothing)));
        assert!(matches!(run(&["--help"]), Ok(Task::Print(_))));
        let aliases = task(Role::NewAliases, Vec::new());
        assert!(matches!(aliases, Ok(Task::Nothing)));
        let place = Place {
            spool_dir: Some(b"/x".to_vec()),
            domain: Some(OneLine::escaped("h.net")),
        };
        let Ok(Task::Queue(found)) = run(&["--spool-dir=/x", "--domain", "h.net", "-bp"]) else {
            panic!()
        };
        assert_eq!(found, place);
    }

    #[test]
    fn says_what_is_wrong() {
        for (words, kind) in [
            (&[][..], Kind::Usage),
            (&["-i"], Kind::Usage),
            (&["-f"], Kind::Usage),
            (&["-b"], Kind::Usage),
            (&["-b", ""], Kind::Usage),
            (&["-Z", "x"], Kind::Usage),
            (&["--nope", "x"], Kind::Usage),
            (&["--domain=a b", "x"], Kind::Usage),
            (&["root", "-t"], Kind::Usage),
            (&["-bd"], Kind::Unavailable),
            (&["-bv", "root"], Kind::Unavailable),
            (&["-q"], Kind::Unavailable),
            (&["-q15m"], Kind::Unavailable),
            (&["a\nb"], Kind::Usage),
            (&["-f", "a\nb", "c"], Kind::Usage),
            (&["a b c"], Kind::Usage),
        ] {
            assert_eq!(run(words).unwrap_err().kind, kind, "{words:?}");
        }
    }
}
