use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::{Error, OPTIONS_MAX, TIMEOUT_DEFAULT, TIMEOUT_MAX, ZONE_NAME_MAX, ZONES_MAX};
use crate::base::ascii;
use crate::proto::dns::{self, Name};

/// One `--dnsbl` option, with the zones of those behind it that have nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    zones: Vec<Name>,
    threshold: usize,
    timeout: Duration,
    denies_on_timeout: bool,
    server: Option<SocketAddr>,
}

impl Config {
    /// Reads the text of one option, in either order:
    ///
    /// ```text
    /// server,timeout,threshold,zone[,zone...]
    /// zone[,zone...][,threshold[,timeout[,server]]]
    /// ```
    ///
    /// The server is an address with a port (53 where it has none): `1.2.3.4:53`,
    /// `[::1]:53`, `::1:53`, `::1.53`. The timeout is in milliseconds, or has the
    /// suffix `ms` or `s`, and a minus sign where a client is to be blocked when the
    /// lists do not answer in time.
    ///
    /// # Errors
    /// The first field that is not as it should be.
    pub fn parse(text: &str) -> Result<Config, Error> {
        let fields = split(text);
        match fields.split_first() {
            Some((server, rest)) if looks_like_server(server) => parse_server_first(server, rest),
            _ => parse_zones_first(&fields),
        }
    }

    /// Reads all options. One of zones alone goes on with those of the one before, as
    /// if there were a comma between them.
    ///
    /// # Errors
    /// Where there are too many, and as [`Config::parse`].
    pub fn parse_all<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Vec<Config>, Error> {
        let mut configs: Vec<Config> = Vec::new();
        for text in texts {
            let count = configs.len();
            match configs.last_mut() {
                Some(last) if has_only_zones(text) => last.add_zones(text)?,
                _ if count == OPTIONS_MAX => return Err(Error::TooManyOptions),
                _ => configs.push(Config::parse(text)?),
            }
        }
        Ok(configs)
    }

    /// The lists to ask, at least one.
    pub fn zones(&self) -> &[Name] {
        &self.zones
    }

    /// How many zones have to list a client before it is blocked; with zero the
    /// lists are asked and what they say is logged, no more.
    pub fn threshold(&self) -> usize {
        self.threshold
    }

    /// How long to wait for the lists.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Whether a client is blocked that might have been, had all lists answered in
    /// time.
    pub fn denies_on_timeout(&self) -> bool {
        self.denies_on_timeout
    }

    /// The name server to ask; the system's where there is none.
    pub fn server(&self) -> Option<SocketAddr> {
        self.server
    }

    /// Whether it can block a client at all: not with a threshold of zero, or of
    /// more than there are zones.
    pub fn can_block(&self) -> bool {
        (1..=self.zones.len()).contains(&self.threshold)
    }

    fn add_zones(&mut self, text: &str) -> Result<(), Error> {
        self.zones.extend(parse_zones(&split(text))?);
        match self.zones.len() <= ZONES_MAX {
            true => Ok(()),
            false => Err(Error::TooManyZones),
        }
    }
}

fn split(text: &str) -> Vec<&str> {
    text.split(',').map(str::trim).collect()
}

fn has_only_zones(text: &str) -> bool {
    let is_other = |field: &&str| looks_like_server(field) || looks_numeric(field);
    !split(text).iter().any(is_other)
}

fn parse_server_first(server: &str, rest: &[&str]) -> Result<Config, Error> {
    let server = parse_server(server)?;
    let (timeout, rest) = rest.split_first().ok_or(Error::Missing("timeout"))?;
    let (timeout, denies_on_timeout) = parse_timeout(timeout)?;
    let (threshold, zones) = rest.split_first().ok_or(Error::Missing("threshold"))?;
    Ok(Config {
        threshold: parse_threshold(threshold)?,
        zones: parse_zones(zones)?,
        timeout,
        denies_on_timeout,
        server: Some(server),
    })
}

