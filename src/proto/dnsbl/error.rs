use std::fmt;

use super::{OPTIONS_MAX, TIMEOUT_MAX, ZONE_NAME_MAX, ZONES_MAX};
use crate::base::ascii::escape;
use crate::proto::dns;

/// What is wrong with a `--dnsbl` option; each names the field, with its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// A field that has to be there is not.
    Missing(&'static str),
    /// The name server is not an address with a port that is not zero.
    Server(String),
    /// The timeout is not a number of milliseconds or, with `s`, seconds.
    Timeout(String),
    /// The timeout is zero, or longer than [`TIMEOUT_MAX`].
    TimeoutRange(String),
    /// The threshold is not a number.
    Threshold(String),
    /// The zone is not a name.
    Zone(String, dns::Error),
    /// The zone is an address, or a number.
    ZoneNumeric(String),
    /// The zone's name is longer than [`ZONE_NAME_MAX`].
    ZoneTooLong(String),
    /// There are more than [`ZONES_MAX`] zones.
    TooManyZones,
    /// There is something after the last field.
    Extra(String),
    /// There are more than [`OPTIONS_MAX`] options.
    TooManyOptions,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid dnsbl configuration: ")?;
        let quoted = |text: &str| format!("[{}]", escape(text.as_bytes()));
        match self {
            Error::Missing(field) => write!(f, "no {field}"),
            Error::Server(text) => write!(
                f,
                "server {} is not an ip address and port like 127.0.0.1:53 or [::1]:53",
                quoted(text)
            ),
            Error::Timeout(text) => write!(
                f,
                "timeout {} is not a number of milliseconds, or seconds like 5s",
                quoted(text)
            ),
            Error::TimeoutRange(text) => write!(
                f,
                "timeout {} is not between 1 and {} milliseconds",
                quoted(text),
                TIMEOUT_MAX.as_millis()
            ),
            Error::Threshold(text) => write!(f, "threshold {} is not a number", quoted(text)),
            Error::Zone(text, error) => write!(f, "zone {}: {error}", quoted(text)),
            Error::ZoneNumeric(text) => write!(f, "zone {} is not a name", quoted(text)),
            Error::ZoneTooLong(text) => write!(
                f,
                "zone {} is longer than {} octets",
                quoted(text),
                ZONE_NAME_MAX - 2
            ),
            Error::TooManyZones => write!(f, "more than {ZONES_MAX} zones"),
            Error::Extra(text) => write!(f, "{} after the last field", quoted(text)),
            Error::TooManyOptions => write!(f, "more than {OPTIONS_MAX} of them"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Zone(_, error) => Some(error),
            _ => None,
        }
    }
}
