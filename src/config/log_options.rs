//! Values of the options about the log.

use super::value::Fault;
use crate::base::log::Format;

/// What kind of program the system log takes us for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Facility {
    /// A mail system.
    Mail,
    /// A program of a user.
    User,
    /// A background service.
    Daemon,
    /// One of the eight for local use, from 0.
    Local(u8),
}

/// The keywords of `--log-format`, in the order in which lines have them.
const KEYWORDS: &[&str] = &["time", "unit", "address", "port", "msgid", "json"];

/// The values of `--syslog`.
const FACILITIES: &[&str] = &[
    "mail", "user", "daemon", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
    "local7",
];

impl Facility {
    /// The number by which the syslog protocol knows it.
    // RFC 3164 4.1.1, table 1.
    pub fn number(self) -> u8 {
        match self {
            Facility::User => 1,
            Facility::Mail => 2,
            Facility::Daemon => 3,
            Facility::Local(number) => 16 + number % 8,
        }
    }
}

/// Reads a facility; nothing at all, and `yes`, stand for that of mail.
pub(super) fn facility(text: &str) -> Result<Facility, Fault> {
    let digit = text
        .strip_prefix("local")
        .and_then(|rest| rest.parse().ok());
    match (text, digit) {
        ("" | "yes" | "mail", _) => Ok(Facility::Mail),
        ("user", _) => Ok(Facility::User),
        ("daemon", _) => Ok(Facility::Daemon),
        (_, Some(number @ 0..=7)) if text.len() == "local0".len() => Ok(Facility::Local(number)),
        _ => Err(Fault::NotOneOf(FACILITIES)),
    }
}

/// Reads a list of keywords.
pub(super) fn format(text: &str) -> Result<Format, Fault> {
    let mut format = Format::default();
    for word in text.split(',').map(str::trim) {
        let part = match word {
            "time" => &mut format.time,
            "unit" => &mut format.unit,
            "address" => &mut format.address,
            "port" => &mut format.port,
            "msgid" => &mut format.message,
            "json" => &mut format.json,
            _ => return Err(Fault::NotOneOf(KEYWORDS)),
        };
        *part = true;
    }
    Ok(format)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facilities_are_those_of_the_manual() {
        for (text, number) in [
            ("", 2),
            ("yes", 2),
            ("mail", 2),
            ("user", 1),
            ("daemon", 3),
            ("local0", 16),
            ("local7", 23),
        ] {
            assert_eq!(facility(text).map(Facility::number), Ok(number), "{text}");
        }
        for text in ["foo", "local8", "local", "local00", "Mail", "local-1"] {
            assert!(facility(text).is_err(), "{text}");
        }
    }

    #[test]
    fn formats_are_lists_of_keywords() {
        let all = format("msgid, port,address,unit,time").unwrap();
        assert!(all.time && all.unit && all.address && all.port && all.message && !all.json);
        assert!(format("json").unwrap().json);
        for text in ["", "times", "time,,unit", "time unit"] {
            assert!(format(text).is_err(), "{text}");
        }
    }
}
