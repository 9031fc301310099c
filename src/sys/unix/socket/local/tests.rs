use std::mem;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::sys::process;
use crate::sys::socket::{Listener, Stream};
use crate::sys::testing::TempDir;
use crate::sys::testing::{alone, await_socket};

fn listen(path: &Path) -> io::Result<Listener> {
    Listener::bind(&Address::Unix(path.to_owned()), 5)
}

fn connect(path: &Path) -> io::Result<Stream> {
    Stream::connect(&Address::Unix(path.to_owned()), None)
}

/// Makes a socket file as a process that was killed leaves it behind.
fn abandon(path: &Path) {
    drop(UnixListener::bind(path).unwrap());
    assert!(path.exists());
}

#[test]
fn carries_octets_both_ways() {
    let directory = TempDir::new();
    let path = directory.join("socket");
    let listener = listen(&path).unwrap();
    assert_eq!(
        listener.local_address().unwrap(),
        Address::Unix(path.clone())
    );
    assert_eq!(
        listener.accept().unwrap_err().kind(),
        io::ErrorKind::WouldBlock
    );
    let mut client = connect(&path).unwrap();
    await_socket(client.raw(), false, true);
    assert!(client.take_error().unwrap().is_none());
    assert_eq!(client.peer_address().unwrap(), Address::Unix(path.clone()));
    assert_eq!(client.local_address().unwrap().to_string(), "/");
    await_socket(listener.raw(), true, false);
    let (mut server, peer) = listener.accept().unwrap();
    assert_eq!(peer.to_string(), "/");

    let mut buffer = [0; 9];
    assert_eq!(
        server.read(&mut buffer).unwrap_err().kind(),
        io::ErrorKind::WouldBlock
    );
    client.write_all(b"ping").unwrap();
    client.shutdown_write().unwrap();
    await_socket(server.raw(), true, false);
    assert_eq!(server.read(&mut buffer).unwrap(), 4);
    assert_eq!(server.read(&mut buffer).unwrap(), 0);
    server.write_all(b"pong").unwrap();
    await_socket(client.raw(), true, false);
    assert_eq!(client.read(&mut buffer).unwrap(), 4);
    assert_eq!(&buffer[..4], b"pong");
}

#[test]
fn is_for_owner_and_group_and_goes_with_the_listener() {
    let name = "is_for_owner_and_group_and_goes_with_the_listener";
    alone(
        &format!("sys::unix::socket::local::tests::{name}"),
        &[],
        || {
            let directory = TempDir::new();
            let path = directory.join("socket");
            let masks = [(0o007, 0o770), (0o027, 0o750)];
            let all = masks
                .into_iter()
                .chain(cfg!(target_os = "linux").then_some((0, 0o770)));
            for (mask, expected) in all {
                process::set_umask(mask);
                let listener = listen(&path).unwrap();
                let mode = fs::metadata(&path).unwrap().permissions().mode();
                assert_eq!(mode & 0o777, expected);
                drop(listener);
                assert!(!path.exists());
            }
        },
    );
}

#[test]
fn a_client_cannot_choose_what_it_is_called() {
    let directory = TempDir::new();
    let (path, own) = (directory.join("socket"), directory.join("203.0.113.77"));
    let listener = listen(&path).unwrap();
    // Only a bound socket has a name, and std binds none that connects.
    let address = RawAddress::of_path(&own).unwrap();
    let socket = raw::open(address.family()).unwrap();
    raw::bind(&socket, &address).unwrap();
    raw::connect(&socket, &RawAddress::of_path(&path).unwrap()).unwrap();
    await_socket(listener.raw(), true, false);
    let (server, peer) = listener.accept().unwrap();
    assert_eq!(server.peer_address().unwrap(), Address::Unix(own));
    assert_eq!(peer.to_string(), "/");
}

#[test]
fn replaces_what_an_earlier_process_left() {
    let directory = TempDir::new();
    let path = directory.join("socket");
    abandon(&path);
    let error = connect(&path).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    let _listener = listen(&path).unwrap();
    connect(&path).unwrap();
}

#[test]
fn leaves_a_listener_in_peace() {
    let directory = TempDir::new();
    let path = directory.join("socket");
    let first = listen(&path).unwrap();
    assert_eq!(listen(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    assert!(path.exists());
    // The question whether anybody listens has left a connection.
    first.accept().unwrap();
    connect(&path).unwrap();
}

#[test]
fn leaves_other_files_in_peace() {
    let directory = TempDir::new();
    let (file, link) = (directory.join("file"), directory.join("link"));
    abandon(&directory.join("target"));
    fs::write(&file, "precious").unwrap();
    std::os::unix::fs::symlink(directory.join("target"), &link).unwrap();
    for path in [&file, &link] {
        assert_eq!(listen(path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
    assert_eq!(fs::read(&file).unwrap(), b"precious");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
}

#[test]
fn leaves_the_file_of_a_successor() {
    let directory = TempDir::new();
    let path = directory.join("socket");
    let first = listen(&path).unwrap();
    fs::rename(&path, directory.join("moved")).unwrap();
    let _second = listen(&path).unwrap();
    drop(first);
    connect(&path).unwrap();
}

#[test]
fn says_what_is_wrong_with_a_path() {
    let directory = TempDir::new();
    let long = directory.join("x".repeat(120));
    for result in [listen(&long).map(drop), connect(&long).map(drop)] {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert_eq!(error.to_string(), "path too long for a socket");
    }
    for bad in ["", "a\0b"] {
        let error = connect(Path::new(bad)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
    let missing = directory.join("missing");
    assert_eq!(
        connect(&missing).unwrap_err().kind(),
        io::ErrorKind::NotFound
    );
    let error = listen(&missing.join("socket")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

#[test]
fn takes_the_longest_path_that_fits() {
    // What the address has room for, less the octet that ends it.
    let path_max =
        size_of::<libc::sockaddr_un>() - mem::offset_of!(libc::sockaddr_un, sun_path) - 1;
    let directory = TempDir::new();
    let base = directory.join("").as_os_str().len();
    let path = directory.join("x".repeat(path_max - base));
    let _listener = listen(&path).unwrap();
    connect(&path).unwrap();
    assert!(listen(&directory.join("x".repeat(path_max - base + 1))).is_err());
}
