//! The static program: that it is one, and what it does where there is nothing else.
//! `packaging/static` builds it.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use crate::support::client::{Client, submit};
use crate::support::executable;
use crate::support::name_server::Dnsmasq;
use crate::support::network::{ADDRESSES, in_private_network};
use crate::support::pop::Pop;
use crate::support::program::{Program, Scratch, names, program};
use crate::support::secure::{pki_text, skip_without_tls, trusting};
use crate::support::sink::Sink;
use crate::support::{skip, skip_without};

const MESSAGE: &[u8] = b"Subject: x\r\n\r\nhello\r\n";
const PORT: u16 = 2525;
const POP_PORT: u16 = 2110;

/// A time zone that is in no file, and what a date in it ends in.
const ZONE: (&str, &str) = ("XXX-13:45", "+1345");

/// Has the C library, and the program itself, ask this host.
const RESOLVER: (&str, &str) = ("etc/resolv.conf", "nameserver 127.0.0.1\n");

/// A user and a group that no list has.
const NOBODY: u32 = 10_025;

/// Whether one of the files that cargo made it from has been changed since.
fn is_outdated(program: &Path) -> bool {
    let changed = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
    let built = changed(program);
    let list = fs::read_to_string(program.with_extension("d")).unwrap_or_default();
    let (_, sources) = list.split_once(": ").unwrap_or_default();
    let mut sources = sources.split_whitespace().map(Path::new);
    list.is_empty() || sources.any(|source| changed(source).is_none_or(|at| Some(at) > built))
}

#[test]
fn a_build_from_other_sources_does_not_count() {
    let scratch = Scratch::new();
    let path = |name: &str| scratch.path().join(name);
    let at = |name: &str, seconds: u64| {
        let file = fs::File::options()
            .append(true)
            .create(true)
            .open(path(name))
            .unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds))
            .unwrap();
    };
    for name in ["emailrelay", "a.rs", "b.rs"] {
        at(name, 1000);
    }
    assert!(is_outdated(&path("emailrelay")));
    let list = ["emailrelay:", "a.rs", "b.rs"].map(|name| scratch.join(name));
    fs::write(path("emailrelay.d"), list.join(" ")).unwrap();
    assert!(!is_outdated(&path("emailrelay")));
    at("b.rs", 1001);
    assert!(is_outdated(&path("emailrelay")));
    fs::remove_file(path("b.rs")).unwrap();
    assert!(is_outdated(&path("emailrelay")));
}

/// The program as it was built last; nothing, which is noted, where it was not, or from
/// other sources.
fn static_program() -> Option<PathBuf> {
    let target = program().parent().unwrap().parent().unwrap().to_owned();
    let folder = target.join("x86_64-unknown-linux-musl");
    let builds = ["release", "small"].map(|profile| folder.join(profile).join("emailrelay"));
    let built = |path: &PathBuf| fs::metadata(path).and_then(|file| file.modified()).ok();
    let found = builds
        .into_iter()
        .filter(|path| path.is_file())
        .max_by_key(built);
    let found = found.filter(|path| !is_outdated(path));
    if found.is_none() {
        skip("there is no static build of these sources");
    }
    found
}

/// A little-endian number of so many octets.
fn number(octets: &[u8], at: usize, length: usize) -> u64 {
    let octets = octets[at..at + length].iter().rev();
    octets.fold(0, |number, octet| number << 8 | u64::from(*octet))
}

/// What the headers of an ELF file of 64 bits say.
#[derive(Debug, Default, PartialEq)]
struct Elf {
    /// It is loaded anywhere (`ET_DYN`).
    has_no_place: bool,
    /// Another program loads it (`PT_INTERP`).
    has_interpreter: bool,
    /// How many libraries it needs (`DT_NEEDED`).
    libraries: usize,
    /// Its stack may hold code (`PT_GNU_STACK` with `PF_X`).
    runs_from_the_stack: bool,
    /// What is relocated is read-only afterwards (`PT_GNU_RELRO`).
    is_sealed: bool,
}

fn elf(path: &Path) -> Elf {
    let file = fs::read(path).unwrap();
    assert_eq!(file[..6], *b"\x7fELF\x02\x01", "{}", path.display());
    let index = |number: u64| usize::try_from(number).unwrap();
    let mut found = Elf {
        has_no_place: number(&file, 16, 2) == 3,
        ..Elf::default()
    };
    let (table, size) = (number(&file, 32, 8), number(&file, 54, 2));
    for entry in 0..number(&file, 56, 2) {
        let header = &file[index(table + entry * size)..];
        let (offset, octets) = (index(number(header, 8, 8)), index(number(header, 32, 8)));
        match number(header, 0, 4) {
            2 => {
                let section = file[offset..offset + octets].chunks(16);
                found.libraries += section.filter(|entry| number(entry, 0, 8) == 1).count();
            }
            3 => found.has_interpreter = true,
            0x6474_e551 => found.runs_from_the_stack = number(header, 4, 4) & 1 != 0,
            0x6474_e552 => found.is_sealed = true,
            _ => {}
        }
    }
    found
}

