//! Which next hops are left alone for a while, because they could not be reached or
//! would not have us.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::base::OneLine;
use crate::net::address::Target;

/// How long a next hop is left alone after it has failed for the first time; with
/// each further failure in a row the time doubles.
pub(super) const PAUSE_MIN: Duration = Duration::from_secs(2);

/// The same where it does not take our login: trying often looks like guessing, and
/// may get the account locked.
pub(super) const LOGIN_PAUSE_MIN: Duration = Duration::from_secs(60);

/// The longest that a next hop is left alone.
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(10 * 60);

/// The same where it does not take our login.
pub(super) const LOGIN_PAUSE_MAX: Duration = Duration::from_secs(60 * 60);

/// How many next hops are remembered; of more, those are forgotten whose time is
/// over first.
pub(super) const PAUSES_MAX: usize = 1000;

/// A next hop, and which of our accounts is used there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Hop {
    /// Where it is.
    pub(super) target: Target,
    /// The selector of the account.
    pub(super) selector: OneLine,
}

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It could not be reached, or broke off.
    Route,
    /// It was not tried at all, since its name was not looked up.
    Unknown,
    /// It did not take our login.
    Login,
}

/// All next hops that have failed lately.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    by_hop: HashMap<Hop, Pause>,
}

#[derive(Clone, Copy, Debug)]
struct Pause {
    trouble: Trouble,
    failures: u32,
    since: Instant,
    until: Instant,
}

impl Pauses {
    /// Notes a failure. The time is shortened by up to a quarter, by chance.
    pub(super) fn fail(&mut self, hop: Hop, trouble: Trouble, now: Instant, random: u64) {
        let earlier = self.by_hop.get(&hop).copied();
        let failures = earlier.map_or(1, |pause| pause.failures.saturating_add(1));
        let pause = Pause {
            trouble,
            failures,
            since: now,
            until: now + length(trouble, failures, random),
        };
        if earlier.is_none() && self.by_hop.len() >= PAUSES_MAX {
            // Before there is the new one, whose time may well be the shortest.
            let first = self.by_hop.iter().min_by_key(|(_, pause)| pause.until);
            if let Some(hop) = first.map(|(hop, _)| hop.clone()) {
                self.by_hop.remove(&hop);
            }
        }
        self.by_hop.insert(hop, pause);
    }

    /// Notes that the next hop has taken or refused a message.
    pub(super) fn succeed(&mut self, hop: &Hop) {
        if !self.by_hop.is_empty() {
            self.by_hop.remove(hop);
        }
    }

    /// Forgets about logins that were refused: the secrets are others now.
    pub(super) fn forget_logins(&mut self) {
        self.by_hop
            .retain(|_, pause| pause.trouble != Trouble::Login);
    }

    /// Whether the next hop may be tried. Where somebody has asked for it explicitly,
    /// at `asked`, only what has failed since then counts.
    pub(super) fn may_try(&self, hop: &Hop, now: Instant, asked: Option<Instant>) -> bool {
        self.by_hop.get(hop).is_none_or(|pause| match asked {
            Some(asked) => pause.since < asked,
            None => pause.until <= now,
        })
    }

    /// What was wrong with the next hop when it was last tried, as far as that is
    /// remembered.
    pub(super) fn trouble(&self, hop: &Hop) -> Option<Trouble> {
        self.by_hop.get(hop).map(|pause| pause.trouble)
    }

    /// When the next of these hops may be tried again; nothing where none of them
    /// is paused.
    pub(super) fn until(&self, hops: &[Hop]) -> Option<Instant> {
        let pauses = hops.iter().filter_map(|hop| self.by_hop.get(hop));
        pauses.map(|pause| pause.until).min()
    }
}

