//! Makes a configuration of the options given, or says all that is wrong with them.

mod admin;
mod client_security;
mod forwarding;
pub(super) mod path;
mod pop;
mod rules;
mod security;

use std::path::PathBuf;
use std::time::Duration;

use super::address::{
    Address, ClientInterface, Host, Interface, IpFamily, ListenAddress, ServerName,
};
use super::client_extensions::{ClientExtensions, client_extensions};
use super::client_security::TlsStart;
use super::extensions::{self, Extensions};
use super::filter::Filter;
use super::log_options::{self, Facility};
use super::problem::{Kind, Problem, Problems, shown};
use super::program::Program;
use super::raw::{Given, LIST_MAX, Raw, Value};
use super::settings::{self, Config, Forward, Log, Process, Serve, ServerTls, SmtpServer, Verify};
use super::value::{self, Anonymous, Fault};
use super::{Context, Warning, table};
use crate::base::log::Format;

/// What the modes stand for, besides the address that some of them have.
pub(super) const IMPLIED: [(&str, &[&str]); 3] = [
    (
        "as-client",
        &["log", "no-syslog", "no-daemon", "dont-serve", "forward"],
    ),
    (
        "as-proxy",
        &["log", "close-stderr", "forward-on-disconnect"],
    ),
    ("as-server", &["log", "close-stderr"]),
];

/// The configuration that the options ask for, or every problem with them.
pub(super) fn check(raw: &Raw, context: &Context) -> Result<(Config, Vec<Warning>), Vec<Problem>> {
    let mut check = Check {
        raw,
        context,
        problems: Problems::default(),
    };
    let unavailable = check.availability();
    check.problems.extend(rules::broken(raw, &unavailable));
    let interfaces = check.interfaces();
    let config = check.config(&interfaces);
    if config.process.sandbox && config.runs_programs() {
        check.report("sandbox", Kind::Programs);
    }
    if !check.problems.is_empty() {
        return Err(check.problems.into_vec());
    }
    let mut warnings = warnings(&config, &interfaces);
    if check.names_pam_as_file() {
        warnings.push(Warning::PamAsFile);
    }
    Ok((config, warnings))
}

fn warnings(config: &Config, interfaces: &[Interface]) -> Vec<Warning> {
    let elsewhere = config.log.file.is_some() || config.log.syslog.is_some();
    let stops = config.log.enabled && config.log.close_stderr && !elsewhere;
    let silent = !config.log.enabled && elsewhere;
    let idle = |forward: &Forward| {
        !forward.on_start && !forward.on_disconnect && !forward.immediate && forward.poll.is_none()
    };
    let waits = config
        .forward
        .as_ref()
        .is_some_and(|forward| forward.immediate);
    let is_asked = config
        .serve
        .as_ref()
        .is_some_and(|serve| serve.admin.is_some());
    let never = !is_asked && config.forward.as_ref().is_some_and(idle);
    let hopes = config.forward.as_ref().is_some_and(verifies_if_offered);
    let all = [
        stops.then_some(Warning::LoggingStops),
        silent.then_some(Warning::NothingLogged),
        never.then_some(Warning::NeverForwards),
        waits.then_some(Warning::ClientsWait),
        hopes.then_some(Warning::VerifiesIfOffered),
    ];
    let all = all.into_iter().flatten();
    all.chain(nobody_listens(config, interfaces)).collect()
}

/// Servers that have addresses, but are not.
fn nobody_listens(config: &Config, interfaces: &[Interface]) -> Vec<Warning> {
    let serve = config.serve.as_ref();
    let is_missing = |server: &ServerName| match server {
        ServerName::Smtp => serve.is_none_or(|serve| serve.smtp.is_none()),
        ServerName::Pop => serve.is_none_or(|serve| serve.pop.is_none()),
        ServerName::Admin => serve.is_none_or(|serve| serve.admin.is_none()),
    };
    let has_address =
        |server: &ServerName| interfaces.iter().any(|one| one.server == Some(*server));
    let servers = ServerName::ALL.into_iter();
    servers
        .filter(|server| is_missing(server) && has_address(server))
        .map(Warning::NobodyListens)
        .collect()
}

