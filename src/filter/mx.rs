//! `mx:`: finds the address that a message with a `ForwardTo` field is to go to,
//! by asking name servers for the mail exchanges of that domain.

use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::built_in::Surroundings;
use super::chain::{BuiltIn, Subject};
use super::dns::{self, NoAnswer, Servers};
use super::verdict::{Finding, Rejection, Verdict};
use crate::base::{OneLine, ascii, xtext};
use crate::proto::dns::{Kind, Name, Reply as Answer};
use crate::proto::mx::{self, ADDRESSES_MAX, Destination, Exchanges};
use crate::proto::smtp::reply::Reply;
use crate::store::Error;
use crate::sys::patience::Patience;
use crate::sys::random;

/// How long to wait before the next name server is asked, too, by default.
pub const NEXT_SERVER_AFTER: Duration = Duration::from_secs(1);

/// How long to wait before all name servers are asked again, by default.
pub const RESTART_AFTER: Duration = Duration::from_secs(5);

/// The longest that either may be set to.
pub const WAIT_MAX: Duration = Duration::from_secs(3600);

/// The most octets of a destination in a log line or reply.
const TEXT_MAX: usize = 300;

/// By what this process chooses among equals.
static SEED: OnceLock<u64> = OnceLock::new();

/// What stands after `mx:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long to wait before the next name server is asked, too.
    pub next_server_after: Duration,
    /// How long to wait before all name servers are asked again.
    pub restart_after: Duration,
    /// The name servers; the system's where there are none.
    pub servers: Vec<SocketAddr>,
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Routing {
    /// The message has no `ForwardTo`: all stays as it is.
    Unasked,
    /// The message goes where all others go: the address is 0.0.0.0.
    Default,
    /// To the first of these that answers.
    To(Vec<SocketAddr>),
}

/// Why there is nowhere to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// For a client; the code tells whether it is for good.
    pub reply: Reply,
    /// For the log.
    pub reason: String,
}

impl Settings {
    /// Reads `nst=<seconds>;rt=<seconds>;<address>[:<port>];...`, with anything of
    /// it left out and in any order.
    pub fn parse(text: &str) -> Result<Settings, String> {
        let mut settings = Settings {
            next_server_after: NEXT_SERVER_AFTER,
            restart_after: RESTART_AFTER,
            servers: Vec::new(),
        };
        for item in text.split(';').filter(|item| !item.is_empty()) {
            match item.split_once('=') {
                Some(("nst", time)) => settings.next_server_after = wait(time)?,
                Some(("rt", time)) => settings.restart_after = wait(time)?,
                Some(_) => return Err(format!("mx: unknown parameter: {item}")),
                None => settings.servers.push(server(item)?),
            }
        }
        match settings.servers.len() > dns::SERVERS_MAX {
            true => Err(format!("mx: more than {} name servers", dns::SERVERS_MAX)),
            false => Ok(settings),
        }
    }
}

fn wait(text: &str) -> Result<Duration, String> {
    let (digits, unit) = match text.strip_suffix("ms") {
        Some(digits) => (digits, Duration::from_millis(1)),
        None => (
            text.strip_suffix('s').unwrap_or(text),
            Duration::from_secs(1),
        ),
    };
    let number = ascii::parse_decimal(digits.as_bytes()).and_then(|n| u32::try_from(n).ok());
    number
        .and_then(|number| unit.checked_mul(number))
        .filter(|wait| !wait.is_zero() && *wait <= WAIT_MAX)
        .ok_or_else(|| format!("mx: not a time from 1ms to 3600s: {text}"))
}

fn server(text: &str) -> Result<SocketAddr, String> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let address = bare.unwrap_or(text).parse::<IpAddr>();
    let with_port = |_| text.parse::<SocketAddr>();
    address
        .map(|ip| SocketAddr::new(ip, crate::proto::dns::PORT))
        .or_else(with_port)
        .ok()
        .filter(|server| server.port() > 0)
        .ok_or_else(|| format!("mx: not the address of a name server: {text}"))
}

/// The filter.
#[derive(Debug)]
pub struct Mx {
    settings: Settings,
    timeout: Option<Duration>,
    own: OneLine,
    name_servers: fn() -> Vec<SocketAddr>,
}

