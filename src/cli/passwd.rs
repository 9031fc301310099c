//! `emailrelay-passwd`: turns a password into what a secrets file holds.
//!
//! By default that is the stored key of HMAC-MD5 ([`crate::base::hash::hmac`]),
//! which is no use to whoever reads it but for logging in by that mechanism. One
//! line of standard input is the password; a terminal does not show it.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use crate::base::hash::{Algorithm, hmac};
use crate::base::secret::Secret;
use crate::base::{base64, xtext};
use crate::sys::{self, process, stderr, terminal};

use super::options::{Opt, Tool};
use super::tool;

/// The longest password that is read, in octets; a secrets file takes no more.
const PASSWORD_MAX: usize = 4096;

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

const OPTIONS: &[Opt<Name>] = &[
    Opt::new(
        Name::Hash,
        "hash",
        Some(b'H'),
        Some("function"),
        "MD5 (the default), SHA1, SHA256 or SHA512, or NONE for the password itself in xtext",
    ),
    Opt::new(
        Name::Base64,
        "base64",
        Some(b'b'),
        None,
        "the password that is read is in base64",
    ),
    Opt::new(
        Name::Dotted,
        "dotted",
        Some(b'd'),
        None,
        "use the dotted form (MD5 only)",
    ),
    Opt::new(
        Name::Password,
        "password",
        Some(b'p'),
        Some("password"),
        "take this password; others can see it meanwhile",
    ),
    Opt::new(Name::Help, "help", Some(b'h'), None, "show this"),
    Opt::new(
        Name::Version,
        "version",
        Some(b'V'),
        None,
        "show the version",
    ),
];

const TOOL: Tool<Name> = Tool {
    name: "emailrelay-passwd",
    purpose: "turn a password into a field of emailrelay's secrets files",
    usage: &["[<options>]"],
    description: &[
        "Reads a password from the first line of standard input and writes it in the form that \
         the secrets files of emailrelay hold.",
    ],
    options: OPTIONS,
    operands_max: 0,
    sections: &[],
};

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
    tool::main(TOOL.name, |words| tool::print(&run(words)?))
}

/// Does what the arguments ask for and gives the text to print.
fn run(words: Vec<Vec<u8>>) -> Result<String, String> {
    let options: Vec<_> = TOOL
        .parse(words)?
        .into_options()
        .into_iter()
        .map(|(name, value)| (name, Secret::new(value)))
        .collect();
    let value = |name| {
        options
            .iter()
            .find(|(given, _)| *given == name)
            .map(|(_, value)| value)
    };
    if value(Name::Help).is_some() {
        return Ok(TOOL.help());
    }
    if value(Name::Version).is_some() {
        return Ok(TOOL.version());
    }
    let hash = value(Name::Hash).map_or(&b"MD5"[..], Secret::expose);
    let form = form(hash, value(Name::Dotted).is_some())?;
    let is_base64 = value(Name::Base64).is_some();
    let line = match value(Name::Password) {
        None => convert(ask()?.expose(), is_base64, form)?,
        Some(password) => {
            let warning = "others can see a password that is on the command line";
            stderr::write_line(&format!("{}: warning: {warning}", TOOL.name));
            convert(password.expose(), is_base64, form)?
        }
    };
    Ok(line + "\n")
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
