//! How the processes of the program begin and end, and who is told.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::support::client::{Client, submit};
use crate::support::executable;
use crate::support::process::{
    MESSAGE, ONE_PROCESS, await_end, launch, options, owners, packaged_spool, pid_in, signal,
    signal_all, start, start_by, the_child,
};
use crate::support::program::{PATIENCE, Program, Scratch, program, run};
use crate::support::{skip_unless_root, skip_without};

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
    for name in ["-TERM", "-USR1", "-USR2"] {
        signal_all(&[relay.id(), network], name);
    }
    relay.wait_for("told to stop");
    let reply = client.try_command("hello\r\n.").unwrap();
    assert!(reply.starts_with("250 "), "{reply}");
    assert!(relay.wait().success());
    assert_eq!(owners(&spool).len(), 2);
    assert!(!relay.log().join("\n").contains("told to stop again"));
}

#[test]
fn told_to_reload_while_it_starts_it_does_so_afterwards() {
    let (scratch, other) = (Scratch::new(), Scratch::new());
    let plain = scratch.join("spool");
    fs::create_dir(&plain).unwrap();
    let mut ways = vec![(plain, ONE_PROCESS)];
    if !skip_unless_root() {
        ways.push((packaged_spool(&other), &[]));
    }
    let pid_file = scratch.join("relay.pid");
    for (spool, more) in ways {
        for _ in 0..3 {
            let mut command = Command::new(program());
            command.args(["--no-daemon", "--pid-file", &pid_file]);
            command.args(options(&spool)).args(more);
            let mut relay = Program::spawn_command(command);
            signal(await_pid(&pid_file), "-HUP");
            relay.wait_for("told to reload");
            relay.terminate();
            assert!(relay.wait().success());
        }
    }
}

/// Waits for a number in the pid file.
fn await_pid(path: &str) -> u32 {
    let until = Instant::now() + PATIENCE;
    loop {
        let text = fs::read_to_string(path).unwrap_or_default();
        // Half a number is one as well.
        if let Some(line) = text.strip_suffix('\n') {
            return line.parse().unwrap();
        }
        assert!(Instant::now() < until, "no pid file");
    }
}

// SIGCHLD that is ignored stays so in programs: nobody would know how a filter has ended,
// and the numbers of processes that are to be ended could be those of others.
#[test]
fn who_has_started_it_need_not_wait_for_children() {
    if skip_unless_root() {
        return;
    }
    for user in [ONE_PROCESS, &["--user=daemon"]] {
        let scratch = Scratch::new();
        let spool = packaged_spool(&scratch);
        let mut command = Command::new("env");
        command.arg("--ignore-signal=CHLD").arg(program());
        let options = [user, &["--filter=/bin/true"]].concat();
        let (mut relay, port) = start_by(command, &spool, &options);
        submit(port, "a@b.test", &["c@d.test"], MESSAGE);
        assert_eq!(owners(&spool).len(), 2);
        relay.terminate();
        assert!(relay.wait().success(), "{user:?}");
    }
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
    let told = Instant::now();
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
    // Told once it would wait longer than that for the content.
    assert!(told.elapsed() < std::time::Duration::from_secs(9));
}

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
    let spool = packaged_spool(&scratch);
    for (user, expected) in [
        ("no-such-user", "no such user: no-such-user"),
        ("0:1", "0:1 would be root"),
    ] {
        let option = format!("--user={user}");
        let output = launch(&spool, &[&option]);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(expected), "{text}");
    }
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
        // So rarely that what is told in between is never too much for the socket.
        command.env("WATCHDOG_USEC", "2000000");
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
    let lent = Scratch::new_on_disk();
    fs::set_permissions(lent.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let own = lent.path().join("emailrelay");
    executable::copy(&program(), &own);
    fs::set_permissions(&own, fs::Permissions::from_mode(0o4755)).unwrap();
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&own);
    let output = command.args(options(&scratch.join("x"))).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains("set-user-id") && text.contains("chmod ug-s"),
        "{text}"
    );
    let (help, _, _) = run(&["--help"]);
    assert_eq!(help, 0);
}
