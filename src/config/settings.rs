//! The configuration: checked and complete, one struct for each part of the
//! program.

use std::path::PathBuf;
use std::time::Duration;

use super::address::{Address, ClientInterface, ListenAddress};
use super::client_extensions::ClientExtensions;
use super::client_security::{ClientAuth, ClientTls};
use super::extensions::Extensions;
use super::filter::Filter;
use super::log_options::Facility;
use super::metrics::MetricsAddress;
use super::program::Program;
use super::value::Anonymous;
use crate::base::OneLine;
use crate::base::log::Format;

/// Where spooled mail is kept unless told otherwise.
pub const SPOOL_DIR: &str = "/var/spool/emailrelay";

/// The user that the program runs as, if it is started by root, unless told otherwise.
pub const USER: &str = "daemon";

/// The port for incoming SMTP connections unless told otherwise.
pub const SMTP_PORT: u16 = 25;

/// The port for incoming POP connections unless told otherwise.
pub const POP_PORT: u16 = 110;

/// How long an outgoing connection may take unless told otherwise.
pub const CONNECTION_TIMEOUT: Duration = Duration::from_secs(40);

/// How long a client may be silent unless told otherwise.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a POP client may be silent once it has logged in, unless told otherwise.
// RFC 1939 3: at least ten minutes.
pub const MAILDROP_IDLE_TIMEOUT: Duration = Duration::from_secs(600);

/// How long a reply of the remote server may take unless told otherwise.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long to wait for the remote server's greeting unless told otherwise.
pub const PROMPT_TIMEOUT: Duration = Duration::from_secs(20);

/// How many connections to one server are used at once unless told otherwise.
pub const FORWARD_CONNECTIONS: usize = 4;

/// The most connections to one server that may be asked for.
pub const FORWARD_CONNECTIONS_MAX: u64 = 50;

/// The most messages in a minute that may be asked for.
pub const FORWARD_RATE_MAX: u64 = 1_000_000;

/// The most servers to forward to that may be named.
pub const NEXT_HOPS_MAX: usize = 20;

/// How long a message is tried unless told otherwise.
// RFC 5321 4.5.4.1: four or five days at least.
pub const RETRY_PERIOD: Duration = Duration::from_secs(5 * 24 * 60 * 60);

/// How long a filter or verifier may take unless told otherwise.
pub const FILTER_TIMEOUT: Duration = Duration::from_secs(60);

/// What the program is to do, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Its name, where there are several. What is for the whole process is the same
    /// in all of them.
    pub name: Option<String>,
    /// The directory of spooled mail, absolute.
    pub spool_dir: PathBuf,
    /// The keywords for the TLS library, as they were given.
    pub tls_config: String,
    /// Whether secrets files that others can read are refused.
    pub strict_secrets: bool,
    /// The name by which this system calls itself; nothing means that of the host.
    pub domain: Option<OneLine>,
    /// How the process runs.
    pub process: Process,
    /// What is logged.
    pub log: Log,
    /// What to listen for; nothing means nothing.
    pub serve: Option<Serve>,
    /// How to forward; nothing means that mail is never forwarded.
    pub forward: Option<Forward>,
}

/// How the process runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Whether to go into the background.
    pub daemon: bool,
    /// Whether the background is a window of its own, on Windows.
    pub window: bool,
    /// Whether to hide the window that the process has for itself, on Windows.
    pub hidden: bool,
    /// Whether to do no more than to see whether the program could run so.
    pub check: bool,
    /// The file for the number of the process, absolute.
    pub pid_file: Option<PathBuf>,
    /// The user to run as when started by root.
    pub user: String,
    /// Whether to give up all that is not needed once everything is open.
    pub sandbox: bool,
}

/// What is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Whether anything is.
    pub enabled: bool,
    /// Whether the dialogue of connections is.
    pub verbose: bool,
    /// Whether what the program does inside is.
    pub debug: bool,
    /// What lines have besides level and text.
    pub format: Format,
    /// The file to log to, absolute, instead of the standard error stream; it may
    /// have `%d` and `%h` in its name.
    pub file: Option<PathBuf>,
    /// What the system log takes us for; nothing means that it gets nothing.
    pub syslog: Option<Facility>,
    /// Whether to close the standard error stream after start-up.
    pub close_stderr: bool,
}

