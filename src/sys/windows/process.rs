//! Names and handles; there are no limits, masks or root here.

use std::io;

use super::{daemon, ffi};

/// More than any name of a host has, and the NUL.
const HOST_NAME_MAX: usize = 256;

pub(in crate::sys) fn host_name() -> Option<String> {
    let mut buffer = [0u16; HOST_NAME_MAX];
    let mut length = u32::try_from(buffer.len()).ok()?;
    // SAFETY: the pointer and the length are those of a live buffer.
    let result = unsafe {
        ffi::GetComputerNameExW(
            ffi::COMPUTER_NAME_DNS_HOSTNAME,
            buffer.as_mut_ptr(),
            &mut length,
        )
    };
    if result == 0 {
        return None;
    }
    let name = buffer.get(..usize::try_from(length).ok()?)?;
    Some(String::from_utf16_lossy(name))
}

/// The name service knows no more than the system does.
pub(in crate::sys) fn canonical_name(_host: &str) -> Option<String> {
    None
}

pub(in crate::sys) fn raise_descriptor_limit() -> u64 {
    u64::MAX
}

pub(in crate::sys) fn forbid_core_dumps() -> io::Result<()> {
    Ok(())
}

pub(in crate::sys) fn set_umask(_mode: u32) -> u32 {
    0
}

pub(in crate::sys) fn close_standard_error() -> io::Result<()> {
    daemon::set_standard_error("NUL")
}

/// Nothing keeps whoever started the program waiting for these.
pub(in crate::sys) fn close_standard_input_and_output() -> io::Result<()> {
    Ok(())
}

/// Handles are not numbered from zero, and std copes with ones that are missing.
pub(in crate::sys) fn ensure_standard_descriptors() -> io::Result<()> {
    Ok(())
}

/// Handles are inherited only where that was asked for, which whoever has started us may
/// have done for the standard ones.
pub(in crate::sys) fn keep_descriptors() {
    for which in [
        ffi::STD_INPUT_HANDLE,
        ffi::STD_OUTPUT_HANDLE,
        ffi::STD_ERROR_HANDLE,
    ] {
        // SAFETY: the calls take no pointers but a handle, which the system checks. One
        // that is missing cannot be inherited either.
        unsafe { ffi::SetHandleInformation(ffi::GetStdHandle(which), ffi::HANDLE_FLAG_INHERIT, 0) };
    }
}

/// None can be blocked, and processes are there for as long as we have their handle.
pub(in crate::sys) fn hear_signals() -> io::Result<()> {
    Ok(())
}

pub(in crate::sys) fn is_root() -> bool {
    false
}
