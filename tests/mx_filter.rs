//! `mx:`, with name servers that follow a script and with dnsmasq.
#![cfg(target_os = "linux")]

use std::fs;
use std::net::Ipv4Addr;

use crate::support::client::Client;
use crate::support::name_server::{self, Dnsmasq, NameServer};
use crate::support::program::{Scratch, Server};
use crate::support::skip_without;

/// A server that splits mail by domains and then asks that name server.
fn server(spool: &Scratch, port: u16) -> Server {
    server_with(spool, port, 60)
}

/// One that waits so many seconds for the answer.
fn server_with(spool: &Scratch, port: u16, seconds: u32) -> Server {
    let filter = format!("--filter=split:2525,mx:nst=1;rt=1;127.0.0.1:{port}");
    Server::start(spool, &[&filter, &format!("--filter-timeout={seconds}")])
}

fn send(server: &Server, to: &[&str]) -> String {
    let mut client = Client::connect(server.port);
    client.hello();
    let content = b"Subject: x\r\n\r\ntext\r\n";
    client.try_send("me@src.test", to, content).unwrap()
}

/// The value of `ForwardToAddress` in the one envelope.
fn address(spool: &Scratch) -> String {
    let names = spool.names();
    let name = names.iter().find(|name| name.ends_with(".envelope"));
    let text = fs::read_to_string(spool.join(name.unwrap())).unwrap();
    let start = "X-MailRelay-ForwardToAddress: ";
    let found = text.lines().find_map(|line| line.strip_prefix(start));
    found.unwrap().to_owned()
}

/// An MX record with one label below the name in question.
fn mx(preference: u8, label: &str) -> Vec<u8> {
    let length = u8::try_from(label.len()).unwrap();
    let data = [&[0, preference, length], label.as_bytes(), &[0xC0, 12]].concat();
    name_server::record(15, &data)
}

fn kind(question: &[u8]) -> u8 {
    question[question.len() - 3]
}

/// Records in reply to questions for exchanges; for addresses, that of the host.
fn zone(records: &'static [(u8, &'static str)], host: &'static str) -> NameServer {
    NameServer::start(move |question| {
        let start = question.get(13..13 + host.len()).unwrap_or_default();
        let mut reply = match (kind(question), start == host.as_bytes()) {
            (1, true) => name_server::reply(
                question,
                name_server::NO_ERROR,
                &[Ipv4Addr::new(192, 0, 2, 7)],
            ),
            _ => name_server::reply(question, name_server::NO_ERROR, &[]),
        };
        if kind(question) == 15 {
            reply[7] = u8::try_from(records.len()).unwrap();
            for (preference, label) in records {
                reply.extend(mx(*preference, label));
            }
        }
        vec![reply]
    })
}

#[test]
fn the_best_exchange_is_the_next_hop() {
    let name_server = zone(&[(20, "mx2"), (10, "mx1")], "mx1");
    let spool = Scratch::new();
    let server = server(&spool, name_server.port);
    let reply = send(&server, &["a@dst.test"]);
    assert!(reply.starts_with("250 "), "{reply}");
    assert_eq!(address(&spool), "192.0.2.7:2525");
}

#[test]
fn a_domain_without_exchanges_is_its_own() {
    let name_server = zone(&[], "dst");
    let spool = Scratch::new();
    let server = server(&spool, name_server.port);
    let reply = send(&server, &["a@dst.test"]);
    assert!(reply.starts_with("250 "), "{reply}");
    assert_eq!(address(&spool), "192.0.2.7:2525");
}

