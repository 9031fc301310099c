//! Lets administrators, and programs that watch, in.

use std::rc::Rc;
use std::sync::Arc;

use crate::base::OneLine;
use crate::config::{AdminServer, MetricsAddress, MetricsServer, Serve, ServerName};
use crate::event::Token;
use crate::net::listener::Listener;
use crate::proto::admin::{IDLE_MAX, Settings};
use crate::relay::admin;
use crate::relay::admin::host::AdminHost;
use crate::relay::clients::Clients;
use crate::relay::limits::{ADMIN_SESSIONS_MAX, METRICS_SESSIONS_MAX};
use crate::relay::listener::{Door, ServerListener};
use crate::relay::metrics_server::{self, MetricsHost};
use crate::relay::run::Relay;
use crate::relay::watch::surveyor::Surveyor;
use crate::relay::watch::switches::Switches;
use crate::store::Spool;
use crate::sys::time;
use crate::tls;

/// What is watched.
pub(super) struct Watched {
    pub(super) spool: Spool,
    pub(super) forwarder: Option<Token>,
    pub(super) switches: Rc<Switches>,
    pub(super) has_block_lists: bool,
}

/// How many descriptors those who watch may need.
pub(super) fn descriptors(serve: Option<&Serve>) -> usize {
    let admin = serve.and_then(|serve| serve.admin.as_ref());
    let metrics = serve.and_then(|serve| serve.metrics.as_ref());
    admin.map_or(0, |_| ADMIN_SESSIONS_MAX) + metrics.map_or(0, |_| METRICS_SESSIONS_MAX)
}

/// Adds all that the configuration has of it.
pub(super) fn add(
    relay: &mut Relay,
    serve: &Serve,
    watched: Watched,
    listeners: &mut Vec<(ServerName, Vec<Listener>)>,
    metrics: Vec<Listener>,
) {
    if serve.admin.is_none() && serve.metrics.is_none() {
        return;
    }
    let surveyor = relay.add(Box::new(Surveyor::new(watched.spool.clone())));
    if let Some(admin) = &serve.admin {
        let service = admin_service(admin, serve, watched, surveyor);
        let own = admin_listeners(admin, listeners);
        add_admin(relay, admin, service, own);
    }
    if let Some(MetricsServer {
        listen: address,
        remote_clients,
    }) = &serve.metrics
    {
        let service = metrics_server::Service {
            surveyor,
            started: time::wall_clock().unix_seconds(),
        };
        let host = MetricsHost {
            service: Rc::new(service),
            only_this_system: matches!(address, MetricsAddress::Loopback(_)) || is_all(address),
        };
        let door = Door {
            host: Box::new(host),
            remote_clients: *remote_clients,
            clients: Clients::new(METRICS_SESSIONS_MAX, METRICS_SESSIONS_MAX),
        };
        listen(relay, door, metrics);
    }
}

/// Whether the address stands for all that this system has.
fn is_all(address: &MetricsAddress) -> bool {
    matches!(address, MetricsAddress::Ip(literal, _) if literal.ip.to_canonical().is_unspecified())
}

fn admin_service(
    admin: &AdminServer,
    serve: &Serve,
    watched: Watched,
    surveyor: Token,
) -> Rc<admin::Service> {
    let libraries: Vec<String> = tls::providers()
        .iter()
        .map(|one| one.description())
        .collect();
    let credit = match libraries.is_empty() {
        true => "no other work".to_owned(),
        false => libraries.join(", "),
    };
    let licence = env!("CARGO_PKG_LICENSE");
    Rc::new(admin::Service {
        machine: Arc::new(Settings {
            pid: std::process::id(),
            version: OneLine::escaped(env!("CARGO_PKG_VERSION")),
            copyright: OneLine::escaped(format!("copyright of the authors; licence: {licence}")),
            credit: OneLine::escaped(format!("made with {credit}")),
            warranty: OneLine::escaped(format!("there is no warranty; licence: {licence}")),
            terminate: admin.terminate,
            idle_timeout: IDLE_MAX,
        }),
        spool: watched.spool,
        forwarder: watched.forwarder,
        surveyor,
        switches: watched.switches,
        has_smtp: serve.smtp.is_some(),
        has_block_lists: watched.has_block_lists,
    })
}

/// Its listening sockets: those at shared addresses, and those at its own.
fn admin_listeners(
    admin: &AdminServer,
    listeners: &mut Vec<(ServerName, Vec<Listener>)>,
) -> (Vec<Listener>, Vec<Listener>) {
    let (of_admin, others): (Vec<_>, Vec<_>) = std::mem::take(listeners)
        .into_iter()
        .partition(|(server, _)| *server == ServerName::Admin);
    *listeners = others;
    let mut of_admin = of_admin.into_iter().map(|(_, all)| all);
    let shared = match admin.listens_at_shared() {
        true => of_admin.next().unwrap_or_default(),
        false => Vec::new(),
    };
    (shared, of_admin.next().unwrap_or_default())
}

fn add_admin(
    relay: &mut Relay,
    admin: &AdminServer,
    service: Rc<admin::Service>,
    (shared, own): (Vec<Listener>, Vec<Listener>),
) {
    let clients = Clients::new(ADMIN_SESSIONS_MAX, ADMIN_SESSIONS_MAX);
    for (listeners, only_this_system) in [(shared, true), (own, false)] {
        let host = AdminHost {
            service: Rc::clone(&service),
            only_this_system,
        };
        let door = Door {
            host: Box::new(host),
            remote_clients: admin.remote_clients,
            clients: Rc::clone(&clients),
        };
        listen(relay, door, listeners);
    }
}

fn listen(relay: &mut Relay, door: Door, listeners: Vec<Listener>) {
    let door = Rc::new(door);
    for listener in listeners {
        relay.add(Box::new(ServerListener::new(listener, Rc::clone(&door))));
    }
}
