//! The network interfaces of this system.

use std::io;
use std::net::SocketAddr;

use super::platform::interface as platform;

/// An address of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// The name of the interface, such as `eth0`.
    pub name: String,
    /// The address, with port 0 and, where it is link-local, the zone.
    pub address: SocketAddr,
}

/// The addresses of all interfaces that are up, in the order of the system.
/// `Unsupported` where the system gives interfaces no such names.
pub fn addresses() -> io::Result<Vec<InterfaceAddress>> {
    platform::addresses()
}

/// The number of the interface of that name.
pub fn index(name: &str) -> Option<u32> {
    platform::index(name)
}
