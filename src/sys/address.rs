//! Where a socket is, or where its peer is.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// An address of a socket: IP and port, or a path of the unix domain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// An IP address and a port.
    Tcp(SocketAddr),
    /// A path in the file system; `/` for a peer that has no name. Every system
    /// can name it, but not all can use it.
    Unix(PathBuf),
}

impl Address {
    /// The IP address, where there is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Address::Tcp(address) => Some(address.ip()),
            Address::Unix(_) => None,
        }
    }

    /// The port, where there is one.
    pub fn port(&self) -> Option<u16> {
        match self {
            Address::Tcp(address) => Some(address.port()),
            Address::Unix(_) => None,
        }
    }

    /// The address without its port, as log lines name a peer.
    pub fn host(&self) -> String {
        match self {
            Address::Tcp(address) => address.ip().to_string(),
            Address::Unix(path) => path.display().to_string(),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        Address::Tcp(address)
    }
}

/// Shows it as log watchers know it: `1.2.3.4:25`, `::1.25`, `fe80::1%2.25`,
/// `/run/socket`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(SocketAddr::V4(v4)) => v4.fmt(f),
            Address::Tcp(SocketAddr::V6(v6)) if v6.scope_id() != 0 => {
                write!(f, "{}%{}.{}", v6.ip(), v6.scope_id(), v6.port())
            }
            Address::Tcp(SocketAddr::V6(v6)) => write!(f, "{}.{}", v6.ip(), v6.port()),
            Address::Unix(path) => path.display().fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv6Addr, SocketAddrV6};

    use super::*;

    #[test]
    fn shows_addresses_as_log_watchers_know_them() {
        let tcp = |text: &str| Address::Tcp(text.parse().unwrap());
        let link_local = SocketAddrV6::new(Ipv6Addr::new(0xFE80, 0, 0, 0, 0, 0, 0, 1), 25, 0, 2);
        for (address, text, host) in [
            (tcp("1.2.3.4:25"), "1.2.3.4:25", "1.2.3.4"),
            (tcp("[::1]:25"), "::1.25", "::1"),
            (tcp("[::]:0"), "::.0", "::"),
            (Address::Tcp(link_local.into()), "fe80::1%2.25", "fe80::1"),
            (Address::Unix("/run/x".into()), "/run/x", "/run/x"),
            (Address::Unix("/".into()), "/", "/"),
        ] {
            assert_eq!(address.to_string(), text);
            assert_eq!(address.host(), host);
        }
    }
}
