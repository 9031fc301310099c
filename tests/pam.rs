//! Clients whose passwords PAM checks. Rules and passwords are the test's own, but for
//! one account that the system has for the time of a test.
#![cfg(all(target_os = "linux", feature = "pam"))]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use emailrelay::base::base64;
use emailrelay::sys::pam::{CHECKS_MAX, REFUSAL_MIN};

use crate::support::client::Client;
use crate::support::executable;
use crate::support::pop::Pop;
use crate::support::process::{
    DAEMON, MESSAGE, ONE_PROCESS, assert_powerless, children, packaged_spool, port_of, signal,
    skip_without_landlock, start_by, status, the_child,
};
use crate::support::program::{PATIENCE, Program, Scratch, program, run};
use crate::support::{skip, skip_unless_root, skip_without};

/// What is in no log, argument or environment.
const PASSWORD: &str = "Xyzzy-Plugh";

/// A program that asks PAM by rules of the test.
struct Relay {
    program: Program,
    smtp: u16,
    pop: u16,
    spool: String,
    _scratch: Scratch,
}

impl Relay {
    fn start(rules: &str, more: &[&str]) -> Relay {
        Relay::start_in(Scratch::new_on_disk(), rules, more)
    }

    fn start_in(scratch: Scratch, rules: &str, more: &[&str]) -> Relay {
        let folder = scratch.join("pam.d");
        fs::create_dir(&folder).unwrap();
        if !rules.is_empty() {
            fs::write(format!("{folder}/emailrelay"), rules).unwrap();
        }
        let mut command = Command::new(program());
        command
            .env("LD_PRELOAD", interposer())
            .env("PAM_RULES", folder);
        Relay::start_by(command, scratch, more)
    }

    fn start_by(command: Command, scratch: Scratch, more: &[&str]) -> Relay {
        let spool = packaged_spool(&scratch);
        let fixed = [
            "--server-auth=pam:",
            "--pop",
            "--pop-auth=pam:",
            "--pop-port=0",
        ];
        let all = [&fixed[..], more].concat();
        let (program, smtp) = start_by(command, &spool, &all);
        let pop = port_of(&program.wait_for("pop server on "));
        Relay {
            program,
            smtp,
            pop,
            spool,
            _scratch: scratch,
        }
    }

    fn hello(&self) -> Client {
        let mut client = Client::connect(self.smtp);
        client.hello();
        client
    }

    /// The last reply to a login by SMTP.
    fn smtp(&self, user: &str, password: &str) -> String {
        self.hello().command(&plain(user, password))
    }

    /// The response to a login by POP.
    fn pop(&self, user: &str, password: &str) -> String {
        let (mut pop, _) = Pop::open(self.pop).unwrap();
        pop.ok(&format!("USER {user}"));
        pop.say(&format!("PASS {password}"))
    }

    fn assert_silent(&self) {
        let log = self.program.log().join("\n");
        for secret in [PASSWORD, &base64(&format!("\0alice\0{PASSWORD}"))] {
            assert!(!log.contains(secret), "{secret} in {log}");
        }
    }
}

fn base64(text: &str) -> String {
    String::from_utf8(base64::encode(text.as_bytes())).unwrap()
}

fn plain(user: &str, password: &str) -> String {
    format!("AUTH PLAIN {}", base64(&format!("\0{user}\0{password}")))
}

/// What has PAM read the rules of a test.
fn interposer() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let built = folder.join("pam_start.so");
        let new = folder.join(format!("pam_start.{}.so", std::process::id()));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/pam_start.c");
        let mut command = Command::new("cc");
        command
            .args(["-shared", "-fPIC", source, "-lpam", "-o"])
            .arg(&new);
        assert!(command.status().unwrap().success());
        fs::rename(new, &built).unwrap();
        built
    })
}

/// A module that has names, passwords and services from a file.
fn matrix() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib")
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let module = |folder: PathBuf| folder.join("pam_wrapper/pam_matrix.so");
    let found = folders.map(module).find(|module| module.exists());
    if found.is_none() {
        skip("no pam_matrix.so, as libpam-wrapper is not installed");
    }
    found
}

