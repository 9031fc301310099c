//! Another process without a console, or with one of its own, that is started as this
//! one was. By its standard error, a pipe, it says what there is to say before it
//! serves, and then how the start has gone: a NUL, which no line has in it, and the
//! status.

use std::ffi::c_void;
use std::fs::File;
use std::io::{self, Read, Write};
use std::mem::ManuallyDrop;
use std::os::windows::io::{FromRawHandle, IntoRawHandle};
use std::os::windows::process::CommandExt;
use std::process::{Command, Stdio};

use super::ffi;
use crate::sys::daemon::{self, Detached, Launch};

/// The variable that tells the process that it is the one in the background.
const MARK: &str = "_EMAILRELAY_BACKGROUND";

/// What comes before the status.
const END: u8 = 0;

/// Where the process in the background is told of.
#[derive(Debug, Default)]
pub(in crate::sys) struct Pipe(Option<Way>);

#[derive(Debug)]
struct Way {
    /// Standard error as the process was given it. It stays open: the log may be about
    /// to write to it.
    pipe: *mut c_void,
    /// What standard error is in the end.
    later: &'static str,
}

impl Pipe {
    /// Says how the start has gone. What is written to standard error then is for the
    /// window, if there is one.
    pub(in crate::sys) fn tell(&mut self, status: u8) {
        let Some(Way { pipe, later }) = self.0.take() else {
            return;
        };
        // SAFETY: the handle is open to the end, and is not closed here.
        let mut file = ManuallyDrop::new(unsafe { File::from_raw_handle(pipe.cast()) });
        // Whoever started us may have gone; we have not been told to.
        let _ = file.write_all(&[END, status]);
        // SAFETY: the call takes no pointers.
        let is_still_there = unsafe { ffi::GetStdHandle(ffi::STD_ERROR_HANDLE) } == pipe;
        if is_still_there {
            // Where that fails, lines go to a pipe that nobody reads.
            let _ = set_standard_error(later);
        }
    }
}

pub(in crate::sys) fn detach(window: bool) -> io::Result<Detached> {
    match std::env::var_os(MARK) {
        None => start(window).map(Detached::Over),
        Some(_) => go_on(window).map(|pipe| Detached::Here(Launch::new(pipe))),
    }
}

/// Starts the process, and waits until it serves or has failed.
fn start(window: bool) -> io::Result<u8> {
    keep_streams();
    let (reader, writer) = io::pipe()?;
    let console = match window {
        true => ffi::CREATE_NEW_CONSOLE,
        false => ffi::DETACHED_PROCESS,
    };
    Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .env(MARK, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(writer)
        .creation_flags(console)
        .spawn()?;
    Ok(await_status(reader, &mut io::stderr()))
}

/// Keeps our own streams from the process: whoever reads them would wait for its end.
fn keep_streams() {
    for which in [
        ffi::STD_INPUT_HANDLE,
        ffi::STD_OUTPUT_HANDLE,
        ffi::STD_ERROR_HANDLE,
    ] {
        // SAFETY: the calls take no pointers. What is missing cannot be inherited.
        unsafe { ffi::SetHandleInformation(ffi::GetStdHandle(which), ffi::HANDLE_FLAG_INHERIT, 0) };
    }
}

/// Passes on what the process says, until it says how the start has gone.
fn await_status(mut reader: impl Read, errors: &mut impl Write) -> u8 {
    let mut buffer = [0; 1024];
    loop {
        let said = match reader.read(&mut buffer) {
            Ok(0) | Err(_) => return daemon::lost(),
            Ok(count) => buffer.get(..count).unwrap_or_default(),
        };
        let end = said.iter().position(|octet| *octet == END);
        let (text, rest) = said.split_at(end.unwrap_or(said.len()));
        // Whoever started us may not listen.
        let _ = errors.write_all(text);
        match rest {
            [] => {}
            [_, status, ..] => return *status,
            [_] => {
                let mut status = [0];
                return match reader.read_exact(&mut status) {
                    Ok(()) => status[0],
                    Err(_) => daemon::lost(),
                };
            }
        }
    }
}

/// Goes on as the process in the background.
fn go_on(window: bool) -> io::Result<Pipe> {
    // SAFETY: on this system any thread may change the environment at any time.
    unsafe { std::env::remove_var(MARK) };
    // The root of the drive. Paths were made absolute before.
    std::env::set_current_dir("\\")?;
    // SAFETY: the call takes no pointers.
    let pipe = unsafe { ffi::GetStdHandle(ffi::STD_ERROR_HANDLE) };
    // SAFETY: the calls take no pointers. Programs that we start have no use for it.
    unsafe { ffi::SetHandleInformation(pipe, ffi::HANDLE_FLAG_INHERIT, 0) };
    let later = if window { "CONOUT$" } else { "NUL" };
    Ok(Pipe(Some(Way { pipe, later })))
}

/// Opens a device as standard error.
pub(super) fn set_standard_error(device: &str) -> io::Result<()> {
    let device = File::options().write(true).open(device)?;
    // SAFETY: the handle is open, and is never closed since nobody owns it now.
    match unsafe { ffi::SetStdHandle(ffi::STD_ERROR_HANDLE, device.into_raw_handle().cast()) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one piece at a time.
    struct Pieces(Vec<&'static [u8]>);

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.is_empty() {
                true => Ok(0),
                false => self.0.remove(0).read(buffer),
            }
        }
    }

    #[test]
    fn what_is_said_is_passed_on_until_the_status() {
        for (pieces, expected) in [
            (vec![&b"one\ntwo\n\0\x02"[..]], ("one\ntwo\n", 2)),
            (
                vec![b"one\n", b"two\n", b"\0", b"\0more"],
                ("one\ntwo\n", 0),
            ),
            (vec![b"one\n\0\x07more"], ("one\n", 7)),
            (vec![b"one\n"], ("one\n", 1)),
            (vec![b"one\n\0"], ("one\n", 1)),
            (vec![], ("", 1)),
        ] {
            let mut said = Vec::new();
            let status = await_status(Pieces(pieces), &mut said);
            assert_eq!(
                (String::from_utf8(said).unwrap().as_str(), status),
                expected
            );
        }
    }

    #[test]
    fn the_status_is_told_once() {
        let (reader, writer) = io::pipe().unwrap();
        let way = Way {
            pipe: std::os::windows::io::AsRawHandle::as_raw_handle(&writer).cast(),
            later: "NUL",
        };
        let mut pipe = Pipe(Some(way));
        pipe.tell(2);
        pipe.tell(0);
        drop(writer);
        assert_eq!(await_status(reader, &mut Vec::new()), 2);
        Pipe::default().tell(3);
    }
}
