//! A stateful adversary: random walks over the alphabets of SMTP and POP3, compared
//! step by step with small models of what the standards allow.
//!
//! A walk is a list of steps that comes of a seed alone. It is taken in memory against
//! the machines (thousands of walks, with time that is only said to pass) and over TCP
//! against the program, with several sessions, kills and restarts. After each step the
//! model says what may be heard; in the end it says what has to be in the spool or the
//! maildrop. When a walk goes wrong, steps are dropped for as long as it still does,
//! and what is left is shown with its seed.
//!
//! The seeds are fixed, unless `EMAILRELAY_ADVERSARY_SEED` names the first one.
//! `EMAILRELAY_ADVERSARY_MINUTES` has each test go on for so long.
//!
//! That all this can fail was tried with changes to the machines made by hand, and all
//! were found: docs/testing.md says which.

// What is asked after a kill is asked where programs can be killed.
#![cfg_attr(not(unix), allow(dead_code))]

#[cfg(unix)]
mod lives;
mod pop;
mod sasl;
mod smtp;

use std::env;
use std::fmt::{self, Debug, Formatter};
use std::panic::{self, AssertUnwindSafe};
use std::time::{Duration, Instant};

/// How many attempts may be made to shorten a walk.
const ATTEMPTS_MAX: usize = 2000;

/// Octets that are shown as text, those of long ones at both ends.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Octets(Vec<u8>);

impl Debug for Octets {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let octets = &self.0;
        match octets.len() {
            0..400 => write!(f, "\"{}\"", octets.escape_ascii()),
            count => {
                let (start, end) = (&octets[..200], &octets[count - 100..]);
                let (start, end) = (start.escape_ascii(), end.escape_ascii());
                write!(f, "{count} octets: \"{start} ... {end}\"")
            }
        }
    }
}

/// Takes so many walks, each made of a seed, and fails with the first that goes wrong.
fn explore<S: Clone + Debug>(
    count: u64,
    make: impl Fn(u64) -> Vec<S>,
    take: impl Fn(u64, &[S]) -> Result<(), String>,
) {
    let number = |name: &str| env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let first = number("EMAILRELAY_ADVERSARY_SEED").unwrap_or(1);
    let minutes = number("EMAILRELAY_ADVERSARY_MINUTES");
    let until = minutes.map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    for seed in first.. {
        let is_enough = match until {
            Some(until) => Instant::now() >= until,
            None => seed - first >= count,
        };
        if is_enough {
            eprintln!("{} walks", seed - first);
            return;
        }
        let steps = make(seed);
        let take = |steps: &[S]| contained(|| take(seed, steps));
        if let Err(problem) = take(&steps) {
            let (steps, problem) = shortened(steps, problem, &take);
            let steps: Vec<String> = steps.iter().map(|step| format!("  {step:?}")).collect();
            panic!("seed {seed}: {problem}\nafter\n{}", steps.join("\n"));
        }
    }
}

/// The same with a panic for an error.
fn contained(take: impl Fn() -> Result<(), String>) -> Result<(), String> {
    panic::catch_unwind(AssertUnwindSafe(take)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(text.unwrap_or_else(|| "a panic".to_owned()))
    })
}

/// Drops steps, many at a time at first, as long as the walk still goes wrong.
fn shortened<S: Clone>(
    mut steps: Vec<S>,
    mut problem: String,
    take: &impl Fn(&[S]) -> Result<(), String>,
) -> (Vec<S>, String) {
    let mut size = steps.len();
    let mut attempts = 0;
    while size > 0 {
        let mut at = 0;
        while at < steps.len() && attempts < ATTEMPTS_MAX {
            let mut fewer = steps.clone();
            fewer.drain(at..steps.len().min(at + size));
            attempts += 1;
            match take(&fewer) {
                Err(other) => (steps, problem) = (fewer, other),
                Ok(()) => at += size,
            }
        }
        size /= 2;
    }
    (steps, problem)
}

#[test]
fn walks_are_shortened_to_what_matters() {
    let steps: Vec<u32> = (0..100).collect();
    let take = |steps: &[u32]| match steps.contains(&17) && steps.contains(&71) {
        true => Err("both".to_owned()),
        false => Ok(()),
    };
    let (steps, problem) = shortened(steps, "both".to_owned(), &take);
    assert_eq!((steps, problem.as_str()), (vec![17, 71], "both"));
}