/// Rules by which these users have that password, and more lines.
fn passwords(scratch: &Scratch, users: &[&str]) -> Option<String> {
    let module = matrix()?;
    let path = scratch.join("passdb");
    let line = |user: &&str| format!("{user}:{PASSWORD}:emailrelay\n");
    fs::write(&path, users.iter().map(line).collect::<String>()).unwrap();
    // The checks of those who are not root read it, too.
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let module = module.display();
    Some(format!(
        "auth required {module} passdb={path}\naccount required {module} passdb={path}\n"
    ))
}

/// Whether the tests cannot run here.
fn cannot_run() -> bool {
    skip_unless_root() || skip_without("cc")
}

const PERMIT: &str = "auth required pam_permit.so\naccount required pam_permit.so\n";

#[test]
fn smtp_clients_log_in_with_what_pam_says() {
    let scratch = Scratch::new_on_disk();
    let Some(rules) = passwords(&scratch, &["alice"]) else {
        return;
    };
    if cannot_run() {
        return;
    }
    let relay = Relay::start_in(scratch, &rules, &[]);
    assert_powerless(the_child(relay.program.id()));
    assert_eq!(status(relay.program.id(), "Uid:"), "0 0 0 0");
    let mut client = Client::connect(relay.smtp);
    let hello = client.expect("EHLO client.test", "250");
    assert!(hello.contains("250-AUTH PLAIN LOGIN"), "{hello}");
    client.expect("MAIL FROM:<a@b.test>", "530 ");
    client.expect("AUTH CRAM-MD5", "504 ");
    client.expect(&plain("alice", PASSWORD), "235 ");
    client.send("a@b.test", &["c@d.test"], MESSAGE);
    client.quit();
    let mut client = relay.hello();
    client.expect("AUTH LOGIN", "334 VXNlcm5hbWU6");
    client.expect(&base64("alice"), "334 UGFzc3dvcmQ6");
    client.expect(&base64(PASSWORD), "235 ");
    client.quit();
    let asked = Instant::now();
    assert!(relay.smtp("alice", "wrong").starts_with("535 "));
    assert!(asked.elapsed() >= REFUSAL_MIN);
    assert!(relay.smtp("bob", PASSWORD).starts_with("535 "));
    relay.program.wait_for(
        "failed authentication of remote client using mechanism [plain] and pam account [bob]: \
         pam error: pam_authenticate: ",
    );
    relay.program.wait_for(
        "successful authentication of remote client using mechanism [plain] and pam account \
         [alice]",
    );
    let envelopes = fs::read_dir(&relay.spool)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut envelopes = envelopes.filter(|path| path.to_string_lossy().contains(".envelope"));
    let envelope = fs::read_to_string(envelopes.next().unwrap()).unwrap();
    assert!(
        envelope.contains("X-MailRelay-Authentication: alice\r\n"),
        "{envelope}"
    );
    relay.assert_silent();
}

#[test]
fn pop_clients_log_in_with_what_pam_says() {
    let scratch = Scratch::new_on_disk();
    let Some(rules) = passwords(&scratch, &["alice", "../escaped", "."]) else {
        return;
    };
    if cannot_run() {
        return;
    }
    let escaped = scratch.join("escaped");
    fs::create_dir(&escaped).unwrap();
    chown(&escaped, Some(DAEMON), Some(DAEMON)).unwrap();
    let relay = Relay::start_in(scratch, &rules, &["--pop-by-name"]);
    let (mut pop, greeting) = Pop::open(relay.pop).unwrap();
    assert!(!greeting.contains('<'), "no APOP: {greeting}");
    let capabilities = pop.lines("CAPA");
    assert!(capabilities.contains(&"USER".to_owned()));
    assert!(
        capabilities.contains(&"SASL PLAIN LOGIN".to_owned()),
        "{capabilities:?}"
    );
    pop.ok("USER alice");
    pop.ok(&format!("PASS {PASSWORD}"));
    pop.ok("STAT");
    pop.quit();
    assert!(Path::new(&relay.spool).join("alice").is_dir());
    let (mut pop, _) = Pop::open(relay.pop).unwrap();
    pop.ok(&plain("alice", PASSWORD));
    pop.quit();
    assert!(relay.pop("alice", "wrong").starts_with("-ERR"));
    // They are who they say, but have no mailbox of that name.
    for user in ["../escaped", "."] {
        let (mut pop, _) = Pop::open(relay.pop).unwrap();
        pop.ok(&format!("USER {user}"));
        let response = pop.say(&format!("PASS {PASSWORD}"));
        assert!(response.starts_with("-ERR"), "{user}: {response}");
    }
    assert_eq!(fs::read_dir(&escaped).unwrap().count(), 0);
    relay.assert_silent();
}

