//! The chains of filters that the configuration names.

use std::sync::Arc;
use std::time::Duration;

use crate::base::OneLine;
use crate::config::{Filter, Forward, SmtpServer};
use crate::filter::built_in::{self, Surroundings};
use crate::filter::chain::{Chain, Link, Side};
use crate::relay::lookup;

use super::target;

/// What messages are put through as they come in, once it is known that it can be
/// asked at all.
pub(super) fn server(smtp: &SmtpServer, domain: &OneLine) -> Result<Option<Arc<Chain>>, String> {
    let surroundings = Surroundings {
        timeout: smtp.filter_timeout,
        domain: domain.clone(),
        delivery_dir: smtp.delivery_dir.clone(),
        name_servers: lookup::name_servers,
    };
    chain(Side::Server, &smtp.filters, &surroundings).map_err(|error| format!("--filter: {error}"))
}

/// What messages are put through as they go out, as above.
pub(super) fn client(forward: &Forward, domain: &OneLine) -> Result<Option<Arc<Chain>>, String> {
    let surroundings = Surroundings {
        timeout: forward.filter_timeout,
        domain: domain.clone(),
        delivery_dir: forward.delivery_dir.clone(),
        name_servers: lookup::name_servers,
    };
    chain(Side::Client, &forward.filters, &surroundings)
        .map_err(|error| format!("--client-filter: {error}"))
}

fn chain(
    side: Side,
    filters: &[Filter],
    surroundings: &Surroundings,
) -> Result<Option<Arc<Chain>>, String> {
    let timeout: Option<Duration> = surroundings.timeout;
    let links = filters.iter().map(|filter| link(filter, surroundings));
    let chain = Chain {
        side,
        links: links.collect::<Result<_, _>>()?,
        timeout,
    };
    chain.check().map_err(|error| error.to_string())?;
    Ok((!chain.links.is_empty()).then(|| Arc::new(chain)))
}

fn link(filter: &Filter, surroundings: &Surroundings) -> Result<Link, String> {
    let target = |address| target(address).map_err(|error| error.to_string());
    Ok(match filter {
        Filter::File(path) => Link::Program(path.clone()),
        Filter::Net(address) => Link::Net(target(address)?),
        Filter::Exit(status) => Link::Exit(*status),
        Filter::Sleep(delay) => Link::Sleep(*delay),
        Filter::Spam { address, edits } => {
            let spam = built_in::spam(target(address)?, *edits, surroundings);
            Link::BuiltIn(spam)
        }
        Filter::BuiltIn { name, parameters } => {
            Link::BuiltIn(built_in::make(name, parameters, surroundings)?)
        }
    })
}
