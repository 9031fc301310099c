//! Mail servers of others as the next hop: Exim, which takes CHUNKING and PIPELINING,
//! and OpenSMTPD, which takes neither. (Postfix has a test of its own.)
#![cfg(target_os = "linux")]

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::address::unused;
use crate::support::client::submit;
use crate::support::program::{PATIENCE, Scratch, Server, run};
use crate::support::{skip, skip_without, unpacked};

/// Gives the program the users and folders that it insists on, in a file system view
/// of its own, so that nothing is left in the system.
const START: &str = "\
umask 022 && cd \"$1\" &&
cp /etc/passwd /etc/group . &&
for name in Debian-exim opensmtpd opensmtpq; do
  echo \"$name:x:65533:65533::/nonexistent:/usr/sbin/nologin\" >>passwd
  echo \"$name:x:65533:\" >>group
done &&
mkdir spool && chown 65533:65533 . spool &&
mount --bind passwd /etc/passwd && mount --bind group /etc/group &&
mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/lib &&
mount -t tmpfs tmpfs /var/spool &&
mkdir -p /var/lib/opensmtpd/empty && mkdir -m 711 /var/spool/smtpd &&
shift && exec \"$@\"
";

const EXIM: &str = "\
primary_hostname = exim.test
spool_directory = DIR/spool
log_file_path = DIR/log-%s
pid_file_path = DIR/pid
local_interfaces = HOST
daemon_smtp_ports = PORT
never_users = root
keep_environment =
tls_advertise_hosts =
chunking_advertise_hosts = *
pipelining_advertise_hosts = *
queue_only
acl_smtp_rcpt = check_recipient
acl_smtp_data = accept
begin acl
check_recipient:
  deny local_parts = nobody
  defer local_parts = later
  accept
begin routers
drop:
  driver = redirect
  data = :blackhole:
";

const OPENSMTPD: &str = "\
listen on HOST port PORT
action \"keep\" relay host \"smtp://127.0.0.1:1\"
match from any for domain \"dst.test\" action \"keep\"
";

/// A mail server that was started for a test.
struct NextHop {
    address: SocketAddr,
    program: Child,
    directory: Scratch,
}

impl NextHop {
    /// Nothing where the program is absent or may not be started. What comes before
    /// and after the name of its configuration are `options`.
    fn start(name: &str, configuration: &str, options: [&[&str]; 2]) -> Option<NextHop> {
        let program = installed(name)?;
        let directory = Scratch::new();
        let address = unused();
        let text = configuration
            .replace("DIR", directory.path().to_str().unwrap())
            .replace("HOST", &address.ip().to_string())
            .replace("PORT", &address.port().to_string());
        fs::write(directory.join("conf"), text).unwrap();
        let program = Command::new("unshare")
            .args(["-m", "sh", "-c", START, "sh", &directory.join("")])
            .arg(program)
            .args(options[0])
            .arg(directory.join("conf"))
            .args(options[1])
            .stdin(Stdio::null())
            .stderr(fs::File::create(directory.join("stderr")).unwrap())
            .spawn()
            .unwrap();
        let hop = NextHop {
            address,
            program,
            directory,
        };
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < until, "{name}: {}", hop.said());
            thread::sleep(Duration::from_millis(20));
        }
        Some(hop)
    }

    /// What the program has written to its standard error stream.
    fn said(&self) -> String {
        fs::read_to_string(self.directory.join("stderr")).unwrap()
    }
}

impl Drop for NextHop {
    fn drop(&mut self) {
        let id = self.program.id().to_string();
        let told = Command::new("kill").arg(id).status();
        assert!(told.is_ok_and(|status| status.success()) || thread::panicking());
        let ended = self.program.wait();
        assert!(ended.is_ok() || thread::panicking());
    }
}

/// The program, where `tests/run` has unpacked it or the system has it.
fn installed(name: &str) -> Option<PathBuf> {
    let found = [&unpacked("usr/sbin"), Path::new("/usr/sbin")]
        .map(|folder| folder.join(name))
        .into_iter()
        .find(|path| path.is_file());
    if let Some(library) = found.as_deref().and_then(missing_library) {
        skip(&format!("{name} lacks a library: {library}"));
        return None;
    }
    let may_mount = Command::new("unshare")
        .args(["-m", "mount", "-t", "tmpfs", "tmpfs", "/var/spool"])
        .output();
    if found.is_none() || !may_mount.is_ok_and(|output| output.status.success()) {
        skip(&format!(
            "{name} is not there, or cannot be given folders of its own"
        ));
        return None;
    }
    found
}

