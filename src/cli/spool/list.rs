//! The list of messages.

use std::io::{self, Write};

use crate::base::OneLine;
use crate::cli::tool::{self, Failure};
use crate::cli::units;
use crate::store::{Details, Entry, Envelope, Queue};

use super::json::Object;
use super::{Form, Request, notice};

/// How wide the list is, in characters.
const WIDTH: usize = 80;

/// How many recipients of a message the wide form shows.
const RECIPIENTS_SHOWN_MAX: usize = 20;

/// Shows the messages that the filter lets through.
pub(super) fn list(
    request: &Request,
    queue: &Queue,
    entries: &[&Entry],
    output: &mut dyn Write,
) -> Result<u8, Failure> {
    let (mut count, mut octets) = (0u64, 0u64);
    let status = each(request, queue, entries, &mut |entry, details| {
        if count == 0 && request.form != Form::Json {
            output.write_all(HEADING.as_bytes())?;
        }
        count += 1;
        octets = octets.saturating_add(details.octets.unwrap_or(0));
        let text = match request.form {
            Form::Json => json(request, entry, details).into_line(),
            Form::Wide => wide(request, entry, details),
            Form::Narrow => narrow(request, entry, details),
        };
        output.write_all(text.as_bytes())
    })?;
    if request.form != Form::Json {
        let total = match count {
            0 => "no messages\n".to_owned(),
            1 => format!("1 message, {} octets\n", units::size(octets)),
            _ => format!("{count} messages, {} octets\n", units::size(octets)),
        };
        let written = output.write_all(total.as_bytes());
        written.map_err(|error| tool::cannot_write(&error))?;
    }
    Ok(status)
}

/// Looks at messages in turn, and does something for each that the filter lets
/// through. The exit status is not 0 if one could not be looked at.
pub(super) fn each(
    request: &Request,
    queue: &Queue,
    entries: &[&Entry],
    action: &mut dyn FnMut(&Entry, &Details) -> io::Result<()>,
) -> Result<u8, Failure> {
    let mut status = 0;
    for entry in entries {
        match queue.inspect(entry) {
            Ok(Some(details)) if request.filter.lets_through(&details) => {
                action(entry, &details).map_err(|error| tool::cannot_write(&error))?;
            }
            // Changed since the directory was read, or not meant.
            Ok(_) => {}
            Err(error) => {
                notice(&error.to_string());
                status = 1;
            }
        }
    }
    Ok(status)
}

const HEADING: &str = "\
ID                                           STATE   AGE  SIZE TRIES NEXT
";

/// What both forms for people begin with.
fn start(request: &Request, entry: &Entry, details: &Details) -> String {
    let size = details.octets.map_or_else(|| "?".to_owned(), units::size);
    let attempts = details
        .envelope
        .as_ref()
        .map_or(0, |one| one.attempts.count);
    let next = details.envelope.as_ref().map_or(0, |one| one.attempts.next);
    let is_due = next <= request.now;
    let next = (!is_due).then(|| units::age(next.saturating_sub(request.now)));
    let line = format!(
        "{:<44} {:<5} {:>5} {size:>5} {attempts:>5} {}",
        entry.id.to_string(),
        entry.state.as_str(),
        units::age(request.now.saturating_sub(details.arrived)),
        next.unwrap_or_default(),
    );
    line.trim_end().to_owned()
}

/// Up to three lines: the message, its addresses, and what was last heard of it.
fn narrow(request: &Request, entry: &Entry, details: &Details) -> String {
    let mut text = clipped(&start(request, entry, details), WIDTH) + "\n";
    match &details.envelope {
        Err(reason) => text += &(clipped(&format!("  {reason}"), WIDTH) + "\n"),
        Ok(envelope) => {
            // More than fit are not even put together.
            let shown = addresses(envelope, WIDTH);
            text += &(clipped(&format!("  {shown}"), WIDTH) + "\n");
            if let Some(reply) = last_reply(envelope) {
                text += &(clipped(&format!("  {reply}"), WIDTH) + "\n");
            }
        }
    }
    text
}

