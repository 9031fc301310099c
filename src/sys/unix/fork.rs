//! Processes without a program of their own, and what passes between them: the
//! system calls of the daemon and of the monitor.

use std::ffi::c_int;
use std::fs::File;
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::ptr;

use super::process::descriptors_end;

/// Which side of a fork this is.
pub(super) enum Fork {
    /// The one that was there before, and the number of the other one.
    Parent(libc::pid_t),
    /// The new one.
    Child,
}

/// Room for one descriptor beside the octets of a message.
const CONTROL_OCTETS: usize = 64;

/// Aligned as the headers in it have to be.
#[repr(C, align(16))]
struct Control([u8; CONTROL_OCTETS]);

/// Copies the process.
///
/// # Safety
///
/// There must be no other thread: it would be missing in the copy, with all that
/// it has locked.
pub(super) unsafe fn fork() -> io::Result<Fork> {
    // SAFETY: by the caller's promise; the call takes no arguments.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        child => Ok(Fork::Parent(child)),
    }
}

/// Ends the process at once; nothing is dropped.
pub(super) fn exit(status: u8) -> ! {
    // SAFETY: the call takes no pointers and does not return.
    unsafe { libc::_exit(c_int::from(status)) }
}

/// Waits for a child to end, and gives the status as a shell would.
pub(super) fn wait(child: libc::pid_t) -> u8 {
    loop {
        if let Some(status) = look(child, 0) {
            return status;
        }
    }
}

/// The same if it has ended already.
pub(super) fn ended(child: libc::pid_t) -> Option<u8> {
    look(child, libc::WNOHANG)
}

fn look(child: libc::pid_t, flags: c_int) -> Option<u8> {
    let mut status = 0;
    // SAFETY: the pointer is to a live variable.
    match unsafe { libc::waitpid(child, &mut status, flags) } {
        0 => return None,
        -1 if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => return None,
        -1 => return Some(1),
        _ => {}
    }
    let status = match libc::WIFEXITED(status) {
        true => libc::WEXITSTATUS(status),
        false => 128 + libc::WTERMSIG(status),
    };
    Some(u8::try_from(status).unwrap_or(u8::MAX))
}

/// Sends a signal to a child that has not been waited for.
pub(super) fn signal(child: libc::pid_t, signal: c_int) {
    // SAFETY: the call takes no pointers, and the number is that child's until it
    // has been waited for.
    unsafe { libc::kill(child, signal) };
}

/// Sends a signal to such a child and to all of its process group, if it has made one.
pub(super) fn signal_with_group(child: libc::pid_t, number: c_int) {
    signal(-child, number);
    signal(child, number);
}

/// Leaves the terminal and the process group of whoever started us.
pub(super) fn new_session() -> io::Result<()> {
    // SAFETY: the call takes no arguments.
    match unsafe { libc::setsid() } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Closes all descriptors but the standard ones and these. Whatever owned one of
/// them must never be dropped.
pub(super) fn close_others(mut keep: Vec<RawFd>) {
    keep.sort_unstable();
    let mut first = libc::STDERR_FILENO + 1;
    for kept in keep.into_iter().chain([RawFd::MAX]) {
        if first < kept {
            close_range(first, kept - 1);
        }
        first = kept.saturating_add(1);
    }
}

fn close_range(first: RawFd, last: RawFd) {
    if have_closed(first, last, When::Now) {
        return;
    }
    for fd in first..=last.min(descriptors_end()) {
        // SAFETY: the call takes no pointers; nobody uses the descriptor again, by the
        // promise of the caller's caller, and where there is none nothing happens.
        unsafe { libc::close(fd) };
    }
}

/// When descriptors are closed.
#[derive(Clone, Copy)]
pub(super) enum When {
    /// At once; nobody may use them again.
    Now,
    /// As soon as a program is started in the process.
    AtStart,
}

/// Has the system close all descriptors from the first to the last, those included that
/// are above their limit, which may have been lowered since; says whether it can do that.
pub(super) fn have_closed(first: RawFd, last: RawFd, when: When) -> bool {
    #[cfg(target_os = "linux")]
    {
        let flags = match when {
            When::Now => 0,
            When::AtStart => libc::CLOSE_RANGE_CLOEXEC,
        };
        // SAFETY: the call takes no pointers; nobody uses what is closed again, as the
        // caller says.
        unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) == 0 }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (first, last, when);
        false
    }
}

