//! Addresses as they are written in options: where to listen, where to forward
//! to, and from where.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::value::{Fault, UNIX_PATH_MAX, ZONE_MAX, host_name};
use crate::base::ascii;

/// What stands before a proxy that speaks SOCKS 5.
const SOCKS5: &str = "socks5:";

/// An IP address, with the zone that a link-local one needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literal {
    /// The address.
    pub ip: IpAddr,
    /// Its zone; only with IPv6.
    pub zone: Option<Zone>,
}

/// The zone of an IPv6 address (RFC 4007 11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Zone {
    /// By its number, which is not 0.
    Index(u32),
    /// By the name of its interface: at most [`ZONE_MAX`] graphic ASCII characters.
    Name(String),
}

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// An IP address; the port is given elsewhere.
    Ip(Literal),
    /// The absolute path of a unix-domain socket, at most [`UNIX_PATH_MAX`] octets.
    Unix(PathBuf),
    /// All addresses of a network interface.
    Interface {
        /// The interface's name: at most [`ZONE_MAX`] letters, digits, `.`, `_` and
        /// `-`, of which a letter is first.
        name: String,
        /// Only those of this family, where given.
        only: Option<IpFamily>,
    },
    /// A socket that the program is started with, under that number.
    Inherited(u32),
}

/// A server that may have addresses of its own to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerName {
    /// The SMTP server.
    Smtp,
    /// The POP server.
    Pop,
    /// The administration interface.
    Admin,
}

/// One item of `--interface`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The only server that it is meant for, where it says so.
    pub server: Option<ServerName>,
    /// The address.
    pub address: ListenAddress,
}

/// A family of IP addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpFamily {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// An address to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A host and a port, which is not 0.
    Tcp(Host, u16),
    /// The absolute path of a unix-domain socket, at most [`UNIX_PATH_MAX`] octets.
    Unix(PathBuf),
    /// A host and a port, and the SOCKS proxy on the way there.
    Socks {
        /// The host and the port, which is not 0.
        far: (Host, u16),
        /// Those of the proxy.
        proxy: (Host, u16),
        /// Whether the proxy speaks version 5 rather than 4a.
        is_v5: bool,
    },
}

/// Where to connect from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientInterface {
    /// An IP address, or one that stands for all of its family, and a port; with 0
    /// the system chooses one.
    Ip(Literal, u16),
    /// A network interface by its name, as in [`ListenAddress::Interface`].
    Interface {
        /// The name.
        name: String,
        /// Only addresses of this family, where given.
        only: Option<IpFamily>,
    },
}

/// A host to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// By its address.
    Ip(Literal),
    /// By its name: dot-separated labels of letters, digits, `-` and `_`, perhaps
    /// with a final dot.
    Name(String),
}

impl Literal {
    /// Reads an address, with the zone after a `%`.
    pub fn parse(text: &str) -> Result<Literal, Fault> {
        let (address, zone) = match text.split_once('%') {
            Some((address, zone)) => (address, Some(zone)),
            None => (text, None),
        };
        let ip = address.parse().map_err(|_| Fault::NotAnAddress)?;
        match (ip, zone) {
            (_, None) if is_link_local(ip) => Err(Fault::NoZone),
            (_, None) => Ok(Literal { ip, zone: None }),
            (IpAddr::V4(_), Some(_)) => Err(Fault::BadZone),
            (IpAddr::V6(_), Some(zone)) => {
                let zone = Some(Zone::parse(zone)?);
                Ok(Literal { ip, zone })
            }
        }
    }
}

// RFC 4291 2.5.6: link-local addresses are fe80::/10; only with a zone is it known
// which link they are on. (IPv4 has no zones, and 169.254/16 does without.)
fn is_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ipv6) if ipv6.is_unicast_link_local())
}

impl Zone {
    fn parse(text: &str) -> Result<Zone, Fault> {
        let is_name = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'%' | b':');
        if let Some(number) = ascii::parse_decimal(text.as_bytes()) {
            let index = u32::try_from(number).map_err(|_| Fault::BadZone)?;
            return (index > 0)
                .then_some(Zone::Index(index))
                .ok_or(Fault::BadZone);
        }
        if (1..=ZONE_MAX).contains(&text.len()) && text.bytes().all(is_name) {
            return Ok(Zone::Name(text.to_owned()));
        }
        Err(Fault::BadZone)
    }
}

impl ServerName {
    /// All of them.
    pub const ALL: [ServerName; 3] = [ServerName::Smtp, ServerName::Pop, ServerName::Admin];

    /// What it is called in options and on log lines.
    pub const fn name(self) -> &'static str {
        match self {
            ServerName::Smtp => "smtp",
            ServerName::Pop => "pop",
            ServerName::Admin => "admin",
        }
    }
}

