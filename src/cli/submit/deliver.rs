//! From standard input to the spool.

use std::io::{self, Write};

use crate::base::{OneLine, ascii};
use crate::proto::header_section::{Field, HeaderSection, Taken};
use crate::proto::stuff::{Framing, Stuffer};
use crate::store::{
    self, Commit, Encoding, Envelope, Left, Receipt, Spool, Staged, StoredId, Suffix, Writer,
};
use crate::sys::{self, stderr, time};

use super::compose::{self, Facts, Recipients};
use super::input::{Input, Line};
use super::options::TOOL;
use super::problem::{Kind, Problem};
use super::{Report, Submission};

/// The largest header section, in octets: as the SMTP server has it.
const HEADER_MAX: usize = 1 << 20;

/// How many messages one can become.
const MESSAGES_MAX: usize = 100;

/// A message that is being written.
struct Message {
    writer: Writer,
    envelope: Envelope,
}

/// Reads a message and stores it.
pub(super) fn submit(submission: &Submission) -> Result<(), Problem> {
    let spool = submission.place.open()?;
    let source = submission.source.open()?;
    let source = Box::new(io::Read::chain(
        io::Cursor::new(submission.lines.clone()),
        source,
    ));
    let mut input = Input::new(source, submission.ends_at_dot);
    let (mut header, first) = read_header(&mut input)?;
    let own_name = needs_name(submission).then(|| submission.place.own_name());
    let domain = own_name.as_ref().filter(|_| submission.qualify);
    let recipients = compose::recipients(submission, &mut header, domain)?;
    let sender = compose::sender(submission, &header, domain)?;
    let own_name = own_name.unwrap_or_else(|| OneLine::escaped("localhost"));
    let mut messages = begin(submission, &spool, &header, &recipients, &sender, &own_name)?;
    let is_ascii = write_body(&mut input, first, &mut messages)?;
    let commits: Vec<Commit> = messages
        .into_iter()
        .map(|message| message.into_commit(is_ascii))
        .collect();
    let results = match submission.copy {
        true => commits.into_iter().map(|one| copy(&spool, one)).collect(),
        false => {
            let results = store::commit(commits).into_iter();
            let problem = |error| Problem::of_store(Kind::Temporary, &error);
            results.map(|result| result.map_err(problem)).collect()
        }
    };
    conclude(results, &spool, submission.report)
}

/// Whether what this host is called has to be found out.
fn needs_name(submission: &Submission) -> bool {
    submission.qualify || submission.additions.message_id || submission.additions.received
}

/// Reads the header section; and the first line of the body if it came without an
/// empty line before it.
fn read_header(input: &mut Input) -> Result<(HeaderSection, Vec<u8>), Problem> {
    let mut header = HeaderSection::default();
    loop {
        let line = input
            .line(HEADER_MAX)
            .map_err(|error| cannot_read(&error))?;
        let line = match line {
            Line::End => return Ok((header, Vec::new())),
            Line::TooLong => return Err(Problem::data("the header section is too long")),
            Line::Text(line) => line,
        };
        match header.take(&line) {
            Taken::Field if header.octets() > HEADER_MAX => {
                return Err(Problem::data("the header section is too long"));
            }
            Taken::Field => {}
            Taken::End => return Ok((header, Vec::new())),
            Taken::Body => return Ok((header, [&line, &b"\r\n"[..]].concat())),
        }
    }
}

fn cannot_read(error: &io::Error) -> Problem {
    let reason = sys::reason(error);
    Problem::new(
        Kind::InputOutput,
        format!("cannot read the message: {reason}"),
    )
}

/// Begins the messages that the submission becomes, with their header sections.
fn begin(
    submission: &Submission,
    spool: &Spool,
    header: &HeaderSection,
    recipients: &Recipients,
    sender: &OneLine,
    own_name: &OneLine,
) -> Result<Vec<Message>, Problem> {
    let Recipients { shared, blind } = recipients;
    if blind.len() >= MESSAGES_MAX {
        let text = format!("more than {} blind recipients", MESSAGES_MAX - 1);
        return Err(Problem::data(text));
    }
    let shared = (!shared.is_empty()).then_some((shared.as_slice(), None));
    let blind = blind
        .iter()
        .map(|one| (std::slice::from_ref(one), Some(one)));
    let mut messages = Vec::new();
    for (recipients, bcc) in shared.into_iter().chain(blind) {
        let mut writer = spool.create();
        let mut own = header.clone();
        let facts = Facts {
            id: &writer.id().clone(),
            domain: own_name,
            sender,
            recipients: if bcc.is_some() { &[] } else { recipients },
            full_name: submission.full_name.as_deref(),
            date: time::wall_clock(),
        };
        compose::complete(&mut own, submission.additions, &facts);
        if let Some(address) = bcc {
            own.append(Field::new("Bcc", address.as_bytes()));
        }
        let text = own.to_bytes();
        writer
            .append(&text)
            .map_err(|error| Problem::of_store(Kind::Temporary, &error))?;
        let mut envelope = envelope(submission, sender, recipients);
        if !text.is_ascii() {
            envelope.encoding = Encoding::EightBit;
        }
        messages.push(Message { writer, envelope });
    }
    Ok(messages)
}

