//! What the SMTP server needs before it can be started.

use std::rc::Rc;
use std::sync::Arc;

use crate::config::SmtpServer;
use crate::net::activation;
use crate::net::listener::Listener;
use crate::proto::dnsbl;
use crate::relay::clients::Clients;
use crate::relay::limits::SESSIONS_PER_CLIENT_MAX;
use crate::relay::listener::Door;
use crate::relay::listening;
use crate::relay::lookup;
use crate::relay::name_servers::NameServerWatch;
use crate::relay::run::Relay;

use super::startup::{FAILURE, Failure, NOT_BOUND};

/// Opens the listening sockets.
pub(super) fn listeners(smtp: &SmtpServer) -> Result<Vec<Listener>, Failure> {
    let variable = |name: &str| std::env::var(name).ok();
    let handed = match smtp.listen.is_empty() {
        true => activation::sockets(std::process::id(), &variable).map_err(Failure::new)?,
        false => Vec::new(),
    };
    listening::listen(&smtp.listen, smtp.port, &handed).map_err(|error| Failure {
        status: NOT_BOUND,
        text: error.to_string(),
    })
}

/// Reads the options about block lists.
pub(super) fn block_lists(smtp: Option<&SmtpServer>) -> Result<Arc<[dnsbl::Config]>, Failure> {
    let texts = smtp.map_or(&[][..], |smtp| &smtp.dnsbl);
    let lists = dnsbl::Config::parse_all(texts.iter().map(String::as_str));
    lists.map(Arc::from).map_err(|error| Failure {
        status: FAILURE,
        text: format!("--dnsbl: {error}"),
    })
}

/// How many sockets the check of one client may have open at once.
pub(super) fn sockets_of_check(lists: &[dnsbl::Config]) -> usize {
    let sockets = lists.iter().map(|list| match list.server() {
        Some(_) => list.zones().len(),
        None => list.zones().len() * dnsbl::SERVERS_MAX,
    });
    sockets.sum()
}

/// Makes the door, and keeps up with the name servers where it needs them.
pub(super) fn door(relay: &mut Relay, smtp: &SmtpServer, lists: Arc<[dnsbl::Config]>) -> Rc<Door> {
    if lists.iter().any(|list| list.server().is_none()) {
        relay.context().name_servers = lookup::name_servers();
        relay.add(Box::new(NameServerWatch::new()));
    }
    Rc::new(Door {
        remote_clients: smtp.remote_clients,
        block_lists: lists,
        clients: Clients::new(SESSIONS_PER_CLIENT_MAX),
    })
}
