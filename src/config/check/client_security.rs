//! The options about TLS and logging in when forwarding.

use std::path::PathBuf;

use super::Check;
use super::security::names_pam;
use crate::base::secret::Secret;
use crate::config::client_security::{ClientAccount, ClientAuth, ClientTls, TlsStart};
use crate::config::problem::Kind;
use crate::config::raw::GIVEN_ACCOUNT;
use crate::config::value::Fault;

impl Check<'_> {
    pub(super) fn client_tls(&mut self) -> Option<ClientTls> {
        let tls = ClientTls {
            start: match (
                self.flag("client-tls-connection"),
                self.flag("client-tls-required"),
            ) {
                (true, _) => TlsStart::Immediately,
                (false, true) => TlsStart::Required,
                (false, false) => TlsStart::IfOffered,
            },
            certificate: self.client_certificate(),
            verify: self.verify("client-tls-verify"),
            verify_name: self.text("client-tls-verify-name", None, given_name),
            server_name: self.text("client-tls-server-name", None, given_name),
        };
        (self.flag("client-tls") || self.flag("client-tls-connection")).then_some(tls)
    }

    /// The files with the key and with the certificates, or one with both.
    fn client_certificate(&mut self) -> Vec<PathBuf> {
        let name = "client-tls-certificate";
        let given = self.listed_paths(name);
        let resolved = given.iter().filter_map(|file| self.resolved(name, file));
        resolved.collect()
    }

    pub(super) fn client_auth(&mut self) -> Option<ClientAuth> {
        let mechanisms = self.text("client-auth-config", String::new(), |text| {
            Ok(text.to_owned())
        });
        let value = self.path("client-auth")?;
        if names_pam(&value) {
            self.report("client-auth", Kind::PamHasNoPasswords);
            return None;
        }
        let account = match value.as_encoded_bytes() {
            octets if octets.starts_with(GIVEN_ACCOUNT) => {
                ClientAccount::Given(Secret::new(octets))
            }
            _ => ClientAccount::File(self.resolved("client-auth", &value)?),
        };
        Some(ClientAuth {
            account,
            mechanisms,
        })
    }
}

/// An empty name is as good as none.
fn given_name(text: &str) -> Result<Option<String>, Fault> {
    Ok(Some(text.to_owned()).filter(|name| !name.is_empty()))
}
