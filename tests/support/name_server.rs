//! A name server that says what the test wants it to.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::program::{PATIENCE, Program};

/// What comes back for a question: datagrams, in this order.
type Answer = dyn Fn(&[u8]) -> Vec<Vec<u8>> + Send + Sync;

/// A running name server; it ends with the process.
pub(crate) struct NameServer {
    pub(crate) port: u16,
}

impl NameServer {
    /// Starts a server that answers over UDP.
    pub(crate) fn start(udp: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + Sync + 'static) -> NameServer {
        NameServer::with_tcp(udp, |_| Vec::new())
    }

    /// Starts a server that answers over TCP as well, with octets as they are.
    pub(crate) fn with_tcp(
        udp: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + Sync + 'static,
        tcp: impl Fn(&[u8]) -> Vec<u8> + Send + 'static,
    ) -> NameServer {
        let (listener, socket) = sockets();
        let port = listener.local_addr().unwrap().port();
        let udp: Arc<Answer> = Arc::new(udp);
        thread::spawn(move || {
            let mut buffer = [0; 1000];
            while let Ok((count, from)) = socket.recv_from(&mut buffer) {
                let (question, udp) = (buffer[..count].to_vec(), Arc::clone(&udp));
                let socket = socket.try_clone().unwrap();
                thread::spawn(move || {
                    for datagram in udp(&question) {
                        // The client may be gone.
                        let _ = socket.send_to(&datagram, from);
                    }
                });
            }
        });
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let mut question = [0; 1000];
                let count = stream.read(&mut question).unwrap_or(0);
                for octet in tcp(question.get(2..count).unwrap_or_default()) {
                    // One by one, since a stream has no pieces of its own.
                    let _ = stream.write_all(&[octet]);
                }
            }
        });
        NameServer { port }
    }
}

/// Sockets of both kinds with one port. The port that is free for the one may be taken
/// for the other.
fn sockets() -> (TcpListener, UdpSocket) {
    let mut tries = (0..TRIES).filter_map(|_| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = UdpSocket::bind(listener.local_addr().unwrap()).ok()?;
        Some((listener, socket))
    });
    tries.next().unwrap()
}

/// A reply to the question with these flags (the second half of them has the
/// response code) and addresses.
// RFC 1035 4.1.
pub(crate) fn reply(question: &[u8], flags: u16, addresses: &[Ipv4Addr]) -> Vec<u8> {
    let mut reply = question.to_vec();
    reply[2..4].copy_from_slice(&flags.to_be_bytes());
    let count = u16::try_from(addresses.len()).unwrap();
    reply[6..8].copy_from_slice(&count.to_be_bytes());
    for address in addresses {
        reply.extend(record(1, &address.octets()));
    }
    reply
}

/// A record of the name in question.
pub(crate) fn record(kind: u16, data: &[u8]) -> Vec<u8> {
    let mut record = vec![0xC0, 12];
    record.extend(kind.to_be_bytes());
    record.extend([0, 1, 0, 0, 0, 60]);
    record.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
    record.extend(data);
    record
}

/// A message as TCP carries it.
// RFC 1035 4.2.2.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap();
    [&length.to_be_bytes()[..], message].concat()
}

/// A response without error.
pub(crate) const NO_ERROR: u16 = 0x8180;
/// A response that says that there is no such name.
pub(crate) const NO_SUCH_NAME: u16 = 0x8183;
/// A response that was cut to fit.
pub(crate) const TRUNCATED: u16 = 0x8380;
/// A response that says that the server has failed.
pub(crate) const SERVER_FAILURE: u16 = 0x8182;

/// How many ports are tried.
const TRIES: usize = 10;

/// A running dnsmasq that knows all about `test`.
pub(crate) struct Dnsmasq {
    pub(crate) port: u16,
    _program: Program,
}

impl Dnsmasq {
    /// Starts it with these records, and waits until it answers.
    pub(crate) fn start(records: &[&str]) -> Dnsmasq {
        // A port that is free may have been taken before dnsmasq has it.
        let free = || {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        let mut tries = (0..TRIES).filter_map(|_| Dnsmasq::try_start(free(), records));
        tries.next().unwrap()
    }

    /// The same where the C library asks, which knows of no other port; for a private
    /// network.
    pub(crate) fn start_for_the_system(records: &[&str]) -> Dnsmasq {
        Dnsmasq::try_start(53, records).unwrap()
    }

    fn try_start(port: u16, records: &[&str]) -> Option<Dnsmasq> {
        let mut command = Command::new("/usr/sbin/dnsmasq");
        command
            .args(["-k", "--conf-file=/dev/null", "--no-resolv", "--no-hosts"])
            .args(["--pid-file=", "--user=", "--local=/test/"])
            .args(["--listen-address=127.0.0.1", "--bind-interfaces"])
            .args(["--log-facility=-", "--log-queries"])
            .arg(format!("--port={port}"))
            .args(records)
            .stdin(Stdio::null());
        let program = Program::spawn_command(command);
        let until = Instant::now() + PATIENCE;
        loop {
            let log = program.log();
            let says = |text: &str| log.iter().any(|line| line.contains(text));
            if says("started, version") {
                return Some(Dnsmasq {
                    port,
                    _program: program,
                });
            }
            if says("Address already in use") {
                return None;
            }
            assert!(Instant::now() < until, "{log:#?}");
            thread::sleep(Duration::from_millis(10));
        }
    }
}
