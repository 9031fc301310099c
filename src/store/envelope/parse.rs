//! Reading envelope files.

use std::fmt;

use super::{
    Attempts, ENVELOPE_OCTETS_MAX, Encoding, Envelope, LINE_OCTETS_MAX, PREFIX, RECIPIENTS_MAX,
};
use crate::base::{OneLine, ascii};

/// Why an envelope file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The file has more than [`ENVELOPE_OCTETS_MAX`] octets.
    TooLong,
    /// A value or line has more than [`LINE_OCTETS_MAX`] octets.
    LineTooLong,
    /// The first line names a format that is not known.
    UnknownFormat(OneLine),
    /// Another line stands where that field should, or none.
    Expected(&'static str),
    /// The field has a value that it cannot have.
    BadValue(&'static str),
    /// More than [`RECIPIENTS_MAX`] recipients are announced.
    TooManyRecipients,
    /// There is no `End` line.
    NoEnd,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::TooLong => f.write_str("envelope too long"),
            Malformed::LineTooLong => f.write_str("line too long"),
            Malformed::UnknownFormat(format) => write!(f, "unknown format id: {format}"),
            Malformed::Expected(name) => write!(f, "expected \"{PREFIX}{name}:\""),
            Malformed::BadValue(name) => write!(f, "bad value of \"{PREFIX}{name}\""),
            Malformed::TooManyRecipients => f.write_str("too many recipients"),
            Malformed::NoEnd => f.write_str("no end line"),
        }
    }
}

impl std::error::Error for Malformed {}

/// Which fields a file has between `Client` and `End`.
struct Format {
    client_name: bool,
    client_certificate: bool,
    mail_auth: bool,
    forward_to: bool,
    client_account_selector: bool,
    utf8: bool,
}

impl Format {
    fn parse(id: &[u8]) -> Option<Format> {
        let version = match id.strip_prefix(b"#2821.")? {
            [digit @ b'3'..=b'8'] => *digit,
            _ => return None,
        };
        Some(Format {
            client_name: version == b'4',
            client_certificate: version >= b'4',
            mail_auth: version >= b'5',
            forward_to: version >= b'6',
            client_account_selector: version >= b'8',
            utf8: version >= b'7',
        })
    }
}

/// Reads the whole file.
pub(super) fn envelope(text: &[u8]) -> Result<Envelope, Malformed> {
    if text.len() > ENVELOPE_OCTETS_MAX {
        return Err(Malformed::TooLong);
    }
    let mut reader = Reader { rest: text };
    let id = reader.value("Format")?;
    let format = Format::parse(id.as_bytes()).ok_or_else(|| unknown_format(&id))?;
    let mut envelope = Envelope {
        encoding: Encoding::parse(reader.value("Content")?.as_bytes()),
        reverse_path: reader.value("From")?,
        ..Envelope::default()
    };
    reader.recipients(&mut envelope)?;
    envelope.authentication = reader.value("Authentication")?;
    envelope.client_address = reader.value("Client")?;
    reader.later_fields(&format, &mut envelope)?;
    reader.end()?;
    reader.trailer(&mut envelope)?;
    if envelope.failed_recipients.len() > RECIPIENTS_MAX {
        return Err(Malformed::TooManyRecipients);
    }
    Ok(envelope)
}

fn unknown_format(id: &OneLine) -> Malformed {
    let mut id = id.clone();
    id.truncate(40);
    Malformed::UnknownFormat(id)
}

