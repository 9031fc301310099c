//! The options about TLS and logging in when forwarding.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::{Check, path};
use crate::base::secret::Secret;
use crate::config::client_security::{Authorities, ClientAccount, ClientAuth, ClientTls, TlsStart};
use crate::config::raw::{GIVEN_ACCOUNT, Value};

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
            verify: self.client_verify(),
            verify_name: self.text("client-tls-verify-name", None, given_name),
            server_name: self.text("client-tls-server-name", None, given_name),
        };
        (self.flag("client-tls") || self.flag("client-tls-connection")).then_some(tls)
    }

    /// Two files come as two values, or as one with a comma between them.
    fn client_certificate(&mut self) -> Vec<PathBuf> {
        let mut files: Vec<OsString> = Vec::new();
        for given in self.raw.all("client-tls-certificate") {
            if let Value::Path(value) = &given.value {
                match value.to_str() {
                    Some(text) => files.extend(text.split(',').map(|file| file.trim().into())),
                    None => files.push(value.clone()),
                }
            }
        }
        let files = files.iter();
        files
            .filter_map(|file| self.resolved("client-tls-certificate", file))
            .collect()
    }

    fn client_verify(&mut self) -> Option<Authorities> {
        let value = self.path_value("client-tls-verify")?;
        match value.as_encoded_bytes() {
            b"" => None,
            b"<none>" => Some(Authorities::Nobody),
            b"<default>" => Some(Authorities::System),
            _ => self
                .resolved("client-tls-verify", &value)
                .map(Authorities::Path),
        }
    }

    pub(super) fn client_auth(&mut self) -> Option<ClientAuth> {
        let mechanisms = self.text("client-auth-config", String::new(), |text| {
            Ok(text.to_owned())
        });
        let value = self.path_value("client-auth")?;
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

    fn path_value(&self, name: &'static str) -> Option<OsString> {
        match &self.raw.first(name)?.value {
            Value::Path(value) => Some(value.clone()),
            Value::Flag(_) | Value::Text(_) => None,
        }
    }

    fn resolved(&mut self, name: &'static str, file: &OsStr) -> Option<PathBuf> {
        match path::resolve(file, self.context) {
            Ok(path) => Some(path),
            Err(kind) => {
                self.report(name, kind);
                None
            }
        }
    }
}

/// An empty name is as good as none.
fn given_name(text: &str) -> Result<Option<String>, crate::config::value::Fault> {
    Ok(Some(text.to_owned()).filter(|name| !name.is_empty()))
}
