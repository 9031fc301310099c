//! Where to connect to, as people write it: `host:25`, `[::1]:smtp`,
//! `fe80::1%eth0:25`, `/run/socket`, and through a SOCKS proxy
//! `host:25@proxy:1080` or `host:25@socks5:proxy:1080`.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

/// The ports that may be named, so that names mean the same on every system.
const SERVICES: [(&str, u16); 11] = [
    ("smtp", 25),
    ("lmtp", 24),
    ("domain", 53),
    ("pop3", 110),
    ("smtps", 465),
    ("submissions", 465),
    ("submission", 587),
    ("spamd", 783),
    ("pop3s", 995),
    ("socks", 1080),
    ("milter", 8891),
];

/// What stands before a proxy that speaks SOCKS 5.
const SOCKS5: &str = "socks5:";

/// RFC 1035 2.3.4: a name has at most 255 octets on the wire, which are 253 as
/// text.
const NAME_MAX: usize = 253;

/// Somewhere to connect to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A host and a port.
    HostPort(HostPort),
    /// A socket of the unix domain, by its absolute path.
    Unix(PathBuf),
    /// A host and a port beyond a SOCKS proxy.
    Proxied(Box<Proxied>),
}

/// A host and a port, and the proxy on the way to them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Proxied {
    /// What the proxy is asked for.
    pub far: HostPort,
    /// The proxy.
    pub proxy: HostPort,
    /// How the proxy is asked.
    pub version: SocksVersion,
}

/// A version of SOCKS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SocksVersion {
    /// 4a.
    V4a,
    /// 5.
    V5,
}

/// A host and a port of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// The host.
    pub host: Host,
    /// The port; never 0 where it was parsed.
    pub port: u16,
}

/// A host, by name or by address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A name that has to be looked up.
    Name(String),
    /// An address, and for IPv6 perhaps the zone (RFC 4007 11: the name or number
    /// of an interface) that it is valid in.
    Ip(IpAddr, Option<String>),
}

/// Why a text names no target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressError {
    text: String,
    fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Empty,
    NoPort,
    NoHost,
    Brackets,
    Ipv6,
    Name,
    Port,
    Path,
}

impl Target {
    /// Parses a target; a text that begins with `/` is a path.
    pub fn parse(text: &str) -> Result<Target, AddressError> {
        if !text.starts_with('/') {
            return HostPort::parse(text).map(Target::HostPort);
        }
        if text.contains('\0') {
            return Err(Fault::Path.in_text(text));
        }
        Ok(Target::Unix(PathBuf::from(text)))
    }

    /// Parses a target that may be beyond a proxy.
    pub fn parse_next_hop(text: &str) -> Result<Target, AddressError> {
        let Some((far, proxy)) = text.rsplit_once('@').filter(|_| !text.starts_with('/')) else {
            return Target::parse(text);
        };
        // A proxy may be called socks5 itself.
        let after_prefix = proxy.strip_prefix(SOCKS5).filter(|rest| rest.contains(':'));
        let (version, proxy) = match after_prefix {
            Some(proxy) => (SocksVersion::V5, proxy),
            None => (SocksVersion::V4a, proxy),
        };
        Ok(Target::Proxied(Box::new(Proxied {
            far: HostPort::parse(far)?,
            proxy: HostPort::parse(proxy)?,
            version,
        })))
    }
}

impl HostPort {
    /// Parses a host, a colon, and a port as a number or as the name of a service.
    pub fn parse(text: &str) -> Result<HostPort, AddressError> {
        parse_host_port(text).map_err(|fault| fault.in_text(text))
    }
}

fn parse_host_port(text: &str) -> Result<HostPort, Fault> {
    if text.is_empty() {
        return Err(Fault::Empty);
    }
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (inner, rest) = rest.split_once(']').ok_or(Fault::Brackets)?;
        let port = rest.strip_prefix(':').ok_or(Fault::NoPort)?;
        (parse_ipv6(inner).ok_or(Fault::Ipv6)?, port)
    } else {
        let (host, port) = text.rsplit_once(':').ok_or(Fault::NoPort)?;
        (parse_host(host)?, port)
    };
    Ok(HostPort {
        host,
        port: parse_port(port).ok_or(Fault::Port)?,
    })
}

