//! `emailrelay-filter-copy` and `emailrelay-resubmit`.

use std::fs;
use std::path::Path;
use std::process::Command;

#[cfg(unix)]
use crate::support::executable;
use crate::support::program::Scratch;
use crate::support::tools::{Ran, envelope, id, plant, run_on, run_with_input, tool};
#[cfg(target_os = "linux")]
use crate::support::{skip_unless_root, skip_without};

fn filter_copy(arguments: &[&str]) -> Ran {
    run_with_input(
        Command::new(tool("emailrelay-filter-copy")).args(arguments),
        b"",
    )
}

/// A spool with two sub-directories and a message whose envelope has that suffix;
/// and the message's id.
fn spool(suffix: &str) -> (Scratch, String) {
    let scratch = Scratch::new();
    let id = id(10, 1);
    plant(scratch.path(), &id, suffix, &envelope("me@x", &["a@x"], ""));
    for name in ["alice", ".hidden"] {
        fs::create_dir(scratch.path().join(name)).unwrap();
    }
    (scratch, id)
}

fn content(scratch: &Scratch, id: &str) -> String {
    scratch.join(&format!("{id}.content"))
}

#[test]
fn a_message_is_handed_over_to_all_sub_directories() {
    for suffix in [".envelope.new", ".envelope"] {
        let (scratch, id) = spool(suffix);
        // As filters are called, with the envelope's path as well.
        let path = content(&scratch, &id);
        let ran = filter_copy(&[&path, &scratch.join(&format!("{id}{suffix}"))]);
        assert_eq!(
            (ran.status, ran.output.as_str()),
            (100, ""),
            "{suffix}: {ran:?}"
        );
        assert_eq!(
            scratch.names(),
            [".hidden", "alice", &format!("{id}.content")]
        );
        for name in ["alice", ".hidden"] {
            let found = crate::support::program::names(&scratch.path().join(name));
            assert_eq!(found, [format!("{id}.envelope")]);
            let text = fs::read_to_string(scratch.path().join(name).join(&found[0])).unwrap();
            assert_eq!(text, envelope("me@x", &["a@x"], ""));
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn content_and_copies_are_on_the_disk_before_the_envelope_goes() {
    if skip_without("strace") {
        return;
    }
    let (scratch, id) = spool(".envelope.new");
    let trace = Scratch::new();
    let path = trace.join("trace");
    let mut command = Command::new("strace");
    command
        .args(["-y", "-s", "200", "-o", &path, "-e", "trace=fsync,unlinkat"])
        .arg(tool("emailrelay-filter-copy"))
        .arg(content(&scratch, &id));
    let ran = run_with_input(&mut command, b"");
    assert_eq!(ran.status, 100, "{ran:?}");
    let text = fs::read_to_string(&path).unwrap();
    let gone = text.find("unlinkat(").expect("the envelope is removed");
    let (before, after) = text.split_at(gone);
    let spool = scratch.path().display();
    for synced in [
        format!("{spool}/{id}.content>"),
        format!("{spool}/alice/{id}.envelope.new>"),
        format!("{spool}/alice>"),
    ] {
        assert!(before.contains(&synced), "{synced}: {text}");
    }
    assert!(after.contains(&format!("fsync(3<{spool}>")), "{text}");
}

#[test]
fn a_new_envelope_comes_first_and_a_busy_one_never() {
    let (scratch, id) = spool(".envelope.new");
    plant(
        scratch.path(),
        &id,
        ".envelope",
        &envelope("other@x", &["b@x"], ""),
    );
    assert_eq!(filter_copy(&[&content(&scratch, &id)]).status, 100);
    let copy = scratch.path().join("alice").join(format!("{id}.envelope"));
    assert!(fs::read_to_string(copy).unwrap().contains("me@x"));
    let (scratch, id) = spool(".envelope.busy");
    let before = scratch.names();
    let ran = filter_copy(&[&content(&scratch, &id)]);
    assert_eq!(ran.status, 1);
    assert_eq!(
        ran.output,
        "<<filter failed>>\n<<filter error: there is no envelope>>\n"
    );
    assert_eq!(scratch.names(), before);
}

#[test]
fn what_cannot_be_copied_everywhere_is_copied_nowhere() {
    let (scratch, id) = spool(".envelope.new");
    // In the way of the copy: a directory of its name.
    let obstacle = scratch.path().join("alice").join(format!("{id}.envelope"));
    fs::create_dir(&obstacle).unwrap();
    let before = scratch.names();
    let ran = filter_copy(&[&content(&scratch, &id)]);
    assert_eq!(ran.status, 1, "{ran:?}");
    let start = "<<filter failed>>\n<<filter error: cannot rename alice/";
    assert!(ran.output.starts_with(start), "{ran:?}");
    assert_eq!(scratch.names(), before);
    assert!(crate::support::program::names(&scratch.path().join(".hidden")).is_empty());
    fs::remove_dir(obstacle).unwrap();
    assert_eq!(filter_copy(&[&content(&scratch, &id)]).status, 100);
}

#[cfg(target_os = "linux")]
#[test]
fn a_sub_directory_that_may_not_be_entered_is_passed_over() {
    use crate::support::process::DAEMON;
    use std::os::unix::fs::{PermissionsExt, chown};
    use std::os::unix::process::CommandExt;
    if skip_unless_root() {
        return;
    }
    let (scratch, id) = spool(".envelope.new");
    for path in [scratch.path(), &scratch.path().join("alice")] {
        chown(path, Some(DAEMON), Some(DAEMON)).unwrap();
    }
    // Root's, with no permission for anyone else.
    let shut = scratch.path().join(".hidden");
    fs::set_permissions(&shut, fs::Permissions::from_mode(0o700)).unwrap();
    // The user need not be able to enter the place where it was built.
    let program = Scratch::new();
    let copy = program.path().join("filter-copy");
    executable::copy(Path::new(tool("emailrelay-filter-copy")), &copy);
    fs::set_permissions(program.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(copy);
    command
        .arg(content(&scratch, &id))
        .uid(DAEMON)
        .gid(DAEMON)
        .current_dir("/");
    let ran = run_with_input(&mut command, b"");
    assert_eq!((ran.status, ran.output.as_str()), (100, ""), "{ran:?}");
    let found = |name| crate::support::program::names(&scratch.path().join(name));
    assert_eq!(found("alice"), [format!("{id}.envelope")]);
    assert!(found(".hidden").is_empty());
}

#[test]
fn arguments_that_are_no_message_fail_as_filters_do() {
    let (scratch, id) = spool(".envelope.new");
    let empty = Scratch::new();
    plant(empty.path(), &id, ".envelope.new", "x");
    let lone = content(&empty, &id);
    for (arguments, reason) in [
        (&[][..], "no content file was given"),
        (&["/none/x.content"], "there is no envelope"),
        (&["x"], "not the name of a content file"),
        (&["x>>.txt"], "not the name of a content file"),
        (&["--nope>>\n"], "invalid option: --nope> >\\n"),
        (
            &[&lone],
            "no sub-directories to copy into: check permissions",
        ),
        (
            &["-d", &lone, "x"],
            "either a content file or --spool-dir, not both",
        ),
    ] {
        let ran = filter_copy(arguments);
        assert_eq!(ran.status, 1, "{arguments:?}: {ran:?}");
        let lines: Vec<&str> = ran.output.lines().collect();
        assert_eq!((lines.len(), lines[0]), (2, "<<filter failed>>"), "{ran:?}");
        let is_so = lines[1].starts_with("<<filter error: ") && lines[1].contains(reason);
        assert!(is_so && lines[1].ends_with(">>"), "{ran:?}");
    }
    assert_eq!(scratch.names().len(), 4);
    assert!(
        filter_copy(&["--help"])
            .output
            .starts_with("usage: emailrelay-filter-copy ")
    );
    assert_eq!(filter_copy(&["--version"]).status, 0);
}

#[test]
fn all_messages_that_are_ready_are_copied_at_once() {
    let (scratch, ready) = spool(".envelope");
    let other = id(20, 2);
    plant(
        scratch.path(),
        &other,
        ".envelope.bad",
        &envelope("me@x", &["a@x"], ""),
    );
    plant(
        scratch.path(),
        "mine",
        ".envelope",
        &envelope("me@x", &["a@x"], ""),
    );
    let path = scratch.path().to_str().unwrap();
    for arguments in [&["-v", "-d", path][..], &["--spool-dir", path, "-v"]] {
        assert_eq!(filter_copy(arguments).status, 1, "{arguments:?}");
        let copies = crate::support::program::names(&scratch.path().join("alice"));
        assert_eq!(copies, [format!("{ready}.envelope")]);
        assert!(!scratch.names().contains(&format!("{ready}.envelope")));
        assert!(scratch.names().contains(&"mine.envelope".to_owned()));
    }
}

/// An envelope that has failed so often.
fn failed(times: usize) -> String {
    let reason = "X-MailRelay-Reason: no\r\nX-MailRelay-ReasonCode: 550\r\n";
    envelope("me@x", &["a@x"], &reason.repeat(times))
}

fn has(path: &Path, id: &str, suffix: &str) -> bool {
    path.join(format!("{id}{suffix}")).exists()
}

#[test]
fn messages_that_have_not_failed_too_often_are_tried_again() {
    let scratch = Scratch::new();
    let path = scratch.path();
    let ids: Vec<String> = (0..7).map(|times| id(1000 * times + 5, times)).collect();
    for (times, id) in ids.iter().enumerate() {
        plant(path, id, ".envelope.bad", &failed(times));
    }
    let dry = run_on("emailrelay-resubmit", path, &["--dry-run"]);
    assert_eq!((dry.status, dry.errors.lines().count()), (0, 5), "{dry:?}");
    let one = run_on("emailrelay-resubmit", path, &["--id", &ids[4], "-v"]);
    assert_eq!(
        one.errors,
        format!("emailrelay-resubmit: {}: to be tried again\n", ids[4])
    );
    let old = run_on("emailrelay-resubmit", path, &["--older-than=30m"]);
    assert_eq!((old.status, old.errors.as_str()), (0, ""));
    let ready = |id: &String| has(path, id, ".envelope");
    assert_eq!(
        ids.iter().map(ready).collect::<Vec<_>>(),
        [false, false, true, true, true, false, false]
    );
    // As the script of E-MailRelay takes it.
    let mut command = Command::new(tool("emailrelay-resubmit"));
    assert_eq!(run_with_input(command.arg(path), b"").status, 0);
    assert_eq!(ids.iter().filter(|id| ready(id)).count(), 5);
    assert_eq!(
        run_on("emailrelay-resubmit", path, &["--limit=6"]).status,
        0
    );
    assert_eq!(ids.iter().filter(|id| ready(id)).count(), 6);
    let text = fs::read_to_string(path.join(format!("{}.envelope", ids[5]))).unwrap();
    assert_eq!(text, failed(5));
}

#[test]
fn hostile_bad_envelopes_are_left_alone() {
    let scratch = Scratch::new();
    let path = scratch.path();
    fs::write(path.join("nonsense\n.envelope.bad"), "\x1b[2J").unwrap();
    fs::create_dir(path.join("directory.envelope.bad")).unwrap();
    let huge = fs::File::create(path.join("huge.envelope.bad")).unwrap();
    huge.set_len(1 << 30).unwrap();
    let id = id(5, 1);
    plant(path, &id, ".envelope.bad", &failed(1));
    plant(path, &id, ".envelope", &failed(1));
    let before = scratch.names();
    let ran = run_on("emailrelay-resubmit", path, &[]);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert_eq!(ran.errors.lines().count(), 4, "{ran:?}");
    assert!(ran.errors.contains("nonsense\\n: left alone: "), "{ran:?}");
    assert!(
        ran.errors.contains("there is another envelope of that id"),
        "{ran:?}"
    );
    assert_eq!(scratch.names(), before);
    for arguments in [
        &["--limit=x"][..],
        &["--older-than=x"],
        &["--id="],
        &["a"],
        &["--nope"],
    ] {
        let ran = run_on("emailrelay-resubmit", path, arguments);
        assert_eq!(ran.status, 1, "{arguments:?}: {ran:?}");
    }
    assert!(
        run_on("emailrelay-resubmit", path, &["-h"])
            .output
            .starts_with("usage: ")
    );
}
