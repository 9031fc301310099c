//! A socket that a client may encrypt, by the engines of the product.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use super::skip;
use emailrelay::base::ByteQueue;
use emailrelay::tls::{self, CertificateFiles, ClientSettings, Engine, Keywords, Session};

/// A file of the tests' own certificates and keys.
pub(crate) fn pki(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/pki")
        .join(name)
}

/// The same as an argument.
pub(crate) fn pki_text(name: &str) -> String {
    pki(name).to_str().unwrap().to_owned()
}

/// Whether the test must be skipped because no TLS library is built in.
pub(crate) fn skip_without_tls() -> bool {
    let missing = tls::providers().is_empty();
    if missing {
        skip("no tls library is built in");
    }
    missing
}

/// The library that the program is to use where its arguments are about TLS, so that
/// tests can be run for each that is built in; else it is the preferred one.
fn library() -> Option<String> {
    std::env::var("EMAILRELAY_TEST_TLS").ok()
}

fn provider() -> &'static dyn tls::Provider {
    let wanted = library().and_then(|keyword| Keywords::parse(&keyword).backend);
    tls::provider(wanted).unwrap()
}

/// Whether it looks at the common name of a certificate that has no other names.
pub(crate) fn counts_common_names() -> bool {
    provider().backend() != tls::Backend::Rustls
}

/// Whether it asks clients for a certificate that they need not have.
pub(crate) fn asks_without_need() -> bool {
    provider().backend() != tls::Backend::MbedTls
}

/// Those of the versions 1.2 and 1.3 that it speaks.
pub(crate) fn versions() -> Vec<&'static str> {
    let spoken = provider().versions();
    let known = [("1.2", tls::Version::Tls12), ("1.3", tls::Version::Tls13)];
    let known = known
        .into_iter()
        .filter(|(_, version)| spoken.contains(version));
    known.map(|(name, _)| name).collect()
}

/// The option that chooses it, if one is chosen, for arguments that are about TLS.
pub(crate) fn choice<I: AsRef<str>>(arguments: &[I]) -> Option<String> {
    let is_tls = |argument: &I| {
        let argument = argument.as_ref();
        argument.starts_with("--server-tls") || argument.starts_with("--client-tls")
    };
    let library = library().filter(|_| arguments.iter().any(is_tls))?;
    Some(format!("--tls-config={library}"))
}

/// A client that looks at no certificate, with these words of `--tls-config`.
pub(crate) fn trusting(keywords: &str) -> ClientSettings {
    ClientSettings {
        keywords: Keywords::parse(keywords),
        ..ClientSettings::default()
    }
}

/// A client that shows this certificate.
pub(crate) fn showing(name: &str) -> ClientSettings {
    let files = [format!("{name}.key"), format!("{name}.pem")];
    ClientSettings {
        certificate: CertificateFiles::new(files.map(|file| pki(&file))),
        ..ClientSettings::default()
    }
}

/// A socket, encrypted or not.
pub(crate) struct Wire {
    stream: TcpStream,
    engine: Option<Box<dyn Engine>>,
    cipher: ByteQueue,
    plain: ByteQueue,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Wire {
        Wire {
            stream,
            engine: None,
            cipher: ByteQueue::new(1 << 16),
            plain: ByteQueue::new(1 << 16),
        }
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(crate) fn session(&self) -> Option<&Session> {
        self.engine.as_ref()?.established()
    }

    /// Encrypts from now on.
    pub(crate) fn start_tls(&mut self, settings: &ClientSettings) -> io::Result<()> {
        let connector = tls::provider(None).unwrap().client(settings).unwrap();
        self.engine = Some(connector.connect().unwrap());
        while self.session().is_none() {
            self.send_cipher()?;
            if self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        self.send_cipher()
    }

    /// Reads from the socket once and decrypts.
    fn fill(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 4096];
        let count = self.stream.read(&mut buffer)?;
        self.cipher.push(&buffer[..count]);
        let engine = self.engine.as_mut().unwrap();
        let result = engine.decrypt(&mut self.cipher, &mut self.plain);
        result.map_err(io::Error::other)?;
        Ok(count)
    }

    fn send_cipher(&mut self) -> io::Result<()> {
        let mut cipher = ByteQueue::new(1 << 20);
        if let Some(engine) = &mut self.engine {
            engine.take_cipher(&mut cipher);
        }
        self.stream.write_all(cipher.as_slice())
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.engine.is_none() {
            return self.stream.read(buffer);
        }
        while self.plain.is_empty() {
            if self.engine.as_ref().unwrap().is_closed_by_peer() {
                return Ok(0);
            }
            if self.fill()? == 0 {
                // The end of the connection without that of TLS.
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        }
        let count = self.plain.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.plain.as_slice()[..count]);
        self.plain.consume(count);
        Ok(count)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(engine) = &mut self.engine else {
            return self.stream.write(bytes);
        };
        let count = engine.write_plain(bytes);
        self.send_cipher()?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