fn parse_host(text: &str) -> Result<Host, Fault> {
    if text.is_empty() {
        return Err(Fault::NoHost);
    }
    if text.contains(':') {
        return parse_ipv6(text).ok_or(Fault::Ipv6);
    }
    if let Ok(v4) = text.parse::<Ipv4Addr>() {
        return Ok(Host::Ip(IpAddr::V4(v4), None));
    }
    // Wider than RFC 1123 2.1, since names in a hosts file may have underscores.
    let may_be_in_name = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_');
    let is_name = text.len() <= NAME_MAX
        && text.bytes().all(may_be_in_name)
        && !text.starts_with(['-', '.'])
        && !text.contains("..");
    if is_name {
        Ok(Host::Name(text.to_owned()))
    } else {
        Err(Fault::Name)
    }
}

fn parse_ipv6(text: &str) -> Option<Host> {
    let (address, zone) = match text.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (text, None),
    };
    let address: Ipv6Addr = address.parse().ok()?;
    let may_be_in_zone =
        |c: char| c.is_ascii_graphic() && !matches!(c, '%' | '/' | ':' | '[' | ']');
    let is_zone = |zone: &str| !zone.is_empty() && zone.chars().all(may_be_in_zone);
    if !zone.is_none_or(is_zone) {
        return None;
    }
    Some(Host::Ip(IpAddr::V6(address), zone.map(str::to_owned)))
}

fn parse_port(text: &str) -> Option<u16> {
    if !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit()) {
        return text.parse().ok().filter(|port| *port != 0);
    }
    SERVICES
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(text))
        .map(|(_, port)| *port)
}

impl Fault {
    fn in_text(self, text: &str) -> AddressError {
        AddressError {
            text: text.to_owned(),
            fault: self,
        }
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.fault {
            Fault::Empty => "it is empty: expected host:port or an absolute path",
            Fault::NoPort => "there is no port: expected host:port or an absolute path",
            Fault::NoHost => "there is no host before the port",
            Fault::Brackets => "the bracket is not closed: expected [ipv6-address]:port",
            Fault::Ipv6 => "the host is not an ipv6 address: expected [ipv6-address]:port",
            Fault::Name => "the host may have only letters, digits, dots, hyphens and underscores",
            Fault::Port => {
                write!(
                    f,
                    "invalid address {:?}: the port must be 1 to 65535",
                    self.text
                )?;
                return SERVICES
                    .iter()
                    .try_for_each(|(name, _)| write!(f, " or {name}"));
            }
            Fault::Path => "a path cannot have a null character in it",
        };
        write!(f, "invalid address {:?}: {why}", self.text)
    }
}

impl Error for AddressError {}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::HostPort(host_port) => host_port.fmt(f),
            Target::Unix(path) => path.display().fmt(f),
            Target::Proxied(proxied) => proxied.fmt(f),
        }
    }
}

impl fmt::Display for Proxied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = match self.version {
            SocksVersion::V4a => "",
            SocksVersion::V5 => SOCKS5,
        };
        write!(f, "{}@{prefix}{}", self.far, self.proxy)
    }
}

