//! How many octets a content is on the wire.
//!
//! Content that a filter or a person has edited may have line ends that are repaired
//! when it is sent, so the size of the file is not enough. It is read to be sure, but
//! only once as long as it does not change.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::error::{At, Error, Operation};
use super::fs::{File, Metadata};
use super::spool;

/// How many contents are remembered; with one more all are forgotten.
pub(super) const MEASURES_MAX: usize = 100_000;

/// For how many seconds after a change another one might not show in a file's times.
const SETTLED_AFTER: i64 = 2;

/// How much is read at once, in octets.
const PIECE: usize = 32 * 1024;

/// What contents measure, by the file's identity.
#[derive(Default)]
pub(super) struct Measures(Mutex<HashMap<(u64, u64), Measure>>);

/// What a content measures, and as of when.
struct Measure {
    octets: u64,
    modified: i64,
    changed: i64,
    on_the_wire: u64,
}

impl Measures {
    /// What that file measured last, if it has not changed since.
    pub(super) fn known(&self, metadata: &Metadata) -> Option<u64> {
        let measures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let measure = measures.get(&metadata.identity)?;
        let is_same = measure.octets == metadata.octets
            && measure.modified == metadata.modified
            && measure.changed == metadata.changed;
        is_same.then_some(measure.on_the_wire)
    }

    /// Remembers what a file measures, unless it was changed so lately that another
    /// change would not show.
    fn remember(&self, metadata: &Metadata, on_the_wire: u64) {
        let now = i64::try_from(spool::unix_seconds()).unwrap_or(i64::MAX);
        if metadata.changed.max(metadata.modified) >= now - SETTLED_AFTER {
            return;
        }
        let mut measures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if measures.len() >= MEASURES_MAX {
            measures.clear();
        }
        let measure = Measure {
            octets: metadata.octets,
            modified: metadata.modified,
            changed: metadata.changed,
            on_the_wire,
        };
        measures.insert(metadata.identity, measure);
    }

    /// What a file measures that has just been opened: reads all of it, unless that
    /// is known.
    pub(super) fn measure(
        &self,
        file: &mut dyn File,
        name: &[u8],
        buffer: &mut Vec<u8>,
    ) -> Result<u64, Error> {
        let metadata = file.metadata().at(Operation::Examine, name)?;
        if let Some(known) = self.known(&metadata) {
            return Ok(known);
        }
        let mut counter = Counter::default();
        let mut left = metadata.octets;
        buffer.resize(PIECE, 0);
        while left > 0 {
            let count = file.read(buffer).at(Operation::Read, name)?;
            if count == 0 {
                break;
            }
            counter.count(&buffer[..count]);
            left = left.saturating_sub(count as u64);
        }
        let on_the_wire = counter.total();
        if left == 0 {
            self.remember(&metadata, on_the_wire);
        }
        Ok(on_the_wire)
    }
}

/// Counts octets as they are once every line ends in CRLF, the last one, too.
#[derive(Default)]
struct Counter {
    octets: u64,
    after_cr: bool,
    in_line: bool,
}

impl Counter {
    fn count(&mut self, piece: &[u8]) {
        for octet in piece {
            let is_end = matches!(octet, b'\r' | b'\n');
            self.octets += match octet {
                b'\n' if self.after_cr => 0,
                _ if is_end => 2,
                _ => 1,
            };
            self.in_line = !is_end;
            self.after_cr = *octet == b'\r';
        }
    }

    fn total(&self) -> u64 {
        self.octets + if self.in_line { 2 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::super::faulty::Faulty;
    use super::super::fs::{Fs, Kind};
    use super::*;

    #[test]
    fn counts_what_is_sent_however_it_is_cut() {
        for (content, expected) in [
            ("", 0),
            ("a", 3),
            ("a\r\n", 3),
            ("a\n", 3),
            ("a\r", 3),
            ("a\r\r\nb", 8),
            ("a\n\rb\n", 8),
            (".\r\n..\r\n", 7),
            ("\n\n", 4),
        ] {
            for piece in 1..=content.len().max(1) {
                let mut counter = Counter::default();
                content
                    .as_bytes()
                    .chunks(piece)
                    .for_each(|octets| counter.count(octets));
                assert_eq!(counter.total(), expected, "{content:?} by {piece}");
            }
        }
    }

    #[test]
    fn reads_once_as_long_as_nothing_changes() {
        let (disk, measures) = (Faulty::new(), Measures::default());
        let measure = |name: &str| {
            let mut file = disk.open_read(name.as_bytes()).unwrap();
            disk.set_fault(super::super::faulty::Fault::None);
            let total = measures
                .measure(file.as_mut(), name.as_bytes(), &mut Vec::new())
                .unwrap();
            (total, disk.trace().contains(&"read"))
        };
        disk.plant("old", Kind::File, b"a\nb\n");
        disk.make_old("old");
        assert_eq!(measure("old"), (6, true));
        assert_eq!(measure("old"), (6, false));
        // Too young to be sure of.
        disk.plant("young", Kind::File, b"a\n");
        assert_eq!(measure("young"), (3, true));
        assert_eq!(measure("young"), (3, true));
        disk.plant("old", Kind::File, b"a\nb\nc\n");
        assert_eq!(measure("old"), (9, true));
    }

    #[test]
    fn remembers_a_bounded_number() {
        let measures = Measures::default();
        let of = |number: u64| Metadata {
            kind: Kind::File,
            identity: (1, number),
            links: 1,
            octets: 1,
            modified: 0,
            changed: 0,
            owner: 0,
            group: 0,
            mode: 0,
        };
        for number in 0..MEASURES_MAX as u64 {
            measures.remember(&of(number), 3);
        }
        assert_eq!(measures.known(&of(0)), Some(3));
        measures.remember(&of(MEASURES_MAX as u64), 3);
        assert_eq!(measures.known(&of(0)), None);
        assert_eq!(measures.0.lock().unwrap().len(), 1);
    }
}