impl Interface {
    /// Reads one item of `--interface`.
    pub(super) fn parse(item: &str) -> Result<Interface, Fault> {
        let of = |server: &ServerName| item.strip_prefix(server.name())?.strip_prefix('=');
        let server = ServerName::ALL
            .into_iter()
            .find(|server| of(server).is_some());
        let address = server.as_ref().and_then(of).unwrap_or(item);
        let address = ListenAddress::parse(address)?;
        Ok(Interface { server, address })
    }

    /// Whether that server listens there. What can be bound but once is the SMTP
    /// server's, unless it says otherwise.
    pub fn is_for(&self, server: ServerName) -> bool {
        let is_shared = match self.address {
            ListenAddress::Ip(_) | ListenAddress::Interface { .. } => true,
            ListenAddress::Unix(_) | ListenAddress::Inherited(_) => server == ServerName::Smtp,
        };
        self.server.map_or(is_shared, |only| only == server)
    }
}

impl ListenAddress {
    fn parse(address: &str) -> Result<ListenAddress, Fault> {
        if address.starts_with('/') {
            return socket_path(address).map(ListenAddress::Unix);
        }
        if let Some(number) = address.strip_prefix("fd#") {
            return descriptor(number).map(ListenAddress::Inherited);
        }
        match address.split_once('=') {
            None if address.is_empty() => Err(Fault::Empty),
            None => listen_literal(address),
            Some(("client", _)) => Err(Fault::ClientPrefix),
            Some(_) => Err(Fault::BadPrefix),
        }
    }
}

fn listen_literal(item: &str) -> Result<ListenAddress, Fault> {
    match Literal::parse(without_brackets(item)) {
        Ok(literal) => Ok(ListenAddress::Ip(literal)),
        Err(Fault::NotAnAddress) if Address::parse(item).is_ok() => Err(Fault::HasPort),
        // What begins with a letter is not meant to be an address.
        Err(Fault::NotAnAddress) if item.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            interface(item)
        }
        Err(fault) => Err(fault),
    }
}

/// Reads the name of an interface, with `-ipv4` or `-ipv6` after it where only
/// addresses of that family are meant.
fn interface(item: &str) -> Result<ListenAddress, Fault> {
    let (name, only) = if let Some(name) = item.strip_suffix("-ipv4") {
        (name, Some(IpFamily::Ipv4))
    } else if let Some(name) = item.strip_suffix("-ipv6") {
        (name, Some(IpFamily::Ipv6))
    } else {
        (item, None)
    };
    let in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if !(1..=ZONE_MAX).contains(&name.len()) || !name.chars().all(in_name) {
        return Err(Fault::NotAnInterface);
    }
    let name = name.to_owned();
    Ok(ListenAddress::Interface { name, only })
}

/// Reads the number of a descriptor that is not a standard stream.
fn descriptor(number: &str) -> Result<u32, Fault> {
    ascii::parse_decimal(number.as_bytes())
        .and_then(|number| i32::try_from(number).ok())
        .and_then(|number| u32::try_from(number).ok())
        .filter(|number| *number > 2)
        .ok_or(Fault::BadDescriptor)
}

/// Takes the square brackets off an IPv6 address.
fn without_brackets(text: &str) -> &str {
    text.strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .filter(|text| text.contains(':'))
        .unwrap_or(text)
}

impl Address {
    /// Reads `host:port`, `[address]:port` or the path of a socket.
    pub fn parse(text: &str) -> Result<Address, Fault> {
        if text.is_empty() {
            return Err(Fault::Empty);
        }
        if text.starts_with('/') {
            return socket_path(text).map(Address::Unix);
        }
        if text.contains('@') {
            return Err(Fault::Socks);
        }
        host_port(text).map(|(host, port)| Address::Tcp(host, port))
    }

    /// Reads the same, or `host:port@proxy:port` for a proxy that speaks SOCKS 4a,
    /// or `host:port@socks5:proxy:port`.
    pub(super) fn parse_next_hop(text: &str) -> Result<Address, Fault> {
        let Some((far, proxy)) = text.rsplit_once('@').filter(|_| !text.starts_with('/')) else {
            return Address::parse(text);
        };
        // A proxy may be called socks5 itself.
        let after_prefix = proxy.strip_prefix(SOCKS5).filter(|rest| rest.contains(':'));
        Ok(Address::Socks {
            far: host_port(far)?,
            proxy: host_port(after_prefix.unwrap_or(proxy))?,
            is_v5: after_prefix.is_some(),
        })
    }
}