fn wide(request: &Request, entry: &Entry, details: &Details) -> String {
    let start = format!("{:<74}", start(request, entry, details));
    match &details.envelope {
        Err(reason) => format!("{start} {reason}\n"),
        Ok(envelope) => {
            let addresses = addresses(envelope, RECIPIENTS_SHOWN_MAX);
            let reply = last_reply(envelope).map(|reply| format!(" ({reply})"));
            format!("{start} {addresses}{}\n", reply.unwrap_or_default())
        }
    }
}

/// Who the message is from and for, with at most so many recipients.
fn addresses(envelope: &Envelope, recipients_max: usize) -> String {
    let local = envelope.local_recipients.iter();
    let all = local.chain(&envelope.remote_recipients);
    let count = envelope.local_recipients.len() + envelope.remote_recipients.len();
    let shown: Vec<String> = all.take(recipients_max).map(OneLine::to_string).collect();
    let more = count.saturating_sub(recipients_max);
    let more = (more > 0).then(|| format!(", and {more} more"));
    format!(
        "<{}> -> {}{}",
        envelope.reverse_path,
        shown.join(", "),
        more.unwrap_or_default()
    )
}

/// What was last answered, or why the message failed.
pub(super) fn last_reply(envelope: &Envelope) -> Option<OneLine> {
    let reply = Some(&envelope.attempts.reply).filter(|reply| !reply.is_empty());
    reply
        .cloned()
        .or_else(|| envelope.reasons().last().map(|reason| reason.text.clone()))
}

/// The text, cut down to so many characters.
fn clipped(text: &str, width: usize) -> String {
    match text.char_indices().nth(width) {
        None => text.to_owned(),
        Some(_) => {
            let kept: String = text.chars().take(width - 3).collect();
            kept + "..."
        }
    }
}

/// All that is known of a message.
pub(super) fn json(request: &Request, entry: &Entry, details: &Details) -> Object {
    let mut object = Object::new();
    object.text("id", entry.id.to_string().as_bytes());
    object.text("state", entry.state.as_str().as_bytes());
    object.number("arrived", details.arrived);
    object.number("age", request.now.saturating_sub(details.arrived).max(0));
    if let Some(octets) = details.octets {
        object.number("octets", octets);
    }
    match &details.envelope {
        Err(reason) => object.text("error", reason.as_bytes()),
        Ok(envelope) => describe(envelope, &mut object),
    }
    object
}

fn describe(envelope: &Envelope, object: &mut Object) {
    let all = |lines: &'_ [OneLine]| lines.iter().map(|one| one.as_bytes().to_vec()).collect();
    let mut list = |name, lines: &[OneLine]| {
        let lines: Vec<Vec<u8>> = all(lines);
        object.texts(name, lines.iter().map(Vec::as_slice));
    };
    list("to", &envelope.remote_recipients);
    list("local", &envelope.local_recipients);
    list("failed", &envelope.failed_recipients);
    object.text("from", envelope.reverse_path.as_bytes());
    object.text("client", envelope.client_address.as_bytes());
    object.number("attempts", envelope.attempts.count);
    if envelope.attempts.count > 0 {
        object.number("last_attempt", envelope.attempts.last);
    }
    if envelope.attempts.next != 0 {
        object.number("next_attempt", envelope.attempts.next);
    }
    if let Some(reply) = last_reply(envelope) {
        object.text("last_reply", reply.as_bytes());
    }
    let reasons = envelope.reasons();
    object.texts("reasons", reasons.iter().map(|one| one.text.as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_cut_at_characters() {
        assert_eq!(clipped("abc", 3), "abc");
        assert_eq!(clipped("abcdefgh", 6), "abc...");
        assert_eq!(clipped("éééééé", 5), "éé...");
    }
}
