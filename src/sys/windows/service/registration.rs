//! Making a service known to the manager, and having it forgotten.

use std::ffi::{OsStr, OsString, c_void};
use std::io;
use std::path::Path;
use std::ptr;

use crate::sys::service::Definition;
use crate::sys::windows::advapi as ffi;
use crate::sys::windows::syslog;
use crate::sys::windows::wide::wide;

/// The account of least privilege: it is nobody to other hosts, and may write only
/// where it has been allowed to.
const ACCOUNT: &str = "NT AUTHORITY\\LocalService";

/// When the program is started again once it has died, in milliseconds: after the
/// first time, the second, and any other.
const RESTARTS: [u32; 3] = [5_000, 30_000, 120_000];

/// When its earlier deaths are forgotten, in seconds.
const RESTARTS_RESET: u32 = 24 * 60 * 60;

/// A handle of the manager or of a service, closed in the end.
struct Handle(*mut c_void);

impl Handle {
    fn new(handle: *mut c_void) -> io::Result<Handle> {
        match handle.is_null() {
            true => Err(io::Error::last_os_error()),
            false => Ok(Handle(handle)),
        }
    }

    /// The manager of this system.
    fn manager(access: u32) -> io::Result<Handle> {
        // SAFETY: what is null may be.
        Handle::new(unsafe { ffi::OpenSCManagerW(ptr::null(), ptr::null(), access) })
    }

    fn change(&self, level: u32, info: *const c_void) -> io::Result<()> {
        // SAFETY: the handle is open, and each caller has the structure that the level
        // asks for behind the pointer.
        check(unsafe { ffi::ChangeServiceConfig2W(self.0, level, info) })
    }

    fn delete(&self) -> io::Result<()> {
        // SAFETY: the handle is open.
        check(unsafe { ffi::DeleteService(self.0) })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle is open, and used no more.
        unsafe { ffi::CloseServiceHandle(self.0) };
    }
}

pub(in crate::sys) fn install(definition: &Definition<'_>) -> io::Result<()> {
    let manager = Handle::manager(ffi::SC_MANAGER_CONNECT | ffi::SC_MANAGER_CREATE_SERVICE)?;
    let name = wide(OsStr::new(definition.name))?;
    let display_name = wide(OsStr::new(definition.display_name))?;
    let command = wide(&command(definition.program))?;
    let account = wide(OsStr::new(ACCOUNT))?;
    // Empty, as the system asks for where an account has none.
    let password = [0u16];
    let access = ffi::SERVICE_CHANGE_CONFIG | ffi::SERVICE_START | ffi::DELETE;
    // SAFETY: the handle is open, all texts end in a NUL, and what is null may be.
    let service = Handle::new(unsafe {
        ffi::CreateServiceW(
            manager.0,
            name.as_ptr(),
            display_name.as_ptr(),
            access,
            ffi::SERVICE_WIN32_OWN_PROCESS,
            ffi::SERVICE_AUTO_START,
            ffi::SERVICE_ERROR_NORMAL,
            command.as_ptr(),
            ptr::null(),
            ptr::null_mut(),
            ptr::null(),
            account.as_ptr(),
            password.as_ptr(),
        )
    })?;
    let result = describe(&service, definition.description)
        .and_then(|()| restart_when_dead(&service))
        .and_then(|()| syslog::register_source(definition.name));
    if result.is_err() {
        // The first error is the one to tell.
        let _ = service.delete();
        let _ = syslog::forget_source(definition.name);
    }
    result
}

pub(in crate::sys) fn remove(name: &str) -> io::Result<()> {
    let manager = Handle::manager(ffi::SC_MANAGER_CONNECT)?;
    let wide_name = wide(OsStr::new(name))?;
    // SAFETY: the handle is open and the name ends in a NUL.
    let service = unsafe { ffi::OpenServiceW(manager.0, wide_name.as_ptr(), ffi::DELETE) };
    Handle::new(service)?.delete()?;
    syslog::forget_source(name)
}

/// The program as a command, in quotes: without them a program whose path is the first
/// word of this one would be run in its place.
fn command(program: &Path) -> OsString {
    let mut command = OsString::from("\"");
    command.push(program);
    command.push("\"");
    command
}

fn describe(service: &Handle, description: &str) -> io::Result<()> {
    let mut text = wide(OsStr::new(description))?;
    let info = ffi::SERVICE_DESCRIPTIONW {
        lpDescription: text.as_mut_ptr(),
    };
    service.change(ffi::SERVICE_CONFIG_DESCRIPTION, (&raw const info).cast())
}

/// A service that ends by itself, with whatever status, has not died.
fn restart_when_dead(service: &Handle) -> io::Result<()> {
    let mut actions = RESTARTS.map(|delay| ffi::SC_ACTION {
        Type: ffi::SC_ACTION_RESTART,
        Delay: delay,
    });
    let info = ffi::SERVICE_FAILURE_ACTIONSW {
        dwResetPeriod: RESTARTS_RESET,
        lpRebootMsg: ptr::null_mut(),
        lpCommand: ptr::null_mut(),
        cActions: u32::try_from(actions.len()).map_err(io::Error::other)?,
        lpsaActions: actions.as_mut_ptr(),
    };
    service.change(
        ffi::SERVICE_CONFIG_FAILURE_ACTIONS,
        (&raw const info).cast(),
    )
}

fn check(result: ffi::BOOL) -> io::Result<()> {
    match result {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_run_by_their_whole_path() {
        let path = Path::new("C:\\Program Files\\E-MailRelay\\emailrelay-service.exe");
        let quoted = "\"C:\\Program Files\\E-MailRelay\\emailrelay-service.exe\"";
        assert_eq!(command(path), quoted);
    }

    #[test]
    fn what_is_no_name_of_a_service_is_an_error() {
        let error = remove("emailrelay-no-such-service").unwrap_err();
        // ERROR_SERVICE_DOES_NOT_EXIST
        assert_eq!(error.raw_os_error(), Some(1060), "{error}");
        assert!(remove("a\0b").is_err());
    }
}
