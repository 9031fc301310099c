//! Finds the option that a misspelt name was probably meant to be.

use crate::config::option::Argument;
use crate::config::table;

/// Names longer than this have no near ones, and are not worth the comparing.
const NAME_MAX: usize = 40;

/// Fewer letters than this are not taken as the beginning of a name.
const BEGINNING_MIN: usize = 3;

/// The option that is meant, without dashes: one that the name is the beginning
/// of, or one that differs in few letters; or, after `no-`, a flag to turn off.
pub(super) fn name(typed: &str) -> Option<String> {
    if typed.len() > NAME_MAX {
        return None;
    }
    let typed = typed
        .trim_start_matches('-')
        .to_ascii_lowercase()
        .replace('_', "-");
    if let Some(option) = typed.strip_prefix("no-").and_then(table::find) {
        let is_flag = option.argument == Argument::None;
        return is_flag.then(|| format!("{}=no", option.long));
    }
    let most = edits_max(typed.len());
    let distance = |long: &str| {
        if typed.len() >= BEGINNING_MIN && long.starts_with(&typed) {
            return Some(1);
        }
        // Each letter too many or too few is an edit; files may be full of wrong names.
        let is_near = typed.len().abs_diff(long.len()) <= most;
        let distance = is_near.then(|| edits(typed.as_bytes(), long.as_bytes()));
        distance.filter(|distance| *distance <= most)
    };
    table::options()
        .filter_map(|option| Some((distance(option.long)?, option.long)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, long)| long.to_owned())
}

/// How many letters may be wrong in a name of that length.
fn edits_max(length: usize) -> usize {
    match length {
        0..=2 => 0,
        3..=5 => 1,
        6..=9 => 2,
        _ => 3,
    }
}

/// The least number of letters to insert, delete or replace to make one of the
/// other (Levenshtein's distance), by one row of the usual table.
fn edits(left: &[u8], right: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, from) in left.iter().enumerate() {
        let mut diagonal = index;
        let mut beside = index + 1;
        if let Some(first) = row.first_mut() {
            *first = beside;
        }
        for (above, to) in row.iter_mut().skip(1).zip(right) {
            let replaced = diagonal + usize::from(from != to);
            diagonal = *above;
            beside = replaced.min(beside + 1).min(*above + 1);
            *above = beside;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_edits() {
        for (left, right, count) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("port", "port", 0),
            ("prot", "port", 2),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(edits(left.as_bytes(), right.as_bytes()), count);
        }
    }

    #[test]
    fn finds_what_was_meant() {
        for (typed, meant) in [
            ("prt", Some("port")),
            ("PORT", Some("port")),
            ("--port", Some("port")),
            ("spool_dir", Some("spool-dir")),
            ("spooldir", Some("spool-dir")),
            ("as-servr", Some("as-server")),
            ("anon", Some("anonymous")),
            ("forward-on-disconect", Some("forward-on-disconnect")),
            ("no-log", Some("log=no")),
            ("no-verbose", Some("verbose=no")),
            ("no-port", None),
            ("nonsense", None),
            ("p", None),
            ("", None),
        ] {
            assert_eq!(name(typed).as_deref(), meant, "{typed}");
        }
        assert_eq!(name(&"x".repeat(1 << 20)), None);
    }
}
