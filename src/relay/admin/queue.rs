//! What administrators want of the queue, done by workers.

use crate::base::{OneLine, WallClock};
use crate::proto::admin::{Listing, Verb};
use crate::store::{
    self, Attempts, Change, Details, Entry, Outcome, Queue, Spool, State, StoredId,
};
use crate::warning;

/// How many recipients of a message, and how many of its failures, are shown.
pub const SHOWN_MAX: usize = 100;

/// How many messages a list has at most.
pub const LIST_MAX: usize = store::READY_MAX;

/// Something to be done.
pub struct Job {
    /// The spool.
    pub spool: Spool,
    /// What.
    pub task: Task,
}

/// What is to be done.
pub enum Task {
    /// List messages.
    List(Listing),
    /// Make all messages that have failed ready again.
    UnfailAll,
    /// Do something with one message, by its id as it was typed.
    Message(Verb, OneLine),
}

/// What came of it.
pub enum Done {
    /// The messages, at most [`LIST_MAX`], and how many more there are.
    Listed(Vec<StoredId>, usize),
    /// Lines that tell of a message.
    Shown(Vec<OneLine>),
    /// It is done, and told by nothing.
    Unfailed,
    /// It is done.
    Changed,
    /// It could not be done, for this reason.
    Failed(OneLine),
}

impl Job {
    /// Does it. Blocks.
    pub fn run(self) -> Done {
        let result = self.spool.queue().and_then(|queue| match self.task {
            Task::List(listing) => Ok(list(&queue, listing)),
            Task::UnfailAll => unfail_all(&queue),
            Task::Message(Verb::Show, id) => show(&queue, &id),
            Task::Message(Verb::Hold, id) => change(&queue, &id, Change::Hold),
            Task::Message(Verb::Release, id) => change(&queue, &id, Change::Release),
            Task::Message(Verb::Retry, id) => change(&queue, &id, Change::Retry),
            Task::Message(Verb::Delete, id) => change(&queue, &id, Change::Delete),
        });
        result.unwrap_or_else(|error| Done::Failed(OneLine::escaped(error.to_string())))
    }
}

fn list(queue: &Queue, listing: Listing) -> Done {
    let wanted = match listing {
        Listing::Ready => State::Ready,
        Listing::Failed => State::Bad,
    };
    let mut all = queue.entries().iter().filter(|one| one.state == wanted);
    let listed = all.by_ref().take(LIST_MAX).map(|one| one.id.clone());
    let listed = listed.collect();
    Done::Listed(listed, all.count())
}

fn unfail_all(queue: &Queue) -> Result<Done, store::Error> {
    let (mut failures, mut total) = (0, 0);
    for entry in queue.entries().iter().filter(|one| one.state == State::Bad) {
        total += 1;
        let trouble = match queue.change(entry, Change::Retry) {
            Ok(Outcome::Done | Outcome::Already | Outcome::Gone) => continue,
            Ok(Outcome::InUse) => "somebody has it in hand".to_owned(),
            Ok(Outcome::Refused(reason)) => reason.to_string(),
            Err(error) => error.to_string(),
        };
        failures += 1;
        warning!("cannot unfail {}: {trouble}", entry.id);
    }
    queue.sync()?;
    Ok(match failures {
        0 => Done::Unfailed,
        failures => Done::Failed(OneLine::escaped(format!(
            "{failures} of {total} messages are still failed: the log says why"
        ))),
    })
}

/// The states of a message that are looked at first, if it has several.
const PREFERRED: [State; 4] = [State::Ready, State::Held, State::Bad, State::Busy];

/// The message of that id, as it was typed: as the id is, or as lists show it. Ids
/// are compared with those of the queue, and never become part of a path.
fn find<'a>(queue: &'a Queue, typed: &OneLine) -> Option<&'a Entry> {
    let parsed = StoredId::parse(typed.as_bytes());
    let found = parsed.map_or(&[][..], |id| queue.find(&id));
    let found = match found {
        [] => {
            let is_shown_so = |one: &&Entry| one.id.to_string().as_bytes() == typed.as_bytes();
            let shown = queue.entries().iter().find(is_shown_so);
            shown.map_or(&[][..], |one| queue.find(&one.id))
        }
        found => found,
    };
    let preferred = PREFERRED.into_iter();
    preferred
        .filter_map(|state| found.iter().find(|one| one.state == state))
        .next()
        .or(found.first())
}

