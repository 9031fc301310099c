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
