//! When a message that was deferred is tried again, and when it is given up.
//!
//! Nothing here depends on a clock that is right: times come from the calendar, and
//! that may jump. A message whose next attempt seems further away than any delay
//! is due; what counts towards giving up is the time between two attempts, and of
//! one such time no more than a fair share.

use std::time::{Duration, Instant};

use super::pauses::PAUSE_MIN;

/// How long to wait after the second attempt. After the first one there is no
/// delay: the next pass may well be the first chance for a next hop that wants to
/// see a message twice.
// RFC 5321 4.5.4.1 has 30 minutes in mind, but for hosts that are down; for
// greylisting and full mailboxes an earlier second and third try pays.
pub(super) const DELAY_MIN: Duration = Duration::from_secs(60);

/// The longest that a message waits for its next attempt.
pub(super) const DELAY_MAX: Duration = Duration::from_secs(60 * 60);

/// How long the forwarder lets a message that was deferred rest before it comes
/// back to it without having been asked.
pub(super) const WAKE_MIN: Duration = Duration::from_secs(60);

/// How much of the time between two attempts counts towards giving up, at most:
/// the program may have been off, or the clock may have jumped.
pub(super) const GAP_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// How many times must have been waited, each for its share of the retry period,
/// before a message is given up.
pub(super) const GAPS_MIN: u32 = 4;

/// The seconds to wait after so many attempts (RFC 5321 4.5.4.1: growing), less up
/// to a quarter of that by chance, so that messages do not come in herds.
pub(super) fn delay(attempts: u32, random: u64) -> u64 {
    let Some(doublings) = attempts.checked_sub(2) else {
        return 0;
    };
    let longest = DELAY_MAX.as_secs();
    let factor = 1_u64.checked_shl(doublings).unwrap_or(u64::MAX);
    let full = DELAY_MIN.as_secs().saturating_mul(factor).min(longest);
    full - random % (full / 4 + 1)
}

/// When to try again after an attempt at that time, in seconds since 1970.
pub fn next_attempt(now: i64, attempts: u32, random: u64) -> i64 {
    let delay = i64::try_from(delay(attempts, random)).unwrap_or(i64::MAX);
    now.saturating_add(delay)
}

/// Whether a message may be tried at that time.
pub(super) fn is_due(next_attempt: i64, now: i64) -> bool {
    let longest = i64::try_from(DELAY_MAX.as_secs()).unwrap_or(i64::MAX);
    next_attempt <= now || next_attempt > now.saturating_add(longest)
}

/// How many seconds of the time since the last attempt count towards giving up.
pub fn spent(last: i64, now: i64, period: Duration) -> u64 {
    // Of a period of less than a few seconds it is a second: nothing would be for ever.
    let gap = GAP_MAX.min(period / GAPS_MIN).as_secs().max(1);
    u64::try_from(now.saturating_sub(last)).map_or(0, |elapsed| elapsed.min(gap))
}

/// How long the forwarder may sleep until that time.
pub(super) fn sleep(until: i64, now: i64) -> Duration {
    let seconds = u64::try_from(until.saturating_sub(now)).unwrap_or(0);
    Duration::from_secs(seconds).clamp(WAKE_MIN, DELAY_MAX)
}

