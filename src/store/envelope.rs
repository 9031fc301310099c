//! The envelope file: who a message is from, whom it is for, how it came.
//!
//! Written as format `#2821.6`: each field on a line of its own, in a fixed
//! order, with CRLF. What readers of that format do not know (attempts, failures,
//! the fields of later formats) stands after the `End` line, where they skip it.
//! Formats `#2821.3` to `#2821.8` are read. See `docs/spool.md` for the fields.
//!
//! Reading is strict about which fields there are before `End`, since one that we
//! do not know may change where the message goes, and lenient about line ends,
//! blanks and folding.

mod parse;
mod trailer;

use std::fmt;

use crate::base::{OneLine, ascii};

pub use parse::Malformed;

/// The most octets of an envelope file.
pub const ENVELOPE_OCTETS_MAX: usize = 4 << 20;

/// The most octets of one value, or of one line after `End`.
pub const LINE_OCTETS_MAX: usize = 64 << 10;

/// The most recipients of a message, local and remote together.
pub const RECIPIENTS_MAX: usize = 100_000;

/// The most octets of a reason or reply that is written to an envelope.
pub const REASON_OCTETS_MAX: usize = 1000;

const PREFIX: &str = "X-MailRelay-";

/// What is known of the octets of the content (RFC 6152, RFC 3030).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Encoding {
    /// Lines of ASCII.
    SevenBit,
    /// Lines with octets above 127.
    EightBit,
    /// Octets that need not be lines; E-MailRelay 2.4 reads it as unknown.
    Binary,
    /// Not known.
    #[default]
    Unknown,
}

/// A message's envelope. Paths are without their angle brackets.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Envelope {
    /// What is known of the octets of the content.
    pub encoding: Encoding,
    /// The reverse-path; empty for the null one.
    pub reverse_path: OneLine,
    /// Mailboxes here that the message is for.
    pub local_recipients: Vec<OneLine>,
    /// Forward-paths that the message is to be forwarded to.
    pub remote_recipients: Vec<OneLine>,
    /// Who submitted the message, as xtext; empty if nobody authenticated.
    pub authentication: OneLine,
    /// The submitting client's address, without a port.
    pub client_address: OneLine,
    /// The lines of the client's certificate (PEM), if it showed one.
    pub client_certificate: Vec<OneLine>,
    /// The AUTH parameter that MAIL came with: xtext, `<>` or empty.
    pub mail_auth_in: OneLine,
    /// The AUTH parameter to send with MAIL: xtext, `<>`, or empty for the default.
    pub mail_auth_out: OneLine,
    /// What the message is to be routed by, as xtext; usually empty.
    pub forward_to: OneLine,
    /// The next hop for this message alone, as `host:port`; usually empty.
    pub forward_to_address: OneLine,
    /// Which of several client accounts to forward with; usually empty.
    pub client_account_selector: OneLine,
    /// Whether mailbox names may have octets above 127 (RFC 6531).
    pub utf8: bool,
    /// The attempts to forward it so far.
    pub attempts: Attempts,
    /// Forward-paths that were refused for good while others of the message still
    /// wait; not among [`Envelope::remote_recipients`].
    pub failed_recipients: Vec<OneLine>,
    /// All other lines after `End`, as they stand in the file.
    pub trailer: Vec<OneLine>,
}

/// How often it was attempted to forward a message, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Attempts {
    /// How often; with zero the rest means nothing.
    pub count: u32,
    /// When last, in seconds since 1970.
    pub last: i64,
    /// What was answered then.
    pub reply: OneLine,
    /// Not before when to try again, in seconds since 1970; 0 for any time.
    pub next: i64,
    /// For how many seconds it has been tried, as far as that counts towards giving up.
    pub spent: u64,
}

/// Why a message failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// What was answered, or what happened.
    pub text: OneLine,
    /// The reply code; none if it was not a reply.
    pub code: Option<u16>,
}

/// An envelope that no reader would take back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unprintable {
    /// More than [`RECIPIENTS_MAX`] recipients.
    Recipients,
    /// A value or line of more than [`LINE_OCTETS_MAX`] octets.
    Line,
    /// More than [`ENVELOPE_OCTETS_MAX`] octets in all.
    Envelope,
}

impl Envelope {
    /// Reads an envelope file.
    pub fn parse(text: &[u8]) -> Result<Envelope, Malformed> {
        parse::envelope(text)
    }

    /// The file's text.
    pub fn print(&self) -> Result<Vec<u8>, Unprintable> {
        let recipients = self.local_recipients.len() + self.remote_recipients.len();
        if recipients + self.failed_recipients.len() > RECIPIENTS_MAX {
            return Err(Unprintable::Recipients);
        }
        let mut printer = Printer::default();
        printer.field("Format", b"#2821.6");
        printer.field("Content", self.encoding.as_str().as_bytes());
        printer.field("From", self.reverse_path.as_bytes());
        printer.field("ToCount", recipients.to_string().as_bytes());
        printer.fields("To-Local", &self.local_recipients);
        printer.fields("To-Remote", &self.remote_recipients);
        printer.field("Authentication", self.authentication.as_bytes());
        printer.field("Client", self.client_address.as_bytes());
        printer.folded("ClientCertificate", &self.client_certificate);
        printer.field("MailFromAuthIn", self.mail_auth_in.as_bytes());
        printer.field("MailFromAuthOut", self.mail_auth_out.as_bytes());
        printer.field("ForwardTo", self.forward_to.as_bytes());
        printer.field("ForwardToAddress", self.forward_to_address.as_bytes());
        printer.field("End", b"1");
        self.print_trailer(&mut printer);
        printer.finish()
    }

