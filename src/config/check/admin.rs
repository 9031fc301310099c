//! The options of the administration interface, and of metrics.

use crate::config::address::{Interface, ListenAddress, ServerName};
use crate::config::metrics::MetricsAddress;
use crate::config::settings::{AdminServer, MetricsServer};
use crate::config::value;

use super::{Check, Common};

impl Check<'_> {
    /// The administration interface, where there is to be one.
    pub(super) fn admin_server(&mut self, common: &Common<'_>) -> Option<AdminServer> {
        let port = self.text("admin", None, |text| value::port(text).map(Some))?;
        let server = Some(ServerName::Admin);
        let addresses = |is_wanted: &dyn Fn(&Interface) -> bool| {
            let all = common.interfaces.iter();
            let wanted = all.filter(|one| one.is_for(ServerName::Admin) && is_wanted(one));
            wanted.map(|one| one.address.clone()).collect::<Vec<_>>()
        };
        let own = addresses(&|one| one.server == server && is_one(&one.address));
        let mut shared = addresses(&|one| one.server != server || !is_one(&one.address));
        shared.retain(|address| !own.contains(address));
        Some(AdminServer {
            own,
            shared,
            port,
            terminate: self.flag("admin-terminate"),
            remote_clients: self.flag("remote-clients"),
        })
    }

    /// Where metrics are served, if they are.
    pub(super) fn metrics_server(&mut self) -> Option<MetricsServer> {
        let parse = |text: &str| MetricsAddress::parse(text).map(Some);
        let listen = self.text("metrics", None, parse)?;
        let remote_clients = self.flag("remote-clients");
        Some(MetricsServer {
            listen,
            remote_clients,
        })
    }
}

/// Whether it names a place, and not all there are.
fn is_one(address: &ListenAddress) -> bool {
    !matches!(address, ListenAddress::Ip(literal) if literal.ip.to_canonical().is_unspecified())
}