fn failed(reason: &str) -> Done {
    Done::Failed(OneLine::escaped(reason))
}

fn change(queue: &Queue, typed: &OneLine, change: Change) -> Result<Done, store::Error> {
    let Some(entry) = find(queue, typed) else {
        return Ok(failed("no such message"));
    };
    Ok(match queue.change(entry, change)? {
        Outcome::Done => {
            queue.sync()?;
            Done::Changed
        }
        Outcome::Already => failed("it is so already"),
        Outcome::InUse => failed("somebody has it in hand"),
        Outcome::Gone => failed("it has just gone"),
        Outcome::Refused(reason) => Done::Failed(reason),
    })
}

fn show(queue: &Queue, typed: &OneLine) -> Result<Done, store::Error> {
    let Some(entry) = find(queue, typed) else {
        return Ok(failed("no such message"));
    };
    Ok(match queue.inspect(entry)? {
        Some(details) => Done::Shown(lines(entry, &details)),
        None => failed("it has just gone"),
    })
}

fn lines(entry: &Entry, details: &Details) -> Vec<OneLine> {
    let mut lines = vec![
        format!("id: {}", entry.id),
        format!("state: {}", entry.state.as_str()),
        format!("arrived: {}", date(details.arrived)),
    ];
    lines.push(match details.octets {
        Some(octets) => format!("size: {octets}"),
        None => "size: there is no content".to_owned(),
    });
    match &details.envelope {
        Err(reason) => lines.push(format!("envelope: {reason}")),
        Ok(envelope) => {
            lines.push(format!("from: <{}>", envelope.reverse_path));
            let local = envelope.local_recipients.iter();
            let all: Vec<_> = local.chain(&envelope.remote_recipients).collect();
            let shown = all.iter().take(SHOWN_MAX);
            lines.extend(shown.map(|path| format!("to: <{path}>")));
            if all.len() > SHOWN_MAX {
                lines.push(format!("to: {} more", all.len() - SHOWN_MAX));
            }
            lines.extend(attempts(&envelope.attempts));
            let trailer = envelope.trailer.iter().take(SHOWN_MAX);
            lines.extend(trailer.map(|line| format!("note: {line}")));
        }
    }
    // What came from the envelope has been escaped for showing already.
    lines.into_iter().filter_map(OneLine::new).collect()
}

fn attempts(attempts: &Attempts) -> Vec<String> {
    match attempts.count {
        0 => Vec::new(),
        count => vec![
            format!("attempts: {count}"),
            format!("last-attempt: {}", date(attempts.last)),
            format!("last-reply: {}", attempts.reply),
        ],
    }
}

/// A time as people read it, in UTC; bounded, since an envelope may say anything.
fn date(unix_seconds: i64) -> String {
    match unix_seconds {
        0..=253_402_300_799 => WallClock {
            unix_ms: unix_seconds * 1000,
            zone_minutes: 0,
        }
        .mail_date(),
        _ => unix_seconds.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Envelope, State, StoredId};

    #[test]
    fn only_so_much_of_a_message_is_shown() {
        let many = |name: &str| vec![OneLine::escaped(name); SHOWN_MAX + 5];
        let envelope = Envelope {
            remote_recipients: many("a@x.test"),
            trailer: many("X: y"),
            ..Envelope::default()
        };
        let entry = Entry {
            id: StoredId::parse(b"emailrelay.1.2.3").unwrap(),
            state: State::Ready,
        };
        let details = Details {
            envelope: Ok(envelope),
            octets: None,
            arrived: 0,
        };
        let lines = lines(&entry, &details);
        let count = |start: &str| {
            let those = lines
                .iter()
                .filter(|line| line.to_string().starts_with(start));
            those.count()
        };
        assert_eq!((count("to: <"), count("note: ")), (SHOWN_MAX, SHOWN_MAX));
        assert_eq!(count("to: 5 more"), 1);
    }
}
