//! Where metrics are served.

use std::fmt;
use std::path::PathBuf;

use super::address::{Address, Host, Literal};
use super::value::{self, Fault};
use crate::base::ascii;

/// Where programs that watch can connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetricsAddress {
    /// This port of the loopback addresses; with 0 the system chooses one for each.
    Loopback(u16),
    /// A port of one address.
    Ip(Literal, u16),
    /// The absolute path of a unix-domain socket.
    Unix(PathBuf),
}

impl MetricsAddress {
    /// Reads `port`, `address:port` or the path of a socket.
    pub(super) fn parse(text: &str) -> Result<MetricsAddress, Fault> {
        if text.bytes().all(|octet| octet.is_ascii_digit()) {
            return value::port(text).map(MetricsAddress::Loopback);
        }
        match Address::parse(text)? {
            Address::Unix(path) => Ok(MetricsAddress::Unix(path)),
            Address::Tcp(Host::Ip(literal), port) => Ok(MetricsAddress::Ip(literal, port)),
            Address::Tcp(Host::Name(_), _) | Address::Socks { .. } => Err(Fault::NotAnAddress),
        }
    }
}

/// Shows the address in a form in which it can be given.
impl fmt::Display for MetricsAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MetricsAddress::Loopback(port) => port.fmt(f),
            MetricsAddress::Ip(literal, port) => {
                Address::Tcp(Host::Ip(literal.clone()), *port).fmt(f)
            }
            MetricsAddress::Unix(path) => {
                f.write_str(&ascii::escape(path.as_os_str().as_encoded_bytes()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_where_metrics_are_served() {
        for text in ["0", "9100", "127.0.0.1:9100", "[::1]:9100", "/run/x"] {
            assert_eq!(MetricsAddress::parse(text).unwrap().to_string(), text);
        }
        let loopback = MetricsAddress::Loopback(9100);
        assert_eq!(MetricsAddress::parse("9100").unwrap(), loopback);
        for (text, fault) in [
            ("localhost:9100", Fault::NotAnAddress),
            ("127.0.0.1", Fault::NoPort),
            (":9100", Fault::NoHost),
            ("run/x", Fault::NoPort),
            ("127.0.0.1:0", Fault::BadService),
        ] {
            assert_eq!(MetricsAddress::parse(text), Err(fault), "{text}");
        }
        assert!(MetricsAddress::parse("65536").is_err());
        assert!(MetricsAddress::parse("").is_err());
    }
}
