//! Telling senders that their mail could not be delivered.
//!
//! A bounce is a message like any other: it is in the spool, and safe there, before
//! the message that it is about is touched, so a crash may at worst send two.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::base::{OneLine, WallClock};
use crate::info;
use crate::proto::report::{Failure, HEADER_OCTETS_MAX, RECIPIENTS_MAX, Report};
use crate::store::{self, Commit, Encoding, Envelope, Error, Locked};

/// The most bounces in an hour: whoever has us make more than that sends mail in
/// other people's names. What goes beyond it fails without a bounce.
pub const PER_HOUR_MAX: usize = 100;

const SECONDS: i64 = 3600;

/// The status of a message that needs SMTPUTF8 where that is not offered.
// RFC 6531 4.
const WITHOUT_UTF8: &str = "5.6.7";

/// Whoever makes bounces: all that forward mail of one spool.
#[derive(Debug)]
pub struct Bounces {
    domain: OneLine,
    /// When those of the last hour were made, in seconds since 1970.
    lately: Mutex<VecDeque<i64>>,
}

/// A bounce that is to be made.
#[derive(Debug)]
pub struct Bounce(Report);

impl Bounces {
    /// Bounces in the name of that domain.
    pub fn new(domain: OneLine) -> Bounces {
        Bounces {
            domain,
            lately: Mutex::default(),
        }
    }

    /// The bounce for a message with these failures; nothing where there must not be
    /// one, and the message is to be kept as failed.
    // RFC 5321 4.5.5 and 6.1: never for a message with a null reverse-path.
    // RFC 6531 3.5: nor where the next hop would not take it either.
    pub fn bounce(
        &self,
        envelope: &Envelope,
        original_id: String,
        failures: Vec<Failure>,
        clock: WallClock,
    ) -> Option<Bounce> {
        let to = envelope.reverse_path.as_bytes();
        let is_fit = !to.is_empty()
            && (1..=RECIPIENTS_MAX).contains(&failures.len())
            && (to.is_ascii() || failures.iter().all(|one| one.status != WITHOUT_UTF8));
        if !is_fit || !self.take(clock.unix_seconds()) {
            return None;
        }
        Some(Bounce(Report {
            domain: self.domain.clone(),
            to: envelope.reverse_path.clone(),
            date: clock.mail_date(),
            original_id,
            failures,
        }))
    }

    fn take(&self, now: i64) -> bool {
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        // Where the clock was put back, they were made now at the latest.
        lately.iter_mut().for_each(|made| *made = now.min(*made));
        lately.retain(|made| now.saturating_sub(*made) < SECONDS);
        let may = lately.len() < PER_HOUR_MAX;
        if may {
            lately.push_back(now);
        }
        may
    }
}

impl Bounce {
    /// Puts the bounce into the spool that the message is in; durable when done.
    pub fn store(self, about: &Locked) -> Result<(), Error> {
        let Bounce(report) = self;
        // One octet more shows whether the last line is whole.
        let header = about.head(HEADER_OCTETS_MAX + 1)?;
        let writer = about.spool().create();
        let text = report.print(&writer.id().to_string(), &header);
        let envelope = Envelope {
            encoding: match text.is_ascii() {
                true => Encoding::SevenBit,
                false => Encoding::EightBit,
            },
            remote_recipients: vec![report.to.clone()],
            utf8: !report.to.as_bytes().is_ascii(),
            ..Envelope::default()
        };
        let commit = Commit {
            writer,
            last: text,
            envelope,
        };
        for result in store::commit(vec![commit]) {
            let id = result?.id;
            info!(
                "bounced message: id={} bounce={id} to=<{}>",
                about.id(),
                report.to
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure() -> Failure {
        Failure {
            path: OneLine::escaped("a@x"),
            status: "5.1.1".to_owned(),
            why: OneLine::escaped("550 no"),
            is_reply: true,
        }
    }

    fn from(reverse_path: &str) -> Envelope {
        Envelope {
            reverse_path: OneLine::escaped(reverse_path),
            ..Envelope::default()
        }
    }

    fn at(seconds: i64) -> WallClock {
        WallClock {
            unix_ms: seconds * 1000,
            zone_minutes: 0,
        }
    }

    fn bounce(bounces: &Bounces, from: &Envelope, failures: usize, seconds: i64) -> bool {
        let failures = vec![failure(); failures];
        let bounce = bounces.bounce(from, "id".to_owned(), failures, at(seconds));
        bounce.is_some()
    }

    #[test]
    fn a_bounce_is_never_bounced() {
        let bounces = Bounces::new(OneLine::escaped("relay.test"));
        assert!(!bounce(&bounces, &from(""), 1, 1_000_000));
        assert!(bounce(&bounces, &from("me@src.test"), 1, 1_000_000));
    }

    #[test]
    fn failures_that_make_no_report_make_no_bounce() {
        let bounces = Bounces::new(OneLine::escaped("relay.test"));
        let from = from("me@src.test");
        assert!(!bounce(&bounces, &from, 0, 1_000_000));
        assert!(!bounce(&bounces, &from, RECIPIENTS_MAX + 1, 1_000_000));
        assert!(bounce(&bounces, &from, RECIPIENTS_MAX, 1_000_000));
    }

    #[test]
    fn a_bounce_that_would_fail_as_the_message_did_is_not_made() {
        let bounces = Bounces::new(OneLine::escaped("relay.test"));
        let bounce = |sender: &[u8], status: &str| {
            let envelope = Envelope {
                reverse_path: OneLine::new(sender).unwrap(),
                ..Envelope::default()
            };
            let failure = Failure {
                status: status.to_owned(),
                ..failure()
            };
            let made = bounces.bounce(&envelope, "id".to_owned(), vec![failure], at(1_000_000));
            made.is_some()
        };
        assert!(bounce(b"me@src.test", WITHOUT_UTF8));
        assert!(bounce("m\u{fc}ller@src.test".as_bytes(), "5.1.1"));
        assert!(!bounce("m\u{fc}ller@src.test".as_bytes(), WITHOUT_UTF8));
    }

    #[test]
    fn so_many_an_hour_and_no_more_whatever_the_clock_does() {
        let bounces = Bounces::new(OneLine::escaped("relay.test"));
        let from = from("me@src.test");
        let count = |from_second: i64| {
            (0..3600)
                .filter(|second| bounce(&bounces, &from, 1, from_second + second))
                .count()
        };
        assert_eq!(count(1_000_000), PER_HOUR_MAX);
        assert_eq!(count(1_003_600), PER_HOUR_MAX);
        // Put back by a day, which makes them as new as that, and forward by ten years.
        assert_eq!(count(1_003_600 - 86_400), 0);
        assert_eq!(count(1_007_200 - 86_400), PER_HOUR_MAX);
        assert_eq!(count(300_000_000), PER_HOUR_MAX);
        // Whichever second the hour begins in.
        let minute = |minute: i64| 400_000_000 + 60 * minute;
        let made: Vec<i64> = (0..600)
            .map(minute)
            .flat_map(|second| [second; 3])
            .filter(|second| bounce(&bounces, &from, 1, *second))
            .collect();
        for hour in made.windows(PER_HOUR_MAX + 1) {
            assert!(hour[PER_HOUR_MAX] - hour[0] >= 3600, "{hour:?}");
        }
    }
}