/// The servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serve {
    /// The SMTP server.
    pub smtp: Option<SmtpServer>,
    /// The POP server.
    pub pop: Option<PopServer>,
    /// The administration interface.
    pub admin: Option<AdminServer>,
    /// Where metrics are served.
    pub metrics: Option<MetricsServer>,
}

/// The SMTP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpServer {
    /// The addresses to listen on, no two equal; none means all of this system.
    pub listen: Vec<ListenAddress>,
    /// The port to listen on; with 0 the system chooses one for each address.
    pub port: u16,
    /// The largest message, in octets; nothing means no limit.
    pub size_max: Option<u64>,
    /// How long a client may be silent; nothing means for ever.
    pub idle_timeout: Option<Duration>,
    /// What not to tell.
    pub anonymous: Anonymous,
    /// Whether to serve clients that are not local.
    pub remote_clients: bool,
    /// The block lists that those are checked against, as they were given.
    pub dnsbl: Vec<String>,
    /// Which extensions are offered, and how strictly.
    pub extensions: Extensions,
    /// What recipients are put to.
    pub address_verifier: Option<Program>,
    /// What messages are put through as they come in, in this order.
    pub filters: Vec<Filter>,
    /// How long a filter or verifier may take; nothing means for ever.
    pub filter_timeout: Option<Duration>,
    /// Where mailboxes are; nothing means in the spool directory.
    pub delivery_dir: Option<PathBuf>,
    /// How clients log in; nothing means that they cannot, and need not.
    pub auth: Option<ServerAuth>,
    /// How connections are encrypted; nothing means that they are not.
    pub tls: Option<ServerTls>,
}

/// The administration interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminServer {
    /// The addresses that were named for it: there whoever may use the other servers
    /// is let in.
    pub own: Vec<ListenAddress>,
    /// Its share of the other addresses, where only those on this system are let in.
    pub shared: Vec<ListenAddress>,
    /// The port to listen on; with 0 the system chooses one for each address.
    pub port: u16,
    /// Whether administrators may end the program.
    pub terminate: bool,
    /// Whether the other servers serve clients that are not local.
    pub remote_clients: bool,
}

/// The POP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PopServer {
    /// The addresses to listen on, no two equal; none means all of this system.
    pub listen: Vec<ListenAddress>,
    /// The port to listen on; with 0 the system chooses one for each address.
    pub port: u16,
    /// How long a client may be silent before it logs in; nothing means for ever.
    pub idle_timeout: Option<Duration>,
    /// The same once it has logged in.
    pub maildrop_idle_timeout: Option<Duration>,
    /// What not to tell.
    pub anonymous: Anonymous,
    /// Whether to serve clients that are not local.
    pub remote_clients: bool,
    /// Whether each user has a directory.
    pub by_name: bool,
    /// Whether messages stay although clients delete them.
    pub no_delete: bool,
    /// How clients log in; there is one wherever the configuration is good.
    pub auth: Option<ServerAuth>,
    /// How connections are encrypted; nothing means that they are not.
    pub tls: Option<ServerTls>,
}

/// How clients log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAuth {
    /// Where their accounts are.
    pub accounts: ServerAccounts,
    /// Which mechanisms they may use, as it was given.
    pub config: Option<String>,
}

/// Where the accounts of clients are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerAccounts {
    /// In a secrets file, absolute.
    File(PathBuf),
    /// Where PAM has them.
    Pam,
}

/// How connections of clients are encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTls {
    /// From the first octet, rather than by STARTTLS.
    pub first: bool,
    /// Whether clients can do nothing of use in clear.
    pub required: bool,
    /// The file with the private key, absolute.
    pub key: PathBuf,
    /// The file with the certificates, absolute, and perhaps the same.
    pub chain: PathBuf,
    /// Which clients are let in.
    pub verify: Verify,
}

/// Whose certificates are trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verify {
    /// The option was not given.
    Unset,
    /// `<none>`: nobody's are looked at.
    Nobody,
    /// `<default>`: those by authorities that the system trusts.
    SystemAuthorities,
    /// Those by authorities in this file or directory, absolute.
    Path(PathBuf),
}

