//! `emailrelay-passwd`: turns a password into what a secrets file holds.
//!
//! By default that is the stored key of HMAC-MD5 ([`crate::base::hash::hmac`]),
//! which is no use to whoever reads it but for logging in by that mechanism. One
//! line of standard input is the password; a terminal does not show it.

use std::ffi::OsString;
use std::io::{self, BufRead, IsTerminal, Read, Write};

use crate::base::hash::{Algorithm, hmac};
use crate::base::secret::Secret;
use crate::base::{ascii, base64, xtext};
use crate::sys::{self, process, stderr, terminal};

const PROGRAM: &str = "emailrelay-passwd";

/// The longest password that is read, in octets; a secrets file takes no more.
const PASSWORD_MAX: usize = 4096;

const HELP: &str = "\
usage: emailrelay-passwd [<options>]

Reads a password from the first line of standard input and writes it in the
form that the secrets files of emailrelay hold.

  -H, --hash=<function>      MD5 (the default), SHA1, SHA256 or SHA512, or NONE
                             for the password itself in xtext
  -b, --base64               the password that is read is in base64
  -d, --dotted               use the dotted form (MD5 only)
  -p, --password=<password>  take this password; others can see it meanwhile
  -h, --help                 show this
  -V, --version              show the version
";

/// An option of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Hash,
    Base64,
    Dotted,
    Password,
    Help,
    Version,
}

/// Each option with its long and its short name, and whether it takes a value.
const OPTIONS: [(Name, &str, u8, bool); 6] = [
    (Name::Hash, "hash", b'H', true),
    (Name::Base64, "base64", b'b', false),
    (Name::Dotted, "dotted", b'd', false),
    (Name::Password, "password", b'p', true),
    (Name::Help, "help", b'h', false),
    (Name::Version, "version", b'V', false),
];

/// The form of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Xtext,
    State(Algorithm),
    Dotted,
}

/// Runs the program with the arguments of the process and returns its exit
/// status: 0 for success, 1 for failure.
pub fn main() -> u8 {
    // The work can go on without.
    let _ = process::forbid_core_dumps();
    let words = std::env::args_os()
        .skip(1)
        .map(OsString::into_encoded_bytes)
        .collect();
    let result = run(words).and_then(|text| {
        let written = io::stdout().write_all(text.as_bytes());
        written.map_err(|error| format!("cannot write: {}", sys::reason(&error)))
    });
    match result {
        Ok(()) => 0,
        Err(problem) => {
            stderr::write_line(&format!("{PROGRAM}: error: {problem}"));
            1
        }
    }
}

/// Does what the arguments ask for and gives the text to print.
fn run(words: Vec<Vec<u8>>) -> Result<String, String> {
    let options = options(words)?;
    let value = |name| {
        options
            .iter()
            .find(|(given, _)| *given == name)
            .map(|(_, value)| value)
    };
    if value(Name::Help).is_some() {
        return Ok(HELP.to_owned());
    }
    if value(Name::Version).is_some() {
        return Ok(format!("{PROGRAM} {}\n", env!("CARGO_PKG_VERSION")));
    }
    let hash = value(Name::Hash).map_or(&b"MD5"[..], Secret::expose);
    let form = form(hash, value(Name::Dotted).is_some())?;
    let is_base64 = value(Name::Base64).is_some();
    let line = match value(Name::Password) {
        None => convert(ask()?.expose(), is_base64, form)?,
        Some(password) => {
            let warning = "others can see a password that is on the command line";
            stderr::write_line(&format!("{PROGRAM}: warning: {warning}"));
            convert(password.expose(), is_base64, form)?
        }
    };
    Ok(line + "\n")
}

