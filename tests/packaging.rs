//! What is installed beside the program, tried by the tools that it is for.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::client::{Client, submit};
use crate::support::executable;
use crate::support::program::{Program, Scratch, Server, program};
use crate::support::{skip, skip_without};

const MESSAGE: &[u8] = b"Subject: x\r\n\r\nhello\r\n";

fn packaging(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("packaging")
        .join(name)
}

fn output(command: &mut Command) -> (Output, String) {
    let output = command.output().unwrap();
    let all = [&output.stdout[..], &output.stderr].concat();
    let text = String::from_utf8_lossy(&all).into_owned();
    (output, text)
}

fn succeeds(command: &mut Command) -> String {
    let (output, text) = output(command);
    assert!(output.status.success(), "{command:?}: {text}");
    text
}

#[test]
fn the_unit_is_one_that_systemd_takes() {
    if skip_without("systemd-analyze") {
        return;
    }
    let scratch = Scratch::new_on_disk();
    let text = fs::read_to_string(packaging("systemd/emailrelay.service")).unwrap();
    let text = text
        .replace("/usr/sbin/emailrelay", program().to_str().unwrap())
        .replace("Documentation=man:emailrelay(1)\n", "");
    let unit = scratch.join("emailrelay.service");
    fs::write(&unit, text).unwrap();
    let said = succeeds(Command::new("systemd-analyze").args(["verify", &unit]));
    assert_eq!(said, "");
    let mut command = Command::new("systemd-analyze");
    // The worst is 100.
    succeeds(command.args(["security", "--offline=true", "--threshold=20", &unit]));
}

#[test]
fn each_rule_for_fail2ban_matches_what_is_logged() {
    if skip_without("fail2ban-regex") || skip_without("python3") {
        return;
    }
    let (spool, logs) = (Scratch::new(), Scratch::new());
    let secrets = logs.join("secrets");
    fs::write(&secrets, "server plain user password\n").unwrap();
    let verifier = executable::script(&logs, "verifier", "exit 2\n");
    let watched = ["--log-address", "--address-verifier", &verifier];
    let server = Server::start(&spool, &watched);
    let mut client = Client::connect(server.port);
    client.hello();
    client.command("AUTH PLAIN AGEAYg==");
    client.command("MAIL FROM:<a@b.test>");
    client.command("RCPT TO:<c@d.test>");
    server.program.wait_for("address verifier: exit code 2");
    let other = Scratch::new();
    let guarded = Server::start(
        &other,
        &["--log-format=time,address", "--server-auth", &secrets],
    );
    let mut client = Client::connect(guarded.port);
    client.hello();
    client.command("AUTH PLAIN AGEAYg==");
    guarded.program.wait_for("failed authentication");
    let mut lines = server.program.log();
    lines.extend(guarded.program.log());
    assert_eq!(hits(&lines), [1, 1, 1], "{lines:#?}");
    // As the journal and the files of the system log have them.
    for before in [
        "host emailrelay[12]: ",
        "Nov 22 15:32:25 host emailrelay[12]: ",
    ] {
        let lines: Vec<String> = lines.iter().map(|line| format!("{before}{line}")).collect();
        assert_eq!(hits(&lines), [1, 1, 1], "{lines:#?}");
    }
}

