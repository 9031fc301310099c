//! What the servers need before they can be started.

use std::rc::Rc;
use std::sync::Arc;

use crate::config::{PopServer, Serve, ServerName, SmtpServer};
use crate::net::activation;
use crate::net::listener::Listener;
use crate::proto::dnsbl;
use crate::relay::clients::Clients;
use crate::relay::limits::SESSIONS_PER_CLIENT_MAX;
use crate::relay::listener::{Door, ServerListener};
use crate::relay::listening::{self, Claims, ListeningError, Place};
use crate::relay::lookup;
use crate::relay::name_servers::NameServerWatch;
use crate::relay::pop_server::host::PopHost;
use crate::relay::run::Relay;
use crate::relay::smtp_server::Service;
use crate::relay::smtp_server::host::SmtpHost;
use crate::relay::watch::switches::Switches;
use crate::sys;
use crate::sys::privileges::{self, User};
use crate::warning;

use super::startup::Failure;

/// Where the servers are to listen.
fn places(serve: &Serve) -> Vec<Place<'_>> {
    let smtp = serve.smtp.as_ref().map(|smtp| Place {
        server: ServerName::Smtp,
        addresses: &smtp.listen,
        port: smtp.port,
    });
    let pop = serve.pop.as_ref().map(|pop| Place {
        server: ServerName::Pop,
        addresses: &pop.listen,
        port: pop.port,
    });
    let mut places: Vec<_> = smtp.into_iter().chain(pop).collect();
    if let Some(admin) = &serve.admin {
        let place = |addresses| Place {
            server: ServerName::Admin,
            addresses,
            port: admin.port,
        };
        // The addresses of its own come last.
        let shared = admin.listens_at_shared().then_some(&admin.shared);
        let own = Some(&admin.own).filter(|own| !own.is_empty());
        places.extend([shared, own].into_iter().flatten().map(|all| place(all)));
    }
    places
}

/// Opens the listening sockets of all servers, or takes those that systemd has
/// opened and told that process of, if any. Files of sockets belong to the user's
/// group.
pub(super) fn listeners(
    serve: &Serve,
    told: Option<u32>,
    user: Option<&User>,
    claims: &mut Claims,
) -> Result<Vec<(ServerName, Vec<Listener>)>, Failure> {
    let variable = |name: &str| std::env::var(name).ok();
    let places = places(serve);
    let servers: Vec<ServerName> = places.iter().map(|place| place.server).collect();
    let may_inherit = places.iter().any(|place| place.addresses.is_empty());
    let handed = match told.filter(|_| may_inherit) {
        Some(process) => activation::sockets(process, &variable).map_err(Failure::new)?,
        None => Vec::new(),
    };
    let listeners = with_group(user, || {
        listening::check_handed(&handed, &servers)?;
        listening::listen(&places, &handed, claims)
    })?;
    Ok(servers.into_iter().zip(listeners).collect())
}

/// Opens the listening sockets for metrics; files of sockets belong to the user's group.
pub(super) fn metrics_listeners(
    serve: &Serve,
    user: Option<&User>,
    claims: &mut Claims,
) -> Result<Vec<Listener>, Failure> {
    match &serve.metrics {
        Some(metrics) => with_group(user, || {
            listening::listen_for_metrics(&metrics.listen, claims)
        }),
        None => Ok(Vec::new()),
    }
}

/// Listens with the user's group, if there is one.
fn with_group<T>(
    user: Option<&User>,
    listen: impl FnOnce() -> Result<T, ListeningError>,
) -> Result<T, Failure> {
    let listeners = match user {
        None => listen(),
        Some(user) => privileges::with_group(user, listen).map_err(|error| {
            let reason = sys::reason(&error);
            Failure::new(format!(
                "--user: cannot take group {}: {reason}",
                user.group
            ))
        })?,
    };
    listeners.map_err(|error| Failure::not_bound(&error))
}

/// Has a server's clients come in by its listening sockets.
pub(super) fn open_door(
    relay: &mut Relay,
    door: Door,
    server: ServerName,
    listeners: &mut Vec<(ServerName, Vec<Listener>)>,
) {
    let door = Rc::new(door);
    let (own, others) = std::mem::take(listeners)
        .into_iter()
        .partition(|(of, _)| *of == server);
    *listeners = others;
    for listener in Vec::into_iter(own).flat_map(|(_, all)| all) {
        relay.add(Box::new(ServerListener::new(listener, Rc::clone(&door))));
    }
}

/// Reads the options about block lists.
pub(super) fn block_lists(smtp: Option<&SmtpServer>) -> Result<Arc<[dnsbl::Config]>, Failure> {
    let texts = smtp.map_or(&[][..], |smtp| &smtp.dnsbl);
    let lists = dnsbl::Config::parse_all(texts.iter().map(String::as_str));
    let fail = |error| Failure::new(format!("--dnsbl: {error}"));
    let lists = lists.map_err(fail)?;
    for list in lists
        .iter()
        .filter(|list| list.threshold() > 0 && !list.can_block())
    {
        warning!(
            "--dnsbl: no client is ever blocked where {} lists have to agree and there are only {}",
            list.threshold(),
            list.zones().len()
        );
    }
    Ok(lists.into())
}

/// How many sockets the check of one client may have open at once.
pub(super) fn sockets_of_check(lists: &[dnsbl::Config]) -> usize {
    let sockets = lists.iter().map(|list| match list.server() {
        Some(_) => list.zones().len(),
        None => list.zones().len() * dnsbl::SERVERS_MAX,
    });
    sockets.sum()
}

/// Makes the door of the SMTP server, and keeps up with the name servers where it
/// needs them.
pub(super) fn smtp_door(
    relay: &mut Relay,
    smtp: &SmtpServer,
    service: Service,
    block_lists: Arc<[dnsbl::Config]>,
    switches: Rc<Switches>,
    sessions_max: usize,
) -> Door {
    let lists = &block_lists;
    if lists.iter().any(|list| list.server().is_none()) {
        relay.context().name_servers = lookup::name_servers();
        relay.add(Box::new(NameServerWatch::new()));
    }
    Door {
        host: Box::new(SmtpHost {
            service: Arc::new(service),
            block_lists,
            switches,
        }),
        remote_clients: smtp.remote_clients,
        clients: Clients::new(sessions_max, SESSIONS_PER_CLIENT_MAX),
    }
}

/// Makes the door of the POP server.
pub(super) fn pop_door(pop: &PopServer, host: PopHost, sessions_max: usize) -> Door {
    Door {
        host: Box::new(host),
        remote_clients: pop.remote_clients,
        clients: Clients::new(sessions_max, SESSIONS_PER_CLIENT_MAX),
    }
}
