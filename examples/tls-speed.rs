//! How fast the TLS libraries are that are built in: handshakes and bulk data between
//! two engines of the same library, in memory, on one core.
//!
//! ```sh
//! cargo run --release --features openssl,mbedtls --example tls-speed
//! ```
//!
//! Libraries take turns in each of the rounds, so that whatever else the machine does
//! meets all of them; the medians are shown. Both ends of a connection are in the same
//! thread, so a server alone does roughly twice as much.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use emailrelay::base::ByteQueue;
use emailrelay::tls::{self, CertificateFiles, ClientSettings, Engine, Keywords};
use emailrelay::tls::{Acceptor, Connector, Provider, ServerSettings, VerifySource, Version};

const ROUNDS: usize = 9;
/// How long each library may do each thing in a round.
const TURN: Duration = Duration::from_millis(400);
/// Room in the queues between the engines, in octets.
const QUEUE: usize = 64 * 1024;

fn main() -> ExitCode {
    if tls::providers().is_empty() {
        eprintln!("tls-speed: no tls library is built in");
        return ExitCode::FAILURE;
    }
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tls-speed: {error}");
            ExitCode::FAILURE
        }
    }
}

/// One thing to do with one library.
struct Lane {
    library: String,
    what: String,
    unit: &'static str,
    run: Box<dyn Fn() -> Result<f64, tls::Error>>,
    results: Vec<f64>,
}

fn measure() -> Result<(), tls::Error> {
    let mut lanes = Vec::new();
    for provider in tls::providers() {
        println!("{}: {}", provider.backend(), provider.description());
        for version in [Version::Tls12, Version::Tls13] {
            if provider.versions().contains(&version) {
                for certificate in ["server", "rsa"] {
                    lanes.push(handshakes(*provider, version, certificate)?);
                }
                for upwards in [true, false] {
                    lanes.push(bulk(*provider, version, upwards)?);
                }
            }
        }
        #[cfg(feature = "rustls")]
        for version in resumption::VERSIONS {
            lanes.extend(resumption::lane(*provider, version)?);
        }
    }
    for _ in 0..ROUNDS {
        for lane in &mut lanes {
            let result = (lane.run)()?;
            lane.results.push(result);
        }
    }
    show(lanes);
    Ok(())
}

fn show(mut lanes: Vec<Lane>) {
    lanes.sort_by(|a, b| a.what.cmp(&b.what));
    println!(
        "\n{:44} {:8} {:>9} {:>9} {:>9}",
        "what", "library", "median", "lowest", "highest"
    );
    for lane in &mut lanes {
        lane.results.sort_by(f64::total_cmp);
        let results = &lane.results;
        println!(
            "{:44} {:8} {:9.1} {:9.1} {:9.1} {}",
            lane.what,
            lane.library,
            results[results.len() / 2],
            results[0],
            results[results.len() - 1],
            lane.unit
        );
    }
}

/// What makes servers, and what makes clients for them.
type Ends = (Box<dyn Acceptor>, Box<dyn Connector>);

/// An acceptor and a connector of that library, for that version only.
fn pair(provider: &dyn Provider, version: Version, certificate: &str) -> Result<Ends, tls::Error> {
    let keywords = Keywords::parse(match version {
        Version::Tls12 => "tlsv1.2,-tlsv1.2",
        _ => "tlsv1.3,-tlsv1.3",
    });
    let pki = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pki");
    let server = ServerSettings {
        certificate: CertificateFiles {
            key: pki.join(format!("{certificate}.key")),
            chain: pki.join(format!("{certificate}.pem")),
        },
        verify: VerifySource::None,
        keywords: keywords.clone(),
    };
    let client = ClientSettings {
        verify: VerifySource::Path(pki.join("ca.pem")),
        verify_name: Some("mail.example".to_owned()),
        keywords,
        ..ClientSettings::default()
    };
    Ok((provider.server(&server)?, provider.client(&client)?))
}

/// Moves what one end has to say to the other end.
fn carry(
    from: &mut dyn Engine,
    to: &mut dyn Engine,
    wire: &mut ByteQueue,
    plain: &mut ByteQueue,
) -> Result<(), tls::Error> {
    from.take_cipher(wire);
    to.decrypt(wire, plain)
}

/// Connects until both ends have nothing more to say.
fn shake_hands(client: &mut dyn Engine, server: &mut dyn Engine) -> Result<(), tls::Error> {
    let (mut wire, mut plain) = (ByteQueue::new(QUEUE), ByteQueue::new(QUEUE));
    while client.wants_output() || server.wants_output() {
        carry(client, server, &mut wire, &mut plain)?;
        carry(server, client, &mut wire, &mut plain)?;
    }
    assert!(client.established().is_some() && server.established().is_some());
    Ok(())
}

/// Repeats it for a turn, and says how much was done in a second.
fn per_second(mut step: impl FnMut() -> Result<f64, tls::Error>) -> Result<f64, tls::Error> {
    let start = Instant::now();
    let mut done = 0.0;
    while start.elapsed() < TURN {
        done += step()?;
    }
    Ok(done / start.elapsed().as_secs_f64())
}

