//! From the configuration to what sessions of the POP server go by.

use std::sync::Arc;

use crate::base::OneLine;
use crate::config::{Config, PopServer};
use crate::proto::pop::Settings;
use crate::relay::pop_server::Service;
use crate::relay::pop_server::host::PopHost;
use crate::relay::security::SiteId;
use crate::store::Spool;

use super::security;

/// Who receives the clients of the POP server.
pub fn pop_host(
    spool: &Spool,
    site: SiteId,
    config: &Config,
    pop: &PopServer,
    domain: &OneLine,
) -> Result<PopHost, String> {
    let defaults = Settings::default();
    let tls = pop.tls.as_ref();
    let auth = pop.auth.as_ref().map(security::mechanisms).transpose()?;
    let is_anonymous = pop.anonymous.server;
    let machine = Settings {
        domain: match is_anonymous {
            true => defaults.domain,
            false => domain.clone(),
        },
        implementation: defaults.implementation.filter(|_| !is_anonymous),
        stls: tls.is_some(),
        tls_required: tls.is_some_and(|tls| tls.required),
        auth: auth.unwrap_or_default(),
        no_delete: pop.no_delete,
        idle_timeout: pop.idle_timeout,
        maildrop_idle_timeout: pop.maildrop_idle_timeout,
        note_commands: config.log.enabled && config.log.verbose,
        limits: defaults.limits,
    };
    let service = Service {
        spool: spool.clone(),
        site,
        machine: Arc::new(machine),
        by_name: pop.by_name,
    };
    Ok(PopHost {
        service: Arc::new(service),
        tls_first: tls.is_some_and(|tls| tls.first),
    })
}
