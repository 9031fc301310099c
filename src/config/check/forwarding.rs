//! The options about where to forward to, and how much at once.

use super::{Check, items};
use crate::config::address::Address;
use crate::config::problem::Kind;
use crate::config::raw::Value;
use crate::config::settings::{self, Traffic};
use crate::config::value;

/// The options that name the server to forward to; the first that is given counts.
const NEXT_HOP: [&str; 3] = ["as-client", "as-proxy", "forward-to"];

impl Check<'_> {
    /// The addresses of the first of the options that has any.
    pub(super) fn next_hops(&mut self) -> Option<Vec<Address>> {
        let given = NEXT_HOP.map(|name| self.addresses(name));
        given.into_iter().find(|addresses| !addresses.is_empty())
    }

    /// A list of addresses; the path of a socket is one, whatever commas it has.
    fn addresses(&mut self, name: &'static str) -> Vec<Address> {
        let mut addresses = Vec::new();
        for given in self.raw.all(name) {
            let Value::Text(text) = &given.value else {
                continue;
            };
            let items: Vec<&str> = match text.starts_with('/') {
                true => vec![text],
                false => items(given).collect(),
            };
            for item in items {
                match Address::parse_next_hop(item) {
                    Ok(address) if addresses.contains(&address) => {}
                    Ok(address) => addresses.push(address),
                    Err(fault) => self.report_value(name, given, item, fault),
                }
            }
        }
        if addresses.len() > settings::NEXT_HOPS_MAX {
            let items_max = settings::NEXT_HOPS_MAX;
            self.report(name, Kind::TooMany { items_max });
        }
        addresses
    }

    pub(super) fn traffic(&mut self) -> Traffic {
        let connections = settings::FORWARD_CONNECTIONS;
        Traffic {
            connections: self.text("forward-connections", connections, |text| {
                let most = settings::FORWARD_CONNECTIONS_MAX;
                value::number(text, 1, most).map(to_usize)
            }),
            per_minute: self.text("forward-rate", None, |text| {
                let rate = value::number(text, 0, settings::FORWARD_RATE_MAX)?;
                Ok(u32::try_from(rate).ok().filter(|rate| *rate > 0))
            }),
            per_connection: self.text("forward-per-connection", None, |text| {
                let count = value::number(text, 0, settings::FORWARD_RATE_MAX)?;
                Ok(Some(to_usize(count)).filter(|count| *count > 0))
            }),
        }
    }
}

/// A number that is known to be small.
fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
