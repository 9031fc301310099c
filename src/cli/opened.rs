//! One configuration on its way from the options to sessions of the loop: first
//! everything that can fail is opened and checked, then the sessions are added.

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
use crate::relay::run::Relay;
use crate::relay::security::Site;
use crate::relay::verification::Verifier;
use crate::relay::watch::switches::Switches;
use crate::store::Spool;
use crate::sys::random;
use crate::warning;

use super::own_name::own_name;
use super::serving;
use super::startup::Failure;
use super::watching::{self, Watched};

/// What one configuration needs, open and checked.
pub(super) struct Opened {
    block_lists: Arc<[dnsbl::Config]>,
    listeners: Vec<(ServerName, Vec<Listener>)>,
    metrics: Vec<Listener>,
    spool: Spool,
    domain: OneLine,
    verifier: Option<Verifier>,
    site: Site,
    pop_site: Site,
    connections: usize,
}

impl Opened {
    /// Opens and checks it all, with the sockets that the parent process has opened
    /// if they are for this configuration. Blocks.
    pub(super) fn new(config: &Config, may_inherit: bool) -> Result<Opened, Failure> {
        let smtp = smtp_of(config);
        let block_lists = serving::block_lists(smtp)?;
        let listeners = match &config.serve {
            Some(serve) => serving::listeners(serve, may_inherit)?,
            None => Vec::new(),
        };
        let metrics = watching::metrics_listeners(config.serve.as_ref())?;
        let spool = open_spool(&config.spool_dir)?;
        let domain = config.domain.clone().unwrap_or_else(own_name);
        let verifier = match smtp {
            Some(smtp) => instance::verifier(smtp, &domain).map_err(Failure::new)?,
            None => None,
        };
        let site = match smtp {
            Some(smtp) => instance::site(config, smtp).map_err(Failure::new)?,
            None => Site::default(),
        };
        let pop_site = match pop_of(config) {
            Some(pop) => instance::pop_site(config, pop).map_err(Failure::new)?,
            None => Site::default(),
        };
        Ok(Opened {
            connections: smtp.map_or(0, instance::connections),
            block_lists,
            listeners,
            metrics,
            spool,
            domain,
            verifier,
            site,
            pop_site,
        })
    }

    /// How many sockets the check of one client may have open at once.
    pub(super) fn sockets_of_check(&self) -> usize {
        serving::sockets_of_check(&self.block_lists)
    }

    /// How many connections of its own a session with a client may have.
    pub(super) fn connections(&self) -> usize {
        self.connections
    }

    /// Adds its sessions to the loop; of each server as many as that at once.
    pub(super) fn add_to(
        mut self,
        relay: &mut Relay,
        config: &Config,
        sessions_max: usize,
    ) -> Result<(), Failure> {
        let forwarder = add_forwarder(relay, &self.spool, config, &self.domain)?;
        let switches = Rc::new(Switches::default());
        let watched = Watched {
            spool: self.spool.clone(),
            forwarder,
            switches: Rc::clone(&switches),
            has_block_lists: !self.block_lists.is_empty(),
        };
        let (smtp, pop) = (smtp_of(config), pop_of(config));
        let (sessions_max, pop_sessions_max) =
            limits::shares(sessions_max, smtp.is_some(), pop.is_some());
        if let Some(smtp) = smtp {
            let site = relay.context().security.add(self.site);
            let service = instance::service(
                &self.spool,
                site,
                config,
                smtp,
                &self.domain,
                self.verifier,
                forwarder,
            );
            let service = service.map_err(Failure::new)?;
            let lists = self.block_lists;
            let door = serving::smtp_door(relay, smtp, service, lists, switches, sessions_max);
            serving::open_door(relay, door, ServerName::Smtp, &mut self.listeners);
        }
        if let Some(pop) = pop {
            let site = relay.context().security.add(self.pop_site);
            let host = instance::pop_host(&self.spool, site, config, pop, &self.domain);
            let host = host.map_err(Failure::new)?;
            let door = serving::pop_door(pop, host, pop_sessions_max);
            serving::open_door(relay, door, ServerName::Pop, &mut self.listeners);
        }
        if let Some(serve) = &config.serve {
            watching::add(relay, serve, watched, &mut self.listeners, self.metrics);
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

/// Opens the spool and tidies up after processes that died.
fn open_spool(path: &Path) -> Result<Spool, Failure> {
    let fail = |error| Failure::new(format!("invalid spool directory: {error}"));
    let spool = Spool::open(path, random::u64()).map_err(fail)?;
    let report = spool.recover().map_err(fail)?;
    report.lines.iter().for_each(|line| warning!("{line}"));
    Ok(spool)
}

fn add_forwarder(
    relay: &mut Relay,
    spool: &Spool,
    config: &Config,
    domain: &OneLine,
) -> Result<Option<Token>, Failure> {
    let Some(forward) = &config.forward else {
        return Ok(None);
    };
    let login = access::login(forward).map_err(Failure::new)?;
    let route = instance::route(config, forward, domain, login).map_err(Failure::new)?;
    let access = Access::open(config, forward).map_err(Failure::new)?;
    let forwarder = Forwarder::new(
        spool.clone(),
        route,
        access,
        instance::schedule(config, forward),
    );
    Ok(Some(relay.add(Box::new(forwarder))))
}
