//! Addresses that are a test's own.

use std::net::SocketAddr;
#[cfg(not(target_os = "linux"))]
use std::net::TcpListener;

/// An address of this machine at which nobody listens, for a test that wants to be
/// refused there, or to have something listen there later.
///
/// All of 127.0.0.0/8 is this machine, so that each caller has a host of its own; and
/// the system gives no port below 32768 to whoever leaves the choice to it. A port that
/// was merely free a moment ago may be another test's by now.
#[cfg(target_os = "linux")]
pub(crate) fn unused() -> SocketAddr {
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicU16, Ordering};
    static SERIAL: AtomicU16 = AtomicU16::new(0);
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let [.., third, fourth] = std::process::id().to_be_bytes();
    // Not 0, since 127.0.0.1 and its neighbours are everybody's; and 255 for some
    // process is the address of all.
    let second = u8::try_from(serial % 254 + 1).unwrap();
    let host = Ipv4Addr::new(127, second, third, fourth);
    // For who listens on all hosts the ports differ as well, and those of processes
    // that run side by side.
    let offset = u16::from(fourth).wrapping_mul(257).wrapping_add(serial);
    SocketAddr::from((host, 10_000 + offset % 20_000))
}

/// Elsewhere only 127.0.0.1 can be relied on.
#[cfg(not(target_os = "linux"))]
pub(crate) fn unused() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}
