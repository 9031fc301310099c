use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::*;
use crate::proto::dns::{Data, Rcode};
use crate::sys::testing::LONG;

static NOT_CANCELLED: AtomicBool = AtomicBool::new(false);
const SHORT: Duration = Duration::from_millis(30);

/// A reply to that question with an address.
fn reply(question: &[u8], flags: u16, address: [u8; 4]) -> Vec<u8> {
    let mut reply = question.to_vec();
    reply[2..4].copy_from_slice(&flags.to_be_bytes());
    reply[6..8].copy_from_slice(&1u16.to_be_bytes());
    reply.extend([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4]);
    reply.extend(address);
    reply
}

fn good(question: &[u8]) -> Vec<u8> {
    reply(question, 0x8180, [192, 0, 2, 1])
}

/// A server that sends these datagrams for the n-th question.
fn server(answer: impl Fn(usize, &[u8]) -> Vec<Vec<u8>> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 600];
        let count = AtomicUsize::new(0);
        while let Ok((octets, from)) = socket.recv_from(&mut buffer) {
            let number = count.fetch_add(1, Ordering::Relaxed);
            for datagram in answer(number, &buffer[..octets]) {
                socket.send_to(&datagram, from).unwrap();
            }
        }
    });
    address
}

fn ask_for(addresses: &[SocketAddr], wait: Duration) -> Result<String, String> {
    address_by(&Servers {
        addresses,
        next_after: wait,
        again_after: wait,
    })
}

