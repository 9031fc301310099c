//! All that is known of a message.

use std::io::{self, Write};

use crate::base::{OneLine, ascii};
use crate::cli::tool::Failure;
use crate::cli::units;
use crate::store::{Details, Entry, Envelope, Queue};

use super::list::{self, each};
use super::{Form, Request, notice};

/// How much of the content is read at a time, in octets.
const CHUNK: usize = 64 << 10;

/// How long a line of the content gets before it is broken, in octets.
const LINE_MAX: usize = 4096;

/// Shows messages one after the other.
pub(super) fn show(
    request: &Request,
    queue: &Queue,
    entries: &[&Entry],
    output: &mut dyn Write,
) -> Result<u8, Failure> {
    let mut status = 0;
    let looked = each(request, queue, entries, &mut |entry, details| {
        if request.form == Form::Json {
            let line = list::json(request, entry, details).into_line();
            output.write_all(line.as_bytes())?;
        } else {
            output.write_all(fields(request, entry, details).as_bytes())?;
        }
        if request.with_content {
            status = status.max(content(queue, entry, output)?);
        }
        Ok(())
    })?;
    Ok(status.max(looked))
}

fn fields(request: &Request, entry: &Entry, details: &Details) -> String {
    let mut text = String::new();
    let mut field = |name: &str, value: &str| text += &format!("{name:<15} {value}\n");
    field("id", &entry.id.to_string());
    field("state", entry.state.as_str());
    let age = request.now.saturating_sub(details.arrived);
    field("age", &units::age(age));
    match details.octets {
        Some(octets) => field("octets", &octets.to_string()),
        None => field("octets", "there is no content"),
    }
    match &details.envelope {
        Err(reason) => field("envelope", &reason.to_string()),
        Ok(envelope) => describe(request, envelope, &mut field),
    }
    text.push('\n');
    text
}

fn describe(request: &Request, envelope: &Envelope, field: &mut dyn FnMut(&str, &str)) {
    field("from", &format!("<{}>", envelope.reverse_path));
    for recipient in &envelope.remote_recipients {
        field("to", &format!("<{recipient}>"));
    }
    for recipient in &envelope.failed_recipients {
        field("failed", &format!("<{recipient}>"));
    }
    for recipient in &envelope.local_recipients {
        field("to local", &recipient.to_string());
    }
    let mut unless_empty = |name: &str, value: &OneLine| {
        if !value.is_empty() {
            field(name, &value.to_string());
        }
    };
    unless_empty("client", &envelope.client_address);
    unless_empty("authentication", &envelope.authentication);
    unless_empty("auth in", &envelope.mail_auth_in);
    unless_empty("auth out", &envelope.mail_auth_out);
    unless_empty("forward to", &envelope.forward_to);
    unless_empty("next hop", &envelope.forward_to_address);
    unless_empty("account", &envelope.client_account_selector);
    let attempts = &envelope.attempts;
    if attempts.count > 0 {
        let ago = units::age(request.now.saturating_sub(attempts.last));
        field(
            "attempts",
            &format!("{}, the last {ago} ago", attempts.count),
        );
        field("last reply", &attempts.reply.to_string());
    }
    if attempts.next > request.now {
        let left = units::age(attempts.next.saturating_sub(request.now));
        field("next attempt", &format!("in {left}"));
    }
    for reason in envelope.reasons() {
        let code = reason.code.map(|code| format!("{code} "));
        field(
            "reason",
            &format!("{}{}", code.unwrap_or_default(), reason.text),
        );
    }
}

/// Writes the content, line by line, with what is not printable escaped.
fn content(queue: &Queue, entry: &Entry, output: &mut dyn Write) -> io::Result<u8> {
    let fail = |text: &str| {
        notice(text);
        Ok(1)
    };
    let mut content = match queue.content(entry) {
        Ok(Some(content)) => content,
        Ok(None) => return fail(&format!("{}: there is no content", entry.id)),
        Err(error) => return fail(&error.to_string()),
    };
    let (mut buffer, mut line) = (vec![0; CHUNK], Vec::new());
    loop {
        let count = match content.read(&mut buffer) {
            Ok(count) => count,
            Err(error) => return fail(&error.to_string()),
        };
        for octet in buffer.iter().take(count) {
            line.push(*octet);
            if *octet == b'\n' || line.len() == LINE_MAX {
                write_line(&mut line, output)?;
            }
        }
        if count == 0 {
            break;
        }
    }
    if !line.is_empty() {
        write_line(&mut line, output)?;
    }
    output.write_all(b"\n")?;
    Ok(0)
}

fn write_line(line: &mut Vec<u8>, output: &mut dyn Write) -> io::Result<()> {
    let text = line.strip_suffix(b"\n").unwrap_or(line);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    output.write_all(ascii::escape(text).as_bytes())?;
    output.write_all(b"\n")?;
    line.clear();
    Ok(())
}
