//! How forwarding is protected: by TLS, and by logging in.

use std::path::PathBuf;

use super::settings::Verify;
use crate::base::secret::Secret;

/// How connections to the next hop are encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTls {
    /// When.
    pub start: TlsStart,
    /// Files with what to show to servers that ask: nothing, one with everything,
    /// or that with the key and that with the certificates.
    pub certificate: Vec<PathBuf>,
    /// Which servers are believed to be who they say.
    pub verify: Verify,
    /// The name that the server's certificate has to be for.
    pub verify_name: Option<String>,
    /// The name to ask for.
    pub server_name: Option<String>,
}

/// When a connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsStart {
    /// By STARTTLS where the server offers it.
    IfOffered,
    /// By STARTTLS, or else nothing is sent.
    Required,
    /// From the first octet.
    Immediately,
}

/// How to log in at the next hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuth {
    /// Where our account is.
    pub account: ClientAccount,
    /// The value of `--client-auth-config`, which another room understands.
    pub mechanisms: String,
}

/// Where our account is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientAccount {
    /// In a secrets file.
    File(PathBuf),
    /// In the value of the option itself, which starts with `plain:`.
    Given(Secret),
}
