//! The error number of this thread. Both functions may be called in a signal handler.

use std::ffi::c_int;

// What the C library calls the function that tells where the number is.
#[cfg(any(target_os = "solaris", target_os = "illumos"))]
use libc::___errno as location;
#[cfg(any(target_os = "openbsd", target_os = "netbsd", target_os = "android"))]
use libc::__errno as location;
#[cfg(any(target_os = "linux", target_os = "dragonfly", target_os = "hurd"))]
use libc::__errno_location as location;
#[cfg(any(target_os = "freebsd", target_vendor = "apple"))]
use libc::__error as location;

pub(super) fn get() -> c_int {
    // SAFETY: the C library gives a valid pointer to this thread's own number.
    unsafe { *location() }
}

pub(super) fn set(number: c_int) {
    // SAFETY: as above.
    unsafe { *location() = number };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_number_of_the_last_error() {
        set(libc::EPIPE);
        assert_eq!(get(), libc::EPIPE);
        let error = std::io::Error::last_os_error();
        assert_eq!(error.raw_os_error(), Some(libc::EPIPE));
        set(0);
        assert_eq!(get(), 0);
    }
}