/// What the loader says of a library that an unpacked program cannot start without.
fn missing_library(program: &Path) -> Option<String> {
    let output = Command::new("ldd").arg(program).output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = said.lines().find(|line| line.ends_with("not found"))?;
    Some(line.trim().to_owned())
}

#[test]
fn a_program_that_lacks_a_library_is_not_started() {
    let scratch = Scratch::new_on_disk();
    let source = "int main(void) { return 0; }";
    let path = |name: &str| scratch.join(name);
    if skip_without("cc") {
        return;
    }
    fs::write(path("a.c"), source).unwrap();
    let folder = path("");
    for arguments in [
        [
            "-shared",
            "-Wl,-soname,liblacking.so",
            "-o",
            "liblacking.so",
        ],
        ["-Wl,--no-as-needed", "liblacking.so", "-o", "program"],
    ] {
        let mut command = Command::new("cc");
        let status = command
            .arg("a.c")
            .args(arguments)
            .current_dir(&folder)
            .status();
        assert!(status.unwrap().success());
    }
    let missing = missing_library(Path::new(&path("program")));
    assert_eq!(missing.unwrap(), "liblacking.so => not found");
    assert_eq!(missing_library(Path::new("/bin/sh")), None);
}

/// Sends what is in the spool on, and gives the exit status and the log.
fn forward(spool: &Scratch, address: SocketAddr) -> (i32, String) {
    let (status, _, log) = run(&[
        "--as-client",
        &address.to_string(),
        "--spool-dir",
        spool.path().to_str().unwrap(),
        "--domain",
        "relay.test",
        "--verbose",
    ]);
    (status, log)
}

#[test]
fn exim_takes_refuses_and_puts_off() {
    let options: [&[&str]; 2] = [&["-C"], &["-bdf"]];
    let Some(exim) = NextHop::start("exim4", EXIM, options) else {
        return;
    };
    let spool = Scratch::new();
    let server = Server::start(&spool, &[]);
    let submit_to = |recipient: &str| {
        let content = b"Subject: x\r\n\r\n.hello\r\n";
        submit(server.port, "a@src.test", &[recipient], content);
    };
    (0..20).for_each(|_| submit_to("c@dst.test"));
    submit_to("nobody@dst.test");
    submit_to("later@dst.test");
    drop(server);
    let (status, log) = forward(&spool, exim.address);
    assert_eq!(status, 1, "{log}{}", exim.said());
    assert!(log.contains("20 sent, 1 deferred, 1 failed"), "{log}");
    assert!(log.contains("BDAT"), "{log}");
    let accepted = |line: &&str| line.contains("sent message: ") && line.contains("OK id=");
    assert_eq!(log.lines().filter(accepted).count(), 20, "{log}");
    let names = spool.names();
    let count = |end: &str| names.iter().filter(|name| name.ends_with(end)).count();
    let counts = [".envelope", ".envelope.bad", ".content"].map(count);
    assert_eq!(counts, [1, 1, 2], "{names:?}");
}

#[test]
fn opensmtpd_takes_and_refuses() {
    let options: [&[&str]; 2] = [&["-d", "-f"], &[]];
    let Some(opensmtpd) = NextHop::start("smtpd", OPENSMTPD, options) else {
        return;
    };
    let spool = Scratch::new();
    let server = Server::start(&spool, &[]);
    for recipient in ["c@dst.test", "d@dst.test", "c@elsewhere.test"] {
        let content = b"From: a@src.test\r\nSubject: x\r\n\r\n.hello\r\n";
        submit(server.port, "a@src.test", &[recipient], content);
    }
    drop(server);
    let (status, log) = forward(&spool, opensmtpd.address);
    assert_eq!(status, 1, "{log}{}", opensmtpd.said());
    assert!(log.contains("2 sent, 0 deferred, 1 failed"), "{log}");
    let names = spool.names();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.iter().any(|name| name.ends_with(".envelope.bad")));
}