fn handshakes(
    provider: &'static dyn Provider,
    version: Version,
    certificate: &str,
) -> Result<Lane, tls::Error> {
    let (acceptor, connector) = pair(provider, version, certificate)?;
    let key = if certificate == "rsa" {
        "RSA 2048"
    } else {
        "P-256"
    };
    Ok(Lane {
        library: provider.backend().to_string(),
        what: format!("{version} full handshakes, {key}"),
        unit: "/s",
        run: Box::new(move || {
            per_second(|| {
                shake_hands(&mut *connector.connect()?, &mut *acceptor.accept()?)?;
                Ok(1.0)
            })
        }),
        results: Vec::new(),
    })
}

fn bulk(
    provider: &'static dyn Provider,
    version: Version,
    upwards: bool,
) -> Result<Lane, tls::Error> {
    let (acceptor, connector) = pair(provider, version, "server")?;
    let direction = if upwards {
        "client to server"
    } else {
        "server to client"
    };
    Ok(Lane {
        library: provider.backend().to_string(),
        what: format!("{version} bulk, {direction}"),
        unit: "MB/s",
        run: Box::new(move || {
            let (mut client, mut server) = (connector.connect()?, acceptor.accept()?);
            shake_hands(&mut *client, &mut *server)?;
            let (mut from, mut to) = match upwards {
                true => (client, server),
                false => (server, client),
            };
            let block = [b'x'; 32 * 1024];
            let (mut wire, mut plain) = (ByteQueue::new(QUEUE), ByteQueue::new(QUEUE));
            per_second(|| {
                let sent = from.write_plain(&block);
                carry(&mut *from, &mut *to, &mut wire, &mut plain)?;
                assert_eq!(plain.len(), sent, "it does not arrive");
                plain.clear();
                Ok(sent as f64 / 1e6)
            })
        }),
        results: Vec::new(),
    })
}

/// Resumed handshakes: our clients make none, so the client is one of rustls' own for
/// every library.
#[cfg(feature = "rustls")]
mod resumption {
    use std::sync::Arc;

    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::client::{ClientSessionMemoryCache, Resumption};
    use rustls::crypto::ring;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, HandshakeKind};
    use rustls::{SignatureScheme, SupportedProtocolVersion, version};

    use super::*;

    pub(crate) const VERSIONS: [(Version, &SupportedProtocolVersion); 2] = [
        (Version::Tls12, &version::TLS12),
        (Version::Tls13, &version::TLS13),
    ];

    /// Believes everybody: the servers are those of this program.
    #[derive(Debug)]
    struct Anybody;

    impl ServerCertVerifier for Anybody {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, rustls::Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            let provider = ring::default_provider();
            provider
                .signature_verification_algorithms
                .supported_schemes()
        }
    }

    fn client(version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = builder.with_protocol_versions(&[version]);
        let builder = builder.expect("invariant: ring speaks it").dangerous();
        let builder = builder.with_custom_certificate_verifier(Arc::new(Anybody));
        let mut config = builder.with_no_client_auth();
        config.resumption = Resumption::store(Arc::new(ClientSessionMemoryCache::new(10)));
        Arc::new(config)
    }

    /// One handshake, and of what kind it was.
    fn handshake(
        config: &Arc<ClientConfig>,
        server: &mut dyn Engine,
    ) -> Result<HandshakeKind, tls::Error> {
        let name = ServerName::try_from("mail.example").expect("invariant: it is a name");
        let client = ClientConnection::new(Arc::clone(config), name);
        let mut client = client.expect("invariant: the name is usable");
        let mut wire = ByteQueue::new(QUEUE);
        let mut from_client = Vec::new();
        while client.wants_write() || server.wants_output() {
            from_client.clear();
            while client.wants_write() {
                let written = client.write_tls(&mut from_client);
                written.expect("invariant: writing to memory cannot fail");
            }
            wire.push(&from_client);
            server.feed_cipher(&mut wire)?;
            server.take_cipher(&mut wire);
            while !wire.is_empty() {
                let read = client.read_tls(&mut wire.as_slice());
                wire.consume(read.expect("invariant: there is room after each message"));
                let processed = client.process_new_packets();
                processed.expect("invariant: the server is one of ours");
            }
        }
        Ok(client.handshake_kind().expect("invariant: it is done"))
    }

    /// Nothing where the library resumes no sessions of that version.
    pub(crate) fn lane(
        provider: &'static dyn Provider,
        (version, supported): (Version, &'static SupportedProtocolVersion),
    ) -> Result<Option<Lane>, tls::Error> {
        if !provider.versions().contains(&version) {
            return Ok(None);
        }
        let (acceptor, _) = pair(provider, version, "server")?;
        let config = client(supported);
        handshake(&config, &mut *acceptor.accept()?)?;
        if handshake(&config, &mut *acceptor.accept()?)? != HandshakeKind::Resumed {
            return Ok(None);
        }
        Ok(Some(Lane {
            library: provider.backend().to_string(),
            what: format!("{version} resumed handshakes, client of rustls"),
            unit: "/s",
            run: Box::new(move || {
                per_second(|| {
                    let kind = handshake(&config, &mut *acceptor.accept()?)?;
                    assert_eq!(kind, HandshakeKind::Resumed);
                    Ok(1.0)
                })
            }),
            results: Vec::new(),
        }))
    }
}
