//! `emailrelay-submit` where whoever calls it, or the system, means it no good
//! (B10 L5).
#![cfg(unix)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::submit::{stored, submit, values};
use crate::support::executable;
use crate::support::program::{Scratch, run};
use crate::support::tools::{Ran, run_with_input, tool};
use crate::support::{skip, skip_unless_root, skip_without};

const MESSAGE: &[u8] = b"Subject: x\n\nbody\n";

/// Runs a shell script, in which `$0` is the program and `$1` the spool.
fn shell(script: &str, spool: &Path, input: &[u8]) -> Ran {
    let mut command = Command::new("sh");
    command
        .args(["-c", script, tool("emailrelay-submit")])
        .arg(spool);
    run_with_input(&mut command, input)
}

#[test]
fn closed_descriptors_are_no_files_of_ours() {
    for redirections in ["<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"] {
        let scratch = Scratch::new();
        let script = format!("\"$0\" -s \"$1\" -v -f a@x -B body b@x {redirections}");
        let ran = shell(&script, scratch.path(), MESSAGE);
        assert_eq!(ran.status, 0, "{redirections}: {ran:?}");
        let [(content, _)] = &stored(scratch.path())[..] else {
            panic!("{redirections}")
        };
        let is_whole = content.ends_with("body\r\n") && !content.contains("emailrelay");
        assert!(is_whole, "{redirections}: {content}");
    }
}

#[test]
fn limits_of_the_caller_lose_nothing_silently() {
    let large = [MESSAGE, &b"x\n".repeat(4000)].concat();
    for (limit, input) in [("ulimit -f 1", large.as_slice()), ("ulimit -n 4", MESSAGE)] {
        let scratch = Scratch::new();
        let ran = shell(
            &format!("{limit}; exec \"$0\" -s \"$1\" a@x"),
            scratch.path(),
            input,
        );
        assert_eq!(ran.status, 1, "{limit}: {ran:?}");
        assert_eq!(ran.errors.lines().count(), 1, "{ran:?}");
        assert!(scratch.names().is_empty(), "{limit}: {:?}", scratch.names());
        let script = format!("{limit}; exec \"$0\" --sendmail --spool-dir \"$1\" -i a@x");
        let ran = shell(&script, scratch.path(), input);
        assert_eq!(ran.status, 75, "{limit}: {ran:?}");
        assert!(scratch.names().is_empty(), "{limit}");
    }
}

#[test]
fn strange_arguments_and_environments_do_no_harm() {
    let scratch = Scratch::new();
    let many: Vec<String> = (0..20_000)
        .map(|number| format!("r{number}@example.net"))
        .collect();
    let mut command = Command::new(tool("emailrelay-submit"));
    command.arg("-s").arg(scratch.path()).args(&many);
    assert_eq!(run_with_input(&mut command, MESSAGE).status, 0);
    let [(_, envelope)] = &stored(scratch.path())[..] else {
        panic!()
    };
    assert_eq!(values(envelope, "To-Remote").len(), many.len());

    let long = format!("{}@x", "y".repeat(100_000));
    let mut command = Command::new(tool("emailrelay-submit"));
    let hostile = [
        ("TMPDIR", "/none"),
        ("IFS", "x"),
        ("TZ", "/etc/passwd"),
        ("LANG", "\u{1b}"),
    ];
    command
        .env_clear()
        .envs(hostile)
        .arg("-s")
        .arg(scratch.path())
        .arg(long);
    let ran = run_with_input(&mut command, MESSAGE);
    assert_eq!(ran.status, 1);
    assert!(ran.errors.len() < 1000, "{}", ran.errors.len());

    let mut command = Command::new(tool("emailrelay-submit"));
    command
        .arg0("")
        .env_clear()
        .arg("-s")
        .arg(scratch.path())
        .arg("a@x");
    assert_eq!(run_with_input(&mut command, MESSAGE).status, 0);
}

/// Without arguments at all, not even a name, the program must not look for one.
#[test]
fn a_program_may_be_started_without_a_name() {
    if skip_without("python3") {
        return;
    }
    let script = "import ctypes, sys\n\
                  none = (ctypes.c_char_p * 1)(None)\n\
                  ctypes.CDLL(None).execve(sys.argv[1].encode(), none, none)";
    let mut command = Command::new("python3");
    command.args(["-c", script, tool("emailrelay-submit")]);
    let ran = run_with_input(&mut command, b"Subject: x\n\n");
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(
        ran.errors.starts_with("emailrelay-submit: error: "),
        "{ran:?}"
    );
}

/// Killed at any moment, it leaves nothing that is forwarded unless it has said that
/// all is well; and what it has said so of is there.
#[test]
fn killed_at_any_moment_it_loses_nothing_that_it_acknowledged() {
    const ROUNDS: u64 = 60;
    let scratch = Scratch::new();
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        let subject = format!("Subject: {round}\n\n");
        let message = [subject.as_bytes(), &b"line\n".repeat(40_000)].concat();
        let mut child = Command::new(tool("emailrelay-submit"))
            .arg("-s")
            .arg(scratch.path())
            .arg("a@x")
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let writer = thread::spawn(move || drop(input.write_all(&message)));
        thread::sleep(Duration::from_micros(round * 250));
        let _ = child.kill();
        let status = child.wait().unwrap();
        writer.join().unwrap();
        match status.code() {
            Some(0) => acknowledged.push(round),
            code => assert_eq!((code, status.signal()), (None, Some(9))),
        }
    }
    // What a relay does at its start.
    let spool = scratch.path().to_str().unwrap();
    run(&[
        "--as-client",
        "127.0.0.1:1",
        "--spool-dir",
        spool,
        "--no-syslog",
    ]);
    let found = stored(scratch.path());
    assert_eq!(
        scratch.names().len(),
        2 * found.len(),
        "{:?}",
        scratch.names()
    );
    assert!(found.iter().all(|(content, _)| content.len() > 40_000 * 6));
    for round in acknowledged {
        let start = format!("Subject: {round}\r\n");
        assert!(
            found.iter().any(|(content, _)| content.starts_with(&start)),
            "{round}"
        );
    }
}

