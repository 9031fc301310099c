//! Holding, releasing, retrying and deleting.

use std::io::Write;

use crate::cli::tool::{self, Failure};
use crate::store::{Change, Entry, Outcome, Queue, State};

use super::json::Object;
use super::list::each;
use super::{Form, Request};

/// Changes messages; the exit status is not 0 unless all could be.
pub(super) fn change(
    request: &Request,
    queue: &Queue,
    change: Change,
    entries: &[&Entry],
    output: &mut dyn Write,
) -> Result<u8, Failure> {
    let (mut meant, mut status) = (Vec::new(), 0);
    let by_id = !request.ids.is_empty();
    // Without the ids to say so, what cannot be changed is not meant.
    let fits = |entry: &&&Entry| by_id || applies(change, entry.state);
    let entries: Vec<&Entry> = entries.iter().filter(fits).copied().collect();
    let entries = beside_copies(entries);
    if by_id {
        is_plain(&entries)?;
    }
    if request.filter.is_by_state_only() {
        meant.extend(entries.iter().map(|entry| (*entry).clone()));
    } else {
        status = each(request, queue, &entries, &mut |entry, _| {
            meant.push(entry.clone());
            Ok(())
        })?;
    }
    for entry in &meant {
        let result = match request.dry_run {
            true => Ok(None),
            false => queue.change(entry, change).map(Some),
        };
        let (word, reason) = match result {
            Ok(None) => ("would be", String::new()),
            Ok(Some(outcome)) => words(outcome),
            Err(error) => ("failed", error.to_string()),
        };
        if !matches!(word, "would be" | "done" | "already") {
            status = 1;
        }
        let text = match request.form {
            Form::Json => json(entry, change, word, &reason),
            Form::Narrow | Form::Wide => line(entry, change, word, &reason),
        };
        let written = output.write_all(text.as_bytes());
        written.map_err(|error| tool::cannot_write(&error))?;
    }
    if !request.dry_run {
        queue.sync().map_err(|error| Failure::new(&error))?;
    }
    Ok(status)
}

/// Whether the change makes sense for messages in that state.
fn applies(change: Change, state: State) -> bool {
    match change {
        Change::Hold => matches!(state, State::Ready | State::Bad),
        Change::Release => state == State::Held,
        Change::Retry => matches!(state, State::Ready | State::Bad),
        Change::Delete => matches!(state, State::Ready | State::Held | State::Bad),
    }
}

/// Without the copies for local recipients of messages that are there themselves.
fn beside_copies(entries: Vec<&Entry>) -> Vec<&Entry> {
    let all = entries.clone();
    let is_copy = |entry: &&Entry| {
        entry.state == State::Local
            && all
                .iter()
                .any(|other| other.id == entry.id && other.state != State::Local)
    };
    entries
        .into_iter()
        .filter(|entry| !is_copy(entry))
        .collect()
}

/// Refuses ids that are there in several states.
fn is_plain(entries: &[&Entry]) -> Result<(), Failure> {
    for pair in entries.windows(2) {
        if let [first, second] = pair
            && first.id == second.id
            && first.state != second.state
        {
            return Err(Failure::usage(format!(
                "{} is both {} and {}: say by --state which is meant",
                first.id,
                first.state.as_str(),
                second.state.as_str()
            )));
        }
    }
    Ok(())
}

fn words(outcome: Outcome) -> (&'static str, String) {
    match outcome {
        Outcome::Done => ("done", String::new()),
        Outcome::Already => ("already", String::new()),
        Outcome::InUse => (
            "busy",
            "it is being stored, forwarded or changed at the moment".to_owned(),
        ),
        Outcome::Gone => ("gone", "it is no longer as it was found".to_owned()),
        Outcome::Refused(reason) => ("refused", reason.to_string()),
    }
}

fn line(entry: &Entry, change: Change, word: &str, reason: &str) -> String {
    let (infinitive, participle) = match change {
        Change::Hold => ("hold", "held"),
        Change::Release => ("release", "released"),
        Change::Retry => ("retry", "retried"),
        Change::Delete => ("delete", "deleted"),
    };
    let id = &entry.id;
    match word {
        "done" => format!("{id}: {participle}\n"),
        "would be" => format!("{id}: would be {participle}\n"),
        "already" => format!("{id}: no need to {infinitive} it\n"),
        _ => format!("{id}: cannot {infinitive}: {reason}\n"),
    }
}

fn json(entry: &Entry, change: Change, word: &str, reason: &str) -> String {
    let mut object = Object::new();
    object.text("id", entry.id.to_string().as_bytes());
    object.text("state", entry.state.as_str().as_bytes());
    let change = match change {
        Change::Hold => "hold",
        Change::Release => "release",
        Change::Retry => "retry",
        Change::Delete => "delete",
    };
    object.text("change", change.as_bytes());
    object.text("result", word.as_bytes());
    if !reason.is_empty() {
        object.text("reason", reason.as_bytes());
    }
    object.into_line()
}