/// The part of the text that is still to be read.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// The next line without its LF or CRLF; the last may be without.
    fn line(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let mut parts = self.rest.splitn(2, |byte| *byte == b'\n');
        let line = parts.next().unwrap_or_default();
        self.rest = parts.next().unwrap_or_default();
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// The lines of the field of that name: its own and those that continue it,
    /// without the blanks around them.
    fn lines_of(&mut self, name: &'static str) -> Result<Vec<&'a [u8]>, Malformed> {
        let line = self.line().ok_or(Malformed::Expected(name))?;
        let value = value_of(line, name).ok_or(Malformed::Expected(name))?;
        let mut lines = vec![value];
        while matches!(self.rest.first(), Some(b' ' | b'\t')) {
            lines.extend(self.line().map(ascii::trim));
        }
        Ok(lines)
    }

    /// The value of the field of that name; if it goes on over several lines they
    /// are joined with blanks.
    fn value(&mut self, name: &'static str) -> Result<OneLine, Malformed> {
        let joined = self.lines_of(name)?.join(&b' ');
        one_line(ascii::trim(&joined), name)
    }

    fn recipients(&mut self, envelope: &mut Envelope) -> Result<(), Malformed> {
        let count = self.value("ToCount")?;
        let count = ascii::parse_decimal(count.as_bytes()).ok_or(Malformed::BadValue("ToCount"))?;
        if count > RECIPIENTS_MAX as u64 {
            return Err(Malformed::TooManyRecipients);
        }
        for _ in 0..count {
            if self.next_is("To-Local") {
                envelope.local_recipients.push(self.value("To-Local")?);
            } else {
                envelope.remote_recipients.push(self.value("To-Remote")?);
            }
        }
        Ok(())
    }

    fn later_fields(&mut self, format: &Format, envelope: &mut Envelope) -> Result<(), Malformed> {
        if format.client_name {
            self.value("ClientName")?;
        }
        if format.client_certificate {
            envelope.client_certificate = self.certificate()?;
        }
        if format.mail_auth {
            envelope.mail_auth_in = self.value("MailFromAuthIn")?;
            envelope.mail_auth_out = self.value("MailFromAuthOut")?;
        }
        if format.forward_to {
            envelope.forward_to = self.value("ForwardTo")?;
            envelope.forward_to_address = self.value("ForwardToAddress")?;
        }
        if format.client_account_selector {
            envelope.client_account_selector = self.value("ClientAccountSelector")?;
        }
        if format.utf8 {
            envelope.utf8 = self.value("Utf8MailboxNames")?.as_bytes() == b"1";
        }
        Ok(())
    }

    fn certificate(&mut self) -> Result<Vec<OneLine>, Malformed> {
        let name = "ClientCertificate";
        match self.lines_of(name)?.as_slice() {
            [b""] => Ok(Vec::new()),
            lines => lines.iter().map(|line| one_line(*line, name)).collect(),
        }
    }

    /// The `End` line, whatever its value.
    fn end(&mut self) -> Result<(), Malformed> {
        let end = format!("{PREFIX}End");
        match self.line() {
            Some(line) if line.starts_with(end.as_bytes()) => Ok(()),
            _ => Err(Malformed::NoEnd),
        }
    }

    fn trailer(&mut self, envelope: &mut Envelope) -> Result<(), Malformed> {
        while let Some(line) = self.line() {
            if line.len() > LINE_OCTETS_MAX {
                return Err(Malformed::LineTooLong);
            }
            if !take_known(line, envelope) {
                envelope.trailer.push(kept(line));
            }
        }
        Ok(())
    }

    fn next_is(&self, name: &'static str) -> bool {
        let line = self.rest.split(|byte| *byte == b'\n').next();
        line.is_some_and(|line| value_of(line, name).is_some())
    }
}

/// Takes what this program, or a later format, writes after `End`; says whether
/// the line was such.
fn take_known(line: &[u8], envelope: &mut Envelope) -> bool {
    let Attempts {
        count,
        last,
        reply,
        next,
        spent,
    } = &mut envelope.attempts;
    if let Some(value) = value_of(line, "Attempts") {
        set(count, number(value))
    } else if let Some(value) = value_of(line, "LastAttempt") {
        set(last, number(value))
    } else if let Some(value) = value_of(line, "LastReply") {
        set(reply, Some(kept(value)))
    } else if let Some(value) = value_of(line, "NextAttempt") {
        set(next, number(value))
    } else if let Some(value) = value_of(line, "RetryTime") {
        set(spent, number(value))
    } else if let Some(value) = value_of(line, "FailedRecipient") {
        envelope.failed_recipients.push(kept(value));
        true
    } else if let Some(value) = value_of(line, "ClientAccountSelector") {
        set(&mut envelope.client_account_selector, Some(kept(value)))
    } else if let Some(value) = value_of(line, "Utf8MailboxNames") {
        set(&mut envelope.utf8, flag(value))
    } else {
        false
    }
}

/// The text as it is, or escaped if it could not be written as one line.
fn kept(text: &[u8]) -> OneLine {
    OneLine::new(text).unwrap_or_else(|| OneLine::escaped(text))
}

fn set<T>(field: &mut T, value: Option<T>) -> bool {
    match value {
        Some(value) => {
            *field = value;
            true
        }
        None => false,
    }
}

fn number<T: TryFrom<u64>>(digits: &[u8]) -> Option<T> {
    T::try_from(ascii::parse_decimal(digits)?).ok()
}

fn flag(value: &[u8]) -> Option<bool> {
    match value {
        b"0" => Some(false),
        b"1" => Some(true),
        _ => None,
    }
}

/// The trimmed value of a line that is the field of that name.
pub(super) fn value_of<'a>(line: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let rest = line.strip_prefix(PREFIX.as_bytes())?;
    let rest = rest.strip_prefix(name.as_bytes())?.strip_prefix(b":")?;
    Some(ascii::trim(rest.strip_suffix(b"\r").unwrap_or(rest)))
}

fn one_line(value: impl Into<Vec<u8>>, name: &'static str) -> Result<OneLine, Malformed> {
    let value = value.into();
    if value.len() > LINE_OCTETS_MAX {
        return Err(Malformed::LineTooLong);
    }
    OneLine::new(value).ok_or(Malformed::BadValue(name))
}