impl ClientInterface {
    /// Reads an address, with a port or without, or the name of an interface.
    pub(super) fn parse(text: &str) -> Result<ClientInterface, Fault> {
        if let Ok(literal) = Literal::parse(without_brackets(text)) {
            return Ok(ClientInterface::Ip(literal, 0));
        }
        match listen_literal(text) {
            Ok(ListenAddress::Interface { name, only }) => {
                Ok(ClientInterface::Interface { name, only })
            }
            Err(Fault::HasPort) => match host_port(text)? {
                (Host::Ip(literal), port) => Ok(ClientInterface::Ip(literal, port)),
                (Host::Name(_), _) => Err(Fault::InterfacePort),
            },
            Err(fault) => Err(fault),
            Ok(_) => Err(Fault::NotAnInterface),
        }
    }
}

/// Reads a host, a colon, and a port or service.
fn host_port(text: &str) -> Result<(Host, u16), Fault> {
    if text.is_empty() {
        return Err(Fault::Empty);
    }
    if Literal::parse(without_brackets(text)).is_ok() && !reads_with_port(text) {
        return Err(Fault::NoPort);
    }
    let (host, service) = text.rsplit_once(':').ok_or(Fault::NoPort)?;
    if service.is_empty() {
        return Err(Fault::NoPort);
    }
    let host = Host::parse(host)?;
    let port = port_of(service).ok_or(Fault::BadService)?;
    Ok((host, port))
}

/// Whether an IPv6 address and a port can be seen in the text, although it is an
/// IPv6 address as a whole: `::1:25` means port 25 of `::1`.
fn reads_with_port(text: &str) -> bool {
    text.rsplit_once(':')
        .is_some_and(|(host, port)| Literal::parse(host).is_ok() && port_of(port).is_some())
}

impl Host {
    fn parse(text: &str) -> Result<Host, Fault> {
        if text.is_empty() {
            return Err(Fault::NoHost);
        }
        match Literal::parse(without_brackets(text)) {
            Ok(literal) => Ok(Host::Ip(literal)),
            Err(Fault::NotAnAddress) if !text.contains([':', '[', ']']) => {
                host_name(text.strip_suffix('.').unwrap_or(text))?;
                Ok(Host::Name(text.to_owned()))
            }
            Err(fault) => Err(fault),
        }
    }
}

/// The port of a number or of a service that mail programs know.
// The IANA service name registry; RFC 8314 7.3 for submissions, 465's other name.
fn port_of(service: &str) -> Option<u16> {
    match service.to_ascii_lowercase().as_str() {
        "smtp" => Some(25),
        "smtps" | "submissions" => Some(465),
        "submission" => Some(587),
        "pop3" => Some(110),
        "pop3s" => Some(995),
        number => {
            let number = ascii::parse_decimal(number.as_bytes())?;
            u16::try_from(number).ok().filter(|port| *port > 0)
        }
    }
}

fn socket_path(text: &str) -> Result<PathBuf, Fault> {
    if text.len() > UNIX_PATH_MAX {
        return Err(Fault::LongSocketPath);
    }
    Ok(PathBuf::from(text))
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.zone {
            None => write!(f, "{}", self.ip),
            Some(Zone::Index(index)) => write!(f, "{}%{index}", self.ip),
            Some(Zone::Name(name)) => write!(f, "{}%{name}", self.ip),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddress::Ip(literal) => literal.fmt(f),
            ListenAddress::Unix(path) => f.write_str(&shown_path(path)),
            ListenAddress::Interface { name, only } => f.write_str(name).and(match only {
                None => Ok(()),
                Some(IpFamily::Ipv4) => f.write_str("-ipv4"),
                Some(IpFamily::Ipv6) => f.write_str("-ipv6"),
            }),
            ListenAddress::Inherited(number) => write!(f, "fd#{number}"),
        }
    }
}

/// Shows the address in the form in which it can be given.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(host, port) => write!(f, "{host}:{port}"),
            Address::Unix(path) => f.write_str(&shown_path(path)),
            Address::Socks { far, proxy, is_v5 } => {
                let prefix = if *is_v5 { SOCKS5 } else { "" };
                let ((far, far_port), (proxy, port)) = (far, proxy);
                write!(f, "{far}:{far_port}@{prefix}{proxy}:{port}")
            }
        }
    }
}

/// Shows it as it stands before a port.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Ip(literal) if literal.ip.is_ipv6() => write!(f, "[{literal}]"),
            Host::Ip(literal) => literal.fmt(f),
            Host::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for ClientInterface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientInterface::Ip(literal, 0) => literal.fmt(f),
            ClientInterface::Ip(literal, port) => {
                write!(f, "{}:{port}", Host::Ip(literal.clone()))
            }
            ClientInterface::Interface { name, only } => {
                let (name, only) = (name.clone(), *only);
                ListenAddress::Interface { name, only }.fmt(f)
            }
        }
    }
}

fn shown_path(path: &Path) -> String {
    ascii::escape(path.as_os_str().as_encoded_bytes())
}

#[cfg(test)]
mod tests;