#[test]
fn swaks_and_curl_log_in() {
    let scratch = Scratch::new_on_disk();
    let Some(rules) = passwords(&scratch, &["alice"]) else {
        return;
    };
    if cannot_run() || skip_without("swaks") || skip_without("curl") {
        return;
    }
    let relay = Relay::start_in(scratch, &rules, &[]);
    for (mechanism, password, status) in [
        ("PLAIN", PASSWORD, 0),
        ("LOGIN", PASSWORD, 0),
        ("PLAIN", "wrong", 28),
    ] {
        let mut swaks = Command::new("swaks");
        swaks.args(["--server", "127.0.0.1", "--port", &relay.smtp.to_string()]);
        swaks.args([
            "--from", "a@b.test", "--to", "c@d.test", "--auth", mechanism,
        ]);
        swaks.args(["--auth-user", "alice", "--auth-password", password]);
        let output = swaks.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(status), "{mechanism}: {text}");
    }
    // What has come in is there for POP.
    let curl = |user: &str| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--max-time", "60", "--user", user]);
        curl.arg(format!("pop3://127.0.0.1:{}/", relay.pop));
        curl.output().unwrap()
    };
    let output = curl(&format!("alice:{PASSWORD}"));
    assert_eq!(
        output
            .stdout
            .iter()
            .filter(|octet| **octet == b'\n')
            .count(),
        2,
        "{output:?}"
    );
    assert_eq!(curl("alice:wrong").status.code(), Some(67), "login denied");
    relay.assert_silent();
}

#[test]
fn accounts_that_may_not_be_used_are_refused() {
    if cannot_run() {
        return;
    }
    for (rules, reason) in [
        (
            "auth required pam_deny.so\naccount required pam_permit.so\n",
            "pam_authenticate: 7: ",
        ),
        (
            "auth required pam_permit.so\naccount required pam_deny.so\n",
            "pam_acct_mgmt: 7: ",
        ),
    ] {
        let relay = Relay::start(rules, &[]);
        let reply = relay.smtp("alice", PASSWORD);
        assert!(reply.starts_with("535 5.7.8"), "{reply}");
        relay
            .program
            .wait_for(&format!("[alice]: pam error: {reason}"));
    }
}

#[test]
fn faults_of_pam_are_temporary_failures() {
    if cannot_run() {
        return;
    }
    for (rules, reason) in [
        ("", "pam error: pam_start: 26: "),
        (
            "auth required /no/such/module.so\n",
            "pam error: pam_authenticate: 28: ",
        ),
        // It asks for what nobody has been asked.
        (
            "auth [default=die] pam_debug.so auth=authinfo_unavail\n",
            "pam error: pam_authenticate: 9: ",
        ),
    ] {
        let relay = Relay::start(rules, &[]);
        let mut client = relay.hello();
        client.expect(&plain("alice", PASSWORD), "454 4.7.0");
        client.expect("NOOP", "250 ");
        let (mut pop, _) = Pop::open(relay.pop).unwrap();
        pop.ok("USER alice");
        pop.err(&format!("PASS {PASSWORD}"));
        pop.ok("CAPA");
        relay.program.wait_for_nth(reason, 2);
        relay.assert_silent();
    }
}

#[test]
fn modules_are_told_where_clients_are_and_who_asks() {
    if cannot_run() {
        return;
    }
    let scratch = Scratch::new_on_disk();
    let told = scratch.join("told");
    let text = format!("echo \"$PAM_SERVICE $PAM_USER $PAM_RHOST\" >{told}\nenv >>{told}\n");
    let script = executable::script(&scratch, "tell", &text);
    let rules = format!("auth required pam_exec.so quiet {script}\n{PERMIT}");
    let relay = Relay::start_in(scratch, &rules, &[]);
    assert!(relay.smtp("alice", PASSWORD).starts_with("235 "));
    let told = fs::read_to_string(told).unwrap();
    assert_eq!(told.lines().next(), Some("emailrelay alice 127.0.0.1"));
    assert!(!told.contains(PASSWORD), "{told}");
}