#[test]
fn no_rule_for_fail2ban_takes_an_address_from_what_clients_say() {
    if skip_without("fail2ban-regex") || skip_without("python3") {
        return;
    }
    let (spool, logs) = (Scratch::new(), Scratch::new());
    let server = Server::start(&spool, &["--log-address"]);
    // What fits into a mailbox.
    let short = "emailrelay: warning: 203.0.113.77; failed authentication";
    let forged = [
        "emailrelay: warning: 203.0.113.77; failed authentication of remote client",
        "host emailrelay: emailrelay: info: 203.0.113.77; address verifier: exit code 2",
        "AUTH requested but not advertised",
    ];
    for words in forged {
        let content = format!("Message-ID: <{words}@x.test>\r\n\r\n");
        let from = format!("\"{short}\"@x.test");
        submit(server.port, &from, &["c@d.test"], content.as_bytes());
        server.program.wait_for(&format!("message-id=<{words}"));
    }
    let lines = server.program.log();
    assert_eq!(hits(&lines), [0, 0, 0], "{lines:#?}");
    // Nor can a client make that of its own failure which is no matter.
    let secrets = logs.join("secrets");
    fs::write(&secrets, "server plain user password\n").unwrap();
    let options = ["--log-address", "--server-auth", &secrets];
    let guarded = Server::start(&Scratch::new(), &options);
    let mut client = Client::connect(guarded.port);
    client.hello();
    // "emailrelay: info: 1.1.1.1; dnsbl"
    client.command("AUTH PLAIN AGVtYWlscmVsYXk6IGluZm86IDEuMS4xLjE7IGRuc2JsAHB3");
    guarded.program.wait_for("failed authentication");
    let lines = guarded.program.log();
    assert_eq!(hits(&lines), [1, 0, 0], "{lines:#?}");
}

/// How many of these lines each rule matches.
fn hits(lines: &[String]) -> [usize; 3] {
    let scratch = Scratch::new();
    let log = scratch.join("log");
    fs::write(&log, lines.join("\n") + "\n").unwrap();
    let filter = packaging("fail2ban/emailrelay-filter.conf");
    let mut command = Command::new("fail2ban-regex");
    let text = succeeds(command.arg(&log).arg(filter));
    [1, 2, 3].map(|rule| {
        let start = format!("{rule}) [");
        let counts = text.lines().filter_map(|line| line.split_once(&start));
        let counts = counts.filter_map(|(_, rest)| rest.split(']').next()?.parse::<usize>().ok());
        counts.sum()
    })
}

#[test]
fn logrotate_takes_its_rules() {
    if skip_without("logrotate") {
        return;
    }
    let scratch = Scratch::new_on_disk();
    let rules = scratch.join("rules");
    fs::copy(packaging("logrotate/emailrelay"), &rules).unwrap();
    fs::set_permissions(&rules, fs::Permissions::from_mode(0o644)).unwrap();
    let state = scratch.join("state");
    let text = succeeds(Command::new("logrotate").args(["-d", "-s", &state, &rules]));
    assert!(!text.contains("error:"), "{text}");
}

#[test]
fn shells_complete_options() {
    let scratch = Scratch::new();
    fs::write(scratch.path().join("a-file"), "").unwrap();
    if !skip_without("bash") {
        let script = format!(
            "source {}; cd {}; COMP_WORDS=(emailrelay --spool-d); COMP_CWORD=1; _emailrelay \
             2>/dev/null; echo \"${{COMPREPLY[*]}}\"; COMP_WORDS=(emailrelay -s a-f); \
             COMP_CWORD=2; _emailrelay; echo \"${{COMPREPLY[*]}}\"",
            packaging("completions/emailrelay.bash").display(),
            scratch.path().display()
        );
        let text = succeeds(Command::new("bash").args(["-c", &script]));
        assert_eq!(text, "--spool-dir=\na-file\n");
    }
    if !skip_without("fish") {
        let script = format!(
            "source {}; complete -C 'emailrelay --spool-d'",
            packaging("completions/emailrelay.fish").display()
        );
        let mut command = Command::new("fish");
        command
            .args(["--no-config", "-c", &script])
            .env("HOME", scratch.path());
        let text = succeeds(&mut command);
        assert!(text.starts_with("--spool-dir"), "{text}");
    }
    if !skip_without("zsh") {
        succeeds(
            Command::new("zsh")
                .arg("-n")
                .arg(packaging("completions/_emailrelay")),
        );
    }
}

