//! Who the processes are and what they may do, started by root and by others.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::support::client::{Client, submit};
use crate::support::executable;
use crate::support::process::{
    DAEMON, MESSAGE, PKI, assert_powerless, await_end, children, launch, options, owners,
    packaged_spool, pid_in, port_of, signal, skip_without_landlock, start, start_by, status,
    the_child,
};
use crate::support::program::{PATIENCE, Program, Scratch, program};
use crate::support::{skip_unless_root, skip_without};

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
    let lead_to = |process, what: &str| {
        let folder = fs::read_dir(format!("/proc/{process}/fd")).unwrap();
        let links = folder.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
        links
            .filter(|link| link.to_string_lossy().starts_with(what))
            .count()
    };
    assert_eq!(
        lead_to(monitor, "socket:"),
        4,
        "its ends of two pairs, and a pair of its own"
    );
    // The file and its folder: nobody else may say whom a signal is for.
    let folder = scratch.join("run");
    assert_eq!([monitor, network].map(|one| lead_to(one, &folder)), [2, 0]);
    let lock = fs::File::open(&pid_file).unwrap().try_lock();
    assert!(matches!(lock, Err(fs::TryLockError::WouldBlock)));
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
    executable::copy(&program(), own.as_ref());
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
    // Nobody's other processes, such as filters, cannot look into it.
    let memory = fs::metadata(format!("/proc/{}/mem", relay.id())).unwrap();
    assert_eq!(memory.uid(), 0);
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
    let seen = scratch.join("seen");
    fs::write(&seen, "").unwrap();
    fs::set_permissions(&seen, fs::Permissions::from_mode(0o666)).unwrap();
    let text = format!("cat /proc/$$/status >{seen}\nexit 0\n");
    let verifier = executable::script(&scratch, "verify", &text);
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