fn length(trouble: Trouble, failures: u32, random: u64) -> Duration {
    let (shortest, longest) = match trouble {
        Trouble::Route | Trouble::Unknown => (PAUSE_MIN, PAUSE_MAX),
        Trouble::Login => (LOGIN_PAUSE_MIN, LOGIN_PAUSE_MAX),
    };
    let factor = 1_u32.checked_shl(failures.saturating_sub(1));
    let full = shortest
        .saturating_mul(factor.unwrap_or(u32::MAX))
        .min(longest);
    let quarter = u64::try_from(full.as_millis() / 4).unwrap_or(0);
    full - Duration::from_millis(random % (quarter + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(port: u16) -> Hop {
        let target = Target::parse(&format!("127.0.0.1:{port}")).unwrap();
        let selector = OneLine::default();
        Hop { target, selector }
    }

    #[test]
    fn a_hop_that_fails_rests_longer_and_longer() {
        let (start, mut pauses) = (Instant::now(), Pauses::default());
        let mut now = start;
        let mut rests = Vec::new();
        for _ in 0..12 {
            assert!(pauses.may_try(&hop(1), now, None));
            pauses.fail(hop(1), Trouble::Route, now, 0);
            let until = pauses.until(&[hop(1), hop(2)]).unwrap();
            assert!(!pauses.may_try(&hop(1), until - Duration::from_millis(1), None));
            rests.push((until - now).as_secs());
            now = until;
        }
        assert_eq!(rests[..4], [2, 4, 8, 16]);
        assert_eq!(rests[8..], [512, 600, 600, 600]);
        pauses.succeed(&hop(1));
        pauses.fail(hop(1), Trouble::Route, now, 0);
        assert_eq!(pauses.until(&[hop(1)]), Some(now + PAUSE_MIN));
        assert!(pauses.may_try(&hop(2), now, None));
    }

    #[test]
    fn a_refused_login_is_not_tried_often() {
        let (mut now, mut pauses) = (Instant::now(), Pauses::default());
        let end = now + Duration::from_secs(24 * 60 * 60);
        let mut tries = 0;
        while now < end {
            tries += 1;
            pauses.fail(hop(1), Trouble::Login, now, 0);
            now = pauses.until(&[hop(1)]).unwrap();
        }
        assert!(tries < 32, "{tries}");
        pauses.forget_logins();
        assert!(pauses.may_try(&hop(1), now, None));
        pauses.fail(hop(1), Trouble::Route, now, 0);
        pauses.forget_logins();
        assert!(!pauses.may_try(&hop(1), now, None));
    }

    #[test]
    fn chance_shortens_a_pause_by_a_quarter_at_most() {
        for random in (0..10_000).chain([u64::MAX]) {
            let one = length(Trouble::Route, 3, random);
            assert!(one <= PAUSE_MIN * 4 && one >= PAUSE_MIN * 3, "{random}");
        }
    }

    #[test]
    fn who_asks_for_it_has_each_hop_tried_once() {
        let (start, mut pauses) = (Instant::now(), Pauses::default());
        let asked = start + Duration::from_secs(1);
        pauses.fail(hop(1), Trouble::Login, start, 0);
        assert!(!pauses.may_try(&hop(1), asked, None));
        assert!(pauses.may_try(&hop(1), asked, Some(asked)));
        pauses.fail(hop(1), Trouble::Login, asked, 0);
        assert!(!pauses.may_try(&hop(1), asked, Some(asked)));
    }

    #[test]
    fn a_bounded_number_of_hops_is_remembered() {
        let (start, mut pauses) = (Instant::now(), Pauses::default());
        for port in 1..=1500 {
            let now = start + Duration::from_millis(u64::from(port));
            pauses.fail(hop(port), Trouble::Route, now, 0);
        }
        assert_eq!(pauses.by_hop.len(), PAUSES_MAX);
        assert!(pauses.until(&[hop(1500)]).is_some());
        assert!(pauses.until(&[hop(1)]).is_none());
    }

    #[test]
    fn a_hop_that_has_just_failed_is_remembered_whatever_the_others_do() {
        let (now, mut pauses) = (Instant::now(), Pauses::default());
        for port in 1..=1000 {
            (0..9).for_each(|_| pauses.fail(hop(port), Trouble::Route, now, 0));
        }
        for port in 2000..2010 {
            pauses.fail(hop(port), Trouble::Route, now, 0);
            assert!(!pauses.may_try(&hop(port), now, None), "{port}");
            assert_eq!(pauses.by_hop.len(), PAUSES_MAX);
        }
    }
}