/// Puts the null device in the place of a standard stream.
pub(super) fn close_standard(fd: RawFd) -> io::Result<()> {
    let device = File::options().read(true).write(true).open("/dev/null");
    let nowhere = match device {
        Ok(device) => OwnedFd::from(device),
        Err(error) if error.kind() == io::ErrorKind::NotFound => half_a_pipe(fd)?,
        Err(error) => return Err(error),
    };
    // SAFETY: the call takes no pointers. The descriptor is a standard one, which
    // stays usable.
    match unsafe { libc::dup2(nowhere.as_raw_fd(), fd) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// A pipe whose other end is closed, for a root without devices: nothing comes out of
/// it, and what is written into it is an error that nobody heeds.
fn half_a_pipe(fd: RawFd) -> io::Result<OwnedFd> {
    let (reader, writer) = io::pipe()?;
    Ok(match fd {
        libc::STDIN_FILENO => reader.into(),
        _ => writer.into(),
    })
}

/// Sends octets, and a copy of a descriptor with them.
pub(super) fn send(socket: &UnixStream, octets: &[u8], file: Option<&File>) -> io::Result<()> {
    let mut part = libc::iovec {
        iov_base: octets.as_ptr().cast_mut().cast(),
        iov_len: octets.len(),
    };
    let mut control = Control([0; CONTROL_OCTETS]);
    // SAFETY: integers and pointers, for which zeros are a value.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    if let Some(file) = file {
        put_descriptor(&mut message, &mut control, file.as_raw_fd());
    }
    // SAFETY: the message points to live variables of the lengths that it says.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &message, 0) };
    match usize::try_from(sent) {
        Ok(count) if count == octets.len() => Ok(()),
        Ok(_) => Err(io::ErrorKind::WriteZero.into()),
        Err(_) => Err(io::Error::last_os_error()),
    }
}

#[allow(clippy::cast_possible_truncation)] // the length of one descriptor
fn put_descriptor(message: &mut libc::msghdr, control: &mut Control, fd: RawFd) {
    const LENGTH: u32 = mem::size_of::<RawFd>() as u32;
    message.msg_control = control.0.as_mut_ptr().cast();
    // SAFETY: the macros only compute, and the buffer is aligned and larger than
    // what they say, so that the header and the descriptor lie within it.
    unsafe {
        message.msg_controllen = libc::CMSG_SPACE(LENGTH) as _;
        let header = libc::CMSG_FIRSTHDR(message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(LENGTH) as _;
        ptr::write_unaligned(libc::CMSG_DATA(header).cast(), fd);
    }
}

/// Receives up to so many octets, and a descriptor if there is one with them.
pub(super) fn receive(
    socket: &UnixStream,
    octets: &mut [u8],
) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut part = libc::iovec {
        iov_base: octets.as_mut_ptr().cast(),
        iov_len: octets.len(),
    };
    let mut control = Control([0; CONTROL_OCTETS]);
    // SAFETY: integers and pointers, for which zeros are a value.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = CONTROL_OCTETS as _;
    let count = loop {
        // SAFETY: the message points to live variables of the lengths that it says.
        let count = unsafe { libc::recvmsg(socket.as_raw_fd(), &mut message, FLAGS) };
        match usize::try_from(count) {
            Ok(count) => break count,
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    };
    Ok((count, take_descriptor(&message)?))
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
const FLAGS: c_int = libc::MSG_CMSG_CLOEXEC;
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
const FLAGS: c_int = 0;

fn take_descriptor(message: &libc::msghdr) -> io::Result<Option<OwnedFd>> {
    // SAFETY: the macros read headers within the buffer, as far as the system has
    // filled it. A descriptor in it is new, and nobody else knows it.
    let fd = unsafe {
        let header = libc::CMSG_FIRSTHDR(message);
        if header.is_null()
            || (*header).cmsg_level != libc::SOL_SOCKET
            || (*header).cmsg_type != libc::SCM_RIGHTS
        {
            return Ok(None);
        }
        OwnedFd::from_raw_fd(ptr::read_unaligned(libc::CMSG_DATA(header).cast()))
    };
    // SAFETY: the call takes no pointers. For systems without the flag above.
    match unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(Some(fd)),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;
    use crate::sys::testing::TempDir;

    #[test]
    fn descriptors_travel_with_octets() {
        let directory = TempDir::new();
        let path = directory.join("f");
        std::fs::write(&path, "content").unwrap();
        let (one, other) = UnixStream::pair().unwrap();
        send(&one, b"abcd", Some(&File::open(&path).unwrap())).unwrap();
        send(&one, b"efgh", None).unwrap();
        let mut octets = [0; 4];
        let (count, fd) = receive(&other, &mut octets).unwrap();
        assert_eq!((count, &octets), (4, b"abcd"));
        let mut text = String::new();
        File::from(fd.unwrap()).read_to_string(&mut text).unwrap();
        assert_eq!(text, "content");
        let (count, fd) = receive(&other, &mut octets).unwrap();
        assert_eq!((count, &octets, fd.is_some()), (4, b"efgh", false));
        drop(one);
        assert_eq!(receive(&other, &mut octets).unwrap().0, 0);
    }

    #[test]
    fn half_a_pipe_is_as_silent_as_the_null_device() {
        let mut input = File::from(half_a_pipe(libc::STDIN_FILENO).unwrap());
        assert_eq!(input.read(&mut [0; 10]).unwrap(), 0);
        let mut output = File::from(half_a_pipe(libc::STDOUT_FILENO).unwrap());
        let error = output.write(b"text").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_reader_that_wants_octets_alone_gets_no_descriptors() {
        let (one, mut other) = UnixStream::pair().unwrap();
        let file = File::open("/dev/null").unwrap();
        send(&one, b"a", Some(&file)).unwrap();
        (&one).write_all(b"b").unwrap();
        let mut octets = [0; 2];
        other.read_exact(&mut octets).unwrap();
        assert_eq!(&octets, b"ab");
    }
}
