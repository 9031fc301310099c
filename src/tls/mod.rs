//! Encryption of connections: engines that turn ciphertext into plaintext and
//! back, one kind for each TLS library that is built in.
//!
//! An [`Engine`] moves bytes between buffers and nothing else: it knows no socket
//! and cannot block. Which library makes it is chosen at run time, by
//! `--tls-config`, from those that were built in by features:
//!
//! ```text
//! Keywords -> provider() -> Provider -> server() -> Acceptor  -> accept()  -> Engine
//!                                    -> client() -> Connector -> connect() -> Engine
//! ```
//!
//! Files are read when the acceptor or connector is made. To read them again make
//! another one and put it in the place of the first; engines that were made
//! before keep what they have.
//!
//! Libraries differ only below this level: keywords, files, their limits and the
//! complaints about them, names and PEM are the same for all.
#![deny(unsafe_code)]

pub mod certificate;
pub mod config;
pub mod error;
pub mod file;
pub mod name;
pub mod pem;
pub mod progress;
pub mod session;

#[cfg(feature = "mbedtls")]
mod mbedtls;
#[cfg(feature = "openssl")]
mod openssl;
#[cfg(feature = "rustls")]
mod rustls;
#[cfg(any(feature = "rustls", feature = "mbedtls"))]
mod suite;

#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;

pub use config::{Backend, CertificateFiles, ClientSettings, Keywords, ServerSettings};
pub use config::{VerifySource, Version};
pub use error::{Error, FileFault};
pub use progress::Progress;
pub use session::{Peer, Session, Trust};

use crate::base::ByteQueue;

/// One end of one connection.
///
/// The owner moves bytes: what the socket gave to [`Engine::decrypt`], plaintext
/// to [`Engine::write_plain`], and [`Engine::take_cipher`] to the socket. After
/// any of these, and even after an error, there may be more to take: an alert
/// tells the peer why.
///
/// An end of the TCP connection is for the owner to see. It is the end of what
/// the peer had to say only if [`Engine::is_closed_by_peer`]; else somebody cut
/// it short (RFC 8446 6.1), and what was read last must not be relied upon.
pub trait Engine: Send {
    /// Consumes ciphertext, all of it unless there is plaintext that has to be
    /// read first. What comes after the peer's end is discarded. An error is
    /// final, and repeated by further calls.
    fn feed_cipher(&mut self, input: &mut ByteQueue) -> Result<(), Error>;

    /// Appends what the peer is to be sent, as far as there is room.
    fn take_cipher(&mut self, output: &mut ByteQueue);

    /// Appends what the peer has said, as far as there is room.
    fn read_plain(&mut self, output: &mut ByteQueue);

    /// Accepts bytes for the peer and says how many: none before the handshake is
    /// done and after [`Engine::close_notify`], fewer than there are while too
    /// many wait to be taken.
    fn write_plain(&mut self, bytes: &[u8]) -> usize;

    /// How far the connection has come.
    fn progress(&self) -> &Progress;

    /// Whether the connection is not secure yet.
    fn is_handshaking(&self) -> bool {
        self.progress().is_handshaking()
    }

    /// What was agreed, once the handshake is done.
    // RFC 8446 4.4.2: a client is done before the server has seen its certificate,
    // and learns of a refusal from an error later.
    fn established(&self) -> Option<&Session> {
        self.progress().session()
    }

    /// Tells the peer that nothing more will be said.
    fn close_notify(&mut self);

    /// Whether the peer has said that it will say nothing more.
    fn is_closed_by_peer(&self) -> bool {
        self.progress().is_closed_by_peer()
    }

    /// Whether ciphertext would be consumed now: not while there is plaintext to
    /// be read, nor after the peer's end or an error.
    fn wants_input(&self) -> bool;

    /// Whether there is something to take.
    fn wants_output(&self) -> bool;

    /// Feeds and reads until the ciphertext is used up or the plaintext has no
    /// more room. With an error comes what was received before it.
    fn decrypt(&mut self, cipher: &mut ByteQueue, plain: &mut ByteQueue) -> Result<(), Error> {
        loop {
            let before = (cipher.len(), plain.len());
            let fed = self.feed_cipher(cipher);
            self.read_plain(plain);
            fed?;
            if (cipher.len(), plain.len()) == before {
                return Ok(());
            }
        }
    }
}

/// Makes the server's end of connections.
pub trait Acceptor: Send + Sync {
    /// Makes an engine for one connection.
    fn accept(&self) -> Result<Box<dyn Engine>, Error>;

    /// When the first of its certificates ends to be valid, in seconds since 1970.
    fn expires(&self) -> Option<i64>;
}

/// Makes the client's end of connections.
pub trait Connector: Send + Sync {
    /// Makes an engine for one connection; it has something to send at once.
    fn connect(&self) -> Result<Box<dyn Engine>, Error>;
}

/// A TLS library.
pub trait Provider: Sync {
    /// Which one it is.
    fn backend(&self) -> Backend;

    /// Its name and version, for people.
    fn description(&self) -> String;

    /// The versions of the protocol that it speaks.
    fn versions(&self) -> RangeInclusive<Version>;

    /// Reads the files and gets ready to be a server.
    fn server(&self, settings: &ServerSettings) -> Result<Box<dyn Acceptor>, Error>;

    /// Reads the files and gets ready to be a client.
    fn client(&self, settings: &ClientSettings) -> Result<Box<dyn Connector>, Error>;
}

/// The libraries that are built in, the preferred one first.
pub fn providers() -> &'static [&'static dyn Provider] {
    &[
        #[cfg(feature = "rustls")]
        &rustls::Rustls,
        #[cfg(feature = "openssl")]
        &openssl::OpenSsl,
        #[cfg(feature = "mbedtls")]
        &mbedtls::MbedTls,
    ]
}

/// The library asked for, or the preferred one.
pub fn provider(wanted: Option<Backend>) -> Result<&'static dyn Provider, Error> {
    let mut providers = providers().iter().copied();
    match wanted {
        None => providers.next().ok_or(Error::NoBackend),
        Some(backend) => providers
            .find(|provider| provider.backend() == backend)
            .ok_or(Error::NotBuilt(backend)),
    }
}
