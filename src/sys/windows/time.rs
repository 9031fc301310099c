//! The local zone.

use super::ffi;

/// 1601-01-01, from which FILETIME counts, in seconds before 1970-01-01.
const FILETIME_EPOCH_SECONDS: i64 = 11_644_473_600;
const TICKS_PER_SECOND: i64 = 10_000_000;

/// The minutes by which local time is ahead of UTC at that time; 0 where the
/// system cannot tell.
pub(in crate::sys) fn zone_minutes(unix_seconds: i64) -> i32 {
    let Some(utc) = file_time(unix_seconds) else {
        return 0;
    };
    local_file_time(utc)
        .map(|local| (local.ticks() - utc.ticks()) / (60 * TICKS_PER_SECOND))
        .and_then(|minutes| i32::try_from(minutes).ok())
        .unwrap_or(0)
}

fn file_time(unix_seconds: i64) -> Option<ffi::FILETIME> {
    let seconds = unix_seconds.checked_add(FILETIME_EPOCH_SECONDS)?;
    let ticks = u64::try_from(seconds.checked_mul(TICKS_PER_SECOND)?).ok()?;
    Some(ffi::FILETIME {
        low: u32::try_from(ticks & 0xFFFF_FFFF).ok()?,
        high: u32::try_from(ticks >> 32).ok()?,
    })
}

impl ffi::FILETIME {
    fn ticks(self) -> i64 {
        (i64::from(self.high) << 32) | i64::from(self.low)
    }
}

/// The same moment as the clocks of the local zone show it, by the rules of the
/// zone for that year.
fn local_file_time(utc: ffi::FILETIME) -> Option<ffi::FILETIME> {
    let mut utc_fields = ffi::SYSTEMTIME::default();
    let mut local_fields = ffi::SYSTEMTIME::default();
    let mut local = ffi::FILETIME::default();
    // SAFETY: all pointers are to live variables of the right type, exclusively
    // borrowed where they are written to; a null zone means the current one.
    let known = unsafe {
        ffi::FileTimeToSystemTime(&utc, &mut utc_fields) != 0
            && ffi::SystemTimeToTzSpecificLocalTime(
                std::ptr::null(),
                &utc_fields,
                &mut local_fields,
            ) != 0
            && ffi::SystemTimeToFileTime(&local_fields, &mut local) != 0
    };
    known.then_some(local)
}
