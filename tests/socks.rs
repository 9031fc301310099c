//! Forwarding through SOCKS proxies.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use crate::support::client::submit;
use crate::support::program::{PATIENCE, Scratch, Server, run};
use crate::support::sink::Sink;

/// What a scripted proxy does after it has read the request.
#[derive(Clone, Copy)]
enum Conduct {
    /// Lets the client through to the port that it asks for.
    Connects,
    /// Says this and hangs up.
    Says(&'static [u8]),
    /// Says nothing.
    IsSilent,
}

/// A proxy for one connection. Returns its port, and what it was asked for.
fn proxy(is_v5: bool, conduct: Conduct) -> (u16, Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, asked) = channel();
    thread::spawn(move || {
        let (mut near, _) = listener.accept().unwrap();
        let request = if is_v5 {
            request_5(&mut near)
        } else {
            request_4a(&mut near)
        };
        tell.send(request.clone()).unwrap();
        match conduct {
            Conduct::Connects if is_v5 => {
                let port = &request[request.len() - 2..];
                connect(
                    near,
                    u16::from_be_bytes([port[0], port[1]]),
                    b"\x05\0\0\x01\0\0\0\0\0\0",
                );
            }
            Conduct::Connects => {
                let port = u16::from_be_bytes([request[2], request[3]]);
                connect(near, port, b"\0\x5a\0\0\0\0\0\0");
            }
            Conduct::Says(words) => near.write_all(words).unwrap(),
            // Until the client gives up.
            Conduct::IsSilent => while near.read(&mut [0]).is_ok_and(|count| count > 0) {},
        }
    });
    (port, asked)
}

fn octets(stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut octets = vec![0; count];
    stream.read_exact(&mut octets).unwrap();
    octets
}

/// Version, command, port, address, and then user and host with NULs after them.
fn request_4a(stream: &mut TcpStream) -> Vec<u8> {
    let mut request = octets(stream, 8);
    let mut ends = 0;
    while ends < 2 {
        let octet = octets(stream, 1)[0];
        ends += usize::from(octet == 0);
        request.push(octet);
    }
    request
}

fn request_5(stream: &mut TcpStream) -> Vec<u8> {
    assert_eq!(octets(stream, 3), b"\x05\x01\0");
    stream.write_all(b"\x05\0").unwrap();
    let mut request = octets(stream, 5);
    let left = match request[3] {
        1 => 3 + 2,
        3 => usize::from(request[4]) + 2,
        other => panic!("address type {other}"),
    };
    request.extend(octets(stream, left));
    request
}

/// Grants the request and carries octets both ways. The reply comes in two pieces,
/// the second of them together with the greeting, as likely as not.
fn connect(near: TcpStream, port: u16, reply: &[u8]) {
    let far = TcpStream::connect(("127.0.0.1", port)).unwrap();
    (&near).write_all(&reply[..3]).unwrap();
    (&near).write_all(&reply[3..]).unwrap();
    let (mut near_in, mut far_out) = (near.try_clone().unwrap(), far.try_clone().unwrap());
    let back = thread::spawn(move || std::io::copy(&mut &far, &mut &near));
    // Either end may hang up first.
    let _ = std::io::copy(&mut near_in, &mut far_out);
    let _ = far_out.shutdown(std::net::Shutdown::Write);
    let _ = back.join();
}

fn forward(spool: &Scratch, target: &str) -> (i32, String) {
    forward_with(spool, target, 60)
}

/// The same where a connection is waited for so many seconds.
fn forward_with(spool: &Scratch, target: &str, seconds: u32) -> (i32, String) {
    let spool = spool.path().to_str().unwrap();
    let arguments = [
        "--as-client",
        target,
        "--spool-dir",
        spool,
        "--domain",
        "relay.test",
    ];
    let timeout = format!("--connection-timeout={seconds}");
    let (status, _, log) = run(&[&arguments[..], &[&timeout]].concat());
    (status, log)
}

fn spool_with_one() -> Scratch {
    let spool = Scratch::new();
    let server = Server::start(&spool, &[]);
    submit(
        server.port,
        "me@src.test",
        &["to@dst.test"],
        b"s: x\r\n\r\nhello\r\n",
    );
    spool
}

