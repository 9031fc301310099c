use std::env;
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};

use super::*;
use crate::sys::testing::{alone, ourselves};

const HOW: &str = "EMAILRELAY_TEST_TERMINAL";
const NAME: &str = "sys::unix::terminal::tests::the_terminal_is_restored_however_it_ends";

/// Both ends of a terminal that exists only here.
fn terminal() -> (File, File) {
    let (mut master, mut slave) = (-1, -1);
    let null = ptr::null_mut();
    // SAFETY: the first two pointers are to live variables, and nothing else is
    // asked for.
    let result = unsafe {
        libc::openpty(
            &mut master,
            &mut slave,
            null,
            ptr::null_mut(),
            ptr::null_mut(),
        )
    };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
    // SAFETY: both were just opened and belong to nobody else.
    unsafe { (File::from_raw_fd(master), File::from_raw_fd(slave)) }
}

fn echoes(terminal: c_int) -> bool {
    // SAFETY: the structure is integers, for which zeros are a value.
    let mut state: libc::termios = unsafe { mem::zeroed() };
    // SAFETY: the pointer is to a live variable.
    assert_eq!(unsafe { libc::tcgetattr(terminal, &mut state) }, 0);
    state.c_lflag & libc::ECHO != 0
}

/// What runs in a process of its own, with a terminal for its standard input.
fn hide_and_end(how: &str) {
    assert!(echoes(libc::STDIN_FILENO));
    let hidden = Hidden::begin().unwrap();
    assert!(!echoes(libc::STDIN_FILENO));
    match how {
        "panic" => panic!("on purpose"),
        "drop" => {
            drop(hidden);
            assert!(echoes(libc::STDIN_FILENO));
            let hidden = Hidden::begin().unwrap();
            assert!(!echoes(libc::STDIN_FILENO));
            drop(hidden);
        }
        signal => {
            // SAFETY: the call takes no pointers.
            unsafe { libc::raise(signal.parse().unwrap()) };
            unreachable!("the signal ends the process");
        }
    }
}

fn run(how: &str, slave: &File) -> ExitStatus {
    ourselves()
        .args([NAME, "--exact", "--test-threads=1"])
        .env(HOW, how)
        .stdin(Stdio::from(slave.try_clone().unwrap()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap()
}

#[test]
fn the_terminal_is_restored_however_it_ends() {
    if let Ok(how) = env::var(HOW) {
        hide_and_end(&how);
        return;
    }
    let (_master, slave) = terminal();
    let is_restored = || echoes(slave.as_raw_fd());
    assert!(run("drop", &slave).success() && is_restored());
    assert!(run("panic", &slave).code().is_some_and(|code| code != 0) && is_restored());
    for signal in ENDING {
        let status = run(&signal.to_string(), &slave);
        assert_eq!(status.signal(), Some(signal));
        assert!(is_restored(), "signal {signal}");
    }
}

#[test]
fn fails_where_there_is_no_terminal() {
    let name = "sys::unix::terminal::tests::fails_where_there_is_no_terminal";
    alone(name, &[], || assert!(Hidden::begin().is_err()));
}