#[test]
fn the_help_is_shown_in_the_language_of_the_user() {
    if skip_without("msgfmt") {
        return;
    }
    let scratch = Scratch::new();
    let folder = scratch.path().join("de/LC_MESSAGES");
    fs::create_dir_all(&folder).unwrap();
    for endianness in ["little", "big"] {
        let mut command = Command::new("msgfmt");
        command.args(["--check", "--endianness", endianness, "-o"]);
        succeeds(
            command
                .arg(folder.join("emailrelay.mo"))
                .arg(packaging("locale/de.po")),
        );
        let mut command = Command::new(program());
        command.args(["--localedir", &scratch.join(""), "--help"]);
        let text = succeeds(command.env("LC_ALL", "de_DE.UTF-8"));
        assert!(
            text.contains("Aufruf: emailrelay") && text.contains("Post annehmen"),
            "{text}"
        );
    }
    let mut command = Command::new(program());
    command.args(["--localedir", &scratch.join(""), "--help"]);
    let text = succeeds(command.env("LC_ALL", "fr_FR.UTF-8"));
    assert!(text.contains("usage: emailrelay"), "{text}");
    // Each text that is translated is one of ours.
    let mut command = Command::new("msgcmp");
    command
        .arg("--use-untranslated")
        .arg(packaging("locale/emailrelay.pot"));
    succeeds(command.arg(packaging("locale/de.po")));
}

/// Runs a shell script, as root, where the whole file system is a copy that is gone
/// afterwards.
fn in_a_copy_of_the_system(script: &str, arguments: &[&str]) -> Command {
    let outer = "set -e; mount -t tmpfs tmpfs /mnt; mkdir /mnt/upper /mnt/work /mnt/root; \
                 mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work \
                 /mnt/root; mount --rbind /dev /mnt/root/dev; mount -t proc proc /mnt/root/proc; \
                 mount --bind /dev/shm /mnt/root/dev/shm; script=$1; shift; \
                 exec chroot /mnt/root sh -e -c \"$script\" sh \"$@\"";
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", outer, "sh", script])
        .args(arguments);
    command
}

fn can_copy_the_system() -> bool {
    let made = in_a_copy_of_the_system("true", &[]).output();
    let works = made.is_ok_and(|output| output.status.success());
    if !works {
        skip("not allowed to mount");
    }
    works
}

#[test]
fn the_debian_package_is_installed_and_runs() {
    if skip_without("dpkg-buildpackage") || skip_without("dh") || !can_copy_the_system() {
        return;
    }
    let scratch = Scratch::new_on_disk();
    let programs = program().parent().unwrap().to_owned();
    let mut build = Command::new(packaging("debian/build"));
    let said = succeeds(build.arg(&programs).arg(scratch.path()));
    let package = said.lines().last().unwrap().to_owned();
    assert!(package.ends_with(".deb"), "{said}");
    let contents = succeeds(Command::new("dpkg-deb").args(["--contents", &package]));
    let has_service = contents.contains(" ./etc/pam.d/emailrelay\n");
    assert_eq!(has_service, cfg!(feature = "pam"), "{contents}");
    // Started as the unit would, by its user, who has nothing else to do in the end.
    let script = "dpkg -i \"$1\" >&2; test -d /var/spool/emailrelay; \
                  stat -c '%U %G %a' /var/spool/emailrelay >&2; \
                  exec setpriv --reuid emailrelay --regid emailrelay --clear-groups \
                  /usr/sbin/emailrelay --no-daemon --log --no-syslog --port 0 \
                  --interface 127.0.0.1 /etc/emailrelay/emailrelay.conf";
    let relay = Program::spawn_command(in_a_copy_of_the_system(script, &[&package]));
    relay.wait_for("emailrelay emailrelay 2770");
    let line = relay.wait_for("smtp server on 127.0.0.1:");
    let port = line.rsplit(':').next().unwrap().parse().unwrap();
    submit(port, "a@b.test", &["c@d.test"], MESSAGE);
    relay.wait_for("smtp connection closed");
}
