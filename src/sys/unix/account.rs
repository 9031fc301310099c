//! Users by getpwnam(3).

use std::ffi::CString;
use std::io;
use std::ptr;

/// The first size of the buffer that an entry is read into, in octets.
const ENTRY_MIN: usize = 1024;

/// The largest: no sensible entry is longer.
const ENTRY_MAX: usize = 256 << 10;

pub(in crate::sys) fn user_id(name: &str) -> io::Result<Option<u32>> {
    let Ok(name) = CString::new(name) else {
        return Ok(None);
    };
    // SAFETY: all of its fields are integers and pointers, for which zero is a value.
    let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
    let mut buffer = vec![0; ENTRY_MIN];
    loop {
        let mut found = ptr::null_mut();
        // SAFETY: the pointers are to a string that ends in NUL and to live variables,
        // and the length is that of the buffer.
        let result = unsafe {
            libc::getpwnam_r(
                name.as_ptr(),
                &raw mut entry,
                buffer.as_mut_ptr(),
                buffer.len(),
                &raw mut found,
            )
        };
        match result {
            0 => return Ok((!found.is_null()).then_some(entry.pw_uid)),
            libc::ERANGE if buffer.len() < ENTRY_MAX => buffer.resize(buffer.len() * 2, 0),
            libc::EINTR => {}
            // POSIX leaves open how a system says that there is none.
            libc::ENOENT | libc::ESRCH | libc::EBADF | libc::EPERM => return Ok(None),
            code => return Err(io::Error::from_raw_os_error(code)),
        }
    }
}
