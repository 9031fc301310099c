//! A check of the configuration does all but to serve.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;

use crate::support::process::{DAEMON, ONE_PROCESS, launch, owners, pid_in, start};
use crate::support::program::{Scratch, program, run};
use crate::support::skip_unless_root;

/// Checks the configuration; gives the exit status, the listing and the complaints.
fn check(spool: &str, more: &[&str]) -> (i32, String, String) {
    let output = launch(spool, &[&["--check"], more].concat());
    let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
    let (listing, complaints) = (text(output.stdout), text(output.stderr));
    (output.status.code().unwrap(), listing, complaints)
}

#[test]
fn a_check_does_all_but_to_serve() {
    let scratch = Scratch::new();
    let spool = scratch.join("spool");
    fs::create_dir(&spool).unwrap();
    let pid_file = scratch.join("relay.pid");
    let config = scratch.join("config");
    fs::write(&config, "size 1000\n").unwrap();
    let arguments = [ONE_PROCESS, &["--pid-file", &pid_file, &config]].concat();
    let (code, listing, complaints) = check(&spool, &arguments);
    assert_eq!(code, 0, "{complaints}");
    let has = |what: &str, origin: &str| {
        let words = |line: &str| {
            line.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let expected = words(&format!("{what} # {origin}"));
        assert!(
            listing.lines().any(|line| words(line) == expected),
            "{what} in {listing}"
        );
    };
    has("size 1000", &format!("{config}:1"));
    has("port 0", "command line");
    has("idle-timeout 60", "default");
    assert!(!Path::new(&pid_file).exists() && owners(&spool).is_empty());
    let missing = scratch.join("missing");
    for (more, code, part) in [
        (&["--server-auth", &missing][..], 1, "--server-auth"),
        (&["--server-auth", &config], 1, "--server-auth"),
        (&["--server-auth-config", "m:x"], 1, "--server-auth-config"),
        (&["--interface=fd#99"], 2, "fd#99"),
    ] {
        let (status, listing, complaints) = check(&spool, &[ONE_PROCESS, more].concat());
        assert_eq!((status, listing.as_str()), (code, ""), "{complaints}");
        assert!(complaints.contains(part), "{complaints}");
    }
}

#[test]
fn a_check_leaves_nothing_behind() {
    let scratch = Scratch::new();
    let spool = scratch.join("spool");
    fs::create_dir(&spool).unwrap();
    let (log, pid_file) = (scratch.join("log"), scratch.join("run/relay.pid"));
    let arguments = [ONE_PROCESS, &["--log-file", &log, "--pid-file", &pid_file]].concat();
    let (code, _, complaints) = check(&spool, &arguments);
    assert_eq!(code, 0, "{complaints}");
    assert_eq!(scratch.names(), ["spool"]);
    // What is there is tried, too, and stays as it is.
    fs::write(&log, "a line\n").unwrap();
    let (code, _, complaints) = check(&spool, &arguments);
    assert_eq!(code, 0, "{complaints}");
    assert_eq!(fs::read_to_string(&log).unwrap(), "a line\n");
    std::os::unix::fs::symlink(&log, scratch.path().join("link")).unwrap();
    for name in ["missing/log", "spool", "link", "log/log"] {
        let path = scratch.join(name);
        let (code, _, complaints) = check(&spool, &["--log-file", &path]);
        assert_eq!(code, 1, "{name}: {complaints}");
        let expected = format!("error: --log-file: cannot open log file: {path}: ");
        assert!(complaints.contains(&expected), "{complaints}");
    }
}

#[test]
fn a_check_may_be_made_beside_the_running_program() {
    let scratch = Scratch::new();
    let spool = scratch.join("spool");
    fs::create_dir(&spool).unwrap();
    let pid_file = scratch.join("relay.pid");
    let arguments = [ONE_PROCESS, &["--pid-file", &pid_file]].concat();
    let (relay, port) = start(&spool, &arguments);
    let beside = |interface: &str, more: &[&str]| {
        let port = port.to_string();
        let mut command = Command::new(program());
        command.args(["--check", "--spool-dir", &spool, "--interface", interface]);
        let output = command.args(&arguments).args(["--port", &port]).args(more);
        let output = output.output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), text)
    };
    let (status, text) = beside("127.0.0.1", &[]);
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("is the program running?"), "{text}");
    assert!(text.contains("running already as process"), "{text}");
    assert_eq!(pid_in(&pid_file), relay.id());

    // What the running program has does not hide what is wrong with the rest.
    let (status, text) = beside("127.0.0.1,192.0.2.1", &[]);
    assert_eq!(status, Some(2), "{text}");
    assert!(
        text.contains("error: cannot listen on 192.0.2.1:"),
        "{text}"
    );
    let (status, text) = beside("127.0.0.1,bogus0", &[]);
    assert_eq!(status, Some(2), "{text}");
    let port = port.to_string();
    let (status, text) = beside("127.0.0.1", &["--admin", &port]);
    assert_eq!(status, Some(2), "{text}");
    assert!(text.contains("this program is to listen on"), "{text}");
}

#[test]
fn configurations_that_want_the_same_address_are_told_of() {
    let scratch = Scratch::new();
    for name in ["in", "out"] {
        fs::create_dir(scratch.path().join(name)).unwrap();
    }
    let socket = scratch.join("socket");
    let file = scratch.join("relay.conf");
    let text: String = ["in", "out"]
        .map(|name| {
            let folder = scratch.join(name);
            format!("{name}-spool-dir {folder}\n{name}-interface {socket}\n")
        })
        .concat();
    fs::write(&file, text).unwrap();
    let expected = format!(
        "error: configuration \"out\": cannot listen on {socket}: this program is to \
         listen on {socket} already: "
    );
    for mode in ["--check", "--no-daemon"] {
        let (status, _, text) = run(&[mode, "--user=root", &file]);
        assert_eq!(status, 2, "{text}");
        assert!(text.contains(&expected), "{text}");
    }
}

#[test]
fn a_check_is_made_as_the_user() {
    if skip_unless_root() {
        return;
    }
    let scratch = Scratch::new();
    let spool = scratch.join("spool");
    fs::create_dir(&spool).unwrap();
    let (code, _, complaints) = check(&spool, &[]);
    assert_eq!(code, 1);
    assert!(
        complaints.contains("by user daemon: permission denied: try "),
        "{complaints}"
    );
    chown(&spool, Some(DAEMON), None).unwrap();
    assert_eq!(check(&spool, &[]).0, 0);
}