/// The first address, or why there is none.
fn address_by(servers: &Servers<'_>) -> Result<String, String> {
    let name = Name::parse("dst.test").unwrap();
    let patience = Patience::starting_now(Some(LONG), &NOT_CANCELLED);
    match ask(servers, &name, Kind::A, patience) {
        Ok(reply) if reply.rcode == Rcode::NxDomain => Ok("none".to_owned()),
        Ok(reply) => match reply.data_of(&name).next() {
            Some(Data::A(address)) => Ok(address.to_string()),
            other => Ok(format!("{other:?}")),
        },
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn a_server_answers() {
    let one = server(|_, question| vec![good(question)]);
    assert_eq!(ask_for(&[one], LONG).unwrap(), "192.0.2.1");
    let one = server(|_, question| vec![reply(question, 0x8183, [0; 4])]);
    assert_eq!(ask_for(&[one], LONG).unwrap(), "none");
}

#[test]
fn forged_replies_are_not_listened_to() {
    // RFC 5452 9.1: wrong id, wrong question, not a reply, rubbish.
    let one = server(|_, question| {
        let mut wrong_id = reply(question, 0x8180, [6, 6, 6, 6]);
        wrong_id[0] ^= 1;
        let mut wrong_name = reply(question, 0x8180, [6, 6, 6, 6]);
        wrong_name[13] ^= 1;
        let not_a_reply = reply(question, 0x0180, [6, 6, 6, 6]);
        vec![
            wrong_id,
            wrong_name,
            not_a_reply,
            vec![7; 5],
            good(question),
        ]
    });
    assert_eq!(ask_for(&[one], LONG).unwrap(), "192.0.2.1");
}

#[test]
fn others_are_asked_where_one_is_of_no_use() {
    // Of no use: a failure, a malformed reply, a port where nobody is.
    let failing = server(|_, question| vec![reply(question, 0x8182, [6, 6, 6, 6])]);
    let mut cut: fn(usize, &[u8]) -> Vec<Vec<u8>> = |_, question| {
        let mut reply = good(question);
        reply.truncate(reply.len() - 3);
        vec![reply]
    };
    let malformed = server(cut);
    // Who wants to hear of one peer alone is nobody for all others; and the port is
    // given to no other server meanwhile.
    #[cfg(unix)]
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap();
    #[cfg(unix)]
    nobody.connect("127.0.0.1:9").unwrap();
    let fine = server(|_, question| vec![good(question)]);
    let mut all = vec![failing, malformed];
    // wine does not pass on that a datagram was refused.
    #[cfg(unix)]
    all.push(nobody.local_addr().unwrap());
    all.push(fine);
    assert_eq!(ask_for(&all, LONG).unwrap(), "192.0.2.1");
    let error = ask_for(&all[..2], LONG).unwrap_err();
    let expected = format!("no answer about dst.test: {malformed}: message ends early");
    assert_eq!(error, expected);
    cut = |_, _| Vec::new();
    let silent = server(cut);
    let servers = Servers {
        addresses: &[silent, fine],
        next_after: SHORT,
        again_after: LONG,
    };
    assert_eq!(address_by(&servers).unwrap(), "192.0.2.1");
}

#[test]
fn a_late_reply_of_an_earlier_server_counts() {
    // It answers its first question only, and too late for the first wait.
    let late = server(|number, question| {
        thread::sleep(2 * SHORT);
        match number {
            0 => vec![good(question)],
            _ => Vec::new(),
        }
    });
    let silent = server(|_, _| Vec::new());
    let servers = Servers {
        addresses: &[late, silent],
        next_after: SHORT,
        again_after: LONG,
    };
    assert_eq!(address_by(&servers).unwrap(), "192.0.2.1");
}

#[test]
fn gives_up_after_some_rounds() {
    let (sender, asked) = std::sync::mpsc::channel();
    let silent = server(move |number, _| {
        sender.send(number).unwrap();
        Vec::new()
    });
    let error = ask_for(&[silent], SHORT).unwrap_err();
    assert_eq!(error, "no answer about dst.test: no server has answered");
    let count = asked.iter().take(ROUNDS).count();
    assert_eq!((count, asked.try_recv().is_err()), (ROUNDS, true));
    assert!(ask_for(&[], SHORT).is_err());
}

#[test]
fn patience_ends_it() {
    let silent = server(|_, _| Vec::new());
    let servers = Servers {
        addresses: &[silent],
        next_after: LONG,
        again_after: LONG,
    };
    let name = Name::parse("dst.test").unwrap();
    let patience = Patience::starting_now(Some(SHORT), &NOT_CANCELLED);
    let error = ask(&servers, &name, Kind::A, patience).unwrap_err();
    assert_eq!(error.to_string(), "no answer about dst.test: timed out");
    let cancelled = AtomicBool::new(true);
    let patience = Patience::starting_now(Some(LONG), &cancelled);
    let error = ask(&servers, &name, Kind::A, patience).unwrap_err();
    assert!(error.to_string().ends_with("no longer wanted"), "{error}");
}

/// A server that sends a cut reply over UDP and these octets over TCP.
fn server_with_tcp(tcp: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> SocketAddr {
    let (listener, address, socket) = loop {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // The port may be in use for datagrams.
        if let Ok(socket) = UdpSocket::bind(address) {
            break (listener, address, socket);
        }
    };
    thread::spawn(move || {
        let mut buffer = [0; 600];
        let (octets, from) = socket.recv_from(&mut buffer).unwrap();
        let cut = reply(&buffer[..octets], 0x8380, [6, 6, 6, 6]);
        socket.send_to(&cut, from).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let question = &mut buffer[..u16::from_be_bytes(length).into()];
        stream.read_exact(question).unwrap();
        stream.write_all(&tcp(question)).unwrap();
    });
    address
}

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap();
    [&length.to_be_bytes()[..], message].concat()
}

#[test]
fn what_does_not_fit_comes_over_tcp() {
    let one = server_with_tcp(|question| framed(&good(question)));
    assert_eq!(ask_for(&[one], LONG).unwrap(), "192.0.2.1");
    for (tcp, why) in [
        (
            Box::new(|_: &[u8]| Vec::new()) as Box<dyn Fn(&[u8]) -> Vec<u8> + Send>,
            "ends early",
        ),
        (Box::new(|_: &[u8]| vec![255; 70_000]), "message too long"),
        (
            Box::new(|question: &[u8]| framed(&reply(question, 0x8380, [6; 4]))),
            "truncated over tcp",
        ),
        (
            Box::new(|question: &[u8]| framed(&question[1..])),
            "not a reply",
        ),
        (
            Box::new(|question: &[u8]| framed(&reply(question, 0x8182, [6; 4]))),
            "server failure",
        ),
    ] {
        let error = ask_for(&[server_with_tcp(tcp)], LONG).unwrap_err();
        assert!(error.ends_with(why), "{error}");
    }
}
