//! One configuration on its way from the options to sessions of the loop: what may
//! take the privileges of root is opened first, then what belongs to the user that
//! the program has become, and last the sessions are added.

use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use crate::base::OneLine;
use crate::config::{Config, PopServer, ServerName, SmtpServer};
use crate::event::Token;
use crate::net::listener::Listener;
use crate::proto::dnsbl;
use crate::relay::access::{self, Access};
use crate::relay::forwarder::Forwarder;
use crate::relay::instance;
use crate::relay::limits;
use crate::relay::listening::Claims;
use crate::relay::run::Relay;
use crate::relay::security::Site;
use crate::relay::verification::Verifier;
use crate::relay::watch::switches::Switches;
use crate::store::Spool;
use crate::sys::privileges::User;
use crate::sys::random;
use crate::sys::socket::Address;
use crate::warning;

use super::own_name::own_name;
use super::serving;
use super::spool_advice;
use super::startup::Failure;
use super::watching::{self, Watched};

/// What one configuration needs that may take privileges: addresses, secrets, keys.
pub(super) struct Opened {
    block_lists: Arc<[dnsbl::Config]>,
    listeners: Vec<(ServerName, Vec<Listener>)>,
    metrics: Vec<Listener>,
    site: Site,
    pop_site: Site,
    access: Option<Access>,
}

/// All that one configuration needs, open and checked.
pub(super) struct Checked {
    opened: Opened,
    spool: Spool,
    domain: OneLine,
    verifier: Option<Verifier>,
    connections: usize,
}

impl Opened {
    /// Opens it all, with the sockets that the parent process has opened if they are
    /// for this configuration; that process has told of them to the process `told`.
    /// What is created belongs to the user's group. `claims` are those of the process
    /// so far. Starts no thread. Blocks.
    pub(super) fn new(
        config: &Config,
        told: Option<u32>,
        user: Option<&User>,
        claims: &mut Claims,
    ) -> Result<Opened, Failure> {
        let smtp = smtp_of(config);
        let block_lists = serving::block_lists(smtp)?;
        let (listeners, metrics) = match &config.serve {
            Some(serve) => (
                serving::listeners(serve, told, user, claims)?,
                serving::metrics_listeners(serve, user, claims)?,
            ),
            None => (Vec::new(), Vec::new()),
        };
        let site = match smtp {
            Some(smtp) => instance::site(config, smtp).map_err(Failure::new)?,
            None => Site::default(),
        };
        let access = match &config.forward {
            Some(forward) => Some(Access::open(config, forward).map_err(Failure::new)?),
            None => None,
        };
        let pop_site = match pop_of(config) {
            Some(pop) => instance::pop_site(config, pop).map_err(Failure::new)?,
            None => Site::default(),
        };
        Ok(Opened {
            block_lists,
            listeners,
            metrics,
            site,
            pop_site,
            access,
        })
    }

    /// Checks and opens the rest, as the user that the program has become. Blocks.
    pub(super) fn check(self, config: &Config, user: Option<&User>) -> Result<Checked, Failure> {
        let smtp = smtp_of(config);
        let spool = open_spool(&config.spool_dir, user)?;
        if !config.process.check {
            recover(&spool)?;
        }
        let domain = config.domain.clone().unwrap_or_else(own_name);
        let verifier = match smtp {
            Some(smtp) => instance::verifier(smtp, &domain).map_err(Failure::new)?,
            None => None,
        };
        Ok(Checked {
            opened: self,
            spool,
            domain,
            verifier,
            connections: smtp.map_or(0, |smtp| {
                instance::connections(smtp, config.forward.as_ref())
            }),
        })
    }
}

impl Checked {
    /// How many sockets the check of one client may have open at once.
    pub(super) fn sockets_of_check(&self) -> usize {
        serving::sockets_of_check(&self.opened.block_lists)
    }

    /// How many connections of its own a session with a client may have.
    pub(super) fn connections(&self) -> usize {
        self.connections
    }

    /// Makes what sessions would go by, but no session.
    pub(super) fn try_out(self, relay: &mut Relay, config: &Config) -> Result<(), Failure> {
        let Checked {
            opened,
            spool,
            domain,
            verifier,
            ..
        } = self;
        if let Some(forward) = &config.forward {
            let login = access::login(forward).map_err(Failure::new)?;
            instance::route(config, forward, &domain, login).map_err(Failure::new)?;
        }
        if let Some(smtp) = smtp_of(config) {
            let site = relay.context().security.add(opened.site);
            instance::service(&spool, site, config, smtp, &domain, verifier, None)
                .map_err(Failure::new)?;
        }
        if let Some(pop) = pop_of(config) {
            let site = relay.context().security.add(opened.pop_site);
            instance::pop_host(&spool, site, config, pop, &domain).map_err(Failure::new)?;
        }
        Ok(())
    }

