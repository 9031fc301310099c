//! From the text of a secrets file to [`Secrets`], line by line. Nothing but the
//! caller's function reads files.

use std::path::Path;
use std::sync::Arc;

use super::field::{self, Sort, Storage, Type};
use super::secrets::{Problem, Secrets, is_name};
use super::trust::{Range, Trusted};
use crate::base::secret::Secret;
use crate::base::{OneLine, ascii, base64};
use crate::proto::sasl::{Credential, FIELD_MAX, Proof, Token};

/// The longest secrets file, in octets.
pub const FILE_MAX: usize = 1024 * 1024;

/// The longest line of it, and the longest file with one secret, in octets.
pub const SECRET_LINE_MAX: usize = 4096;

/// Lines with secrets and with trusted addresses at most.
pub const ACCOUNTS_MAX: usize = 10_000;

/// Problems at most that are told of; nobody reads more.
const PROBLEMS_MAX: usize = 100;

/// Reads a file with one secret, of at most [`SECRET_LINE_MAX`] octets, or says
/// why it cannot.
pub type ReadFile<'a> = dyn FnMut(&Path) -> Result<Vec<u8>, String> + 'a;

impl Secrets {
    /// Reads the text of a secrets file. `name` is for problems; `read` reads the
    /// files that the lines name. Gives all problems, or none.
    pub fn parse(
        name: &str,
        text: &[u8],
        read: &mut ReadFile<'_>,
    ) -> Result<Secrets, Vec<Problem>> {
        let file = OneLine::escaped(name);
        let (secrets, problems) = (Secrets::default(), Vec::new());
        let mut parser = Parser {
            file,
            read,
            line: 0,
            accounts: 0,
            secrets,
            problems,
        };
        parser.all(text);
        if parser.problems.is_empty() {
            Ok(parser.secrets)
        } else {
            Err(parser.problems)
        }
    }
}

struct Parser<'a, 'b> {
    file: OneLine,
    read: &'a mut ReadFile<'b>,
    line: usize,
    accounts: usize,
    secrets: Secrets,
    problems: Vec<Problem>,
}

/// A line with a secret, but for the secret's sort and storage.
struct Entry<'a> {
    is_server: bool,
    id: &'a [u8],
    secret: &'a [u8],
    selector: &'a [u8],
}

impl Parser<'_, '_> {
    fn all(&mut self, text: &[u8]) {
        if text.len() > FILE_MAX {
            self.problem(format!("the file has more than {FILE_MAX} octets"));
            return;
        }
        // Some editors start a file with U+FEFF.
        let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
        for line in text.split(|octet| *octet == b'\n') {
            self.line += 1;
            if let Err(message) = self.one(line) {
                self.problem(message);
            }
            if self.problems.len() == PROBLEMS_MAX || self.accounts > ACCOUNTS_MAX {
                return;
            }
        }
    }

