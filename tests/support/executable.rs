//! Programs that tests put somewhere and then have run.
//!
//! Another process writes them. A program that some other test is just starting might
//! hold open what this process writes, and the system runs nothing that is open for
//! writing ("text file busy").

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use super::program::Scratch;

/// Puts a shell script there.
pub(crate) fn script(directory: &Scratch, name: &str, text: &str) -> String {
    let path = directory.join(name);
    let text = format!("#!/bin/sh\n{text}");
    write("cat >\"$0\" && chmod 755 \"$0\"", &[path.as_ref()], &text);
    path
}

/// Puts a copy of a program there.
pub(crate) fn copy(program: &Path, to: &Path) {
    write("cp \"$1\" \"$0\"", &[to.as_ref(), program.as_ref()], "");
}

fn write(command: &str, arguments: &[&OsStr], text: &str) {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).args(arguments);
    let mut writer = shell.stdin(Stdio::piped()).spawn().unwrap();
    writer
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    assert!(writer.wait().unwrap().success());
}
