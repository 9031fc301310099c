//! What sessions learn about next hops, for those that come after them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::net::address::Target;
use crate::proto::smtp::client::{IN_FLIGHT_MAX, Settings};
use crate::relay::limits::HOPS_REMEMBERED_MAX;

/// What is known of next hops. Sessions of the loop share it; the lock is never
/// waited for.
#[derive(Debug, Default)]
pub struct Memory {
    hops: Mutex<HashMap<Target, Hop>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Hop {
    /// Whether it offers CHUNKING and does not know BDAT.
    refuses_chunks: bool,
    /// How many messages it is trusted with at a time.
    window: usize,
}

impl Default for Hop {
    fn default() -> Hop {
        Hop {
            refuses_chunks: false,
            window: IN_FLIGHT_MAX,
        }
    }
}

impl Memory {
    /// The settings for a session with that next hop.
    pub fn apply(&self, target: &Target, settings: &Settings) -> Settings {
        let hop = self.with(|hops| hops.get(target).copied().unwrap_or_default());
        Settings {
            chunking: settings.chunking && !hop.refuses_chunks,
            in_flight_max: settings.in_flight_max.min(hop.window),
            ..settings.clone()
        }
    }

    /// It offers CHUNKING and does not know BDAT.
    pub fn refuses_chunks(&self, target: &Target) {
        self.change(target, |hop| hop.refuses_chunks = true);
    }

    /// It has broken off with several messages on their way, which are in doubt now:
    /// from now on there is one at a time.
    pub fn broke_off(&self, target: &Target) {
        self.change(target, |hop| hop.window = 1);
    }

    /// A session with it went well to its end.
    pub fn went_well(&self, target: &Target) {
        let is_restricted = self.with(|hops| hops.contains_key(target));
        if is_restricted {
            self.change(target, |hop| {
                hop.window = (hop.window * 2).min(IN_FLIGHT_MAX)
            });
        }
    }

    fn change(&self, target: &Target, change: impl FnOnce(&mut Hop)) {
        self.with(|hops| {
            if hops.len() >= HOPS_REMEMBERED_MAX && !hops.contains_key(target) {
                // Whoever is forgotten will be learnt about again.
                hops.clear();
            }
            change(hops.entry(target.clone()).or_default());
        });
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<Target, Hop>) -> T) -> T {
        // What a panic may have left behind is a hop that is known or not.
        let mut hops = self.hops.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut hops)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::OneLine;

    fn settings() -> Settings {
        Settings {
            chunking: true,
            ..Settings::new(OneLine::default())
        }
    }

    fn target(port: usize) -> Target {
        Target::parse(&format!("127.0.0.1:{port}")).unwrap()
    }

    fn window(memory: &Memory, port: usize) -> usize {
        memory.apply(&target(port), &settings()).in_flight_max
    }

    #[test]
    fn confidence_is_lost_at_once_and_comes_back_slowly() {
        let memory = Memory::default();
        assert_eq!(window(&memory, 1), IN_FLIGHT_MAX);
        memory.broke_off(&target(1));
        assert_eq!((window(&memory, 1), window(&memory, 2)), (1, IN_FLIGHT_MAX));
        memory.went_well(&target(1));
        assert_eq!(window(&memory, 1), 2);
        (0..10).for_each(|_| memory.went_well(&target(1)));
        assert_eq!(window(&memory, 1), IN_FLIGHT_MAX);
    }

    #[test]
    fn chunks_are_not_offered_twice() {
        let memory = Memory::default();
        memory.refuses_chunks(&target(1));
        assert!(!memory.apply(&target(1), &settings()).chunking);
        assert!(memory.apply(&target(2), &settings()).chunking);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let memory = Memory::default();
        for port in 1..=HOPS_REMEMBERED_MAX + 1 {
            memory.broke_off(&target(port));
            assert_eq!(window(&memory, port), 1);
        }
        assert!(memory.hops.lock().unwrap().len() <= HOPS_REMEMBERED_MAX);
        memory.went_well(&target(60_000));
        assert_eq!(memory.hops.lock().unwrap().len(), 1);
    }
}
