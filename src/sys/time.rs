//! The calendar clock and the local zone.

use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

use super::platform::time as platform;
use crate::base::WallClock;

/// Zones change their offset only on a quarter of an hour of UTC.
const ZONE_STEP_SECONDS: i64 = 15 * 60;

thread_local! {
    /// The quarter of an hour last asked for, and the offset in it.
    static ZONE: Cell<Option<(i64, i32)>> = const { Cell::new(None) };
}

/// Tells the time of the calendar, with the local zone's offset at it.
///
/// Cheap enough for every log line: the zone is looked up once per thread and
/// quarter of an hour.
pub fn wall_clock() -> WallClock {
    let unix_ms = unix_ms(SystemTime::now());
    WallClock {
        unix_ms,
        zone_minutes: zone_minutes(unix_ms.div_euclid(1000)),
    }
}

fn unix_ms(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
    }
}

pub(in crate::sys) fn zone_minutes(unix_seconds: i64) -> i32 {
    let quarter = unix_seconds.div_euclid(ZONE_STEP_SECONDS);
    ZONE.with(|zone| match zone.get() {
        Some((known, minutes)) if known == quarter => minutes,
        _ => {
            let minutes = platform::zone_minutes(unix_seconds);
            zone.set(Some((quarter, minutes)));
            minutes
        }
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn tells_the_time_to_the_millisecond() {
        let before = unix_ms(SystemTime::now());
        let told = wall_clock();
        let after = unix_ms(SystemTime::now());
        assert!((before..=after).contains(&told.unix_ms));
        assert!(told.zone_minutes.abs() <= 26 * 60);
        assert_eq!(unix_ms(UNIX_EPOCH + Duration::from_micros(1999)), 1);
        assert_eq!(unix_ms(UNIX_EPOCH - Duration::from_millis(5)), -5);
    }
}
