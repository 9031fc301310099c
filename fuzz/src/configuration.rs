//! Options: the command line, the configuration file and the environment.

use std::ffi::OsString;

use emailrelay::config::problem::PROBLEMS_MAX;
use emailrelay::config::{Context, Outcome, PROGRAM, Platform, VARIABLE_PREFIX, failure, resolve};

use super::pieces::{Dice, check_shown};

/// The longest line about a problem: words are cut to 200 octets each, and escaped.
const PROBLEM_LINE_MAX: usize = 4096;

/// Words divided by line feeds.
pub(crate) fn command_line(data: &[u8]) {
    let words: Vec<OsString> = data.split(|octet| *octet == b'\n').map(word).collect();
    let context = context(data);
    let outcome = settle(&words, &context, b"");
    if let Outcome::Run(configs, advice) = outcome {
        let mut words = words;
        words.insert(0, "--check".into());
        match settle(&words, &context, b"") {
            Outcome::Check(mut checked, same_advice, _) => {
                checked.iter_mut().for_each(|c| c.process.check = false);
                assert_eq!((checked, same_advice), (configs, advice));
            }
            // Some word said that it is not to be.
            _ if contains(data, b"check") => {}
            _ => panic!("what may run can be checked"),
        }
    }
}

fn contains(data: &[u8], text: &[u8]) -> bool {
    data.windows(text.len()).any(|window| window == text)
}

/// The text of a configuration file.
pub(crate) fn configuration(data: &[u8]) {
    let context = context(data);
    let words = ["file".into()];
    let outcome = settle(&words, &context, data);
    let with_mark = [b"\xEF\xBB\xBF", data].concat();
    if !data.starts_with(b"\xEF\xBB\xBF") {
        assert_eq!(settle(&words, &context, &with_mark), outcome);
    }
    if !data.contains(&b'\r') {
        let lines: Vec<&[u8]> = data.split(|octet| *octet == b'\n').collect();
        let with_cr = lines.join(&b"\r\n"[..]);
        assert_eq!(settle(&words, &context, &with_cr), outcome);
    }
    let with_comment = [data, b"\n# the end"].concat();
    assert_eq!(settle(&words, &context, &with_comment), outcome);
}

/// Variables, one a line, without what their names begin with; a line without `=` is
/// what the files have that variables name.
pub(crate) fn environment(data: &[u8]) {
    let mut context = context(data);
    let mut file = b"".as_slice();
    for line in data.split(|octet| *octet == b'\n') {
        match line.iter().position(|octet| *octet == b'=') {
            Some(at) => {
                let name = String::from_utf8_lossy(&line[..at]);
                let name = format!("{VARIABLE_PREFIX}{name}");
                context.environment.push((name, word(&line[at + 1..])));
            }
            None => file = line,
        }
    }
    let outcome = settle(&[], &context, file);
    context.environment.reverse();
    assert_eq!(settle(&[], &context, file), outcome);
}

fn context(data: &[u8]) -> Context {
    let platform = Dice::of(data).one_of(&[Platform::Unix, Platform::Unix, Platform::Windows]);
    Context {
        base_dir: Some("/base".into()),
        app_dir: Some("/app".into()),
        credentials_dir: Some("/credentials".into()),
        ..Context::new(platform)
    }
}

#[cfg(unix)]
fn word(octets: &[u8]) -> OsString {
    use std::os::unix::ffi::OsStringExt;
    OsString::from_vec(octets.to_vec())
}

#[cfg(not(unix))]
fn word(octets: &[u8]) -> OsString {
    String::from_utf8_lossy(octets).into_owned().into()
}

/// What it comes to, the same each time.
fn settle(words: &[OsString], context: &Context, file: &[u8]) -> Outcome {
    let resolve = || resolve(words.iter().cloned(), context, |_| Ok(file.to_vec()));
    let outcome = resolve();
    assert_eq!(outcome, resolve());
    match &outcome {
        Outcome::Fail(problems) => {
            assert!((1..=PROBLEMS_MAX + 1).contains(&problems.len()));
            let text = failure(PROGRAM, problems);
            // The last line says where to read more.
            assert_eq!(text.lines().count(), problems.len() + 1, "{text}");
            text.lines()
                .for_each(|line| check_shown(line, PROBLEM_LINE_MAX));
        }
        Outcome::Run(configs, advice) => {
            assert!(configs.iter().any(|config| config.has_work()));
            let lines = advice.iter().map(ToString::to_string);
            lines.for_each(|line| check_shown(&line, PROBLEM_LINE_MAX));
        }
        Outcome::Check(configs, _, text) => {
            assert!(!configs.is_empty());
            text.lines().for_each(|line| check_shown(line, usize::MAX));
        }
        Outcome::Print(text) => assert!(text.ends_with('\n')),
        Outcome::NothingToDo => {}
    }
    outcome
}
