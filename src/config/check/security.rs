//! The options about logging in and encryption.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use crate::config::problem::Kind;
use crate::config::raw::Value;
use crate::config::settings::{ServerAccounts, ServerAuth, ServerTls, Verify};

use super::{Check, Common, path};

/// What stands for PAM in place of a secrets file.
const PAM: &str = "pam:";

/// The same as it was written at first.
const PAM_AS_FILE: &str = "/pam";

/// Whether a secrets file's name is none, as PAM is meant.
pub(super) fn names_pam(given: &OsStr) -> bool {
    given == PAM_AS_FILE || given.as_encoded_bytes().starts_with(PAM.as_bytes())
}

impl Check<'_> {
    /// How clients log in to the server whose secrets file that option names.
    pub(super) fn server_auth(
        &mut self,
        name: &'static str,
        common: &Common<'_>,
    ) -> Option<ServerAuth> {
        let given = self.path(name)?;
        let accounts = match names_pam(&given) {
            true => self.pam(name, &given)?,
            false => ServerAccounts::File(self.resolved(name, &given)?),
        };
        let config = common.mechanisms.clone();
        Some(ServerAuth { accounts, config })
    }

    fn pam(&mut self, name: &'static str, given: &OsStr) -> Option<ServerAccounts> {
        let problem = match given == PAM || given == PAM_AS_FILE {
            false => Kind::MoreThanPam,
            true if !self.context.pam => Kind::NoPam(self.context.platform),
            true => return Some(ServerAccounts::Pam),
        };
        self.report(name, problem);
        None
    }

    /// Whether PAM is asked for in the way that has been given up.
    pub(super) fn names_pam_as_file(&self) -> bool {
        let mut given = ["server-auth", "pop-auth"]
            .iter()
            .map(|name| self.path(name));
        given.any(|given| given.is_some_and(|given| given == PAM_AS_FILE))
    }

    pub(super) fn server_tls(&mut self) -> Option<ServerTls> {
        let verify = self.verify("server-tls-verify");
        let (key, chain) = self.certificate("server-tls-certificate")?;
        let first = self.flag("server-tls-connection");
        let is_on = first || self.flag("server-tls");
        is_on.then(|| ServerTls {
            first,
            required: self.flag("server-tls-required"),
            key,
            chain,
            verify,
        })
    }

    /// The keywords of all values, as one list.
    pub(super) fn tls_config(&self) -> String {
        let given = self.raw.all("tls-config").iter();
        let texts = given.filter_map(|given| match &given.value {
            Value::Text(text) => Some(text.as_str()),
            Value::Flag(_) | Value::Path(_) => None,
        });
        texts.collect::<Vec<_>>().join(",")
    }

    /// The files with the key and with the certificates, which may be the same.
    fn certificate(&mut self, name: &'static str) -> Option<(PathBuf, PathBuf)> {
        let given = self.listed_paths(name);
        let mut paths = given.iter().map_while(|path| self.resolved(name, path));
        let key = paths.next()?;
        let chain = paths.next().unwrap_or_else(|| key.clone());
        Some((key, chain))
    }

    pub(super) fn verify(&mut self, name: &'static str) -> Verify {
        let Some(given) = self.path(name) else {
            return Verify::Unset;
        };
        match given.to_str() {
            Some("<none>") => Verify::Nobody,
            Some("<default>") => Verify::SystemAuthorities,
            _ => self
                .resolved(name, &given)
                .map_or(Verify::Unset, Verify::Path),
        }
    }

    pub(super) fn resolved(&mut self, name: &'static str, given: &OsStr) -> Option<PathBuf> {
        let resolved = path::resolve(given, self.context);
        resolved.map_err(|kind| self.report(name, kind)).ok()
    }

    pub(super) fn path(&self, name: &'static str) -> Option<OsString> {
        match &self.raw.first(name)?.value {
            Value::Path(path) => Some(path.clone()),
            Value::Flag(_) | Value::Text(_) => None,
        }
    }

    /// The paths of an option that may be repeated, or have several with commas
    /// between them (which must be UTF-8 then).
    pub(super) fn listed_paths(&self, name: &'static str) -> Vec<OsString> {
        let mut paths = Vec::new();
        for given in self.raw.all(name) {
            match &given.value {
                Value::Path(path) => match path.to_str() {
                    Some(text) => paths.extend(text.split(',').map(|item| item.trim().into())),
                    None => paths.push(path.clone()),
                },
                Value::Flag(_) | Value::Text(_) => {}
            }
        }
        paths
    }
}
