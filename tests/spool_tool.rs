//! `emailrelay-spool`, on spools with and without a relay, and hostile ones.

use std::fs;

use crate::support::program::Scratch;
use crate::support::tools::{Ran, envelope, id, plant, run_on};

fn spool(scratch: &Scratch, arguments: &[&str]) -> Ran {
    run_on("emailrelay-spool", scratch.path(), arguments)
}

/// A failure as E-MailRelay notes it.
const REASON: &str =
    "X-MailRelay-Reason: smtp client failure: no such user\r\nX-MailRelay-ReasonCode: 550\r\n";

/// What this program notes of attempts.
const ATTEMPTS: &str = "X-MailRelay-Attempts: 3\r\nX-MailRelay-LastAttempt: 1795360975\r\n\
                        X-MailRelay-LastReply: 451 later\r\nX-MailRelay-NextAttempt: 9999999999\r\n";

/// A spool with a message in each of three states; their ids, oldest first.
fn three(scratch: &Scratch) -> [String; 3] {
    let ids = [id(200_000, 1), id(10_000, 2), id(100, 3)];
    let [bad, ready, held] = &ids;
    let both = ["a@x.net", "b@y.net"];
    plant(
        scratch.path(),
        bad,
        ".envelope.bad",
        &envelope("", &both, REASON),
    );
    let delayed = envelope("me@src.net", &both, ATTEMPTS);
    plant(scratch.path(), ready, ".envelope", &delayed);
    plant(
        scratch.path(),
        held,
        ".envelope.hold",
        &envelope("you@src.net", &["c@z.net"], ""),
    );
    ids
}

fn has(scratch: &Scratch, id: &str, suffix: &str) -> bool {
    scratch.path().join(format!("{id}{suffix}")).exists()
}

