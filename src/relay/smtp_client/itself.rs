//! Telling whether a connection has come back to this very program, which would
//! store each message again that it forwards.
//!
//! Names do not tell: two servers on one host often call themselves alike, and one
//! may well forward to the other. Addresses do.

use std::net::SocketAddr;

/// Whether a connection from `local` to `peer`, both as the system has them, has
/// reached one of the sockets that we listen on.
pub(super) fn is_own(listening: &[SocketAddr], local: SocketAddr, peer: SocketAddr) -> bool {
    let peer_ip = peer.ip().to_canonical();
    // A connection within a host is from the address that it is to, or to a
    // loopback address.
    let is_here = peer_ip == local.ip().to_canonical() || peer_ip.is_loopback();
    listening.iter().any(|own| {
        let ip = own.ip().to_canonical();
        own.port() == peer.port() && (ip == peer_ip || (is_here && own.ip().is_unspecified()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_itself_by_any_address() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        for (own, local, peer, expected) in [
            ("0.0.0.0:25", "127.0.0.1:9", "127.0.0.1:25", true),
            ("0.0.0.0:25", "127.0.0.1:9", "127.0.0.2:25", true),
            ("[::]:25", "[::ffff:192.0.2.1]:9", "192.0.2.1:25", true),
            ("[::]:25", "[::1]:9", "[::1]:25", true),
            ("192.0.2.1:25", "192.0.2.1:9", "192.0.2.1:25", true),
            ("0.0.0.0:25", "192.0.2.1:9", "192.0.2.2:25", false),
            ("192.0.2.1:25", "127.0.0.1:9", "127.0.0.1:25", false),
            ("0.0.0.0:2525", "127.0.0.1:9", "127.0.0.1:25", false),
        ] {
            let listening = [address("127.0.0.9:1"), address(own)];
            let found = is_own(&listening, address(local), address(peer));
            assert_eq!(found, expected, "{own} {local} {peer}");
        }
        assert!(!is_own(
            &[],
            address("127.0.0.1:9"),
            address("127.0.0.1:25")
        ));
    }
}