/// When, where and how to forward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// The servers to forward to, at least one: the first that can be reached.
    pub to: Vec<Address>,
    /// Whether to forward at start-up.
    pub on_start: bool,
    /// Whether to forward when a client of the SMTP server disconnects.
    pub on_disconnect: bool,
    /// How much at once.
    pub traffic: Traffic,
    /// How long a message is tried; nothing means for ever.
    pub retry_period: Option<Duration>,
    /// Whether senders are told about mail that cannot be delivered.
    pub bounce: bool,
    /// How long from one poll to the next, above zero; nothing means no polling.
    pub poll: Option<Duration>,
    /// The address to connect from.
    pub client_interface: Option<ClientInterface>,
    /// How long to wait for a connection; nothing means for ever.
    pub connection_timeout: Option<Duration>,
    /// How long to wait for a reply; nothing means for ever.
    pub response_timeout: Option<Duration>,
    /// How long to wait for the greeting before going on without; nothing means for ever.
    pub prompt_timeout: Option<Duration>,
    /// Which SMTP extensions are used, and how strictly.
    pub extensions: ClientExtensions,
    /// Whether a message goes to those of its recipients that the server accepts,
    /// where it refuses others.
    pub to_some: bool,
    /// Whether messages are forwarded before they are accepted.
    pub immediate: bool,
    /// What messages are put through as they go out, in this order.
    pub filters: Vec<Filter>,
    /// How long such a filter may take; nothing means for ever.
    pub filter_timeout: Option<Duration>,
    /// Where mailboxes are; nothing means in the spool directory.
    pub delivery_dir: Option<PathBuf>,
    /// How to encrypt; nothing means never.
    pub tls: Option<ClientTls>,
    /// How to log in; nothing means not at all.
    pub auth: Option<ClientAuth>,
    /// What not to tell.
    pub anonymous: Anonymous,
}

/// Where metrics are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsServer {
    /// The address to listen on.
    pub listen: MetricsAddress,
    /// Whether the other servers serve clients that are not local.
    pub remote_clients: bool,
}

impl AdminServer {
    /// Whether it listens at its share of addresses, or by default at those of the
    /// loopback: not where there are only addresses of its own.
    pub fn listens_at_shared(&self) -> bool {
        !self.shared.is_empty() || self.own.is_empty()
    }
}

/// How much is sent at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// How many connections to one server at once, from 1.
    pub connections: usize,
    /// How many messages to one server in a minute; nothing means no limit.
    pub per_minute: Option<u32>,
    /// How many messages over one connection; nothing means no limit.
    pub per_connection: Option<usize>,
}

impl Config {
    /// Whether other programs are run, who may need privileges of their own.
    pub fn runs_programs(&self) -> bool {
        let is_program = |filter: &Filter| matches!(filter, Filter::File(_));
        let smtp = self.serve.as_ref().and_then(|serve| serve.smtp.as_ref());
        let serving = smtp.is_some_and(|smtp| {
            smtp.filters.iter().any(is_program)
                || matches!(smtp.address_verifier, Some(Program::File(_)))
        });
        let forward = self.forward.as_ref();
        serving || forward.is_some_and(|forward| forward.filters.iter().any(is_program))
    }

    /// Whether PAM is asked about the passwords of clients.
    pub fn asks_pam(&self) -> bool {
        let Some(serve) = &self.serve else {
            return false;
        };
        let smtp = serve.smtp.as_ref().and_then(|smtp| smtp.auth.as_ref());
        let pop = serve.pop.as_ref().and_then(|pop| pop.auth.as_ref());
        let mut both = smtp.into_iter().chain(pop);
        both.any(|auth| auth.accounts == ServerAccounts::Pam)
    }

    /// Whether there is anything to do: something to listen for, or mail to be
    /// forwarded at start-up or later without being asked.
    pub fn has_work(&self) -> bool {
        let serves = self.serve.as_ref().is_some_and(|serve| {
            serve.smtp.is_some() || serve.pop.is_some() || serve.admin.is_some()
        });
        let forwards = self
            .forward
            .as_ref()
            .is_some_and(|forward| forward.on_start || forward.poll.is_some());
        serves || forwards
    }
}
