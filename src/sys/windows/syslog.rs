//! The event log, by the name of a source of events; and what says in the registry
//! how their texts are shown.

use std::ffi::{OsStr, c_void};
use std::io;
use std::ptr;

use super::advapi as ffi;
use super::wide::{wide, wide_bounded};
use crate::base::log::Level;
use crate::sys::syslog::Entry;

/// Longer texts are cut, in units of UTF-16: the system takes 31839.
const TEXT_MAX: usize = 31_000;

/// Where sources are known from: each has a key of its name below this one.
const SOURCES: &str = "SYSTEM\\CurrentControlSet\\Services\\EventLog\\Application\\";

/// Has a message for each number that is nothing but the text of the event; it comes
/// with .NET, and so with Windows.
const MESSAGE_FILE: &str =
    "%SystemRoot%\\Microsoft.NET\\Framework64\\v4.0.30319\\EventLogMessages.dll";

/// A source of events.
pub(in crate::sys) struct Socket(*mut c_void);

// SAFETY: the handle belongs to the process and not to the thread that got it, and
// only the owner of this uses it.
unsafe impl Send for Socket {}

impl Socket {
    pub(in crate::sys) fn connect(program: &str) -> io::Result<Socket> {
        let source = wide(OsStr::new(program))?;
        // SAFETY: the server may be null, and the name ends in a NUL.
        let handle = unsafe { ffi::RegisterEventSourceW(ptr::null(), source.as_ptr()) };
        match handle.is_null() {
            true => Err(io::Error::last_os_error()),
            false => Ok(Socket(handle)),
        }
    }

    pub(in crate::sys) fn send(&self, entry: &Entry<'_>) -> io::Result<()> {
        let Some((kind, id)) = kind(entry.level) else {
            return Ok(());
        };
        let text = wide_bounded(&without_places(entry.text), TEXT_MAX);
        let texts = [text.as_ptr()];
        // SAFETY: the handle is open; there is one text, as it says, which ends in a
        // NUL; there is no user and there are no data.
        let done = unsafe {
            ffi::ReportEventW(
                self.0,
                kind,
                0,
                id,
                ptr::null(),
                1,
                0,
                texts.as_ptr(),
                ptr::null(),
            )
        };
        match done {
            0 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // SAFETY: the handle is open, and used no more.
        unsafe { ffi::DeregisterEventSource(self.0) };
    }
}

/// The type and number of events of that level; the event log gets no dialogues.
fn kind(level: Level) -> Option<(u16, u32)> {
    match level {
        Level::Debug | Level::Verbose => None,
        Level::Info => Some((ffi::EVENTLOG_INFORMATION_TYPE, 1001)),
        Level::Warning => Some((ffi::EVENTLOG_WARNING_TYPE, 1002)),
        Level::Error => Some((ffi::EVENTLOG_ERROR_TYPE, 1003)),
    }
}

/// A text in which nothing looks like a place to be filled in, which is a per cent sign
/// and a digit: the viewer would fill it in.
fn without_places(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii_digit() && shown.ends_with('%') {
            shown.push(' ');
        }
        shown.push(character);
    }
    shown
}

/// Has the event log show the texts of that source as they are.
pub(super) fn register_source(source: &str) -> io::Result<()> {
    let path = wide(OsStr::new(&format!("{SOURCES}{source}")))?;
    let mut key = ptr::null_mut();
    // SAFETY: the path ends in a NUL, what may be null is, and the last but one
    // pointer is to a live variable.
    check(unsafe {
        ffi::RegCreateKeyExW(
            ffi::HKEY_LOCAL_MACHINE,
            path.as_ptr(),
            0,
            ptr::null(),
            0,
            ffi::KEY_SET_VALUE,
            ptr::null(),
            &mut key,
            ptr::null_mut(),
        )
    })?;
    let file: Vec<u8> = wide(OsStr::new(MESSAGE_FILE))?
        .into_iter()
        .flat_map(u16::to_le_bytes)
        .collect();
    let types =
        ffi::EVENTLOG_ERROR_TYPE | ffi::EVENTLOG_WARNING_TYPE | ffi::EVENTLOG_INFORMATION_TYPE;
    let types = u32::from(types).to_le_bytes();
    let result = set_value(key, "EventMessageFile", ffi::REG_EXPAND_SZ, &file)
        .and_then(|()| set_value(key, "TypesSupported", ffi::REG_DWORD, &types));
    // SAFETY: the key is open, and used no more.
    unsafe { ffi::RegCloseKey(key) };
    result
}

/// Undoes [`register_source`]; it need not have been done.
pub(super) fn forget_source(source: &str) -> io::Result<()> {
    let path = wide(OsStr::new(&format!("{SOURCES}{source}")))?;
    // SAFETY: the path ends in a NUL.
    match unsafe { ffi::RegDeleteKeyW(ffi::HKEY_LOCAL_MACHINE, path.as_ptr()) } {
        ffi::ERROR_FILE_NOT_FOUND => Ok(()),
        status => check(status),
    }
}

fn set_value(key: *mut c_void, name: &str, kind: u32, data: &[u8]) -> io::Result<()> {
    let name = wide(OsStr::new(name))?;
    let length = u32::try_from(data.len()).map_err(io::Error::other)?;
    // SAFETY: the key is open, the name ends in a NUL, and the data are as long as it
    // says.
    check(unsafe { ffi::RegSetValueExW(key, name.as_ptr(), 0, kind, data.as_ptr(), length) })
}

fn check(status: i32) -> io::Result<()> {
    match status {
        0 => Ok(()),
        status => Err(io::Error::from_raw_os_error(status)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::WallClock;

    #[test]
    fn events_have_the_numbers_that_watchers_know() {
        for (level, expected) in [
            (Level::Debug, None),
            (Level::Verbose, None),
            (Level::Info, Some((4, 1001))),
            (Level::Warning, Some((2, 1002))),
            (Level::Error, Some((1, 1003))),
        ] {
            assert_eq!(kind(level), expected);
        }
    }

    #[test]
    fn nothing_is_filled_in_by_the_viewer() {
        for (text, expected) in [
            ("100% %s %%", "100% %s %%"),
            ("%1%%22% 3", "% 1%% 22% 3"),
            ("fe80::1%5", "fe80::1% 5"),
        ] {
            assert_eq!(without_places(text), expected);
        }
    }

    #[test]
    fn the_event_log_takes_lines_of_any_length() {
        let socket = Socket::connect("emailrelay-test").unwrap();
        for text in ["", "a line", &"\u{1f4e7}".repeat(TEXT_MAX)] {
            let entry = Entry {
                facility: 2,
                level: Level::Error,
                time: WallClock::default(),
                program: "emailrelay-test",
                text,
            };
            socket.send(&entry).unwrap();
        }
        assert!(Socket::connect("a\0b").is_err());
    }
}
