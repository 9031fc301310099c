//! One configured relay: from the configuration to what sessions go by.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::base::OneLine;
use crate::config::{
    Address, ClientInterface, Config, Forward, ListenAddress, Program, SmtpServer, TlsStart,
};
use crate::event::Token;
use crate::filter::accounts::Accounts;
use crate::filter::spec::Spec;
use crate::net::address::{AddressError, Target};
use crate::net::connector::TIMEOUT_MAX;
use crate::net::resolver::Family;
use crate::proto::smtp::path::PathRules;
use crate::proto::smtp::{client, server};
use crate::store::Spool;
use crate::sys;

mod filters;
mod pop;
mod security;

pub use pop::pop_host;
pub use security::{pop_site, site};

use super::bounce::Bounces;
use super::forwarder::{Schedule, Traffic};
use super::listening;
use super::security::SiteId;
use super::settlement::Terms;
use super::smtp_client::Route;
use super::smtp_server::Service;
use super::verification::Verifier;

/// Whether a configuration without listeners means to end after one pass.
pub fn schedule(config: &Config, forward: &Forward) -> Schedule {
    Schedule {
        on_start: forward.on_start,
        poll: forward.poll,
        once: config.serve.is_none() && forward.poll.is_none(),
        retries: forward.on_start || forward.on_disconnect || forward.poll.is_some(),
        traffic: Traffic {
            connections: forward.traffic.connections,
            per_minute: forward.traffic.per_minute,
            per_connection: forward.traffic.per_connection,
        },
    }
}

/// What the sessions of the SMTP server share.
pub fn service(
    spool: &Spool,
    site: SiteId,
    config: &Config,
    smtp: &SmtpServer,
    domain: &OneLine,
    verifier: Option<Verifier>,
    forwarder: Option<Token>,
) -> Result<Service, String> {
    let (auth, tls) = (smtp.auth.as_ref(), smtp.tls.as_ref());
    let wants = |wish: fn(&Forward) -> bool| config.forward.as_ref().is_some_and(wish);
    let on_disconnect = wants(|forward| forward.on_disconnect);
    let is_immediate = wants(|forward| forward.immediate);
    Ok(Service {
        spool: spool.clone(),
        site,
        machine: Arc::new(server::Settings {
            domain: domain.clone(),
            size_max: smtp.size_max,
            anonymous_server: smtp.anonymous.server,
            vrfy: !smtp.anonymous.vrfy,
            pipelining: smtp.extensions.pipelining,
            chunking: smtp.extensions.chunking,
            smtputf8: smtp.extensions.smtputf8,
            path_rules: match smtp.extensions.strict_parsing {
                true => PathRules::Strict,
                false => PathRules::Lenient,
            },
            verify: verifier.is_some(),
            idle_timeout: smtp.idle_timeout,
            starttls: tls.is_some_and(|tls| !tls.first),
            tls_required: tls.is_some_and(|tls| tls.required),
            auth: auth.map(security::mechanisms).transpose()?,
            note_commands: config.log.enabled && config.log.verbose,
            ..server::Settings::default()
        }),
        tls_first: tls.is_some_and(|tls| tls.first),
        trace: !smtp.anonymous.content,
        verifier: verifier.map(Arc::new),
        filters: filters::server(smtp, domain)?,
        immediate: forwarder.filter(|_| is_immediate),
        client_filters: match &config.forward {
            Some(forward) if forward.immediate => filters::client(forward, domain)?,
            _ => None,
        },
        rescans: forwarder,
        forwarder: forwarder.filter(|_| on_disconnect),
    })
}

/// What recipients are put to, once it is known that it can be asked at all.
pub fn verifier(smtp: &SmtpServer, domain: &OneLine) -> Result<Option<Verifier>, String> {
    let fail = |error: &dyn std::fmt::Display| format!("--address-verifier: {error}");
    let Some(program) = &smtp.address_verifier else {
        return Ok(None);
    };
    let spec = spec(program).map_err(|error| fail(&error))?;
    spec.check().map_err(|error| fail(&error))?;
    Ok(Some(Verifier {
        spec,
        timeout: smtp.filter_timeout,
        domain: domain.clone(),
    }))
}