fn envelope(submission: &Submission, sender: &OneLine, recipients: &[OneLine]) -> Envelope {
    let is_ascii = |address: &OneLine| address.as_bytes().is_ascii();
    Envelope {
        encoding: Encoding::SevenBit,
        reverse_path: sender.clone(),
        remote_recipients: recipients.to_vec(),
        authentication: submission.authentication.clone(),
        client_address: OneLine::escaped("127.0.0.1"),
        mail_auth_in: submission.mail_auth_in.clone(),
        mail_auth_out: submission.mail_auth_out.clone(),
        // RFC 6531 3.1: such addresses need SMTPUTF8.
        utf8: !is_ascii(sender) || !recipients.iter().all(is_ascii),
        ..Envelope::default()
    }
}

/// Writes the body to all messages, in lines with CRLF; whether it is ASCII.
fn write_body(
    input: &mut Input,
    first: Vec<u8>,
    messages: &mut [Message],
) -> Result<bool, Problem> {
    let mut stuffer = Stuffer::new(Framing::Counted);
    let mut is_ascii = true;
    let mut piece = Some(first);
    while let Some(octets) = piece {
        let mut clean = Vec::new();
        stuffer.push(&octets, &mut clean);
        is_ascii &= clean.is_ascii();
        append(&clean, messages)?;
        piece = input.piece().map_err(|error| cannot_read(&error))?;
    }
    let mut end = Vec::new();
    stuffer.finish(&mut end);
    append(&end, messages)?;
    Ok(is_ascii)
}

fn append(octets: &[u8], messages: &mut [Message]) -> Result<(), Problem> {
    for message in messages {
        let appended = message.writer.append(octets);
        appended.map_err(|error| Problem::of_store(Kind::Temporary, &error))?;
    }
    Ok(())
}

impl Message {
    fn into_commit(mut self, is_ascii: bool) -> Commit {
        if !is_ascii {
            self.envelope.encoding = Encoding::EightBit;
        }
        Commit {
            writer: self.writer,
            last: Vec::new(),
            envelope: self.envelope,
        }
    }
}

/// Stores a message for all sub-directories.
fn copy(spool: &Spool, commit: Commit) -> Result<Receipt, Problem> {
    let problem = |error| Problem::of_store(Kind::Temporary, &error);
    let octets = commit.writer.octets();
    let staged = Staged::write(commit).map_err(problem)?;
    let id = staged.id().clone();
    let suffix = Suffix::EnvelopeNew;
    let scattered = store::scatter(&directory_of(spool, &id), &id, suffix).map_err(problem)?;
    if let Err(error) = scattered.removed {
        // The copies are there to stay; what is left is put in order by a relay.
        notice(&error.to_string());
    }
    match staged.reread(true, &|_, _| Ok(())).map_err(problem)? {
        Left::Taken => Ok(Receipt {
            id,
            octets,
            is_local: false,
        }),
        Left::Message(_) | Left::Mess(_) => {
            Err(Problem::new(Kind::System, "the envelope cannot be removed"))
        }
    }
}

fn directory_of(spool: &Spool, id: &StoredId) -> std::path::PathBuf {
    let content = spool.path_of(id, Suffix::Content);
    content.parent().map(Into::into).unwrap_or_default()
}

/// Says what was stored. If only some messages could be stored that is a failure.
fn conclude(
    results: Vec<Result<Receipt, Problem>>,
    spool: &Spool,
    report: Report,
) -> Result<(), Problem> {
    let (mut stored, mut failed) = (Vec::new(), None);
    for result in results {
        match result {
            Ok(receipt) => stored.push(receipt.id),
            Err(problem) => failed = failed.or(Some(problem)),
        }
    }
    if failed.is_some() {
        for id in &stored {
            notice(&format!("stored all the same: {id}"));
        }
    }
    if let Err(error) = tell(&stored, spool, report) {
        // The messages are stored; who is told otherwise sends them again.
        notice(&format!("cannot write: {}", sys::reason(&error)));
    }
    failed.map_or(Ok(()), Err)
}

fn tell(stored: &[StoredId], spool: &Spool, report: Report) -> io::Result<()> {
    let mut output = io::stdout().lock();
    for id in stored {
        let path = spool.path_of(id, Suffix::Content);
        let text = match report {
            Report::Nothing => continue,
            Report::Path => path.into_os_string(),
            Report::FileName => path.file_name().unwrap_or_default().to_owned(),
        };
        let line = ascii::escape(text.as_encoded_bytes()) + "\n";
        output.write_all(line.as_bytes())?;
    }
    output.flush()
}

fn notice(text: &str) {
    stderr::write_line(&format!("{}: {text}", TOOL.name));
}
