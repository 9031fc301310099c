//! getrandom(2), and the device that every Unix has.

use std::fs::File;
use std::io::{self, Read};

pub(in crate::sys) fn fill(buffer: &mut [u8]) -> io::Result<()> {
    match from_kernel(buffer) {
        Ok(()) => Ok(()),
        // Kernels before 3.17 do not have the call, and sandboxes may forbid it.
        Err(_) => from_device(buffer),
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn from_kernel(buffer: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        // SAFETY: the pointer and the length are those of one live, exclusively
        // borrowed slice.
        let got = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
        match usize::try_from(got) {
            Ok(count) => filled += count,
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => {}
                error => return Err(error),
            },
        }
    }
    Ok(())
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn from_kernel(_buffer: &mut [u8]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

fn from_device(buffer: &mut [u8]) -> io::Result<()> {
    File::open("/dev/urandom")?.read_exact(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_device_fills_all_of_the_buffer() {
        let mut buffer = [0; 100_000];
        from_device(&mut buffer).unwrap();
        assert!(
            buffer
                .chunks(32)
                .all(|chunk| chunk.iter().any(|octet| *octet != 0))
        );
    }
}