    /// Notes why the message failed.
    pub fn add_reason(&mut self, reason: &Reason) {
        self.trailer.extend(reason.lines());
    }

    fn print_trailer(&self, printer: &mut Printer) {
        self.trailer
            .iter()
            .for_each(|line| printer.line("", line.as_bytes()));
        if !self.client_account_selector.is_empty() {
            let selector = self.client_account_selector.as_bytes();
            printer.field("ClientAccountSelector", selector);
        }
        if self.utf8 {
            printer.field("Utf8MailboxNames", b"1");
        }
        if self.attempts.count > 0 {
            printer.field("Attempts", self.attempts.count.to_string().as_bytes());
            printer.field("LastAttempt", self.attempts.last.to_string().as_bytes());
            printer.field("LastReply", bounded(&self.attempts.reply).as_bytes());
            if self.attempts.next != 0 {
                printer.field("NextAttempt", self.attempts.next.to_string().as_bytes());
            }
            if self.attempts.spent != 0 {
                printer.field("RetryTime", self.attempts.spent.to_string().as_bytes());
            }
        }
        printer.fields("FailedRecipient", &self.failed_recipients);
    }
}

impl Reason {
    /// A reason that is not a reply.
    pub fn without_code(text: impl AsRef<[u8]>) -> Reason {
        Reason {
            text: OneLine::escaped(text),
            code: None,
        }
    }

    /// The two lines that note it after `End`.
    pub(super) fn lines(&self) -> [OneLine; 2] {
        let code = self.code.map(|code| format!(" {code}")).unwrap_or_default();
        let text = bounded(&self.text);
        let reason = [PREFIX.as_bytes(), b"Reason: ", text.as_bytes()].concat();
        let code = format!("{PREFIX}ReasonCode:{code}");
        [reason, code.into_bytes()]
            .map(|line| OneLine::new(line).expect("invariant: made of parts without line breaks"))
    }
}

impl Encoding {
    /// The word for it in the file.
    fn as_str(self) -> &'static str {
        match self {
            Encoding::SevenBit => "7bit",
            Encoding::EightBit => "8bit",
            Encoding::Binary => "binarymime",
            Encoding::Unknown => "unknown",
        }
    }

    fn parse(word: &[u8]) -> Encoding {
        match word {
            b"7bit" => Encoding::SevenBit,
            b"8bit" => Encoding::EightBit,
            b"binarymime" => Encoding::Binary,
            _ => Encoding::Unknown,
        }
    }
}

impl fmt::Display for Unprintable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unprintable::Recipients => f.write_str("too many recipients"),
            Unprintable::Line => f.write_str("value too long"),
            Unprintable::Envelope => f.write_str("envelope too long"),
        }
    }
}

impl std::error::Error for Unprintable {}

/// At most [`REASON_OCTETS_MAX`] octets of a text, without blanks at its ends: they would
/// not be read again.
fn bounded(text: &OneLine) -> OneLine {
    let mut text = text.clone();
    text.truncate(REASON_OCTETS_MAX);
    OneLine::new(ascii::trim(text.as_bytes())).expect("invariant: a part of one line")
}

/// Writes lines and remembers whether one was too long.
#[derive(Default)]
struct Printer {
    text: Vec<u8>,
    too_long: bool,
}

impl Printer {
    fn field(&mut self, name: &str, value: &[u8]) {
        self.text.extend_from_slice(PREFIX.as_bytes());
        self.text.extend_from_slice(name.as_bytes());
        self.line(": ", value);
    }

    fn fields(&mut self, name: &str, values: &[OneLine]) {
        values
            .iter()
            .for_each(|value| self.field(name, value.as_bytes()));
    }

    /// A value of several lines; each but the first starts with a blank.
    fn folded(&mut self, name: &str, values: &[OneLine]) {
        let (first, rest) = match values.split_first() {
            Some((first, rest)) => (first.as_bytes(), rest),
            None => (b"".as_slice(), values),
        };
        self.field(name, first);
        rest.iter().for_each(|line| self.line(" ", line.as_bytes()));
    }

    fn line(&mut self, start: &str, value: &[u8]) {
        self.too_long |= value.len() > LINE_OCTETS_MAX;
        self.text.extend_from_slice(start.as_bytes());
        self.text.extend_from_slice(value);
        self.text.extend_from_slice(b"\r\n");
    }

    fn finish(self) -> Result<Vec<u8>, Unprintable> {
        if self.too_long {
            return Err(Unprintable::Line);
        }
        match self.text.len() > ENVELOPE_OCTETS_MAX {
            true => Err(Unprintable::Envelope),
            false => Ok(self.text),
        }
    }
}

#[cfg(test)]
mod tests;
