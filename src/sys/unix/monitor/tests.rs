use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::thread;

use super::*;
use crate::sys::testing::TempDir;

fn user(uid: u32) -> User {
    User {
        name: "x".to_owned(),
        uid,
        gid: uid,
        groups: vec![uid],
        group: "x".to_owned(),
    }
}

/// A user who owns nothing here.
fn stranger() -> User {
    // SAFETY: the call takes no arguments and cannot fail.
    user(unsafe { libc::geteuid() } + 1000)
}

/// Answers requests by that list until the other side is gone.
fn serve(list: List, user: User, requests: UnixStream) -> thread::JoinHandle<()> {
    lose_patience(&requests).unwrap();
    thread::spawn(move || {
        let mut monitor = Monitor {
            child: 0,
            list,
            user: Some(&user),
            checks: None,
        };
        while monitor.serve(&requests) {}
    })
}

fn text(mut file: File) -> String {
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn hands_over_what_is_on_the_list_and_nothing_else() {
    let directory = TempDir::new();
    let path = |name: &str| directory.join(name);
    fs::write(path("secrets"), "secret").unwrap();
    fs::create_dir(path("open")).unwrap();
    fs::set_permissions(path("open"), fs::Permissions::from_mode(0o777)).unwrap();
    fs::write(path("open/f"), "planted").unwrap();
    let list = List {
        files: vec![
            path("secrets"),
            path("open/f"),
            path("gone"),
            PathBuf::from("/dev"),
        ],
        ..List::default()
    };
    let (ours, theirs) = UnixStream::pair().unwrap();
    let server = serve(list, stranger(), theirs);
    let client = Client(Arc::new(Mutex::new(ours)));
    assert_eq!(text(client.read(0).unwrap()), "secret");
    let code = |which| client.read(which).unwrap_err().raw_os_error();
    assert_eq!(code(1), Some(libc::EPERM), "the user can replace it");
    assert_eq!(code(2), Some(libc::ENOENT));
    assert_eq!(code(3), Some(libc::EPERM), "not a file");
    assert_eq!(code(4), Some(libc::EPERM), "not on the list");
    assert_eq!(code(u16::MAX), Some(libc::EPERM));
    assert!(client.append(0).is_err());
    fs::write(path("secrets"), "changed").unwrap();
    assert_eq!(text(client.read(0).unwrap()), "changed");
    drop(client);
    server.join().unwrap();
}

#[test]
fn opens_log_files_by_their_names_of_now() {
    let directory = TempDir::new();
    let (log, target) = (directory.join("log"), directory.join("target"));
    let path = log.clone();
    let list = List {
        logs: vec![Box::new(move || path.clone())],
        ..List::default()
    };
    let (ours, theirs) = UnixStream::pair().unwrap();
    let server = serve(list, stranger(), theirs);
    let client = Client(Arc::new(Mutex::new(ours)));
    client.append(0).unwrap().write_all(b"a").unwrap();
    client.append(0).unwrap().write_all(b"b").unwrap();
    assert_eq!(fs::read_to_string(&log).unwrap(), "ab");
    fs::rename(&log, &target).unwrap();
    std::os::unix::fs::symlink(&target, &log).unwrap();
    assert!(client.append(0).is_err(), "a link is not followed");
    fs::remove_file(&log).unwrap();
    fs::hard_link(&target, &log).unwrap();
    assert!(
        client.append(0).is_err(),
        "nor is another name of a file taken"
    );
    assert_eq!(fs::read_to_string(&target).unwrap(), "ab");
    assert!(client.append(1).is_err());
    drop(client);
    server.join().unwrap();
}

#[test]
fn nonsense_ends_it() {
    for word in [
        *b"x\0\0\0",
        *b"c\0\x01\0",
        *b"r\0\0\x01",
        [0; WORD],
        [0xff; WORD],
    ] {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let server = serve(List::default(), stranger(), theirs);
        ours.write_all(&word).unwrap();
        server.join().unwrap();
        assert_eq!(ours.read(&mut [0; WORD]).unwrap(), 0, "{word:?}");
    }
    for request in [
        Request::Read(0),
        Request::Read(513),
        Request::Append(u16::MAX),
        Request::Check,
    ] {
        assert_eq!(Request::of_word(request.to_word()), Some(request));
    }
}

#[test]
fn it_is_not_kept_waiting() {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let server = serve(List::default(), stranger(), theirs);
    ours.write_all(b"r\0").unwrap();
    server.join().unwrap();
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let server = serve(List::default(), stranger(), theirs);
    // Answers that nobody takes fill the socket in the end.
    while ours.write_all(&Request::Read(0).to_word()).is_ok() {}
    server.join().unwrap();
}

#[test]
fn notices_are_taken_without_waiting() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    assert!(
        pass_notices_on(&theirs),
        "nothing is there, and nothing has ended"
    );
    let notices = Notices(ours);
    // More than any socket holds: what does not fit is dropped.
    (0..100_000).for_each(|_| notices.tell(State::Alive));
    assert!(pass_notices_on(&theirs));
    drop(notices);
    while pass_notices_on(&theirs) {}
}