    fn one(&mut self, line: &[u8]) -> Result<(), String> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > SECRET_LINE_MAX {
            return Err(format!("the line has more than {SECRET_LINE_MAX} octets"));
        }
        let blank = |octet: &u8| matches!(octet, b' ' | b'\t');
        let mut fields: Vec<&[u8]> = line
            .split(blank)
            .filter(|field| !field.is_empty())
            .collect();
        if fields.first().is_none_or(|first| first.starts_with(b"#")) {
            return Ok(());
        }
        let is_comment = |field: &&[u8]| field.starts_with(b"#");
        if let Some(comment) = fields.iter().skip(4).position(is_comment) {
            fields.truncate(4 + comment);
        }
        let &[side, type_name, id, secret, ref rest @ ..] = fields.as_slice() else {
            return Err("too few fields".to_owned());
        };
        let is_server = match side.to_ascii_lowercase().as_slice() {
            b"server" => true,
            b"client" => false,
            // The field is not shown: it might be a part of a secret that was broken
            // over two lines.
            _ => return Err("invalid value in first field".to_owned()),
        };
        if rest.len() > usize::from(!is_server) {
            self.warn("too many fields");
        }
        let selector = rest
            .first()
            .copied()
            .filter(|_| !is_server)
            .unwrap_or_default();
        let entry = Entry {
            is_server,
            id,
            secret,
            selector,
        };
        self.entry(Type::parse(type_name), &entry)
    }

    fn entry(&mut self, kind: Option<Type>, entry: &Entry<'_>) -> Result<(), String> {
        match (kind, entry.is_server) {
            (None, _) => self.warn("unknown type in second field: the line is not used"),
            (Some(Type::Trust), false) | (Some(Type::Secret(Sort::Token, _)), true) => {
                self.warn("the type makes no sense on this side: the line is not used");
            }
            (Some(Type::Trust), true) => {
                self.count()?;
                self.trust(entry)?;
            }
            (Some(Type::Secret(sort, storage)), true) => {
                self.count()?;
                self.server(sort, storage, entry)?;
            }
            (Some(Type::Secret(sort, storage)), false) => {
                self.count()?;
                self.client(sort, storage, entry)?;
            }
        }
        Ok(())
    }

    fn trust(&mut self, entry: &Entry<'_>) -> Result<(), String> {
        let text = OneLine::escaped(entry.id);
        let range = std::str::from_utf8(entry.id).map_err(|_| "not UTF-8".to_owned());
        let range = range.and_then(|range| Range::parse(range).map_err(|error| error.to_string()));
        let range = range.map_err(|reason| format!("invalid address in third field: {reason}"))?;
        let keyword = OneLine::new(entry.secret).filter(|keyword| is_name(keyword.as_bytes()));
        let keyword = keyword.ok_or("invalid keyword in fourth field")?;
        let trusted = Trusted {
            range,
            text,
            keyword,
            line: self.line,
        };
        self.secrets
            .ranges
            .add(trusted)
            .map_err(|duplicate| format!("duplicate server trust address: [{}]", duplicate.text))
    }

    fn server(&mut self, sort: Sort, storage: Storage, entry: &Entry<'_>) -> Result<(), String> {
        let id = id(storage, entry.id)?;
        if id.len() > FIELD_MAX {
            return Err("the id in the third field is too long".to_owned());
        }
        let proof = self.proof(sort, storage, entry.secret)?;
        if matches!(&proof, Proof::Password(password) if password.expose().len() > FIELD_MAX) {
            return Err("the password is too long".to_owned());
        }
        let credential = Credential {
            id,
            proof,
            line: Some(self.line),
        };
        self.secrets.add_server(credential).map_err(|duplicate| {
            let id = ascii::escape(&duplicate.id);
            format!("duplicate server secret: [server {} {id}]", sort.name())
        })
    }

    fn client(&mut self, sort: Sort, storage: Storage, entry: &Entry<'_>) -> Result<(), String> {
        let mut credential = None;
        let logs_in = storage != Storage::Base64 || [entry.id, entry.secret] != [b"=", b"="];
        if logs_in {
            let id = id(storage, entry.id)?;
            let proof = self.proof(sort, storage, entry.secret)?;
            credential = Some(Credential {
                id,
                proof,
                line: Some(self.line),
            });
        }
        let clients = &mut self.secrets.clients;
        let is_new = !clients.contains_key(entry.selector);
        let account = clients.entry(entry.selector.to_vec()).or_default();
        let credentials = &mut Arc::get_mut(account)
            .expect("invariant: nobody else has it yet")
            .credentials;
        // Not to log in, and to log in, is as much a contradiction as two passwords.
        let is_duplicate = match &credential {
            None => !is_new,
            Some(_) if !is_new && credentials.is_empty() => true,
            Some(new) => credentials
                .iter()
                .any(|old| old.proof.kind() == new.proof.kind()),
        };
        if is_duplicate {
            return Err(match entry.selector {
                [] => format!("too many client secrets: [client {}]", sort.name()),
                selector => format!(
                    "duplicate client secret: [client {}] for selector [{}]",
                    sort.name(),
                    ascii::escape(selector)
                ),
            });
        }
        credentials.extend(credential);
        Ok(())
    }

    fn proof(&mut self, sort: Sort, storage: Storage, field: &[u8]) -> Result<Proof, String> {
        let in_file = storage == Storage::File;
        let content = if in_file {
            self.file_content(field)?
        } else {
            Secret::default()
        };
        let text = if in_file { content.expose() } else { field };
        let wrong = |reason: &str| format!("{reason} in fourth field");
        match sort {
            Sort::Password => {
                let password = match storage {
                    Storage::File => Ok(text.to_vec()),
                    Storage::Base64 => {
                        field::base64_or_nothing(text).ok_or("invalid base64 encoding")
                    }
                    Storage::Usual => field::lenient_xtext(text).ok_or("invalid xtext encoding"),
                };
                let password = Secret::new(password.map_err(wrong)?);
                if password.is_empty() {
                    return Err(wrong("empty password"));
                }
                Ok(Proof::Password(password))
            }
            Sort::State(algorithm) => {
                Ok(Proof::State(field::state(algorithm, text).map_err(wrong)?))
            }
            Sort::Token => {
                let octets = if in_file {
                    Some(text.to_vec())
                } else {
                    base64::decode(text)
                };
                let octets = octets.ok_or_else(|| wrong("invalid base64 encoding"))?;
                let token = Token::parse(octets);
                Ok(Proof::Token(
                    token.ok_or_else(|| wrong("neither a token nor a message"))?,
                ))
            }
        }
    }

    fn file_content(&mut self, field: &[u8]) -> Result<Secret, String> {
        let path = field::path(field);
        let path = path.map_err(|reason| format!("invalid path in fourth field: {reason}"))?;
        let content = (self.read)(&path).and_then(|content| Ok(field::one_line(content)?));
        let show = |reason| {
            format!(
                "cannot use {}: {reason}",
                ascii::escape(path.as_os_str().as_encoded_bytes())
            )
        };
        content.map_err(show)
    }

    fn count(&mut self) -> Result<(), String> {
        self.accounts += 1;
        if self.accounts > ACCOUNTS_MAX {
            return Err(format!("more than {ACCOUNTS_MAX} accounts"));
        }
        Ok(())
    }

    fn problem(&mut self, message: String) {
        self.problems.push(Problem {
            file: self.file.clone(),
            line: self.line,
            message,
        });
    }

    fn warn(&mut self, message: &str) {
        if self.secrets.warnings.len() < PROBLEMS_MAX {
            let (file, message) = (self.file.clone(), message.to_owned());
            self.secrets.warnings.push(Problem {
                file,
                line: self.line,
                message,
            });
        }
    }
}

fn id(storage: Storage, field: &[u8]) -> Result<Vec<u8>, String> {
    let id = match storage {
        Storage::Base64 => field::base64_or_nothing(field).ok_or("invalid base64 encoding"),
        Storage::Usual | Storage::File => {
            field::lenient_xtext(field).ok_or("invalid xtext encoding")
        }
    };
    let id = id.and_then(|id| {
        if is_name(&id) {
            Ok(id)
        } else {
            Err("empty or control character")
        }
    });
    id.map_err(|reason| format!("{reason} in third field"))
}

#[cfg(test)]
mod tests;