/// The addresses that a server listens on.
fn listen(interfaces: &[Interface], server: ServerName) -> Vec<ListenAddress> {
    let mut addresses = Vec::new();
    for one in interfaces.iter().filter(|one| one.is_for(server)) {
        if !addresses.contains(&one.address) {
            addresses.push(one.address.clone());
        }
    }
    addresses
}

/// Whether a server that must be verified need only say that it has no TLS.
fn verifies_if_offered(forward: &Forward) -> bool {
    let Some(tls) = &forward.tls else {
        return false;
    };
    let verifies = matches!(tls.verify, Verify::SystemAuthorities | Verify::Path(_));
    verifies && tls.start == TlsStart::IfOffered
}

/// What the options say of all servers.
struct Common<'a> {
    interfaces: &'a [Interface],
    idle_timeout: Option<Duration>,
    anonymous: Anonymous,
    /// The mechanisms that clients may log in with.
    mechanisms: Option<String>,
    tls: Option<ServerTls>,
}

struct Check<'a> {
    raw: &'a Raw,
    context: &'a Context,
    problems: Problems,
}

impl Check<'_> {
    /// Reports the options that are on but exist on other systems only, and returns them.
    fn availability(&mut self) -> Vec<&'static str> {
        let platform = self.context.platform;
        let exists = |name| table::find(name).is_none_or(|option| option.exists_on(platform));
        let unavailable: Vec<_> = self.raw.names_on().filter(|name| !exists(name)).collect();
        for name in &unavailable {
            self.report(name, Kind::OtherSystem);
        }
        unavailable
    }

    /// The configuration, with defaults in the place of values that are reported.
    fn config(&mut self, interfaces: &[Interface]) -> Config {
        let anonymous = self.text("anonymous", Anonymous::default(), value::anonymous);
        let common = Common {
            interfaces,
            idle_timeout: self.timeout("idle-timeout", settings::IDLE_TIMEOUT),
            anonymous,
            mechanisms: self.text("server-auth-config", None, |text| Ok(Some(text.to_owned()))),
            tls: self.server_tls(),
        };
        let smtp = self.smtp_server(&common);
        let smtp = (!self.flag("no-smtp")).then_some(smtp);
        let pop = self.pop_server(&common);
        let admin = self.admin_server(&common);
        let metrics = self.metrics_server();
        Config {
            name: None,
            spool_dir: self.spool_dir(),
            tls_config: self.tls_config(),
            strict_secrets: self.flag("strict-secrets"),
            domain: self.text("domain", None, |text| value::domain(text).map(Some)),
            process: self.process(),
            log: self.log(),
            serve: (!self.flag("dont-serve")).then_some(Serve {
                smtp,
                pop,
                admin,
                metrics,
            }),
            forward: self.forward(anonymous),
        }
    }

    fn process(&mut self) -> Process {
        Process {
            daemon: !self.flag("no-daemon"),
            window: self.text("show", false, value::show) && !self.flag("hidden"),
            hidden: self.flag("hidden"),
            check: self.flag("check"),
            pid_file: self.resolved_path("pid-file"),
            user: self.text("user", settings::USER.to_owned(), value::user),
            sandbox: self.flag("sandbox"),
        }
    }

    fn log(&mut self) -> Log {
        let mut format = self.text("log-format", Format::default(), log_options::format);
        format.time |= self.flag("log-time");
        format.address |= self.flag("log-address");
        Log {
            enabled: self.flag("log"),
            verbose: self.flag("verbose"),
            debug: self.flag("debug"),
            format,
            file: self.resolved_path("log-file"),
            syslog: self.syslog(),
            close_stderr: self.flag("close-stderr"),
        }
    }

    /// What goes to the log goes to the system log too, unless it is not to.
    fn syslog(&mut self) -> Option<Facility> {
        if self.raw.is_on("syslog") {
            let facility = self.text("syslog", Facility::Mail, log_options::facility);
            return Some(facility);
        }
        let wanted = self.flag("log") && !self.flag("no-syslog");
        wanted.then_some(Facility::Mail)
    }

    /// The path that an option gives, made absolute.
    fn resolved_path(&mut self, name: &'static str) -> Option<PathBuf> {
        let path = self.path(name)?;
        self.resolved(name, &path)
    }

    fn smtp_server(&mut self, common: &Common<'_>) -> SmtpServer {
        SmtpServer {
            listen: listen(common.interfaces, ServerName::Smtp),
            port: self.text("port", settings::SMTP_PORT, value::port),
            size_max: self.text("size", None, value::size),
            idle_timeout: common.idle_timeout,
            anonymous: common.anonymous,
            remote_clients: self.flag("remote-clients"),
            dnsbl: self.texts("dnsbl"),
            extensions: self.text(
                "server-smtp-config",
                Extensions::default(),
                extensions::extensions,
            ),
            address_verifier: self.program("address-verifier"),
            filters: self.filters("filter"),
            filter_timeout: self.timeout("filter-timeout", settings::FILTER_TIMEOUT),
            delivery_dir: self.resolved_path("delivery-dir"),
            auth: self.server_auth("server-auth", common),
            tls: common.tls.clone(),
        }
    }

    /// All values are read, so that their problems are told, even where there is
    /// no server to forward to.
    fn forward(&mut self, anonymous: Anonymous) -> Option<Forward> {
        let from = |text: &str| ClientInterface::parse(text).map(Some);
        let extensions = self.text(
            "client-smtp-config",
            ClientExtensions::default(),
            client_extensions,
        );
        let client_interface = self.text("client-interface", None, from);
        let poll = self.text("poll", None, |text| value::period(text).map(Some));
        let connection_timeout = self.timeout("connection-timeout", settings::CONNECTION_TIMEOUT);
        let response_timeout = self.timeout("response-timeout", settings::RESPONSE_TIMEOUT);
        let prompt_timeout = self.timeout("prompt-timeout", settings::PROMPT_TIMEOUT);
        let (tls, auth) = (self.client_tls(), self.client_auth());
        let traffic = self.traffic();
        let retry_period = self.timeout("retry-period", settings::RETRY_PERIOD);
        let filters = self.filters("client-filter");
        let to = self.next_hops()?;
        if let Some(from) = &client_interface {
            to.iter().for_each(|to| self.check_family(from, to));
        }
        Some(Forward {
            to,
            traffic,
            retry_period,
            bounce: self.flag("bounce"),
            filters,
            filter_timeout: self.timeout("filter-timeout", settings::FILTER_TIMEOUT),
            delivery_dir: self.resolved_path("delivery-dir"),
            on_start: self.flag("forward"),
            on_disconnect: self.flag("forward-on-disconnect"),
            poll,
            client_interface,
            connection_timeout,
            response_timeout,
            prompt_timeout,
            extensions,
            to_some: self.to_some(),
            immediate: self.flag("immediate"),
            tls,
            auth,
            anonymous,
        })
    }

    /// Whether a message goes to those of its recipients that the server accepts,
    /// where it refuses others.
    fn to_some(&self) -> bool {
        self.flag("forward-to-some") && !self.flag("forward-to-all")
    }

    fn check_family(&mut self, from: &ClientInterface, to: &Address) {
        let first = match to {
            Address::Unix(_) => None,
            Address::Tcp(host, _)
            | Address::Socks {
                proxy: (host, _), ..
            } => Some(host),
        };
        let is_ipv4 = match from {
            ClientInterface::Ip(literal, _) => Some(literal.ip.is_ipv4()),
            ClientInterface::Interface { only, .. } => only.map(|only| only == IpFamily::Ipv4),
        };
        let is_other = match first {
            None => true,
            Some(Host::Ip(to)) => is_ipv4.is_some_and(|from| from != to.ip.is_ipv4()),
            Some(Host::Name(_)) => false,
        };
        if is_other {
            let to = to.to_string();
            self.report("client-interface", Kind::OtherFamily { to });
        }
    }

    /// Where to listen, no two equal.
    fn interfaces(&mut self) -> Vec<Interface> {
        let mut addresses = Vec::new();
        for given in self.raw.all("interface") {
            for item in items(given) {
                if addresses.len() >= LIST_MAX {
                    let items_max = LIST_MAX;
                    self.report("interface", Kind::TooMany { items_max });
                    return addresses;
                }
                match Interface::parse(item) {
                    Ok(address) if addresses.contains(&address) => {}
                    Ok(address) => addresses.push(address),
                    Err(fault) => self.report_value("interface", given, item, fault),
                }
            }
        }
        addresses
    }

    fn spool_dir(&mut self) -> PathBuf {
        self.resolved_path("spool-dir")
            .unwrap_or_else(|| PathBuf::from(settings::SPOOL_DIR))
    }

    fn program(&mut self, name: &'static str) -> Option<Program> {
        let Value::Text(text) = &self.raw.first(name)?.value else {
            return None;
        };
        let program = Program::parse(text, self.context);
        program.map_err(|kind| self.report(name, kind)).ok()
    }

    /// The filters that an option names, each apart or several with commas between.
    fn filters(&mut self, name: &'static str) -> Vec<Filter> {
        let mut filters = Vec::new();
        for given in self.raw.all(name) {
            for item in items(given) {
                if filters.len() >= LIST_MAX {
                    let items_max = LIST_MAX;
                    self.report(name, Kind::TooMany { items_max });
                    return filters;
                }
                match Filter::parse(item, self.context) {
                    Ok(filter) => filters.push(filter),
                    Err(kind) => {
                        self.problems
                            .push(Problem::new(given.origin.clone(), Some(name), kind))
                    }
                }
            }
        }
        filters
    }

    fn timeout(&mut self, name: &'static str, default: Duration) -> Option<Duration> {
        self.text(name, Some(default), value::timeout)
    }

    /// Whether a flag is on: as it was given, or else as the modes imply.
    fn flag(&self, name: &'static str) -> bool {
        let implies =
            |(mode, flags): &(&'static str, &[&str])| flags.contains(&name) && self.raw.is_on(mode);
        self.raw.is_on(name) || (!self.raw.is_off(name) && IMPLIED.iter().any(implies))
    }

    /// The value of an option, or the default where it is not given or is reported.
    fn text<T>(
        &mut self,
        name: &'static str,
        default: T,
        parse: fn(&str) -> Result<T, Fault>,
    ) -> T {
        let Some(given) = self.raw.first(name) else {
            return default;
        };
        let Value::Text(text) = &given.value else {
            return default;
        };
        parse(text).unwrap_or_else(|fault| {
            self.report_value(name, given, text, fault);
            default
        })
    }

    /// All values of an option, each as it was given.
    fn texts(&self, name: &'static str) -> Vec<String> {
        let text = |given: &Given| match &given.value {
            Value::Text(text) => Some(text.clone()),
            Value::Flag(_) | Value::Path(_) => None,
        };
        self.raw.all(name).iter().filter_map(text).collect()
    }

    fn report_value(&mut self, name: &'static str, given: &Given, value: &str, fault: Fault) {
        let value = shown(value);
        let problem = Kind::Value { value, fault };
        self.problems
            .push(Problem::new(given.origin.clone(), Some(name), problem));
    }

    /// Reports a problem of an option that was given.
    fn report(&mut self, name: &'static str, kind: Kind) {
        let origin = self.raw.origin(name);
        self.problems.push(Problem::new(origin, Some(name), kind));
    }
}

/// The items of one value of a list, without the blanks around them.
fn items(given: &Given) -> impl Iterator<Item = &str> {
    let text = match &given.value {
        Value::Text(text) => text.as_str(),
        Value::Flag(_) | Value::Path(_) => "",
    };
    text.split(',').map(str::trim)
}

#[cfg(test)]
mod tests;
