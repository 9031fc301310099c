//! The local zone.

use std::mem;

/// The minutes by which local time is ahead of UTC at that time; 0 where the
/// system cannot tell.
pub(in crate::sys) fn zone_minutes(unix_seconds: i64) -> i32 {
    // time_t has 32 bits on some systems; what does not fit is not now.
    #[allow(clippy::useless_conversion)]
    let time = unix_seconds.try_into().unwrap_or(0);
    // SAFETY: `tm` is integers and a pointer that is only ever written, for which
    // all zeros is a value.
    let (mut local, mut utc): (libc::tm, libc::tm) = unsafe { (mem::zeroed(), mem::zeroed()) };
    // SAFETY: all pointers are to live variables of the right type, exclusively
    // borrowed where they are written to. Both functions may read the environment:
    // nothing in this program changes it.
    let known = unsafe {
        !libc::localtime_r(&time, &mut local).is_null()
            && !libc::gmtime_r(&time, &mut utc).is_null()
    };
    if known {
        minutes_between(&utc, &local)
    } else {
        0
    }
}

/// The difference of two calendar times less than a day apart. `tm_gmtoff` would
/// say it at once, but not every Unix has that.
fn minutes_between(from: &libc::tm, to: &libc::tm) -> i32 {
    let days = match to.tm_year - from.tm_year {
        0 => to.tm_yday - from.tm_yday,
        years => years.signum(),
    };
    (days * 24 + to.tm_hour - from.tm_hour) * 60 + to.tm_min - from.tm_min
}

#[cfg(test)]
mod tests {
    use crate::sys::testing::alone;
    use crate::sys::time;

    #[test]
    fn knows_zones_that_are_ahead() {
        let name = "sys::unix::time::tests::knows_zones_that_are_ahead";
        alone(name, &[("TZ", "ABC-13:45")], || {
            assert_eq!(super::zone_minutes(0), 13 * 60 + 45);
            assert_eq!(super::zone_minutes(1_798_761_599), 13 * 60 + 45);
            assert_eq!(time::wall_clock().zone_minutes, 13 * 60 + 45);
        });
    }

    #[test]
    fn knows_zones_that_are_behind() {
        let name = "sys::unix::time::tests::knows_zones_that_are_behind";
        alone(name, &[("TZ", "ABC3:30")], || {
            // 2027-01-01 01:00:00 UTC is still the old year there.
            assert_eq!(super::zone_minutes(1_798_765_200), -210);
            assert_eq!(super::zone_minutes(-1), -210);
        });
    }

    #[test]
    fn follows_daylight_saving_to_the_second() {
        let name = "sys::unix::time::tests::follows_daylight_saving_to_the_second";
        alone(name, &[("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")], || {
            // 2026-03-29 01:00:00 UTC.
            let change = 1_774_746_000;
            for (time, expected) in [(change - 1, 60), (change, 120), (change - 1, 60)] {
                assert_eq!(crate::sys::time::zone_minutes(time), expected, "{time}");
            }
        });
    }
}
