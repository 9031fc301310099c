//! One connection of OpenSSL as an [`Engine`].

use std::mem;

use ::openssl::error::ErrorStack;
use ::openssl::ssl::{Error as SslError, ErrorCode, Ssl, SslRef, SslStream, SslVersion};
use ::openssl::x509::X509VerifyResult;

use super::wire::Wire;
use crate::base::ByteQueue;
use crate::tls::config::Version;
use crate::tls::{Engine, Error, Peer, Progress, Session, Trust};

/// The most plaintext in a record, in octets (RFC 8446 5.1).
const RECORD_PLAIN_MAX: usize = 16 * 1024;
/// No more plaintext is accepted while so much ciphertext waits, in octets.
const CIPHER_WAITING_MAX: usize = 48 * 1024;

/// The reasons that OpenSSL gives where it was not spoken TLS to.
const NOT_TLS: [&str; 4] = [
    "wrong version number",
    "unknown protocol",
    "http request",
    "https proxy request",
];

pub(super) struct OpenSslEngine {
    stream: SslStream<Wire>,
    /// How far a peer that gets through the handshake has been checked.
    trust: Trust,
    progress: Progress,
    /// What one record held, until it is read.
    plain: ByteQueue,
}

impl OpenSslEngine {
    /// Begins a connection; `ssl` knows which end it is.
    pub(super) fn new(ssl: Ssl, trust: Trust) -> Result<OpenSslEngine, ErrorStack> {
        Ok(OpenSslEngine {
            stream: SslStream::new(ssl, Wire::new())?,
            trust,
            progress: Progress::default(),
            plain: ByteQueue::new(RECORD_PLAIN_MAX),
        })
    }

    /// Says what can be said before the peer has said anything.
    pub(super) fn begin(&mut self) -> Result<(), Error> {
        self.advance()
    }

    /// Works off what has been received, until there is plaintext to be read.
    fn advance(&mut self) -> Result<(), Error> {
        while self.wants_input() {
            forget_errors();
            let step = match self.progress.is_handshaking() {
                true => self.stream.do_handshake(),
                false => self.read_record(),
            };
            match step {
                Ok(()) if self.progress.is_handshaking() => self.establish(),
                Ok(()) => {}
                Err(error) if error.code() == ErrorCode::WANT_READ => return Ok(()),
                Err(error) if error.code() == ErrorCode::ZERO_RETURN => {
                    self.progress.close_by_peer()
                }
                Err(error) => return Err(self.fail(&error)),
            }
        }
        Ok(())
    }

    fn read_record(&mut self) -> Result<(), SslError> {
        let mut record = [0; RECORD_PLAIN_MAX];
        let count = self.stream.ssl_read(&mut record)?;
        self.plain.push(&record[..count]);
        Ok(())
    }

    fn establish(&mut self) {
        let session = agreed(self.stream.ssl(), self.trust);
        if self.progress.establish(session) {
            self.say_goodbye();
        }
    }

    fn say_goodbye(&mut self) {
        forget_errors();
        // Whether the peer has said the same is looked at where it is read; and there is
        // nobody to tell where there is no room left for an alert.
        let _ = self.stream.shutdown();
    }

    /// Ends the connection for good.
    fn fail(&mut self, error: &SslError) -> Error {
        self.progress.fail(&reason(error, self.stream.ssl()))
    }
}

impl Engine for OpenSslEngine {
    fn feed_cipher(&mut self, input: &mut ByteQueue) -> Result<(), Error> {
        self.progress.check()?;
        // OpenSSL takes record by record, and leaves what it does not need yet.
        mem::swap(input, &mut self.stream.get_mut().received);
        let advanced = self.advance();
        mem::swap(input, &mut self.stream.get_mut().received);
        if self.progress.is_closed_by_peer() {
            // RFC 8446 6.1: data after a closure alert must be ignored.
            input.clear();
        }
        advanced
    }

    fn take_cipher(&mut self, output: &mut ByteQueue) {
        let waiting = &mut self.stream.get_mut().waiting;
        let count = output.push(waiting.as_slice());
        waiting.consume(count);
    }

    fn read_plain(&mut self, output: &mut ByteQueue) {
        let count = output.push(self.plain.as_slice());
        self.plain.consume(count);
    }

    fn write_plain(&mut self, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        while self.progress.is_writable() && !rest.is_empty() {
            if self.stream.get_ref().waiting.len() >= CIPHER_WAITING_MAX {
                break;
            }
            let record = &rest[..rest.len().min(RECORD_PLAIN_MAX)];
            forget_errors();
            match self.stream.ssl_write(record) {
                Ok(count) => rest = &rest[count..],
                Err(error) => drop(self.fail(&error)),
            }
        }
        bytes.len() - rest.len()
    }

    fn progress(&self) -> &Progress {
        &self.progress
    }

    fn close_notify(&mut self) {
        if self.progress.close() {
            self.say_goodbye();
        }
    }

    fn wants_input(&self) -> bool {
        self.plain.is_empty() && self.progress.is_readable()
    }

    fn wants_output(&self) -> bool {
        !self.stream.get_ref().waiting.is_empty()
    }
}

/// Empties the thread's queue of errors, as has to be done before each call of whose
/// result OpenSSL is asked (SSL_get_error(3)): what it did not like about a client's
/// certificate stays there, though any certificate will do.
fn forget_errors() {
    drop(ErrorStack::get());
}

fn agreed(ssl: &SslRef, trust: Trust) -> Session {
    let cipher = ssl.current_cipher();
    let name = cipher.map_or("unknown", |cipher| cipher.name());
    Session {
        protocol: version(ssl).name(),
        cipher: name,
        suite: cipher.and_then(|c| c.standard_name()).unwrap_or(name),
        peer: peer(ssl, trust),
    }
}

fn version(ssl: &SslRef) -> Version {
    match ssl.version2() {
        Some(SslVersion::TLS1) => Version::Tls10,
        Some(SslVersion::TLS1_1) => Version::Tls11,
        Some(SslVersion::TLS1_2) => Version::Tls12,
        _ => Version::Tls13,
    }
}

fn peer(ssl: &SslRef, trust: Trust) -> Option<Peer> {
    let der = ssl.peer_certificate()?.to_der().ok()?;
    Some(Peer::new(&der, trust))
}

fn reason(error: &SslError, ssl: &SslRef) -> String {
    let verdict = ssl.verify_result();
    let first = error.ssl_error().and_then(|stack| stack.errors().first());
    match first.map(|first| (first.reason(), first.code())) {
        Some((Some(reason), _)) if NOT_TLS.contains(&reason) => {
            "what the peer sent is not tls".to_owned()
        }
        Some((Some("certificate verify failed"), _)) if verdict != X509VerifyResult::OK => {
            format!("certificate verify failed: {}", verdict.error_string())
        }
        Some((Some(reason), _)) => reason.to_owned(),
        Some((None, code)) => format!("openssl error {code:#x}"),
        None => match error.io_error() {
            Some(error) => error.to_string(),
            None => "the connection is broken".to_owned(),
        },
    }
}