fn spec(program: &Program) -> Result<Spec, AddressError> {
    Ok(match program {
        Program::File(path) => Spec::Program(path.clone()),
        Program::Net(address) => Spec::Net(target(address)?),
        Program::Exit(status) => Spec::Exit(*status),
        Program::Accounts(given) => Spec::Accounts(Accounts {
            users: given.users.clone(),
            lowercase: given.lowercase,
            remote: given.remote,
            check: given.check,
        }),
    })
}

/// How many descriptors of its own a session with a client may have besides: for
/// connections to services, or the output of programs.
pub fn connections(smtp: &SmtpServer, forward: Option<&Forward>) -> usize {
    let verifier = matches!(smtp.address_verifier, Some(Program::Net(_)));
    let immediate = forward.is_some_and(|forward| forward.immediate);
    usize::from(verifier) + usize::from(!smtp.filters.is_empty()) + usize::from(immediate)
}

/// Where and how mail is forwarded, but for what is read from files.
pub fn route(
    config: &Config,
    forward: &Forward,
    domain: &OneLine,
    login: Option<client::Login>,
) -> Result<Route, String> {
    let interface = forward.client_interface.as_ref();
    let locals = interface.map(locals).transpose()?.unwrap_or_default();
    let hops: Result<Vec<Target>, AddressError> = forward.to.iter().map(target).collect();
    let hops = hops.map_err(|error| error.to_string())?;
    let (next_hop, others) = hops
        .split_first()
        .expect("invariant: the list is not empty");
    Ok(Route {
        target: next_hop.clone(),
        others: others.to_vec(),
        memory: Arc::default(),
        machine: Arc::new(client::Settings {
            prompt_timeout: forward.prompt_timeout,
            response_timeout: forward.response_timeout,
            note_commands: config.log.enabled && config.log.verbose,
            tls: tls_start(forward),
            handshake_timeout: forward.connection_timeout,
            login,
            is_local: matches!(next_hop, Target::Unix(_)),
            anonymous: forward.anonymous.client,
            pipelining: forward.extensions.pipelining,
            chunking: forward.extensions.chunking,
            strict_eight_bit: forward.extensions.strict_eight_bit,
            strict_smtputf8: forward.extensions.strict_smtputf8,
            strict_binary: forward.extensions.strict_binary,
            strict_recipients: !forward.to_some,
            ..client::Settings::new(domain.clone())
        }),
        connection_timeout: forward
            .connection_timeout
            .map_or(TIMEOUT_MAX, at_most_a_day),
        family: family(interface, &locals),
        locals: locals
            .into_iter()
            .filter(|local| !local.ip().is_unspecified() || local.port() > 0)
            .collect(),
        filters: filters::client(forward, domain)?,
        connector: None,
        own: Vec::new(),
        terms: Terms {
            retry_period: forward.retry_period,
            bounces: forward
                .bounce
                .then(|| Arc::new(Bounces::new(domain.clone()))),
        },
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

/// The addresses to connect from, as they are now.
fn locals(interface: &ClientInterface) -> Result<Vec<SocketAddr>, String> {
    let (address, port) = match interface {
        ClientInterface::Ip(literal, port) => (ListenAddress::Ip(literal.clone()), *port),
        ClientInterface::Interface { name, only } => {
            let (name, only) = (name.clone(), *only);
            (ListenAddress::Interface { name, only }, 0)
        }
    };
    let found = listening::resolved(&address, port)
        .map_err(|error| format!("--client-interface: {error}"))?;
    let of_ip = |address| match address {
        sys::socket::Address::Tcp(address) => Some(address),
        sys::socket::Address::Unix(_) => None,
    };
    let mut locals: Vec<SocketAddr> = found.into_iter().filter_map(of_ip).collect();
    // From a link-local address little can be reached.
    locals.sort_by_key(|local| matches!(local.ip(), IpAddr::V6(ip) if ip.is_unicast_link_local()));
    Ok(locals)
}

/// The family that all connections are of, where it is a matter of choice.
fn family(interface: Option<&ClientInterface>, locals: &[SocketAddr]) -> Option<Family> {
    let first = Family::of(interface.and(locals.first())?.ip());
    let is_one = locals.iter().all(|local| Family::of(local.ip()) == first);
    is_one.then_some(first)
}

fn target(address: &Address) -> Result<Target, AddressError> {
    match address {
        Address::Unix(path) => Ok(Target::Unix(path.clone())),
        // Both rooms read and write the same form.
        Address::Tcp(..) => Target::parse(&address.to_string()),
        Address::Socks { .. } => Target::parse_next_hop(&address.to_string()),
    }
}
