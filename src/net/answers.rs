//! What names were looked up lately, so that many connections to one host do not ask
//! for its addresses again and again.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::address::HostPort;
use super::resolver::{Family, ResolveError, resolve};

/// How long an answer is used. Short, since a host that moves has its reasons; a
/// failure is not remembered at all.
pub const USED_FOR: Duration = Duration::from_secs(30);

/// How many answers are remembered.
pub const COUNT_MAX: usize = 200;

/// Answers of the resolver.
#[derive(Debug, Default)]
pub struct Answers {
    known: Mutex<HashMap<Question, Answer>>,
}

type Question = (HostPort, Option<Family>);

#[derive(Debug)]
struct Answer {
    addresses: Vec<SocketAddr>,
    since: Instant,
}

impl Answers {
    /// As [`resolve`], with an answer that may be [`USED_FOR`] old.
    pub fn resolve(
        &self,
        target: &HostPort,
        family: Option<Family>,
        now: Instant,
    ) -> Result<Vec<SocketAddr>, ResolveError> {
        self.find(target, family, now, resolve)
    }

    fn find(
        &self,
        target: &HostPort,
        family: Option<Family>,
        now: Instant,
        look_up: impl FnOnce(&HostPort, Option<Family>) -> Result<Vec<SocketAddr>, ResolveError>,
    ) -> Result<Vec<SocketAddr>, ResolveError> {
        let question = (target.clone(), family);
        let is_fresh = |answer: &Answer| now.saturating_duration_since(answer.since) < USED_FOR;
        let lock = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = lock().get(&question).filter(|answer| is_fresh(answer)) {
            return Ok(answer.addresses.clone());
        }
        // Unlocked meanwhile, as it may take long.
        let addresses = look_up(target, family)?;
        let mut known = lock();
        known.retain(|_, answer| is_fresh(answer));
        if known.len() < COUNT_MAX {
            let answer = Answer {
                addresses: addresses.clone(),
                since: now,
            };
            known.insert(question, answer);
        }
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// Asks, and says whether the resolver was asked.
    fn ask(answers: &Answers, text: &str, now: Instant) -> bool {
        let asked = Cell::new(false);
        let address = SocketAddr::from(([127, 0, 0, 1], 25));
        let found = answers.find(&HostPort::parse(text).unwrap(), None, now, |_, _| {
            asked.set(true);
            Ok(vec![address])
        });
        assert_eq!(found.unwrap(), [address]);
        asked.get()
    }

    #[test]
    fn an_answer_is_used_for_a_short_time() {
        let (answers, now) = (Answers::default(), Instant::now());
        assert!(ask(&answers, "a.test:25", now));
        assert!(!ask(&answers, "a.test:25", now));
        assert!(!ask(
            &answers,
            "a.test:25",
            now + USED_FOR - Duration::from_millis(1)
        ));
        assert!(ask(&answers, "a.test:26", now));
        assert!(ask(&answers, "b.test:25", now));
        assert!(ask(&answers, "a.test:25", now + USED_FOR));
    }

    #[test]
    fn a_failure_is_not_remembered() {
        let (answers, now) = (Answers::default(), Instant::now());
        let target = HostPort::parse("[fe80::1%no-such-zone]:25").unwrap();
        for _ in 0..2 {
            assert!(answers.resolve(&target, None, now).is_err());
        }
        assert!(answers.known.lock().unwrap().is_empty());
    }

    #[test]
    fn a_bounded_number_of_answers_is_remembered() {
        let (answers, now) = (Answers::default(), Instant::now());
        for number in 0..2 * COUNT_MAX {
            assert!(ask(&answers, &format!("h{number}.test:25"), now));
        }
        assert_eq!(answers.known.lock().unwrap().len(), COUNT_MAX);
        assert!(ask(&answers, "later.test:25", now + USED_FOR));
        assert_eq!(answers.known.lock().unwrap().len(), 1);
    }
}
