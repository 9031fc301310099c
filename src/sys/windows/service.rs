//! A service as the service control manager has it run: the manager calls
//! [`service_main`] on a thread of its own, tells [`handle_control`] what is wanted, and is
//! told by a status how far things are.

mod registration;

use std::ffi::{OsString, c_void};
use std::io;
use std::os::windows::ffi::OsStringExt;
use std::ptr;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::advapi as ffi;
use crate::sys::signal::{self, Request};
pub(in crate::sys) use registration::{install, remove};

/// How long the start may take until the manager takes it for stuck.
const START_MAX: Duration = Duration::from_secs(60);

/// The longest name of a service, in units of UTF-16.
const NAME_MAX: usize = 256;

/// How far things are; it never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Starting,
    Running,
    Stopping,
    Stopped(u8),
}

/// What is to be run, and how long it may take to end.
struct Body {
    run: fn(&str) -> u8,
    stop_max: Duration,
}

static BODY: OnceLock<Body> = OnceLock::new();

/// What the manager has been told.
static TOLD: Mutex<Option<Told>> = Mutex::new(None);

struct Told {
    /// What the manager knows the service by.
    handle: *mut c_void,
    phase: Phase,
}

// SAFETY: the handle is a number that the manager gave to the process; any thread may
// use it, one at a time because of the lock around it.
unsafe impl Send for Told {}

pub(in crate::sys) fn serve(run: fn(&str) -> u8, stop_max: Duration) -> io::Result<u8> {
    BODY.set(Body { run, stop_max })
        .map_err(|_| io::Error::from(io::ErrorKind::AlreadyExists))?;
    // The only service of a process has its name from the manager.
    let mut name = [0u16];
    let table = [
        ffi::SERVICE_TABLE_ENTRYW {
            lpServiceName: name.as_mut_ptr(),
            lpServiceProc: Some(service_main),
        },
        ffi::SERVICE_TABLE_ENTRYW {
            lpServiceName: ptr::null_mut(),
            lpServiceProc: None,
        },
    ];
    // SAFETY: the table ends in an empty entry, and it and the name, which ends in a
    // NUL, live until the call returns, when the service has stopped.
    if unsafe { ffi::StartServiceCtrlDispatcherW(table.as_ptr()) } == 0 {
        let error = io::Error::last_os_error();
        return match error.raw_os_error() {
            Some(ffi::ERROR_FAILED_SERVICE_CONTROLLER_CONNECT) => {
                Err(io::ErrorKind::NotConnected.into())
            }
            _ => Err(error),
        };
    }
    match told().as_ref().map(|told| told.phase) {
        Some(Phase::Stopped(status)) => Ok(status),
        _ => Err(io::Error::other("the service was never run")),
    }
}

/// Tells the manager that the service serves; nobody is told where it is none.
pub(super) fn tell_running() {
    tell(Phase::Running);
}

/// Tells the manager that the service is about to end.
pub(super) fn tell_stopping() {
    tell(Phase::Stopping);
}

/// Runs the body. A panic ends the process here, which the manager sees.
unsafe extern "system" fn service_main(count: u32, words: *mut *mut u16) {
    let body = BODY.get().expect("invariant: set before the manager calls");
    let name = match count {
        0 => String::new(),
        // SAFETY: the manager gives as many words as it says, each of which ends in a
        // NUL; they live until this returns.
        _ => unsafe { text(*words) },
    };
    let empty = [0u16];
    // SAFETY: the name ends in a NUL, is not looked at for the only service of a
    // process, and the handler is a function of the type that is asked for.
    let handle = unsafe {
        ffi::RegisterServiceCtrlHandlerExW(empty.as_ptr(), Some(handle_control), ptr::null_mut())
    };
    if handle.is_null() {
        // There is no way to say so; the manager takes the service for stopped.
        return;
    }
    let starting = Told {
        handle,
        phase: Phase::Starting,
    };
    set_status(&starting, body.stop_max);
    *told() = Some(starting);
    let status = (body.run)(&name);
    tell(Phase::Stopped(status));
}

/// Called on the thread of [`serve`]; returns at once.
unsafe extern "system" fn handle_control(
    control: u32,
    _kind: u32,
    _data: *mut c_void,
    _context: *mut c_void,
) -> u32 {
    match control {
        ffi::SERVICE_CONTROL_STOP | ffi::SERVICE_CONTROL_SHUTDOWN => {
            tell(Phase::Stopping);
            signal::catch(Request::Terminate);
            ffi::NO_ERROR
        }
        ffi::SERVICE_CONTROL_PARAMCHANGE => {
            signal::catch(Request::Reload);
            ffi::NO_ERROR
        }
        // The manager has the status already.
        ffi::SERVICE_CONTROL_INTERROGATE => ffi::NO_ERROR,
        _ => ffi::ERROR_CALL_NOT_IMPLEMENTED,
    }
}

