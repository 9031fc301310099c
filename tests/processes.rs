//! The processes of the program: who they are, what they may do, how they begin
//! and how they end.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use crate::support::client::{Client, submit};
use crate::support::program::{PATIENCE, Program, Scratch, program, run};
use crate::support::sink::Sink;
use crate::support::skip_without;

const MESSAGE: &[u8] = b"Subject: x\r\n\r\nhello\r\n";
const DAEMON: u32 = 1;
const PKI: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pki");

/// What the tests of privileges need.
fn skip_unless_root() -> bool {
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if !is_root {
        eprintln!("skipped: not root");
    }
    !is_root
}

/// A spool as a package would make it: root's, and the group's to write to.
fn packaged_spool(scratch: &Scratch) -> String {
    let path = scratch.join("spool");
    fs::create_dir(&path).unwrap();
    chown(&path, Some(0), Some(DAEMON)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o2770)).unwrap();
    path
}

/// The options of a server that logs to standard error.
fn options(spool: &str) -> Vec<String> {
    let fixed = [
        "--log",
        "--verbose",
        "--no-syslog",
        "--domain=relay.test",
        "--interface=127.0.0.1",
        "--port=0",
        "--spool-dir",
    ];
    let fixed = fixed.iter().map(|text| (*text).to_owned());
    fixed.chain([spool.to_owned()]).collect()
}

/// Starts it in the foreground and waits until it listens; gives its port.
fn start(spool: &str, more: &[&str]) -> (Program, u16) {
    start_by(Command::new(program()), spool, more)
}

fn start_by(mut command: Command, spool: &str, more: &[&str]) -> (Program, u16) {
    command.arg("--no-daemon").args(options(spool)).args(more);
    let program = Program::spawn_command(command);
    let line = program.wait_for("smtp server on ");
    (program, port_of(&line))
}

fn port_of(line: &str) -> u16 {
    line.rsplit(':').next().unwrap().trim().parse().unwrap()
}

/// Runs it as a user would who wants it in the background, to the end of the
/// process that was started.
fn launch(spool: &str, more: &[&str]) -> Output {
    let mut command = Command::new(program());
    command.args(options(spool)).args(more);
    command.stdin(Stdio::null()).output().unwrap()
}

/// One line of what the system says of a process.
fn status(process: u32, field: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = text.lines().find(|line| line.starts_with(field)).unwrap();
    let words = line.split_whitespace().skip(1).collect::<Vec<_>>();
    words.join(" ")
}

fn children(process: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap();
    let numbers = text.split_whitespace();
    numbers.map(|number| number.parse().unwrap()).collect()
}

fn the_child(process: u32) -> u32 {
    let all = children(process);
    assert_eq!(all.len(), 1, "{all:?}");
    all[0]
}

