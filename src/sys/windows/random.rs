//! The random numbers of the system's preferred generator.

use std::io;

use super::ffi;

pub(in crate::sys) fn fill(buffer: &mut [u8]) -> io::Result<()> {
    let length = u32::try_from(buffer.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the pointer and the length are those of one live, exclusively
    // borrowed slice; the null handle goes with the flag.
    let status = unsafe {
        ffi::BCryptGenRandom(
            std::ptr::null_mut(),
            buffer.as_mut_ptr(),
            length,
            ffi::BCRYPT_USE_SYSTEM_PREFERRED_RNG,
        )
    };
    if status == 0 {
        Ok(())
    } else {
        Err(io::ErrorKind::Other.into())
    }
}
