//! What is otherwise on Windows: paths, scripts as filters and verifiers, what strangers
//! may say to them, and files that are open. It runs under wine, too.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::client::{Client, submit};
use crate::support::program::{PATIENCE, Program, Scratch, Server, program, run};
use crate::support::sink::Sink;
use crate::support::tools::run_with_input;

const MESSAGE: &[u8] = b"Subject: x\r\n\r\nhello\r\n";

/// Writes a script, in a folder with a space in its name.
fn script(work: &Scratch, name: &str, text: &str) -> String {
    let folder = work.path().join("filter scripts");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    fs::write(&path, text.replace('\n', "\r\n")).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Sends a message, and gives the reply.
fn send(server: &Server) -> String {
    let mut client = Client::connect(server.port);
    client.hello();
    client.try_send("a@b.test", &["c@d.test"], MESSAGE).unwrap()
}

/// Filters are told the paths of both files, and find nobody in their way.
#[test]
fn a_batch_file_edits_a_message_on_its_way() {
    let (work, spool, sink) = (
        Scratch::new_on_disk(),
        Scratch::new_on_disk(),
        Sink::start(),
    );
    let edit = script(
        &work,
        "edit.bat",
        "@echo off\n\
         echo X-Edited: yes> \"%~1.edited\"\n\
         type \"%~1\" >> \"%~1.edited\"\n\
         move /y \"%~1.edited\" \"%~1\" >nul\n\
         exit 0\n",
    );
    assert!(edit.as_bytes()[1] == b':', "{edit}");
    let filters = format!("{edit},file:{edit}");
    let arguments = ["--filter", &filters, "--client-filter", &edit];
    let forward = ["--poll", "1", "--forward-to", &sink.address()];
    let server = Server::start(&spool, &[&arguments[..], &forward[..]].concat());
    submit(server.port, "a@b.test", &["c@d.test"], MESSAGE);
    let arrived = &sink.wait_for(1)[0];
    let text = String::from_utf8_lossy(&arrived.content).into_owned();
    assert_eq!(text.matches("X-Edited: yes\r\n").count(), 3, "{text}");
    assert!(text.ends_with("\r\n\r\nhello\r\n"), "{text}");
    server.program.wait_for(" 1 sent");
    assert_eq!(spool.names(), [""; 0]);
}

#[test]
fn scripts_refuse_messages() {
    let (work, spool) = (Scratch::new(), Scratch::new());
    let batch = script(&work, "no.bat", "@echo ^<^<not this one^>^>\n@exit 3\n");
    let server = Server::start(&spool, &["--filter", &batch]);
    assert_eq!(send(&server), "452 4.7.1 not this one");
    // What is for no program in particular is for the script host.
    let host = script(
        &work,
        "no.js",
        "WScript.Quit(WScript.Arguments.length + 1);\n",
    );
    let server = Server::start(&spool, &["--filter", &host]);
    assert!(send(&server).starts_with("452 "));
    server.program.wait_for("exit code 3");
    assert_eq!(spool.names(), [""; 0]);
}

/// RFC 5321 4.1.2: a quoted local part may have almost anything in it.
#[test]
fn no_address_is_a_command() {
    let (work, spool) = (Scratch::new(), Scratch::new());
    let mark = work.join("mark");
    let verify = script(&work, "verify.bat", "@echo off\necho.\necho %1\nexit 1\n");
    let server = Server::start(&spool, &["--address-verifier", &verify]);
    let mut client = Client::connect(server.port);
    client.hello();
    client.expect("MAIL FROM:<a@b.test>", "250");
    client.expect("RCPT TO:<plain@d.test>", "250");
    for local in [
        format!("a&echo x>{mark}&"),
        format!("a|echo x>{mark}"),
        "%COMSPEC%".to_owned(),
        "a^".to_owned(),
        "a!".to_owned(),
    ] {
        let quoted = local.replace('\\', "\\\\");
        client.expect(&format!("RCPT TO:<\"{quoted}\"@d.test>"), "450");
    }
    assert!(!Path::new(&mark).exists());
    server
        .program
        .wait_for("cannot be passed to such a program");
}

#[test]
fn a_pid_file_and_a_port_belong_to_one_process() {
    let (work, spool) = (Scratch::new_on_disk(), Scratch::new());
    let pid = work.join("relay.pid");
    let number = || {
        fs::read_to_string(&pid)
            .unwrap()
            .trim()
            .parse::<u32>()
            .unwrap()
    };
    let fails = |options: &[&str]| {
        let path = spool.path().to_str().unwrap();
        let (status, _, text) = run(&[&["--no-daemon", "-s", path], options].concat());
        assert_ne!(status, 0, "{text}");
        text
    };
    let server = Server::start(&spool, &["--pid-file", &pid]);
    assert_eq!(number(), server.program.id());
    let text = fails(&["-p", "0", "--pid-file", &pid]);
    assert!(text.contains("is running already"), "{text}");
    fails(&["-I", "127.0.0.1", "-p", &server.port.to_string()]);
    drop(server);
    // What a dead one has left is replaced.
    let server = Server::start(&spool, &["--pid-file", &pid]);
    assert_eq!(number(), server.program.id());
}

#[test]
fn a_log_file_can_be_read_and_moved_away() {
    let (work, spool) = (Scratch::new_on_disk(), Scratch::new());
    let (log, moved) = (work.join("relay.log"), work.join("relay.log.1"));
    let mut command = Command::new(program());
    command.args([
        "--no-daemon",
        "--log",
        "-v",
        "-I",
        "127.0.0.1",
        "-p",
        "0",
        "--log-file",
        &log,
    ]);
    command.arg("-s").arg(spool.path());
    let _program = Program::spawn_command(command);
    let until = Instant::now() + PATIENCE;
    while !fs::read_to_string(&log).is_ok_and(|text| text.contains("smtp server on ")) {
        assert!(Instant::now() < until, "{:?}", fs::read_to_string(&log));
        thread::sleep(Duration::from_millis(20));
    }
    fs::rename(&log, &moved).unwrap();
    assert!(fs::metadata(&moved).unwrap().len() > 0);
}

#[test]
fn paths_may_be_relative_to_the_program_or_have_odd_names() {
    let work = Scratch::new();
    for folder in ["a b", "R&D 100%"] {
        let spool = work.path().join(folder);
        fs::create_dir(&spool).unwrap();
        let mut command = Command::new(program());
        command.args([
            "--no-daemon",
            "--log",
            "--no-syslog",
            "-v",
            "-I",
            "127.0.0.1",
            "-p",
            "0",
        ]);
        let program = Program::spawn_command({
            command.arg("-s").arg(&spool);
            command
        });
        let line = program.wait_for("smtp server on ");
        let port = line.rsplit(':').next().unwrap().trim().parse().unwrap();
        submit(port, "a@b.test", &["c@d.test"], MESSAGE);
        assert_eq!(fs::read_dir(&spool).unwrap().count(), 2);
    }
    let (status, _, text) = run(&[
        "--check",
        "--as-server",
        "--no-daemon",
        "-s",
        "C:\\",
        "--filter=@app\\none.exe",
    ]);
    assert!(status != 0 && text.contains("debug\\\\none.exe"), "{text}");
    let (status, _, text) = run(&[
        "--check",
        "--as-server",
        "--no-daemon",
        "--spool-dir=C:\\none",
    ]);
    assert!(status != 0 && text.contains("C:\\\\none"), "{text}");
}

#[test]
fn what_only_other_systems_have_is_refused() {
    for (option, expected) in [
        ("--address-verifier=account:", "--address-verifier"),
        ("--interface=fd#3", "fd#3"),
        ("--sandbox", "sandbox"),
    ] {
        let (status, _, text) = run(&[
            "--as-server",
            "--no-daemon",
            "-p",
            "0",
            "-s",
            "C:\\",
            option,
        ]);
        assert!(status != 0 && text.contains(expected), "{option}: {text}");
    }
}

#[test]
fn a_password_is_hashed_as_elsewhere() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_emailrelay-passwd"));
    let ran = run_with_input(&mut command, b"secret\n");
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(
        !ran.output.trim().is_empty() && !ran.output.contains("secret"),
        "{ran:?}"
    );
}
