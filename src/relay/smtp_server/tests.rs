use super::*;

use std::path::Path;
use std::time::Duration;

use crate::base::secret::Secret;
use crate::event::Pool;
use crate::proto::sasl::{Credentials, Given, Mechanism};
use crate::relay::clients::Clients;
use crate::relay::context::Pools;
use crate::relay::disk::DiskWork;
use crate::relay::filters::FilterWork;
use crate::relay::limits::HANDSHAKE_MAX;
use crate::relay::lookup::LookupWork;
use crate::relay::parting::{FLUSH_MAX, LINGER_MAX};
use crate::relay::passwords::{self, PasswordWork};
use crate::relay::programs::ProgramWork;
use crate::relay::security::Site;
use crate::store::Spool;
use crate::sys::socket::{Address, Listener, Stream};
use crate::sys::testing::{LONG, TempDir};
use crate::sys::time;
use crate::tls::{CertificateFiles, Keywords, ServerSettings, VerifySource};

fn certificate() -> ServerSettings {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pki/server-all.pem");
    ServerSettings {
        certificate: CertificateFiles::new([file]).unwrap(),
        verify: VerifySource::Absent,
        keywords: Keywords::default(),
    }
}

/// A session with a client that we play, in a world without a loop.
struct World {
    context: Context,
    session: SmtpServer,
    client: Connection,
    _folder: TempDir,
}

impl World {
    fn new(tls_first: bool) -> World {
        let folder = TempDir::new();
        let spool = Spool::open(folder.path(), 1).unwrap();
        let disk = Pool::new(DiskWork, 1, || {});
        let lookups = Pool::new(LookupWork::default(), 1, || {});
        let passwords = Pool::new(PasswordWork, 1, || {});
        let programs = Pool::new(ProgramWork, 1, || {});
        let filters = Pool::new(FilterWork, 1, || {});
        let pools = Pools {
            disk,
            lookups,
            passwords,
            programs,
            filters,
        };
        let mut context = Context::new(Instant::now(), time::wall_clock, pools);
        let mut site = Site::default();
        if !crate::tls::providers().is_empty() {
            site.use_certificates(certificate()).unwrap();
        }
        let site = context.security.add(site);

        let any = Address::Tcp("127.0.0.1:0".parse().unwrap());
        let listener = Listener::bind(&any, 1).unwrap();
        let client = Stream::connect(&listener.local_address().unwrap(), None).unwrap();
        let (stream, address) = loop {
            if let Ok(accepted) = listener.accept() {
                break accepted;
            }
        };
        let service = Service {
            spool,
            site,
            machine: Arc::new(Settings {
                starttls: !tls_first,
                idle_timeout: None,
                ..Settings::default()
            }),
            tls_first,
            trace: true,
            verifier: None,
            filters: None,
            immediate: None,
            client_filters: None,
            rescans: None,
            forwarder: None,
        };
        let peer = Peer::new(address);
        let visit = Clients::new(1, 1).admit(peer.ip()).unwrap();
        let guest = Guest {
            service: Arc::new(service),
            stream,
            peer,
            visit,
        };
        let clock = context.wall_clock();
        let mut session = SmtpServer::new(guest, Word::None, clock);
        session.start(Token::NOBODY, &mut context);
        World {
            context,
            session,
            client: Connection::new(client),
            _folder: folder,
        }
    }

    fn say(&mut self, text: &str) {
        self.client.output.push(text.as_bytes());
        self.client.flush().unwrap();
    }

    fn ready(&self) -> Ready {
        Ready {
            token: Token::NOBODY,
            socket: self.session.connection.interest(true).unwrap().socket,
            readable: true,
            writable: true,
        }
    }

    /// Lets the session act until the client has been told something that ends so.
    fn hear(&mut self, end: &str) {
        let mut scratch = vec![0; 4096];
        let until = Instant::now() + LONG;
        while !self.client.input.as_slice().ends_with(end.as_bytes()) {
            assert!(Instant::now() < until, "never says {end}");
            self.session.on_ready(self.ready(), &mut self.context);
            self.client.read(&mut scratch).unwrap();
        }
        self.client.input.clear();
    }

    fn reason(&self) -> Option<CloseReason> {
        self.session.parting.as_ref().map(|(reason, _)| *reason)
    }