#[test]
fn it_needs_no_other_file() {
    let Some(program) = static_program() else {
        return;
    };
    let expected = Elf {
        has_no_place: true,
        is_sealed: true,
        ..Elf::default()
    };
    assert_eq!(elf(&program), expected);
    // These tests, on the other hand, have a loader that finds libraries for them.
    let own = elf(&std::env::current_exe().unwrap());
    if cfg!(target_env = "gnu") {
        assert!(own.has_interpreter && own.libraries > 0, "{own:?}");
    }
}

/// A folder that is all that the program sees.
struct Root(Scratch);

impl Root {
    /// With the program, a spool, and these files.
    fn new(program: &Path, files: &[(&str, &str)]) -> Root {
        let root = Root(Scratch::new_on_disk());
        executable::copy(program, &root.path("emailrelay"));
        fs::create_dir(root.path("spool")).unwrap();
        chown(root.path("spool"), Some(NOBODY), Some(NOBODY)).unwrap();
        for (name, content) in files {
            let path = root.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        root
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("chroot");
        command.arg(self.0.path()).arg("/emailrelay");
        command.args(["--log", "--verbose", "--log-time", "--no-syslog"]);
        command.args(["--domain", "relay.test", "--spool-dir", "/spool"]);
        command.args(["--port", &PORT.to_string(), "--interface", "127.0.0.1,::1"]);
        command.args(arguments).env_clear();
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("TZ", ZONE.0);
        command
    }

    /// Starts a server as a user that nobody has heard of.
    fn serve(&self, arguments: &[&str]) -> Program {
        let user = format!("--user={NOBODY}:{NOBODY}");
        let all = [arguments, &["--no-daemon", &user]].concat();
        let relay = Program::spawn_command(self.command(&all));
        relay.wait_for("smtp server on ::1.");
        relay
    }
}

/// Runs a test where there are networks and roots of one's own.
fn with_program(test: impl FnOnce(&Path)) {
    let Some(program) = static_program() else {
        return;
    };
    if !skip_without("unshare") && !skip_without("chroot") {
        in_private_network(|| test(&program));
    }
}

#[test]
fn mail_comes_in_over_both_protocols_and_is_read_by_pop() {
    if skip_without_tls() {
        return;
    }
    with_program(|program| {
        let certificate = fs::read_to_string(pki_text("server-all.pem")).unwrap();
        let secrets = "server plain alice secret\n";
        let root = Root::new(program, &[("tls.pem", &certificate), ("auth", secrets)]);
        let pop = format!("--pop-port={POP_PORT}");
        let relay = root.serve(&[
            "--server-tls",
            "--server-tls-certificate=/tls.pem",
            "--pop",
            &pop,
            "--pop-auth=/auth",
        ]);
        let mut client = Client::connect_tls(PORT, &trusting(""));
        client.hello();
        client.send("a@b.test", &["c@d.test"], MESSAGE);
        client.quit();
        let (mut client, greeting) = Client::open_at(("::1", PORT)).unwrap();
        assert!(greeting.starts_with("220 "), "{greeting}");
        client.hello();
        client.send("a@b.test", &["c@d.test"], MESSAGE);
        client.quit();
        let mut pop = Pop::open(POP_PORT).unwrap().0;
        pop.ok("USER alice");
        pop.ok("PASS secret");
        assert_eq!(pop.lines("LIST").len(), 2);
        let content = String::from_utf8(pop.many("RETR 1")).unwrap();
        let received = content.split("Subject:").next().unwrap();
        assert!(received.trim_end().ends_with(ZONE.1), "{content}");
        pop.ok("DELE 1");
        pop.quit();
        relay.wait_for("pop connection closed");
        let spool = root.path("spool");
        let left = names(&spool);
        assert_eq!(left.len(), 2, "{left:?}");
        for name in left {
            let metadata = fs::metadata(spool.join(name)).unwrap();
            assert_eq!((metadata.uid(), metadata.gid()), (NOBODY, NOBODY));
        }
    });
}

#[test]
fn a_daemon_needs_no_devices_and_a_default_user_is_told_of() {
    with_program(|program| {
        let root = Root::new(program, &[("pid/.keep", "")]);
        let (log, pid) = ("--log-file=/spool/log", "--pid-file=/pid/relay");
        let output = root.command(&[]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains("no such user: daemon"), "{text}");
        assert!(text.contains("two numbers"), "{text}");
        let user = format!("--user={NOBODY}:{NOBODY}");
        let started = root.command(&["--as-server", &user, log, pid]).status();
        assert!(started.unwrap().success());
        let monitor = fs::read_to_string(root.path("pid/relay")).unwrap();
        submit(PORT, "a@b.test", &["c@d.test"], MESSAGE);
        let mut kill = Command::new("kill");
        assert!(kill.arg(monitor.trim()).status().unwrap().success());
    });
}

/// Has a message sent that is forwarded to this host by that name.
fn forwards(program: &Path, host: &str, file: (&str, &str)) {
    let sink = Sink::start();
    let root = Root::new(program, &[file]);
    let next_hop = format!("--forward-to={host}:{}", sink.port);
    let relay = root.serve(&[&next_hop, "--forward-on-disconnect"]);
    submit(PORT, "a@b.test", &["c@dst.test"], MESSAGE);
    relay.wait_for("forwarding: 1 sent");
    assert_eq!(sink.wait_for(1)[0].forward_paths, ["c@dst.test"]);
}

#[test]
fn next_hops_are_found_by_name() {
    if skip_without("/usr/sbin/dnsmasq") {
        return;
    }
    with_program(|program| {
        let hosts = ("etc/hosts", "127.0.0.1 next.hosts\n");
        forwards(program, "next.hosts", hosts);
        // A record of the host, so that there is an answer for its IPv6 addresses as
        // well: that there are none.
        let _name_server = Dnsmasq::start_for_the_system(&["--host-record=next.test,127.0.0.1"]);
        forwards(program, "next.test", RESOLVER);
    });
}

#[test]
fn exchanges_are_found_by_the_system_s_name_server() {
    if skip_without("/usr/sbin/dnsmasq") {
        return;
    }
    with_program(|program| {
        let _name_server = Dnsmasq::start_for_the_system(&[
            "--host-record=mx.dst.test,192.0.2.7",
            "--mx-host=dst.test,mx.dst.test,10",
        ]);
        let root = Root::new(program, &[RESOLVER]);
        let _relay = root.serve(&["--filter=split:2626,mx:", "--filter-timeout=60"]);
        submit(PORT, "a@b.test", &["c@dst.test"], MESSAGE);
        let spool = root.path("spool");
        let found = names(&spool);
        let envelope = found.iter().find(|name| name.ends_with(".envelope"));
        let text = fs::read_to_string(spool.join(envelope.unwrap())).unwrap();
        let expected = "X-MailRelay-ForwardToAddress: 192.0.2.7:2626";
        assert!(text.contains(expected), "{text}");
    });
}

#[test]
fn clients_are_looked_up_in_block_lists() {
    if skip_without("/usr/sbin/dnsmasq") {
        return;
    }
    with_program(|program| {
        let _name_server =
            Dnsmasq::start_for_the_system(&["--address=/1.2.0.192.bl.test/127.0.0.2"]);
        let root = Root::new(program, &[RESOLVER]);
        let [listed, other, ..] = ADDRESSES;
        let open = format!("--interface={listed},{other}");
        let _relay = root.serve(&["-r", "--dnsbl=bl.test", &open]);
        for (address, code) in [(listed, "554 "), (other, "220 ")] {
            let (_client, greeting) = Client::open_at((address, PORT)).unwrap();
            assert!(greeting.starts_with(code), "{address}: {greeting}");
        }
    });
}

#[test]
fn it_runs_as_the_container_file_has_it() {
    if skip_without("setpriv") {
        return;
    }
    with_program(|program| {
        let root = Root::new(program, &[("var/spool/emailrelay/.keep", "")]);
        let script = "set -e; mount --bind \"$1\" \"$1\"; mount -o remount,bind,ro \"$1\"; \
                      mount --bind \"$1/spool\" \"$1/var/spool/emailrelay\"; \
                      mount -o remount,bind,rw \"$1/var/spool/emailrelay\"; \
                      exec setpriv --reuid 10025 --regid 10025 --clear-groups --bounding-set \
                      -all,+sys_chroot --inh-caps +sys_chroot --ambient-caps +sys_chroot \
                      chroot \"$1\" /emailrelay";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script, "sh"]);
        command.arg(root.0.path());
        let container = include_str!("../packaging/container/Containerfile");
        assert!(container.contains("\nUSER 10025:10025\n"));
        assert!(container.contains("\nENTRYPOINT [\"/emailrelay\"]\n"));
        let lines = container.lines().filter(|line| !line.starts_with('#'));
        let settings = lines.flat_map(str::split_whitespace).filter_map(|word| {
            word.starts_with("EMAILRELAY_OPTION_")
                .then(|| word.split_once('='))?
        });
        command.envs(settings);
        let relay = Program::spawn_command(command);
        relay.wait_for("smtp server on ");
        submit(PORT, "a@b.test", &["c@d.test"], MESSAGE);
        assert_eq!(names(&root.path("spool")).len(), 2);
    });
}
