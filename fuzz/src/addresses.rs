//! Addresses of hosts, networks and services, as people and other programs write them.

use std::net::SocketAddr;

use emailrelay::auth::trust::Range;
use emailrelay::config;
use emailrelay::filter::mx;
use emailrelay::net::activation::{SOCKETS_MAX, sockets};
use emailrelay::net::address::{HostPort, Target};
use emailrelay::net::name_servers::{self, NAME_SERVERS_MAX};
use emailrelay::proto::mx::Destination;
use emailrelay::proto::sasl::Config;

use super::pieces::check_shown;

/// Any of them.
pub(crate) fn addresses(data: &[u8]) {
    if let Ok(destination) = Destination::parse(data) {
        let port = match destination {
            Destination::Address { port, .. } | Destination::Domain { port, .. } => port,
        };
        assert!(port > 0);
    }
    let text = &String::from_utf8_lossy(data);
    targets(text);
    configured(text);
    if let Ok(range) = Range::parse(text) {
        assert_eq!(Range::parse(&range.to_string()), Ok(range));
    }
    let servers = name_servers::parse(text, &|name| (name == "eth0").then_some(7));
    assert!((1..=NAME_SERVERS_MAX).contains(&servers.len()));
    if let Err(why) = mx::Settings::parse(text) {
        assert!(why.starts_with("mx: "));
    }
    for read in [Config::parse_server, Config::parse_client] {
        if let Err(problems) = read(text) {
            problems
                .iter()
                .for_each(|p| check_shown(p, 10 * text.len() + 200));
        }
    }
    inherited(text);
}

fn targets(text: &str) {
    match Target::parse(text) {
        Ok(target) => {
            assert_eq!(Target::parse(&target.to_string()), Ok(target.clone()));
            assert_eq!(
                Target::parse_next_hop(text).is_ok(),
                !text.contains('@') || text.starts_with('/')
            );
        }
        Err(why) => check_shown(&why.to_string(), 20 * text.len() + 200),
    }
    if let Ok(target) = Target::parse_next_hop(text) {
        assert_eq!(Target::parse_next_hop(&target.to_string()), Ok(target));
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        assert_eq!(HostPort::parse(text).is_ok(), address.port() > 0);
    }
}

/// What options have; what they take can be connected to, too.
fn configured(text: &str) {
    if let Ok(literal) = config::Literal::parse(text) {
        assert_eq!(config::Literal::parse(&literal.to_string()), Ok(literal));
    }
    // What is not printable in a path is escaped where it is shown.
    let is_shown = |c: char| !c.is_control() && c != '\\';
    if let Ok(address) = config::Address::parse(text)
        && text.chars().all(is_shown)
    {
        assert_eq!(config::Address::parse(&address.to_string()), Ok(address));
    }
}

/// The text is the number of sockets, and their names after a blank.
fn inherited(text: &str) {
    let (count, names) = text.split_once(' ').unwrap_or((text, ""));
    let variable = |name: &str| {
        Some(match name {
            "LISTEN_PID" => "1".to_owned(),
            "LISTEN_FDS" => count.to_owned(),
            _ => names.to_owned(),
        })
    };
    match sockets(1, &variable) {
        Ok(sockets) => {
            assert!(sockets.len() <= SOCKETS_MAX as usize);
            assert!(sockets.iter().all(|socket| socket.descriptor >= 3));
        }
        Err(why) => check_shown(&why.to_string(), 10 * text.len() + 200),
    }
}