fn await_end(process: u32) {
    let until = Instant::now() + PATIENCE;
    while Path::new(&format!("/proc/{process}")).exists() {
        assert!(Instant::now() < until, "{process} is still there");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

fn signal(process: u32, signal: &str) {
    let process = process.to_string();
    let sent = Command::new("kill").args([signal, &process]).status();
    assert!(sent.unwrap().success());
}

fn pid_in(path: &str) -> u32 {
    fs::read_to_string(path).unwrap().trim().parse().unwrap()
}

/// Sees that this process can never be root again, nor anybody else.
fn assert_powerless(process: u32) {
    assert_eq!(status(process, "Uid:"), "1 1 1 1");
    assert_eq!(status(process, "Gid:"), "1 1 1 1");
    assert_eq!(status(process, "Groups:"), "1");
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        assert_eq!(status(process, set), "0000000000000000", "{set}");
    }
    // A process that is not dumpable is root's in this respect.
    let memory = fs::metadata(format!("/proc/{process}/mem")).unwrap();
    assert_eq!(memory.uid(), 0);
}

/// The owner, group and mode of each file in the spool.
fn owners(spool: &str) -> Vec<(u32, u32, u32)> {
    let entries = fs::read_dir(spool).unwrap();
    let owner = |entry: std::io::Result<fs::DirEntry>| {
        let metadata = entry.unwrap().metadata().unwrap();
        (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777)
    };
    entries.map(owner).collect()
}

#[test]
fn the_network_process_gives_root_up_and_a_monitor_stays() {
    if skip_unless_root() {
        return;
    }
    let scratch = Scratch::new();
    let spool = packaged_spool(&scratch);
    let pid_file = scratch.join("run/relay.pid");
    let (mut relay, port) = start(&spool, &["--pid-file", &pid_file]);
    let monitor = relay.id();
    let network = the_child(monitor);
    assert_eq!(pid_in(&pid_file), monitor, "the one to send signals to");
    assert_eq!(status(monitor, "Uid:"), "0 0 0 0");
    assert_eq!(status(monitor, "Threads:"), "1");
    assert_powerless(network);
    assert_eq!(status(network, "NoNewPrivs:"), "1");
    assert!(children(network).is_empty());
    let sockets = |process| {
        let folder = fs::read_dir(format!("/proc/{process}/fd")).unwrap();
        let links = folder.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
        links
            .filter(|link| link.to_string_lossy().starts_with("socket:"))
            .count()
    };
    assert_eq!(
        sockets(monitor),
        4,
        "its ends of two pairs, and a pair of its own"
    );
    submit(port, "a@b.test", &["c@d.test"], MESSAGE);
    assert_eq!(owners(&spool), [(DAEMON, DAEMON, 0o660); 2]);
    relay.terminate();
    assert!(relay.wait().success(), "{:#?}", relay.log());
    assert!(!Path::new(&pid_file).exists());
    await_end(network);
}

#[test]
fn in_the_background_it_is_the_same_and_whoever_started_it_waits_until_it_serves() {
    if skip_unless_root() {
        return;
    }
    let scratch = Scratch::new();
    let spool = packaged_spool(&scratch);
    let (pid_file, log) = (scratch.join("relay.pid"), scratch.join("log"));
    let mut command = Command::new(program());
    command
        .args(options(&spool))
        .args(["--pid-file", &pid_file]);
    command
        .stdin(Stdio::null())
        .stderr(fs::File::create(&log).unwrap());
    assert!(
        command
            .current_dir(scratch.path())
            .status()
            .unwrap()
            .success()
    );
    // Nothing is waited for here: it serves already.
    let text = fs::read_to_string(&log).unwrap();
    let line = text.lines().find(|line| line.contains("smtp server on "));
    let port = port_of(line.unwrap());
    let monitor = pid_in(&pid_file);
    let network = the_child(monitor);
    assert_powerless(network);
    assert_eq!(status(monitor, "Uid:"), "0 0 0 0");
    for process in [monitor, network] {
        let link = |name: &str| fs::read_link(format!("/proc/{process}/{name}")).unwrap();
        assert_eq!(link("cwd"), Path::new("/"));
        for stream in ["fd/0", "fd/1"] {
            assert_eq!(link(stream), Path::new("/dev/null"));
        }
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        assert_ne!(
            fields[3],
            monitor.to_string(),
            "it does not lead its session"
        );
        assert_eq!(fields[4], "0", "and has no terminal");
    }
    submit(port, "a@b.test", &["c@d.test"], MESSAGE);
    assert_eq!(owners(&spool), [(DAEMON, DAEMON, 0o660); 2]);
    signal(monitor, "-TERM");
    await_end(monitor);
    await_end(network);
    assert!(!Path::new(&pid_file).exists());
}

#[test]
fn user_root_keeps_one_process() {
    if skip_unless_root() {
        return;
    }
    let scratch = Scratch::new();
    let spool = scratch.join("spool");
    fs::create_dir(&spool).unwrap();
    let pid_file = scratch.join("relay.pid");
    let (mut relay, port) = start(&spool, &["--user=root", "--pid-file", &pid_file]);
    assert_eq!(pid_in(&pid_file), relay.id());
    assert_eq!(status(relay.id(), "Uid:"), "0 0 0 0");
    assert!(children(relay.id()).is_empty());
    submit(port, "a@b.test", &["c@d.test"], MESSAGE);
    assert_eq!(owners(&spool), [(0, 0, 0o660); 2]);
    relay.terminate();
    assert!(relay.wait().success());
    assert!(!Path::new(&pid_file).exists());
}

#[test]
fn whoever_is_not_root_has_one_process_too() {
    if skip_unless_root() || skip_without("setpriv") {
        return;
    }
    let scratch = Scratch::new();
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let (spool, own) = (scratch.join("spool"), scratch.join("emailrelay"));
    // Where the tests are built others may not get.
    fs::copy(program(), &own).unwrap();
    fs::create_dir(&spool).unwrap();
    let nobody = |arguments: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.arg(&own).args(arguments);
        command
    };
    let refused = nobody(&["--no-daemon", "--port=0", "--spool-dir", &spool]).output();
    let text = String::from_utf8(refused.unwrap().stderr).unwrap();
    assert!(
        text.contains("--spool-dir") && text.contains("permission denied"),
        "{text}"
    );
    chown(&spool, Some(65534), Some(65534)).unwrap();
    let pid_file = scratch.join("relay.pid");
    let (mut relay, port) = start_by(nobody(&[]), &spool, &["--pid-file", &pid_file]);
    assert_eq!(pid_in(&pid_file), relay.id());
    assert_eq!(status(relay.id(), "Uid:"), "65534 65534 65534 65534");
    assert!(children(relay.id()).is_empty());
    submit(port, "a@b.test", &["c@d.test"], MESSAGE);
    assert_eq!(owners(&spool), [(65534, 65534, 0o660); 2]);
    relay.terminate();
    assert!(relay.wait().success());
    assert!(!Path::new(&pid_file).exists());
}