fn told() -> std::sync::MutexGuard<'static, Option<Told>> {
    // No step leaves it half changed.
    TOLD.lock().unwrap_or_else(PoisonError::into_inner)
}

fn tell(phase: Phase) {
    let Some(body) = BODY.get() else { return };
    if let Some(told) = told().as_mut()
        && told.phase < phase
    {
        told.phase = phase;
        set_status(told, body.stop_max);
    }
}

fn set_status(told: &Told, stop_max: Duration) {
    let status = status(told.phase, stop_max);
    // SAFETY: the handle is the manager's, and the status lives. That it cannot be told
    // is of no use to anybody here: the manager sees how the process ends.
    unsafe { ffi::SetServiceStatus(told.handle, &status) };
}

/// A phase as the manager is told of it.
fn status(phase: Phase, stop_max: Duration) -> ffi::SERVICE_STATUS {
    let (state, wait) = match phase {
        Phase::Starting => (ffi::SERVICE_START_PENDING, START_MAX),
        Phase::Running => (ffi::SERVICE_RUNNING, Duration::ZERO),
        Phase::Stopping => (ffi::SERVICE_STOP_PENDING, stop_max),
        Phase::Stopped(_) => (ffi::SERVICE_STOPPED, Duration::ZERO),
    };
    let controls = match phase {
        Phase::Running => {
            ffi::SERVICE_ACCEPT_STOP
                | ffi::SERVICE_ACCEPT_SHUTDOWN
                | ffi::SERVICE_ACCEPT_PARAMCHANGE
        }
        _ => 0,
    };
    let (code, specific) = match phase {
        Phase::Stopped(status) if status != 0 => (ffi::ERROR_SERVICE_SPECIFIC_ERROR, status),
        _ => (ffi::NO_ERROR, 0),
    };
    ffi::SERVICE_STATUS {
        dwServiceType: ffi::SERVICE_WIN32_OWN_PROCESS,
        dwCurrentState: state,
        dwControlsAccepted: controls,
        dwWin32ExitCode: code,
        dwServiceSpecificExitCode: specific.into(),
        // Each phase is one step, so there is nothing to count within it.
        dwCheckPoint: u32::from(wait > Duration::ZERO),
        dwWaitHint: u32::try_from(wait.as_millis()).unwrap_or(u32::MAX),
    }
}

/// Copies a text of the system's.
///
/// # Safety
///
/// It is null, or ends in a NUL, and does not change meanwhile.
unsafe fn text(start: *const u16) -> String {
    let mut units = Vec::new();
    while !start.is_null() && units.len() < NAME_MAX {
        // SAFETY: no NUL has been found yet, so this unit is within the text.
        let unit = unsafe { *start.add(units.len()) };
        if unit == 0 {
            break;
        }
        units.push(unit);
    }
    OsString::from_wide(&units).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STOP_MAX: Duration = Duration::from_secs(12);

    #[test]
    fn the_manager_learns_of_each_phase_what_it_has_to() {
        let of = |phase| {
            let status = status(phase, STOP_MAX);
            assert_eq!(status.dwServiceType, 0x10);
            let state = (status.dwCurrentState, status.dwControlsAccepted);
            let wait = (status.dwCheckPoint, status.dwWaitHint);
            let code = (status.dwWin32ExitCode, status.dwServiceSpecificExitCode);
            (state, wait, code)
        };
        assert_eq!(of(Phase::Starting), ((2, 0), (1, 60_000), (0, 0)));
        assert_eq!(of(Phase::Running), ((4, 0b1101), (0, 0), (0, 0)));
        assert_eq!(of(Phase::Stopping), ((3, 0), (1, 12_000), (0, 0)));
        assert_eq!(of(Phase::Stopped(0)), ((1, 0), (0, 0), (0, 0)));
        assert_eq!(of(Phase::Stopped(2)), ((1, 0), (0, 0), (1066, 2)));
    }

    #[test]
    fn phases_go_one_way() {
        let all = [
            Phase::Starting,
            Phase::Running,
            Phase::Stopping,
            Phase::Stopped(0),
        ];
        assert!(all.is_sorted_by(|one, next| one < next));
    }

    #[test]
    fn controls_become_requests() {
        // SAFETY: the pointers are not looked at.
        let control = |code| unsafe { handle_control(code, 0, ptr::null_mut(), ptr::null_mut()) };
        for known in [1, 4, 5, 6] {
            assert_eq!(control(known), 0, "{known}");
        }
        // Pause, and one of a user's own.
        for unknown in [2, 128] {
            assert_eq!(control(unknown), 120, "{unknown}");
        }
    }

    #[test]
    fn texts_of_the_system_end_somewhere() {
        let endless = [120u16; NAME_MAX + 1];
        // SAFETY: each is null, ends in a NUL, or is longer than is looked at.
        unsafe {
            assert_eq!(text(ptr::null()), "");
            assert_eq!(text([109, 233, 0, 9].as_ptr()), "mé");
            assert_eq!(text(endless.as_ptr()).len(), NAME_MAX);
        }
    }
}