    /// Lets time pass up to the next deadline.
    fn wait(&mut self) -> Duration {
        let deadline = self.session.deadline().unwrap();
        let waited = deadline - self.context.now;
        self.context.now = deadline;
        self.session.on_timeout(&mut self.context);
        waited
    }
}

#[test]
fn a_handshake_that_stalls_is_given_up() {
    if crate::tls::providers().is_empty() {
        return;
    }
    let expected = Some(CloseReason::TlsTimeout(HANDSHAKE_MAX));
    let mut first = World::new(true);
    assert_eq!(first.wait(), HANDSHAKE_MAX);
    assert_eq!(first.reason(), expected);

    let mut later = World::new(false);
    later.hear("ready\r\n");
    later.say("EHLO me\r\n");
    later.hear("8BITMIME\r\n");
    assert_eq!(later.session.deadline(), None);
    later.say("STARTTLS\r\n");
    later.hear("start tls\r\n");
    // An octet now and then earns no more time.
    later.context.now += HANDSHAKE_MAX / 2;
    later.say("\x16");
    later.session.on_ready(later.ready(), &mut later.context);
    assert_eq!(later.wait(), HANDSHAKE_MAX / 2);
    assert_eq!(later.reason(), expected);
    // The connection is closed for good soon after.
    assert!(later.wait() <= LINGER_MAX && later.session.is_over());
}

#[test]
fn a_client_that_takes_no_replies_is_hung_up_on() {
    let mut world = World::new(false);
    world.hear("ready\r\n");
    let connection = &mut world.session.connection;
    while connection.output.is_empty() {
        connection.output.push(&[b'x'; 4096]);
        connection.flush().unwrap();
    }
    world.session.on_shutdown(&mut world.context);
    assert_eq!(world.wait(), FLUSH_MAX);
    assert!(world.session.is_over());
}

// Otherwise a module of PAM that hangs would keep the program from ending.
#[test]
fn only_the_client_waits_for_a_check_by_pam() {
    let world = World::new(false);
    let job = passwords::Job {
        credentials: Box::new(Credentials {
            mechanism: Mechanism::Plain,
            id: b"alice".to_vec(),
            given: Given::Password(Secret::new(b"secret")),
        }),
        peer: None,
        until: Instant::now(),
    };
    world.context.check_password(Token::NOBODY, job);
    assert_eq!(world.context.jobs(), 0);
}

// RFC 5321 4.1.1.10: a client should wait for the reply to QUIT, and one that sends no
// more may still want to know what has become of its message.
#[test]
fn a_client_that_sends_no_more_gets_all_replies() {
    let mut world = World::new(false);
    world.hear("ready\r\n");
    // More replies have been given than the system takes, and it has had time to.
    let (mut sent, mut stuck) = (0, 0);
    while stuck < 50 {
        let connection = &mut world.session.connection;
        let more = connection.output.room().saturating_sub(1000).min(1000);
        sent += connection.output.push(&vec![b'x'; more]);
        let waiting = connection.output.len();
        connection.flush().unwrap();
        if more == 0 && connection.output.len() == waiting {
            stuck += 1;
            std::thread::sleep(Duration::from_millis(1));
        } else {
            stuck = 0;
        }
    }
    world.say("NOOP\r\n");
    world.client.shut_down_output();
    let until = Instant::now() + LONG;
    while !world.session.input_ended {
        assert!(Instant::now() < until);
        world.session.on_ready(world.ready(), &mut world.context);
    }
    // Systems may take more after all; then the session may be over by now.
    let (mut scratch, mut heard) = (vec![0; 65536], Vec::new());
    while world.client.read(&mut scratch).unwrap() != Arrival::End {
        assert!(Instant::now() < until);
        heard.extend_from_slice(world.client.input.as_slice());
        world.client.input.clear();
        if !world.session.is_over() {
            world.session.on_ready(world.ready(), &mut world.context);
        }
        if world.session.is_over() {
            // As when the loop drops it.
            let stream = world.session.connection.stream();
            let _ = stream.shutdown_write();
        }
    }
    assert!(heard.ends_with(b"250 2.0.0 OK\r\n") && heard.len() > sent);
}