/// Reads the arguments: options with their values, which are empty for options
/// without.
fn options(words: Vec<Vec<u8>>) -> Result<Vec<(Name, Secret)>, String> {
    let mut words = words.into_iter().map(Secret::new);
    let mut options: Vec<(Name, Secret)> = Vec::new();
    while let Some(word) = words.next() {
        match word.expose() {
            b"--" if words.len() == 0 => break,
            [b'-', b'-', long @ ..] if !long.is_empty() => {
                let mut parts = long.splitn(2, |octet| *octet == b'=');
                let (long, value) = (parts.next().unwrap_or_default(), parts.next());
                let (name, takes_value) = find(|option| option.1.as_bytes() == long)
                    .ok_or_else(|| format!("invalid option: --{}", ascii::escape(long)))?;
                let missing = || format!("no value supplied for --{}", ascii::escape(long));
                let value = match (takes_value, value) {
                    (true, Some(value)) => Secret::new(value),
                    (true, None) => words.next().ok_or_else(missing)?,
                    (false, None) => Secret::default(),
                    (false, Some(_)) => {
                        return Err(format!("--{} takes no value", ascii::escape(long)));
                    }
                };
                options.push((name, value));
            }
            [b'-', letters @ ..] if !letters.is_empty() && letters != b"-" => {
                for letter in letters {
                    let shown = ascii::escape(&[*letter]);
                    let (name, takes_value) = find(|option| option.2 == *letter)
                        .ok_or_else(|| format!("invalid option: -{shown}"))?;
                    // A value is the next word, so several letters are flags.
                    let next = if letters.len() == 1 && takes_value {
                        words.next()
                    } else {
                        None
                    };
                    if takes_value && next.is_none() {
                        return Err(format!("no value supplied for -{shown}"));
                    }
                    options.push((name, next.unwrap_or_default()));
                }
            }
            // It is not shown: it may be a password that somebody expects here.
            _ => return Err("too many non-option arguments".to_owned()),
        }
    }
    for (name, long, _, takes_value) in OPTIONS {
        if takes_value && options.iter().filter(|(given, _)| *given == name).count() > 1 {
            return Err(format!("duplicate use of --{long}"));
        }
    }
    Ok(options)
}

fn find(is_meant: impl Fn(&(Name, &str, u8, bool)) -> bool) -> Option<(Name, bool)> {
    let option = OPTIONS.iter().find(|option| is_meant(option));
    option.map(|(name, _, _, takes_value)| (*name, *takes_value))
}

fn form(hash: &[u8], is_dotted: bool) -> Result<Form, String> {
    let form = match Algorithm::parse(hash) {
        Some(Algorithm::Md5) if is_dotted => Form::Dotted,
        Some(algorithm) => Form::State(algorithm),
        None if hash.eq_ignore_ascii_case(b"NONE") => Form::Xtext,
        None => {
            let choice = "use MD5, SHA1, SHA256, SHA512 or NONE";
            return Err(format!("invalid hash function: {choice}"));
        }
    };
    if is_dotted && form != Form::Dotted {
        return Err("the dotted form is for MD5 only".to_owned());
    }
    Ok(form)
}

/// Reads the password from standard input; without showing it if that is a
/// terminal.
fn ask() -> Result<Secret, String> {
    let input = io::stdin();
    if !input.is_terminal() {
        return read_line(&mut input.lock());
    }
    let hidden = terminal::hide_input()
        .map_err(|error| format!("cannot hide the password: {}", sys::reason(&error)))?;
    // Without the prompt the password can be typed all the same.
    let _ = io::stderr().write_all(b"Password: ");
    let password = read_line(&mut input.lock());
    drop(hidden);
    password
}

/// Reads one line, without blanks and line end around it.
fn read_line(input: &mut dyn BufRead) -> Result<Secret, String> {
    let mut line = Vec::with_capacity(PASSWORD_MAX + 1);
    let result = input
        .take(PASSWORD_MAX as u64 + 1)
        .read_until(b'\n', &mut line);
    let line = Secret::new(line);
    result.map_err(|error| format!("cannot read the password: {}", sys::reason(&error)))?;
    if line.expose().len() > PASSWORD_MAX {
        return Err(format!("invalid password: more than {PASSWORD_MAX} octets"));
    }
    let blank = |octet: &u8| matches!(octet, b' ' | b'\t' | b'\r' | b'\n');
    let start = line
        .expose()
        .iter()
        .position(|octet| !blank(octet))
        .unwrap_or(0);
    let end = line
        .expose()
        .iter()
        .rposition(|octet| !blank(octet))
        .map_or(start, |last| last + 1);
    Ok(Secret::new(&line.expose()[start..end]))
}

/// Makes the line for the secrets file, without its end.
fn convert(password: &[u8], is_base64: bool, form: Form) -> Result<String, String> {
    let decoded = match is_base64 {
        false => Secret::new(password),
        true => Secret::new(base64::decode(password).ok_or("invalid password: not base64")?),
    };
    if decoded.is_empty() {
        return Err("invalid password".to_owned());
    }
    let password = decoded.expose();
    let line = match form {
        Form::Xtext => xtext::encode(password),
        Form::State(algorithm) => {
            base64::encode(hmac::State::from_key(algorithm, password).to_octets())
        }
        Form::Dotted => {
            let dotted = hmac::State::from_key(Algorithm::Md5, password).to_dotted();
            dotted
                .expect("invariant: MD5 has a dotted form")
                .into_bytes()
        }
    };
    Ok(String::from_utf8(line).expect("invariant: all forms are ASCII"))
}

#[cfg(test)]
mod tests;