#[test]
fn the_list_fits_the_screen_and_tells_what_matters() {
    let scratch = Scratch::new();
    let ids = three(&scratch);
    let before = scratch.names();
    let ran = spool(&scratch, &[]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(
        ran.output.lines().all(|line| line.chars().count() <= 80),
        "{}",
        ran.output
    );
    let places = ids.clone().map(|id| ran.output.find(&id).unwrap());
    assert!(places.is_sorted());
    for text in [
        " bad ",
        " ready ",
        " held ",
        "  smtp client failure: no such user\n",
        "  451 later\n",
        "  <> -> a@x.net, b@y.net\n",
        "3 messages, 60 octets\n",
    ] {
        assert!(ran.output.contains(text), "{text:?}: {}", ran.output);
    }
    let wide = spool(&scratch, &["--wide", "list"]).output;
    assert_eq!(wide.lines().count(), 5, "{wide}");
    assert_eq!(scratch.names(), before);
}

#[test]
fn programs_get_json() {
    let scratch = Scratch::new();
    let ids = three(&scratch);
    let ran = spool(&scratch, &["--json"]);
    let lines: Vec<&str> = ran.output.lines().collect();
    assert_eq!(lines.len(), 3);
    for (line, id) in lines.iter().zip(&ids) {
        assert!(
            line.starts_with(&format!("{{\"id\":\"{id}\",\"state\":")),
            "{line}"
        );
    }
    for text in [
        "\"state\":\"ready\"",
        "\"octets\":20",
        "\"to\":[\"a@x.net\",\"b@y.net\"]",
        "\"from\":\"me@src.net\"",
        "\"attempts\":3",
        "\"next_attempt\":9999999999",
        "\"last_reply\":\"451 later\"",
    ] {
        assert!(lines[1].contains(text), "{text}: {}", lines[1]);
    }
    let stats = spool(&scratch, &["-j", "stats"]).output;
    assert_eq!(stats.lines().count(), 1);
    assert!(
        stats.contains("\"bad\":{\"messages\":1,\"octets\":20,"),
        "{stats}"
    );
}

#[test]
fn filters_choose_messages() {
    let scratch = Scratch::new();
    let [bad, ready, held] = three(&scratch);
    let table: [(&[&str], &[&String]); 10] = [
        (&["--state=bad"], &[&bad]),
        (&["--state", "held,ready"], &[&ready, &held]),
        (&["-S", "held", "-S", "bad"], &[&bad, &held]),
        (&["--older-than=1d"], &[&bad]),
        (&["--younger-than=2h"], &[&held]),
        (&["--older-than=1h", "--younger-than=2d"], &[&ready]),
        (&["--from=SRC.net"], &[&ready, &held]),
        (&["--from=<>"], &[&bad]),
        (&["--to=@y.net"], &[&bad, &ready]),
        (&["--to=nobody"], &[]),
    ];
    for (arguments, expected) in table {
        let all = [&["--json"], arguments].concat();
        let output = spool(&scratch, &all).output;
        let found: Vec<bool> = [&bad, &ready, &held]
            .map(|id| output.contains(id.as_str()))
            .to_vec();
        let wanted: Vec<bool> = [&bad, &ready, &held]
            .map(|id| expected.contains(&id))
            .to_vec();
        assert_eq!(found, wanted, "{arguments:?}: {output}");
    }
    let stats = spool(&scratch, &["stats", "--state=bad"]).output;
    assert!(stats.contains("bad           1"), "{stats}");
    assert!(stats.contains("ready         0"), "{stats}");
}

#[test]
fn messages_are_shown_in_full() {
    let scratch = Scratch::new();
    let [bad, ready, _] = three(&scratch);
    let ran = spool(&scratch, &["show", &bad, &format!("{ready}.envelope")]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(
        ran.output.contains("550 smtp client failure"),
        "{}",
        ran.output
    );
    assert!(
        ran.output.contains("attempts        3, the last"),
        "{}",
        ran.output
    );
    let content = scratch.path().join(format!("{bad}.content"));
    fs::write(content, "Subject: \x1b[2J\r\n\r\n\0body").unwrap();
    let shown = spool(&scratch, &["show", "--content", &bad]).output;
    assert!(
        shown.ends_with("Subject: \\x1b[2J\n\n\\x00body\n\n"),
        "{shown}"
    );
}

#[test]
fn messages_are_held_released_retried_and_deleted() {
    let scratch = Scratch::new();
    let [bad, ready, held] = three(&scratch);
    let dry = spool(&scratch, &["hold", "--dry-run", &ready]);
    assert_eq!(dry.output, format!("{ready}: would be held\n"));
    assert!(has(&scratch, &ready, ".envelope"));
    assert_eq!(
        spool(&scratch, &["hold", &ready]).output,
        format!("{ready}: held\n")
    );
    assert!(has(&scratch, &ready, ".envelope.hold"));
    assert_eq!(spool(&scratch, &["release", &ready, &held]).status, 0);
    assert!(has(&scratch, &ready, ".envelope") && has(&scratch, &held, ".envelope"));
    assert_eq!(spool(&scratch, &["retry", &bad, &ready]).status, 0);
    assert!(has(&scratch, &bad, ".envelope"));
    let text = fs::read_to_string(scratch.join(&format!("{ready}.envelope"))).unwrap();
    assert!(
        text.contains("Attempts: 3") && !text.contains("NextAttempt"),
        "{text}"
    );
    let again = spool(&scratch, &["--json", "retry", &bad]);
    assert!(again.output.contains("\"result\":\"already\""), "{again:?}");
    let refused = spool(&scratch, &["hold", "nobody", &bad]);
    assert_eq!(refused.status, 1);
    assert!(
        refused.errors.contains("there is no message nobody"),
        "{refused:?}"
    );
    assert!(has(&scratch, &bad, ".envelope.hold"));
    let deleted = spool(&scratch, &["delete", "--all", "--from=src.net"]);
    assert_eq!(deleted.status, 0, "{deleted:?}");
    assert_eq!(
        scratch.names(),
        [format!("{bad}.content"), format!("{bad}.envelope.hold")]
    );
    assert_eq!(spool(&scratch, &["delete", &bad]).status, 0);
    assert!(scratch.names().is_empty());
}

#[test]
fn an_id_in_several_states_needs_to_be_told_apart() {
    let scratch = Scratch::new();
    let id = id(50, 1);
    let text = envelope("x@y", &["a@x"], "");
    plant(scratch.path(), &id, ".envelope", &text);
    plant(scratch.path(), &id, ".envelope.bad", &text);
    let ran = spool(&scratch, &["delete", &id]);
    assert_eq!(ran.status, 1);
    assert!(
        ran.errors.contains("is both ready and bad"),
        "{}",
        ran.errors
    );
    assert_eq!(spool(&scratch, &["delete", &id, "--state=bad"]).status, 0);
    assert_eq!(
        scratch.names(),
        [format!("{id}.content"), format!("{id}.envelope")]
    );
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    let scratch = Scratch::new();
    three(&scratch);
    let before = scratch.names();
    for arguments in [
        &["delete"][..],
        &["show"],
        &["purge"],
        &["--state=odd"],
        &["--older-than=soon"],
        &["--json", "--wide"],
        &["hold", "--all", "x"],
        &["list", "--dry-run"],
        &["list", "--content"],
        &["--nope"],
    ] {
        let ran = spool(&scratch, arguments);
        assert_eq!((ran.status, ran.output.as_str()), (1, ""), "{arguments:?}");
        assert!(
            ran.errors.starts_with("emailrelay-spool: error: "),
            "{ran:?}"
        );
    }
    assert_eq!(scratch.names(), before);
    let ran = run_on("emailrelay-spool", &scratch.path().join("none"), &[]);
    assert!(ran.errors.contains("invalid spool directory"), "{ran:?}");
    assert!(
        spool(&scratch, &["--help"])
            .output
            .starts_with("usage: emailrelay-spool ")
    );
    assert!(
        spool(&scratch, &["--version"])
            .output
            .starts_with("emailrelay-spool ")
    );
}

// B10 L4: what may lie in a spool that others can write to.
#[cfg(unix)]
#[test]
fn hostile_files_do_no_harm() {
    let scratch = Scratch::new();
    let path = scratch.path();
    let run = |program: &str, name: &str| {
        let mut command = std::process::Command::new(program);
        assert!(command.arg(path.join(name)).status().unwrap().success());
    };
    run("mkfifo", "fifo.envelope");
    run("mkdir", "directory.envelope.bad");
    std::os::unix::fs::symlink("/etc/passwd", path.join("link.envelope")).unwrap();
    let huge = fs::File::create(path.join("huge.envelope")).unwrap();
    huge.set_len(1 << 30).unwrap();
    let controls = envelope(
        "\x1b[2Jme\u{202e}@x",
        &["\x07a@x"],
        "X-MailRelay-Reason: \x1b]0;x\r\n",
    );
    fs::write(path.join("con\n\x1btrols.envelope"), controls).unwrap();
    let many = "9".repeat(100_000);
    fs::write(
        path.join("long.envelope"),
        format!("X-MailRelay-Format: {many}\n"),
    )
    .unwrap();
    let count = envelope("x", &[], "").replace("ToCount: 0", "ToCount: -1");
    fs::write(path.join("negative.envelope"), count).unwrap();
    for arguments in [
        &["list"][..],
        &["--wide"],
        &["--json"],
        &["stats"],
        &["show", "--all"],
        &["show", "--all", "--content"],
        &["--json", "show", "--all"],
    ] {
        let ran = spool(&scratch, arguments);
        let is_safe = |c: char| c == '\n' || !c.is_control() && c != '\u{202e}';
        assert!(ran.output.chars().all(is_safe), "{arguments:?}: {ran:?}");
        assert!(!ran.output.contains("root:"), "{ran:?}");
        if arguments.first() != Some(&"stats") {
            assert!(ran.output.contains("not a regular file"), "{ran:?}");
            assert!(ran.output.contains("envelope too long"), "{ran:?}");
        }
    }
    let held = spool(&scratch, &["hold", "con\\n\\x1btrols"]);
    assert_eq!(held.status, 0, "{held:?}");
    assert!(path.join("con\n\x1btrols.envelope.hold").exists());
    for name in ["fifo", "link", "directory"] {
        assert_eq!(spool(&scratch, &["delete", name]).status, 1, "{name}");
    }
    assert!(path.join("fifo.envelope").exists() && path.join("directory.envelope.bad").is_dir());
    assert!(fs::symlink_metadata(path.join("link.envelope")).is_ok());
}

/// A message that somebody has locked is neither held nor deleted, and held ones
/// are left alone by a relay that is running.
#[cfg(unix)]
#[test]
fn it_gets_along_with_a_running_relay() {
    let scratch = Scratch::new();
    let [_, ready, held] = three(&scratch);
    let file = fs::File::open(scratch.join(&format!("{ready}.content"))).unwrap();
    file.lock().unwrap();
    for command in ["hold", "delete"] {
        let ran = spool(&scratch, &[command, &ready]);
        assert_eq!(ran.status, 1);
        let text = "it is being stored, forwarded or changed at the moment";
        assert!(ran.output.contains(text), "{ran:?}");
    }
    drop(file);
    let server = crate::support::program::Server::start(&scratch, &[]);
    assert!(has(&scratch, &held, ".envelope.hold") && has(&scratch, &held, ".content"));
    let sink = crate::support::sink::Sink::start();
    let client = crate::support::program::run(&[
        "--as-client",
        &sink.address(),
        "--spool-dir",
        scratch.path().to_str().unwrap(),
        "--no-syslog",
    ]);
    assert_eq!(client.0, 0, "{client:?}");
    assert!(has(&scratch, &held, ".envelope.hold") && has(&scratch, &held, ".content"));
    assert_eq!(spool(&scratch, &["release", &held]).status, 0);
    drop(server);
}