#[test]
fn hostile_servers_cannot_do_harm() {
    type Script = fn(&[u8]) -> Vec<Vec<u8>>;
    let scripts: [(Script, &str); 6] = [
        // Nobody: for now.
        (|_| vec![], "451 4."),
        (
            |question| {
                vec![name_server::reply(
                    question,
                    name_server::SERVER_FAILURE,
                    &[],
                )]
            },
            "451 4.",
        ),
        // There is no such domain, or it takes no mail: for good.
        (
            |question| vec![name_server::reply(question, name_server::NO_SUCH_NAME, &[])],
            "550 5.1.2 ",
        ),
        (
            |question| {
                let mut reply = name_server::reply(question, name_server::NO_ERROR, &[]);
                reply[7] = 1;
                reply.extend(name_server::record(15, &[0, 0, 0]));
                vec![reply]
            },
            "556 5.1.10 ",
        ),
        // A name that points at itself, and counts that lie.
        (
            |question| {
                let mut reply = name_server::reply(question, name_server::NO_ERROR, &[]);
                reply[7] = 1;
                let end = u8::try_from(reply.len() + 14).unwrap();
                reply.extend(name_server::record(15, &[0, 1, 0xC0, end]));
                vec![reply]
            },
            "451 4.",
        ),
        (
            |question| {
                let mut reply = name_server::reply(question, name_server::NO_ERROR, &[]);
                reply[6..8].copy_from_slice(&[0xFF, 0xFF]);
                vec![reply]
            },
            "451 4.",
        ),
    ];
    for (number, (script, expected)) in scripts.into_iter().enumerate() {
        let name_server = NameServer::start(script);
        let spool = Scratch::new();
        // It may be for now since nothing came that could be used.
        let seconds = if expected.starts_with('4') { 3 } else { 60 };
        let server = server_with(&spool, name_server.port, seconds);
        let reply = send(&server, &["a@dst.test"]);
        assert!(reply.starts_with(expected), "{number}: {reply}");
        assert!(spool.names().is_empty(), "{number}: {:?}", spool.names());
    }
}

#[test]
fn a_long_answer_comes_over_tcp_and_is_bounded() {
    let name_server = NameServer::with_tcp(
        |question| match kind(question) {
            15 => vec![name_server::reply(question, name_server::TRUNCATED, &[])],
            1 => vec![name_server::reply(
                question,
                name_server::NO_ERROR,
                &[Ipv4Addr::new(192, 0, 2, 8)],
            )],
            _ => vec![name_server::reply(question, name_server::NO_ERROR, &[])],
        },
        |question| {
            let mut reply = name_server::reply(question, name_server::NO_ERROR, &[]);
            reply[7] = 200;
            for number in 0..200 {
                reply.extend(mx(number, &format!("mx{number}")));
            }
            name_server::framed(&reply)
        },
    );
    let spool = Scratch::new();
    let server = server(&spool, name_server.port);
    let reply = send(&server, &["a@dst.test"]);
    assert!(reply.starts_with("250 "), "{reply}");
    assert_eq!(address(&spool), "192.0.2.8:2525");
}

#[test]
fn dnsmasq_is_understood() {
    if skip_without("/usr/sbin/dnsmasq") {
        return;
    }
    let dnsmasq = Dnsmasq::start(&[
        "--mx-host=dst.test,mx1.dst.test,10",
        "--mx-host=dst.test,mx2.dst.test,20",
        "--host-record=mx1.dst.test,192.0.2.1,2001:db8::1",
        "--host-record=mx2.dst.test,192.0.2.2",
        "--host-record=bare.test,192.0.2.3",
    ]);
    for (domain, expected) in [
        (
            "dst.test",
            Ok("192.0.2.1:2525,[2001:db8::1]:2525,192.0.2.2:2525"),
        ),
        ("bare.test", Ok("192.0.2.3:2525")),
        ("none.test", Err("550 5.1.2 ")),
    ] {
        let spool = Scratch::new();
        let server = server(&spool, dnsmasq.port);
        let reply = send(&server, &[&format!("a@{domain}")]);
        match expected {
            Ok(expected) => {
                assert!(reply.starts_with("250 "), "{domain}: {reply}");
                assert_eq!(address(&spool), expected);
            }
            Err(expected) => assert!(reply.starts_with(expected), "{domain}: {reply}"),
        }
    }
}