/// Rules by which a check takes so many seconds.
fn slow(seconds: u32) -> String {
    format!("auth required pam_exec.so quiet /bin/sleep {seconds}\n{PERMIT}")
}

/// Waits until so many checks are at it.
fn await_checks(relay: &Relay, network: u32, count: usize) -> Vec<u32> {
    let until = Instant::now() + PATIENCE;
    loop {
        let mut checks = children(relay.program.id());
        checks.retain(|child| *child != network);
        if checks.len() == count {
            return checks;
        }
        assert!(checks.len() <= CHECKS_MAX, "{checks:?}");
        assert!(Instant::now() < until, "{checks:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn slow_checks_keep_nobody_waiting_and_are_limited() {
    if cannot_run() {
        return;
    }
    let scratch = Scratch::new_on_disk();
    let allowed = scratch.join("allowed");
    let text = format!("until [ -e {allowed} ]; do /bin/sleep 0.1; done\n");
    let script = executable::script(&scratch, "wait", &text);
    let rules = format!("auth required pam_exec.so quiet {script}\n{PERMIT}");
    let relay = Relay::start_in(scratch, &rules, &[]);
    let network = the_child(relay.program.id());
    let mut clients: Vec<Client> = (0..CHECKS_MAX + 3).map(|_| relay.hello()).collect();
    for client in &mut clients {
        client
            .write(format!("{}\r\n", plain("alice", PASSWORD)).as_bytes())
            .unwrap();
    }
    await_checks(&relay, network, CHECKS_MAX);
    // Others are served while no check has ended, and the monitor does its other work.
    let mut other = relay.hello();
    (0..100).for_each(|_| drop(other.expect("NOOP", "250 ")));
    relay.program.hang_up();
    relay.program.wait_for("told to reload");
    let log = relay.program.log().join("\n");
    assert!(!log.contains("successful authentication"), "{log}");
    fs::write(allowed, "").unwrap();
    for client in &mut clients {
        let reply = client.reply().unwrap();
        assert!(reply.starts_with("235 "), "{reply}");
    }
}

#[test]
fn a_check_that_is_killed_is_a_temporary_failure() {
    if cannot_run() {
        return;
    }
    let relay = Relay::start(&slow(60), &[]);
    let network = the_child(relay.program.id());
    let (mut client, check, program) = slow_check(&relay, network);
    // It has nothing of the monitor's, and nobody can see what it was asked.
    let open = fs::read_dir(format!("/proc/{}/fd", check)).unwrap().count();
    assert!(open <= 6, "{open} descriptors");
    for file in ["cmdline", "environ"] {
        let text = fs::read(format!("/proc/{}/{file}", check)).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains(PASSWORD), "{file}");
    }
    signal(check, "-KILL");
    let reply = client.reply().unwrap();
    assert!(reply.starts_with("454 "), "{reply}");
    relay
        .program
        .wait_for("pam error: no answer: the check took too long or broke off");
    client.expect("NOOP", "250 ");
    await_checks(&relay, network, 0);
    // Who kills a check has to kill what that has started.
    signal(program, "-KILL");
}

/// A client that waits for a check, the check, and what that has started.
fn slow_check(relay: &Relay, network: u32) -> (Client, u32, u32) {
    let mut client = relay.hello();
    client
        .write(format!("{}\r\n", plain("alice", PASSWORD)).as_bytes())
        .unwrap();
    let check = await_checks(relay, network, 1)[0];
    let until = Instant::now() + PATIENCE;
    loop {
        // It has a session of its own by then.
        let name = |process| fs::read_to_string(format!("/proc/{process}/comm"));
        if let [program] = children(check)[..]
            && name(program).is_ok_and(|name| name == "sleep\n")
        {
            return (client, check, program);
        }
        assert!(Instant::now() < until, "it has started nothing");
    }
}

#[test]
fn checks_end_with_the_program() {
    if cannot_run() {
        return;
    }
    for kills_monitor in [true, false] {
        // Longer than the patience of what waits for its end.
        let mut relay = Relay::start(&slow(600), &[]);
        let network = the_child(relay.program.id());
        let (_client, check, program) = slow_check(&relay, network);
        match kills_monitor {
            true => relay.program.kill(),
            false => signal(network, "-KILL"),
        }
        crate::support::process::await_end(network);
        crate::support::process::await_end(check);
        match kills_monitor {
            // Nobody is left who could end it.
            true => signal(program, "-KILL"),
            false => crate::support::process::await_end(program),
        }
    }
}

#[test]
fn told_to_stop_it_ends_checks_and_what_they_have_started() {
    if cannot_run() {
        return;
    }
    let mut relay = Relay::start(&slow(600), &[]);
    let network = the_child(relay.program.id());
    let (mut client, check, program) = slow_check(&relay, network);
    relay.program.terminate();
    let reply = client.reply().unwrap();
    assert!(reply.starts_with("421 "), "{reply}");
    drop(client);
    assert!(relay.program.wait().success());
    for process in [check, program] {
        crate::support::process::await_end(process);
    }
}

#[test]
fn pam_is_asked_from_the_sandbox_and_by_one_user_alone() {
    let users = ["alice"];
    if cannot_run() {
        return;
    }
    let sandbox: &[&str] = match skip_without_landlock() {
        true => &[],
        false => &["--sandbox"],
    };
    for more in [sandbox, ONE_PROCESS, &[sandbox, ONE_PROCESS].concat()] {
        let scratch = Scratch::new_on_disk();
        let Some(rules) = passwords(&scratch, &users) else {
            return;
        };
        let relay = Relay::start_in(scratch, &rules, more);
        assert!(
            relay.smtp("alice", PASSWORD).starts_with("235 "),
            "{more:?}"
        );
        assert!(relay.pop("alice", PASSWORD).starts_with("+OK"), "{more:?}");
        assert!(relay.smtp("alice", "wrong").starts_with("535 "), "{more:?}");
    }
}

#[test]
fn who_is_not_root_can_ask_as_well() {
    use std::os::unix::process::CommandExt;
    let scratch = Scratch::new_on_disk();
    let Some(rules) = passwords(&scratch, &["alice"]) else {
        return;
    };
    if cannot_run() {
        return;
    }
    let folder = scratch.join("pam.d");
    fs::create_dir(&folder).unwrap();
    fs::write(format!("{folder}/emailrelay"), rules).unwrap();
    // Nobody but this user can find the program where it was built.
    let copy = scratch.join("emailrelay");
    executable::copy(&program(), copy.as_ref());
    let shared = scratch.join("pam_start.so");
    fs::copy(interposer(), &shared).unwrap();
    let mut command = Command::new(copy);
    command.env("LD_PRELOAD", shared).env("PAM_RULES", folder);
    command.uid(DAEMON).gid(DAEMON);
    let relay = Relay::start_by(command, scratch, &[]);
    relay
        .program
        .wait_for("not root: most modules of pam know this user's password only");
    assert_eq!(status(the_child(relay.program.id()), "Uid:"), "1 1 1 1");
    assert!(relay.smtp("alice", PASSWORD).starts_with("235 "));
    assert!(relay.smtp("alice", "wrong").starts_with("535 "));
}

/// An account of the system, for as long as this exists.
struct Account(String);

impl Account {
    fn new() -> Account {
        let account = Account(format!("relaytest{}", std::process::id()));
        let name = &account.0;
        run_well(Command::new("useradd").args(["--no-create-home", "--shell", "/bin/false", name]));
        let mut command = Command::new("chpasswd");
        let input = account_input(name);
        command.stdin(input);
        run_well(&mut command);
        account
    }
}

fn account_input(name: &str) -> std::process::Stdio {
    use std::io::Write;
    let (reader, mut writer) = std::io::pipe().unwrap();
    writeln!(writer, "{name}:{PASSWORD}").unwrap();
    reader.into()
}

fn run_well(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}

impl Drop for Account {
    fn drop(&mut self) {
        let _ = Command::new("userdel").arg(&self.0).output();
    }
}

#[test]
fn accounts_of_the_system_are_checked_though_the_network_process_is_another_user() {
    if cannot_run() || skip_without("useradd") || skip_without("chpasswd") {
        return;
    }
    if !Path::new("/etc/pam.d/other").exists() || Path::new("/etc/pam.d/emailrelay").exists() {
        skip("this system has rules of its own");
        return;
    }
    let account = Account::new();
    let name = &account.0;
    let relay = Relay::start_by(Command::new(program()), Scratch::new_on_disk(), &[]);
    assert_powerless(the_child(relay.program.id()));
    relay
        .program
        .wait_for("--server-auth: there is no /etc/pam.d/emailrelay: ");
    relay
        .program
        .wait_for("--pop-auth: there is no /etc/pam.d/emailrelay: ");
    assert!(relay.smtp(name, PASSWORD).starts_with("235 "));
    assert!(relay.pop(name, PASSWORD).starts_with("+OK"));
    assert!(relay.smtp(name, "wrong").starts_with("535 "));
    assert!(
        relay
            .smtp("no-such-user-here", PASSWORD)
            .starts_with("535 ")
    );
    // Its password is right still, but it has expired, and then is locked.
    run_well(Command::new("usermod").args(["--expiredate", "1", name]));
    assert!(relay.smtp(name, PASSWORD).starts_with("535 "));
    relay
        .program
        .wait_for(&format!("[{name}]: pam error: pam_acct_mgmt: "));
    run_well(Command::new("usermod").args(["--expiredate", "", "--lock", name]));
    assert!(relay.smtp(name, PASSWORD).starts_with("535 "));
    relay.assert_silent();
}

#[test]
fn the_packaged_rules_let_people_in_and_nobody_else() {
    let scratch = Scratch::new_on_disk();
    let Some(rules) = passwords(&scratch, &["root", "daemon", "person"]) else {
        return;
    };
    if cannot_run() {
        return;
    }
    let packaged = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/pam/emailrelay");
    let mut packaged = fs::read_to_string(packaged).unwrap();
    // What is included is always the system's.
    for (include, kind) in [
        ("@include common-auth\n", "auth"),
        ("@include common-account\n", "account"),
    ] {
        let lines = rules.lines().filter(|line| line.starts_with(kind));
        let text: String = lines.map(|line| format!("{line}\n")).collect();
        assert!(packaged.contains(include), "{packaged}");
        packaged = packaged.replace(include, &text);
    }
    let database = scratch.join("passdb");
    let relay = Relay::start_in(scratch, &packaged, &[]);
    // Passwords are right, but only people log in; who has no number is not one.
    for user in ["root", "daemon", "person"] {
        assert!(relay.smtp(user, PASSWORD).starts_with("535 "), "{user}");
    }
    let account = fs::read_to_string("/etc/passwd").unwrap();
    let nobody = account
        .lines()
        .any(|line| line.starts_with("nobody:x:65534:"));
    if nobody {
        fs::write(database, format!("nobody:{PASSWORD}:emailrelay\n")).unwrap();
        let reply = relay.smtp("nobody", PASSWORD);
        assert!(
            reply.starts_with("235 "),
            "{reply}: {:?}",
            relay.program.log()
        );
    }
}

#[test]
fn the_trial_says_what_is_odd() {
    let scratch = Scratch::new();
    let spool = scratch.join("");
    let user = match skip_unless_root() {
        true => vec![],
        false => ONE_PROCESS.to_vec(),
    };
    let fixed = [
        "--check",
        "--log",
        "-s",
        &spool,
        "--port=0",
        "--interface=127.0.0.1",
    ];
    let all = [&fixed[..], &user, &["--server-auth=/pam"]].concat();
    let (status, _, text) = run(&all);
    assert_eq!(status, 0, "{text}");
    assert!(
        text.contains("warning: pam authentication should be enabled with pam: rather than /pam"),
        "{text}"
    );
    if !Path::new("/etc/pam.d/emailrelay").exists() {
        assert!(
            text.contains("--server-auth: there is no /etc/pam.d/emailrelay: "),
            "{text}"
        );
    }
    let (_, version, _) = run(&["--version"]);
    assert!(version.contains("\npam: yes\n"), "{version}");
}
