//! Landlock for files, seccomp for system calls; both by number, since the C library
//! has no functions for them.

use std::io;

use crate::sys::sandbox::Folders;

#[cfg(all(
    target_os = "linux",
    target_endian = "little",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod landlock;
#[cfg(all(
    target_os = "linux",
    target_endian = "little",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod seccomp;

#[cfg(all(
    target_os = "linux",
    target_endian = "little",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub(in crate::sys) fn enter(folders: &Folders) -> io::Result<()> {
    super::privileges::forbid_new_privileges()?;
    landlock::restrict(folders)?;
    seccomp::restrict()
}

#[cfg(not(all(
    target_os = "linux",
    target_endian = "little",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
pub(in crate::sys) fn enter(_folders: &Folders) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[cfg(test)]
mod tests;