/// A directory that others can look into, on a file system that honours mode bits.
struct Public(Scratch);

impl Public {
    fn new() -> Public {
        let place = Scratch::new_on_disk();
        set_mode(place.path(), 0o755);
        Public(place)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

const NOBODY: u32 = 65_534;

/// As a user that may not write to the spool, by the set-group-id bit.
#[test]
fn a_set_group_id_bit_is_not_for_directories_of_the_callers_choice() {
    if skip_unless_root() {
        return;
    }
    let place = Public::new();
    let (program, spool) = (place.join("emailrelay-submit"), place.join("spool"));
    executable::copy(tool("emailrelay-submit").as_ref(), &program);
    fs::create_dir(&spool).unwrap();
    std::os::unix::fs::chown(&program, None, Some(1)).unwrap();
    std::os::unix::fs::chown(&spool, None, Some(1)).unwrap();
    set_mode(&program, 0o2755);
    set_mode(&spool, 0o770);
    let run = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        command
            .args(arguments)
            .uid(NOBODY)
            .gid(NOBODY)
            .current_dir(place.path());
        run_with_input(&mut command, MESSAGE)
    };
    // A directory of the caller's choice is not written to with the group.
    let named = run(&["-s", "spool", "a@x"]);
    assert_eq!(named.status, 1, "{named:?}");
    assert!(named.errors.contains("permission denied"), "{named:?}");
    let queue = run(&["--sendmail", "--spool-dir=spool", "-bp"]);
    assert_eq!(queue.status, 77, "{queue:?}");
    assert!(crate::support::program::names(&spool).is_empty());
}

/// What a user without any rights does, once the usual spool directory is a fresh
/// one that only its group may use.
const AS_NOBODY: &str = r#"
set -e
mount -t tmpfs none /var/spool
mkdir -m 770 /var/spool/emailrelay
chgrp 1 /var/spool/emailrelay
cd "$1"
setpriv --reuid=65534 --regid=65534 --clear-groups sh -c '
    printf "Subject: x\n\n" | TZ=:/etc/shadow IFS=x ./emailrelay-submit a@x 2>&1; echo "first $?"
    ./emailrelay-submit -x secret a@x </dev/null 2>&1; echo "second $?"
    printf "Subject: y\n\n" | ./emailrelay-submit --sendmail -i root 2>&1; echo "third $?"
    ./emailrelay-submit --sendmail -bp 2>&1; echo "fourth $?"
    cat /var/spool/emailrelay/* 2>/dev/null; echo "fifth $?"
'
stat -c "%u %g %a" /var/spool/emailrelay/*
"#;

#[test]
fn with_the_bit_users_submit_and_do_nothing_else() {
    let lacks = |program| skip_without(program);
    if skip_unless_root() || lacks("unshare") || lacks("setpriv") {
        return;
    }
    let own_mounts = Command::new("unshare").args(["-m", "true"]).status();
    if !own_mounts.is_ok_and(|status| status.success()) {
        skip("no private mounts");
        return;
    }
    let place = Public::new();
    let (program, secret) = (place.join("emailrelay-submit"), place.join("secret"));
    executable::copy(tool("emailrelay-submit").as_ref(), &program);
    fs::write(&secret, "Subject: secret\n\n").unwrap();
    for (path, mode) in [(&program, 0o2755), (&secret, 0o640)] {
        std::os::unix::fs::chown(path, None, Some(1)).unwrap();
        set_mode(path, mode);
    }
    let mut command = Command::new("unshare");
    command
        .args(["-m", "sh", "-c", AS_NOBODY, "sh"])
        .arg(place.path());
    let ran = run_with_input(&mut command, b"");
    assert_eq!(ran.status, 0, "{ran:?}");
    for text in [
        "first 0\n",
        "cannot open secret: permission denied\nsecond 1\n",
        "third 0\n",
        "permission denied\nfourth 77\n",
        "fifth 1\n",
    ] {
        assert!(ran.output.contains(text), "{text}: {ran:?}");
    }
    let files: Vec<&str> = ran.output.lines().rev().take(4).collect();
    assert_eq!(files, ["65534 1 660"; 4], "{ran:?}");
}

/// A user who is in the spool's group needs no mode bits, and root none at all; the
/// files are the spool's group's in either case.
#[test]
fn files_belong_to_whom_the_spool_belongs() {
    if skip_unless_root() {
        return;
    }
    let place = Public::new();
    let spool = place.join("spool");
    fs::create_dir(&spool).unwrap();
    std::os::unix::fs::chown(&spool, Some(1), Some(1)).unwrap();
    set_mode(&spool, 0o770);
    assert_eq!(submit(&spool, &["a@x"], MESSAGE).status, 0);
    if !skip_without("setpriv") {
        let program = place.join("emailrelay-submit");
        executable::copy(tool("emailrelay-submit").as_ref(), &program);
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--groups=1"])
            .arg(&program)
            .arg("-s")
            .arg(&spool)
            .arg("a@x");
        let ran = run_with_input(&mut command, MESSAGE);
        assert_eq!(ran.status, 0, "{ran:?}");
    }
    for name in crate::support::program::names(&spool) {
        let about = fs::metadata(spool.join(&name)).unwrap();
        assert!(matches!(about.uid(), 1 | NOBODY), "{name}");
        assert_eq!((about.gid(), about.mode() & 0o777), (1, 0o660), "{name}");
    }
}