impl Mx {
    /// A filter with these [`Settings`].
    pub fn new(parameters: &str, surroundings: &Surroundings) -> Result<Mx, String> {
        Ok(Mx {
            settings: Settings::parse(parameters)?,
            timeout: surroundings.timeout,
            own: surroundings.domain.clone(),
            name_servers: surroundings.name_servers,
        })
    }

    /// Finds where a message goes that has this `ForwardTo` field. Blocks.
    pub fn route(&self, forward_to: &OneLine, cancelled: &AtomicBool) -> Result<Routing, Failure> {
        let system = match self.settings.servers.as_slice() {
            [] if !forward_to.is_empty() => (self.name_servers)(),
            _ => Vec::new(),
        };
        let patience = Patience::starting_now(self.timeout, cancelled);
        route(&self.settings, forward_to, &self.own, &system, patience)
    }

    fn work(&self, subject: &Subject) -> Result<Verdict, Error> {
        let draft = subject.spool.draft(&subject.id, subject.suffix);
        let mut envelope = draft.envelope()?;
        let address = match self.route(&envelope.forward_to, &subject.cancelled) {
            Ok(Routing::Unasked) => return Ok(Verdict::Accept),
            Ok(Routing::Default) => OneLine::default(),
            Ok(Routing::To(addresses)) => {
                let addresses: Vec<_> = addresses.iter().map(SocketAddr::to_string).collect();
                OneLine::escaped(addresses.join(","))
            }
            Err(failure) => return Ok(failure.verdict()),
        };
        if envelope.forward_to_address != address {
            envelope.forward_to_address = address;
            draft.set_envelope(&envelope)?;
        }
        Ok(Verdict::Accept)
    }
}

impl Failure {
    /// What it comes to for a filter.
    fn verdict(self) -> Verdict {
        if self.reply.code < 500 {
            return Verdict::Fail(self.reason);
        }
        let text = self.reply.lines.into_iter().next().unwrap_or_default();
        Verdict::Reject(Rejection {
            code: Some(self.reply.code),
            enhanced: self.reply.enhanced,
            response: text.as_bytes().to_vec(),
            reason: OneLine::escaped(self.reason),
        })
    }
}

impl BuiltIn for Mx {
    fn name(&self) -> String {
        let servers: Vec<String> = self
            .settings
            .servers
            .iter()
            .map(|s| s.to_string())
            .collect();
        format!("mx:{}", servers.join(";"))
    }

    fn run(&self, subject: &Subject) -> Finding {
        match self.work(subject) {
            Ok(verdict) => Finding::of(verdict),
            Err(error) => Finding::failed(error),
        }
    }
}

/// Finds where a message goes whose `ForwardTo` field, as it stands in the
/// envelope, is this. `own` is this host's name, `system` are the system's name
/// servers. Blocks.
fn route(
    settings: &Settings,
    forward_to: &OneLine,
    own: &OneLine,
    system: &[SocketAddr],
    patience: Patience<'_>,
) -> Result<Routing, Failure> {
    if forward_to.is_empty() {
        return Ok(Routing::Unasked);
    }
    let text = xtext::decode(forward_to.as_bytes());
    let text = text.as_deref().unwrap_or(forward_to.as_bytes());
    let shown = ascii::escape_bounded(text, TEXT_MAX);
    let destination = Destination::parse(text)
        .map_err(|misfit| fail(550, (1, 2), "bad destination", format!("{shown}: {misfit}")))?;
    let trusts_servers = !settings.servers.is_empty();
    match destination {
        Destination::Address { ip, .. } if ip.is_unspecified() => Ok(Routing::Default),
        // Where there is a `split:`, clients choose it.
        Destination::Address { ip, .. } if !trusts_servers && mx::is_misplaced(ip) => {
            let text = format!("impossible address {ip}");
            let reason = format!("{shown}: {text}");
            Err(fail(550, (4, 4), &text, reason))
        }
        Destination::Address { ip, port } => Ok(Routing::To(vec![SocketAddr::new(ip, port)])),
        Destination::Domain { name, port, .. } => Search {
            servers: servers(settings, system),
            trusts_servers,
            own: std::str::from_utf8(own.as_bytes())
                .ok()
                .and_then(|own| Name::parse(own).ok()),
            domain: name,
            shown,
            patience,
        }
        .run(port),
    }
}

