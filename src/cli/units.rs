//! Ages and sizes as people read and write them.

use crate::base::ascii;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Reads an age: a number of seconds, or one with a unit (`90`, `5m`, `2h`, `3d`).
pub(super) fn parse_age(text: &[u8]) -> Option<i64> {
    let (digits, unit) = match text.split_last()? {
        (b's', digits) => (digits, 1),
        (b'm', digits) => (digits, MINUTE),
        (b'h', digits) => (digits, HOUR),
        (b'd', digits) => (digits, DAY),
        _ => (text, 1),
    };
    let number = i64::try_from(ascii::parse_decimal(digits)?).ok()?;
    number.checked_mul(unit)
}

/// Shows an age in at most four characters, but for ages beyond 30 years.
pub(super) fn age(seconds: i64) -> String {
    match seconds.max(0) {
        seconds if seconds < 2 * MINUTE => format!("{seconds}s"),
        seconds if seconds < 2 * HOUR => format!("{}m", seconds / MINUTE),
        seconds if seconds < 2 * DAY => format!("{}h", seconds / HOUR),
        seconds => format!("{}d", seconds / DAY),
    }
}

/// Shows a number of octets in at most five characters.
pub(super) fn size(octets: u64) -> String {
    let (mut number, mut units) = (octets, "KMGTPE".chars());
    if number < 10_000 {
        return number.to_string();
    }
    let mut unit = ' ';
    while number >= 10_000 {
        number /= 1024;
        unit = units.next().unwrap_or('?');
    }
    format!("{number}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ages() {
        for (text, seconds) in [
            ("0", 0),
            ("90", 90),
            ("90s", 90),
            ("5m", 300),
            ("2h", 7200),
            ("3d", 259_200),
        ] {
            assert_eq!(parse_age(text.as_bytes()), Some(seconds), "{text}");
        }
        for bad in ["", "d", "-1", "1w", "1.5h", " 1", "99999999999999999d"] {
            assert_eq!(parse_age(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn shows_ages_and_sizes_in_little_room() {
        for (seconds, text) in [
            (-5, "0s"),
            (119, "119s"),
            (120, "2m"),
            (7199, "119m"),
            (7200, "2h"),
            (172_799, "47h"),
            (172_800, "2d"),
            (9999 * DAY, "9999d"),
        ] {
            assert_eq!(age(seconds), text);
        }
        for (octets, text) in [
            (0, "0"),
            (9999, "9999"),
            (10_000, "9K"),
            (10_240_000, "9M"),
            (5 << 40, "5120G"),
            (u64::MAX, "15E"),
        ] {
            assert!(size(octets).len() <= 5);
            assert_eq!(size(octets), text, "{octets}");
        }
    }
}
