//! What the client has shown of itself, and what it may do therefore.

use crate::base::OneLine;
use crate::proto::sasl::{Attempts, Channel, Kinds, Mechanism, Nonce, NonceSource, Offer};

use super::Turn;
use super::replies::{self, Fixed};

/// What is known of a client when it connects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Whether others can listen, as long as there is no TLS.
    pub channel: Channel,
    /// From the system's source of random numbers: challenges are made of it.
    pub random: [u8; 32],
    /// When that was, in seconds since 1970-01-01 00:00 UTC.
    pub connected_at: i64,
}

/// What the secrets say of this client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// What kinds of secrets there are, for any user.
    pub kinds: Kinds,
    /// What clients of this address are called, if they need not authenticate.
    pub trusted: Option<OneLine>,
}

/// How far the client has come.
#[derive(Debug)]
pub(super) struct Access {
    client: Client,
    admission: Admission,
    identity: Option<OneLine>,
    /// The mechanism of the last exchange.
    mechanism: Option<Mechanism>,
    attempts: Attempts,
    nonces: NonceSource,
}

impl Access {
    pub(super) fn new(client: Client) -> Access {
        Access {
            nonces: NonceSource::new(client.random, client.connected_at),
            client,
            admission: Admission::default(),
            identity: None,
            mechanism: None,
            attempts: Attempts::default(),
        }
    }

    pub(super) fn admit(&mut self, admission: Admission) {
        self.admission = admission;
    }

    /// Forgets the identity; failures are not forgotten, nor is the address.
    pub(super) fn encrypt(&mut self) {
        self.client.channel = Channel::Encrypted;
        self.identity = None;
    }

    pub(super) fn begin_exchange(&mut self, mechanism: Mechanism) {
        self.mechanism = Some(mechanism);
    }

    /// How the client has authenticated, if it has.
    pub(super) fn mechanism(&self) -> Option<Mechanism> {
        self.mechanism.filter(|_| self.is_authenticated())
    }

    pub(super) fn identify(&mut self, identity: OneLine) {
        self.identity = Some(identity);
    }

    /// Counts a failure; whether it was one too many.
    pub(super) fn fail(&mut self) -> bool {
        self.attempts.failed()
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.client.channel == Channel::Encrypted
    }

    pub(super) fn is_authenticated(&self) -> bool {
        self.identity.is_some()
    }

    pub(super) fn identity(&self) -> OneLine {
        let identity = self.identity.as_ref().or(self.admission.trusted.as_ref());
        identity.cloned().unwrap_or_default()
    }

    /// Makes the challenge of the next exchange impossible to guess from those
    /// before it.
    pub(super) fn nonce<'a>(&mut self, domain: &'a str) -> Nonce<'a> {
        self.nonces.next(domain)
    }
}

impl Turn<'_> {
    /// The mechanisms for the connection as it is now; none where authentication
    /// is not switched on.
    pub(super) fn offer(&self) -> Offer {
        let access = &self.core.access;
        let config = self.settings().auth.as_ref();
        config.map_or_else(Offer::default, |config| {
            Offer::new(&access.admission.kinds, config, access.client.channel)
        })
    }

    pub(super) fn offers_starttls(&self) -> bool {
        self.settings().starttls && !self.core.access.is_encrypted()
    }

    pub(super) fn must_encrypt(&self) -> bool {
        self.settings().tls_required && !self.core.access.is_encrypted()
    }

    /// Whether the client may submit mail; if not, what it is told.
    pub(super) fn may_send_mail(&self) -> Result<(), Fixed> {
        let access = &self.core.access;
        let is_known = access.identity.is_some() || access.admission.trusted.is_some();
        if self.must_encrypt() {
            Err(replies::TLS_REQUIRED)
        } else if self.settings().auth.is_none() || is_known {
            Ok(())
        } else if self.offers_starttls() && self.offer().needs_encryption() {
            Err(replies::AUTH_AND_TLS_REQUIRED)
        } else {
            Err(replies::AUTH_REQUIRED)
        }
    }

    /// The lines of the EHLO reply that depend on the connection's state.
    // RFC 3207 4.2: no STARTTLS once it is encrypted.
    pub(super) fn security_extensions(&self) -> Vec<String> {
        let offer = self.offer();
        let may_login = !offer.mechanisms().is_empty() && !self.must_encrypt();
        let auth = may_login.then(|| format!("AUTH {}", offer.names()));
        let starttls = self.offers_starttls().then(|| "STARTTLS".to_owned());
        auth.into_iter().chain(starttls).collect()
    }

    /// The submitter that the client's claim establishes.
    // RFC 4954 5: from a client that has not authenticated it counts as "<>".
    pub(super) fn submitter(&self, claim: &OneLine) -> OneLine {
        match self.core.access.is_authenticated() {
            true => claim.clone(),
            false => OneLine::escaped("<>"),
        }
    }
}