/// When to come back by oneself to messages of which the first is due then, and to
/// next hops of which the first may be tried again at that time. Of the clock both
/// readings are given.
pub(super) fn come_back(
    due: Option<i64>,
    hop_at: Option<Instant>,
    (now, unix_now): (Instant, i64),
) -> Option<Instant> {
    let due_at = due.map(|due| now + sleep(due, unix_now));
    let hop_at = hop_at.map(|at| at.max(now + PAUSE_MIN));
    [due_at, hop_at].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    #[test]
    fn delays_grow_up_to_an_hour() {
        assert_eq!((delay(0, 7), delay(1, 7)), (0, 0));
        let full: Vec<u64> = (2..=9).map(|attempts| delay(attempts, 0)).collect();
        assert_eq!(full, [60, 120, 240, 480, 960, 1920, 3600, 3600]);
        assert_eq!(delay(u32::MAX, 0), 3600);
    }

    #[test]
    fn chance_shortens_a_delay_by_a_quarter_at_most() {
        for attempts in 2..20 {
            let full = delay(attempts, 0);
            let delays: Vec<u64> = (0..5000).map(|random| delay(attempts, random)).collect();
            assert!(
                delays
                    .iter()
                    .all(|one| *one <= full && *one >= full * 3 / 4)
            );
            assert!(delays.contains(&(full - full / 4)), "{attempts}");
        }
    }

    #[test]
    fn a_message_waits_for_its_time_but_not_for_a_clock_that_was_wrong() {
        let now = 1_795_361_082;
        let next = next_attempt(now, 3, 0);
        assert_eq!(next, now + 120);
        assert!(!is_due(next, now) && !is_due(next, next - 1));
        assert!(is_due(next, next) && is_due(0, now));
        // The clock was ahead by years, and has been put right.
        assert!(is_due(now + 3601, now) && is_due(i64::MAX, now));
        // It was behind, and has been put right: due once, and then not.
        let now = now + 1_000_000_000;
        assert!(is_due(next, now) && !is_due(next_attempt(now, 4, 0), now));
    }

    #[test]
    fn a_clock_that_jumps_uses_up_no_more_than_a_share() {
        let period = 5 * DAY;
        assert_eq!(spent(1000, 1600, period), 600);
        assert_eq!(spent(1600, 1000, period), 0);
        assert_eq!(spent(0, i64::MAX, period), DAY.as_secs());
        assert_eq!(spent(i64::MIN, i64::MAX, period), DAY.as_secs());
        assert_eq!(spent(i64::MAX, i64::MIN, period), 0);
        assert_eq!(spent(0, i64::MAX, Duration::from_secs(100)), 25);
        for seconds in 1..8 {
            let share = spent(0, 60, Duration::from_secs(seconds));
            assert!(share >= 1 && share <= seconds, "{seconds}: {share}");
        }
    }

    #[test]
    fn five_days_are_five_days_with_a_clock_that_is_right() {
        let period = 5 * DAY;
        let (mut now, mut attempts, mut tried, mut last) = (1_000_000, 0, 0, 0);
        while tried < period.as_secs() {
            tried += match attempts {
                0 => 0,
                _ => spent(last, now, period),
            };
            (last, attempts) = (now, attempts + 1);
            now = next_attempt(now, attempts, u64::from(attempts)).max(now + 1);
        }
        let took = u64::try_from(last - 1_000_000).unwrap();
        assert!(
            took >= period.as_secs() && took < period.as_secs() + 3600,
            "{took}"
        );
        assert!((120..180).contains(&attempts), "{attempts}");
    }

    #[test]
    fn the_forwarder_comes_back_to_what_is_due_first() {
        let now = Instant::now();
        let later = |seconds| now + Duration::from_secs(seconds);
        let clock = (now, 1000);
        assert_eq!(come_back(None, None, clock), None);
        assert_eq!(come_back(Some(1600), None, clock), Some(later(600)));
        assert_eq!(
            come_back(Some(1600), Some(later(30)), clock),
            Some(later(30))
        );
        assert_eq!(
            come_back(Some(1100), Some(later(300)), clock),
            Some(later(100))
        );
        // Neither at once nor never, whatever the clock says.
        assert_eq!(come_back(Some(0), None, clock), Some(now + WAKE_MIN));
        assert_eq!(come_back(None, Some(now), clock), Some(now + PAUSE_MIN));
        assert_eq!(
            come_back(Some(i64::MAX), None, clock),
            Some(now + DELAY_MAX)
        );
    }

    #[test]
    fn the_forwarder_sleeps_neither_too_long_nor_hardly_at_all() {
        let second = Duration::from_secs;
        assert_eq!(sleep(1000, 1000), WAKE_MIN);
        assert_eq!(sleep(0, 1000), WAKE_MIN);
        assert_eq!(sleep(1600, 1000), second(600));
        assert_eq!(sleep(i64::MAX, 0), DELAY_MAX);
    }
}
