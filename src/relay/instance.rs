//! One configured relay: from the configuration to what sessions go by.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::base::OneLine;
use crate::config::{Address, Config, Forward, ListenAddress, Literal, SmtpServer, TlsStart, Zone};
use crate::event::Token;
use crate::net::address::{AddressError, Host, HostPort, Target};
use crate::net::connector::TIMEOUT_MAX;
use crate::net::resolver::{Family, ResolveError, resolve};
use crate::proto::smtp::{client, server};
use crate::sys::socket;

mod security;

pub use security::security;

use super::forwarder::Schedule;
use super::smtp_client::Route;
use super::smtp_server::Service;

/// Whether a configuration without listeners means to end after one pass.
pub fn schedule(config: &Config, forward: &Forward) -> Schedule {
    Schedule {
        on_start: forward.on_start,
        poll: forward.poll,
        once: config.serve.is_none() && forward.poll.is_none(),
    }
}

/// What the sessions of the SMTP server share.
pub fn service(
    config: &Config,
    smtp: &SmtpServer,
    domain: &OneLine,
    forwarder: Option<Token>,
) -> Result<Service, String> {
    let (auth, tls) = (smtp.auth.as_ref(), smtp.tls.as_ref());
    let on_disconnect = config
        .forward
        .as_ref()
        .is_some_and(|forward| forward.on_disconnect);
    Ok(Service {
        machine: Arc::new(server::Settings {
            domain: domain.clone(),
            size_max: smtp.size_max,
            anonymous_server: smtp.anonymous.server,
            vrfy: !smtp.anonymous.vrfy,
            idle_timeout: smtp.idle_timeout,
            starttls: tls.is_some_and(|tls| !tls.first),
            tls_required: tls.is_some_and(|tls| tls.required),
            auth: auth.map(security::mechanisms).transpose()?,
            note_commands: config.log.enabled && config.log.verbose,
            ..server::Settings::default()
        }),
        tls_first: tls.is_some_and(|tls| tls.first),
        trace: !smtp.anonymous.content,
        forwarder: forwarder.filter(|_| on_disconnect),
    })
}

/// Where and how mail is forwarded, but for what is read from files.
pub fn route(
    config: &Config,
    forward: &Forward,
    domain: &OneLine,
    login: Option<client::Login>,
) -> Result<Route, AddressError> {
    let interface = forward.client_interface.as_ref();
    Ok(Route {
        target: target(&forward.to)?,
        machine: Arc::new(client::Settings {
            prompt_timeout: forward.prompt_timeout,
            response_timeout: forward.response_timeout,
            note_commands: config.log.enabled && config.log.verbose,
            tls: tls_start(forward),
            handshake_timeout: forward.connection_timeout,
            login,
            is_local: matches!(forward.to, Address::Unix(_)),
            anonymous: forward.anonymous.client,
            ..client::Settings::new(domain.clone())
        }),
        connection_timeout: forward
            .connection_timeout
            .map_or(TIMEOUT_MAX, at_most_a_day),
        local: interface
            .filter(|literal| !literal.ip.is_unspecified())
            .map(local_address),
        family: interface.map(|literal| Family::of(literal.ip)),
        connector: None,
    })
}

fn tls_start(forward: &Forward) -> client::Tls {
    match forward.tls.as_ref().map(|tls| tls.start) {
        None => client::Tls::Never,
        Some(TlsStart::IfOffered) => client::Tls::IfOffered,
        Some(TlsStart::Required) => client::Tls::Required,
        Some(TlsStart::Immediately) => client::Tls::Implicit,
    }
}

fn at_most_a_day(timeout: Duration) -> Duration {
    timeout.min(TIMEOUT_MAX)
}

fn local_address(literal: &Literal) -> SocketAddr {
    SocketAddr::new(literal.ip, 0)
}

fn target(address: &Address) -> Result<Target, AddressError> {
    match address {
        Address::Unix(path) => Ok(Target::Unix(path.clone())),
        // Both rooms read and write the same form.
        Address::Tcp(..) => Target::parse(&address.to_string()),
    }
}

/// The address of a listening socket.
pub fn listen_address(address: &ListenAddress, port: u16) -> Result<socket::Address, ResolveError> {
    match address {
        ListenAddress::Unix(path) => Ok(socket::Address::Unix(path.clone())),
        ListenAddress::Ip(Literal { ip, zone: None }) => {
            Ok(socket::Address::Tcp(SocketAddr::new(*ip, port)))
        }
        ListenAddress::Ip(literal @ Literal { ip, .. }) => zoned(*ip, literal, port),
    }
}

/// Only the system knows the numbers of zones.
fn zoned(ip: IpAddr, literal: &Literal, port: u16) -> Result<socket::Address, ResolveError> {
    let zone = literal.zone.as_ref().map(|zone| match zone {
        Zone::Index(index) => index.to_string(),
        Zone::Name(name) => name.clone(),
    });
    let host = Host::Ip(ip, zone);
    let found = resolve(&HostPort { host, port }, None)?;
    let first = found.into_iter().next();
    Ok(socket::Address::Tcp(
        first.unwrap_or(SocketAddr::new(ip, port)),
    ))
}