#[test]
fn mail_goes_through_a_proxy_of_either_version() {
    for is_v5 in [false, true] {
        let (spool, sink) = (spool_with_one(), Sink::start());
        let (port, asked) = proxy(is_v5, Conduct::Connects);
        let prefix = if is_v5 { "socks5:" } else { "" };
        let target = format!("far.test:{}@{prefix}127.0.0.1:{port}", sink.port);
        let (status, log) = forward(&spool, &target);
        assert_eq!(status, 0, "{log}");
        assert_eq!(sink.arrived().len(), 1, "{log}");
        assert_eq!(spool.names(), [""; 0]);
        let asked = asked.recv_timeout(PATIENCE).unwrap();
        let far = sink.port.to_be_bytes();
        let expected = match is_v5 {
            false => [b"\x04\x01", &far[..], b"\0\0\0\x01\0far.test\0"].concat(),
            true => [b"\x05\x01\0\x03\x08far.test", &far[..]].concat(),
        };
        assert_eq!(asked, expected);
        assert!(
            log.contains(&format!(
                "far.test:{} by way of 127.0.0.1:{port}",
                sink.port
            )),
            "{log}"
        );
    }
}

/// A proxy of Debian's that speaks version 5, and nothing else.
#[cfg(unix)]
#[test]
fn microsocks_lets_mail_through() {
    use std::process::{Command, Stdio};
    if crate::support::skip_without("microsocks") {
        return;
    }
    let address = crate::support::address::unused();
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let mut command = Command::new("microsocks");
    command.args(["-i", &host, "-p", &port]);
    let mut proxy = command.stderr(Stdio::null()).spawn().unwrap();
    let until = std::time::Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_err() {
        assert!(
            std::time::Instant::now() < until,
            "microsocks does not listen"
        );
        thread::yield_now();
    }
    let sink = Sink::start();
    let results: Vec<(i32, String)> = ["127.0.0.1", "localhost"]
        .iter()
        .map(|host| {
            let spool = spool_with_one();
            let target = format!("{host}:{}@socks5:{address}", sink.port);
            forward(&spool, &target)
        })
        .collect();
    let spool = spool_with_one();
    let refused = forward(&spool, &format!("127.0.0.1:1@socks5:{address}"));
    proxy.kill().unwrap();
    proxy.wait().unwrap();
    for (status, log) in results {
        assert_eq!(status, 0, "{log}");
    }
    assert_eq!(sink.arrived().len(), 2);
    assert!(refused.1.contains("connection refused"), "{}", refused.1);
}

#[test]
fn a_proxy_that_does_not_help_costs_no_message() {
    for (is_v5, conduct, why) in [
        (
            false,
            Conduct::Says(b"\0\x5b\0\0\0\0\0\0"),
            "request rejected (91",
        ),
        (false, Conduct::Says(b"220 hello\r\n"), "invalid response"),
        (false, Conduct::Says(b"\0\x5a\0"), "connection closed"),
        (false, Conduct::IsSilent, "response timeout"),
        (
            true,
            Conduct::Says(b"\x05\x05\0\x01\0\0\0\0\0\0"),
            "connection refused",
        ),
        (true, Conduct::Says(b""), "connection closed"),
        (true, Conduct::IsSilent, "response timeout"),
    ] {
        let spool = spool_with_one();
        let (port, _asked) = proxy(is_v5, conduct);
        let prefix = if is_v5 { "socks5:" } else { "" };
        let target = format!("far.test:25@{prefix}127.0.0.1:{port}");
        let seconds = if why == "response timeout" { 1 } else { 60 };
        let (status, log) = forward_with(&spool, &target, seconds);
        assert_eq!(status, 1, "{log}");
        assert!(
            log.contains(&format!("socks proxy 127.0.0.1:{port}: ")),
            "{log}"
        );
        assert!(log.contains(why), "{why}: {log}");
        let names = spool.names();
        assert!(
            names.iter().any(|name| name.ends_with(".envelope")),
            "{names:?}"
        );
    }
}
