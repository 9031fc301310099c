//! How forwarding is protected: by TLS, and by logging in.

use std::path::PathBuf;

use crate::base::secret::Secret;

/// How connections to the next hop are encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTls {
    /// When.
    pub start: TlsStart,
    /// Files with what to show to servers that ask: nothing, one with everything,
    /// or that with the key and that with the certificates.
    pub certificate: Vec<PathBuf>,
    /// Whom to believe that servers are who they say; nothing means anybody.
    pub verify: Option<Authorities>,
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

/// Who vouches for servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authorities {
    /// `<none>`: nobody has to.
    Nobody,
    /// `<default>`: whom the system trusts.
    System,
    /// The authorities in this file or directory.
    Path(PathBuf),
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
