//! Totals by state and by age.

use std::io::Write;

use crate::cli::tool::{self, Failure};
use crate::cli::units;
use crate::store::{Entry, Queue, State};

use super::json::Object;
use super::list::each;
use super::{Form, Request};

/// Up to which age, in seconds, and what that is called; older ones come last.
const AGES: [(i64, &str); 7] = [
    (5 * 60, "5m"),
    (60 * 60, "1h"),
    (6 * 60 * 60, "6h"),
    (24 * 60 * 60, "1d"),
    (3 * 24 * 60 * 60, "3d"),
    (7 * 24 * 60 * 60, "7d"),
    (i64::MAX, "older"),
];

/// What is counted of the messages of one state.
#[derive(Clone, Copy, Default)]
struct Count {
    messages: u64,
    octets: u64,
    oldest: i64,
    by_age: [u64; AGES.len()],
}

/// Counts messages.
pub(super) fn stats(
    request: &Request,
    queue: &Queue,
    entries: &[&Entry],
    output: &mut dyn Write,
) -> Result<u8, Failure> {
    let mut counts = [Count::default(); State::ALL.len()];
    let status = each(request, queue, entries, &mut |entry, details| {
        let age = request.now.saturating_sub(details.arrived).max(0);
        if let Some(count) = counts.get_mut(entry.state as usize) {
            count.add(age, details.octets.unwrap_or(0));
        }
        Ok(())
    })?;
    let text = match request.form {
        Form::Json => json(&counts).into_line(),
        Form::Narrow | Form::Wide => table(&counts),
    };
    let written = output.write_all(text.as_bytes());
    written.map_err(|error| tool::cannot_write(&error))?;
    Ok(status)
}

impl Count {
    fn add(&mut self, age: i64, octets: u64) {
        self.messages += 1;
        self.octets = self.octets.saturating_add(octets);
        self.oldest = self.oldest.max(age);
        let place = AGES.iter().position(|(max, _)| age <= *max);
        if let Some(count) = place.and_then(|place| self.by_age.get_mut(place)) {
            *count += 1;
        }
    }
}

fn table(counts: &[Count; State::ALL.len()]) -> String {
    let mut text = format!(
        "{:<6} {:>8} {:>6} {:>6}",
        "STATE", "MESSAGES", "SIZE", "OLDEST"
    );
    for (_, name) in AGES {
        text += &format!(" {name:>6}");
    }
    text.push('\n');
    for (state, count) in State::ALL.iter().zip(counts) {
        let oldest = match count.messages {
            0 => "-".to_owned(),
            _ => units::age(count.oldest),
        };
        text += &format!(
            "{:<6} {:>8} {:>6} {oldest:>6}",
            state.as_str(),
            count.messages,
            units::size(count.octets),
        );
        for number in count.by_age {
            text += &format!(" {number:>6}");
        }
        text.push('\n');
    }
    text
}

fn json(counts: &[Count; State::ALL.len()]) -> Object {
    let mut object = Object::new();
    for (state, count) in State::ALL.iter().zip(counts) {
        let mut one = Object::new();
        one.number("messages", count.messages);
        one.number("octets", count.octets);
        one.number("oldest_age", count.oldest);
        let mut ages = Object::new();
        for ((_, name), number) in AGES.iter().zip(count.by_age) {
            ages.number(name, number);
        }
        one.object("by_age", ages);
        object.object(state.as_str(), one);
    }
    object
}
