//! Limits, descriptors and names.

use std::ffi::{CStr, c_int};
use std::io;
use std::os::fd::RawFd;

use super::fork;
pub(in crate::sys) use super::names::canonical_name;
use super::signal;

const NOWHERE: &CStr = c"/dev/null";

/// More descriptors than this are of no use to us, and every filter program
/// inherits the limit: some close all descriptors up to it, one by one.
const DESCRIPTORS_MAX: libc::rlim_t = 65_536;

/// POSIX: host names have at most 255 octets.
const HOST_NAME_MAX: usize = 255;

pub(in crate::sys) fn host_name() -> Option<String> {
    let mut buffer = [0u8; HOST_NAME_MAX + 1];
    // SAFETY: the pointer and the length are those of a live buffer, without its
    // last octet: the system may leave a name that it cuts without an end.
    let result = unsafe { libc::gethostname(buffer.as_mut_ptr().cast(), HOST_NAME_MAX) };
    if result != 0 {
        return None;
    }
    let name = CStr::from_bytes_until_nul(&buffer).ok()?;
    Some(name.to_string_lossy().into_owned())
}

// POSIX: a signal that is ignored or blocked stays so when programs are started, and an
// ignored SIGCHLD has no zombies made. Others may be ignored on purpose, as by nohup.
pub(in crate::sys) fn hear_signals() -> io::Result<()> {
    signal::set_action(libc::SIGCHLD, libc::SIG_DFL)?;
    signal::unblock_all()
}

pub(in crate::sys) fn raise_descriptor_limit() -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the pointer is to a live variable.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } != 0 {
        return u64::MAX;
    }
    let mut wanted = limit.rlim_max.min(DESCRIPTORS_MAX);
    // Some systems allow less than the limit that they show.
    while wanted > limit.rlim_cur && !set_descriptor_limit(wanted, limit.rlim_max) {
        wanted /= 2;
    }
    // The type is signed on some systems.
    #[allow(clippy::useless_conversion)]
    wanted.max(limit.rlim_cur).try_into().unwrap_or(u64::MAX)
}

fn set_descriptor_limit(rlim_cur: libc::rlim_t, rlim_max: libc::rlim_t) -> bool {
    let limit = libc::rlimit { rlim_cur, rlim_max };
    // SAFETY: the pointer is to a live variable.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) == 0 }
}

pub(in crate::sys) fn forbid_core_dumps() -> io::Result<()> {
    let none = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the pointer is to a live variable.
    check(unsafe { libc::setrlimit(libc::RLIMIT_CORE, &none) })
}

pub(in crate::sys) fn set_umask(mode: u32) -> u32 {
    // mode_t has 16 bits on some systems; a mask has 9.
    let mask =
        libc::mode_t::try_from(mode & 0o777).expect("invariant: nine bits fit into every mode_t");
    // SAFETY: the call takes no pointers and cannot fail.
    let earlier = unsafe { libc::umask(mask) };
    #[allow(clippy::useless_conversion)]
    u32::from(earlier)
}

pub(in crate::sys) fn close_standard_error() -> io::Result<()> {
    fork::close_standard(libc::STDERR_FILENO)
}

pub(in crate::sys) fn ensure_standard_descriptors() -> io::Result<()> {
    for fd in [libc::STDIN_FILENO, libc::STDOUT_FILENO, libc::STDERR_FILENO] {
        // SAFETY: the call takes no pointers.
        if unsafe { libc::fcntl(fd, libc::F_GETFD) } != -1 {
            continue;
        }
        // SAFETY: the path is a string that ends in NUL. The lowest number that is
        // free is this one, and the descriptor is meant to stay open.
        check(unsafe { libc::open(NOWHERE.as_ptr(), libc::O_RDWR) })?;
    }
    Ok(())
}

pub(in crate::sys) fn keep_descriptors() {
    let first = libc::STDERR_FILENO + 1;
    if fork::have_closed(first, RawFd::MAX, fork::When::AtStart) {
        return;
    }
    for fd in first..descriptors_end() {
        // SAFETY: the call takes no pointers; where there is no such descriptor it
        // fails and nothing happens.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}

/// The number after the last that a new descriptor may have.
pub(super) fn descriptors_end() -> c_int {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the pointer is to a live variable.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } != 0 {
        limit.rlim_cur = DESCRIPTORS_MAX;
    }
    c_int::try_from(limit.rlim_cur.min(DESCRIPTORS_MAX)).unwrap_or(c_int::MAX)
}

pub(in crate::sys) fn close_standard_input_and_output() -> io::Result<()> {
    for fd in [libc::STDIN_FILENO, libc::STDOUT_FILENO] {
        fork::close_standard(fd)?;
    }
    Ok(())
}

pub(in crate::sys) fn is_root() -> bool {
    // SAFETY: the call takes no arguments and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Gives the error of a call that says -1.
fn check(result: c_int) -> io::Result<()> {
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
