//! What a secrets file says, for those who ask.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::field;
use super::trust::{Ranges, Trusted};
use crate::base::OneLine;
use crate::base::secret::Secret;
use crate::proto::sasl::{Account, Credential, Kinds, Mechanism, Proof};

/// All secrets and trusted addresses of one file.
#[derive(Debug, Default)]
pub struct Secrets {
    /// By user name.
    servers: HashMap<Vec<u8>, Vec<Credential>>,
    /// By selector; messages without one use the empty selector.
    pub(super) clients: BTreeMap<Vec<u8>, Arc<Account>>,
    /// Of the servers' secrets, so that nobody has to look at all of them.
    pub(super) kinds: Kinds,
    pub(super) ranges: Ranges,
    pub(super) warnings: Vec<Problem>,
}

/// Something wrong in a secrets file. It never shows a secret, nor a field that
/// might be one by mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The name of the file, without its directory.
    pub file: OneLine,
    /// The line, from 1; 0 where it is about the whole file.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

/// `--client-auth=plain:ID:PASSWORD` is not in that form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidAccount;

impl Secrets {
    /// Reads an account that was given in place of a path: `plain:`, the user name
    /// in base64, `:`, the password in base64. Two empty fields (`=` will do, too)
    /// mean not to log in.
    pub fn from_account(value: &str) -> Result<Secrets, InvalidAccount> {
        let fields = value
            .strip_prefix(ACCOUNT)
            .and_then(|fields| fields.split_once(':'));
        let (id, password) = fields.ok_or(InvalidAccount)?;
        let decode = |field: &str| field::base64_or_nothing(field.as_bytes()).ok_or(InvalidAccount);
        let (id, password) = (decode(id)?, Secret::new(decode(password)?));
        let credentials = match (id.is_empty(), password.is_empty()) {
            (true, true) => vec![],
            (false, false) if is_name(&id) => {
                vec![Credential {
                    id,
                    proof: Proof::Password(password),
                    line: None,
                }]
            }
            _ => return Err(InvalidAccount),
        };
        let mut secrets = Secrets::default();
        secrets
            .clients
            .insert(Vec::new(), Arc::new(Account { credentials }));
        Ok(secrets)
    }

    /// No secrets and no trusted addresses, of users whose passwords somebody else has.
    pub fn kept_elsewhere() -> Secrets {
        let kinds = Kinds {
            foreign_passwords: true,
            ..Kinds::default()
        };
        Secrets {
            kinds,
            ..Secrets::default()
        }
    }

    /// What kinds of secrets there are for users who log in here.
    pub fn kinds(&self) -> &Kinds {
        &self.kinds
    }

    /// Adds a secret of a user who may log in here, or gives it back where there is
    /// one of the same kind already.
    pub(super) fn add_server(&mut self, credential: Credential) -> Result<(), Credential> {
        let credentials = self.servers.entry(credential.id.clone()).or_default();
        if credentials
            .iter()
            .any(|other| other.proof.kind() == credential.proof.kind())
        {
            return Err(credential);
        }
        match &credential.proof {
            Proof::Password(_) => self.kinds.passwords = true,
            Proof::State(state) if !self.kinds.states.contains(&state.algorithm()) => {
                self.kinds.states.push(state.algorithm());
            }
            Proof::State(_) | Proof::Token(_) => {}
        }
        credentials.push(credential);
        Ok(())
    }

    /// The secret of a user who logs in here with that mechanism: the stored key
    /// of the hash function that it uses, otherwise the password.
    pub fn server_credential(&self, mechanism: Mechanism, id: &[u8]) -> Option<&Credential> {
        let serves = |proof: &Proof| match (mechanism, proof) {
            // Only a server that knows the password can check it.
            (Mechanism::Apop, Proof::Password(_)) => true,
            _ => proof.serves(mechanism),
        };
        let serving = || {
            let credentials = self.servers.get(id).into_iter().flatten();
            credentials.filter(|credential| serves(&credential.proof))
        };
        let is_state = |credential: &&Credential| matches!(credential.proof, Proof::State(_));
        serving().find(is_state).or_else(|| serving().next())
    }

    /// How to log in at the next hop for messages with that selector; messages
    /// without one have the empty selector. Nothing where no line has it. An account
    /// without credentials means not to log in.
    pub fn client_account(&self, selector: &[u8]) -> Option<Arc<Account>> {
        self.clients.get(selector).cloned()
    }

    /// Whether a peer needs no login, and what it is called: by its address, or
    /// nothing for a peer on a socket of the unix domain.
    pub fn trusted(&self, peer: Option<IpAddr>) -> Option<&Trusted> {
        self.ranges.find(peer)
    }

    /// What is odd about the file, but does no harm.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }
}

/// Whether octets will do as a user name.
pub(super) fn is_name(octets: &[u8]) -> bool {
    !octets.is_empty() && !octets.iter().any(u8::is_ascii_control)
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.message),
            line => write!(f, "{}({line}): {}", self.file, self.message),
        }
    }
}

impl fmt::Display for InvalidAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid client account details")
    }
}

impl std::error::Error for InvalidAccount {}

const ACCOUNT: &str = "plain:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_accounts_from_the_command_line() {
        let secrets = Secrets::from_account("plain:bUBl:cCB3").unwrap();
        let account = secrets.client_account(b"").unwrap();
        assert_eq!(account.credentials[0].id, b"m@e");
        assert_eq!(
            account.credentials[0].to_string(),
            "plaintext secret for [m@e]"
        );
        let Proof::Password(password) = &account.credentials[0].proof else {
            panic!("no password");
        };
        assert_eq!(password.expose(), b"p w");
    }

    #[test]
    fn an_empty_account_means_not_to_log_in() {
        for value in ["plain::", "plain:=:="] {
            let account = Secrets::from_account(value)
                .unwrap()
                .client_account(b"")
                .unwrap();
            assert!(account.credentials.is_empty());
        }
    }

    #[test]
    fn refuses_accounts_in_other_forms() {
        for bad in [
            "plain",
            "plain:",
            "plain:bUBl",
            "plain:bUBl:",
            "plain::cCB3",
            "plain:m@e:cCB3",
            "plain:bUBl:p w",
            "plain:bUBl:cCB3:",
            "plain:YQpi:cCB3",
            "md5:bUBl:cCB3",
        ] {
            let error = Secrets::from_account(bad).unwrap_err();
            assert_eq!(error.to_string(), "invalid client account details", "{bad}");
        }
    }

    #[test]
    fn problems_name_file_and_line() {
        let problem = |line| Problem {
            file: OneLine::escaped("secrets"),
            line,
            message: "too few fields".to_owned(),
        };
        assert_eq!(problem(3).to_string(), "secrets(3): too few fields");
        assert_eq!(problem(0).to_string(), "secrets: too few fields");
    }
}
