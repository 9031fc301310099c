//! Connections that are refused: WSAPoll says nothing of them before Windows 10,
//! version 2004. There `select` is asked now and then, which does.

use std::io;
use std::ptr;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::super::ffi;
use super::{RawEntry, WRITE, poll, ready};

/// The build of Windows whose WSAPoll reports failed connections.
const FIXED_BUILD: u32 = 19_041;

/// How long a refused connection goes unnoticed at most.
const LOOK_MS: i32 = 100;

/// Whether this system's WSAPoll reports failed connections.
pub(super) fn are_reported() -> bool {
    static REPORTED: OnceLock<bool> = OnceLock::new();
    *REPORTED.get_or_init(|| {
        let mut version = ffi::OSVERSIONINFOW::new();
        // SAFETY: the pointer is to a live structure that says how large it is.
        let status = unsafe { ffi::RtlGetVersion(&mut version) };
        status == 0 && version.build >= FIXED_BUILD
    })
}

/// As [`poll`], for systems where they are not.
pub(super) fn wait(entries: &mut [RawEntry], timeout_ms: i32) -> io::Result<usize> {
    if !entries.iter().any(is_connecting) {
        return poll(entries, timeout_ms);
    }
    let timeout = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
    let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    loop {
        mark_failed(entries)?;
        if ready(entries) > 0 {
            // What else is ready is found out without waiting.
            let failed: Vec<bool> = entries.iter().map(|one| one.reported() != 0).collect();
            poll(entries, 0)?;
            for (entry, _) in entries.iter_mut().zip(failed).filter(|(_, failed)| *failed) {
                entry.0.revents |= ffi::POLLERR;
            }
            return Ok(ready(entries));
        }
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let left_ms = left.map(|left| i32::try_from(left.as_nanos().div_ceil(1_000_000)));
        let slice = left_ms.map_or(LOOK_MS, |left| {
            left.map_or(LOOK_MS, |left| left.min(LOOK_MS))
        });
        if poll(entries, slice)? > 0 || left == Some(Duration::ZERO) {
            return Ok(ready(entries));
        }
    }
}

/// Whether somebody waits for a connection to be made. A connected socket has a peer.
fn is_connecting(entry: &RawEntry) -> bool {
    if entry.0.events & WRITE == 0 {
        return false;
    }
    let mut address = [0_u8; ffi::SOCKADDR_STORAGE_OCTETS];
    let mut length = ffi::SOCKADDR_STORAGE_LENGTH;
    // SAFETY: the pointers are to a live buffer and to its length.
    unsafe { ffi::getpeername(entry.0.fd, address.as_mut_ptr().cast(), &mut length) != 0 }
}

/// Has the entries report those connections that have failed.
fn mark_failed(entries: &mut [RawEntry]) -> io::Result<()> {
    let mut connecting: Vec<&mut RawEntry> = entries
        .iter_mut()
        .filter(|entry| is_connecting(entry))
        .collect();
    for group in connecting.chunks_mut(ffi::FD_SETSIZE) {
        let mut failed = ffi::fd_set::new();
        for (place, entry) in failed.sockets.iter_mut().zip(group.iter()) {
            *place = entry.0.fd;
            failed.count += 1;
        }
        let at_once = ffi::timeval {
            seconds: 0,
            micros: 0,
        };
        // SAFETY: the set is live and exclusively borrowed, with as many sockets as it
        // says; null sets are not looked at, and the time is only read.
        let count =
            unsafe { ffi::select(0, ptr::null_mut(), ptr::null_mut(), &mut failed, &at_once) };
        if count < 0 {
            return Err(super::super::socket::last_error());
        }
        let failed = failed
            .sockets
            .iter()
            .take(usize::try_from(failed.count).unwrap_or(0));
        for socket in failed {
            for entry in group.iter_mut().filter(|entry| entry.0.fd == *socket) {
                entry.0.revents = ffi::POLLERR;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::sys::address::Address;
    use crate::sys::socket::Stream;
    use crate::sys::testing::await_that;
    use crate::sys::windows::poll::READ;

    const LONG_MS: i32 = 60_000;

    fn entry(stream: &Stream) -> RawEntry {
        RawEntry::new(stream.raw(), READ | WRITE)
    }

    #[test]
    fn a_refused_connection_is_found_without_the_help_of_wsapoll() {
        let refusing = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let stream = Stream::connect(&Address::Tcp(refusing), None).unwrap();
        let mut entries = [entry(&stream)];
        await_that("the connection is refused", || {
            mark_failed(&mut entries).unwrap();
            entries[0].reported() != 0
        });
        assert_eq!(entries[0].reported(), ffi::POLLERR);
        assert!(stream.take_error().unwrap().is_some());
        entries[0].forget();
        assert_eq!(wait(&mut entries, LONG_MS).unwrap(), 1);
    }

    #[test]
    fn a_connection_that_is_made_is_none_of_them() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::Tcp(listener.local_addr().unwrap());
        let stream = Stream::connect(&address, None).unwrap();
        let mut entries = [entry(&stream)];
        assert_eq!(wait(&mut entries, LONG_MS).unwrap(), 1);
        assert_eq!(entries[0].reported() & super::super::TROUBLE, 0);
        assert!(!is_connecting(&entries[0]));
        entries[0].forget();
        mark_failed(&mut entries).unwrap();
        assert_eq!(entries[0].reported(), 0);
        // With nothing to wait for the time passes.
        let mut idle = [RawEntry::new(stream.raw(), READ)];
        let start = Instant::now();
        assert_eq!(wait(&mut idle, 20).unwrap(), 0);
        assert!(start.elapsed() >= Duration::from_millis(20));
    }
}
