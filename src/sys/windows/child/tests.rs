use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use crate::sys::child::{End, Ended, Order, run};
use crate::sys::testing::{LONG, TempDir};

use super::*;

/// Writes a script with the ends of lines that scripts have here.
fn script(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    folder.write(name, text.replace('\n', "\r\n"))
}

fn run_for(program: &Path, arguments: &[&str], timeout: Duration) -> io::Result<Ended> {
    let arguments: Vec<_> = arguments
        .iter()
        .map(|one| one.as_bytes().to_vec())
        .collect();
    run(&Order {
        program,
        arguments: &arguments,
        output_max: 10_000,
        timeout: Some(timeout),
        cancelled: &AtomicBool::new(false),
    })
}

fn lines(ended: &Ended) -> Vec<String> {
    let text = String::from_utf8_lossy(&ended.output).into_owned();
    text.lines()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

#[test]
fn batch_files_have_their_arguments_and_say_how_they_end() {
    let folder = TempDir::new();
    let script = script(
        &folder,
        "f.bat",
        "@echo off\necho [%~1]\necho [%~2]\necho [%~3]\nexit 7\n",
    );
    let arguments = ["a b", "", "o'brien;x,(y)=z@example.com"];
    let ended = run_for(&script, &arguments, LONG).unwrap();
    assert_eq!(ended.end, End::Exited(7));
    assert_eq!(
        lines(&ended),
        ["[a b]", "[]", "[o'brien;x,(y)=z@example.com]"]
    );
    let refused = run_for(&script, &["a&exit 0"], LONG).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn the_environment_has_nothing_of_ours() {
    let folder = TempDir::new();
    let script = script(&folder, "f.bat", "@set\n");
    let ended = run_for(&script, &[], LONG).unwrap();
    let names: Vec<_> = lines(&ended)
        .iter()
        .filter_map(|line| Some(line.split_once('=')?.0.to_ascii_lowercase()))
        .collect();
    assert!(names.iter().any(|name| name == "path"), "{names:?}");
    for ours in [
        "cargo_manifest_dir",
        "userprofile",
        "username",
        "computername",
    ] {
        assert!(!names.iter().any(|name| name == ours), "{names:?}");
    }
}

#[test]
fn what_a_late_program_has_started_ends_with_it() {
    let folder = TempDir::new();
    let mark = folder.join("mark");
    script(
        &folder,
        "inner.bat",
        &format!(
            "@ping -n 3 127.0.0.1 >nul\n@echo x> \"{}\"\n",
            mark.display()
        ),
    );
    let script = script(
        &folder,
        "f.bat",
        "@start /b cmd /c \"%~dp0inner.bat\"\n@echo begun\n@ping -n 60 127.0.0.1 >nul\n",
    );
    let begun = Instant::now();
    let ended = run_for(&script, &[], Duration::from_millis(700)).unwrap();
    assert_eq!(ended.end, End::TimedOut);
    assert!(begun.elapsed() < LONG);
    thread::sleep(Duration::from_secs(3));
    assert!(!mark.exists());
}

#[test]
fn an_endless_program_is_stopped_by_its_output() {
    let folder = TempDir::new();
    let script = script(
        &folder,
        "f.bat",
        "@echo off\n:again\necho aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\ngoto again\n",
    );
    let ended = run_for(&script, &[], LONG).unwrap();
    assert_eq!(
        (ended.end, ended.output.len()),
        (End::TooMuchOutput, 10_000)
    );
}

#[test]
fn scripts_are_for_the_script_host() {
    let folder = TempDir::new();
    let script = script(
        &folder,
        "f.js",
        "WScript.Echo(WScript.Arguments.length + \":\" + WScript.Arguments(0));\nWScript.Quit(5);\n",
    );
    let ended = run_for(&script, &["a b"], LONG).unwrap();
    assert_eq!(ended.end, End::Exited(5));
    let refused = run_for(&script, &["//E:vbscript"], LONG).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn a_program_that_is_not_there_is_an_error() {
    assert!(run_for(Path::new("C:\\no such\\f.exe"), &[], LONG).is_err());
}
