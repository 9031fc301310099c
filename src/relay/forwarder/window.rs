//! The part of the queue that is known: ids, oldest first. It is filled again as it
//! runs out, with what comes after the last one, so a queue of any length is worked
//! off from its beginning to its end, and no message is met twice unless the pass
//! looks through the queue again.

use std::collections::VecDeque;

use crate::store::{READY_MAX, StoredId};

/// How many messages are looked at in one go.
pub(super) const SURVEY_MAX: usize = 250;

/// The ids of the queue that are known but have not been looked at.
#[derive(Debug)]
pub(super) struct Window {
    ids: VecDeque<StoredId>,
    last: Option<StoredId>,
    /// Whether there is nothing after the last one.
    is_whole: bool,
    is_scanning: bool,
    is_surveying: bool,
}

/// What the window needs.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// These messages are to be looked at.
    Survey(Vec<StoredId>),
    /// The queue is to be read on after that one, for so many at most.
    More(StoredId, usize),
}

impl Window {
    /// A window whose first scan is under way.
    pub(super) fn new() -> Window {
        Window {
            ids: VecDeque::new(),
            last: None,
            is_whole: false,
            is_scanning: true,
            is_surveying: false,
        }
    }

    /// Takes in a part of the queue; of what the pass has not got already, so many at
    /// most.
    pub(super) fn scanned(
        &mut self,
        (ready, is_whole): (Vec<StoredId>, bool),
        max: usize,
        is_known: impl Fn(&StoredId) -> bool,
    ) {
        self.is_scanning = false;
        self.is_whole = is_whole || ready.is_empty();
        let mut last = None;
        for id in ready {
            if is_known(&id) {
                last = Some(id);
            } else if self.ids.len() < max {
                last = None;
                self.ids.push_back(id);
            } else {
                self.is_whole = false;
                break;
            }
        }
        let newest = last.or_else(|| self.ids.back().cloned());
        self.last = newest.or(self.last.take());
    }

    /// What was to be looked at has been.
    pub(super) fn surveyed(&mut self) {
        self.is_surveying = false;
    }

    /// What is needed next, if so many messages are sorted and wait.
    pub(super) fn need(&mut self, sorted: usize) -> Option<Need> {
        if !self.ids.is_empty() && !self.is_surveying {
            self.is_surveying = true;
            let count = SURVEY_MAX.min(self.ids.len());
            return Some(Need::Survey(self.ids.drain(..count).collect()));
        }
        let is_short = self.ids.is_empty() && sorted < READY_MAX / 2;
        let is_busy = self.is_scanning || self.is_surveying;
        let last = self.last.as_ref();
        let last = last.filter(|_| is_short && !is_busy && !self.is_whole)?;
        self.is_scanning = true;
        Some(Need::More(last.clone(), READY_MAX - sorted))
    }

    /// How many messages have not been looked at.
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether something is under way.
    pub(super) fn is_busy(&self) -> bool {
        self.is_scanning || self.is_surveying
    }

    /// Whether all of the queue has been looked at.
    pub(super) fn is_done(&self) -> bool {
        self.is_whole && self.ids.is_empty() && !self.is_busy()
    }

    /// Forgets the rest of the queue, and returns how many messages of it were known.
    pub(super) fn stop(&mut self) -> usize {
        self.is_whole = true;
        std::mem::take(&mut self.ids).len()
    }

    /// What was under way will not come back.
    pub(super) fn forget_jobs(&mut self) {
        (self.is_scanning, self.is_surveying) = (false, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(numbers: std::ops::Range<usize>) -> Vec<StoredId> {
        let name = |number: usize| format!("emailrelay.1.{number}.1");
        let id = |number| StoredId::parse(name(number).as_bytes()).unwrap();
        numbers.map(id).collect()
    }

    /// Works a queue off with a scan that gives so many at most; says what was
    /// looked at, and how many ids were known at once.
    fn work_off(queue: &[StoredId], scan_max: usize) -> (Vec<StoredId>, usize, usize) {
        let (mut window, mut seen, mut known_max, mut scans) = (Window::new(), Vec::new(), 0, 1);
        let first = scan_max.min(queue.len());
        let is_whole = queue.len() < scan_max;
        window.scanned((queue[..first].to_vec(), is_whole), READY_MAX, |_| false);
        while !window.is_done() {
            known_max = known_max.max(window.len());
            match window.need(0) {
                Some(Need::Survey(ids)) => {
                    assert!(ids.len() <= SURVEY_MAX);
                    seen.extend(ids);
                    window.surveyed();
                }
                Some(Need::More(last, max)) => {
                    scans += 1;
                    let start = queue.iter().position(|id| *id == last).unwrap() + 1;
                    let end = queue.len().min(start + max.min(scan_max));
                    let part = queue[start..end].to_vec();
                    let is_whole = part.len() < max.min(scan_max);
                    window.scanned((part, is_whole), READY_MAX, |_| false);
                }
                None => panic!("stuck"),
            }
        }
        (seen, known_max, scans)
    }

    #[test]
    fn a_long_queue_is_worked_off_once_in_parts() {
        let queue = ids(0..10_000);
        for scan_max in [700, 5000, 9999, 10_000, 10_001] {
            let (seen, known_max, scans) = work_off(&queue, scan_max);
            assert!(seen == queue, "{scan_max}");
            assert!(known_max <= scan_max);
            assert!(scans <= 10_000 / scan_max + 1, "{scans}");
        }
        assert_eq!(work_off(&[], 10), (Vec::new(), 0, 1));
    }

    #[test]
    fn no_more_is_read_as_long_as_enough_waits() {
        let mut window = Window::new();
        assert_eq!(window.need(0), None);
        window.scanned((ids(0..10), false), READY_MAX, |_| false);
        assert!(matches!(window.need(0), Some(Need::Survey(ids)) if ids.len() == 10));
        assert_eq!(window.need(0), None);
        window.surveyed();
        assert_eq!(window.need(READY_MAX / 2), None);
        let Some(Need::More(last, max)) = window.need(READY_MAX / 2 - 1) else {
            panic!("nothing is needed");
        };
        assert_eq!((last, max), (ids(9..10).remove(0), READY_MAX / 2 + 1));
        assert!(window.is_busy() && window.need(0).is_none());
    }

    #[test]
    fn what_the_pass_has_got_is_passed_over_and_no_more_taken_than_there_is_room_for() {
        let mut window = Window::new();
        let known = ids(0..3);
        let is_known = |id: &StoredId| known.contains(id);
        window.scanned((ids(0..10), true), 4, is_known);
        assert_eq!((window.len(), window.is_whole), (4, false));
        assert_eq!(window.need(0), Some(Need::Survey(ids(3..7))));
        window.surveyed();
        let last = ids(6..7).remove(0);
        assert_eq!(window.need(0), Some(Need::More(last, READY_MAX)));
        // All that is there may be known; the end is the end.
        window.scanned((ids(0..3), false), 4, is_known);
        assert!(matches!(window.need(0), Some(Need::More(last, _)) if last == known[2]));
        window.scanned((ids(0..3), true), 4, is_known);
        assert!(window.is_done());
    }
}
