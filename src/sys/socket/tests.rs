use super::*;
use crate::sys::skip::skip;
use crate::sys::testing::await_socket;

fn listen(text: &str) -> io::Result<(Listener, Address)> {
    let listener = Listener::bind(&Address::Tcp(text.parse().unwrap()), 5)?;
    let address = listener.local_address()?;
    Ok((listener, address))
}

fn connected() -> (Listener, Stream, Stream) {
    let (listener, address) = listen("127.0.0.1:0").unwrap();
    let client = Stream::connect(&address, None).unwrap();
    await_socket(listener.raw(), true, false);
    let (server, peer) = listener.accept().unwrap();
    assert_eq!(peer, client.local_address().unwrap());
    assert_eq!(server.peer_address().unwrap(), peer);
    assert_eq!(server.local_address().unwrap(), address);
    (listener, client, server)
}

fn port(address: &Address) -> u16 {
    match address {
        Address::Tcp(address) => address.port(),
        Address::Unix(path) => panic!("{path:?}"),
    }
}

#[test]
fn carries_octets_both_ways() {
    let (_listener, mut client, mut server) = connected();
    await_socket(client.raw(), false, true);
    assert!(client.take_error().unwrap().is_none());
    let mut buffer = [0; 9];
    assert_eq!(
        server.read(&mut buffer).unwrap_err().kind(),
        io::ErrorKind::WouldBlock
    );
    client.write_all(b"ping").unwrap();
    client.flush().unwrap();
    await_socket(server.raw(), true, false);
    assert_eq!((&server).read(&mut buffer).unwrap(), 4);
    (&server).write_all(b"pong").unwrap();
    server.shutdown_write().unwrap();
    let mut answer = Vec::new();
    while answer.len() < 4 {
        await_socket(client.raw(), true, false);
        let count = client.read(&mut buffer).unwrap();
        answer.extend_from_slice(&buffer[..count]);
    }
    assert_eq!(answer, b"pong");
    await_socket(client.raw(), true, false);
    assert_eq!(client.read(&mut buffer).unwrap(), 0);
}

#[test]
fn a_full_stream_says_so() {
    let (_listener, mut client, _server) = connected();
    let chunk = [0; 65_536];
    let error = loop {
        if let Err(error) = client.write(&chunk) {
            break error;
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn small_writes_are_not_delayed() {
    let (_listener, client, server) = connected();
    for stream in [&client, &server] {
        let Connection::Tcp(stream) = &stream.0 else {
            panic!("not a TCP stream");
        };
        assert!(stream.nodelay().unwrap());
    }
}

#[test]
fn an_address_is_used_once() {
    let (listener, address) = listen("127.0.0.1:0").unwrap();
    assert_eq!(
        listener.accept().unwrap_err().kind(),
        io::ErrorKind::WouldBlock
    );
    let error = Listener::bind(&address, 5).unwrap_err();
    // Windows says so of a port that is held exclusively.
    let expected = [io::ErrorKind::AddrInUse, io::ErrorKind::PermissionDenied];
    assert!(expected.contains(&error.kind()), "{error:?}");
}

#[test]
fn lingering_connections_do_not_hold_the_address() {
    let (listener, client, server) = connected();
    let address = listener.local_address().unwrap();
    // The end that closes first is the one that lingers.
    server.shutdown_write().unwrap();
    await_socket(client.raw(), true, false);
    client.shutdown_write().unwrap();
    await_socket(server.raw(), true, false);
    drop((listener, server, client));
    Listener::bind(&address, 5).unwrap();
}

#[test]
fn ipv6_leaves_ipv4_alone() {
    let Ok((_six, address)) = listen("[::]:0") else {
        skip("there is no IPv6 here");
        return;
    };
    let port = port(&address);
    let v4 = Stream::connect(&Address::Tcp(([127, 0, 0, 1], port).into()), None).unwrap();
    await_socket(v4.raw(), false, true);
    let error = v4.take_error().unwrap().expect("a refused connection");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn connects_by_ipv6() {
    let Ok((listener, address)) = listen("[::1]:0") else {
        skip("there is no IPv6 here");
        return;
    };
    let client = Stream::connect(&address, Some("[::1]:0".parse().unwrap())).unwrap();
    await_socket(listener.raw(), true, false);
    let (_server, peer) = listener.accept().unwrap();
    assert_eq!(peer, client.local_address().unwrap());
    assert_eq!(client.peer_address().unwrap(), address);
}

#[test]
fn a_refused_connection_is_an_error_on_the_socket() {
    // A port that a connected client has is given to nobody else.
    let (_listener, client, _server) = connected();
    let refusing = client.local_address().unwrap();
    let stream = Stream::connect(&refusing, None).unwrap();
    assert_eq!(await_socket(stream.raw(), false, true), (true, true));
    let error = stream.take_error().unwrap().expect("a refused connection");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    // wine keeps it.
    #[cfg(unix)]
    assert!(stream.take_error().unwrap().is_none());
    assert!(stream.peer_address().is_err());
}

#[test]
fn a_local_address_must_be_ours_and_of_the_family() {
    let (_listener, address) = listen("127.0.0.1:0").unwrap();
    // RFC 5737: no host has an address of the documentation ranges.
    let error = Stream::connect(&address, Some("192.0.2.1:0".parse().unwrap())).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
    assert!(Stream::connect(&address, Some("[::1]:0".parse().unwrap())).is_err());
}

#[test]
fn tells_errors_of_accept_apart() {
    let error = |code: &i32| io::Error::from_raw_os_error(*code);
    for code in platform::OUT_OF_DESCRIPTORS {
        assert!(is_out_of_descriptors(&error(code)) && !is_transient_accept(&error(code)));
    }
    for code in platform::TRANSIENT_ACCEPT {
        assert!(is_transient_accept(&error(code)) && !is_out_of_descriptors(&error(code)));
    }
    assert!(is_transient_accept(&io::ErrorKind::Interrupted.into()));
    assert!(!is_transient_accept(&io::ErrorKind::WouldBlock.into()));
    assert!(!is_out_of_descriptors(&io::ErrorKind::WouldBlock.into()));
}