#[test]
fn a_spool_made_by_hand_is_refused_with_the_command_that_mends_it() {
    if skip_unless_root() {
        return;
    }
    let scratch = Scratch::new();
    let spool = scratch.join("spool");
    for _ in 0..2 {
        let output = launch(&spool, &[]);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        let (problem, command) = text.trim().rsplit_once(": try ").unwrap();
        assert!(
            problem.contains(&format!("--spool-dir: {spool} ")),
            "{text}"
        );
        let done = Command::new("sh").args(["-c", command]).status().unwrap();
        assert!(done.success(), "{command}");
        if command.starts_with("chgrp") {
            break;
        }
        // As somebody would make it without being told how.
        fs::remove_dir(&spool).unwrap();
        fs::create_dir(&spool).unwrap();
    }
    let (_relay, port) = start(&spool, &[]);
    submit(port, "a@b.test", &["c@d.test"], MESSAGE);
    assert_eq!(owners(&spool), [(DAEMON, DAEMON, 0o660); 2]);
    // A folder on the way that the user cannot pass is another matter.
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let output = launch(&spool, &[]);
    let text = String::from_utf8(output.stderr).unwrap();
    let command = format!("try chmod a+x {}", scratch.path().display());
    assert!(text.trim().ends_with(&command), "{text}");
}

#[test]
fn the_group_of_a_spool_with_the_bit_for_it_is_that_of_its_files() {
    if skip_unless_root() {
        return;
    }
    const MAIL: u32 = 8;
    let scratch = Scratch::new();
    let spool = packaged_spool(&scratch);
    chown(&spool, Some(DAEMON), Some(MAIL)).unwrap();
    fs::set_permissions(&spool, fs::Permissions::from_mode(0o2770)).unwrap();
    let (_relay, port) = start(&spool, &[]);
    submit(port, "a@b.test", &["c@d.test"], MESSAGE);
    assert_eq!(owners(&spool), [(DAEMON, MAIL, 0o660); 2]);
}