fn parse_zones_first(fields: &[&str]) -> Result<Config, Error> {
    let is_number = |field: &&str| looks_numeric(field);
    let count = fields.iter().position(is_number).unwrap_or(fields.len());
    let (zones, rest) = fields.split_at(count);
    let zones = parse_zones(zones)?;
    if let Some(extra) = rest.get(3) {
        return Err(Error::Extra((*extra).to_owned()));
    }
    let mut rest = rest.iter();
    let threshold = rest.next().map_or(Ok(1), |text| parse_threshold(text))?;
    let timeout = rest.next().map(|text| parse_timeout(text)).transpose()?;
    let (timeout, denies_on_timeout) = timeout.unwrap_or((TIMEOUT_DEFAULT, false));
    Ok(Config {
        zones,
        threshold,
        timeout,
        denies_on_timeout,
        server: rest.next().map(|text| parse_server(text)).transpose()?,
    })
}

/// Whether a field is meant to be a server: a zone is no address and has no colon.
fn looks_like_server(field: &str) -> bool {
    field.contains(':') || field.parse::<IpAddr>().is_ok()
}

/// Whether a field is meant to be a threshold or a timeout; no zone is called so.
fn looks_numeric(field: &str) -> bool {
    let (_, _, digits) = split_number(field);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Splits a number into whether it is negative, the milliseconds of its unit, and
/// its digits.
fn split_number(field: &str) -> (bool, u64, &str) {
    let (is_negative, rest) = match field.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, field),
    };
    if let Some(digits) = rest.strip_suffix("ms") {
        (is_negative, 1, digits)
    } else if let Some(digits) = rest.strip_suffix('s') {
        (is_negative, 1000, digits)
    } else {
        (is_negative, 1, rest)
    }
}

fn parse_timeout(text: &str) -> Result<(Duration, bool), Error> {
    if !looks_numeric(text) {
        return Err(Error::Timeout(text.to_owned()));
    }
    let (is_negative, unit, digits) = split_number(text);
    // A wait of zero would check nothing and not say so.
    let ms = ascii::parse_decimal(digits.as_bytes())
        .and_then(|count| count.checked_mul(unit))
        .map(Duration::from_millis)
        .filter(|timeout| (Duration::from_millis(1)..=TIMEOUT_MAX).contains(timeout));
    let timeout = ms.ok_or_else(|| Error::TimeoutRange(text.to_owned()))?;
    Ok((timeout, is_negative))
}

fn parse_threshold(text: &str) -> Result<usize, Error> {
    let number = ascii::parse_decimal(text.as_bytes());
    let threshold = number.and_then(|number| usize::try_from(number).ok());
    threshold.ok_or_else(|| Error::Threshold(text.to_owned()))
}

fn parse_zones(fields: &[&str]) -> Result<Vec<Name>, Error> {
    if fields.is_empty() {
        return Err(Error::Missing("zone"));
    }
    if fields.len() > ZONES_MAX {
        return Err(Error::TooManyZones);
    }
    fields.iter().map(|field| parse_zone(field)).collect()
}

fn parse_zone(text: &str) -> Result<Name, Error> {
    let zone = Name::parse(text).map_err(|error| Error::Zone(text.to_owned(), error))?;
    // No top-level domain is a number (RFC 3696 2): this is a field gone astray.
    let top = text.trim_end_matches('.').rsplit('.').next();
    if top.is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err(Error::ZoneNumeric(text.to_owned()));
    }
    if zone.wire().len() > ZONE_NAME_MAX {
        return Err(Error::ZoneTooLong(text.to_owned()));
    }
    Ok(zone)
}

fn parse_server(text: &str) -> Result<SocketAddr, Error> {
    let server = text
        .parse()
        .ok()
        .or_else(|| parse_ipv6_and_port(text))
        .or_else(|| {
            let inner = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
            let address = inner.unwrap_or(text).parse().ok()?;
            Some(SocketAddr::new(address, dns::PORT))
        });
    server
        .filter(|server: &SocketAddr| server.port() != 0)
        .ok_or_else(|| Error::Server(text.to_owned()))
}

/// Reads `::1:53` and `::1.53`. The former is an address of its own as well, but
/// with a port is how this option has it; brackets leave no doubt.
fn parse_ipv6_and_port(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.rsplit_once([':', '.'])?;
    let address: Ipv6Addr = address.parse().ok()?;
    let port = ascii::parse_decimal(port.as_bytes())?;
    Some(SocketAddr::new(address.into(), u16::try_from(port).ok()?))
}

#[cfg(test)]
mod tests;