    /// Adds its sessions to the loop; of each server as many as that at once.
    pub(super) fn add_to(
        self,
        relay: &mut Relay,
        config: &Config,
        sessions_max: usize,
    ) -> Result<(), Failure> {
        let Checked {
            opened,
            spool,
            domain,
            verifier,
            ..
        } = self;
        let mut listeners = opened.listeners;
        let own = smtp_addresses(&listeners);
        let way_in = (opened.access, own);
        let forwarder = add_forwarder(relay, &spool, config, &domain, way_in)?;
        let switches = Rc::new(Switches::default());
        let watched = Watched {
            spool: spool.clone(),
            forwarder,
            switches: Rc::clone(&switches),
            has_block_lists: !opened.block_lists.is_empty(),
        };
        let (smtp, pop) = (smtp_of(config), pop_of(config));
        let (sessions_max, pop_sessions_max) =
            limits::shares(sessions_max, smtp.is_some(), pop.is_some());
        if let Some(smtp) = smtp {
            let site = relay.context().security.add(opened.site);
            let service =
                instance::service(&spool, site, config, smtp, &domain, verifier, forwarder);
            let service = service.map_err(Failure::new)?;
            let lists = opened.block_lists;
            let door = serving::smtp_door(relay, smtp, service, lists, switches, sessions_max);
            serving::open_door(relay, door, ServerName::Smtp, &mut listeners);
        }
        if let Some(pop) = pop {
            let site = relay.context().security.add(opened.pop_site);
            let host = instance::pop_host(&spool, site, config, pop, &domain);
            let host = host.map_err(Failure::new)?;
            let door = serving::pop_door(pop, host, pop_sessions_max);
            serving::open_door(relay, door, ServerName::Pop, &mut listeners);
        }
        if let Some(serve) = &config.serve {
            watching::add(relay, serve, watched, &mut listeners, opened.metrics);
        }
        Ok(())
    }
}

fn smtp_of(config: &Config) -> Option<&SmtpServer> {
    config.serve.as_ref()?.smtp.as_ref()
}

fn pop_of(config: &Config) -> Option<&PopServer> {
    config.serve.as_ref()?.pop.as_ref()
}

/// Opens the spool, if this user may use it.
fn open_spool(path: &Path, user: Option<&User>) -> Result<Spool, Failure> {
    spool_advice::check(path, user).map_err(Failure::new)?;
    let fail = |error| Failure::new(format!("invalid spool directory: {error}"));
    Spool::open(path, random::u64()).map_err(fail)
}

/// Tidies up after processes that died.
fn recover(spool: &Spool) -> Result<(), Failure> {
    let fail = |error| Failure::new(format!("invalid spool directory: {error}"));
    let report = spool.recover().map_err(fail)?;
    report.lines.iter().for_each(|line| warning!("{line}"));
    Ok(())
}

/// Where the SMTP server listens, but for sockets of the unix domain.
fn smtp_addresses(listeners: &[(ServerName, Vec<Listener>)]) -> Vec<SocketAddr> {
    let smtp = listeners
        .iter()
        .filter(|(name, _)| *name == ServerName::Smtp);
    let all = smtp.flat_map(|(_, listeners)| listeners);
    let tcp = |listener: &Listener| match listener.address() {
        Address::Tcp(address) => Some(*address),
        Address::Unix(_) => None,
    };
    all.filter_map(tcp).collect()
}

fn add_forwarder(
    relay: &mut Relay,
    spool: &Spool,
    config: &Config,
    domain: &OneLine,
    (access, own): (Option<Access>, Vec<SocketAddr>),
) -> Result<Option<Token>, Failure> {
    let (Some(forward), Some(access)) = (&config.forward, access) else {
        return Ok(None);
    };
    let login = access::login(forward).map_err(Failure::new)?;
    let mut route = instance::route(config, forward, domain, login).map_err(Failure::new)?;
    route.own = own;
    let forwarder = Forwarder::new(
        spool.clone(),
        route,
        access,
        instance::schedule(config, forward),
    );
    Ok(Some(relay.add(Box::new(forwarder))))
}