fn servers<'a>(settings: &'a Settings, system: &'a [SocketAddr]) -> Servers<'a> {
    Servers {
        addresses: match settings.servers.as_slice() {
            [] => system,
            given => given,
        },
        next_after: settings.next_server_after,
        again_after: settings.restart_after,
    }
}

/// One search for the addresses of a domain.
struct Search<'a> {
    servers: Servers<'a>,
    /// Whether the operator has named servers whose word about addresses of this
    /// very host counts; the system's servers only say what strangers publish.
    trusts_servers: bool,
    own: Option<Name>,
    domain: Name,
    shown: String,
    patience: Patience<'a>,
}

impl Search<'_> {
    fn run(&self, port: u16) -> Result<Routing, Failure> {
        let hosts = self.hosts()?;
        let (mut found, mut trouble) = (Vec::new(), None);
        for host in &hosts {
            for kind in [Kind::A, Kind::Aaaa] {
                match self.ask(host, kind) {
                    Ok(answer) => {
                        let mut more = mx::addresses(&answer, host).unwrap_or_default();
                        // What several hosts share is tried once.
                        more.retain(|address| !found.contains(address));
                        found.extend(more);
                    }
                    Err(error) => trouble = Some(error),
                }
            }
            if found.len() >= ADDRESSES_MAX {
                break;
            }
        }
        if found.first().is_some_and(IpAddr::is_unspecified) {
            return Ok(Routing::Default);
        }
        let is_misplaced = |ip: &IpAddr| !self.trusts_servers && mx::is_misplaced(*ip);
        let usable: Vec<SocketAddr> = found
            .iter()
            .filter(|ip| !ip.is_unspecified() && !is_misplaced(ip))
            .take(ADDRESSES_MAX)
            .map(|ip| SocketAddr::new(*ip, port))
            .collect();
        match (usable.is_empty(), trouble, found.first()) {
            (false, _, _) => Ok(Routing::To(usable)),
            (true, Some(error), _) => Err(self.trouble(&error)),
            (true, None, Some(ip)) => {
                Err(self.fail(550, (4, 4), &format!("impossible address {ip}")))
            }
            // RFC 5321 5.1: none of the hosts can be used.
            (true, None, None) => Err(self.fail(550, (4, 4), "no address")),
        }
    }

    fn hosts(&self) -> Result<Vec<Name>, Failure> {
        let answer = self
            .ask(&self.domain, Kind::Mx)
            .map_err(|error| self.trouble(&error))?;
        let own = self.own.as_ref();
        let seed = *SEED.get_or_init(random::u64);
        match mx::exchanges(&answer, &self.domain, own, seed) {
            Some(Exchanges::Hosts(hosts)) => Ok(hosts),
            // RFC 5321 5.1: without MX records the domain is its own exchange.
            Some(Exchanges::Implicit) => Ok(vec![self.domain.clone()]),
            // RFC 7505 4.1: 556 and 5.1.10.
            Some(Exchanges::Null) => Err(self.fail(556, (1, 10), "takes no mail")),
            Some(Exchanges::NoDomain) => Err(self.fail(550, (1, 2), "no such domain")),
            Some(Exchanges::Ourselves) => {
                Err(self.fail(554, (4, 6), "this host is its mail exchange"))
            }
            None => Err(self.fail(451, (4, 3), "no answer")),
        }
    }

    fn ask(&self, name: &Name, kind: Kind) -> Result<Answer, NoAnswer> {
        dns::ask(&self.servers, name, kind, self.patience)
    }

    fn trouble(&self, error: &NoAnswer) -> Failure {
        // RFC 3463 3.5: X.4.3 is trouble with a directory service.
        fail(
            451,
            (4, 3),
            "cannot find the way now",
            format!("{}: {error}", self.shown),
        )
    }

    fn fail(&self, code: u16, detail: (u16, u16), what: &str) -> Failure {
        fail(code, detail, what, format!("{}: {what}", self.shown))
    }
}

fn fail(code: u16, detail: (u16, u16), text: &str, reason: String) -> Failure {
    Failure {
        reply: Reply::new(code, Some(detail), text),
        reason,
    }
}

#[cfg(test)]
mod tests;
