//! The order of system calls: what is on disk before a message is acknowledged.
#![cfg(target_os = "linux")]

use std::fs;
use std::process::Command;
use std::time::Instant;

use crate::support::client::{Client, submit};
use crate::support::executable::script;
use crate::support::program::{PATIENCE, Program, Scratch, Server, program};
use crate::support::skip_without;
use crate::support::tools::{run_with_input, tool};

/// Runs a server under strace and returns it with the path of the trace.
fn traced(spool: &Scratch, trace: &Scratch, calls: &str, arguments: &[&str]) -> (Server, String) {
    let path = trace.join("trace");
    let mut command = Command::new("strace");
    command
        .args(["-f", "-y", "-s", "200", "-o", &path, "-e", calls])
        .arg(program());
    (Server::start_with(command, spool, arguments), path)
}

/// The position of the first line at or after `from` that has all the parts.
fn find(lines: &[&str], from: usize, parts: &[&str]) -> usize {
    let fits = |line: &&str| parts.iter().all(|part| line.contains(part));
    let found = lines[from..].iter().position(fits);
    from + found.unwrap_or_else(|| panic!("no {parts:?} after line {from} of {lines:#?}"))
}

#[test]
fn content_envelope_and_directory_are_synced_before_the_reply() {
    if skip_without("strace") {
        return;
    }
    let (spool, trace) = (Scratch::new(), Scratch::new());
    let calls =
        "trace=openat,write,fsync,fdatasync,rename,renameat,renameat2,sendto,linkat,unlinkat";
    let (mut server, path) = traced(&spool, &trace, calls, &[]);
    submit(
        server.port,
        "a@b.test",
        &["c@d.test"],
        b"Subject: traced\r\n\r\nhello\r\n",
    );
    end_traced(&mut server.program, &path);
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let write = find(&lines, 0, &["Subject: traced"]);
    let content = find(&lines, write, &["fsync(", ".content>"]);
    let envelope = find(&lines, write, &["fsync(", ".envelope.new>"]);
    let rename = find(
        &lines,
        content.max(envelope),
        &["rename", ".envelope.new", ".envelope\""],
    );
    let directory = find(
        &lines,
        rename,
        &["fsync(", &format!("<{}>", spool.path().display())],
    );
    find(&lines, directory, &["250 2.0.0"]);
    let replies = lines[..directory]
        .iter()
        .filter(|line| line.contains("250 2.0.0"))
        .count();
    assert_eq!(replies, 0, "no final reply before the directory is synced");
}

#[test]
fn mail_is_in_a_maildir_for_good_before_the_reply() {
    if skip_without("strace") {
        return;
    }
    let (spool, trace) = (Scratch::new(), Scratch::new());
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(spool.path().join("alice").join(part)).unwrap();
    }
    let verifier = script(&trace, "verify", "printf 'Name\\nalice\\n'");
    let calls = "trace=write,fsync,rename,renameat,renameat2,sendto,unlinkat";
    let arguments = ["--filter=deliver:", "--address-verifier", &verifier];
    let (mut server, path) = traced(&spool, &trace, calls, &arguments);
    let content = b"Subject: traced\r\n\r\nhello\r\n";
    submit(server.port, "a@b.test", &["alice@d.test"], content);
    end_traced(&mut server.program, &path);
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let spool = spool.path().display();
    let steps: [&[&str]; 7] = [
        &["write(", "/alice/tmp/", "Subject: traced"],
        &["fsync(", "/alice/tmp/"],
        &["rename", "/alice/tmp>", "/alice/new>"],
        &["fsync(", "/alice/new>"],
        &["unlinkat(", ".envelope.new"],
        &["fsync(", &format!("<{spool}>")],
        &["250 2.0.0"],
    ];
    let reply = steps.iter().fold(0, |from, step| find(&lines, from, step));
    assert_eq!(find(&lines, 0, &["250 2.0.0"]), reply);
}

#[test]
fn a_submitted_message_is_synced_before_the_program_succeeds() {
    if skip_without("strace") {
        return;
    }
    let (spool, trace) = (Scratch::new(), Scratch::new());
    let path = trace.join("trace");
    let calls = "trace=write,fsync,rename,renameat,renameat2,exit_group";
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-s", "200", "-o", &path, "-e", calls]);
    command.arg(tool("emailrelay-submit")).arg("-s");
    command.arg(spool.path()).args(["-f", "a@x", "b@x"]);
    let ran = run_with_input(&mut command, b"Subject: traced\n\nhello\n");
    assert_eq!(ran.status, 0, "{ran:?}");
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let write = find(&lines, 0, &["Subject: traced"]);
    let content = find(&lines, write, &["fsync(", ".content>"]);
    let envelope = find(&lines, write, &["fsync(", ".envelope.new>"]);
    let synced = content.max(envelope);
    let rename = find(&lines, synced, &["rename", ".envelope.new", ".envelope\""]);
    let directory = format!("<{}>", spool.path().display());
    let directory = find(&lines, rename, &["fsync(", &directory]);
    find(&lines, directory, &["exit_group(0)"]);
}

/// strace passes the signal on only to the program itself.
fn end_traced(tracer: &mut Program, path: &str) {
    let text = fs::read_to_string(path).unwrap();
    let pid = text.split_whitespace().next().unwrap();
    assert!(Command::new("kill").arg(pid).status().unwrap().success());
    tracer.wait();
}

#[test]
fn an_idle_server_sleeps_in_one_poll() {
    if skip_without("strace") {
        return;
    }
    let (spool, trace) = (Scratch::new(), Scratch::new());
    let server = Server::start(&spool, &[]);
    let mut client = Client::connect(server.port);
    client.hello();
    // What was busy a moment ago is looked at once more before the long sleep, and the
    // log is written when there is time for it.
    let until = Instant::now() + PATIENCE;
    while let Err(calls) = sleeps(server.program.id(), &trace.join("idle")) {
        assert!(Instant::now() < until, "{calls}");
    }
}

/// Whether a process does nothing for two seconds; what it does otherwise.
fn sleeps(process: u32, path: &str) -> Result<(), String> {
    let status = Command::new("timeout")
        .args(["--signal=INT", "2", "strace", "-f", "-o", path])
        .args(["-p", &process.to_string()])
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(!status.success(), "strace was interrupted");
    let text = fs::read_to_string(path).unwrap();
    let calls: Vec<&str> = text
        .lines()
        .filter(|line| !line.contains("strace:"))
        .collect();
    let polls = calls.iter().filter(|line| line.contains("poll(")).count();
    let others = calls.iter().filter(|line| {
        !line.contains("poll(") && !line.contains("futex(") && !line.contains("restart_syscall")
    });
    match polls <= 1 && others.count() == 0 {
        true => Ok(()),
        false => Err(text),
    }
}
