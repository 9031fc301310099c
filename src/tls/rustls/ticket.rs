//! Tickets for resumption (RFC 5077, RFC 8446 4.6.1).

use std::sync::Arc;

use ::rustls::Error;
use ::rustls::crypto::ring::Ticketer;
use ::rustls::server::ProducesTickets;

/// The most that a ticket may have to hold, in octets: it holds the client's
/// certificates, whose length is for the client to choose, and the length of a
/// ticket is a number of 16 bits.
const STATE_OCTETS_MAX: usize = 16 * 1024;

/// Makes tickets under new random keys, which are replaced every six hours.
pub(super) fn ticketer() -> Result<Arc<dyn ProducesTickets>, Error> {
    Ok(Arc::new(BoundedTicketer(Ticketer::new()?)))
}

#[derive(Debug)]
struct BoundedTicketer(Arc<dyn ProducesTickets>);

impl ProducesTickets for BoundedTicketer {
    fn enabled(&self) -> bool {
        self.0.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.0.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let short = plain.len() <= STATE_OCTETS_MAX;
        short.then(|| self.0.encrypt(plain)).flatten()
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.0.decrypt(cipher)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tickets_are_bounded_and_good_for_their_maker_only() {
        let (one, other) = (ticketer().unwrap(), ticketer().unwrap());
        let ticket = one.encrypt(b"state").unwrap();
        assert_eq!(one.decrypt(&ticket).as_deref(), Some(&b"state"[..]));
        assert_eq!(other.decrypt(&ticket), None);
        assert!(one.encrypt(&[0; STATE_OCTETS_MAX]).is_some());
        assert_eq!(one.encrypt(&[0; STATE_OCTETS_MAX + 1]), None);
    }
}
