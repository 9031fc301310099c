use std::process::Command;

use crate::sys::poll;
use crate::sys::socket::{
    Address, Listener, Stream, is_out_of_descriptors, is_transient_accept, wake_pair,
};
use crate::sys::testing::TempDir;
use crate::sys::testing::{alone, await_socket};

fn loopback() -> Address {
    Address::Tcp("127.0.0.1:0".parse().unwrap())
}

fn connected(address: &Address) -> (Listener, Stream, Stream) {
    let listener = Listener::bind(address, 5).unwrap();
    let client = Stream::connect(&listener.local_address().unwrap(), None).unwrap();
    await_socket(listener.raw(), true, false);
    let (server, _) = listener.accept().unwrap();
    (listener, client, server)
}

#[test]
fn children_inherit_no_socket_and_none_blocks() {
    let directory = TempDir::new();
    let local = Address::Unix(directory.join("socket"));
    let ((a, b, c), (d, e, f)) = (connected(&loopback()), connected(&local));
    let (_sender, receiver) = wake_pair().unwrap();
    let sockets = [
        a.raw(),
        b.raw(),
        c.raw(),
        d.raw(),
        e.raw(),
        f.raw(),
        receiver.raw(),
    ];
    for fd in sockets {
        // SAFETY: the calls take no pointers.
        let (flags, status) = unsafe {
            (
                libc::fcntl(fd, libc::F_GETFD),
                libc::fcntl(fd, libc::F_GETFL),
            )
        };
        assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
        assert_eq!(status & libc::O_NONBLOCK, libc::O_NONBLOCK);
    }
    if cfg!(target_os = "linux") {
        let output = Command::new("ls")
            .args(["-l", "/proc/self/fd"])
            .output()
            .unwrap();
        let listing = String::from_utf8_lossy(&output.stdout);
        assert!(!listing.contains("socket:"), "{listing}");
    }
}

#[test]
fn running_out_of_descriptors_is_told_apart() {
    let name = "sys::unix::socket::tests::running_out_of_descriptors_is_told_apart";
    alone(name, &[], || {
        let listener = Listener::bind(&loopback(), 5).unwrap();
        let _client = Stream::connect(&listener.local_address().unwrap(), None).unwrap();
        await_socket(listener.raw(), true, false);
        let mut limit = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: the pointers are to a live variable.
        unsafe {
            assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit), 0);
            // All descriptors from here on are out of bounds; those that are open stay.
            limit.rlim_cur = 3;
            assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &limit), 0);
        }
        let error = listener.accept().unwrap_err();
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: as above.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
        assert!(is_out_of_descriptors(&error), "{error}");
        assert!(!is_transient_accept(&error));
        listener.accept().unwrap();
    });
}

#[test]
fn a_bad_descriptor_is_trouble() {
    // No system gives out numbers as high as that.
    let mut entries = [poll::Entry::new(i32::MAX, true, false)];
    assert_eq!(poll::wait(&mut entries, None).unwrap(), 1);
    assert!(entries[0].is_ready() && entries[0].is_readable() && entries[0].is_writable());
}

#[test]
fn trouble_is_reported_where_nothing_was_asked_for() {
    let (_listener, client, server) = connected(&loopback());
    client.shutdown_write().unwrap();
    server.shutdown_write().unwrap();
    assert_eq!(await_socket(client.raw(), false, false), (true, true));
}

/// A socket with a number that nobody owns, as one that was inherited has.
fn handed_on(socket: impl Into<std::os::fd::OwnedFd>) -> u32 {
    use std::os::fd::IntoRawFd;
    socket.into().into_raw_fd().try_into().unwrap()
}

#[test]
fn listens_on_inherited_sockets() {
    let directory = TempDir::new();
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = Address::Tcp(tcp.local_addr().unwrap());
    let path = directory.join("socket");
    let local = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let expected = [
        (handed_on(tcp), address),
        (handed_on(local), Address::Unix(path.clone())),
    ];
    for (fd, address) in expected {
        let listener = Listener::inherit(fd, 5).unwrap();
        assert_eq!(listener.local_address().unwrap(), address);
        assert_eq!(
            listener.accept().unwrap_err().kind(),
            std::io::ErrorKind::WouldBlock
        );
        let _client = Stream::connect(&address, None).unwrap();
        await_socket(listener.raw(), true, false);
        listener.accept().unwrap();
        // SAFETY: the call takes no pointers.
        let flags = unsafe { libc::fcntl(listener.raw(), libc::F_GETFD) };
        assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
    }
    assert!(path.exists(), "the file is not ours");
}

#[test]
fn inherits_nothing_but_bound_stream_sockets() {
    let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let (pair, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    let file = std::fs::File::open("/dev/null").unwrap();
    let unbound = super::raw::open(libc::AF_INET).unwrap();
    let high = u32::MAX;
    for (fd, reason) in [
        (0, "it is a standard stream"),
        (2, "it is a standard stream"),
        (high, "no descriptor has that number"),
        (65_000, "bad file descriptor"),
        (handed_on(datagrams), "it is not a stream socket"),
        (handed_on(pair), "it is not bound to an address"),
        (handed_on(file), "socket operation on non-socket"),
        (handed_on(unbound), "it is not bound to an address"),
    ] {
        let error = Listener::inherit(fd, 5).unwrap_err();
        assert_eq!(crate::sys::reason(&error), reason);
    }
}