/// Shows a form that parses to the same again; IPv6 has brackets.
impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            host @ Host::Ip(IpAddr::V6(_), _) => write!(f, "[{host}]:{}", self.port),
            host => write!(f, "{host}:{}", self.port),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Ip(address, None) => address.fmt(f),
            Host::Ip(address, Some(zone)) => write!(f, "{address}%{zone}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(host: &str, port: u16) -> Target {
        let host = Host::Name(host.to_owned());
        Target::HostPort(HostPort { host, port })
    }

    fn ip(host: &str, zone: Option<&str>, port: u16) -> Target {
        let host = Host::Ip(host.parse().unwrap(), zone.map(str::to_owned));
        Target::HostPort(HostPort { host, port })
    }

    #[test]
    fn parses_what_people_write() {
        for (text, expected, shown) in [
            ("host:25", name("host", 25), "host:25"),
            (
                "mail.example.com.:0025",
                name("mail.example.com.", 25),
                "mail.example.com.:25",
            ),
            ("my_host:smtp", name("my_host", 25), "my_host:25"),
            ("h:SubMission", name("h", 587), "h:587"),
            ("127.1:25", name("127.1", 25), "127.1:25"),
            (
                "127.0.0.1:65535",
                ip("127.0.0.1", None, 65535),
                "127.0.0.1:65535",
            ),
            ("[::1]:25", ip("::1", None, 25), "[::1]:25"),
            ("::1:25", ip("::1", None, 25), "[::1]:25"),
            (
                "1:2:3:4:5:6:7:8:25",
                ip("1:2:3:4:5:6:7:8", None, 25),
                "[1:2:3:4:5:6:7:8]:25",
            ),
            (
                "fe80::1%eth0:25",
                ip("fe80::1", Some("eth0"), 25),
                "[fe80::1%eth0]:25",
            ),
            (
                "[fe80::1%2]:smtp",
                ip("fe80::1", Some("2"), 25),
                "[fe80::1%2]:25",
            ),
            ("/abs/path", Target::Unix("/abs/path".into()), "/abs/path"),
            ("/with:25", Target::Unix("/with:25".into()), "/with:25"),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!(target, expected, "{text}");
            assert_eq!(target.to_string(), shown);
            assert_eq!(Target::parse(shown).unwrap(), target, "{shown}");
        }
    }

    #[test]
    fn next_hops_may_be_beyond_a_proxy() {
        for (text, shown, version) in [
            ("far:25@near:1080", "far:25@near:1080", SocksVersion::V4a),
            (
                "[::1]:smtp@::1:socks",
                "[::1]:25@[::1]:1080",
                SocksVersion::V4a,
            ),
            (
                "far:25@socks5:1080",
                "far:25@socks5:1080",
                SocksVersion::V4a,
            ),
            (
                "far:25@socks5:near:1080",
                "far:25@socks5:near:1080",
                SocksVersion::V5,
            ),
            (
                "1.2.3.4:25@socks5:[::1]:9",
                "1.2.3.4:25@socks5:[::1]:9",
                SocksVersion::V5,
            ),
        ] {
            let target = Target::parse_next_hop(text).unwrap();
            assert_eq!(target.to_string(), shown);
            assert_eq!(Target::parse_next_hop(shown).unwrap(), target);
            let Target::Proxied(proxied) = target else {
                panic!("{text}");
            };
            assert_eq!(proxied.version, version, "{text}");
        }
        let plain = Target::parse_next_hop("host:25");
        assert_eq!(plain, Ok(name("host", 25)));
        let path = Target::parse_next_hop("/run/a@b");
        assert_eq!(path, Ok(Target::Unix("/run/a@b".into())));
        for (text, fault) in [
            ("far@near:1080", Fault::NoPort),
            ("far:25@near", Fault::NoPort),
            ("@near:1080", Fault::Empty),
            ("far:25@", Fault::Empty),
            ("a@b:25@near:1080", Fault::Name),
            ("far:25@socks5:near:", Fault::Port),
        ] {
            let error = Target::parse_next_hop(text).unwrap_err();
            assert_eq!(error.fault, fault, "{text}");
        }
    }

    #[test]
    fn refuses_the_rest_and_says_why() {
        for (text, fault) in [
            ("", Fault::Empty),
            ("host", Fault::NoPort),
            ("[::1]", Fault::NoPort),
            ("[::1]25", Fault::NoPort),
            (":25", Fault::NoHost),
            ("[::1:25", Fault::Brackets),
            ("[1.2.3.4]:25", Fault::Ipv6),
            ("[]:25", Fault::Ipv6),
            ("::1", Fault::Ipv6),
            ("a:b:25", Fault::Ipv6),
            ("fe80::1%:25", Fault::Ipv6),
            ("fe80::1%a%b:25", Fault::Ipv6),
            ("::1.25", Fault::Ipv6),
            (" host:25", Fault::Name),
            ("ho st:25", Fault::Name),
            ("-host:25", Fault::Name),
            ("a..b:25", Fault::Name),
            ("hést:25", Fault::Name),
            ("a\n:25", Fault::Name),
            ("rel/path:25", Fault::Name),
            ("user@host:25", Fault::Name),
            ("host:", Fault::Port),
            ("host:0", Fault::Port),
            ("host:65536", Fault::Port),
            ("host:+25", Fault::Port),
            ("host:99999999999999999999", Fault::Port),
            ("host:smpt", Fault::Port),
            ("/a\0b", Fault::Path),
        ] {
            let expected = fault.in_text(text);
            assert_eq!(Target::parse(text), Err(expected), "{text:?}");
        }
        let long = format!("{}:25", "a".repeat(NAME_MAX + 1));
        assert_eq!(Target::parse(&long).unwrap_err().fault, Fault::Name);
        assert!(Target::parse(&long[1..]).is_ok());
    }

    #[test]
    fn errors_name_the_text_and_what_is_allowed() {
        let error = |text| Target::parse(text).unwrap_err().to_string();
        assert_eq!(
            error("host"),
            "invalid address \"host\": there is no port: expected host:port or an absolute path"
        );
        let text = error("host\n:smpt");
        assert!(
            text.starts_with("invalid address \"host\\n:smpt\""),
            "{text}"
        );
        assert!(error("host:smpt").contains(" the port must be 1 to 65535 or smtp or lmtp"));
    }
}
