//! Who is at the other end of a connection.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use crate::base::OneLine;
use crate::sys::socket::Address;

/// A client's address in the forms that are needed.
#[derive(Clone, Debug)]
pub struct Peer {
    address: Address,
    ip_text: String,
}

impl Peer {
    /// Takes the address that accepting returned.
    pub fn new(address: Address) -> Peer {
        let ip_text = match address.ip() {
            Some(ip) => ip.to_canonical().to_string(),
            None => address.host(),
        };
        Peer { address, ip_text }
    }

    /// The address itself.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The IP address; the loopback address for a unix-domain peer.
    pub fn ip(&self) -> IpAddr {
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        self.address.ip().map_or(local, |ip| ip.to_canonical())
    }

    /// The IP address; nothing for a unix-domain peer.
    pub fn remote_ip(&self) -> Option<IpAddr> {
        self.address.ip().map(|ip| ip.to_canonical())
    }

    /// Whether nobody but this system can listen to what is said in clear.
    pub fn is_on_this_system(&self) -> bool {
        self.remote_ip().is_none_or(|ip| ip.is_loopback())
    }

    /// The port; nothing for a unix-domain peer.
    pub fn port(&self) -> Option<u16> {
        match self.address {
            Address::Tcp(address) => Some(address.port()),
            _ => None,
        }
    }

    /// The IP address, or the path of a unix-domain peer, as text.
    pub fn ip_text(&self) -> &str {
        &self.ip_text
    }

    /// The same, fit for an envelope file.
    pub fn one_line(&self) -> OneLine {
        OneLine::escaped(&self.ip_text)
    }
}

/// Shows address and port.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}
