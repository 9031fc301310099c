//! Where the log goes, and what happens to mail when it goes nowhere.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::client::{Client, submit};
use crate::support::program::{PATIENCE, Program, Scratch, Server, program};
use crate::support::{skip, skip_without};

const MESSAGE: &[u8] = b"Subject: x\r\n\r\nhello\r\n";

/// What comes before the port on which a server listens.
const SERVES: &str = "smtp server on 127.0.0.1:";

/// Waits until the file has that text, and returns what it has.
fn wait_for(path: &str, text: &str) -> String {
    let until = Instant::now() + PATIENCE;
    loop {
        let content = fs::read_to_string(path).unwrap_or_default();
        if content.contains(text) {
            return content;
        }
        assert!(Instant::now() < until, "no {text:?} in {path}: {content}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The port on which a server says in that file that it listens.
fn port_in(path: &str) -> u16 {
    port_before(path, '\n')
}

/// The same where that comes after the number.
fn port_before(path: &str, end: char) -> u16 {
    let until = Instant::now() + PATIENCE;
    loop {
        let text = wait_for(path, SERVES);
        let (_, rest) = text.split_once(SERVES).unwrap();
        // Half a number is one as well.
        if let Some((port, _)) = rest.split_once(end) {
            return port.parse().unwrap();
        }
        assert!(Instant::now() < until, "half a line in {path}: {text}");
    }
}

/// Has a server log lines until some of them are in that file.
fn log_into(path: &str, port: u16) {
    let until = Instant::now() + PATIENCE;
    let is_there = || {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.contains("smtp connection closed")
    };
    while !is_there() {
        assert!(Instant::now() < until, "nothing is logged in {path}");
        submit(port, "a@b.test", &["c@d.test"], MESSAGE);
    }
}

fn command(spool: &Scratch, arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    if !arguments.iter().any(|one| one.starts_with("--user")) {
        command.arg("--user=root");
    }
    command
        .args([
            "--no-daemon",
            "--log",
            "--interface",
            "127.0.0.1",
            "--port",
            "0",
        ])
        .arg("--spool-dir")
        .arg(spool.path())
        .args(arguments);
    command
}

/// A process that is killed at the end of the test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // Gone already, if the test has failed so.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Has a server log more than any pipe or socket holds.
fn fill_the_log(port: u16) {
    for _ in 0..60 {
        let mut client = Client::connect(port);
        for _ in 0..20 {
            client.command(&format!("NOOP {}", "x".repeat(400)));
        }
        client.quit();
    }
}

#[test]
fn the_log_file_replaces_standard_error_and_is_opened_again_on_request() {
    let (spool, logs) = (Scratch::new(), Scratch::new());
    let path = logs.join("log");
    let options = ["--no-syslog", "--close-stderr", "--log-file", &path];
    let relay = Program::spawn_command(command(&spool, &options));
    let port = port_in(&path);
    fs::rename(&path, logs.join("log.1")).unwrap();
    relay.hang_up();
    log_into(&path, port);
    assert!(relay.log().is_empty(), "{:?}", relay.log());
}

#[test]
fn the_log_file_of_the_day_has_its_date() {
    let (spool, logs) = (Scratch::new(), Scratch::new());
    let options = ["--no-syslog", "--log-file", &logs.join("log.%d.%h")];
    let _relay = Program::spawn_command(command(&spool, &options));
    let until = Instant::now() + PATIENCE;
    while logs.names().is_empty() {
        assert!(Instant::now() < until, "no log file");
    }
    let name = logs.names().remove(0);
    let parts: Vec<&str> = name.split('.').collect();
    assert_eq!((parts[1].len(), parts[2].len()), (8, 2), "{name}");
}

#[test]
fn a_log_file_that_cannot_be_opened_is_an_error_at_start() {
    let (spool, logs) = (Scratch::new(), Scratch::new());
    std::os::unix::fs::symlink("/etc/passwd", logs.path().join("link")).unwrap();
    for name in ["missing/log", "link"] {
        let options = ["--no-syslog", "--log-file", &logs.join(name)];
        let output = command(&spool, &options).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(
            text.contains("error: --log-file: cannot open log file: "),
            "{text}"
        );
    }
}

#[test]
fn nobody_reads_standard_error_and_mail_goes_on() {
    let spool = Scratch::new();
    let mut command = command(&spool, &["--no-syslog", "--verbose"]);
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    let mut child = Killed(command.spawn().unwrap());
    let mut stderr = child.0.stderr.take().unwrap();
    let mut text = String::new();
    while !(text.contains("smtp server on ") && text.ends_with('\n')) {
        let mut octet = [0];
        stderr.read_exact(&mut octet).unwrap();
        text.push(char::from(octet[0]));
    }
    let port: u16 = text.trim_end().rsplit(':').next().unwrap().parse().unwrap();
    fill_the_log(port);
    submit(port, "a@b.test", &["c@d.test"], MESSAGE);
    assert_eq!(spool.names().len(), 2);
    // Nor does it wait for ever in the end.
    let process = child.0.id().to_string();
    let told = Command::new("kill").arg(&process).status().unwrap();
    assert!(told.success());
    let until = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.0.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < until, "it does not end");
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(status.success(), "{status}");
}

#[test]
fn json_lines_can_be_read_by_other_programs() {
    if skip_without("python3") {
        return;
    }
    let (spool, logs) = (Scratch::new(), Scratch::new());
    let path = logs.join("log");
    let options = [
        "--no-syslog",
        "--verbose",
        "--log-format",
        "json",
        "--log-file",
        &path,
    ];
    let _relay = Program::spawn_command(command(&spool, &options));
    let port = port_before(&path, '"');
    submit(port, "a@b.test", &["\"q\\\"\"@d.test"], MESSAGE);
    wait_for(&path, "smtp connection closed");
    let script = "import json,sys\nfor l in open(sys.argv[1]):\n o=json.loads(l)\n \
                  assert o['time'] and o['level'] and o['text'], o\n print(o.get('address'))";
    let output = Command::new("python3")
        .args(["-c", script, &path])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        text.contains("127.0.0.1") && text.contains("None"),
        "{text}"
    );
}

#[test]
fn lines_show_what_is_asked_for() {
    let spool = Scratch::new();
    let server = Server::start(&spool, &["--log-format", "address,port,unit"]);
    submit(server.port, "a@b.test", &["c@d.test"], MESSAGE);
    let line = server.program.wait_for("rx<<: \"QUIT\"");
    assert!(line.starts_with("emailrelay: info: 127.0.0.1;"), "{line}");
    let port = line["emailrelay: info: 127.0.0.1;".len()..]
        .split(':')
        .next()
        .unwrap();
    port.parse::<u16>().unwrap();
}

#[test]
fn what_goes_on_inside_is_for_those_who_ask() {
    let spool = Scratch::new();
    let server = Server::start(&spool, &["--debug"]);
    submit(server.port, "a@b.test", &["c@d.test"], MESSAGE);
    server.program.wait_for("emailrelay: debug: ");
}

#[test]
fn a_log_file_that_only_root_may_write_is_opened_again_without_root() {
    let (spool, logs) = (Scratch::new_on_disk(), Scratch::new_on_disk());
    let owned = Command::new("chown")
        .arg("daemon")
        .arg(spool.path())
        .status();
    if !owned.is_ok_and(|status| status.success()) {
        skip("not root");
        return;
    }
    let closed = fs::Permissions::from_mode(0o700);
    fs::set_permissions(logs.path(), closed).unwrap();
    let path = logs.join("log");
    let options = ["--user=daemon", "--no-syslog", "--log-file", &path];
    let relay = Program::spawn_command(command(&spool, &options));
    let port = port_in(&path);
    fs::rename(&path, logs.join("log.1")).unwrap();
    relay.hang_up();
    // A line is needed for somebody to see that the file is another.
    log_into(&path, port);
}

/// A folder that takes the place of /dev for one process, with a socket for the
/// system log in it.
fn devices(scratch: &Scratch) -> Option<UnixDatagram> {
    let null = Command::new("mknod")
        .args([&scratch.join("null"), "c", "1", "3"])
        .status();
    if !null.is_ok_and(|status| status.success()) {
        skip("not allowed to make devices");
        return None;
    }
    Some(UnixDatagram::bind(scratch.path().join("log")).unwrap())
}

/// The command, among other devices.
fn among(devices: &Scratch, spool: &Scratch, arguments: &[&str]) -> Command {
    let script = "mount --bind \"$0\" /dev && exec \"$@\"";
    let mut outer = Command::new("unshare");
    outer
        .args(["--mount", "sh", "-c", script])
        .arg(devices.path());
    let inner = command(spool, arguments);
    outer.arg(inner.get_program()).args(inner.get_args());
    outer
}

#[test]
fn the_system_log_gets_messages_and_may_come_and_go() {
    if skip_without("unshare") {
        return;
    }
    let (folder, spool, logs) = (
        Scratch::new_on_disk(),
        Scratch::new_on_disk(),
        Scratch::new_on_disk(),
    );
    let Some(daemon) = devices(&folder) else {
        return;
    };
    let path = logs.join("log");
    let options = ["--syslog=local3", "--log-file", &path];
    let _relay = Program::spawn_command(among(&folder, &spool, &options));
    let port = port_in(&path);
    daemon.set_read_timeout(Some(PATIENCE)).unwrap();
    let receive = |daemon: &UnixDatagram| {
        let mut buffer = [0; 2000];
        let octets = daemon.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..octets]).into_owned()
    };
    let mut message = receive(&daemon);
    while !message.contains("smtp server on ") {
        message = receive(&daemon);
    }
    assert!(message.starts_with("<158>"), "{message}");
    assert!(
        message.contains("]: emailrelay: info: smtp server on "),
        "{message}"
    );
    // The daemon is started again.
    drop(daemon);
    fs::remove_file(folder.path().join("log")).unwrap();
    submit(port, "a@b.test", &["c@d.test"], MESSAGE);
    let daemon = UnixDatagram::bind(folder.path().join("log")).unwrap();
    daemon
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    let until = Instant::now() + PATIENCE;
    loop {
        submit(port, "a@b.test", &["c@d.test"], MESSAGE);
        let mut buffer = [0; 2000];
        if daemon.recv(&mut buffer).is_ok() {
            break;
        }
        assert!(Instant::now() < until, "the system log is not found again");
    }
}

#[test]
fn a_system_log_that_takes_nothing_keeps_no_mail_back() {
    if skip_without("unshare") {
        return;
    }
    let (folder, spool, logs) = (
        Scratch::new_on_disk(),
        Scratch::new_on_disk(),
        Scratch::new_on_disk(),
    );
    // It never reads.
    let Some(_daemon) = devices(&folder) else {
        return;
    };
    let path = logs.join("log");
    let options = ["--syslog", "--verbose", "--log-file", &path];
    let _relay = Program::spawn_command(among(&folder, &spool, &options));
    let port = port_in(&path);
    fill_the_log(port);
    submit(port, "a@b.test", &["c@d.test"], MESSAGE);
    assert_eq!(spool.names().len(), 2);
}
