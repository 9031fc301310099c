//! A job: a program with all that it starts, which ends when we do.

use std::ffi::c_void;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::process::Child;
use std::ptr;

use super::super::ffi;

/// How a program has ended that was killed.
const KILLED: u32 = 1;

/// `JOBOBJECT_EXTENDED_LIMIT_INFORMATION`, of which only the flags are used.
#[repr(C)]
#[derive(Default)]
struct Limits {
    times: [i64; 2],
    flags: u32,
    working_set: [usize; 2],
    processes: u32,
    affinity: usize,
    classes: [u32; 2],
    transfers: [u64; 6],
    memory: [usize; 4],
}

/// The class of `JOBOBJECT_EXTENDED_LIMIT_INFORMATION`.
const EXTENDED_LIMITS: i32 = 9;
const KILL_ON_JOB_CLOSE: u32 = 0x2000;

#[link(name = "kernel32")]
unsafe extern "system" {
    fn CreateJobObjectW(security: *const c_void, name: *const u16) -> *mut c_void;
    fn SetInformationJobObject(
        job: *mut c_void,
        class: i32,
        information: *const c_void,
        octets: u32,
    ) -> ffi::BOOL;
    fn AssignProcessToJobObject(job: *mut c_void, process: *mut c_void) -> ffi::BOOL;
    fn TerminateJobObject(job: *mut c_void, status: u32) -> ffi::BOOL;
}

/// Whatever is in it ends when it is closed, which the system does when we end.
pub(super) struct Job(OwnedHandle);

impl Job {
    pub(super) fn new() -> io::Result<Job> {
        // SAFETY: null pointers stand for no security attributes and no name.
        let handle = unsafe { CreateJobObjectW(ptr::null(), ptr::null()) };
        if handle.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the handle is new, so nobody else owns it.
        let job = Job(unsafe { OwnedHandle::from_raw_handle(handle) });
        job.set_flags(KILL_ON_JOB_CLOSE)?;
        Ok(job)
    }

    /// Takes a program in that was started suspended, and has it run.
    pub(super) fn take_in(&self, child: &Child) -> io::Result<()> {
        let process = child.as_raw_handle();
        // SAFETY: both handles are open as long as their owners are borrowed.
        check(unsafe { AssignProcessToJobObject(self.0.as_raw_handle(), process) })?;
        // SAFETY: as above.
        match unsafe { ffi::NtResumeProcess(process) } {
            0.. => Ok(()),
            _ => Err(io::Error::other("cannot resume the new process")),
        }
    }

    /// Ends all that is in it.
    pub(super) fn kill(&self) {
        // SAFETY: the handle is open. It fails only if there is nothing to end.
        unsafe { TerminateJobObject(self.0.as_raw_handle(), KILLED) };
    }

    /// Lets what is in it live on when it is closed.
    pub(super) fn let_go(&self) {
        // Otherwise it ends with the job, as it would if it were killed.
        let _ = self.set_flags(0);
    }

    fn set_flags(&self, flags: u32) -> io::Result<()> {
        let limits = Limits {
            flags,
            ..Limits::default()
        };
        let octets = u32::try_from(size_of::<Limits>()).map_err(io::Error::other)?;
        // SAFETY: the handle is open, and the pointer is to a live structure of the class
        // that is named and of that size.
        check(unsafe {
            SetInformationJobObject(
                self.0.as_raw_handle(),
                EXTENDED_LIMITS,
                (&raw const limits).cast(),
                octets,
            )
        })
    }
}

fn check(result: ffi::BOOL) -> io::Result<()> {
    match result {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