#[test]
fn a_socket_in_the_file_system_is_for_the_group() {
    if skip_unless_root() {
        return;
    }
    let scratch = Scratch::new();
    let (spool, socket) = (packaged_spool(&scratch), scratch.join("socket"));
    let interface = format!("--interface={socket}");
    let mut command = Command::new(program());
    command.args(["--no-daemon", "--log", "--spool-dir", &spool, &interface]);
    let relay = Program::spawn_command(command);
    relay.wait_for("smtp server on ");
    let metadata = fs::metadata(&socket).unwrap();
    assert_eq!((metadata.gid(), metadata.mode() & 0o777), (DAEMON, 0o770));
}

#[test]
fn programs_may_have_privileges_of_their_own() {
    if skip_unless_root() {
        return;
    }
    let scratch = Scratch::new();
    let spool = packaged_spool(&scratch);
    let (verifier, seen) = (scratch.join("verify"), scratch.join("seen"));
    fs::write(&seen, "").unwrap();
    fs::set_permissions(&seen, fs::Permissions::from_mode(0o666)).unwrap();
    fs::write(
        &verifier,
        format!("#!/bin/sh\ncat /proc/$$/status >{seen}\nexit 0\n"),
    )
    .unwrap();
    fs::set_permissions(&verifier, fs::Permissions::from_mode(0o755)).unwrap();
    let (relay, port) = start(&spool, &["--address-verifier", &verifier]);
    let network = the_child(relay.id());
    assert_powerless(network);
    assert_eq!(status(network, "NoNewPrivs:"), "0");
    let mut client = Client::connect(port);
    client.hello();
    client.command("MAIL FROM:<a@b.test>");
    client.command("RCPT TO:<c@d.test>");
    let text = fs::read_to_string(&seen).unwrap();
    for line in [
        "Uid:\t1\t1\t1\t1",
        "Gid:\t1\t1\t1\t1",
        "CapEff:\t0000000000000000",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[test]
fn files_that_only_root_may_read_are_read_again_when_they_change() {
    if skip_unless_root() {
        return;
    }
    let scratch = Scratch::new();
    let spool = packaged_spool(&scratch);
    let folder = scratch.join("private");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    let (secrets, token, key) = (
        format!("{folder}/secrets"),
        format!("{folder}/other"),
        format!("{folder}/key.pem"),
    );
    let protect = |path: &str, text: &[u8]| {
        let new = format!("{path}.new");
        fs::write(&new, text).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(&new, path).unwrap();
    };
    protect(&secrets, b"server plain me first\n");
    protect(&token, b"server plain not-on-the-list x\n");
    protect(&key, &fs::read(format!("{PKI}/server.key")).unwrap());
    let certificate = format!("{key},{PKI}/server.pem");
    let more = [
        "--server-auth",
        &secrets,
        "--server-tls",
        "--server-tls-certificate",
        &certificate,
    ];
    let (relay, port) = start(&spool, &more);
    assert_powerless(the_child(relay.id()));
    let login = |password: &str| {
        let mut client = Client::connect(port);
        client.hello();
        let script = format!("\\0me\\0{password}");
        let command = format!("printf '{script}' | base64");
        let encoded = Command::new("sh").args(["-c", &command]).output().unwrap();
        let encoded = String::from_utf8(encoded.stdout).unwrap();
        let reply = client.command(&format!("AUTH PLAIN {}", encoded.trim()));
        reply.starts_with("235")
    };
    assert!(login("first"));
    protect(&secrets, b"server plain me second\n");
    protect(&key, &fs::read(format!("{PKI}/server.key")).unwrap());
    relay.hang_up();
    relay.wait_for("re-reading tls certificate file");
    relay.wait_for("re-reading secrets file");
    assert!(login("second"));
    // What the user could replace is not read by root for it.
    let log = relay.log().join("\n");
    assert!(!log.contains("error: "), "{log}");
}

#[test]
fn a_log_file_in_a_folder_of_root_is_opened_again() {
    if skip_unless_root() {
        return;
    }
    let scratch = Scratch::new();
    let spool = packaged_spool(&scratch);
    let folder = scratch.join("log");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    let (log, old) = (format!("{folder}/relay"), format!("{folder}/relay.1"));
    let pid_file = scratch.join("relay.pid");
    for more in [&[][..], &["--sandbox"]] {
        if !more.is_empty() && skip_without_landlock() {
            return;
        }
        let arguments = [&["--log-file", &log, "--pid-file", &pid_file][..], more].concat();
        let output = launch(&spool, &arguments);
        assert!(output.status.success(), "{output:?}");
        let process = pid_in(&pid_file);
        fs::rename(&log, &old).unwrap();
        signal(process, "-HUP");
        let until = Instant::now() + PATIENCE;
        while !Path::new(&log).exists() {
            assert!(
                Instant::now() < until,
                "{}",
                fs::read_to_string(&old).unwrap()
            );
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        signal(process, "-TERM");
        await_end(process);
        let text = fs::read_to_string(&log).unwrap();
        assert!(text.contains("told to stop"), "{text}");
        assert_eq!(fs::metadata(&log).unwrap().uid(), 0);
    }
}

#[test]
fn what_the_user_may_replace_is_not_read_for_it() {
    if skip_unless_root() {
        return;
    }
    let scratch = Scratch::new();
    let spool = packaged_spool(&scratch);
    let folder = scratch.join("open");
    fs::create_dir(&folder).unwrap();
    chown(&folder, Some(DAEMON), Some(DAEMON)).unwrap();
    let secrets = format!("{folder}/secrets");
    fs::write(&secrets, "server plain me x\n").unwrap();
    fs::set_permissions(&secrets, fs::Permissions::from_mode(0o600)).unwrap();
    let (relay, _port) = start(&spool, &["--server-auth", &secrets]);
    fs::remove_file(&secrets).unwrap();
    symlink("/etc/shadow", &secrets).unwrap();
    relay.hang_up();
    relay.wait_for("keeping the secrets as they were");
    let log = relay.log().join("\n");
    assert!(
        log.contains("not permitted") && !log.contains("root:"),
        "{log}"
    );
}

#[test]
fn either_process_ends_with_the_other() {
    if skip_unless_root() {
        return;
    }
    let scratch = Scratch::new();
    let spool = packaged_spool(&scratch);
    let pid_file = scratch.join("relay.pid");
    let (mut relay, port) = start(&spool, &["--pid-file", &pid_file]);
    let network = the_child(relay.id());
    let mut client = Client::connect(port);
    client.hello();
    relay.kill();
    assert!(
        client.reply().unwrap().starts_with("421 "),
        "it ends in good order"
    );
    await_end(network);
    assert!(
        Path::new(&pid_file).exists(),
        "nobody was left to remove it"
    );
    let (mut relay, _) = start(&spool, &["--pid-file", &pid_file]);
    assert_eq!(pid_in(&pid_file), relay.id());
    let network = the_child(relay.id());
    signal(network, "-KILL");
    assert_eq!(relay.wait().code(), Some(128 + 9));
    relay.wait_for("ended by signal 9");
    assert!(!Path::new(&pid_file).exists());
    await_end(network);
}

#[test]
fn told_to_stop_both_finish_what_is_in_flight() {
    if skip_unless_root() {
        return;
    }
    let scratch = Scratch::new();
    let spool = packaged_spool(&scratch);
    let (mut relay, port) = start(&spool, &[]);
    let mut client = Client::connect(port);
    client.hello();
    client.expect("MAIL FROM:<a@b.test>", "250");
    client.expect("RCPT TO:<c@d.test>", "250");
    client.expect("DATA", "354");
    client.write(b"x: y\r\n\r\n").unwrap();
    // As a service manager does that signals all processes of a service.
    let network = the_child(relay.id());
    for process in [relay.id(), network] {
        signal(process, "-TERM");
        signal(process, "-USR1");
        signal(process, "-USR2");
    }
    relay.wait_for("told to stop");
    let reply = client.try_command("hello\r\n.").unwrap();
    assert!(reply.starts_with("250 "), "{reply}");
    assert!(relay.wait().success());
    assert_eq!(owners(&spool).len(), 2);
    assert!(!relay.log().join("\n").contains("told to stop again"));
}

#[test]
fn told_twice_to_stop_it_waits_no_longer() {
    let scratch = Scratch::new();
    let (mut relay, port) = start(&scratch.path().display().to_string(), ONE_PROCESS);
    let mut client = Client::connect(port);
    client.hello();
    client.expect("MAIL FROM:<a@b.test>", "250");
    client.expect("RCPT TO:<c@d.test>", "250");
    client.expect("DATA", "354");
    relay.terminate();
    relay.wait_for("told to stop");
    // Sooner it would be taken for the same signal.
    while !relay
        .log()
        .iter()
        .any(|line| line.contains("told to stop again"))
    {
        std::thread::sleep(std::time::Duration::from_millis(100));
        relay.terminate();
    }
    assert!(relay.wait().success());
}

/// No user is given to those who are not root.
const ONE_PROCESS: &[&str] = &["--user=root"];

#[test]
fn a_pid_file_is_not_shared_nor_written_through_links() {
    let scratch = Scratch::new();
    let spool = scratch.path().display().to_string();
    let pid_file = scratch.join("relay.pid");
    let arguments = [ONE_PROCESS, &["--pid-file", &pid_file]].concat();
    let refusal = || {
        let output = launch(&spool, &arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        text
    };
    let victim = scratch.join("victim");
    fs::write(&victim, "precious").unwrap();
    symlink(&victim, &pid_file).unwrap();
    let text = refusal();
    assert!(
        text.contains("--pid-file") && text.contains("symbolic link"),
        "{text}"
    );
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    fs::remove_file(&pid_file).unwrap();
    // A number of somebody who is alive, but is not us.
    fs::write(&pid_file, "1\n").unwrap();
    let (relay, _) = start(&spool, &arguments);
    assert_eq!(pid_in(&pid_file), relay.id());
    let text = refusal();
    assert!(
        text.contains(&format!("running already as process {}", relay.id())),
        "{text}"
    );
    assert_eq!(pid_in(&pid_file), relay.id());
}

#[test]
fn failures_are_told_before_it_is_in_the_background() {
    let scratch = Scratch::new();
    let spool = scratch.path().display().to_string();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("--port={}", taken.local_addr().unwrap().port());
    let missing = scratch.join("missing");
    for (arguments, code, parts) in [
        (
            &["--server-auth", &missing][..],
            1,
            &["--server-auth", "no such file"][..],
        ),
        (
            &["--pid-file=/no/such/folder/pid"],
            1,
            &["--pid-file", "/no/such/folder"],
        ),
        (
            &["--spool-dir=/no/such/spool"],
            1,
            &["--spool-dir", "/no/such/spool", "try "],
        ),
    ] {
        let all = [
            &["--log", "--interface=127.0.0.1", "--port=0"],
            ONE_PROCESS,
            arguments,
        ];
        let mut all = all.concat();
        if !arguments[0].starts_with("--spool-dir") {
            all.extend(["--spool-dir", &spool]);
        }
        let output = Command::new(program()).args(all).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{text}");
        for part in parts {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
    let fixed = [
        "--interface=127.0.0.1",
        "--user=root",
        "--spool-dir",
        &spool,
    ];
    let output = Command::new(program())
        .args(fixed)
        .arg(&port)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("cannot listen on 127.0.0.1:"), "{text}");
}

#[test]
fn who_is_not_there_cannot_be_become() {
    if skip_unless_root() {
        return;
    }
    let scratch = Scratch::new();
    let output = launch(&packaged_spool(&scratch), &["--user=no-such-user"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("no such user: no-such-user"), "{text}");
}

#[test]
fn a_silent_daemon_keeps_nobody_waiting() {
    let scratch = Scratch::new();
    let spool = scratch.path().display().to_string();
    let pid_file = scratch.join("relay.pid");
    for more in [&["--as-server"][..], &[]] {
        let fixed = [
            "--user=root",
            "--interface=127.0.0.1",
            "--port=0",
            "--spool-dir",
            &spool,
        ];
        let mut command = Command::new(program());
        command
            .args(fixed)
            .args(["--pid-file", &pid_file])
            .args(more);
        // This waits for the end of its output, too.
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let process = pid_in(&pid_file);
        signal(process, "-TERM");
        await_end(process);
    }
}

#[test]
fn sockets_that_were_opened_for_it_are_taken_into_the_background() {
    let scratch = Scratch::new();
    let spool = scratch.path().display().to_string();
    let pid_file = scratch.join("relay.pid");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command
        .args(["-c", script])
        .arg(program())
        .args(ONE_PROCESS);
    command.args([
        "--pid-file",
        &pid_file,
        "--spool-dir",
        &spool,
        "--domain=relay.test",
    ]);
    let socket = std::os::fd::OwnedFd::from(listener);
    assert!(
        command
            .stdin(Stdio::from(socket))
            .status()
            .unwrap()
            .success()
    );
    submit(port, "a@b.test", &["c@d.test"], MESSAGE);
    let process = pid_in(&pid_file);
    signal(process, "-TERM");
    await_end(process);
}

/// A service manager, and what it has been told so far.
struct Manager(UnixDatagram, String);

impl Manager {
    fn new(scratch: &Scratch) -> Manager {
        let path = scratch.join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Manager(socket, path)
    }

    fn hear(&self) -> String {
        let mut text = [0; 1000];
        let count = self.0.recv(&mut text).unwrap();
        String::from_utf8(text[..count].to_vec()).unwrap()
    }

    fn await_text(&self, start: &str) -> String {
        loop {
            let text = self.hear();
            if text.starts_with(start) {
                return text;
            }
            assert_eq!(text, "WATCHDOG=1\n", "before {start}");
        }
    }
}

#[test]
fn the_service_manager_is_told() {
    for user in ["root", "daemon"] {
        if user == "daemon" && skip_unless_root() {
            return;
        }
        let scratch = Scratch::new();
        let (spool, manager) = (scratch.join("spool"), Manager::new(&scratch));
        fs::create_dir(&spool).unwrap();
        fs::set_permissions(&spool, fs::Permissions::from_mode(0o777)).unwrap();
        let mut command = Command::new(program());
        command.env("NOTIFY_SOCKET", &manager.1);
        command.env("WATCHDOG_USEC", "100000");
        let (mut relay, _) = start_by(command, &spool, &["--user", user]);
        let ready = manager.await_text("READY=1\n");
        assert!(
            ready.contains(&format!("MAINPID={}\n", relay.id())),
            "{ready}"
        );
        assert_eq!(manager.hear(), "WATCHDOG=1\n");
        assert_eq!(manager.hear(), "WATCHDOG=1\n");
        relay.hang_up();
        let text = manager.await_text("RELOADING=1\n");
        assert!(text.contains("MONOTONIC_USEC="), "{text}");
        manager.await_text("READY=1\n");
        relay.terminate();
        manager.await_text("STOPPING=1\n");
        assert!(relay.wait().success());
    }
}

#[test]
fn a_service_manager_that_cannot_be_told_is_an_error() {
    let scratch = Scratch::new();
    let mut command = Command::new(program());
    command.env("NOTIFY_SOCKET", "relative");
    let spool = scratch.path().display().to_string();
    let output = command.args(options(&spool)).args(ONE_PROCESS).output();
    let text = String::from_utf8(output.unwrap().stderr).unwrap();
    assert!(text.contains("NOTIFY_SOCKET"), "{text}");
}

#[test]
fn programs_that_lend_an_identity_are_refused() {
    if skip_unless_root() || skip_without("setpriv") {
        return;
    }
    let scratch = Scratch::new();
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o777)).unwrap();
    // Not in memory, where such programs may be forbidden.
    let own = std::env::temp_dir().join(format!("emailrelay-lent-{}", std::process::id()));
    fs::copy(program(), &own).unwrap();
    fs::set_permissions(&own, fs::Permissions::from_mode(0o4755)).unwrap();
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&own);
    let output = command.args(options(&scratch.join("x"))).output().unwrap();
    fs::remove_file(&own).unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains("set-user-id") && text.contains("chmod ug-s"),
        "{text}"
    );
    let (help, _, _) = run(&["--help"]);
    assert_eq!(help, 0);
}

/// Whether this kernel can confine programs.
fn skip_without_landlock() -> bool {
    let scratch = Scratch::new();
    let (status, _, text) = run(&["--check", "--sandbox", "-x", "-s", &scratch.join("")]);
    let cannot = status != 0;
    if cannot {
        assert!(text.contains("no Landlock"), "{text}");
        eprintln!("skipped: {text}");
    }
    cannot
}

#[test]
fn in_the_sandbox_mail_comes_in_and_goes_out() {
    if skip_unless_root() || skip_without_landlock() {
        return;
    }
    let scratch = Scratch::new();
    let (spool, sink) = (packaged_spool(&scratch), Sink::start());
    let secrets = scratch.join("secrets");
    let protect = |text: &str| {
        fs::write(&secrets, text).unwrap();
        fs::set_permissions(&secrets, fs::Permissions::from_mode(0o600)).unwrap();
    };
    protect("server none 127.0.0.1 x\n");
    // By its name, which has to be looked up.
    let next_hop = sink.address().replace("127.0.0.1", "localhost");
    let certificate = format!("{PKI}/server.key,{PKI}/server.pem");
    let more = [
        "--sandbox",
        "--forward-on-disconnect",
        "--forward-to",
        &next_hop,
        "--server-auth",
        &secrets,
        "--server-tls",
        "--server-tls-certificate",
        &certificate,
    ];
    let (mut relay, port) = start(&spool, &more);
    let network = the_child(relay.id());
    assert_powerless(network);
    assert_eq!(status(network, "NoNewPrivs:"), "1");
    assert_eq!(status(network, "Seccomp:"), "2");
    assert_eq!(
        status(relay.id(), "Seccomp:"),
        "0",
        "the monitor needs it all"
    );
    submit(port, "a@b.test", &["c@d.test"], MESSAGE);
    sink.wait_for(1);
    // Files are still read again: those that may be, and by the monitor.
    protect("server none 127.0.0.1 y\nserver plain a b\n");
    relay.hang_up();
    relay.wait_for("re-reading secrets file");
    relay.wait_for("re-reading tls certificate file");
    submit(port, "a@b.test", &["c@d.test"], MESSAGE);
    sink.wait_for(2);
    // Every thread is in it, those that came later included.
    for thread in fs::read_dir(format!("/proc/{network}/task")).unwrap() {
        let text = fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
        assert!(text.contains("Seccomp:\t2"), "{text}");
    }
    relay.terminate();
    assert!(relay.wait().success(), "{:#?}", relay.log());
    assert_eq!(owners(&spool), []);
}

#[test]
fn one_process_can_be_in_the_sandbox_too_but_no_programs() {
    if skip_without_landlock() {
        return;
    }
    let scratch = Scratch::new();
    let spool = scratch.join("spool");
    fs::create_dir(&spool).unwrap();
    let pid_file = scratch.join("run/relay.pid");
    let arguments = [ONE_PROCESS, &["--sandbox", "--pid-file", &pid_file]].concat();
    let (mut relay, port) = start(&spool, &arguments);
    assert_eq!(status(relay.id(), "Seccomp:"), "2");
    submit(port, "a@b.test", &["c@d.test"], MESSAGE);
    assert_eq!(owners(&spool).len(), 2);
    relay.terminate();
    assert!(relay.wait().success());
    assert!(!Path::new(&pid_file).exists(), "which it may still remove");
    let output = launch(&spool, &["--sandbox", "--address-verifier=/bin/true"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("--sandbox: cannot be used with"), "{text}");
}

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
