//! What a service is started with: the batch file of E-MailRelay, which is read and not
//! run, or a configuration file.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::base::ascii;
use crate::config::{FILE_MAX, PROGRAM};
use crate::sys;

/// The file that says where the others are.
const CONFIGURATION: &str = "emailrelay-service.cfg";

/// The only line of it that matters.
const FOLDER: &str = "dir-config";

/// What stands for the folder of the program at the start of a path.
const APP: &str = "@app";

/// The most words of a command.
const WORDS_MAX: usize = 1000;

/// How much of something wrong is shown, in octets.
const SHOWN_MAX: usize = 100;

/// The arguments of the relay, and the folder that their paths start from.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) folder: PathBuf,
    pub(super) words: Vec<OsString>,
}

/// Finds what the service of that name is to be started with. `read` gives the content
/// of a file, or at least so much of it that it is seen to be too long.
pub(super) fn find(
    program_folder: &Path,
    name: &str,
    read: impl Fn(&Path) -> io::Result<Vec<u8>>,
) -> Result<Start, String> {
    let read = |path: &Path| content(path, &read);
    let path = program_folder.join(CONFIGURATION);
    let folder = match read(&path)? {
        Some(text) => folder(&text, program_folder),
        None => program_folder.to_owned(),
    };
    let batch = folder.join(format!("{name}-start.bat"));
    if let Some(text) = read(&batch)? {
        let words = batch_words(&text).map_err(|reason| format!("{}: {reason}", shown(&batch)))?;
        return Ok(Start { folder, words });
    }
    let options = folder.join(format!("{name}.cfg"));
    match read(&options)? {
        Some(_) => Ok(Start {
            folder,
            words: vec![options.into_os_string()],
        }),
        None => Err(format!(
            "there is neither {} nor {}",
            shown(&batch),
            shown(&options)
        )),
    }
}

/// The text of a file, or nothing if there is no such file.
fn content(
    path: &Path,
    read: &impl Fn(&Path) -> io::Result<Vec<u8>>,
) -> Result<Option<String>, String> {
    let fail = |reason: &str| Err(format!("cannot read {}: {reason}", shown(path)));
    match read(path) {
        Ok(octets) if octets.len() > FILE_MAX => fail("it is too long"),
        Ok(octets) => match String::from_utf8(octets) {
            // Editors of Windows mark UTF-8 by this.
            Ok(text) => Ok(Some(text.trim_start_matches('\u{feff}').to_owned())),
            Err(_) => fail("it is not UTF-8"),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => fail(&sys::reason(&error)),
    }
}

fn shown(path: &Path) -> String {
    ascii::escape(path.as_os_str().as_encoded_bytes())
}

/// The folder that the configuration names, or that of the program.
fn folder(text: &str, program_folder: &Path) -> PathBuf {
    let value = |line: &str| {
        let (name, value) = line.split_once('=')?;
        let value = value.trim();
        let quoted = value.strip_prefix('"');
        let bare = quoted.and_then(|rest| rest.strip_suffix('"'));
        let is_it = name.trim().trim_start_matches("--") == FOLDER && !value.is_empty();
        is_it.then(|| PathBuf::from(bare.unwrap_or(value)))
    };
    let Some(path) = text.lines().find_map(value) else {
        return program_folder.to_owned();
    };
    match path.strip_prefix(APP) {
        Ok(rest) => program_folder.join(rest),
        Err(_) => program_folder.join(path),
    }
}

/// The arguments in the only command of a batch file.
fn batch_words(text: &str) -> Result<Vec<OsString>, String> {
    let mut commands = text.lines().map(str::trim).filter(|line| is_command(line));
    let command = commands.next().ok_or("there is no command in it")?;
    if let Some(other) = commands.next() {
        let other = ascii::escape_bounded(other.as_bytes(), SHOWN_MAX);
        return Err(format!("there is more than one command in it: {other}"));
    }
    let mut words = split(&without_start(command).replace("%%", "%"))?.into_iter();
    let program = words.next().unwrap_or_default();
    if !is_relay(&program) {
        let program = ascii::escape_bounded(program.as_bytes(), SHOWN_MAX);
        return Err(format!("it starts \"{program}\", and not {PROGRAM}"));
    }
    Ok(words.map(OsString::from).collect())
}

/// Whether a line does anything.
fn is_command(line: &str) -> bool {
    let line = line.trim_start_matches('@').to_ascii_lowercase();
    let first = line.split_ascii_whitespace().next();
    !matches!(first, None | Some("rem" | "echo" | "exit")) && !line.starts_with("::")
}

/// A command without the `start "title"` before it.
fn without_start(command: &str) -> &str {
    let command = command.trim_start_matches('@').trim_start();
    let title = command
        .split_at_checked("start".len())
        .filter(|(start, _)| start.eq_ignore_ascii_case("start"))
        .and_then(|(_, rest)| rest.trim_start().strip_prefix('"'));
    match title.and_then(|title| title.split_once('"')) {
        Some((_, rest)) => rest.trim_start(),
        None => command,
    }
}

/// Whether a path is that of the relay, by its last part.
fn is_relay(program: &str) -> bool {
    let file = program.rsplit(['/', '\\']).next().unwrap_or_default();
    file.to_ascii_lowercase().starts_with(PROGRAM)
}

/// Splits a command into words as programs of Windows do: blanks separate them but in
/// quotes; a backslash is one, but before a quote it takes the quote for itself; two
/// quotes within quotes are one.
fn split(command: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let (mut is_quoted, mut backslashes) = (false, 0);
    let mut rest = command.chars().peekable();
    while let Some(c) = rest.next() {
        if c == '\\' {
            backslashes += 1;
            continue;
        }
        let escapes = if c == '"' {
            backslashes / 2
        } else {
            backslashes
        };
        let is_escaped = c == '"' && backslashes % 2 == 1;
        if backslashes > 0 {
            let word = word.get_or_insert_default();
            word.extend(std::iter::repeat_n('\\', escapes));
            backslashes = 0;
        }
        match c {
            '"' if is_escaped || (is_quoted && rest.next_if_eq(&'"').is_some()) => {
                word.get_or_insert_default().push('"');
            }
            '"' => {
                is_quoted = !is_quoted;
                word.get_or_insert_default();
            }
            ' ' | '\t' if !is_quoted => words.extend(word.take()),
            '&' | '|' | '<' | '>' | '^' if !is_quoted => {
                return Err(format!(
                    "\"{c}\" is for the command processor, which is not used"
                ));
            }
            c if c.is_control() => return Err("there is a control character in it".to_owned()),
            c => word.get_or_insert_default().push(c),
        }
    }
    if is_quoted {
        return Err("a quote is not closed".to_owned());
    }
    if backslashes > 0 {
        let word = word.get_or_insert_default();
        word.extend(std::iter::repeat_n('\\', backslashes));
    }
    words.extend(word);
    match words.len() {
        0..=WORDS_MAX => Ok(words),
        _ => Err(format!("there are more than {WORDS_MAX} words in it")),
    }
}

#[cfg(test)]
mod tests;
