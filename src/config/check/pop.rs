//! The options of the POP server.

use crate::config::address::ServerName;
use crate::config::settings::{self, PopServer};
use crate::config::value;

use super::{Check, Common, listen};

impl Check<'_> {
    /// All values are read, so that their problems are told; nothing where there is
    /// to be no such server.
    pub(super) fn pop_server(&mut self, common: &Common<'_>) -> Option<PopServer> {
        let port = self.text("pop-port", settings::POP_PORT, value::port);
        // Without a file there is a problem already, as --pop needs one.
        let auth = self.server_auth("pop-auth", common);
        let is_given = self.raw.first("idle-timeout").is_some();
        self.flag("pop").then(|| PopServer {
            listen: listen(common.interfaces, ServerName::Pop),
            port,
            idle_timeout: common.idle_timeout,
            maildrop_idle_timeout: match is_given {
                true => common.idle_timeout,
                false => Some(settings::MAILDROP_IDLE_TIMEOUT),
            },
            anonymous: common.anonymous,
            remote_clients: self.flag("remote-clients"),
            by_name: self.flag("pop-by-name"),
            no_delete: self.flag("pop-no-delete"),
            auth,
            tls: common.tls.clone(),
        })
    }
}
