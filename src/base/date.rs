//! Dates as mail and log lines show them. Time itself comes from the caller.

/// A moment of the calendar together with the local zone's offset at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct WallClock {
    /// Milliseconds since 1970-01-01 00:00 UTC.
    pub unix_ms: i64,
    /// Minutes by which local time is ahead of UTC.
    pub zone_minutes: i32,
}

/// Local calendar fields of a [`WallClock`].
struct Civil {
    year: i64,
    month: usize,
    day: i64,
    weekday: usize,
    hour: i64,
    minute: i64,
    second: i64,
    millisecond: i64,
}

const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

impl WallClock {
    /// Seconds since 1970-01-01 00:00 UTC.
    pub fn unix_seconds(&self) -> i64 {
        self.unix_ms.div_euclid(1000)
    }

    /// The date-time of a header field: `Sun, 22 Nov 2026 15:22:55 +0000`.
    // RFC 5322 3.3: day-name "," day month year time zone.
    pub fn mail_date(&self) -> String {
        let c = self.civil();
        let sign = if self.zone_minutes < 0 { '-' } else { '+' };
        let zone = self.zone_minutes.unsigned_abs();
        format!(
            "{}, {} {} {:04} {:02}:{:02}:{:02} {sign}{:02}{:02}",
            WEEKDAYS[c.weekday],
            c.day,
            MONTHS[c.month - 1],
            c.year,
            c.hour,
            c.minute,
            c.second,
            zone / 60,
            zone % 60
        )
    }

    /// The timestamp of a log line, in local time: `20261122.153225.480`.
    pub fn log_stamp(&self) -> String {
        let c = self.civil();
        format!(
            "{:04}{:02}{:02}.{:02}{:02}{:02}.{:03}",
            c.year, c.month, c.day, c.hour, c.minute, c.second, c.millisecond
        )
    }

    /// The same with date and zone as RFC 3339 has them:
    /// `2026-11-22T15:32:25.480+00:00`.
    pub fn rfc3339(&self) -> String {
        let c = self.civil();
        let sign = if self.zone_minutes < 0 { '-' } else { '+' };
        let zone = self.zone_minutes.unsigned_abs();
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}{sign}{:02}:{:02}",
            c.year,
            c.month,
            c.day,
            c.hour,
            c.minute,
            c.second,
            c.millisecond,
            zone / 60,
            zone % 60
        )
    }

    /// The timestamp of a syslog message, in local time: `Nov  2 15:33:06`.
    // RFC 3164 4.1.2: a day below ten has a blank before it.
    pub fn syslog_stamp(&self) -> String {
        let c = self.civil();
        format!(
            "{} {:2} {:02}:{:02}:{:02}",
            MONTHS[c.month - 1],
            c.day,
            c.hour,
            c.minute,
            c.second
        )
    }

    /// The local date for a file name: `20261122`.
    pub fn day_stamp(&self) -> String {
        let c = self.civil();
        format!("{:04}{:02}{:02}", c.year, c.month, c.day)
    }

    /// The local hour for a file name: `15`.
    pub fn hour_stamp(&self) -> String {
        format!("{:02}", self.civil().hour)
    }

    fn civil(&self) -> Civil {
        let local_ms = self.unix_ms + i64::from(self.zone_minutes) * 60_000;
        let (days, ms) = (
            local_ms.div_euclid(86_400_000),
            local_ms.rem_euclid(86_400_000),
        );
        let (year, month, day) = date_of_day(days);
        Civil {
            year,
            month,
            day,
            weekday: usize::try_from(days.rem_euclid(7)).unwrap_or(0),
            hour: ms / 3_600_000,
            minute: ms / 60_000 % 60,
            second: ms / 1000 % 60,
            millisecond: ms % 1000,
        }
    }
}

/// Year, month (1 to 12) and day of the day that many days after 1970-01-01 in
/// the Gregorian calendar: years are counted from March, so that a leap day ends
/// its year, in cycles of 400 years of 146,097 days.
fn date_of_day(days: i64) -> (i64, usize, i64) {
    let shifted = days + 719_468;
    let (cycle, day_of_cycle) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let leap_days = day_of_cycle / 1460 - day_of_cycle / 36_524 + day_of_cycle / 146_096;
    let year_of_cycle = (day_of_cycle - leap_days) / 365;
    let first_day = year_of_cycle * 365 + year_of_cycle / 4 - year_of_cycle / 100;
    let day_of_year = day_of_cycle - first_day;
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = cycle * 400 + year_of_cycle + i64::from(month <= 2);
    (year, usize::try_from(month).unwrap_or(1), day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(unix_seconds: i64, zone_minutes: i32) -> WallClock {
        WallClock {
            unix_ms: unix_seconds * 1000,
            zone_minutes,
        }
    }

    #[test]
    fn writes_mail_dates() {
        assert_eq!(at(0, 0).mail_date(), "Thu, 1 Jan 1970 00:00:00 +0000");
        assert_eq!(
            at(1_795_361_082, 0).mail_date(),
            "Sun, 22 Nov 2026 15:24:42 +0000"
        );
        assert_eq!(
            at(1_795_361_082, -210).mail_date(),
            "Sun, 22 Nov 2026 11:54:42 -0330"
        );
        assert_eq!(
            at(951_782_400, 60).mail_date(),
            "Tue, 29 Feb 2000 01:00:00 +0100"
        );
        assert_eq!(
            at(4_107_542_400, 0).mail_date(),
            "Mon, 1 Mar 2100 00:00:00 +0000"
        );
        assert_eq!(at(-1, 0).mail_date(), "Wed, 31 Dec 1969 23:59:59 +0000");
    }

    #[test]
    fn writes_log_stamps_in_local_time() {
        let clock = WallClock {
            unix_ms: 1_795_361_545_480,
            zone_minutes: 30,
        };
        assert_eq!(clock.log_stamp(), "20261122.160225.480");
        assert_eq!(clock.rfc3339(), "2026-11-22T16:02:25.480+00:30");
        assert_eq!(clock.syslog_stamp(), "Nov 22 16:02:25");
        assert_eq!(
            (clock.day_stamp().as_str(), clock.hour_stamp().as_str()),
            ("20261122", "16")
        );
        assert_eq!(at(86_400, -210).syslog_stamp(), "Jan  1 20:30:00");
        assert_eq!(at(0, -210).rfc3339(), "1969-12-31T20:30:00.000-03:30");
    }
}
