use std::net::TcpListener;

use super::*;
use crate::sys::poll;
use crate::sys::skip::skip;
use crate::sys::socket::Listener;
use crate::sys::testing::await_socket;

const TIMEOUT: Duration = Duration::from_secs(20);

fn listen() -> (Listener, Address) {
    let listener = Listener::bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into(), 5).unwrap();
    let address = listener.local_address().unwrap();
    (listener, address)
}

/// An address at which nobody listens: its port is in use by the other end of a
/// connection, so that the system gives it to nobody else either.
fn refusing() -> (impl Sized, Address) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let address = stream.local_addr().unwrap().into();
    ((stream, listener), address)
}

/// Runs a connector as the loop does, with time standing still.
fn drive(connector: &mut Connector, now: Instant, mut progress: Progress) -> Progress {
    while let Progress::Connecting = progress {
        let socket = connector.socket().unwrap();
        await_socket(socket, false, true);
        progress = connector.on_ready(now);
    }
    assert_eq!(connector.socket(), None);
    assert_eq!(connector.deadline(), None);
    progress
}

fn connect(addresses: &[&Address], local: Option<SocketAddr>) -> Progress {
    let now = Instant::now();
    let addresses = addresses.iter().map(|address| (*address).clone());
    let mut connector = Connector::new(addresses, local, TIMEOUT);
    let progress = connector.start(now);
    drive(&mut connector, now, progress)
}

fn failure(progress: Progress) -> String {
    match progress {
        Progress::Failed(error) => error.to_string(),
        progress => panic!("{progress:?}"),
    }
}

#[test]
fn tries_the_next_address_when_one_refuses() {
    let (_guard, refused) = refusing();
    let (listener, accepted) = listen();
    let Progress::Connected(stream, peer) = connect(&[&refused, &accepted], None) else {
        panic!("not connected");
    };
    assert_eq!(peer, accepted);
    assert_eq!(stream.peer_address().unwrap(), accepted);
    let (_, client) = listener.accept().unwrap();
    assert_eq!(client, stream.local_address().unwrap());
}

#[test]
fn connects_from_the_address_that_is_prescribed() {
    let (_listener, address) = listen();
    let local: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let Progress::Connected(stream, _) = connect(&[&address], Some(local)) else {
        panic!("not connected");
    };
    assert_eq!(stream.local_address().unwrap().ip(), Some(local.ip()));
}

#[test]
fn reports_the_last_refusal() {
    let ((_guard, first), (_guard2, second)) = (refusing(), refusing());
    assert_eq!(
        failure(connect(&[&first, &second], None)),
        format!("cannot connect to {second}: connection refused")
    );
    assert_eq!(
        failure(connect(&[], None)),
        "cannot connect: there is no address"
    );
}

#[test]
fn names_the_local_address_when_it_may_be_to_blame() {
    let (_listener, address) = listen();
    // RFC 5737: no host has an address of the documentation ranges.
    let local: SocketAddr = "192.0.2.1:0".parse().unwrap();
    let text = failure(connect(&[&address], Some(local)));
    let expected = format!("cannot connect to {address} from 192.0.2.1: ");
    assert!(text.starts_with(&expected), "{text}");
    let local: SocketAddr = "[::1]:0".parse().unwrap();
    assert!(matches!(
        connect(&[&address], Some(local)),
        Progress::Failed(_)
    ));
}

#[test]
fn a_connection_that_is_there_beats_the_deadline() {
    let (_listener, address) = listen();
    let now = Instant::now();
    let mut connector = Connector::new([address.clone()], None, TIMEOUT);
    assert!(matches!(connector.start(now), Progress::Connecting));
    assert_eq!(connector.deadline(), Some(now + TIMEOUT));
    let early = now + TIMEOUT - Duration::from_nanos(1);
    await_socket(connector.socket().unwrap(), false, true);
    assert!(matches!(connector.on_timeout(early), Progress::Connecting));
    let late = connector.on_timeout(now + TIMEOUT);
    assert!(matches!(late, Progress::Connected(_, peer) if peer == address));
}

#[test]
fn shares_the_time_among_the_addresses() {
    let seconds = Duration::from_secs;
    for (left, waiting, expected) in [
        (40, 0, 40), // alone: all there is
        (40, 1, 20), // a fair half
        (90, 1, 30), // no longer than ATTEMPT_MAX
        (40, 15, 3), // no shorter than ATTEMPT_MIN
        (2, 3, 2),   // but never more than is left
        (0, 3, 0),
    ] {
        assert_eq!(
            share(seconds(left), waiting),
            seconds(expected),
            "{left} {waiting}"
        );
    }
}

/// Fills the queue of a listener that never accepts, so that a further connect
/// stays unanswered. Nothing where the system does not behave so.
fn black_hole() -> Option<(impl Sized, Address)> {
    let (listener, address) = {
        let any = "127.0.0.1:0".parse::<SocketAddr>().unwrap().into();
        let listener = Listener::bind(&any, 0).unwrap();
        let address = listener.local_address().unwrap();
        (listener, address)
    };
    let mut filling = Vec::new();
    for _ in 0..16 {
        let stream = Stream::connect(&address, None).ok()?;
        let mut entries = [poll::Entry::new(stream.raw(), false, true)];
        // Those that are answered are so at once, but perhaps not quite.
        let ready = poll::wait(&mut entries, Some(Duration::from_millis(500))).unwrap();
        filling.push(stream);
        if ready == 0 {
            return Some(((listener, filling), address));
        }
    }
    None
}

#[test]
fn gives_up_on_an_address_that_does_not_answer() {
    let Some((_guard, silent)) = black_hole() else {
        skip("no address here stays silent");
        return;
    };
    let (_listener, good) = listen();
    let now = Instant::now();
    let mut connector = Connector::new([silent.clone(), good.clone()], None, TIMEOUT);
    assert!(matches!(connector.start(now), Progress::Connecting));
    let deadline = connector.deadline().unwrap();
    assert_eq!(deadline, now + TIMEOUT / 2);
    let progress = connector.on_timeout(deadline);
    let progress = drive(&mut connector, deadline, progress);
    assert!(matches!(progress, Progress::Connected(_, peer) if peer == good));

    let mut connector = Connector::new([silent.clone()], None, TIMEOUT);
    assert!(matches!(connector.start(now), Progress::Connecting));
    assert_eq!(
        failure(connector.on_timeout(now + TIMEOUT)),
        format!("cannot connect to {silent}: connection timed out")
    );
}

#[test]
fn does_not_begin_when_the_time_is_over() {
    let Some((_guard, silent)) = black_hole() else {
        skip("no address here stays silent");
        return;
    };
    let (listener, good) = listen();
    let now = Instant::now();
    let mut connector = Connector::new([silent.clone(), good], None, TIMEOUT);
    assert!(matches!(connector.start(now), Progress::Connecting));
    let text = failure(connector.on_timeout(now + TIMEOUT));
    assert_eq!(
        text,
        format!("cannot connect to {silent}: connection timed out")
    );
    assert_eq!(
        listener.accept().unwrap_err().kind(),
        io::ErrorKind::WouldBlock
    );
}
