//! A check of the configuration does all but to serve.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;

use crate::support::process::{
    DAEMON, ONE_PROCESS, launch, owners, pid_in, skip_unless_root, start,
};
use crate::support::program::{Scratch, program};

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
fn a_check_may_be_made_beside_the_running_program() {
    let scratch = Scratch::new();
    let spool = scratch.join("spool");
    fs::create_dir(&spool).unwrap();
    let pid_file = scratch.join("relay.pid");
    let arguments = [ONE_PROCESS, &["--pid-file", &pid_file]].concat();
    let (relay, port) = start(&spool, &arguments);
    let mut command = Command::new(program());
    command.args(["--check", "--spool-dir", &spool, "--interface=127.0.0.1"]);
    command.args(&arguments).arg(format!("--port={port}"));
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("is the program running?"), "{text}");
    assert!(text.contains("running already as process"), "{text}");
    assert_eq!(pid_in(&pid_file), relay.id());
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
